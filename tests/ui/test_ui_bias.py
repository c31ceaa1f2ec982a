"""The Bias page: its figures are the library's, its sentences claim no more than the tests, and its links lead to the
images."""

import functools
import re
from urllib.parse import parse_qs

import numpy as np
import pytest
from bias_page import drawn, figures, headline, in_words, links, sized
from tables import AT_RANDOM, solar, table

from workbench.bias.groups import compare, fairness
from workbench.bias.performance import ENOUGH, breakdown
from workbench.sets.layouts import load_images
from workbench.ui.bias import confusions, images, words

pytest_plugins = ["bias_page"]
TESTED = (solar().frame["split"] == "test").to_numpy()
HOSTILE = "![x](https://attack.example/x.png)"


# Figures


@pytest.fixture
def visit(visit):
    """With the model of cells dealt at random, of which no group is stated."""
    return functools.partial(visit, model=AT_RANDOM)


@pytest.mark.parametrize(
    ("first", "by", "names"), [("class", "label", words.CLASS_FIGURES), ("group", "module type", words.GROUP_FIGURES)]
)
def test_the_tables_hold_the_librarys_figures(visit, first, by, names):
    shown = figures(visit("bias").sound("Bias"), first)
    expected = breakdown(solar(), by, rows=TESTED).frame
    assert shown.index.tolist() == expected["group"].tolist()
    assert shown["images"].tolist() == expected["support"].tolist()
    for row, name in enumerate(shown.index):
        for figure in names:
            assert shown.loc[name, figure] == in_words(expected, row, figure)


def test_the_gaps_are_all_told_with_their_verdict(visit):
    at = visit("bias").sound()
    shown = figures(at, "by").reset_index()
    comparison = compare(solar(), "module type", rows=TESTED)
    assert len(shown) == len(comparison.frame)
    verdicts = shown["verdict"].value_counts()
    assert verdicts.get("gap", 0) == comparison.frame["significant"].sum()
    assert verdicts["not proven"] == (~comparison.frame["significant"]).sum()
    assert "mono: 86.6 %" in shown["lowest"].tolist()


def test_the_fairness_measures_are_the_librarys(visit):
    shown = {m.label: m.value for m in visit("bias").sound().metric}
    found = fairness(solar(), "module type", rows=TESTED)
    assert shown["Demographic parity difference"] == f"{100 * found['demographic parity difference'].value:.1f} points"
    assert shown["Equalized odds difference"] == f"{100 * found['equalized odds difference'].value:.1f} points"
    assert shown["Worst-group accuracy"] == f"{100 * found['worst-group accuracy'].value:.1f} %"


def test_every_section_names_the_split_and_how_many_images(visit):
    at = visit("bias").sound()
    assert sum(c.value.startswith(f"Test split, {TESTED.sum():,} labelled images") for c in at.caption) >= 5
    assert not any("ptimistic" in c.value for c in at.caption)
    at = visit("bias", on="train").sound()
    count = (solar().frame["split"] == "train").sum()
    assert sum(c.value.startswith(f"Training split, {count:,} labelled images") for c in at.caption) >= 5
    assert not any("Test split" in c.value for c in at.caption)
    assert any("trained on them: optimistic." in c.value for c in at.caption)


def test_an_address_restores_the_view(visit):
    address = {
        "on": "validation",
        "by": "defect probability",
        "cross": "module type",
        "true": "functional",
        "called": "functional",
    }
    at = visit("bias", **address).sound()
    for key, value in address.items():
        assert at.selectbox(key=key).value == value
    assert {k: v for k, v in at.query_params.items() if v != []} == address | {"model": AT_RANDOM}
    assert {name.split(" x ")[1] for name in figures(at, "group").index} == {"mono", "poly"}


# Too few, or nothing at all


def test_too_few_images_carry_no_figure(bias):
    found = sized(A=(60, 10), B=(ENOUGH - 1, 0))
    at = bias(found).sound()
    shown = figures(at, "group")
    assert set(shown.loc["B"].drop("images")) == {f"too few ({ENOUGH - 1})"}
    assert "Too few to say:** by camera: fewer than two groups" in headline(at)
    told = words.numbers(breakdown(found, "camera")).set_index("group")
    assert told.loc["B", ["accuracy", "accuracy low", "accuracy high"]].isna().all()
    assert told.loc["A", "accuracy"] == pytest.approx(6 / 7)


def test_a_figure_that_rests_on_few_cases_is_not_told_though_its_group_is_large(bias):
    labels = ["good"] * 80 + ["bad"] * 10
    found = table(labels, labels, {"camera": ["A", "B"] * 45})
    shown = figures(bias(found).sound(), "group")
    assert shown.loc["A", "accuracy"].startswith("100.0 %")
    assert shown.loc["A", "escape rate"] == "too few (5)"
    assert shown.loc["A", "AUC"] == "too few (5)"


def test_images_without_attributes_say_how_to_bring_some(bias):
    labels = ["good", "bad"] * 40
    at = bias(table(labels, labels)).sound()
    assert any("manifest.csv" in text for text in at.said())
    assert not [d for d in at.dataframe if d.value.columns[0] == "group"]
    assert "For whom is it worse?" in [h.value for h in at.header]


def test_images_without_labels_are_one_sentence(visit):
    at = visit("bias", model="everyday").sound("Bias")
    assert any("no labels that the model knows" in text for text in at.said())
    assert not at.dataframe


def test_a_split_without_labels_is_one_sentence(bias):
    found = table([*["good", "bad"] * 40, *[None] * 5], ["good", "bad"] * 40 + ["good"] * 5)
    found.frame.loc[80:, "split"] = "train"
    at = bias(found, on="train").sound()
    assert any("choose other images" in text for text in at.said())


# Links and images


def test_a_row_leads_to_its_mistakes(visit):
    tested = solar().frame[TESTED]
    missed = tested[(tested["label"] == "defective") & (tested["verdict"] == "wrong")]
    query = links(visit("bias").sound())[f"defective: {len(missed)} wrong"]
    assert query["image"][0] in set(missed["name"])
    opened = visit("explain", method="saliency", **{k: v[0] for k, v in query.items()}).sound("Explain")
    assert opened.query_params["image"] == query["image"][0]
    assert any(c.value.startswith(f"{len(missed):,} of ") for c in opened.caption)


def test_a_group_leads_to_its_mistakes(visit):
    tested = solar().frame[TESTED]
    missed = tested[(tested["module type"] == "mono") & (tested["verdict"] == "wrong")]
    query = links(visit("bias").sound())[f"mono: {len(missed)} wrong"]
    assert query["group"] == ["module type: mono"]
    opened = visit("explain", method="saliency", **{k: v[0] for k, v in query.items()}).sound("Explain")
    assert any(c.value.startswith(f"{len(missed):,} of ") for c in opened.caption)


def test_a_cell_opens_the_images_behind_it(visit):
    tested = solar().frame[TESTED]
    behind = tested[(tested["label"] == "functional") & (tested["predicted"] == "defective")]
    at = visit("bias", true="functional", called="defective").sound()
    asked = [q["image"][0] for name, q in links(at).items() if "wrong" not in name]
    shown = [parse_qs(e.proto.query_string)["image"][0] for e in at.get("page_link") if e.value.endswith("sure")]
    assert shown == behind["name"].tolist()
    assert set(asked) <= set(behind["name"])
    assert f"**{len(behind)}** of {(tested['label'] == 'functional').sum()} images" in "\n".join(drawn(at))


def test_many_images_behind_a_cell_come_in_pages(visit):
    at = visit("bias", true="functional", called="functional").sound()
    thumbnails = [e for e in at.get("page_link") if e.value.endswith("sure")]
    assert len(thumbnails) == images.IMAGES_A_PAGE
    at.selectbox(key="called").select("defective").run().sound()
    assert len([e for e in at.get("page_link") if e.value.endswith("sure")]) < images.IMAGES_A_PAGE
    assert at.query_params["true"] == "functional"
    assert at.query_params.get("called", []) == [], "the most frequent confusion of a class stands in no address"


def test_the_first_cell_shown_is_the_most_frequent_confusion():
    counts = np.array([[90, 4, 6], [11, 80, 9], [1, 2, 3]])
    assert confusions.worst_row(counts) == 1
    assert confusions.worst_row(np.diag([3, 9])) == 1


# Names that people typed


def test_hostile_names_draw_nothing(bias):
    labels = ["good", HOSTILE] * 40
    camera = [HOSTILE, "<script>alert(1)</script>"] * 40
    called = [*labels[:70], *(["good"] * 10)]
    found = table(
        labels, called, {HOSTILE: camera, "$a$": ["$x_1$", "**b**"] * 40}, classes=("good", HOSTILE), positive=HOSTILE
    )
    at = bias(found, by=HOSTILE, cross="$a$").sound()
    for text in drawn(at):
        assert "![x](" not in text
        assert not re.search(r"(?<!\\)<script", text)
        assert not re.search(r"(?<!\\)\$", text)
    assert HOSTILE in figures(at, "class").index
    bodies = [h.proto.body for h in at.get("html") if "<table" in h.proto.body]
    assert len(bodies) == 2
    assert not [body for body in bodies if "<script" in body]
    assert any("&lt;script&gt;" in body for body in bodies)


# Many classes


def test_a_thousand_classes_stay_readable(bias):
    rng = np.random.default_rng(0)
    names = tuple(f"class {i}" for i in range(1000))
    labels = [names[i] for i in np.repeat(np.arange(1000), ENOUGH)]
    called = [name if rng.random() < 0.7 else names[rng.integers(1000)] for name in labels]
    at = bias(table(labels, called, classes=names, positive=None)).sound()
    assert len(figures(at, "class")) == 50
    matrix = next(d.value for d in at.dataframe if d.value.index.name == confusions.CORNER)
    assert matrix.shape == (20, 20)
    said = [c.value for c in at.caption]
    assert any("50 worst of 1,000" in text for text in said)
    assert any("20 classes with most confusions, of 1,000" in text for text in said)
    assert len(at.get("page_link")) < 60


def test_the_classes_kept_are_those_most_confused():
    counts = np.diag(np.arange(10, 40))
    counts[3, 17] = 5
    assert {3, 17} <= set(confusions.most_confused(counts, most=4))
    assert len(confusions.most_confused(counts, most=4)) == 4
    assert confusions.most_confused(np.zeros((3, 3), int) + np.diag([1, 0, 1])) == [0, 2]


# What deceives


def test_a_gap_that_the_mix_makes_is_warned_of(bias):
    """Each line is as good with camera A as with B; camera B only has more of the hard line."""
    blocks = {("A", "easy"): (190, 10), ("A", "hard"): (20, 20), ("B", "easy"): (38, 2), ("B", "hard"): (100, 100)}
    labels, called, camera, line = [], [], [], []
    for (cam, lin), (right, wrong) in blocks.items():
        labels += ["good", "bad"] * ((right + wrong) // 2)
        here = labels[-(right + wrong) :]
        called += [t if i >= wrong else {"good": "bad", "bad": "good"}[t] for i, t in enumerate(here)]
        camera += [cam] * (right + wrong)
        line += [lin] * (right + wrong)
    at = bias(table(labels, called, {"camera": camera, "line": line}), by="camera").sound()
    assert any("within each line" in text for text in at.said())
    assert not any("within each line" in text for text in bias(sized(A=(60, 10), B=(50, 20))).sound().said())


# Attributes


def test_what_cannot_be_grouped_by_is_said(bias):
    labels = ["good", "bad"] * 40
    at = bias(table(labels, labels, {"serial *no*": [f"s{i}" for i in range(80)], "camera": ["A", "B"] * 40})).sound()
    assert at.selectbox(key="by").options == ["camera"]
    assert any("serial *no* has 80 values, more than 20: left out." in at.unescaped(c.value) for c in at.caption)


def test_groups_by_a_crossed_pair_are_compared_too(bias):
    labels = ["good", "bad"] * 100
    found = table(labels, labels, {"camera": ["A", "A", "B", "B"] * 50, "line": ["1"] * 100 + ["2"] * 100})
    at = bias(found, by="camera", cross="line").sound()
    assert set(figures(at, "group").index) == {"A x 1", "A x 2", "B x 1", "B x 2"}
    assert "camera x line" in set(figures(at, "by").index)
    assert headline(at).index("by camera x line,") < headline(at).index("by camera,"), "what was chosen is told first"


@pytest.mark.parametrize("cross", ["", "line"])
def test_a_camera_that_goes_with_the_label_is_told_and_takes_no_part_in_any_test(bias, cross):
    labels = ["good", "bad"] * 100
    called = ["bad", *labels[1:]]
    camera, line = ["A", "B"] * 100, ["1", "1", "2", "2"] * 50
    at = bias(table(labels, called, {"camera": camera, "line": line}), by="camera", cross=cross).sound()
    said = "camera follows from the label (each of its values occurs with one class only), so it is excluded"
    assert said in headline(at)
    assert set(figures(at, "by").index) == {"line"}
    alone = compare(table(labels, called, {"line": line}), "line")
    assert f"after correction for {alone.tests} comparisons" in headline(at)
    assert set(figures(at, "group").index) == ({"A x 1", "A x 2", "B x 1", "B x 2"} if cross else {"A", "B"}), (
        "its figures stay"
    )
    assert not any("Fairness" in text for text in drawn(at)), "between such groups they would compare classes"
    only = bias(table(labels, called, {"camera": camera})).sound()
    assert said in headline(only)
    assert not any(d.value.columns[0] == "by" for d in only.dataframe)


def test_the_images_named_are_of_the_set(visit):
    """Each thumbnail shows the image that it links to."""
    at = visit("bias").sound()
    known = load_images("elpv").by_name
    assert {q["image"][0] for q in links(at).values()} <= set(known)
