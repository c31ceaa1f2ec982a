"""Each question of the page with its verdict, on top: looked up, and grey where nobody looked yet."""

from __future__ import annotations

from workbench.quality import Answers
from workbench.ui import checks
from workbench.ui.data import state
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


@guarded
def section(scope: Scope) -> Answers:
    """A row a question, with a link to its section; what is known by now."""
    known = state.known(scope)
    checks.questions((*SECTION_OF[question], results) for question, results in known.by_question.items())
    return known
