"""The temperature against scikit-learn's, a grid, and models whose logits were scaled on purpose."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from workbench.errors import InputError
from workbench.models import temperature_lines, tempered_toml
from workbench.predictions import DecisionRule
from workbench.reliability.temperature import fitted, losses, softmax

TOML = """title = "A [table] in a title"
threshold = 0.7587  # chosen on the validation split
positive = "bad"

[preprocessing]
size = [64, 64]

[limits]
escapes = 0.05
"""


class Logits(ClassifierMixin, BaseEstimator):
    """Says what it is given: log-odds of the second of two classes, or the logits of several."""

    def __init__(self, classes: int = 2) -> None:
        self.classes = classes

    def fit(self, x: np.ndarray, y: np.ndarray) -> Logits:
        self.classes_ = np.arange(self.classes)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x.argmax(1)

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        return x[:, 1] - x[:, 0] if self.classes == 2 else x


def model(classes: int, scale: float, size: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `scale` times those of a calibrated model, and the classes that came true."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (size, classes))
    chances = softmax(logits).cumsum(1)
    return logits * scale, (rng.random((size, 1)) > chances).sum(1).clip(max=classes - 1)


@pytest.mark.parametrize("classes", [2, 4])
def test_it_is_that_of_scikit_learn(classes: int) -> None:
    logits, truth = model(classes, 2.0)
    theirs = CalibratedClassifierCV(FrozenEstimator(Logits(classes).fit(logits, truth)), method="temperature")
    theirs.fit(logits, truth)
    ours = fitted(logits, truth)
    assert ours.value is not None
    # theirs stops at a tolerance of its own; the exact minimum is below
    assert softmax(logits, ours.value) == pytest.approx(theirs.predict_proba(logits), abs=1e-6)
    steps = [losses(logits, truth, ours.value * factor).sum() for factor in (0.9999, 1, 1.0001)]
    assert steps[1] < min(steps[0], steps[2])


@pytest.mark.parametrize("scale", [3.0, 1 / 3])
@pytest.mark.parametrize("classes", [2, 5])
def test_scaled_logits_are_recovered(classes: int, scale: float) -> None:
    found = fitted(*model(classes, scale, size=4000))
    assert found.value == pytest.approx(scale, rel=0.1)
    assert found.holds(scale)
    assert not found.holds(1.0)


def test_the_interval_is_where_the_likelihood_falls_by_what_chance_allows() -> None:
    logits, truth = model(3, 1.5)
    found = fitted(logits, truth)
    grid = np.exp(np.linspace(-1, 2, 3001))
    total = np.array([losses(logits, truth, value).sum() for value in grid])
    inside = grid[total - total.min() <= 1.959964**2 / 2]
    expected = (grid[total.argmin()], inside[0], inside[-1])
    assert (found.value, found.low, found.high) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("units", [12, 60])
def test_the_interval_by_unit_holds_what_that_of_images_misses(units: int) -> None:
    by_unit = plainly = 0
    for seed in range(60):
        logits, truth = model(2, 1.0, size=units, seed=seed)
        copies, came = np.repeat(logits, 8, axis=0), np.repeat(truth, 8)
        found = fitted(copies, came, np.repeat(np.arange(units), 8))
        by_unit += found.holds(1.0) or bool(found.reason)
        plainly += fitted(copies, came).holds(1.0) or bool(found.reason)
    assert by_unit >= 53
    assert plainly < 48


def test_where_none_can_be_fitted_it_says_why() -> None:
    right = np.array([[4.0, 0.0], [0.0, 4.0]])
    assert "decided wrongly" in fitted(right, np.array([0, 1])).reason
    assert "says nothing about them" in fitted(right, np.array([1, 0])).reason
    assert "same logit" in fitted(np.zeros((5, 2)), np.array([0, 1, 0, 1, 0])).reason
    assert fitted(right, np.array([0, 1])).value is None
    lone = fitted(*model(2, 2.0, size=200), np.zeros(200, np.intp))
    assert (lone.low, lone.high, lone.units) == (0.01, 100.0, 1) or lone.holds(1.0)


def test_a_description_keeps_all_but_two_lines() -> None:
    rule = DecisionRule(("good", "bad"), "bad", 0.7587)
    text = tempered_toml(TOML, rule, 1.604)
    before, after = tomllib.loads(TOML), tomllib.loads(text)
    assert after.pop("temperature") == 1.604
    moved = after.pop("threshold")
    assert moved == pytest.approx(1 / (1 + (1 / 0.7587 - 1) ** (1 / 1.604)))
    assert after == {name: value for name, value in before.items() if name != "threshold"}
    again = tempered_toml(text, DecisionRule(("good", "bad"), "bad", moved, temperature=1.604), 2.0)
    assert tomllib.loads(again) == tomllib.loads(tempered_toml(TOML, rule, 2.0)) | {
        "threshold": pytest.approx(tomllib.loads(tempered_toml(TOML, rule, 2.0))["threshold"])
    }
    assert temperature_lines(rule, 1.604) == f"temperature = 1.604\nthreshold = {moved!r}"
    assert temperature_lines(DecisionRule(("a", "b", "c")), 2.0) == "temperature = 2.0"
    assert tomllib.loads(tempered_toml("weights = 'x'", DecisionRule(("a", "b")), 2.0)) == {
        "weights": "x",
        "temperature": 2.0,
    }


def test_a_description_that_no_line_can_be_put_into_is_left_alone() -> None:
    rule = DecisionRule(("good", "bad"), "bad", 0.5)
    strange = 'about = """\n[not a table]\nthreshold = 1\n"""\nthreshold = 0.5\n'
    with pytest.raises(InputError, match=r"write temperature = 2\.0 and threshold = 0\.5 into it"):
        tempered_toml(strange, rule, 2.0)
    with pytest.raises(InputError, match="all labels"):
        tempered_toml("", DecisionRule(("a", "b"), thresholds=(0.5, 0.5)), 2.0)
