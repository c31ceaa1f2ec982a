"""The third verdict, review: a band of scores around the threshold that a person looks at."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.predictions import Cases, as_scores, reaches
from workbench.stats import Rate, share, units_or_cases

VERDICTS = ("pass", "review", "reject")


@dataclasses.dataclass(frozen=True)
class Band:
    """Which scores are passed, reviewed and rejected. The three are rounded to the precision of scores, in which they
    are compared.

    Attributes:
        low: Below it a part passes; at most the threshold.
        threshold: What decides where there is no band.
        high: From it on a part is rejected; at least the threshold.
    """

    low: float
    threshold: float
    high: float

    def __post_init__(self) -> None:
        for name in ("low", "threshold", "high"):
            object.__setattr__(self, name, float(as_scores(getattr(self, name))))

    @property
    def empty(self) -> bool:
        """Whether no score is reviewed."""
        return self.low >= self.high

    def verdicts(self, scores: NDArray[np.floating]) -> NDArray[np.str_]:
        """One of `VERDICTS` for each score, (N,)."""
        return np.where(reaches(scores, self.high), "reject", np.where(reaches(scores, self.low), "review", "pass"))


@dataclasses.dataclass(frozen=True)
class Reviewed:
    """What a band does on some images.

    Attributes:
        defects: Share of the defects that are not passed: rejected or reviewed.
        good: Share of the good parts that are not rejected: passed or reviewed.
        review: Share of all parts that are reviewed.
        escapes: Defects that pass unseen.
        overkill: Good parts that are rejected unseen.
    """

    defects: Rate
    good: Rate
    review: Rate
    escapes: int
    overkill: int


def band(cases: Cases, threshold: float, coverage: float | None) -> Band:
    """The band of doubt around a threshold.

    Its ends are split-conformal, each class for itself (Vovk 2012, "Conditional validity of inductive conformal
    predictors"): of new parts like these, a defect scores at least `low` with a probability of at least `coverage`, and
    a good part less than `high`. Where the classes lie further apart than that, the threshold's own place is the end.
    Where images come in units, each unit weighs alike, and the promise is of an image of a new unit: Dunn, Wasserman
    and Ramdas 2022, "Distribution-free prediction sets for two-layer hierarchical models"; Lee, Barber and Willett
    2023, "Distribution-free inference with hierarchical data".

    Args:
        cases: The validation split: images that are neither trained on nor reported on.
        threshold: What decides where there is no band.
        coverage: Target for each class, between 0 and 1; no band where missing.

    Raises:
        InputError: The coverage is out of range.
    """
    if coverage is None:
        return Band(threshold, threshold, threshold)
    low, high = reach(cases, coverage)
    return Band(min(low, threshold), threshold, max(high, threshold))


def reach(cases: Cases, coverage: float) -> tuple[float, float]:
    """How far down and up a band reaches, wherever its threshold lies; arguments and errors as `band`.

    The second is just above 1 where there are too few good parts for any score to be rejected.
    """
    if not 0 < coverage < 1:
        raise InputError(f"The target {coverage:g} for reviews must lie between 0 and 1: correct it.")
    units, defect = cases.units, cases.defect
    of = [None if units is None else units[kind] for kind in (defect, ~defect)]
    low = 0.0 - _quantile(-cases.scores[defect], of[0], coverage, worst=0.0)  # not -0.0, which would be shown
    high = _above(_quantile(cases.scores[~defect], of[1], coverage, worst=1.0))  # that good part itself is not rejected
    return low, high


def images_needed(coverage: float) -> int:
    """How many images of each class, or units of them, a target needs, for its band to leave any score to the
    machine."""
    return math.ceil(coverage / (1 - coverage) * (1 - 1e-9))


def expected_range(coverage: float, calibrated: int, tested: int, level: float = 0.95) -> tuple[float, float]:
    """Between which shares the coverage measured on new images should lie, if they are like those that the band was
    made from.

    It is a beta-binomial (Angelopoulos and Bates 2021, "A gentle introduction to conformal prediction", section 3.2):
    the few images of either split alone make it stray.

    Args:
        coverage: Target.
        calibrated: Images of the class that the band was made from, or units of them.
        tested: New images of the class, or as many units as they are worth: see `units_and_worth`.
        level: How often it should lie there.
    """
    from scipy.stats import betabinom

    rank = math.ceil(coverage * (calibrated + 1) - 1e-9)
    if rank > calibrated or not tested:
        return 0.0 if not tested else 1.0, 1.0
    low, high = betabinom.interval(level, tested, rank, calibrated + 1 - rank)
    return float(low) / tested, float(high) / tested


def units_and_worth(units: NDArray[np.intp] | None, support: int) -> tuple[int, int]:
    """In how many units images come, and how many of one size would say as much if all images of a unit were alike.

    Args:
        units: (M,) each image's unit; each is one of its own where missing.
        support: M.
    """
    if units is None or not support:
        return support, support
    sizes = np.unique(units, return_counts=True)[1]
    return len(sizes), int(support**2 // (sizes**2).sum())


def review(cases: Cases, doubt: Band) -> Reviewed:
    """What the band `doubt` does on cases that it was not made from."""
    verdicts = doubt.verdicts(cases.scores)
    defect, units = cases.defect, cases.units
    passed, rejected = (verdicts == "pass") & defect, (verdicts == "reject") & ~defect
    of = [None if units is None else units[kind] for kind in (defect, ~defect)]
    return Reviewed(
        share(~passed[defect], of[0]),
        share(~rejected[~defect], of[1]),
        share(verdicts == "review", units),
        int(passed.sum()),
        int(rejected.sum()),
    )


def _above(score: float) -> float:
    """The next score above one."""
    return float(np.nextafter(np.float32(score), np.float32(2)))


def _quantile(values: NDArray[np.float64], units: NDArray[np.intp] | None, coverage: float, worst: float) -> float:
    """The value that a new case stays at or below with probability `coverage`; `worst` with too few cases to tell.
    Where cases come in units, the case is one of a new unit."""
    order = np.argsort(values, kind="stable")
    place, sizes = np.unique(units_or_cases(units, len(values)), return_inverse=True, return_counts=True)[1:]
    if len(sizes) == len(values):
        rank = math.ceil(coverage * (len(values) + 1) - 1e-9)
    else:
        below = np.cumsum(1 / sizes[place[order]])
        rank = 1 + int(np.searchsorted(below, coverage * (len(sizes) + 1) - 1e-9))
    return float(values[order][rank - 1]) if rank <= len(values) else worst
