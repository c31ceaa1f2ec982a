"""Each question of the page with its verdict, on top: looked up, and grey where nobody looked yet."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence

import streamlit as st

from workbench.files import CheckResult
from workbench.quality import Answers
from workbench.texts import shortened
from workbench.ui import gallery
from workbench.ui.data import checks, state
from workbench.ui.data.scope import Scope
from workbench.ui.progress import guarded

SECTION_OF = {
    "files": ("Files and images", "files"),
    "families": ("Images of one part", "together"),
    "order": ("Groups that the file order hides", "hidden-groups"),
    "leaks": ("Leaks between splits", "leaks"),
    "repeatability": ("Repeatability", "repeatability"),
    "labels": ("Doubtful labels", "labels"),
    "support": ("How much the set can carry", "support"),
    "coverage": ("What it does not cover", "coverage"),
    "giveaways": ("What gives the label away", "giveaways"),
}
"""Title and section of each of `workbench.quality.QUESTIONS`."""
CHIP_WORDS = {
    "fail": ("does not hold", "bad"),
    "warn": ("look here", "doubt"),
    "unknown": ("cannot be told", "plain"),
    "ok": ("ok", "good"),
}
NOT_YET = "not looked for yet"
LONGEST_SUMMARY = 260
_SENTENCES = re.compile(r"(?<=[.!?]) +(?=[A-Z])")


@guarded
def section(scope: Scope) -> Answers:
    """A row a question, with a link to its section; what is known by now."""
    known = state.known(scope)
    rows = "".join(_row(*SECTION_OF[question], results) for question, results in known.by_question.items())
    st.html(
        '<table class="wb-table wb-summary" aria-label="Questions of this page"><thead><tr>'
        '<th scope="col">Question</th><th scope="col">Verdict</th><th scope="col">Finding</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
    return known


def _row(title: str, anchor: str, results: Sequence[CheckResult]) -> str:
    chip, words = verdict_of(results)
    return (
        f'<tr><th scope="row"><a href="#{anchor}">{html.escape(title)}</a></th><td>{chip}</td>'
        f"<td>{html.escape(words)}</td></tr>"
    )


def verdict_of(results: Sequence[CheckResult]) -> tuple[str, str]:
    """The chip of the gravest of some results, as HTML, and what it says; grey where there are none."""
    if not results:
        return gallery.chip(NOT_YET, "plain"), ""
    counts = Counter[str](result.verdict for result in results)
    worst = next(verdict for verdict in checks.ORDER if counts[verdict])
    first = next(result for result in results if result.verdict == worst)
    sentence = shortened(_SENTENCES.split(first.sentence, maxsplit=1)[0], LONGEST_SUMMARY)
    parts = ", ".join(f"{counts[verdict]:,} {CHIP_WORDS[verdict][0]}" for verdict in checks.ORDER if counts[verdict])
    more = "" if len(results) == 1 else f" ({len(results):,} checks: {parts})"
    return gallery.chip(*CHIP_WORDS[worst]), f"{sentence}{more}"
