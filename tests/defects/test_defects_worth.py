"""What a threshold is worth: its promise by exact bounds, a useless answer with a better one, and its cost beside the
best, by value."""

from __future__ import annotations

import numpy as np
import pytest
from tables import scored, solar

from workbench.defects import Costs, band_kept, cases_of, choose, dearer, of_split, point_at, promised, useless
from workbench.stats import wilson


def cases(good, bad):
    return cases_of(scored(good, bad))


PROMISED = [
    (0, 200, "0 % (0 % to 1.9 %, 0 of 200). Kept."),
    (10, 200, "5 % (2.7 % to 9 %, 10 of 200). Too few to say."),
    (30, 200, "15 % (11 % to 21 %, 30 of 200). Not kept."),
    (0, 10, "0 % (0 % to 28 %, 0 of 10). Too few to say."),
]


@pytest.mark.parametrize(("missed", "of", "said"), PROMISED)
def test_a_promise_is_kept_broken_or_open_by_exact_bounds(missed, of, said) -> None:
    found = cases([0.1] * 30, [0.2] * missed + [0.9] * (of - missed))
    assert promised("escape", 0.05, found, 0.5, "test split") == (
        f"The promise: fewer than 5 % of the defects escape. On the test split: {said}"
    )
    found = cases([0.9] * missed + [0.1] * (of - missed), [0.9] * 30)
    assert promised("overkill", 0.05, found, 0.5, "test split").endswith(said)


@pytest.mark.parametrize(
    ("right", "of", "said"),
    [(205, 205, "Kept."), (201, 205, "Kept."), (195, 205, "Too few to say."), (170, 205, "Not kept."), (0, 0, "n/a")],
)
def test_the_promise_of_a_band_is_judged_by_the_same_bounds(right, of, said) -> None:
    assert band_kept(wilson(right, of), 0.95) == said


def test_a_promise_about_parts_that_are_not_there_cannot_be_checked() -> None:
    said = promised("escape", 0.05, cases([0.1] * 30, []), 0.5, "test split")
    assert said == "The promise cannot be checked: the test split has no defects."


def test_a_useless_ceiling_is_said_beside_the_first_that_halves_the_loss() -> None:
    chosen, reported = (of_split(cases_of(solar()), split) for split in ("validation", "test"))
    at = choose(chosen, "escape", ceiling=0.03).threshold
    said = useless("escape", 0.03, at, chosen, reported)
    share = float(point_at(reported, at)["overkill rate"])
    assert share > 0.5
    assert said is not None
    assert said.startswith(f"This ceiling rejects {100 * share:.0f} % of the good parts; a ceiling of ")
    other = float(said.split("ceiling of ")[1].split(" %")[0]) / 100
    milder = float(point_at(reported, choose(chosen, "escape", ceiling=other).threshold)["overkill rate"])
    assert milder <= share / 2
    assert said.endswith(f" rejects {100 * milder:.0f} %.")
    before = max(c for c in (0.03, 0.05, 0.075, 0.1, 0.15, 0.2) if c < other)
    assert float(point_at(reported, choose(chosen, "escape", ceiling=before).threshold)["overkill rate"]) > share / 2


def test_a_threshold_that_somebody_could_work_with_is_not_called_useless() -> None:
    reported = of_split(cases_of(solar()), "test")
    assert useless("model", None, 0.5799, reported, reported) is None
    few = cases([0.9] * 3 + [0.1] * 2, [0.9] * 5)
    assert wilson(3, 5).low < 0.5
    assert useless("hand", None, 0.5, few, few) is None, "chance can do that"
    assert useless("hand", None, 0.0, reported, reported) == "This threshold rejects 100 % of the good parts."
    assert useless("hand", None, 1.0, reported, reported) == "This threshold lets 100 % of the defects pass."


def test_the_cost_stands_beside_the_lowest_and_beside_no_inspection() -> None:
    found = cases([0.1] * 80 + [0.6] * 20, [0.9] * 90 + [0.3] * 10)
    costs = Costs(10, 1, 0.1)
    here, best = point_at(found, 0.5, costs), point_at(found, 0.2, costs)
    said = dearer(here, best, costs, "test split")
    assert said.startswith(f"A part costs {here['cost']:.3g} (")
    assert f", and {best['cost']:.3g} (" in said
    assert said.endswith("at the threshold with the lowest cost (0.2000).")
    assert dearer(best, best, costs, "test split").endswith("; no threshold had a lower cost where it was chosen.")
    rare = Costs(1, 1, 0.01)
    said = dearer(point_at(found, 0.0, rare), best, rare, "test split")
    assert said.endswith("It would cost less, 0.01, if every part were passed unseen.")
    assert np.isclose(point_at(found, 0.0, rare)["cost"], 0.99)
