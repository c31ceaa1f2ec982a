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

if TYPE_CHECKING:
    import pandas as pd

    from workbench.audit import Audit
    from workbench.images import ImageSet
    from workbench.models import Classifier
    from workbench.predictions import Predictions

LABEL_NEXT = "label-next.csv"
Report = Callable[[str, int, int], None]
Part = Callable[["Subject"], "tuple[list[CheckResult], dict[str, pd.DataFrame]]"]


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """What a part of the command is asked about.

    Attributes:
        model: Its name, as for `run`.
        classifier: The model.
        images: The set.
        answers: What the model says of each image, with its embeddings.
        predictions: The table of it, with the images' families where they are known.
        out: The folder to write to, where a part may keep what it has computed so far.
        report: Is told what is done, how far that is, and of how much.
    """

    model: str
    classifier: Classifier
    images: ImageSet
    answers: Audit
    predictions: Predictions
    out: Path
    report: Report


def _fit(subject: Subject) -> tuple[list[CheckResult], dict[str, pd.DataFrame]]:
    from workbench.quality import frozen_features
    from workbench.reliability import fit_of, fit_results, fit_tables, head_study, read_record

    record = read_record(_folder(subject.model))
    fit = fit_of(subject.predictions, record)
    study = None
    if fit.known in ("recorded", "stated") and not fit.reason:
        features = frozen_features(
            subject.images.items, lambda *at: subject.report("looking with the ImageNet network", *at)
        )
        study = head_study(
            subject.predictions, features, record, on_progress=lambda *at: subject.report("fitting heads", *at)
        )
    return fit_results(fit, study, record), fit_tables(fit, study, record)


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
    record = read_record(_folder(subject.model))
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


def _folder(model: str) -> Path | None:
    """The folder of a model, where its name stands for one."""
    from workbench.catalog import load_catalog

    entry = load_catalog().models.get(model)
    path = Path(model if entry is None else entry.ref)
    return path if path.is_dir() else None


def _calibration(subject: Subject) -> tuple[list[CheckResult], dict[str, pd.DataFrame]]:
    from workbench.predictions import known_defects
    from workbench.reliability import calibration_of, calibration_results, calibration_tables

    predictions = subject.predictions
    result = calibration_of(predictions, known_defects(predictions))
    return calibration_results(result), calibration_tables(result)


def _corruption(subject: Subject) -> tuple[list[CheckResult], dict[str, pd.DataFrame]]:
    from workbench.images import OF_LINE, kinds_of
    from workbench.reliability import corrupted, corruption_results, corruption_tables, kept_folder

    study = corrupted(
        subject.classifier,
        subject.images,
        subject.predictions,
        kinds_of(OF_LINE),
        folder=kept_folder(),
        on_progress=lambda *at: subject.report("asking about corrupted images", *at),
    )
    return corruption_results(study), corruption_tables(study)


ASKED_PARTS: Mapping[str, Part] = {
    "fit": _fit,
    "label next": _label_next,
    "calibration": _calibration,
    "corruption": _corruption,
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
        subject = _subject(model, image_set, out, meter.report)
        for part in ASKED_PARTS.values():
            said, more = part(subject)
            results += said
            tables |= more
    write_findings(out, results, tables, OWN_TABLES)
    tell(results)
    print(f"Wrote {FINDINGS} and {len(tables)} tables to {out}")


def _subject(model: str, image_set: ImageSet, out: Path, report: Report) -> Subject:
    from workbench.journal import told_apart_here
    from workbench.predictions import with_families
    from workbench.quality import families_of_set, look_for_families

    why = "this command asks about one of several classes"
    classifier, answers = answers_of(model, image_set, out, report, why)
    apart = told_apart_here()
    families = families_of_set(image_set, apart) or look_for_families(
        image_set, apart, on_progress=lambda *at: report("comparing images", *at)
    )
    predictions = with_families(answers.predictions, families.by_name)
    return Subject(model, classifier, image_set, answers, predictions, out, report)
