"""One edit over its whole range: where the decision of an image flips, and how many of a set's decisions do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images import SAMPLE, ImageItem, Pixels, digest, draw_sample
from workbench.predictions import column_of, units_among
from workbench.probe.edits import Edit, apply, further
from workbench.probe.sliders import SLIDERS
from workbench.stats import Rate, share
from workbench.texts import apart, shown

if TYPE_CHECKING:
    import pandas as pd

    from workbench.models import Classifier

POINTS = 25
"""Values of a sweep where none are named; between neighbours that are decided differently it looks closer."""
ALL_IMAGES, ALL_BY = "all images", "all"
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Flip:
    """A change of the decision along the slider.

    Attributes:
        low: The last value known to be decided as `before`.
        high: The first value known to be decided as `after`, at most one step of the slider further.
        before: Class at `low`.
        after: Class at `high`.
    """

    low: float
    high: float
    before: str
    after: str


@dataclasses.dataclass(frozen=True, eq=False)
class Sweep:
    """One image under one edit.

    Attributes:
        kind: A name in `SLIDERS`.
        values: (V,) of the edit, ascending.
        probabilities: (V, K).
        decisions: (V,) columns.
        flips: Every change of the decision that `values` show, in their order, each narrowed down to one step of the
            slider.
    """

    kind: str
    values: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    decisions: NDArray[np.intp]
    flips: tuple[Flip, ...]

    @property
    def nearest(self) -> tuple[Flip | None, Flip | None]:
        """The flips nearest to the neutral value, below and above it, of those known.

        Both are told on the way from the neutral value: `low` is the last value known to be decided as there, `high`
        the first known to be decided otherwise, which lies below `low` on the way down.

        Raises:
            ValueError: The neutral value was not tried.
        """
        neutral = SLIDERS[self.kind].neutral
        if neutral not in self.values:
            raise ValueError(f"expected {neutral:g} among the values tried")
        below = [flip for flip in self.flips if flip.high <= neutral]
        above = [flip for flip in self.flips if flip.low >= neutral]
        down = Flip(below[-1].high, below[-1].low, below[-1].after, below[-1].before) if below else None
        return down, above[0] if above else None

    @property
    def flipping(self) -> bool:
        """Whether any value tried flips the decision."""
        return any(self.nearest)

    @property
    def sentences(self) -> tuple[str, ...]:
        """For each way that the slider goes: the nearest value at which the decision flips, or how far it does not;
        flips first."""
        kind = SLIDERS[self.kind]
        flips, held = [], []
        for flip, end in zip(self.nearest, (kind.low, kind.high), strict=True):
            way = self.values[(self.values < kind.neutral) if end < kind.neutral else (self.values > kind.neutral)]
            if flip is not None:
                still = "the first value tried" if flip.low == kind.neutral else f"not yet {kind.amount(flip.low)}"
                flips.append(f"{kind.told(flip.high)}: {flip.before} flips to {flip.after} ({still})")
            elif end != kind.neutral and len(way):
                furthest = float(min(way) if end < kind.neutral else max(way))
                values = "1 value" if len(way) == 1 else f"{len(way)} values"
                held.append(f"{kind.told(furthest)}: no flip on the way ({values} tried)")
        return *flips, *held


@dataclasses.dataclass(frozen=True, eq=False)
class SweptSet:
    """A set of images under one edit.

    Attributes:
        frame: One row for each value and group: value, by ("all", "label" or the attribute's column), group, support
            (images), units (in how many independent ones they come), changed (share whose decision is not that at the
            neutral value) with "changed low" and "changed high", labelled (images with a label that the model knows),
            accuracy with "accuracy low" and "accuracy high". Intervals of 95 % by `stats.share`; NaN where there is
            nothing to compute a figure from.
        kind: A name in `SLIDERS`.
        values: (V,), ascending; the neutral one is among them.
        neutral: Where among them.
        decisions: (M, V) columns, of the images that could be judged.
        names: (M,) of those.
        left_out: Why images of the sample have no decisions, by name: one sentence each.
        sample: How many images there are, how many were drawn, and with which seed.
        units: (M,) the independent unit of each image; None where each is one of its own.
    """

    frame: pd.DataFrame
    kind: str
    values: NDArray[np.float64]
    neutral: int
    decisions: NDArray[np.intp]
    names: tuple[str, ...]
    left_out: Mapping[str, str]
    sample: Mapping[str, int]
    units: NDArray[np.intp] | None = None

    @property
    def flipping(self) -> bool:
        """Whether the smallest change tried, either way, flips a decision."""
        return any(rate.count for _, rate in self._smallest)

    @property
    def sentences(self) -> tuple[str, ...]:
        """For each way that the slider goes: how many decisions the smallest change tried flips."""
        kind, support, result = SLIDERS[self.kind], len(self.names), []
        for value, rate in self._smallest:
            count = rate.count
            flips = f"none of {support:,} decisions flips" if not count else f"{count:,} of {support:,} decisions"
            flips += "" if not count else " flips" if count == 1 else " flip"
            units = rate.in_units()
            joined = f" of images{units}" if units else ""
            low, high = 100 * (rate.low or 0), 100 * (rate.high or 0)
            result.append(f"{kind.told(value)}: {flips}{joined} (95 % interval {low:.1f} to {high:.1f} %)")
        return tuple(result)

    @property
    def _smallest(self) -> list[tuple[float, Rate]]:
        """The values next to the neutral one, and the share of decisions that flip there."""
        places = [place for place in (self.neutral - 1, self.neutral + 1) if 0 <= place < len(self.values)]
        changed = self.decisions != self.decisions[:, [self.neutral]]
        return [(float(self.values[place]), share(changed[:, place], self.units)) for place in places]


def sweep(
    classifier: Classifier,
    image: Image.Image | Pixels,
    kind: str,
    *,
    values: Sequence[float] | None = None,
    edits_before: Sequence[Edit] = (),
    others: Mapping[str, Image.Image] | None = None,
    on_progress: Progress | None = None,
) -> Sweep:
    """Ask about one image at every value of one slider.

    Args:
        classifier: The model.
        image: RGB, or what `Classifier.levels` gives.
        kind: A name in `SLIDERS`.
        values: Of the edit; `POINTS` of the slider's own, spread over its whole range, where missing.
        edits_before: What is done to the image first.
        others: Images to paste from, by name.
        on_progress: Called with (done, total) evaluations, of which the closer looks at flips add more as they come;
            what it raises stops the work.

    Raises:
        InputError: There is no such edit, a value lies outside of its range, or the model's answer is not a number.
    """
    from workbench.models import answers

    points = _values(_kind(kind), spread(kind) if values is None else values)
    start, asked, total = apply(image, edits_before, others), 0, len(points)
    answers_at: dict[float, NDArray[np.float32]] = {}

    def ask_at(some: Sequence[float]) -> None:
        nonlocal asked
        first = asked
        for probabilities in answers(
            classifier, (further(start, edits_before, Edit(kind, value)).pixels for value in some)
        ):
            answers_at.update(zip(some[asked - first :], probabilities, strict=False))
            asked += len(probabilities)
            if on_progress:
                on_progress(asked, total)

    def decisions_at(at: Sequence[float]) -> NDArray[np.intp]:
        return classifier.rule.decide(np.stack([answers_at[value] for value in at]))[0]

    if on_progress:
        on_progress(0, total)
    ask_at(points)
    while middles := _middles(kind, sorted(answers_at), decisions_at(sorted(answers_at))):
        total += len(middles)
        ask_at(middles)
    every = sorted(answers_at)
    columns, names = decisions_at(every), classifier.class_names
    changes = np.flatnonzero(columns[1:] != columns[:-1]).tolist()
    flips = tuple(Flip(every[i], every[i + 1], names[columns[i]], names[columns[i + 1]]) for i in changes)
    return Sweep(kind, np.array(points), np.stack([answers_at[value] for value in points]), decisions_at(points), flips)


def sweep_set(
    classifier: Classifier,
    items: Iterable[ImageItem],
    kind: str,
    values: Sequence[float] | None = None,
    *,
    attributes: Sequence[str] = (),
    most: int = SAMPLE,
    seed: int = 0,
    units: Mapping[str, int] | None = None,
    known: MutableMapping[str, NDArray[np.intp]] | None = None,
    on_progress: Progress | None = None,
) -> SweptSet:
    """Ask about the images of a set at each of some values of one edit.

    Args:
        classifier: The model.
        items: The images.
        kind: A name in `SLIDERS`.
        values: Of the edit; those of `outward` where missing. The neutral one is added.
        attributes: Of the items, to group them by.
        most: How many images at most: a sample drawn with equal chances, of which a larger one with the same seed holds
            the smaller.
        seed: Of the sample, and of noise, which differs from image to image.
        units: Which images are one unit, as `predictions.named_units` gives it; what all the images themselves say of
            groups and families where missing.
        known: Decisions (V,) of the same model, edit and values, by the images' names: what is there is not asked
            again, and what is asked is put there, so that work that was stopped goes on where it was.
        on_progress: Called with (done, total) images before each and at the end; what it raises stops the work.

    Raises:
        InputError: There is no such edit or attribute, a value lies outside of its range, or no image can be judged.
    """
    points = _values(kind, [*(outward(kind) if values is None else values), SLIDERS[_kind(kind)].neutral])
    pool = list(items)
    for name in attributes:
        if all(item.attributes.get(name) is None for item in pool):
            raise InputError(f"None of the images carries {name}: choose another attribute.")
    chosen, known, left_out = draw_sample(pool, most, seed), {} if known is None else known, {}
    for done, item in enumerate(chosen):
        if on_progress:
            on_progress(done, len(chosen))
        if len(known.get(item.name, ())) != len(points):
            try:
                known[item.name] = _decisions(classifier, item, kind, points, seed)
            except InputError as error:
                left_out[item.name] = str(error)
    if on_progress:
        on_progress(len(chosen), len(chosen))
    judged = [item for item in chosen if item.name not in left_out]
    if not judged:
        raise InputError(
            next(iter(left_out.values()), "There are no images to sweep over: choose a set that holds some.")
        )
    decisions, neutral = np.stack([known[item.name] for item in judged]), points.index(float(SLIDERS[kind].neutral))
    numbers = units_among(judged, units, pool)
    frame = _frame(judged, classifier.class_names, points, decisions, neutral, attributes, numbers)
    sample = {"images": len(pool), "drawn": len(chosen), "seed": seed}
    names = tuple(item.name for item in judged)
    return SweptSet(frame, kind, np.array(points), neutral, decisions, names, left_out, sample, numbers)


def spread(kind: str, points: int = POINTS) -> list[float]:
    """Values of a slider, about so many, spread over its whole range with both ends and the neutral one; all of them
    where they are few.

    Raises:
        InputError: There is no such edit.
    """
    chosen = SLIDERS[_kind(kind)]
    steps = round((chosen.high - chosen.low) / chosen.step)
    at = {round(i) for i in np.linspace(0, steps, min(points, steps + 1))}
    return sorted({round(chosen.low + i * chosen.step, 6) for i in at} | {float(chosen.neutral)})


def outward(kind: str) -> list[float]:
    """The neutral value of a slider and those 1/16, 1/8, 1/4, 1/2 and all of the way to each end: dense where small
    changes are likely.

    Raises:
        InputError: There is no such edit.
    """
    chosen = SLIDERS[_kind(kind)]
    values = {float(chosen.neutral)}
    for end in {chosen.low, chosen.high} - {chosen.neutral}:
        steps = (end - chosen.neutral) / chosen.step
        values |= {round(float(chosen.neutral) + round(steps / part) * chosen.step, 6) for part in (16, 8, 4, 2, 1)}
    return sorted(values)


def _kind(kind: str) -> str:
    if kind not in SLIDERS:
        raise InputError(f"There is no edit {kind[:40]!r} with a slider: choose one of {', '.join(SLIDERS)}.")
    return kind


def _values(kind: str, values: Sequence[float]) -> list[float]:
    """Values of an edit as it takes them, ascending, each once."""
    ascending = sorted({Edit(kind, float(value)).value for value in values})
    if not ascending:
        raise InputError(f"There is no value of {SLIDERS[kind].title} to try: name at least one.")
    return ascending


def _middles(kind: str, values: Sequence[float], decisions: NDArray[np.intp]) -> list[float]:
    """A slider value between each pair of neighbours decided differently and more than a step apart."""
    low, step = SLIDERS[kind].low, SLIDERS[kind].step
    middles = []
    for i in np.flatnonzero(decisions[1:] != decisions[:-1]).tolist():
        left, right = values[i], values[i + 1]
        if right - left > step * (1 + 1e-6):
            middle = round(low + round(((left + right) / 2 - low) / step) * step, 6)
            middles.append(middle if left < middle < right else Edit(kind, (left + right) / 2).value)
    return middles


def _decisions(
    classifier: Classifier, item: ImageItem, kind: str, values: Sequence[float], seed: int
) -> NDArray[np.intp]:
    """Columns (V,) of one image."""
    from workbench.models import ask

    start, own = apply(classifier.levels(item), ()), int.from_bytes(digest(seed, item.name)[:6], "big")
    return classifier.rule.decide(
        ask(classifier, (further(start, (), Edit(kind, value), seed=own).pixels for value in values))
    )[0]


def _frame(
    items: Sequence[ImageItem],
    names: Sequence[str],
    values: Sequence[float],
    decisions: NDArray[np.intp],
    neutral: int,
    attributes: Sequence[str],
    units: NDArray[np.intp] | None,
) -> pd.DataFrame:
    """The table of `SweptSet`, from decisions (M, V) of images whose units are (M,)."""
    import pandas as pd

    truth = np.array([names.index(item.label) if item.label in names else -1 for item in items])
    changed, right, labelled = decisions != decisions[:, [neutral]], decisions == truth[:, None], truth >= 0
    columns: dict[str, list[object]] = {"label": [item.label for item in items]}
    for by, name in zip(apart(map(column_of, attributes), [ALL_BY]), attributes, strict=True):
        columns[by] = [item.attributes.get(name) for item in items]
    groups = [(ALL_BY, ALL_IMAGES, np.ones(len(items), bool))]
    for by, column in columns.items():
        for own in sorted({shown(entry) for entry in column if entry is not None}):
            groups.append((by, own, np.array([entry is not None and shown(entry) == own for entry in column])))
    lines = []

    def rate(hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> Rate:
        return share(hits[among], None if units is None else units[among])

    for by, group, rows in groups:
        usable = rows & labelled
        for i, value in enumerate(values):
            flips = rate(changed[:, i], rows)
            line: dict[str, object] = {"value": value, "by": by, "group": group, "support": flips.support}
            line |= {"units": flips.groups or flips.support} | _ends("changed", flips)
            lines.append(line | {"labelled": int(usable.sum())} | _ends("accuracy", rate(right[:, i], usable)))
    return pd.DataFrame(lines)


def _ends(name: str, rate: Rate) -> dict[str, object]:
    ends = {name: rate.value, f"{name} low": rate.low, f"{name} high": rate.high}
    return {key: np.nan if end is None else end for key, end in ends.items()}
