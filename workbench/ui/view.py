"""What a page speaks of: the chosen model and set, what the model says of the set, and the chosen image."""

from __future__ import annotations

import dataclasses

from workbench.images import ImageItem, ImageSet
from workbench.predictions import Predictions
from workbench.ui.choice import ModelChoice


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """A model and a set.

    Attributes:
        model: The chosen model.
        images: The chosen image set.
        predictions: What the model says of each image, None where that is not known.
        proposed: Whether the images are counted by a proposed split that is in force, and not by the stated one.
    """

    model: ModelChoice
    images: ImageSet
    predictions: Predictions | None
    proposed: bool = dataclasses.field(default=False, kw_only=True)

    def image(self, name: str) -> ImageItem:
        """The image of the set with this name."""
        return self.images.by_name[name]

    def at(self, row: int) -> ImageItem:
        """The image of a row of `predictions`, which is not None."""
        assert self.predictions is not None
        return self.image(self.predictions.frame["name"][row])

    def row(self, item: ImageItem) -> int | None:
        """The row of an image in `predictions`; None where they are not of this very file as one of the set."""
        row = None if self.predictions is None else self.predictions.by_name.get(item.name)
        if self.predictions is None or row is None or self.images.by_name.get(item.name) is not item:
            return None
        return row if self.predictions.frame["id"][row] in (item.id, None) else None

    def of(self, item: ImageItem) -> ImageView:
        """The same, about one image: of the set, or of the visitor's own."""
        return ImageView(self.model, self.images, self.predictions, item)


@dataclasses.dataclass(frozen=True, eq=False)
class ImageView(View):
    """A model, a set and one image."""

    item: ImageItem
