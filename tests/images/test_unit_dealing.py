"""Images of one unit (part, lot, module) stand on one side, each class spread as evenly as its units allow."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from workbench.images.item import BytesSource, ImageItem
from workbench.images.splits import deal
from workbench.images.unit_deal import deal_units

SHARES = {"train": 0.6, "validation": 0.15, "test": 0.25}


def items_of(units, labels, split=None):
    return [
        ImageItem(f"{row}", BytesSource(f"{row}".encode()), str(label), None, split)
        for row, (_, label) in enumerate(zip(units, labels, strict=True))
    ]


def test_units_of_one_size_are_dealt_in_the_shares_of_the_splits() -> None:
    units = np.arange(660) // 6
    labels = np.where(units < 100, "good", "crack")
    splits = deal_units(labels.tolist(), units.tolist(), [str(row) for row in range(660)], SHARES, 0)
    assert Counter(zip(labels.tolist(), splits, strict=True)) == {
        ("good", "train"): 360, ("good", "validation"): 90, ("good", "test"): 150,
        ("crack", "train"): 36, ("crack", "validation"): 12, ("crack", "test"): 12,
    }  # fmt: skip
    assert all(len(set(np.array(splits)[units == unit])) == 1 for unit in range(110))


@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_units_each_stands_on_one_side_and_no_split_lacks_a_class_without_need(seed) -> None:
    rng = np.random.default_rng(seed)
    size, kinds = int(rng.integers(6, 50)), int(rng.integers(2, 5))
    units = np.repeat(np.arange(size), rng.integers(1, 9, size))
    labels = rng.integers(0, kinds, size)[units]
    if seed % 2:  # units with images of several classes
        labels = np.where(rng.random(len(units)) < 0.2, rng.integers(0, kinds, len(units)), labels)
    names, digests = labels.astype(str), np.array([f"image {row}" for row in range(len(units))])
    splits = np.array(deal_units(names.tolist(), units.tolist(), digests.tolist(), SHARES, 0))
    assert all(len(set(splits[units == unit])) == 1 for unit in range(size))
    for kind in set(names):
        count = len(set(units[names == kind]))
        present = [name for name in SHARES if (splits[names == kind] == name).any()]
        assert present == list(SHARES)[: max(len(present), min(count, 3))]
    order = rng.permutation(len(units))
    again = deal_units(names[order].tolist(), (units[order] * 7 % 997).tolist(), digests[order].tolist(), SHARES, 0)
    assert again == splits[order].tolist()


def test_units_of_one_image_are_dealt_as_ever() -> None:
    labels = ["good"] * 40 + ["crack"] * 20
    items = items_of(range(60), labels)
    assert deal(items, ("good", "crack"), units=range(60)) == deal(items, ("good", "crack"))


def test_copies_join_units() -> None:
    units, labels = [row // 4 for row in range(80)], ["good"] * 40 + ["crack"] * 40
    items = items_of(units, labels)
    items.append(ImageItem("copy", BytesSource(b"0"), "crack"))  # of the first image, stated as of another unit
    result = deal(items, ("good", "crack"), units=[*units, 19])
    assert len({result.splits[row] for row in (0, 1, 2, 3, 76, 77, 78, 79, 80)}) == 1
    assert (result.copies, result.leaked) == (1, 0)
    assert "they form 19 units" in result.how


def test_a_class_of_one_part_is_refused_with_the_cause(refusal) -> None:
    units = [*range(30), *[30] * 10]
    items = items_of(units, ["good"] * 30 + ["crack"] * 10)
    says = refusal(lambda: deal(items, ("good", "crack"), units=units))
    assert "10 images of the class 'crack' belong to so few parts or groups" in says


def test_only_what_is_missing_is_dealt_by_unit() -> None:
    units = [row // 4 for row in range(80)]
    items = items_of(units, ["good"] * 40 + ["crack"] * 40, "train")
    items += [ImageItem(f"t{row}", BytesSource(f"t{row}".encode()), "good", None, "test") for row in range(4)]
    result = deal(items, ("good", "crack"), units=[*units, 0, 0, 0, 0])
    assert result.splits[-4:] == ("test",) * 4
    assert {result.splits[row] for row in range(80)} == {"train", "validation"}
    assert all(len({result.splits[row] for row in range(4 * unit, 4 * unit + 4)}) == 1 for unit in range(20))
    assert "they form 20 units and came out as 80 % train, 20 % validation." in result.how, "not of the set's own test"


def test_the_shares_that_few_units_come_out_at_are_told() -> None:
    units = [row // 30 for row in range(60)]
    result = deal(items_of(units, ["good", "crack"] * 30), ("good", "crack"), units=units)
    assert Counter(result.splits) == {"train": 30, "validation": 30}
    assert "they form 2 units and came out as 50 % train, 50 % validation." in result.how
