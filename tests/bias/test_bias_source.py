"""What images can be grouped by. An attribute that the label is known from is no group to compare: it weakens no other
test."""

import math

import numpy as np
import pandas as pd
import pytest
from tables import solar, table, with_attributes

from workbench.bias import attributes
from workbench.bias.groups import compare
from workbench.bias.source import CHANCE, tied_to_label
from workbench.stats.significance import holm


def planted(n=40, classes=("good", "bad"), **attributes):
    labels = [classes[i % len(classes)] for i in range(n)]
    return with_attributes(
        table(labels, labels, classes=classes), **{k: attribute(labels) for k, attribute in attributes.items()}
    )


def measured(labels, order=("good", "bad"), seed=0):
    rng = np.random.default_rng(seed)
    return np.array([order.index(label) + rng.uniform(0.1, 0.9) for label in labels])


def test_what_goes_with_the_label_is_found_and_nothing_else():
    kinds = {
        "source": measured,
        "upside down": lambda labels: -measured(labels),
        "steps": lambda labels: np.where(
            np.array(labels) == "bad", [0.67, 0.67, 1.0, 1.0] * 10, [0.0, 0.0, 0.33, 0.33] * 10
        ),
        "camera": lambda labels: np.where(np.array(labels) == "bad", "B", "A").astype(object),
        "kind": lambda labels: np.where(
            np.array(labels) == "bad", ["dent", "dent", "pit", "pit"] * 10, ["sound", "sound", "new", "new"] * 10
        ).astype(object),
        "line": lambda labels: np.array(["1", "1", "2", "2"] * 10, dtype=object),
        "nearly": lambda labels: np.where(np.arange(40) == 5, 0.5, measured(labels)),
        "between": lambda labels: np.where(np.array(labels) == "bad", [0.0, 0.0, 2.0, 2.0] * 10, 1.0),
        "only of defects": lambda labels: np.array(
            [label if label == "bad" else None for label in labels], dtype=object
        ),
        "one value": lambda labels: np.array(["x"] * 40, dtype=object),
        "nothing": lambda labels: np.array([None] * 40, dtype=object),
    }
    found = planted(**kinds)
    assert tied_to_label(found) == {
        "source": "threshold",
        "upside down": "threshold",
        "steps": "threshold",
        "camera": "one to one",
    }


def test_three_classes_are_parted_by_two_thresholds():
    classes = ("good", "doubt", "bad")
    found = planted(
        60, classes, grade=lambda labels: measured(labels, classes), mixed=lambda labels: measured(labels, classes) % 2
    )
    assert tied_to_label(found) == {"grade": "threshold"}


@pytest.mark.parametrize("each", range(1, 10))
def test_a_tie_that_chance_would_make_is_none(each):
    """Of all ways to deal so many labels of two classes out along an order, two part them."""
    found = planted(2 * each, source=measured)
    chance = 2 / math.comb(2 * each, each)
    assert tied_to_label(found) == ({"source": "threshold"} if chance <= CHANCE else {})


def test_only_the_chosen_images_count():
    labels = ["good", "bad"] * 40
    camera = np.where(np.array(labels) == "bad", "B", "A").astype(object)
    camera[40:] = "A"
    found = with_attributes(table(labels, labels), camera=camera)
    assert tied_to_label(found) == {}
    assert tied_to_label(found, np.arange(80) < 40) == {"camera": "one to one"}


def test_the_solar_cells_labels_come_of_their_defect_probability():
    found = solar()
    assert tied_to_label(found) == {"defect probability": "threshold"}
    table = found.frame.groupby("defect probability")["label"].agg(["min", "max"])
    assert (table["min"] == table["max"]).all()
    tested = (found.frame["split"] == "test").to_numpy()
    with_source = compare(found, "module type", "defect probability", rows=tested)
    alone = compare(found, "module type", rows=tested)
    assert (with_source.tests, alone.tests) == (14, 9)
    before, after = (one.row("module type", "accuracy") for one in (with_source, alone))
    assert before["p"] == after["p"]
    assert after["p adjusted"] == pytest.approx(holm(alone.frame["p"].to_numpy())[0])
    assert after["p adjusted"] < before["p adjusted"]


def test_measurements_are_cut_into_quarters_and_names_left_out():
    n = 200
    found = with_attributes(
        table(["good", "bad"] * (n // 2), ["good", "bad"] * (n // 2)),
        camera=np.array(["A", "B"] * (n // 2), dtype=object),
        exposure=np.r_[np.nan, np.linspace(0, 10, n - 1)],
        serial=np.array([f"s{i}" for i in range(n)], dtype=object),
        site="here",
    )
    made = attributes.grouping(found)
    assert made.names == ("camera", "exposure")
    assert made.cut == ("exposure",)
    assert dict(made.left_out) == {"serial": "has 200 values, more than 20", "site": "has one value only"}
    counts = made.predictions.frame["exposure"].value_counts()
    assert len(counts) == 4
    assert counts.between(48, 51).all()
    assert pd.isna(made.predictions.frame["exposure"][0])
    edge = made.predictions.frame.loc[1, "exposure"].split(" to ")
    assert float(edge[0]) == 0
    assert found.frame["exposure"].dtype == float, "the table itself stays as it was"


def test_measurements_that_are_nearly_all_alike_are_left_out():
    column = pd.Series([0.0] * 100 + list(range(1, 22)))
    assert attributes.quarters(column) is None
