"""Leaks between splits, counted by hand."""

import numpy as np
import pytest
from planted import item, kin, said

from workbench.errors import InputError
from workbench.quality import SAME_PART, SHARED_GROUP, leak_results, leaks, what_follows, what_leaks
from workbench.stats import wilson


def planted(right_leaked=1.0, right_rest=0.8, copies=40, rest=160, seed=0):
    """Test parts of two classes, some with a twin in training; the model is right as often as asked."""
    rng = np.random.default_rng(seed)
    items, scores, pairs = [], [], []
    for number in range(copies + rest):
        label = "defective" if number % 4 == 0 else "good"
        leaked = number < copies
        place = number if leaked else number - copies
        right = place < round((right_leaked * copies) if leaked else (right_rest * rest))
        items.append(item(f"test-{number:03d}", "test", label))
        scores.append(0.9 if (label == "defective") == right else 0.1)
        if leaked:
            items.append(item(f"train-{number:03d}", "train", label))
            scores.append(0.9 if label == "defective" else 0.1)
            pairs.append((f"train-{number:03d}", f"test-{number:03d}"))
    items.append(item("train-only", "train"))
    scores.append(0.1)
    order = rng.permutation(len(items))
    items, scores = [items[i] for i in order], [scores[i] for i in order]
    return items, kin(items, pairs), said(items, scores)


def test_the_three_figures_are_those_of_a_count_by_hand():
    items, families, predictions = planted()
    side = leaks(items, families, predictions).side(SAME_PART, "test", "train")
    frame = predictions.frame[predictions.frame["split"] == "test"]
    leaked = frame["name"].isin([f"test-{n:03d}" for n in range(40)])
    right, defect, called = (
        frame["verdict"] == "right",
        frame["label"] == "defective",
        frame["predicted"] == "defective",
    )
    by_hand = {
        "accuracy": (right, frame["name"].notna()),
        "escape rate": (~called, defect),
        "overkill rate": (called, ~defect),
    }
    assert len(side.images) == 40
    assert side.size == 200
    cuts = {cut.figure: cut for cut in side.cuts if cut.among == "all images"}
    for name, (hits, among) in by_hand.items():
        for kind, rate in (
            (among, cuts[name].reported),
            (among & ~leaked, cuts[name].without),
            (among & leaked, cuts[name].leaked),
        ):
            plain = wilson(int((hits & kind).sum()), int(kind.sum()))
            assert (rate.value, rate.low, rate.high) == (plain.value, plain.low, plain.high)
    assert side.verdict == "flatters"
    assert side.excess.low > 0


def test_the_excess_compares_classes_with_themselves():
    """Leaked images that are all of the easy class are no better than others of that class."""
    easy = [item(f"e{n}", "test", "good") for n in range(200)]
    hard = [item(f"h{n}", "test", "defective") for n in range(100)]
    twins = [item(f"t{n}", "train", "good") for n in range(80)]
    items = [*easy, *hard, *twins]
    families = kin(items, [(f"t{n}", f"e{n}") for n in range(80)])
    scores = (
        [0.9 if n % 20 == 0 else 0.1 for n in range(200)] + [0.9 if n % 2 else 0.1 for n in range(100)] + [0.1] * 80
    )
    side = leaks(items, families, said(items, scores)).side(SAME_PART, "test", "train")
    accuracy = side.accuracy
    assert accuracy.leaked.value > accuracy.without.value + 0.1  # as it seems
    assert side.verdict == "chance"
    assert side.excess.value == pytest.approx(76 / 80 - 114 / 120)
    by_class = next(cut for cut in side.cuts if cut.among == "good")
    assert (by_class.leaked.count, by_class.leaked.support, by_class.without.support) == (76, 80, 120)


@pytest.mark.parametrize(
    ("copies", "rest", "verdict"), [(0, 100, "none"), (10, 100, "few"), (60, 0, "nothing left"), (60, 10, "few")]
)
def test_what_cannot_be_told_is_said_to_be_unknown(copies, rest, verdict):
    items, families, predictions = planted(copies=copies, rest=rest)
    side = leaks(items, families, predictions).side(SAME_PART, "test", "train")
    assert side.verdict == verdict
    if verdict == "few":
        assert what_follows(side).endswith("Too few to say whether they flatter the figure.")
    if verdict == "nothing left":
        assert "without them unknown (none are left)" in what_follows(side)


def test_leaked_images_that_the_model_decides_worse_flatter_nothing():
    items, families, predictions = planted(right_leaked=0.3, right_rest=0.9)
    side = leaks(items, families, predictions).side(SAME_PART, "test", "train")
    assert side.verdict == "worse"
    assert side.excess.high < 0
    assert "worse on them" in what_follows(side)


def test_whether_the_twin_agrees_is_told_apart():
    items = [item(f"a{n}", "test", "good") for n in range(8)] + [
        item(f"b{n}", "train", "good" if n < 5 else "defective") for n in range(8)
    ]
    items += [item("free", "test", "good"), item("nolabel", "train", None), item("c", "test", "good")]
    families = kin(items, [*((f"b{n}", f"a{n}") for n in range(8)), ("nolabel", "c")])
    scores = [0.1] * 5 + [0.9] * 3 + [0.1] * 8 + [0.1, 0.1, 0.1]
    side = leaks(items, families, said(items, scores)).side(SAME_PART, "test", "train")
    assert side.images["agrees"].tolist() == [True] * 5 + [False] * 3 + [None]
    cuts = {(cut.figure, cut.among): cut for cut in side.cuts}
    agree, differ = cuts["accuracy", "the twin's label agrees"], cuts["accuracy", "the twin's label differs"]
    assert (agree.leaked.count, agree.leaked.support) == (5, 5)
    assert (differ.leaked.count, differ.leaked.support) == (0, 3)
    assert differ.reported == cuts["accuracy", "all images"].reported
    assert differ.without.support == 1  # neither those that agree nor the one whose twin has no label


def test_a_group_on_both_sides_is_told_apart_from_one_part():
    items = [item("a", "train", group=7), item("b", "test", group="7"), item("c", "test", group="8"), item("d", "test")]
    result = leaks(items, kin(items, []))
    assert result.side(SAME_PART, "test", "train").verdict == "none"
    side = result.side(SHARED_GROUP, "test", "train")
    assert side.images[["name", "to", "grade"]].to_numpy().tolist() == [["b", "a", None]]
    assert (
        what_leaks(side)
        == "1 of 3 test images (33.3 %) belongs to a group that also has images among the training images."
    )
    assert result.groups.to_numpy().tolist() == [["7", 1, 0, 1]]


def test_a_chain_of_copies_leaks_as_a_whole():
    """Two test copies hang on one family; only one of them was compared with the training image."""
    items = [item("a", "test"), item("b", "test"), item("c", "train")]
    result = leaks(items, kin(items, [("a", "b", "same file", 1.0), ("a", "c", "same image", 0.99)]))
    assert result.side(SAME_PART, "test", "train").images[["name", "to", "grade"]].to_numpy().tolist() == [
        ["a", "c", "same image"],
        ["b", "c", "same part"],
    ]
    assert result.pairs[["first", "second"]].to_numpy().tolist() == [["a", "c"], ["b", "c"]]


def test_very_similar_images_leak_only_where_that_is_asked_for():
    items = [item("a", "test"), item("b", "train"), item("c", "test")]
    families = kin(items, [("a", "b", "very similar", 0.7)])
    assert leaks(items, families).side(SAME_PART, "test", "train").verdict == "none"
    assert leaks(items, families, similar=True).side(SAME_PART, "test", "train").images["name"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("splits", "words"),
    [
        ((None, None), "No image says which split it belongs to"),
        (("train", "train"), "All images with a split are of the training split"),
        (("test", None), "All images with a split are of the test split"),
    ],
)
def test_without_two_splits_nothing_is_called_clean(splits, words):
    items = [item("a", splits[0]), item("b", splits[1])]
    result = leaks(items, kin(items, [("a", "b")]))
    assert not result.sides
    assert words in result.missing
    assert {r.verdict for r in leak_results(result)} == {"unknown"}


def test_without_families_leaks_are_unknown_and_groups_are_still_compared():
    items = [item("a", "train", group="x"), item("b", "test", group="x")]
    results = {r.check: r for r in leak_results(leaks(items))}
    assert results["leaks test-train"].verdict == "unknown"
    assert "families were not looked for" in results["leaks test-train"].sentence
    assert results["groups test-train"].images == (("b", "a"),)
    with pytest.raises(InputError, match="no images"):
        leaks([])


def test_results_say_both_figures_and_name_the_pairs():
    items, families, predictions = planted()
    result = {r.check: r for r in leak_results(leaks(items, families, predictions))}["leaks test-train"]
    assert result.verdict == "fail"
    assert result.support == 40
    assert len(result.images) == 40
    assert (result.figure, result.threshold) == (0.8, 168 / 200)
    assert "40 of 200 test images (20.0 %) show a part that is also among the training images." in result.sentence
    assert "Accuracy as reported 84.0 %" in result.sentence
    assert "on them alone 100.0 %" in result.sentence


def test_intervals_count_parts_and_not_their_exposures():
    """Six exposures of one test part in training too: 60 leaked images of 10 parts are no 60 parts."""
    items, pairs = [], []
    for part in range(30):
        leaked = part < 10
        for shot in range(6):
            items.append(item(f"{part}-{shot}", "train" if leaked and shot == 5 else "test"))
            pairs += [(f"{part}-0", f"{part}-{shot}")] if shot else []
    scores = [0.1 if int(i.name.split("-")[0]) % 5 else 0.9 for i in items]
    side = leaks(items, kin(items, pairs), said(items, scores)).side(SAME_PART, "test", "train")
    assert len(side.images) == 50
    assert side.accuracy.leaked.groups == 10
    assert side.accuracy.leaked.high - side.accuracy.leaked.low > 0.4
    assert side.verdict == "few"
