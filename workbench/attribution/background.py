"""The images of an image set that a method compares one image with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

from workbench.attribution.methods import Method
from workbench.errors import InputError
from workbench.images import ImageItem, ImageSet, evenly
from workbench.models import Classifier

MOST_IMAGES = 64
"""Images that are prepared, spread evenly over the set, which is often sorted by class."""


def prepare_background(
    classifier: Classifier, method: Method, images: Iterable[ImageItem] | None
) -> tuple[Tensor, dict[str, object]]:
    """The background as inputs of shape (N, C, H, W), and what is recorded of it: how many images, and a digest of
    their ids.

    Args:
        classifier: What prepares the images.
        method: Which needs them, for a message.
        images: Of an image set, the training split, or all of it where it has none; those that cannot be read are left
            out.

    Raises:
        InputError: There is none, or it holds something else than images.
    """
    if images is None:
        raise InputError(
            f"{method.title} needs a background, images of the image set to compare with: give them as"
            " background=load_images(...)."
        )
    chosen = images.background if isinstance(images, ImageSet) else images
    items = list(chosen) if isinstance(chosen, Iterable) else []
    if not items or not all(isinstance(item, ImageItem) for item in items):
        raise InputError(
            f"{method.title} cannot use this background: give images of an image set, as load_images(...) returns."
        )
    inputs, digest = [], hashlib.sha256()
    for item in evenly(items, MOST_IMAGES):
        try:
            inputs.append(classifier.prepare(item))
        except InputError:
            continue
        digest.update(item.id.encode())
    if not inputs:
        raise InputError("The background holds no image that can be read: give images of the image set.")
    return torch.stack(inputs).to(classifier.device), {
        "background": len(inputs),
        "background_digest": digest.hexdigest()[:16],
    }
