"""What a decision rests on: the map of its image, the regions in it, and what filling them does; the next one ahead."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from workbench.attribution import METHODS
from workbench.defects import HINT, Filled, Spot, fill_spots, spots
from workbench.images import ImageItem
from workbench.ui import choice, photographs, results
from workbench.ui.ahead import ahead
from workbench.ui.cache import Slot, computed, slot
from workbench.ui.defects.scope import Scope
from workbench.ui.explain import OWN

if TYPE_CHECKING:
    from workbench.attribution import Attribution
    from workbench.models import Classifier

VIEW_EDGE, MOST_SPOTS = 512, 3
"""Longest side of the images in pixels, and how many regions are filled."""
METHODS_OFFERED = ("grad_cam", "integrated_gradients", "layer_cam", "smoothgrad", "occlusion")


@dataclasses.dataclass(frozen=True)
class Question:
    """How a decision is looked into.

    Attributes:
        method: What makes the map.
        fill: What regions are filled with.
    """

    method: str
    fill: str

    @property
    def hint(self) -> str:
        """How a sentence begins that names the heaviest region of the map."""
        if METHODS[self.method].reacts:
            return "The score is most sensitive to"
        return "The model's own map is strongest in" if METHODS[self.method].family == "own" else HINT

    @property
    def signed(self) -> bool:
        """Whether the map can speak against the defect; of a reaction of the score only the size counts."""
        return METHODS[self.method].signed and not METHODS[self.method].reacts


@dataclasses.dataclass(frozen=True, eq=False)
class Rests:
    """What a decision rests on.

    Attributes:
        attribution: The map; None where the method refuses or was stopped.
        refusal: Why there is no map, where the method refuses.
        regions: Where the map is strongest.
        fills: What filling each does; none where that was stopped.
    """

    attribution: Attribution | None
    refusal: str
    regions: list[Spot]
    fills: list[Filled]


def offered(model: choice.ModelChoice) -> list[str]:
    """The methods that a decision can be looked at with: the model's own map first, where it gives one; then the
    quickest."""
    return [*([OWN] if choice.classifier(model).scored else []), *METHODS_OFFERED]


def target(scope: Scope, row: int) -> str:
    """The defect that the model finds most probable: what the map is asked about."""
    columns = [scope.predictions.class_names.index(name) for name in scope.positive]
    return scope.positive[int(scope.predictions.probabilities[row, columns].argmax())]


def heatmap(attribution: Attribution, image: Image.Image) -> np.ndarray:
    """What speaks for the defect, over the pixels of the image shown."""
    return attribution.placement.scaled(image).to_original(attribution.ranking)


def looked_into(scope: Scope, row: int, item: ImageItem, question: Question) -> Rests:
    """The map and what its regions do, kept, computed ahead or computed now with progress."""
    aim = _aim(scope, row)
    place = st.empty()
    ahead().join(_key(scope, item, question, aim), lambda: place.caption("Computing …"))
    place.empty()
    result = results.attribution(scope.of(item), question.method, aim, {})
    if result is None or isinstance(result, str):
        return Rests(None, result or "", [], [])
    image = photographs.fitted(item, VIEW_EDGE)
    regions = spots(heatmap(result, image), MOST_SPOTS)
    if not _fillable(regions):
        return Rests(result, "", regions, [])
    clf = choice.classifier(scope.model)
    fills = computed(
        _filled_slot(scope, item, regions, question.fill),
        "Filling regions",
        lambda progress: _filled(scope, clf, item, regions, question.fill, progress),
        lambda _: 4096,
    )
    return Rests(result, "", regions, fills or [])


def look_ahead(scope: Scope, row: int, question: Question) -> None:
    """Compute in the background what `looked_into` will be asked for."""
    item, aim, clf = scope.at(row), _aim(scope, row), choice.classifier(scope.model)

    def make(progress: Callable[[int, int], None]) -> None:
        result = results.attribution_unseen(scope.of(item), clf, question.method, aim, progress)
        if not isinstance(result, str):
            regions = spots(heatmap(result, photographs.fitted(item, VIEW_EDGE)), MOST_SPOTS)
            if _fillable(regions):
                place = _filled_slot(scope, item, regions, question.fill)
                place.kept(lambda: _filled(scope, clf, item, regions, question.fill, progress), lambda _: 4096)

    ahead().wish(_key(scope, item, question, aim), make)


def _aim(scope: Scope, row: int) -> dict[str, str]:
    return {"target": target(scope, row), "score": "logit"}


def _key(scope: Scope, item: ImageItem, question: Question, aim: dict[str, str]) -> str:
    return f"{results.map_slot(scope.of(item), question.method, aim, {}).key} {question.fill} {scope.positive}"


def _fillable(regions: list[Spot]) -> bool:
    return bool(regions) and not regions[0].inside.all()


def _filled_slot(scope: Scope, item: ImageItem, regions: list[Spot], fill: str) -> Slot:
    inside = [np.packbits(region.inside) for region in regions]
    facts = {"image": item.id, "regions": inside, "fill": fill, "positive": scope.positive}
    return slot("filled regions", **scope.model.identity, **facts)


def _filled(
    scope: Scope,
    classifier: Classifier,
    item: ImageItem,
    regions: list[Spot],
    fill: str,
    progress: Callable[[int, int], None],
) -> list[Filled]:
    """What filling each region does, one after the other."""
    image, done = results.editable(scope.of(item), VIEW_EDGE, classifier), list[Filled]()
    for number, region in enumerate(regions):
        progress(number, len(regions))
        done += fill_spots(classifier, image, [region], scope.positive, fill)[1]
    return done
