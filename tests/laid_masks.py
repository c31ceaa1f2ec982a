"""Masks in every form in which people save them."""

from __future__ import annotations

import numpy as np
from laid import Case, blank, disc, encoded, photo
from laid_folders import photos
from PIL import Image

from workbench.catalog import ReadOptions

Files = dict[str, bytes | str]
SHARED = {"labels": {"bad": 2, "good": 1}, "splits": {"": 3}}


def beside(first: bytes, second: bytes, ending: str = "png") -> Files:
    """Two images with masks of the same stem, and one without."""
    return {**photos("bad/1-2.bmp", "good/3.bmp"), f"bad/1.{ending}": first, f"bad/2.{ending}": second}


def inside(radius: float = 4) -> np.ndarray:
    """Where a disc is."""
    rows, columns = np.mgrid[:16, :16]
    return np.asarray((rows - 8) ** 2 + (columns - 8) ** 2 <= radius**2)


def grey(values: np.ndarray) -> bytes:
    """Grey values as a PNG."""
    return encoded(Image.fromarray(values.astype(np.uint8)), "png")


def coloured(colour: tuple[int, int, int]) -> bytes:
    """A disc of a colour on black."""
    return encoded(Image.fromarray(np.uint8(inside()[..., None] * np.array(colour))), "png")


def palette(void: bool = False) -> bytes:
    """A disc of class 1 in VOC's palette, in a ring of void."""
    image = Image.fromarray(np.where(inside(), 1, np.where(inside(6) & void, 255, 0)).astype(np.uint8), "P")
    image.putpalette([0, 0, 0, 128, 0, 0, *[0] * 759, 224, 224, 192])
    return encoded(image, "png")


PATTERN = {**photos("a/1-2.png", "b/3.png"), "drawn/1_bent.png": "mask", "drawn/1_cut.png": "mask"}
PATTERN |= {"drawn/2_cut.png": "mask", "drawn/7_cut.png": "mask"}
CASES = (
    Case("masks saved as JPEG", beside(disc(4, "jpg"), disc(5, "jpg"), "jpg"), masks=2, **SHARED),
    Case("masks of 0 and 1", beside(grey(inside()), grey(inside(5))), masks=2, **SHARED),
    Case("masks of class numbers", beside(grey(inside() * 2), grey(inside(5) * 7 + inside(3))), masks=2, **SHARED),
    Case("masks in VOC's palette", beside(palette(), palette(void=True)), masks=2, **SHARED),
    Case("masks in colours", beside(coloured((250, 50, 83)), coloured((0, 0, 99))), masks=2, **SHARED),
    Case("masks of 254 and 255", beside(grey(inside() + 254), grey(inside(5) * 0 + 254)), masks=2, empty=1, **SHARED),
    Case(
        "masks white around black",
        beside(grey(~inside() * 255), grey(~inside(5) * 255)),
        masks=2,
        asks=("mask_rule",),
        **SHARED,
    ),
    Case(
        "masks white around black, told",
        beside(grey(~inside() * 255), grey(~inside(5) * 255)),
        masks=2,
        options=ReadOptions(mask_rule="inverted"),
        **SHARED,
    ),
    Case(
        "masks by a pattern, several an image",
        PATTERN,
        labels={"a": 2, "b": 1},
        splits={"": 3},
        masks=2,
        left_out=1,
        options=ReadOptions(masks="drawn/{stem}_*.png"),
    ),
    Case(
        "masks by a pattern of the class",
        {**photos("a/1.png", "b/2.png"), "gt/b/2.png": "mask", "gt/b/9.png": "mask", "figure.jpg": photo(77, "jpg")},
        labels={"a": 1, "b": 1},
        splits={"": 2},
        masks=1,
        left_out=2,
        layout="anomalib",
        options=ReadOptions(masks="gt/{label}/{name}", leave_out=("figure.jpg",)),
    ),
    Case(
        "masks that are to be left aside",
        beside(disc(), blank()),
        left_out=2,
        options=ReadOptions(masks="none"),
        **SHARED,
    ),
)
