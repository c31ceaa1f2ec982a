"""What wrong labels cost at the working threshold, counted by hand, and the words for what was found."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from planted import item, kin, said

from workbench.defects import cases_of, choose
from workbench.errors import InputError
from workbench.quality import label_cost, label_issues, label_results, ranked_by_cost


def cheapest(predictions):
    """The threshold of the lowest cost on the validation split."""
    return choose(cases_of(predictions, rows=(predictions.frame["split"] == "validation").to_numpy(bool))).threshold


def line():
    """Parts whose label follows from a score of 0.5, but for one defect at 0.29 in the validation split."""
    scores = np.arange(100) / 100 + 0.005
    labels = ["defective" if score > 0.5 else "good" for score in scores]
    items = [item(f"{split} {i}", split, label) for split in ("validation", "test") for i, label in enumerate(labels)]
    items[29] = dataclasses.replace(items[29], label="defective")
    return items, said(items, np.tile(scores, 2))


def test_the_threshold_moves_back_and_escapes_are_counted_by_hand():
    _, predictions = line()
    cost = label_cost(predictions, {"validation 29": "good"}, cheapest)
    assert cost.after.threshold == pytest.approx(0.5, abs=0.01)
    frame = predictions.frame
    test = (frame["split"] == "test").to_numpy()
    scores = predictions.probabilities[:, 1]
    for working in (cost.before, cost.after):
        rejected = scores >= working.threshold
        defect = (frame["label"] == "defective").to_numpy()
        assert working.escapes == (test & defect & ~rejected).sum()
        assert working.overkill == (test & ~defect & rejected).sum()
        assert (working.defects, working.good) == (50, 50)
    assert cost.learned == 0


def test_a_label_of_the_test_split_moves_a_rate_and_one_of_training_neither():
    items, predictions = line()
    cost = label_cost(predictions, {"test 10": "defective"}, cheapest)
    assert cost.before.threshold == cost.after.threshold
    assert (cost.before.escapes + 1, cost.before.defects + 1) == (cost.after.escapes, cost.after.defects)
    trained = [dataclasses.replace(i, split="train") if i.name == "test 10" else i for i in items]
    cost = label_cost(said(trained, predictions.probabilities[:, 1]), {"test 10": "defective"}, cheapest)
    assert (cost.moves, cost.learned) == (0, 1)
    assert cost.sentence == (
        "This label moves neither the threshold nor a rate. 1 of them is a training image: that cost shows in"
        " training again."
    )


def test_the_dearest_label_comes_first():
    _, predictions = line()
    changes = {"validation 60": "good", "test 10": "defective", "validation 29": "good"}
    costs = ranked_by_cost(predictions, changes, cheapest)
    assert [*costs] == sorted(changes, key=lambda name: -label_cost(predictions, {name: changes[name]}, cheapest).moves)
    assert [cost.moves for cost in costs.values()] == sorted((cost.moves for cost in costs.values()), reverse=True)


def test_a_threshold_that_cannot_be_chosen_is_said():
    items, predictions = line()
    lone = {i.name: "good" for i in items if i.split == "validation" and i.label == "defective"}
    cost = label_cost(predictions, lone, cheapest)
    assert cost.after.threshold is None
    assert cost.sentence.startswith("No threshold can be chosen with these labels changed")
    with pytest.raises(InputError, match="hold no image 'gone'"):
        label_cost(predictions, {"gone": "good"}, cheapest)


def test_checks_say_what_was_found_and_what_cannot_be_told():
    items, predictions = line()
    results = {r.check: r for r in label_results(label_issues(items, None, predictions))}
    assert {check: r.verdict for check, r in results.items()} == {
        "label issues": "unknown",  # without a training split, the model may have learned from all of them
        "label twins": "unknown",
        "label masks": "unknown",
        "label interventions": "unknown",
    }
    items = [*items, item("t", "train", "good"), item("u", "train", "defective")]
    sure = np.where(predictions.probabilities[:, 1] > 0.5, 0.97, 0.03)
    sure[29] = 0.01
    predictions = said(items, [*sure, 0.1, 0.1])
    issues = label_issues(items, kin(items, [("t", "u"), ("test 0", "test 1")]), predictions)
    cost = label_cost(predictions, {"validation 29": "good"}, cheapest)
    results = {r.check: r for r in label_results(issues, cost)}
    assert (results["label twins"].verdict, results["label twins"].images) == ("warn", (("t", "u"),))
    assert results["label issues"].verdict == "warn"
    assert "validation 29" in results["label issues"].images
    assert results["label issues"].support == 200
    for words in ("200 by the loaded model", cost.sentence, "about half of such flags"):
        assert words in results["label issues"].sentence
