"""`workbench data`: what an image set can carry, before any figure is believed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.images import ImagesOption, ReadOption, load, show
from workbench.cli.meter import Meter
from workbench.cli.written import tell
from workbench.errors import InputError
from workbench.files import FINDINGS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workbench.audit import Audit
    from workbench.images import ImageSet
    from workbench.models import Classifier


def data(
    images: ImagesOption,
    out: Annotated[Path, typer.Option(help="The folder to write findings.json, manifest.csv and tables/ to.")],
    model: Annotated[
        str | None, typer.Option(help="As for run; without a model, checks that need its answers stay unknown.")
    ] = None,
    read: ReadOption = None,
) -> None:
    """Look at an image set before any figure is believed: files, parts shown twice, leaks, labels, coverage.

    Nothing of the set is changed. It can be stopped, and goes on where it was when it is run again.
    """
    image_set = load(images, read)
    show(image_set)
    out.mkdir(parents=True, exist_ok=True)
    with Meter() as meter:
        classifier, answers = (None, None) if model is None else answers_of(model, image_set, out, meter.report)
        from workbench.journal import told_apart_here
        from workbench.quality import MANIFEST, study, write_manifest

        known = () if answers is None else (answers.predictions, _embeddings(answers))
        result = study(
            image_set, *known, classifier=classifier, apart=told_apart_here(image_set), on_progress=meter.report
        )
    if (out / FINDINGS).exists():  # of a run before
        (out / MANIFEST).unlink(missing_ok=True)
    write_manifest(out / MANIFEST, image_set, result.proposals, families=result.families)
    for name, text in result.files.items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(text, encoding="utf-8", newline="")
    tell(result.results)
    print(f"Wrote {FINDINGS}, {MANIFEST} and {len(result.tables)} tables to {out}")


def answers_of(
    model: str, image_set: ImageSet, out: Path, report: Callable[[str, int, int], None], why: str = "leave --model out"
) -> tuple[Classifier, Audit]:
    """The model, and what it says of each image, as `workbench audit` computes it, into the same folder."""
    from contextlib import closing

    from workbench.audit import open_audit, run
    from workbench.models import load_classifier

    classifier = load_classifier(model)
    if classifier.rule.thresholds is not None:
        raise InputError(f"Several labels can be true of one image of this model: {why}.")
    with closing(run(classifier, image_set, out / "audit")) as steps:
        for step in steps:
            report("asking the model", step.done, step.total)
    return classifier, open_audit(out / "audit")


def _embeddings(answers: Audit) -> NDArray[np.float32] | None:
    """What goes into the model's last layer; None where the model has no such layer."""
    try:
        return answers.embeddings()
    except InputError:
        return None
