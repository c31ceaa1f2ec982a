"""The images that count, and the groups that they fall into, as small integers: everything else is counting."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import InputError
from workbench.predictions.independence import FAMILY, Independence, independence_of, units_of
from workbench.predictions.labels import good_class
from workbench.predictions.table import COLUMNS, Predictions, as_scores
from workbench.texts import apart, shown

if TYPE_CHECKING:
    import pandas as pd

MOST_GROUPS = 400
"""More groups than this are measurements, not groups."""
_MEASURED = frozenset(("margin", "entropy"))

By = str | tuple[str, str]


@dataclasses.dataclass(frozen=True, eq=False)
class Cases:
    """M images of a table that can be judged: readable ones with a label that the model knows.

    Attributes:
        predictions: The table of N images.
        rows: (M,) where each image stands in the table, ascending.
        positive: The classes that defect figures are about; empty where there are none.
        joined_by: The columns whose values join images to units; group and family where none is named.
    """

    predictions: Predictions
    rows: NDArray[np.intp]
    positive: tuple[str, ...] = ()
    joined_by: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def classes(self) -> int:
        """How many classes the model knows: K."""
        return len(self.predictions.class_names)

    @cached_property
    def truth(self) -> NDArray[np.intp]:
        """The class of each, (M,), as a column of the probabilities."""
        return self._column("label")

    @cached_property
    def called(self) -> NDArray[np.intp]:
        """The class that the model decided on, (M,), likewise."""
        return self._column("predicted")

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of that class, (M,)."""
        return self.predictions.frame["confidence"].to_numpy()[self.rows].astype(np.float64)

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """The probability of any positive class, (M,)."""
        return all_scores(self.predictions, self.positive)[self.rows]

    @cached_property
    def defect(self) -> NDArray[np.bool_]:
        """Whether the ground truth is a positive class, (M,)."""
        return self.is_positive(self.truth)

    @property
    def defects(self) -> int:
        """How many are."""
        return int(self.defect.sum())

    @property
    def good(self) -> int:
        """How many are not."""
        return len(self) - self.defects

    @cached_property
    def units(self) -> NDArray[np.intp] | None:
        """The independent unit of each, (M,), as `units_of` numbers them; None where none are known."""
        units = units_of(self.predictions.frame, *self.joined_by)
        return None if units is None else units[self.rows]

    @property
    def independence(self) -> Independence:
        """How many units they come in, and how that is known."""
        return independence_of(self.predictions.frame, self.rows, *self.joined_by)

    def of(self, among: NDArray[np.bool_]) -> Cases:
        """Those of them that are among (M,)."""
        return dataclasses.replace(self, rows=self.rows[among])

    @cached_property
    def split(self) -> str:
        """The name of the split that the images come from, several joined, "no split" where none is known."""
        codes, values = factorise(self.predictions.frame["split"], self.rows)
        return " and ".join([*sorted(map(str, values)), *(["no split"] if (codes < 0).any() else [])])

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(N,) which images of the table these are."""
        mask = np.zeros(len(self.predictions), dtype=bool)
        mask[self.rows] = True
        return mask

    def probability(self, column: int) -> NDArray[np.float64]:
        """The probability of one class, (M,)."""
        return self.predictions.probabilities[self.rows, column].astype(np.float64)

    def is_positive(self, classes: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which of some classes, as columns of the probabilities, are positive: both of one shape."""
        names = self.predictions.class_names
        return np.isin(classes, [names.index(name) for name in self.positive])

    def where(self, rows: NDArray[np.bool_]) -> Cases:
        """Those of them that are among `rows`, (N,)."""
        return dataclasses.replace(self, rows=self.rows[rows[self.rows]])

    def _column(self, name: str) -> NDArray[np.intp]:
        codes, values = factorise(self.predictions.frame[name], self.rows)
        return np.array([self.predictions.class_names.index(str(value)) for value in values], dtype=np.intp)[codes]


@dataclasses.dataclass(frozen=True, eq=False)
class Groups:
    """The groups that M images fall into.

    Attributes:
        by: What they are grouped by, as words: the column, or "first x second" for two crossed.
        names: How the G groups are called, in their natural order, no two alike.
        values: What each is in the table: one value, or two where two attributes are crossed.
        codes: (M,) the number of each image's group; -1 where an attribute is not known.
    """

    by: str
    names: tuple[str, ...]
    values: tuple[tuple[object, ...], ...]
    codes: NDArray[np.intp]


def judgeable(predictions: Predictions, rows: ArrayLike | None = None) -> NDArray[np.intp]:
    """Where those images of `rows` (N,), all where missing, stand in a table that can be judged, ascending."""
    usable = predictions.frame["verdict"].notna().to_numpy(dtype=bool)
    if rows is None:
        return np.flatnonzero(usable)
    selection = np.asarray(rows)
    if selection.shape != usable.shape or selection.dtype != bool:
        raise ValueError(f"expected rows as booleans of shape {usable.shape}")
    return np.flatnonzero(usable & selection)


def cases_of(predictions: Predictions, rows: NDArray[np.bool_] | None = None, positive: str | None = None) -> Cases:
    """The images among `rows` (N,) that can be judged; `positive` stands in for the rule's positive class.

    Raises:
        InputError: There is no such class, or not one image can be judged.
    """
    names = predictions.class_names
    positive = predictions.rule.positive if positive is None else positive
    if positive is not None and positive not in names:
        raise InputError(f"There is no class {positive!r}: choose one of {name_list(names)}.")
    cases = Cases(predictions, judgeable(predictions, rows), () if positive is None else (positive,))
    if not len(cases):
        raise InputError(
            "None of the chosen images has a label that the model knows: add labels, or choose other images."
        )
    return cases


def defect_classes(predictions: Predictions, positive: str | Sequence[str] | None = None) -> tuple[str, ...]:
    """The classes that are defects, in the model's order.

    Args:
        predictions: N images.
        positive: The class or classes that are defects; where missing the rule's, or else all but the one whose name
            says that it is good. A rule whose class reads as good, which is a threshold for good parts, does not make
            it a defect.

    Raises:
        InputError: It is not known which classes are defects, or they are not the model's, or are all of them.
    """
    names = predictions.class_names
    if positive is None:
        good = good_class(names)
        if predictions.rule.positive not in (None, good):
            return (str(predictions.rule.positive),)
        if good is None:
            raise InputError(
                f"None of the classes says by its name that it is good ({name_list(names)}): name those that are"
                " defects."
            )
        return tuple(name for name in names if name != good)
    classes = {positive} if isinstance(positive, str) else set(positive)
    if strange := sorted(classes - set(names)):
        raise InputError(f"There is no class {strange[0]!r}: the model knows {name_list(names)}.")
    if not classes or len(classes) == len(names):
        raise InputError("Some classes must be defects and some not: leave out those that are good.")
    return tuple(name for name in names if name in classes)


def is_tested(predictions: Predictions) -> bool:
    """Whether an image of the test split can be judged: then the test split is what figures are first told of."""
    frame = predictions.frame
    return bool(((frame["split"] == "test") & frame["verdict"].notna()).any())


def has_defects(predictions: Predictions) -> bool:
    """Whether it is known which classes are defects."""
    return predictions.rule.positive is not None or good_class(predictions.class_names) is not None


def known_defects(predictions: Predictions) -> tuple[str, ...]:
    """The classes that are defects, in the model's order; none where it is not known which are."""
    return defect_classes(predictions) if has_defects(predictions) else ()


def mistakes(predictions: Predictions) -> NDArray[np.object_]:
    """For each of N images "escape" (a defect that passes), "overkill" (a good part that is rejected) or None, (N,).

    None everywhere where it is not known which classes are defects; one kind of defect called another is neither.
    """
    result = np.full(len(predictions), None, dtype=object)
    if not has_defects(predictions):
        return result
    positive = defect_classes(predictions)
    frame = predictions.frame
    wrong = (frame["verdict"] == "wrong").to_numpy(bool)
    defect, called = (frame[column].isin(positive).to_numpy(bool) for column in ("label", "predicted"))
    result[wrong & defect & ~called] = "escape"
    result[wrong & ~defect & called] = "overkill"
    return result


def all_scores(predictions: Predictions, positive: Sequence[str]) -> NDArray[np.float64]:
    """The probability of any of the classes `positive`, (N,): their sum; NaN where an image could not be read."""
    columns = [predictions.class_names.index(name) for name in positive]
    return as_scores(predictions.probabilities[:, columns].astype(np.float64).sum(1).clip(0, 1))


def groups_of(cases: Cases, by: By) -> Groups:
    """The groups of an attribute, or of two crossed, that occur among the images.

    Args:
        cases: M images.
        by: "label", "split", an attribute, or a pair of them.

    Raises:
        InputError: There is no such attribute, no image carries it, or it has too many values.
    """
    parts = (by,) if isinstance(by, str) else tuple(by)
    title = by_of(cases.predictions, by)
    columns = [_column(cases, name) for name in parts]
    codes, values = columns[0][0], [(value,) for value in columns[0][1]]
    for second, others in columns[1:]:
        crossed = np.where((codes < 0) | (second < 0), -1, codes * len(others) + second)
        pairs, place = np.unique(crossed, return_inverse=True)
        codes = place - int(pairs[0] < 0)
        values = [(*values[c // len(others)], others[c % len(others)]) for c in pairs[pairs >= 0].tolist()]
    if not values:
        raise InputError(f"None of the chosen images carries {title}: choose another attribute.")
    if len(values) > MOST_GROUPS and by != "label":
        raise InputError(
            f"{title} has {len(values):,} values, more than the {MOST_GROUPS} groups that can be compared: sort them"
            " into classes."
        )
    return Groups(title, tuple(apart(" x ".join(map(shown, value)) for value in values)), tuple(values), codes)


def by_of(predictions: Predictions, by: By) -> str:
    """What is grouped by, as words: two crossed attributes never read as a third one that is called so."""
    if isinstance(by, str):
        return by
    title = " x ".join(by)
    return apart([title], groupable(predictions))[0]


def groupable(predictions: Predictions) -> tuple[str, ...]:
    """The columns of what the images can be grouped by, beside label and split: see `predictions.column_of`."""
    return tuple(str(name) for name in predictions.frame if name not in COLUMNS | _MEASURED | {FAMILY})


def _column(cases: Cases, name: str) -> tuple[NDArray[np.intp], list[object]]:
    columns = (*groupable(cases.predictions), "label", "split")
    if name not in columns:
        raise InputError(f"There is no attribute {name!r}: choose one of {name_list(columns)}.")
    codes, values = factorise(cases.predictions.frame[name], cases.rows)
    try:
        order = sorted(range(len(values)), key=values.__getitem__)
    except TypeError:  # kinds that cannot be compared
        order = sorted(range(len(values)), key=lambda i: shown(values[i]))
    rank = np.empty(len(values) + 1, np.intp)
    rank[order] = np.arange(len(values))
    rank[-1] = -1  # where pandas puts what is missing
    return rank[codes], [values[i] for i in order]


def factorise(column: pd.Series, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], list[Any]]:
    """What a column holds at `rows` (L,): (L,) numbers, -1 where there is nothing, and the values they stand for."""
    import pandas as pd

    codes, values = pd.factorize(column.to_numpy()[rows])
    return codes, values.tolist()


def name_list(names: Sequence[str]) -> str:
    """The first few names, for a message."""
    return ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
