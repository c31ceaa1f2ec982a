"""One button for all of the twelve checks that can be computed from here and were not yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import streamlit as st

from workbench.files import CheckResult
from workbench.ui import choice, dealt, findings, kept, runs
from workbench.ui.cache import Slot, slot
from workbench.ui.overview.scope import Scope, judged
from workbench.ui.progress import Stoppable, ask_all, guarded, offer
from workbench.ui.reliability.scope import Scope as Held
from workbench.ui.view import View

Question = tuple[str, Callable[[Scope], object], Callable[[Scope], object]]


def held(scope: View) -> Held:
    """What Reliability speaks of, of the same view."""
    assert scope.predictions is not None
    return Held(scope.model, scope.images, scope.predictions, proposed=scope.proposed)


def maps_known(scope: Held) -> Sequence[CheckResult]:
    """What a sample of maps came to; nothing where nobody looked."""
    from workbench.report import MapStudy, map_results

    study: MapStudy | None = kept.recall(_maps_place(scope), MapStudy)
    return () if study is None else map_results(study)


@guarded
def section(scope: Scope) -> None:
    """What is not yet known, and a button that computes it."""
    open_ones = [title for title, known, _ in _questions() if not known(scope)]
    if open_ones:
        st.markdown(f":material/radio_button_unchecked: **Not looked for yet**: {', '.join(open_ones)}.")
        offer("Compute what is not yet known", f"compute all {scope.model.key[:12]} {scope.images.key[:12]}", _look)
        st.caption("Minutes to half an hour, by model and machine; it can be stopped, and goes on where it was.")


def _look() -> bool | None:
    """Put each open question as it stands by then, for what is found changes what the next one counts."""
    return ask_all(_open_ones())


def _open_ones() -> Iterator[Callable[[], object]]:
    """The open questions, each known to be open when it is asked for."""
    questions = _questions()
    for number, (title, known, look) in enumerate(questions, 1):
        scope = judged(dealt.view_of(runs.current_view()))
        if scope is not None and not known(scope):
            st.caption(f"{number} of {len(questions)}: {title}")
            yield partial(look, scope)


def _questions() -> list[Question]:
    """Titles, what is known and the looking, in an order in which each can use what was found before."""
    from workbench.images import OF_LINE
    from workbench.ui.bias import shortcuts
    from workbench.ui.data import kinship, labels
    from workbench.ui.data.scope import scope_of
    from workbench.ui.reliability import corruption, fit

    def heads(scope: Scope) -> object:
        own = held(scope)
        return fit.look(own, fit.record_of(own))

    def cues(scope: Scope) -> object:
        own = findings.scope_of(scope)
        return True if own is None else shortcuts.search(own)

    def cues_known(scope: Scope) -> bool:
        own = findings.scope_of(scope)
        return own is None or shortcuts.known(own) is not None

    return [
        ("images of one part", lambda scope: scope_of(scope).families is not None, lambda s: kinship.look(scope_of(s))),
        ("label issues", lambda scope: labels.known(scope_of(scope)) is not None, lambda s: labels.look(scope_of(s))),
        ("fit", lambda scope: fit.asked(held(scope)), heads),
        ("evidence of maps", lambda scope: maps_known(held(scope)), lambda scope: look_at_maps(held(scope))),
        (
            "corruption",
            lambda scope: corruption.known(held(scope)),
            lambda scope: corruption.look(held(scope), OF_LINE, min(corruption.SAMPLES.values())),
        ),
        ("shortcuts", cues_known, cues),
    ]


def look_at_maps(scope: Held) -> object:
    """The study of a sample of maps, made now with progress and kept; None where the user stopped it."""
    from workbench.report import map_study, ratings_folder

    progress = Stoppable("Checking maps of a sample", f"map study {scope.model.key[:12]}")
    if progress.stopped:
        return None
    folder = ratings_folder() if kept.lasting() else None
    study = map_study(choice.classifier(scope.model), scope.images, scope.predictions, progress, folder)
    kept.keep(_maps_place(scope), study, 64 * 1024)
    progress.done()
    return study


def _maps_place(scope: Held) -> Slot:
    from workbench.report import card_version

    return slot("map study", **scope.model.identity, **scope.stored, card=card_version())
