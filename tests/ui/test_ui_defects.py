"""The Defects page: its figures are the library's, and nothing is chosen where it is reported, whatever set and address
it is given."""

import dataclasses
import functools
import io
import re

import numpy as np
import pandas as pd
import pytest
from inspected import (
    DECIDE,
    HOSTILE,
    LINES,
    REFUSED,
    at_threshold,
    drawn,
    mixed,
    named,
    note,
    press,
    scored,
    sentence,
    told,
)
from tables import AT_RANDOM, solar, with_attributes

from workbench.defects.halves import cases_of, of_split
from workbench.defects.operating import Costs, point_at
from workbench.defects.review_band import band
from workbench.defects.threshold import choose
from workbench.journal.store import Journal
from workbench.ui import draw, results
from workbench.ui.defects import operating, threshold

pytest_plugins = ["inspected"]


# Figures


@pytest.fixture
def visit(visit):
    """With the model of cells dealt at random, of which no group is stated."""
    return functools.partial(visit, model=AT_RANDOM)


def test_the_table_holds_the_librarys_figures(visit):
    at = visit("defects", prior="2.0", escape_cost="50.0").sound("Defects")
    shown = at.table[0].value
    cases, costs = cases_of(solar()), Costs(50, 1, 0.02)
    for column, split in zip(shown, ("validation", "test"), strict=True):
        chosen = of_split(cases, split)
        point = point_at(chosen, at_threshold(at), costs)
        assert column == f"{split} split ({chosen.defects} defects, {chosen.good} good)"
        assert shown[column]["escapes"] == f"{point['escapes']:.0f}"
        assert shown[column]["overkill"] == f"{point['overkill']:.0f}"
        for name in ("escape rate", "overkill rate", "precision", "F1"):
            assert shown[column][name] == operating.interval(point, name)
        assert shown[column]["cost a part"] == operating.interval(point, "cost")


@pytest.mark.parametrize(("way", "ceiling"), [("cost", None), ("escape", 0.08), ("overkill", 0.03)])
def test_a_threshold_is_chosen_on_validation_alone(visit, way, ceiling):
    at = visit("defects", choose=way, **({"ceiling": f"{100 * ceiling:g}"} if ceiling else {})).sound()
    found = choose(of_split(cases_of(solar()), "validation"), way, ceiling=ceiling, costs=Costs(10, 1))
    assert at_threshold(at) == pytest.approx(found.threshold, abs=5e-5)
    assert found.reason in sentence(at)
    assert sentence(at).endswith("Chosen on the validation split. Reported on the test split.")


def test_the_histogram_counts_at_the_threshold_itself(visit, drawn_lines):
    at = visit("defects", choose="cost").sound()
    for split, (escapes, overkill) in zip(("validation", "test"), drawn_lines[-1]["here"], strict=True):
        point = point_at(of_split(cases_of(solar()), split), drawn_lines[-1]["threshold"])
        assert (escapes, overkill) == (point["escapes"], point["overkill"])
    assert drawn_lines[-1]["threshold"] == pytest.approx(at_threshold(at), abs=5e-5)


@pytest.mark.parametrize("axis", ["probability", "odds"])
def test_the_histogram_counts_at_each_place_of_its_line(visit, drawn_lines, axis):
    visit("defects", axis=axis).sound()
    data, cases = drawn_lines[-1], of_split(cases_of(solar()), "test")
    assert sum(data["good"]) == cases.good
    assert sum(data["defect"]) == cases.defects
    for place in (0, 137, 500, 1000):
        point = point_at(cases, data["grid"][place])
        escapes, overkill = (count["grid"][place] for count in data["lines"][1]["counts"])
        assert (escapes, overkill) == (point["escapes"], point["overkill"])


def test_groups_are_told_at_this_threshold(visit):
    at = visit("defects", choose="hand", threshold="0.4").sound()
    shown = at.dataframe[0].value.set_index("group")
    tested = (solar().frame["split"] == "test").to_numpy()
    for group in ("mono", "poly"):
        point = point_at(cases_of(solar(), rows=tested & (solar().frame["module type"] == group).to_numpy()), 0.4)
        assert shown.loc[group, "escapes"].startswith(f"{point['escapes']:.0f} of {point['defects']:.0f}: ")
        assert shown.loc[group, "overkill"].startswith(f"{point['overkill']:.0f} of {point['good']:.0f}: ")


def test_an_attribute_may_be_called_like_a_figure(defects):
    found = with_attributes(mixed(), escapes=np.resize(np.array(["A", "B"], dtype=object), 400))
    shown = defects(found).sound().dataframe[0].value
    assert shown["group"].tolist() == ["A", "B"]
    assert shown["escapes"].str.contains(" of ").all()


def test_downloads_hold_the_figures_and_what_they_are_of(visit, monkeypatch):
    made = {}
    monkeypatch.setattr(draw.st, "download_button", lambda label, make, name, mime, **_: made.update({name: make}))
    at = visit("defects", choose="escape").sound()
    point = pd.read_csv(io.StringIO(made["operating-point.csv"]()), index_col="figure")
    assert float(point.loc["threshold", "test split"]) == pytest.approx(at_threshold(at), abs=5e-5)
    assert (point.loc["chosen"] == "escape").all()
    assert point.loc["model"].str.fullmatch("[0-9a-f]{64}").all()
    everything = pd.read_csv(io.StringIO(made["operating-points-test.csv"]()))
    assert everything["threshold"].is_monotonic_increasing
    assert made["operating-curves.png"]().startswith(b"\x89PNG")
    assert pd.read_csv(io.StringIO(made["operating-point-groups.csv"]()))["by"].eq("module type").all()


def test_what_rests_on_few_parts_is_said_to(defects):
    labels = ["bad"] * 80 + ["good"] * 40
    at = defects(scored(labels, np.linspace(0, 1, 120), splits=("validation", "test", "test", "test"))).sound()
    assert (
        "Only 20 defects in the validation split and 10 good parts in the validation split: read the intervals"
        in told(at)
    )
    assert "in the test split: look" not in told(at)


def test_every_rule_stands_in_the_table_with_the_librarys_figures(visit, drawn_rules):
    at = visit("defects", choose="escape", ceiling="3.0", review="95").sound()
    data, chosen, reported = drawn_rules[-1], *(of_split(cases_of(solar()), s) for s in ("validation", "test"))
    assert (data["chosen"], [row["way"] for row in data["rows"]]) == ("escape", list(threshold.WAYS))
    for row in data["rows"]:
        found = solar().rule.threshold
        if row["way"] in ("cost", "escape", "overkill"):
            found = choose(chosen, row["way"], ceiling=0.03, costs=Costs(10, 1)).threshold
        assert row["cells"][0] == f"{found:.4f}"
        point = point_at(reported, band(chosen, found, 0.95), Costs(10, 1))
        assert row["cells"][1].startswith(f"{100 * point['escape rate']:.1f} % (")
        assert row["cells"][2].startswith(f"{100 * point['overkill rate']:.1f} % (")
        assert row["cells"][3].startswith(f"{point['cost']:.3g} (")
        assert row["cells"][4] == f"{point['review']:.0f} of 656"
    assert "88 % of the good parts" not in " ".join(at.said()), "with a band a person looks at them"
    bare = visit("defects", choose="escape", ceiling="3.0").sound()
    assert "This ceiling rejects 88 % of the good parts; a ceiling of 15 % rejects 33 %." in bare.said()
    written = " ".join(at.unescaped(m.value) for m in bare.markdown)
    assert "The promise: fewer than 3 % of the defects escape. On the test split: 0.49 %" in written
    assert "at the threshold with the lowest cost (0.0524)." in written


def test_a_rule_that_leads_to_no_threshold_says_so_in_its_row(defects, drawn_rules):
    found = scored(["bad"] * 20 + ["good"] * 20, np.linspace(0, 1, 40), splits=("validation", "test"))
    defects(found, ceiling="1.0").sound()
    rows = {row["way"]: row["cells"] for row in drawn_rules[-1]["rows"]}
    assert rows["escape"][0].startswith("none can be chosen: With 10 defects no threshold can be shown")
    assert len(rows["cost"]) == 5


# Addresses


def test_an_address_restores_the_view(visit):
    address = {
        "choose": "overkill", "ceiling": "2.5", "review": "95", "axis": "odds", "escape_cost": "40.0",
        "overkill_cost": "3.0",
        "prior": "1.5", "by": "defect probability",
    }  # fmt: skip
    at = visit("defects", **address).sound("Defects")
    assert at.selectbox(key="review").value == "95"
    assert at.selectbox(key="by").value == "defect probability"
    assert [at.number_input(key=key).value for key in ("ceiling", "escape_cost", "overkill_cost", "prior")] == [
        2.5,
        40,
        3,
        1.5,
    ]
    assert {k: v for k, v in at.query_params.items() if v != []} == address | {"model": AT_RANDOM}, (
        "and the address still says the same"
    )


def test_an_address_restores_a_decision(visit, monkeypatch):
    monkeypatch.setattr(results, "attribution", lambda *_: REFUSED)
    frame = solar().frame
    name = frame[(frame["split"] == "validation") & (frame["label"] == "defective")]["name"].iloc[7]
    address = {
        "view": "decisions",
        "queue": "all",
        "on": "validation",
        "image": name,
        "map": "layer_cam",
        "fill": "blur",
    }
    at = visit("defects", **address, choose="hand", threshold="0.25").sound("Defects")
    assert any(name in at.unescaped(m.value) for m in at.markdown)
    assert at.selectbox(key="map").value == "layer_cam"
    assert at.selectbox(key="fill").value == "blur"
    assert at_threshold(at) == 0.25
    assert {k: v for k, v in at.query_params.items() if v != []} == address | {
        "choose": "hand",
        "threshold": "0.25",
        "model": AT_RANDOM,
    }


NONSENSE = {
    "view": "astrology", "choose": "luck", "ceiling": "-3", "threshold": "nan", "review": "101", "axis": "odd",
    "escape_cost": "-1",
    "overkill_cost": "inf", "prior": "100", "splits": "thirds", "on": "moon", "queue": "nobody", "map": "saliencyyy",
    "fill": "gold",
    "by": "nothing", "defect": "astrology",
}  # fmt: skip


@pytest.mark.parametrize(
    "view", [{}, {"view": "decisions"}, {"view": "masks"}, {"choose": "hand"}, {"choose": "escape"}]
)
def test_nonsense_in_the_address_is_not_taken(defects, view):
    at = defects(mixed(), **(NONSENSE | view)).sound("Defects")
    assert 0 <= at_threshold(at) <= 1 if view != {"view": "masks"} else True
    drawn_keys = at.session_state["drawn keys"]
    for key, value in NONSENSE.items():
        assert key not in drawn_keys or at.query_params.get(key, []) != value


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "7", "-0.1", "", "0x1", "1e400", "half"])
def test_a_threshold_that_is_none_is_the_models_own(visit, value):
    at = visit("defects", choose="hand", threshold=value).sound()
    assert at_threshold(at) == pytest.approx(0.5799, abs=1e-4)


@pytest.mark.parametrize("value", [float("nan"), None, "7", [1], {}, 1e9])
def test_a_browser_may_send_anything_for_the_line(visit, monkeypatch, value):
    at = visit("defects", choose="hand", threshold="0.25").sound()
    monkeypatch.setattr(threshold.st, "session_state", {"histogram": type("Sent", (), {"moved": value})()})
    monkeypatch.setattr(threshold.st, "query_params", at.query_params)
    threshold.moved()
    monkeypatch.undo()
    assert 0 <= at_threshold(at.run().sound()) <= 1


def test_an_image_of_another_set_is_said_to_be_one(defects):
    at = defects(mixed(), **DECIDE, image="no such.png").sound("Defects")
    assert any("no such.png" in text and "not among these" in text for text in at.said())
    assert at.query_params["image"] != "no such.png"


def test_another_queue_is_no_wrong_link(defects):
    at = defects(mixed(), view="decisions", queue="escapes").sound()
    at.get_by_key("queue").set_value("overkill")
    assert not any("This link" in text for text in at.run().sound().said())


# Splits


def test_a_validation_split_without_a_defect_chooses_nothing(defects):
    """anomalib#2433: its threshold fell to the lowest score, and every part was rejected."""
    found = mixed()
    keep = ~((found.frame["split"] == "validation") & (found.frame["label"] == "bad")).to_numpy()
    found = dataclasses.replace(
        found,
        frame=found.frame[keep].reset_index(drop=True),
        probabilities=found.probabilities[keep],
        logits=found.logits[keep],
    )
    at = defects(found, choose="cost").sound()
    assert any(
        "No threshold can be chosen without defects" in text and "0.500 is used instead" in text for text in at.said()
    )
    assert at_threshold(at) == 0.5
    assert "The validation split has no defects." in told(at)
    at = defects(found, choose="cost", splits="halves").sound()
    assert "Chosen on the choosing half. Reported on the reporting half." in sentence(at)
    assert [c.split(" (")[0] for c in at.table[0].value] == ["choosing half", "reporting half"]
    assert not [warning for warning in at.warning if "no class of the model" not in warning.value]


@pytest.mark.parametrize(
    ("splits", "reported"),
    [
        (("train", "validation"), "validation split"),
        (("validation",), "validation split"),
        (("train",), "training split"),
        (("train", None), "images of no split"),
        ((None,), "set"),
        (("validation", None), "images of no split"),
        (("test",), "test split"),
    ],
)
def test_nothing_is_chosen_on_what_is_reported(defects, splits, reported):
    at = defects(mixed(splits=np.array(splits, dtype=object)), choose="cost").sound()
    assert sentence(at).endswith(f"Reported on the {reported}.")
    chosen = "Chosen on the validation split" in sentence(at)
    assert chosen == (splits == ("validation", None))
    assert ("no threshold can be chosen" in told(at)) != chosen
    assert ("worse rates on new parts" in told(at)) == (splits == ("train",))


@pytest.mark.parametrize(
    "labels",
    [["good"] * 40, ["bad"] * 40, ["good"], ["bad"], ["else"] * 6, [None] * 6],
    ids=lambda x: f"{len(x)} {x[0]}",
)
@pytest.mark.parametrize("view", ["threshold", "decisions", "masks"])
@pytest.mark.parametrize("review", ["none", "95"])
def test_sets_that_lack_a_kind_are_said_to(defects, labels, view, review):
    found = scored(labels, np.linspace(0.2, 0.8, len(labels)), splits=("test",))
    at = defects(found, view=view, queue="all", review=review).sound("Defects")
    if labels[0] in (None, "else"):
        assert "None of these images has a label" in told(at)
    else:
        assert "So no threshold can be chosen by cost or a ceiling." in told(at)


def test_images_without_labels_are_decided_all_the_same(defects, drawn_lines):
    found = scored([None] * 50, np.linspace(0, 1, 50), splits=(None,))
    assert "Without labels no rates can be reported." in sentence(defects(found).sound())
    assert sum(drawn_lines[-1]["good"]) == 50
    assert drawn_lines[-1]["lines"][0]["counts"][0]["words"] == "rejected"
    assert drawn_lines[-1]["here"] == [[25]]
    at = defects(found, view="decisions", queue="all")
    assert any("margin to the threshold" in m.value for m in at.sound().markdown)


def test_unreadable_images_wait_in_no_queue(defects):
    found = scored(["bad"] * 3, [0.1, np.nan, 0.2])
    at = defects(found, view="decisions", queue="all").sound()
    assert list(at.thumbnails()) == ["2.png", "0.png"]
    none = defects(scored(["bad"], [np.nan]), view="decisions", queue="all").sound()
    assert any("None of these images could be read" in text for text in none.said())


# Classes


def test_a_model_of_many_classes_needs_a_defect_among_them(defects):
    names = tuple(f"class {i}" for i in range(1000))
    found = scored([names[0], names[-1]] * 20, np.linspace(0, 1, 40), classes=names, positive=None)
    assert any("1,000 classes, and none is a defect" in text for text in defects(found).sound("Defects").said())
    known = scored([names[0], names[-1]] * 20, np.linspace(0, 1, 40), classes=names, positive=names[-1])
    assert "the probability of class 999" in sentence(defects(known).sound("Defects"))


def test_several_classes_may_be_defects(defects):
    names = ("crack", "good", "hole", "scratch", "stain")
    found = scored(["crack", "good", "stain"] * 30, np.linspace(0, 1, 90), classes=names, positive=None)
    at = defects(found).sound()
    assert at.get_by_key("defect").value == ["crack", "hole", "scratch", "stain"]
    assert "the probability of a defect" in sentence(at)
    at.get_by_key("defect").set_value(["stain"])
    assert "the probability of stain" in sentence(at.run().sound())
    at.get_by_key("defect").set_value([])
    assert any("Choose which classes are defects" in text for text in at.run().sound().said())
    assert any("Choose which classes are defects" in text for text in defects(found, defect=list(names)).sound().said())


@pytest.mark.parametrize("view", ["threshold", "decisions"])
def test_hostile_names_draw_nothing(defects, view, journal):
    names = ("good", HOSTILE, LINES)
    found = scored([*names, names[2]] * 20, np.linspace(0, 1, 80), classes=names, positive=None)
    found = with_attributes(found, **{HOSTILE: np.resize(np.array([HOSTILE, LINES], dtype=object), 80)})
    found = with_attributes(found, name=[f"{HOSTILE}/{i}{LINES}.png" for i in range(80)])
    at = defects(found, view=view, queue="all").sound("Defects")
    assert at.get("button_group")
    for text in drawn(at):
        assert "![x](" not in text
        assert not re.search(r"(?<!\\)<b>", text)
        assert not re.search(r"(?<!\\)\$a", text)
    if view == "decisions":
        named(at, HOSTILE)
        image = next(n for n, label in zip(found.frame["name"], found.frame["label"], strict=True) if label == "good")
        at.query_params["image"] = image
        at.run().sound()
        press(at, next(b.label for b in at.button if b.label.startswith("Overrule")))
        press(at, LINES.replace("\n", " ")) if len(names) > 2 else None
        note(at, LINES)
        press(at, "Save").sound()
        (entry,) = Journal(journal).entries()
        assert (entry.user, entry.reason, entry.overruled) == (HOSTILE, LINES, LINES)
        assert not any("![x](" in text for text in drawn(at.run().sound()))
