"""How well score maps find marked defects, pixel by pixel: the areas under the ROC curve and under the
per-region-overlap curve.

AUPRO is that of Bergmann et al. 2021, "The MVTec Anomaly Detection Dataset: A Comprehensive Real-World Dataset for
Unsupervised Anomaly Detection", International Journal of Computer Vision 129. At a threshold t, PRO is the mean, over
all connected regions of all masks (8 neighbours), of the share of the region's pixels that score t or more; FPR is the
same share of all pixels outside of the masks, those of good images among them. The area under PRO over FPR from 0 to a
limit is divided by the limit. A map that knows nothing reaches half of the limit, and 0.5 under the ROC curve.

Nothing is binned: a pixel of a defect adds its weight to the curve where the pixels outside that score more than it
end, so that its share of the area follows from their number alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.stats import Rate

LIMIT = 0.3
"""False-positive rate up to which the per-region overlap is integrated, as in the paper."""
RESAMPLED = 2000
QUANTILES = 150
"""Quantiles of each part of the scores that a resample is counted in."""
SIDES: tuple[Literal["right"], Literal["left"]] = ("right", "left")
Scores = NDArray[np.float32]
Units = NDArray[np.intp] | None


@dataclasses.dataclass(frozen=True, eq=False)
class Pixels:
    """The scores of one image's pixels, parted by what its mask says: 4 bytes a pixel, and 4 more for one in a defect.

    Attributes:
        sound: float32 (N,), sorted: the scores outside of the mask.
        marked: float32 (D,): those inside of it.
        region: int32 (D,): which connected region each of them lies in, from 0.
    """

    sound: Scores
    marked: Scores
    region: NDArray[np.int32]

    @property
    def regions(self) -> int:
        """How many regions the mask has."""
        return int(self.region.max()) + 1 if self.region.size else 0

    @property
    def weights(self) -> NDArray[np.float64]:
        """(D,): what each marked pixel is of its region."""
        return np.asarray(1 / np.bincount(self.region)[self.region] if self.region.size else [], np.float64)


def regions_of(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The connected regions of a mask (H, W), numbered from 1, 0 outside; pixels touching at a corner are connected."""
    from scipy import ndimage

    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    return np.asarray(labels, dtype=np.int32)


def split_pixels(values: NDArray[np.floating], labels: NDArray[np.integer]) -> Pixels:
    """The pixels of one image.

    Args:
        values: Scores of shape (H, W), higher where a defect is more likely.
        labels: Of the same shape: numbers of regions, and 0 outside.

    Raises:
        ValueError: The shapes differ, or a score is not finite.
    """
    if values.ndim != 2 or values.shape != labels.shape:
        raise ValueError(f"expected a map and a mask of one shape (H, W), got {values.shape} and {labels.shape}")
    if not np.isfinite(values).all():
        raise ValueError("expected a map of finite values")
    inside = labels > 0
    region = np.unique(labels[inside], return_inverse=True)[1]
    scores = values.astype(np.float32, copy=False)
    return Pixels(np.sort(scores[~inside]), scores[inside], region.astype(np.int32))


def aupro(maps: Iterable[NDArray[np.floating]], masks: Iterable[NDArray[np.bool_]], limit: float = LIMIT) -> float:
    """The area under the per-region-overlap curve, exactly: tied scores are one threshold, and the last piece ends at
    the limit.

    Args:
        maps: Scores of shape (H, W), higher where a defect is more likely, taken as float32; one an image, sizes may
            differ.
        masks: True where a defect is, of the same shapes; good images have an empty one.
        limit: Where the integration over the false-positive rate ends, above 0 and at most 1.

    Returns:
        0 to 1.

    Raises:
        InputError: No pixel is marked, or none is not.
        ValueError: A map and its mask differ in shape, a score is not finite, or the limit is out of range.
    """
    return _exact(_all_pixels(maps, masks), None, limit)[1]


def pixel_auroc(maps: Iterable[NDArray[np.floating]], masks: Iterable[NDArray[np.bool_]]) -> float:
    """The chance that a marked pixel scores above an unmarked one, ties counting half. Arguments, errors as `aupro`."""
    return _exact(_all_pixels(maps, masks), None, LIMIT)[0]


def merge(images: Iterable[Pixels]) -> Scores:
    """The scores of all pixels outside of the masks, sorted."""
    scores = np.concatenate([np.zeros(0, np.float32), *(image.sound for image in images)])
    scores.sort()
    return scores


def areas(
    defective: Sequence[Pixels],
    good: Sequence[Pixels],
    pools: Sequence[Scores] | None = None,
    *,
    limit: float = LIMIT,
    level: float = 0.95,
    draws: int = RESAMPLED,
    seed: int = 0,
    units: tuple[Units, Units] = (None, None),
) -> tuple[Rate, Rate]:
    """Pixel AUROC and AUPRO with intervals.

    The values are exact. Their intervals are percentiles of a bootstrap over whole images, defective and good ones
    resampled separately, for the pixels of one image are not independent. A resample is counted in bins
    between quantiles of the scores, so that it is a product of matrices, and all are moved by what the bins make
    of the images as they are. The percentiles lie further out the fewer defective images there are, as Student's t does
    (Hesterberg 2015, "What teachers should know about the bootstrap: resampling in the undergraduate statistics
    curriculum"). Where all images are alike, as when every one is found without a fault, a bootstrap sees no spread:
    such an interval has no width and says nothing. Where images come in units, whole units are resampled.

    Args:
        defective: Images with marked pixels.
        good: Images without.
        pools: What `merge` makes of all these images, in any parts, where it is known already.
        limit: As of `aupro`.
        level: Confidence level of the intervals.
        draws: Resamples.
        seed: For drawing them.
        units: The number of each image's unit, of the defective (n,) and of the good ones (m,); each image is one of
            its own where missing.

    Returns:
        Two figures, with the defective images as `count` and all images as `support`. Without a value where no pixel is
        marked or none is not, without an interval for a single defective image or unit of them.
    """
    pools = [merge([*defective, *good])] if pools is None else pools
    places = _places(units[0], len(defective)), _places(units[1], len(good))
    n, support = len(defective), len(defective) + len(good)
    if not (n and sum(pool.size for pool in pools)):
        return Rate(None, None, None, n, support), Rate(None, None, None, n, support)
    exact = _exact(defective, pools, limit)
    if (groups := int(places[0].max()) + 1) == 1:
        return Rate(exact[0], None, None, n, support), Rate(exact[1], None, None, n, support)
    rng = np.random.default_rng(seed)
    samples = _resample(defective, good, places, _edges(pools, defective), limit, draws, rng)
    tail = _tail(groups, level)

    def rate(value: float, column: NDArray[np.float64]) -> Rate:
        low, high = np.quantile(column[1:], [tail, 1 - tail]) + (value - column[0])
        return Rate(value, max(float(low), 0.0), min(float(high), 1.0), n, support)

    return rate(exact[0], samples[0]), rate(exact[1], samples[1])


def _places(units: Units, size: int) -> NDArray[np.intp]:
    """The unit of each of n images, numbered from 0; the images' own numbers where each is a unit."""
    if units is None or len(np.unique(units)) == size:
        return np.arange(size)
    return np.unique(units, return_inverse=True)[1]


def _all_pixels(maps: Iterable[NDArray[np.floating]], masks: Iterable[NDArray[np.bool_]]) -> list[Pixels]:
    pairs = zip(maps, masks, strict=True)
    images = [split_pixels(np.asarray(values), regions_of(np.asarray(mask))) for values, mask in pairs]
    if not any(image.regions for image in images):
        raise InputError("No pixel is marked as a defect: give at least one mask that is not empty.")
    if not any(image.sound.size for image in images):
        raise InputError("Every pixel is marked as a defect: give masks that leave something out, or good images.")
    return images


def _exact(images: Sequence[Pixels], pools: Sequence[Scores] | None, limit: float) -> tuple[float, float]:
    """Areas under both curves of images of which one is marked somewhere; `pools` as of `areas`."""
    if not 0 < limit <= 1:
        raise ValueError(f"expected 0 < limit <= 1, got {limit}")
    pools = [merge(images)] if pools is None else pools
    marked = np.concatenate([image.marked for image in images])
    order = np.argsort(marked)  # neighbours in order are found near each other, which is what takes the time
    marked, weights = marked[order], np.concatenate([image.weights for image in images])[order]
    total = sum(pool.size for pool in pools)
    above, reached = (total - np.sum([np.searchsorted(pool, marked, side) for pool in pools], axis=0) for side in SIDES)
    under_roc = _under(above, reached, float(total)).sum() / marked.size
    under_pro = (weights * _under(above, reached, limit * total)).sum() / sum(image.regions for image in images)
    return float(under_roc), min(float(under_pro), 1.0)  # a region's weights may sum to a hair more than 1


def _under(above: NDArray, reached: NDArray, end: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """What a marked pixel adds to the area, as a share of `end`, the number of pixels outside at which the area ends.

    Its step stands where `above` pixels outside score more; with those that tie, `reached` in all, it is a ramp.
    """
    ramp = np.clip(end - above, 0, None) ** 2 / np.maximum(2 * (reached - above), 1)
    return np.where(end >= reached, end - (above + reached) / 2, ramp) / end


def _edges(pools: Sequence[Scores], defective: Sequence[Pixels]) -> Scores:
    """Lower edges of bins: quantiles of the scores outside of the masks, and as many of those inside."""
    parts = [*pools, np.sort(np.concatenate([image.marked for image in defective]))]
    picks = [part[np.linspace(0, part.size - 1, QUANTILES).round().astype(np.intp)] for part in parts if part.size]
    return np.unique(np.concatenate(picks))


def _resample(
    defective: Sequence[Pixels],
    good: Sequence[Pixels],
    places: tuple[NDArray[np.intp], NDArray[np.intp]],
    edges: Scores,
    limit: float,
    draws: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Binned areas under both curves, (2, 1 + draws): of the images as they are, and of resamples of their units, which
    are numbered from 0 in `places`."""

    def sound_counts(images: Sequence[Pixels]) -> NDArray[np.float64]:
        counts = [np.diff(np.searchsorted(image.sound, edges, "left"), append=image.sound.size) for image in images]
        return np.array(counts, np.float64).reshape(-1, edges.size)[:, ::-1]

    def marked_counts(images: Sequence[Pixels], weighted: bool) -> NDArray[np.float64]:
        bins = [np.searchsorted(edges, image.marked, "right") - 1 for image in images]
        weights = [image.weights if weighted else None for image in images]
        counts = [np.bincount(b, w, minlength=edges.size) for b, w in zip(bins, weights, strict=True)]
        return np.array(counts, np.float64)[:, ::-1]

    def multiplicities(place: NDArray[np.intp]) -> NDArray[np.float64]:
        """How often each of n images is in a resample, (1 + draws, n)."""
        size = int(place.max(initial=-1)) + 1
        counts = rng.multinomial(size, np.full(size, 1 / size), draws) if size else np.zeros((draws, 0))
        return np.vstack([np.ones(len(place)), counts[:, place]])

    repeats = multiplicities(places[0])
    outside = repeats @ sound_counts(defective) + multiplicities(places[1]) @ sound_counts(good)
    reached = outside.cumsum(1)
    total = np.maximum(reached[:, -1:], 1)  # a resample of nothing but wholly marked images has none
    result = []
    for weighted, end in ((False, total), (True, limit * total)):
        inside = repeats @ marked_counts(defective, weighted)
        result.append((inside * _under(reached - outside, reached, end)).sum(1) / inside.sum(1))
    return np.array(result)


def _tail(n: int, level: float) -> float:
    """The share of resamples to leave out at each end, for n cases."""
    from scipy.special import ndtr, stdtrit

    return float(ndtr(-math.sqrt(n / (n - 1)) * stdtrit(n - 1, (1 + level) / 2)))
