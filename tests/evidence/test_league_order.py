"""What a league comes to, of tables whose outcome is known: against SciPy's tests and counts by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workbench.evidence import Entrant, League, Standings, league_result, league_rows, league_sentence, standings

ENTRANTS = (Entrant("saliency"), Entrant("occlusion"), Entrant("occlusion", (("window", 0.25),)))
TITLES = [entrant.title for entrant in ENTRANTS]


def made(
    leads: np.ndarray, chance: np.ndarray | None = None, units: list[int] | None = None, **facts: object
) -> League:
    given = {"images": 100, "split": True, "by_chance": 0.001, "by_random": 0.05} | facts
    return League(_frame(leads, TITLES, chance, units), ENTRANTS, **given)  # type: ignore[arg-type]


def _frame(
    leads: np.ndarray, titles: list[str], chance: np.ndarray | None = None, units: list[int] | None = None
) -> pd.DataFrame:
    moved = np.zeros_like(leads) if chance is None else chance
    rows = [
        (
            f"{i:03}",
            *"aaa",
            -1 if units is None else units[i],
            title,
            leads[i, e],
            moved[i, e],
            0.1 * (e + 1),
            e,
            True,
            "",
        )
        for i, unit in enumerate([-1] * len(leads) if units is None else units)
        for e, title in enumerate(titles)
    ]
    columns = ["name", "label", "predicted", "explained", "unit", "entrant", "lead", "chance"]
    return pd.DataFrame(rows, columns=[*columns, "seconds", "passes", "turns", "error"])


def leads(means: list[float], count: int = 20, seed: int = 0, spread: float = 0.1) -> np.ndarray:
    return np.random.default_rng(seed).normal(means, spread, (count, len(means)))


def test_p_values_are_those_of_the_t_test() -> None:
    values, moved = leads([0.1, 0.3, 0.28]), leads([0.0, 0.02, 0.0], seed=1)
    table = standings(made(values, moved))
    order = [TITLES.index(row.entrant.title) for row in table.rows]
    assert order == np.argsort(-values.mean(0)).tolist()
    plain = [
        max(stats.ttest_1samp(some[:, e], 0, alternative="greater").pvalue for some in (values, values - moved))
        for e in range(3)
    ]
    ranks = np.argsort(plain)
    corrected = np.maximum.accumulate([p * (3 - i) for i, p in enumerate(np.sort(plain))])
    for row, e in zip(table.rows, order, strict=True):
        assert row.p_chance == pytest.approx(corrected[ranks.tolist().index(e)], rel=2e-3)
        assert row.lead.value == pytest.approx(values[:, e].mean())
        assert row.lead.high == pytest.approx(stats.ttest_1samp(values[:, e], 0).confidence_interval().high)
    best = order[0]
    for row, e in zip(table.rows[1:], order[1:], strict=True):
        expected = 2 * stats.ttest_rel(values[:, best], values[:, e], alternative="greater").pvalue
        assert row.p_behind == pytest.approx(min(expected, 1), rel=2e-3)
    assert table.best is not None
    assert table.rows[-1].told_apart
    assert not table.rows[1].told_apart
    assert table.as_good == (table.rows[1],)


def test_of_those_that_cannot_be_told_apart_one_that_sums_up_is_put_forward() -> None:
    entrants = (Entrant("saliency"), Entrant("integrated_gradients"), Entrant("occlusion"))

    def told(means: list[float]) -> tuple[Standings, str]:
        result = made(leads(means))
        frame = result.frame.replace({"entrant": dict(zip(TITLES, (one.title for one in entrants), strict=True))})
        held = League(frame, entrants, 100, True, 0.001, 0.05)
        table = standings(held)
        return table, league_sentence(held, table)

    table, sentence = told([0.33, 0.28, 0.3])
    assert table.rows[0].entrant.method == "saliency"
    assert table.best is not None
    assert table.best.entrant.method == "integrated_gradients"
    assert len(table.tied) == 3
    assert sentence.startswith(
        "Integrated gradients is put forward of 3 tried: 3 cannot be told apart, and of these it is the first whose"
        " values sum up to the change of the score."
    )
    assert "(Saliency has the largest lead, 3" in sentence
    table, sentence = told([0.33, 0.1, 0.3])
    assert table.best is table.rows[0]
    assert "Saliency has the largest lead of 3 tried" in sentence
    assert "It is ahead of Integrated gradients by" in sentence
    table, _ = told([0.0, 0.0, 0.0])
    assert (table.best, table.tied) == (None, ())


def test_where_gradients_mislead_the_cheapest_that_takes_none_is_put_forward() -> None:
    entrants = (Entrant("saliency"), Entrant("integrated_gradients"), Entrant("occlusion"), Entrant("feature_ablation"))

    def told(means: list[float], spread: float = 0.01) -> tuple[Standings, str, str]:
        values = leads([*means[:3]], spread=spread), leads([means[3]], seed=1, spread=spread)
        frame = _frame(np.concatenate(values, 1), [one.title for one in entrants])
        held = League(frame, entrants, 100, True, 0.001, 0.05)
        table = standings(held)
        return table, league_sentence(held, table), league_result(held, table).verdict

    table, sentence, verdict = told([0.1, 0.5, 0.49, 0.47])
    assert table.misled
    assert table.best is not None
    assert table.best.entrant.method == "feature_ablation", "nearly as much, and cheaper"
    assert table.best.told_apart
    assert (table.single, verdict) == (False, "unknown")
    assert "Feature ablation is put forward of 4 tried, before Integrated gradients" in sentence
    assert "gradients at the image mislead here" in sentence
    table, _, _ = told([0.1, 0.5, 0.44, 0.4])
    assert table.best is table.rows[0], "none without gradients carries nine tenths"
    table, _, _ = told([0.3, 0.5, 0.49, 0.47])
    assert not table.misled
    assert table.best is table.rows[0]
    table, _, _ = told([0.0, 0.0, 0.0, 0.0], 0.1)
    assert not table.misled
    assert table.best is None


def test_a_finding_is_ok_only_where_one_method_is_told_from_all_others() -> None:
    alone, tied = (made(leads(means)) for means in ([0.4, 0.1, 0.1], [0.4, 0.1, 0.38]))
    findings = [league_result(result, standings(result)) for result in (alone, tied)]
    assert [finding.verdict for finding in findings] == ["ok", "unknown"]
    assert all(finding.figure > 0.3 for finding in findings)


def test_the_truly_best_is_seldom_left_out() -> None:
    left = 0
    for seed in range(60):
        table = standings(made(leads([0.3, 0.3, 0.3], seed=seed)))
        named = {row.entrant.title for row in (table.rows[0], *table.as_good)}
        left += TITLES[0] not in named
    assert left <= 7, "5 % of 60 are more than 7 once in 102 times"


def test_chance_is_seldom_taken_for_a_method() -> None:
    won = 0
    for seed in range(60):
        both = leads([0.0] * 6, seed=seed)
        won += standings(made(both[:, :3], both[:, 3:])).outcome == "best"
    assert won <= 7


def test_images_that_may_have_trained_the_model_are_named() -> None:
    for split, words in ((True, "drawn from 100 test images."), (False, "no split says which of them the model was")):
        result = made(leads([0.1, 0.3, 0.25]), split=split)
        assert words in league_sentence(result, standings(result))


def test_no_method_beats_chance() -> None:
    both = leads([0.02, 0.0, 0.01, 0.02, 0.0, 0.01])
    result = made(both[:, :3], both[:, 3:])
    table = standings(result)
    assert table.outcome == "none"
    assert table.best is None
    sentence = league_sentence(result, table)
    assert sentence.startswith("No method beats chance here: of 3 tried,")
    assert league_result(result, table).verdict == "warn"


def test_a_lead_of_nothing_wins_nothing_although_moved_maps_fall_behind() -> None:
    both = leads([0.0, 0.01, 0.0, -0.2, -0.2, -0.2])
    assert standings(made(both[:, :3], both[:, 3:])).outcome == "none"


def test_one_that_beats_chance_is_not_hidden_behind_a_larger_lead_that_does_not() -> None:
    values = leads([0.0, 0.2, 0.0])
    values[:, 0] = np.where(np.arange(20) == 0, 6.0, 0.0)
    table = standings(made(values))
    assert table.rows[0].entrant.title == "Occlusion"
    assert table.outcome == "best"
    assert {row.entrant.title: row.beats_chance for row in table.rows}["Saliency"] is False


@pytest.mark.parametrize(("count", "units"), [(9, None), (20, [i % 9 for i in range(20)])])
def test_too_few(count: int, units: list[int] | None) -> None:
    result = made(leads([0.1, 0.3, 0.2], count), units=units)
    table = standings(result)
    assert table.outcome == "too few"
    assert table.best is None
    assert league_result(result, table).verdict == "unknown"
    assert league_sentence(result, table).startswith("Too few to say")


def test_units_count_and_not_images() -> None:
    single = leads([0.1, 0.3, 0.25])
    copies = np.repeat(single, 4, axis=0)
    alone, counted = standings(made(single)), standings(made(copies, units=[i // 4 for i in range(80)]))
    assert counted.units == 20
    assert counted.decisions == 80
    for a, b in zip(alone.rows, counted.rows, strict=True):
        assert (a.lead.low, a.lead.high) == pytest.approx((b.lead.low, b.lead.high))
        assert a.p_chance == pytest.approx(b.p_chance)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"by_chance": 0.3}, "no better than chance would (p = 0.3)"),
        ({"by_random": 0.1}, "copies of the model with random weights come as near to the labels as it does (1 of 19)"),
        ({"by_chance": None, "by_random": None}, "whether its decisions are right could not be looked at"),
        ({"by_random": None}, "were not compared with those of random weights"),
    ],
)
def test_decisions_that_have_nothing_to_do_with_the_labels(facts: dict[str, float | None], words: str) -> None:
    result = made(leads([0.1, 0.3, 0.25]), **facts)
    table = standings(result)
    unrelated = any(p is not None for p in facts.values())
    assert table.outcome == ("nothing to explain" if unrelated else "best")
    assert words in league_sentence(result, table)


def test_a_method_that_lacks_maps_is_left_out_and_one_that_lacks_few_is_ranked_on_the_rest() -> None:
    result = made(leads([0.1, 0.5, 0.25]))
    frame = result.frame
    frame.loc[(frame["entrant"] == "Occlusion") & (frame["name"] < "003"), ["lead", "error"]] = [np.nan, "cannot"]
    frame.loc[(frame["entrant"] == "Saliency") & (frame["name"] == "019"), ["lead", "error"]] = [np.nan, "cannot"]
    table = standings(result)
    assert table.incomplete == {"Occlusion": "no map of 3 of 20 decisions: cannot"}
    assert table.decisions == 19
    assert [row.entrant.title for row in table.rows] == [
        "Occlusion (window 0.25)",
        "Saliency",
    ]
    rows = league_rows(result, table)
    assert rows["rank"].dropna().tolist() == [1, 2]
    assert rows["not_ranked"].tolist()[2].startswith("no map of 3")


def test_an_empty_league_says_so() -> None:
    table = standings(made(np.zeros((0, 3))))
    assert table.outcome == "too few"
    assert table.rows == ()
