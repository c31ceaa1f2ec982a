"""`workbench reliability`: whether a model will hold on the line."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.data import answers_of
from workbench.cli.images import ImagesOption, ReadOption, load, show
from workbench.cli.meter import Meter
from workbench.cli.written import tell, write_findings
from workbench.errors import InputError
from workbench.files import FINDINGS, CheckResult
from workbench.report import CHECK_PARTS, Subject, model_folder

if TYPE_CHECKING:
    import pandas as pd

    from workbench.images import ImageSet
    from workbench.report import Report

LABEL_NEXT = "label-next.csv"
Part = Callable[[Subject], "tuple[list[CheckResult], dict[str, pd.DataFrame]]"]


def _label_next(subject: Subject) -> tuple[list[CheckResult], dict[str, pd.DataFrame]]:
    """The list of images to label, and the set with them as a table to train from."""
    from workbench.predictions import known_defects
    from workbench.quality import write_manifest
    from workbench.reliability import next_result, next_to_label, read_record

    path = subject.out / LABEL_NEXT
    if (subject.out / FINDINGS).exists():  # of a run before
        path.unlink(missing_ok=True)
    try:
        features = subject.answers.embeddings()
    except InputError as error:
        return [CheckResult("label next", "unknown", str(error))], {}
    positive = known_defects(subject.predictions)
    record = read_record(model_folder(subject.model))
    result = next_to_label(subject.predictions, features, record, positive=positive)
    if result.reason:
        return [next_result(result)], {}
    listed = set(result.frame["name"])
    items = [
        dataclasses.replace(item, split="train") if item.name in listed else item
        for item in subject.images
        if item.label is not None or item.name in listed
    ]
    write_manifest(path, dataclasses.replace(subject.images, items=tuple(items)))
    return [next_result(result)], {"label-next": result.frame}


def _of(name: str) -> Part:
    """A part that stands under the same name in the verdict."""

    def part(subject: Subject) -> tuple[list[CheckResult], dict[str, pd.DataFrame]]:
        results, tables = CHECK_PARTS[name](subject)
        return list(results[name]), tables

    return part


ASKED_PARTS: Mapping[str, Part] = {
    "fit": _of("fit"),
    "label next": _label_next,
    "calibration": _of("calibration"),
    "corruption": _of("corruption"),
}
"""What is asked, in the order of the page: results, and the tables behind them by name."""
OWN_TABLES = ("fit-*", "label-next", "calibration-*", "corruption-*")
"""The names of all tables of the parts."""


def reliability(
    model: Annotated[str, typer.Option(help="As for run.")],
    images: ImagesOption,
    out: Annotated[Path, typer.Option(help="The folder to write findings.json and tables/ to.")],
    read: ReadOption = None,
) -> None:
    """Ask whether a model will hold: fit, calibration, and what disturbs it.

    Nothing of the set is changed. It can be stopped, and goes on where it was when it is run again.
    """
    image_set = load(images, read)
    show(image_set)
    out.mkdir(parents=True, exist_ok=True)
    results: list[CheckResult] = []
    tables: dict[str, pd.DataFrame] = {}
    with Meter() as meter:
        subject = subject_of(model, image_set, out, meter.report)
        for part in ASKED_PARTS.values():
            said, more = part(subject)
            results += said
            tables |= more
    write_findings(out, results, tables, OWN_TABLES)
    tell(results)
    print(f"Wrote {FINDINGS} and {len(tables)} tables to {out}")


def subject_of(model: str, image_set: ImageSet, out: Path, report: Report) -> Subject:
    """What the command asks about: the model asked of each image, and which images belong together.

    Args:
        model: As for `run`.
        image_set: The set.
        out: The folder to write to.
        report: Is told what is done, how far that is, and of how much.

    Raises:
        InputError: The model cannot be loaded, or several labels can be true of one image.
    """
    from workbench.journal import told_apart_here
    from workbench.predictions import with_families
    from workbench.quality import look_for_families

    why = "this command asks about one of several classes"
    classifier, answers = answers_of(model, image_set, out, report, why)
    families = look_for_families(
        image_set, told_apart_here(image_set), on_progress=lambda *at: report("comparing images", *at)
    )
    predictions = with_families(answers.predictions, families.by_name)
    return Subject(model, classifier, image_set, answers, predictions, out, report)
