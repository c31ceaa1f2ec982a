"""The sentence on maps against masks follows from the interval and from chance; the worst lie beside the mask most."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.defects import Row, concluded, shares_of, worst_shares
from workbench.defects.curves import split_pixels
from workbench.stats import wilson


def frame(hits: int, of: int, chance: float) -> pd.DataFrame:
    rate = wilson(hits, of)
    line = {"pointing": rate.value, "pointing low": rate.low, "pointing high": rate.high, "pointing chance": chance}
    return pd.DataFrame([{"support": 1, "pointing": 0.0}, {"support": of, **line}]).astype(float)


@pytest.mark.parametrize(
    ("hits", "of", "chance", "said"),
    [
        (90, 100, 0.05, "Grad-CAM finds most of the marked defects: its highest point lies on the defect in 90%"),
        (20, 100, 0.05, "Grad-CAM finds fewer than half of the marked defects, but more than chance would: "),
        (50, 100, 0.05, "Grad-CAM finds the marked defects more often than chance: "),
        (6, 100, 0.05, "Grad-CAM cannot be told from chance: "),
        (1, 100, 0.3, "Grad-CAM points away from the marked defects: "),
        (3, 4, 0.05, "Too few to say: only 4 marked defects were measured."),
    ],
)
def test_the_sentence_follows_from_interval_and_chance(hits, of, chance, said) -> None:
    assert concluded("Grad-CAM", frame(hits, of, chance)).startswith(said)


def test_the_worst_hold_the_least_of_their_map_in_the_mask_for_its_size() -> None:
    def row(name, kind, mass, chance):
        pixels = split_pixels(np.zeros((2, 2), np.float32), np.eye(2, dtype=np.int32))
        return Row(name, kind, pixels, mass, False, chance)

    given = [
        row("large and half hit", "dent", 0.4, 0.8), row("small and hit", "pit", 0.3, 0.01),
        row("good", None, 0.0, 0.0),
        row("missed", "pit", 0.0, 0.01), row("as chance", "dent", 0.1, 0.1),
    ]  # fmt: skip
    shares = shares_of(given)
    assert [each.name for each in worst_shares(shares)] == [
        "missed",
        "large and half hit",
        "as chance",
        "small and hit",
    ]
    assert [each.name for each in worst_shares(shares, 1)] == ["missed"]
