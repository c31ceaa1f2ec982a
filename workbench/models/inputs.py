"""An image on its way to a model."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from workbench.images import NOTES, ImageItem, Raster
from workbench.models.placement import Placement


@dataclasses.dataclass(frozen=True, eq=False)
class Input:
    """An image, decoded and made ready for a model once; `predict`, `attribute` and `assess` take it in place of the
    image.

    Attributes:
        image: Its pixels, upright RGB of 8 bits.
        x: What the model is asked, float32 of shape (C, H, W) on the CPU.
        placement: Where `x` lies on the image.
        item: What is known of it, where it is one of a set.
        source: What `x` is made of: `image`, or the values of its file where those are more.
    """

    image: Image.Image
    x: Tensor
    placement: Placement
    item: ImageItem | None = None
    source: Image.Image | Raster | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided in reading the image, one sentence each."""
        return self.source.notes if isinstance(self.source, Raster) else self.image.info.get(NOTES, ())


Askable = ImageItem | Image.Image | NDArray[np.uint8] | NDArray[np.float32] | Input
"""An image in any form that a classifier can be asked about."""
