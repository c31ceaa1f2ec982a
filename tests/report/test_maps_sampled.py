"""A sample of maps: its share of failing ones by count, and a real run on a network that reads one corner."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest
from reported import cheap_checks, subject

from workbench.attribution import attribute
from workbench.evidence import LEAN, LITTLE, NOT_RELIED_ON, assess, error_rates, rating
from workbench.report.maps_sampled import MapStudy, map_results, map_study
from workbench.stats import wilson

__all__ = ["cheap_checks", "subject"]


def study(words, units=None):
    rows = [(f"{i}.png", "good", "good", -1 if units is None else units[i], word, "") for i, word in enumerate(words)]
    frame = pd.DataFrame(rows, columns=["name", "label", "predicted", "unit", "rating", "error"])
    return MapStudy(frame, "saliency", 100, True)


def test_the_share_of_failing_maps_by_count() -> None:
    (found,) = map_results(study([NOT_RELIED_ON] * 3 + [LEAN] * 20 + [LITTLE] * 5 + [""] * 2))
    expected = wilson(3, 28)
    assert (found.verdict, found.figure, found.low, found.high) == ("warn", 3 / 28, expected.low, expected.high)
    assert found.images == ("0.png", "1.png", "2.png")
    assert "20 hold all of them" in found.sentence
    assert "Of 2 more it cannot be told" in found.sentence
    rates = error_rates()
    assert rates is not None
    counts = [f"{rate.count:,} of {rate.support:,} (95 % interval" for rate in (rates.warned, rates.spurned)]
    assert all(count in found.sentence for count in counts)
    assert "On planted maps the card says so of" in found.sentence


def test_a_handful_few_units_or_no_method_are_no_verdict() -> None:
    assert map_results(study([LEAN] * 20))[0].verdict == "ok"
    assert map_results(study([LEAN] * 19))[0].verdict == "unknown"
    assert map_results(study([LEAN] * 28, [i % 4 for i in range(28)]))[0].verdict == "unknown"
    assert map_results(study([""] * 28))[0].verdict == "unknown"
    assert map_results(dataclasses.replace(study([]), method=""))[0].verdict == "unknown"


@pytest.mark.timeout(120)
def test_a_sample_is_of_both_classes_and_says_what_the_card_says(subject, monkeypatch) -> None:
    monkeypatch.setattr("workbench.report.maps_sampled.DECISIONS", 4)
    found = map_study(subject.classifier, subject.images, subject.predictions)
    frame = found.frame
    assert sorted(frame["label"]) == ["defective", "defective", "good", "good"]
    assert set(subject.predictions.frame.set_index("name")["split"][frame["name"]]) == {"test"}
    name = frame["name"].iloc[0]
    ready = subject.classifier.input(subject.images.by_name[name])
    card = assess(subject.classifier, ready, attribute(subject.classifier, ready, found.method))
    assert frame["rating"].iloc[0] == rating(card.findings).word
