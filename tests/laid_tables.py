"""Tables that list the images of a set."""

from __future__ import annotations

from laid import Case

CASES = (
    Case(
        "manifest.csv",
        {
            "manifest.csv": "image,label,split,mask\nimg/a.png,good,train,\nimg/b.png,bad,test,masks/b.png\n",
            "img/a.png": "photo",
            "img/b.png": "photo",
            "img/c.png": "photo",
            "masks/b.png": "mask",
        },
        labels={"good": 1, "bad": 1},
        splits={"train": 1, "test": 1},
        masks=1,
        left_out=1,
        layout="manifest",
    ),
)
