"""The engine for one machine: threads read and decode images ahead of the model."""

from __future__ import annotations

import itertools
import math
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from workbench.audit.chunk import Chunk, Reading, compute, read
from workbench.images import ImageItem
from workbench.models import BATCH

if TYPE_CHECKING:
    from workbench.models import Classifier

THREADS = 4
AHEAD, AHEAD_BYTES = 2 * BATCH, 128 * 2**20
"""How many inputs wait for the model at most, and how much memory they take; at least one is always read ahead."""


def outputs(classifier: Classifier, items: Sequence[ImageItem], digests: set[str]) -> Iterator[Chunk]:
    """Ask the model about images, a forward pass at a time, in order.

    Memory does not grow with the number of images, for no more are read than the model keeps up with.

    Args:
        classifier: The model.
        items: The images of a whole set.
        digests: Those that need no computing; those that are computed are added.
    """
    inputs = 4 * len(classifier.preprocessing.mean) * math.prod(classifier.preprocessing.size)
    ahead = max(1, min(AHEAD, AHEAD_BYTES // inputs))
    waiting: deque[Future[Reading]] = deque()
    queue = iter(items)
    pool = ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1), "audit")
    try:
        for start in range(0, len(items), BATCH):
            images = []
            for _ in items[start : start + BATCH]:
                upcoming = itertools.islice(queue, ahead + 1 - len(waiting))
                waiting.extend(pool.submit(read, classifier, item, digests) for item in upcoming)
                images.append(waiting.popleft().result())
            yield compute(classifier, start, images, digests)
    finally:
        pool.shutdown(cancel_futures=True)
