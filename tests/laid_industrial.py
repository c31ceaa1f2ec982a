"""Published sets of industrial inspection."""

from __future__ import annotations

from laid import Case

CASES = (
    Case(
        "MVTec AD, one category",
        {
            "train/good/000.png": "photo",
            "test/good/000.png": "photo",
            "test/crack/000.png": "photo",
            "ground_truth/crack/000_mask.png": "mask",
            "license.txt": "CC BY-NC-SA",
        },
        labels={"good": 2, "crack": 1},
        splits={"train": 1, "test": 2},
        masks=1,
        left_out=1,
        layout="mvtec",
    ),
)
