"""The decision journal: append-only, each entry chained to the one before, so that it stands in an audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.journal.entries import Draft, Entry, map_digest
    from workbench.journal.export import folder_of, relabel, to_csv, to_json
    from workbench.journal.notes import SAID, Note, NoteEntry, Record
    from workbench.journal.proof import Head, Verdict, kept_digest
    from workbench.journal.rulings import Ruling, RulingEntry, day_of, standing_acceptances
    from workbench.journal.store import Journal, journal_path
    from workbench.journal.told_apart import pairs_among, told_apart_here

__getattr__ = handed_on(
    __name__,
    {
        "entries": "Draft Entry map_digest",
        "export": "folder_of relabel to_csv to_json",
        "notes": "SAID Note NoteEntry Record",
        "proof": "Head Verdict kept_digest",
        "rulings": "Ruling RulingEntry day_of standing_acceptances",
        "store": "Journal journal_path",
        "told_apart": "pairs_among told_apart_here",
    },
)
