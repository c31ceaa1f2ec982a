"""`workbench drift`: whether new images are still those that a model was made for, with an exit code for a job."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.data import answers_of
from workbench.cli.images import ReadOption, load, show
from workbench.cli.meter import Meter
from workbench.cli.written import tell, write_findings
from workbench.errors import InputError
from workbench.files import FINDINGS, TABLES_IN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workbench.audit import Audit
    from workbench.images import ImageSet
    from workbench.models import Classifier
    from workbench.reliability import Drift, DriftMaps, DriftSide, TrainingRecord

Report = Callable[[str, int, int], None]
DRIFTED, NOT_ENOUGH = 1, 3
"""Exit codes: drift was found; and nothing can be said for want of images or of lots."""
SetOption = "A catalog name, a folder, a .zip, or a table that lists the images."


def drift(
    model: Annotated[str, typer.Option(help="As for run.")],
    reference: Annotated[str, typer.Option(help=f"Images on which the model was shown to work. {SetOption}")],
    new: Annotated[str, typer.Option(help=f"The new images. {SetOption}")],
    out: Annotated[Path, typer.Option(help="The folder to write findings.json and tables/ to.")],
    read: ReadOption = None,
    maps: Annotated[
        int, typer.Option(help="Images of either side whose attribution maps are compared; 0 for none.")
    ] = 150,
    json: Annotated[bool, typer.Option("--json", help="Print findings.json, and nothing else, to stdout.")] = False,
) -> None:
    """Ask whether new images are still those that a model was made for: drift, held against how much lots differ.

    Exit code 0: no drift was found; 1: drift; 2: bad input; 3: too few images or lots to tell. Of a set with a test
    split only that is taken, and of more than 1,500 images a sample. It can be stopped, and goes on where it was when
    it is run again.
    """
    sets = load(reference, read), load(new, read)
    if not json:
        for image_set in sets:
            show(image_set)
    out.mkdir(parents=True, exist_ok=True)
    with Meter() as meter:
        result = _compared(model, sets, out, maps, meter.report)
    from workbench.files import findings_text
    from workbench.reliability import drift_results, drift_tables

    results = drift_results(result)
    write_findings(out, results, drift_tables(result), ("drift-*",))
    if json:
        print(findings_text(results), end="")
    else:
        tell(results)
        print(f"Wrote {FINDINGS} and {TABLES_IN} to {out}")
    if code := NOT_ENOUGH if results[0].verdict == "unknown" else DRIFTED if result.drifted else 0:
        raise typer.Exit(code)


def _compared(model: str, sets: tuple[ImageSet, ImageSet], out: Path, maps: int, report: Report) -> Drift:
    from workbench.predictions import known_defects
    from workbench.reliability import drift, looked_at, map_method, read_record
    from workbench.report import model_folder

    known = []
    for which, image_set in zip(("reference", "new"), sets, strict=True):
        known.append(_asked(model, image_set, out / which, which, report))
    method = map_method(known[0][0]) if maps else None
    vectors, own = _embeddings(known, report)
    record = read_record(model_folder(model))
    sides = []
    for number, which in enumerate(("reference", "new")):
        classifier, images, answers = known[number]
        looks = None
        if method is not None:
            told = partial(report, f"{which}: attribution maps")
            looks = looked_at(classifier, images, answers.predictions, method, maps, out / which / "maps", told)
        sides.append(_side(images, sets[number], answers, vectors[number], looks, which, report, (record, own)))
    positive = known_defects(known[0][2].predictions)
    first, second = sides
    return drift(first, second, positive, on_progress=lambda *at: report("comparing", *at))


def _asked(model: str, whole: ImageSet, out: Path, which: str, report: Report) -> tuple[Classifier, ImageSet, Audit]:
    """The model, the images that stand for a set, and what it says of them."""
    from workbench.images import draw_sample, testing_items
    from workbench.reliability import MOST_COMPARED

    out.mkdir(parents=True, exist_ok=True)
    items = draw_sample(testing_items(whole, None), MOST_COMPARED, 0)
    images = dataclasses.replace(whole, items=tuple(items))
    why = "drift is asked about one of several classes"
    classifier, answers = answers_of(model, images, out, lambda *at: report(f"{which}: {at[0]}", *at[1:]), why)
    return classifier, images, answers


def _embeddings(
    known: list[tuple[Classifier, ImageSet, Audit]], report: Report
) -> tuple[list[NDArray[np.float32]] | list[None], bool]:
    """Of both sides by the model itself, else by the ImageNet network; None of either where neither is there. Also
    whether it is the model."""
    from workbench.quality import frozen_features

    try:
        return [answers.embeddings() for _, _, answers in known], True
    except InputError:  # a model without a last linear layer has none
        pass
    try:
        return [frozen_features(images.items, lambda *at: report("looking", *at)) for _, images, _ in known], False
    except InputError:
        return [None, None], False


def _side(
    images: ImageSet,
    whole: ImageSet,
    answers: Audit,
    vectors: NDArray[np.float32] | None,
    maps: DriftMaps | None,
    which: str,
    report: Report,
    model: tuple[TrainingRecord | None, bool],
) -> DriftSide:
    from workbench.images import testing_items
    from workbench.journal import told_apart_here
    from workbench.predictions import with_families
    from workbench.quality import families_of_set, measure
    from workbench.reliability import side_of

    families = families_of_set(whole, told_apart_here(whole))
    predictions = answers.predictions if families is None else with_families(answers.predictions, families.by_name)
    measures = measure(images.items, lambda *at: report(f"{which}: measuring", *at))
    return side_of(
        images,
        len(testing_items(whole, None)),
        predictions,
        measures=measures,
        vectors=vectors,
        maps=maps,
        reference=which == "reference",
        record=model[0],
        own=model[1],
    )
