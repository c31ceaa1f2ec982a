"""The verdict of a model: by exact bounds, held against SciPy and against what a reader would conclude."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from workbench.catalog import load_catalog
from workbench.predictions.cases import Cases, defect_classes, has_defects, judgeable, mistakes
from workbench.predictions.fitness import Limits, fitness, promise
from workbench.predictions.headline import headline, inspection
from workbench.predictions.table import DecisionRule, Predictions
from workbench.stats.rates import upper_bound, wilson


@pytest.mark.parametrize("support", [30, 59, 205, 2000])
@pytest.mark.parametrize("limit", [0.001, 0.02, 0.05, 0.3])
def test_an_outcome_is_that_of_the_exact_test(support, limit):
    seen = set()
    for count in range(0, support + 1, max(support // 60, 1)):
        outcome = promise("escapes", wilson(count, support), limit).outcome
        under, over = (binomtest(count, support, limit, side).pvalue <= 0.05 for side in ("less", "greater"))
        assert outcome == ("kept" if under else "not kept" if over else "not shown")
        assert (outcome == "kept") == bool(upper_bound(np.array([count]), support)[0] <= limit)
        seen.add(outcome)
    assert "not kept" in seen


def test_a_handful_gives_no_verdict_and_no_limit_asks_for_one():
    assert promise("escapes", wilson(29, 29), 0.05).outcome == "too few"
    assert promise("escapes", wilson(0, 0), 0.05).outcome == "too few"
    assert promise("escapes", wilson(3, 300), None).outcome == "no limit"
    assert fitness({"escapes": wilson(3, 300)}, Limits(), held_out=True).verdict == "Set a limit to get a verdict."
    assert fitness({"escapes": wilson(0, 12)}, Limits(0.05), held_out=True).tone == "doubt"


def test_only_a_limit_kept_on_a_test_split_without_a_shortcut_is_good():
    rates = {"escapes": wilson(2, 205), "overkill": wilson(8, 451)}
    limits = Limits(escapes=0.05, overkill=0.05)
    assert fitness(rates, limits, held_out=True).tone == "good"
    assert fitness(rates, limits, held_out=False).tone == "doubt"
    assert fitness(rates, limits, held_out=True, shortcut=True).tone == "bad"
    assert fitness(rates, Limits(escapes=0.05, overkill=0.02), held_out=True).verdict.startswith("Not shown")
    rates["escapes"] = wilson(55, 205)
    verdict = fitness(rates, limits, held_out=True)
    assert (verdict.verdict, verdict.tone) == ("Not as the only inspection.", "bad")


@pytest.mark.parametrize("model", ["solar-cells", "metal-shortcut"])
def test_the_first_figures_are_counted_from_the_table(model):
    predictions = Predictions.load(Path(load_catalog().models[model].ref, "predictions.parquet"))
    rows = (predictions.frame["split"] == "test").to_numpy(bool)
    positive = defect_classes(predictions)
    found = inspection(Cases(predictions, judgeable(predictions, rows), positive))
    frame = predictions.frame[rows]
    defects = frame[frame["label"].isin(positive)]
    good = frame[~frame["label"].isin(positive)]
    passed, rejected = ~defects["predicted"].isin(positive), good["predicted"].isin(positive)
    assert (found["escape rate"].count, found["escape rate"].support) == (passed.sum(), len(defects))
    assert (found["overkill rate"].count, found["overkill rate"].support) == (rejected.sum(), len(good))
    assert found["accuracy"] == headline(predictions, rows)["accuracy"]
    assert inspection(Cases(predictions, judgeable(predictions, rows))).keys() == {"accuracy"}


def test_a_mistake_is_an_escape_or_overkill_among_several_kinds_of_defect():
    predictions = Predictions.load(Path(load_catalog().models["metal-shortcut"].ref, "predictions.parquet"))
    kinds, frame = mistakes(predictions), predictions.frame
    for kind, label, called in zip(kinds, frame["label"], frame["predicted"], strict=True):
        wanted = "escape" if label != "good" == called else "overkill" if label == "good" != called else None
        assert kind == wanted
    assert set(kinds) == {"escape", "overkill", None}
    reversed_rule = dataclasses.replace(predictions, rule=DecisionRule(predictions.class_names, "good", 0.5))
    assert (mistakes(reversed_rule) == kinds).all()  # a threshold for good parts makes no defect of them
    unknown = dataclasses.replace(predictions, rule=DecisionRule(("a", "b", "c", "d", "e")))
    assert not has_defects(unknown)
    assert set(mistakes(unknown)) == {None}


def test_a_hidden_group_leaves_no_limit_kept() -> None:
    rates, limits = {"escapes": wilson(0, 205)}, Limits(escapes=0.05)
    assert fitness(rates, limits, held_out=True).tone == "good"
    hidden = fitness(rates, limits, held_out=True, hidden=True)
    assert (hidden.tone, "hides a group" in hidden.verdict) == ("doubt", True)
    broken = {"escapes": wilson(60, 205)}
    assert fitness(broken, limits, held_out=True, hidden=True).tone == "bad"
