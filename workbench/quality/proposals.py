"""What is proposed to change in a set, image by image, and the manifest that says it and can be trained on as it is."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from workbench.errors import InputError
from workbench.files import to_csv
from workbench.images import MASK_MARK, SPLITS, FileSource, ImageItem, ImageSet, Source, parts_of
from workbench.journal import folder_of
from workbench.predictions import FAMILY, GROUP
from workbench.quality.same_part import Families
from workbench.sets import PROPOSING, ROOT, SYNTHETIC

Change: TypeAlias = Literal["label", "split", "leave out"]
CHANGES = ("label", "split", "leave out")
"""What a proposal may change: the label or split of an image, or whether it is in the set at all."""


@dataclasses.dataclass(frozen=True)
class Proposal:
    """One change that is proposed.

    Attributes:
        image: Name of the image.
        what: One of `CHANGES`.
        before: The label or split as it is; None where there is none, and for "leave out".
        after: The label or split as it should be; None for "leave out".
        why: What speaks for it, for somebody who sees nothing else.

    Raises:
        InputError: The change is none of `CHANGES`, changes nothing, or is to no split that there is.

    Example:
        >>> from workbench.quality import Proposal
        >>> Proposal("cell0007.png", "split", "test", "train", "shows the part of cell0008.png").after
        'train'
    """

    image: str
    what: Change
    before: str | None
    after: str | None
    why: str

    def __post_init__(self) -> None:
        if self.what not in CHANGES:
            raise InputError(f"A proposal changes one of {', '.join(CHANGES)}, not {self.what!r}.")
        if (self.what == "leave out") != (self.after is None):
            raise InputError(f"The proposal for {self.image} leaves it out or names what it should be: give either.")
        if self.what != "leave out" and self.before == self.after:
            raise InputError(f"The proposal for {self.image} changes nothing: it is {self.after!r} already.")
        if self.what == "split" and self.after not in SPLITS:
            raise InputError(f"{self.after!r} is no split: propose one of {', '.join(SPLITS)} for {self.image}.")


def manifest(
    images: ImageSet,
    proposals: Iterable[Proposal] = (),
    accepted: Iterable[Proposal] = (),
    *,
    families: Families | None = None,
    root: Path | None = None,
) -> str:
    """The set as a table that `load_images`, `workbench train` and `workbench audit` read as it is.

    Columns: `image`, `label`, `split`, `family`, `group`, `mask` where there are any, the set's attributes, and
    `proposed label`, `proposed split` and `why`, which are told and not read. What is accepted stands in `label` and
    `split`, and an image that it leaves out has no row. Paths start at `folder_of(images)`; the file belongs there
    unless `root` says so in a column.

    Args:
        images: The set.
        proposals: What is proposed.
        accepted: What is to hold: also what is not among `proposals`.
        families: Which images show one part; where missing, what the set itself says.
        root: The folder that paths start at, where the file is to lie elsewhere.

    Raises:
        InputError: A proposal is about no image of the set or no longer fits it, two accepted ones contradict each
            other, or they leave nothing.
    """
    accepted = list(dict.fromkeys(accepted))
    every = list(dict.fromkeys((*proposals, *accepted)))
    values, about = _values(accepted), defaultdict[str, list[Proposal]](list)
    for proposal in every:
        _check(images, proposal)
        about[proposal.image].append(proposal)
    folder = folder_of(images)
    masks = any(item.mask is not None for item in images)
    own = {item.name: item.attributes.get(FAMILY) for item in images}
    family = own if families is None else own | families.by_name
    rest = [name for name in images.attribute_names if name not in (GROUP, FAMILY)]
    header = ["image", "label", "split", FAMILY, GROUP, *(["mask"] if masks else [])]
    header += [
        *([SYNTHETIC] if images.synthetic else []),
        *map(_attribute, rest),
        *PROPOSING,
        *([ROOT] if root else []),
    ]
    rows = []
    for item in images:
        if (item.name, "leave out") in values:
            continue
        label = values.get((item.name, "label"), item.label)
        split = values.get((item.name, "split"), item.split)
        cells: list[object] = [_place(item, folder), label, split, family.get(item.name), item.attributes.get(GROUP)]
        cells += [_mask(item, folder)] if masks else []
        cells += ["yes"] if images.synthetic else []
        cells += [item.attributes.get(name) for name in rest]
        rows.append([*cells, *_told(about[item.name]), *([str(root)] if root else [])])
    if not rows:
        raise InputError(f"Every image of {images.name} is left out: accept fewer of the proposals.")
    return to_csv(header, rows)


def home_of(images: ImageSet) -> Path | None:
    """The folder on disk that holds all images and masks of a set, so that a table can name them; None where there is
    none, as for a zip."""
    folder = folder_of(images)
    return None if any(item.mask is not None and _mask(item, folder) is None for item in images) else folder


def write_manifest(
    path: Path,
    images: ImageSet,
    proposals: Iterable[Proposal] = (),
    accepted: Iterable[Proposal] = (),
    *,
    families: Families | None = None,
) -> None:
    """Write `manifest` to a file anywhere, so that it can be read where it lies.

    A set in a folder on this machine stays there, and the table says where; of other sets, as of a zip, the images and
    masks are copied into the folder of the table. Nothing that belongs to the set is changed.

    Raises:
        InputError: As `manifest`, or a file of this name is already there.
    """
    if path.exists():
        raise InputError(f"{path.name} is already there and may be the ground truth of a set: name a new file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = home_of(images)
    if folder is None:
        folder = path.parent
        images = dataclasses.replace(images, items=tuple(_copied(item, path.parent) for item in images))
    root = None if folder.resolve() == path.parent.resolve() else folder.resolve()
    path.write_text(manifest(images, proposals, accepted, families=families, root=root), encoding="utf-8", newline="")


def _check(images: ImageSet, proposal: Proposal) -> None:
    item = images.by_name.get(proposal.image)
    if item is None:
        raise InputError(f"{images.name} has no image {proposal.image!r}: look for what to change in this set again.")
    now = {"label": item.label, "split": item.split}.get(proposal.what)
    if proposal.what != "leave out" and now != proposal.before:
        raise InputError(
            f"The proposal for {proposal.image} says that its {proposal.what} is {proposal.before!r}, but it is {now!r}"
            " now: look for what to change in this set again."
        )


def _values(accepted: Iterable[Proposal]) -> dict[tuple[str, str], str | None]:
    """What is to hold, by image and what is changed."""
    values: dict[tuple[str, str], str | None] = {}
    for proposal in accepted:
        at = proposal.image, proposal.what
        if values.setdefault(at, proposal.after) != proposal.after:
            raise InputError(
                f"{proposal.image} is to get two {proposal.what}s, {values[at]!r} and {proposal.after!r}: accept one."
            )
    return values


def _told(own: Sequence[Proposal]) -> tuple[object, object, object]:
    """The cells of `PROPOSING` of an image."""
    labels, splits = ({p.after: None for p in own if p.what == what} for what in ("label", "split"))
    if any(proposal.what == "leave out" for proposal in own):
        splits["leave out"] = None
    return _joined(labels), _joined(splits), "; ".join(dict.fromkeys(proposal.why for proposal in own)) or None


def _joined(values: Iterable[str | None]) -> str | None:
    return " or ".join(value for value in values if value) or None


def _attribute(name: str) -> str:
    """What the column of an attribute is called: otherwise where a column of the table's own is called so."""
    own = ("image", "label", "split", "mask", SYNTHETIC, ROOT, *PROPOSING)
    return f"{name} (attribute)" if name.strip().casefold() in own else name


def _place(item: ImageItem, folder: Path | None) -> str:
    return _below(item.source, folder) or item.name


def _mask(item: ImageItem, folder: Path | None) -> str | None:
    """The paths of the files of a mask, as a table names them; None where there is none, or any lies elsewhere."""
    paths = [_below(part, folder) for part in parts_of(item.mask)]
    return None if None in paths else MASK_MARK.join(path for path in paths if path) or None


def _below(source: Source, folder: Path | None) -> str | None:
    if folder is None or not isinstance(source, FileSource) or not source.path.is_relative_to(folder):
        return None
    return source.path.relative_to(folder).as_posix()


def _copied(item: ImageItem, folder: Path) -> ImageItem:
    """An image with copies of its file and of its mask below a folder."""
    path = _new(folder, item.name)
    path.write_bytes(item.source.read())
    mask: Source | None = None
    if (inside := item.open_mask()) is not None:
        from PIL import Image

        place = _new(folder, str(PurePosixPath("masks", PurePosixPath(item.name).with_suffix(".png"))))
        Image.fromarray(inside).convert("L").save(place)
        mask = FileSource(place)
    return dataclasses.replace(item, source=FileSource(path), mask=mask)


def _new(folder: Path, name: str) -> Path:
    path = folder / name.replace("\\", "/")
    if not path.resolve().is_relative_to(folder.resolve()) or path.exists():
        raise InputError(f"A copy of {name} cannot be written beside the table: name a new, empty folder for it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
