"""The section on slices: clusters of images that look alike to the model, the ones that it gets wrong first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from workbench.bias import Slice, Slices, chance, percent, slices
from workbench.drawing import charts
from workbench.stats import ENOUGH
from workbench.ui import audits, draw, runs, url
from workbench.ui.bias import images, tables, words
from workbench.ui.bias.scope import Scope
from workbench.ui.progress import guarded, offer
from workbench.ui.text import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SLICES = 6
THUMBNAILS = 12


@st.fragment
@guarded
def section(scope: Scope) -> None:
    """Slices of what the model sees."""
    outputs = audits.outputs_of(scope)
    if outputs.predictions is None or outputs.elsewhere:
        st.info(
            "Slices need the embedding of each image (features of the penultimate layer). An audit stores them.",
            icon=":material/bubble_chart:",
        )
        offer(
            f"Audit all {len(scope.images):,} images",
            "audit for slices",
            lambda: runs.audited(scope, embeddings=True),
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = url.segments(
            "Look for slices",
            ["off", "on"],
            key="slices",
            default="off",
            format_func={"off": "Off", "on": "Find them"}.__getitem__,
        )
        draw.meaning("slices", enough=ENOUGH)
    if state == "off":
        st.caption(
            "Is there a kind of image that the model gets wrong, whether or not it has a name? Takes some seconds."
        )
        return
    with st.spinner("Computing slices"):
        vectors = audits.embeddings(scope, outputs)
        result = scope.kept("slices", lambda: slices(vectors, scope.predictions, rows=scope.rows))
    _list(scope, result)


def _list(scope: Scope, result: Slices) -> None:
    large = [(number, part) for number, part in enumerate(result.slices, 1) if len(part.members) >= ENOUGH]
    count = sum(part.significant for _, part in large)
    overall = percent(result.error.value or 0)
    st.caption(
        f"{scope.where}, in {len(result.slices)} slices. Overall {overall} are wrong; {count} of the slices hold "
        "more mistakes than chance would explain."
    )
    for number, part in large[:MOST_SLICES]:
        with st.container(border=True):
            _slice(scope, number, part)
    with st.container(horizontal=True, vertical_alignment="center"):
        frame = result.frame
        few = ~frame["enough"]
        frame.loc[few, ["error rate", "error rate low", "error rate high", "p", "p adjusted"]] = np.nan
        tables.csv("Slices (CSV)", frame, f"bias-slices-{scope.split}")
        draw.download("Slices (PNG)", lambda: _image(scope, large), f"bias-slices-{scope.split}.png", "png bias-slices")


def _slice(scope: Scope, number: int, part: Slice) -> None:
    verdict = "more than chance would explain" if part.significant else "not proven: chance could explain it"
    traits = plain(", ".join(map(str, part.traits)), 400) or "no recorded attribute"
    st.markdown(
        f"**Slice {number}**: {words.interval(part.error, 'error rate')} wrong of {len(part.members):,} images, "
        f"{chance(part.p_adjusted)} corrected: {verdict}.  \nMore frequent here: {traits}."
    )
    wrong = scope.predictions.frame["verdict"].to_numpy()[part.members] == "wrong"
    places = np.concatenate([part.members[wrong], part.members[~wrong]])
    images.row(scope, places[:THUMBNAILS], f"slice {number}")
    st.caption(f"The {min(THUMBNAILS, len(places))} of its images are shown: mistakes first, then the most typical.")


def _image(scope: Scope, large: list[tuple[int, Slice]]) -> Figure:
    rates = [part.error for _, part in large]
    ends = ([getattr(rate, end) or 0.0 for rate in rates] for end in ("value", "low", "high"))
    names = [f"slice {number}" for number, _ in large]
    return charts.interval_bars(names, *ends, title="Error rate by slice", unit="error rate", footer=scope.footer)
