"""How much a set can carry: parts counted by hand, promises held against the exact binomial distribution."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from workbench.errors import InputError
from workbench.quality import Promise, support, support_results
from workbench.stats import cases_for_ceiling, cases_for_interval, half_width, upper_bound, wilson, worth_of


def table(rows):
    """Rows of (label, split, group, verdict)."""
    frame = pd.DataFrame(rows, columns=["label", "split", "group", "verdict"]).astype(object)
    return frame.where(frame.notna(), None).assign(name=[f"{i}.png" for i in range(len(rows))])


def verdicts(result):
    return {line.check: line for line in support_results(result)}


@pytest.mark.parametrize(
    ("allowed", "cases"), [(0, (59, 149, 299, 2995)), (1, (93, 236, 473, 4742)), (2, (124, 313, 628, 6294))]
)
def test_parts_for_a_ceiling_are_those_of_the_exact_binomial(allowed, cases):
    for ceiling, count in zip((0.05, 0.02, 0.01, 0.001), cases, strict=True):
        assert cases_for_ceiling(ceiling, allowed) == count
        assert binom.cdf(allowed, count, ceiling) <= 0.05 < binom.cdf(allowed, count - 1, ceiling)


def test_bounds_hold_at_the_ends_where_others_give_nan():
    """A binomial interval that is NaN for 0 of 10 and 5 of 5, and one that flips its tail for 0 of 1,000."""
    assert upper_bound([0], 10)[0] == pytest.approx(1 - 0.05 ** (1 / 10))
    assert upper_bound([5], 5)[0] == 1.0
    assert upper_bound([0], 1000, 1 - 1e-7)[0] == pytest.approx(1 - 1e-7 ** (1 / 1000))
    assert cases_for_ceiling(1e-9) == 2_995_732_273
    for wrong in ((0.0, 0), (1.0, 0), (0.05, -1)):
        with pytest.raises(ValueError, match="ceiling"):
            cases_for_ceiling(*wrong)


@pytest.mark.parametrize("rate", [0.0, 0.5, 0.88, 0.9, 1.0])
@pytest.mark.parametrize("half", [0.01, 0.05, 0.2])
def test_parts_for_an_interval_are_the_fewest(rate, half):
    count = cases_for_interval(rate, half)
    width = {n: half_width(rate, n) for n in (count - 1, count)}
    assert width[count] <= half < width[count - 1]
    assert worth_of(rate, width[count]) == pytest.approx(count)
    hits = round(rate * 200)
    exact = wilson(hits, 200)
    assert half_width(hits / 200, 200) == pytest.approx((exact.high - exact.low) / 2)


def test_copies_add_nothing():
    """Sixty images of ten parts are ten parts, whatever the count of images says."""
    rows = [("bad", "test", f"part {i // 6}", "right") for i in range(60)]
    rows += [("good", "test", f"good {i}", "right") for i in range(60)]
    found = support(table(rows))
    bad, good = found.frame.set_index("class").loc["bad"], found.frame.set_index("class").loc["good"]
    assert (bad["images"], bad["parts"], good["parts"]) == (60, 10, 60)
    assert bad["provable ceiling"] == pytest.approx(1 - 0.05 ** (1 / 10))
    assert good["provable ceiling"] == pytest.approx(1 - 0.05 ** (1 / 60))
    assert (bad["more for the ceiling"], good["more for the ceiling"]) == (49, 0)
    told = verdicts(found)
    assert told["support"].verdict == "warn"
    assert "bad (10)" in told["support"].sentence
    assert told["support ceiling"].figure == pytest.approx(0.2589, abs=1e-4)
    assert (told["support uniform"].figure, told["support uniform"].verdict) == (70 / 120, "ok")
    assert verdicts(support(table(rows[:60])))["support uniform"].verdict == "warn"


def test_without_groups_each_image_counts_and_that_is_said():
    rows = [("good", "test", None, "right")] * 90 + [("good", "test", None, "wrong")] * 10
    found = support(table(rows), Promise(ceiling=0.02, allowed=1, within=0.05))
    line, exact = found.frame.iloc[0], wilson(90, 100)
    assert not found.joined
    assert line["half-width"] == (exact.high - exact.low) / 2
    assert line["more for the interval"] == 141 - 100
    assert line["more for the ceiling"] == 236 - 100
    assert verdicts(found)["support uniform"].verdict == "unknown"
    assert verdicts(found)["support balance"].verdict == "unknown"


def test_what_is_missing_is_a_row_of_zeros():
    rows = [("good", split, None, None) for split in ("train", "test") for _ in range(40)]
    rows += [("bad", "test", None, None)] * 3
    found = support(table(rows))
    bad = found.frame[(found.frame["class"] == "bad") & (found.frame["split"] == "train")].iloc[0]
    assert (bad["images"], bad["provable ceiling"], bad["more for the ceiling"]) == (0, 1.0, 59)
    told = verdicts(found)
    assert told["support missing"].sentence == "There is no image of bad in the training split."
    assert told["support balance"].verdict == "warn"
    assert told["support balance"].figure is None
    assert not found.predicted
    assert np.isnan(np.array(found.frame["right"], dtype=float)).all()


def test_strangers_tables():
    """No labels; labels without splits; one class; one image; a column that nobody has; images that cannot be read."""
    assert {line.verdict for line in support_results(support(table([(None, None, None, None)] * 3)))} == {"unknown"}
    assert {line.verdict for line in support_results(support(table([])))} == {"unknown"}
    alone = verdicts(support(table([("good", None, None, "right")])))
    assert alone["support missing"].verdict == "unknown"
    assert alone["support ceiling"].figure == pytest.approx(0.95)
    with pytest.raises(InputError, match="no attribute 'lot'"):
        support(table([("good", None, None, None)]), by="lot")
    with pytest.raises(InputError, match="ceiling between"):
        Promise(ceiling=0.0)
    unread = support(table([("good", "test", None, "right")] * 30 + [("good", "test", None, None)] * 5)).frame.iloc[0]
    assert (unread["images"], unread["judged parts"]) == (35, 30)
    mixed = table([("good", "test", f"{i}", "right") for i in range(4)]).assign(line=["a", "a", None, 3])
    assert support(mixed, by="line").frame["images"].tolist() == [1, 1, 2]


def test_a_promise_is_kept_as_often_as_it_says():
    """Parts with a true rate just above the ceiling seldom pass: at most 5 % of draws, by the exact binomial."""
    for ceiling, allowed in ((0.05, 0), (0.1, 1), (0.02, 2)):
        count = cases_for_ceiling(ceiling, allowed)
        passed = np.random.default_rng(0).binomial(count, ceiling * 1.0001, 4000) <= allowed
        assert passed.mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)


def test_nothing_is_green_that_takes_images_as_independent() -> None:
    rows = [(label, "test", None, "right") for label in ("bad", "good") for _ in range(200)]
    told = verdicts(support(table(rows)))
    for check in ("support", "support ceiling", "support interval"):
        assert told[check].verdict == "unknown", check
        assert "taken as independent" in told[check].sentence
    joined = [(*row[:2], f"lot {i}", "right") for i, row in enumerate(rows)]
    told = verdicts(support(table(joined)))
    assert {told[check].verdict for check in ("support", "support ceiling", "support interval")} == {"ok"}
    few = verdicts(support(table(rows[180:220])))
    assert {few[check].verdict for check in ("support", "support ceiling", "support interval")} == {"warn"}
