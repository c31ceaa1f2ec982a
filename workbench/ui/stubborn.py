"""How stubborn the verdicts on maps are: asked on request, under every other defensible setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from workbench.attribution import METHODS
from workbench.ui import choice, draw, results
from workbench.ui.cache import Slot, slot
from workbench.ui.progress import Stoppable, offer
from workbench.ui.text import plain
from workbench.ui.view import ImageView

if TYPE_CHECKING:
    import pandas as pd

    from workbench.attribution import Attribution
    from workbench.evidence import Finding, Stubbornness

    Maps = Mapping[str, Attribution]
    Cards = Mapping[str, Sequence[Finding]]


def known(view: ImageView, maps: Maps, budget: str) -> dict[str, Stubbornness]:
    """What was asked of some maps before, by method."""
    kept = {method: _place(view, made, budget).get() for method, made in maps.items()}
    return {method: made for method, made in kept.items() if made is not None}


def section(view: ImageView, maps: Maps, cards: Cards, told: Mapping[str, Stubbornness], budget: str) -> None:
    """Offer to ask, then what was told, with a table to take home."""
    waiting = [method for method in cards if method not in told]
    if waiting:
        st.caption(
            "How stubborn are these verdicts? Not asked yet. Each check is asked again with each replacement alone,"
            " with other random draws, and of the map with another seed, baseline, layer or score, wherever the method"
            " has one. That takes about ten times as long as the checks."
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            place = _place(view, maps[waiting[0]], budget)
            key = f"ask stubbornness {place.key[:16]}"
            offer("Ask under other settings", key, lambda: _asked(view, maps, cards, budget))
            draw.meaning("stubbornness", "What does this mean?")
    if told:
        for method, made in told.items():
            st.markdown(f"{METHODS[method].title}: {_sentence(made)}")
        with st.expander("Verdicts under each setting", icon=":material/tune:"):
            st.dataframe(_frame(told), hide_index=True)
            for trial in (trial for made in told.values() for trial in made.trials if trial.error):
                st.caption(f"{trial.setting}: no map. {plain(trial.error, 300)}")
        with st.container(horizontal=True, vertical_alignment="center"):
            draw.table("Verdicts by setting (CSV)", lambda: _frame(told), "stubbornness.csv", "stubbornness csv")
            draw.meaning("stubbornness", "What does this mean?")


def _sentence(made: Stubbornness) -> str:
    from workbench.evidence import CHECKS

    other, asked = made.turns
    if not asked:
        return "there is no other setting to ask under."
    parts = []
    for name in made.verdicts:
        flipped, of = made.flips(name)
        if flipped:
            parts.append(f"{CHECKS[name].title} {flipped} of {of}")
    whole = f'"{made.word}" becomes another word under **{other} of {asked} other settings**'
    return f"{whole}; verdicts that flip: {', '.join(parts)}." if parts else f"{whole}; no verdict flips."


def _frame(told: Mapping[str, Stubbornness]) -> pd.DataFrame:
    """One row a map and setting."""
    import pandas as pd

    from workbench.evidence import CHECKS

    rows = [{"map": METHODS[method].title, **row} for method, made in told.items() for row in made.rows]
    titles = {name: check.title for name, check in CHECKS.items()}
    return pd.DataFrame(rows).rename(columns=titles).fillna("")


def _place(view: ImageView, made: Attribution, budget: str) -> Slot:
    facts = {"image": view.item.id, "mask": view.item.mask_id, "budget": budget}
    target = {"target": made.target, "score": made.score}
    return slot(
        "stubbornness", **view.model.identity, **facts, **results.aim_of(view.images, made.method, target, made.params)
    )


def _asked(view: ImageView, maps: Maps, cards: Cards, budget: str) -> bool | None:
    """Ask of each map that was not asked yet; None where the user stopped it."""
    from workbench.evidence import stubbornness

    for method, findings in cards.items():
        place = _place(view, maps[method], budget)
        if place.get() is not None:
            continue
        progress = Stoppable(f"{METHODS[method].title} under other settings", f"stubbornness {place.key[:16]}")
        if progress.stopped:
            return None
        made = stubbornness(
            choice.classifier(view.model),
            results.ready(view),
            maps[method],
            findings,
            background=view.images,
            budget="full" if budget == "full" else "quick",
            on_progress=progress,
        )
        place.put(made, 16 * 1024)
        progress.done()
    return True
