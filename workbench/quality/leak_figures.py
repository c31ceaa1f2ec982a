"""What leaked images do to the figures of a split: as reported, without them, and on them alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.predictions import Cases, Predictions, judgeable, known_defects
from workbench.stats import ENOUGH, Rate, difference, share

EVERY_IMAGE = "all images"
AGREES, DIFFERS = "the twin's label agrees", "the twin's label differs"
LEAST_UNITS = 15
"""Below so many parts or groups nothing is said of how much a leak flatters."""
MOST_CUT = 20
"""Classes that figures are split by, those with the most leaked images first."""


@dataclasses.dataclass(frozen=True)
class Cut:
    """One figure of a split.

    Attributes:
        figure: "accuracy", "escape rate" or "overkill rate".
        among: Which images of the split: all, a class, those whose twin has the same label or another, or both.
        reported: The figure on all of them.
        without: On those that do not leak.
        leaked: On those that do, alone.
    """

    figure: str
    among: str
    reported: Rate
    without: Rate
    leaked: Rate

    def row(self) -> dict[str, object]:
        """It as a row of a table."""
        line: dict[str, object] = {"figure": self.figure, "among": self.among}
        for name, rate in (("reported", self.reported), ("without", self.without), ("leaked", self.leaked)):
            line |= {name: rate.value, f"{name} low": rate.low, f"{name} high": rate.high}
            line |= {f"{name} hits": rate.count, f"{name} images": rate.support, f"{name} units": rate.groups}
        return line


@dataclasses.dataclass(frozen=True)
class Excess:
    """How much better a model is on leaked images than on others of the same classes.

    Attributes:
        verdict: "flatters" or "worse" where more than chance, "chance" where chance can do that, "few" where there are
            too few leaked images or too few others to say, "nothing left" where all images leak.
        value: Difference of the shares of right decisions, class by class, weighted as by Mantel and Haenszel 1959;
            None where no class has both kinds.
        low: Lower end of its 95 % interval: that of Zou and Donner 2008 (MOVER), or that of Student's t over the units
            where it is wider.
        high: Upper end.
    """

    verdict: Literal["flatters", "worse", "chance", "few", "nothing left"]
    value: float | None = None
    low: float | None = None
    high: float | None = None


def cuts_of(predictions: Predictions, split: str, agrees: Mapping[str, bool | None]) -> tuple[Cut, ...]:
    """The figures of a split, the accuracy over all images first.

    Args:
        predictions: A table with the images of the split; intervals count units, where groups or families are known.
        split: Whose figures.
        agrees: The leaked images of the split by name, and whether the twin has the same label.
    """
    cases, leaked, agree = _marked(predictions, split, agrees)
    return tuple(_cuts(cases, leaked, agree))


def excess_of(predictions: Predictions, split: str, agrees: Mapping[str, bool | None]) -> Excess:
    """Whether the model is better on leaked images than chance would make it. Arguments as `cuts_of`.

    Classes are compared with themselves, because leaked images are often of other classes than the rest.
    """
    cases, leaked, _ = _marked(predictions, split, agrees)
    right = cases.truth == cases.called
    if not (~leaked).any():
        return Excess("nothing left")
    terms, weights, influence = [], [], np.zeros(len(cases))
    for column in np.unique(cases.truth):
        own = cases.truth == column
        inside, outside = own & leaked, own & ~leaked
        if inside.any() and outside.any():
            rates = _share(cases, right, inside), _share(cases, right, outside)
            terms.append([float(end[0]) for end in difference(_ends(rates[0]), _ends(rates[1]))])
            weights.append(inside.sum() * outside.sum() / own.sum())
            for kind, sign in ((inside, 1), (outside, -1)):
                influence[kind] = sign * weights[-1] * (right[kind] - right[kind].mean()) / kind.sum()
    if not terms:
        return Excess("few")
    d, low, high = np.array(terms).T
    w = np.array(weights) / sum(weights)
    value = float(w @ d)
    reach = _reach(cases, influence / sum(weights))
    least = max(value - max(float(np.sqrt(((w * (d - low)) ** 2).sum())), reach), -1.0)
    most = min(value + max(float(np.sqrt(((w * (high - d)) ** 2).sum())), reach), 1.0)
    if _few(cases, leaked) or _few(cases, ~leaked):
        return Excess("few", value, least, most)
    return Excess("flatters" if least > 0 else "worse" if most < 0 else "chance", value, least, most)


def _reach(cases: Cases, influence: NDArray[np.float64]) -> float:
    """Half of the interval of a difference by Student's t over the units, from what each case adds to it, (M,); 0 where
    cases are independent. Where the cases of a unit are all alike, intervals of single shares are too narrow."""
    from scipy.special import stdtrit

    if cases.units is None:
        return 0.0
    _, place = np.unique(cases.units, return_inverse=True)
    sums = np.bincount(place, influence)
    if len(sums) in (1, len(influence)):
        return 0.0
    variance = float((sums**2).sum()) * len(sums) / (len(sums) - 1)
    return float(stdtrit(len(sums) - 1, 0.975)) * variance**0.5


def _marked(
    predictions: Predictions, split: str, agrees: Mapping[str, bool | None]
) -> tuple[Cases, NDArray[np.bool_], NDArray[np.object_]]:
    """The images of a split that can be judged, which of them leak, and whether the twin's label agrees."""
    frame = predictions.frame
    positive = known_defects(predictions)
    cases = Cases(predictions, judgeable(predictions, (frame["split"] == split).to_numpy(bool)), positive)
    names = frame["name"].to_numpy()[cases.rows]
    agree = np.array([agrees.get(name) for name in names], dtype=object)
    return cases, np.array([name in agrees for name in names], dtype=bool), agree


def _cuts(cases: Cases, leaked: NDArray[np.bool_], agree: NDArray[np.object_]) -> Iterator[Cut]:
    right, every = cases.truth == cases.called, np.ones(len(cases), bool)
    figures = {"accuracy": (right, every)}
    if cases.positive:
        rejected = cases.is_positive(cases.called)
        figures |= {"escape rate": (~rejected, cases.defect), "overkill rate": (rejected, ~cases.defect)}
    same, other = (np.array([value is wanted for value in agree], bool) for wanted in (True, False))
    for name, (hits, among) in figures.items():
        yield _cut(cases, name, EVERY_IMAGE, hits, among, leaked)
    for title, kind in ((AGREES, same), (DIFFERS, other)):
        for name, (hits, among) in figures.items():
            if (kind & among).any():
                yield _cut(cases, name, title, hits, among, leaked & kind, ~leaked)
    counts = np.bincount(cases.truth[leaked], minlength=cases.classes)
    for column in np.argsort(-counts, kind="stable")[:MOST_CUT]:
        own, label = cases.truth == column, cases.predictions.class_names[column]
        if not counts[column]:
            continue
        yield _cut(cases, "accuracy", label, right, own, leaked)
        for title, kind in ((AGREES, same), (DIFFERS, other)):
            if (kind & own).any():
                yield _cut(cases, "accuracy", f"{label}, {title}", right, own, leaked & kind, ~leaked)


def _cut(
    cases: Cases,
    figure: str,
    title: str,
    hits: NDArray[np.bool_],
    among: NDArray[np.bool_],
    leaked: NDArray[np.bool_],
    rest: NDArray[np.bool_] | None = None,
) -> Cut:
    kinds = among, among & (~leaked if rest is None else rest), among & leaked
    return Cut(figure, title, *(_share(cases, hits, kind) for kind in kinds))


def _share(cases: Cases, hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> Rate:
    return share(hits[among], None if cases.units is None else cases.units[among])


def _ends(rate: Rate) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    value, low, high = (np.array([end], dtype=np.float64) for end in (rate.value, rate.low, rate.high))
    return value, low, high


def _few(cases: Cases, among: NDArray[np.bool_]) -> bool:
    """Whether so few images, or so few parts and groups, that no difference is told."""
    units = None if cases.units is None else len(np.unique(cases.units[among]))
    return int(among.sum()) < ENOUGH or (units is not None and units < LEAST_UNITS)
