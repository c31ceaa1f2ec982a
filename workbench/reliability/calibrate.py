"""Whether probabilities mean what they say: on the test split, near the threshold, class by class, and at another
temperature."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from workbench.predictions import Cases, Independence, Predictions, judgeable, near
from workbench.reliability.temperature import Temperature, fitted, losses, softmax
from workbench.stats import (
    ENOUGH,
    Binned,
    Decomposition,
    Rate,
    binned_calibration,
    decomposition,
    equal_mass,
    holm,
    mean_of,
    share,
)

FITTED_ON, MEASURED_ON, ANYWHERE = "validation", "test", "no split"
SURE_NEAR = 0.99
"""Confidence from which the share near the threshold is called another one than what is predicted."""
MOST_ASKED = 12
"""Classes that are looked at one by one: those with the most images."""
CALIBRATED_DRAWS, BOOTSTRAPPED = 100, 500
SCORED = (
    "The model answers with an anomaly score, which orders images and claims no probability, so that there is nothing"
    " to hold it against: the threshold decides, and page Defects says what passes at it."
)
Numbers = NDArray[np.float64]
Units = NDArray[np.intp] | None


@dataclasses.dataclass(frozen=True)
class AtThreshold:
    """The images whose score lies within 0.1 of the threshold.

    Attributes:
        threshold: It.
        share: How many of them are defects.
        predicted: What their scores say on average; NaN without images.
        sure: The ends of the interval of `share` that is as wide as an accusation needs.
    """

    threshold: float
    share: Rate
    predicted: float
    sure: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class OfClass:
    """The calibration of the probability of one class.

    Attributes:
        name: The class.
        images: How many of it there are.
        error: Its calibration error.
        plain: The same as it is, without what chance adds taken off.
        floor: The 95th percentile of `plain` of a calibrated model of this size.
        p_value: After Holm's correction over the classes that were looked at.
    """

    name: str
    images: int
    error: Rate
    plain: float
    floor: float
    p_value: float


@dataclasses.dataclass(frozen=True)
class Changed:
    """A figure of the test split at two temperatures.

    Attributes:
        name: "NLL", "calibration error" or "Brier score".
        before: At the temperature of today.
        after: At the one that was fitted.
        change: After less before, on the same images.
    """

    name: str
    before: float
    after: float
    change: Rate


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """What was found of M images.

    Attributes:
        split: Which they are: "test", or "no split" where none is known of any image.
        independence: How many units they come in.
        subject: What the probability is of, in words: a class, classes, or the class that is predicted.
        scores: (M,) the probability.
        hits: (M,) whether it came true.
        binned: Its calibration.
        brier: The Brier score.
        parts: What it consists of.
        chance: What a calibrated model's miscalibration, a part of the Brier score, comes to on average.
        loss: The negative log-likelihood of an image's class over all classes, in nats.
        threshold: What is true near the threshold; None where none decides.
        classes: The classes one by one, where there are more than two.
        unasked: How many classes were left out, as there are others with more images.
        applied: The temperature that these probabilities are at.
        temperature: The one that was fitted on the validation split.
        fitted_in: How many units that split comes in, and how that is known; None without it.
        changes: The figures at both temperatures; none where none was fitted or there is no test split.
        after: The calibration at the fitted temperature; None likewise.
    """

    split: str
    independence: Independence
    subject: str
    scores: Numbers
    hits: NDArray[np.bool_]
    binned: Binned
    brier: Rate
    parts: Decomposition
    chance: float
    loss: Rate
    threshold: AtThreshold | None
    classes: tuple[OfClass, ...]
    unasked: int
    applied: float
    temperature: Temperature
    fitted_in: Independence | None
    changes: tuple[Changed, ...]
    after: Binned | None


def calibration_of(
    predictions: Predictions, positive: tuple[str, ...] = (), *, scored: bool = False
) -> Calibration | str:
    """The calibration of a model on the test split, and the temperature that its validation split asks for.

    Args:
        predictions: Of all splits, with the images' groups and families where they are known.
        positive: The classes that are defects: the probability of any of them is looked at, or else that of the class
            which is predicted.
        scored: Whether the model answers with an anomaly score, which claims no probability.

    Returns:
        What was found, or why nothing can be.
    """
    if scored:
        return SCORED
    usable = judgeable(predictions, np.isfinite(predictions.logits).all(1))
    cases = Cases(predictions, usable, positive)
    tested = _split(cases, MEASURED_ON)
    split = MEASURED_ON
    if not len(tested) and predictions.frame["split"].isna().all():
        tested, split = cases, ANYWHERE
    if not len(tested):
        return "No image of a test split has a label that the model knows: deal the images into splits, on page Data."
    scores, hits = _asked(tested)
    units, binned = tested.units, binned_calibration(scores, hits, tested.units)
    logits = _logits(tested)
    temperature, chosen = _temperature(cases)
    comparison = temperature.value is not None and split == MEASURED_ON
    changes, after = _changes(tested, float(temperature.value or 1), binned) if comparison else ((), None)
    classes, unasked = _classes(tested)
    return Calibration(
        split,
        tested.independence,
        _subject(positive),
        scores,
        hits,
        binned,
        mean_of((scores - hits) ** 2, units=units),
        decomposition(scores, hits),
        _chance(scores),
        mean_of(losses(logits, tested.truth, predictions.rule.temperature), units=units),
        _at_threshold(tested, scores, hits),
        classes,
        unasked,
        predictions.rule.temperature,
        temperature,
        chosen.independence if len(chosen) else None,
        changes,
        after,
    )


def _subject(positive: tuple[str, ...]) -> str:
    if not positive:
        return "the class that is predicted"
    return positive[0] if len(positive) == 1 else f"any of {len(positive)} defect classes"


def _split(cases: Cases, split: str) -> Cases:
    return cases.where((cases.predictions.frame["split"] == split).to_numpy(dtype=bool))


def _logits(cases: Cases) -> Numbers:
    return cases.predictions.logits[cases.rows].astype(np.float64)


def _asked(cases: Cases) -> tuple[Numbers, NDArray[np.bool_]]:
    """The probability that is looked at, (M,), and whether what it is of is true."""
    if cases.positive:
        return cases.scores, cases.defect
    return cases.confidence, cases.truth == cases.called


def _temperature(cases: Cases) -> tuple[Temperature, Cases]:
    """The temperature that the validation split asks for, and its images."""
    chosen = _split(cases, FITTED_ON)
    if not len(chosen):
        reason = "no image of a validation split has a label that the model knows"
        return Temperature(None, None, None, 0, None, reason), chosen
    return fitted(_logits(chosen), chosen.truth, chosen.units), chosen


def _at_threshold(cases: Cases, scores: Numbers, hits: NDArray[np.bool_]) -> AtThreshold | None:
    """What is true near the threshold, or near one half where the more probable of two classes wins."""
    rule = cases.predictions.rule
    threshold = 0.5 if rule.threshold is None and cases.classes == 2 else rule.threshold
    if threshold is None or len(cases.positive) != 1 or cases.positive[0] != (rule.positive or cases.positive[0]):
        return None
    here = near(scores, threshold)
    units = None if cases.units is None else cases.units[here]
    wide = share(hits[here], units, SURE_NEAR)
    predicted = float(scores[here].mean()) if here.any() else float("nan")
    ends = (wide.low if wide.low is not None else 0.0, wide.high if wide.high is not None else 1.0)
    return AtThreshold(threshold, share(hits[here], units), predicted, ends)


def _classes(cases: Cases) -> tuple[tuple[OfClass, ...], int]:
    """The classes one by one, those with most images: of two the second would only say what the first does."""
    counts = np.bincount(cases.truth, minlength=cases.classes)
    enough = np.flatnonzero(counts >= ENOUGH)
    asked = sorted(enough[np.argsort(-counts[enough], kind="stable")][:MOST_ASKED].tolist())
    if cases.classes <= 2 or not asked:
        return (), 0
    found = [binned_calibration(cases.probability(c), cases.truth == c, cases.units) for c in asked]
    corrected = holm([binned.p_value for binned in found])
    names = cases.predictions.class_names
    return tuple(
        OfClass(names[c], int(counts[c]), binned.error, binned.plain, binned.floor[1], float(p))
        for c, binned, p in zip(asked, found, corrected, strict=True)
    ), cases.classes - len(asked)


def _chance(scores: Numbers) -> float:
    """The miscalibration of the Brier score that a calibrated model of independent images shows, on average."""
    rng = np.random.default_rng(0)
    drawn = [decomposition(scores, rng.random(len(scores)) < scores).miscalibration for _ in range(CALIBRATED_DRAWS)]
    return float(np.mean(drawn))


def _changes(cases: Cases, temperature: float, before: Binned) -> tuple[tuple[Changed, ...], Binned]:
    """The figures of the test split at the temperature of today and at another one."""
    logits, truth, units, now = _logits(cases), cases.truth, cases.units, cases.predictions.rule.temperature
    cold, hits = _asked(cases)
    hot = _scores_at(cases, logits, temperature)
    loss = [losses(logits, truth, value) for value in (now, temperature)]
    square = [(scores - hits) ** 2 for scores in (cold, hot)]
    after = binned_calibration(hot, hits, units)
    changes = [
        Changed(name, float(first.mean()), float(second.mean()), mean_of(second - first, units=units))
        for name, (first, second) in (("NLL", loss), ("Brier score", square))
    ]
    error = Changed(
        "calibration error",
        float(before.error.value or 0),
        float(after.error.value or 0),
        _error_change(cold, hot, hits, units, float((after.error.value or 0) - (before.error.value or 0))),
    )
    return (changes[0], error, changes[1]), after


def _scores_at(cases: Cases, logits: Numbers, temperature: float) -> Numbers:
    """The probability that is looked at, (M,), at a temperature."""
    probabilities = softmax(logits, temperature)
    if not cases.positive:
        return np.asarray(probabilities[np.arange(len(cases)), cases.called], np.float64)
    names = cases.predictions.class_names
    return np.asarray(probabilities[:, [names.index(name) for name in cases.positive]].sum(1).clip(0, 1), np.float64)


def _error_change(cold: Numbers, hot: Numbers, hits: NDArray[np.bool_], units: Units, value: float) -> Rate:
    """By how much the calibration error changes, with the interval of a bootstrap of the units (Efron 1979)."""
    rng = np.random.default_rng(0)
    place = np.arange(len(hits)) if units is None else np.unique(units, return_inverse=True)[1]
    groups, drawn = int(place.max()) + 1, []
    if groups < 2:
        return Rate(value, float("nan"), float("nan"), 0, len(hits), groups)
    weights = rng.multinomial(groups, np.full(groups, 1 / groups), BOOTSTRAPPED)
    for scores in (cold, hot):
        codes = equal_mass(scores)
        bins = int(codes.max()) + 1
        sums = np.bincount(place * bins + codes, hits - scores, minlength=groups * bins).reshape(groups, bins)
        drawn.append(np.abs(weights @ sums).sum(1) / np.maximum(weights @ np.bincount(place), 1))
    spread = drawn[1] - drawn[0]
    low, high = (value + np.quantile(spread - spread.mean(), [0.025, 0.975])).tolist()
    return Rate(value, low, high, 0, len(hits), None if units is None else groups)
