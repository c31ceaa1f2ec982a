"""What the set does not cover: images beyond the reach of the training split, and the way to them."""

from __future__ import annotations

import streamlit as st

from workbench.quality import RANK, WITHIN_REACH, Coverage, coverage, coverage_results
from workbench.stats import ENOUGH, Rate
from workbench.ui import checks, draw, selection, session, url
from workbench.ui import kept as on_disk
from workbench.ui.cache import Slot, slot
from workbench.ui.data import embedded, tiles
from workbench.ui.data.embedded import Embedded
from workbench.ui.data.scope import Scope
from workbench.ui.data.support import table_of
from workbench.ui.progress import Stoppable, guarded, offer


@st.fragment
@guarded
def section(scope: Scope) -> None:
    """What lies out of reach, how the model does there, and the images."""
    vectors = embedded.known(scope)
    if vectors is None:
        embedded.offers(scope, "What the training split does not reach")
        return
    result = kept(scope, vectors)
    if result is None:
        st.markdown(":material/radio_button_unchecked: **Not looked for yet.** Takes some seconds.")
        token = session.token(scope.images)[:12]
        offer("Look beyond the training split", f"cover {token}", lambda: look(scope, vectors))
        return
    checks.lines(coverage_results(result))
    if not result.reason:
        _figures(result)
        _images(scope, result)
    with st.container(horizontal=True, vertical_alignment="center"):
        draw.table("Reach (CSV)", lambda: result.frame, "coverage.csv", "csv coverage")
        draw.meaning("coverage", "What does this mean?", rank=RANK, share=f"{100 * WITHIN_REACH:.0f}", enough=ENOUGH)
    st.caption(
        f"Measured in {vectors.words}. The training split is that of this set, whatever the model was trained on."
    )


def kept(scope: Scope, vectors: Embedded) -> Coverage | None:
    """What was found; None where it was not looked for."""
    result: Coverage | None = on_disk.recall(_place(scope, vectors), Coverage, Rate)
    return result


def _place(scope: Scope, vectors: Embedded) -> Slot:
    facts = {"images": scope.images.key, "families": scope.facts["families"], "features": vectors.source}
    return slot("coverage", **scope.model.identity, **facts, predicted=scope.predictions is not None)


def look(scope: Scope, vectors: Embedded) -> Coverage | None:
    """What was found, looked for now with progress and kept; None where the user stopped it."""
    progress = Stoppable("Comparing with the training split", f"coverage {session.token(scope.images)[:12]}")
    if progress.stopped:
        return None
    result = coverage(table_of(scope), vectors.vectors, on_progress=progress)
    on_disk.keep(_place(scope, vectors), result, 4096 + 300 * len(result.frame))
    progress.done()
    return result


def _figures(result: Coverage) -> None:
    with st.grid(3, min_column_width=220, gap="small", key="coverage figures"):
        draw.rate("Out of reach", result.outside, f"Images of the {result.split} split beyond the reach of training.")
        _right("Decided right out of reach", result.right_outside)
        _right("Decided right within reach", result.right_inside)


def _right(label: str, figure: Rate) -> None:
    draw.rate(label, figure, "Share of right decisions.")


def _images(scope: Scope, result: Coverage) -> None:
    """The images out of reach, the farthest first, each beside the training image that is most like it."""
    frame = result.frame[result.frame["outside"]].sort_values("distance", ascending=False)
    names = frame["name"].tolist()
    if names:
        st.markdown(f"**Out of reach**, the farthest first: {len(names):,} images of the validation and test split.")
        tiles.row(scope, names, "outside")
        st.button(
            "Select them", icon=":material/lasso_select:", key="select outside", on_click=_select, args=(scope, names)
        )
    untested = result.frame.loc[result.frame["untested"], "name"].tolist()
    if untested and result.untested_gap:
        st.markdown(f"**Never tested**: {len(untested):,} training images that no {result.split} image comes near.")
        tiles.row(scope, untested, "untested")


@guarded
def _select(scope: Scope, names: list[str]) -> None:
    """Callback: make these images the selection of this page."""
    url.choose(selection.SELECTED, selection.keep(scope, names))
