"""The view of two models side by side: on this image, on the set, and whether they decide for the same reasons."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from workbench.attribution import METHODS
from workbench.drawing import render
from workbench.errors import InputError
from workbench.images import ImageItem, ImageSet, Pixels, as_pixels, samples
from workbench.models import CHEAPER, cheaper, stored
from workbench.probe import Moved, Versus, compare_models, maps_moved, outcomes
from workbench.report import model_folder
from workbench.stats import Rate
from workbench.texts import shortened
from workbench.ui import choice, companions, draw, kin, photographs, results, session, url
from workbench.ui.cache import computed, slot
from workbench.ui.probe.conclusion import TILE, conclude
from workbench.ui.probe.edit import EDITED_EDGE
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.text import plain
from workbench.ui.view import ImageView, View

if TYPE_CHECKING:
    import pandas as pd

    from workbench.models import Classifier

MAPPED, MOST_TILES, MOST_ROWS = 40, 12, 200
MAPS = ("grad_cam", "integrated_gradients", "saliency", "input_x_gradient")


@guarded
def section(view: ImageView) -> None:
    """Choose the other one, then image, set and reasons."""
    options = companions.others(view.model)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        titles = {
            **{how: f"Compressed copy: {how}" for how in CHEAPER},
            **{option: companions.title(ref) for option, ref in options.items()},
        }
        other = url.select(
            "Compare with", list(titles), key="versus", default="int8", format_func=titles.__getitem__, width=280
        )
        method = url.select("Map by", list(MAPS), key="map", format_func=lambda name: METHODS[name].title, width=230)
        draw.meaning("model-comparison", "How are models compared?")
    first = choice.classifier(view.model)
    second = _cheaper(view.model, first, other) if other in CHEAPER else choice.other(options[other])
    if other in CHEAPER:
        before, after = stored(first).size, stored(second, other).size
        st.caption(
            f"Its weights {CHEAPER[other].about}: {after / 2**20:.2f} MB to store; the original takes"
            f" {before / 2**20:.2f} MB."
        )
    names = (view.model.title, f"{view.model.title}, {other} copy" if other in CHEAPER else titles[other])
    _image(view, (first, second), names, method)
    st.header("On the set", anchor=False)
    folders = (view.model.folder, None if other in CHEAPER else model_folder(options[other]))
    held, note = companions.held_out(samples.testing_items(view.images, view.predictions), folders)
    items = samples.draw_sample(held, samples.SAMPLE, 0)
    if note:
        st.caption(f":material/info: {note}")
    _set(view, items, second, names)
    st.header("Do they decide for the same reasons?", anchor=False)
    _reasons(view.images, items[:MAPPED], (first, second), names, method)


def _cheaper(model: choice.ModelChoice, first: Classifier, other: str) -> Classifier:
    place = slot("cheaper copy", **model.identity, how=other)
    return place.kept(lambda: cheaper(first, other), lambda _: 4 * first.parameters)


def _image(view: ImageView, both: tuple[Classifier, Classifier], titles: tuple[str, str], method: str) -> None:
    """Decision, probability and map of either, on one scale."""
    from workbench.attribution import attribute
    from workbench.models import ask

    image = photographs.fitted(view.item, EDITED_EDGE)
    explained, cells, said = -1, [], []
    top = st.container()
    for clf, title in zip(both, titles, strict=True):
        pixels = as_pixels(results.editable(view, EDITED_EDGE, clf))
        answers = ask(clf, [pixels])
        decision = int(clf.rule.decide(answers)[0][0])
        explained = decision if explained < 0 else explained
        target = clf.index(both[0].class_names[explained])  # the other one may list them in another order

        def make(progress: Stoppable, clf: Classifier = clf, target: int = target, pixels: Pixels = pixels) -> object:
            try:
                return attribute(clf, clf.input(pixels), method, target, on_progress=progress)
            except InputError as error:
                return str(error)

        place = slot("compared map", model=clf.key, rule=clf.rule, image=view.item.id, method=method, target=target)
        outcome = computed(place, METHODS[method].title, make, lambda _: 2**20)
        heading = f"**{plain(title)}**: {plain(clf.class_names[decision])}, {float(answers[0, decision]):.1%}"
        cells.append((heading, outcome))
        said.append((clf.class_names[decision], float(answers[0, decision])))
    with top:
        conclude(outcomes.of_pair(titles, said))
    heats = [outcome.on_image() for _, outcome in cells if hasattr(outcome, "on_image")]
    scale = render.scale_of(heats, METHODS[method].signed) if heats else None
    with st.container(horizontal=True):
        for heading, outcome in cells:
            with st.container(width=TILE):
                st.markdown(heading)
                if isinstance(outcome, str):
                    st.info(plain(outcome, 400), icon=":material/block:")
                elif scale is not None and hasattr(outcome, "on_image"):
                    overlay = render.overlay(image, outcome.on_image(), scale.signed, scale.limit)
                    draw.image(overlay, f"{METHODS[method].title} of {view.item.name}")
    if scale is not None:
        of = plain(view.model.rule.class_names[explained], 60)
        draw.colour_bar(scale, f"{METHODS[method].unit}, one scale for both, of the class {of}")


def _set(view: View, items: list[ImageItem], second: Classifier, titles: tuple[str, str]) -> None:
    predictions = view.predictions
    table = None if predictions is None else session.token(predictions)
    place = slot("versus", **view.model.identity, **_second_of(second, view.images, items), table=table)

    def make(progress: Stoppable) -> Versus:
        from workbench.models import predict

        theirs = predict(second, items, on_progress=progress)
        ours = (
            predictions
            if predictions is not None
            else predict(choice.classifier(view.model), items, on_progress=progress)
        )
        return compare_models(ours, theirs, ours.frame["name"].isin(theirs.frame["name"]).to_numpy(bool))

    result: Versus | None = place.get()
    if result is None:
        st.caption(f"{plain(titles[1])} runs on {len(items):,} images{samples.of_split(items)}.")
        offer(
            f"Compare on {len(items):,} images", f"versus {second.key[:12]}",
            lambda: computed(place, f"Running {titles[1]}", make, lambda one: 2**20),
        )  # fmt: skip
        return
    _summary(view, result, titles)


def _second_of(second: Classifier, images: ImageSet, items: list[ImageItem]) -> dict[str, object]:
    """What a comparison depends on beside the first model."""
    return {"second": (second.key, second.rule), "images": images.key, "items": [item.name for item in items]}


def _summary(view: View, result: Versus, names: tuple[str, str]) -> None:
    """The outcome, the images on which they differ, and the table of those."""
    conclude(outcomes.of_models(result, *names), within=True)
    if not len(result.frame):
        return
    frame = result.named(*names)
    few = f", the first {MOST_TILES}" if len(frame) > MOST_TILES else ""
    many = "1 image" if len(frame) == 1 else f"{len(frame):,} images"
    st.subheader(f"Where they differ: {many}{few}", anchor=False)
    with st.grid(MOST_TILES, min_column_width=150, gap="small", key="differ"):
        for line in result.frame.head(MOST_TILES).to_dict("records"):
            _tile(view.image(line["name"]), line, names)
    shown = frame.head(MOST_ROWS).rename(columns={"name": "Image", "label": "Ground truth", "right": "Right"})
    columns = ["Image", "Ground truth", *names, "Right"]
    st.dataframe(shown[columns], hide_index=True, alt=f"Images that {names[0]} and {names[1]} decide differently")
    draw.table("Where they differ (CSV)", lambda: frame, "disagreements.csv", "csv versus")


def _tile(item: ImageItem, line: Mapping[Hashable, Any], names: tuple[str, str]) -> None:
    """An image, with what each model calls it."""
    with st.container(gap="xsmall"):
        image = photographs.thumbnail(item)
        if image is not None:
            draw.image(image, item.name)
        truth = f"truth {plain(line['label'])}" if line["label"] else "truth not known"
        st.caption(
            f"{plain(shortened(item.name, 24))}, {truth}  \n{plain(names[0])}: **{plain(line['first'])}**  \n"
            f"{plain(names[1])}: **{plain(line['second'])}**"
        )


def _reasons(
    images: ImageSet,
    items: list[ImageItem],
    both: tuple[Classifier, Classifier],
    names: tuple[str, str],
    method: str,
) -> None:
    first, second = both
    facts = {"model": first.key, "rule": first.rule, **_second_of(second, images, items), "method": method}
    place, rows_slot = slot("moved maps", **facts, families=kin.known_key(images)), slot("moved rows", **facts)
    rows = rows_slot.get() or {}

    def make(progress: Stoppable) -> Moved:
        try:
            return maps_moved(
                first,
                second,
                items,
                method,
                params={"background": images},
                units=kin.units_of(images),
                known=rows,
                on_progress=progress,
            )
        finally:
            rows_slot.put(rows, 1024 * (1 + len(rows)))

    result: Moved | None = place.get()
    if result is None:
        st.caption(f"{METHODS[method].title} of both models on {len(items):,} images{samples.of_split(items)}.")
        offer(
            f"Compare the maps of {len(items):,} images", f"moved {method} {second.key[:12]}",
            lambda: computed(place, "Comparing maps", make, lambda one: 2**20),
        )  # fmt: skip
        return
    conclude(outcomes.of_reasons(result, *names), within=True)
    st.table(_figures(result, names).set_index("Mean"))
    st.caption(
        f"Means over {len(result.frame):,} images{samples.of_split(items)}, with 95 % intervals{_joined(result)}."
    )
    draw.table("Each image (CSV)", lambda: result.frame, f"maps-moved-{method}.csv", "csv moved")


def _joined(result: Moved) -> str:
    groups = result.figures["same"].groups
    return ", each image taken as independent" if groups is None else f" by unit: the images come in {groups:,} units"


def _figures(result: Moved, names: tuple[str, str]) -> pd.DataFrame:
    import pandas as pd

    words = {
        "correlation": "Rank correlation of the maps",
        "overlap": "Overlap of their top tenth",
        "same": "Same decision",
    }
    lines = [
        {
            "Mean": words[name],
            f"{names[0]} and {names[1]}": _mean(result.figures[name]),
            f"{names[0]} under noise of one grey level": _mean(result.figures[f"own_{name}"]),
        }
        for name in words
    ]
    return pd.DataFrame(lines)


def _mean(rate: Rate) -> str:
    return "n/a" if rate.value is None else f"{rate.value:.2f} ({rate.low:.2f} to {rate.high:.2f})"
