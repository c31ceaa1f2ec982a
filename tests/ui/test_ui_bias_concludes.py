"""The Bias page concludes: proven first, shortcuts always spoken of, too few leads on, all figures in one archive."""

import functools
import io
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
from bias_page import headline, in_words, sized
from PIL import Image
from tables import AT_RANDOM, solar

from workbench.bias.groups import compare
from workbench.bias.performance import ENOUGH, breakdown
from workbench.sets.layouts import load_images
from workbench.ui import draw

pytest_plugins = ["bias_page"]
TESTED = (solar().frame["split"] == "test").to_numpy()


@pytest.fixture
def visit(visit):
    """With the model of cells dealt at random, of which no group is stated."""
    return functools.partial(visit, model=AT_RANDOM)


def test_the_headline_says_what_the_tests_say(visit):
    text = headline(visit("bias").sound())
    tested = solar().frame[TESTED]
    defects = tested[tested["label"] == "defective"]
    found = (defects["predicted"] == "defective").mean()
    lines = text.splitlines()
    assert "Proven:** worse for defective than for functional, recall" in lines[0]
    assert f"recall {100 * found:.0f} %" in lines[0]
    comparison = compare(solar(), "module type", rows=TESTED)
    gap = comparison.row("module type", "accuracy")
    assert gap["p adjusted"] > 0.05
    assert "Chance can do that:** by module type, accuracy" in lines[1]
    assert (
        f"gap of {100 * gap['gap']:.1f} points ({100 * gap['gap low']:.1f} to {100 * gap['gap high']:.1f})" in lines[1]
    )
    assert f"p = {gap['p adjusted']:.2f} after correction for {comparison.tests} comparisons" in lines[1]
    assert "Shortcuts:** not looked for yet." in lines[2]
    assert "Cannot be compared:** defect probability reveals the label" in lines[3]
    assert "[See where it looks](#where-it-looks)" in lines[2]


def test_too_few_images_lead_on_to_all_of_them(bias):
    found = sized(A=(70, 10), B=(50, 20))
    found.frame["split"] = np.where(np.arange(len(found)) % 5 == 0, "test", "train")
    at = bias(found, on="test").sound()
    said = "for 2 of 2. All 150 labelled images hold 75 a class. Optimistic where the model was trained on them."
    assert any(said in m.value for m in at.markdown)
    at.button(key="all images class").click().run().sound()
    assert at.query_params["on"] == "all"
    assert not [b for b in at.button if str(b.key).startswith("all images")]


def test_classes_and_groups_stand_in_one_table_with_their_intervals(bias):
    found = sized(A=(60, 10), B=(ENOUGH - 1, 0))
    (body,) = [
        h.proto.body for h in bias(found).sound().get("html") if "<table" in h.proto.body and "wb-whom" in h.proto.body
    ]
    lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", body)]
    rows = [[re.sub(r"<[^>]+>", "", cell).strip() for cell in line] for line in lines]
    assert rows[:2] == [["Name", "Right, with its interval", "Wrong", "Images"], ["Class (recall)"]]
    accuracy = in_words(breakdown(found, "camera").frame, 0, "accuracy")
    assert rows[-3:] == [["camera (accuracy)"], ["A", accuracy, "10", "70"], ["B", "too few (29)", "0", "29"]]
    at = f"left:{100 * 60 / 70:.1f}%"
    assert at in lines[-2][1], "the bar stands where the figure is"


def test_all_figures_come_as_one_archive_that_says_what_they_are_of(visit, monkeypatch):
    made = {}
    monkeypatch.setattr(draw.st, "download_button", lambda label, make, name, mime, **_: made.update({name: make}))
    visit("bias").sound()
    content = made["bias-test.zip"]()
    assert content == made["bias-test.zip"](), "the same figures give the same bytes"
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        names = [name for name in file.namelist() if name.endswith(".csv")]
        frames = {name.removesuffix(".csv"): pd.read_csv(file.open(name)) for name in names}
        text = file.read("README.txt").decode()
        for name in ("recall-by-class", "accuracy-by-group", "confusion-matrix"):
            assert Image.open(file.open(f"{name}.png")).width > 400
    digest = f"labels, splits and attributes): {load_images(AT_RANDOM).key}"
    facts = (
        "Model: Solar cells, dealt at random",
        digest,
        "Test split, 656 labelled images",
        "Grouped by: module type",
    )
    assert [fact for fact in facts if fact not in text] == []
    assert re.search(r"Model digest.*: [0-9a-f]{64}\n", text)
    assert "Shortcuts: not looked for yet" in text

    tested = solar().frame[TESTED]
    right = tested["predicted"] == tested["label"]
    recall = right.groupby(tested["label"]).mean()
    assert frames["classes"].set_index("group")["recall"].to_dict() == pytest.approx(recall.to_dict())
    accuracy = right.groupby(tested["module type"]).mean()
    by_type = frames["groups"].query("by == 'module type'").set_index("group")
    assert by_type["accuracy"].to_dict() == pytest.approx(accuracy.to_dict())
    cells = frames["confusions"].set_index(["true class", "called"])["images"].to_dict()
    assert cells == tested.groupby(["label", "predicted"]).size().to_dict()
    selection = (tested["predicted"] == "defective").groupby(tested["module type"]).mean()
    parity = frames["fairness"].set_index(["by", "measure"])["value"]["module type", "demographic parity difference"]
    assert parity == pytest.approx(selection.max() - selection.min())
    gaps = frames["gaps"].set_index("figure")
    assert gaps.loc["accuracy", "gap"] == pytest.approx(accuracy.max() - accuracy.min())
    assert frames["conclusions"]["verdict"].tolist() == ["proven", "chance", "open", "excluded"]
