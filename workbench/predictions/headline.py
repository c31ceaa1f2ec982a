"""Headline figures with their uncertainty: accuracy, AUC, recall, precision, and the threshold that a validation split
supports.

It needs neither torch nor SciPy, so that the first page stands at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.predictions.cases import Cases
from workbench.predictions.independence import units_of
from workbench.predictions.table import Predictions, as_scores, between
from workbench.stats import Rate, auc, share


def headline(predictions: Predictions, rows: NDArray[np.bool_] | None = None) -> dict[str, Rate]:
    """What to say first about a model.

    Args:
        predictions: N images.
        rows: Booleans of shape (N,): which images count; all where missing. Images without a usable label and
            unreadable ones never do. Intervals count units, where groups or families are known.

    Returns:
        "accuracy", and where the rule has a positive class "AUC", "recall" and "precision" of it.
    """
    usable = _usable(predictions) & (True if rows is None else np.asarray(rows, dtype=bool))
    frame = predictions.frame[usable]
    label, predicted = frame["label"].to_numpy(), frame["predicted"].to_numpy()
    units = units_of(predictions.frame)
    units = None if units is None else units[usable]
    rates = {"accuracy": share(label == predicted, units)}
    positive = predictions.rule.positive
    if positive is not None:
        truth, called = label == positive, predicted == positive
        scores = predictions.probabilities[usable, predictions.class_names.index(positive)]
        rates["AUC"] = auc(scores, truth, units=units)
        rates["recall"] = _among(called, truth, units)
        rates["precision"] = _among(truth, called, units)
    return rates


def inspection(cases: Cases) -> dict[str, Rate]:
    """What to say first about an inspection: the mistakes that cost money before the rest.

    Args:
        cases: The images to judge by, with the classes that are defects; without any, only the accuracy is given.

    Returns:
        "escape rate" (defects called good, of the defects), "overkill rate" (good parts called a defect, of the good
        parts), "precision" (defects among the parts called one), "accuracy" (parts called what they are, kind of
        defect included) and "AUC" of the probability of any defect, each by unit where units are known.
    """
    accuracy = share(cases.truth == cases.called, cases.units)
    if not cases.positive:
        return {"accuracy": accuracy}
    defect, called = cases.defect, cases.is_positive(cases.called)
    return {
        "escape rate": _among(~called, defect, cases.units),
        "overkill rate": _among(called, ~defect, cases.units),
        "precision": _among(defect, called, cases.units),
        "accuracy": accuracy,
        "AUC": auc(cases.scores, defect, units=cases.units),
    }


def best_threshold(predictions: Predictions) -> float:
    """The threshold on the positive class's probability with the highest accuracy on the given images.

    Every threshold between two neighbouring scores decides alike. Of the gaps that are equally good, the widest is
    taken, and its middle, so that a small change of a score changes nothing.

    Args:
        predictions: A validation split; never the images that the result is reported on.

    Raises:
        InputError: The rule names no positive class, or no labelled image of it, or none of another class, is there:
            then no threshold can be chosen, and none is guessed.
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
        raise InputError(
            f"No threshold can be chosen without {missing} among the labelled images: add some to the validation split."
        )
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


def _among(hits: NDArray[np.bool_], among: NDArray[np.bool_], units: NDArray[np.intp] | None) -> Rate:
    """The share of hits among some cases, all (M,)."""
    return share(hits[among], None if units is None else units[among])


def _usable(predictions: Predictions) -> NDArray[np.bool_]:
    return predictions.frame["verdict"].notna().to_numpy(dtype=bool)
