"""A model may answer with logits, or with an anomaly score and a map of where it comes from."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from types import SimpleNamespace

import pytest
import torch

from workbench.models.heads import read_answer

Batch = namedtuple("Batch", ["pred_score", "pred_label", "anomaly_map", "pred_mask"])
SCORE, MAP = torch.tensor([0.2, 0.9]), torch.rand(2, 3, 5)
ANSWERS = {
    "a dict as anomalib names it": {"pred_score": SCORE, "anomaly_map": MAP},
    "a dict of plain names": OrderedDict(map=MAP, score=SCORE),
    "a named tuple": Batch(SCORE, SCORE > 0.5, MAP, None),
    "an object": SimpleNamespace(pred_score=SCORE, anomaly_map=MAP),
    "a pair": (SCORE, MAP),
    "columns and channels": {"pred_score": SCORE[:, None], "anomaly_map": MAP[:, None]},
    "a list": [SCORE[:, None], MAP[:, None]],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_score_becomes_its_log_odds_and_the_map_is_kept(name) -> None:
    found = read_answer(ANSWERS[name])
    assert found.scored
    assert found.logits.shape == (2, 1)
    torch.testing.assert_close(found.logits[:, 0].sigmoid(), SCORE)
    assert torch.equal(found.map, MAP)


def test_logits_stay_as_they_are() -> None:
    logits = torch.randn(2, 4)
    for out in (logits, {"logits": logits, "score": SCORE}, SimpleNamespace(logits=logits)):
        found = read_answer(out)
        assert found.logits is logits
        assert (found.scored, found.map) == (False, None)


def test_certain_scores_have_finite_log_odds_of_either_sign() -> None:
    found = read_answer({"pred_score": torch.tensor([0.0, 1.0, 0.5])}).logits[:, 0]
    assert found.isfinite().all()
    assert found[0] < -13
    assert found[1] > 13
    assert found[2] == 0


def test_a_score_may_come_without_a_map_and_keeps_its_gradient() -> None:
    score = SCORE.clone().requires_grad_()
    found = read_answer({"pred_score": score, "anomaly_map": None})
    assert found.map is None
    torch.testing.assert_close(torch.autograd.grad(found.logits.sum(), score)[0], 1 / (SCORE * (1 - SCORE)))


@pytest.mark.parametrize(
    ("out", "says"),
    [
        (
            {"pred_score": torch.tensor([0.2, 31.7]), "anomaly_map": MAP},
            "reaches 31.7, and must lie in 0 .. 1: export the model with",
        ),
        ({"pred_score": torch.tensor([-0.1, 0.7])}, "reaches -0.1"),
        ({"pred_score": torch.rand(2, 3)}, r"score has the shape (2, 3)"),
        ({"pred_score": torch.tensor(0.5)}, "score has the shape ()"),
        ({"pred_score": SCORE, "anomaly_map": torch.rand(2, 3, 4, 5)}, "map has the shape (2, 3, 4, 5)"),
        ({"pred_score": SCORE, "anomaly_map": torch.rand(3, 4, 5)}, "map has the shape (3, 4, 5)"),
        ({"anomaly_map": MAP}, "answers with dict"),
        ((torch.rand(2, 3), torch.rand(2, 3)), "set output to it"),
        ((SCORE, SCORE, MAP), "set output to it"),
        (None, "answers with NoneType"),
        ([1, 2], "must answer with logits"),
        ({"logits": None}, "must answer with logits"),
    ],
)
def test_anything_else_is_refused(out, says, refusal) -> None:
    assert says in refusal(lambda: read_answer(out))
