"""Whether a model fits: how it does on images that it learned from, beside images that it never saw."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.predictions import Cases, Predictions, groups_of, independence_of
from workbench.reliability.sides import HELD, Known, Sides, sides_of
from workbench.reliability.training_record import TrainingRecord
from workbench.stats import (
    ENOUGH,
    FEW_UNITS,
    Rate,
    auc,
    by_influence,
    difference,
    mean_auc,
    mean_of,
    share,
    weighted_mean,
    weighted_share,
)

if TYPE_CHECKING:
    import pandas as pd

    from workbench.predictions import By

WHOLE, BY_CLASS = "all", "class"
SAME_UNITS = "units that trained"
LEAST_PROBABILITY = 1e-30
"""Probabilities below are told as this one: float32 cannot hold much less, and the logarithm of 0 is no number."""
CONFIDENCES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
LOSSES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, math.inf)
MOST_FIT_GROUPS = 200
"""Values of an attribute that a table tells of."""
Numbers = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Fit:
    """How a model does on both sides.

    Attributes:
        splits: A row for each split ("train" are the images that it learned from), as a whole ("all") and by class:
            images, units, and with their intervals accuracy, AUC, mean loss and mean confidence.
        gaps: A row for each held-out split, as a whole, by class, and by the values of an attribute: accuracy and loss
            of the trained images less those of the held-out ones, the trained ones weighted to the classes of the
            held-out ones; and "told apart", the chance that a trained image has the lower loss of two of one class.
        distributions: How confidence and loss are spread in each split, with the share of the images in each bin.
        known: As `Sides.known`.
        source: The file that records the training; empty where none does.
        elsewhere: What the model learned from, where the record says that it is in no set.
        joined: Whether it is known which images belong together.
        unit: What is counted for intervals, in the plural.
        shared: Held-out images of units that trained, which no gap counts.
        majority: The most frequent class among the trained images, and
        majority_share: its share.
        accuracy: Share of right decisions on the trained images.
        ranking: Their area under the ROC curve, each class against all others, averaged.
        reason: Why nothing can be said; empty where something can.
    """

    splits: pd.DataFrame
    gaps: pd.DataFrame
    distributions: pd.DataFrame
    known: Known
    source: str
    elsewhere: str
    joined: bool
    unit: str
    shared: int
    majority: str
    majority_share: float
    accuracy: Rate
    ranking: Rate
    reason: str = ""


def fit_of(predictions: Predictions, record: TrainingRecord | None = None, *, by: By = "") -> Fit:
    """Hold the images that a model learned from beside those it never saw.

    Images of units (parts, groups) that trained are on neither side: what a model has seen of a part flatters it.

    Args:
        predictions: What the model says of a set, with its splits.
        record: What is known of the model's training.
        by: An attribute to compare by, beside the classes.

    Raises:
        InputError: There is no such attribute.
    """
    sides = sides_of(predictions, record)
    cases, trained = sides.cases, sides.trained
    source = "" if record is None or record.trained_on is None else record.source
    elsewhere = "" if record is None else record.elsewhere
    truth = cases.truth[trained] if len(cases) else np.zeros(0, np.intp)
    counts = np.bincount(truth, minlength=cases.classes)
    most = int(counts.argmax())
    right = cases.called == cases.truth if len(cases) else np.zeros(0, bool)
    return Fit(
        _splits(sides),
        _gaps(sides, by),
        _distributions(sides),
        sides.known,
        source,
        elsewhere,
        cases.units is not None,
        independence_of(predictions.frame).unit,
        int(sides.shared.sum()),
        predictions.class_names[most],
        float(counts[most] / max(counts.sum(), 1)),
        share(right[trained], sides.units[trained]),
        _ranking(cases.of(trained), sides.units[trained]),
        "" if predictions.rule.thresholds is None else "Several labels can be true of one image: ask about one label.",
    )


def losses_of(cases: Cases) -> Numbers:
    """The loss of each image, (M,): the negative logarithm of the probability of its true class, in nats."""
    own = cases.predictions.probabilities[cases.rows, cases.truth].astype(np.float64)
    return np.asarray(-np.log(own.clip(LEAST_PROBABILITY, 1)), np.float64)


def weights_to(truth: NDArray[np.intp], wanted: NDArray[np.intp]) -> Numbers:
    """Weights (M,), which sum to 1, that give images of classes `truth` (M,) the class shares of `wanted` (L,): direct
    standardisation. Every class of `wanted` occurs in `truth`; images of others weigh nothing."""
    kinds = max(int(truth.max(initial=0)), int(wanted.max(initial=0))) + 1
    own, target = np.bincount(truth, minlength=kinds), np.bincount(wanted, minlength=kinds)
    per_class = np.divide(target / len(wanted), own, out=np.zeros(kinds), where=own > 0)
    return np.asarray(per_class[truth], np.float64)


def _parts(sides: Sides) -> dict[str, NDArray[np.bool_]]:
    parts = {"train": sides.trained, **{name: sides.held[name] for name in reversed(HELD)}, SAME_UNITS: sides.shared}
    return {name: rows for name, rows in parts.items() if rows.any()}


def _splits(sides: Sides) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for name, among in _parts(sides).items():
        rows.append({"split": name, "class": WHOLE, **_figures(sides.cases.of(among), sides.units[among])})
        for column in np.unique(sides.cases.truth[among]):
            own = among & (sides.cases.truth == column)
            called = sides.cases.predictions.class_names[column]
            rows.append({"split": name, "class": called, **_figures(sides.cases.of(own), sides.units[own])})
    return pd.DataFrame(rows)


def _figures(cases: Cases, units: NDArray[np.intp]) -> dict[str, float | int | None]:
    """What a split's row says of some images, at least one."""
    figures: dict[str, float | int | None] = {"images": len(cases), "units": len(np.unique(units))}
    named = {
        "accuracy": share(cases.called == cases.truth, units),
        "AUC": _ranking(cases, units),
        "loss": mean_of(losses_of(cases), units=units),
        "confidence": mean_of(cases.confidence, units=units),
    }
    for name, rate in named.items():
        figures |= {name: rate.value, f"{name} low": rate.low, f"{name} high": rate.high}
    return figures


def _ranking(cases: Cases, units: NDArray[np.intp]) -> Rate:
    """The AUC of a defect where it is known what that is, else that of `mean_auc`."""
    if not len(cases) or len(np.unique(cases.truth)) < 2:
        return Rate(None, None, None, 0, len(cases))
    if cases.classes == 2:
        return auc(cases.probability(1), cases.truth == 1, units=units)
    return by_influence(*mean_auc(cases.predictions.probabilities[cases.rows], cases.truth), units)


def _gaps(sides: Sides, by: By) -> pd.DataFrame:
    import pandas as pd

    truth, rows = sides.cases.truth, []
    level = 1 - 0.05 / max(len(np.unique(truth)), 1)
    for split, among in sides.held.items():
        if not sides.trained.any() or not among.any():
            continue
        rows.append(_gap(sides, split, WHOLE, WHOLE, sides.trained, among, 0.95))
        for column in np.unique(truth[sides.trained | among]):
            own, name = truth == column, sides.cases.predictions.class_names[column]
            rows.append(_gap(sides, split, BY_CLASS, name, sides.trained & own, among & own, level))
        if by:
            groups = groups_of(sides.cases, by)
            for code, name in enumerate(groups.names[:MOST_FIT_GROUPS]):
                own = groups.codes == code
                rows.append(_gap(sides, split, groups.by, name, sides.trained & own, among & own, 0.95))
    if sides.shared.any() and sides.trained.any():
        rows.append(_gap(sides, SAME_UNITS, WHOLE, WHOLE, sides.trained, sides.shared, 0.95))
    names = ["split", "by", "group", *GAP_FIGURES]
    return pd.DataFrame([row for row in rows if row["images"] or row["trained images"]], columns=names)


GAP_FIGURES = (
    *("trained images", "trained units", "images", "units"),
    *("trained accuracy", "trained accuracy low", "trained accuracy high"),
    *("accuracy", "accuracy low", "accuracy high", "gap", "gap low", "gap high"),
    *("loss gap", "loss gap low", "loss gap high", "told apart", "told apart low", "told apart high"),
)


def _gap(
    sides: Sides, split: str, by: str, group: str, trained: NDArray[np.bool_], among: NDArray[np.bool_], level: float
) -> dict[str, object]:
    """One row of gaps, without figures where a side lacks images; classes that one side lacks do not count."""
    truth, units = sides.cases.truth, sides.units
    common = np.intersect1d(truth[trained], truth[among])
    if len(common):
        trained, among = (rows & np.isin(truth, common) for rows in (trained, among))
    counts = {
        "trained images": int(trained.sum()),
        "trained units": len(np.unique(units[trained])),
        "images": int(among.sum()),
        "units": len(np.unique(units[among])),
    }
    row: dict[str, object] = {
        "split": split,
        "by": by,
        "group": group,
        **dict.fromkeys(GAP_FIGURES, math.nan),
        **counts,
    }
    right, losses = sides.cases.called == truth, losses_of(sides.cases)
    weights = weights_to(truth[trained], truth[among]) if len(common) else np.zeros(counts["trained images"])
    named: dict[str, Rate] = {}
    if counts["images"]:
        named["accuracy"] = share(right[among], units[among], level)
    if len(common):
        named["trained accuracy"] = weighted_share(right[trained], weights, units[trained], level, truth[trained])
        named["gap"] = _less(named["trained accuracy"], named["accuracy"])
        even = np.full(counts["images"], 1 / counts["images"])
        sample = weighted_mean(losses[among], even, units[among], level)
        loss = weighted_mean(losses[trained], weights, units[trained], level, truth[trained])
        named["loss gap"] = _less(loss, sample)
        if len(common) == 1:
            both = trained | among
            named["told apart"] = auc(-losses[both], trained[both], level, units=units[both])
    for name, rate in named.items():
        row |= {name: rate.value, f"{name} low": rate.low, f"{name} high": rate.high}
    return row


def _less(first: Rate, second: Rate) -> Rate:
    """First less second, from the intervals of both (MOVER)."""
    ends = [
        tuple(np.array([math.nan if x is None else x]) for x in (rate.value, rate.low, rate.high))
        for rate in (first, second)
    ]
    value, low, high = (float(end[0]) for end in difference(ends[0], ends[1]))  # type: ignore[arg-type]
    return Rate(value, low, high, 0, first.support + second.support)


def _distributions(sides: Sides) -> pd.DataFrame:
    import pandas as pd

    rows = []
    measures = {"confidence": (sides.cases.confidence, CONFIDENCES), "loss": (losses_of(sides.cases), LOSSES)}
    for what, (values, edges) in measures.items():
        place = np.searchsorted(edges, values, side="right").clip(1, len(edges) - 1)
        for name, among in _parts(sides).items():
            for number in range(1, len(edges)):
                rate = share(place[among] == number, sides.units[among])
                ends = {"from": edges[number - 1], "to": edges[number], "images": rate.count, "of": rate.support}
                rows.append(
                    {"what": what, "split": name, **ends, "share": rate.value, "low": rate.low, "high": rate.high}
                )
    return pd.DataFrame(rows)


def enough(images: int, units: int) -> bool:
    """Whether so many images of so many independent units carry a verdict."""
    return images >= ENOUGH and units >= FEW_UNITS
