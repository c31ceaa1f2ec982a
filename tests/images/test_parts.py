"""What is drawn: exact masks, parts that differ in one thing only, and attributes that show in the pixels."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from workbench.images import stamped_part
from workbench.images.stamped_part import (
    CAMERAS,
    FINISH,
    LABELS,
    LIGHTS,
    NOTICEABLE,
    SMALLEST_MASK,
    STAMP_AREA,
    Part,
    draw,
)

SIZE = 64


def some(label: str, count: int = 6, **known: object) -> list[Part]:
    """Parts of every camera, lighting and line in turn."""
    kinds = itertools.cycle(itertools.product(CAMERAS, LIGHTS, FINISH))
    plain = [Part((3, number), label, *next(kinds), stamped=False) for number in range(count)]
    return [dataclasses.replace(part, **known) for part in plain]


@pytest.mark.parametrize("label", LABELS[1:])
def test_the_mask_is_what_the_defect_changed(label: str) -> None:
    for part in some(label):
        image, mask = draw(part, SIZE)
        clean, _ = draw(dataclasses.replace(part, label="good"), SIZE)
        changed = np.abs(image.astype(int) - clean).max(axis=2)
        assert np.array_equal(mask, changed >= NOTICEABLE)
        assert SMALLEST_MASK <= mask.mean() < 0.35
        assert np.median(changed[~mask]) <= 1  # elsewhere the image is the same part's


def test_a_good_part_has_no_mask() -> None:
    assert not any(draw(part, SIZE)[1].any() for part in some("good"))


@pytest.mark.parametrize("size", [32, 64, 200])
def test_the_stamp_stays_in_its_area_and_changes_nothing_else(size: int) -> None:
    left, top, right, bottom = (round(share * size) for share in STAMP_AREA)
    margin = 1 + size // 32  # the camera's blur
    for part in some("good", 9):
        bare, inked = (
            draw(dataclasses.replace(part, stamped=stamped), size)[0].astype(int) for stamped in (False, True)
        )
        changed = np.abs(inked - bare).max(axis=2)
        assert changed[top:bottom, left:right].max() > 30
        outside = changed.copy()
        outside[max(0, top - margin) :, max(0, left - margin) :] = 0
        assert outside.max() == 0


def test_a_faint_defect_is_drawn_deeper(monkeypatch: pytest.MonkeyPatch) -> None:
    part = some("dent", 1)[0]
    depths = []
    flat = stamped_part._no_defect(SIZE)

    def slow(rng: np.random.Generator, size: int, depth: float) -> stamped_part._Defect:
        depths.append(depth)
        return dataclasses.replace(flat, cover=flat.cover + 0.9) if depth > 1.4 else flat

    monkeypatch.setitem(stamped_part._DEFECTS, "dent", slow)
    assert draw(part, SIZE)[1].mean() > 0.5
    assert depths == [1.0, 1.25, 1.5]


def test_defects_lie_anywhere_corners_included() -> None:
    """Else the corner of the stamp would never be relevant by right."""
    touched = np.zeros((SIZE, SIZE), dtype=int)
    for label in LABELS[1:]:
        touched += sum(draw(Part((4, n), label, "A", "diffuse", 3, stamped=False), SIZE)[1] for n in range(60))
    quarter = SIZE // 4
    ends = (slice(quarter), slice(-quarter, None))
    corners = [touched[rows, columns].sum() for rows in ends for columns in ends]
    assert min(corners) > 0.2 * touched.sum() / 16


def test_attributes_show_in_the_pixels() -> None:
    def mean(**known: object) -> np.ndarray:
        return np.mean([draw(part, SIZE)[0].mean((0, 1)) for part in some("good", 9, **known)], axis=0)

    warm, cool = mean(camera="B"), mean(camera="C")
    assert warm[0] > 1.1 * warm[2]
    assert cool[2] > 1.1 * cool[0]
    bright, diffuse, dark = (mean(lighting=lighting).mean() for lighting in ("bright field", "diffuse", "dark field"))
    assert bright > 1.1 * diffuse > 1.5 * dark


def test_finishes_run_their_own_way() -> None:
    def grain(line: int) -> tuple[float, float]:
        """Mean change from a pixel to the next, down and across."""
        field = stamped_part._FINISHES[FINISH[line]](np.random.default_rng(1), 128)
        return float(np.abs(np.diff(field, axis=0)).mean()), float(np.abs(np.diff(field, axis=1)).mean())

    down, across = grain(1)
    assert down > 3 * across  # brushed along the rows
    down, across = grain(2)
    assert 0.4 < down / across < 2.5  # turned: arcs


def test_another_seed_is_another_part() -> None:
    one, two = (draw(Part((3, number), "pit", "A", "diffuse", 1, stamped=True), SIZE)[0] for number in (0, 1))
    assert not np.array_equal(one, two)
