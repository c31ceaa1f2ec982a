"""Folders of images with folders of their masks."""

from __future__ import annotations

from laid import Case, blank
from laid_folders import photos

from workbench.catalog import ReadOptions


def masks(*names: str) -> dict[str, bytes | str]:
    """Files that are masks; `masks/1-2.png` stands for two."""
    return dict.fromkeys(photos(*names), "mask")


FLAT = {**photos("images/1-3.jpg"), **masks("masks/1-2.png"), "masks/3.png": blank()}
UNKNOWN = {**photos("foo/1-4.png"), **masks("bar/1-4.png")}
CASES = (
    Case(
        "images and masks",
        FLAT,
        labels={"": 3},
        splits={"": 3},
        masks=3,
        empty=1,
        layout="pairs",
        asks=("layout",),
    ),
    Case(
        "images and masks, told that a mask is a defect",
        FLAT,
        labels={"defective": 2, "good": 1},
        splits={"": 3},
        masks=3,
        empty=1,
        layout="defects",
        options=ReadOptions(layout="defects"),
    ),
    Case(
        "images and masks, told that they have no class",
        FLAT,
        labels={"": 3},
        splits={"": 3},
        masks=3,
        empty=1,
        layout="pairs",
        options=ReadOptions(layout="pairs"),
    ),
    Case(
        "images and masks below the split",
        {**photos("train/images/1-2.png", "val/images/3.png"), **masks("train/masks/1-2.png", "val/masks/3.png")},
        labels={"": 3},
        splits={"train": 2, "validation": 1},
        masks=3,
        layout="pairs",
        asks=("layout",),
    ),
    Case(
        "images and masks above the split",
        {**photos("Images/Train/1-2.png", "Images/Test/3.png"), **masks("Annotations/Train/1.png",
         "Annotations/Train/2.png", "Annotations/Test/3.png")},
        labels={"": 3},
        splits={"train": 2, "test": 1},
        masks=3,
        layout="pairs",
        asks=("layout",),
    ),
    Case(
        "images of classes and masks of one of them",
        {**photos("images/good/1-2.png", "images/bad/1-2.png"), **masks("masks/bad/1-2.png")},
        labels={"good": 2, "bad": 2},
        splits={"": 4},
        masks=2,
        layout="pairs",
    ),
    Case(
        "images of classes and masks in one folder",
        {**photos("images/good/1-2.png", "images/bad/3-4.png"), **masks("masks/3_mask.png", "masks/4_mask.png")},
        labels={"good": 2, "bad": 2},
        splits={"": 4},
        masks=2,
        layout="pairs",
    ),
    Case(
        "train and train_masks",
        {**photos("train/1-2.jpg", "test/3.jpg"), **masks("train_masks/1_mask.gif", "train_masks/2_mask.gif")},
        labels={"": 3},
        splits={"train": 2, "test": 1},
        masks=2,
        layout="pairs",
        asks=("layout",),
    ),
    Case(
        "CamVid: train and trainannot",
        {**photos("train/1-2.png", "test/3.png"), **masks("trainannot/1-2.png", "testannot/3.png")},
        labels={"": 3},
        splits={"train": 2, "test": 1},
        masks=3,
        layout="pairs",
        asks=("layout",),
    ),
    Case(
        "a mask without an image",
        {**photos("imgs/1-2.png"), **masks("gt/1_gt.png", "gt/2_gt.png", "gt/3_gt.png")},
        labels={"": 2},
        splits={"": 2},
        masks=2,
        left_out=1,
        layout="pairs",
        asks=("layout",),
    ),
    Case(
        "folders of other names, one of masks",
        UNKNOWN,
        labels={"": 4},
        splits={"": 4},
        masks=4,
        layout="pairs",
        asks=("layout",),
    ),
    Case(
        "folders of other names, told to be classes",
        UNKNOWN,
        labels={"foo": 4, "bar": 4},
        splits={"": 8},
        options=ReadOptions(layout="folders"),
    ),
    Case(
        "folders of other names with splits in them",
        {**photos("CXR/train/1-2.png", "CXR/test/3.png"), **masks("lungs/train/1-2.png", "lungs/test/3.png")},
        labels={"": 3},
        splits={"train": 2, "test": 1},
        masks=3,
        layout="pairs",
        asks=("layout",),
    ),
    Case(
        "classes whose files have the same numbers",
        photos("good/1-4.png", "bad/1-4.png"),
        labels={"good": 4, "bad": 4},
        splits={"": 8},
    ),
    Case(
        "photos in a folder called gt",
        photos("input/1-3.png", "gt/1-3.png"),
        labels={"": 3},
        splits={"": 3},
        left_out=3,
    ),
    Case(
        "images of classes with folders of masks in them",
        {**photos("train/normal/images/1-2.tif", "test/normal/images/3.tif", "test/odd/images/4.tif"),
         **masks("test/odd/masks/4.tif")},
        labels={"normal": 3, "odd": 1},
        splits={"train": 2, "test": 2},
        masks=1,
        layout="mvtec",
    ),
    Case(
        "masks beside their images, no class",
        {**photos("1-3.jpg"), **masks("1-2.png")},
        labels={"": 3},
        splits={"": 3},
        masks=2,
        asks=("layout",),
    ),
)  # fmt: skip
