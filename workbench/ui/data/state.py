"""What is known of the set by now, question by question, for the summary and for what is taken home."""

from __future__ import annotations

from workbench.quality import NO_LABEL, TARGETS, Answers, LabelIssues, Promise
from workbench.ui import dealt, kin, leaked
from workbench.ui import labels as names
from workbench.ui.data import coverage, embedded, facts, faulty, giveaway, labels, repeatability, support
from workbench.ui.data.scope import Scope


def known(scope: Scope) -> Answers:
    """What was looked for; nothing that takes longer than the sections of the page take anyway."""
    measured, vectors = facts.known(scope), embedded.known(scope)
    told = [giveaway.known(scope, target) for target in TARGETS]
    return Answers(
        faults=None if measured is None else faulty.of(scope, measured),
        measured=measured,
        families=scope.families,
        order=kin.order_of(scope.images),
        leaks=leaked.of(scope),
        repeats=repeatability.of(scope),
        labels=_labels(scope),
        reordered=names.reordered_of(scope),
        support=support.of(scope, Promise()) if scope.images.class_names else None,
        coverage=None if vectors is None else coverage.kept(scope, vectors),
        giveaways=tuple(result for result in told if result is not None),
        split=dealt.proposed(scope),
    )


def _labels(scope: Scope) -> LabelIssues | str | None:
    return labels.known(scope) if scope.images.class_names else NO_LABEL
