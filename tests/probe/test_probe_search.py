"""What attacks push and what 8 bits leave of a step: margins that agree with the decision, changes of their own
length."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.predictions.table import DecisionRule
from workbench.probe.search import margin_by, margin_of, snapped

torch.set_num_threads(1)
THREE = ("good", "pit", "scratch")
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "rule",
    [
        DecisionRule(THREE),
        DecisionRule(THREE, "pit", 0.2),
        DecisionRule(THREE, "pit", 0.7),
        DecisionRule(THREE, "scratch"),
        DecisionRule(THREE[:2], "pit", 0.9),
        DecisionRule(THREE[:2], "good", 0.05),
    ],
    ids=str,
)
def test_a_margin_falls_below_zero_just_where_the_rule_decides_otherwise(rule) -> None:
    logits = torch.from_numpy(RNG.normal(0, 2, (4000, len(rule.class_names))))
    decided, _ = rule.decide(logits.softmax(1).numpy())
    assert len(set(decided)) == len(rule.class_names)
    for was in set(decided.tolist()):
        margin = margin_of(rule, was)(logits).numpy()
        assert ((margin < 0) == (decided != was)).all()


def test_a_callers_rule_is_pushed_over_all_the_classes_that_it_calls_alike(refusal) -> None:
    def defective(probabilities):
        return np.where(probabilities[:, 0] < 0.4, "defect", "fine")

    before = np.array([0.1, 0.8, 0.1], np.float32)
    logits = torch.tensor([[0.1, 0.8, 0.1], [0.1, 0.2, 0.7], [0.6, 0.2, 0.2]]).log()
    margin = margin_by(defective, "defect", before)(logits)
    assert torch.allclose(margin, torch.tensor([0.9 / 0.1, 0.9 / 0.1, 0.4 / 0.6]).log())
    doubt = margin_by(lambda p: np.where(p.max(1) < 0.9, "doubt", "sure"), "doubt", before)(logits)
    assert torch.allclose(doubt, torch.tensor([0.8 / 0.2, 0.2 / 0.8, 0.2 / 0.8]).log())
    assert "another rule" in refusal(lambda: margin_by(lambda p: np.zeros(len(p), int), 0, before))


def length(change) -> float:
    return float(np.sqrt((change.astype(np.float64) ** 2).sum()))


def test_pixels_are_rounded_within_their_bound_and_the_scale() -> None:
    clean = np.array([[[0, 255, 100, 100, 100, 100]]], np.int32)
    moved = np.array([[[-9.0, 300.0, 104.4, 95.6, 102.6, 99.7]]])
    assert snapped(clean, moved, 3, "linf").tolist() == [[[0, 255, 103, 97, 103, 100]]]
    assert snapped(clean, moved, 0, "linf").tolist() == clean.tolist()


@pytest.mark.parametrize("size", [0.3, 2.0, 17.0, 400.0])
@pytest.mark.parametrize("shape", [(3, 20, 30), (1, 40, 9)])
def test_a_rounded_change_is_as_long_as_it_was_and_never_longer(size, shape) -> None:
    clean = RNG.integers(60, 196, shape).astype(np.int32)
    change = RNG.normal(0, 1, shape)
    change *= size / length(change)
    found = snapped(clean, clean + change, size, "l2") - clean
    assert length(found) <= size + 1e-6
    assert length(found) ** 2 > size**2 - 1 - 2 * np.abs(found).max()  # one more level anywhere would be too long
    assert (np.sign(found) * np.sign(change) >= 0).all()
    if size > 100:
        assert np.abs(found - change).max() < 1


def test_a_change_far_below_half_a_level_goes_to_where_it_is_largest() -> None:
    clean = np.full((1, 8, 8), 100, np.int32)
    change = np.full((1, 8, 8), 0.01)
    change[0, 2, 3], change[0, 5, 1] = 2.0, -1.9
    found = snapped(clean, clean + change, 9, "l2") - clean
    assert {(y, x): found[0, y, x] for _, y, x in np.argwhere(found)} == {(2, 3): 2, (5, 1): -1}
    even = snapped(clean, clean + np.full((1, 8, 8), 0.25), 2, "l2") - clean  # 64 pixels of a quarter: a length of 2
    assert sorted(even.ravel().tolist()) == [0] * 60 + [1] * 4


def test_a_change_over_the_edge_of_the_scale_is_cut_there() -> None:
    clean = np.array([[[0, 255, 3, 250]]], np.int32)
    found = snapped(clean, np.array([[[-50.0, 300.0, -20.0, 270.0]]]), 40, "l2")
    assert found.tolist() == [[[0, 255, 0, 255]]]
    assert (snapped(clean, clean.astype(float), 40, "l2") == clean).all()
