"""What gives the label away: named where it was planted, silent where nothing was, and counted by whole units."""

import dataclasses
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import balanced_accuracy_score

from workbench.images import BytesSource, ImageItem
from workbench.images.stamped_metal import Plan, draw_parts
from workbench.quality import giveaway_results, giveaways, measure
from workbench.quality.giveaway_test import (
    UNIT_FOLDS,
    accuracies_of_codes,
    balanced,
    calls,
    folds_of,
    p_value,
    permuted,
)


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


GREY = png(np.full((8, 8), 90))


def alike(labels, split=None, **attributes):
    """Images that look the same: only what is said of them differs; and their table."""
    items = [
        ImageItem(
            "image.png" + "x" * number,
            BytesSource(GREY + str(number).encode()),
            label,
            split=None if split is None else split[number],
            attributes={name: values[number] for name, values in attributes.items()},
        )
        for number, label in enumerate(labels)
    ]
    return items, pd.concat([measure(items[:1])] * len(items), ignore_index=True)


def named(items, table, **settings):
    result = giveaways(items, table, **settings)
    return {line.name for line in result.lines if line.significant}


def plain_accuracy(codes, labels, folds):
    """One image after another: the class whose share among the others' images with this value is the largest."""
    called = []
    for code, fold in zip(codes, folds, strict=True):
        rest = folds != fold
        shares = [np.mean(codes[rest & (labels == name)] == code) for name in range(labels.max() + 1)]
        called.append(int(np.argmax(shares)))
    return balanced_accuracy_score(labels, called)


def test_the_accuracy_is_that_of_a_plain_loop():
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 150, p=[0.6, 0.3, 0.1])
    codes = np.where(rng.random(150) < 0.5, labels, rng.integers(0, 4, 150))
    folds = folds_of(np.arange(150), rng)
    assert sorted(np.bincount(folds)) == [30] * UNIT_FOLDS
    expected = plain_accuracy(codes, labels, folds)
    assert accuracies_of_codes(codes, labels[None], folds, 3)[0] == pytest.approx(expected)
    several = np.stack([labels, rng.permutation(labels), rng.permutation(labels)])
    by_count = accuracies_of_codes(codes, several, folds, 3)
    assert by_count == pytest.approx([plain_accuracy(codes, each, folds) for each in several])
    by_model = balanced(calls(np.eye(4)[codes], several, folds, 3), several, 3)
    assert by_model == pytest.approx(by_count)


def test_labels_are_dealt_by_whole_units():
    units = np.repeat(np.arange(12), [1, 5, 3, 8, 2, 2, 2, 6, 1, 1, 4, 5])
    labels = np.repeat(np.arange(12) % 3, np.bincount(units))
    (dealt,) = permuted(labels, units, 40, np.random.default_rng(1))
    assert dealt.shape == (40, 40)
    for draw in dealt:
        own = [set(draw[units == unit]) for unit in range(12)]
        assert all(len(each) == 1 for each in own)
        assert sorted(min(each) for each in own) == sorted(np.arange(12) % 3)
    folds = folds_of(units, np.random.default_rng(2))
    assert all(len(set(folds[units == unit])) == 1 for unit in range(12))
    assert np.bincount(folds, minlength=UNIT_FOLDS).min() >= 5


def test_the_p_value_is_the_share_of_larger_figures():
    rng = np.random.default_rng(3)
    parts = [rng.random(100) for _ in range(9)] + [rng.random(99)]
    null = np.concatenate(parts)
    assert p_value(0.98, parts) == (1 + (null >= 0.98).sum()) / 1000
    assert p_value(2.0, parts) == 1 / 1000
    end = np.flatnonzero(null >= 0.5)[49]
    assert p_value(0.5, iter(parts)) == 50 / (end + 1)


@pytest.mark.parametrize("seed", range(5))
def test_a_camera_that_goes_with_the_label_is_named(seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice(["good", "bad"], 200, p=[0.8, 0.2])
    camera = np.where(rng.random(200) < 0.85, np.where(labels == "bad", "B", "A"), rng.choice(["A", "B"], 200))
    items, table = alike(labels, camera=camera, line=rng.choice(list("123"), 200), shift=rng.integers(0, 9000, 200))
    result = giveaways(items, table)
    assert {line.name for line in result.lines if line.significant} == {"camera"}
    line = result.lines[0]
    assert line.strong
    assert line.low < line.figure < line.high
    finding = giveaway_results(result)[0]
    assert (finding.check, finding.verdict, finding.threshold) == ("giveaways: camera", "warn", 0.5)
    cross = pd.crosstab(camera, labels)
    assert f"B: {cross.loc['B', 'bad']:,} of {cross.loc['B'].sum():,} are bad" in finding.sentence


def independent(seed):
    rng = np.random.default_rng(1000 + seed)
    labels = rng.choice(["good", "bad"], 150, p=[0.7, 0.3])
    return bool(named(*alike(labels, camera=rng.choice(list("ABC"), 150))))


def test_an_independent_camera_is_seldom_named():
    assert sum(independent(seed) for seed in range(20)) <= 4  # 5 % of 20: more in 0.3 % of tests


@pytest.mark.slow
def test_an_independent_camera_is_named_by_chance_alone():
    assert sum(independent(seed) for seed in range(200)) <= 16


def lots(seed, count=24, size=15):
    """Whole lots of one class, each seen by one camera: 360 images, and 24 facts."""
    rng = np.random.default_rng(seed)
    lot = np.repeat(np.arange(count), size)
    label = rng.permutation(["good", "bad"] * (count // 2))[lot]
    return label, rng.choice(["A", "B"], count)[lot], [f"lot {number}" for number in lot]


def test_lots_are_counted_and_not_their_images():
    """A camera by lot that means nothing: taken image by image it would be named nearly always."""
    by_image = by_lot = 0
    for seed in range(15):
        label, camera, lot = lots(seed)
        by_image += "camera" in named(*alike(label, camera=camera))
        by_lot += bool(named(*alike(label, camera=camera, group=lot)) & {"camera"})
    assert by_image >= 8
    assert by_lot <= 3


def test_families_are_units_too():
    label, camera, lot = lots(3)
    items, table = alike(label, camera=camera)
    families = {item.name: name for item, name in zip(items, lot, strict=True)}
    result = giveaways(items, table, families=families)
    assert (result.units, result.grouped) == (24, True)
    assert giveaways(items, table).units == 360


def test_an_attribute_that_is_the_label_is_said_to_be():
    labels = ["good", "bad", "good"] * 30
    kinds = [{"good": "none", "bad": f"crack {number % 2}"}[label] for number, label in enumerate(labels)]
    result = giveaways(*alike(labels, kind=kinds))
    assert result.lines[0].tied
    assert "may be the label under another name" in giveaway_results(result)[0].sentence


def test_an_attribute_that_names_each_image_tells_nothing():
    labels = np.random.default_rng(0).choice(["good", "bad"], 120)
    serial = [f"serial {number}" for number in range(120)]
    assert not named(*alike(labels, serial=serial))


def test_the_most_frequent_class_is_no_accuracy():
    """Cleanlab takes the number of the majority class for its share; a rare class makes 95 % for nothing."""
    labels = ["good"] * 285 + ["bad"] * 15
    camera = np.random.default_rng(2).choice(["A", "B"], 300)
    result = giveaways(*alike(labels, camera=camera))
    assert result.lines[0].chance == 0.5
    assert abs(result.lines[0].figure - 0.5) < 0.2


def test_a_missing_value_can_give_the_label_away():
    """Parts that went to the laboratory have a note, the others have none."""
    labels = ["good"] * 60 + ["bad"] * 60
    notes = [None] * 60 + ["seen"] * 50 + [None] * 10
    items, table = alike(labels, note=notes)
    assert named(items, table) == {"note"}


def test_folders_and_names_are_read_without_the_label_itself():
    rng = np.random.default_rng(4)
    labels = [["good", "bad"][number % 2] for number in range(120)]
    items, table = alike(labels)
    plain = [f"{label}/{rng.integers(0, 10**6):06d}.png" for label in labels]
    by_day = [f"{label}/{'monday' if label == 'bad' else 'sunday'}/{n}.png" for n, label in enumerate(labels)]
    in_order = [f"{label}/{n + 500 * (label == 'bad')}.png" for n, label in enumerate(labels)]
    for paths, expected in ((plain, set()), (by_day, {"folder"}), (in_order, {"number in the name"})):
        renamed = [ImageItem(path, item.source, item.label) for path, item in zip(paths, items, strict=True)]
        assert named(renamed, table) == expected


def test_a_split_from_another_camera_is_told():
    rng = np.random.default_rng(6)
    labels = rng.choice(["good", "bad"], 160)
    split = np.repeat(["train", "test"], 80)
    items, table = alike(labels, split=split, camera=np.where(split == "test", "B", "A"))
    result = giveaways(items, table, target="split")
    assert [line.name for line in result.lines if line.significant] == ["camera"]
    assert giveaway_results(result)[0].check == "split differences: camera"
    assert not named(items, table)


def test_what_cannot_be_told_is_said():
    for labels in (["good"] * 40, [None] * 40, ["a", "b"] * 5):
        result = giveaways(*alike(labels))
        assert not result.lines
        assert result.why == "no two classes have 10 independent images each"
        assert [line.verdict for line in giveaway_results(result)] == ["unknown"]
    result = giveaways(*alike(["good"] * 40 + ["bad"] * 40 + ["rare"] * 3, camera=["A", "B"] * 41 + ["A"]))
    assert (result.classes, result.left_out) == (("good", "bad"), {"rare": 3})


@pytest.fixture(scope="module")
def stamped():
    return [
        ImageItem(f"p{number}.png", BytesSource(png(pixels)), part.label, split=split)
        for number, (split, part, pixels, _) in enumerate(draw_parts(Plan(250, 48, 2, "scratch")))
        if split != "test"
    ]


def test_the_stamp_in_the_corner_is_named(stamped):
    two = [ImageItem(i.name, i.source, "scratch" if i.label == "scratch" else "other") for i in stamped]
    line = giveaways(two).lines[0]
    assert line.name == "bottom right corner"
    assert line.significant


def test_a_stop_is_heard_between_permutations():
    class StopError(Exception):
        pass

    def stop(done, total):
        raise StopError

    items, table = alike(["good", "bad"] * 40, camera=["A", "B", "B", "A"] * 20)
    with pytest.raises(StopError):
        giveaways(items, table, on_progress=stop)


@pytest.mark.parametrize(
    ("p_adjusted", "low", "verdict"), [(0.01, 0.51, "warn"), (0.01, 0.49, "unknown"), (0.2, 0.49, "ok")]
)
def test_what_interval_and_permutations_do_not_agree_on_is_not_said(p_adjusted, low, verdict):
    labels = ["good"] * 20 + ["bad"] * 20
    result = giveaways(*alike(labels, camera=["A", "B"] * 20))
    line = dataclasses.replace(result.lines[0], figure=0.6, low=low, high=0.7, p_adjusted=p_adjusted)
    finding = giveaway_results(dataclasses.replace(result, lines=(line,)))[0]
    assert finding.verdict == verdict
    if verdict != "warn":
        assert (
            f"not shown (60 % balanced accuracy where guessing gives 50 %, {100 * low:.0f} to 70 %" in finding.sentence
        )
