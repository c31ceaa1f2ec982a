"""Sweeps, attacks and localisation where images come in groups: a unit counts, not its images."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

import workbench as wb
from workbench.defects.curves import areas, split_pixels
from workbench.defects.localise import Row as MapRow
from workbench.defects.localise import summarise
from workbench.images.item import BytesSource, ImageItem
from workbench.probe.robustness import Row, curve, masked
from workbench.probe.sweep import sweep_set
from workbench.stats import auc, mean_of, share, wilson


class Bright(nn.Module):
    """Calls bright what is above middle grey."""

    def forward(self, x):
        z = 20 * (x.mean((1, 2, 3)) - 0.5)
        return torch.stack([-z, z], 1)


@pytest.fixture(scope="module")
def bright():
    return wb.load_classifier(
        Bright(), size=(8, 8), classes=("dark", "bright"), mean=(0, 0, 0), std=(1, 1, 1), device="cpu"
    )


def grey(name: str, level: int, **attributes: object) -> ImageItem:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (level, level, level)).save(buffer, "PNG")
    return ImageItem(name, BytesSource(buffer.getvalue()), "dark" if level < 128 else "bright", None, None, attributes)


LEVELS = [20, 60, 90, 120, 140, 150, 180, 220, 240, 30, 110, 125]


def shots(**of: int) -> list[ImageItem]:
    """Each level three times."""
    return [
        grey(f"{unit}-{shot}.png", level, **({"group": f"lot {unit}"} if of.get("grouped", 1) else {}))
        for unit, level in enumerate(LEVELS)
        for shot in range(3)
    ]


def test_a_swept_set_counts_units(bright) -> None:
    values = [-0.3, -0.1, 0.2]
    result = sweep_set(bright, shots(), "brightness", values)
    plain = sweep_set(bright, shots(grouped=0), "brightness", values)
    assert plain.units is None
    units, changed = np.repeat(np.arange(12), 3), result.decisions != result.decisions[:, [result.neutral]]
    lines = [each.frame.query("by == 'all'").to_dict("records") for each in (result, plain)]
    for place, (row, other) in enumerate(zip(*lines, strict=True)):
        own, wanted = share(changed[:, place], units), wilson(int(changed[:, place].sum()), 36)
        assert (row["support"], row["units"], row["changed"]) == (36, 12, other["changed"])
        assert (row["changed low"], row["changed high"]) == (own.low, own.high)
        assert (other["changed low"], other["changed high"]) == (wanted.low, wanted.high)
        assert own.high - own.low >= wanted.high - wanted.low
    assert all("of images in 12 units" in line for line in result.sentences)
    assert not any("units" in line for line in plain.sentences)


def test_a_swept_set_takes_the_units_that_it_is_given(bright) -> None:
    items = shots(grouped=0)
    one = {item.name: number for number, item in enumerate(items)}
    alone, plain = (sweep_set(bright, items, "brightness", [0.5], units=units) for units in (one, None))
    pd.testing.assert_frame_equal(alone.frame, plain.frame)
    pairs = {item.name: number // 3 for number, item in enumerate(items)}
    assert sweep_set(bright, items, "brightness", [0.5], units=pairs).frame["units"].iloc[0] == 12


def rows(white: list[float | None], black: list[bool]) -> list[Row]:
    pairs = enumerate(zip(white, black, strict=True))
    return [Row(str(i), "a", True, epsilon, flip, 1) for i, (epsilon, flip) in pairs]


def test_accuracy_under_attack_and_masking_count_units() -> None:
    rng = np.random.default_rng(0)
    units = np.repeat(np.arange(12), 3)
    flips = (rng.random(12) < 0.7)[units]
    own = rows([None if rng.random() < 0.8 else 2.0 for _ in units], flips.tolist())
    frame, plain = curve(own, [2.0], units=units), curve(own, [2.0])
    standing = np.array([row.white is None and not row.black for row in own])
    rate = share(standing, units)
    line = frame.query("group == 'all classes' and epsilon == 2").iloc[0]
    assert (line["low"], line["high"], line["units"]) == (rate.low, rate.high, 12)
    pd.testing.assert_frame_equal(curve(own, [2.0], units=np.arange(36)), plain)
    black, white = flips & True, np.array([row.white is not None for row in own])
    sums = np.bincount(units, black.astype(float) - white)
    every = [np.dot(signs, sums) >= sums.sum() - 1e-9 for signs in itertools.product((-1, 1), repeat=12)]
    assert masked(own, 2.0, units).p == pytest.approx(np.mean(every))
    assert masked(own, 2.0, np.arange(36)) == masked(own, 2.0)


def test_shots_of_four_parts_show_no_masking() -> None:
    own = rows([None] * 20, [True] * 20)
    assert masked(own, 2.0).flagged  # as if they were 20 parts
    few = masked(own, 2.0, np.repeat(np.arange(4), 5))
    assert not few.flagged
    assert not few.told
    assert "20 images in 4 units" in few.message


def measured(rng: np.random.Generator, kind: str | None, lean: float, name: str) -> MapRow:
    labels = np.zeros((6, 6), np.int32)
    if kind:
        labels[1:3, 1:3] = 1
    values = rng.random((6, 6)).astype(np.float32) + np.float32(lean) * (labels > 0)
    inside = labels > 0
    hit = bool(inside.ravel()[values.argmax()])
    mass = float(values[inside].sum() / values.sum())
    return MapRow(name, kind, split_pixels(values, labels), mass, hit, float(inside.mean()), lean + rng.random())


def test_maps_against_masks_count_units() -> None:
    rng, units, table = np.random.default_rng(1), np.repeat(np.arange(24), 4), []
    lean = np.concatenate([rng.uniform(0, 1.2, 12), np.zeros(12)])
    for number, unit in enumerate(units):
        table.append(measured(rng, "hole" if unit < 12 else None, lean[unit], f"{number}.png"))
    row, plain = summarise(table, units=units).iloc[-1], summarise(table).iloc[-1]
    own = table[:48]
    mean, pointing = mean_of(np.array([r.mass for r in own]), units=units[:48]), share([r.hit for r in own], units[:48])
    assert (row["units"], row["support"]) == (12, 48)
    assert (row["mass accuracy low"], row["mass accuracy high"]) == pytest.approx((mean.low, mean.high))
    assert (row["pointing low"], row["pointing high"]) == pytest.approx((pointing.low, pointing.high))
    area = auc([r.score for r in table], [r.kind is not None for r in table], units=units)
    assert (row["image AUROC low"], row["image AUROC high"]) == pytest.approx((area.low, area.high))
    for name in ("pixel AUROC", "AUPRO"):
        assert row[name] == plain[name]
        assert row[f"{name} high"] - row[f"{name} low"] > plain[f"{name} high"] - plain[f"{name} low"]
    pd.testing.assert_frame_equal(summarise(table, units=np.arange(96)[::-1]), summarise(table))


def test_one_part_shown_often_has_no_interval_of_its_curves() -> None:
    rng = np.random.default_rng(2)
    defective = [measured(rng, "hole", 0.5, "").pixels for _ in range(6)]
    good = [measured(rng, None, 0.0, "").pixels for _ in range(6)]
    assert areas(defective, good)[0].low is not None
    assert areas(defective, good, units=(np.zeros(6, np.intp), None))[0].low is None
