"""Groups: the mistakes behind each, every figure and gap, fairness measures, and what may deceive about a gap."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from workbench.bias import Breakdown, Comparison, Simpson, chance, enough_of, fairness, percent, points, simpson
from workbench.predictions import By, by_of, column_of
from workbench.stats import ENOUGH, Rate
from workbench.texts import apart, shown
from workbench.ui import draw, gallery, terms
from workbench.ui.bias import tables, words
from workbench.ui.bias.scope import Scope
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

MOST_STRATA = 6
FAIRNESS = {
    "demographic parity difference": (
        "Gap between groups in how often the model predicts the positive class, correctly or not."
    ),
    "equalized odds difference": "The wider of two gaps between groups: in recall and in false-positive rate.",
    "worst-group accuracy": "The lowest accuracy of any group.",
}


def mistakes(scope: Scope, breakdown: Breakdown) -> None:
    """Where to look at the mistakes of each group."""
    tables.links(scope, _mistakes(scope, breakdown), plain(breakdown.by))


def figures(scope: Scope) -> None:
    """Every figure of each group, and every gap."""
    if scope.by is None:
        return
    breakdown = scope.breakdown(scope.by)
    names = [name for name in words.GROUP_FIGURES if name in breakdown.figures]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{scope.where}, by **{plain(breakdown.by)}** (chosen on top).")
        told = terms.entries("metrics", words.GROUP_FIGURES)
        draw.meaning("per-group-metrics", "What is accuracy?", metrics=told, enough=ENOUGH)
    tables.figures(breakdown, names, "group")
    tables.downloads(scope, breakdown, "accuracy", "bias-groups")
    comparison = scope.comparison()
    if comparison is not None:
        _gaps(scope, comparison)


def without_attributes() -> None:
    """How to bring attributes."""
    st.info(
        "These images have no attribute to group by. Add a manifest.csv to the image set: beside the columns image, "
        "label and split, each further column is an attribute, such as camera, line, supplier or shift.",
        icon=":material/category:",
    )


def _mistakes(scope: Scope, breakdown: Breakdown) -> list[tuple[str, int, dict[str, str]]]:
    """The number of errors in each group, and a link to them: Explain can filter by one attribute of few values."""
    wrong = np.flatnonzero((scope.predictions.frame["verdict"] == "wrong").to_numpy(bool) & (breakdown.codes >= 0))
    codes = breakdown.codes[wrong]
    count = np.bincount(codes, minlength=len(breakdown.frame))
    first = dict(zip(codes[::-1].tolist(), wrong[::-1].tolist(), strict=True))
    attribute = next((name for name in scope.images.attribute_names if column_of(name) == breakdown.by), None)
    alone = attribute in gallery.groups(scope.images) and breakdown.by in scope.whole
    lines = []
    for code, group in enumerate(breakdown.frame["group"].tolist()):
        query = {}
        if code in first:
            image = scope.at(first[code])
            query = {"verdict": "wrong", "image": image.name}
            if alone and attribute is not None:
                query["group"] = gallery.token(attribute, shown(image.attributes[attribute]))
        lines.append((str(group), int(count[code]), query))
    return lines


def _gaps(scope: Scope, comparison: Comparison) -> None:
    """The gaps by all attributes, the surest first."""
    count = int(comparison.frame["significant"].sum())
    st.caption(
        f"{scope.where}. Gaps proven: {count} of {comparison.tests:,}; chance alone would rarely make even one"
        f" such gap among {comparison.tests:,} comparisons."
        if comparison.tests
        else f"{scope.where}. No two groups have {enough_of(scope.independence.unit)}: nothing can be compared."
    )
    tables.wide(compared(comparison), "Gaps between groups")
    tables.csv("Gaps (CSV)", comparison.frame, f"bias-gaps-{scope.stem}")


def compared(comparison: Comparison) -> pd.DataFrame:
    """The gaps as text, the surest first."""
    import pandas as pd

    columns = ["by", "figure", "verdict", "gap", "lowest", "highest", "worse", "ratio", "p", "p corrected"]
    rows = comparison.frame.sort_values(["p adjusted", "p"], kind="stable")
    return pd.DataFrame([_gap_line(row) for row in rows.to_dict("records")], columns=columns)


def _gap_line(row: Mapping[Hashable, Any]) -> dict[str, str]:
    line = {"by": str(row["by"]), "figure": str(row["figure"])}
    if math.isnan(row["p"]):
        return (
            line
            | {"verdict": "too few"}
            | dict.fromkeys(("gap", "lowest", "highest", "worse", "ratio", "p", "p corrected"), "")
        )
    area = row["figure"] == "AUC"
    as_text = "{:.3f}".format if area else percent
    spans = {name: tuple(row[f"{name}{end}"] for end in ("", " low", " high")) for name in ("gap", "ratio")}
    ratio = "{:.2f} ({:.2f} to {:.2f})".format(*spans["ratio"])
    return line | {
        "verdict": "gap" if row["significant"] else "not proven",
        "gap": "{:.3f} ({:.3f} to {:.3f})".format(*spans["gap"]) if area else points(*spans["gap"]),
        "lowest": f"{row['lowest']}: {as_text(row['lowest value'])}",
        "highest": f"{row['highest']}: {as_text(row['highest value'])}",
        "worse": row["worst"] if isinstance(row["worst"], str) else "",
        "ratio": "n/a" if math.isnan(spans["ratio"][0]) else ratio,
        "p": chance(row["p"]).removeprefix("p ").removeprefix("= "),
        "p corrected": chance(row["p adjusted"]).removeprefix("p ").removeprefix("= "),
    }


def measures(scope: Scope) -> None:
    """Fairlearn's measures as cards."""
    if scope.by is None or not scope.comparable:
        return
    by, title = scope.by, by_of(scope.predictions, scope.by)
    result = scope.kept(("fairness", by), lambda: fairness(scope.predictions, by, rows=scope.rows))
    st.subheader("Fairness measures", anchor=False)
    st.caption(
        f"{scope.where}, by {plain(title)}. As Fairlearn defines them, with 95 % intervals; "
        "0 points is equal treatment."
    )
    with st.grid(3, min_column_width=210):
        for name, meaning in FAIRNESS.items():
            if name in result:
                _card(name, result[name], meaning)
    if scope.predictions.rule.positive is None:
        st.caption("Parity and odds need a positive class, and this model names none.")
    import pandas as pd

    lines = [(n, r.value, r.low, r.high, r.count, r.support) for n, r in result.items()]
    frame = pd.DataFrame(lines, columns=["measure", "value", "low", "high", "groups", "support"])
    tables.csv("Fairness measures (CSV)", frame, f"bias-fairness-{scope.stem}")


def _card(name: str, rate: Rate, meaning: str) -> None:
    with st.container(border=True, gap="xsmall", height="stretch"):
        unit = "%" if name == "worst-group accuracy" else "points"
        if rate.value is None or rate.low is None or rate.high is None:
            st.metric(name.capitalize(), "too few", help=meaning)
            st.caption(f"Fewer than two groups have {ENOUGH} images, of enough units.")
            return
        st.metric(name.capitalize(), f"{100 * rate.value:.1f} {unit}", help=meaning)
        st.caption(f"{100 * rate.low:.1f} to {100 * rate.high:.1f}, {rate.support:,} images. {meaning}")


def paradoxes(scope: Scope) -> None:
    """Where a gap overall says something else than the gaps within classes or other attributes."""
    if scope.by is None or not scope.comparable:
        return
    by = scope.by
    parts = (by,) if isinstance(by, str) else by
    within = ["label", *[name for name in scope.tested if name not in parts][:MOST_STRATA]]
    candidates = [scope.kept(("simpson", by, name), partial(_simpson, scope, by, name)) for name in within]
    gaps = [gap for gap in candidates if isinstance(gap, Simpson) and not math.isnan(gap.inside[0])]
    warnings = [gap for gap in gaps if gap.warning]
    for gap in warnings:
        st.warning(plain(gap.warning, 600), icon=":material/warning:")
        with st.expander(f"The {gap.figure} within each {_what(gap)}"):
            first, second = apart(
                [gap.first, gap.second], (str(name) for name in gap.frame if name not in ("first", "second"))
            )
            st.dataframe(gap.frame.rename(columns={"first": first, "second": second}), hide_index=True)
            tables.csv("Within (CSV)", gap.frame, f"bias-within-{within.index(gap.within)}-{scope.stem}")
    if gaps and not warnings:
        st.caption(
            ":material/check: No sign of Simpson's paradox: the mix of images in the groups does not make, hide or"
            f" reverse the accuracy gap. It was compared with the gaps within each {', '.join(map(_what, gaps))}."
        )


def _what(gap: Simpson) -> str:
    return "class" if gap.within == "label" else plain(gap.within)


def _simpson(scope: Scope, by: By, within: str) -> Simpson | str:
    return simpson(scope.predictions, by, "accuracy", within, rows=scope.rows) or "too few"
