"""Whether the maps on the page can be believed: a row of verdicts under each, every one opening to its figure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from workbench.attribution import METHODS
from workbench.ui import draw, results, url
from workbench.ui.progress import troubles
from workbench.ui.text import plain
from workbench.ui.view import ImageView

if TYPE_CHECKING:
    from workbench.attribution import Attribution
    from workbench.evidence import Finding

BUDGETS = {"off": "Off", "quick": "Quick", "full": "Thorough"}
BADGES = {
    "holds": ":green-badge[:material/check: holds]",
    "doubtful": ":orange-badge[:material/question_mark: doubtful]",
    "fails": ":red-badge[:material/close: fails]",
    "not applicable": ":gray-badge[not applicable]",
}


def section(view: ImageView, attributions: Mapping[str, Attribution]) -> None:
    """Choose how thoroughly to check; then the verdicts on each map, as they come."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        budget = url.segments(
            "Can these maps be trusted?", list(BUDGETS), key="evidence", default="off", format_func=BUDGETS.__getitem__
        )
        draw.meaning("evidence")
    if budget == "off":
        st.caption(
            "Check each map against the model: is it complete, does deleting what it marks change the score, does it"
            " depend on the model?"
        )
        return
    cards = {}
    with st.grid(3, min_column_width=210):
        cells = {method: st.container() for method in attributions}
    for method, attribution in attributions.items():
        with cells[method], troubles():
            st.markdown(f"**{METHODS[method].title}**")
            findings = results.findings(view, attribution, "full" if budget == "full" else "quick")
            if findings is not None:
                cards[method] = findings
                for finding in findings:
                    _finding(method, finding)
    if len(attributions) > 1:
        _agreement(attributions)
    if cards:
        facts = {method: [_plain(f) for f in findings] for method, findings in cards.items()}
        draw.download("Evidence (JSON)", lambda: json.dumps(facts, indent=2), "evidence.json", "evidence json")


def _finding(method: str, finding: Finding) -> None:
    from workbench.evidence import CHECKS

    check = CHECKS[finding.name]
    if finding.verdict == "not applicable" and finding.value is None:
        return
    label = BADGES[finding.verdict] if finding.verdict != "not applicable" else f":gray-badge[{finding.value:.2f}]"
    with st.popover(f"{label} {check.title}", type="tertiary", key=f"finding {method} {finding.name}"):
        st.markdown(f"**{check.question}**")
        st.markdown(plain(finding.reason, 600))
        if finding.curves and "share" in finding.curves:
            _curves(finding)
        st.markdown(finding.meaning)
        st.caption(f"Source: {finding.source}")


def _curves(finding: Finding) -> None:
    """The map's curve over the band of the random orders."""
    import numpy as np
    import pandas as pd

    curves = finding.curves or {}
    share, orders = curves["share"], curves["random"]
    lines = {"this map": curves["map"]}
    for name, curve in (
        ("random, mean", orders.mean(0)),
        ("random, lowest", orders.min(0)),
        ("random, highest", orders.max(0)),
    ):
        lines[name] = np.interp(share, curves.get("random_share", share), curve)
    frame = pd.DataFrame(lines, index=100 * share)
    st.line_chart(frame, x_label="share of the pixels, %", y_label="score", height=220)


def _agreement(attributions: Mapping[str, Attribution]) -> None:
    import numpy as np
    import pandas as pd

    from workbench.evidence import agreement

    names, matrix = agreement(list(attributions.values()))
    titles = [METHODS[name].title if name in METHODS else name for name in names]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Do the methods agree?**")
        draw.meaning("agreement")
    st.dataframe(pd.DataFrame(matrix, index=titles, columns=titles).round(2))
    if np.isnan(matrix).any():
        st.caption(":material/info: A constant map has no order of places to compare.")


def _plain(finding: Finding) -> dict[str, object]:
    facts = dataclasses.asdict(finding)
    curves = facts.pop("curves")
    return facts | {"curves": {name: _value(values) for name, values in (curves or {}).items()}}


def _value(values: Sequence[float]) -> object:
    import numpy as np

    return np.asarray(values).tolist()
