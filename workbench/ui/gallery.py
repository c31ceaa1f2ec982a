"""The gallery: filter images by what is known of them, page through thumbnails, choose one by clicking it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from workbench.images import ImageItem, ImageSet
from workbench.predictions import Predictions, has_defects, mistakes
from workbench.texts import shortened, shown
from workbench.ui import choice, photographs, selection, session, url
from workbench.ui.text import plain
from workbench.ui.view import ImageView, View

if TYPE_CHECKING:
    import pandas as pd

PAGE = 12
TILE_NAME = 18
"""Letters of a file name under a thumbnail; the whole one is its tooltip and alternative text."""
ALL = "all"
GROUPING_VALUES = 12
"""An attribute with no more different values than this divides the set into groups."""
FILTERS = {
    "right": "right",
    "wrong": "wrong",
    "unsure": "unsure",
    "escape": "escape (missed defect)",
    "overkill": "overkill (good part rejected)",
}
VERDICT_HELP = (
    "Right and wrong compare the decision with the ground truth. Unsure: the probability is within 0.1 of another"
    " decision."
)
TONES = {"Right": "good", "Truth not known": "plain", "Not read": "doubt"}
"""The kind of `chip` that goes with a verdict's word; a mistake is bad."""
SORTS = {"set": "order of the set", "sure": "highest confidence first", "doubt": "lowest confidence first"}


def table(images: ImageSet, predictions: Predictions | None) -> pd.DataFrame:
    """One row an image: name, label, split, and where predictions are known verdict, unsure and kind of mistake."""
    if predictions is not None:
        frame = predictions.frame[["name", "label", "split", "verdict", "unsure"]].copy()
        frame["kind"] = mistakes(predictions)
        return frame
    import pandas as pd

    return pd.DataFrame([{"name": i.name, "label": i.label, "split": i.split} for i in images])


def groups(images: ImageSet) -> Mapping[str, Sequence[str]]:
    """The attributes that divide the set into a few groups, with their values."""
    result = {}
    for name in images.attribute_names:
        values = {shown(item.attributes[name]) for item in images if name in item.attributes}
        if 1 < len(values) <= GROUPING_VALUES:
            result[name] = sorted(values)
    return result


def class_token(name: str) -> str:
    """A class as the filter's address says it: one that is called "all" is not all of them."""
    return url.named(name, (ALL,))


def token(name: str, value: str) -> str:
    """A group as it stands in an address: "name: value", where no colon within the name reads as the separator."""
    return name.replace("\\", "\\\\").replace(": ", "\\: ") + f": {value}"


def in_group(images: ImageSet, frame: pd.DataFrame, name: str, value: str) -> pd.Series:
    """Which rows have this value, as `groups` gives them."""
    there = {item.name for item in members(images, name, value)}
    return frame["name"].isin(there)


def members(images: ImageSet, name: str, value: str) -> list[ImageItem]:
    """The images with this value of an attribute, as `groups` gives them; one without the attribute is in no group."""
    return [item for item in images if name in item.attributes and shown(item.attributes[name]) == value]


def first_look(view: View) -> str:
    """The image shown first: a test image about which the model is right and sure of the positive class."""
    if view.predictions is None or view.predictions.rule.positive is None:
        return view.images.items[0].name
    frame = view.predictions.frame
    good = frame[
        (frame["predicted"] == view.predictions.rule.positive) & (frame["verdict"] == "right") & ~frame["unsure"]
    ]
    test = good[good["split"] == "test"]
    rows = test if len(test) else good
    return str(rows["name"].iloc[0]) if len(rows) else view.images.items[0].name


def image_view(view: View) -> ImageView:
    """The view of the chosen image."""
    return view.of(choice.image(view.images, lambda: first_look(view)))


def gallery(view: ImageView) -> None:
    """Filters, thumbnails and pages; a click chooses an image. It opens on the page that holds the chosen one."""
    frame = matching(view, _controls(view))
    if frame.empty:
        st.info("No image matches these filters.", icon=":material/filter_alt_off:")
        st.button("Clear the filters", on_click=_clear)
        return
    names = frame["name"].tolist()
    pages = -(-len(names) // PAGE)
    thumbnails = st.container()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        few = len(names) < len(view.images)
        st.caption(f"{len(names):,} of {len(view.images):,} images" if few else f"{len(view.images):,} images")
        here = names.index(view.item.name) // PAGE + 1 if view.item.name in names else 1
        page = url.pages(pages, key="page", default=here, max_visible_pages=5) if pages > 1 else 1
    items = [view.image(name) for name in names[(page - 1) * PAGE : page * PAGE]]
    verdicts = dict(zip(frame["name"], frame["verdict"], strict=True)) if "verdict" in frame else {}
    with thumbnails, st.grid(PAGE, min_column_width=72, gap="xsmall", key="gallery"):
        for number, item in enumerate([*session.own("images").values(), *items]):
            thumbnail(number, item, verdicts.get(item.name), item.name == view.item.name)


def thumbnail(number: int, item: ImageItem, verdict: str | None, chosen: bool) -> None:
    """One image to click on, the `number`-th of its grid."""
    image = photographs.thumbnail(item, chosen=chosen)
    state = "chosen" if chosen else "plain"
    with st.container(key=f"thumb-{state}-{number}", gap=None):
        if image is None:
            st.html('<div class="wb-broken" role="img" aria-label="unreadable">?</div>')
        else:
            st.image(image, width="stretch", output_format="PNG", alt=item.name)
        mark = {"right": "✓ ", "wrong": "✗ "}.get(verdict or "", "")
        text = f"{item.name}" + (f", {verdict}" if verdict else "")
        st.button(
            f"{mark}{plain(shortened(item.name.rpartition('/')[2], TILE_NAME))}",
            key=f"pick {number}",
            help=plain(text),
            on_click=choice.choose_image,
            args=(item.name,),
            type="tertiary",
            width="stretch",
        )


def options_of(view: View) -> dict[str, dict[str, str]]:
    """What each filter offers, by its key in the address: the words of each option, the first one the default."""
    images, predictions, every = view.images, view.predictions, {ALL: ALL}
    result = {}
    if images.class_names:
        result["class"] = every | {class_token(name): name for name in images.class_names}
    there = {item.split for item in images} | {st.session_state.get("split")}
    if splits := [split for split in ("train", "validation", "test") if split in there]:
        result["split"] = every | {split: split for split in splits}
    if attributes := groups(images):
        pairs = [(name, value) for name, values in attributes.items() for value in values]
        result["group"] = every | {token(*pair): ": ".join(pair) for pair in pairs}
    if predictions is not None:
        judged = bool(predictions.frame["verdict"].notna().any())
        known = list(FILTERS) if has_defects(predictions) else list(FILTERS)[:3]
        names = known if judged else ["unsure"]
        result["verdict"] = every | {verdict: FILTERS[verdict] for verdict in names}
        result["sort"] = SORTS
    return result


def chosen(view: View) -> dict[str, str]:
    """The filters that hold, by key, whether or not the gallery is drawn on this page: those that leave images out, and
    the order."""
    options = options_of(view)
    return {key: url.now(key, list(words)) for key, words in options.items()} | _selected(view)


def _selected(view: View) -> dict[str, str]:
    """The selection that leaves images out, as a filter; none where none does."""
    return {} if selection.chosen(view.images) is None else {selection.SELECTED: selection.digest_now()}


def _controls(view: View) -> dict[str, str]:
    """As `chosen`, with the widgets to change it."""
    result, widgets = {}, {key: _widget(words) for key, words in options_of(view).items()}
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        if "class" in widgets:
            result["class"] = url.select("Class", key="class", width=140, **widgets["class"])
        if "split" in widgets:
            result["split"] = url.select("Split", key="split", width=140, **widgets["split"])
        if "group" in widgets:
            result["group"] = url.select("Group", key="group", width=190, **widgets["group"])
        if "verdict" in widgets:
            result["verdict"] = url.select("Verdict", key="verdict", width=240, help=VERDICT_HELP, **widgets["verdict"])
            result["sort"] = url.select("Order", key="sort", width=160, **widgets["sort"])
    return result | _selected(view)


def _widget(words: Mapping[str, str]) -> dict[str, Any]:
    return {"options": list(words), "format_func": words.__getitem__, "on_change": _first_page}


def matching(view: View, filters: Mapping[str, str]) -> pd.DataFrame:
    """The rows of `table` that these filters leave, in their order."""
    frame, left = table(view.images, view.predictions), {k: v for k, v in filters.items() if v != ALL}
    if selection.SELECTED in left and (names := selection.chosen(view.images)) is not None:
        frame = frame[frame["name"].isin(names)]
    if "class" in left:
        frame = frame[frame["label"] == options_of(view)["class"][left["class"]]]
    if "split" in left:
        frame = frame[frame["split"] == left["split"]]
    if "group" in left:
        pairs = {token(name, value): (name, value) for name, some in groups(view.images).items() for value in some}
        frame = frame[in_group(view.images, frame, *pairs[left["group"]])]
    if verdict := left.get("verdict"):
        column = "kind" if verdict in ("escape", "overkill") else "verdict"
        frame = frame[frame["unsure"] if verdict == "unsure" else frame[column] == verdict]
    if view.predictions is None or filters.get("sort", "set") == "set":
        return frame
    order = frame.assign(_sure=certainty(view.predictions)[frame.index])
    return order.sort_values("_sure", ascending=filters["sort"] == "doubt", kind="stable")


def certainty(predictions: Predictions) -> pd.Series:
    """How sure each decision is: how far the score lies from the threshold, or else the probability of the class."""
    import numpy as np
    import pandas as pd

    rule, probabilities = predictions.rule, np.nan_to_num(predictions.probabilities)
    if rule.positive is not None and rule.threshold is not None:
        return pd.Series(np.abs(probabilities[:, rule.class_names.index(rule.positive)] - rule.threshold))
    return pd.Series(probabilities.max(1))


def _first_page() -> None:
    st.session_state["page"] = 1


def _clear() -> None:
    for key in ("class", "split", "group", "verdict"):
        if key in st.session_state:
            st.session_state[key] = ALL
    url.drop(selection.SELECTED)
    _first_page()


def chip(text: str, kind: str) -> str:
    """A coloured word as HTML; `kind` is good, bad, doubt or plain."""
    return f'<span class="wb-chip wb-{kind}">{html.escape(text)}</span>'
