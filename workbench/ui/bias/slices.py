"""Kinds that nobody has named: clusters that the model gets wrong, named by what sets them apart from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.bias import Shift, Slice, Slices, chance, measures, name_of, percent, shifts, slices
from workbench.drawing import charts
from workbench.stats import ENOUGH
from workbench.ui import audits, draw, runs, url
from workbench.ui.bias import images, tables, words
from workbench.ui.bias.scope import Scope
from workbench.ui.cache import computed, slot
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.text import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SLICES = 6
THUMBNAILS = 10
NAMELESS = "no attribute, brightness, contrast or sharpness distinguishes it"


@st.fragment
@guarded
def section(scope: Scope) -> None:
    """Slices of what the model sees."""
    outputs = audits.outputs_of(scope)
    if outputs.predictions is None or outputs.elsewhere:
        st.markdown(
            ":material/radio_button_unchecked: **Not looked for yet.** Images that look alike to the model are put"
            " together, to find a kind that it gets wrong whether or not it has a name. That needs the features of the"
            " penultimate layer for each image, which an audit stores."
        )
        offer(
            f"Audit all {len(scope.images):,} images",
            "audit for slices",
            lambda: runs.audited(scope, embeddings=True),
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = url.segments(
            "Look for such kinds",
            ["off", "on"],
            key="slices",
            default="off",
            format_func={"off": "Off", "on": "Find them"}.__getitem__,
        )
        draw.meaning("slices", "What is a slice?", enough=ENOUGH)
    if state == "off":
        st.caption("Not looked for yet. Takes some seconds.")
        return
    with st.spinner("Computing slices"):
        vectors = audits.embeddings(scope, outputs)
        result = scope.kept("slices", lambda: slices(vectors, scope.predictions, rows=scope.rows))
    values = _measured(scope, result)
    if values is not None:
        _list(scope, result, values)


def _measured(scope: Scope, result: Slices) -> NDArray[np.float64] | None:
    """Brightness, contrast and sharpness of the images that count, measured once; None where the user stopped it."""

    def make(progress: Stoppable) -> NDArray[np.float64]:
        return measures([scope.at(row) for row in np.flatnonzero(result.codes >= 0).tolist()], progress)

    place = slot("image measures", images=scope.images.key, **scope.facts)
    return computed(place, "Measuring brightness, contrast and sharpness", make, lambda made: made.nbytes)


def _list(scope: Scope, result: Slices, values: NDArray[np.float64]) -> None:
    large = [(number, part) for number, part in enumerate(result.slices, 1) if part.enough]
    count = sum(part.significant for _, part in large)
    overall = percent(result.error.value or 0)
    if count:
        verdict = f"**Proven:** {count} of {len(result.slices)} kinds of images hold more mistakes than chance would"
        st.markdown(f":red[:material/report:] {verdict} explain; {overall} of all images are wrong.")
    else:
        st.markdown(
            f":material/help: **Chance can do that:** none of {len(result.slices)} kinds of images holds more mistakes"
            f" than chance would explain; {overall} of all images are wrong."
        )
    places = np.flatnonzero(result.codes >= 0)
    told = {number: shifts(part, places, values, scope.predictions) for number, part in large}
    for number, part in [line for line in large if line[1].significant][:MOST_SLICES]:
        with st.container(border=True):
            _slice(scope, number, part, told[number])
    if others := [line for line in large if not line[1].significant]:
        with st.expander(f"{len(others)} kinds whose mistakes chance explains"):
            for number, part in others[:MOST_SLICES]:
                _slice(scope, number, part, told[number])
    with st.container(horizontal=True, vertical_alignment="center"):
        frame = result.frame
        few = ~frame["enough"]
        frame.loc[few, ["error rate", "error rate low", "error rate high", "p", "p adjusted"]] = np.nan
        tables.csv("Slices (CSV)", frame, f"bias-slices-{scope.stem}")
        draw.download("Slices (PNG)", lambda: _image(scope, large), f"bias-slices-{scope.stem}.png", "png bias-slices")


def _slice(scope: Scope, number: int, part: Slice, told: list[Shift]) -> None:
    """One kind: its name, the verdict, what sets it apart with the figures, and its images."""
    name = name_of(part, told)
    title = f"{name[0].upper()}{name[1:]}" if name else "Without a name"
    st.markdown(f"**{number}. {plain(title)}**")
    lead = "**Proven: worse than the rest.**" if part.significant else "**Chance can do that.**"
    apart = "; ".join([*map(str, part.traits), *map(str, told)])
    st.markdown(
        f"{lead} {words.interval(part.error, 'error rate')} wrong of {draw.support(part.error)},"
        f" {chance(part.p_adjusted)} corrected.  \nSet apart by: {plain(apart or NAMELESS, 600)}."
    )
    wrong = scope.predictions.frame["verdict"].to_numpy()[part.members] == "wrong"
    places = np.concatenate([part.members[wrong], part.members[~wrong]])
    images.row(scope, places[:THUMBNAILS], f"slice {number}")
    st.caption(f"{min(THUMBNAILS, len(places))} of its images: mistakes first, then the most typical.")


def _image(scope: Scope, large: list[tuple[int, Slice]]) -> Figure:
    rates = [part.error for _, part in large]
    ends = ([getattr(rate, end) or 0.0 for rate in rates] for end in ("value", "low", "high"))
    names = [f"slice {number}" for number, _ in large]
    return charts.interval_bars(names, *ends, title="Error rate by slice", unit="error rate", footer=scope.footer)
