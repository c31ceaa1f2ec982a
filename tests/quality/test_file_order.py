"""Hidden groups: found where they are planted, silent where order means nothing, proposed with their evidence."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.quality import file_order, order_results


class Named:
    """As much of an image as the test of order looks at."""

    def __init__(self, name: str, label: str | None = None, group: str | None = None) -> None:
        self.name, self.label = name, label
        self.attributes = {} if group is None else {"group": group}


def _blocks(seed: int, sizes: list[int], spread: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    block = np.repeat(np.arange(len(sizes)), sizes)
    return spread * rng.normal(size=(len(sizes), 12))[block] + rng.normal(size=(len(block), 12))


def _names(count: int, form: str = "img{}.png") -> list[Named]:
    return [Named(form.format(number)) for number in range(count)]


def test_planted_blocks_are_found_and_proposed() -> None:
    result = file_order(_names(400), _blocks(0, [40] * 10), draws=199)
    assert result.hides
    assert result.gap < 30 < 100 < result.by_chance
    (way,) = result.proposed
    kind, length = way.option.split(":")
    assert kind == "order"
    assert 20 <= int(length) <= 60
    assert way.shared > 3 * way.by_chance
    (check,) = order_results(result)
    assert (check.check, check.verdict, check.support) == ("hidden groups", "warn", 400)


def test_names_sort_naturally() -> None:
    vectors = _blocks(1, [30] * 8)
    order = np.random.default_rng(0).permutation(240)
    items = [_names(240)[i] for i in order]
    assert file_order(items, vectors[order], draws=99).gap == file_order(_names(240), vectors, draws=99).gap


def test_order_that_means_nothing_is_silent() -> None:
    assert _alarms(range(40)) <= 6


@pytest.mark.slow
def test_order_that_means_nothing_alarms_in_so_few() -> None:
    assert _alarms(range(200)) <= 16


def _alarms(seeds: range) -> int:
    hides = 0
    for seed in seeds:
        vectors = np.random.default_rng(seed).permutation(_blocks(seed, [20] * 6))
        hides += file_order(_names(120), vectors, draws=99, seed=seed).hides
    return hides


def test_a_set_sorted_by_class_has_no_hidden_group() -> None:
    vectors = np.random.default_rng(0).normal(size=(200, 12))
    vectors[100:] += 3
    flat = [Named(f"{n}.png", "good" if n < 100 else "bad") for n in range(200)]
    folders = [Named(f"{item.label}/{item.name}", item.label) for item in flat]
    for items in (flat, folders):
        assert not file_order(items, vectors, draws=99).hides
    assert file_order([Named(item.name) for item in flat], vectors, draws=99).hides, "without labels it is a group"


def test_a_lot_in_the_names_is_proposed() -> None:
    vectors = _blocks(3, [12] * 15)
    order = np.random.default_rng(0).permutation(180)
    items = [Named(f"{n:03d}_lot{order[n] // 12:02d}_cam{n % 2}.png") for n in range(180)]
    result = file_order(items, vectors[order], draws=99)
    assert not result.hides, "the files are in no order of lots"
    assert result.proposed[0].option == "name:*_lot{group}_cam*"
    assert (result.proposed[0].groups, result.proposed[0].images) == (15, 180)
    assert order_results(result)[0].verdict == "warn"


def test_a_part_number_is_proposed_whatever_the_images_look_like() -> None:
    vectors = np.random.default_rng(0).normal(size=(120, 12))
    items = [Named(f"exp{n % 6 + 1}_num_{110116 + n // 6}.jpg") for n in range(120)]
    options = {way.option: way.groups for way in file_order(items, vectors, draws=99).proposed}
    assert options == {"name:exp*_num_{group}": 20}


@pytest.mark.parametrize("form", ["{}.png", "img{}.png", "IMG_2024_{}.png", "a{}b.png"])
def test_numbers_that_only_count_are_not_proposed(form) -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 12))
    assert file_order(_names(60, form), vectors, draws=99).proposed == ()


def test_what_cannot_be_told() -> None:
    few = file_order(_names(20), np.random.default_rng(0).normal(size=(20, 4)))
    assert (few.images, few.hides) == (0, False)
    assert order_results(few)[0].verdict == "unknown"
    assert "cannot be told" in few.sentence
    damaged = np.full((40, 4), np.nan)
    assert file_order(_names(40), damaged).images == 0
    alike = file_order(_names(40), np.ones((40, 4)), draws=99)
    assert not alike.hides or alike.p <= 0.05


def _grouped(sizes: list[int], label: str | None = None) -> list[Named]:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    return [Named(f"img{row}.png", label, f"module {number}") for row, number in enumerate(groups)]


def test_what_lies_within_stated_groups_is_not_hidden() -> None:
    result = file_order(_grouped([12] * 30), _blocks(3, [12] * 30), draws=99)
    assert (result.hides, result.proposed, result.stated, result.images) == (False, (), 30, 360)
    assert "no group that can be seen, to which several of the 30 stated ones belong" in result.sentence
    assert order_results(result)[0].verdict == "ok"


def test_stated_groups_that_belong_together_are_found() -> None:
    lots = _blocks(4, [60] * 8)
    result = file_order(_grouped([6] * 80), lots, draws=99)
    assert result.hides
    assert "hides a group, to which several of the 80 stated ones belong" in order_results(result)[0].sentence
    assert result.gap < 15 < 20 < result.by_chance


def test_groups_in_an_order_that_means_nothing_are_silent() -> None:
    hides = 0
    for seed in range(40):
        members = np.random.default_rng(seed).permutation(30)
        vectors = _blocks(seed, [8] * 30).reshape(30, 8, 12)[members].reshape(240, 12)
        hides += file_order(_grouped([8] * 30), vectors, draws=99, seed=seed).hides
    assert hides <= 6


def test_groups_of_one_class_each_may_stand_sorted_by_class() -> None:
    vectors = np.concatenate([_blocks(5, [8] * 30), 5 + _blocks(6, [8] * 30)])
    items = _grouped([8] * 60)
    for row, item in enumerate(items):
        item.label = "good" if row < 240 else "bad"
    assert not file_order(items, vectors, draws=99).hides


def test_too_few_stated_groups_tell_nothing() -> None:
    few = file_order(_grouped([60] * 8), _blocks(3, [60] * 8), draws=99)
    assert (few.images, order_results(few)[0].verdict) == (0, "unknown")
    assert "24 images of 24 stated groups in one folder" in few.sentence
