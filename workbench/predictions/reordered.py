"""Class names in another order than the model's outputs: what decisions and labels tell of it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.predictions.independence import units_of
from workbench.predictions.table import Predictions
from workbench.stats import ENOUGH, share, units_or_cases
from workbench.texts import shortened

if TYPE_CHECKING:
    from workbench.stats import Rate

FITS_FROM = 0.7
"""The mean recall under other names from which these are proposed: a poor model agrees with no order."""
OF_A_CLASS = 5
"""Held-out units that a class needs to be looked at; of one class alone nothing can be known."""
NAMED_PAIRS, LONGEST_CLASS = 3, 40
NOT_KNOWN = "Whether the class names stand in the order of the model's outputs is not known:"


@dataclasses.dataclass(frozen=True)
class Reordered:
    """An order of the class names that agrees with the labels far better than theirs.

    Attributes:
        moved: Each class whose output seems to mean another, and which.
        cause: What orders names so, where that is known: " as ..." to put behind; else empty.
        now: Mean recall of the classes as they are named, on the half of the images that did not choose the order.
        then: The same in the other order.
        support: How many images that half holds.
    """

    moved: tuple[tuple[str, str], ...]
    cause: str
    now: float
    then: float
    support: int

    @property
    def sentence(self) -> str:
        """What is seen, and what to do."""
        pairs = ", ".join(f"{_short(a)} means {_short(b)}" for a, b in self.moved[:NAMED_PAIRS])
        more = f" and {len(self.moved) - NAMED_PAIRS:,} more" if len(self.moved) > NAMED_PAIRS else ""
        return (
            "The class names seem to be in another order than the model's outputs:"
            f" {pairs}{more}{self.cause}. So named, decisions agree with {self.then:.0%} of the labels of a class (mean"
            f" over classes, {self.support:,} images that did not choose the order); as they are named now, with"
            f" {self.now:.0%}. Every figure by class is wrong if so: correct the order of the classes where the"
            " model is described."
        )


def reordered(predictions: Predictions) -> Reordered | str | None:
    """Whether decisions agree with the labels far better if the classes are named in another order.

    Half of the units choose the order (the assignment of most agreement, Kuhn 1955), the others tell how well it fits:
    the mean of the classes' lower bounds of recall in that order has to lie above the mean of their upper bounds as
    they are named. A model that calls everything one class agrees, class by class, with no order better than another.

    Args:
        predictions: Of one class an image; of several labels it is not looked for.

    Returns:
        None where nothing speaks for another order, and a sentence that says why where that cannot be looked for: too
        few images are labelled for it, and they do not show by themselves that the names are right, as they do where
        of each of two or more classes more than half is surely called so.
    """
    import pandas as pd

    names, frame = predictions.class_names, predictions.frame
    if predictions.rule.thresholds is not None:
        return f"{NOT_KNOWN} several labels can be true of one image, and then it is not looked for."
    if len(names) < 2:
        return None
    rows = (frame["label"].isin(names) & frame["error"].isna()).to_numpy(bool)
    labels = pd.Index(names).get_indexer(pd.Index(frame["label"][rows])).astype(np.intp)
    called, units = predictions.probabilities[rows].argmax(1), units_or_cases(units_of(frame[rows]), int(rows.sum()))
    chosen = _half(units)
    few = min(len(np.unique(units[chosen])), len(np.unique(units[~chosen]))) < ENOUGH
    if few or len(_of_classes(labels[~chosen], units[~chosen])) < 2:
        return None if _plain(labels, units, called) else _few(labels, units)
    return _other(names, labels, units, called, chosen)


def _other(
    names: Sequence[str],
    labels: NDArray[np.intp],
    units: NDArray[np.intp],
    called: NDArray[np.intp],
    chosen: NDArray[np.bool_],
) -> Reordered | None:
    """The order that the chosen half of N cases prefers, where the others prove it."""
    counts = np.zeros((len(names), len(names)))
    np.add.at(counts, (called[chosen], labels[chosen]), 1)
    np.fill_diagonal(counts, counts.diagonal() + 0.5)  # of orders that agree alike the one that is
    if (counts.diagonal() >= counts.max(1)).all():  # no order can agree better: the usual case, without SciPy
        return None
    from scipy.optimize import linear_sum_assignment

    meant = linear_sum_assignment(counts, maximize=True)[1]
    if (meant == np.arange(len(names))).all():
        return None
    rest = labels[~chosen], units[~chosen]
    now, then = (_recalls(*rest, own[~chosen]) for own in (called, meant[called]))
    if _mean(then, "value") < FITS_FROM or _mean(then, "low") <= _mean(now, "high"):
        return None
    seen = {i: names[j] for i, j in enumerate(meant) if (labels == j).any()}
    moved = tuple((names[i], name) for i, name in seen.items() if names[i] != name)
    facts = (_mean(now, "value"), _mean(then, "value"), int((~chosen).sum()))
    return Reordered(moved, _cause(names, seen), *facts)


def _plain(labels: NDArray[np.intp], units: NDArray[np.intp], called: NDArray[np.intp]) -> bool:
    """Whether more than half of each class, of two at least, is surely called so: no other order can agree then."""
    recalls = [_recall(labels, units, called, label) for label in np.unique(labels).tolist()]
    return len(recalls) > 1 and all((rate.low or 0) > 0.5 for rate in recalls)


def _few(labels: NDArray[np.intp], units: NDArray[np.intp]) -> str:
    """Why it cannot be looked for."""
    classes, count = len(np.unique(labels)), len(np.unique(units))
    if not classes:
        return f"{NOT_KNOWN} no image has a label that is one of the classes."
    if classes == 1:
        return f"{NOT_KNOWN} all labels are of one class, and a model that always answers so agrees as well."
    units_are = "images" if count == len(labels) else "units (images that belong together count once)"
    if count < 2 * ENOUGH:
        return f"{NOT_KNOWN} {count} labelled {units_are} are too few to tell; it takes {2 * ENOUGH}."
    return f"{NOT_KNOWN} too few of the labelled {units_are} are of a second class."


def _half(units: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of N cases stand in the half of the units that chooses, (N,)."""
    distinct = np.unique(units)
    drawn = np.random.default_rng(0).permutation(distinct)[: len(distinct) // 2]
    return np.isin(units, drawn)


def _recalls(labels: NDArray[np.intp], units: NDArray[np.intp], called: NDArray[np.intp]) -> list[Rate]:
    """The recall of each class of which enough units are there."""
    return [_recall(labels, units, called, label) for label in _of_classes(labels, units)]


def _of_classes(labels: NDArray[np.intp], units: NDArray[np.intp]) -> list[int]:
    """The classes of which enough units are there."""
    return [label for label in np.unique(labels).tolist() if len(np.unique(units[labels == label])) >= OF_A_CLASS]


def _recall(labels: NDArray[np.intp], units: NDArray[np.intp], called: NDArray[np.intp], label: int) -> Rate:
    own = labels == label
    return share(called[own] == label, np.unique(units[own], return_inverse=True)[1].astype(np.intp))


def _mean(rates: Sequence[Rate], end: str) -> float:
    return float(np.mean([getattr(rate, end) for rate in rates]))


def _cause(names: Sequence[str], seen: Mapping[int, str]) -> str:
    """What is known to order names so, by what the outputs of the classes that are there mean."""
    if len(names) == 2:
        return " (the two are the other way round)"
    if len(seen) < 3:  # every order fits two of several
        return ""
    orders = {
        " (sorted as text, where 10 stands before 2, as torchvision's ImageFolder sorts folders)": sorted(names),
        " (sorted by their numbers, not as text)": sorted(names, key=_natural),
        " (sorted without regard to case)": sorted(names, key=str.casefold),
        " (moved by one, as by a name too many in front)": [*names[1:], names[0]],
        " (moved by one, as by a name that is missing in front)": [names[-1], *names[:-1]],
        " (from last to first)": list(names)[::-1],
    }
    return next((why for why, order in orders.items() if all(order[i] == name for i, name in seen.items())), "")


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _short(name: str) -> str:
    return shortened(name, LONGEST_CLASS)
