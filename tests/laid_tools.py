"""Exports of annotation tools, and detection sets that say of each image what it shows."""

from __future__ import annotations

import json

import numpy as np
from laid import SIDE, Case, encoded
from PIL import Image

LABELMAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nscratch:250,50,83::\ndent:51,221,255::\n"
NAMES = {"scratch": (250, 50, 83), "dent": (51, 221, 255)}


def objects(*names: str) -> str:
    """An XML file in the form of VOC that lists objects."""
    listed = "".join(f"<object><name>{name}</name><bndbox><xmin>1</xmin></bndbox></object>" for name in names)
    return f"<annotation><filename>x.jpg</filename>{listed}</annotation>"


def shapes(*names: str, **flags: bool) -> str:
    """A JSON file of labelme."""
    listed = [{"label": name, "points": [[0, 0], [3, 3]], "shape_type": "polygon"} for name in names]
    return json.dumps({"version": "5.0", "flags": flags, "shapes": listed, "imagePath": "x.jpg"})


def coloured(*names: str) -> bytes:
    """A mask of CVAT: a row of pixels in the colour of each name."""
    values = np.zeros((SIDE, SIDE, 3), np.uint8)
    for row, name in enumerate(names):
        values[row + 2] = NAMES[name]
    return encoded(Image.fromarray(values), "png")


def indexed(index: int) -> bytes:
    """A mask of VOC: a palette, with a square of one index and a border of 255 around it."""
    values = np.zeros((SIDE, SIDE), np.uint8)
    values[3:9, 3:9] = 255
    values[4:8, 4:8] = index
    image = Image.fromarray(values).convert("P")
    image.putpalette([*(0, 0, 0), *(128, 0, 0), *(0, 128, 0), *([0] * 756), 224, 224, 192])
    return encoded(image, "png")


CASES = (
    Case(
        "Pascal VOC, labels by lists",
        {
            "VOCdevkit/VOC2012/JPEGImages/2007_000032.jpg": "photo",
            "VOCdevkit/VOC2012/JPEGImages/2007_000039.jpg": "photo",
            "VOCdevkit/VOC2012/JPEGImages/2007_000063.jpg": "photo",
            "VOCdevkit/VOC2012/Annotations/2007_000032.xml": objects("cat"),
            "VOCdevkit/VOC2012/Annotations/2007_000039.xml": objects("dog"),
            "VOCdevkit/VOC2012/SegmentationClass/2007_000032.png": indexed(1),
            "VOCdevkit/VOC2012/SegmentationObject/2007_000032.png": indexed(2),
            "VOCdevkit/VOC2012/ImageSets/Main/train.txt": "2007_000032\n2007_000039\n",
            "VOCdevkit/VOC2012/ImageSets/Main/val.txt": "2007_000063\n",
            "VOCdevkit/VOC2012/ImageSets/Main/cat_train.txt": "2007_000032  1\n2007_000039 -1\n",
            "VOCdevkit/VOC2012/ImageSets/Main/dog_train.txt": "2007_000032 -1\n2007_000039  1\n",
            "VOCdevkit/VOC2012/ImageSets/Main/cat_val.txt": "2007_000063  1\n",
            "VOCdevkit/VOC2012/ImageSets/Main/dog_val.txt": "2007_000063  1\n",
        },
        labels={"cat": 1, "dog": 1, "cat + dog": 1},
        splits={"train": 2, "validation": 1},
        masks=1,
        left_out=1,
        layout="voc",
    ),
    Case(
        "XML of objects beside images, as NEU-DET",
        {
            "IMAGES/crazing_1.jpg": "photo",
            "IMAGES/patches_1.jpg": "photo",
            "IMAGES/plain_1.jpg": "photo",
            "ANNOTATIONS/crazing_1.xml": objects("crazing", "crazing"),
            "ANNOTATIONS/patches_1.xml": objects("patches"),
            "ANNOTATIONS/plain_1.xml": objects(),
        },
        labels={"crazing": 1, "patches": 1, "none": 1},
        splits={"": 3},
        layout="voc",
    ),
    Case(
        "CVAT Segmentation mask 1.1",
        {
            "labelmap.txt": LABELMAP,
            "ImageSets/Segmentation/default.txt": "a\nb\nc\n",
            "JPEGImages/a.jpg": "photo",
            "JPEGImages/b.jpg": "photo",
            "JPEGImages/c.jpg": "photo",
            "SegmentationClass/a.png": coloured("scratch"),
            "SegmentationClass/b.png": coloured("scratch", "dent"),
            "SegmentationObject/a.png": coloured("dent"),
            "SegmentationObject/b.png": coloured("dent"),
        },
        labels={"scratch": 1, "dent + scratch": 1, "": 1},
        splits={"": 3},
        masks=2,
        left_out=3,
        layout="voc",
    ),
    Case(
        "CVAT for images 1.1",
        {
            "annotations.xml": "<annotations><version>1.1</version>"
            '<image id="0" name="a.jpg" subset="Train"><tag label="good"/></image>'
            '<image id="1" name="sub/b.jpg" subset="Test"><polygon label="crack" points="0,0;1,1"/></image>'
            "</annotations>",
            "images/a.jpg": "photo",
            "images/sub/b.jpg": "photo",
        },
        labels={"good": 1, "crack": 1},
        splits={"train": 1, "test": 1},
        layout="cvat",
    ),
    Case(
        "labelme",
        {
            "a.jpg": "photo",
            "a.json": shapes("crack", "crack"),
            "b.jpg": "photo",
            "b.json": shapes(good=True, blurred=False),
            "c.jpg": "photo",
        },
        labels={"crack": 1, "good": 1, "": 1},
        splits={"": 3},
        layout="labelme",
    ),
    Case(
        "YOLO detection",
        {
            "data.yaml": "train: images/train\nval: images/val\nnc: 2\nnames: ['scratch', 'dent']\n",
            "images/train/1.jpg": "photo",
            "images/train/2.jpg": "photo",
            "images/val/1.jpg": "photo",
            "labels/train/1.txt": "0 0.5 0.5 0.1 0.1\n0 0.2 0.2 0.1 0.1\n",
            "labels/train/2.txt": "",
            "labels/val/1.txt": "1 0.5 0.5 0.1 0.1\n",
        },
        labels={"scratch": 1, "none": 1, "dent": 1},
        splits={"train": 2, "validation": 1},
        layout="yolo",
    ),
    Case(
        "YOLO classification",
        {
            "data.yaml": "names: ['good', 'bad']\n",
            "train/good/1.jpg": "photo",
            "train/bad/2.jpg": "photo",
            "val/good/3.jpg": "photo",
        },
        labels={"good": 2, "bad": 1},
        splits={"train": 2, "validation": 1},
        left_out=1,
    ),
)
