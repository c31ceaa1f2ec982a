"""Ratings of maps on disk, one file a decision: what a study of maps that was stopped goes on from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workbench.catalog import shipped
from workbench.errors import InputError
from workbench.files import KINDS, cache_folder, key, read_value, write_value

if TYPE_CHECKING:
    from workbench.images import ImageItem
    from workbench.models import Classifier

RATED_IN = "maps"
BUDGET: Literal["quick"] = "quick"
SEED = 0
"""What the card is asked with, as `workbench.evidence.assess` takes it."""


@dataclasses.dataclass(frozen=True)
class RatedMap:
    """What the card says of the map of one decision.

    Attributes:
        word: How far the map can be relied on, in a word; empty where there is no map.
        error: Why there is none, else empty.
    """

    word: str
    error: str


def ratings_folder() -> Path:
    """Where ratings are kept for all sets of this user."""
    return cache_folder() / RATED_IN


def card_version() -> tuple[object, ...]:
    """What a rating depends on beside the model, the image and the method: how maps and their card are computed."""
    return KINDS["map"].version, KINDS["findings"].version, BUDGET, SEED


def rating_key(classifier: Classifier, item: ImageItem, method: str) -> str:
    """The name of the rating of one decision's map.

    Raises:
        InputError: The image or its mask cannot be read.
    """
    from workbench.attribution import METHODS

    return key(
        "rated map",
        model=classifier.key,
        rule=classifier.rule,
        image=item.look,
        mask=item.mask_id,
        method=method,
        settings=METHODS[method].params,
        card=card_version(),
    )


def kept_map(classifier: Classifier, item: ImageItem, method: str, folder: Path | None) -> RatedMap | None:
    """The rating of one decision's map as a folder or the package holds it; None where neither does.

    Args:
        classifier: The model.
        item: The image; the class that the model decides on is explained.
        method: Of the map.
        folder: Where ratings are kept; None where nothing is.
    """
    if folder is None:
        return None
    try:
        name = f"{rating_key(classifier, item, method)}.json"
    except InputError:
        return None
    found = (read_value(path, RatedMap) for path in (folder / name, shipped(RATED_IN) / name))
    return next((made for made in found if made is not None), None)


def rated_map(
    classifier: Classifier,
    item: ImageItem,
    method: str,
    folder: Path | None,
    on_step: Callable[[], None] = lambda: None,
) -> RatedMap:
    """The rating of one decision's map, made now, and kept in the place of what was.

    Arguments as for `kept_map`; `on_step` is called with each step of the card, and what it raises stops the work.
    """
    from workbench.attribution import attribute
    from workbench.evidence import assess, rating

    try:
        ready = classifier.input(item)
        made = attribute(classifier, ready, method)
        card = assess(classifier, ready, made, budget=BUDGET, seed=SEED, on_progress=lambda *_: on_step())
        result = RatedMap(rating(card.findings).word, "")
        if folder is not None:
            write_value(folder / f"{rating_key(classifier, item, method)}.json", result)
    except InputError as error:  # not kept: the file may be there again tomorrow
        return RatedMap("", str(error))
    return result
