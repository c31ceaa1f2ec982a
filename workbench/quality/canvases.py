"""What is kept of each image to compare it: a small grey canvas, its colours, and digests of its bytes and pixels.

An image is decoded once. Records are appended to one file and found again by the digest of what a person sees of the
image, so that a run that was stopped goes on where it was, and a set that grew reads only what is new.
"""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images import ImageItem, Raster, shown
from workbench.quality.frames import without_frame

CANVAS_EDGE, TINTS = 96, 8
"""Edges, in pixels, of the grey canvas and of the colour canvas of an image."""
RECORD_VERSION = 2
"""Raised whenever the same image gives another record."""
MOST_RECORDED = 2**30
"""A file of records that is longer is begun anew."""
READ_AT_ONCE = 64
RECORD = np.dtype(
    [
        ("look", "S64"),
        ("pixels", "S64"),
        ("size", "<u4", 2),
        ("canvas", "<f2", (CANVAS_EDGE, CANVAS_EDGE)),
        ("tints", "<f2", (TINTS, TINTS, 3)),
        ("sum", "<u4"),
    ]
)
"""One image: digests in hex, width and height, grey levels 0 .. 255, red, green and blue, and a checksum."""
Records = NDArray[np.void]


def grey(image: Image.Image, edge: int) -> NDArray[np.float32]:
    """Grey levels, stretched to a square of (edge, edge) pixels that each average what they cover."""
    image = _reduced(without_frame(image), edge).convert("L").convert("F")
    return np.asarray(image.resize((edge, edge), _filter(image, edge)), np.float32)


def records_of(
    items: Sequence[ImageItem],
    work: Path,
    folder: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Records, NDArray[np.bool_]]:
    """A record of each image.

    Args:
        items: N images.
        work: A folder for as long as the records are in use: they are mapped into memory.
        folder: Where records are kept and looked for; None: nowhere.
        on_progress: Called with how much is done, and of how much. What it raises stops the work; what was read is
            kept.

    Returns:
        The records (N,), those of images that cannot be read zero, and which can be read, (N,).
    """
    records = np.lib.format.open_memmap(work / "records.npy", "w+", RECORD, (len(items),))
    sound = np.ones(len(items), bool)
    kept = _kept(folder)
    missing = []
    for row, item in enumerate(items):
        try:
            entry = kept.get(_look(item))
        except InputError:
            sound[row] = False
            continue
        if entry is None:
            missing.append(row)
        else:
            records[row] = entry
    done = len(items) - len(missing)
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(missing), READ_AT_ONCE):
            rows = missing[start : start + READ_AT_ONCE]
            fresh = list(pool.map(lambda row: _record(items[row]), rows))
            for row, record in zip(rows, fresh, strict=True):
                sound[row] = record is not None
                records[row] = np.zeros((), RECORD) if record is None else record
            _append(folder, [record for record in fresh if record is not None])
            done += len(rows)
            if on_progress is not None:
                on_progress(done, len(items))
    return records, sound


def _look(item: ImageItem) -> bytes:
    return hashlib.sha256(item.look.encode()).hexdigest().encode()


def _record(item: ImageItem) -> Records | None:
    try:
        held = item.held()
        record = np.zeros((), RECORD)
        record["look"] = _look(held)
        opened = held.load()
        image = shown(opened, held.window) if isinstance(opened, Raster) else opened
    except InputError:
        return None
    record["pixels"] = _pixels_digest(opened).encode()
    record["size"] = image.size
    record["canvas"] = grey(image, CANVAS_EDGE)
    image = without_frame(image)
    record["tints"] = np.asarray(_reduced(image, TINTS).resize((TINTS, TINTS), Image.Resampling.BOX), np.float32)
    record["sum"] = _sum(record)
    return record


def _pixels_digest(opened: Image.Image | Raster) -> str:
    """Of the values as a model reads them, whatever file they come from."""
    values = np.asarray(opened) if isinstance(opened, Image.Image) else opened.values
    digest = hashlib.sha256(f"{values.shape} {values.dtype.str}".encode())
    for rows in np.array_split(values, max(values.nbytes >> 26, 1)):
        digest.update(np.ascontiguousarray(rows).data)
    return digest.hexdigest()


def _reduced(image: Image.Image, edge: int) -> Image.Image:
    """A large image by a whole factor smaller, still several times `edge`: quicker, and as exact."""
    factor = min(image.size) // (4 * edge)
    return image.reduce(factor) if factor > 1 else image


def _filter(image: Image.Image, edge: int) -> Image.Resampling:
    return Image.Resampling.BOX if min(image.size) >= edge else Image.Resampling.BILINEAR


def _sum(record: Records) -> int:
    return zlib.crc32(record.tobytes()[: -RECORD["sum"].itemsize])


def _path(folder: Path) -> Path:
    return folder / f"canvases-{RECORD_VERSION}.bin"


def _kept(folder: Path | None) -> dict[bytes, Records]:
    """Sound records by look, mapped and not read; the rest of a file that was cut off or damaged is left out."""
    if folder is None or not (path := _path(folder)).is_file():
        return {}
    if path.stat().st_size > MOST_RECORDED:
        path.unlink()
        return {}
    count = path.stat().st_size // RECORD.itemsize
    if not count:
        return {}
    table = np.memmap(path, RECORD, "r", shape=(count,))
    return {bytes(record["look"]): record for record in table if _sum(record) == record["sum"]}


def _append(folder: Path | None, records: Sequence[Records]) -> None:
    if folder is None or not records:
        return
    with contextlib.suppress(OSError):  # a full disk costs the resuming, not the result
        folder.mkdir(parents=True, exist_ok=True)
        with _path(folder).open("ab") as file:
            file.truncate(file.tell() // RECORD.itemsize * RECORD.itemsize)
            file.write(np.stack(records).tobytes())
