"""Sets whose files are of other kinds or depths than most."""

from __future__ import annotations

import numpy as np
from laid import SIDE, Case, encoded
from PIL import Image

from workbench.catalog import ReadOptions


def deep(seed: int, most: int = 4095) -> bytes:
    """The bytes of a TIFF of 16 bits that stays below a camera's white."""
    values = np.random.default_rng(seed).integers(0, most + 1, (SIDE, SIDE), dtype=np.uint16)
    return encoded(Image.fromarray(values), "tif")


CASES = (
    Case(
        "endings of any kind",
        {
            "good/1.JPG": "photo",
            "good/2.jfif": "photo",
            "bad/3.TIF": "photo",
            "bad/4.heic": "x",
            "bad/5.CR2": "x",
            "bad/6.svg": "x",
            "clip.mp4": "x",
        },
        labels={"good": 2, "bad": 1},
        splits={"": 3},
        left_out=4,
    ),
    Case(
        "12 bit in 16",
        {"good/1.tif": deep(1), "bad/2.tif": deep(2)},
        labels={"good": 1, "bad": 1},
        splits={"": 2},
    ),
    Case(
        "16 bit in a stated window",
        {"good/1.tif": deep(1, 40_000), "bad/2.tif": deep(2, 40_000)},
        labels={"good": 1, "bad": 1},
        splits={"": 2},
        options=ReadOptions(window=(0, 1000)),
    ),
)
