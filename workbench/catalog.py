"""What can be chosen by name: the built-in models and image sets, and those of the user's own `workbench.toml`.

Reading the catalog needs neither torch nor an image, so that the first page stands at once.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workbench.errors import InputError
from workbench.files import JOURNAL_VARIABLE, Stamp, cache_folder, data_folder, open_file, stamp_of

CONFIG_VARIABLE, MODEL_VARIABLE, IMAGES_VARIABLE = "WORKBENCH_CONFIG", "WORKBENCH_MODEL", "WORKBENCH_IMAGES"
AUDIT_VARIABLE, READ_VARIABLE, BESIDE_VARIABLE = "WORKBENCH_AUDIT", "WORKBENCH_READ", "WORKBENCH_BESIDE"
SCHEMES = ("timm", "torchvision", "python", "package", "stamped-metal")
"""What may stand before a colon and makes something else than a path of a reference."""
SHIPPED_IN = "known"
"""The folder of the assets with the results that come with the package."""
PACKAGE = Path(__file__).resolve().parent
LARGEST_TEXT, LARGEST_TOML = 8 * 2**20, 2**20
"""In bytes."""
COLDEST, HOTTEST = 0.01, 100.0
"""Temperatures between which a model may be set."""
T = TypeVar("T", bound=BaseModel)


class Strict(BaseModel):
    """Entries of a TOML file, none of which may be unknown or infinite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelEntry(Strict):
    """A model that can be chosen by name.

    Attributes:
        title: Its name on the screen.
        ref: As for `load_classifier`; a path starts at the file that it stands in.
        about: One sentence about it.
        images: The image set that is shown with it at first, by its name.
    """

    title: str
    ref: str
    about: str = ""
    images: str | None = None


class ReadOptions(Strict):
    """How an image set is to be read, where the reader's own guess is wrong.

    Attributes:
        layout: The name of a layout (docs/images/index.md); none: it is recognised.
        root: The folder below the set where it begins, or where the paths of its table start.
        splits: What a folder's name or a table's word means: "train", "validation", "test", or "none" for no split.
        labels: The class that a label of the set stands for; "" leaves the images with this label out.
        columns: Which column of the table is its image, label, split, mask or group.
        table: The path of the table that lists the images, or a pattern of several; "none": no table.
        several: What an image with several labels in a table counts as: "all" of them, for a model of several labels,
            "leave_out", "first", or "none" for no label.
        masks: "auto", "none", or the path of a mask with {folder}, {name}, {stem} and {label} in it.
        mask_rule: What of a mask counts: "auto", "nonzero", "inverted", the lowest grey value inside, as "128", or the
            lowest and the highest, as "1-254".
        leave_out: Patterns of paths that are no part of the set, as "figures/*".
        window: The counts that are black and white in what is shown of images of more than 8 bits.
        names: How a zip's names are encoded, where it does not say so: "gbk", "cp932" and the like.
        group: Which images are not independent, read from names, as "name:lot{group}_*", or from the order of files, as
            "order:60" for 60 files each.

    Example:
        >>> options = wb.ReadOptions(labels={"functional": "good"})
        >>> wb.load_images("solar-cells", options=options).class_names
        ('good', 'defective')
    """

    layout: str | None = None
    root: str | None = None
    splits: Mapping[str, Literal["train", "validation", "test", "none"]] = Field(default_factory=dict)
    labels: Mapping[str, str] = Field(default_factory=dict)
    columns: Mapping[Literal["image", "label", "split", "mask", "group"], str] = Field(default_factory=dict)
    table: str | None = None
    several: Literal["all", "leave_out", "first", "none"] | None = None
    masks: str = "auto"
    mask_rule: str = "auto"
    leave_out: tuple[str, ...] = ()
    window: tuple[float, float] | None = None
    names: str | None = None
    group: str | None = None


class ImagesEntry(Strict):
    """An image set that can be chosen by name.

    Attributes:
        title: Its name on the screen.
        ref: As for `load_images`; a path starts at the file that it stands in.
        root: The folder that the paths of a manifest start at, where it is not the manifest's own.
        about: One sentence about it.
        licence: Under which its images may be used.
        synthetic: Whether its images are made, not photographed.
        read: How it is to be read, where that cannot be recognised.
    """

    title: str
    ref: str
    root: str | None = None
    about: str = ""
    licence: str = ""
    synthetic: bool = False
    read: ReadOptions = ReadOptions()


class Criteria(Strict):
    """What each check of the verdict is held against: on the bounds of its figures, not on estimates.

    Attributes:
        leaks: The most test images that may share a part or a group with training or validation images.
        labels: The largest share of the judged labels that may be suspected.
        support: The rate of mistakes that the test split must be large enough to rule out, were there none.
        worst_group: The largest gap between two classes or groups, as a share.
        maps: The largest share of maps that may fail their checks.
        fit: The largest share by which the model may be worse on images that it never saw.
        calibration: The largest calibration error.
        corruption: The largest share of what is caught that may turn under a corruption.
        overruled: The largest share of decisions that people may overrule.
    """

    leaks: int = Field(default=0, ge=0)
    labels: float = Field(default=0.05, ge=0, le=1)
    support: float = Field(default=0.05, ge=0, le=1)
    worst_group: float = Field(default=0.1, ge=0, le=1)
    maps: float = Field(default=0.2, ge=0, le=1)
    fit: float = Field(default=0.05, ge=0, le=1)
    calibration: float = Field(default=0.05, ge=0, le=1)
    corruption: float = Field(default=0.05, ge=0, le=1)
    overruled: float = Field(default=0.1, ge=0, le=1)


class Catalog(Strict):
    """Models and image sets by name, in the order that they are offered, and what verdicts are held against."""

    models: dict[str, ModelEntry] = Field(default_factory=dict)
    images: dict[str, ImagesEntry] = Field(default_factory=dict)
    criteria: Criteria = Criteria()


def shared(name: str = "") -> Path:
    """A file or folder of assets/, in a checkout or in an installed wheel."""
    return home() / "assets" / name


def of_version(path: Path, release: object) -> dict[str, Any] | None:
    """A table of rates that a bench wrote, where it is of this version of what was measured; else None."""
    if not path.exists():
        return None
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table if table["version"] == release else None


def shipped(name: str = "") -> Path:
    """A file or folder of the results that come with the package, laid out and named as in the user's cache.

    They are only read, and only where the cache has none of the same name: names are keys of all that a result depends
    on, so that one of other images, of another model or version is never found.
    """
    return shared(SHIPPED_IN) / name


def home() -> Path:
    """The folder that holds assets/, pages/ and .streamlit/: the checkout, or the package's own copy in a wheel."""
    checkout = PACKAGE.parent
    return checkout if (checkout / "assets" / "catalog.toml").exists() else PACKAGE / "_share"


def load_catalog() -> Catalog:
    """The built-in catalog, overlaid with the user's own.

    The user's file is the one that the environment variable WORKBENCH_CONFIG names, or `workbench.toml` in the working
    folder.

    Raises:
        InputError: A file is not valid; the message names the entry.
    """
    own = os.environ.get(CONFIG_VARIABLE)
    path = stored_path(own).absolute() if own else Path.cwd() / "workbench.toml"
    if own and not path.is_file():
        raise InputError(f"{CONFIG_VARIABLE} names {path}, which is not there: correct it or unset it.")
    return _merged(path, stamp_of(path)) if path.is_file() else _merged(None, None)


@lru_cache(maxsize=4)
def _merged(own: Path | None, stamp: Stamp | None) -> Catalog:
    built_in = _read(shared("catalog.toml"))
    if own is None:
        return built_in
    mine = _read(own)
    both = Catalog(
        models=mine.models | built_in.models | mine.models,
        images=mine.images | built_in.images | mine.images,
        criteria=mine.criteria,
    )
    for name, model in mine.models.items():
        if model.images is not None and model.images not in both.images:
            raise InputError(
                f"{own.name} is not valid at 'models.{name}.images' (there is no image set {model.images!r}): "
                f"use one of {', '.join(both.images)}."
            )
    return both


def _read(path: Path) -> Catalog:
    catalog = validated(Catalog, read_toml(path), path.name)
    base = path.parent
    return Catalog(
        models={k: v.model_copy(update={"ref": _anchored(v.ref, base)}) for k, v in catalog.models.items()},
        images={
            k: v.model_copy(update={"ref": _anchored(v.ref, base), "root": v.root and _anchored(v.root, base)})
            for k, v in catalog.images.items()
        },
        criteria=catalog.criteria,
    )


def stored_path(ref: str, base: Path | None = None) -> Path:
    """The path that `ref` means: `package:NAME/path` lies in an installed package, all else below `base`.

    Raises:
        InputError: It is not a path this system can hold, it leads out of the package, or that is not installed.
    """
    if ref.startswith("package:"):
        name, _, inside = ref.removeprefix("package:").partition("/")
        base, given = package_folder(name), PurePath(inside)
        if given.anchor or ".." in given.parts or inside.startswith("~"):
            raise InputError(f"{ref!r} leads out of the package {name}: name a path inside of it.")
        ref = inside
    try:
        path = (base or Path()) / Path(ref).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long, not permitted, an unknown ~user
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{ref!r} is not a path that can be opened ({why}): correct it.") from None
    return path


def package_folder(name: str) -> Path:
    """The folder of an installed package, found without importing anything.

    Raises:
        InputError: It is not installed, or not a folder.
    """
    spec = PathFinder.find_spec(name) if name.isidentifier() else None
    folders = list(spec.submodule_search_locations or ()) if spec and spec.origin else []
    if not folders:
        raise InputError(f"This needs the package {name}: run pip install 'explainability-workbench[demo]'.")
    return Path(folders[0])


def places() -> set[Path]:
    """The folders that this server was told of or keeps its own things in, as far as messages may name them."""
    of_models = (MODEL_VARIABLE, BESIDE_VARIABLE, AUDIT_VARIABLE)
    named = map(os.environ.get, (CONFIG_VARIABLE, *of_models, IMAGES_VARIABLE, JOURNAL_VARIABLE))
    return {
        Path.cwd(),
        Path.home(),
        home(),
        cache_folder(),
        data_folder(),
        *(Path(path).absolute().parent for path in named if path),
    }


def versions(names: Iterable[str]) -> dict[str, str | None]:
    """The installed release of each package; None where it is not installed."""
    found: dict[str, str | None] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def is_inside(path: Path, folder: Path) -> bool:
    """Whether `path` lies in `folder`, links followed."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, a path that no system can hold
        return False


def read_toml(path: Path) -> dict[str, object]:
    """The table in a TOML file.

    Raises:
        InputError: It is missing or not TOML.
    """
    if not os.path.lexists(path):
        raise InputError(f"There is no {path.name} in {path.parent}: add one (the README shows how).")
    try:
        return tomllib.loads(read_text(path, LARGEST_TOML))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:  # tomllib's own kind, and Python's for numbers of thousands of digits
        raise InputError(f"{path.name} is not valid TOML ({error}): correct that line.") from None


def read_text(path: Path, most: int = LARGEST_TEXT) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: It cannot be read, has more than `most` bytes, or is not UTF-8.
    """
    try:
        with open_file(path) as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise InputError(f"{path.name} has over {most / 2**20:,.0f} MB of text, which is the limit: shorten it.")
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise InputError(f"{path.name} is not text in UTF-8: save it as UTF-8.") from None
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be read ({error.strerror}): check the file and its permissions."
        ) from None


def validated(kind: type[T], table: dict[str, object], name: str) -> T:
    """`table` as `kind`, or an InputError that names the first entry that is wrong."""
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{name} is not valid at {where!r} ({first['msg']}): correct that entry.") from None


def scheme(ref: str) -> str | None:
    r"""Which of `SCHEMES` a reference begins with; None for a path, also one with colons of its own such as
    `C:\parts`."""
    before, colon, _ = ref.partition(":")
    return before if colon and before in SCHEMES else None


def place_of(ref: str) -> str:
    """Where an image set lies, told apart from another of the same name: in another catalog, or in another folder that
    a relative path starts at."""
    entry = load_catalog().images.get(ref)
    if entry is not None:
        return entry.ref
    return ref if scheme(ref) or ref.startswith("package:") else str(stored_path(ref).resolve())


def check_local(ref: str) -> None:
    """Refuse an address of the network, from which nothing is fetched."""
    if "://" in ref:
        raise InputError(
            f"{ref!r} is an address of the network, from which nothing is fetched: download it and give its path."
        )


def has_drive(part: str) -> bool:
    """Whether a part of a path starts like a Windows drive, as in `c:x`: there it leads out of any folder."""
    return len(part) > 1 and part[1] == ":" and part[0].isascii() and part[0].isalpha()


def _anchored(ref: str, base: Path) -> str:
    """Paths in a catalog start at its own folder; schemes and layouts stay as they are."""
    return ref if scheme(ref) or ref == "elpv" else str(stored_path(ref, base))
