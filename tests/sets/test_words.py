"""Words of splits and of folders, each against a list by hand."""

from __future__ import annotations

import unicodedata

import pytest

from workbench.catalog import ReadOptions
from workbench.sets.words import is_lot, is_plain_split, role_of, same_name, split_of

DEFAULT = ReadOptions()
MEANT = {
    "train": "train training Train TRAIN training_set trainset TrainSet seg_train train2017 train_images images_train"
    " x_train trn train_1 stage1_train trainval|Training Data| train |train-set|训练集|entraînement|Trainingsdaten",
    "validation": "val valid validation val1 dev Dev VAL dev_set val_data x_val validation-set valid2|验证",
    "test": "test testing test_set testset tst eval holdout test-public test_private test1 x_test images_test hold-out"
    "|Testing Data|测试集|TEST SET",
}
NONE = (
    "trains restrain contest tested testis train_station vale devil good ok 1 2017 x images masks retrain detest valve"
    " validity trainer attest fastest latest test_tube trainA train_test developer|evaluation board|"
)


def words(text: str) -> list[str]:
    """Words between spaces; after the first bar those between bars, which may hold spaces."""
    plain, *spaced = text.split("|")
    return [*plain.split(), *spaced]


@pytest.mark.parametrize("split", MEANT)
def test_words_of_splits_in_any_form(split: str) -> None:
    read = {word: split_of(word, DEFAULT) for word in words(MEANT[split])}
    assert read == dict.fromkeys(read, split)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_may_be_composed_or_not(form: str) -> None:
    assert split_of(unicodedata.normalize(form, "entraînement"), DEFAULT) == "train"
    assert same_name(unicodedata.normalize(form, "Café")) == "café"


def test_words_that_only_resemble_splits() -> None:
    assert {word: split for word in words(NONE) if (split := split_of(word, DEFAULT)) is not None} == {}


def test_options_come_before_the_usual_words() -> None:
    options = ReadOptions(splits={"train": "none", "lot 7": "test", "dev": "test"})
    assert [split_of(word, options) for word in ("train", "lot 7", "dev", "val")] == [
        None,
        "test",
        "test",
        "validation",
    ]


def test_words_without_doubt() -> None:
    assert [is_plain_split(word) for word in ("train", "VAL ", "seg_train", "dev")] == [True, True, False, False]


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("images", "images Imgs IMG JPEGImages data photos raw all_images images_224 dataset"),
        ("masks", "masks ground_truth GroundTruth gt annotations labels mask SegmentationClass label_masks"),
        ("aside", "heatmaps predictions pred xmls"),
        ("", "good with_mask no_mask MT_Crack 0 1 n01440764 train image_of_cat labelled unmasked database"),
    ],
)
def test_roles_of_folders(role: str, names: str) -> None:
    assert {name: role_of(name) for name in names.split()} == dict.fromkeys(names.split(), role)


def test_lots_are_told_from_kinds() -> None:
    lots = ["lot1", "2024-01-31", "batch_07", "cam2", "A", "17", "day-3", "session5"]
    kinds = ["good", "fresh", "poodle", "crack", "setA", "broken_large"]
    assert [is_lot(name) for name in lots + kinds] == [True] * len(lots) + [False] * len(kinds)
