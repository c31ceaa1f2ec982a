"""What is said of how often the search errs: counted from the file that the benchmark makes, of this version alone."""

from __future__ import annotations

import json
import sys

import pytest

from workbench.catalog import shared
from workbench.cues import SEARCH_ERRORS, error_words, errors_results, search_errors
from workbench.files import KINDS
from workbench.stats import wilson

MODULE = sys.modules["workbench.cues.cue_errors"]


def models(planted, seeds, **said):
    said = said if planted else {"by": ["property"] * said["accused"], **said}
    facts = {"images": "synthetic parts", "net": "plain", "planted": planted, "family": "blur"}
    return [{**facts, "seed": seed, **said} for seed in seeds]


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Puts a file of measured models in the place of the one that ships."""

    def tell(rows, version=None):
        path = tmp_path / SEARCH_ERRORS
        version = KINDS["shortcuts"].version if version is None else version
        facts = {"version": version, "sound": 0.8, "decides": 0.5, "models": rows}
        path.write_text(json.dumps(facts))
        monkeypatch.setattr(MODULE, "shared", lambda name: tmp_path / name)
        MODULE._measured.cache_clear()

    yield tell
    MODULE._measured.cache_clear()


def test_the_rates_equal_a_count_by_hand(told) -> None:
    rows = models(False, range(30), accused=False) + models(False, range(30, 32), accused=True)
    rows += models(True, range(17), found=True, named=True) + models(True, (17, 18), found=True, named=False)
    told(rows + models(True, (19,), found=False, named=False))
    (rates,), plain = search_errors(), wilson(2, 32)
    assert (rates.accused.count, rates.accused.support) == (2, 32)
    assert (rates.accused.low, rates.accused.high) == pytest.approx((plain.low, plain.high))
    assert (rates.found.count, rates.named.count, rates.named.support) == (19, 17, 20)
    words = error_words()
    assert "of 32 sound held-out models" in words
    assert "accused 2, or 6 % (2 to 20)" in words
    assert "of 20 with a planted cue that turns at least 50 % of decisions" in words
    assert "found 19, or 95 %" in words
    assert "named 17, or 85 %" in words
    assert "Falsely accused: a property of the whole image (2)." in words
    assert "Missed or named wrongly: blur (3 of 20)." in words
    assert words.endswith("On other images and networks it may err more often or less.")


def test_models_of_one_seed_count_as_alike(told) -> None:
    told(models(False, [0] * 12 + list(range(1, 12)), accused=False) + models(False, [0] * 4, accused=True))
    rate = search_errors()[0].accused
    plain = wilson(4, 27)
    assert rate.groups == 12
    assert rate.high - rate.low > 1.2 * (plain.high - plain.low)


@pytest.mark.parametrize(
    ("sound", "accused", "verdict"),
    [(200, 0, "ok"), (20, 0, "unknown"), (40, 12, "warn"), (1, 1, "unknown"), (0, 0, "unknown")],
)
def test_the_finding_is_ok_only_where_the_interval_says_so(told, sound, accused, verdict) -> None:
    rows = [one for seed in range(sound) for one in models(False, (seed,), accused=seed < accused)]
    told(rows + models(True, (0,), found=True, named=True))
    result = errors_results()[0]
    assert result.verdict == verdict
    assert (result.figure, result.support) == (accused / sound if sound else None, sound)


def test_few_seeds_are_no_ground_for_a_verdict(told) -> None:
    told(models(False, [seed for seed in range(3) for _ in range(100)], accused=False))
    assert errors_results()[0].verdict == "unknown"
    assert "it accused 0, or 0 %" in error_words()
    assert "how many planted cues it finds was not measured" in error_words()
    told(
        [
            *models(False, [seed for seed in range(3) for _ in range(100)], accused=False),
            *models(True, (0, 1, 2), found=True, named=True),
        ]
    )
    assert "Small networks trained on synthetic parts: of 300 sound held-out models (from 3 seeds)" in error_words()
    assert "no interval can be trusted" in error_words()
    assert errors_results()[0].verdict == "unknown"


def test_each_sort_of_images_has_its_own_rates(told) -> None:
    """Nothing is pooled: what holds of one says nothing of the other."""
    facts = {"images": "photographs of tiles", "net": "pretrained"}
    tiles = [{**one, **facts} for one in models(False, range(30), accused=True)]
    told(models(False, range(200), accused=False) + tiles)
    assert [(rates.images, rates.accused.count) for rates in search_errors()] == [
        ("synthetic parts", 0), ("photographs of tiles", 30),
    ]  # fmt: skip
    assert [(result.verdict, result.support) for result in errors_results()] == [("ok", 200), ("warn", 30)]
    assert "Small networks trained on synthetic parts: of 200 sound" in error_words()
    assert "ImageNet networks, their last stage trained on photographs of tiles: of 30 sound" in error_words()


def test_rates_of_another_version_are_not_told(told) -> None:
    told(models(False, range(200), accused=False) + models(True, (0,), found=True, named=True), version=-1)
    assert search_errors() == []
    assert errors_results()[0].verdict == "unknown"
    assert "was not measured" in error_words()


def test_what_ships_is_of_this_version_and_of_no_model_that_set_a_limit() -> None:
    facts = json.loads(shared(SEARCH_ERRORS).read_text(encoding="utf-8"))
    assert facts["version"] == KINDS["shortcuts"].version, "run tests/benchmarks/bench_cues.py --write"
    assert all(one["seed"] >= facts["held out from"] for one in facts["models"])
    told = {
        (one["family"], one["strength"], one["net"], one["seed"], one["planted"], one["images"])
        for one in facts["models"]
    }
    assert len(told) == len(facts["models"])
