"""Accuracy under attack: as worked out for a linear model, never rising, going on where it was stopped; masked
gradients flagged."""

from __future__ import annotations

import dataclasses
import importlib
import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import binomtest
from torch import nn

from workbench.images.item import BytesSource, ImageItem
from workbench.models.loading import load_classifier
from workbench.probe.robustness import ALL_CLASSES, Row, curve, masked, robustness
from workbench.stats.rates import wilson

module = importlib.import_module("workbench.probe.robustness")
torch.set_num_threads(1)
SIZE = (6, 8)


class Brightness(nn.Module):
    """The log-odds of "bright" are how many levels the mean lies above 100.5, times `slope`."""

    def __init__(self, slope: float = 1.0) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x):
        z = self.slope * (255 * x.mean((1, 2, 3)) - 100.5)
        return torch.stack([torch.zeros_like(z), z], 1)


class Coarse(Brightness):
    """It rounds its input to steps of 1/1000 first: it decides alike, but no gradient comes through."""

    def forward(self, x):
        return super().forward((x * 1000).round() / 1000)


def model(network: nn.Module | None = None, **settings):
    settings = {"positive": "bright", "threshold": 0.5} | settings
    return load_classifier(
        network or Brightness(),
        size=SIZE,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        class_names=("dark", "bright"),
        device="cpu",
        **settings,
    )


def item(level: int, label: str | None, name: str = "", split: str | None = None) -> ImageItem:
    buffer = io.BytesIO()
    Image.new("RGB", SIZE[::-1], (level,) * 3).save(buffer, "PNG")
    return ImageItem(name or f"{level} {label}", BytesSource(buffer.getvalue()), label, split=split)


def levels(*which: int) -> list[ImageItem]:
    """Images that many levels above or below what divides the classes, rightly labelled; +k and -k+1 flip at epsilon
    k."""
    return [item(100 + k, "bright" if k > 0 else "dark") for k in which]


SET = [*levels(1, 2, 3, 4, 6, 0, -1, -3), item(90, "bright", "wrong"), item(130, "dark", "wrong too")]


def shares(found, group: str) -> list[float]:
    return found.frame.query("group == @group").accuracy.tolist()


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_accuracy_falls_as_the_margins_say(method) -> None:
    found = robustness(model(), SET, [4, 1, 2, 0, 2], method, check=False)
    assert found.frame.columns.tolist() == ["group", "epsilon", "support", "units", "robust", "accuracy", "low", "high"]
    assert found.frame.query("group == @ALL_CLASSES").epsilon.tolist() == [0, 1, 2, 4]
    assert shares(found, "bright") == [5 / 6, 4 / 6, 3 / 6, 1 / 6]
    assert shares(found, "dark") == [3 / 4, 2 / 4, 1 / 4, 0]
    assert shares(found, ALL_CLASSES) == [8 / 10, 6 / 10, 4 / 10, 1 / 10]
    line = found.frame.query("group == 'bright' and epsilon == 2").iloc[0]
    assert (line.support, line.robust) == (6, 3)
    assert (line.low, line.high) == (wilson(3, 6).low, wilson(3, 6).high)
    assert {row.name: row.white for row in found.rows if row.right} == {
        "101 bright": 1, "102 bright": 2, "103 bright": 4, "104 bright": 4, "106 bright": None, "100 dark": 1,
        "99 dark": 2, "97 dark": 4,
    }  # fmt: skip
    assert found.masking is None
    assert all(row.queries == 1 for row in found.rows if not row.right)


def test_the_l2_norm_and_the_threshold_count() -> None:
    one_level = math.sqrt(3 * SIZE[0] * SIZE[1]) / 255  # every pixel moved by one level
    found = robustness(model(), levels(3), [2.4 * one_level, 2.6 * one_level], "pgd_l2", check=False)
    assert shares(found, ALL_CLASSES) == [1, 1, 0]
    strict = model(threshold=1 / (1 + math.exp(-2.2)))  # two levels and a fifth above the middle
    assert shares(robustness(strict, levels(3, 4), [1], check=False), ALL_CLASSES) == [1, 0.5]


def test_the_share_never_rises_whatever_the_attacks_do() -> None:
    rng = np.random.default_rng(0)
    sizes = [1.0, 2.0, 4.0, 8.0]
    rows = [
        Row(str(i), "ab"[i % 2], right, white, black if right else None, 1)
        for i in range(200)
        for right, white, black in [(rng.random() < 0.8, rng.choice([None, *sizes]), bool(rng.random() < 0.5))]
    ]
    found = curve([dataclasses.replace(row, white=row.white if row.right else None) for row in rows], sizes)
    for _, lines in found.groupby("group"):
        assert (lines.accuracy.diff().dropna() <= 0).all()
        assert lines.accuracy.iloc[0] > lines.accuracy.iloc[-1]
    last = found.query("group == @ALL_CLASSES and epsilon == 8").iloc[0]
    assert last.robust == sum(row.right and row.white is None and not row.black for row in rows)
    before = found.query("group == @ALL_CLASSES and epsilon == 4").iloc[0]
    assert before.robust == sum(row.right and row.white in (None, 8.0) for row in rows)


def test_an_image_that_flipped_is_not_attacked_again(monkeypatch) -> None:
    asked = []
    true = module.attack

    def noted(classifier, image, method, epsilon, **settings):
        asked.append((method, epsilon))
        return true(classifier, image, method, epsilon, **settings)

    monkeypatch.setattr(module, "attack", noted)
    robustness(model(), [*levels(2), item(130, "dark")], [1, 2, 4], check=False)
    assert asked == [("pgd", 1), ("pgd", 2)]
    asked.clear()
    robustness(model(), levels(2), [1, 2, 4])
    assert asked == [("pgd", 1), ("pgd", 2), ("square", 4)]


def test_stopped_work_goes_on_where_it_was(monkeypatch) -> None:
    whole = robustness(model(), SET, [1, 3])
    known: dict[str, Row] = {}

    def stop(done: int, total: int) -> None:
        assert total == len(SET)
        if done == 4 and len(known) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        robustness(model(), SET, [1, 3], known=known, on_progress=stop)
    assert len(known) == 4
    done = []
    true = module._row
    monkeypatch.setattr(
        module, "_row", lambda classifier, one, *rest: done.append(one.name) or true(classifier, one, *rest)
    )
    told = []
    resumed = robustness(model(), SET, [1, 3], known=known, on_progress=lambda *now: told.append(now))
    assert len(done) == len(SET) - 4
    assert resumed.rows == whole.rows == tuple(known[row.name] for row in whole.rows)
    assert resumed.frame.equals(whole.frame)
    assert resumed.masking == whole.masking
    assert told == sorted(told)
    assert told[-1] == (len(SET), len(SET))
    assert len(told) > 2 * len(SET)  # also within an image, so that it can be stopped there


MANY = [dataclasses.replace(one, name=f"{i} {one.name}") for i in range(4) for one in levels(2, 3, 4, -1, -2)]


def test_a_model_that_masks_its_gradient_is_flagged_and_a_plain_one_is_not() -> None:
    hidden = robustness(model(Coarse()), MANY, [2, 8])
    assert hidden.masking.flagged
    assert (hidden.masking.epsilon, hidden.masking.tested) == (8, 20)
    assert hidden.masking.black_only >= 15
    assert hidden.masking.white_only == 0
    assert "seems to be masked" in hidden.masking.message
    assert shares(hidden, ALL_CLASSES)[-1] < 0.3 < shares(hidden, ALL_CLASSES)[1]  # what the black box found counts
    plain = robustness(model(), MANY, [2, 8])
    assert not plain.masking.flagged
    assert plain.masking.black_only == 0
    assert "no sign" in plain.masking.message


def test_the_flag_is_mcnemars_exact_test() -> None:
    def rows(both: int, black: int, white: int, none: int = 3) -> list[Row]:
        kinds = [(8.0, True)] * both + [(None, True)] * black + [(2.0, False)] * white + [(None, False)] * none
        return [Row(str(i), "a", True, *kind, 1) for i, kind in enumerate(kinds)] + [
            Row("wrong", "a", False, None, None, 1)
        ]

    for both, black, white in [
        (0, 5, 0),
        (0, 4, 0),
        (9, 7, 1),
        (9, 9, 2),
        (9, 8, 2),
        (30, 0, 9),
        (9, 30, 29),
        (4, 0, 0),
    ]:
        found = masked(rows(both, black, white), 8)
        expected = binomtest(black, black + white, alternative="greater").pvalue if black + white else 1
        assert found.p == pytest.approx(expected)
        assert found.flagged == (expected <= 0.05)
        assert (found.tested, found.black_only, found.white_only) == (both + black + white + 3, black, white)
        assert found.message.endswith(".")
    assert masked(rows(0, 5, 0), 8).flagged
    assert not masked(rows(0, 4, 0), 8).flagged


@pytest.mark.parametrize("both", range(8))
def test_nothing_is_said_of_masked_gradients_on_a_handful(both) -> None:
    """On fewer images than five even a black-box attack that alone flips all of them is no proof."""
    found = masked([Row(str(i), "a", True, None, False, 1) for i in range(both)], 8)
    assert ("too few to tell" in found.message) == (0.5**both > 0.05)
    assert ("no sign" in found.message) == (0.5**both <= 0.05)


def test_what_is_wrong_without_an_attack_is_never_robust() -> None:
    rows = [
        Row("wrong", "a", False, None, None, 1),
        Row("held", "a", True, None, None, 1),
        Row("fell", "a", True, 4.0, None, 1),
    ]
    found = curve(rows, [2, 4]).query("group == 'a'")
    assert found["robust"].tolist() == [2, 2, 1]
    assert found["support"].tolist() == [3, 3, 3]


def test_the_sample_is_even_seeded_and_of_the_test_split() -> None:
    many = [
        item(100 + k, label, f"{label} {k}", "test" if k % 2 else "train")
        for k in range(1, 21)
        for label in ("bright", "dark")
    ]
    many += [item(99, "else", "other"), item(99, None, "unlabelled")]
    names = [
        [row.name for row in robustness(model(), many, [1], "fgsm", check=False, most=8, seed=s).rows]
        for s in (0, 0, 1)
    ]
    assert names[0] == names[1] != names[2]
    assert sorted(name.split()[0] for name in names[0]) == ["bright"] * 4 + ["dark"] * 4
    assert all(int(name.split()[1]) % 2 for name in names[0])
    found = robustness(model(), many, [1], "fgsm", check=False, most=8, seed=3)
    assert found.sample["images"] == 40
    assert (found.sample["drawn"], found.sample["seed"], found.sample["split"]) == (8, 3, "test")


def test_an_unreadable_image_is_left_out_with_its_reason(refusal) -> None:
    torn = ImageItem("torn.png", BytesSource(b"no image"), "dark")
    found = robustness(model(), [*levels(2), torn], [1], check=False)
    assert [row.name for row in found.rows] == ["102 bright"]
    assert "torn.png" in found.left_out["torn.png"]
    with pytest.raises(module.InputError, match=r"torn\.png"):
        robustness(model(), [torn], [1], check=False)


def test_what_cannot_be_is_refused(refusal) -> None:
    for method in ("square", "deepfool"):
        assert "choose one of fgsm, pgd" in refusal(lambda method=method: robustness(model(), SET, [1], method))
    for wrong in ([], [0], [-1, 2], [math.nan], [math.inf]):
        assert "at least one number" in refusal(lambda wrong=wrong: robustness(model(), SET, wrong))
    assert "L-inf" in refusal(lambda: robustness(model(), SET, [1], "pgd_l2"))
    assert "labels" in refusal(lambda: robustness(model(), [item(3, "else")], [1]))
    broken = model(Brightness(math.nan))
    assert "not a number" in refusal(lambda: robustness(broken, SET, [1]))
    assert next(broken.model.parameters(), None) is None
