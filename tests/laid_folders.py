"""Class folders in every usual form."""

from __future__ import annotations

from laid import Case

CASES = (
    Case(
        "class folders",
        {"good/1.png": "photo", "good/2.png": "photo", "bad/3.png": "photo", "notes.txt": "by Anna"},
        labels={"good": 2, "bad": 1},
        splits={"": 3},
        left_out=1,
    ),
    Case(
        "split above class",
        {"train/good/1.png": "photo", "train/bad/2.png": "photo", "test/good/3.png": "photo"},
        labels={"good": 2, "bad": 1},
        splits={"train": 2, "test": 1},
    ),
    Case(
        "mask beside its image",
        {"good/1.jpg": "photo", "bad/2.jpg": "photo", "bad/2.png": "mask"},
        labels={"good": 1, "bad": 1},
        splits={"": 2},
        masks=1,
    ),
)
