"""What the figures say, in sentences that claim no more than their tests do."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.bias import FIGURES, Breakdown, Comparison
from workbench.predictions import Predictions, by_of, cases_of, groups_of
from workbench.stats import ENOUGH, gap, simultaneous, wilson
from workbench.ui.bias import words
from workbench.ui.bias.scope import Scope, tied_words
from workbench.ui.text import plain

MOST_ATTRIBUTES = 4


def section(scope: Scope) -> None:
    """The page in a few sentences."""
    lines = of_classes(scope.breakdown())
    comparison = scope.comparison()
    if comparison is not None:
        attribute = None if scope.by is None else by_of(scope.predictions, scope.by)
        ways = sorted(dict.fromkeys(comparison.frame["by"]), key=lambda by: by != attribute)
        within = scope.kept("nested", lambda: nested(scope.predictions, scope.rows, scope.tested))
        lines += [of_groups(comparison, by, by in within) for by in ways[:MOST_ATTRIBUTES]]
        if len(ways) > MOST_ATTRIBUTES:
            lines.append(f"Also compared below: {', '.join(map(plain, ways[MOST_ATTRIBUTES:]))}.")
    lines += [tied_words(name, tie) for name, tie in scope.tied.items()]
    with st.container(border=True, key="headline"):
        st.markdown("\n".join(f"- {line}" for line in lines))


def of_classes(breakdown: Breakdown) -> list[str]:
    """Which class fares worst, and whether the classes really differ."""
    rates = [rate for rate, ok in zip(breakdown.rates("recall").values(), breakdown.frame["enough"], strict=True) if ok]
    if not rates:
        return [f"No class has {ENOUGH} images here: too few for a statement about single classes."]
    worst, name = rates[0], plain(breakdown.frame["group"].iloc[0])
    line = (
        f"**Worst class: {name}**: recall {words.percent(worst.value or 0)} "
        f"({100 * (worst.low or 0):.1f} to {100 * (worst.high or 0):.1f} %, {worst.support:,} images)."
    )
    if len(rates) < 2:
        return [f"{line} It is the only class with {ENOUGH} images."]
    level = simultaneous(len(rates))
    apart = gap([wilson(rate.count, rate.support, level) for rate in rates])
    if apart.difference[1] > 0:
        low, high = (plain(breakdown.frame["group"].iloc[at]) for at in (apart.lowest, apart.highest))
        return [
            f"{line} From {low} to {high}, recall differs by {words.points(*apart.difference)}: more than chance would"
            " explain."
        ]
    return [
        f"{line} Chance alone could explain as wide a spread of recall among {len(rates)} classes: which is worst is"
        " not proven."
    ]


def of_groups(comparison: Comparison, by: str, nested: bool = False) -> str:
    """How far the groups of one attribute lie apart in accuracy, and in which other figures a gap is proven.

    Args:
        comparison: The gaps.
        by: The attribute.
        nested: Whether each of its groups holds one class only: then a gap overall is one between classes.
    """
    rows = comparison.frame[comparison.frame["by"] == by]
    accuracy = rows[rows["figure"] == "accuracy"].iloc[0]
    line = f"**By {plain(by)}**: "
    if math.isnan(accuracy["p"]):
        return f"{line}fewer than two groups have {ENOUGH} images: too few to compare."
    verdict = "more than chance would explain." if accuracy["significant"] else "not proven with this number of images."
    chance = f"{words.chance(accuracy['p adjusted'])} after correction for {comparison.tests} comparisons"
    if nested:
        line += (
            f"each group holds one class only, so groups are compared within a class only. Gap in accuracy: {chance}:"
            f" {verdict}"
        )
    else:
        low, high = (plain(accuracy[end]) for end in ("lowest", "highest"))
        apart = words.points(*(accuracy[end] for end in ("gap", "gap low", "gap high")))
        shares = (
            f"{words.percent(accuracy['lowest value'])} for {low}, {words.percent(accuracy['highest value'])} for"
            f" {high}"
        )
        line += f"accuracy {shares}; gap {apart}, {chance}: {verdict}"
    others = (
        rows[rows["significant"] & (rows["figure"] != "accuracy")]
        .sort_values("p adjusted", kind="stable")
        .to_dict("records")
    )
    figures = [f"{row['figure']} ({_ends(row)})" for row in others if not nested or FIGURES[row["figure"]].given_label]
    if figures:
        more = f" and {len(figures) - 3} more" if len(figures) > 3 else ""
        besides = " also" if accuracy["significant"] else ""
        line += f" Proven{besides}: {', '.join(figures[:3])}{more}."
    return line


def nested(predictions: Predictions, rows: NDArray[np.bool_], attributes: Sequence[str]) -> set[str]:
    """The attributes of which each value goes with one class, and not all with the same."""
    cases = cases_of(predictions, rows)
    names = set()
    for name in attributes:
        groups = groups_of(cases, name)
        there = groups.codes >= 0
        pairs = (
            np.bincount(
                groups.codes[there] * cases.classes + cases.truth[there], minlength=len(groups.names) * cases.classes
            )
            > 0
        )
        table = pairs.reshape(-1, cases.classes)
        if (table.sum(1) == 1).all() and table.any(0).sum() > 1:
            names.add(name)
    return names


def _ends(row: Mapping[Hashable, Any]) -> str:
    as_text = "{:.3f}".format if row["figure"] == "AUC" else words.percent
    low, high = as_text(row["lowest value"]), as_text(row["highest value"])
    return f"{plain(row['lowest'])}: {low}, {plain(row['highest'])}: {high}"
