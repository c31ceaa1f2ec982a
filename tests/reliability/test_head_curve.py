"""Heads on planted features: what they find, what more images bring, and when the held-out images are harder."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fitted import CLASSES, recorded, sided, table_of

from workbench.reliability.fit import fit_of
from workbench.reliability.fit_words import FIT_CHECKS, fit_results, fit_tables, fit_verdict
from workbench.reliability.head_curve import CURVE_SEEDS, FRACTIONS, head_study
from workbench.stats import head_answers, mean_auc


def clouds(table, apart, size=12, seed=0, harder=0.0, hold="test"):
    """Features in which the classes lie apart along one axis; those of one split less so."""
    rng = np.random.default_rng(seed)
    truth = table.frame["label"].map({name: i for i, name in enumerate(table.class_names)}).to_numpy()
    features = rng.normal(size=(len(truth), size))
    distance = np.where((table.frame["split"] == hold).to_numpy(), apart - harder, apart)
    features[:, 0] += distance * (2 * truth - 1)
    return features.astype(np.float32)


def words(table, study):
    results = fit_results(fit_of(table, recorded(table)), study, recorded(table))
    return {result.check: result for result in results} | {"word": fit_verdict(results)}


COUNTS = {"train": (150, 150), "validation": (60, 60), "test": (150, 150)}


def even(rate):
    return sided({"train": rate, "validation": rate, "test": rate}, COUNTS, seed=1)


def test_a_model_that_a_head_beats_on_its_own_training_images_is_too_simple() -> None:
    table = even(0.7)
    seen = []
    study = head_study(table, clouds(table, 2.0), recorded(table), on_progress=lambda *at: seen.append(at))
    result = words(table, study)
    assert result["word"] == "too simple"
    assert "Heads on what the ImageNet network sees" in result[FIT_CHECKS[1]].sentence
    total = CURVE_SEEDS * len(FRACTIONS) + 2
    assert seen == [(done, total) for done in range(1, total + 1)]
    assert study.better.low > 0.1
    assert (study.images, study.units, study.split) == (300, 300, "test")


def test_a_model_as_good_as_the_head_is_neither() -> None:
    table = even(0.97)
    assert words(table, None)["word"] == "unknown"
    result = words(table, head_study(table, clouds(table, 1.5), recorded(table)))
    assert result["word"] == "neither shown", result
    assert result[FIT_CHECKS[1]].verdict == "ok"


def test_where_no_head_finds_anything_the_labels_may_be_wrong() -> None:
    table = even(0.5)
    result = words(table, head_study(table, clouds(table, 0.0), recorded(table)))
    assert result["word"] == "unknown"
    assert "Neither finds the classes" in result[FIT_CHECKS[1]].sentence


def test_more_images_help_where_the_curve_still_rises_and_not_where_it_is_flat() -> None:
    table = even(0.9)
    wide = head_study(table, clouds(table, 0.55, size=200), recorded(table))
    flat = head_study(table, clouds(table, 3.0), recorded(table))
    assert words(table, wide)[FIT_CHECKS[2]].verdict == "warn"
    assert words(table, flat)[FIT_CHECKS[2]].verdict == "ok"
    assert wide.curve["AUC"].is_monotonic_increasing
    assert wide.curve["images"].tolist() == [38, 76, 150, 300]
    assert wide.gain.value == pytest.approx(wide.curve["AUC"].iloc[-1] - wide.curve["AUC"].iloc[-2])
    assert "fit-learning-curve" in fit_tables(fit_of(table), wide)


def test_the_last_place_of_the_curve_is_one_head_on_all_images() -> None:
    table = even(0.9)
    features = clouds(table, 0.5)
    study = head_study(table, features, recorded(table))
    split = table.frame["split"].to_numpy()
    codes = (table.frame["label"] == "scratch").to_numpy().astype(int)
    learn, judge = np.flatnonzero(split == "train"), np.flatnonzero(split == "test")
    answers = head_answers(features.astype(float), codes, learn, judge)
    assert study.curve["AUC"].iloc[-1] == pytest.approx(mean_auc(answers, codes[judge])[0])


def test_held_out_images_that_are_harder_for_heads_too_are_not_called_memorised() -> None:
    """Test images lie nearer to the other class: the model loses there, and so does what saw neither side."""
    counts = {"train": (200, 200), "test": (200, 200)}
    table = sided({"train": 0.95, "test": 0.7}, counts, seed=4)
    harder = head_study(table, clouds(table, 1.6, harder=1.2), recorded(table))
    alike = head_study(table, clouds(table, 1.6), recorded(table))
    assert words(table, None)["word"] == "memorised"
    assert words(table, alike)["word"] == "memorised"
    assert harder.harder.low > 0.1
    assert "may be harder, rather than" in words(table, harder)[FIT_CHECKS[0]].sentence
    assert words(table, harder)["word"] == "unknown"


def test_units_are_drawn_and_held_out_whole() -> None:
    """Copies of 30 images, ten of each: features that name the image help only a head that saw it."""
    rng, units = np.random.default_rng(0), np.repeat(np.arange(60), 10)
    truth = np.repeat(rng.permutation(np.repeat([0, 1], 30)), 10)
    splits = np.where(units < 40, "train", "test")
    features = np.repeat(rng.normal(size=(60, 40)), 10, axis=0).astype(np.float32)
    shown = rng.uniform(0.6, 0.9, 600)
    probabilities = np.where(np.eye(2)[truth] == 1, shown[:, None], 1 - shown[:, None])
    table = table_of(splits, truth, probabilities, CLASSES[:2], [f"part {u}" for u in units])
    study = head_study(table, features, recorded(table, ()))
    assert study.head.low < 0.5 < 0.75
    assert study.head.value < 0.7, "as if folds tore parts apart, all would be known"
    assert study.curve["units"].iloc[-1] == 40
    assert words(table, study)[FIT_CHECKS[2]].verdict == "unknown"


def test_what_cannot_be_asked_is_said() -> None:
    table = even(0.9)
    features = clouds(table, 1.0)
    few = head_study(table, np.where((np.arange(len(table)) % 12 == 0)[:, None], features, np.nan), recorded(table))
    assert "too few to fit heads on" in few.reason or "No held-out split" in few.reason
    nobody = dataclasses.replace(recorded(table), trained_on=frozenset())
    assert "No image of this set" in head_study(table, features, nobody).reason
    lone = sided({"train": 0.9}, {"train": (100, 100)})
    assert "No held-out split" in head_study(lone, clouds(lone, 1.0)).reason
    assert words(lone, head_study(lone, clouds(lone, 1.0)))[FIT_CHECKS[2]].verdict == "unknown"


def test_what_stops_the_work_is_let_through() -> None:
    table = even(0.9)

    def stop(done, total):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        head_study(table, clouds(table, 1.0), on_progress=stop)
