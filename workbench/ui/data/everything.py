"""One button for all that can be asked of a set and was not asked yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import streamlit as st

from workbench.quality import TARGETS
from workbench.ui import kin, runs
from workbench.ui.data import coverage, embedded, facts, giveaway, kinship, labels
from workbench.ui.data.scope import Scope, scope_of
from workbench.ui.progress import ask_all, guarded, offer
from workbench.ui.view import View


def _reached(scope: Scope) -> object:
    vectors = embedded.known(scope)
    return None if vectors is None else coverage.kept(scope, vectors)


def _reach(scope: Scope) -> object:
    if embedded.known(scope) is None and embedded.frozen(scope) is None:
        return None
    vectors = embedded.known(scope)
    return True if vectors is None else coverage.look(scope, vectors)


def _told(scope: Scope) -> bool | None:
    return None if any(giveaway.known(scope, target) is None for target in TARGETS) else True


def _tell(scope: Scope) -> bool | None:
    table = facts.known(scope)
    if table is None:
        return True
    for target in TARGETS:
        if giveaway.known(scope, target) is None and giveaway.look(scope, table, target) is None:
            return None
    return True


ASKED_FOR: Mapping[str, tuple[Callable[[Scope], object], Callable[[Scope], object]]] = {
    "broken or odd files": (facts.known, facts.measured),
    "images of one part": (lambda scope: scope.families, kinship.look),
    "groups that the order of the files hides": (
        lambda scope: kin.order_of(scope.images),
        lambda scope: kin.order_tested(scope.images),
    ),
    "wrong labels": (lambda scope: labels.known(scope) if scope.images.class_names else True, labels.look),
    "what the training split does not reach": (_reached, _reach),
    "what gives the label away": (_told, _tell),
}
"""What can be looked for, in an order in which each can use what was found before: what is known, and the looking."""


@guarded
def section(view: View) -> None:
    """What was not looked for yet, and a button that looks for it."""
    scope = scope_of(view)
    open_ones = [name for name, (known, _) in ASKED_FOR.items() if known(scope) is None]
    if not open_ones:
        return
    st.markdown(f":material/radio_button_unchecked: **Not looked for yet**: {', '.join(open_ones)}.")
    offer("Look for all of it", "look at everything", _look)


def _look() -> bool | None:
    """Put each open question of the set as it is known by then, for families change what the predictions say."""
    return ask_all(_open_ones())


def _open_ones() -> Iterator[Callable[[], object]]:
    """The open questions, each known to be open when it is asked for."""
    for known, look in ASKED_FOR.values():
        scope = scope_of(runs.current_view())
        if known(scope) is None:
            yield partial(look, scope)
