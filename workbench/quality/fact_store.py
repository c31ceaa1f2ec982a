"""What was measured of images, kept on disk by what each image shows, for all sets of this user.

What comes with the package is looked up too, and never written.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from workbench.catalog import shipped
from workbench.files import cache_folder

KEPT_IN = "image-facts.sqlite"
MOST_KEPT, ASKED_AT_ONCE = 500_000, 500
"""Images whose facts are kept, the newest ones; and names in one question to the database."""
Facts = dict[str, object]


def known_facts(names: Sequence[str]) -> dict[str, Facts]:
    """What is kept under these names; a broken cache is ignored."""
    result: dict[str, Facts] = {}
    with contextlib.suppress(sqlite3.Error, OSError), _base() as base:
        result = _found(base, names)
    left = [name for name in names if name not in result]
    if left and (path := shipped(KEPT_IN)).is_file():
        with contextlib.suppress(sqlite3.Error, OSError), _read_only(path) as base:
            result |= _found(base, left)
    return result


def _found(base: sqlite3.Connection, names: Sequence[str]) -> dict[str, Facts]:
    result: dict[str, Facts] = {}
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
def _read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """A file that nobody writes, perhaps in a folder where nobody may."""
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as base:
        yield base


@contextlib.contextmanager
def _base() -> Iterator[sqlite3.Connection]:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(folder / KEPT_IN, timeout=5)) as base:
        base.execute("CREATE TABLE IF NOT EXISTS images (name TEXT PRIMARY KEY, facts TEXT)")
        yield base
