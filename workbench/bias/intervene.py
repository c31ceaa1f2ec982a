"""Does it matter? How covering a region of many images changes the answers, compared with an equal area elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.bias.places import Region
from workbench.errors import InputError
from workbench.images import FILLS, RANDOM, ImageItem, Pixels, cover_region, elsewhere, shrunk, tile
from workbench.predictions import units_among
from workbench.stats import SIGNIFICANT, Rate, mean_of, share, sign_flips, wilson
from workbench.texts import directed

if TYPE_CHECKING:
    import pandas as pd

    from workbench.models import Classifier

COVERINGS = 4
"""How many times each image's region, and as many other places of equal area, are covered."""
FLIPS = 4000
MATTERS = 0.05
"""A smaller effect on a probability is negligible: the edge of a cover alone can cause it."""
COVERED_EDGE = 1024
"""Pixels of the longer side to which larger images are shrunk first: covering a camera's full image takes seconds."""
MOST_COVERED = 60
"""How many images of a class are intervened on at most, where all of them were meant."""
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Intervention:
    """What covering one region of N images does.

    Attributes:
        region: Which.
        fill: What with: one of `FILLS`.
        frame: One row an image: name, label, target, before, after and elsewhere (the target's probability as it is,
            with the region covered, and with an equal area elsewhere covered, each the mean of `COVERINGS`), called
            (the class before), turned and turned elsewhere (with which share of the covers the verdict changed).
        change: Mean of after - before, with its interval of 95 % (Student's t, by unit where images come in units).
        elsewhere: Mean of elsewhere - before, likewise.
        effect: Mean of after - elsewhere, likewise: what the place adds to the mere loss of so much area.
        p: The chance of so large an effect if region and elsewhere were exchanged at random in each image, or in all
            images of a unit alike (Fisher's sign flips).
        turned: Share of the covers of the region that change the verdict, a mean over images. Its interval is Wilson's
            for as many images of one cover each, which is wider than needed; where images come in units, as wide as
            that of `stats.share` at least.
        turned_elsewhere: The same elsewhere.
    """

    region: Region
    fill: str
    frame: pd.DataFrame
    change: Rate
    elsewhere: Rate
    effect: Rate
    p: float
    turned: Rate
    turned_elsewhere: Rate

    @property
    def matters(self) -> bool:
        """Whether covering the region lowers the target's probability by at least `MATTERS`, and not by chance: of too
        few units nothing is said."""
        lowers = (self.change.high or 0) < 0 and (self.effect.high or 0) < 0 and not self.effect.few_units
        return lowers and (self.effect.value or 0) <= -MATTERS and self.p <= SIGNIFICANT

    @property
    def otherwise(self) -> str:
        """What covering the region does where it does not matter in that sense."""
        effect = self.effect.value or 0
        if self.effect.few_units:
            return (
                f"these {self.effect.support:,} images come in only {self.effect.groups:,} independent units, too few"
                " to tell whether covering it matters"
            )
        if self.p > SIGNIFICANT:
            return "that covering it does more than covering as much elsewhere is not proven"
        amount = directed(effect, "{:.2f}", "higher than", "lower than", "just")
        leaves = f"covering it leaves the probability {amount} where covering as much elsewhere does"
        if abs(effect) < MATTERS:
            return f"{leaves}, too little to matter"
        if effect > 0:
            return f"{leaves}: the place speaks against the class"
        return f"{leaves}, but does not clearly lower it"


def intervene(
    classifier: Classifier,
    items: Sequence[ImageItem],
    region: Region,
    *,
    target: str | None = None,
    fill: str = "patch",
    others: Sequence[ImageItem] | None = None,
    seed: int = 0,
    units: Mapping[str, int] | None = None,
    on_progress: Progress | None = None,
) -> Intervention:
    """Cover a region of each image and ask again.

    Elsewhere is the same shape mirrored, so that it lies to the image's edges alike and has as much of a rim for a
    model to stumble over: for a corner, the other corners. A region that meets its mirror images is shifted at random
    instead, what leaves the image on one side coming back on the other. Its area is the same to the pixel. Where the
    region leaves an image's ground-truth mask free, so does elsewhere if that can be had: to cover the defect itself
    would be no fair comparison.

    Args:
        classifier: The model.
        items: N images. Left out are those that cannot be read, whose mask is damaged, of which the region is all or
            nothing (what lies outside of the mask, where there is none), and for which the model's answer is not a
            number.
        region: What to cover, in the pixels of each image.
        target: The class whose probability is watched; each image's predicted class where missing.
        fill: One of `FILLS`.
        others: Images to exchange with; `items` where missing.
        seed: Of the places elsewhere, the patches and the exchange.
        units: Which images are one unit, as `predictions.named_units` gives it; what the images themselves say of
            groups and families where missing.
        on_progress: Called with (done, total); what it raises stops the work.

    Raises:
        InputError: There is no such fill or class, or fewer than two images are left.
    """
    from workbench.models import ask

    if fill not in FILLS:
        raise InputError(f"There is no fill {fill!r}: choose {', '.join(FILLS)}.")
    column = None if target is None else classifier.index(target)
    rng, lines = np.random.default_rng(seed), []
    for done, item in enumerate(items):
        if on_progress:
            on_progress(done, len(items))
        try:
            answers = ask(
                classifier, _variants(classifier, item, items if others is None else others, region, fill, rng)
            )
        except InputError:
            continue
        decisions = classifier.rule.decide(answers)[0]
        index = int(decisions[0]) if column is None else column
        lines.append((item, index, answers[:, index].astype(np.float64), decisions))
    if len(lines) < 2:
        raise InputError(
            "Fewer than two of the images can be read and have such a region: choose other images or another region."
        )
    if on_progress:
        on_progress(len(items), len(items))
    numbers = units_among([item for item, *_ in lines], units)
    return _result(region, fill, _frame(lines, classifier.class_names), numbers, rng)


def _frame(
    lines: Sequence[tuple[ImageItem, int, NDArray[np.float64], NDArray[np.intp]]], names: Sequence[str]
) -> pd.DataFrame:
    """From, for each image: the class that is watched, its probability and the verdict in all variants."""
    import pandas as pd

    probabilities, decisions = np.array([p for _, _, p, _ in lines]), np.array([c for *_, c in lines])
    flips = decisions[:, 1:] != decisions[:, :1]
    return pd.DataFrame(
        {
            "name": [item.name for item, *_ in lines],
            "label": [item.label for item, *_ in lines],
            "target": [names[column] for _, column, *_ in lines],
            "before": probabilities[:, 0],
            "after": probabilities[:, 1 : 1 + COVERINGS].mean(1),
            "elsewhere": probabilities[:, 1 + COVERINGS :].mean(1),
            "called": [names[column] for column in decisions[:, 0]],
            "turned": flips[:, :COVERINGS].mean(1),
            "turned elsewhere": flips[:, COVERINGS:].mean(1),
        }
    )


def _result(
    region: Region, fill: str, frame: pd.DataFrame, units: NDArray[np.intp] | None, rng: np.random.Generator
) -> Intervention:
    before, after, control = (frame[name].to_numpy() for name in ("before", "after", "elsewhere"))
    effect = after - control
    p = sign_flips(effect, FLIPS, rng, units)
    flip_rates = [_share_of(frame[name].to_numpy(), units) for name in ("turned", "turned elsewhere")]
    change, other, own = (mean_of(values, units=units) for values in (after - before, control - before, effect))
    return Intervention(region, fill, frame, change, other, own, p, *flip_rates)


def _share_of(shares: NDArray[np.float64], units: NDArray[np.intp] | None) -> Rate:
    """The mean of shares (N,) of `COVERINGS`, with the interval of a proportion of N, or of their units if wider."""
    total = float(shares.sum())
    rate = dataclasses.replace(wilson(round(total), len(shares)), value=total / len(shares))
    if units is None or rate.low is None or rate.high is None:
        return rate
    covers = np.arange(COVERINGS) < (shares * COVERINGS).round()[:, None]
    by_unit = share(covers.ravel(), np.repeat(units, COVERINGS))
    if by_unit.groups == len(shares) or by_unit.low is None or by_unit.high is None:
        return dataclasses.replace(rate, groups=by_unit.groups)
    ends = min(rate.low, by_unit.low), max(rate.high, by_unit.high)
    return dataclasses.replace(rate, low=ends[0], high=ends[1], groups=by_unit.groups)


def _variants(
    classifier: Classifier,
    item: ImageItem,
    others: Sequence[ImageItem],
    region: Region,
    fill: str,
    rng: np.random.Generator,
) -> list[Pixels]:
    """The image as it is, with the region covered `COVERINGS` times, and with as many other places covered; each (H, W,
    C)."""
    image, mask = _pixels(classifier, item)
    height, width = image.shape[:2]
    inside = region.on(height, width, mask)
    if inside.all() or not inside.any():
        raise InputError(f"The region is all or nothing of {item.name}: choose another region.")
    peers = [other for other in others if other.name != item.name]
    texture = tile(image if mask is None else _without_defect(image, mask, rng)) if fill == "patch" else None

    def cover(place: NDArray[np.bool_]) -> Pixels:
        return cover_region(image, place, fill, peers, rng, texture)

    draws = COVERINGS if fill in RANDOM else 1  # the others cover alike each time
    spared = None if mask is None or region.of_mask or (inside & mask).any() else mask
    covers = [cover(inside) for _ in range(draws)] * (COVERINGS // draws)
    return [image, *covers, *(cover(elsewhere(inside, spared, rng)) for _ in range(COVERINGS))]


def _pixels(classifier: Classifier, item: ImageItem) -> tuple[Pixels, NDArray[np.bool_] | None]:
    """An image (H, W, C) of at most `COVERED_EDGE` pixels a side, and its mask (H, W), None where there is none."""
    whole, mask = classifier.levels(item), item.open_mask()
    image = shrunk(whole, COVERED_EDGE, Image.Resampling.BICUBIC)
    if mask is not None and image is not whole:
        size = image.shape[1], image.shape[0]
        mask = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    return image, mask


def _without_defect(image: Pixels, mask: NDArray[np.bool_], rng: np.random.Generator) -> Pixels:
    """The image (H, W, C) with its defect covered, so that no patch carries it along."""
    from scipy.ndimage import binary_dilation

    if not mask.any() or mask.all():
        return image
    return cover_region(image, binary_dilation(mask, iterations=max(max(mask.shape) // 32, 1)), "patch", (), rng)
