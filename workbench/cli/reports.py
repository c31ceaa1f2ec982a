"""`workbench report`: one file to hand on, and whether such a file is what the model and the images give."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.images import ReadOption, load, show
from workbench.cli.meter import Meter
from workbench.cli.reliability import subject_of
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.report import Choices, Recheck, Stated, Subject

REPORTS = "reports"
"""The folder of the cache with the audits that reports were made from."""
DIFFERENCES_NAMED, LONGEST_NOTE_FILE = 40, 2**18
KEPT_NOTE = (
    "Answers of the model, label issues, heads and shortcuts that this machine keeps from earlier runs, or that ship"
    " with a demo, were taken as kept. With WORKBENCH_CACHE set to an empty folder, and without --work, all but what"
    " ships is computed again."
)


def report(
    model: Annotated[
        str | None, typer.Option(help="As for run; with --verify, where the report names one of the catalog, optional.")
    ] = None,
    images: Annotated[
        str | None, typer.Option(help="A catalog name, a folder, a .zip or a table; optional likewise.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The HTML file to write.")] = None,
    verify: Annotated[Path | None, typer.Option(help="A report to compute again, figure by figure.")] = None,
    sections: Annotated[
        str | None, typer.Option(help="Which sections and in which order, by commas; all where missing, or none.")
    ] = None,
    note: Annotated[
        list[str] | None,
        typer.Option(help="A Markdown file to add on top, or to a section, as groups=FILE.md; may be repeated."),
    ] = None,
    decision: Annotated[
        list[str] | None, typer.Option(help="An image whose decision is shown; may be repeated. Else chosen by a rule.")
    ] = None,
    agreement: Annotated[
        Path | None, typer.Option(help="A CSV of inspectors' answers, as for agreement, whose outcome is added.")
    ] = None,
    rejects: Annotated[str, typer.Option(help="The answer in it that rejects, as for agreement.")] = "",
    work: Annotated[
        Path | None, typer.Option(help="The folder of an earlier check, whose audit is taken; else one in the cache.")
    ] = None,
    metadata: Annotated[
        Path | None,
        typer.Option(help="A folder for the model card's metadata, the set as Croissant, and the verifier."),
    ] = None,
    read: ReadOption = None,
) -> None:
    """Write one HTML file to hand on: it opens offline, prints, and can be recomputed to the digit.

    With --verify, compute such a file again and name what differs: exit code 0 where it is the same, 1 where it
    differs, 2 where it cannot be read. It can be stopped, and goes on where it was when it is run again.
    """
    if verify is not None:
        if out is not None or sections is not None or note or decision or metadata is not None or agreement is not None:
            raise InputError("A report is checked as it is: leave --out, --sections, --note and the like out.")
        raise typer.Exit(0 if _verified(verify, model, images, work, read) else 1)
    if model is None or images is None or out is None:
        raise InputError("A report needs --model, --images and --out; a check of one needs --verify FILE.")
    from workbench.report import Choices, compiled, given_study, journal_here, metadata_of, report_of

    shown_parts = _sections(sections), _notes(note or ()), tuple(decision or ())
    study = None if agreement is None else given_study(agreement, rejects)
    choices = Choices(model, images, tuple(read or ()), *shown_parts, study=study)
    with Meter() as meter:
        dossier = compiled(_subject(choices, work, read, meter))
        text = report_of(dossier, choices, journal_here())
        files = metadata_of(dossier, choices) if metadata is not None else {}
    out.write_text(text, encoding="utf-8", newline="\n")
    print(dossier.verdict.headline)
    for name, content in files.items():
        path = (metadata or out.parent) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8", newline="\n")
    print(
        f"Wrote {out.name} ({len(text.encode()) / 2**20:.1f} MB)" + (f" and {len(files)} files beside" if files else "")
    )


def _sections(text: str | None) -> tuple[str, ...]:
    from workbench.report import SECTIONS

    if text is None:
        return tuple(SECTIONS)
    return tuple(name for part in text.split(",") if (name := part.strip()) and name != "none")


def _notes(given: Sequence[str]) -> dict[str, str]:
    """What files hold, by the section that it is added to."""
    from workbench.catalog import read_text

    pairs = (each.partition("=") for each in given)
    return {
        (name if equals else "verdict"): read_text(Path(file if equals else name), LONGEST_NOTE_FILE)
        for name, equals, file in pairs
    }


def _subject(choices: Choices, work: Path | None, read: list[str] | None, meter: Meter) -> Subject:
    from workbench.catalog import place_of
    from workbench.files import cache_folder, key

    image_set = load(choices.images, read)
    show(image_set)
    name = key("audit folder", model=choices.model, set=place_of(choices.images), name=image_set.name)[:24]
    folder = work or cache_folder() / REPORTS / name
    folder.mkdir(parents=True, exist_ok=True)
    return subject_of(choices.model, image_set, folder, meter.report)


def _verified(path: Path, model: str | None, images: str | None, work: Path | None, read: list[str] | None) -> bool:
    """Whether a report is what the computation gives; prints what is not."""
    from workbench.report import read_report, unreadable

    stated = read_report(path)
    try:
        result = _rechecked(stated, model, images, work, read)
    except InputError as error:
        if stated.sealed:
            raise
        result = unreadable(stated, str(error))  # somebody changed it, whatever else is wrong
    for each in result.differences[:DIFFERENCES_NAMED]:
        print(f"DIFFERS {each.name!a}: the report says {each.stated!a}, computed is {each.computed!a}")
    if (more := len(result.differences) - DIFFERENCES_NAMED) > 0:
        print(f"DIFFERS and {more:,} more parts")
    for sentence in result.notes:
        print(f"note    {sentence!a}"[:500])
    if result.same:
        print(
            f"ok      {result.compared:,} parts of the report were computed again, {result.drawn} images drawn again."
        )
    return result.same


def _rechecked(
    stated: Stated, model: str | None, images: str | None, work: Path | None, read: list[str] | None
) -> Recheck:
    from workbench.report import (
        compiled,
        journal_here,
        maps_again,
        of_another,
        ratings_folder,
        recheck,
        report_of,
        unreadable,
    )

    if stated.choices is None:
        return unreadable(stated)
    choices = stated.choices.about(model, images, read or ())
    with Meter() as meter:
        subject = _subject(choices, work, read, meter)
        if other := of_another(stated, subject.classifier.key, subject.images.key):
            return other
        again = maps_again(
            subject.classifier,
            subject.images,
            subject.predictions,
            ratings_folder(),
            lambda *at: subject.report("making maps again", *at),
        )
        result = recheck(stated, report_of(compiled(subject), choices, journal_here()))
        return dataclasses.replace(result, notes=(*result.notes, *filter(None, [again]), KEPT_NOTE))
