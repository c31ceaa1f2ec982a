"""One button for all that can be asked of a set and was not asked yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from workbench.errors import InputError
from workbench.ui import kin, runs
from workbench.ui.data import facts, kinship, labels
from workbench.ui.data.scope import Scope, scope_of
from workbench.ui.progress import guarded, offer
from workbench.ui.view import View

QUESTIONS: Mapping[str, tuple[Callable[[Scope], object], Callable[[Scope], object]]] = {
    "broken or odd files": (facts.known, facts.measured),
    "images of one part": (lambda scope: scope.families, kinship.look),
    "groups that the order of the files hides": (
        lambda scope: kin.order_of(scope.images),
        lambda scope: kin.order_tested(scope.images),
    ),
    "wrong labels": (lambda scope: labels.known(scope) if scope.images.class_names else True, labels.look),
}
"""What can be looked for, in an order in which each can use what was found before: what is known, and the looking."""


@guarded
def section(view: View) -> None:
    """What was not looked for yet, and a button that looks for it."""
    scope = scope_of(view)
    open_ones = [name for name, (known, _) in QUESTIONS.items() if known(scope) is None]
    if not open_ones:
        return
    st.markdown(f":material/radio_button_unchecked: **Not looked for yet**: {', '.join(open_ones)}.")
    offer("Look for all of it", "look at everything", _look)


def _look() -> bool | None:
    """Put each open question of the set as it is known by then, for families change what the predictions say; None
    where the user stopped.

    Raises:
        InputError: Some cannot be answered, which does not stop the others: the reason of the first.
    """
    reasons: list[InputError] = []
    for known, look in QUESTIONS.values():
        scope = scope_of(runs.current_view())
        if known(scope) is not None:
            continue
        try:
            if look(scope) is None:
                return None
        except InputError as error:
            reasons.append(error)
    if reasons:
        raise reasons[0]
    return True
