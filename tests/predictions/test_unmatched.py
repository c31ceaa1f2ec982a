from __future__ import annotations

import pytest

from workbench.predictions.unmatched import Unmatched, unmatched

CLASSES = ("scratch", "deep dent", "ok", "pore_cluster")


@pytest.mark.parametrize(
    ("label", "near"),
    [
        ("Scratch", "scratch"), (" scratch", "scratch"), ("deep_dent", "deep dent"), ("DEEP-DENT", "deep dent"),
        ("pore cluster", "pore_cluster"), ("scratches", "scratch"), ("scrach", "scratch"), ("hole", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_near_miss_names_the_class_that_is_meant(label: str, near: str) -> None:
    assert unmatched([label, "ok", None], CLASSES) == [Unmatched(label, 1, near)]


def test_the_most_frequent_come_first_and_those_that_match_not_at_all() -> None:
    labels = ["hole", "Ok", "hole", *CLASSES, None]
    assert unmatched(labels, CLASSES) == [Unmatched("hole", 2), Unmatched("Ok", 1, "ok")]
    assert unmatched([*CLASSES, None], CLASSES) == []
    assert unmatched(["scratch;Hole", "scratch;ok"], CLASSES, several=True) == [Unmatched("Hole", 1)]
