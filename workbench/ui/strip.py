"""The strip above a page about one image: which image, of which ones, what was decided, and the way to the next."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import streamlit as st

from workbench.images import ImageItem
from workbench.predictions import Verdict, verdict_of
from workbench.texts import shortened
from workbench.ui import choice, gallery, photographs, results, selection, session
from workbench.ui.text import plain, seen
from workbench.ui.view import ImageView

EDGE = 112
"""Side of the thumbnail in pixels; it is shown at half of that."""
LONGEST_NAME = 32
"""Letters of a file name that are shown; the whole name stands in the tooltip and the image's alternative text."""
NOUNS = {
    "right": ("right decision", "right decisions"),
    "wrong": ("wrong decision", "wrong decisions"),
    "unsure": ("unsure decision", "unsure decisions"),
    "escape": ("missed defect", "missed defects"),
    "overkill": ("good part rejected", "good parts rejected"),
    gallery.ALL: ("image", "images"),
}


def draw(view: ImageView, *, sticky: bool = False) -> None:
    """Thumbnail, name, ground truth and verdict of the image; its place among those that the gallery's filters leave.

    Args:
        view: With the image.
        sticky: Whether the strip stays at the top of the window while the page scrolls.
    """
    names, words = _queue(view)
    at = names.index(view.item.name) if view.item.name in names else None
    with st.container(
        key="strip-sticky" if sticky else "strip", horizontal=True, vertical_alignment="center", gap="small"
    ):
        thumbnail = photographs.thumbnail(view.item, EDGE, chosen=True)
        if thumbnail is not None:
            st.image(thumbnail, width=EDGE // 2, output_format="PNG", alt=view.item.name)
        with st.container(key="strip-facts", width="stretch"):
            facts = st.empty()
        with st.container(key="strip-way", horizontal=True, vertical_alignment="center", width="content", gap="small"):
            st.html(f'<div class="wb-small">{_place(at, len(names), words)}</div>', width="content")
            _step("Previous", "P", None if at is None else at - 1, names)
            _step("Next", "N", 0 if at is None else at + 1, names)
        facts.html(_facts(view.item, verdict_of(*results.prediction(view))))


def _queue(view: ImageView) -> tuple[list[str], str]:
    """The names of the images that one goes through, and what they are: the visitor's own, or those of the gallery."""
    own = list(session.own("images"))
    if view.item.name in own:
        return own, "images of yours" if len(own) > 1 else "image of yours"
    filters = gallery.chosen(view)
    names = gallery.matching(view, filters)["name"].tolist()
    return names, title(filters, gallery.options_of(view), len(names))


def title(filters: Mapping[str, str], options: Mapping[str, Mapping[str, str]], count: int) -> str:
    """What the images are that these filters leave: "missed defects, test split".

    Args:
        filters: By key, as `gallery.chosen` gives them.
        options: The words of each, as `gallery.options_of` gives them.
        count: How many they are.
    """
    parts = [NOUNS[filters.get("verdict", gallery.ALL)][count != 1]]
    words = {key: options[key][value] for key, value in filters.items() if key in options and value != gallery.ALL}
    for key, form in (("class", "class {}"), ("split", "{} split"), ("group", "{}")):
        if key in words:
            parts.append(form.format(words[key]))
    if selection.SELECTED in filters:
        parts.append("selected on the map")
    if filters.get("sort", "set") != "set":
        parts.append(words["sort"])
    return ", ".join(parts)


def _place(at: int | None, count: int, words: str) -> str:
    where = f"Not one of these {count:,}" if at is None else f"{at + 1:,} of {count:,}"
    return f"<strong>{where}</strong> {html.escape(seen(words))}"


def _step(label: str, shortcut: str, to: int | None, names: Sequence[str]) -> None:
    """A button to the image at a place of the queue; disabled where there is none."""
    there = to is not None and 0 <= to < len(names)
    name = names[to] if to is not None and there else ""
    st.button(
        label,
        key=f"strip {label}",
        icon=":material/arrow_back:" if label == "Previous" else ":material/arrow_forward:",
        shortcut=shortcut,
        help=plain(name) if name else None,
        disabled=not there,
        on_click=choice.choose_image,
        args=(name,),
    )


def _facts(item: ImageItem, verdict: Verdict) -> str:
    """Name, ground truth and verdict as HTML."""
    known = verdict.word != "Truth not known"
    chips = [gallery.chip(verdict.word.lower(), gallery.TONES.get(verdict.word, "bad"))] if known else []
    if verdict.close:
        chips.append(gallery.chip("unsure", "doubt"))
    name = seen(item.name)
    truth = f"Ground truth: {html.escape(seen(item.label))}" if item.label else "Ground truth: not known"
    return (
        f'<div class="wb-strip-name" title="{html.escape(name)}">{html.escape(shortened(name, LONGEST_NAME))}</div>'
        f'<div class="wb-small">{truth} {" ".join(chips)}</div>'
    )
