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
from workbench.predictions import Predictions
from workbench.probe import Moved, Versus, compare_models, maps_moved
from workbench.stats import Rate
from workbench.ui import choice, draw, photographs, session, url
from workbench.ui.cache import computed, slot
from workbench.ui.probe.edit import EDITED_EDGE
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.text import plain

if TYPE_CHECKING:
    from workbench.models import Classifier

MAPPED = 40
MAPS = ("grad_cam", "integrated_gradients", "saliency", "input_x_gradient")


@guarded
def view(model: choice.ModelChoice, images: ImageSet, item: ImageItem, known: Predictions | None) -> None:
    """Choose the other one, then image, set and reasons."""
    options = _others(model)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        titles = {
            **{how: f"Compressed copy: {how}" for how in CHEAPER},
            **{one: load_catalog().models[ref].title for one, ref in options.items()},
        }
        other = url.select(
            "Compare with", list(titles), key="versus", default="int8", format_func=titles.__getitem__, width=280
        )
        method = url.select("Map by", list(MAPS), key="map", format_func=lambda name: METHODS[name].title, width=230)
        draw.meaning("model-comparison")
    first = choice.classifier(model)
    second = _cheaper(model, first, other) if other in CHEAPER else choice.other(options[other])
    if other in CHEAPER:
        before, after = stored(first).size, stored(second, other).size
        st.caption(
            f"Its weights {CHEAPER[other].about}: {after / 2**20:.2f} MB to store; the original takes"
            f" {before / 2**20:.2f} MB."
        )
    st.subheader("On this image", anchor=False)
    _image(model, item, (first, second), (model.title, titles[other]), method)
    st.subheader("On the set", anchor=False)
    items = samples.draw_sample(samples.testing_items(images, known), samples.SAMPLE, 0)
    _set(model, images, items, known, second, (model.title, titles[other]))
    st.subheader("Do they decide for the same reasons?", anchor=False)
    _reasons(images, items[:MAPPED], first, second, method)


def _others(model: choice.ModelChoice) -> dict[str, str]:
    """The catalog's models with the same classes, by their address; one may be named like a compressed copy."""
    found = {}
    for ref, entry in load_catalog().models.items():
        try:
            folder = Path(entry.ref)
            if ref != model.ref and folder.is_dir() and set(read_spec(folder).classes) == set(model.rule.class_names):
                found[url.named(ref, CHEAPER)] = ref
        except InputError:  # an entry that cannot be read is told of where it is chosen
            continue
    return found


def _cheaper(model: choice.ModelChoice, first: Classifier, other: str) -> Classifier:
    place = slot("cheaper copy", **model.identity, how=other)
    return place.kept(lambda: cheaper(first, other), lambda _: 4 * first.parameters)


def _image(
    model: choice.ModelChoice,
    item: ImageItem,
    both: tuple[Classifier, Classifier],
    titles: tuple[str, str],
    method: str,
) -> None:
    """Decision, probability and map of either, on one scale."""
    from workbench.attribution import attribute
    from workbench.models import ask

    image = photographs.fitted(item, EDITED_EDGE)
    explained, shown = -1, []
    for one, title in zip(both, titles, strict=True):
        answers = ask(one, [np.asarray(image)])
        decided = int(one.rule.decide(answers)[0][0])
        explained = decided if explained < 0 else explained
        target = one.index(both[0].class_names[explained])  # the other one may list them in another order

        def make(progress: Stoppable, one: Classifier = one, target: int = target) -> object:
            try:
                return attribute(one, image, method, target, on_progress=progress)
            except InputError as error:
                return str(error)

        place = slot("compared map", model=one.key, rule=one.rule, image=item.id, method=method, target=target)
        found = computed(place, METHODS[method].title, make, lambda _: 2**20)
        said = f"**{plain(title)}**: {plain(one.class_names[decided])}, {float(answers[0, decided]):.1%}"
        shown.append((said, found))
    heats = [found.on_image() for _, found in shown if hasattr(found, "on_image")]
    scale = render.scale_of(heats, METHODS[method].signed) if heats else None
    with st.grid(2, min_column_width=260):
        for said, found in shown:
            with st.container():
                st.markdown(said)
                if isinstance(found, str):
                    st.info(plain(found, 400), icon=":material/block:")
                elif scale is not None and hasattr(found, "on_image"):
                    laid = render.overlay(image, found.on_image(), scale.signed, scale.limit)
                    st.image(laid, width="stretch", output_format="PNG", alt=f"{METHODS[method].title} of {item.name}")
    if scale is not None:
        draw.colour_bar(
            scale,
            f"{METHODS[method].unit}, one scale for both, of the class {plain(model.rule.class_names[explained], 60)}",
        )


def _set(
    model: choice.ModelChoice,
    images: ImageSet,
    items: list[ImageItem],
    known: Predictions | None,
    second: Classifier,
    titles: tuple[str, str],
) -> None:
    place = slot(
        "versus",
        **model.identity,
        **_second_of(second, images, items),
        table=None if known is None else session.token(known),
    )

    def make(progress: Stoppable) -> Versus:
        from workbench.models import predict

        theirs = predict(second, items, on_progress=progress)
        ours = known if known is not None else predict(choice.classifier(model), items, on_progress=progress)
        return compare_models(ours, theirs, ours.frame["name"].isin(theirs.frame["name"]).to_numpy(bool))

    found: Versus | None = place.get()
    if found is None:
        st.caption(f"The other model runs on {len(items):,} images{samples.of_split(items)}.")
        offer(
            f"Compare on {len(items):,} images", f"versus {second.key[:12]}",
            lambda: computed(place, "Running the other model", make, lambda one: 2**20),
        )  # fmt: skip
        return
    _told(found, titles)


def _second_of(second: Classifier, images: ImageSet, items: list[ImageItem]) -> dict[str, object]:
    """What a comparison depends on beside the first model."""
    return {"second": (second.key, second.rule), "images": images.key, "items": [item.name for item in items]}


def _told(found: Versus, titles: tuple[str, str]) -> None:
    labelled = found.both_right + found.only_first + found.only_second + found.both_wrong
    first, second = (plain(title) for title in titles)
    st.markdown(f"Both decide alike on {_share(found.agree)} of {found.agree.support:,} images.")
    if labelled:
        proven = "so they are not equally good" if found.p <= 0.05 else "so chance alone could explain the difference"
        st.markdown(
            f"{first} is right on {_share(found.first)}, {second} on {_share(found.second)}: a difference of "
            f"{_points(found.difference)}. Only the first is right on {found.only_first:,}, only the second on "
            f"{found.only_second:,}: McNemar's p = {found.p:.2g}, {proven}."
        )
    if len(found.frame):
        st.dataframe(found.frame.head(200), hide_index=True, alt="Where they disagree")
        draw.table("Where they disagree (CSV)", lambda: found.frame, "disagreements.csv", "csv versus")


def _points(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "not known"
    return f"{100 * rate.value:+z.1f} points (95 % interval {100 * rate.low:+z.1f} to {100 * rate.high:+z.1f})"


def _share(rate: Rate) -> str:
    return "n/a" if rate.value is None else f"{rate.value:.1%} ({draw.interval(rate)})"


def _reasons(images: ImageSet, items: list[ImageItem], first: Classifier, second: Classifier, method: str) -> None:
    import pandas as pd

    facts = {"model": first.key, "rule": first.rule, **_second_of(second, images, items), "method": method}
    place, kept = slot("moved maps", **facts), slot("moved rows", **facts)
    rows = kept.get() or {}

    def make(progress: Stoppable) -> Moved:
        try:
            return maps_moved(
                first, second, items, method, params={"background": images}, known=rows, on_progress=progress
            )
        finally:
            kept.put(rows, 1024 * (1 + len(rows)))

    found: Moved | None = place.get()
    if found is None:
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
                "the two models": _mean(found.figures[name]),
                "no change looks like": _mean(found.figures[f"own_{name}"]),
            }
            for name in words
        ]
    )
    st.table(frame.set_index("figure"))
    st.caption(f"Means over {len(found.frame):,} images{samples.of_split(items)}, with 95 % intervals.")
    draw.table("Each image (CSV)", lambda: found.frame, f"maps-moved-{method}.csv", "csv moved")


def _mean(rate: Rate) -> str:
    return "n/a" if rate.value is None else f"{rate.value:.2f} ({rate.low:.2f} to {rate.high:.2f})"
