"""A grouped split: what would move, and the split as a table to train with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.predictions import known_defects
from workbench.quality import (
    GroupedSplit,
    HeadFigures,
    HeadPrice,
    frozen_features,
    grouped_split,
    head_price,
    manifest,
    split_proposals,
)
from workbench.stats import Rate
from workbench.texts import sentence_list
from workbench.ui import dealt, draw, kept, kin
from workbench.ui.cache import Slot, slot
from workbench.ui.data import embedded
from workbench.ui.data.scope import Scope
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd


@guarded
def section(scope: Scope) -> None:
    """Which images would change their split so that no part and no group stands on both sides."""
    st.subheader("A split without leaks", anchor="grouped-split")
    draw.meaning("grouped-split", "How is it dealt?")
    split = dealt.proposed(scope) or grouped_split(scope.images, scope.families)
    moved = split.moved
    stay = " Parts that stand on one side stay there." if split.kept else ""
    st.markdown(
        f"**{len(moved):,} of {len(split.frame):,} images would change their split**, so that each of {split.units:,}"
        f" parts and groups stands on one side.{stay}"
    )
    for name, label in split.lacking[:6]:
        st.caption(f":material/warning: The {name} split would have no image of {plain(label)}: it has too few parts.")
    st.dataframe(split.counts, hide_index=True, alt="Images of each class in each split, before and after")
    draw.download(
        "The set with this split (CSV)",
        lambda: manifest(scope.images, accepted=split_proposals(split), families=scope.families),
        "grouped-split.csv",
        "csv grouped split",
    )
    st.caption(
        "The table is a manifest that says each split, part and group. Put it into the folder of the images; then"
        " `workbench train FOLDER/grouped-split.csv --out MODEL` trains on it, and the sidebar reads it as a set."
    )
    _use(scope, split)
    tried = moved[(moved["before"] == "train") & (moved["after"] != "train")]
    if len(tried):
        some = sentence_list([plain(name) for name in tried["name"]], 3)
        st.caption(
            f":material/warning: It is a split to train with. The loaded model has seen {len(tried):,} images that"
            f" would be held out ({some}): do not report it on this split, train it again."
        )
    _price(scope)


def _use(scope: Scope, split: GroupedSplit) -> None:
    """The way to put the split into force for the figures of the loaded model, or why that would tell nothing."""
    if dealt.in_force(scope) is not None:
        st.caption(":material/call_split: This split is in force on Overview, Bias and Defects.")
    elif dealt.usable(split):
        with st.container(horizontal=True, vertical_alignment="center", key="use-split"):
            st.button("Use this split", icon=":material/call_split:", on_click=dealt.use, args=(scope,))
            st.caption(
                "Overview, Bias and Defects then judge the loaded model on those test images alone that show no part it"
                " was trained on. The link keeps it.",
                width="stretch",
            )
    else:
        st.caption(
            ":material/info: It cannot be put into force for the loaded model: no test image would be left that shows a"
            " part which the model has not seen."
        )


def _price(scope: Scope) -> None:
    """What leaks are worth to a head on frozen features, or the button that computes it."""
    predictions = scope.predictions
    positive = () if predictions is None else known_defects(predictions)
    families = None if scope.families is None else kin.family_key(scope.images)
    place = slot(
        "head price",
        images=scope.images.key,
        families=families,
        positive=positive,
        features=embedded.network(),
    )
    price: HeadPrice | None = kept.recall(place, HeadPrice, HeadFigures, Rate)
    if price is None:
        st.markdown(
            "**What would an honest split cost?** Before you train again, a quick head can tell by about how much."
        )
        offer("Estimate the price", f"price {place.key[:16]}", lambda: _priced(scope, positive, place))
        st.caption("A few minutes for some thousand images; what is done is kept.", width="content")
        return
    way, cost = price.by_image, price.by_unit
    st.markdown(
        f"**A head on frozen features, not the model**: {price.images:,} images of {price.units:,} parts and groups."
    )
    st.dataframe(_figures(price), hide_index=True, alt="Figures of a head in folds dealt in two ways")
    if way.auc.value is not None and cost.auc.value is not None:
        st.caption(
            f"Dealt by part and group, the AUC of the head is {cost.auc.value - way.auc.value:+.3f} against dealing"
            " image by image. Ranges are 95 % intervals over folds. The model remembers parts better than a head does,"
            " so that its own loss may be larger."
        )
    if price.left_out:
        st.caption(f"Left out, as they have too few parts: {sentence_list([plain(name) for name in price.left_out])}.")
    draw.table("The price (CSV)", lambda: price.table, "price-of-a-grouped-split.csv", "csv price")


def _priced(scope: Scope, positive: tuple[str, ...], place: Slot) -> HeadPrice | None:
    progress = Stoppable(f"Looking at {len(scope.images):,} images", f"price {place.key[:16]}")
    if progress.stopped:
        return None
    items = scope.images.items
    features = frozen_features(items, progress)
    progress.step("Fitting heads")
    price = head_price(items, features, scope.families, positive, progress)
    kept.keep(place, price, 4096)
    progress.done()
    return price


def _figures(price: HeadPrice) -> pd.DataFrame:
    import pandas as pd

    ways = {"Dealt image by image": price.by_image, "Dealt by part and group": price.by_unit}
    rows = []
    for name in ("accuracy", "AUC", "escapes at 5 % overkill"):
        rates = [{"accuracy": f.accuracy, "AUC": f.auc}.get(name, f.escapes) for f in ways.values()]
        if rates[0].value is not None:
            rows.append((name, *(_said(rate, name) for rate in rates)))
    return pd.DataFrame(rows, columns=["Figure", *ways])


def _said(rate: Rate, name: str) -> str:
    if rate.value is None:
        return "unknown"
    text = f"{rate.value:.3f}" if name == "AUC" else f"{rate.value:.1%}"
    return f"{text} ({draw.interval(rate, name)})"
