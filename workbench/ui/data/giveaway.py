"""What gives the label away: properties that tell the class without the part, the worst first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from workbench.quality import Giveaway, Giveaways, Property, giveaways, measures_version, sentence_of
from workbench.ui import draw, kept, url
from workbench.ui.cache import slot
from workbench.ui.data import distribution, facts, thumbs
from workbench.ui.data.scope import Scope
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

    from workbench.quality import Told
    from workbench.ui.cache import Slot

TARGETS = {"label": "the label", "split": "the split"}
ADVICE = {
    "attribute": "Collect images of every class under every value, or split so that a value stands on one side.",
    "file": "Export all images in one way, from all cameras; a model sees what compression and scaling leave.",
    "name": "A model sees no names, but they show that classes were collected apart: look for what else changed then.",
    "pixels": "Where this is how the part looks, it is no fault. Else mask, crop or vary it, and look on Bias for a"
    " shortcut there.",
}


@st.fragment
@guarded
def section(scope: Scope) -> None:
    """The properties of the set that tell the class or the split, or what to do to know of them."""
    draw.meaning("giveaway", "What gives a label away?")
    table = facts.known(scope)
    if table is None:
        st.info("Measure the images first, under **Files and images** above.", icon=":material/help:")
        return
    target: Told = (
        "label"
        if url.segments("What is told", list(TARGETS), key="told", default="label", format_func=TARGETS.__getitem__)
        == "label"
        else "split"
    )
    result = known(scope, target)
    if result is None:
        st.markdown(
            ":material/radio_button_unchecked: **Not looked for yet.** Each property is tested against labels dealt"
            " anew a thousand times."
        )
        offer(f"Look for what tells {TARGETS[target]}", f"giveaways {target}", lambda: look(scope, table, target))
        return
    _result(scope, result)


def known(scope: Scope, target: Told) -> Giveaways | None:
    """What tells the label or the split; None where nobody looked yet."""
    result: Giveaways | None = kept.recall(_place(scope, target), Giveaways, Giveaway, Property)
    return result


def _place(scope: Scope, target: Told) -> Slot:
    own = {"images": scope.images.key, "families": scope.facts["families"], "measures": measures_version()}
    return slot("giveaways", **own, target=target)


def look(scope: Scope, table: pd.DataFrame, target: Told) -> Giveaways | None:
    """The same, looked for now with progress and kept; None where the user stopped it.

    Args:
        scope: What the page speaks of.
        table: What was measured of the images.
        target: What is told.
    """
    progress = Stoppable("Testing properties", f"giveaways {target}")
    if progress.stopped:
        return None
    families = None if scope.families is None else scope.families.by_name
    result = giveaways(scope.images, table, target=target, families=families, on_progress=progress)
    size = sum(line.about.codes.nbytes for line in result.lines) + 200 * len(scope.images)
    kept.keep(_place(scope, target), result, size + 4096)
    progress.done()
    return result


def _result(scope: Scope, result: Giveaways) -> None:
    if result.why:
        st.markdown(f":material/help: **Cannot be told:** {plain(result.why)}.")
        return
    told = [line for line in result.lines if line.significant]
    what = TARGETS[result.target]
    if not told:
        count = f"**None of {len(result.lines)} properties**"
        st.markdown(f":green[:material/check_circle:] {count} tells {what} better than chance.")
    for line in told[:3]:
        sign = ":red[:material/report:]" if line.strong else ":orange[:material/warning:]"
        st.markdown(f"{sign} {plain(sentence_of(line, result), 600)}")
    if result.lines:
        _table(result)
        _one(scope, result)
    units = f"{result.units:,} groups or families" if result.grouped else "each image taken as independent"
    few = f" Left out, for they have too few: {plain(', '.join(result.left_out), 200)}." if result.left_out else ""
    st.caption(f"{len(result.names):,} images of {len(result.classes)} classes, {units}.{few}")
    stem = "giveaways" if result.target == "label" else "split-differences"
    draw.table("Properties (CSV)", lambda: result.frame, f"{stem}.csv", f"csv {stem}")


def _table(result: Giveaways) -> None:
    import pandas as pd

    rows = [
        {
            "Property": line.name,
            "From": line.about.origin,
            "Balanced accuracy": f"{100 * line.figure:.1f} % ({100 * line.low:.1f} to {100 * line.high:.1f})",
            "Chance": f"{100 * line.chance:.0f} %",
            "p, corrected": f"{line.p_adjusted:.3f}",
            "Verdict": "gives it away" if line.strong else "goes with it" if line.significant else "chance",
        }
        for line in result.lines
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={"Property": st.column_config.TextColumn("Property", pinned=True, width=170)},
        alt="Properties by how well they tell the class",
    )


def _one(scope: Scope, result: Giveaways) -> None:
    names = [line.name for line in result.lines]
    name = url.select("Look at", names, key="property", width=260)
    line = result.lines[names.index(name)]
    colours = draw.colours(result.classes, result.classes, "class")
    distribution.by_class(line.counts, line.about.values, result.classes, colours)
    if line.significant:
        st.caption(ADVICE[line.about.origin])
    _examples(scope, result, line)


def _examples(scope: Scope, result: Giveaways, line: Giveaway) -> None:
    """Images with one value, one of each class after another."""
    values = line.about.values
    value = url.select("Images with", list(values), key="value", width=260)
    at = np.flatnonzero(line.about.codes == values.index(value))
    rank = np.zeros(len(at), np.intp)
    for number in range(len(result.classes)):
        own = result.labels[at] == number
        rank[own] = np.arange(int(own.sum()))
    chosen = at[np.argsort(rank, kind="stable")].tolist()
    labels = {result.names[place]: result.classes[result.labels[place]] for place in chosen}
    thumbs.paged(scope, list(labels), "values", _page, labels.__getitem__)


def _page(pages: int) -> int:
    return url.pages(pages, key="value_page", max_visible_pages=5)
