"""What checks are held against: bounds decide, an estimate never does, and what cannot be told stays so."""

from __future__ import annotations

import dataclasses

import pytest

from workbench.catalog import Criteria, load_catalog
from workbench.errors import InputError
from workbench.files import CheckResult
from workbench.report import CHECKS, criteria_digest, criterion_words, held, judge


def outcome(name, check, verdict, figure, low, high, limit, support=40):
    criteria = Criteria(**{name.replace(" ", "_"): limit})
    (result,) = held(name, [CheckResult(check, verdict, "Said.", figure, low, high, 0.05, support)], criteria)
    return result.verdict


@pytest.mark.parametrize(
    ("verdict", "low", "high", "expected"),
    [
        ("warn", 0.11, 0.4, "fail"),  # surely over
        ("ok", 0.11, 0.4, "fail"),
        ("warn", 0.05, 0.1, "ok"),  # surely within
        ("fail", 0.05, 0.09, "ok"),
        ("warn", 0.05, 0.2, "warn"),  # neither
        ("ok", 0.05, 0.2, "unknown"),
        ("fail", 0.05, 0.2, "warn"),
        ("unknown", 0.2, 0.3, "unknown"),  # an interval that was not trusted
        ("unknown", 0.0, 0.01, "unknown"),
    ],
)
def test_the_bound_decides(verdict, low, high, expected) -> None:
    for figure in (low, (low + high) / 2, high):  # wherever the estimate lies
        assert outcome("worst group", "gap: class", verdict, figure, low, high, 0.1) == expected


def test_without_an_interval_the_result_stays() -> None:
    for verdict in ("ok", "warn", "fail", "unknown"):
        assert outcome("calibration", "calibration", verdict, 0.3, None, None, 0.1) == verdict
        assert outcome("calibration", "calibration temperature", verdict, 0.3, 0.3, 0.4, 0.1) == verdict


def test_what_is_counted_whole_needs_no_interval_and_accuses_no_model() -> None:
    assert outcome("labels", "label issues", "warn", 0.2, None, None, 0.1) == "warn"
    assert outcome("labels", "label issues", "warn", 0.1, None, None, 0.1) == "ok"
    assert outcome("support", "support ceiling", "ok", 0.2, None, None, 0.1) == "warn"
    assert outcome("leaks", "leaks test-train", "fail", 0.9, 0.8, 1.0, 2, support=3) == "fail"
    assert outcome("leaks", "leaks test-train", "fail", 0.9, 0.8, 1.0, 3, support=3) == "ok"
    assert outcome("leaks", "leaks validation-train", "warn", 0.9, 0.8, 1.0, 3, support=3) == "warn"


def test_a_corruption_fails_by_its_own_test_and_holds_by_its_bound() -> None:
    assert outcome("corruption", "corruption: dust", "warn", 0.5, 0.2, 0.9, 0.1) == "warn"
    assert outcome("corruption", "corruption: dust", "fail", 0.1, 0.02, 0.3, 0.1) == "fail"
    assert outcome("corruption", "corruption: dust", "ok", 0.0, 0.0, 0.04, 0.01) == "unknown"
    assert outcome("corruption", "corruption: dust", "warn", 0.01, 0.0, 0.04, 0.05) == "ok"
    # few caught defects pass, but good parts are rejected beyond chance, which this figure does not say
    assert outcome("corruption", "corruption: dust", "fail", 0.01, 0.0, 0.04, 0.05) == "fail"


def test_each_check_says_what_it_is_held_against() -> None:
    words = {check.name: criterion_words(check.name, Criteria()) for check in CHECKS}
    assert len(set(words.values())) == 12
    assert "{" not in "".join(words.values())
    assert "12 %" in criterion_words("worst group", Criteria(worst_group=0.12))
    assert "At most 3 test" in criterion_words("leaks", Criteria(leaks=3))
    assert judge({}, Criteria(), {}).standings[3].criterion == words["worst group"]


def test_other_criteria_have_another_digest() -> None:
    digests = {criteria_digest(Criteria())}
    for field, value in Criteria().model_dump().items():
        digests.add(criteria_digest(Criteria(**{field: value + 1 if field == "leaks" else value + 0.01})))
    assert len(digests) == 1 + len(Criteria.model_fields)
    assert criteria_digest(Criteria()) == criteria_digest(Criteria(worst_group=0.1))


@pytest.mark.parametrize("line", ["worst_group = 1.5", "leaks = -1", 'fit = "much"', "calibration = nan", "speed = 1"])
def test_a_bad_criterion_is_one_clear_sentence(line, tmp_path, monkeypatch) -> None:
    (tmp_path / "workbench.toml").write_text(f"[criteria]\n{line}\n")
    monkeypatch.setenv("WORKBENCH_CONFIG", str(tmp_path / "workbench.toml"))
    with pytest.raises(InputError) as caught:
        load_catalog()
    assert f"criteria.{line.split()[0]}" in str(caught.value)


def test_own_criteria_are_in_force_and_others_by_default(tmp_path, monkeypatch) -> None:
    assert load_catalog().criteria == Criteria()
    (tmp_path / "workbench.toml").write_text("[criteria]\ncalibration = 0.2\n")
    monkeypatch.setenv("WORKBENCH_CONFIG", str(tmp_path / "workbench.toml"))
    assert load_catalog().criteria == Criteria(calibration=0.2)
    loose = CheckResult("calibration", "warn", "Off.", 0.1, 0.08, 0.15, 0.05, 100)
    for criteria, status in ((load_catalog().criteria, "ok"), (Criteria(), "fail")):
        verdict = judge({"calibration": [loose]}, criteria, {})
        assert next(each for each in verdict.standings if each.check.name == "calibration").status == status
    assert (
        dataclasses.replace(loose, verdict="ok", threshold=0.2)
        == held("calibration", [loose], load_catalog().criteria)[0]
    )
