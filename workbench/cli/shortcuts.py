"""`workbench shortcuts`: what a model really goes by, without being told what to look for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.data import answers_of
from workbench.cli.images import ImagesOption, ReadOption, load, show
from workbench.cli.meter import Meter
from workbench.cli.written import tell, write_findings
from workbench.errors import InputError
from workbench.files import FINDINGS, TABLES_IN, CheckResult

if TYPE_CHECKING:
    from workbench.cues import Cue, Refit, Search
    from workbench.images import ImageSet

Fit = Callable[["Cue"], "tuple[CheckResult, Refit | None]"]
CARRIERS, PAIRS, TRIALS = "manifest.csv", "before-after", "trials"


def shortcuts(
    model: Annotated[str, typer.Option(help="As for run.")],
    images: ImagesOption,
    out: Annotated[Path, typer.Option(help="The folder to write findings.json, manifest.csv, tables and images to.")],
    read: ReadOption = None,
    split: Annotated[
        str, typer.Option(help="test: the test split alone; all: every image, where none trained the model.")
    ] = "test",
    refit: Annotated[
        bool, typer.Option(help="For each proven cue, fit the last layer anew on images in which it says nothing.")
    ] = False,
) -> None:
    """Find what a model really goes by: cues are proposed on one half of a sample of images and tried on the other.

    Each cue is put on images that the model calls otherwise, and taken from images that it calls so, against decoys.
    The images of the test split are looked at, or all where there is none. It can be stopped, and goes on where it was
    when it is run again.
    """
    if split not in ("test", "all"):
        raise InputError(f"There is no split {split!r} to search: choose test or all.")
    image_set = load(images, read)
    show(image_set)
    out.mkdir(parents=True, exist_ok=True)
    with Meter() as meter:
        search, looked_at, fit = _search(model, image_set, out, meter.report, split)
        refits = [fit(finding.cue) for finding in search.accused] if refit else []
    from workbench.cues import cue_results, errors_results

    results = [looked_at, *errors_results(), *cue_results(search), *(result for result, _ in refits)]
    _write(out, image_set, search, results, [fitted for _, fitted in refits if fitted is not None])
    tell(results)
    print(f"Wrote {FINDINGS} and {TABLES_IN}{_others(search)} to {out}")


def _search(
    model: str, image_set: ImageSet, out: Path, report: Callable[[str, int, int], None], split: str
) -> tuple[Search, CheckResult, Fit]:
    """The finished search, which images it is about, and what fits the last layer anew for a cue, or says why not."""
    from workbench.cues import refit_result, refitted, search, study_of
    from workbench.images import testing_items
    from workbench.journal import told_apart_here
    from workbench.predictions import named_units
    from workbench.quality import families_of_set, look_for_families

    classifier, answers = answers_of(model, image_set, out, report, "this search asks about one of several classes")
    items = list(image_set) if split == "all" else testing_items(image_set, answers.predictions)
    families = families_of_set(image_set, apart := told_apart_here(image_set)) or look_for_families(
        dataclasses.replace(image_set, items=tuple(items)),
        apart,
        on_progress=lambda *at: report("comparing images", *at),
    )
    units = named_units(image_set.items, families.by_name)
    sample = study_of(classifier, items, answers.predictions, units=units)
    result = search(sample, lambda *at: report(at[0].lower(), *at[1:]), out / TRIALS)
    tested = split == "test" and (len(items) < len(image_set) or all(item.split == "test" for item in items))
    where = "of the test split" if tested else "of the set; no split says on which of them the model was trained"
    looked_at = CheckResult(
        "images looked at",
        "ok" if tested else "unknown",
        f"{len(sample.items):,} of {len(items):,} images {where}, in {len(set(sample.units.tolist())):,} units.",
        support=len(sample.items),
    )

    def fit(cue: Cue) -> tuple[CheckResult, Refit | None]:
        try:
            made = refitted(
                sample,
                cue,
                image_set.items,
                units=units,
                on_progress=lambda *at: report("fitting the last layer", *at),
            )
        except InputError as error:
            return CheckResult(f"{cue.target}: {cue.name}, last layer fitted anew", "unknown", str(error)), None
        return refit_result(made), made

    return result, looked_at, fit


def _write(out: Path, image_set: ImageSet, search: Search, results: list[CheckResult], refits: Sequence[Refit]) -> None:
    """Write all that was found; what an earlier run found in the same folder is replaced."""
    import pandas as pd

    from workbench.cues import carriers_of, costs_table, refit_table, trials_table, tried_table
    from workbench.images import as_image
    from workbench.quality import write_manifest

    for old in [*(out / PAIRS).glob("*.png"), *([out / CARRIERS] if (out / FINDINGS).exists() else [])]:
        old.unlink(missing_ok=True)
    tables = {"cues": tried_table(search), "images": trials_table(search), "costs": costs_table(search)}
    for number, finding in enumerate(search.accused, 1):
        (out / PAIRS).mkdir(exist_ok=True)
        pair = {"before": finding.transplant.before, "after": finding.transplant.after, "cue": finding.cue.crop}
        for name, pixels in pair.items():
            if pixels is not None:
                as_image(pixels).save(out / PAIRS / f"{number:02}-{name}.png")
    if (carriers := carriers_of(search, image_set)) is not None:
        write_manifest(out / CARRIERS, carriers)
    if refits:
        tables["refits"] = pd.concat([refit_table(refit) for refit in refits], ignore_index=True)
    write_findings(out, results, tables, [*tables, "refits"])


def _others(search: Search) -> str:
    """What is written only where a cue is accused."""
    return f", {CARRIERS} and {PAIRS}" if search.accused else ""
