"""Measure every image of a set once: the table that faults and giveaways are read from."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.files import key
from workbench.images import ImageItem
from workbench.quality.fact_store import Facts, keep_facts, known_facts
from workbench.quality.file_facts import facts_of_image

if TYPE_CHECKING:
    import pandas as pd

READERS_AT_ONCE, WRITTEN_AT_ONCE = 2, 64
"""Threads that read and measure, of which each holds one image; and how many measured images a kill may cost."""
FACT_TEXTS = ("error", "warning", "whole", "format", "mode", "profile", "camera", "taken")
NUMBERS_MEASURED = (
    "bytes", "extra", "width", "height", "bits", "quality", "orientation", "brightness", "contrast", "black", "white",
    "sharpness", "line", "border", "colour",
)  # fmt: skip
FACT_OTHERS = ("frames", "blank", "corners", "edge")


def measure(items: Iterable[ImageItem], on_progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
    """What is known of N image files, measured where it is not kept already.

    Each image is decoded once and by its contents: a stopped run goes on where it was, and images that are added later
    are measured alone. Memory does not grow with the number of images.

    Args:
        items: N images.
        on_progress: Called with how many are done, and of how many; what it raises ends the run.

    Returns:
        One row an image, in order: name, what its file is (format, width, height, mode, bits, profile, camera, ...),
        what is wrong with its bytes (error, warning, whole, extra), and what its pixels measure (see
        `workbench.quality.pixel_measures`).

    Raises:
        InputError: There are no images.

    Example:
        >>> from workbench.quality import measure
        >>> table = measure(images.items[:3])
        >>> table[["format", "width", "bits"]].iloc[0].tolist()
        ['PNG', 300.0, 8.0]
    """
    images = list(items)
    if not images:
        raise InputError("There are no images to measure: choose a set that holds some.")
    names = [_name(item) for item in images]
    facts = known_facts([name for name in dict.fromkeys(names) if name is not None])
    missing = [place for place, name in enumerate(names) if name not in facts]
    own: dict[int, Facts] = {}
    waiting: dict[str, Facts] = {}
    try:
        measured = _measured([images[place] for place in missing])
        for done, (place, values) in enumerate(zip(missing, measured, strict=True), len(images) - len(missing)):
            own[place] = values
            if (name := names[place]) is not None:
                waiting[name] = values
            if len(waiting) >= WRITTEN_AT_ONCE:
                keep_facts(waiting)
                waiting.clear()
            if on_progress is not None:
                on_progress(done + 1, len(images))
    finally:
        if waiting:
            keep_facts(waiting)
    return _table(images, [own[place] if place in own else facts[name or ""] for place, name in enumerate(names)])


def looked_up(items: Iterable[ImageItem]) -> tuple[pd.DataFrame | None, int]:
    """What `measure` says of images that were all measured before, or None, and how many were not.

    An image that cannot be read needs no measuring.
    """
    images = list(items)
    names = [_name(item) for item in images]
    known = known_facts([name for name in dict.fromkeys(names) if name is not None])
    missing = sum(name is not None and name not in known for name in names)
    if missing:
        return None, missing
    rows = [facts_of_image(item) if name is None else known[name] for name, item in zip(names, images, strict=True)]
    return _table(images, rows), 0


def measures_version() -> str:
    """What tells these measures from those of another version: a result on disk that is made of them depends on it."""
    return key("image facts", image="")


def _name(item: ImageItem) -> str | None:
    """What the facts of an image are kept under; None where it cannot be read, which may change."""
    try:
        return key("image facts", image=item.look)
    except InputError:
        return None


def _measured(items: Sequence[ImageItem]) -> Iterator[Facts]:
    """Facts in order; no more images are read ahead than there are threads."""
    threads = min(READERS_AT_ONCE, os.cpu_count() or 1)
    queue, waiting = iter(items), deque[Future[Facts]]()
    pool = ThreadPoolExecutor(threads, "measure")
    try:
        for _ in items:
            ahead = itertools.islice(queue, 2 * threads - len(waiting))
            waiting.extend(pool.submit(facts_of_image, item) for item in ahead)
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _table(images: Sequence[ImageItem], rows: Sequence[Facts]) -> pd.DataFrame:
    import pandas as pd

    columns = {name: pd.Series([row.get(name) for row in rows], dtype=object) for name in (*FACT_TEXTS, *FACT_OTHERS)}
    numbers = {name: [_number(row.get(name)) for row in rows] for name in NUMBERS_MEASURED}
    return pd.DataFrame({"name": [item.name for item in images], **columns, **numbers})


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
