"""The sentence that a view ends in, at the top of its result."""

from __future__ import annotations

import html
from typing import Literal

import streamlit as st

from workbench.ui.gallery import chip
from workbench.ui.text import seen

Tone = Literal["good", "bad", "doubt", "plain"]
GOOD: Tone = "good"
BAD: Tone = "bad"
DOUBT: Tone = "doubt"
PLAIN: Tone = "plain"


def conclude(word: str, tone: Tone, sentence: str, *, within: bool = False) -> None:
    """A verdict in a word, and what was measured.

    Args:
        word: The verdict.
        tone: Its colour, which says nothing that the word does not.
        sentence: What was measured.
        within: Whether it stands in a section with a heading, and is none itself.
    """
    tag = "p" if within else "h2"
    st.html(f'<{tag} class="wb-conclusion">{chip(word, tone)} {html.escape(seen(sentence))}</{tag}>')
