"""The steps of the tour as slides: the question, the statement with its figures, and what shows it."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import streamlit as st

from workbench import __version__
from workbench.attribution import METHODS
from workbench.drawing import overlay
from workbench.quality import SAME_PART, SHARED_GROUP
from workbench.ui import draw, explain, findings, independence, leaked, logbook, photographs, results
from workbench.ui.overview.scope import MISTAKES, Scope, judged
from workbench.ui.progress import guarded
from workbench.ui.text import plain, seen
from workbench.ui.tour.steps import METHODS_SHOWN, Step, surest
from workbench.ui.view import View

if TYPE_CHECKING:
    from workbench.stats import Rate

SLIDE_EDGE = 900
"""Longest side of an image on a slide, in pixels."""


def draw_slide(step: Step, number: int, count: int, view: View) -> None:
    """One slide.

    Args:
        step: What it says.
        number: Its number, from 1.
        count: Of so many.
        view: A model and a set.
    """
    scope = judged(view)
    with st.container(key="slide"):
        at = f"{number} of {count} · {html.escape(seen(view.model.title))}"
        st.html(f'<div class="wb-count">{at}<span> · tap here to leave</span></div>')
        st.title(step.title, anchor=False)
        if scope is None:
            _said(step)
            return
        left, right = st.columns([5, 6], gap="large", vertical_alignment="center")
        with left:
            words = st.empty()
        with words.container():
            _said(step)
        with right:
            PARTS_BESIDE[number - 1](scope)
        with words.container():
            _said(step)  # what was found meanwhile belongs to it


@guarded
def _said(step: Step) -> None:
    statement, _ = step.say()
    st.markdown(statement)


@guarded
def _verdict(scope: Scope) -> None:
    from workbench.predictions import fitness

    hidden, shortcut = independence.hides_group(scope), bool(findings.accused(scope))
    result = fitness(scope.mistakes, scope.limits, held_out=scope.split == "test", shortcut=shortcut, hidden=hidden)
    st.html(f'<div class="wb-verdict wb-{result.tone}">{html.escape(result.verdict)}</div>')
    _bars(scope)


def _bars(scope: Scope) -> None:
    """The shares of mistakes with their intervals."""
    names = {name: figure.capitalize() for name, figure in MISTAKES.items()} | {"errors": "Errors"}
    st.html(f'<div class="wb-of-100">{"".join(_bar(names[name], rate) for name, rate in scope.mistakes.items())}</div>')


def _bar(name: str, rate: Rate) -> str:
    """A share as a line with its interval, of 100."""
    if rate.value is None or rate.low is None or rate.high is None:
        return f"<span>{html.escape(name)}</span><span>none to measure it on</span>"
    low, value, high = (100 * share for share in (rate.low, rate.value, rate.high))
    words = f"{value:.1f} % ({low:.1f} to {high:.1f}), {rate.count:,} of {rate.support:,}"
    span = f'<i style="left:{low:.2f}%;width:{high - low:.2f}%"></i><b style="left:{value:.2f}%"></b>'
    label = html.escape(f"{name} {words}", quote=True)
    return (
        f'<span>{html.escape(name)}</span><span>{words}</span><span></span><span class="wb-span" role="img"'
        f' aria-label="{label}">{span}</span>'
    )


@guarded
def _escape(scope: Scope) -> None:
    row = surest(scope)
    if row is not None:
        item = scope.at(row)
        draw.image(photographs.fitted(item, SLIDE_EDGE), item.name, plain(item.name))


@guarded
def _maps(scope: Scope) -> None:
    row = surest(scope)
    if row is None:
        return
    image, settings = scope.of(scope.at(row)), explain.standard((scope.predictions, row))
    photograph = photographs.fitted(image.item, SLIDE_EDGE)
    for place, name in zip(st.columns(len(METHODS_SHOWN) + 1, gap="medium"), ("", *METHODS_SHOWN), strict=True):
        with place:
            if not name:
                draw.image(photograph, image.item.name, plain(image.item.name))
                continue
            made = results.attribution(image, name, settings.aim, settings.params[name])
            if made is None or isinstance(made, str):
                st.markdown(plain(made or "The map was stopped.", 600))
                continue
            heatmap = made.placement.scaled(photograph).to_original(made.heatmap())
            title = METHODS[name].title
            signs = f": red for {settings.aim['target']}, blue against it" if METHODS[name].signed else ""
            drawn = overlay(photograph, heatmap, METHODS[name].signed)
            draw.image(drawn, f"{title} of {image.item.name}", plain(f"{title}{signs}"))
            results.findings(image, made, "quick")


@guarded
def _leak(scope: Scope) -> None:
    found = leaked.of(scope)
    if found is None or found.missing:
        return
    kinds = {SAME_PART: "part", SHARED_GROUP: "group"}
    _facts(
        (
            f"{side.measured.capitalize()}: {kinds[side.kind]} is in {side.source}",
            f"{len(side.images):,} of {side.size:,}",
        )
        for side in found.sides
    )
    tested = found.pairs[["first split", "second split"]].isin(["test"]).any(axis=1)
    if not tested.any():
        return
    pair = found.pairs[tested].iloc[0].to_dict()
    for place, which in zip(st.columns(2, gap="medium"), ("first", "second"), strict=True):
        name = str(pair[which])
        with place:
            caption = plain(f"{name}, {pair[f'{which} split']}, {pair[f'{which} label'] or 'no label'}")
            draw.image(photographs.fitted(scope.image(name), SLIDE_EDGE), name, caption)


def _facts(rows: Iterable[tuple[str, object]]) -> None:
    body = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>' for name, value in rows
    )
    st.html(f'<table class="wb-facts"><tbody>{body}</tbody></table>')


@guarded
def _threshold(scope: Scope) -> None:
    if scope.cases.positive:
        _bars(scope)


@guarded
def _record(scope: Scope) -> None:
    book = logbook.journal(scope.model)
    count = 0 if book is None else book.count_records()
    sealed = (
        f"{count:,} decision{'' if count == 1 else 's'}, {book.head().hash[:24]}" if book and count else "no decision"
    )
    _facts(
        (
            ("Model", scope.model.key[:24]),
            ("Images", f"{len(scope.images):,}, {scope.images.key[:24]}"),
            ("Workbench", __version__),
            ("Journal", sealed),
        )
    )


PARTS_BESIDE: tuple[Callable[[Scope], None], ...] = (_verdict, _escape, _maps, _leak, _threshold, _record)
"""What shows each step, beside its words."""
