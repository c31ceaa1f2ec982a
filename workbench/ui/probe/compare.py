"""The view of two models side by side: on this image, on the set, and whether they decide for the same reasons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from workbench.attribution import METHODS
from workbench.catalog import load_catalog
from workbench.drawing import render
from workbench.errors import InputError
from workbench.images import ImageItem, ImageSet, samples
from workbench.models import CHEAPER, cheaper, read_spec, stored
from workbench.probe import Moved, Versus, compare_models, maps_moved
from workbench.stats import Rate
from workbench.ui import choice, draw, photographs, session, url
from workbench.ui.cache import computed, slot
from workbench.ui.probe.edit import EDITED_EDGE
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.text import plain
from workbench.ui.view import ImageView, View

if TYPE_CHECKING:
    from workbench.models import Classifier

MAPPED = 40
MAPS = ("grad_cam", "integrated_gradients", "saliency", "input_x_gradient")


@guarded
def section(view: ImageView) -> None:
    """Choose the other one, then image, set and reasons."""
    options = _others(view.model)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        titles = {
            **{how: f"Compressed copy: {how}" for how in CHEAPER},
            **{option: load_catalog().models[ref].title for option, ref in options.items()},
        }
        other = url.select(
            "Compare with", list(titles), key="versus", default="int8", format_func=titles.__getitem__, width=280
        )
        method = url.select("Map by", list(MAPS), key="map", format_func=lambda name: METHODS[name].title, width=230)
        draw.meaning("model-comparison")
    first = choice.classifier(view.model)
    second = _cheaper(view.model, first, other) if other in CHEAPER else choice.other(options[other])
    if other in CHEAPER:
        before, after = stored(first).size, stored(second, other).size
        st.caption(
            f"Its weights {CHEAPER[other].about}: {after / 2**20:.2f} MB to store; the original takes"
            f" {before / 2**20:.2f} MB."
        )
    st.subheader("On this image", anchor=False)
    _image(view, (first, second), (view.model.title, titles[other]), method)
    st.subheader("On the set", anchor=False)
    items = samples.draw_sample(samples.testing_items(view.images, view.predictions), samples.SAMPLE, 0)
    _set(view, items, second, (view.model.title, titles[other]))
    st.subheader("Do they decide for the same reasons?", anchor=False)
    _reasons(view.images, items[:MAPPED], first, second, method)


def _others(model: choice.ModelChoice) -> dict[str, str]:
    """The catalog's models with the same classes, by their address; one may be named like a compressed copy."""
    options = {}
    for ref, entry in load_catalog().models.items():
        try:
            folder = Path(entry.ref)
            if ref != model.ref and folder.is_dir() and set(read_spec(folder).classes) == set(model.rule.class_names):
                options[url.named(ref, CHEAPER)] = ref
        except InputError:  # an entry that cannot be read is told of where it is chosen
            continue
    return options


def _cheaper(model: choice.ModelChoice, first: Classifier, other: str) -> Classifier:
    place = slot("cheaper copy", **model.identity, how=other)
    return place.kept(lambda: cheaper(first, other), lambda _: 4 * first.parameters)


def _image(view: ImageView, both: tuple[Classifier, Classifier], titles: tuple[str, str], method: str) -> None:
    """Decision, probability and map of either, on one scale."""
    from workbench.attribution import attribute
    from workbench.models import ask

    image = photographs.fitted(view.item, EDITED_EDGE)
    explained, cells = -1, []
    for clf, title in zip(both, titles, strict=True):
        answers = ask(clf, [np.asarray(image)])
        decision = int(clf.rule.decide(answers)[0][0])
        explained = decision if explained < 0 else explained
        target = clf.index(both[0].class_names[explained])  # the other one may list them in another order

        def make(progress: Stoppable, clf: Classifier = clf, target: int = target) -> object:
            try:
                return attribute(clf, image, method, target, on_progress=progress)
            except InputError as error:
                return str(error)

        place = slot("compared map", model=clf.key, rule=clf.rule, image=view.item.id, method=method, target=target)
        outcome = computed(place, METHODS[method].title, make, lambda _: 2**20)
        heading = f"**{plain(title)}**: {plain(clf.class_names[decision])}, {float(answers[0, decision]):.1%}"
        cells.append((heading, outcome))
    heats = [outcome.on_image() for _, outcome in cells if hasattr(outcome, "on_image")]
    scale = render.scale_of(heats, METHODS[method].signed) if heats else None
    with st.grid(2, min_column_width=260):
        for heading, outcome in cells:
            with st.container():
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
        st.caption(f"The other model runs on {len(items):,} images{samples.of_split(items)}.")
        offer(
            f"Compare on {len(items):,} images", f"versus {second.key[:12]}",
            lambda: computed(place, "Running the other model", make, lambda one: 2**20),
        )  # fmt: skip
        return
    _summary(result, titles)


def _second_of(second: Classifier, images: ImageSet, items: list[ImageItem]) -> dict[str, object]:
    """What a comparison depends on beside the first model."""
    return {"second": (second.key, second.rule), "images": images.key, "items": [item.name for item in items]}


def _summary(result: Versus, titles: tuple[str, str]) -> None:
    count = result.both_right + result.only_first + result.only_second + result.both_wrong
    first, second = (plain(title) for title in titles)
    st.markdown(f"Both decide alike on {_share(result.agree)} of {result.agree.support:,} images.")
    if count:
        conclusion = (
            "so they are not equally good" if result.p <= 0.05 else "so chance alone could explain the difference"
        )
        st.markdown(
            f"{first} is right on {_share(result.first)}, {second} on {_share(result.second)}: a difference of "
            f"{_points(result.difference)}. Only the first is right on {result.only_first:,}, only the second on "
            f"{result.only_second:,}: McNemar's p = {result.p:.2g}, {conclusion}."
        )
    if len(result.frame):
        st.dataframe(result.frame.head(200), hide_index=True, alt="Where they disagree")
        draw.table("Where they disagree (CSV)", lambda: result.frame, "disagreements.csv", "csv versus")


def _points(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "not known"
    return f"{100 * rate.value:+z.1f} points (95 % interval {100 * rate.low:+z.1f} to {100 * rate.high:+z.1f})"


def _share(rate: Rate) -> str:
    return "n/a" if rate.value is None else f"{rate.value:.1%} ({draw.interval(rate)})"


def _reasons(images: ImageSet, items: list[ImageItem], first: Classifier, second: Classifier, method: str) -> None:
    import pandas as pd

    facts = {"model": first.key, "rule": first.rule, **_second_of(second, images, items), "method": method}
    place, rows_slot = slot("moved maps", **facts), slot("moved rows", **facts)
    rows = rows_slot.get() or {}

    def make(progress: Stoppable) -> Moved:
        try:
            return maps_moved(
                first, second, items, method, params={"background": images}, known=rows, on_progress=progress
            )
        finally:
            rows_slot.put(rows, 1024 * (1 + len(rows)))

    result: Moved | None = place.get()
    if result is None:
        st.caption(f"{METHODS[method].title} of both models for {len(items):,} images{samples.of_split(items)}.")
        offer(
            f"Compare the maps of {len(items):,} images", f"moved {method} {second.key[:12]}",
            lambda: computed(place, "Comparing maps", make, lambda one: 2**20),
        )  # fmt: skip
        return
    words = {
        "correlation": "rank correlation of the maps",
        "overlap": "overlap of their top tenth",
        "same": "same decision",
    }
    frame = pd.DataFrame(
        [
            {
                "figure": words[name],
                "the two models": _mean(result.figures[name]),
                "no change looks like": _mean(result.figures[f"own_{name}"]),
            }
            for name in words
        ]
    )
    st.table(frame.set_index("figure"))
    st.caption(f"Means over {len(result.frame):,} images{samples.of_split(items)}, with 95 % intervals.")
    draw.table("Each image (CSV)", lambda: result.frame, f"maps-moved-{method}.csv", "csv moved")


def _mean(rate: Rate) -> str:
    return "n/a" if rate.value is None else f"{rate.value:.2f} ({rate.low:.2f} to {rate.high:.2f})"
