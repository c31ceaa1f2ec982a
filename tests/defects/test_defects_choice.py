"""Choosing a threshold: on the right images, under the ceiling that was asked for, and never by guessing."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from scipy.special import betainc
from scipy.stats import binom, binomtest
from tables import scored, solar

from workbench.defects.halves import CHOSEN_ON, REPORTED_ON, cases_of, of_split
from workbench.defects.operating import Costs, point_at, points_of
from workbench.defects.threshold import WAYS, _most_mistakes, choose
from workbench.stats.rates import upper_bound


def spread(good: int = 100, bad: int = 80):
    """Good parts and defects whose scores overlap in the middle."""
    rng = np.random.default_rng(3)
    return cases_of(scored(rng.beta(2, 5, good), rng.beta(5, 2, bad)))


CEILINGS = {"cost": None, "escape": 0.1, "overkill": 0.1}


@pytest.mark.parametrize("way", WAYS)
def test_no_threshold_is_chosen_on_the_images_it_is_reported_on(refusal, way) -> None:
    cases = of_split(cases_of(solar()), REPORTED_ON)
    said = refusal(lambda: choose(cases, way, split=REPORTED_ON, ceiling=0.1))
    assert "not chosen on the test split" in said
    assert "Choose it on the validation split" in said
    assert "train split" in refusal(lambda: choose(cases, way, split="train", ceiling=0.1))


@pytest.mark.parametrize("way", WAYS)
def test_no_threshold_is_guessed_where_a_class_is_missing(refusal, way) -> None:
    ceiling = CEILINGS[way]
    without = cases_of(scored(np.linspace(0, 1, 100), []))
    assert "without defects" in refusal(lambda: choose(without, way, ceiling=ceiling))
    without = cases_of(scored([], np.linspace(0, 1, 100)))
    assert "without good parts" in refusal(lambda: choose(without, way, ceiling=ceiling))
    assert "No threshold" in refusal(lambda: choose(cases_of(scored([], [])), way, ceiling=ceiling))


def test_questions_without_an_answer_are_refused(refusal) -> None:
    for ceiling in (None, 0, 1, -0.1, np.nan):
        assert "a ceiling between 0 and 1" in refusal(
            lambda ceiling=ceiling: choose(spread(), "escape", ceiling=ceiling)
        )
    assert "'youden'" in refusal(lambda: choose(spread(), "youden"))


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("ceiling", [0.03, 0.1, 0.4])
@pytest.mark.parametrize("way", ["escape", "overkill"])
def test_a_ceiling_holds_for_the_exact_bound_and_no_better_threshold_would(way, ceiling, level) -> None:
    cases = spread(150, 120)
    found = choose(cases, way, ceiling=ceiling, level=level)
    points = points_of(cases)
    counted, support, other = ("escapes", 120, "overkill") if way == "escape" else ("overkill", 150, "escapes")
    bound = [
        binomtest(int(count), support, alternative="less").proportion_ci(level, method="exact").high
        for count in range(points[counted].max() + 1)
    ]
    fits = np.array([bound[count] <= ceiling for count in points[counted]])
    here = point_at(cases, found.threshold)
    assert bound[int(here[counted])] <= ceiling
    assert here[other] == points[other][fits].min()
    assert found.threshold == (points["threshold"][fits].max() if way == "escape" else points["threshold"][fits].min())


def test_too_few_images_are_told_how_many_it_takes(refusal) -> None:
    cases = cases_of(scored([0.1] * 60, [0.9] * 58))
    assert (
        refusal(lambda: choose(cases, "escape", ceiling=0.05))
        == "With 58 defects no threshold can be shown to keep the escape rate under 5%: even without a single mistake"
        " among them it could be 5.03%. At least 59 are needed, or a higher ceiling."
    )
    assert choose(cases, "overkill", ceiling=0.05).threshold == pytest.approx(0.5)


@pytest.mark.parametrize("level", [0.75, 0.95, 0.999])
@pytest.mark.parametrize("ceiling", [0.5, 0.25, 0.1, 0.05, 0.01, 0.0004, 1e-12, 1e-17])
def test_the_number_that_is_needed_is_right(refusal, ceiling, level) -> None:
    said = refusal(lambda: choose(cases_of(scored([0.1], [0.9])), "escape", ceiling=ceiling, level=level))
    needed = int(re.search(r"At least ([\d,]+) are", said)[1].replace(",", ""))
    if ceiling > 1e-10:
        assert upper_bound(0, needed, level) <= ceiling + 1e-12
        assert upper_bound(0, needed - 1, level) > ceiling
    if needed < 1e4:
        assert _most_mistakes(needed, ceiling + 1e-12, level) is not None
    assert f"under {100 * ceiling:.3g}%" in said


def test_good_parts_that_score_one_cannot_be_spared(refusal) -> None:
    cases = cases_of(scored([0.1] * 90 + [1.0] * 10, [0.9] * 50 + [1.0] * 50))
    assert "10 of 100 good parts score exactly 1" in refusal(lambda: choose(cases, "overkill", ceiling=0.1))
    assert point_at(cases, choose(cases, "overkill", ceiling=0.2).threshold)["overkill"] == 10
    assert choose(cases_of(scored([0.1] * 100, [0.0] * 50 + [0.9] * 50)), "escape", ceiling=0.1).threshold == 0


def test_the_reason_says_what_was_counted() -> None:
    cases = spread(150, 120)
    assert (
        choose(cases, "escape", ceiling=0.125).reason
        == "It is the highest threshold whose escape rate is under 12.5% with 95% confidence: 8 of 120, so at most"
        " 11.7%."
    )
    assert (
        choose(cases, "overkill", ceiling=0.05, level=0.9).reason
        == "It is the lowest threshold whose overkill rate is under 5% with 90% confidence: 3 of 150, so at most 4.4%."
    )
    found = choose(cases)
    point = point_at(cases, found.threshold)
    assert (
        found.reason == f"It has the lowest cost a part: {point['cost']:.3g} (95 % interval {point['cost low']:.3g} to"
        f" {point['cost high']:.3g})."
    )


@pytest.mark.parametrize("costs", [Costs(), Costs(50, 1), Costs(1, 20), Costs(50, 1, 0.01)])
def test_no_threshold_is_cheaper(costs) -> None:
    cases = of_split(cases_of(solar()), CHOSEN_ON)
    prior = costs.prior or cases.defects / (cases.defects + cases.good)
    found = choose(cases, costs=costs)

    def cost(threshold):
        passed = cases.scores < threshold
        return (
            costs.escape * prior * passed[cases.defect].mean()
            + costs.overkill * (1 - prior) * (~passed)[~cases.defect].mean()
        )

    every = [cost(threshold) for threshold in [0, 1, *cases.scores, *np.nextafter(cases.scores, 1)]]
    assert cost(found.threshold) == pytest.approx(min(every))
    assert (found.way, found.threshold) == (
        "cost",
        choose(cases, "cost", costs=costs, points=points_of(cases, costs)).threshold,
    )


@pytest.mark.parametrize("unit", [1e-15, 1e-3, 1, 7, 1e9])
def test_of_equal_costs_the_widest_gap_is_taken_in_any_unit(unit) -> None:
    # One mistake in each of (0.1, 0.2], (0.3, 0.4] and (0.5, 0.9], two in between.
    cases = cases_of(scored([0.05, 0.1, 0.3, 0.5], [0.2, 0.4, 0.9]))
    points = points_of(cases)
    mistakes = (points["escapes"] + points["overkill"]).tolist()
    assert mistakes == [4, 3, 2, 3, 2, 3, 2, 3]
    assert choose(cases, costs=Costs(unit, unit)).threshold == pytest.approx(0.7)
    wider = cases_of(scored([0.05, 0.1, 0.6, 0.7], [0.5, 0.65, 0.9]))
    assert choose(wider, costs=Costs(unit, unit)).threshold == pytest.approx(0.3)


def test_where_mistakes_cost_nothing_the_widest_gap_is_taken() -> None:
    assert choose(cases_of(scored([0.1, 0.2], [0.3, 0.9])), costs=Costs(0, 0)).threshold == pytest.approx(0.6)


@pytest.mark.parametrize(("way", "support", "ceiling"), [("escape", 60, 0.05), ("overkill", 124, 0.05)])
def test_the_promise_of_a_ceiling_holds_for_the_line(way, support, ceiling) -> None:
    """Of 1,000 validation sets at most 5 % may choose a threshold whose rate on the line is above the ceiling."""
    rng, draws, more = np.random.default_rng(0), 1000, 40
    good, bad = (more, support) if way == "escape" else (support, more)
    frame = scored([0] * good, [1] * bad)
    scores = np.concatenate([rng.beta(2, 5, (draws, good)), rng.beta(5, 2, (draws, bad))], 1).astype(np.float32)
    above = []
    for drawn in scores:
        cases = cases_of(dataclasses.replace(frame, probabilities=np.stack([1 - drawn, drawn], 1)))
        threshold = choose(cases, way, ceiling=ceiling).threshold
        above.append((betainc(5, 2, threshold) if way == "escape" else 1 - betainc(2, 5, threshold)) > ceiling)
    share, noise = np.mean(above), 3 * np.sqrt(0.05 * 0.95 / draws)
    print(f"{way} under {ceiling} from {support}: {share:.1%} of {draws} thresholds are above it")
    assert share <= 0.05 + noise
    most = binom.cdf(_most_mistakes(support, ceiling, 0.95), support, ceiling)  # a threshold at the end of its gap
    assert most / 3 < share <= most + noise
