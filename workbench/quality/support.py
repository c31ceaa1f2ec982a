"""How much a set can carry: independent parts of each class in each split, what they can prove, and how many more a
promise needs. Copies add nothing: images of one group or family count once."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.files import CheckResult, Outcome
from workbench.images import SPLITS
from workbench.predictions import GROUP, factorise, units_of
from workbench.stats import (
    ENOUGH,
    Rate,
    cases_for_ceiling,
    cases_for_interval,
    half_width,
    share,
    units_or_cases,
    upper_bound,
    worth_of,
)
from workbench.texts import sentence_list, shown

if TYPE_CHECKING:
    import pandas as pd

NO_SPLIT = "no split"
UNBALANCED = 10.0
"""From this many times as many parts of the most frequent class as of the rarest on, a set is called unbalanced."""
UNIFORM = 0.5
"""Fewer different parts than this, as a share of the images, and a set is called uniform."""
SUPPORT_FIGURES = (
    "images",
    "parts",
    "judged parts",
    "right",
    "right low",
    "right high",
    "half-width",
    "provable ceiling",
    "more for the ceiling",
    "more for the interval",
)


@dataclasses.dataclass(frozen=True)
class Promise:
    """What the parts of a class are to prove.

    Attributes:
        ceiling: The highest rate of mistakes, between 0 and 1.
        allowed: How many mistakes may occur among the parts that prove it.
        within: How far the 95 % interval of a rate may extend to either side, at most 0.5.
    """

    ceiling: float = 0.05
    allowed: int = 0
    within: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.ceiling < 1 or not 0 < self.within <= 0.5 or self.allowed < 0:
            raise InputError(
                "A promise needs a ceiling between 0 and 100 %, an interval of at most 50 points to either side and no"
                f" fewer than 0 mistakes: {self.ceiling:.3%}, {self.within:.3%} and {self.allowed} are not."
            )


@dataclasses.dataclass(frozen=True, eq=False)
class Support:
    """What a set can carry.

    Attributes:
        frame: One row for each class in each split (and for each value of an attribute): class, split, the attribute,
            and `SUPPORT_FIGURES`. "parts" counts groups and families once; "judged parts" are those with a verdict, all
            where nothing is predicted; "right" is the share of right decisions with its interval; "half-width" is that
            of this interval, or of one around 50 % where fewer than `ENOUGH` parts are judged; "provable ceiling" is
            what the allowed mistakes among the judged parts would prove; "more" are parts that are still missing.
        promise: What they are to prove.
        by: The attribute, empty where there is none.
        joined: Whether it is known which images belong together; each is taken as independent otherwise.
        grouped: Whether groups are stated (lots, modules), of which each may hold many parts.
        predicted: Whether verdicts are known.
        images: How many images there are.
        parts: How many different parts they show, or of how many groups they are.
        unlabelled: How many images have no label; they stand in no row.
    """

    frame: pd.DataFrame
    promise: Promise
    by: str
    joined: bool
    grouped: bool
    predicted: bool
    images: int
    parts: int
    unlabelled: int

    @property
    def unit(self) -> str:
        """What is counted: groups where some are stated, else parts, or images where each is taken as independent."""
        return ("groups" if self.grouped else "parts") if self.joined else "images"

    @property
    def judged(self) -> str:
        """The split that promises are made on: the test split, the validation split without one, else what there is."""
        there = set(self.frame.loc[self.frame["images"] > 0, "split"])
        return next((split for split in ("test", "validation", NO_SPLIT) if split in there), "train")

    def of(self, split: str) -> pd.DataFrame:
        """The rows of a split, one a class where there is no attribute."""
        return self.frame[self.frame["split"] == split]


def support(table: pd.DataFrame, promise: Promise | None = None, *, by: str = "") -> Support:
    """Count what a set holds and what that can prove.

    Args:
        table: A row an image, with name, label and split; with group, family and verdict where they are known, as in
            `Predictions.frame`.
        promise: What is to be proven.
        by: A column to count by, beside class and split.

    Raises:
        InputError: There is no such column.
    """
    import pandas as pd

    if by and by not in table:
        raise InputError(f"There is no attribute {by!r}: choose one that the images carry.")
    promise, predicted = promise or Promise(), "verdict" in table and bool(table["verdict"].notna().any())
    units = units_of(table)
    places = units_or_cases(units, len(table))
    labels, classes = factorise(table["label"], np.arange(len(table)))
    splits = table["split"].where(table["split"].notna(), NO_SPLIT).to_numpy(dtype=object)
    values = [shown(value) for value in table[by].where(table[by].notna(), "")] if by else [""] * len(table)
    verdicts = np.full(len(table), None, dtype=object)
    if predicted:
        there = table["verdict"].notna().to_numpy(dtype=bool)
        verdicts[there] = table["verdict"].to_numpy(dtype=object)[there]
    column, rows = np.array(values, dtype=object), []
    for name, split, value in itertools.product(sorted(classes, key=str), _ordered(splits), sorted(set(values))):
        here = (labels == classes.index(name)) & (splits == split) & (column == value)
        figures = _figures(places[here], verdicts[here], promise, predicted, units is not None)
        rows.append({"class": name, "split": split, **({by: value} if by else {}), **figures})
    names = ["class", "split", *([by] if by else []), *SUPPORT_FIGURES]
    different, lacking = len(np.unique(places)), int((labels < 0).sum())
    frame = pd.DataFrame(rows, columns=names)
    grouped = GROUP in table and bool(table[GROUP].notna().any())
    return Support(frame, promise, by, units is not None, grouped, predicted, len(table), different, lacking)


def _ordered(splits: Iterable[str]) -> list[str]:
    there = set(splits)
    return [*(name for name in SPLITS if name in there), *sorted(there - set(SPLITS))]


def _figures(
    places: NDArray[np.intp], verdicts: NDArray[np.object_], promise: Promise, predicted: bool, joined: bool
) -> dict[str, float | int | None]:
    """The `SUPPORT_FIGURES` of some images, by the numbers of their units and their verdicts."""
    judged = np.array([verdict is not None for verdict in verdicts], dtype=bool)
    judged = judged if predicted else np.ones(len(places), bool)
    cases = len(np.unique(places[judged]))
    rate = share(verdicts[judged] == "right", places[judged] if joined else None) if predicted else Rate(*_NOTHING)
    known = rate.value is not None and rate.low is not None and rate.high is not None
    planned, half, worth = 0.5, half_width(0.5, cases) if cases else 0.5, float(cases)
    if known and cases >= ENOUGH:
        planned, half = float(rate.value or 0), (float(rate.high or 0) - float(rate.low or 0)) / 2
        worth = worth_of(planned, half)
    wanted = cases_for_interval(planned, promise.within)
    proven = float(upper_bound([promise.allowed], cases)[0]) if cases > promise.allowed else 1.0
    return {
        "images": len(places),
        "parts": len(np.unique(places)),
        "judged parts": cases,
        "right": rate.value,
        "right low": rate.low,
        "right high": rate.high,
        "half-width": half,
        "provable ceiling": proven,
        "more for the ceiling": max(cases_for_ceiling(promise.ceiling, promise.allowed) - cases, 0),
        "more for the interval": 0 if half <= promise.within else max(int(np.ceil(wanted - worth - 1e-6)), 1),
    }


_NOTHING = (None, None, None, 0, 0)


def support_results(result: Support) -> tuple[CheckResult, ...]:
    """The checks "support", "support missing", "support ceiling", "support interval", "support balance" and "support
    uniform", each with a verdict."""
    counts = _counts(result)
    if not counts:
        why = "No image has a label, so nothing can be said of classes."
        return tuple(CheckResult(name, "unknown", why) for name in SUPPORT_CHECKS)
    return (
        _few(result, counts),
        _missing(counts),
        _ceiling(result),
        _interval(result),
        _balance(result, counts),
        _uniform(result),
    )


SUPPORT_CHECKS = (
    "support",
    "support missing",
    "support ceiling",
    "support interval",
    "support balance",
    "support uniform",
)
TAKEN_AS_INDEPENDENT = " Each image is taken as independent: whether some show one part is not known."
Counts = dict[str, dict[str, dict[str, int]]]


def _counts(result: Support) -> Counts:
    """Images, parts and judged parts by split and class, over all values of an attribute."""
    counts: Counts = {}
    for row in result.frame.to_dict("records"):
        own = counts.setdefault(row["split"], {}).setdefault(row["class"], dict.fromkeys(SUPPORT_FIGURES[:3], 0))
        for figure in own:
            own[figure] += int(row[figure])
    return counts


def _few(result: Support, counts: Counts) -> CheckResult:
    parts = {name: figures["judged parts"] for name, figures in counts[result.judged].items()}
    few = [f"{name} ({count:,})" for name, count in parts.items() if count < ENOUGH]
    where = f"{ENOUGH} {result.unit} in the {_split(result.judged)}"
    sentence = f"Each class has at least {where}."
    if few:
        sentence = f"Classes with fewer than {where}, of which nothing is said: {sentence_list(few)}."
    least, total = float(min(parts.values())), sum(parts.values())
    verdict: Outcome = "warn" if few else "ok" if result.joined else "unknown"
    sentence += "" if few or result.joined else TAKEN_AS_INDEPENDENT
    return CheckResult(SUPPORT_CHECKS[0], verdict, sentence, least, threshold=float(ENOUGH), support=total)


def _missing(counts: Counts) -> CheckResult:
    if list(counts) == [NO_SPLIT]:
        return CheckResult(
            SUPPORT_CHECKS[1], "unknown", "The images are not split, so no class can be missing in a split."
        )
    cells = [(name, split, own["images"]) for split, classes in counts.items() for name, own in classes.items()]
    gaps = [f"{name} in the {_split(split)}" for name, split, count in cells if not count]
    sentence = f"There is no image of {sentence_list(gaps)}." if gaps else "Each class has images in each split."
    total = sum(count for *_, count in cells)
    return CheckResult(
        SUPPORT_CHECKS[1], "warn" if gaps else "ok", sentence, float(len(gaps)), threshold=0.0, support=total
    )


def _ceiling(result: Support) -> CheckResult:
    promise, row = result.promise, _worst(result, "provable ceiling")
    mistakes = "without a mistake" if not promise.allowed else f"with {promise.allowed} mistakes at most"
    more, proven, cases = (row[name] for name in ("more for the ceiling", "provable ceiling", "judged parts"))
    where = f"{cases:,} {result.unit} in the {_split(result.judged)}"
    sentence = f"{row['class']}: {where} prove, {mistakes}, a rate of mistakes of at most {100 * proven:.2f} %."
    if more:
        sentence += f" A ceiling of {100 * promise.ceiling:.3g} % needs {more:,} more."
    verdict: Outcome = "warn" if more else "ok" if result.joined else "unknown"
    sentence += "" if more or result.joined else TAKEN_AS_INDEPENDENT
    return CheckResult(SUPPORT_CHECKS[2], verdict, sentence, proven, threshold=promise.ceiling, support=cases)


def _interval(result: Support) -> CheckResult:
    promise, row = result.promise, _worst(result, "half-width")
    half, more, cases = (row[name] for name in ("half-width", "more for the interval", "judged parts"))
    sentence = (
        f"{row['class']}: the 95 % interval of the share of right decisions extends {100 * half:.1f} points to either"
        f" side, from {cases:,} {result.unit} in the {_split(result.judged)}."
    )
    if more:
        sentence += f" To come within {100 * promise.within:.3g} points takes {more:,} more."
    verdict: Outcome = "warn" if more else "ok" if result.joined else "unknown"
    sentence += "" if more or result.joined else TAKEN_AS_INDEPENDENT
    return CheckResult(SUPPORT_CHECKS[3], verdict, sentence, half, threshold=promise.within, support=cases)


def _balance(result: Support, counts: Counts) -> CheckResult:
    split = "train" if "train" in counts else result.judged
    order = sorted((figures["parts"], name) for name, figures in counts[split].items())
    if len(order) < 2:
        return CheckResult(SUPPORT_CHECKS[4], "unknown", "There is only one class, so nothing can be unbalanced.")
    (few, least), (many, most), total = order[0], order[-1], sum(count for count, _ in order)
    ratio = many / few if few else None
    sentence = f"In the {_split(split)} there are {many:,} {result.unit} of {most} and {few:,} of {least}."
    verdict: Outcome = "warn" if ratio is None or ratio >= UNBALANCED else "ok"
    return CheckResult(SUPPORT_CHECKS[4], verdict, sentence, ratio, threshold=UNBALANCED, support=total)


def _uniform(result: Support) -> CheckResult:
    if not result.joined:
        why = "Neither groups nor families are known, so it cannot be told how many of the images show different parts."
        return CheckResult(SUPPORT_CHECKS[5], "unknown", why, support=result.images)
    different = result.parts / result.images
    many = f"come from {result.parts:,} groups" if result.grouped else f"show {result.parts:,} different parts"
    sentence = f"The {result.images:,} images {many}."
    verdict: Outcome = "warn" if different < UNIFORM else "ok"
    return CheckResult(SUPPORT_CHECKS[5], verdict, sentence, different, threshold=UNIFORM, support=result.images)


def _worst(result: Support, figure: str) -> dict[Hashable, Any]:
    """The row of the judged split that needs most, by a figure."""
    return max(result.of(result.judged).to_dict("records"), key=lambda row: (row[figure], row["class"]))


def _split(name: str) -> str:
    return "set" if name == NO_SPLIT else {"train": "training"}.get(name, name) + " split"
