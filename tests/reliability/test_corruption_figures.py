"""Figures under corruption, held against loops and against planted shares: rates, first severities, ranks, rises."""

from __future__ import annotations

import numpy as np
import pytest
from reliability_nets import NAMES, study

from workbench.reliability.corruption_figures import (
    cells,
    first_turns,
    holding,
    measures_of,
    ranking,
    rises,
    turned_by,
)
from workbench.stats import mcnemar, share, wilson

KINDS = ("vibration", "dust", "saturate")


@pytest.fixture(scope="module")
def mixed():
    """Sixty images in 20 units, a third good, with turns at random."""
    rng = np.random.default_rng(0)
    return study(rng.integers(0, 7, (60, 3)) % 6, KINDS, good=20, units=np.arange(60) // 3)


def test_cells_are_those_of_a_loop(mixed) -> None:
    frame = cells(mixed)
    assert len(frame) == 15
    for row in frame.itertuples():
        decided = mixed.decisions[:, KINDS.index(row.kind), row.severity - 1]
        escapes = [int(d == 0) for d, t in zip(decided, mixed.truth, strict=True) if t == 1]
        overkill = [int(d == 1) for d, t in zip(decided, mixed.truth, strict=True) if t == 0]
        flips = [int(d != c) for d, c in zip(decided, mixed.clean, strict=True)]
        assert [row.flips, row.escapes, row.overkill] == pytest.approx([np.mean(x) for x in (flips, escapes, overkill)])
        assert row.accuracy == pytest.approx(1 - np.mean(flips))
        assert (row.support, row.units) == (60, 20)
        wanted = share(np.array(escapes, bool), mixed.units[mixed.truth == 1])
        got = frame.loc[row.Index, ["escapes low", "escapes high", "escapes before", "escapes change"]].tolist()
        assert got == pytest.approx([wanted.low, wanted.high, 0.0, np.mean(escapes)])
        low, high = frame.loc[row.Index, ["escapes change low", "escapes change high"]]
        assert low <= np.mean(escapes) <= high


def test_groups_and_classes_add_up_to_the_whole(mixed) -> None:
    whole = cells(mixed).set_index(["kind", "severity"])["flips count"]
    for by, groups in (("camera", ["a", "b"]), ("label", list(NAMES))):
        frame = cells(mixed, by)
        assert frame["group"].unique().tolist() == groups
        assert (frame.groupby(["kind", "severity"])["flips count"].sum() == whole.sort_index()).all()


def test_first_severities_and_what_holds_are_those_of_a_loop(mixed) -> None:
    first = first_turns(mixed, "escapes")
    assert list(first) == ["name", "label", "vibration", "dust"]  # saturation is no one scale
    defects = np.flatnonzero(mixed.truth == 1)
    for kind in ("vibration", "dust"):
        rates = turned_by(mixed, "escapes")[kind]
        wanted = []
        for place in defects:
            row = mixed.decisions[place, KINDS.index(kind)]
            wanted.append(next((severity for severity in range(1, 6) if row[severity - 1] == 0), 0))
        assert first[kind].tolist() == wanted
        assert [rate.count for rate in rates] == [sum(0 < w <= s for w in wanted) for s in range(1, 6)]
    table = holding(mixed, "escapes")
    assert np.allclose(table["held"], 1 - table["share"])
    assert (table["held low"] <= table["held"]).all()
    assert (table.groupby("kind")["held"].diff().dropna() <= 0).all()


def test_one_that_turns_back_has_turned(mixed) -> None:
    back = study([[2]] * 40)
    decisions = back.decisions.copy()
    decisions[:, 0, 3:] = 1  # caught again at severity 4
    import dataclasses

    again = dataclasses.replace(back, decisions=decisions)
    assert [rate.count for rate in turned_by(again, "escapes")["vibration"]] == [0, 40, 40, 40, 40]
    assert cells(again)["escapes count"].tolist() == [0, 40, 40, 0, 0]


def test_parts_that_pass_already_are_not_counted_as_turned() -> None:
    import dataclasses

    whole = study([[1]] * 10)
    passing = dataclasses.replace(whole, clean=np.array([0] * 4 + [1] * 6))
    assert turned_by(passing, "escapes")["vibration"][0].support == 6
    assert cells(passing)["escapes before"].tolist() == [0.4] * 5


def test_what_can_be_counted_depends_on_what_is_known() -> None:
    import dataclasses

    whole = study([[0]] * 4, good=2)
    assert measures_of(whole) == ("escapes", "overkill", "flips")
    assert measures_of(dataclasses.replace(whole, positive=())) == ("flips",)
    assert measures_of(study([[0]] * 4)) == ("escapes", "flips")
    assert measures_of(study([[0]] * 4, good=4)) == ("overkill", "flips")


def test_a_rank_is_claimed_only_where_intervals_are_apart() -> None:
    rng = np.random.default_rng(1)
    bad, fair, as_fair = (np.where(rng.random(100) < rate, 1, 0) for rate in (0.9, 0.2, 0.2))
    frame = ranking(study(np.stack([as_fair, bad, fair], 1), ("dust", "vibration", "turn")), "escapes")
    assert frame["kind"].tolist()[0] == "vibration"
    assert frame["rank"].tolist() == [1, 2, 2]
    assert frame["first"].tolist() == [1, 1, 1]
    few = ranking(study(np.stack([as_fair, bad, fair], 1)[:3], ("dust", "vibration", "turn")), "escapes")
    assert set(few["rank"]) == {1}
    units = ranking(study(np.stack([as_fair, bad, fair], 1), ("dust", "vibration", "turn"), units=[0] * 100), "escapes")
    assert set(units["rank"]) == {1}  # a hundred images of one part tell no more than one


def test_no_interval_has_no_width_where_nothing_turns() -> None:
    frame = ranking(study([[0]] * 30), "escapes")
    assert frame["figure"].tolist() == [0.0]
    assert 0.05 < frame["high"].iloc[0] < 0.3


def test_rises_are_mcnemars() -> None:
    import dataclasses

    whole = study([[3]] * 7 + [[0]] * 20, good=10)
    clean = whole.clean.copy()
    clean[7:9] = 0  # two that pass without a corruption and are caught with it
    frame = rises(dataclasses.replace(whole, clean=clean))
    row = frame[(frame["measure"] == "escapes") & (frame["severity"] == 4)].iloc[0]
    assert (row["more"], row["fewer"]) == (7, 2)
    assert row["p"] == pytest.approx(mcnemar(7, 2, "greater"))
    assert row["adjusted"] == pytest.approx(min(1, row["p"] * 10))
    assert frame[frame["severity"] < 3]["p"].tolist() == [1.0] * 4


@pytest.mark.parametrize("each", [1, 4])
def test_intervals_cover_the_planted_shares(each) -> None:
    """Parts turn at a severity of their own; with `each` images a part, all alike."""
    rng, covered, ranked, draws = np.random.default_rng(each), 0, 0, 150
    chances = np.array([0.1, 0.1, 0.1, 0.1, 0.1])
    shares = np.cumsum(chances)
    for _ in range(draws):
        turns = rng.choice(6, 40, p=[0.5, *chances])
        one = study(np.repeat(turns, each)[:, None], units=np.repeat(np.arange(40), each))
        rates = turned_by(one, "escapes")["vibration"]
        covered += sum(rate.low <= true <= rate.high for rate, true in zip(rates, shares, strict=True))
        row = ranking(one, "escapes").iloc[0]
        ranked += row["low"] <= shares.mean() <= row["high"]
    assert covered / (5 * draws) >= 0.925
    assert ranked / draws >= 0.92


def test_without_units_the_intervals_are_wilsons() -> None:
    rate = turned_by(study([[1]] * 3 + [[0]] * 9), "flips")["vibration"][0]
    assert rate == wilson(3, 12)
