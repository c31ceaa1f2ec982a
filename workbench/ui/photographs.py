"""The images of a page: each is decoded once, whatever the page makes of it, and kept on bounded shelves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import ImageOps

from workbench.drawing import render
from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.ui.cache import Slot, slot

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image


def thumbnail(item: ImageItem, edge: int = 160, *, chosen: bool = False) -> Image.Image | None:
    """A square thumbnail; None where the image cannot be read.

    Args:
        item: The image.
        edge: Side in pixels.
        chosen: Whether the page is about this one, and will show more of it: then the whole of it is kept. Of the
            others a page may have a hundred, which would drive the chosen one off the shelf.
    """
    try:
        place = slot("thumbnail", image=item.look, edge=edge)
    except InputError:
        return None
    result = place.get()
    if result is None:
        try:
            whole = photograph(item) if chosen else _photograph(item).get() or item.open()
            result = ImageOps.fit(whole, (edge, edge))
        except InputError:
            return None
        place.put(result, edge * edge * 3)
    return result


def encoded(item: ImageItem) -> bytes | None:
    """The thumbnail as PNG: made once, for two dozen of them take a quarter of a second on each run of the page. None
    where the image cannot be read."""
    image = thumbnail(item)
    if image is None:
        return None
    place = slot("thumbnail as PNG", image=item.look, edge=image.width)
    return place.kept(lambda: render.to_png(image), len)


def fitted(item: ImageItem, edge: int) -> Image.Image:
    """The image with no side over `edge` pixels: decoded once, for a camera's image takes a second each time."""
    place = slot("fitted image", image=item.look, edge=edge)
    return place.kept(lambda: render.fit(photograph(item), edge)[0], lambda image: image.width * image.height * 3)


def photograph(item: ImageItem) -> Image.Image:
    """The whole image, decoded once for a page. It is shared: whoever changes it changes a copy."""
    return _photograph(item).kept(item.open, lambda image: image.width * image.height * 3)


def _photograph(item: ImageItem) -> Slot:
    return slot("photograph", image=item.look)


def mask_of(item: ImageItem) -> NDArray[np.bool_] | None:
    """The mask, decoded once; None where there is none. Errors as `ImageItem.open_mask`."""
    if item.mask is None:
        return None
    place = slot("mask", image=item.id, mask=item.mask_id)
    result: NDArray[np.bool_] | None = place.get()
    if result is None:
        result = item.open_mask()
        place.put(result, 0 if result is None else result.nbytes)
    return result


def resized(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask in another size, (width, height), by the nearest pixel."""
    import numpy as np
    from PIL import Image

    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
