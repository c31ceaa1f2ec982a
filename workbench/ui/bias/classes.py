"""The section on classes: how good the model is at each of them."""

from __future__ import annotations

import numpy as np
import streamlit as st

from workbench.bias import Breakdown
from workbench.stats import ENOUGH
from workbench.ui import draw, gallery, terms
from workbench.ui.bias import tables, words
from workbench.ui.bias.scope import Scope
from workbench.ui.progress import guarded


@guarded
def section(scope: Scope) -> None:
    """The table, worst first, and where to look at the mistakes."""
    breakdown = scope.breakdown()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{scope.where}. Worst first.")
        figures = terms.entries("metrics", words.CLASS_FIGURES)
        draw.meaning("per-class-metrics", metrics=figures, enough=ENOUGH)
    tables.figures(breakdown, words.CLASS_FIGURES, "class")
    tables.bars(breakdown, "recall")
    tables.links(scope, _mistakes(scope, breakdown), "class")
    tables.downloads(scope, breakdown, "recall", "bias-classes")


def _mistakes(scope: Scope, breakdown: Breakdown) -> list[tuple[str, int, dict[str, str]]]:
    """For each class how many of its images are called something else, and the link to them."""
    wrong = (scope.predictions.frame["verdict"] == "wrong").to_numpy(bool) & (breakdown.codes >= 0)
    at = np.flatnonzero(wrong)
    codes = breakdown.codes[at]
    count = np.bincount(codes, minlength=len(breakdown.frame))
    first = dict(zip(codes[::-1].tolist(), at[::-1].tolist(), strict=True))
    names = scope.predictions.frame["name"].to_numpy()
    lines = []
    for code, (name,) in enumerate(breakdown.values):
        query = (
            {"class": gallery.class_token(str(name)), "verdict": "wrong", "image": str(names[first[code]])}
            if code in first
            else {}
        )
        lines.append((str(name), int(count[code]), query))
    return lines
