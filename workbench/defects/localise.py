"""How well maps find the defects that masks mark: for each kind of defect, by images and by pixels.

A map may be an attribution or what an anomaly model gives itself. One image is measured at a time into a `Row`, which
can be kept; the figures are made from rows. Images longer than `LONG_EDGE` pixels are measured on a smaller copy, their
model having seen the original, so a row takes at most about 1 MB, and `SAMPLE` of them about 200 MB.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.attribution import METHODS
from workbench.defects.curves import LIMIT, Pixels, areas, merge, regions_of, split_pixels
from workbench.errors import InputError
from workbench.images import SAMPLE, ImageItem, stratify_items
from workbench.models import Placement
from workbench.predictions import good_class, units_among
from workbench.stats import Rate, auc, mean_of, share
from workbench.texts import apart

if TYPE_CHECKING:
    import pandas as pd

    from workbench.attribution import Attribution, ScoreKind
    from workbench.models import Classifier

LONG_EDGE = 512
"""Pixels of the longer side from which an image is measured on a smaller copy."""
FEW = 5
"""On fewer images than this nothing is said of a kind: its figures stand with their support alone."""
ALL_DEFECTS, UNLABELLED = "all defects", "unlabelled"
MAP_FIGURES = ("mass accuracy", "pointing", "pixel AUROC", "AUPRO", "image AUROC")
Target = str | Callable[[ImageItem], str] | None


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """What is kept of one image with its map.

    Attributes:
        name: The image's.
        kind: Kind of defect: its label; None for an image without a defect.
        pixels: The map's values on the image, parted by the mask: about 4 bytes a pixel, which exact curves need.
        mass: Share of the map's positive values that lies in the mask; 0 where there are none.
        hit: Whether the map is highest inside of the mask: at least half of the pixels where it is, should several be.
        chance: What of the pixels that the model saw the mask covers: the two figures before, by chance.
        score: How defective the image is for the model; None where that is not known.
    """

    name: str
    kind: str | None
    pixels: Pixels
    mass: float
    hit: bool
    chance: float
    score: float | None = None


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """An image without figures.

    Attributes:
        name: The image's.
        kind: Kind of defect; None for an image that is called good.
        reason: "no mask", "empty mask", "good with a mask", "unreadable" or "no map".
        message: One sentence.
    """

    name: str
    kind: str | None
    reason: str
    message: str


@dataclasses.dataclass(frozen=True, eq=False)
class Localisation:
    """How well the maps of one method find the defects.

    Attributes:
        frame: As of `summarise`.
        method: Which attribution method made the maps.
        good: How many images without a defect count.
        left_out: The images without figures.
        sample: How many images there are, how many were drawn, how, and with which seed.
    """

    frame: pd.DataFrame
    method: str
    good: int
    left_out: tuple[LeftOut, ...]
    sample: Mapping[str, object]


def localise(
    classifier: Classifier,
    items: Iterable[ImageItem],
    method: str,
    *,
    target: Target = None,
    params: Mapping[str, Any] | None = None,
    score: ScoreKind = "logit",
    good: Collection[str] | None = None,
    scores: Mapping[str, float] | None = None,
    most: int = SAMPLE,
    seed: int = 0,
    units: Mapping[str, int] | None = None,
    rows: MutableMapping[str, Row] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Localisation:
    """Explain images with masks, and good ones, and measure how well the maps find the defects.

    Args:
        classifier: The model.
        items: The images; one whose label is none of `good` counts where it has a mask.
        method: A name in `METHODS`.
        target: The class that is explained, by name, or what names it for an image; the predicted one where missing. A
            good image needs the class of a defect too, for its map should say where a defect would be.
        params: The method's settings, and the background where it compares with one: the images that are drawn where it
            is missing.
        score: What is explained: "logit", "probability" or "margin".
        good: Labels of images without a defect; where missing the one that reads so. An image without a label is good
            where its mask is empty.
        scores: How defective the images are for the model, by name, for the image AUROC.
        most: How many images at most, drawn as evenly over the labels as their numbers allow.
        seed: For the sample and the intervals.
        units: Which images are one unit, as `predictions.named_units` gives it; what all the images themselves say of
            groups and families where missing.
        rows: Rows of the same model, method and settings by the images' names: what is there is not measured again, and
            what is measured is put there, so that work that was stopped goes on where it was.
        on_progress: Called with (done, total) images before each and at the end; what it raises stops the work.

    Returns:
        The figures for each kind of defect, and what was left out.

    Raises:
        InputError: The method does not suit the model, there is no image of a defect with a mask, or none could be
            measured: then the message is that of the last.
    """
    from workbench.attribution import attribute, suits

    if why := suits(classifier, method):
        raise InputError(why)
    pool = list(items)
    selection, left, sample = _sample(pool, good, most, seed)
    settings: dict[str, Any] = {"background": [item for item, _ in selection], **(params or {})}
    rows = {} if rows is None else rows
    results = []

    def explain(item: ImageItem, image: Image.Image) -> Attribution:
        aim = target(item) if callable(target) else target
        asked = item if classifier.preprocessing.tiles else classifier.input(item, image)
        return attribute(classifier, asked, method, aim, score=score, **settings)

    for done, (item, sound) in enumerate(selection):
        if on_progress:
            on_progress(done, len(selection))
        row = rows[item.name] if item.name in rows else _row(item, sound, explain)
        if isinstance(row, LeftOut):
            left.append(row)
        else:
            rows[item.name] = row
            results.append(dataclasses.replace(row, score=(scores or {}).get(item.name)))
    if on_progress:
        on_progress(len(selection), len(selection))
    if not results:
        raise InputError(left[-1].message)
    good_images, measured = sum(row.kind is None for row in results), {row.name for row in results}
    own = [item for item, _ in selection if item.name in measured]
    numbers = units_among(own, units, pool)
    return Localisation(summarise(results, left, seed=seed, units=numbers), method, good_images, tuple(left), sample)


def measure(
    item: ImageItem,
    source: Attribution | NDArray[np.floating],
    *,
    mask: NDArray[np.bool_] | None = None,
    score: float | None = None,
) -> Row:
    """Hold one map against the mask of its image.

    Args:
        item: The image; without a mask, or with an empty one, it has no defect.
        source: An attribution, whose positive part counts (of methods that say how the score reacts, the size); of a
            model's own anomaly map the curves take every value, and where the model did not look the lowest. Such a map
            may come as a plain array too, (height, width) of the image, higher where a defect is more likely.
        mask: The item's mask where it is open already, (height, width).
        score: How defective the image is for the model.

    Raises:
        InputError: The mask cannot be read, or has another size than the image, or the map has.
    """
    mask = item.open_mask() if mask is None else mask
    own = isinstance(source, np.ndarray) or METHODS[source.method].family == "own"
    values, visible = (
        _on_image(source) if isinstance(source, np.ndarray) else _on_image(source.ranking, source.placement)
    )
    if isinstance(source, np.ndarray) and mask is not None and mask.shape != source.shape:
        raise InputError(
            f"The map of {item.name} is {source.shape[1]} x {source.shape[0]} pixels but its mask is {mask.shape[1]} x"
            f" {mask.shape[0]}: give a map of the image's size."
        )
    labels = np.zeros(values.shape, np.int32) if mask is None else _shrink(regions_of(mask), values.shape)
    positive, inside = values.clip(0), labels > 0
    total = float(positive.sum(dtype=np.float64))
    highest = visible & (values == values[visible].max())
    # An anomaly map may lie below zero all over
    ranking = np.where(visible, values, values[visible].min()) if own else positive
    return Row(
        name=item.name,
        kind=kind_of(item) if inside.any() else None,
        pixels=split_pixels(ranking, labels),
        mass=float(positive[inside].sum(dtype=np.float64)) / total if total else 0.0,
        hit=bool(inside[highest].mean() >= 0.5) and bool(values.max() > values.min()),
        chance=float(inside[visible].mean()),
        score=score,
    )


def summarise(
    rows: Sequence[Row],
    left: Sequence[LeftOut] = (),
    *,
    limit: float = LIMIT,
    level: float = 0.95,
    seed: int = 0,
    units: NDArray[np.intp] | None = None,
) -> pd.DataFrame:
    """The figures for each kind of defect, from measured images.

    A kind's curves are of its own images and all good ones. Scores and maps are compared across images in their own
    unit, so that a map that is weak all over stays weak.

    Args:
        rows: What `measure` found.
        left: Images without figures.
        limit: Of the AUPRO.
        level: Confidence level of the intervals.
        seed: For the resamples of those of the curves.
        units: (N,) the independent unit of each row's image; each is one of its own where missing.

    Returns:
        One row a kind, sorted, and one of all together: kind (no two called alike), support (its images), units (in how
        many independent ones they come), enough (whether there are `FEW` of them), regions (connected ones in its
        masks), left out (how many images), why ("2 no mask, 1 unreadable"), and of each of `MAP_FIGURES` its name, and
        the name followed by "low", "high" and "chance". "mass accuracy" is the mean share of the positive map inside of
        the mask (Arras et al. 2022, "CLEVR-XAI"; Student's t), "pointing" how often the map is highest inside of it
        (Zhang et al. 2018, "Top-down neural attention by excitation backprop", without their grace of 15 pixels;
        Wilson), "pixel AUROC" and "AUPRO" as in `curves.areas`, "image AUROC" how far the images' scores tell the kind
        from good ones (DeLong). NaN where there is nothing to compute a figure from.

    Raises:
        InputError: No image has a defect.
    """
    import pandas as pd

    kinds = sorted(
        {kind for kind in [*(row.kind for row in rows), *(entry.kind for entry in left)] if kind is not None}
    )
    if not kinds:
        raise InputError("No image has a defect that a mask marks: choose a set with masks.")
    part_of = None if units is None else dict(zip((row.name for row in rows), units.tolist(), strict=True))
    good = [row for row in rows if row.kind is None]
    outside = merge(row.pixels for row in good)
    of = {kind: [row for row in rows if row.kind == kind] for kind in kinds}
    pools = {kind: merge(row.pixels for row in of[kind]) for kind in kinds}
    missing = {kind: [entry for entry in left if entry.kind == kind] for kind in kinds}
    lines = []
    names = apart([kind or UNLABELLED for kind in kinds], [ALL_DEFECTS])
    for name, members in [*((name, [kind]) for name, kind in zip(names, kinds, strict=True)), (ALL_DEFECTS, kinds)]:
        own = [row for member in members for row in of[member]]
        parts = [outside, *(pools[member] for member in members)]
        reasons = Counter(entry.reason for member in members for entry in missing[member])
        numbers = _units(own, part_of), _units(good, part_of)
        count = len(own) if numbers[0] is None else len(np.unique(numbers[0]))
        line: dict[str, object] = {"kind": name, "support": len(own), "units": count, "enough": count >= FEW}
        line |= {"regions": sum(row.pixels.regions for row in own), "left out": reasons.total()}
        line["why"] = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        pixels = [row.pixels for row in own], [row.pixels for row in good]
        pro = areas(*pixels, parts, limit=limit, level=level, seed=seed, units=numbers)
        lines.append(line | _columns(own, good, pro, limit, level, part_of))
    return pd.DataFrame(lines)


def kind_of(item: ImageItem) -> str:
    """The kind of defect of an image that has one; an empty text where it is not labelled, which no label is."""
    return item.label or ""


def _sample(
    items: Sequence[ImageItem], good: Collection[str] | None, most: int, seed: int
) -> tuple[list[tuple[ImageItem, bool]], list[LeftOut], dict[str, object]]:
    """The images to measure, each with whether it is good; those without a mask; and a sentence on the sample."""
    if good is None:
        guess = good_class(sorted({item.label for item in items if item.label is not None}))
        good = () if guess is None else (guess,)
    usable = [item for item in items if item.label in good or item.mask is not None]
    if all(item.label in good for item in usable):
        raise InputError("No image of a defect has a mask: choose a set with masks, or say which label means good.")
    left = [
        LeftOut(item.name, kind_of(item), "no mask", f"{item.name} has no mask.")
        for item in items
        if item.label not in good and item.mask is None
    ]
    positions, facts = stratify_items(usable, [kind_of(item) for item in usable], [None] * len(usable), most, seed)
    sample = {"images": len(usable), "drawn": len(positions), "seed": seed, "rule": facts["rule"]}
    return [(usable[i], usable[i].label in good) for i in positions], left, sample


def _row(item: ImageItem, sound: bool, explain: Callable[[ImageItem, Image.Image], Attribution]) -> Row | LeftOut:
    """An image's row, or why there is none; `sound` where its label says that it has no defect."""

    def without(reason: str, message: str) -> LeftOut:
        return LeftOut(item.name, None if sound else kind_of(item), reason, message)

    try:
        image, mask = item.open(), item.open_mask()
    except InputError as error:
        return without("unreadable", str(error))
    marked = mask is not None and bool(mask.any())
    if sound and marked:
        return without("good with a mask", f"{item.name} is called {item.label} but its mask marks a defect.")
    if not (sound or marked or item.label is None):
        return without("empty mask", f"{item.name} is called {item.label} but its mask is empty.")
    try:
        return measure(item, explain(item, image), mask=mask)
    except InputError as error:
        return without("no map", str(error))


def _on_image(
    values: NDArray[np.floating], placement: Placement | None = None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A map on its image, of which it may be a smaller copy: float32 (h, w), and what the model saw."""
    if placement is None:
        rows, columns = values.shape
        placement = Placement((columns, rows), (0.0, 0.0, float(columns), float(rows)), (rows, columns))
    width, height = placement.original
    scale = min(1.0, LONG_EDGE / max(width, height))
    if scale < 1:
        placement = placement.scaled(Image.new("1", (max(round(width * scale), 1), max(round(height * scale), 1))))
    return placement.to_original(values), placement.to_original(np.ones(values.shape, np.float32)) > 0


def _shrink(labels: NDArray[np.int32], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Labels (H, W) scaled down by the nearest pixel; a region that falls between pixels keeps one."""
    if labels.shape == shape:
        return labels
    from scipy import ndimage

    rows, columns = ((np.arange(n) * 2 + 1) * old // (2 * n) for n, old in zip(shape, labels.shape, strict=True))
    small = labels[np.ix_(rows, columns)]
    places = ndimage.find_objects(labels)
    for region in np.setdiff1d(np.arange(1, len(places) + 1), small).tolist():
        inside = np.argwhere(labels[places[region - 1]] == region)
        y, x = inside[len(inside) // 2] + [part.start for part in places[region - 1]]
        small[y * shape[0] // labels.shape[0], x * shape[1] // labels.shape[1]] = region
    return small


def _units(rows: Sequence[Row], part_of: Mapping[str, int] | None) -> NDArray[np.intp] | None:
    return None if part_of is None else np.array([part_of[row.name] for row in rows], np.intp)


def _columns(
    own: Sequence[Row],
    good: Sequence[Row],
    pro: tuple[Rate, Rate],
    limit: float,
    level: float,
    part_of: Mapping[str, int] | None,
) -> dict[str, object]:
    """The figures of one kind with their intervals and what chance gives, by the names of their columns."""
    scored = [row for row in (*own, *good) if row.score is not None]
    scores, truth = [row.score or 0.0 for row in scored], [row.kind is not None for row in scored]
    image_auc, units = auc(scores, truth, level, units=_units(scored, part_of)), _units(own, part_of)
    rates = (
        mean_of(np.array([row.mass for row in own]), level, units),
        share([row.hit for row in own], units, level),
        *pro,
        image_auc,
    )
    chance = float(np.mean([row.chance for row in own])) if own else np.nan
    columns: dict[str, object] = {}
    for name, rate, expected in zip(MAP_FIGURES, rates, (chance, chance, 0.5, limit / 2, 0.5), strict=True):
        numbers = np.array([rate.value, rate.low, rate.high], np.float64).clip(0, 1).tolist()
        columns |= dict(zip((name, f"{name} low", f"{name} high", f"{name} chance"), [*numbers, expected], strict=True))
    return columns
