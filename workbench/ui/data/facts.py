"""What was measured of the images of the set: looked up, and measured where a visitor asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.quality import looked_up, measure
from workbench.ui.cache import Slot, slot
from workbench.ui.data.scope import Scope
from workbench.ui.progress import Stoppable, offer

if TYPE_CHECKING:
    import pandas as pd

BYTES_A_ROW = 4000


def known(scope: Scope) -> pd.DataFrame | None:
    """What `measure` says of the images, where all were measured; None otherwise."""
    table: pd.DataFrame | None = _place(scope).get()
    return _looked_up(scope)[0] if table is None else table


def _looked_up(scope: Scope) -> tuple[pd.DataFrame | None, int]:
    table, left = looked_up(scope.images)
    if table is not None:
        _place(scope).put(table, BYTES_A_ROW * len(table))
    return table, left


def known_or_asked(scope: Scope) -> pd.DataFrame | None:
    """What `measure` says of the images; where some were not measured yet, None, after saying so and offering to."""
    kept: pd.DataFrame | None = _place(scope).get()
    table, left = (kept, 0) if kept is not None else _looked_up(scope)
    if table is not None:
        return table
    some = "" if left == len(scope.images) else f" {len(scope.images) - left:,} are measured already."
    st.markdown(
        ":material/radio_button_unchecked: **Not looked for yet.** Each image is decoded once and measured; that takes"
        f" some seconds for a thousand images, can be stopped, and is kept.{some}"
    )
    offer(f"Measure {left:,} images", "measure images", lambda: measured(scope))
    return None


def measured(scope: Scope) -> pd.DataFrame | None:
    """What `measure` says of the images, measured now with progress; None where the user stopped it."""
    progress = Stoppable(f"Measuring {len(scope.images):,} images", "image facts")
    if progress.stopped:
        return None
    table = measure(scope.images, progress)
    _place(scope).put(table, BYTES_A_ROW * len(table))
    progress.done()
    return table


def _place(scope: Scope) -> Slot:
    return slot("set facts", images=scope.images.key)
