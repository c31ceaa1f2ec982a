"""Accepted findings and recorded criteria: sealed, for the very finding alone, and not a day longer than was said."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from workbench.catalog import Criteria
from workbench.errors import InputError
from workbench.files import CheckResult
from workbench.journal import Journal
from workbench.report import (
    acceptance_draft,
    accepted,
    accepted_words,
    criteria_draft,
    criteria_set,
    judge,
    withdrawal_draft,
)

MODEL = "a" * 64
LAST_DAY = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
"""Of an acceptance: tomorrow, for the tests may run over midnight."""
WORSE = CheckResult("gap: class", "warn", "Worse for *b*.", 0.4, 0.2, 0.6, None, 40)
FOUND = {"worst group": (WORSE,)}
OF = {"model": MODEL, "model_name": "Metal", "set_name": "Parts"}


@pytest.fixture
def book(tmp_path) -> Journal:
    return Journal(tmp_path / "journal.sqlite")


def standing(results=FOUND, name="worst group", accepting=None):
    verdict = judge(results, Criteria(), accepting or {})
    return next(each for each in verdict.standings if each.check.name == name)


def accept(book, **changes):
    draft = acceptance_draft(standing(), user="Ada", reason="=Known <b>", until=LAST_DAY, **OF)
    return book.append(dataclasses.replace(draft, **changes))


def test_an_acceptance_holds_for_the_very_finding(book) -> None:
    entry = accept(book)
    assert book.verify().sound
    found = accepted(book.rulings(), FOUND, Criteria(), MODEL, "Parts")
    assert found["worst group"].entry == entry.number == 1
    assert standing(accepting=found).accepted == found["worst group"]
    assert (
        accepted_words(found["worst group"]) == f"Accepted by Ada until {LAST_DAY} (entry 1 of the journal): =Known <b>"
    )
    others = (
        dataclasses.replace(WORSE, figure=0.41),
        dataclasses.replace(WORSE, low=0.21),
        dataclasses.replace(WORSE, high=0.59),
        dataclasses.replace(WORSE, support=41),
        dataclasses.replace(WORSE, check="gap: group camera"),
    )
    for other in others:
        assert accepted(book.rulings(), {"worst group": (other,)}, Criteria(), MODEL, "Parts") == {}, other
    more = (WORSE, dataclasses.replace(WORSE, check="gap: group camera"))
    assert accepted(book.rulings(), {"worst group": more}, Criteria(), MODEL, "Parts") == {}
    assert accepted(book.rulings(), FOUND, Criteria(worst_group=0.05), MODEL, "Parts") == {}
    assert accepted(book.rulings(), FOUND, Criteria(), "b" * 64, "Parts") == {}
    assert accepted(book.rulings(), FOUND, Criteria(), MODEL, "Others") == {}
    assert accepted(book.rulings(), {"calibration": (WORSE,)}, Criteria(), MODEL, "Parts") == {}


def test_rounding_between_machines_does_not_open_it_again(book) -> None:
    accept(book)
    near = {"worst group": (dataclasses.replace(WORSE, figure=0.4 * (1 + 1e-12)),)}
    assert set(accepted(book.rulings(), near, Criteria(), MODEL, "Parts")) == {"worst group"}


def test_it_ends_after_its_last_day_and_when_it_is_taken_back(book) -> None:
    accept(book)
    after = LAST_DAY + datetime.timedelta(days=1)
    assert accepted(book.rulings(), FOUND, Criteria(), MODEL, "Parts", LAST_DAY)
    assert accepted(book.rulings(), FOUND, Criteria(), MODEL, "Parts", after) == {}
    held = standing(accepting=accepted(book.rulings(), FOUND, Criteria(), MODEL, "Parts", LAST_DAY))
    book.append(withdrawal_draft(held, user="Bo", reason="", **OF))
    assert accepted(book.rulings(), FOUND, Criteria(), MODEL, "Parts", LAST_DAY) == {}
    accept(book)
    assert accepted(book.rulings(), FOUND, Criteria(), MODEL, "Parts", LAST_DAY)["worst group"].entry == 3


def test_what_is_accepted_does_not_make_it_good(book) -> None:
    accept(book)
    found = accepted(book.rulings(), FOUND, Criteria(), MODEL, "Parts")
    verdict = judge(FOUND, Criteria(), found)
    assert verdict.tone == "doubt"
    assert "1 is accepted as it is" in verdict.headline
    assert standing().status == standing(accepting=found).status == "fail"


@pytest.mark.parametrize(
    "wrong",
    [{"reason": " "}, {"user": ""}, {"until": "soon"}, {"until": "2030-02-30"}, {"digest": "x"}, {"said": "set"},
     {"reason": "x" * 10_001}, {"about": "weather"}, {"said": "withdrawn"}],
)  # fmt: skip
def test_an_incomplete_acceptance_is_refused(book, wrong) -> None:
    with pytest.raises(InputError):
        accept(book, **wrong)
    assert book.count_records() == 0


def test_a_day_that_is_over_and_a_finding_that_is_none_are_refused() -> None:
    yesterday = LAST_DAY - datetime.timedelta(days=2)
    with pytest.raises(InputError, match="is over"):
        acceptance_draft(standing(), user="Ada", reason="Known.", until=yesterday, **OF)
    for results in ({}, {"worst group": (dataclasses.replace(WORSE, verdict="unknown"),)}):
        with pytest.raises(InputError, match="no finding"):
            acceptance_draft(standing(results), user="Ada", reason="Known.", until=LAST_DAY, **OF)


def test_only_what_is_accepted_is_taken_back(book) -> None:
    with pytest.raises(InputError, match="nothing to take back"):
        withdrawal_draft(standing(), user="Bo", reason="", **OF)
    accept(book)
    held = standing(accepting=accepted(book.rulings(), FOUND, Criteria(), MODEL, "Parts"))
    with pytest.raises(InputError, match="names nobody"):
        withdrawal_draft(held, user=" ", reason="", **OF)


def test_the_verdict_knows_since_when_criteria_are_recorded(book) -> None:
    criteria, other = Criteria(), Criteria(fit=0.2)
    assert not criteria_set(book.rulings(), criteria, "Parts").known
    entry = book.append(criteria_draft(criteria, user="Ada", reason="", **OF))
    later, sooner = (f"{year}-01-01T00:00:00+00:00" for year in (2999, 1999))
    recorded = criteria_set(book.rulings(), criteria, "Parts", later)
    assert recorded.known
    assert f"since {entry.time[:10]} by Ada (entry 1), before the model was asked" in recorded.sentence
    assert ": after the model was asked" in criteria_set(book.rulings(), criteria, "Parts", sooner).sentence
    assert "cannot be known" in criteria_set(book.rulings(), criteria, "Parts").sentence
    assert not criteria_set(book.rulings(), criteria, "Others").known
    changed = criteria_set(book.rulings(), other, "Parts", later)
    assert not changed.known
    assert "changed since" in changed.sentence
    for each in (other, criteria, criteria):
        book.append(criteria_draft(each, user="Bo", reason="", **OF))
    again = criteria_set(book.rulings(), criteria, "Parts", later).sentence
    assert "by Bo (entry 3)" in again
    assert "others were recorded before" in again
