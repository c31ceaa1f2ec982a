"""What was measured of images, kept on disk by what each image shows, for all sets of this user."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from workbench.files import cache_folder

KEPT_IN = "image-facts.sqlite"
MOST_KEPT, ASKED_AT_ONCE = 500_000, 500
"""Images whose facts are kept, the newest ones; and names in one question to the database."""
Facts = dict[str, object]


def known_facts(names: Sequence[str]) -> dict[str, Facts]:
    """What is kept under these names; a broken cache is ignored."""
    result: dict[str, Facts] = {}
    with contextlib.suppress(sqlite3.Error, OSError), _base() as base:
        for start in range(0, len(names), ASKED_AT_ONCE):
            part = names[start : start + ASKED_AT_ONCE]
            places = ",".join("?" * len(part))
            for name, text in base.execute(f"SELECT name, facts FROM images WHERE name IN ({places})", part):
                with contextlib.suppress(ValueError):
                    result[name] = json.loads(text)
    return {name: facts for name, facts in result.items() if isinstance(facts, dict) and "error" in facts}


def keep_facts(facts: Mapping[str, Facts]) -> None:
    """Keep facts under their names; without room on the disk they are computed again the next time."""
    with contextlib.suppress(sqlite3.Error, OSError), _base() as base, base:
        rows = [(name, json.dumps(values)) for name, values in facts.items()]
        base.executemany("INSERT OR REPLACE INTO images VALUES (?, ?)", rows)
        base.execute("DELETE FROM images WHERE rowid <= (SELECT max(rowid) FROM images) - ?", (MOST_KEPT,))


@contextlib.contextmanager
def _base() -> Iterator[sqlite3.Connection]:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(folder / KEPT_IN, timeout=5)) as base:
        base.execute("CREATE TABLE IF NOT EXISTS images (name TEXT PRIMARY KEY, facts TEXT)")
        yield base
