"""Where a model looks: planted maps are told as they are, a planted difference is found, and chance alone is not called
one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from heatmaps import lit, maps
from scipy.stats import binom, t
from tables import table

from workbench.audit.reader import Summaries
from workbench.audit.summary import GRID
from workbench.bias.places import CORNERS, REGIONS
from workbench.bias.where import LOOKED_AT, differences, focus, maps_of, mean_maps

CORNER = REGIONS["bottom right corner"]
RUNS = 200
MOST = binom.ppf(0.995, RUNS, 0.05)
LEAST = binom.ppf(0.005, RUNS, 0.05)


def noisy(count: int, seed: int = 0, bulge=0.0) -> np.ndarray:
    """Maps of blotches, with `bulge` more of their mass in the bottom right corner."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.gamma(0.5, size=(count, 8, 8)), np.ones((1, 4, 4)))
    return coarse / coarse.sum((1, 2), keepdims=True) * (1 - np.reshape(bulge, (-1, 1, 1))) + np.reshape(
        bulge, (-1, 1, 1)
    ) * lit(CORNER, 1)


def summaries(names, target, error) -> Summaries:
    frame = pd.DataFrame(
        {"name": names, "method": "saliency", "target": target, "mask": np.arange(len(names)) / 10, "error": error}
    )
    heatmaps = np.zeros((len(names), GRID, GRID), np.float32)
    heatmaps[np.arange(len(names)), 0, np.arange(len(names))] = 1
    return Summaries(frame, heatmaps, {})


def test_maps_come_with_the_rows_of_their_images() -> None:
    predictions = table(["good"] * 4, ["good", "bad", "bad", "good"], {"line": [1, 2, 3, 4]})
    names = ["3.png", "gone.png", "0.png", "1.png", "2.png"]
    found = maps_of(
        summaries(names, ["good", "good", "bad", "bad", "bad"], [None, None, None, None, "no map"]), predictions
    )
    # gone.png is no longer in the set, 0.png is called something else by now, and 2.png has no map.
    assert found.frame["name"].tolist() == ["3.png", "1.png"]
    assert found.frame["line"].tolist() == [4, 2]
    assert found.mask.tolist() == [0, 0.3]
    assert found.heatmaps[:, 0].argmax(1).tolist() == [0, 3]
    assert (found.method, found.heatmaps.dtype) == ("saliency", np.float64)


def test_a_sample_without_a_map_is_refused(refusal) -> None:
    predictions = table(["good"] * 2, ["good"] * 2)
    assert "map" in refusal(
        lambda: maps_of(summaries(["0.png", "1.png"], ["good", "good"], ["dark", "dark"]), predictions)
    )
    assert "map" in refusal(lambda: maps_of(summaries(["x.png"], ["good"], [None]), predictions))


def test_mean_maps_are_of_each_group_alone() -> None:
    heatmaps = np.concatenate([lit(CORNERS[0], [1, 0.5]), lit(CORNER, [1, 1, 1]), lit(CORNER, 0)])
    found = mean_maps(maps(heatmaps, line=["b", "b", "a", "a", "a", None]), "line")
    assert list(found) == ["a", "b"]
    assert [count for _, count in found.values()] == [3, 2]
    assert found["a"][0] == pytest.approx(lit(CORNER, 1)[0])
    assert found["b"][0] == pytest.approx((heatmaps[0] + heatmaps[1]) / 2)
    assert found["b"][0].sum() == pytest.approx(1)


def test_focus_tells_planted_shares_with_students_interval() -> None:
    rng = np.random.default_rng(1)
    planted = rng.uniform(0.3, 0.5, 40)
    mask = np.where(np.arange(60) < 15, 0.2, np.nan)
    called = ["bad"] * 40 + ["good"] * 19 + ["rare"]
    found = focus(maps(np.concatenate([lit(CORNER, planted), lit(CORNER, [0.001] * 20)]), called, mask)).set_index(
        ["group", "region"]
    )
    own = found.loc["bad", CORNER.name]
    held = planted * CORNER.cells()[CORNER.cells() >= 0.5].mean()  # the cells on its edge lie in part outside
    low, high = t.interval(0.95, 39, held.mean(), held.std(ddof=1) / np.sqrt(40))
    assert (own["share"], own["low"], own["high"]) == pytest.approx((held.mean(), low, high), abs=0.003)
    assert (own["area"], own["support"], own["enough"]) == (pytest.approx(CORNER.area), 40, True)
    assert found.loc[("good", CORNER.name), "share"] < 0.01
    assert found.loc[("good", CORNER.name), "low"] >= 0
    assert not found.loc[("good", CORNER.name), "enough"]
    alone = found.loc["rare", CORNER.name]
    assert alone["support"] == 1
    assert np.isnan([alone["low"], alone["high"]]).all()
    inside = found.loc["bad", "mask"]
    assert (inside["share"], inside["support"]) == (pytest.approx(0.2), 15)
    assert np.isnan(inside["area"])
    assert ("good", "mask") not in found.index
    assert set(found.loc["bad"].index) == {*(region.name for region in LOOKED_AT), "mask"}


def test_a_planted_difference_is_found_and_named() -> None:
    line = np.repeat(["1", "2", "3"], 60)
    found = differences(
        maps(noisy(180, bulge=np.where(line == "2", 0.1, 0)), line=line), "line", regions=CORNERS
    ).set_index("region")
    corner = found.loc[CORNER.name]
    assert corner["most"] == "2"
    assert corner["significant"]
    assert corner["p adjusted"] == pytest.approx(4 * corner["p"])
    assert corner["gap"] == pytest.approx(0.1, abs=0.03)
    assert not found.drop(CORNER.name)["significant"].any()


def test_many_comparisons_do_not_hide_what_is_plain() -> None:
    line = np.repeat(["1", "2"], 40)
    camera = np.random.default_rng(0).permutation(line)
    found = differences(
        maps(noisy(80, bulge=np.where(line == "2", 0.5, 0)), line=line, camera=camera), "line", "camera", draws=100
    )
    assert found[(found["by"] == "line") & (found["region"] == CORNER.name)]["significant"].all()
    assert not found[found["by"] == "camera"]["significant"].any()


def test_a_mix_of_classes_is_no_difference_and_hides_none() -> None:
    # The model looks at the corner for "bad". Line 1 makes more of those, so that its mean is higher although nothing
    # differs ...
    rng = np.random.default_rng(2)
    line = np.repeat(["1", "2"], 200)
    bad = rng.random(400) < np.where(line == "1", 0.8, 0.2)
    share = np.where(bad, 0.6, 0.1) + rng.normal(0, 0.03, 400)
    called = np.where(bad, "bad", "good")
    mixed = differences(maps(lit(CORNER, share), called, line=line), "line", regions=(CORNER,)).iloc[0]
    assert not mixed["significant"]
    assert mixed["gap"] < 0.01
    # ... and where it looks there less for each class, it is line 2 that is named.
    turned = differences(
        maps(lit(CORNER, share - 0.05 * (line == "1")), called, line=line), "line", regions=(CORNER,)
    ).iloc[0]
    assert turned["significant"]
    assert (turned["most"], turned["least"]) == ("2", "1")
    assert turned["gap"] == pytest.approx(0.05 * CORNER.cells()[CORNER.cells() >= 0.5].mean(), abs=0.01)


@pytest.mark.parametrize(("regions", "least"), [((CORNER,), LEAST), (LOOKED_AT, 0)], ids=["one", "all"])
def test_groups_that_were_dealt_out_differ_in_a_twentieth_of_runs(regions, least) -> None:
    rng = np.random.default_rng(3)
    called = np.array(["bad", "good"])[rng.integers(0, 2, 120)]
    heatmaps = noisy(120, bulge=np.where(called == "bad", 0.3, 0))
    line = np.repeat(["1", "2", "3"], 40)
    accused = 0
    for seed in range(RUNS):
        found = differences(
            maps(heatmaps, called, line=rng.permutation(line)), "line", regions=regions, draws=1000, seed=seed
        )
        accused += found["significant"].any()
    assert least <= accused <= MOST


def test_small_and_unknown_groups_are_left_out(refusal) -> None:
    line = np.array(["1"] * 40 + ["2"] * 19 + [None] * 41, dtype=object)
    made = maps(noisy(100, bulge=np.where(line == "2", 0.9, 0.0)), line=line, empty=[None] * 100)
    nothing = differences(made, "line", "empty")
    assert nothing.empty
    assert list(nothing) == ["by", "region", "most", "least", "gap", "p", "p adjusted", "significant"]
    with_third = maps(made.heatmaps, line=np.where(line == None, "3", line))  # noqa: E711
    assert set(differences(with_third, "line")[["most", "least"]].to_numpy().ravel()) == {"1", "3"}
    assert mean_maps(made, "empty") == {}
    for call in (mean_maps, focus, differences):
        assert "'shift'" in refusal(lambda call=call: call(made, "shift"))
