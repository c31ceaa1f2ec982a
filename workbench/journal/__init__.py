"""The decision journal: append-only, each entry chained to the one before, so that it stands in an audit."""

from workbench.journal.entries import GENESIS, THRESHOLD_BY, VERDICTS, Draft, Entry, canonical, map_digest
from workbench.journal.export import folder_of, relabelled, to_csv, to_json
from workbench.journal.proof import Head, Verdict, kept_digest
from workbench.journal.store import Journal, journal_path

__all__ = [
    "GENESIS",
    "THRESHOLD_BY",
    "VERDICTS",
    "Draft",
    "Entry",
    "Head",
    "Journal",
    "Verdict",
    "canonical",
    "folder_of",
    "journal_path",
    "kept_digest",
    "map_digest",
    "relabelled",
    "to_csv",
    "to_json",
]
