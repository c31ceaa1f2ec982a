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
    record.said()
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
    found = results.attribution(scope.model, scope.images, item, method, {"target": target, "score": "logit"}, {})
    shown = None if isinstance(found, str) else found
    regions = [] if shown is None else spots(_heatmap(shown, image), MOST_SPOTS)
    filled = _filled(scope, item, regions, method, fill)
    decided = decide(item.id, float(scope.scores[row]), setting.band, regions, filled, _evidence(scope, method, target))
    with head:
        _sentence(scope, item, decided, target)
    if isinstance(found, str):
        st.info(plain(found, 600), icon=":material/block:")
    _images(item, image, shown, regions)
    if shown is not None:
        _table(item, decided)
    _neighbours(scope, row, item, method, shown, image)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Your verdict", anchor=False)
        draw.meaning("journal-entry")
    record.form(scope, setting, item, decided, shown)


def _item(scope: Scope, row: int) -> ImageItem:
    """The image of a row.

    Raises:
        InputError: Its file was written over since the model was asked about it: no verdict of then may stand beside
            the image of now.
    """
    item, then = scope.images.by_name[str(scope.known.frame["name"][row])], scope.known.frame["id"][row]
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
    columns = [scope.known.class_names.index(name) for name in scope.positive]
    return scope.positive[int(scope.known.probabilities[row, columns].argmax())]


def _heatmap(found: Attribution, image: Image.Image) -> np.ndarray:
    """What speaks for the defect, over the pixels of the image shown."""
    return found.placement.scaled(image).to_original(found.ranking)


def _filled(scope: Scope, item: ImageItem, regions: list[Spot], method: str, fill: str) -> list[Filled]:
    """What filling each region does, computed one after the other; none where it was stopped."""

    def make(progress: Stoppable) -> list[Filled]:
        loaded, image, done = choice.classifier(scope.model), photographs.fitted(item, VIEW_EDGE), []
        for number, region in enumerate(regions):
            progress(number, len(regions))
            done += fill_spots(loaded, image, [region], scope.positive, fill)[1]
        return done

    if not regions or regions[0].inside.all():
        return []
    inside = [np.packbits(region.inside) for region in regions]
    facts = {"image": item.id, "regions": inside, "fill": fill, "positive": scope.positive}
    return (
        computed(slot("filled regions", **scope.model.identity, **facts), "Filling regions", make, lambda _: 4096) or []
    )


def _sentence(scope: Scope, item: ImageItem, decided: Decision, target: str) -> None:
    words = {"pass": "passed", "review": "for review", "reject": "rejected"}
    kinds = {True: ("reject", "escape"), False: ("pass", "overkill")}
    chips = f":{_COLOURS[decided.verdict]}-badge[{words[decided.verdict]}]"
    if item.label in scope.known.class_names:
        right, wrong = kinds[item.label in scope.positive]
        if decided.verdict not in (right, "review"):
            chips += f" :red-badge[{wrong}]"
        chips += f" ground truth: **{plain(item.label)}**"
    what = f", most probably {plain(target)}" if len(scope.positive) > 1 else ""
    st.markdown(f"#### {plain(decided.sentence, 400)}")
    st.markdown(f"{plain(item.name)} · {chips} · margin to the threshold {decided.margin:+.3f}{what}")


_COLOURS = {"pass": "green", "review": "orange", "reject": "red"}


def _images(item: ImageItem, image: Image.Image, shown: Attribution | None, regions: list[Spot]) -> None:
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
            st.image(image, width="stretch", output_format="PNG", alt=item.name)
        with st.container():
            st.markdown("**Regions" + (" and ground truth**" if mask is not None else "**"))
            st.image(marked(image), width="stretch", output_format="PNG", alt=f"Regions of {item.name}")
        if shown is not None:
            method, heat = METHODS[shown.method], _heatmap(shown, image)
            scale = render.scale_of([heat], _signed(shown.method))
            over = marked(render.overlay(image, heat, _signed(shown.method)))
            with st.container():
                st.markdown(f"**{method.title}**")
                st.image(over, width="stretch", output_format="PNG", alt=f"{method.title} of {item.name}")
                draw.colour_bar(scale, method.unit)
                draw.download(
                    "Image (PNG)",
                    lambda: render.to_png(over),
                    f"{draw.stem(item.name)}-decision.png",
                    "image/png",
                    "png decision",
                )
    if mask is None:
        st.caption("No ground-truth mask marks the defect.")


def _table(item: ImageItem, decided: Decision) -> None:
    """The regions with their mass and what filling does."""
    import pandas as pd

    if not decided.regions:
        st.caption(":material/info: The map holds no evidence for this defect: there is no region.")
        return
    rows: list[dict[str, Any]] = []
    for number, spot in enumerate(decided.regions, 1):
        left, top, right, bottom = spot.box
        row = {
            "region": number,
            "box": f"{left}, {top} to {right}, {bottom}",
            "area": f"{spot.area:.1%}",
            "mass": f"{spot.mass:.0%}",
            "score when filled": "",
            "same area elsewhere": "",
            "so": "not filled" if number > len(decided.filled) else "",
        }
        if number <= len(decided.filled):
            tried = decided.filled[number - 1]
            low, high = min(tried.elsewhere), max(tried.elsewhere)
            row |= {
                "score when filled": f"{tried.after:.3f} ({tried.after - tried.before:+.3f})",
                "same area elsewhere": f"{np.mean(tried.elsewhere):.3f} ({low:.3f} to {high:.3f})",
                "so": decided.meaning(tried),
            }
        rows.append(row)
    frame = pd.DataFrame(rows)
    st.dataframe(frame, hide_index=True, alt="Regions")
    draw.table("Regions (CSV)", lambda: frame, f"{draw.stem(item.name)}-regions.csv", "csv regions")


@guarded
def _neighbours(
    scope: Scope, row: int, item: ImageItem, method: str, shown: Attribution | None, image: Image.Image
) -> None:
    """The nearest good part and the nearest defect among the training images, with maps on one scale if any."""
    st.subheader("Nearest training images", anchor=False)
    found = _nearest(scope, row)
    if found is None:
        return
    maps: list[tuple[str, Image.Image, np.ndarray | None]] = [
        ("This part", image, None if shown is None else _heatmap(shown, image))
    ]
    for title, (other, alike) in found.items():
        neighbour = scope.images.by_name[str(scope.known.frame["name"][other])]
        its, heat = photographs.fitted(neighbour, VIEW_EDGE), None
        if shown is not None:
            aim = {"target": _target(scope, row), "score": "logit"}
            its_map = results.attribution(scope.model, scope.images, neighbour, method, aim, {})
            heat = None if its_map is None or isinstance(its_map, str) else _heatmap(its_map, its)
        what = f"{title}: {plain(neighbour.label)}, score {scope.scores[other]:.2f}, similarity {alike:.2f}"
        maps.append((what, its, heat))
    scale = render.scale_of([heat for _, _, heat in maps if heat is not None], _signed(method))
    with st.grid(3, min_column_width=230):
        for what, its, heat in maps:
            with st.container():
                pair = its if heat is None else _beside(its, render.overlay(its, heat, scale.signed, scale.limit))
                st.image(pair, width="stretch", output_format="PNG", alt=what)
                st.caption(what)
    if shown is not None:
        draw.colour_bar(scale, f"{METHODS[method].unit}, one scale for the three maps")
    draw.meaning("nearest-training-images")


def _beside(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (left.width + right.width, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


def _nearest(scope: Scope, row: int) -> dict[str, tuple[int, float]] | None:
    """Rows and similarities of the nearest good part and the nearest defect; None, and the remedy, if not known."""
    frame = scope.known.frame
    trained = (frame["split"] == "train").to_numpy(bool) & frame["verdict"].notna().to_numpy(bool)
    if not trained.any():
        st.caption("This set has no labelled training split, so the training images are not known.")
        return None
    known = neighbours.embedded(scope.model, scope.images)
    if known is None:
        return None
    predictions, vectors = known
    order = dict(zip(predictions.frame["name"], range(len(predictions)), strict=True))
    ours = vectors[[order[name] for name in frame["name"]]]
    defect = frame["label"].isin(scope.positive).to_numpy(bool)
    asked = {"Nearest good part": trained & ~defect, "Nearest defect": trained & defect}
    found = {title: nearest(ours, row, rows) for title, rows in asked.items()}
    return {title: one for title, one in found.items() if one is not None}
