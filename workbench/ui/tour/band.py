"""The tour above the pages: which step, what to look at there, and the ways on, back and out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import streamlit as st

from workbench.catalog import shared
from workbench.ui import dealt, runs, url
from workbench.ui.progress import guarded
from workbench.ui.tour import slides
from workbench.ui.tour.steps import Step, other_deal, route
from workbench.ui.view import View

TOUR = "tour"
"""The key of the address: the step, from 1."""
PRESENT = "present"
"""The key of the address for slides."""
LEFT = "workbench_tour_left"
"""The cookie that says that this browser left the tour, and in the session the same."""
COMPONENT = "tour keys"
COUNT = 6


@contextlib.contextmanager
def around(page: str) -> Iterator[bool]:
    """Draw the tour around a page, where one is under way.

    Args:
        page: The page's path in the address; empty for the first.

    Yields:
        Whether the page is to be drawn: slides stand in its place.
    """
    _remember(_number())
    number = int(st.session_state.get(TOUR, 0))
    if not number:
        if st.session_state.get(LEFT):
            _keys({"left": True})
        yield True
        return
    view = dealt.view_of(runs.current_view())
    steps = route(view)
    step = steps[number - 1]
    if st.query_params.get(PRESENT) == "1":
        _present(step, number, view)
        yield False
        return
    if st.session_state.pop("tour arrives", False) and not _shows(step, page):
        st.switch_page(step.page, query_params=address(step, number))
    with st.container(key=TOUR, border=True, gap="xsmall"):
        words = _band(steps, number, _is_at(step, page))
    yield True
    with words:
        _say(step)
        if step.page == url.DATA and (other := other_deal(view)) is not None:
            st.page_link(
                step.page, label=other[0], icon=":material/compare:", query_params={**other[1], TOUR: str(number)}
            )
    _keys({"anchor": step.anchor if _is_at(step, page) else "", "step": number})


def offer() -> None:
    """A link to the tour for whoever has not left it yet; where it is under way it needs none."""
    if st.session_state.get(TOUR) or st.session_state.get(LEFT) or st.context.cookies.get(LEFT) == "1":
        return
    query = url.link(**{TOUR: "1"})
    st.page_link(url.OVERVIEW, label="New here? Six steps, ten minutes", icon=":material/tour:", query_params=query)
    st.button("No, thank you", type="tertiary", on_click=_leave, key="tour declined")


def address(step: Step, number: int) -> dict[str, Any]:
    """The query of a link to a step, which keeps model and image set."""
    return {**url.link(), **step.query, TOUR: str(number)}


def _number() -> int:
    """The step that the address asks for; that of the session where it says nothing, 0 where it is none."""
    text = st.query_params.get(TOUR)
    if text is None:
        return 1 if st.query_params.get(PRESENT) == "1" else int(st.session_state.get(TOUR, 0))
    return int(text) if text in map(str, range(1, COUNT + 1)) else 0


def _remember(number: int) -> None:
    """Make this the step, in the session and in the address; a step that is new here leads to its page."""
    state = st.session_state
    if number != state.get(TOUR, 0):
        state["tour arrives"] = True
    state[TOUR] = number
    if not number:
        st.query_params.pop(TOUR, None)
        st.query_params.pop(PRESENT, None)
    elif st.query_params.get(TOUR) != str(number):
        st.query_params[TOUR] = str(number)


def _is_at(step: Step, page: str) -> bool:
    """Whether a page is that of a step."""
    return page == ("" if step.page == url.OVERVIEW else step.page.stem)


def _shows(step: Step, page: str) -> bool:
    """Whether the address leads to a step's view, as far as it says anything of it."""
    return _is_at(step, page) and (not step.query or bool(step.query.keys() & st.query_params.keys()))


def _band(steps: tuple[Step, ...], number: int, here: bool) -> Any:
    """The title and the ways on; the place for the words."""
    step = steps[number - 1]
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**Tour, {number} of {COUNT}: {step.title}**", width="content")
        with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small"):
            if not here:
                _way("Back to this step", step, number, ":material/undo:")
            if number > 1:
                _way("Back", steps[number - 2], number - 1, ":material/arrow_back:")
            if number < COUNT:
                _way("Next", steps[number], number + 1, ":material/arrow_forward:")
            st.button("Present", type="tertiary", icon=":material/slideshow:", on_click=_begin, key="tour present")
            words = "Leave the tour" if number < COUNT else "End the tour"
            st.button(words, type="tertiary", icon=":material/close:", on_click=_leave, key="tour leave")
    return st.container()


def _way(label: str, step: Step, number: int, icon: str) -> None:
    st.page_link(step.page, label=label, icon=icon, query_params=address(step, number), help=step.title)


@guarded
def _say(step: Step) -> None:
    st.markdown(" ".join(filter(None, step.say())))


def _begin() -> None:
    st.query_params[PRESENT] = "1"


def _leave() -> None:
    """Callback: the tour is left, and is not offered to this browser again."""
    st.session_state.update({TOUR: 0, LEFT: True})
    for key in (TOUR, PRESENT):
        st.query_params.pop(key, None)


def _present(step: Step, number: int, view: View) -> None:
    """A slide in place of the page, and the keys that lead on."""
    st.html(shared("present.css"))
    slides.draw_slide(step, number, COUNT, view)
    _keys({"present": True, "step": number, "count": COUNT})


def _moved() -> None:
    """Callback: a key, a swipe or Escape on a slide."""
    sent = getattr(st.session_state.get(COMPONENT), "step", None)
    if sent == 0:
        st.query_params.pop(PRESENT, None)
        st.session_state["tour arrives"] = True
    elif isinstance(sent, int) and 1 <= sent <= COUNT:
        st.session_state[TOUR] = sent
        st.query_params[TOUR] = str(sent)


def _keys(data: dict[str, object]) -> None:
    _component()(key=COMPONENT, data=data, on_step_change=_moved)


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    js = shared("tour.js").read_text(encoding="utf-8")
    return st.components.v2.component("workbench.tour", html="<span hidden></span>", js=js)
