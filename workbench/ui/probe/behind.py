"""The view of training images behind a decision: the nearest, and those that speak for and against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.images import ImageItem, ImageSet
from workbench.predictions import Predictions
from workbench.probe import Behind, behind
from workbench.ui import choice, draw, neighbours, photographs, results, url
from workbench.ui.cache import computed, slot
from workbench.ui.progress import Stoppable, guarded
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

MOST_BEHIND = 8
AIMS = {"predicted": "predicted class"}


@guarded
def view(model: choice.ModelChoice, images: ImageSet, item: ImageItem, known: Predictions | None) -> None:
    """Three rows of training images with labels."""
    if known is None or not (known.frame["split"] == "train").any():
        st.info(
            f"{plain(images.name)} has no training split, so the training images are not known. Add a column split to"
            " its manifest, or folders train, validation and test.",
            icon=":material/school:",
        )
        return
    found = neighbours.embedded(model, images)
    if found is None:
        return
    predictions, vectors = found
    with st.container(horizontal=True, vertical_alignment="bottom"):
        classes = {url.named(name, AIMS): name for name in predictions.class_names}
        target = url.select(
            "Influence on the class",
            [*AIMS, *classes],
            key="behind_class",
            format_func=lambda name: AIMS.get(name) or name.removeprefix("="),
            width=230,
        )
        draw.meaning("influential-training-images")

    def make(progress: Stoppable) -> Behind:
        at = predictions.frame.index[predictions.frame["name"] == item.name]
        splits = known.frame.set_index("name")["split"].reindex(predictions.frame["name"])
        asked = int(at[0]) if len(at) else results.ready(model, item)
        chosen = classes.get(target)
        return behind(
            choice.classifier(model), vectors, predictions, (splits == "train").to_numpy(bool), asked, target=chosen,
            k=MOST_BEHIND,
            on_progress=progress,
        )  # fmt: skip

    place = slot("influence", **model.identity, images=images.key, image=item.id, target=target)
    result = computed(place, "Computing influence", make, lambda _: 64 * 1024)
    if result is not None:
        _shown(images, item, result)


def _shown(images: ImageSet, item: ImageItem, found: Behind) -> None:
    st.markdown(
        f"#### {plain(found.target)} at {found.confidence:.1%}: influential images among {found.among:,} training"
        " images"
    )
    rows = {
        "Nearest": found.nearest,
        f"For {found.target}": found.proponents,
        f"Against {found.target}": found.opponents,
    }
    for number, (title, frame) in enumerate(rows.items()):
        st.markdown(f"**{plain(title)}**")
        if frame.empty:
            st.caption(plain(found.why or "None.", 300))
            continue
        _row(images, frame, number)
        for reason in dict.fromkeys(frame["look"].dropna()):
            names = ", ".join(plain(name) for name in frame["name"][frame["look"] == reason])
            st.warning(f"{names}: {plain(reason, 300)}", icon=":material/flag:")
    stem = draw.stem(item.name)
    with st.container(horizontal=True):
        for title, frame in rows.items():
            label, name = f"{plain(title)} (CSV)", f"{stem}-{title.split()[0].lower()}.csv"
            draw.table(label, lambda frame=frame: frame, name, title)  # type: ignore[misc]


def _row(images: ImageSet, frame: pd.DataFrame, number: int) -> None:
    with st.grid(MOST_BEHIND, min_column_width=96, gap="small", key=f"behind-{number}"):
        for line in frame.to_dict("records"):
            with st.container(gap="xsmall"):
                image = photographs.thumbnail(images.by_name[str(line["name"])])
                if image is not None:
                    st.image(image, width="stretch", output_format="PNG", alt=str(line["name"]))
                flag = ":material/flag: " if line["look"] else ""
                figure = f"{line['similarity']:.3f}" if number == 0 else f"{line['influence']:+.2g}"
                st.caption(f"{flag}{plain(line['label'] or 'no label')} · {figure}")
