"""Is everything there that the workbench needs: packages, files, models, image sets, and one real prediction?"""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.catalog import Catalog, home, load_catalog, shared, versions
from workbench.errors import InputError
from workbench.models import is_hub, read_spec, weights_path
from workbench.version import __version__

if TYPE_CHECKING:
    from workbench.images import ImageSet
    from workbench.models import Classifier

CHECKED = (
    "streamlit",
    "torch",
    "torchvision",
    "captum",
    "timm",
    "numpy",
    "pandas",
    "pillow",
    "pyarrow",
    "safetensors",
)
FILES = ("pages", "assets/catalog.toml", ".streamlit/config.toml")


@dataclasses.dataclass(frozen=True)
class Check:
    """One line of the examination.

    Attributes:
        name: What was looked at.
        passed: Whether it is as it should be.
        text: What is there, or what is wrong and what to do.
    """

    name: str
    passed: bool
    text: str


def examine() -> Iterator[Check]:
    """Look at everything, one check after the other; a failed one does not stop the next."""
    yield _check("packages", _packages)
    yield _check("files", _files)
    yield _check("device", _device)
    catalog = Catalog()

    def read() -> str:
        nonlocal catalog
        catalog = load_catalog()
        return f"{len(catalog.models)} models, {len(catalog.images)} image sets"

    yield _check("catalog", read)
    sets: dict[str, ImageSet] = {}
    models: dict[str, Classifier] = {}
    for name in catalog.images:
        yield _check(f"images {name}", lambda name=name: _images(name, sets))  # type: ignore[misc]
    for name in catalog.models:
        yield _check(f"model {name}", lambda name=name: _model(name, catalog, models))  # type: ignore[misc]
    yield _check("prediction", lambda: _prediction(catalog, models, sets))


def _check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except InputError as error:
        return Check(name, False, str(error))
    except Exception as error:  # a broken installation fails in any way it likes; the examination goes on
        text = f"This failed with {type(error).__name__} ({error}): install the package again."
        return Check(name, False, " ".join(text.split()))


def _packages() -> str:
    releases = versions(CHECKED)
    if missing := [name for name, number in releases.items() if number is None]:
        raise InputError(f"The package {missing[0]} is not installed: run pip install explainability-workbench again.")
    system = f"workbench {__version__}, Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return ", ".join([system, *(f"{name} {number}" for name, number in releases.items())])


def _files() -> str:
    missing = [name for name in FILES if not (home() / name).exists()]
    if missing:
        raise InputError(f"{home()} lacks {', '.join(missing)}: install the package again.")
    return str(home())


def _device() -> str:
    import torch

    threads = f"using {torch.get_num_threads()} of {os.cpu_count()} cores"
    return f"{torch.cuda.get_device_name()} and {threads}" if torch.cuda.is_available() else f"CPU, {threads}"


def _images(name: str, sets: dict[str, ImageSet]) -> str:
    from workbench.sets import load_images

    sets[name] = load_images(name)
    items = sets[name].items
    items[0].open()
    absent = sum(not _exists(item.source) for item in items)
    if absent:
        raise InputError(
            f"{absent} of {len(items)} images are not there: correct its entry or install the package again."
        )
    return f"{len(items):,} images, {len(sets[name].class_names)} classes, digest {sets[name].key[:12]}"


def _exists(source: object) -> bool:
    path = getattr(source, "path", None)
    return not isinstance(path, Path) or path.is_file()


def _model(name: str, catalog: Catalog, models: dict[str, Classifier]) -> str:
    """Loading says whether the weights fit and whether the class list is as long as the output."""
    from workbench.models import load_classifier

    folder = Path(catalog.models[name].ref)
    is_folder = ":" not in catalog.models[name].ref
    described = (folder / "model.toml").is_file()
    if is_folder and not described and not folder.is_file() and not is_hub(folder):
        ships = folder.parent == shared("models")
        how = f"run workbench train-demo {name}" if ships else "put it there or correct the catalog"
        raise InputError(f"There is no model.toml in {folder}: {how}.")
    models[name] = load_classifier(name)
    size = f", {weights_path(folder, read_spec(folder)).stat().st_size / 1e6:.1f} MB" if described else ""
    text = f"{len(models[name].class_names):,} classes{size}, digest {models[name].key[:12]}"
    return ". ".join([text, *models[name].notes])


def _prediction(catalog: Catalog, models: dict[str, Classifier], sets: dict[str, ImageSet]) -> str:
    """Ask the first model that loaded about the first image of its set."""
    from workbench.models import predict

    pairs = [(name, entry.images) for name, entry in catalog.models.items() if name in models and entry.images in sets]
    if not pairs:
        raise InputError("No model that loads has an image set that loads: mend the failures above.")
    name, images = pairs[0]
    item = sets[str(images)].items[0]
    start = time.perf_counter()
    row = predict(models[name], item).frame.iloc[0]
    if row["error"] is not None:
        raise InputError(str(row["error"]))
    duration = time.perf_counter() - start
    return f"{name} calls {item.name} {row['predicted']!r} at {row['confidence']:.2f}, in {duration:.2f} s"
