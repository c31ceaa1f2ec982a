"""Is it fit for use: the verdict by the limits that were set, and what it would take to keep them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from workbench.errors import LONGEST, InputError
from workbench.files import open_file
from workbench.predictions import Limits, Promise, fitness
from workbench.stats import ENOUGH
from workbench.texts import prose
from workbench.ui import draw, independence, runs, terms, url
from workbench.ui.choice import ModelChoice
from workbench.ui.overview import checked
from workbench.ui.overview.scope import MISTAKES, Scope, of_100
from workbench.ui.progress import guarded
from workbench.ui.text import plain, seen
from workbench.ui.view import View

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from workbench.report import Verdict

LONGEST_CARD = 2**19
"""Bytes of a model card that are shown."""
NAMES = {"escapes": "Escapes", "overkill": "Overkill", "errors": "Errors"}
_ICONS = {"good": "✓", "bad": "✗", "doubt": "?"}
_OUTCOMES = {
    "no limit": "No limit",
    "kept": "Kept",
    "not kept": "Not kept",
    "not shown": "Not shown to be kept",
    "too few": f"Too few to say, under {ENOUGH}",
}
_HEADING = re.compile(
    r"^#+ .*(not for|not intended|out.of.scope|limitation|caveat).*\n+((?:(?!^#).*\n?)*)", re.IGNORECASE | re.MULTILINE
)


def section(scope: Scope, shortcut: bool) -> Callable[[], Verdict | None]:
    """The box with the verdict; `shortcut` says whether one is proven.

    What is returned joins the twelve checks to it, which takes a moment, and gives their verdict.
    """
    with st.container(border=True, key="verdict", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.header("Is it fit for use?", anchor=False)
            draw.meaning("verdict", "What is the verdict?", enough=ENOUGH)
        lead, place = st.empty(), st.container()
        with st.container(horizontal=True, gap="large", key="limits"):
            if "errors" in scope.mistakes:
                asked = {"errors": _asked(scope, "errors", "most_errors")}
            else:
                asked = {
                    "escapes": _asked(scope, "escapes", "most_escapes"),
                    "overkill": _asked(scope, "overkill", "most_overkill"),
                }
        limits = Limits(**{name: limit for name, (limit, _) in asked.items()})
        held_out, hidden = scope.split == "test", independence.hides_group(scope)
        result = fitness(scope.mistakes, limits, held_out=held_out, shortcut=shortcut, hidden=hidden)
        lead.html(_box(result.verdict, result.tone))
        with place:
            _said(scope)
        for promise in result.promises:
            with asked[promise.name][1]:
                _held(scope, promise)
        _makers(scope.model)

    def join() -> Verdict | None:
        verdict = checked.looked_up(scope, result)
        if verdict is not None:
            from workbench.report import first_sentence

            first = first_sentence(verdict.headline)
            rest = verdict.headline.removeprefix(first).strip()
            small = f'<p class="wb-small">{html.escape(rest)}</p>' if rest else ""
            lead.html(_box(first, verdict.tone) + small)
        return verdict

    return join


def _box(text: str, tone: str) -> str:
    return f'<div class="wb-verdict wb-{tone}"><span aria-hidden="true">{_ICONS[tone]}</span> {html.escape(text)}</div>'


def without(view: View) -> None:
    """The same where nothing can be judged, and what to do."""
    with st.container(border=True, key="verdict"):
        st.header("Is it fit for use?", anchor=False)
        if view.predictions is not None or not any(item.label in view.model.rule.class_names for item in view.images):
            st.info(
                f"No verdict: {plain(view.images.name)} has no labels that the model knows, so nothing can be counted. "
                "Explain still works. For a verdict, say which class each label stands for, put the images into folders"
                " named after classes, or add a manifest.csv.",
                icon=":material/label_off:",
            )
        else:
            st.info("No predictions of this model for this image set yet.", icon=":material/play_circle:")
            runs.offer_predictions(view, "")
        _makers(view.model)


def _said(scope: Scope) -> None:
    rates = scope.mistakes
    if "errors" in rates:
        says = f"It calls {of_100(rates['errors'])} images something else than they are."
    else:
        says = f"It misses {of_100(rates['escapes'])} defects and rejects {of_100(rates['overkill'])} good parts."
    rule = scope.model.rule
    at = f" Threshold {rule.threshold:.3f}." if rule.threshold is not None else ""
    at += f" Temperature {rule.temperature:.3g} applied." if rule.temperature != 1 else ""
    optimistic = "" if scope.split else " There is no test split: optimistic if the model was trained on these images."
    st.markdown(f"{says}{at}{optimistic}")
    st.caption(f"In brackets 95 % intervals, {independence.of(scope.cases).short}.")


def _asked(scope: Scope, name: str, key: str) -> tuple[float | None, DeltaGenerator]:
    """A limit as the visitor sets it, a share, and the place for its outcome; that of the model's description stands
    first."""
    own, label = getattr(scope.model.limits, name), f"{NAMES[name]} under, of 100"
    settings: dict[str, Any] = {"step": 0.5, "width": 170, "help": terms.entry("verdict", NAMES[name])}
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        if own is None:
            percent = url.optional(label, 0.01, 99.0, key=key, placeholder="no limit", **settings)
        else:
            percent = url.number(label, 0.01, 99.0, key=key, default=100 * own, **settings)
        place = st.container(width="content", gap="xxsmall", vertical_alignment="bottom")
    return None if percent is None else percent / 100, place


def _held(scope: Scope, promise: Promise) -> None:
    """The outcome of a limit, and what it would take where it is not kept."""
    rate = promise.rate
    units = rate.in_units(independence.of(scope.cases).unit)
    measured = f"{rate.count:,} of {rate.support:,}{units}" if rate.support else "none to measure it on"
    st.markdown(f"**{_OUTCOMES[promise.outcome]}**: {measured}")
    if promise.outcome in ("not kept", "not shown") and promise.name in MISTAKES:
        _remedy(scope, promise)


def _remedy(scope: Scope, promise: Promise) -> None:
    popover = st.popover(
        "What would it take?", type="tertiary", icon=":material/tune:", key=f"remedy {promise.name}", on_change="rerun"
    )
    if popover.open:
        with popover:
            _taken(scope, promise)


@guarded
def _taken(scope: Scope, promise: Promise) -> None:
    """The threshold that keeps a limit, chosen on the validation split, and what it costs on the test split."""
    from workbench.defects import CHOSEN_ON, REPORTED_ON, cases_of, choose, of_split, rates_at

    way = {"escapes": "escape", "overkill": "overkill"}[promise.name]
    cases = cases_of(scope.predictions, scope.cases.positive)
    try:
        choice = choose(of_split(cases, CHOSEN_ON), way, ceiling=promise.limit)
    except InputError as error:
        st.markdown(plain(error, 2 * LONGEST))
    else:
        st.markdown(f"Another threshold: {choice.threshold:.3f}. {plain(choice.reason, 2 * LONGEST)}")
        reported = of_split(cases, REPORTED_ON)
        if reported.defects and reported.good:
            escapes, overkill = rates_at(reported, choice.threshold)
            st.markdown(
                f"On the test split it misses {of_100(escapes)} defects and rejects {of_100(overkill)} good parts."
            )
    query = url.link(view="threshold", choose=way, ceiling=f"{100 * (promise.limit or 0):.4g}")
    st.page_link(url.DEFECTS, label="Choose a threshold", icon=":material/rule:", query_params=query)


def _makers(model: ModelChoice) -> None:
    """What the makers say that it is not for, and their card."""
    text = card(model)
    if not text:
        st.caption("There is no model card: nothing is known of what the model was made for.")
        return
    warning = warning_of(text)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"The makers say: {plain(warning, LONGEST)}" if warning else "The makers' own words:", width="content"
        )
        with st.popover("Model card", type="tertiary", icon=":material/description:"):
            st.markdown(prose(seen(text)))
            draw.download("Model card (Markdown)", lambda: text, "MODEL_CARD.md", "model card")


def warning_of(text: str) -> str:
    """The first sentence of what a model card says the model is not for; empty where it says nothing of the kind."""
    match = _HEADING.search(text)
    if match is None:
        return ""
    lines = re.split(r"\n\s*(?:[-*+]|\d+\.)\s+|\n\s*\n", "\n" + match[2].strip())
    first = next((" ".join(line.split()) for line in lines if line.strip()), "")
    return html.unescape(re.sub(r"[*_`]", "", re.split(r"(?<=[.!?])\s", first)[0]))


def card(model: ModelChoice) -> str | None:
    """The text of the model card, where there is one that can be read."""
    path = model.folder / "MODEL_CARD.md" if model.folder else None
    if path is None or not path.is_file():
        return None
    try:
        with open_file(path) as file:
            data = file.read(LONGEST_CARD + 1)
    except OSError as error:
        return f"{path.name} cannot be read ({error.strerror}): check the file and its permissions."
    rest = f"\n\n(Truncated: these are the first {LONGEST_CARD / 2**20:g} MB.)" if len(data) > LONGEST_CARD else ""
    return data[:LONGEST_CARD].decode("utf-8", errors="replace") + rest
