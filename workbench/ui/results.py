"""What pages compute of one image through the library, and keep: predictions, attributions, findings."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from workbench.attribution import METHODS
from workbench.errors import InputError
from workbench.images import COPY, ImageItem, ImageSet, as_image, as_pixels, resized
from workbench.predictions import Predictions
from workbench.ui import choice, photographs
from workbench.ui.cache import Slot, computed, slot
from workbench.ui.progress import Stoppable
from workbench.ui.view import ImageView

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from workbench.attribution import Attribution
    from workbench.evidence import Finding
    from workbench.images import Pixels
    from workbench.models import Classifier, Input


def map_slot(view: ImageView, method: str, aim: Mapping[str, Any], params: Mapping[str, Any]) -> Slot:
    """The place of a map."""
    return slot("map", **view.model.identity, image=view.item.id, **aim_of(view.images, method, aim, params))


def aim_of(images: ImageSet, method: str, aim: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, object]:
    """What a map of an image depends on beside model and image."""
    background = images.key if METHODS[method].background else None
    return {"method": method, "aim": aim, "settings": params, "background": background}


def attribution(
    view: ImageView, method: str, aim: Mapping[str, Any], params: Mapping[str, Any]
) -> Attribution | str | None:
    """The map, kept or computed with progress; a sentence where the method refuses; None where the user stopped it."""

    def make(progress: Stoppable) -> Attribution | str:
        return _attributed(view, choice.classifier(view.model), method, {**aim, **params}, progress)

    return computed(map_slot(view, method, aim, params), METHODS[method].title, make, _map_size)


def attribution_unseen(
    view: ImageView, classifier: Classifier, method: str, aim: Mapping[str, Any], progress: Callable[[int, int], None]
) -> Attribution | str:
    """As `attribution` without settings, for work that no page waits for: what `progress` raises stops it."""
    place = map_slot(view, method, aim, {})
    return place.kept(lambda: _attributed(view, classifier, method, aim, progress), _map_size)


def _attributed(
    view: ImageView,
    classifier: Classifier,
    method: str,
    settings: Mapping[str, Any],
    progress: Callable[[int, int], None],
) -> Attribution | str:
    from workbench.attribution import attribute

    try:
        tiled = classifier.preprocessing.tiles
        asked = view.item if tiled else classifier.input(view.item, photographs.photograph(view.item))
        return attribute(classifier, asked, method, **settings, background=view.images, on_progress=progress)
    except InputError as error:
        return str(error)


def editable(view: ImageView, edge: int, model: Classifier | None = None) -> Image.Image | Pixels:
    """What is edited of the image, with no side over `edge` pixels: RGB, or the levels of an image that holds more.

    Args:
        view: What the page is about.
        edge: In pixels.
        model: Whose levels; the chosen model's where missing.
    """
    image = photographs.fitted(view.item, edge)
    clf = model or choice.classifier(view.model)
    prep = clf.preprocessing
    if prep.tiles:  # a smaller copy would show the model another scale
        clf.levels(view.item)
    if not (image.info.get(COPY) or prep.bands or prep.range):
        return image
    facts = {"model": clf.key, "image": view.item.id, "edge": edge}
    return slot("levels", **facts).kept(lambda: resized(clf.levels(view.item), image.size), lambda kept: kept.nbytes)


def map_of_pixels(
    view: ImageView,
    image: Image.Image | Pixels,
    edits: Hashable,
    method: str,
    target: int,
    *,
    exact: bool = False,
) -> Attribution | str | None:
    """As `attribution`, of the logit of a class, for an image in memory: that of `item` after some edits, or if `exact`
    the model's very input."""

    def make(progress: Stoppable) -> Attribution | str:
        from workbench.attribution import attribute

        try:
            clf = choice.classifier(view.model)
            ready = clf.exactly(as_image(image)) if exact else clf.input(as_pixels(image))
            return attribute(clf, ready, method, target, on_progress=progress)
        except InputError as error:
            return str(error)

    facts = {"image": view.item.id, "size": as_image(image).size, "edits": edits, "method": method, "target": target}
    return computed(slot("edited map", **view.model.identity, **facts), METHODS[method].title, make, _map_size)


def _map_size(result: Attribution | str) -> int:
    return 1024 if isinstance(result, str) else result.values.nbytes + 1024


def findings_slot(view: ImageView, explanation: Attribution, budget: str) -> Slot:
    """The place of what the checks find about a map."""
    target = {"target": explanation.target, "score": explanation.score}
    aim = aim_of(view.images, explanation.method, target, explanation.params)
    facts = {"image": view.item.id, "mask": view.item.mask_id, "budget": budget}
    return slot("findings", **view.model.identity, **facts, **aim)


def findings(view: ImageView, explanation: Attribution, budget: Literal["quick", "full"]) -> list[Finding] | None:
    """What the checks find about a map, kept or computed with progress; None where the user stopped them."""

    def make(progress: Stoppable) -> list[Finding]:
        from workbench.evidence import examine

        clf, prepared, mask = choice.classifier(view.model), ready(view), photographs.mask_of(view.item)
        return list(
            examine(clf, prepared, explanation, mask, background=view.images, budget=budget, on_progress=progress)
        )

    label = f"Checking {METHODS[explanation.method].title}"
    return computed(findings_slot(view, explanation, budget), label, make, lambda kept: 64 * 1024)


def prediction(view: ImageView) -> tuple[Predictions, int]:
    """A table of predictions with the row of `item` in it: the known one, or computed for this image alone."""
    row = view.row(view.item)
    if view.predictions is not None and row is not None:
        return view.predictions, row

    def make() -> Predictions:
        from workbench.models import predict

        return predict(choice.classifier(view.model), _askable(view))

    place = slot("prediction", **view.model.identity, item=view.item.key)
    return place.kept(make, lambda result: 4096 + 8 * len(result.class_names)), 0


def asked(view: ImageView, image: Image.Image | Pixels, edits: Hashable) -> NDArray[np.float32]:
    """The probabilities, (K,), for an image in memory: that of `item` after some edits."""

    def make() -> NDArray[np.float32]:
        from workbench.models import ask

        return ask(choice.classifier(view.model), [as_pixels(image)])[0]

    size = as_image(image).size
    place = slot("edited prediction", **view.model.identity, image=view.item.id, size=size, edits=edits)
    return place.kept(make, lambda result: 4096 + result.nbytes)


def ready(view: ImageView) -> Input:
    """The image made ready for the model."""
    return choice.classifier(view.model).input(view.item, photographs.photograph(view.item))


def _askable(view: ImageView) -> Input | ImageItem:
    """The same; one that cannot be read as it is, for the table to say why."""
    try:
        return ready(view)
    except InputError:
        return view.item
