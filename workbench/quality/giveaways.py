"""What gives the label away: properties of files and attributes from which the class can be told without the part."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.files import CheckResult
from workbench.images import ImageItem
from workbench.predictions import GROUP, units_of_items
from workbench.quality.giveaway_test import accuracies_of_codes, balanced, calls, folds_of, p_value, permuted
from workbench.quality.measured import measure
from workbench.quality.properties import Property, properties_of
from workbench.stats import SIGNIFICANT, holm, share

if TYPE_CHECKING:
    import pandas as pd

Told = Literal["label", "split"]
PERMUTATIONS, A_PROPERTY = 999, 40
"""Permutations at least, and for each property that is tested: else no p-value would survive the correction."""
LEAST_UNITS, CLASSES_TESTED = 10, 50
"""Units of a class from which on it is tested, and how many classes are."""
GIVEAWAY_COLUMNS = (
    "property", "origin", "balanced accuracy", "low", "high", "chance", "p", "p adjusted", "values", "tied",
)  # fmt: skip
AWAY = 0.5
"""Share of the way from chance to certainty from which on a property gives the class away."""


@dataclasses.dataclass(frozen=True, eq=False)
class Giveaway:
    """How well one property tells the class.

    Attributes:
        about: What is known of the images, with its values.
        figure: Cross-validated balanced accuracy.
        low: Lower end of its 95 % interval, by unit.
        high: Upper end.
        chance: What guessing gives: 1 over the number of classes.
        p: The chance of as much if labels had nothing to do with it, by permutation of whole units.
        p_adjusted: The same, corrected for the number of properties (Holm).
        counts: (V, K) images by value and class.
        tied: Whether each value goes with one class only.
    """

    about: Property
    figure: float
    low: float
    high: float
    chance: float
    p: float
    p_adjusted: float
    counts: NDArray[np.intp]
    tied: bool

    @property
    def name(self) -> str:
        """What the property is called."""
        return self.about.name

    @property
    def significant(self) -> bool:
        """Whether it tells more than chance would: by the permutations and by the interval, which count units alike."""
        return self.p_adjusted <= SIGNIFICANT and self.low > self.chance

    @property
    def strong(self) -> bool:
        """Whether it gives the class away: it is at least half the way from chance to certainty."""
        return self.significant and self.figure >= self.chance + AWAY * (1 - self.chance)


@dataclasses.dataclass(frozen=True, eq=False)
class Giveaways:
    """What tells the class of N images, or the split.

    Attributes:
        target: What is told: "label" or "split".
        lines: One for each property, what tells the most first.
        classes: The K classes that were tested.
        names: Of the images that were tested, in the order of the properties' codes.
        labels: (M,) the number of each image's class.
        left_out: Classes with too few units, with their number of images.
        units: How many independent units the images are.
        grouped: Whether anything was known of groups or families; else each image was taken as independent.
        why: Why nothing could be tested; empty where it was.
    """

    target: Told
    lines: tuple[Giveaway, ...]
    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: NDArray[np.intp]
    left_out: Mapping[str, int]
    units: int
    grouped: bool
    why: str = ""

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row a property: property, origin, balanced accuracy, low, high, chance, p, p adjusted, values, tied."""
        import pandas as pd

        rows = [
            (
                line.name, line.about.origin, line.figure, line.low, line.high, line.chance, line.p, line.p_adjusted,
                len(line.about.values), line.tied,
            )
            for line in self.lines
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=list(GIVEAWAY_COLUMNS))


def giveaways(
    items: Iterable[ImageItem],
    table: pd.DataFrame | None = None,
    *,
    target: Told = "label",
    families: Mapping[str, str] | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Giveaways:
    """Which properties tell the class of images that they know nothing of.

    Each property is given to a linear model by itself, in five folds of whole units; its balanced accuracy is held
    against that for labels dealt anew by whole units.

    Args:
        items: N images; those without the target, or that cannot be read, are left out.
        table: What `measure` says of them; measured where missing.
        target: "label", or "split": then what differs between the splits is told.
        families: The family of each image by name, where known.
        permutations: How many at least.
        seed: Of folds and permutations.
        on_progress: Called with how many properties are done, and of how many.

    Example:
        >>> from workbench.quality import giveaways
        >>> result = giveaways(images.items[:8])
        >>> result.why
        'no two classes have 10 independent images each'
    """
    images = list(items)
    table = measure(images) if table is None else table
    stated = [item.label if target == "label" else item.split for item in images]
    readable = table["error"].isna().to_numpy(bool)
    units = units_of_items(images, families)
    grouped = bool(families) or any(GROUP in item.attributes for item in images)
    kept, counts = _classes(stated, readable, units)
    left_out = {name: number for name, number in counts.items() if name not in kept}
    at = np.array([place for place, name in enumerate(stated) if readable[place] and name in kept], np.intp)
    labels = np.array([kept.index(str(stated[place])) for place in at], np.intp)
    own = np.unique(units[at], return_inverse=True)[1].astype(np.intp)
    names = tuple(images[place].name for place in at)
    if len(kept) < 2:
        why = f"no two {'classes' if target == 'label' else 'splits'} have {LEAST_UNITS} independent images each"
        return Giveaways(target, (), kept, names, labels, left_out, len(np.unique(own)), grouped, why)
    properties = properties_of([images[place] for place in at], table.iloc[at].reset_index(drop=True))
    lines = _tested(
        properties, labels, own, len(kept), max(permutations, A_PROPERTY * len(properties)), seed, on_progress
    )
    return Giveaways(target, lines, kept, names, labels, left_out, int(own.max()) + 1, grouped)


def _classes(
    stated: Sequence[str | None], readable: NDArray[np.bool_], units: NDArray[np.intp]
) -> tuple[tuple[str, ...], dict[str, int]]:
    """The classes with enough units, the most frequent first, and images by class."""
    members: dict[str, list[int]] = {}
    for name, there, unit in zip(stated, readable, units, strict=True):
        if name is not None and there:
            members.setdefault(name, []).append(int(unit))
    frequent = sorted(members, key=lambda name: -len(members[name]))
    kept = tuple(name for name in frequent if len(set(members[name])) >= LEAST_UNITS)[:CLASSES_TESTED]
    return kept, {name: len(own) for name, own in members.items()}


def _tested(
    properties: Sequence[Property],
    labels: NDArray[np.intp],
    units: NDArray[np.intp],
    classes: int,
    draws: int,
    seed: int,
    on_progress: Callable[[int, int], None] | None,
) -> tuple[Giveaway, ...]:
    folds = folds_of(units, np.random.default_rng(seed))
    results = []
    for done, line in enumerate(properties):
        called = calls(line.features, labels[None], folds, classes)
        figure = float(balanced(called, labels[None], classes)[0])
        null = _null(line, labels, units, folds, classes, draws, seed)
        p = p_value(figure, _reported(null, on_progress, done, len(properties)))
        results.append((line, figure, p, _ends(called[0] == labels, labels, units, classes)))
    if on_progress is not None:
        on_progress(len(properties), len(properties))
    adjusted = holm([p for _, _, p, _ in results]).tolist() if results else []
    lines = []
    for (line, figure, p, (low, high)), corrected in zip(results, adjusted, strict=True):
        counts = np.zeros((len(line.values), classes), np.intp)
        np.add.at(counts, (line.codes, labels), 1)
        tied = bool(((counts > 0).sum(1) == 1).all())
        about = dataclasses.replace(line, features=np.zeros((0, 0)))
        lines.append(Giveaway(about, figure, low, high, 1 / classes, p, corrected, counts, tied))
    return tuple(sorted(lines, key=lambda line: (not line.significant, -line.figure)))


def _null(
    line: Property,
    labels: NDArray[np.intp],
    units: NDArray[np.intp],
    folds: NDArray[np.intp],
    classes: int,
    draws: int,
    seed: int,
) -> Iterator[NDArray[np.float64]]:
    for dealt in permuted(labels, units, draws, np.random.default_rng([seed, 1])):
        if line.coded:
            yield accuracies_of_codes(line.codes, dealt, folds, classes)
        else:
            yield balanced(calls(line.features, dealt, folds, classes), dealt, classes)


def _reported(
    parts: Iterator[NDArray[np.float64]], on_progress: Callable[[int, int], None] | None, done: int, total: int
) -> Iterator[NDArray[np.float64]]:
    """The parts, with a word between them, so that a click on Stop is heard."""
    for part in parts:
        if on_progress is not None:
            on_progress(done, total)
        yield part


def _ends(
    hits: NDArray[np.bool_], labels: NDArray[np.intp], units: NDArray[np.intp], classes: int
) -> tuple[float, float]:
    """The 95 % interval of a mean of independent shares, of the intervals of each (Zou and Donner 2008)."""
    rates = [share(hits[labels == number], units[labels == number]) for number in range(classes)]
    value = np.array([rate.value or 0.0 for rate in rates])
    low, high = (np.array([getattr(rate, end) or 0.0 for rate in rates]) for end in ("low", "high"))
    middle = float(value.mean())
    down, up = (float(np.sqrt(((value - end) ** 2).sum())) / classes for end in (low, high))
    return max(middle - down, 0.0), min(middle + up, 1.0)


def what_goes_with(line: Giveaway, classes: Sequence[str]) -> list[tuple[str, str, int, int]]:
    """Of each value the class that it makes more likely: value, class, images of both, and images with the value; what
    says the most first."""
    shares = line.counts / np.maximum(line.counts.sum(0), 1)
    pairs = []
    for value, row, own in zip(line.about.values, line.counts, shares, strict=True):
        best = int(own.argmax())
        pairs.append(
            (value, classes[best], int(row[best]), int(row.sum()), float(own[best] - np.delete(own, best).max()))
        )
    return [pair[:4] for pair in sorted(pairs, key=lambda pair: -pair[4])]


def sentence_of(line: Giveaway, result: Giveaways) -> str:
    """A property in a sentence, with its figures."""
    what = "the class" if result.target == "label" else "the split"
    told = f"{100 * line.figure:.0f} % balanced accuracy where guessing gives {100 * line.chance:.0f} %"
    if not line.significant:
        ends = f"{100 * line.low:.0f} to {100 * line.high:.0f} %"
        p = f"p = {line.p_adjusted:.2g} corrected"
        return f"That {line.name} tells more of {what} than chance would is not shown ({told}, {ends}, {p})."
    pairs = what_goes_with(line, result.classes)[:2]
    said = "; ".join(f"{value}: {count:,} of {total:,} are {name}" for value, name, count, total in pairs)
    lead = "gives away" if line.strong else "goes with"
    alone = "" if result.grouped else " Each image was taken as independent: no groups or families are known."
    same = " Each value goes with one class alone: it may be the label under another name." if line.tied else ""
    return f"{line.name} {lead} {what}: {told}. {said}.{same}{alone}"


def giveaway_results(result: Giveaways) -> tuple[CheckResult, ...]:
    """A finding for each property: "warn" where it tells more than chance, "unknown" where permutations and interval
    disagree; one "unknown" where nothing was tested."""
    check = "giveaways" if result.target == "label" else "split differences"
    if result.why:
        return (CheckResult(check, "unknown", f"It cannot be told what gives the {result.target} away: {result.why}."),)
    return tuple(
        CheckResult(
            f"{check}: {line.name}",
            "warn" if line.significant else "unknown" if line.p_adjusted <= SIGNIFICANT else "ok",
            sentence_of(line, result),
            line.figure,
            line.low,
            line.high,
            line.chance,
            len(result.names),
        )
        for line in result.lines
    )
