"""What the views draw alike: the sentence that each ends in, at the top of its result, and the width of its images."""

from __future__ import annotations

import html

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.probe import Outcome
from workbench.ui.gallery import chip
from workbench.ui.text import seen

TILE = 260
"""Width of an image beside others, in pixels."""


def counted(units: NDArray[np.intp] | None) -> str:
    """What intervals count, in words."""
    if units is None:
        return "each image taken as independent"
    return f"by unit: {len(units):,} images in {len(np.unique(units)):,} units"


def conclude(outcome: Outcome, *, within: bool = False) -> None:
    """A verdict in a word, and what was measured; `within` a section with a heading it is none itself."""
    tag = "p" if within else "h2"
    text = f"{chip(outcome.word, outcome.tone)} {html.escape(seen(outcome.sentence))}"
    st.html(f'<{tag} class="wb-conclusion">{text}</{tag}>')
