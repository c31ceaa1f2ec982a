"""What may be concluded of a model and a set, a value each: the verdict first, and no more than the tests say."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.bias.amounts import chance, enough_of, interval, percent, points, rounded
from workbench.bias.figures import FIGURES
from workbench.bias.groups import Comparison
from workbench.bias.performance import Breakdown
from workbench.bias.source import Tie
from workbench.files import CheckResult, Outcome
from workbench.predictions import Predictions, cases_of, groups_of
from workbench.stats import (
    SIGNIFICANT,
    Rate,
    critical_value,
    gap,
    more_of_each,
    more_of_smaller,
    simultaneous,
)

Kind = Literal["shortcut", "class", "group"]
Verdict = Literal["proven", "chance", "too few", "open", "none", "excluded"]
KINDS: tuple[Kind, ...] = ("shortcut", "class", "group")
LEADS: Mapping[Verdict, str] = {
    "proven": "Proven",
    "chance": "Chance can do that",
    "too few": "Too few to say",
    "open": "Not looked for yet",
    "none": "None found",
    "excluded": "Cannot be compared",
}
"""The words that a conclusion begins with, the gravest first."""


@dataclasses.dataclass(frozen=True)
class Apart:
    """How far apart two classes or groups are.

    Attributes:
        figure: In which figure.
        lowest: The one with the lowest value.
        highest: The one with the highest.
        span: The difference of the two with its interval (value, low, high).
    """

    figure: str
    lowest: str
    highest: str
    span: tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Conclusion:
    """The answer to one question about a model and a set.

    Attributes:
        kind: What the question is about: a shortcut, the classes, or the groups of an attribute.
        verdict: "proven", "chance" (the figures differ as chance makes them), "too few", "open" (nobody has looked),
            "none" (somebody has, and found nothing) or "excluded".
        lead: The words to begin with.
        sentence: What follows them, without markup; what users typed stands in it as it is.
        about: The class or the attribute that it is about, if there is one.
        settles: What would settle it where a gap is not proven, as a sentence; empty elsewhere.
        gap: The widest gap that the sentence tells of, None where there is none.
    """

    kind: Kind
    verdict: Verdict
    lead: str
    sentence: str
    about: str = ""
    settles: str = ""
    gap: Apart | None = None


OUTCOMES: Mapping[Verdict, Outcome] = {
    "proven": "warn",
    "chance": "unknown",
    "too few": "unknown",
    "open": "unknown",
    "none": "ok",
    "excluded": "unknown",
}
"""What a conclusion comes to as the result of a check: that figures differ as chance makes them does not show that the
groups are alike."""


def conclusion_result(line: Conclusion) -> CheckResult:
    """A conclusion as the result of a check."""
    value, low, high = (None, None, None) if line.gap is None else line.gap.span
    name = " ".join(part for part in (line.kind, line.about) if part)
    return CheckResult(f"gap: {name}", OUTCOMES[line.verdict], f"{line.lead}: {line.sentence}", value, low, high)


def ordered(conclusions: Sequence[Conclusion]) -> list[Conclusion]:
    """Proven first, then what chance can do, what rests on too few, what is open, and what was not found."""
    places = list(LEADS)
    return sorted(conclusions, key=lambda line: (places.index(line.verdict), KINDS.index(line.kind)))


def of_classes(breakdown: Breakdown) -> Conclusion:
    """Which class fares worst, and whether the classes differ more than chance would make them."""
    enough, unit = breakdown.frame["enough"].to_numpy(bool), breakdown.independence.unit
    rates = {name: rate for (name, rate), ok in zip(breakdown.rates("recall").items(), enough, strict=True) if ok}
    needed = enough_of(unit)
    if not rates:
        return _few("class", f"no class has {needed}, so none can be called the worst.")
    if len(rates) < 2:
        ((name, rate),) = rates.items()
        return _few("class", f"{name} is the only class with {needed}; its recall is {_recall(rate, unit)}.")
    level, names = simultaneous(len(rates)), list(rates)
    apart = gap([breakdown.together[name] for name in names])
    low, high = names[apart.lowest], names[apart.highest]
    ends = Apart("recall", low, high, apart.difference)
    lowest, highest = (_recall(rates[name], unit) for name in (low, high))
    if apart.difference[1] > 0:
        shares = f"recall {lowest} against {highest}"
        sentence = f"worse for {low} than for {high}, {shares}, a gap of {points(*apart.difference)}."
        return Conclusion("class", "proven", LEADS["proven"], sentence, low, gap=ends)
    sentence = (
        f"recall differs among {len(rates)} classes: {lowest} for {low}, {highest} for {high}; which is worst is not"
        " proven."
    )
    values = [(rate.value or 0.0, rate.groups or rate.support) for rate in (rates[low], rates[high])]
    settles = what_settles(values[0], values[1], (low, high), critical_value(level), unit)
    return Conclusion("class", "chance", LEADS["chance"], sentence, low, settles, ends)


def of_groups(comparison: Comparison, by: str, nested: bool = False) -> Conclusion:
    """How far the groups of one attribute lie apart.

    Args:
        comparison: The gaps.
        by: The attribute.
        nested: Whether each of its groups holds one class only: then a gap overall is one between classes.
    """
    rows = comparison.frame[comparison.frame["by"] == by]
    accuracy: Mapping[Hashable, Any] = rows[rows["figure"] == "accuracy"].to_dict("records")[0]
    if math.isnan(accuracy["p"]):
        return _few("group", f"by {by}: fewer than two groups have {enough_of(accuracy['unit'])}.", by)
    proven = [
        row
        for row in rows.sort_values("p adjusted", kind="stable").to_dict("records")
        if row["significant"] and row["figure"] != "accuracy" and (not nested or FIGURES[row["figure"]].given_label)
    ]
    figures = [f"{row['figure']} {_ends(row)}, {chance(row['p adjusted'])}" for row in proven]
    others = f"{'; '.join(figures[:3])}{f'; and {len(figures) - 3} more' if len(figures) > 3 else ''}"
    told = _accuracy(accuracy, nested)
    corrected = f" after correction for {comparison.tests} comparisons"
    if accuracy["significant"]:
        text = f"by {by}, {told}{corrected}.{f' Also proven: {others}.' if figures else ''}"
        return Conclusion("group", "proven", LEADS["proven"], text, by, gap=_apart(accuracy, nested))
    if figures:
        text = f"by {by}, {others}{corrected}. Not proven: {told}."
        return Conclusion("group", "proven", LEADS["proven"], text, by, gap=_apart(proven[0], nested))
    settles = _settles(accuracy, comparison.tests, nested)
    text = f"by {by}, {told}{corrected}."
    return Conclusion("group", "chance", LEADS["chance"], text, by, settles, _apart(accuracy, nested))


def _apart(row: Mapping[Hashable, Any], nested: bool) -> Apart | None:
    """The gap of a row of a comparison; None where it is one between classes."""
    span = float(row["gap"]), float(row["gap low"]), float(row["gap high"])
    return None if nested else Apart(str(row["figure"]), str(row["lowest"]), str(row["highest"]), span)


def of_tie(name: str, tie: Tie) -> Conclusion:
    """Why the groups of an attribute are compared nowhere."""
    if tie == "one to one":
        how = "follows from the label (each of its values occurs with one class only)"
    else:
        how = "reveals the label (a threshold on it separates the classes)"
    return Conclusion("group", "excluded", LEADS["excluded"], f"{name} {how}, so it is excluded from all tests.", name)


def nested(predictions: Predictions, rows: NDArray[np.bool_], attributes: Sequence[str]) -> set[str]:
    """The attributes of which each value goes with one class, and not all with the same."""
    cases = cases_of(predictions, rows)
    names = set()
    for name in attributes:
        groups = groups_of(cases, name)
        there = groups.codes >= 0
        places = groups.codes[there] * cases.classes + cases.truth[there]
        pairs = np.bincount(places, minlength=len(groups.names) * cases.classes) > 0
        table = pairs.reshape(-1, cases.classes)
        if (table.sum(1) == 1).all() and table.any(0).sum() > 1:
            names.add(name)
    return names


def what_settles(
    first: tuple[float, int], second: tuple[float, int], names: tuple[str, str], critical: float, what: str = "images"
) -> str:
    """How many more images would prove a gap between two shares, if it stays as wide, as a sentence.

    Args:
        first: A share and how many cases it rests on.
        second: Likewise.
        names: What the two are called.
        critical: How many standard errors the test asks for.
        what: What the cases are; of units with several images each, the number is the most that is needed.
    """
    about = "About" if what == "images" else "At most about"
    shares, cases = (first[0], second[0]), (first[1], second[1])
    smaller = names[0] if cases[0] < cases[1] else names[1]
    if cases[0] != cases[1] and (more := more_of_smaller(*shares, cases, critical)):
        return f"{about} {rounded(more)} more {what} of {smaller} would settle it, if the gap stays as wide."
    if more := more_of_each(*shares, cases, critical):
        return f"{about} {rounded(more)} more {what} of each would settle it, if the gap stays as wide."
    return f"It cannot be said: for so narrow a gap no affordable number of {what} is enough."


def _settles(row: Mapping[Hashable, Any], tests: int, nested: bool) -> str:
    """The same for a gap in accuracy, by what of it stays within classes."""
    if nested:
        return "It cannot be said: each group holds one class only."
    if row["gap within"] < row["gap"] / 2:
        return "It cannot be said: among images of the same class, most of the gap is gone."
    middle, half = (row["lowest value"] + row["highest value"]) / 2, row["gap within"] / 2
    shares = max(middle - half, 0.0), min(middle + half, 1.0)
    supports = int(row["lowest units"]), int(row["highest units"])
    critical = critical_value(simultaneous(int(row["groups"]), 1 - SIGNIFICANT / tests))
    names = str(row["lowest"]), str(row["highest"])
    return what_settles((shares[0], supports[0]), (shares[1], supports[1]), names, critical, row["unit"])


def _accuracy(row: Mapping[Hashable, Any], nested: bool) -> str:
    """The gap in accuracy, for one attribute."""
    if nested:
        return (
            "each group holds one class only, so groups are compared within a class only: gap in accuracy,"
            f" {chance(row['p adjusted'])}"
        )
    apart = points(*(row[end] for end in ("gap", "gap low", "gap high")))
    return f"accuracy {_ends(row)}, a gap of {apart}, {chance(row['p adjusted'])}{_counted(row)}"


def _counted(row: Mapping[Hashable, Any]) -> str:
    """In how many units the images come, where they are fewer than the images."""
    ends = [(int(row[f"{end} units"]), int(row[f"{end} support"])) for end in ("lowest", "highest")]
    if all(units == images for units, images in ends):
        return ""
    return " ({} images of {} {unit} against {} of {})".format(
        *(n for pair in ends for n in pair[::-1]), unit=row["unit"]
    )


def _ends(row: Mapping[Hashable, Any]) -> str:
    as_text: Callable[[float], str] = "{:.3f}".format if row["figure"] == "AUC" else percent
    return f"{as_text(row['lowest value'])} for {row['lowest']}, {as_text(row['highest value'])} for {row['highest']}"


def _recall(rate: Rate, unit: str) -> str:
    return f"{interval(rate)} of {rate.support:,} images{rate.in_units(unit)}"


def _few(kind: Kind, sentence: str, about: str = "") -> Conclusion:
    return Conclusion(kind, "too few", LEADS["too few"], sentence, about)
