"""`workbench journal`: hold the record of decisions against its own chain, and hand it on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.images import ImagesOption, ReadOption, load
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.journal import Journal, Record

app = typer.Typer(
    help="Check and export the decision journal.",
    short_help="Check and export the decision journal.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
Where = Annotated[
    Path | None, typer.Option("--journal", help="Default: WORKBENCH_JOURNAL, else the one in your data folder.")
]


@app.callback(invoke_without_command=True)
def _top(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(short_help="Look for changed, removed or reordered entries.")
def verify(
    journal: Where = None,
    expect: Annotated[str | None, typer.Option(help="A digest noted elsewhere: it must still be in the chain.")] = None,
) -> None:
    """Look for entries that were changed, removed, reordered or inserted. Exits with 0 if there are none, else with 1.

    It reads the journal only, so it works on a disk that is full or read-only too. That a clock was set back is told as
    a note.

    Keep the head that it prints out of reach of those who can write to the journal: only that shows that nobody rewrote
    all of it.
    """
    from workbench.journal import Journal, journal_path

    verdict = Journal(journal or journal_path(), create=False).verify(expect)
    for line in (*verdict.problems, *(f"Note: {note}" for note in verdict.notes)):
        print(line)
    if not verdict.sound:
        raise typer.Exit(1)
    if not verdict.count:
        print("0 entries, sound: there is nothing to keep a digest of yet")
        return
    entries = "entry" if verdict.count == 1 else "entries"
    print(f"{verdict.count:,} {entries}, sound, head {verdict.head}, from {verdict.first} to {verdict.last}")
    if verdict.covered is not None:
        print(f"The digest that was expected is the head after {verdict.covered:,} of them")


@app.command(short_help="Write all entries to a .csv or .json.")
def export(
    out: Annotated[
        Path, typer.Option(help="A .csv for a spreadsheet, or a .json from which the chain can be checked.")
    ],
    journal: Where = None,
) -> None:
    """Export all entries: .csv for a spreadsheet, .json to check the hash chain without the workbench."""
    from workbench.journal import Journal, journal_path, to_csv, to_json

    kinds = {".csv": to_csv, ".json": to_json}
    if out.suffix.lower() not in kinds:
        raise InputError(f"{out.name} is neither a .csv nor a .json: give it one of these endings.")
    entries = _entries(Journal(journal or journal_path(), create=False))
    _write(out, kinds[out.suffix.lower()](entries))
    print(f"Wrote {len(entries):,} {'entry' if len(entries) == 1 else 'entries'} to {out}")


@app.command(short_help="Write overruled labels as a manifest to train with.")
def labels(
    images: ImagesOption,
    out: Annotated[Path, typer.Option(help="The manifest .csv to write: a new file, best in the set's folder.")],
    journal: Where = None,
    read: ReadOption = None,
) -> None:
    """Write a manifest of an image set with its labels after the latest overrulings, for `workbench train`."""
    from workbench.files import csv_rows
    from workbench.journal import Journal, folder_of, journal_path, relabel

    if out.suffix.lower() != ".csv":
        raise InputError(f"{out.name} is not a .csv: give it that ending.")
    if out.exists():  # it may be the ground truth
        raise InputError(f"{out} is already there and may hold the labels as they were: choose another name.")
    entries = _entries(Journal(journal or journal_path(), create=False))
    image_set = load(images, read)
    text = relabel(image_set, entries)
    _write(out, text)
    changed = sum(row["overruled"] == "yes" for row in csv_rows(text.encode(), out.name))
    print(f"Wrote {len(image_set):,} images, {changed:,} of them with an overruled label, to {out}")
    folder = folder_of(image_set)
    if folder is None or folder.resolve() != out.parent.resolve():
        print(f"Its paths begin in {folder or 'the folder of the set'}: put it there before you load it")


def _entries(journal: Journal) -> tuple[Record, ...]:
    """All entries of a journal; that it is not sound is said beside what is made of it."""
    verdict = journal.verify()
    if not verdict.sound:
        many = "1 thing is" if len(verdict.problems) == 1 else f"{len(verdict.problems):,} things are"
        print(f"The journal is not sound, {many} wrong with it: run workbench journal verify", file=sys.stderr)
    return journal.records()


def _write(out: Path, text: str) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8", newline="")
