"""How far edits of an image move a model towards a class, and which places of an image speak most for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.cues.cuts import Box, Crop, Seen, cut, meets, pasted, windows
from workbench.images import Pixels, tile

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.models import Classifier

LEAST_FAR = 0.5
"""Log-odds from which an image is taken to be at least away from even odds."""
RISES = 0.1
"""What moves the middle one of some images less far towards a class is not proposed."""
COARSE, FINE = (1 / 4, 7), (1 / 8, 15)
"""Edges of the windows that are covered, as shares of the image's, and how many lie side by side."""
PEAKS = 2
"""How many places of an image are looked at closely."""


def rises(classifier: Classifier, image: Pixels, edits: Iterable[Pixels], target: str) -> NDArray[np.float64]:
    """(n,) how far each of n edits moves an image towards a class: 1 where as far as the image lay from even odds, or
    further.

    Raises:
        InputError: As `Classifier.input`.
    """
    odds = log_odds(classifier, (image, *edits), target)
    return np.asarray(((odds[1:] - odds[0]) / max(abs(odds[0]), LEAST_FAR)).clip(-1, 1), np.float64)


def log_odds(classifier: Classifier, images: Iterable[Pixels], target: str) -> NDArray[np.float64]:
    """(n,) the logarithm of the odds that n images are of a class, which no rounding of probabilities cuts off.

    Raises:
        InputError: As `Classifier.input`.
    """
    import torch

    from workbench.models import forwards

    return odds_of(classifier, torch.cat(list(forwards(classifier, images))), target)


def odds_of(classifier: Classifier, logits: Tensor, target: str) -> NDArray[np.float64]:
    """(n,) the logarithm of the odds of a class that logits (n, K) state."""
    column, logits = classifier.index(target), logits.double()
    if not classifier.head.several:
        rest = [k for k in range(logits.shape[1]) if k != column]
        logits = logits - logits[:, rest].logsumexp(1, keepdim=True)
    return np.nan_to_num(logits[:, column].numpy())


def peaks(classifier: Classifier, source: Seen, target: str, rng: np.random.Generator) -> list[Crop]:
    """Crops around the places of an image that speak most for a class and hold nothing of its masked defect.

    Those are the windows whose cover lowers the class most (occlusion: Zeiler and Fergus 2014), first coarsely, then
    closely around the best. They are covered with texture of the same image, which leaves no mark of its own.
    """
    rough = [box for box in windows(*COARSE) if source.free(box)]
    drops = _drops(classifier, source, rough, target, rng)
    chosen: list[Box] = []
    for index in np.argsort(-drops):
        if len(chosen) < PEAKS and drops[index] > 0 and not any(meets(rough[index], box) for box in chosen):
            chosen.append(rough[index])
    return [_closer(classifier, source, box, target, rng) for box in chosen]


def _closer(classifier: Classifier, source: Seen, box: Box, target: str, rng: np.random.Generator) -> Crop:
    """What matters most of a coarse window, or reaches out of it: the best of the fine ones, and those that meet it and
    matter at least half as much."""
    fine = [window for window in windows(*FINE) if meets(window, box) and source.free(window)]
    drops = _drops(classifier, source, fine, target, rng)
    best = fine[int(drops.argmax())]
    near = [b for b, drop in zip(fine, drops, strict=True) if drop >= drops.max() / 2 and meets(b, best)] or [best]
    hull = min(b[0] for b in near), min(b[1] for b in near), max(b[2] for b in near), max(b[3] for b in near)
    return cut(source, hull if source.free(hull) else best)


def _drops(
    classifier: Classifier, source: Seen, boxes: list[Box], target: str, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(n,) how far covering each of n boxes moves an image away from a class."""
    height, width = source.image.shape[:2]
    shift = [int(rng.integers(n // 4, n - n // 4)) for n in (height, width)]
    cover = Seen(np.roll(tile(source.image), shift, axis=(0, 1)))
    edits = (pasted(source.image, cut(cover, box), box) for box in boxes)
    return -rises(classifier, source.image, edits, target)
