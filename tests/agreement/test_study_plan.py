"""The plan of a study: balanced, blind, sealed, and drawn of different parts."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from appraised import parts_of, plan

from workbench.agreement.study_plan import NO_MAPS, WITH_MAPS, Part, draw_parts, plan_from, schedule
from workbench.agreement.study_size import kappa_half_width, seen_difference
from workbench.stats.significance import mcnemar


def test_each_inspector_sees_each_part_as_often_in_both_arms_and_once_a_session():
    study = plan(parts=10, trials=2)
    looks = schedule(study, "Ada")
    assert len(looks) == 10 * 4
    assert set(Counter((look.part, look.arm) for look in looks).values()) == {2}
    assert set(Counter((look.session, look.part) for look in looks).values()) == {1}
    assert set(Counter((look.part, look.arm, look.trial) for look in looks).values()) == {1}
    for part in range(10):
        arms = [look.arm for look in sorted(looks, key=lambda look: look.session) if look.part == part]
        assert arms in ([NO_MAPS, WITH_MAPS] * 2, [WITH_MAPS, NO_MAPS] * 2), "crossed over from session to session"


def test_half_of_each_kind_comes_without_a_map_first():
    study = plan(parts=16, trials=1)
    for inspector in study.inspectors:
        first = {look.part: look.arm for look in schedule(study, inspector) if look.session == 1}
        for kind in {(part.defect, part.borderline) for part in study.parts}:
            own = [first[i] for i, part in enumerate(study.parts) if (part.defect, part.borderline) == kind]
            assert abs(own.count(WITH_MAPS) - own.count(NO_MAPS)) <= 1
        assert abs(list(first.values()).count(WITH_MAPS) - 8) <= 1


def test_orders_differ_by_inspector_and_session_and_stay_the_same():
    study = plan(parts=16)
    orders = {
        (name, session): tuple(look.part for look in schedule(study, name) if look.session == session)
        for name in study.inspectors
        for session in range(1, 5)
    }
    assert len(set(orders.values())) == len(orders)
    assert schedule(study, "Ada") == schedule(plan_from(study.text), "Ada")
    assert schedule(study, "Ada") != schedule(dataclasses.replace(study, seed=6), "Ada")


def test_every_change_of_the_plan_is_another_study():
    study = plan()
    changed = {
        "title": "x", "inspectors": ("Ada",), "trials": 1, "arms": (NO_MAPS,), "method": "x", "washout": 1, "seed": 1,
        "model": "x", "model_name": "x", "set_name": "x", "positive": ("x",), "planned": "x", "parts": study.parts[:-1],
    }  # fmt: skip
    assert set(changed) == {field.name for field in dataclasses.fields(study)}
    digests = {dataclasses.replace(study, **{name: value}).digest for name, value in changed.items()}
    assert len(digests | {study.digest}) == len(changed) + 1
    assert plan_from(study.text) == study


@pytest.mark.parametrize(
    "changes",
    [
        {"inspectors": ()}, {"inspectors": ("Ada", "ADA")}, {"inspectors": (" ",)}, {"inspectors": ("x" * 81,)},
        {"inspectors": ("a\nb",)}, {"parts": parts_of(8)[::2]}, {"parts": parts_of(1)}, {"trials": 0},
        {"trials": 11}, {"washout": -1}, {"arms": (WITH_MAPS,)}, {"parts": parts_of(8) * 2},
    ],
)  # fmt: skip
def test_what_is_no_study_is_refused(refusal, changes):
    refusal(lambda: dataclasses.replace(plan(), **changes))


def test_a_plan_that_was_damaged_is_refused(refusal):
    for text in ("", "[]", "{}", '{"parts": 3}', plan().text[:-1]):
        assert "cannot be read" in refusal(lambda text=text: plan_from(text))


def candidates(count=200, seed=0):
    rng = np.random.default_rng(seed)
    return [Part(f"{i}.png", f"{i:064d}", i % 4 == 0, False, float(rng.random())) for i in range(count)]


def test_parts_are_drawn_by_truth_and_distance_one_a_unit():
    pool = candidates()
    units = np.arange(200) // 2
    drawn = draw_parts(pool, units, 0.5, {"defects": 0.5, "borderline": 0.25}, 40, 1)
    places = [int(part.name.removesuffix(".png")) for part in drawn]
    assert sum(part.defect for part in drawn) == 20
    assert len({place // 2 for place in places}) == 40
    assert Counter((part.defect, part.borderline) for part in drawn) == {
        (True, True): 5, (True, False): 15, (False, True): 5, (False, False): 15,
    }  # fmt: skip
    defects = [part for part in drawn if part.defect]
    far = min(abs(part.score - 0.5) for part in defects if not part.borderline)
    assert max(abs(part.score - 0.5) for part in defects if part.borderline) <= far + 1e-9
    runs = [part.defect for part in drawn]
    assert runs not in (sorted(runs), sorted(runs, reverse=True)), "the order tells nothing"
    assert drawn == draw_parts(pool, units, 0.5, {"defects": 0.5, "borderline": 0.25}, 40, 1)


def test_too_few_different_parts_are_said(refusal):
    pool = candidates(40)
    message = refusal(lambda: draw_parts(pool, np.arange(40) // 8, 0.5, {"defects": 0.5, "borderline": 0.2}, 12, 1))
    assert "There are 5 defects here that are different parts, and the plan asks for 6" in message


def test_the_width_of_kappa_is_that_of_simulated_studies():
    rng, right = np.random.default_rng(0), 0.9
    kappas = []
    for _ in range(600):
        defect = rng.random(100) < 0.5
        a, b = (np.where(rng.random(100) < right, defect, ~defect) for _ in range(2))
        chance = a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean())
        kappas.append(((a == b).mean() - chance) / (1 - chance))
    assert kappa_half_width((2 * right - 1) ** 2, 100) == pytest.approx(1.96 * np.std(kappas), rel=0.1)


def test_the_smallest_difference_is_found_as_often_as_promised():
    """Connor's formula is of large samples; the exact test finds it a little less often."""
    difference = seen_difference(200, 0.2)
    rng = np.random.default_rng(1)
    better, worse = (0.2 + difference) / 2, (0.2 - difference) / 2
    draws = rng.multinomial(200, [better, worse, 1 - better - worse], 500)
    found = np.mean([mcnemar(int(first), int(second)) <= 0.05 for first, second, _ in draws])
    assert 0.70 <= found <= 0.86
    assert seen_difference(3, 0.1) == 0.1
