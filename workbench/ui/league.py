"""Which method suits the model: a league that is known chooses Explain's methods, and one can be held."""

from __future__ import annotations

import hashlib
import html
from pathlib import Path

import streamlit as st

from workbench.attribution import METHODS
from workbench.evidence import (
    LEAGUE_DECISIONS,
    Entrant,
    League,
    Standing,
    Standings,
    errors_sentence,
    league_errors,
    league_rows,
    league_sentence,
    standings,
)
from workbench.files import KINDS, cache_folder
from workbench.texts import sentence_list
from workbench.ui import choice, draw, explain, kept, kin
from workbench.ui.cache import Slot, slot
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.text import plain
from workbench.ui.view import View

ROUNDS = "league"
"""The folder in which each map's result is kept, so that a league that was stopped goes on."""
MOST_ROUNDS = 20_000


Found = tuple[League, Standings]


def known(view: View) -> Found | None:
    """The league of this model and set, where one was held; nothing is computed."""
    if view.predictions is None:
        return None
    result: League | None = kept.recall(_place(view), League, Entrant)
    return None if result is None else (result, standings(result))


def chosen(found: Found | None) -> tuple[Entrant, ...]:
    """What is drawn unless told, where a league puts a method forward; nothing where none does, or there is no league.

    A usual method gives way only where the league tells it from the best; where all of them do, the method that is put
    forward stands in their place. Where gradients mislead, and one that takes none is put forward, it stands alone.
    """
    if found is None or found[1].best is None:
        return ()
    if _without_gradients(found[1]):
        return (found[1].best.entrant,)
    tied = {row.entrant for row in found[1].tied}
    kept = tuple(usual for name in explain.FIRST if (usual := Entrant(name)) in tied)
    return kept or (found[1].best.entrant,)


def _without_gradients(table: Standings) -> bool:
    """Whether gradients mislead, and a method that takes none is put forward in spite of a larger lead."""
    return table.misled and table.best is not None and METHODS[table.best.entrant.method].family == "perturbation"


def note(found: Found | None, shown: explain.Settings) -> None:
    """Above the maps: why these methods are drawn, where a league says so, or that none is to be believed."""
    if found is None:
        return
    result, table = found
    if table.outcome in ("none", "nothing to explain"):
        st.warning(plain(league_sentence(result, table), 900), icon=":material/warning:")
    if table.best is None:
        return
    drawn, league = chosen(found), f"the league of {table.decisions} decisions below"
    if _are_shown(drawn, shown):
        words = _why(drawn, table, league)
    else:
        words = (
            f"{league[0].upper()}{league[1:]} puts forward {table.best.entrant.title}; other methods are chosen here."
        )
    st.caption(f":material/emoji_events: {plain(words, 600)}")


def _are_shown(drawn: tuple[Entrant, ...], shown: explain.Settings) -> bool:
    """Whether these methods are on the page, with these settings, and no others."""
    asked = {
        entrant.method: explain.settings_of(entrant.method, {**explain.STANDARD, **dict(entrant.settings)})
        for entrant in drawn
    }
    return asked == {name: dict(shown.params[name]) for name in shown.methods}


def _why(drawn: tuple[Entrant, ...], table: Standings, league: str) -> str:
    """Why these are drawn, and where the usual methods stand that are not."""
    titles = [entrant.title for entrant in drawn]
    others = [title for name in explain.FIRST if (title := METHODS[name].title) not in titles]
    if not others:
        return f"The usual methods are shown: {league} tells none of them from the best."
    one = len(drawn) == 1
    if len(others) == len(explain.FIRST):
        why = f"put forward by {league}"
    else:
        why = f"{league} cannot tell {'it' if one else 'them'} from the best"
    rows = {row.entrant.title: row for row in table.rows}
    rest = ", ".join(f"{title} {_stands(rows.get(title), table)}" for title in others)
    return f"{sentence_list(titles)} {'is' if one else 'are'} shown: {why}. Of the usual methods {rest}."


def _stands(row: Standing | None, table: Standings) -> str:
    """Why a method is not drawn."""
    if row is None:
        return "is not ranked"
    if row in table.tied:
        return "leans on gradients, which mislead here"
    return "is behind" if row.told_apart and row.beats_chance else "does not beat chance"


@guarded
def section(view: View, found: Found | None) -> None:
    """The league, or the offer to hold one."""
    st.header("Which method suits this model?", divider="gray", anchor="league")
    if view.predictions is not None and view.predictions.rule.thresholds is not None:
        st.caption("Several labels can be true of one image of this model: choose one label to hold a league about it.")
        return
    if view.predictions is None:
        st.caption("A league draws its decisions from the set: predict all its images first, under Choose an image.")
        return
    if found is None:
        _offer(view)
        return
    result, table = found
    sign = ":green[:material/check_circle:]" if table.best else ":orange[:material/warning:]"
    if table.best and not table.single:
        sign = ":material/balance: **No single best.**"
    if table.outcome == "too few":
        sign = ":material/help: **Cannot be told.**"
    st.markdown(f"{sign} {plain(league_sentence(result, table), 1200)}")
    if table.rows:
        st.html(_table(table))
    st.caption(plain(errors_sentence(league_errors()), 600))
    if table.incomplete:
        with st.expander(f"{len(table.incomplete)} not ranked", icon=":material/block:"):
            for title, why in table.incomplete.items():
                st.caption(f"**{plain(title)}**: {plain(why, 400)}")
    with st.container(horizontal=True, vertical_alignment="center"):
        draw.table("League (CSV)", lambda: league_rows(result, table), "league.csv", "league csv")
        draw.table("Its maps (CSV)", lambda: result.frame, "league-maps.csv", "league maps csv")
        draw.meaning("league", "What does this mean?")


def _offer(view: View) -> None:
    st.caption(
        f"Not asked yet. Every method explains the same {LEAGUE_DECISIONS} decisions, and each map is held against the"
        " model. With a small network that takes some minutes of one processor core, with one like that of the solar"
        " cells a quarter of an hour and more; it can be stopped, and goes on where it was."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        place = _place(view)
        offer("Which method suits this model?", f"hold league {place.key[:16]}", lambda: _held(view, place))
        draw.meaning("league", "What does this mean?")


def _held(view: View, place: Slot) -> League | None:
    """The league, held with progress and kept; None where the user stopped it."""
    progress = Stoppable("Holding maps against the model", f"league {place.key[:16]}")
    if progress.stopped:
        return None
    from workbench.evidence import league

    assert view.predictions is not None
    folder = _rounds()
    result = league(
        choice.classifier(view.model),
        view.images,
        view.predictions,
        many=LEAGUE_DECISIONS,
        folder=folder,
        on_progress=progress,
    )
    for old in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)[MOST_ROUNDS:]:
        old.unlink(missing_ok=True)
    kept.keep(place, result, 256 * len(result.frame))
    progress.done()
    return result


def _rounds() -> Path:
    """Where rounds are kept: those of a visitor's own images go with them."""
    return (cache_folder() if kept.lasting() else kin.kept_in(own=True)) / ROUNDS


def _place(view: View) -> Slot:
    """The place of the league of this model and set."""
    assert view.predictions is not None
    columns = [view.predictions.frame[name].tolist() for name in ("name", "label", "split")]
    return slot(
        "league",
        **view.model.identity,
        images=view.images.key,
        families=kin.known_key(view.images),
        table=hashlib.sha256(repr(columns).encode()).hexdigest(),
        asked=(LEAGUE_DECISIONS, KINDS["map"].version, KINDS["league round"].version),
    )


def _table(table: Standings) -> str:
    """A row for each method: its lead as a bar with its interval, chance, where it stands beside the best, its cost."""
    ends = [float(end or 0) for row in table.rows for end in (row.lead.low, row.lead.high, row.chance)]
    low, high = min([*ends, 0.0]), max([*ends, 0.01])
    rows = "".join(_row(row, table, low, high) for row in table.rows)
    heads = ("Method", "Lead (95 % interval)", "By chance", "Beside the best", "Seconds a map", "Evaluations")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return (
        f'<table class="wb-table" aria-label="The league"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    )


def _row(row: Standing, table: Standings, low: float, high: float) -> str:
    value, first, last = (float(end or 0) for end in (row.lead.value, row.lead.low, row.lead.high))

    def at(share: float) -> str:
        return f"{100 * (share - low) / (high - low):.1f}%"

    width = f"{100 * (last - first) / (high - low):.1f}%"
    bar = f'<i style="left:{at(first)};width:{width}"></i><b style="left:{at(value)}"></b>'
    told = f"{100 * value:.0f} % ({100 * first:.0f} to {100 * last:.0f} %)"
    cells = (
        ("Lead", f'<span class="wb-span" aria-hidden="true">{bar}</span> {told}', ""),
        ("By chance", f"{round(100 * row.chance)} %", "wb-number"),
        ("Beside the best", _beside(row, table), ""),
        ("Seconds a map", f"{row.seconds:.2g}", "wb-number"),
        ("Evaluations", f"{row.passes:,}", "wb-number"),
    )
    body = "".join(f'<td data-label="{name}" class="{kind}">{text}</td>' for name, text, kind in cells)
    return f'<tr><th scope="row">{html.escape(row.entrant.title)}</th>{body}</tr>'


def _beside(row: Standing, table: Standings) -> str:
    """Whether it is put forward, cannot be told from the best, or is behind, and whether it beats chance."""
    if not row.beats_chance:
        return "does not beat chance"
    if table.best is None:
        return "beats chance"
    if row is table.best:
        return "put forward"
    if row.behind is None:
        return "largest lead"
    behind = 100 * float(row.behind.value or 0)
    return f"behind by {behind:.0f} %" if row.told_apart else "cannot be told from the best"
