"""Twins as a repeatability study: what model and labels say of two images of one part."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

import streamlit as st

from workbench.predictions import percent
from workbench.quality import Repeat, Repeats, repeats
from workbench.stats import ENOUGH, Rate
from workbench.ui import draw, kin, runs, session, url
from workbench.ui.cache import slot
from workbench.ui.data import repeated_maps, twins
from workbench.ui.data.scope import Scope
from workbench.ui.progress import guarded

if TYPE_CHECKING:
    import pandas as pd

FLIPS_SHOWN = 4


@guarded
def section(scope: Scope) -> None:
    """How often two images of one part are decided differently, or what to do to know."""
    draw.meaning("repeatability", "What does repeatability mean?")
    if scope.families is None:
        st.info("Repeatability is unknown: look for images of one part above.", icon=":material/help:")
        return
    if scope.predictions is None:
        st.info("Repeatability is unknown: the model was not run over these images yet.", icon=":material/help:")
        runs.offer_predictions(scope, "")
        return
    found = of(scope)
    if found is None or not found.kinds:
        st.info(
            "No two images show one part, so nothing can be said of repeatability. A study needs no more than to"
            " photograph some parts twice.",
            icon=":material/help:",
        )
        return
    _summary(found)
    st.dataframe(_table(found), hide_index=True, alt="Decisions, scores and labels of two images of one part, by kind")
    st.caption(
        f"The score is the probability of {found.score}; a shift is the second image less the first, in the order of"
        " the set. Ranges of shares are 95 % intervals that count parts; limits of agreement say between what 95 of 100"
        " further pairs would lie (Bland and Altman)."
    )
    _flips(scope, found)
    repeated_maps.section(scope, found)
    draw.table("Pairs with scores (CSV)", lambda: found.pairs, "repeats.csv", "csv repeats")


def of(scope: Scope) -> Repeats | None:
    """The study, kept; None where families or predictions are not known."""
    families, predictions = scope.families, scope.predictions
    if families is None or predictions is None:
        return None
    place = slot("repeats", families=kin.family_key(scope.images), table=session.token(predictions))
    return place.kept(lambda: repeats(families, predictions), lambda found: 4096 + 600 * len(found.pairs))


def _summary(found: Repeats) -> None:
    every = found.kinds[0]
    flips, shift, labels = every.flips, every.shift, every.agreement
    if flips.value is not None:
        st.markdown(
            f"**The model decides {flips.count:,} of {flips.support:,} pairs of one part differently**:"
            f" {_share(flips)}."
        )
    if labels.value is not None:
        kappa = "" if every.kappa is None else f" (Cohen's kappa {every.kappa[0]:.2f})"
        st.markdown(
            f"**{labels.support - labels.count:,} of {labels.support:,} pairs have two different labels**{kappa}: no"
            " model can be right about both."
        )
    if shift is not None and shift.pairs > 1:
        low, high = shift.limits
        st.markdown(
            f"The score shifts by {100 * shift.mean:+.1f} points on average; the limits of agreement are"
            f" {100 * low:+.1f} and {100 * high:+.1f} points."
        )
    if every.pairs < ENOUGH:
        st.caption(f":material/help: Fewer than {ENOUGH} pairs say little.")


def _share(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "no pairs"
    return f"{percent(rate.value)} ({100 * rate.low:.1f} to {100 * rate.high:.1f})"


def _table(found: Repeats) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([_row(kind) for kind in found.kinds])


def _row(kind: Repeat) -> dict[str, object]:
    shift = kind.shift
    low, high = (float("nan"),) * 2 if shift is None else shift.limits
    return {
        "Repeats": kind.kind,
        "Pairs": kind.pairs,
        "Parts": kind.families,
        "Flips": f"{kind.flips.count:,} of {kind.flips.support:,}: {_share(kind.flips)}",
        "Mean shift": "n/a" if shift is None else f"{100 * shift.mean:+.1f} points",
        "Limits of agreement": "n/a" if low != low else f"{100 * low:+.1f} to {100 * high:+.1f}",
        "Same label": f"{kind.agreement.count:,} of {kind.agreement.support:,}: {_share(kind.agreement)}",
        "Kappa": "n/a" if kind.kappa is None else "{:.2f} ({:.2f} to {:.2f})".format(*kind.kappa),
    }


@st.fragment
@guarded
def _flips(scope: Scope, found: Repeats) -> None:
    """The pairs that are decided differently, a page of them side by side with their scores."""
    flips = found.flips
    if not len(flips):
        return
    title = "The pair that flips" if len(flips) == 1 else f"The {len(flips):,} pairs that flip"
    with st.expander(title, icon=":material/swap_horiz:", expanded=True):
        pages = -(-len(flips) // FLIPS_SHOWN)
        page = url.pages(pages, key="flip_page") if pages > 1 else 1
        rows = flips.iloc[(page - 1) * FLIPS_SHOWN : page * FLIPS_SHOWN].to_dict("records")
        twins.page(scope, [_told(row) for row in rows], "flip")


def _told(row: Mapping[Hashable, object]) -> twins.Pair:
    """The names of a pair that flips, and what is said of it."""
    scores = f"{_percent(row['score first'])} and {_percent(row['score second'])}"
    words = str(row["grade"]), scores, *(["other labels"] if row["same label"] is False else [])
    return (str(row["first"]), str(row["second"])), words, str(row["turn"] or "")


def _percent(score: object) -> str:
    return percent(float(str(score)))
