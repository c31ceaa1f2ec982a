"""Every layout of the documentation against a count by hand, and no file without a reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from laid import Case
from laid_everything import CASES

from workbench.sets.layouts import load_images


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_set_is_read_as_a_count_by_hand_says(case: Case, tmp_path: Path) -> None:
    images = load_images(case.lay(tmp_path / "set"), options=case.options)
    report = images.report
    assert report is not None
    assert Counter(item.label or "" for item in images) == case.labels
    assert Counter(item.split or "" for item in images) == case.splits
    assert sum(item.mask is not None for item in images) == case.masks
    assert sum((mask := item.open_mask()) is not None and not mask.any() for item in images) == case.empty
    assert (report.total, report.masks, report.layout) == (case.images, case.masks, case.layout)
    left_out = [name for group in report.left_out for name in group.names]
    assert len(left_out) == len(set(left_out)) == case.left_out
    assert tuple(question.option for question in report.questions) == case.asks


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_file_is_used_or_left_out_with_a_reason(case: Case, tmp_path: Path) -> None:
    folder = case.lay(tmp_path / "set")
    report = load_images(folder, options=case.options).report
    assert report is not None
    left_out = sum(len(group.names) for group in report.left_out)
    assert report.used + left_out == report.listed == sum(path.is_file() for path in folder.rglob("*"))
