"""Headline figures with their uncertainty: accuracy, AUC, recall, precision, and the threshold that a validation split supports.

It needs neither torch nor, for what the first page shows, SciPy, so that it stands at once.
"""

from __future__ import annotations

import dataclasses
import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import InputError
from workbench.predictions import Predictions, as_scores, between


@dataclasses.dataclass(frozen=True)
class Rate:
    """A figure between 0 and 1 with its confidence interval.

    Attributes:
        value: The figure, or None where there is nothing to compute it from.
        low: Lower end of the interval, or None likewise.
        high: Upper end of the interval, or None likewise.
        count: How many of the cases count as hits; for an AUC, how many are positive.
        support: How many cases the figure rests on.
    """

    value: float | None
    low: float | None
    high: float | None
    count: int
    support: int


def wilson(count: int, support: int, level: float = 0.95) -> Rate:
    """A proportion with the score interval of Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    Args:
        count: Hits.
        support: Cases.
        level: Confidence level of the interval.

    Returns:
        The proportion; without a value where `support` is 0.
    """
    if not 0 <= count <= support:
        raise ValueError(f"expected 0 <= count <= support, got {count} of {support}")
    if support == 0:
        return Rate(None, None, None, 0, 0)
    low, high = wilson_bounds(np.array([count]), support, level)
    return Rate(count / support, float(low[0]), float(high[0]), count, support)


def wilson_bounds(counts: NDArray[np.integer], support: int, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends of the interval of `wilson` for many counts of hits among the same number of cases; NaN where there is none."""
    if support == 0:
        return np.full(counts.shape, np.nan), np.full(counts.shape, np.nan)
    z, share = _z(level), counts / support
    centre = (share + z**2 / (2 * support)) / (1 + z**2 / support)
    half = z / (1 + z**2 / support) * np.sqrt(share * (1 - share) / support + z**2 / (4 * support**2))
    return np.where(counts == 0, 0.0, np.maximum(centre - half, 0)), np.where(counts == support, 1.0, np.minimum(centre + half, 1))


def auc(scores: ArrayLike, positive: ArrayLike, level: float = 0.95) -> Rate:
    """The area under the ROC curve: the chance that a positive case scores above a negative one, ties counting half.

    The interval is that of DeLong et al. 1988, "Comparing the areas under two or more correlated receiver operating characteristic
    curves", taken on the logit scale so that it stays within 0 .. 1. Where that variance is zero (a perfect separation says
    nothing of its spread) it is the score interval of Newcombe 2006, "Confidence intervals for an effect size measure based on
    the Mann-Whitney statistic, part 2", method 5.

    Args:
        scores: Finite numbers of shape (N,), higher for positive.
        positive: Booleans of shape (N,).
        level: Confidence level of the interval.

    Returns:
        The area, with the positive cases as `count` and all cases as `support`; without a value where a class is missing.
    """
    score, truth = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    if score.ndim != 1 or score.shape != truth.shape or not np.isfinite(score).all():
        raise ValueError("expected finite scores and booleans, both of shape (N,)")
    n, m = int(truth.sum()), int((~truth).sum())
    if n == 0 or m == 0:
        return Rate(None, None, None, n, n + m)
    above, below = placements(score, truth)
    area = float(above.mean())
    variance = (above.var(ddof=1) / n if n > 1 else 0.0) + (below.var(ddof=1) / m if m > 1 else 0.0)
    if variance < 1e-12 or not 0 < area < 1 or min(n, m) == 1:
        low, high = _newcombe(area, n, m, level)
    else:
        centre, half = math.log(area / (1 - area)), _z(level) * math.sqrt(variance) / (area * (1 - area))
        low, high = _sigmoid(centre - half), _sigmoid(centre + half)
    return Rate(area, low, high, n, n + m)


def placements(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each case contributes to the area: its share of the cases of the other kind that it is on the right side of.

    Args:
        scores: Finite numbers of shape (N,).
        positive: Booleans of shape (N,), n of them true and m not, neither 0.

    Returns:
        For each positive case the share of the negatives below it (n,), and for each negative that of the positives above (m,).
    """
    ranks, n, m = _midranks(scores), int(positive.sum()), int((~positive).sum())
    return (ranks[positive] - _midranks(scores[positive])) / m, 1 - (ranks[~positive] - _midranks(scores[~positive])) / n


def mean_of(values: NDArray[np.floating], level: float = 0.95) -> Rate:
    """The mean of values (N,), whatever their range, with Student's interval; its ends are NaN for a single value.

    Returns:
        The mean, with the number of values below zero as `count`; without a value where there are none.
    """
    from scipy.special import stdtrit

    size = len(values)
    if size == 0:
        return Rate(None, None, None, 0, 0)
    half = float(stdtrit(size - 1, (1 + level) / 2) * values.std(ddof=1)) / math.sqrt(size) if size > 1 else math.nan
    mean = float(values.mean())
    return Rate(mean, mean - half, mean + half, int((values < 0).sum()), size)


def headline(predictions: Predictions, rows: NDArray[np.bool_] | None = None) -> dict[str, Rate]:
    """What to say first about a model.

    Args:
        predictions: N pictures.
        rows: Booleans of shape (N,): which pictures count; all where missing. Pictures without a usable label and unreadable
            ones never do.

    Returns:
        "accuracy", and where the rule has a positive class "AUC", "recall" and "precision" of it.
    """
    usable = _usable(predictions) & (True if rows is None else np.asarray(rows, dtype=bool))
    frame = predictions.frame[usable]
    label, predicted = frame["label"].to_numpy(), frame["predicted"].to_numpy()
    found = {"accuracy": wilson(int((label == predicted).sum()), len(frame))}
    positive = predictions.rule.positive
    if positive is not None:
        truth, called = label == positive, predicted == positive
        hits = int((truth & called).sum())
        scores = predictions.probabilities[usable, predictions.class_names.index(positive)]
        found["AUC"] = auc(scores, truth)
        found["recall"] = wilson(hits, int(truth.sum()))
        found["precision"] = wilson(hits, int(called.sum()))
    return found


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """P-values (T,) adjusted for their number: Holm 1979, "A simple sequentially rejective multiple test procedure"."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    adjusted = np.empty_like(p)
    adjusted[order] = stepped
    return adjusted


def best_threshold(predictions: Predictions) -> float:
    """The threshold on the positive class's probability with the highest accuracy on the given pictures.

    Every threshold between two neighbouring scores decides alike. Of the gaps that are equally good, the widest is taken, and
    its middle, so that a small change of a score changes nothing.

    Args:
        predictions: A validation split; never the pictures that the result is reported on.

    Raises:
        InputError: The rule names no positive class, or no labelled picture of it, or none of another class, is there: then no
            threshold can be chosen, and none is guessed.
    """
    positive = predictions.rule.positive
    if positive is None:
        raise InputError("No threshold can be chosen, for the model names no positive class: add one to model.toml.")
    usable = _usable(predictions)
    label = predictions.frame["label"].to_numpy()[usable]
    probabilities = predictions.probabilities[usable].astype(np.float64)
    column = predictions.class_names.index(positive)
    truth = label == positive
    if truth.all() or not truth.any():
        missing = f"a part that is not {positive}" if truth.any() else f"a {positive} part"
        raise InputError(f"No threshold can be chosen without {missing} among the labelled pictures: add some to the validation split.")
    others = probabilities.copy()
    others[:, column] = -1
    right_below = np.array(predictions.class_names, dtype=object)[others.argmax(1)] == label
    scores = as_scores(probabilities[:, column])
    levels = np.unique(scores)
    edges = np.concatenate([[0.0], levels, [1.0]])
    # A threshold in gap i lies above the i lowest levels: those cases are called something else, the others positive.
    place = np.searchsorted(levels, scores)
    gain = np.bincount(place, right_below.astype(int) - truth.astype(int), minlength=len(levels))
    right = truth.sum() + np.concatenate([[0], np.cumsum(gain)])
    width = np.diff(edges)  # 0 below a score of 0 and above a score of 1, where no threshold can stand
    gap = int(np.where(right == right[width > 0].max(), width, -1).argmax())
    return float(between(edges[gap], edges[gap + 1]))


def _usable(predictions: Predictions) -> NDArray[np.bool_]:
    return predictions.frame["verdict"].notna().to_numpy(dtype=bool)


def _midranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, ties sharing the middle of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _newcombe(area: float, n: int, m: int, level: float) -> tuple[float, float]:
    """The values whose own standard error just reaches `area`, found by halving."""
    z, rest = _z(level), (n + m) / 2 - 1

    def reaches(value: float) -> bool:
        spread = value * (1 - value) * (1 + rest * (1 - value) / (2 - value) + rest * value / (1 + value)) / (n * m)
        return (value - area) ** 2 <= z**2 * spread

    def limit(far: float) -> float:
        near = area
        for _ in range(60):
            middle = (near + far) / 2
            near, far = (middle, far) if reaches(middle) else (near, middle)
        return near

    return limit(0.0), limit(1.0)


def _z(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
