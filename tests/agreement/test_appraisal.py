"""The figures of a study: the published example of the AIAG to its digits, plain counting, and coverage."""

import numpy as np
import pytest
from appraised import aiag_csv, decided, simulated
from scipy.stats import binomtest

from workbench.agreement.agreement_tables import answers_csv, outcomes_of, study_zip
from workbench.agreement.agreement_words import band_of, judged_band
from workbench.agreement.appraisal import panel, share_of_parts
from workbench.agreement.arms import contrasts
from workbench.agreement.ratings import read_ratings


@pytest.fixture(scope="module")
def aiag():
    return panel(read_ratings(aiag_csv(), "aiag.csv", "0"), "")


def test_the_kappas_are_those_of_the_manual(aiag):
    assert {pair: round(kappa.value, 2) for pair, kappa in aiag.pairs.items()} == {
        ("A", "B"): 0.86, ("A", "C"): 0.78, ("B", "C"): 0.79,
    }  # fmt: skip
    assert [round(one.reference.value, 2) for one in aiag.people] == [0.88, 0.92, 0.77]


def test_effectiveness_misses_and_false_alarms_are_those_of_the_manual(aiag):
    """Tables III-C 5 and 7; the manual rounds 6.25 up."""
    rows = {one.name: one for one in aiag.people}
    printed = {"A": (84, 71, 93, 6.3, 4.9), "B": (90, 78, 97, 6.3, 2.0), "C": (80, 66, 90, 12.5, 8.8)}
    for name, (effective, low, high, miss, alarm) in printed.items():
        one = rows[name]
        assert [round(100 * x) for x in (one.effective.value, one.effective.low, one.effective.high)] == [
            effective, low, high,
        ]  # fmt: skip
        assert 100 * one.miss.value == pytest.approx(miss, abs=0.0501)
        assert round(100 * one.false_alarm.value, 1) == alarm
        assert (one.miss.support, one.false_alarm.support, one.defects, one.good) == (48, 102, 16, 34)
    assert (round(100 * aiag.effective.value), round(100 * aiag.effective.low)) == (78, 64)


def test_the_exact_interval_is_that_of_scipy(aiag):
    exact = binomtest(42, 50).proportion_ci(0.95, "exact")
    assert (aiag.people[0].effective.low, aiag.people[0].effective.high) == pytest.approx((exact.low, exact.high))


def test_no_verdict_on_a_handful(aiag):
    results = outcomes_of(read_ratings(aiag_csv(), "aiag.csv", "0")).results
    miss = [result for result in results if result.check == "miss rate"]
    assert {result.verdict for result in miss} == {"unknown"}, "16 defective parts"
    assert all("Not judged on fewer than 30 parts" in result.sentence for result in miss)
    few = outcomes_of(decided([f"Ada,{i},{t},reject,reject" for i in range(3) for t in (1, 2)])).results
    assert {result.verdict for result in few} == {"unknown"}


def test_bands_are_judged_by_the_interval():
    assert [band_of("effectiveness", x) for x in (0.9, 0.8, 0.79)] == ["acceptable", "marginal", "not acceptable"]
    assert [band_of("miss rate", x) for x in (0.02, 0.05, 0.06)] == ["acceptable", "marginal", "not acceptable"]
    assert [band_of("kappa", x) for x in (0.76, 0.75, 0.4, 0.39)] == [
        "acceptable", "marginal", "marginal", "not acceptable",
    ]  # fmt: skip
    assert judged_band("miss rate", 0.0, 0.0, 0.019, 300)[0] == "ok"
    assert judged_band("miss rate", 0.01, 0.0, 0.03, 300)[0] == "unknown"
    assert judged_band("miss rate", 0.03, 0.01, 0.06, 300)[0] == "warn"
    assert judged_band("miss rate", 0.2, 0.1, 0.3, 300)[0] == "fail"
    assert judged_band("effectiveness", 0.95, 0.91, 0.98, 29)[0] == "unknown"
    assert judged_band("effectiveness", 0.95, 0.91, 0.98, 30)[0] == "ok"


def test_a_part_without_all_trials_counts_in_neither_effectiveness_nor_repeatability():
    rows = [
        "Ada,1,1,reject,reject",
        "Ada,1,2,pass,reject",
        "Ada,2,1,pass,pass",
        "Ada,2,2,pass,pass",
        "Ada,3,1,pass,pass",
    ]
    one = panel(decided(rows), "").people[0]
    assert (one.trials, one.parts, one.incomplete) == (2, 3, 1)
    assert (one.effective.count, one.effective.support, one.same.count, one.same.support) == (1, 2, 1, 2)
    assert (one.right.count, one.right.support, one.miss.count, one.miss.support) == (4, 5, 1, 2)


def test_without_a_reference_only_agreement_is_told():
    rows = [f"{who},{part},1,{'reject' if part % 2 else 'pass'}" for who in ("Ada", "Ben") for part in range(40)]
    outcomes = outcomes_of(decided(rows, "inspector,part,trial,answer"))
    one = outcomes.panels[0].people[0]
    assert one.effective.value is None
    assert one.reference.value is None
    assert outcomes.panels[0].between.value == 1
    assert any("nothing says which parts are defective" in result.sentence for result in outcomes.results)


def test_what_maps_change_is_counted_pair_by_pair():
    ratings = simulated(0, 40, 2, 0.8, 0.95)
    everybody, *each = contrasts(ratings)
    frame = ratings.frame.assign(right=ratings.frame["rejects"] == ratings.frame["defect"].astype(bool))
    by_arm = frame.groupby("arm")["right"].mean()
    assert everybody.right.value == pytest.approx(by_arm["with"] - by_arm["without"])
    assert [one.name for one in each] == ["I0", "I1"]
    assert np.mean([one.right.value for one in each]) == pytest.approx(everybody.right.value)
    defects = frame[frame["defect"].astype(bool)].groupby("arm")["rejects"].mean()
    assert everybody.miss.value == pytest.approx(defects["without"] - defects["with"])
    later = frame.sort_values("session").groupby(["inspector", "part", "trial"])["right"].agg(["first", "last"])
    assert everybody.order.value == pytest.approx((later["last"].astype(int) - later["first"].astype(int)).mean())
    assert everybody.balanced == 0.5
    assert everybody.right.groups == 40


def test_maps_that_do_nothing_are_seldom_called_a_help_and_those_that_help_are():
    verdicts = [
        next(r.verdict for r in outcomes_of(simulated(seed, 40, 1, 0.8)).results if r.check == "maps against no maps")
        for seed in range(12)
    ]
    assert verdicts.count("unknown") >= 11
    helped = outcomes_of(simulated(1, 60, 2, 0.7, 0.97)).results
    assert helped[-1].verdict == "ok"
    hurt = outcomes_of(simulated(1, 60, 2, 0.97, 0.7)).results
    assert hurt[-1].verdict == "fail"
    assert "decide worse" in hurt[-1].sentence


def test_the_decisions_go_out_and_come_back_the_same(tmp_path):
    ratings = simulated(2, 12, 2, 0.8)
    again = read_ratings(answers_csv(ratings).encode(), "answers.csv")
    assert outcomes_of(again).results == outcomes_of(ratings).results
    facts = {"title": "Line 3"}
    assert study_zip(outcomes_of(ratings), facts) == study_zip(outcomes_of(again), facts)


def test_rare_misses_on_few_parts_are_covered():
    """Wilson's interval alone holds a rate of 1 % on 15 parts in nine of ten studies."""
    rng, hits = np.random.default_rng(4), 0
    units = np.arange(15)
    for _ in range(1000):
        one = share_of_parts(rng.random(15) < 0.011, units)
        hits += one.low <= 0.011 <= one.high
    assert hits / 1000 >= 0.95
