"""Class folders and splits in every usual form."""

from __future__ import annotations

from collections.abc import Iterable

from laid import Case

from workbench.catalog import ReadOptions


def photos(*names: str) -> dict[str, bytes | str]:
    """Files that are photos; `good/1-3.png` stands for three."""
    return {name: "photo" for text in names for name in _several(text)}


def _several(text: str) -> Iterable[str]:
    folder, _, name = text.rpartition("/")
    stem, _, ending = name.rpartition(".")
    begin, dash, last = stem.rpartition("-")
    if not (dash and begin[-1:].isdigit() and last.isdigit()):
        return [text]
    word = begin.rstrip("0123456789")
    first = int(begin[len(word) :])
    return [f"{folder}/{word}{number}.{ending}".lstrip("/") for number in range(first, int(last) + 1)]


CASES = (
    Case(
        "class folders",
        {**photos("good/1-2.png", "bad/3.png"), "notes.txt": "by Anna"},
        labels={"good": 2, "bad": 1},
        splits={"": 3},
        left_out=1,
    ),
    Case(
        "split above class",
        photos("train/good/1.png", "train/bad/2.png", "test/good/3.png"),
        labels={"good": 2, "bad": 1},
        splits={"train": 2, "test": 1},
    ),
    Case(
        "class above split",
        photos("cat/train/1-2.jpg", "cat/test/3.jpg", "dog/train/4.jpg", "dog/test/5-6.jpg"),
        labels={"cat": 3, "dog": 3},
        splits={"train": 3, "test": 3},
    ),
    Case(
        "training_set and test_set",
        photos("training_set/cats/1-2.jpg", "training_set/dogs/3.jpg", "test_set/cats/4.jpg", "test_set/dogs/5.jpg"),
        labels={"cats": 3, "dogs": 2},
        splits={"train": 3, "test": 2},
    ),
    Case(
        "the split twice, and images to predict",
        photos("seg_train/seg_train/sea/1-2.jpg", "seg_train/seg_train/ice/3.jpg", "seg_test/seg_test/sea/4.jpg",
               "seg_pred/seg_pred/5-6.jpg"),
        labels={"sea": 3, "ice": 1, "": 2},
        splits={"train": 3, "test": 1, "": 2},
        asks=("split.seg_pred",),
    ),
    Case(
        "TRAIN, Val and dev",
        photos("TRAIN/a/1-2.png", "TRAIN/b/3.png", "Val/a/4.png", "dev/b/5.png"),
        labels={"a": 3, "b": 2},
        splits={"train": 3, "validation": 1, "test": 1},
        asks=("split.dev",),
    ),
    Case(
        "dev alone beside train",
        photos("train/a/1.png", "train/b/2.png", "dev/a/3.png"),
        labels={"a": 2, "b": 1},
        splits={"train": 2, "validation": 1},
    ),
    Case(
        "splits without classes",
        photos("train2017/1-3.jpg", "val2017/4.jpg", "test2017/5.jpg"),
        labels={"": 5},
        splits={"train": 3, "validation": 1, "test": 1},
    ),
    Case(
        "test images without classes",
        photos("train/nok/1.png", "train/ok/2.png", "test/3-4.png"),
        labels={"nok": 1, "ok": 1, "": 2},
        splits={"train": 2, "test": 2},
    ),
    Case(
        "test images without classes beside the classes",
        photos("cat/1-2.jpg", "dog/3-4.jpg", "test/5.jpg"),
        labels={"cat": 2, "dog": 2, "": 1},
        splits={"": 4, "test": 1},
        asks=("split.test",),
    ),
    Case(
        "a class that is called train",
        photos("bus/1-2.jpg", "car/3.jpg", "train/4-6.jpg"),
        labels={"bus": 2, "car": 1, "train": 3},
        splits={"": 6},
        asks=("split.train",),
    ),
    Case(
        "a class that is called train, in splits",
        photos("train/bus/1.jpg", "train/train/2-3.jpg", "test/bus/4.jpg", "test/train/5.jpg"),
        labels={"bus": 2, "train": 3},
        splits={"train": 3, "test": 2},
    ),
    Case(
        "a class that is called train, told",
        photos("bus/1-2.jpg", "car/3.jpg", "train/4-6.jpg"),
        labels={"bus": 2, "car": 1, "train": 3},
        splits={"": 6},
        options=ReadOptions(splits={"train": "none"}),
    ),
    Case(
        "a split of a name of its own",
        photos("train/a/1.png", "train/b/2.png", "custom/a/3.png", "custom/b/4.png"),
        labels={"a": 2, "b": 2},
        splits={"train": 2, "": 2},
        asks=("split.custom",),
    ),
    Case(
        "a split of a name of its own, told",
        photos("train/a/1.png", "train/b/2.png", "custom/a/3.png", "custom/b/4.png"),
        labels={"a": 2, "b": 2},
        splits={"train": 2, "test": 2},
        options=ReadOptions(splits={"custom": "test"}),
    ),
    Case(
        "an image without a class in a split",
        photos("train/good/1-2.png", "train/3.png", "test/good/4.png"),
        labels={"good": 3, "": 1},
        splits={"train": 3, "test": 1},
    ),
    Case(
        "only good images train",
        photos("train/good/1-3.png", "test/good/4.png", "test/bad/5.png"),
        labels={"good": 4, "bad": 1},
        splits={"train": 3, "test": 2},
    ),
    Case(
        "folders that say no more than images",
        photos("one/Imgs/1-2.jpg", "two/Imgs/3.jpg"),
        labels={"one": 2, "two": 1},
        splits={"": 3},
    ),
    Case(
        "images above split and class",
        photos("images/train/good/1.png", "images/train/bad/2.png", "images/val/good/3.png"),
        labels={"good": 2, "bad": 1},
        splits={"train": 2, "validation": 1},
    ),
    Case(
        "images below the split",
        photos("train/images/good/1.png", "train/images/bad/2.png", "test/images/good/3.png"),
        labels={"good": 2, "bad": 1},
        splits={"train": 2, "test": 1},
    ),
    Case(
        "YOLO: images and their labels",
        {**photos("Images/train/1-2.jpg", "Images/val/3.jpg"), **{f"Labels/{n}.txt": "0 .5 .5 .1 .1" for n in
          ("train/1", "train/2", "val/3")}, "data.yaml": "nc: 1"},
        labels={"class 0": 3},
        splits={"train": 2, "validation": 1},
        left_out=1,
        layout="yolo",
    ),
    Case(
        "one class in a folder",
        photos("MT_Crack/Imgs/1-2.jpg"),
        labels={"MT_Crack": 2},
        splits={"": 2},
    ),
    Case(
        "one class two folders down",
        photos("one/MT_Crack/Imgs/1-2.jpg"),
        labels={"MT_Crack": 2},
        splits={"": 2},
        asks=("root",),
    ),
    Case(
        "one class two folders down, told",
        photos("one/MT_Crack/Imgs/1-2.jpg"),
        labels={"one": 2},
        splits={"": 2},
        options=ReadOptions(root="."),
    ),
    Case(
        "lots and days below the class",
        photos("good/lot1/1.png", "good/lot2/2.png", "bad/2024-01-31/3.png", "bad/2024-02-01/cam2/4.png"),
        labels={"good": 2, "bad": 2},
        splits={"": 4},
    ),
    Case(
        "images of mixed depth",
        photos("good/1.png", "bad/2.png", "bad/scratch/3.png", "bad/scratch/deep/4.png"),
        labels={"good": 1, "bad": 3},
        splits={"": 4},
    ),
    Case(
        "a figure at the root",
        {**photos("good/1-2.png", "bad/3-4.png", "dataset.jpg"), "dataset.png": "mask"},
        labels={"good": 2, "bad": 2},
        splits={"": 4},
        left_out=2,
    ),
    Case(
        "a figure at the root, told to be part of it",
        photos("good/1-2.png", "bad/3-4.png", "more.png"),
        labels={"good": 2, "bad": 2, "": 1},
        splits={"": 5},
        options=ReadOptions(root="."),
    ),
    Case(
        "many images without a class",
        photos("good/1-2.png", "bad/3-4.png", "5-9.png"),
        labels={"good": 2, "bad": 2, "": 5},
        splits={"": 9},
    ),
    Case(
        "several sets in one folder",
        photos("setA/good/1.png", "setA/bad/2.png", "setB/good/3.png", "setB/bad/4.png"),
        labels={"good": 2, "bad": 2},
        splits={"": 4},
        asks=("root",),
    ),
    Case(
        "several sets in one folder, one of them told",
        photos("setA/good/1.png", "setA/bad/2.png", "setB/good/3.png", "setB/bad/4.png"),
        labels={"good": 1, "bad": 1},
        splits={"": 2},
        left_out=2,
        options=ReadOptions(root="setA"),
    ),
    Case(
        "kinds below kinds",
        photos("dogs/poodle/1.png", "dogs/pug/2.png", "cats/siamese/3.png"),
        labels={"dogs": 2, "cats": 1},
        splits={"": 3},
        asks=("root",),
    ),
    Case(
        "kinds below kinds, the lower told",
        photos("dogs/poodle/1.png", "dogs/pug/2.png", "cats/siamese/3.png"),
        labels={"poodle": 1, "pug": 1, "siamese": 1},
        splits={"": 3},
        options=ReadOptions(root="*"),
    ),
    Case(
        "the set in several sizes",
        photos("original/good/1.png", "original/bad/2.png", "resized_224/good/1.png", "resized_224/bad/2.png"),
        labels={"good": 1, "bad": 1},
        splits={"": 2},
        left_out=2,
        asks=("root",),
    ),
    Case(
        "augmented images beside the classes",
        photos("good/1.png", "bad/2.png", "aug/good/3-4.png", "aug/bad/5.png"),
        labels={"good": 1, "bad": 1},
        splits={"": 2},
        left_out=3,
        asks=("label.aug",),
    ),
    Case(
        "results beside the classes",
        photos("good/1.png", "bad/2.png", "heatmaps/1-2.png", "predictions/good/1.png"),
        labels={"good": 1, "bad": 1},
        splits={"": 2},
        left_out=3,
    ),
    Case(
        "classes that are called mask and no_mask",
        photos("mask/1-2.jpg", "no_mask/3-4.jpg"),
        labels={"mask": 2, "no_mask": 2},
        splits={"": 4},
        asks=("label.mask",),
    ),
    Case(
        "numbers as classes, named by classes.txt",
        {**photos("0/1.png", "1/2.png", "10/3.png"), "classes.txt": "\n".join([*"abcdefghij", "last"])},
        labels={"a": 1, "b": 1, "last": 1},
        splits={"": 3},
    ),
    Case(
        "codes as classes, named by a table",
        {**photos("train/n01440764/1.png", "val/n01440764/2.png", "val/n01443537/3.png"),
         "LOC_synset_mapping.txt": "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n"},
        labels={"tench, Tinca tinca": 2, "goldfish, Carassius auratus": 1},
        splits={"train": 1, "validation": 2},
    ),
    Case(
        "one class in two spellings",
        photos("train/Good/1-2.png", "train/bad/3.png", "test/good/4.png", "test/bad/5.png"),
        labels={"Good": 3, "bad": 2},
        splits={"train": 3, "test": 2},
        asks=("label.good",),
    ),
    Case(
        "two spellings, told to be two classes",
        photos("A/1-2.png", "a/3.png"),
        labels={"A": 2, "a": 1},
        splits={"": 3},
        options=ReadOptions(labels={"a": "a"}),
    ),
    Case(
        "names of files as classes",
        photos("cat.0-2.jpg", "dog.0-1.jpg"),
        labels={"": 5},
        splits={"": 5},
        asks=("layout",),
    ),
    Case(
        "names of files as classes, told",
        photos("train/cat.0-2.jpg", "train/dog.0-1.jpg", "test1/1-2.jpg"),
        labels={"cat": 3, "dog": 2, "": 2},
        splits={"train": 5, "test": 2},
        layout="names",
        options=ReadOptions(layout="names"),
    ),
    Case(
        "mask beside its image",
        {**photos("good/1.jpg", "bad/2.jpg"), "bad/2.png": "mask"},
        labels={"good": 1, "bad": 1},
        splits={"": 2},
        masks=1,
    ),
    Case(
        "masks beside their images in any ending",
        {**photos("good/1.jpg", "bad/2.tif", "bad/3.png", "bad/4.png", "bad/5.JPG"), "bad/2.png": "mask",
         "bad/3.bmp": "mask", "bad/4_mask.png": "mask", "bad/5.PNG": "mask"},
        labels={"good": 1, "bad": 4},
        splits={"": 5},
        masks=4,
    ),
    Case(
        "two photos of one name",
        {**photos("good/1.jpg", "good/1.png", "bad/2.jpg")},
        labels={"good": 2, "bad": 1},
        splits={"": 3},
    ),
)  # fmt: skip
