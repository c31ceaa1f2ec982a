"""Temperature scaling: the one number that logits are divided by so that probabilities mean what they say."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from workbench.catalog import COLDEST, HOTTEST
from workbench.stats import critical_value, student

Numbers = NDArray[np.float64]
_STEPS = 60


@dataclasses.dataclass(frozen=True)
class Temperature:
    """A temperature as it was fitted.

    Attributes:
        value: It; None where none can be fitted, as `reason` says.
        low: Lower end of its 95 % interval, None likewise.
        high: Upper end.
        images: How many images it was fitted on.
        units: In how many independent units they come; None where each image is taken as one.
        reason: Why there is none; empty where there is.
    """

    value: float | None
    low: float | None
    high: float | None
    images: int
    units: int | None
    reason: str = ""

    def holds(self, value: float) -> bool:
        """Whether the interval holds a temperature."""
        return self.low is not None and self.high is not None and self.low <= value <= self.high


def fitted(
    logits: Numbers, truth: NDArray[np.intp], units: NDArray[np.intp] | None = None, level: float = 0.95
) -> Temperature:
    """The temperature with the least negative log-likelihood (Guo et al. 2017, "On calibration of modern neural
    networks"), exactly: that is convex in the inverse of the temperature, and the root of its slope is bracketed.

    The interval is that of the profile likelihood. Where images come in units it also holds every temperature at which
    the slope lies within Student's t of zero (the score test by cluster). The slope's variance is that of its sums by
    unit, or where it is larger that which the model itself expects of independent images, times how much larger sums by
    unit vary than single images do: of few mistakes the first is seen too small.

    Args:
        logits: (M, K) as the model gives them, M at least 1.
        truth: (M,) the column of each image's class.
        units: (M,) the unit of each image; each is one of its own where missing.
        level: Of the interval.

    Example:
        >>> import numpy as np
        >>> from workbench.reliability import fitted
        >>> logits = np.log([[0.9, 0.1]] * 4)  # sure to 90 % each time, and right in 3 of 4
        >>> round(fitted(logits, np.array([0, 0, 0, 1])).value, 3)
        2.0
    """
    groups = None if units is None else len(np.unique(units))
    slope = _slope_of(logits, truth)
    if not np.ptp(logits, axis=1).any():
        return Temperature(None, None, None, len(truth), groups, "the model gives every class the same logit")
    if slope(1 / COLDEST).sum() < 0 or bool((logits.argmax(1) == truth).all()):
        reason = "no image among them is decided wrongly, and without a mistake no temperature is too low"
        return Temperature(None, None, None, len(truth), groups, reason)
    if slope(1 / HOTTEST).sum() > 0:
        reason = "the model's order of the classes says nothing about them, so that no temperature is too high"
        return Temperature(None, None, None, len(truth), groups, reason)
    best = _root(lambda log: float(slope(math.exp(log)).sum()), -math.log(HOTTEST), -math.log(COLDEST))
    ends = [_outwards(_profile(logits, truth, best, level), best, way) for way in (-1, 1)]
    if units is not None and groups is not None and groups < len(truth):
        place = np.unique(units, return_inverse=True)[1]
        beyond = _by_unit(slope, _expected_of(logits), place, best, level)
        further = [_outwards(beyond, best, way) for way in (-1, 1)]
        ends = [min(ends[0], further[0]), max(ends[1], further[1])]
    return Temperature(math.exp(-best), math.exp(-ends[1]), math.exp(-ends[0]), len(truth), groups)


def losses(logits: Numbers, truth: NDArray[np.intp], temperature: float) -> Numbers:
    """The negative log-likelihood of each image's class, (M,), in nats, at a temperature."""
    scaled = logits / temperature
    return np.asarray(np.logaddexp.reduce(scaled, axis=1) - scaled[np.arange(len(truth)), truth], np.float64)


def softmax(logits: Numbers, temperature: float = 1.0) -> Numbers:
    """Probabilities (M, K) of logits (M, K) at a temperature."""
    scaled = logits / temperature
    shares = np.exp(scaled - scaled.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True), np.float64)


def _slope_of(logits: Numbers, truth: NDArray[np.intp]) -> Callable[[float], Numbers]:
    """The derivative of each image's loss with respect to the inverse temperature."""
    centred = logits - logits.max(1, keepdims=True)
    own = centred[np.arange(len(truth)), truth]
    return lambda inverse: np.asarray((softmax(centred, 1 / inverse) * centred).sum(1) - own, np.float64)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq

    return float(brentq(function, low, high, xtol=1e-12))


def _profile(logits: Numbers, truth: NDArray[np.intp], best: float, level: float) -> Callable[[float], float]:
    """By how much the likelihood falls short of what its interval allows, along the logarithm of the inverse."""
    least, room = losses(logits, truth, math.exp(-best)).sum(), critical_value(level) ** 2 / 2
    return lambda log: float(losses(logits, truth, math.exp(-log)).sum() - least - room)


def _expected_of(logits: Numbers) -> Callable[[float], float]:
    """The variance that the slope of independent images has where the model is calibrated."""
    centred = logits - logits.max(1, keepdims=True)

    def variance(inverse: float) -> float:
        shares = softmax(centred, 1 / inverse)
        return float(((shares * centred**2).sum(1) - (shares * centred).sum(1) ** 2).sum())

    return variance


def _by_unit(
    slope: Callable[[float], Numbers],
    expected: Callable[[float], float],
    place: NDArray[np.intp],
    best: float,
    level: float,
) -> Callable[[float], float]:
    """By how much the slope lies further from zero than its interval allows, along the logarithm of the inverse."""
    groups = int(place.max()) + 1
    if groups < 2:
        return lambda log: -1.0
    allowed, slopes = student(level, groups - 1) ** 2, slope(math.exp(best))
    alike = max(float((np.bincount(place, slopes) ** 2).sum() / max((slopes**2).sum(), 1e-300)), 1.0)

    def beyond(log: float) -> float:
        sums = np.bincount(place, slope(math.exp(log)), minlength=groups)
        seen = ((sums - sums.mean()) ** 2).sum() * groups / (groups - 1)
        return float(sums.sum() ** 2 - allowed * max(seen, alike * expected(math.exp(log))))

    return beyond


def _outwards(beyond: Callable[[float], float], best: float, way: int) -> float:
    """Where `beyond` first rises above zero from `best` on, below (-1) or above it; the bound where it never does."""
    bound = -math.log(HOTTEST) if way < 0 else -math.log(COLDEST)
    steps = best + (bound - best) * np.linspace(0, 1, _STEPS + 1) ** 2
    before = best
    for step in steps[1:].tolist():
        if beyond(step) > 0:
            return _root(beyond, *sorted((before, step)))
        before = step
    return bound
