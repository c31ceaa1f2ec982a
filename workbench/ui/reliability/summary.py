"""Each question of the page with its verdict, on top: looked up, and grey where nobody looked yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from workbench.files import CheckResult
from workbench.ui import checks
from workbench.ui.progress import guarded
from workbench.ui.reliability import calibration, corruption, drift, fit
from workbench.ui.reliability.scope import Scope

Known = Callable[[Scope], Sequence[CheckResult]]
"""Looks up what is known of a question, empty where nobody looked; computes nothing that takes more than a moment."""
QUESTIONS: Mapping[str, tuple[str, Known]] = {
    "fit": ("Has it memorised, or is it too simple?", fit.known),
    "calibration": ("Do its probabilities mean what they say?", calibration.known),
    "corruption": ("What disturbs it?", corruption.known),
    "drift": ("Are the images still those it was made for?", drift.known),
}
"""The title of each section by its anchor, and what looks it up."""


@guarded
def section(scope: Scope) -> None:
    """A row a question, with a link to its section."""
    checks.questions([(title, anchor, known(scope)) for anchor, (title, known) in QUESTIONS.items()])
