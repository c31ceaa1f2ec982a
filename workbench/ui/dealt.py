"""A proposed split that a visitor puts into force: what its figures may count, and how to leave it.

The address holds a digest of the split. The split itself is dealt anew from the images and from what is known of their
parts and groups, and holds only where it is the same.
"""

from __future__ import annotations

import dataclasses
import hashlib

import streamlit as st

from workbench.images import SPLITS
from workbench.predictions import Predictions
from workbench.quality import GroupedSplit, for_trained, proposed_split
from workbench.ui import kin, leaked, session, url
from workbench.ui.cache import slot
from workbench.ui.progress import guarded
from workbench.ui.view import View

DEALT = "dealt"
"""The key of the address for the split that is in force."""
LEAVE = "Leave the proposed split"


def proposed(view: View) -> GroupedSplit | None:
    """The split that keeps each part and group on one side; None where it is not known what belongs together, where the
    set has no splits, or too few parts."""
    families = kin.families_of(view.images)
    if families is None and not leaked.stated(view.images):
        return None
    name = None if families is None else kin.family_key(view.images)
    place = slot("grouped split", images=view.images.key, families=name)
    result: GroupedSplit | None = place.get()
    if result is None:
        result = proposed_split(view.images, families)
        if result is not None:
            place.put(result, 400 * len(view.images))
    return result


def digest_of(split: GroupedSplit) -> str:
    """What a link says of a split: it is of these images, as they were dealt before and as they are dealt now."""
    rows = split.frame[["name", "before", "after"]].itertuples(index=False)
    return hashlib.sha256(repr([tuple(row) for row in rows]).encode(errors="surrogatepass")).hexdigest()[:16]


def usable(split: GroupedSplit) -> bool:
    """Whether a model that was trained on the split before can be judged on this one: some of its test images show
    parts that the model has not seen."""
    return split.kept and bool(len(split.moved)) and SPLITS[-1] in for_trained(split)


def in_force(view: View) -> GroupedSplit | None:
    """The split that the address puts into force for a set; None where it says none, or another one."""
    wanted = url.value(key=DEALT)
    split = proposed(view) if wanted else None
    return split if split is not None and usable(split) and digest_of(split) == wanted else None


def follow() -> None:
    """Keep in the address of each page what is in force."""
    url.value(key=DEALT)


def view_of(view: View) -> View:
    """The view with each image in the split that it counts in; the same where no proposed split is in force."""
    split = in_force(view)
    if split is None or view.predictions is None:
        return view
    table, place = view.predictions, slot("dealt table", table=session.token(view.predictions), split=digest_of(split))
    predictions = place.kept(lambda: _counted(table, split), lambda made: 4096 + 400 * len(made))
    return dataclasses.replace(view, predictions=predictions, proposed=True)


def _counted(table: Predictions, split: GroupedSplit) -> Predictions:
    counts = dict(zip(split.frame["name"], for_trained(split), strict=True))
    now = table.frame["name"].map(counts).astype(object)
    return dataclasses.replace(table, frame=table.frame.assign(split=now))


def use(view: View) -> None:
    """Callback: put the proposed split into force."""
    split = proposed(view)
    if split is not None:
        url.choose(DEALT, digest_of(split))


@guarded
def banner(view: View, figure: str = "accuracy") -> None:
    """What is in force above a page of figures, and the way to leave it; otherwise what leaks, as `leaked.banner`.

    Args:
        view: A model and a set.
        figure: The figure that the page is about, as for `leaked.banner`.
    """
    split = in_force(view)
    if split is None:
        _strange()
        leaked.banner(view, figure)
        return
    st.info(sentence(split), icon=":material/call_split:")
    with st.container(horizontal=True, vertical_alignment="center", key="proposed-split"):
        st.button(LEAVE, icon=":material/close:", on_click=url.drop, args=(DEALT,), key="leave split")
        st.page_link(
            url.DATA, label="Train on it", icon=":material/arrow_forward:", query_params=url.link(), help=TRAIN_HELP
        )


TRAIN_HELP = "Data, under “Take it home”: the manifest with this split, and the command that trains on it."


def note(view: View) -> None:
    """On a page that speaks of the split as stated: that another one is in force elsewhere, and the way to leave it."""
    if in_force(view) is None:
        _strange()
        return
    st.info(
        "The proposed split is in force on Overview, Bias and Defects. This page speaks of the split as it is stated.",
        icon=":material/call_split:",
    )
    st.button(LEAVE, icon=":material/close:", on_click=url.drop, args=(DEALT,), key="leave split")


def sentence(split: GroupedSplit) -> str:
    """What the split in force changes for the loaded model, and what its figures do not count."""
    frame = split.frame.assign(counts=for_trained(split))
    trained = frame[(frame["counts"] == "train") & (frame["after"] != "train")]
    chosen = frame[(frame["counts"] == "validation") & (frame["after"] == "test")]
    before, now = (int((frame[column] == "test").sum()) for column in ("before", "counts"))
    text = (
        f"**A proposed split is in force**: {len(split.moved):,} of {len(frame):,} images change sides. Figures of the"
        f" test split are on {now:,} images, {before:,} as the split is stated."
    )
    if len(trained):
        sides = trained["after"].value_counts()
        there = " and ".join(f"{sides[name]:,} of its {name} split" for name in ("test", "validation") if name in sides)
        text += (
            f" Of the images that it deals, {there} are **images the loaded model was trained on**, or show a part that"
            " it was trained on: they count as training images here, never as held out."
        )
    if len(chosen):
        text += f" {len(chosen):,} show a part of the stated validation split and count there, not as test images."
    return f"{text} Train again before you report the model on this split."


def _strange() -> None:
    """Say so where the address asks for a split that does not hold here, and take it back."""
    if url.value(key=DEALT):
        url.drop(DEALT)
        st.info(
            "The proposed split of this link is not in force: the images, or what is known of which of them show one"
            " part, are not those of the link. The split is as it is stated.",
            icon=":material/link_off:",
        )
