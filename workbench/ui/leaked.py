"""What stands on both sides of a split, looked up by every page whose figures it flatters."""

from __future__ import annotations

import streamlit as st

from workbench.images import ImageSet
from workbench.predictions import GROUP, percent
from workbench.quality import Leaks, Side, leaks, what_leaks
from workbench.ui import kin, session, url
from workbench.ui.cache import slot
from workbench.ui.progress import guarded
from workbench.ui.view import View

LINK = "What leaks, and a split without it"


def stated(images: ImageSet) -> bool:
    """Whether groups are stated of the images."""
    return any(GROUP in item.attributes for item in images)


def of(view: View, *, similar: bool = False) -> Leaks | None:
    """What leaks between the splits of a set, kept; None where neither families were looked for nor groups are stated.

    Args:
        view: A model and a set.
        similar: Whether pairs graded "very similar" count as one part too.
    """
    families = kin.families_of(view.images)
    if families is None and not stated(view.images):
        return None
    place = slot(
        "leaks",
        images=view.images.key,
        families=None if families is None else kin.family_key(view.images),
        table=None if view.predictions is None else session.token(view.predictions),
        similar=similar,
    )
    return place.kept(
        lambda: leaks(view.images, families, view.predictions, similar=similar),
        lambda result: 65536 + 400 * sum(len(side.images) for side in result.sides),
    )


@guarded
def banner(view: View, figure: str = "accuracy") -> None:
    """One sentence above a page whose figures a leak touches; nothing where none is known of.

    Args:
        view: A model and a set.
        figure: The figure that the page is about: "accuracy", "escape rate" or "overkill rate".
    """
    found = of(view)
    if found is None or not found.leaking:
        return
    side = found.leaking[0]
    st.warning(f"{what_leaks(side)} {_figure(side, figure)}", icon=":material/content_copy:")
    st.page_link(url.DATA, label=LINK, icon=":material/arrow_forward:", query_params=url.link())


def _figure(side: Side, name: str) -> str:
    cut = next((cut for cut in side.cuts if cut.figure == name), side.accuracy)
    if cut is None or cut.reported.value is None:
        return "What that does to the figures is not known yet."
    title = f"{cut.figure[0].upper()}{cut.figure[1:]}"
    reported = percent(cut.reported.value)
    if cut.without.value is None:
        return f"{title} as reported {reported}; on images that do not leak it is unknown, for none is left."
    return f"{title} as reported {reported}, without them {percent(cut.without.value, beside=cut.reported.value)}."
