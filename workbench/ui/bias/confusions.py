"""The section on confusions: which class is called which, and the images behind each cell."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.bias import Confusion
from workbench.drawing import charts
from workbench.stats import ENOUGH
from workbench.texts import apart
from workbench.ui import draw, gallery, url
from workbench.ui.bias import images, tables
from workbench.ui.bias.scope import Scope
from workbench.ui.progress import guarded
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

MOST_NAMED = 20
NARROW = 6
"""More columns than this take half of the page."""
CORNER = "true class"


@st.fragment
@guarded
def section(scope: Scope) -> None:
    """The matrix, and the images of the chosen cell."""
    confusion = scope.confusion()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{scope.where}. Rows: true class. Columns: predicted class.")
        draw.meaning("confusion-matrix", "What is a confusion matrix?", enough=ENOUGH)
    counts, names = shown(confusion)
    if len(names) < len(confusion.class_names):
        count = int((confusion.counts.sum(0) + confusion.counts.sum(1) > 0).sum())
        if len(names) < count:
            st.caption(f"The {len(names)} classes with most confusions, of {count:,}; the CSV holds all cells.")
    table, images_of = st.columns([2, 3] if len(names) <= NARROW else [1, 1], gap="large")
    with images_of:
        cell = _cell(scope, confusion)
    with table:
        _matrix(counts, names, cell)
        wide = f" {len(names)} columns: scroll sideways for those that do not fit." if len(names) > NARROW else ""
        st.caption(f"Click a cell to see its images.{wide}")
    with st.container(horizontal=True, vertical_alignment="center"):
        tables.csv("All cells (CSV)", all_pairs(confusion), f"bias-confusion-{scope.stem}")
        draw.download(
            "Matrix (PNG)",
            lambda: charts.matrix(counts, names, names, title="Confusion matrix", footer=scope.footer),
            f"bias-confusion-{scope.stem}.png",
            "png bias-confusion",
        )


def shown(confusion: Confusion) -> tuple[NDArray[np.int64], list[str]]:
    """The part of the matrix that is shown, (K, K), and the names of its classes."""
    classes = most_confused(confusion.counts)
    return confusion.counts[np.ix_(classes, classes)], [confusion.class_names[c] for c in classes]


def most_confused(counts: NDArray[np.int64], most: int = MOST_NAMED) -> list[int]:
    """The classes that occur, in their order; the `most` with most confusions where there are more."""
    rows = np.flatnonzero(counts.sum(0) + counts.sum(1))
    wrong = counts.sum(0) + counts.sum(1) - 2 * counts.diagonal()
    classes = sorted(rows.tolist(), key=lambda c: -wrong[c])[:most]
    return sorted(classes)


def _matrix(counts: NDArray[np.int64], names: Sequence[str], cell: tuple[str, str]) -> None:
    """The table with `cell` marked; a click on another chooses that one."""
    import pandas as pd

    share = charts.row_shares(counts) * (counts.sum(1, keepdims=True) >= ENOUGH)
    styles = np.array(
        [[f"background-color: rgba(18, 165, 148, {0.65 * x:.3f})" if x else "" for x in row] for row in share],
        dtype=object,
    )
    frame = pd.DataFrame(counts, index=pd.Index(names, name=apart([CORNER], names)[0]), columns=list(names))
    selection = [(names.index(cell[0]), cell[1])] if set(cell) <= set(names) else []
    st.session_state["confusion"] = {"selection": {"rows": [], "columns": [], "cells": selection}}
    st.dataframe(
        frame.style.apply(lambda _: styles, axis=None),
        width="content",
        key="confusion",
        on_select=partial(_clicked, tuple(names)),
        selection_mode="single-cell",
        alt="Images by true class and predicted class",
    )


def _clicked(names: Sequence[str]) -> None:
    """A click on a cell chooses it in the two boxes beside it, and so in the address."""
    cells = st.session_state["confusion"]["selection"]["cells"]
    if cells:
        row, call = cells[0]
        url.choose("true", names[row])
        url.choose("called", call)
        _first_page()


def _cell(scope: Scope, confusion: Confusion) -> tuple[str, str]:
    """Choose a cell, by true class and predicted class, and show the images behind it."""
    counts, names = confusion.counts, confusion.class_names
    label = worst_row(counts)
    truths = [names[c] for c in np.flatnonzero(counts.sum(1))]
    calls = [names[c] for c in np.flatnonzero(counts.sum(0) + counts.sum(1))]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        truth = url.select("True class", truths, key="true", default=names[label], on_change=_first_page, width=200)
        row = counts[names.index(truth)].copy()
        row[names.index(truth)] = 0
        other = names[int(row.argmax())] if row.any() else truth
        call = url.select("Called", calls, key="called", default=other, on_change=_first_page, width=200)
    places = confusion.members(truth, call)
    verdict = "right" if truth == call else "wrong"
    total = int(counts[names.index(truth)].sum())
    st.markdown(
        f"**{len(places):,}** of {total:,} images of {plain(truth)} are predicted as {plain(call)}"
        + (", which is right." if verdict == "right" else ".")
    )
    if len(places):
        images.paged(scope, places, "behind", **{"class": gallery.class_token(truth), "verdict": verdict})
    return truth, call


def worst_row(counts: NDArray[np.int64]) -> int:
    """The class with the most frequent confusion; without any, the most frequent class."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    return int((wrong if wrong.any() else counts).max(1).argmax())


def _first_page() -> None:
    st.session_state["behind"] = 1


def all_pairs(confusion: Confusion) -> pd.DataFrame:
    """The cells that are not empty."""
    import pandas as pd

    row, column = np.nonzero(confusion.counts)
    names, counts = np.array(confusion.class_names, dtype=object), confusion.counts
    return pd.DataFrame(
        {
            "true class": names[row],
            "called": names[column],
            "images": counts[row, column],
            "share of the true class": charts.row_shares(counts)[row, column],
            "images of the true class": counts.sum(1)[row],
        }
    )
