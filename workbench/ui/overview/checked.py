"""What has been checked of a model and its images, on all pages, in one table: looked up, grey where nobody looked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from workbench.files import CheckResult
from workbench.ui import checks, draw, findings, url, warm
from workbench.ui.overview.scope import Scope
from workbench.ui.progress import guarded
from workbench.ui.text import plain

Known = Mapping[str, Sequence[CheckResult]]
ON_DATA = {
    "leaks": "Leaks between splits",
    "labels": "Doubtful labels",
    "support": "How much the set can carry",
    "coverage": "What it does not cover",
    "giveaways": "What gives the label away",
    "files": "Files and images",
}
"""The questions of Data that stand here, with their titles."""
WIDTHS = (1.1, 1.7, 6)
"""Of the columns, relative to each other."""


def section(scope: Scope) -> None:
    """The table, once the libraries are there: what takes a moment is drawn after the rest of the page."""
    if not warm.torch_ready():
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("What has been checked", anchor="checked")
        draw.meaning("checked", "What do these mean?")
    _rows(scope)


@guarded
def _rows(scope: Scope) -> None:
    rows = [*_bias(scope), *_reliability(scope), *_data(scope)]
    st.caption(summed([results for _, _, results in rows]))
    for title, page, results in rows:
        chip, sentence = checks.verdict_of(results)
        verdict, subject, finding = st.columns(WIDTHS, gap="small", vertical_alignment="center")
        verdict.html(chip)
        subject.page_link(page, label=f"**{title}**", query_params=url.link())
        if sentence:
            finding.caption(plain(sentence, checks.LONGEST_SUMMARY + 80))


def summed(known: Sequence[Sequence[CheckResult]]) -> str:
    """How many checks came to what, the gravest first."""
    counts = Counter(checks.gravest(results) for results in known if results)
    parts = [f"{counts[verdict]} {checks.CHIP_WORDS[verdict][0]}" for verdict in checks.ORDER if counts[verdict]]
    if open_ones := sum(not results for results in known):
        parts.append(f"{open_ones} {checks.NOT_YET}")
    return f"{len(known)} checks: {', '.join(parts)}. What was not looked for may still be there."


def _bias(scope: Scope) -> list[tuple[str, Path, Sequence[CheckResult]]]:
    """What the model goes by, and for whom it is worse."""
    from workbench.bias import conclusion_result
    from workbench.cues import cue_results
    from workbench.ui.bias import shortcuts, summary

    bias = findings.scope_of(scope)
    if bias is None:
        return [("Shortcuts", url.BIAS, ()), ("For whom it is worse", url.BIAS, ())]
    search = shortcuts.known(bias)
    gaps = [conclusion_result(line) for line in (summary.of_the_classes(bias), *summary.of_attributes(bias))]
    return [
        ("Shortcuts", url.BIAS, () if search is None else cue_results(search)),
        ("For whom it is worse", url.BIAS, gaps),
    ]


def _reliability(scope: Scope) -> list[tuple[str, Path, Sequence[CheckResult]]]:
    """Whether it will hold."""
    from workbench.ui.reliability import scope as held
    from workbench.ui.reliability import summary

    own = held.Scope(scope.model, scope.images, scope.predictions, proposed=scope.proposed)
    return [(anchor.capitalize(), url.RELIABILITY, known(own)) for anchor, (_, known) in summary.QUESTIONS.items()]


def _data(scope: Scope) -> list[tuple[str, Path, Sequence[CheckResult]]]:
    """What the images can carry."""
    from workbench.ui.data import state
    from workbench.ui.data.scope import scope_of

    known = state.known(scope_of(scope)).by_question
    return [(title, url.DATA, known[question]) for question, title in ON_DATA.items()]
