"""Training and held-out images side by side: planted gaps, and tables in which nothing is to be found."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from fitted import CLASSES, recorded, sided, table_of
from torch import nn

from workbench.images import draw, draw_parts
from workbench.images.stamped_metal import Plan
from workbench.images.stamped_part import LABELS
from workbench.models import ask, load_classifier
from workbench.predictions import DecisionRule
from workbench.reliability.fit import fit_of, losses_of, weights_to
from workbench.reliability.fit_words import FIT_CHECKS, fit_results, fit_tables, fit_verdict
from workbench.reliability.sides import sides_of
from workbench.reliability.training_record import TrainingRecord
from workbench.training.loop import fit as train_network
from workbench.training.stamped_models import LESSONS, RECIPE, starting_network, tensors

torch.set_num_threads(1)
EVEN = {"train": (200, 200), "validation": (100, 100), "test": (200, 200)}


def found(table, record="its own", study=None, **options):
    record = recorded(table) if record == "its own" else record
    results = fit_results(fit_of(table, record, **options), study, record)
    return {result.check: result for result in results} | {"word": fit_verdict(results)}


def whole(table, record=None, split="test"):
    gaps = fit_of(table, record).gaps
    return gaps[(gaps["split"] == split) & (gaps["by"] == "all")].iloc[0]


def test_the_gap_is_that_of_a_plain_loop_at_the_class_shares_of_the_held_out_images() -> None:
    """Nine in ten training images are good, a tenth of the held-out ones: the training accuracy counts by class."""
    table = sided({"train": (0.95, 0.6), "test": (0.9, 0.5)}, {"train": (270, 30), "test": (20, 180)}, seed=3)
    frame, loss = table.frame, 0.0
    own = {}
    for split in ("train", "test"):
        for name in ("good", "scratch"):
            rows = [row for row in frame.to_dict("records") if row["split"] == split and row["label"] == name]
            own[split, name] = sum(row["verdict"] == "right" for row in rows) / len(rows)
    row = whole(table)
    assert row["trained accuracy"] == pytest.approx(0.1 * own["train", "good"] + 0.9 * own["train", "scratch"])
    assert row["accuracy"] == pytest.approx((20 * own["test", "good"] + 180 * own["test", "scratch"]) / 200)
    assert row["gap"] == pytest.approx(row["trained accuracy"] - row["accuracy"])
    for i, (split, label) in enumerate(zip(frame["split"], frame["label"], strict=True)):
        nll = -np.log(table.probabilities[i, ("good", "scratch").index(label)])
        loss += nll / 200 if split == "test" else -nll * {"good": 0.1 / 270, "scratch": 0.9 / 30}[label]
    assert row["loss gap"] == pytest.approx(-loss, rel=1e-5)


def test_without_a_gap_nothing_is_called_memorised() -> None:
    """25 tables, half of them of units that are alike, one of which is right more often than another."""
    called, covered = [], 0
    for seed in range(25):
        more = {"units": 8, "spread": 0.08} if seed % 2 else {}
        table = sided({"train": 0.85, "validation": 0.85, "test": 0.85}, EVEN, seed=seed, **more)
        result = found(table)
        called.append(result["word"])
        row = whole(table)
        covered += row["gap low"] <= 0 <= row["gap high"]
    assert "memorised" not in called
    assert covered >= 22


def test_a_gap_of_twenty_points_is_nearly_always_found() -> None:
    """The power at 400 training and 400 test images: in 10 of 10 tables; of 50 units of eight in at least 8."""
    for more, least in (({}, 10), ({"units": 8, "spread": 0.05}, 8)):
        tables = [
            sided({"train": 0.99, "validation": 0.79, "test": 0.79}, EVEN, seed=seed, **more) for seed in range(10)
        ]
        assert sum(found(table)["word"] == "memorised" for table in tables) >= least


def test_many_wrong_images_of_one_part_are_one_unit() -> None:
    """All wrong test images show two parts of twelve: image by image the gap would be sure."""
    rates = {"train": 1.0, "test": 1.0}
    table = sided(rates, {"train": (120, 120), "test": (120, 120)}, units=20)
    wrong = table.frame["group"].isin(["test 0 0", "test 0 1"]).to_numpy()
    probabilities = table.probabilities.copy()
    probabilities[wrong] = probabilities[wrong][:, ::-1]
    by_unit = table_of(
        table.frame["split"], np.repeat([0, 1, 0, 1], 120), probabilities, CLASSES[:2], table.frame["group"]
    )
    alone = table_of(table.frame["split"], np.repeat([0, 1, 0, 1], 120), probabilities, CLASSES[:2])
    assert whole(alone)["gap low"] > 0.05
    assert whole(by_unit)["gap low"] < 0.05
    assert whole(by_unit)["gap"] == whole(alone)["gap"]
    assert found(by_unit)[FIT_CHECKS[0]].verdict == "unknown"


def test_a_rare_class_that_is_memorised_is_found_though_the_whole_hides_it() -> None:
    counts = {"train": (600, 60), "test": (600, 60)}
    table = sided({"train": (0.97, 1.0), "test": (0.97, 0.4)}, counts, seed=1)
    result = found(table)
    assert whole(table)["gap low"] < 0.05
    assert result["word"] == "memorised"
    assert result[FIT_CHECKS[0]].sentence.startswith("Memorised: scratch: 100.0 % of 60 images")


def test_held_out_images_of_parts_that_trained_are_left_out() -> None:
    """Half of the test images show parts that trained, and are right for that reason."""
    table = sided({"train": 1.0, "test": 0.6}, {"train": (100, 100), "test": (100, 100)}, seed=2)
    frame = table.frame
    test = np.flatnonzero(frame["split"] == "test")
    seen = test[::2]
    probabilities = table.probabilities.copy()
    truth = np.array([CLASSES.index(label) for label in frame["label"]])
    probabilities[seen] = 0.01
    probabilities[seen, truth[seen]] = 0.99
    groups = frame["group"].to_numpy(object).copy()
    groups[seen] = groups[: len(seen)]
    told = table_of(frame["split"], truth, probabilities, CLASSES[:2], groups)
    row, result = whole(told), fit_of(told, recorded(told))
    rest = test[1::2]
    assert row["accuracy"] == pytest.approx((probabilities[rest].argmax(1) == truth[rest]).mean())
    assert (row["images"], result.shared) == (100, 100)
    same = result.gaps[result.gaps["split"] == "units that trained"].iloc[0]
    assert (same["images"], same["accuracy"]) == (100, 1.0)
    assert "100 held-out images of groups that trained are left out" in found(told)[FIT_CHECKS[0]].sentence


def test_of_a_model_from_elsewhere_it_holds_only_on_a_condition() -> None:
    gap, none = ({"train": 1.0, "validation": rate, "test": rate} for rate in (0.7, 1.0))
    with_gap, without = found(sided(gap, EVEN), None), found(sided(none, EVEN), None)
    assert with_gap["word"] == "memorised"
    condition = "Which images trained the model is not recorded: this holds only if they are the training split"
    assert condition in with_gap[FIT_CHECKS[0]].sentence
    assert without[FIT_CHECKS[0]].verdict == "unknown"
    assert condition in without[FIT_CHECKS[0]].sentence
    assert found(sided(none, EVEN))["word"] == "neither shown"


def test_the_record_counts_and_not_what_the_splits_are_called() -> None:
    """The set calls its training images otherwise, and half of its training split never trained."""
    table = sided({"train": 1.0, "test": 0.7}, {"train": (100, 100), "test": (100, 100)}, train=None)
    record = recorded(sided({"train": 1.0, "test": 0.7}, {"train": (100, 100), "test": (100, 100)}))
    assert found(table, record)["word"] == "memorised"
    half = dataclasses.replace(record, trained_on=frozenset(sorted(record.trained_on)[:100]))
    sides = sides_of(table, half)
    assert (sides.trained.sum(), sides.held["never seen"].sum(), sides.held["test"].sum()) == (100, 100, 200)
    nobody = dataclasses.replace(record, trained_on=frozenset(), elsewhere="parts of its own")
    result = found(table, nobody)
    assert [result[name].verdict for name in FIT_CHECKS[:2]] == ["unknown"] * 2
    assert "It learned from parts of its own." in result[FIT_CHECKS[0]].sentence


def test_where_families_were_not_looked_for_nothing_is_green() -> None:
    table = sided({"train": 0.99, "validation": 0.99, "test": 0.99}, EVEN)
    record = recorded(table)
    assert found(table)[FIT_CHECKS[0]].verdict == "ok"
    bare = dataclasses.replace(table, frame=table.frame.drop(columns="group"))
    assert found(bare, record)[FIT_CHECKS[0]].verdict == "unknown"
    assert "families" in found(bare, record)[FIT_CHECKS[0]].sentence


def test_a_harder_test_split_is_not_called_memorised() -> None:
    """The validation split is like the training split, the test split of other lots and harder."""
    table = sided({"train": 0.95, "validation": 0.95, "test": 0.6}, EVEN)
    result = found(table)
    assert result[FIT_CHECKS[0]].verdict == "unknown"
    assert "may be harder or of other lots" in result[FIT_CHECKS[0]].sentence


def test_wrong_labels_in_training_are_not_memorised_unless_they_were_learnt() -> None:
    """A tenth of all labels is wrong: a sound model is right in nine of ten on both sides."""
    assert found(sided({"train": 0.9, "validation": 0.9, "test": 0.9}, EVEN))["word"] != "memorised"
    learnt = found(sided({"train": 1.0, "validation": 0.9, "test": 0.9}, dict.fromkeys(EVEN, (600, 600))))
    assert learnt["word"] == "memorised"
    cleaner = sided({"train": 0.9, "validation": 1.0, "test": 1.0}, EVEN)
    assert whole(cleaner)["gap"] < 0
    assert found(cleaner)["word"] != "memorised"


def test_always_the_majority_class_is_too_simple_and_a_bold_threshold_is_not() -> None:
    counts = {"train": (300, 100), "test": (150, 50)}
    rng = np.random.default_rng(0)
    truth = np.concatenate([np.repeat([0, 1], own) for own in counts.values()])
    splits = np.repeat(["train", "test"], (400, 200))
    noise = rng.uniform(0.01, 0.2, 600)
    lazy = table_of(splits, truth, np.stack([1 - noise, noise], 1), CLASSES[:2])
    result = found(lazy)
    assert result["word"] == "too simple"
    assert "not shown to do better than always saying good" in result[FIT_CHECKS[1]].sentence
    ranked = noise + np.where(truth == 1, 0.25, 0)  # never above one half, but in the right order
    shy = found(table_of(splits, truth, np.stack([1 - ranked, ranked], 1), CLASSES[:2]))
    assert shy[FIT_CHECKS[1]].verdict == "ok"
    assert "AUC of 1.000" in shy[FIT_CHECKS[1]].sentence


def test_what_cannot_be_known_is_said() -> None:
    def verdicts(table, record=None):
        result = found(table, record)
        assert result["word"] == "unknown"
        return [result[name].sentence for name in FIT_CHECKS]

    alone = sided({"test": 0.9}, {"test": (200, 200)})
    assert verdicts(alone)[0].startswith("No training split")
    few = sided({"train": 1.0, "test": 0.5}, {"train": (40, 40), "test": (8, 8)})
    assert "16 of the test split" in verdicts(few)[0]
    none = sided({"train": 1.0}, {"train": (40, 40)})
    assert "none held out" in verdicts(none)[0]
    nine = sided({"train": 1.0, "test": 0.5}, {"train": (90, 90), "test": (40, 40)}, units=10)
    assert "80 in 8 groups of the test split" in verdicts(nine)[0]
    several = dataclasses.replace(few, rule=DecisionRule(few.class_names, thresholds=(0.5, 0.5)))
    assert "Several labels can be true" in verdicts(several)[0]
    empty = dataclasses.replace(few, frame=few.frame.assign(verdict=None, label=None))
    assert verdicts(empty)[0].startswith("No training split")


def test_both_sides_perfect_still_have_an_interval() -> None:
    row = whole(sided({"train": 1.0, "validation": 1.0, "test": 1.0}, EVEN))
    assert row["gap"] == pytest.approx(0, abs=1e-12)
    assert -0.03 < row["gap low"] < 0 < row["gap high"] < 0.03


def test_a_class_that_one_side_lacks_counts_on_neither() -> None:
    counts = {"train": (100, 100, 0), "test": (100, 100, 50)}
    table = sided({"train": 0.9, "test": (0.9, 0.9, 0.0)}, counts, classes=CLASSES)
    row = whole(table)
    assert row["images"] == 200
    assert row["gap high"] < 0.15


def test_distributions_sum_to_one_and_tables_say_all(tmp_path) -> None:
    table = sided({"train": 0.95, "validation": 0.9, "test": 0.9}, EVEN)
    table = dataclasses.replace(table, frame=table.frame.assign(line=["a", "b"] * 500))
    result = fit_of(table, recorded(table), by="line")
    sums = result.distributions.groupby(["what", "split"])["share"].sum()
    assert np.allclose(sums, 1)
    assert len(sums) == 6
    assert set(fit_tables(result)) == {"fit-splits", "fit-gaps", "fit-distributions"}
    splits = result.splits.set_index(["split", "class"])
    assert splits.loc[("train", "all"), "images"] == 400
    cases = sides_of(table).cases
    own = losses_of(cases)[(table.frame["split"] == "test").to_numpy()]
    assert splits.loc[("test", "all"), "loss"] == pytest.approx(own.mean())
    assert (result.gaps["by"] == "line").sum() == 2 * 2
    assert weights_to(np.array([0, 0, 1]), np.array([0, 1])).tolist() == [0.25, 0.25, 0.5]


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 32, 3, 2, 1)),
        *(nn.ReLU(), nn.Flatten(), nn.Linear(32 * 64, 64), nn.ReLU(), nn.Linear(64, len(LABELS))),
    )


@pytest.fixture(scope="module")
def drawn():
    """500 stamped parts at 64 pixels: inputs, classes and splits."""
    rows = [(split, LABELS.index(part.label), image) for split, part, image, _ in draw_parts(Plan(500, 64, seed=5))]
    x = torch.from_numpy(np.stack([image for *_, image in rows])).permute(0, 3, 1, 2).float() / 127.5 - 1
    return x, np.array([k for _, k, _ in rows]), np.array([split for split, *_ in rows])


def learnt(drawn, images, steps):
    """What a small network says that saw so many of the training images so often."""
    x, truth, splits = drawn
    own = np.flatnonzero(splits == "train")[:images]
    splits = np.where((splits == "train") & ~np.isin(np.arange(len(truth)), own), "unused", splits)
    net = small_net()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x[own]), torch.from_numpy(truth[own])).backward()
        optimizer.step()
    with torch.inference_mode():
        return table_of(splits, truth, net(x).softmax(1).numpy(), LABELS)


def test_metal_trained_on_sixty_images_to_the_end_is_memorised(drawn) -> None:
    table = learnt(drawn, 60, 110)
    result = found(table)
    assert result["word"] == "memorised", [r.sentence for r in result.values() if not isinstance(r, str)]
    assert whole(table)["trained accuracy"] > 0.95


def test_metal_after_a_few_steps_is_too_simple(drawn) -> None:
    assert found(learnt(drawn, 300, 2))["word"] == "too simple"


def test_metal_trained_on_3600_images_is_not_memorised() -> None:
    """The model that ships, on images that trained it and on parts of the same plan that did not."""
    plan, taken = LESSONS["metal-sound"].plan, {"train": 150, "test": 150}
    rows = []
    for split, part in plan.parts():
        if taken.get(split, 0):
            taken[split] -= 1
            rows.append((split, LABELS.index(part.label), draw(part, plan.size)[0]))
    classifier = load_classifier("metal-sound")
    answers = ask(classifier, [image for *_, image in rows])
    table = table_of([split for split, *_ in rows], np.array([k for _, k, _ in rows]), answers, LABELS)
    result = found(table, recorded(table, ()))
    assert result["word"] == "neither shown", result[FIT_CHECKS[0]].sentence


def test_nothing_is_recorded_of_a_record_without_images() -> None:
    record = TrainingRecord(
        None, frozenset(), "", fit_of(sided({"test": 1.0}, {"test": (1, 1)})).gaps, None, "history.csv"
    )
    table = sided({"train": 1.0, "validation": 1.0, "test": 1.0}, EVEN)
    assert fit_of(table, record).known == "stated"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_metal_after_one_epoch_of_3600_images_is_too_simple() -> None:
    """The shipped model's own recipe and parts, cut off after the first of its epochs."""
    plan, rows, tested = LESSONS["metal-sound"].plan, [], 0
    for split, part in plan.parts():
        tested += split == "test"
        if split == "train" or (split == "test" and tested <= 300):
            rows.append((split, part.label, draw(part, plan.size)[0]))
    network = starting_network()
    trained = [(image, label) for split, label, image in rows if split == "train"]
    assert len(trained) == 3600
    for _ in train_network(network, *tensors(trained), dataclasses.replace(RECIPE, epochs=1)):
        pass
    x, _ = tensors([(image, label) for _, label, image in rows])
    with torch.inference_mode():
        parts = [network(part.float() / 127.5 - 1).softmax(1) for part in x.split(128)]
    truth = np.array([LABELS.index(label) for _, label, _ in rows])
    table = table_of([split for split, *_ in rows], truth, torch.cat(parts).numpy(), LABELS)
    result = found(table, recorded(table, ()))
    assert result["word"] == "too simple", result[FIT_CHECKS[1]].sentence
