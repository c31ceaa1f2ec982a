"""What twelve checks come to: the gravest counts, nothing is ok that nobody looked for, and one headline says it."""

from __future__ import annotations

import datetime

from workbench.catalog import Criteria
from workbench.files import CheckResult
from workbench.report import CHECKS, Acceptance, judge

ALL_OK = {check.name: (CheckResult(check.name, "ok", "Nothing."),) for check in CHECKS}


def test_nothing_known_is_no_verdict() -> None:
    verdict = judge({}, Criteria(), {})
    assert [standing.status for standing in verdict.standings] == ["not yet known"] * 12
    assert verdict.tone == "doubt"
    assert "of 12 checks 12 are not yet known" in verdict.headline


def test_only_all_ok_is_good() -> None:
    assert judge(ALL_OK, Criteria(), {}).tone == "good"
    for check in CHECKS:
        assert judge({**ALL_OK, check.name: ()}, Criteria(), {}).tone == "doubt", check.name
        one_unknown = (*ALL_OK[check.name], CheckResult("more", "unknown", "Not known."))
        assert judge({**ALL_OK, check.name: one_unknown}, Criteria(), {}).tone == "doubt", check.name


def test_the_gravest_result_is_the_one_that_is_shown() -> None:
    fails = CheckResult("calibration error", "fail", "Off by 20 points.")
    some = (CheckResult("a", "ok", "A."), CheckResult("b", "unknown", "B."), CheckResult("c", "warn", "C."), fails)
    verdict = judge({**ALL_OK, "calibration": some}, Criteria(), {})
    standing = next(each for each in verdict.standings if each.check.name == "calibration")
    assert standing.status == "fail"
    assert standing.result is fails
    assert standing.results == some
    assert verdict.tone == "bad"
    assert verdict.headline.startswith("Not fit for use as it is: 1 of 12 checks fails. Off by 20 points.")


def test_an_accepted_finding_does_not_fail_any_more() -> None:
    fails = {**ALL_OK, "drift": (CheckResult("drift", "fail", "It drifts."),)}
    accepted = Acceptance("Ada", "The new lamp.", datetime.date(2999, 1, 1), 7)
    verdict = judge(fails, Criteria(), {"drift": accepted})
    standing = next(each for each in verdict.standings if each.check.name == "drift")
    assert standing.status == "fail"
    assert standing.accepted == accepted
    assert verdict.tone == "doubt"
