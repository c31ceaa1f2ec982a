"""What a logistic head on frozen features makes of the same images: whether they can be fitted better, whether the
held-out ones are harder, and whether more of them would help. It is not the model itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.predictions import Predictions
from workbench.reliability.fit import enough, weights_to
from workbench.reliability.sides import HELD, Sides, sides_of
from workbench.reliability.training_record import TrainingRecord
from workbench.stats import Rate, by_influence, head_answers, head_probabilities, mean_auc

if TYPE_CHECKING:
    import pandas as pd

FRACTIONS = (0.125, 0.25, 0.5)
"""Of the units of the training images, beside all of them."""
CURVE_SEEDS = 5
MOST_HEAD_IMAGES = 3000
"""Images on a side that heads are fitted on or judge at most; of more, whole units are drawn."""
LEAST_DRAWN = 2
"""Units of a class that a subset needs."""
CURVE_FIGURES = ("share", "units", "images", "draws", "AUC", "low", "high")
Numbers = NDArray[np.float64]
Rows = NDArray[np.intp]
NO_RATE = Rate(None, None, None, 0, 0)
NO_FIGURES = (NO_RATE, NO_RATE, NO_RATE, NO_RATE, NO_RATE, NO_RATE)


@dataclasses.dataclass(frozen=True, eq=False)
class HeadStudy:
    """What heads on frozen features reach. AUC is that of each class against all others, averaged over the classes.

    Attributes:
        curve: A row for each share of the training units: units and images that heads were fitted on (the mean over the
            draws), draws, and their AUC on the held-out images with its interval.
        gain: AUC of the head on all training images less that of heads on half of their units.
        head: AUC of heads on training images that they were not fitted on (folds of whole units).
        model: AUC of the model on the same images, which it learned from.
        better: The first less the second.
        harder: Accuracy of heads on those training images less that on the held-out ones: how much harder these are to
            something that learned from neither.
        beyond: The model's gap in accuracy less that of the heads.
        split: The held-out split.
        images: Training images that took part, of
        units: so many units.
        features: What the features are, as the subject of a sentence.
        reason: Why nothing can be said; empty where something can.
    """

    curve: pd.DataFrame
    gain: Rate
    head: Rate
    model: Rate
    better: Rate
    harder: Rate
    beyond: Rate
    split: str
    images: int
    units: int
    features: str
    reason: str = ""


def head_study(
    predictions: Predictions,
    features: NDArray[np.floating],
    record: TrainingRecord | None = None,
    *,
    words: str = "what the ImageNet network sees",
    on_progress: Callable[[int, int], None] | None = None,
) -> HeadStudy:
    """Fit heads on growing shares of the training units, and by folds on all of them.

    Args:
        predictions: N images, with their splits.
        features: (N, D) of a network that learned from none of them; rows of NaN take no part.
        record: What is known of the model's training.
        words: What the features are, as the subject of a sentence.
        on_progress: Called with how many heads are fitted, and of how many; what it raises stops the work.
    """
    sides = sides_of(predictions, record)
    x = np.asarray(features[sides.cases.rows], np.float64)
    readable = np.isfinite(x).all(axis=1)
    trained = _taken(sides, sides.trained & readable, LEAST_DRAWN)
    split = next((name for name in HELD if _enough(sides, sides.held[name] & readable)), "")
    held = _taken(sides, sides.held[split] & readable, 1) if split else np.zeros(0, np.intp)
    truth = sides.cases.truth
    held = held[np.isin(truth[held], truth[trained])]
    if reason := _reason(sides, trained, held, split):
        return HeadStudy(_frame([]), *NO_FIGURES, split, len(trained), 0, words, reason)
    total, done = CURVE_SEEDS * len(FRACTIONS) + 2, 0

    def step() -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done, total)

    codes = np.searchsorted(np.unique(truth[trained]), truth)
    codes[~np.isin(truth, truth[trained])] = -1
    folds = head_probabilities(x[trained].astype(np.float32), codes[trained], sides.units[trained])
    step()
    full = head_answers(x, codes, trained, held)
    step()
    curve, gain = _curve(x, codes, sides.units, trained, held, full, step)
    better = _better(sides, trained, codes, folds)
    gaps = _difficulty(sides, trained, held, codes, folds, full)
    units = len(np.unique(sides.units[trained]))
    return HeadStudy(curve, gain, *better, *gaps, split, len(trained), units, words)


def _enough(sides: Sides, rows: NDArray[np.bool_]) -> bool:
    return enough(int(rows.sum()), len(np.unique(sides.units[rows])))


def _taken(sides: Sides, rows: NDArray[np.bool_], least: int) -> Rows:
    """The rows of classes with so many units, at most `MOST_HEAD_IMAGES` of them in whole units drawn at random."""
    truth, units = sides.cases.truth, sides.units
    usable = [k for k in np.unique(truth[rows]) if len(np.unique(units[rows & (truth == k)])) >= least]
    taken = np.flatnonzero(rows & np.isin(truth, usable))
    if len(taken) <= MOST_HEAD_IMAGES:
        return taken
    names, place, sizes = np.unique(units[taken], return_inverse=True, return_counts=True)
    order = np.random.default_rng(0).permutation(len(names))
    kept = order[np.cumsum(sizes[order]) <= MOST_HEAD_IMAGES]
    return taken[np.isin(place, kept)]


def _reason(sides: Sides, trained: Rows, held: Rows, split: str) -> str:
    if sides.cases.predictions.rule.thresholds is not None:
        return "Several labels can be true of one image: ask about one label."
    if sides.known in ("none", "elsewhere"):
        return "No image of this set is known to have trained the model."
    units = len(np.unique(sides.units[trained]))
    if not enough(len(trained), units) or len(np.unique(sides.cases.truth[trained])) < 2:
        return f"{len(trained):,} training images of {units:,} units are too few to fit heads on."
    if not split or len(np.unique(sides.cases.truth[held])) < 2:
        return "No held-out split has enough images of two classes whose units did not train."
    return ""


def _curve(
    x: Numbers, codes: Rows, units: Rows, trained: Rows, held: Rows, full: Numbers, step: Callable[[], None]
) -> tuple[pd.DataFrame, Rate]:
    """The learning curve, and what the second half of the units adds."""
    truth, place = codes[held], units[held]
    value, influence = mean_auc(full, truth)
    last = by_influence(value, influence, place)
    rows, gain = [], NO_RATE
    for fraction in FRACTIONS:
        values, influences, sizes = [], [], []
        for seed in range(CURVE_SEEDS):
            drawn = _drawn(codes, units, trained, fraction, seed)
            own = _columns(head_answers(x, codes, drawn, held), codes[drawn], full.shape[1])
            area, share_of = mean_auc(own, truth)
            values.append(area)
            influences.append(share_of)
            sizes.append((len(np.unique(units[drawn])), len(drawn)))
            step()
        spread = float(np.var(values, ddof=1)) / CURVE_SEEDS
        mean, mean_influence = float(np.mean(values)), np.mean(influences, axis=0)
        rate = by_influence(mean, mean_influence, place, more=spread)
        rows.append((fraction, *np.mean(sizes, axis=0), CURVE_SEEDS, rate.value, rate.low, rate.high))
        if fraction == FRACTIONS[-1]:
            gain = by_influence(value - mean, influence - mean_influence, place, more=spread)
    rows.append((1.0, len(np.unique(units[trained])), len(trained), 1, last.value, last.low, last.high))
    return _frame(rows), gain


def _frame(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(CURVE_FIGURES))


def _drawn(codes: Rows, units: Rows, trained: Rows, fraction: float, seed: int) -> Rows:
    """The rows of whole units drawn at random, so many of each commonest class, at least `LEAST_DRAWN`; a larger share
    holds all of a smaller one."""
    names, place = np.unique(units[trained], return_inverse=True)
    kinds = int(codes[trained].max()) + 1
    common = np.bincount(place * kinds + codes[trained], minlength=len(names) * kinds).reshape(-1, kinds).argmax(1)
    order = np.random.default_rng(seed).permutation(len(names))
    kept = []
    for kind in np.unique(common):
        own = order[common[order] == kind]
        kept.append(own[: max(round(fraction * len(own)), min(LEAST_DRAWN, len(own)))])
    return trained[np.isin(place, np.concatenate(kept))]


def _columns(answers: Numbers, labels: Rows, classes: int) -> Numbers:
    """Answers for all classes, 0 for those that the head did not see."""
    result = np.zeros((len(answers), classes))
    result[:, np.unique(labels)] = answers
    return result


def _better(sides: Sides, trained: Rows, codes: Rows, folds: Numbers) -> tuple[Rate, Rate, Rate]:
    """AUC of the heads by folds, of the model on the same images, and their difference."""
    judged = trained[np.isfinite(folds).all(axis=1)]
    truth, units = codes[judged], sides.units[judged]
    known = np.unique(sides.cases.truth[trained])
    own = sides.cases.predictions.probabilities[sides.cases.rows[judged]][:, known]
    head, model = (mean_auc(scores, truth) for scores in (folds[np.isfinite(folds).all(axis=1)], own))
    difference = by_influence(head[0] - model[0], head[1] - model[1], units)
    return by_influence(*head, units), by_influence(*model, units), difference


def _difficulty(
    sides: Sides, trained: Rows, held: Rows, codes: Rows, folds: Numbers, full: Numbers
) -> tuple[Rate, Rate]:
    """The heads' gap in accuracy between both sides, and the model's beyond it, at the held-out class shares."""
    judged = np.isfinite(folds).all(axis=1)
    common = np.intersect1d(codes[trained[judged]], codes[held])
    first = trained[judged][np.isin(codes[trained[judged]], common)]
    second = held[np.isin(codes[held], common)]
    heads = (
        folds[judged][np.isin(codes[trained[judged]], common)].argmax(1) == codes[first],
        full[np.isin(codes[held], common)].argmax(1) == codes[second],
    )
    right = sides.cases.called == sides.cases.truth
    weights = weights_to(codes[first], codes[second]), np.full(len(second), 1 / len(second))
    units = np.concatenate([sides.units[first], sides.units[second]])
    rates = []
    for values in (
        tuple(hits.astype(np.float64) for hits in heads),
        (right[first].astype(float) - heads[0], right[second].astype(float) - heads[1]),
    ):
        means = [float(w @ v) for w, v in zip(weights, values, strict=True)]
        parts = [w * (v - m) * sign for w, v, m, sign in zip(weights, values, means, (1, -1), strict=True)]
        rates.append(by_influence(means[0] - means[1], np.concatenate(parts), units))
    return rates[0], rates[1]
