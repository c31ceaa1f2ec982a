"""`workbench check`: twelve checks of a model and a set, and the verdict that they come to."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.images import ImagesOption, ReadOption, load, show, visible
from workbench.cli.meter import Meter
from workbench.cli.reliability import subject_of
from workbench.cli.written import write_findings
from workbench.files import FINDINGS, result_row

if TYPE_CHECKING:
    from workbench.images import ImageSet
    from workbench.report import Dossier, Standing

VERDICT_FILE = "verdict.json"
STATUS_MARKS = {"ok": "ok     ", "watch": "watch  ", "fail": "FAIL   ", "not yet known": "unknown"}
MADE = "check-*"
"""The names of all tables of this command."""


def check(
    model: Annotated[str, typer.Option(help="As for run.")],
    images: ImagesOption,
    out: Annotated[Path, typer.Option(help="The folder to write findings.json, verdict.json and tables/ to.")],
    read: ReadOption = None,
    set_criteria: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Record the criteria in force in the journal first, under this name: do so before the test split is"
            " opened.",
        ),
    ] = "",
) -> None:
    """Ask whether a model is fit for use: twelve checks, each held against its criterion, and one verdict.

    Criteria stand in workbench.toml. Exit code 0: nothing fails; 1: a check fails that nobody accepted, or
    the model breaks a limit of its description; 2: bad input.
    It can be stopped, and goes on where it was when it is run again.
    """
    image_set = load(images, read)
    show(image_set)
    out.mkdir(parents=True, exist_ok=True)
    if set_criteria:
        _set_criteria(set_criteria, model, image_set)
    from workbench.report import compiled

    with Meter() as meter:
        dossier = compiled(subject_of(model, image_set, out, meter.report))
    _write(out, dossier)
    verdict = dossier.verdict
    for standing in verdict.standings:
        print(_line(standing))
    print(f"\n{visible(verdict.headline)}\n{visible(dossier.since.sentence)}")
    print(f"Wrote {FINDINGS}, {VERDICT_FILE} and {len(dossier.tables)} tables to {out}")
    if verdict.tone == "bad":
        raise typer.Exit(1)


def _set_criteria(name: str, model: str, image_set: ImageSet) -> None:
    from workbench.catalog import load_catalog
    from workbench.journal import Journal, journal_path
    from workbench.models import load_classifier
    from workbench.report import criteria_draft, model_title

    draft = criteria_draft(
        load_catalog().criteria,
        user=name,
        reason="",
        model=load_classifier(model).key,
        model_name=model_title(model),
        set_name=image_set.name,
    )
    entry = Journal(journal_path()).append(draft)
    print(f"Recorded the criteria as entry {entry.number} of the journal.")


def _write(out: Path, dossier: Dossier) -> None:
    results = [result for standing in dossier.verdict.standings for result in standing.results]
    tables = {f"check-{name}": table for name, table in dossier.tables.items()}
    write_findings(out, results, tables, (MADE,))
    facts = {
        "headline": dossier.verdict.headline,
        "tone": dossier.verdict.tone,
        "model": dossier.subject.classifier.key,
        "images": dossier.subject.images.name,
        "criteria": dossier.since.sentence,
        "checks": [_fields(standing) for standing in dossier.verdict.standings],
    }
    text = json.dumps(facts, indent=2, ensure_ascii=True, allow_nan=False)
    (out / VERDICT_FILE).write_text(f"{text}\n", encoding="utf-8")


def _fields(standing: Standing) -> dict[str, object]:
    found = standing.accepted
    taken = None if found is None else {**dataclasses.asdict(found), "until": found.until.isoformat()}
    return {
        "check": standing.check.name,
        "status": standing.status,
        "criterion": standing.criterion,
        "result": None if standing.result is None else result_row(standing.result),
        "accepted": taken,
    }


def _line(standing: Standing) -> str:
    from workbench.report import accepted_words

    said = "Nobody looked." if standing.result is None else standing.result.sentence
    line = f"{STATUS_MARKS[standing.status]} {standing.check.title}: {said}"
    if standing.accepted is not None:
        line += f" {accepted_words(standing.accepted)}"
    return visible(line)
