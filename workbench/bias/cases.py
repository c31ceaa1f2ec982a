"""The pictures that count, and the groups that they fall into, as small integers: everything else is counting."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.predictions import COLUMNS, Predictions
from workbench.values import apart, shown

if TYPE_CHECKING:
    import pandas as pd

MOST_GROUPS = 400
"""More groups than this are measurements, not groups."""
_MEASURED = frozenset(("margin", "entropy"))

By = str | tuple[str, str]


@dataclasses.dataclass(frozen=True, eq=False)
class Cases:
    """M pictures with a usable label and a readable file, out of N.

    Attributes:
        predictions: The table of N pictures.
        rows: (M,) where each picture stands in the table.
        truth: (M,) its class, as a column of the probabilities.
        called: (M,) the class that the model decided on, likewise.
        confidence: (M,) the probability of that class.
        positive: The class that defect figures are about, or None.
        split: The name of the split that the pictures come from, several joined, "no split" where none is known.
    """

    predictions: Predictions
    rows: NDArray[np.intp]
    truth: NDArray[np.intp]
    called: NDArray[np.intp]
    confidence: NDArray[np.float64]
    positive: int | None
    split: str

    @property
    def classes(self) -> int:
        """How many classes the model knows: K."""
        return len(self.predictions.class_names)

    def scores(self, column: int) -> NDArray[np.float64]:
        """The probability of one class, (M,)."""
        return self.predictions.probabilities[self.rows, column].astype(np.float64)


@dataclasses.dataclass(frozen=True, eq=False)
class Groups:
    """The groups that M pictures fall into.

    Attributes:
        by: What they are grouped by, as words: the column, or "first x second" for two crossed.
        names: How the G groups are called, in their natural order, no two alike.
        values: What each is in the table: one value, or two where two attributes are crossed.
        codes: (M,) the number of each picture's group; -1 where an attribute is not known.
    """

    by: str
    names: tuple[str, ...]
    values: tuple[tuple[object, ...], ...]
    codes: NDArray[np.intp]


def cases_of(predictions: Predictions, rows: NDArray[np.bool_] | None = None, positive: str | None = None) -> Cases:
    """The pictures among `rows` (N,) that can be judged; `positive` stands in for the rule's positive class.

    Raises:
        InputError: There is no such class, or not one picture can be judged.
    """
    frame, names = predictions.frame, predictions.class_names
    positive = predictions.rule.positive if positive is None else positive
    if positive is not None and positive not in names:
        raise InputError(f"There is no class {positive!r}: choose one of {_some(names)}.")
    usable = frame["verdict"].notna().to_numpy(dtype=bool, copy=True)
    if rows is not None:
        rows = np.asarray(rows)
        if rows.shape != usable.shape or rows.dtype != bool:
            raise ValueError(f"expected rows as booleans of shape {usable.shape}")
        usable &= rows
    at = np.flatnonzero(usable)
    if not len(at):
        raise InputError("None of the chosen pictures has a label that the model knows: add labels, or choose other pictures.")
    truth, called = (_classes(frame[name], at, names) for name in ("label", "predicted"))
    return Cases(
        predictions,
        at,
        truth,
        called,
        frame["confidence"].to_numpy()[at].astype(np.float64),
        None if positive is None else names.index(positive),
        _split(frame["split"], at),
    )


def groups_of(cases: Cases, by: By) -> Groups:
    """The groups of an attribute, or of two crossed, that occur among the pictures.

    Raises:
        InputError: There is no such attribute, no picture carries it, or it has too many values.
    """
    parts = (by,) if isinstance(by, str) else tuple(by)
    said = by_of(cases.predictions, by)
    columns = [_column(cases, name) for name in parts]
    codes, values = columns[0][0], [(value,) for value in columns[0][1]]
    for more, others in columns[1:]:
        crossed = np.where((codes < 0) | (more < 0), -1, codes * len(others) + more)
        there, place = np.unique(crossed, return_inverse=True)
        codes = place - int(there[0] < 0)
        values = [(*values[c // len(others)], others[c % len(others)]) for c in there[there >= 0].tolist()]
    if not values:
        raise InputError(f"None of the chosen pictures carries {said}: choose another attribute.")
    if len(values) > MOST_GROUPS and by != "label":
        raise InputError(
            f"{said} has {len(values):,} values, more than the {MOST_GROUPS} groups that can be compared: sort them into classes."
        )
    return Groups(said, tuple(apart(" x ".join(map(shown, value)) for value in values)), tuple(values), codes)


def by_of(predictions: Predictions, by: By) -> str:
    """What is grouped by, as words: two crossed attributes never read as a third one that is called so."""
    if isinstance(by, str):
        return by
    said = " x ".join(by)
    return apart([said], attributes_of(predictions))[0]


def attributes_of(predictions: Predictions) -> tuple[str, ...]:
    """The columns of what the images can be grouped by, beside label and split: see `predictions.column_of`."""
    return tuple(str(name) for name in predictions.frame if name not in COLUMNS | _MEASURED)


def _column(cases: Cases, name: str) -> tuple[NDArray[np.intp], list[object]]:
    known = (*attributes_of(cases.predictions), "label", "split")
    if name not in known:
        raise InputError(f"There is no attribute {name!r}: choose one of {_some(known)}.")
    codes, values = factorised(cases.predictions.frame[name], cases.rows)
    try:
        order = sorted(range(len(values)), key=values.__getitem__)
    except TypeError:  # kinds that cannot be compared
        order = sorted(range(len(values)), key=lambda i: shown(values[i]))
    rank = np.empty(len(values) + 1, np.intp)
    rank[order] = np.arange(len(values))
    rank[-1] = -1  # where pandas puts what is missing
    return rank[codes], [values[i] for i in order]


def _classes(column: pd.Series, rows: NDArray[np.intp], names: Sequence[str]) -> NDArray[np.intp]:
    codes, values = factorised(column, rows)
    return np.array([names.index(str(value)) for value in values], dtype=np.intp)[codes]


def _split(column: pd.Series, rows: NDArray[np.intp]) -> str:
    codes, values = factorised(column, rows)
    return " and ".join([*sorted(map(str, values)), *(["no split"] if (codes < 0).any() else [])])


def factorised(column: pd.Series, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], list[Any]]:
    """What a column holds at `rows` (L,): (L,) numbers, -1 where there is nothing, and the values they stand for."""
    import pandas as pd

    codes, values = pd.factorize(column.to_numpy()[rows])
    return codes, values.tolist()


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
