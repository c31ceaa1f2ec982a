"""What to label next: a ranked list of images without a label, and the set with them as a table to train from."""

from __future__ import annotations

import dataclasses

import streamlit as st

from workbench.errors import InputError
from workbench.quality import manifest
from workbench.reliability import NextToLabel, next_result, next_to_label
from workbench.texts import shortened
from workbench.ui import audits, checks, companions, draw, runs, session, url
from workbench.ui.progress import guarded, offer
from workbench.ui.reliability.fit import record_of
from workbench.ui.reliability.scope import Scope
from workbench.ui.text import plain

SHOWN_NEXT = 12


@st.fragment
@guarded
def section(scope: Scope) -> None:
    """Before and after where the model went on from another; the list, its first images, and the downloads; or what to
    bring for one."""
    _before_and_after(scope)
    count = unlabelled_of(scope)
    if not count:
        st.caption(
            "All images of this set have labels. Bring new ones without labels, in the set or as rows of its table, and"
            " those that are most foreign, most unsure and most costly are listed here, each part once."
        )
        return
    outputs = audits.outputs_of(scope)
    try:
        features = audits.embeddings(scope, outputs)
    except InputError:
        st.markdown(
            f":material/radio_button_unchecked: **Not looked for yet**: which of {count:,} images without a label to"
            " label next. It needs to know what they look like to the model."
        )
        token = session.token(scope.images)[:12]
        offer(f"Run the model over {len(scope.images):,} images", f"embed {token}", lambda: _audited(scope))
        return
    record = record_of(scope)
    seen = "" if record is None else record.key
    result = scope.kept(
        ("label next", seen), lambda: next_to_label(scope.predictions, features, record, positive=scope.positive)
    )
    checks.lines([next_result(result)])
    if not result.reason:
        _listed(scope, result)


def _before_and_after(scope: Scope) -> None:
    """The way to Compare, with the model that this one went on from."""
    option = companions.earlier(scope.model)
    if option is None:
        return
    if option:
        st.page_link(
            url.PROBE,
            label="Compare with the model before, on the same held-out images",
            icon=":material/compare:",
            query_params=url.link(view="compare", versus=option),
        )
        return
    st.caption(
        "This model went on from another one, which is not named here: `workbench run --model THIS --beside BEFORE`"
        " opens both, and a link to Compare stands here."
    )


def unlabelled_of(scope: Scope) -> int:
    """How many images have no label."""
    return int(scope.predictions.frame["label"].isna().sum())


def _audited(scope: Scope) -> object:
    return runs.audited(scope, embeddings=True)


def _listed(scope: Scope, result: NextToLabel) -> None:
    rows = result.frame.to_dict("records")[:SHOWN_NEXT]
    with st.grid(SHOWN_NEXT, min_column_width=80, gap="xsmall", key="next tiles"):
        for number, row in enumerate(rows):
            name = str(row["name"])
            with st.container(gap=None, key=f"thumb-next-{number}"):
                draw.thumbnail(scope.image(name))
                label = plain(shortened(name.rpartition("/")[2], 18))
                st.page_link(url.EXPLAIN, label=label, query_params=url.link(image=name), help=plain(name))
                st.caption(f"most {row['why']}")
    with st.container(horizontal=True):
        draw.table("List (CSV)", lambda: result.frame, "label-next-list.csv", "csv label next")
        draw.download("Set with the list (CSV)", lambda: _manifest(scope, result), "label-next.csv", "label next set")
    st.caption(
        "Fill in the labels of the second table, put it into the folder of the images, and go on from the model:"
        " `workbench train label-next.csv --from MODEL --out NEW`; then open both: `workbench run --model NEW --beside"
        " MODEL --images label-next.csv`, and a link to Compare stands here. Costs count an escape and an overkill"
        " alike."
    )


def _manifest(scope: Scope, result: NextToLabel) -> str:
    """The labelled images and those of the list, which train."""
    listed = set(result.frame["name"])
    items = tuple(
        dataclasses.replace(item, split="train") if item.name in listed else item
        for item in scope.images
        if item.label is not None or item.name in listed
    )
    return manifest(dataclasses.replace(scope.images, items=items))
