"""The view of the operating point: histogram, escapes and overkill, curves, groups and the review band."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from workbench.bias import grouping
from workbench.defects import (
    CHOSEN_ON,
    FIGURES,
    REPORTED_ON,
    band_kept,
    expected_range,
    point_at,
    rates_at,
    review,
    units_and_worth,
)
from workbench.predictions import Cases
from workbench.stats import ENOUGH, FEW_UNITS, Rate, auc, share
from workbench.texts import apart, shown
from workbench.ui import draw, independence, url
from workbench.ui.defects import curves, histogram, rules, threshold
from workbench.ui.defects.scope import Scope
from workbench.ui.defects.threshold import Setting
from workbench.ui.progress import guarded

if TYPE_CHECKING:
    import pandas as pd


@st.fragment
@guarded
def view(scope: Scope) -> None:
    """All that follows the threshold, without running the rest of the page again."""
    setting, asked = threshold.beside_a_table(scope, partial(rules.table, scope))
    rules.warning(scope, setting)
    st.markdown(threshold.sentence(scope, setting))
    histogram.draw(scope, setting)
    points = {split: point_at(cases, setting.band, scope.costs) for split, cases in scope.cases.items() if len(cases)}
    rules.outcome(scope, setting, points.get(REPORTED_ON), asked)
    if points:
        _table(scope, points, setting)
    if setting.coverage is not None and all(len(scope.cases[split]) for split in (CHOSEN_ON, REPORTED_ON)):
        _review(scope, setting)
    curves.section(scope, setting)
    _groups(scope, setting)


def _table(scope: Scope, points: dict[str, pd.Series], setting: Setting) -> None:
    """The figures at the threshold and its band, a column a split."""
    import pandas as pd

    counts = ["escapes", "overkill", *(["review"] if setting.coverage is not None else [])]
    frame = pd.DataFrame(
        {
            f"{scope.words[split]} ({_counts(scope.cases[split])})": [
                *(f"{point[name]:,.0f}" for name in counts),
                *(interval(point, name) for name in FIGURES),
                _area(scope, split),
            ]
            for split, point in points.items()
        },
        index=[*counts[:2], *(["for review"] if counts[2:] else []), *FIGURES[:-1], "cost a part", "AUC"],
    )
    title = "At this threshold" if setting.coverage is None else "With this threshold and review band"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(title, anchor=False)
        draw.meaning("operating-point", "What do these figures mean?")
    st.table(frame.rename_axis("figure"))
    st.caption(_line(scope, points))
    _warn_of_few(scope, points)
    independence.note(scope, independence.of(scope.cases[next(reversed(points))]), "operating")
    facts: dict[str, object] = {
        "chosen": setting.way, "review from": setting.band.low, "review to": setting.band.high,
        "coverage": setting.coverage,
        "defects on the line": scope.costs.prior, "defects": ", ".join(scope.positive), "model": scope.model.key,
    }  # fmt: skip
    with st.container(horizontal=True):
        table = pd.DataFrame({scope.words[split]: point for split, point in points.items()})
        draw.table(
            "Figures (CSV)", lambda: _with_facts(table, facts), "operating-point.csv", "csv point", index="figure"
        )
        for split in points:
            draw.table(
                f"All thresholds, {scope.words[split]} (CSV)",
                lambda split=split: scope.points(split),  # type: ignore[misc]
                f"operating-points-{split}.csv",
                f"csv points {split}",
            )


def _counts(cases: Cases) -> str:
    """How many defects and good parts there are, and from how many units, where those are known."""
    defects, good = (cases.of(kind).independence.origin for kind in (cases.defect, ~cases.defect))
    return f"{cases.defects:,} defects{defects}, {cases.good:,} good{good}"


def _warn_of_few(scope: Scope, points: dict[str, pd.Series]) -> None:
    few = [
        f"{point[kind]:,.0f} {words} in the {scope.words[split]}"
        for split, point in points.items()
        for kind, words in (("defects", "defects"), ("good", "good parts"))
        if point[kind] < ENOUGH
    ]
    if few:
        st.caption(f":material/info: Only {' and '.join(few)}: read the intervals, not the figures.")
    few = [
        f"{known.origin.removeprefix(' from ')} of {words} in the {scope.words[split]}"
        for split in points
        for kind, words in ((scope.cases[split].defect, "defects"), (~scope.cases[split].defect, "good parts"))
        if (known := scope.cases[split].of(kind).independence).origin and (known.units or 0) < FEW_UNITS
    ]
    if few:
        st.caption(
            f":material/warning: Only {' and '.join(few)}: no interval can be trusted with fewer than {FEW_UNITS}, so"
            " each counts as a single image."
        )


def _line(scope: Scope, points: dict[str, pd.Series]) -> str:
    """Which share of defects the figures of the line are computed for."""
    if scope.costs.prior is not None:
        return f"Precision, F1 and cost are computed for a line with {_percent(scope.costs.prior)} defects."
    shares = [
        f"{_percent(point['defects'] / (point['defects'] + point['good']))} in the {scope.words[split]}"
        for split, point in points.items()
    ]
    return (
        "Precision, F1 and cost are computed for a line with the same share of defects as these images:"
        f" {', '.join(shares)}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _with_facts(table: pd.DataFrame, facts: dict[str, object]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([pd.DataFrame(dict.fromkeys(table, facts)), table])


def _area(scope: Scope, split: str) -> str:
    cases = scope.cases[split]
    rate = scope.kept(("area", split), lambda: auc(cases.scores, cases.defect, units=cases.units))
    return "n/a" if rate.value is None else f"{rate.value:.3f} ({draw.interval(rate, 'AUC')})"


def interval(point: pd.Series, name: str) -> str:
    """A figure with its interval."""
    value, low, high = (float(point[f"{name}{end}"]) for end in ("", " low", " high"))
    if math.isnan(value):
        return "n/a"
    if name == "cost":
        return f"{value:.3g} ({low:.3g} to {high:.3g})"
    return f"{value:.3f} ({low:.3f} to {high:.3f})" if name == "F1" else f"{value:.1%} ({low:.1%} to {high:.1%})"


def _review(scope: Scope, setting: Setting) -> None:
    """What the review band does: made from one split, held against the other."""
    import pandas as pd

    chosen, tested = scope.cases[CHOSEN_ON], scope.cases[REPORTED_ON]
    outcome, target, origin = review(tested, setting.band), setting.coverage or 0, tested.independence.origin
    st.header("What the review band guarantees", anchor=False)
    st.markdown(
        f"{_share(outcome.review, origin)} of the {scope.words[REPORTED_ON]} is for review. {outcome.escapes:,} of its"
        f" defects pass unseen, and {outcome.overkill:,} of its good parts are rejected unseen."
    )
    lines = {}
    for kind, rate, defects, ends in (
        ("defects not passed unseen", outcome.defects, True, setting.band.low < setting.threshold),
        ("good parts not rejected unseen", outcome.good, False, setting.band.high > setting.threshold),
    ):
        parts = [cases.of(cases.defect == defects) for cases in (chosen, tested)]
        calibrated, worth = (units_and_worth(part.units, len(part))[i] for i, part in enumerate(parts))
        low, high = expected_range(target, calibrated, worth)
        should = f"{low:.1%} to {high:.1%}" if ends else f"{low:.1%} or more: the threshold alone keeps the guarantee"
        should = should if rate.support else "n/a"
        lines[kind] = {
            "target": f"{target:.0%}",
            f"measured on the {scope.words[REPORTED_ON]}": _share(rate, parts[1].independence.origin),
            "expected there": should,
            "so": band_kept(rate, target),
        }
    st.table(pd.DataFrame(lines).T.rename_axis("parts"))
    st.caption(
        "Expected: the range of 19 of 20 measurements when the target is met, with this number of images to set the"
        " band and to measure it. A measurement below it suggests that the two splits differ."
        + (" Units count, not images, as if all images of a unit were alike." if origin else "")
    )


def _share(rate: Rate, origin: str) -> str:
    if rate.value is None:
        return "n/a"
    return f"{rate.value:.1%} ({draw.interval(rate)}, {rate.support:,} {'images' if origin else 'parts'}{origin})"


def _groups(scope: Scope, setting: Setting) -> None:
    """Escapes and overkill of each group at this threshold."""
    import pandas as pd

    groups = scope.kept("grouping", lambda: grouping(scope.predictions))
    cases = scope.cases[REPORTED_ON]
    if not groups.names or not len(cases):
        return
    st.header("By group", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = url.select("Group by", groups.names, key="by", width=220)
        draw.meaning("threshold-by-group", "Why do groups differ?")
    values = groups.predictions.frame[by].to_numpy()[cases.rows]
    reviewed = setting.band.verdicts(cases.scores) == "review"
    rows = []
    there = sorted({v for v in values if v is not None and v == v}, key=shown)
    names = apart(" ".join(shown(value).split())[:60] for value in there)
    for name, value in zip(names, there, strict=True):
        among = values == value
        part = cases.of(among)
        row = {"group": name}
        for what, rate in zip(("escapes", "overkill"), rates_at(part, setting.band), strict=True):
            row[what] = _counted(rate, part.independence.unit)
        if setting.coverage is not None:
            row["for review"] = _counted(share(reviewed[among], part.units), part.independence.unit)
        rows.append(row)
    frame = pd.DataFrame(rows)
    st.dataframe(frame, hide_index=True, alt="Escapes and overkill by group")
    draw.table("Groups (CSV)", lambda: frame.assign(by=by), "operating-point-groups.csv", "csv operating groups")


def _counted(rate: Rate, unit: str) -> str:
    if rate.value is None:
        return "none there"
    few = "; few" if rate.support < ENOUGH or rate.few_units else ""
    hits = f"{rate.count:,} of {rate.support:,}{rate.in_units(unit, 'from')}"
    return f"{hits}: {rate.value:.1%} ({draw.interval(rate)}{few})"
