"""Each question of the page with its verdict, on top: looked up, and grey where nobody looked yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from workbench.files import CheckResult
from workbench.ui import checks
from workbench.ui.progress import guarded
from workbench.ui.reliability.scope import Scope

Known = Callable[[Scope], Sequence[CheckResult]]
"""Looks up what is known of a question, empty where nobody looked; computes nothing that takes more than a moment."""


@guarded
def section(scope: Scope, questions: Mapping[str, tuple[str, Known]]) -> None:
    """A row a question, with a link to its section.

    Args:
        scope: What the page speaks of.
        questions: The anchor of each section, with its title and what looks it up.
    """
    checks.questions([(title, anchor, known(scope)) for anchor, (title, known) in questions.items()])
