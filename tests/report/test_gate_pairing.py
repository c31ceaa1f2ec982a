"""Which images a gate counts, and what is compared on them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from paired_sides import NAMES, parts, side

from workbench.errors import InputError
from workbench.images import BytesSource, ImageItem, ImageSet
from workbench.reliability import TrainingRecord
from workbench.report import eligible
from workbench.report.gate_pairing import pairing


def item(name, split, group=None):
    return ImageItem(name, BytesSource(name.encode()), "good", None, split, {"group": group} if group else {})


def record(*items):
    ids = frozenset(one.id[:16] for one in items)
    return TrainingRecord(ids, frozenset(), "", pd.DataFrame(), None, "training.json")


TRAIN, A, B, C = item("t", "train", "lot 1"), item("a", "test", "lot 1"), item("b", "test", "lot 2"), item("c", "test")
SET = ImageSet("set", (TRAIN, A, B, C))
UNITS = {"t": 0, "a": 0, "b": 1, "c": 2}


def test_images_that_a_model_learned_from_are_left_out_by_its_record() -> None:
    found = eligible(SET, "test", {"old": record(TRAIN), "new": record(TRAIN, B)}, UNITS)
    assert [one.name for one in found.items] == ["a", "c"]
    assert "the new model learned from it" in found.left_out["b"]
    assert found.learned == ("b",)
    assert "1 images" in "".join(found.notes)  # a shares a lot with what trained both


def test_an_image_whose_lot_trained_only_one_of_them_does_not_count() -> None:
    found = eligible(SET, "test", {"old": record(C), "new": record(TRAIN, C)}, UNITS)
    assert [one.name for one in found.items] == ["b"]
    assert "only the new model" in found.left_out["a"]


def test_without_a_record_the_split_is_taken_and_that_is_said() -> None:
    found = eligible(SET, "test", {"old": None, "new": None}, UNITS)
    assert [one.name for one in found.items] == ["a", "b", "c"]
    assert "unproven" in found.notes[0]
    assert found.learned is None


def test_a_set_without_a_test_split_is_refused_unless_all_are_asked_for() -> None:
    only = ImageSet("set", (TRAIN,))
    with pytest.raises(InputError, match="no test split"):
        eligible(only, "test", {"old": None, "new": None})
    assert eligible(only, "all", {"old": None, "new": None}).items == (TRAIN,)


def test_classes_in_another_order_are_the_same_and_other_classes_are_refused() -> None:
    items = parts([0, 1, 1, 0])
    turned = side(items, [0, 1, 0, 0], names=NAMES[::-1])
    pair = pairing(side(items, [0, 1, 1, 0]), turned, items)
    assert pair.new_says.tolist() == ["good", "defective", "good", "good"]
    assert pair.defective.tolist() == [False, True, True, False]
    with pytest.raises(InputError, match="'scratched'"):
        pairing(side(items, [0, 1, 1, 0]), side(items, [0, 1, 1, 0], names=("good", "scratched")), items)


def test_images_that_either_cannot_read_are_kept_apart() -> None:
    items = parts([0, 1, 1, 0])
    old, new = side(items, [0, 1, 1, 0], unread=(0, 1)), side(items, [0, 1, 1, 0], unread=(1, 2))
    pair = pairing(old, new, items)
    assert [one.name for one in pair.items] == ["part3"]
    assert (pair.recovered, pair.unread, pair.unanswered) == (("part0",), ("part1",), ("part2",))
    assert np.array_equal(pair.truth, ["good"])
