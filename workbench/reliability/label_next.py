"""Which images without a label to label next: the most foreign, the most unsure and the most costly, each part once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.files import CheckResult
from workbench.predictions import Predictions, all_scores, units_of
from workbench.reliability.training_record import DIGITS, TrainingRecord
from workbench.stats import units_or_cases

if TYPE_CHECKING:
    import pandas as pd

NEIGHBOUR = 5
"""How far an image lies from the training images is its distance to the so many-th nearest of them."""
NEAR_COPY = 0.002
"""Cosine distance below which two images are taken for one that was photographed twice."""
ASKED_A_TIME = 512
WHY = ("foreign", "unsure", "costly")
Numbers = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class NextToLabel:
    """A list of images to label.

    Attributes:
        frame: A row an image, in the order to label them: name, why (of `WHY`), distance (cosine, to the training
            images), beyond (the share of the training images that lie nearer to the others than it does), margin (to
            the threshold, or between the two most probable classes), cost (expected, of the decision) and predicted.
        candidates: Images without a label, of which it was drawn.
        copies: Candidates that were passed over because another image of their part, or a near copy, is on the list.
        reason: Why there is no list; empty where there is one.
    """

    frame: pd.DataFrame
    candidates: int
    copies: int
    reason: str = ""


def next_to_label(
    predictions: Predictions,
    features: NDArray[np.floating],
    record: TrainingRecord | None = None,
    *,
    positive: tuple[str, ...] = (),
    costs: tuple[float, float] = (1.0, 1.0),
    count: int = 60,
) -> NextToLabel:
    """Take turns: the most foreign, the most unsure and the most costly image without a label, each part once.

    Foreign and unsure are the two sides of the active learning of Settles 2009, "Active learning literature survey":
    what the model has seen nothing like, and what it cannot decide. None of the three is calibrated: they rank.

    Args:
        predictions: N images, some without a label.
        features: (N, D) what goes into the last layer of a network; rows of NaN take no part.
        record: What is known of the model's training; else the training split, else all labelled images trained it.
        positive: The classes that are defects; without any, nothing is costly.
        costs: Of a defect that passes, and of a good part that is rejected.
        count: How many images at most.
    """
    frame = predictions.frame
    usable = np.isfinite(features).all(axis=1) & frame["error"].isna().to_numpy(bool)
    open_rows = np.flatnonzero(usable & frame["label"].isna().to_numpy(bool))
    trained = np.flatnonzero(usable & _trained(predictions, record))
    if reason := _lacking(open_rows, trained):
        return NextToLabel(_frame([]), len(open_rows), 0, reason)
    x = np.asarray(features, np.float64)
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    distance, own = _distance(x, open_rows, trained, same=False), _distance(x, trained, trained, same=True)
    margin = _margin(predictions)[open_rows]
    cost = _cost(predictions, positive, costs)[open_rows]
    measures: dict[str, Numbers] = {"foreign": -distance, "unsure": margin}
    if positive:
        measures["costly"] = -cost
    units = units_or_cases(units_of(frame), len(frame))
    taken, copies = _in_turn(
        x, open_rows, units, {why: np.argsort(m, kind="stable") for why, m in measures.items()}, count
    )
    rows: list[tuple[object, ...]] = []
    for place, why in taken:
        row = open_rows[place]
        beyond = float((own < distance[place]).mean())
        figures = (float(distance[place]), beyond, float(margin[place]), float(cost[place]) if positive else np.nan)
        rows.append((frame["name"][row], why, *figures, frame["predicted"][row]))
    return NextToLabel(_frame(rows), len(open_rows), copies)


def next_result(result: NextToLabel) -> CheckResult:
    """The check "label next": it ranks, so that it never says that all is well."""
    if result.reason:
        return CheckResult("label next", "unknown", result.reason)
    names = tuple(result.frame["name"])
    counts = ", ".join(f"{(result.frame['why'] == why).sum()} as most {why}" for why in WHY)
    sentence = (
        f"{len(names):,} of {result.candidates:,} images without a label are listed to be labelled next ({counts});"
        f" {result.copies:,} near copies and images of listed parts were passed over. The order is a ranking: how much"
        " each would help is not known."
    )
    return CheckResult("label next", "unknown", sentence, float(len(names)), support=result.candidates, images=names)


def _trained(predictions: Predictions, record: TrainingRecord | None) -> NDArray[np.bool_]:
    frame = predictions.frame
    if record is not None and record.trained_on:
        return np.array([str(digest)[:DIGITS] in record.trained_on for digest in frame["id"]], bool)
    split = (frame["split"] == "train").to_numpy(bool) & frame["label"].notna().to_numpy(bool)
    return split if split.any() else frame["label"].notna().to_numpy(bool)


def _lacking(open_rows: NDArray[np.intp], trained: NDArray[np.intp]) -> str:
    if not len(open_rows):
        return "All images have labels: bring new images without labels, in the set or as rows of its table."
    if len(trained) <= NEIGHBOUR:
        return f"Fewer than {NEIGHBOUR + 1} training images are known that new ones could be held against."
    return ""


def _distance(x: Numbers, asked: NDArray[np.intp], pool: NDArray[np.intp], *, same: bool) -> Numbers:
    """Cosine distance of each row of `asked` to the `NEIGHBOUR`-th nearest of `pool`, itself left out where `same`."""
    parts = []
    for start in range(0, len(asked), ASKED_A_TIME):
        apart = 1 - x[asked[start : start + ASKED_A_TIME]] @ x[pool].T
        rank = NEIGHBOUR if same else NEIGHBOUR - 1
        parts.append(np.partition(apart, rank, axis=1)[:, rank])
    return np.concatenate(parts)


def _margin(predictions: Predictions) -> Numbers:
    """How far each decision is from another one, (N,)."""
    rule, probabilities = predictions.rule, predictions.probabilities.astype(np.float64)
    if rule.positive is not None and rule.threshold is not None:
        return np.abs(probabilities[:, rule.class_names.index(rule.positive)] - rule.threshold)
    ranked = np.sort(probabilities, axis=1)
    return np.asarray(ranked[:, -1] - ranked[:, -2], np.float64)


def _cost(predictions: Predictions, positive: tuple[str, ...], costs: tuple[float, float]) -> Numbers:
    """The expected cost of each decision, (N,): the chance that it is wrong times what that costs."""
    if not positive:
        return np.zeros(len(predictions))
    score = all_scores(predictions, positive)
    called = predictions.frame["predicted"].isin(positive).to_numpy(bool)
    return np.where(called, (1 - score) * costs[1], score * costs[0])


def _in_turn(
    x: Numbers, rows: NDArray[np.intp], units: NDArray[np.intp], orders: dict[str, NDArray[np.intp]], count: int
) -> tuple[list[tuple[int, str]], int]:
    """Places in `rows`, one of each order after another, no unit and no near copy twice, and how many were passed."""
    taken: list[tuple[int, str]] = []
    done, places = np.zeros(len(rows), bool), dict.fromkeys(orders, 0)
    copies = 0
    while len(taken) < count and not done.all():
        for why, order in orders.items():
            while places[why] < len(order) and done[order[places[why]]]:
                places[why] += 1
            if places[why] >= len(order) or len(taken) >= count:
                continue
            place = int(order[places[why]])
            alike = (units[rows] == units[rows[place]]) | (1 - x[rows] @ x[rows[place]] < NEAR_COPY)
            alike[place] = True
            copies += int((alike & ~done).sum()) - 1
            done |= alike
            taken.append((place, why))
    return taken, copies


def _frame(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=["name", "why", "distance", "beyond", "margin", "cost", "predicted"])
