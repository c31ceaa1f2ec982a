"""Twins as a repeatability study, held against counts by hand and the textbook."""

import numpy as np
import pytest
from PIL import Image
from planted import item, kin, said
from sklearn.metrics import cohen_kappa_score

from workbench.predictions import DecisionRule, tabulate
from workbench.quality import map_agreement, repeat_results, repeats
from workbench.stats import wilson

SCORES = [(0.1, 0.2), (0.4, 0.7), (0.9, 0.8), (0.3, 0.3), (0.6, 0.45), (0.95, 0.99)]


def study(scores=SCORES, labels=None, grade="same part", turn=""):
    labels = labels or [("good", "good")] * len(scores)
    items = [item(f"{n}{end}", "test", labels[n]["ab".index(end)]) for n in range(len(scores)) for end in "ab"]
    families = kin(items, [(f"{n}a", f"{n}b", grade, 0.9, turn) for n in range(len(scores))])
    return repeats(families, said(items, [score for pair in scores for score in pair]))


def test_flips_and_shift_are_those_of_a_count_by_hand():
    found = study()
    every = found.kinds[0]
    by_hand = np.float32([b - a for a, b in SCORES])
    assert (every.pairs, every.families) == (6, 6)
    assert (every.flips.count, every.flips.support) == (2, 6)
    assert (every.flips.low, every.flips.high) == (wilson(2, 6).low, wilson(2, 6).high)
    assert set(zip(found.flips["first"], found.flips["second"], strict=True)) == {("1a", "1b"), ("4a", "4b")}
    assert found.flips["first"][0] == "1a"  # the larger shift first
    assert every.shift.mean == pytest.approx(by_hand.mean(), abs=1e-6)
    assert every.shift.spread == pytest.approx(by_hand.std(ddof=1), abs=1e-6)
    assert every.shift.limits == pytest.approx(by_hand.mean() + np.array([-1.96, 1.96]) * by_hand.std(ddof=1), abs=1e-6)
    assert found.score == "a defect"


def test_the_limits_of_agreement_hold_their_share():
    rng = np.random.default_rng(0)
    pairs = [(0.5, 0.5 + shift) for shift in rng.normal(0.02, 0.05, 4000).clip(-0.4, 0.4)]
    shift = study(pairs).kinds[0].shift
    assert shift.limits == pytest.approx((0.02 - 1.96 * 0.05, 0.02 + 1.96 * 0.05), abs=0.006)
    assert shift.low < 0.02 < shift.high


def test_kappa_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    first = rng.choice(["good", "defective"], 200)
    second = [
        a if keep else ("good" if a == "defective" else "defective")
        for a, keep in zip(first, rng.random(200) < 0.8, strict=True)
    ]
    labels = [(str(a), str(b)) for a, b in zip(first, second, strict=True)]
    every = study([(0.1, 0.1)] * 200, labels).kinds[0]
    value, low, high = every.kappa
    assert value == pytest.approx(cohen_kappa_score(first, second))
    assert low < value < high
    assert every.agreement.count == sum(a == b for a, b in labels)


def test_labels_that_are_all_one_class_have_no_kappa():
    assert study().kinds[0].kappa is None  # scikit-learn answers NaN, others 1
    assert study().kinds[0].agreement.value == 1


def test_full_agreement_of_few_is_not_certain():
    labels = [("good", "good")] * 3 + [("defective", "defective")] * 3
    value, low, high = study(labels=labels).kinds[0].kappa
    assert (value, high) == (1, 1)
    assert low < 0.5


def test_a_rare_class_leaves_kappa_open_and_within_its_range():
    labels = [("good", "good")] * 47 + [("good", "defective"), ("defective", "good"), ("good", "defective")]
    value, low, high = study([(0.1, 0.1)] * 50, labels).kinds[0].kappa
    assert value == pytest.approx(cohen_kappa_score(*zip(*labels, strict=True)))
    assert -1 <= low < value < high < 1


def test_copies_turned_copies_and_other_shots_are_told_apart():
    items = [item(name) for name in "abcdefgh"]
    pairs = [("a", "b", "same file", 1.0), ("c", "d", "same image", 0.99, "90"), ("e", "f", "same part", 0.8)]
    pairs += [("g", "h", "very similar", 0.7)]
    found = repeats(kin(items, pairs), said(items, [0.1, 0.1, 0.2, 0.8, 0.4, 0.6, 0.1, 0.9]))
    kinds = {kind.kind: kind for kind in found.kinds}
    assert {name: kind.pairs for name, kind in kinds.items()} == {
        "all repeats": 3,
        "copies of one image": 1,
        "turned or flipped copies": 1,
        "other shots of one part": 1,
    }
    assert [kinds[name].flips.count for name in kinds] == [2, 0, 1, 1]
    assert not {"g", "h"} & {*found.pairs["first"], *found.pairs["second"]}


def test_exposures_of_one_part_are_no_independent_pairs():
    """A part that flips in all of its five pairs is one part that flips."""
    items = [item(f"{part}-{shot}") for part in range(20) for shot in range(6)]
    families = kin(items, [(f"{part}-0", f"{part}-{shot}") for part in range(20) for shot in range(1, 6)])
    scores = [0.9 if i.name in {f"{part}-0" for part in range(4)} else 0.1 for i in items]
    every = repeats(families, said(items, scores)).kinds[0]
    assert (every.flips.count, every.flips.support, every.flips.groups) == (20, 100, 20)
    plain = wilson(20, 100)
    assert every.flips.high - every.flips.low > 1.8 * (plain.high - plain.low)


def test_missing_labels_unread_images_and_unknown_names_are_left_out():
    items = [item("a", label=None), item("b"), item("c"), item("d"), item("gone")]
    families = kin(items, [("a", "b"), ("c", "d"), ("c", "gone")])
    kept = items[:4]
    predictions = tabulate(
        kept,
        np.zeros((4, 2), np.float32),
        np.array([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1], [np.nan, np.nan]], np.float32),
        {3: "It is cut off."},
        DecisionRule(("good", "defective"), "defective", 0.5),
        "model",
    )
    every = repeats(families, predictions).kinds[0]
    assert every.pairs == 2
    assert (every.flips.count, every.flips.support) == (1, 1)
    assert every.agreement.support == 1  # c and d
    assert every.shift.pairs == 1
    assert np.isnan(every.shift.spread)


def test_without_a_pair_or_predictions_it_is_unknown():
    items = [item("a"), item("b")]
    nothing = repeats(kin(items, []), said(items, [0.1, 0.9]))
    assert nothing.kinds == ()
    for found in (None, nothing):
        assert {result.verdict for result in repeat_results(found)} == {"unknown"}


def test_results_name_the_pairs():
    decisions, labels = repeat_results(study([*SCORES, *[(0.1, 0.1)] * 40]))
    assert (decisions.check, decisions.verdict, decisions.support) == ("repeat decisions", "warn", 46)
    assert set(decisions.images) == {("1a", "1b"), ("4a", "4b")}
    assert decisions.sentence.startswith("2 of 46 pairs of images of one part are decided differently: 4.3 %")
    assert (labels.verdict, labels.figure) == ("ok", 1)
    few = repeat_results(study([(0.1, 0.1)] * 5))[0]
    assert few.verdict == "unknown"
    assert few.sentence.endswith("Fewer than 30 pairs say little.")


def test_maps_of_twins_are_held_against_maps_of_strangers():
    rng = np.random.default_rng(0)
    found = study([(0.1, 0.1)] * 8)
    base = {n: rng.random((32, 32)) for n in range(8)}
    maps = {f"{n}{end}": base[n] + 0.1 * rng.random((32, 32)) for n in range(8) for end in "ab"}
    del maps["3b"]
    own, strangers = map_agreement(found.pairs, maps)
    assert np.isnan(own[3])
    assert np.nanmin(own) > 0.9
    assert len(strangers) == 7
    assert np.abs(strangers).max() < 0.2


@pytest.mark.parametrize("turn", ["90", "180", "270", "flipped", "flipped 90", "flipped 180", "flipped 270"])
def test_the_map_of_a_turned_copy_is_turned_back(turn):
    """The first image is the second, flipped left to right and then turned anticlockwise, by Pillow."""
    rng = np.random.default_rng(0)
    found = study([(0.1, 0.1)] * 4, turn=turn)
    maps = {}
    for n in range(4):
        second = Image.fromarray(rng.random((32, 32)).astype(np.float32))
        first = second.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if "flipped" in turn else second
        if angle := turn.removeprefix("flipped").strip():
            first = first.transpose(getattr(Image.Transpose, f"ROTATE_{angle}"))
        maps |= {f"{n}a": np.asarray(first), f"{n}b": np.asarray(second)}
    assert map_agreement(found.pairs, maps)[0] == pytest.approx(np.ones(4))
    assert np.isnan(map_agreement(found.pairs.assign(turn="askew"), maps)[0]).all()
