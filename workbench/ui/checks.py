"""What checks found, alike on every page: lines with a verdict, and a table of questions with the gravest."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import streamlit as st

from workbench.files import CheckResult, Outcome
from workbench.texts import shortened
from workbench.ui import gallery
from workbench.ui.text import plain

ORDER: tuple[Outcome, ...] = ("fail", "warn", "unknown", "ok")
"""The verdicts, those first that ask for a look."""
SIGNS = {
    "ok": ":green[:material/check_circle:]",
    "warn": ":orange[:material/warning:] **Look here.**",
    "fail": ":red[:material/report:] **Does not hold.**",
    "unknown": ":material/help: **Cannot be told.**",
}
CHIP_WORDS = {
    "fail": ("does not hold", "bad"),
    "warn": ("look here", "doubt"),
    "unknown": ("cannot be told", "plain"),
    "ok": ("ok", "good"),
}
NOT_YET = "not looked for yet"
LONGEST_SUMMARY = 300
_SENTENCES = re.compile(r"(?<=[.!?]) +(?=[A-Z])")


def lines(results: Iterable[CheckResult]) -> None:
    """Each finding with its verdict, those that ask for a look first; what several of them say is said once."""
    said = dict.fromkeys((result.verdict, result.sentence) for result in results)
    for verdict, sentence in sorted(said, key=lambda line: ORDER.index(line[0])):
        (st.caption if verdict == "ok" else st.markdown)(f"{SIGNS[verdict]} {plain(sentence, 900)}")


def questions(rows: Iterable[tuple[str, str, Sequence[CheckResult]]]) -> None:
    """A table of the questions of a page: title, anchor of its section, and what is known of it by now."""
    body = "".join(_row(*row) for row in rows)
    st.html(
        '<table class="wb-table wb-summary" aria-label="Questions of this page"><thead><tr>'
        '<th scope="col">Question</th><th scope="col">Verdict</th><th scope="col">Finding</th></tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _row(title: str, anchor: str, results: Sequence[CheckResult]) -> str:
    chip, words = verdict_of(results)
    return (
        f'<tr><th scope="row"><a href="#{anchor}">{html.escape(title)}</a></th><td>{chip}</td>'
        f"<td>{html.escape(words)}</td></tr>"
    )


def gravest(results: Sequence[CheckResult]) -> Outcome:
    """The gravest verdict of some results, at least one."""
    return min((result.verdict for result in results), key=ORDER.index)


def verdict_of(results: Sequence[CheckResult]) -> tuple[str, str]:
    """The chip of the gravest of some results, as HTML, and what it says, of what cannot be told with what would help;
    grey where there are none."""
    if not results:
        return gallery.chip(NOT_YET, "plain"), ""
    counts, worst = Counter[str](result.verdict for result in results), gravest(results)
    first = next(result for result in results if result.verdict == worst)
    told = 2 if worst == "unknown" else 1
    sentence = shortened(" ".join(_SENTENCES.split(first.sentence)[:told]), told * LONGEST_SUMMARY)
    parts = ", ".join(f"{counts[verdict]:,} {CHIP_WORDS[verdict][0]}" for verdict in ORDER if counts[verdict])
    more = "" if len(results) == 1 else f" ({len(results):,} checks: {parts})"
    return gallery.chip(*CHIP_WORDS[worst]), f"{sentence}{more}"
