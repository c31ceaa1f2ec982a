"""Other models to compare the chosen one with, which of them it went on from, and images that trained neither."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workbench.catalog import load_catalog
from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.models import CHEAPER, read_spec, spec_key
from workbench.reliability import DIGITS, read_record
from workbench.report import model_folder
from workbench.ui import choice, url


def others(model: choice.ModelChoice) -> dict[str, str]:
    """The models with the same classes that the catalog, or the command line, names, by their address; one may be
    named like a compressed copy."""
    folders = {ref: (ref, Path(entry.ref)) for ref, entry in load_catalog().models.items()}
    if (beside := choice.beside()) is not None:
        folders[str(beside)] = (beside.name, beside)
    options: dict[str, str] = {}
    for ref, (name, folder) in folders.items():
        try:
            if ref != model.ref and folder.is_dir() and set(read_spec(folder).classes) == set(model.rule.class_names):
                options[url.named(name, [*CHEAPER, *options])] = ref
        except InputError:  # an entry that cannot be read is told of where it is chosen
            continue
    return options


def title(ref: str) -> str:
    """What a model of `others` is called."""
    entry = load_catalog().models.get(ref)
    return entry.title if entry else read_spec(Path(ref)).title or Path(ref).name


def earlier(model: choice.ModelChoice) -> str | None:
    """The address of the model that this one went on from, where it is one of `others`; empty where it is none of
    them, None where this one went on from no model that is recorded.

    Raises:
        InputError: The record of the training is damaged.
    """
    record = read_record(model.folder)
    if record is None or not record.started_from:
        return None
    for option, ref in reversed(others(model).items()):  # first the one that the command line names
        folder = model_folder(ref)
        if folder is not None and spec_key(folder, read_spec(folder)) == record.started_from:
            return option
    return ""


def held_out(items: Sequence[ImageItem], folders: Sequence[Path | None]) -> tuple[list[ImageItem], str]:
    """Those of some images that no model in these folders was trained or chosen on by its record, and what to say.

    Where none is left, all are, and it is said that the figures are of images that trained a model.
    """
    used: set[str] = set()
    for folder in folders:
        try:
            record = read_record(folder)
        except InputError:  # the page Reliability says why
            continue
        used |= set() if record is None else {*(record.trained_on or ()), *record.chosen_on}
    left = [item for item in items if (item.readable_id or "")[:DIGITS] not in used]
    gone = len(items) - len(left)
    if not gone:
        return list(items), ""
    if not left:
        return list(items), (
            f"By the records of their training, one of the models was trained or chosen on each of these {gone:,}"
            " images: what is shown here flatters it."
        )
    return left, f"{gone:,} images are left out that one of the models was trained or chosen on, by its record."
