"""Folders as people on public trackers had them when a loader read them wrong."""

from __future__ import annotations

from laid import Case
from laid_folders import photos
from laid_pairs import masks

CASES = (
    Case(
        "unpaired translation: trainA, trainB, testA, testB",
        photos("trainA/1-2.jpg", "trainB/3-4.jpg", "testA/5.jpg", "testB/6.jpg"),
        labels={"A": 3, "B": 3},
        splits={"train": 4, "test": 2},
    ),
    Case(
        "split and class in one name",
        photos("train_good/1-2.jpg", "train_bad/3-4.jpg", "test_good/5.jpg", "test_bad/6.jpg"),
        labels={"good": 3, "bad": 3},
        splits={"train": 4, "test": 2},
    ),
    Case(
        "a folder of the split in itself, test images without classes",
        photos("train/a/1.jpg", "train/b/2.jpg", "test/test/3-4.jpg"),
        labels={"a": 1, "b": 1, "": 2},
        splits={"train": 2, "test": 2},
    ),
    Case(
        "eval beside val and test",
        photos("train/a/1.jpg", "train/b/2.jpg", "eval/a/3.jpg", "test/b/4.jpg"),
        labels={"a": 2, "b": 2},
        splits={"train": 2, "validation": 1, "test": 1},
        asks=("split.eval",),
    ),
    Case(
        "images without classes beside splits",
        photos("train_images/1-2.png", "test_images/3.png", "unlabeled_images/4.png"),
        labels={"": 4},
        splits={"train": 2, "test": 1, "": 1},
        asks=("split.unlabeled_images",),
    ),
    Case(
        "words of splits in the names of files",
        photos("pets/photo of a train.jpg", "pets/test tubes.jpg", "toys/val.jpg"),
        labels={"pets": 2, "toys": 1},
        splits={"": 3},
    ),
    Case(
        "a class that the test split lacks",
        photos("train/0/1.jpg", "train/90/2.jpg", "train/180/3.jpg", "test/0/4.jpg", "test/90/5.jpg"),
        labels={"0": 2, "90": 2, "180": 1},
        splits={"train": 3, "test": 2},
    ),
    Case(
        "a folder around the set, and its code",
        {**photos("data/good/1.png", "data/bad/2.png", "assets/logo.png", "paper/fig1.png"), "src/train.py": "-"},
        labels={"good": 1, "bad": 1},
        splits={"": 2},
        left_out=3,
        asks=("root",),
    ),
    Case(
        "styles above kinds",
        photos("art_painting/dog/1.jpg", "art_painting/cat/2.jpg", "photo/dog/3.jpg", "photo/cat/4.jpg"),
        labels={"dog": 2, "cat": 2},
        splits={"": 4},
        asks=("root",),
    ),
    Case(
        "days above classes",
        photos("2024-01-01/good/1.jpg", "2024-01-01/bad/2.jpg", "2024-01-02/good/3.jpg"),
        labels={"good": 2, "bad": 1},
        splits={"": 3},
        asks=("root",),
    ),
    Case(
        "lots without classes",
        photos("lot1/1-2.jpg", "lot2/3-4.jpg"),
        labels={"lot1": 2, "lot2": 2},
        splits={"": 4},
        asks=("layout",),
    ),
    Case(
        "a folder an image, with its masks",
        {**photos(*(f"stage1_train/{name}/images/{name}.png" for name in "abcde")),
         **masks("stage1_train/a/masks/x1-2.png", *(f"stage1_train/{name}/masks/y.png" for name in "bcde"))},
        labels=dict.fromkeys("abcde", 1),
        splits={"train": 5},
        masks=5,
        layout="pairs",
        asks=("layout",),
    ),
    Case(
        "several masks an image, numbered",
        {**photos("images/1-2.jpg"), **masks("masks/1_0.png", "masks/1_1.png", "masks/2_0.png")},
        labels={"": 2},
        splits={"": 2},
        masks=2,
        layout="pairs",
        asks=("layout",),
    ),
    Case(
        "annotations of other files beside classes",
        photos("accordion/1.jpg", "anchor/2.jpg", "Annotations/x.png"),
        labels={"accordion": 1, "anchor": 1, "Annotations": 1},
        splits={"": 3},
        asks=("label.Annotations",),
    ),
    Case(
        "folders of other names in each split, one of masks",
        {**photos("train/aa/1-2.png", "val/aa/3.png"), **masks("train/bb/1-2.png", "val/bb/3.png")},
        labels={"": 3},
        splits={"train": 2, "validation": 1},
        masks=3,
        layout="pairs",
        asks=("layout",),
    ),
    Case(
        "folds above splits and classes",
        photos("fold_1/train/a/1.png", "fold_1/val/b/2.png", "fold_2/train/a/3.png", "fold_2/val/b/4.png"),
        labels={"a": 2, "b": 2},
        splits={"train": 2, "validation": 2},
        asks=("root",),
    ),
    Case(
        "numbers below kinds",
        photos("real/0/1.png", "real/1/2.png", "drawn/0/3.png", "drawn/1/4.png"),
        labels={"real": 2, "drawn": 2},
        splits={"": 4},
        asks=("root",),
    ),
    Case(
        "images that are called as masks",
        {**photos("images/a_mask_1.jpg", "images/b_mask_1.jpg"), **masks("masks/a_mask_1.png", "masks/b_mask_1.png")},
        labels={"": 2},
        splits={"": 2},
        masks=2,
        layout="pairs",
        asks=("layout",),
    ),
    Case(
        "one name twice in a table of classes",
        {**photos("n02012849/1.jpg", "n03126707/2.jpg"),
         "synset_words.txt": "n02012849 crane\nn03126707 crane\nn01440764 tench\n"},
        labels={"crane (n02012849)": 1, "crane (n03126707)": 1},
        splits={"": 2},
    ),
)  # fmt: skip
