"""A grouped split: what would move, and the split as a table to train with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.predictions import FAMILY, GROUP
from workbench.quality import GroupedSplit, grouped_split
from workbench.texts import sentence_list
from workbench.ui import draw, kin
from workbench.ui.cache import slot
from workbench.ui.data.scope import Scope
from workbench.ui.progress import guarded
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd


@guarded
def section(scope: Scope) -> None:
    """Which images would change their split so that no part and no group stands on both sides."""
    st.subheader("A split without leaks", anchor="grouped-split")
    draw.meaning("grouped-split", "How is it dealt?")
    split = _split(scope)
    moved = split.moved
    stay = " Parts that stand on one side stay there." if split.kept else ""
    st.markdown(
        f"**{len(moved):,} of {len(split.frame):,} images would change their split**, so that each of {split.units:,}"
        f" parts and groups stands on one side.{stay}"
    )
    for name, label in split.lacking[:6]:
        st.caption(f":material/warning: The {name} split would have no image of {plain(label)}: it has too few parts.")
    st.dataframe(split.counts, hide_index=True, alt="Images of each class in each split, before and after")
    draw.table("The grouped split (CSV)", lambda: manifest(scope, split), "grouped-split.csv", "csv grouped split")
    tried = moved[(moved["before"] == "train") & (moved["after"] != "train")]
    if len(tried):
        some = sentence_list([plain(name) for name in tried["name"]], 3)
        st.caption(
            f":material/warning: It is a split to train with. The loaded model has seen {len(tried):,} images that"
            f" would be held out ({some}): do not report it on this split, train it again."
        )


def manifest(scope: Scope, split: GroupedSplit) -> pd.DataFrame:
    """The set as a manifest with the split after the deal, and the split before beside it."""
    import pandas as pd

    family = {} if scope.families is None else scope.families.by_name
    return pd.DataFrame(
        {
            "image": split.frame["name"],
            "label": split.frame["label"],
            "split": split.frame["after"],
            "split before": split.frame["before"],
            FAMILY: [family.get(name) for name in split.frame["name"]],
            GROUP: [item.attributes.get(GROUP) for item in scope.images],
        }
    )


def _split(scope: Scope) -> GroupedSplit:
    families = None if scope.families is None else kin.family_key(scope.images)
    place = slot("grouped split", images=scope.images.key, families=families)
    return place.kept(lambda: grouped_split(scope.images, scope.families), lambda split: 400 * len(split.frame))
