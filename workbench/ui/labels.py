"""Labels of the image set that are no class of the model: said wherever figures stand, as their images do not count."""

from __future__ import annotations

import streamlit as st

from workbench.errors import LONGEST
from workbench.predictions import Reordered, reordered, unmatched
from workbench.ui import session
from workbench.ui.cache import slot
from workbench.ui.loading import notice
from workbench.ui.text import plain
from workbench.ui.view import View

MOST = 4


def banner(view: View) -> None:
    """What speaks against the names of the classes, above the figures that rest on them."""
    unknown(view)
    result = reordered_of(view)
    if isinstance(result, str):
        st.caption(f":material/help: {plain(result, LONGEST)}")
    elif result is not None:
        st.warning(plain(result.sentence, LONGEST), icon=":material/swap_vert:")


def reordered_of(view: View) -> Reordered | str | None:
    """The order of the classes that fits the decisions far better than theirs, where there is one, or why that cannot
    be looked for."""
    predictions = view.predictions
    if predictions is None:
        return None
    place = slot("reordered", table=session.token(predictions))
    result: Reordered | str | None = place.kept(lambda: (reordered(predictions),), lambda _: 4096)[0]
    return result


def unknown(view: View) -> None:
    """A warning with the labels that the model does not know, how many images have them, and what may be meant."""
    rule = view.model.rule
    strange = unmatched((item.label for item in view.images), rule.class_names, several=bool(rule.thresholds))
    if not strange:
        return
    count = sum(label.images for label in strange)
    names = ", ".join(
        f"{plain(label.label)} ({label.images:,}" + (f"; did you mean {plain(label.near)}?)" if label.near else ")")
        for label in strange[:MOST]
    )
    more = f" and {len(strange) - MOST:,} more" if len(strange) > MOST else ""
    images = "1 image has a label" if count == 1 else f"{count:,} images have a label"
    st.warning(
        f"{images} that is no class of the model: {names}{more}. In the figures they count neither right nor wrong."
        " Say which class each stands for, or rename the classes in model.toml.",
        icon=":material/label_off:",
    )
    if view.images.report is not None:
        notice.link("Say which class each label stands for", notice.LABELS)
