"""The view of training images behind a decision: the nearest, and those that speak for and against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.probe import Behind, behind, outcomes
from workbench.ui import choice, draw, kin, neighbours, photographs, results, url
from workbench.ui.cache import computed, slot
from workbench.ui.probe.conclusion import conclude
from workbench.ui.progress import Stoppable, guarded
from workbench.ui.text import plain
from workbench.ui.view import ImageView

if TYPE_CHECKING:
    import pandas as pd

MOST_BEHIND = 8
AIMS = {"predicted": "predicted class"}


@guarded
def section(view: ImageView) -> None:
    """Three rows of training images with labels."""
    answers = view.predictions
    if answers is None or not (answers.frame["split"] == "train").any():
        st.info(
            f"{plain(view.images.name)} has no training split, so the training images are not known. Add a column "
            "split to its manifest, or folders train, validation and test.",
            icon=":material/school:",
        )
        return
    table = neighbours.embedded(view)
    if table is None:
        return
    predictions, vectors = table
    with st.container(horizontal=True, vertical_alignment="bottom"):
        classes = {url.named(name, AIMS): name for name in predictions.class_names}
        target = url.select(
            "Influence on the class",
            [*AIMS, *classes],
            key="behind_class",
            format_func=lambda name: AIMS.get(name) or name.removeprefix("="),
            width=230,
        )
        draw.meaning("influential-training-images", "What is an influential image?")

    def make(progress: Stoppable) -> Behind:
        row = predictions.by_name.get(view.item.name)
        splits = answers.frame.set_index("name")["split"].reindex(predictions.frame["name"])
        subject = results.ready(view) if row is None else row
        index = classes.get(target)
        return behind(
            choice.classifier(view.model), vectors, predictions, (splits == "train").to_numpy(bool), subject,
            target=index, k=MOST_BEHIND, on_progress=progress,
        )  # fmt: skip

    facts = {"images": view.images.key, "families": kin.known_key(view.images), "image": view.item.id}
    place = slot("influence", **view.model.identity, **facts, target=target)
    result = computed(place, "Computing influence", make, lambda _: 64 * 1024)
    if result is not None:
        _rows(view, result)


def _rows(view: ImageView, result: Behind) -> None:
    conclude(outcomes.of_training(result))
    st.caption(
        f"{plain(result.target)} at {result.confidence:.1%}; {result.among:,} training images were searched. Similar"
        " to the model does not mean that it learnt the decision from them."
    )
    rows = {
        "Nearest": result.nearest,
        f"For {result.target}": result.proponents,
        f"Against {result.target}": result.opponents,
    }
    for number, (title, frame) in enumerate(rows.items()):
        st.subheader(plain(title), anchor=False)
        if frame.empty:
            st.caption(plain(result.why or "None.", 300))
            continue
        _row(view, frame, number)
        for reason in dict.fromkeys(frame["look"].dropna()):
            names = ", ".join(plain(name) for name in frame["name"][frame["look"] == reason])
            st.warning(f"{names}: {plain(reason, 300)}", icon=":material/flag:")
    stem = draw.stem(view.item.name)
    with st.container(horizontal=True):
        for title, frame in rows.items():
            label, name = f"{plain(title)} (CSV)", f"{stem}-{title.split()[0].lower()}.csv"
            draw.table(label, lambda frame=frame: frame, name, title)  # type: ignore[misc]


def _row(view: ImageView, frame: pd.DataFrame, number: int) -> None:
    with st.grid(MOST_BEHIND, min_column_width=96, gap="small", key=f"behind-{number}"):
        for line in frame.to_dict("records"):
            with st.container(gap="xsmall"):
                image = photographs.thumbnail(view.image(line["name"]))
                if image is not None:
                    draw.image(image, str(line["name"]))
                flag = ":material/flag: " if line["look"] else ""
                figure = f"{line['similarity']:.3f}" if number == 0 else f"{line['influence']:+.2g}"
                st.caption(f"{flag}{plain(line['label'] or 'no label')} · {figure}")
