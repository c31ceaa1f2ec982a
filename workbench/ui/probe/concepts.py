"""The view of concepts: name one, show it by a few images, and see whether the class answers to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import streamlit as st

from workbench.errors import InputError
from workbench.images import ImageItem, ImageSet, image_from_bytes
from workbench.probe import NEEDED, Concepts, outcomes, tcav
from workbench.texts import apart
from workbench.ui import choice, draw, gallery, photographs, session, url
from workbench.ui.cache import Slot, computed, slot
from workbench.ui.probe.conclusion import conclude
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.text import plain
from workbench.ui.view import View

if TYPE_CHECKING:
    import pandas as pd

MOST_CONCEPTS, MOST_SHOWN = 4, 40
"""Concepts that are tested at once, and images of one's own that show one."""


@guarded
def section(view: View) -> None:
    """The concepts that were named, and the test."""
    names = view.model.rule.class_names
    with st.container(horizontal=True, vertical_alignment="bottom"):
        target = url.select("Does it matter for the class", names, key="concept_class", width=240)
        draw.meaning("concept", "What is a concept?", least=NEEDED)
    concepts = _concepts(view.images, _add(view.images))
    if not concepts:
        st.info("Define a concept by example images above, or take a group of this set.", icon=":material/category:")
        return
    of_class = _of_class(view, target)
    of = "labelled" if any(item.label == target for item in of_class) else "predicted as"
    st.caption(
        f"Tested on {len(of_class):,} images {of} {plain(target)}, against random images of {plain(view.images.name)}."
    )
    ids = [(name, [item.id for item in items]) for name, items in concepts.items()]
    facts = {"target": target, "concepts": ids, "examples": [item.id for item in of_class]}
    place = slot("concepts", **view.model.identity, images=view.images.key, **facts)
    result: Concepts | None = place.get()
    if result is None:
        offer(
            f"Test {len(concepts)} {'concept' if len(concepts) == 1 else 'concepts'}",
            f"test concepts {view.model.key[:12]}",
            lambda: _test(view, concepts, of_class, target, place),
        )
        return
    _results(result)


def _add(images: ImageSet) -> list[tuple[str, str]]:
    """Two ways to name a concept: images, kept for the session, and returned groups of this set: (attribute, value)."""
    groups = gallery.groups(images)
    with st.container(horizontal=True):
        with (
            st.popover("Define a concept by images", icon=":material/add_photo_alternate:"),
            st.form("concept upload", border=False),
        ):
            name = st.text_input("Name of the concept", max_chars=60, placeholder="vertical stripes")
            files = st.file_uploader(f"{NEEDED} or more images that show it", accept_multiple_files=True)
            if st.form_submit_button("Add", icon=":material/add:"):
                _keep(" ".join(name.split()), files)
        if groups:
            with st.popover("Take a group of this set", icon=":material/category:"):
                options = {
                    gallery.token(name, value): (name, value) for name, values in groups.items() for value in values
                }
                answers = url.pills(
                    "Groups",
                    list(options),
                    key="concepts",
                    default=[],
                    format_func=lambda option: ": ".join(options[option]),
                )
                return [options[option] for option in answers]
    return []


def _keep(name: str, files: list[Any]) -> None:
    """Keep what was uploaded, or say why not."""
    if not name or not files:
        st.warning("Give the concept a name and choose images that show it.")
        return
    if len(files) > MOST_SHOWN:
        st.warning(f"The first {MOST_SHOWN} of these {len(files):,} images are kept.")
    items = []
    for file in files[:MOST_SHOWN]:
        try:
            items.append(image_from_bytes(file.getvalue(), PurePosixPath(file.name).name))
        except InputError as error:
            st.warning(plain(error, 300))
    try:
        if items:
            session.keep("concepts", name, items, sum(file.size for file in files[:MOST_SHOWN]))
    except InputError as error:
        st.warning(plain(error, 300))


def _concepts(images: ImageSet, groups: list[tuple[str, str]]) -> dict[str, list[ImageItem]]:
    """All that were named and can be tested, the visitor's own first."""
    mine: Mapping[str, list[ImageItem]] = session.own("concepts")
    concepts = dict(mine)
    for title, group in zip(apart((": ".join(group) for group in groups), mine), groups, strict=True):
        concepts[title] = gallery.members(images, *group)
    for name, items in list(concepts.items())[:MOST_CONCEPTS]:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{plain(name)}**: {len(items):,} images")
            for item in items[:6]:
                if (image := photographs.thumbnail(item, 48)) is not None:
                    st.image(image, width=48, output_format="PNG", alt=item.name)
            if len(items) < NEEDED:
                st.caption(f"Too few to learn it: {NEEDED} are needed. It is not tested.")
            if mine.get(name) is items:
                st.button("Remove", key=f"forget {name}", on_click=_forget, args=(name,), type="tertiary")
    if mine:
        st.caption(":material/link_off: Uploaded concepts are not in the link: they stay in this browser.")
    if len(concepts) > MOST_CONCEPTS:
        st.caption(f"The first {MOST_CONCEPTS} are tested.")
    return {name: items for name, items in list(concepts.items())[:MOST_CONCEPTS] if len(items) >= NEEDED}


def _forget(name: str) -> None:
    session.drop("concepts", name)


def _of_class(view: View, target: str) -> list[ImageItem]:
    """Images of the class: labelled so, or called so where nothing is labelled."""
    items = [item for item in view.images if item.label == target]
    if items or view.predictions is None:
        return items
    names = set(view.predictions.frame["name"][view.predictions.frame["predicted"] == target])
    return [item for item in view.images if item.name in names]


def _test(
    view: View, concepts: dict[str, list[ImageItem]], of_class: list[ImageItem], target: str, place: Slot
) -> Concepts | None:
    def make(progress: Stoppable) -> Concepts:
        clf, background = choice.classifier(view.model), list(view.images)
        return tcav(clf, concepts, of_class, target, background=background, on_progress=progress)

    return computed(place, "Testing concepts", make, lambda _: 64 * 1024)


def _results(result: Concepts) -> None:
    conclude(outcomes.of_concepts(result))
    frame = table(result)
    st.dataframe(frame, hide_index=True, alt="Concepts")
    for line in result.frame.to_dict("records"):
        st.markdown(f"**{plain(line['concept'])}**: {plain(line['why'], 400)}")
    of = plain(result.target)
    st.caption(f"At the layer {plain(result.layer)}, on {result.images:,} images of {of}; ranges are 95 % intervals.")
    draw.table("Figures (CSV)", lambda: result.frame, "concepts.csv", "csv concepts")


def table(result: Concepts) -> pd.DataFrame:
    """The figures as text."""
    import pandas as pd

    def share(value: float) -> str:
        return "n/a" if math.isnan(value) else f"{value:.0%}"

    return pd.DataFrame(
        [
            {
                "concept": line["concept"],
                "verdict": line["verdict"],
                "score": f"{share(line['score'])} ({share(line['low'])} to {share(line['high'])})",
                "random": share(line["random score"]),
                "p-value": "n/a" if math.isnan(line["p"]) else f"{line['p']:.2g}",
                "separator accuracy": share(line["accuracy"]),
                "images": line["images"],
            }
            for line in result.frame.to_dict("records")
        ]
    )
