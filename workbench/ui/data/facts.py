"""What was measured of the images of the set: looked up, and measured where a visitor asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.quality import measure, unmeasured
from workbench.ui.cache import Slot, slot
from workbench.ui.data.scope import Scope
from workbench.ui.progress import Stoppable, offer

if TYPE_CHECKING:
    import pandas as pd

BYTES_A_ROW = 4000


def known(scope: Scope) -> pd.DataFrame | None:
    """What `measure` says of the images; None where some were not measured yet."""
    place = _place(scope)
    table: pd.DataFrame | None = place.get()
    if table is None and not unmeasured(scope.images):
        table = measure(scope.images)
        place.put(table, BYTES_A_ROW * len(table))
    return table


def ask(scope: Scope, key: str) -> None:
    """Say that the images were not measured, and offer to."""
    left = unmeasured(scope.images)
    some = "" if left == len(scope.images) else f" {len(scope.images) - left:,} are measured already."
    st.markdown(
        ":material/radio_button_unchecked: **Not looked for yet.** Each image is decoded once and measured; that takes"
        f" some seconds for a thousand images, can be stopped, and is kept.{some}"
    )
    offer(f"Measure {left:,} images", f"measure images {key}", lambda: _measured(scope))


def _measured(scope: Scope) -> pd.DataFrame | None:
    progress = Stoppable(f"Measuring {len(scope.images):,} images", "image facts")
    if progress.stopped:
        return None
    table = measure(scope.images, progress)
    _place(scope).put(table, BYTES_A_ROW * len(table))
    progress.done()
    return table


def _place(scope: Scope) -> Slot:
    return slot("set facts", images=scope.images.key)
