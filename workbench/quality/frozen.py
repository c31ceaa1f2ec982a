"""Features of images by a network that never saw their labels: the ImageNet backbone of the catalog, frozen.

What is computed for one file is kept by the digest of its bytes, so that every set that holds it has it, and a run that
was stopped goes on where it was.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.files import cache_folder, key
from workbench.images import ImageItem

if TYPE_CHECKING:
    from workbench.audit import Reading
    from workbench.models import Classifier

BACKBONE = "everyday"
"""The catalog's network, EfficientNet-Lite0 with its published ImageNet weights."""
FEATURES_AT_ONCE = 32
"""Images between two notes of what is computed."""
ASKED_AT_ONCE, WAIT_SECONDS = 500, 30.0


def frozen_features(
    items: Sequence[ImageItem],
    on_progress: Callable[[int, int], None] | None = None,
    net: Classifier | None = None,
) -> NDArray[np.float32]:
    """What goes into the last layer of the ImageNet backbone, computed for the images of which it is not known.

    Args:
        items: N images.
        on_progress: Called with how many images are done, of how many; what it raises stops the work, and what is
            computed until then is kept.
        net: Another network that ends in a linear layer.

    Returns:
        (N, D), D = 1,280; NaN in the rows of images that cannot be read.

    Raises:
        InputError: There are no images, or the network's weights are not installed.
    """
    if not items:
        raise InputError("There are no images to look at: choose a set that holds some.")
    net = net or _backbone()
    with _shelf(net) as shelf:
        ids = [item.readable_id for item in items]
        waiting = _unknown(shelf, ids)
        todo = [item for item, digest in zip(items, ids, strict=True) if digest is not None and waiting.pop(digest, 0)]
        for start in range(0, len(todo), FEATURES_AT_ONCE):
            _keep(shelf, net, todo[start : start + FEATURES_AT_ONCE])
            if on_progress is not None:
                on_progress(len(items) - len(todo) + min(start + FEATURES_AT_ONCE, len(todo)), len(items))
        return _rows(shelf, ids)


def known_features(items: Sequence[ImageItem], net: Classifier | None = None) -> NDArray[np.float32] | None:
    """The same where nothing needs computing, None else: for pages."""
    net = net or _backbone()
    with _shelf(net) as shelf:
        ids = [item.readable_id for item in items]
        return None if _unknown(shelf, ids) else _rows(shelf, ids)


def backbone_key() -> str:
    """What these features depend on besides the images, as an ingredient of a key."""
    return _backbone().key


@functools.lru_cache(maxsize=1)
def _backbone() -> Classifier:
    from workbench.models import load_classifier

    return load_classifier(BACKBONE)


@contextmanager
def _shelf(net: Classifier) -> Generator[sqlite3.Connection]:
    """The file of what this network gave; one that is damaged is begun anew."""
    folder = cache_folder() / "frozen"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{key('frozen features', model=net.key)}.sqlite"
    try:
        shelf = _opened(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise InputError(f"The cache of features cannot be used ({error}): check the disk and try again.") from None
        path.unlink(missing_ok=True)
        shelf = _opened(path)
    with closing(shelf):
        yield shelf


def _opened(path: Path) -> sqlite3.Connection:
    shelf = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)
    try:
        shelf.execute("CREATE TABLE IF NOT EXISTS features (id TEXT PRIMARY KEY, error TEXT, row BLOB)")
    except sqlite3.Error:
        shelf.close()
        raise
    return shelf


def _unknown(shelf: sqlite3.Connection, ids: Sequence[str | None]) -> dict[str, int]:
    """The digests that nothing is known of, each with 1."""
    wanted = dict.fromkeys((digest for digest in ids if digest is not None), 1)
    names = list(wanted)
    for start in range(0, len(names), ASKED_AT_ONCE):
        part = names[start : start + ASKED_AT_ONCE]
        query = f"SELECT id FROM features WHERE id IN ({','.join('?' * len(part))})"
        for (digest,) in shelf.execute(query, part):
            wanted.pop(digest)
    return wanted


def _keep(shelf: sqlite3.Connection, net: Classifier, items: Sequence[ImageItem]) -> None:
    """Compute the features of these images, and note them at one stroke."""
    from workbench.audit import compute

    readings = [_read(net, item) for item in items]
    table = compute(net, 0, readings, set()).table
    rows: list[tuple[str, str | None, bytes | None]] = [
        (str(r.id), r.error, None) for r in readings if r.error and r.id
    ]
    if table is not None:
        if "embedding" not in table.column_names:
            raise InputError(f"{net.name} has no last linear layer whose input could be taken: use another network.")
        for digest, row in zip(table["id"].to_pylist(), table["embedding"], strict=True):
            rows.append((digest, None, np.asarray(row.values, dtype="<f4").tobytes()))
    with shelf:
        shelf.execute("BEGIN IMMEDIATE")
        shelf.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?)", rows)


def _read(net: Classifier, item: ImageItem) -> Reading:
    from workbench.audit import Reading

    digest = None
    try:
        held = item.held()
        digest = held.id
        return Reading(digest, net.prepare(held))
    except InputError as error:
        return Reading(digest, error=str(error))


def _rows(shelf: sqlite3.Connection, ids: Sequence[str | None]) -> NDArray[np.float32]:
    """The features in the order of `ids`; NaN where there are none."""
    at: dict[str, list[int]] = {}
    for i, digest in enumerate(ids):
        if digest is not None:
            at.setdefault(digest, []).append(i)
    names, result = list(at), np.full((len(ids), 0), np.nan, np.float32)
    for start in range(0, len(names), ASKED_AT_ONCE):
        part = names[start : start + ASKED_AT_ONCE]
        query = f"SELECT id, row FROM features WHERE row IS NOT NULL AND id IN ({','.join('?' * len(part))})"
        for digest, blob in shelf.execute(query, part):
            row = np.frombuffer(blob, "<f4")
            if not result.shape[1]:
                result = np.full((len(ids), len(row)), np.nan, np.float32)
            result[at[digest]] = row
    return result
