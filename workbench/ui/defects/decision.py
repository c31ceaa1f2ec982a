"""One decision: image and ground truth, where the evidence lies, what filling it does, neighbours, verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from PIL import Image

from workbench.attribution import METHODS
from workbench.defects import DEFECT_FILLS, Decision, Filled, Spot, decide, fill_spots, spots
from workbench.drawing import render
from workbench.errors import InputError
from workbench.images import FILLS, ImageItem
from workbench.stats import nearest
from workbench.ui import choice, draw, neighbours, photographs, results, url
from workbench.ui.cache import computed, slot
from workbench.ui.defects import queue, record
from workbench.ui.defects.scope import Scope
from workbench.ui.defects.threshold import Setting
from workbench.ui.explain import OWN
from workbench.ui.progress import Stoppable, guarded
from workbench.ui.text import plain

if TYPE_CHECKING:
    from workbench.attribution import Attribution

VIEW_EDGE, MOST_SPOTS = 512, 3
"""Longest side of the images in pixels, and how many regions are filled."""
SPOT_METHODS = ("integrated_gradients", "grad_cam", "smoothgrad", "occlusion", "layer_cam")


@guarded
def section(scope: Scope, setting: Setting) -> None:
    """The chosen queue, and the decision about one of its images."""
    record.confirmation()
    row = queue.choose(scope, setting)
    if row is None:
        return
    item = _item(scope, row)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = url.select(
            "Map by", offered(scope.model), key="map", format_func=lambda name: METHODS[name].title, width=250
        )
        fill = url.select(
            "Fill regions with", list(DEFECT_FILLS), key="fill", format_func=lambda name: FILLS[name], width=290
        )
        draw.meaning("attributed-regions")
    head = st.container()
    image = photographs.fitted(item, VIEW_EDGE)
    target = _target(scope, row)
    result = results.attribution(scope.of(item), method, {"target": target, "score": "logit"}, {})
    attribution = None if isinstance(result, str) else result
    regions = [] if attribution is None else spots(_heatmap(attribution, image), MOST_SPOTS)
    fills = _fills(scope, item, regions, method, fill)
    decision = decide(item.id, float(scope.scores[row]), setting.band, regions, fills, _evidence(scope, method, target))
    with head:
        _sentence(scope, item, decision, target)
    if isinstance(result, str):
        st.info(plain(result, 600), icon=":material/block:")
    _images(item, image, attribution, regions)
    if attribution is not None:
        _table(item, decision)
    _neighbours(scope, row, item, method, attribution, image)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Your verdict", anchor=False)
        draw.meaning("journal-entry")
    record.form(scope, setting, item, decision, attribution)


def _item(scope: Scope, row: int) -> ImageItem:
    """The image of a row.

    Raises:
        InputError: Its file was written over since the model was asked about it: no verdict of then may stand beside
            the image of now.
    """
    item, then = scope.at(row), scope.predictions.frame["id"][row]
    if isinstance(then, str) and then != item.id:
        raise InputError(
            f"The file of {item.name} was overwritten after its prediction: audit the set again, or restore the file."
        )
    return item


def offered(model: choice.ModelChoice) -> list[str]:
    """The methods that a decision can be looked at with: the model's own map first, where it gives one."""
    return [*([OWN] if choice.classifier(model).scored else []), *SPOT_METHODS]


def _evidence(scope: Scope, method: str, target: str) -> str:
    """What a map's regions hold a share of."""
    if METHODS[method].reacts:
        return "what the score is sensitive to"
    if METHODS[method].family == "own":
        return "what the model's own map shows"
    return f"the evidence for {'a defect' if len(scope.positive) == 1 else target}"


def _signed(method: str) -> bool:
    """Whether the map can speak against the defect anywhere; of a reaction of the score only the size counts."""
    return METHODS[method].signed and not METHODS[method].reacts


def _target(scope: Scope, row: int) -> str:
    """The defect that the model finds most probable: what the map is asked about."""
    columns = [scope.predictions.class_names.index(name) for name in scope.positive]
    return scope.positive[int(scope.predictions.probabilities[row, columns].argmax())]


def _heatmap(attribution: Attribution, image: Image.Image) -> np.ndarray:
    """What speaks for the defect, over the pixels of the image shown."""
    return attribution.placement.scaled(image).to_original(attribution.ranking)


def _fills(scope: Scope, item: ImageItem, regions: list[Spot], method: str, fill: str) -> list[Filled]:
    """What filling each region does, computed one after the other; none where it was stopped."""

    def make(progress: Stoppable) -> list[Filled]:
        clf, image, done = choice.classifier(scope.model), photographs.fitted(item, VIEW_EDGE), []
        for number, region in enumerate(regions):
            progress(number, len(regions))
            done += fill_spots(clf, image, [region], scope.positive, fill)[1]
        return done

    if not regions or regions[0].inside.all():
        return []
    inside = [np.packbits(region.inside) for region in regions]
    facts = {"image": item.id, "regions": inside, "fill": fill, "positive": scope.positive}
    return (
        computed(slot("filled regions", **scope.model.identity, **facts), "Filling regions", make, lambda _: 4096) or []
    )


def _sentence(scope: Scope, item: ImageItem, decision: Decision, target: str) -> None:
    words = {"pass": "passed", "review": "for review", "reject": "rejected"}
    kinds = {True: ("reject", "escape"), False: ("pass", "overkill")}
    chips = f":{_COLOURS[decision.verdict]}-badge[{words[decision.verdict]}]"
    if item.label in scope.predictions.class_names:
        right, wrong = kinds[item.label in scope.positive]
        if decision.verdict not in (right, "review"):
            chips += f" :red-badge[{wrong}]"
        chips += f" ground truth: **{plain(item.label)}**"
    what = f", most probably {plain(target)}" if len(scope.positive) > 1 else ""
    st.markdown(f"#### {plain(decision.sentence, 400)}")
    st.markdown(f"{plain(item.name)} · {chips} · margin to the threshold {decision.margin:+.3f}{what}")


_COLOURS = {"pass": "green", "review": "orange", "reject": "red"}


def _images(item: ImageItem, image: Image.Image, attribution: Attribution | None, regions: list[Spot]) -> None:
    """The photograph and the map over it, each with the outline of the ground truth."""
    try:
        mask = photographs.mask_of(item)
    except InputError as error:
        mask = None
        st.caption(f":material/warning: {plain(error, 300)}")
    if mask is not None and mask.shape != (image.height, image.width):
        mask = np.asarray(Image.fromarray(mask).resize(image.size, Image.Resampling.NEAREST))
    boxes = [spot.box for spot in regions]

    def marked(base: Image.Image) -> Image.Image:
        return render.with_boxes(base if mask is None else render.outline(base, mask), boxes)

    with st.grid(3, min_column_width=230):
        with st.container():
            st.markdown("**Photograph**")
            draw.image(image, item.name)
        with st.container():
            st.markdown("**Regions" + (" and ground truth**" if mask is not None else "**"))
            draw.image(marked(image), f"Regions of {item.name}")
        if attribution is not None:
            method, heat = METHODS[attribution.method], _heatmap(attribution, image)
            scale = render.scale_of([heat], _signed(attribution.method))
            over = marked(render.overlay(image, heat, _signed(attribution.method)))
            with st.container():
                st.markdown(f"**{method.title}**")
                draw.image(over, f"{method.title} of {item.name}")
                draw.colour_bar(scale, method.unit)
                draw.download("Image (PNG)", lambda: over, f"{draw.stem(item.name)}-decision.png", "png decision")
    if mask is None:
        st.caption("No ground-truth mask marks the defect.")


def _table(item: ImageItem, decision: Decision) -> None:
    """The regions with their mass and what filling does."""
    import pandas as pd

    if not decision.regions:
        st.caption(":material/info: The map holds no evidence for this defect: there is no region.")
        return
    rows: list[dict[str, Any]] = []
    for number, spot in enumerate(decision.regions, 1):
        left, top, right, bottom = spot.box
        row = {
            "region": number,
            "box": f"{left}, {top} to {right}, {bottom}",
            "area": f"{spot.area:.1%}",
            "mass": f"{spot.mass:.0%}",
            "score when filled": "",
            "same area elsewhere": "",
            "so": "not filled" if number > len(decision.filled) else "",
        }
        if number <= len(decision.filled):
            fill = decision.filled[number - 1]
            low, high = min(fill.elsewhere), max(fill.elsewhere)
            row |= {
                "score when filled": f"{fill.after:.3f} ({fill.after - fill.before:+.3f})",
                "same area elsewhere": f"{np.mean(fill.elsewhere):.3f} ({low:.3f} to {high:.3f})",
                "so": decision.meaning(fill),
            }
        rows.append(row)
    frame = pd.DataFrame(rows)
    st.dataframe(frame, hide_index=True, alt="Regions")
    draw.table("Regions (CSV)", lambda: frame, f"{draw.stem(item.name)}-regions.csv", "csv regions")


@guarded
def _neighbours(
    scope: Scope, row: int, item: ImageItem, method: str, attribution: Attribution | None, image: Image.Image
) -> None:
    """The nearest good part and the nearest defect among the training images, with maps on one scale if any."""
    st.subheader("Nearest training images", anchor=False)
    pairs = _nearest(scope, row)
    if pairs is None:
        return
    maps: list[tuple[str, Image.Image, np.ndarray | None]] = [
        ("This part", image, None if attribution is None else _heatmap(attribution, image))
    ]
    for title, (other, alike) in pairs.items():
        neighbour = scope.at(other)
        its, heat = photographs.fitted(neighbour, VIEW_EDGE), None
        if attribution is not None:
            aim = {"target": _target(scope, row), "score": "logit"}
            its_map = results.attribution(scope.of(neighbour), method, aim, {})
            heat = None if its_map is None or isinstance(its_map, str) else _heatmap(its_map, its)
        what = f"{title}: {plain(neighbour.label)}, score {scope.scores[other]:.2f}, similarity {alike:.2f}"
        maps.append((what, its, heat))
    scale = render.scale_of([heat for _, _, heat in maps if heat is not None], _signed(method))
    with st.grid(3, min_column_width=230):
        for what, its, heat in maps:
            with st.container():
                pair = its if heat is None else _pair(its, render.overlay(its, heat, scale.signed, scale.limit))
                draw.image(pair, what)
                st.caption(what)
    if attribution is not None:
        draw.colour_bar(scale, f"{METHODS[method].unit}, one scale for the three maps")
    draw.meaning("nearest-training-images")


def _pair(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (left.width + right.width, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


def _nearest(scope: Scope, row: int) -> dict[str, tuple[int, float]] | None:
    """Rows and similarities of the nearest good part and the nearest defect; None, and the remedy, if not known."""
    frame = scope.predictions.frame
    training = (frame["split"] == "train").to_numpy(bool) & frame["verdict"].notna().to_numpy(bool)
    if not training.any():
        st.caption("This set has no labelled training split, so the training images are not known.")
        return None
    embeddings = neighbours.embedded(scope)
    if embeddings is None:
        return None
    predictions, vectors = embeddings
    order = dict(zip(predictions.frame["name"], range(len(predictions)), strict=True))
    ours = vectors[[order[name] for name in frame["name"]]]
    defect = frame["label"].isin(scope.positive).to_numpy(bool)
    rows_of = {"Nearest good part": training & ~defect, "Nearest defect": training & defect}
    pairs = {title: nearest(ours, row, rows) for title, rows in rows_of.items()}
    return {title: pair for title, pair in pairs.items() if pair is not None}
