"""The pictures of an image set that a method compares one picture with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

from workbench.attribution.methods import Method
from workbench.errors import InputError
from workbench.images import ImageItem, ImageSet, evenly
from workbench.models import Classifier

MOST = 64
"""Pictures that are prepared, spread evenly over the set, which is often sorted by class."""


def prepare_background(classifier: Classifier, method: Method, pictures: Iterable[ImageItem] | None) -> tuple[Tensor, dict[str, object]]:
    """The background as inputs of shape (N, C, H, W), and what is recorded of it: how many pictures, and a digest of their ids.

    Of an image set it is the training split, or all of it where it has none. Images that cannot be read are left out.

    Raises:
        InputError: There is none, or it holds something else than pictures.
    """
    if pictures is None:
        raise InputError(
            f"{method.title} needs a background, pictures of the image set to compare with: give them as background=load_images(...)."
        )
    chosen = pictures.background if isinstance(pictures, ImageSet) else pictures
    items = list(chosen) if isinstance(chosen, Iterable) else []
    if not items or not all(isinstance(item, ImageItem) for item in items):
        raise InputError(f"{method.title} cannot use this background: give pictures of an image set, as load_images(...) returns.")
    inputs, digest = [], hashlib.sha256()
    for item in evenly(items, MOST):
        try:
            inputs.append(classifier.prepare(item))
        except InputError:
            continue
        digest.update(item.id.encode())
    if not inputs:
        raise InputError("The background holds no picture that can be read: give pictures of the image set.")
    return torch.stack(inputs).to(classifier.device), {"background": len(inputs), "background_digest": digest.hexdigest()[:16]}
