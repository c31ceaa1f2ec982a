"""What is concluded: the verdict follows from the tests, by value, and no sentence claims more than they do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from bias_page import sized
from tables import solar, table

from workbench.bias.conclusions import KINDS, Conclusion, nested, of_classes, of_groups, of_tie, ordered
from workbench.bias.groups import compare
from workbench.bias.performance import breakdown
from workbench.stats import ENOUGH, critical_value, more_of_each

TESTED = (solar().frame["split"] == "test").to_numpy()


def test_the_solar_cells_are_proven_worse_for_a_class_and_not_for_a_module_type() -> None:
    line = of_classes(breakdown(solar(), rows=TESTED))
    assert (line.verdict, line.about) == ("proven", "defective")
    assert line.sentence == (
        "worse for defective than for functional, recall 73 % (67 to 79) of 205 images against 98 % (97 to 99) of 451"
        " images, a gap of 25.1 points (19.2 to 31.6)."
    )
    comparison = compare(solar(), "module type", rows=TESTED)
    line = of_groups(comparison, "module type")
    assert (line.verdict, line.lead) == ("chance", "Chance can do that")
    assert "accuracy 86.6 % for mono, 93.0 % for poly, a gap of 6.5 points" in line.sentence
    row = comparison.row("module type", "accuracy")
    assert row["gap within"] == pytest.approx(0.0517, abs=1e-4), "of the gap, this much is left class by class"
    middle, half = (row["lowest value"] + row["highest value"]) / 2, row["gap within"] / 2
    supports = int(row["lowest support"]), int(row["highest support"])
    assert sum(supports) == TESTED.sum()
    more = more_of_each(middle - half, middle + half, supports, critical_value(1 - 0.05 / 9))
    assert 0 <= int(line.settles.split()[1].replace(",", "")) - more < 10
    assert line.settles.endswith("more images of each would settle it, if the gap stays as wide.")


def test_a_proven_gap_is_called_one() -> None:
    line = of_groups(compare(sized(A=(200, 100), B=(295, 5)), "camera"), "camera")
    assert (line.verdict, line.settles) == ("proven", "")
    assert "accuracy 66.7 % for A, 98.3 % for B" in line.sentence


def test_the_smaller_group_alone_is_asked_for_where_it_is_enough() -> None:
    line = of_groups(compare(sized(A=(33, 7), B=(950, 50)), "camera", figures=["accuracy"]), "camera")
    assert line.verdict == "proven"
    line = of_groups(compare(sized(A=(35, 4), B=(960, 40)), "camera", figures=["accuracy"]), "camera")
    assert line.verdict == "chance"
    assert line.settles.split()[2:6] == ["more", "images", "of", "A"]


def test_a_gap_that_the_mix_of_classes_makes_is_not_settled_by_more_images() -> None:
    """Camera B has more bad parts, which are harder; within either class both cameras are alike."""
    labels, called, camera = [], [], []
    for name, good, bad in (("A", 80, 20), ("B", 20, 80)):
        labels += ["good"] * good + ["bad"] * bad
        called += ["good"] * (good + bad // 4) + ["bad"] * (bad - bad // 4)
        camera += [name] * (good + bad)
    line = of_groups(compare(table(labels, called, {"camera": camera}), "camera", figures=["accuracy"]), "camera")
    assert line.verdict == "chance"
    assert "among images of the same class, most of the gap is gone" in line.settles


def test_classes_that_differ_by_chance_have_no_worst() -> None:
    called = ["bad"] * 8 + ["good"] * 42 + ["good"] * 6 + ["bad"] * 44
    line = of_classes(breakdown(table(["good"] * 50 + ["bad"] * 50, called)))
    assert (line.verdict, line.about) == ("chance", "good")
    assert line.sentence == (
        "recall differs among 2 classes: 84 % (71 to 92) of 50 images for good, 88 % (76 to 94) of 50 images for bad;"
        " which is worst is not proven."
    )
    assert " more images of each would settle it" in line.settles


def test_no_class_is_judged_on_few_images() -> None:
    line = of_classes(breakdown(table(["good", "bad"] * 10, ["good", "good"] * 10)))
    assert (line.lead, line.verdict) == ("Too few to say", "too few")
    assert f"no class has {ENOUGH} images" in line.sentence


def test_an_attribute_that_goes_with_the_classes_is_not_blamed() -> None:
    """Else a gap between classes would read as one between cameras."""
    labels = ["good"] * 120 + ["bad"] * 120
    called = ["good"] * 120 + ["bad"] * 60 + ["good"] * 60
    grade = ["1"] * 60 + ["2"] * 60 + ["3"] * 60 + ["4"] * 60
    found = table(labels, called, {"grade": grade, "camera": ["A", "B"] * 120})
    assert nested(found, np.ones(len(found), bool), ("grade", "camera")) == {"grade"}
    line = of_groups(compare(found, "grade", "camera"), "grade", nested=True)
    assert "groups are compared within a class only" in line.sentence
    assert "selection rate" not in line.sentence
    assert "one class only" in line.settles or line.verdict == "proven"


def test_what_is_proven_comes_first_and_shortcuts_before_all() -> None:
    plain = Conclusion("group", "chance", "", "")
    verdicts = ("excluded", "none", "open", "too few", "chance", "proven")
    lines = [dataclasses.replace(plain, verdict=verdict, kind=kind) for verdict in verdicts for kind in KINDS[::-1]]
    assert [(line.verdict, line.kind) for line in ordered(lines)] == [(v, k) for v in verdicts[::-1] for k in KINDS]


def test_a_tie_is_told_by_its_kind() -> None:
    assert "follows from the label" in of_tie("camera", "one to one").sentence
    assert "reveals the label" in of_tie("p", "threshold").sentence
