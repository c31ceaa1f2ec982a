"""How right a model is on images without labels: three estimates from a labelled reference, each with its own error.

All of them carry over how the reference's scores go with its labels. Where the new images are of another kind, or a
kind of defect is new, that does not hold, and nothing in the scores shows it: then none is to be trusted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.stats import ENOUGH, binned_calibration, units_or_cases

if TYPE_CHECKING:
    import pandas as pd

DEALT_IN_HALVES = 60
"""Times that the reference is dealt into halves to see how far off each estimate is."""
COVERED = 0.95
"""The share of those errors that the interval holds."""
POINTS_NEAR, SHARE_NEAR = 0.04, 0.8
"""An estimate is near where at least this share of those errors is no larger than this."""
MISCALIBRATED = 0.025
"""Chance that a calibrated curve shows as large an error, below which scores are called not calibrated."""
CLIP = 1e-6
"""Scores count as no nearer to 0 or 1 than this: single precision says no more."""
METHODS = {
    "CBPE": "confidence-based performance estimation: the mean calibrated probability of being right",
    "DoC": "difference of confidences (Guillory et al. 2021): the reference's figure, plus the change in confidence",
    "ATC": "average thresholded confidence (Garg et al. 2022): the share above the confidence that fits the reference",
}
Numbers = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Estimates:
    """What is estimated of M unlabelled images.

    Attributes:
        frame: A row a figure and method: figure, method, estimate, low, high (95 %, from the errors on halves), error
            (the mean absolute one there), reference (the figure there), support, truth (where the new images have
            labels).
        calibrated: Whether the reference's probabilities of being right are calibrated, after fitting.
        reason: Why a figure cannot be estimated; empty where all can.
    """

    frame: pd.DataFrame
    calibrated: bool = False
    reason: str = ""


def estimates_of(
    confidence: tuple[Numbers, Numbers],
    right: NDArray[np.bool_],
    units: NDArray[np.intp] | None = None,
    *,
    lots: int | None = None,
    figure: str = "accuracy",
    truth: NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> Estimates:
    """Estimate the share of M new images of which the model is right.

    Args:
        confidence: (N,) of the reference and (M,) of the new images: how sure the model is of what it decided, 0 to 1.
        right: (N,) whether it was, on the reference.
        units: (N,) the unit of each reference image; None where none are known.
        lots: Of how many units the new images are; None where none are known.
        figure: What the share is called.
        truth: (M,) whether it is right on the new images, where that is known.
        seed: Of the halves.
    """
    import pandas as pd

    columns = ["figure", "method", "estimate", "low", "high", "error", "within", "near"]
    columns += ["reference", "support", "truth"]
    known, asked = confidence
    count = len(np.unique(units_or_cases(units, len(known))))
    if min(count, len(asked)) < ENOUGH or right.all() or not right.any():
        return Estimates(pd.DataFrame(columns=columns), reason=_why(count, len(asked), right))
    errors = _errors((known, right, units), (len(asked), lots), seed)
    rows = []
    for method, value in _all(known, right, asked).items():
        off = errors[method]
        half = float(np.quantile(off, COVERED))
        low, high = max(value - half, 0.0), min(value + half, 1.0)
        real, within = None if truth is None else float(truth.mean()), float((off <= POINTS_NEAR).mean())
        errs = (float(off.mean()), within, within >= SHARE_NEAR)
        rows.append((figure, method, value, low, high, *errs, float(right.mean()), len(asked), real))
    return Estimates(pd.DataFrame(rows, columns=columns), _calibrated(known, right, units, seed))


def _why(units: int, asked: int, right: NDArray[np.bool_]) -> str:
    if asked < ENOUGH:
        return f"{asked} new images: with fewer than {ENOUGH} nothing is estimated."
    if units < ENOUGH:
        return (
            f"The reference has {units} independent units with labels: with fewer than {ENOUGH} the error of an"
            " estimate cannot be measured."
        )
    of = "right" if right.all() else "wrong"
    return f"The model is {of} on all {len(right):,} images of the reference: how scores go with mistakes is not known."


def _all(known: Numbers, right: NDArray[np.bool_], asked: Numbers) -> Mapping[str, float]:
    return {"CBPE": cbpe(known, right, asked), "DoC": doc(known, right, asked), "ATC": atc(known, right, asked)}


def cbpe(known: Numbers, right: NDArray[np.bool_], asked: Numbers) -> float:
    """The mean probability of being right over new confidences (M,), as Platt's logistic curve gives it from the
    reference's (N,): Platt 1999, "Probabilistic outputs for support vector machines"."""
    return float(calibrated(known, right, asked).mean())


def doc(known: Numbers, right: NDArray[np.bool_], asked: Numbers) -> float:
    """The reference's share, plus the mean confidence of the new images less that of the reference."""
    return float(np.clip(right.mean() + asked.mean() - known.mean(), 0, 1))


def atc(known: Numbers, right: NDArray[np.bool_], asked: Numbers) -> float:
    """The share of new confidences from the level on that as many of the reference's lie below as it has mistakes."""
    wrong = int((~right).sum())
    level = np.sort(known, kind="stable")[wrong] if wrong < len(known) else np.inf
    tied = float((known == level).mean())
    part = (float(right.mean()) - float((known > level).mean())) / tied if tied else 1.0
    return float((asked > level).mean() + min(max(part, 0.0), 1.0) * (asked == level).mean())


def calibrated(known: Numbers, right: NDArray[np.bool_], asked: Numbers) -> Numbers:
    """The probability of being right at each of the confidences `asked` (M,), from the reference's (N,).

    Labels are smoothed as Platt has it, so that few mistakes, or none beyond a level, make no certainty.
    """
    from sklearn.linear_model import LogisticRegression

    hits, misses = int(right.sum()), int((~right).sum())
    weight = np.where(right, (hits + 1) / (hits + 2), 1 / (misses + 2))
    column = _logits(known)[:, None]
    model = LogisticRegression(C=1e4, max_iter=500)
    model.fit(np.concatenate([column, column]), np.repeat([1, 0], len(known)), np.concatenate([weight, 1 - weight]))
    return np.asarray(model.predict_proba(_logits(asked)[:, None])[:, 1], np.float64)


def _logits(values: Numbers) -> Numbers:
    inside = np.clip(values, CLIP, 1 - CLIP)
    return np.asarray(np.log(inside / (1 - inside)), np.float64)


def _halves(units: NDArray[np.intp] | None, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """One half of `count` cases, by whole units."""
    own = np.unique(units_or_cases(units, count), return_inverse=True)[1]
    order = rng.permutation(int(own.max()) + 1)
    return np.asarray((order < len(order) // 2)[own], np.bool_)


def _errors(
    reference: tuple[Numbers, NDArray[np.bool_], NDArray[np.intp] | None], asked: tuple[int, int | None], seed: int
) -> dict[str, Numbers]:
    """How far off each estimate is on one half, made from the other, of no more images and units than are asked about.

    Args:
        reference: Its confidences, whether it is right, and its units.
        asked: How many new images there are, and of how many units.
        seed: Of the halves.
    """
    known, right, units = reference
    rng = np.random.default_rng(seed)
    errors: dict[str, list[float]] = {method: [] for method in METHODS}
    for _ in range(DEALT_IN_HALVES):
        first = _halves(units, len(known), rng)
        taught, tried = np.flatnonzero(first), np.flatnonzero(~first)
        if units is not None and asked[1] is not None:
            drawn = rng.permutation(np.unique(units[tried]))[: asked[1]]
            tried = tried[np.isin(units[tried], drawn)]
        tried = rng.permutation(tried)[: asked[0]]
        if right[taught].all() or not right[taught].any():
            continue
        for method, value in _all(known[taught], right[taught], known[tried]).items():
            errors[method].append(abs(value - float(right[tried].mean())))
    return {method: np.array(values or [1.0]) for method, values in errors.items()}


def _calibrated(known: Numbers, right: NDArray[np.bool_], units: NDArray[np.intp] | None, seed: int) -> bool:
    """Whether the calibration error of the curve, out of a fold of whole units, is no more than chance explains in a
    calibrated model of this size."""
    fold = _halves(units, len(known), np.random.default_rng(seed))
    fitted = np.empty(len(known))
    for tried in (fold, ~fold):
        if right[~tried].all() or not right[~tried].any():
            return False
        fitted[tried] = calibrated(known[~tried], right[~tried], known[tried])
    return binned_calibration(fitted, right, units, seed).p_value >= MISCALIBRATED
