"""Splits are dealt by the images' bytes, class by class, and copies of an image stay together."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

import pytest

from workbench.images.item import BytesSource, ImageItem
from workbench.images.splits import deal


def item(content: str, label: str, split: str | None = None, name: str | None = None) -> ImageItem:
    return ImageItem(name or content, BytesSource(content.encode()), label, None, split)


def lot(counts: dict[str, int], split: str | None = None, start: int = 0) -> list[ImageItem]:
    return [item(f"{label} {split or ''}{start + i}", label, split) for label, n in counts.items() for i in range(n)]


def counted(items: list[ImageItem], splits: tuple[str, ...]) -> dict[tuple[str, str], int]:
    return dict(Counter((str(i.label), s) for i, s in zip(items, splits, strict=True)))


def by_name(items: list[ImageItem], splits: tuple[str, ...]) -> dict[str, str]:
    return {i.name: s for i, s in zip(items, splits, strict=True)}


def test_a_set_without_splits_is_dealt_class_by_class() -> None:
    items = lot({"good": 40, "crack": 20, "pit": 5})
    found = deal(items, ("good", "crack", "pit"))
    assert counted(items, found.splits) == {
        ("good", "train"): 24, ("good", "validation"): 6, ("good", "test"): 10,
        ("crack", "train"): 12, ("crack", "validation"): 3, ("crack", "test"): 5,
        ("pit", "train"): 3, ("pit", "validation"): 1, ("pit", "test"): 1,
    }  # fmt: skip
    assert "no splits" in found.how
    assert (found.copies, found.leaked) == (0, 0)


def test_neither_order_nor_name_matters_but_the_seed_does() -> None:
    items = lot({"good": 20, "crack": 20})
    first = by_name(items, deal(items, ("good", "crack")).splits)
    turned = items[::-1]
    assert by_name(turned, deal(turned, ("crack", "good")).splits) == first
    renamed = [ImageItem(f"x{i.name}", i.source, i.label) for i in items]
    assert {
        name[1:]: split for name, split in by_name(renamed, deal(renamed, ("good", "crack")).splits).items()
    } == first
    assert by_name(items, deal(items, ("good", "crack"), seed=1).splits) != first


def test_the_order_within_a_class_is_that_of_the_hashes() -> None:
    items = lot({"good": 20, "crack": 5})
    found = by_name(items, deal(items, ("good", "crack"), seed=3).splits)
    ranked = sorted(
        (i for i in items if i.label == "good"), key=lambda i: hashlib.sha256(f"3 {i.id}".encode()).digest()
    )
    assert [found[i.name] for i in ranked] == ["test"] * 5 + ["validation"] * 3 + ["train"] * 12


def test_copies_of_an_image_stand_in_one_split_whatever_their_label() -> None:
    items = lot({"good": 30, "crack": 30})
    copies = [ImageItem(f"copy {i.name}", i.source, i.label) for i in items]
    other = [ImageItem(f"other {i.name}", i.source, "crack" if i.label == "good" else "good") for i in items[::3]]
    everything = items + copies + other
    found = deal(everything, ("good", "crack"))
    splits: dict[str, set[str]] = {}
    for one, split in zip(everything, found.splits, strict=True):
        splits.setdefault(one.id, set()).add(split)
    assert {len(found) for found in splits.values()} == {1}
    assert len(splits) == 60
    assert (found.copies, found.leaked) == (len(copies) + len(other), 0)


def test_a_sets_own_splits_are_kept_and_copies_across_them_told() -> None:
    items = [i for split in ("train", "validation", "test") for i in lot({"good": 4, "crack": 4}, split)]
    items.append(item("good train0", "good", "test", name="copy"))
    found = deal(items, ("good", "crack"))
    assert found.splits == tuple(i.split for i in items)
    assert (found.copies, found.leaked) == (1, 1)
    assert found.how == "The splits are the set's own."


@pytest.mark.parametrize(
    ("own", "trains", "dealt"),
    [
        (("train", "test"), 16, {"validation": 4}),
        (("train", "validation"), 14, {"test": 6}),
        (("train",), 12, {"validation": 3, "test": 5}),
    ],
)
def test_a_split_that_is_missing_is_dealt_off_the_training_split(own, trains, dealt) -> None:
    items = [i for split in own for i in lot({"good": 20, "crack": 20}, split)]
    found = deal(items, ("good", "crack"))
    counts = counted(items, found.splits)
    for kind in ("good", "crack"):
        assert {split: counts[kind, split] for split in dealt} == dealt
        assert counts[kind, "train"] == trains
    kept = [(i.split, split) for i, split in zip(items, found.splits, strict=True) if i.split != "train"]
    assert all(before == after for before, after in kept)
    assert all(f" {name}" in found.how for name in dealt)


def test_images_without_a_split_train_where_others_have_one() -> None:
    items = [
        *lot({"good": 4, "crack": 4}, "test"),
        *lot({"good": 8, "crack": 8}, "validation"),
        *lot({"good": 6, "crack": 6}),
    ]
    assert set(deal(items, ("good", "crack")).splits[-12:]) == {"train"}


def test_where_only_good_parts_train_everything_is_dealt_anew() -> None:
    items = lot({"good": 30}, "train") + lot({"good": 10, "scratch": 20}, "test")
    found = deal(items, ("good", "scratch"))
    assert counted(items, found.splits) == {
        ("good", "train"): 24, ("good", "validation"): 6, ("good", "test"): 10,
        ("scratch", "train"): 12, ("scratch", "validation"): 3, ("scratch", "test"): 5,
    }  # fmt: skip
    assert "split again" in found.how
    assert "class scratch" in found.how
    assert "cannot be compared with" in found.how


@pytest.mark.parametrize(
    ("items", "says"),
    [
        (lot({"good": 20, "crack": 4}), r"'crack' has too few images \(4 .*at least 5"),
        (lot({"good": 20}), r"'crack' has too few images \(0 .*at least 5"),
        (
            [*lot({"good": 20}), *(item("same", "crack", name=str(i)) for i in range(9))],
            r"'crack' .*\(1 different.*at least 5",
        ),
        (lot({"good": 9, "crack": 3}, "train") + lot({"good": 9, "crack": 9}, "test"), r"\(3 different.*at least 4"),
        (
            [
                *lot({"good": 9, "crack": 2}, "train"),
                *lot({"good": 9, "crack": 9}, "test"),
                *lot({"good": 9, "crack": 9}, "validation"),
            ],
            r"in the train split \(2 .*at least 3",
        ),
        (
            [
                *lot({"good": 9, "crack": 9}, "train"),
                *lot({"good": 9, "crack": 9}, "test"),
                *lot({"good": 9}, "validation"),
            ],
            r"in the validation split \(0 .*at least 1",
        ),
    ],
)
def test_a_class_with_too_few_images_is_refused_with_their_number(items, says, refusal) -> None:
    assert re.search(says, refusal(lambda: deal(items, ("good", "crack"))))
