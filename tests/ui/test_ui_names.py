"""The pages with classes and attributes called like the program's own words: every choice shows what it names, counted
from the set."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from workbench.models.architectures import build
from workbench.models.classifier import predict
from workbench.models.loading import load_classifier
from workbench.sets.layouts import load_images
from workbench.texts.values import scalar, shown
from workbench.ui import explain, gallery, url
from workbench.ui.overview import loaded

torch.set_num_threads(1)
CLASSES = ("all", "predicted", "group", "true", "None", "(no label)", "all (2)", "=x", "a: b", "predicted class")
COLUMNS = (
    "all",
    "group",
    "name",
    "id",
    "verdict",
    "predicted",
    "None",
    "self",
    "a: b",
    "a",
    "label (attribute)",
    "kind",
    "tags",
    "x | y",
)
VALUES = ("all", "None", "b: c", "(none)")
COUNT = 120
QUICK = {"method": "saliency"}
PAGES = [
    ("overview", {}),
    ("explain", QUICK),
    ("bias", {}),
    ("defects", {"defect": ["all", "group"]}),
    ("defects", {"defect": ["all", "group"], "view": "decisions", "queue": "all", "map": "grad_cam"}),
    ("journal", {}),
    *(
        ("probe", {"view": view, "attack": "fgsm"})
        for view in ("edit", "sweep", "contrast", "attack", "behind", "concepts", "compare")
    ),
]


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> tuple[Path, Path]:
    """A folder with a small model of nasty classes, and a set whose attributes are called like columns of the program's
    own."""
    folder = tmp_path_factory.mktemp("names")
    rng, rows = np.random.default_rng(0), []
    (folder / "set").mkdir()
    for i in range(COUNT):
        name = f"{i:03}.png"
        pixels = (rng.integers(0, 256, 3) * 0.8 + rng.integers(0, 52, (32, 32, 3))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "set" / name)
        row = {
            "image": name,
            "label": None if i % 13 == 12 else CLASSES[rng.integers(len(CLASSES))],
            "split": ("train", "test")[i % 2],
        }
        row |= {column: None if rng.random() < 0.1 else VALUES[rng.integers(len(VALUES))] for column in COLUMNS}
        rows.append(row | {"tags": [["a", "b"], ["a"], []][i % 3]})
    pd.DataFrame(rows).to_parquet(folder / "set" / "manifest.parquet")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model, _ = build("timm:test_resnet", trusted=True, options={"num_classes": len(CLASSES)})
        colours = (torch.rand(64, 3, 1, 1) * 2 - 1).expand(-1, -1, 32, 32)
        logits, head = model.eval()(colours).detach(), model.get_classifier()
        head.weight.data /= logits.std(0)[:, None]  # so that not all images are called the same
        head.bias.data = (head.bias - logits.mean(0)) / logits.std(0)
    (folder / "model").mkdir()
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        folder / "model" / "model.safetensors",
    )
    names = ", ".join(f"'{name}'" for name in CLASSES)
    (folder / "model" / "model.toml").write_text(
        f'title = "Nasty"\narchitecture = "timm:test_resnet"\nweights = "model.safetensors"\nclasses = [{names}]\n'
        "[preprocessing]\nsize = [32, 32]\n"
    )
    return folder / "model", folder / "set"


@pytest.fixture
def opened(visit, parts, monkeypatch):
    """Opens a page on the nasty model and set, once the model has been asked about the set."""
    monkeypatch.setenv("WORKBENCH_MODEL", str(parts[0]))
    monkeypatch.setenv("WORKBENCH_IMAGES", str(parts[1]))

    def open_page(page="overview", /, **address):
        at = visit(page, **address)
        asks = [b for b in at.button if b.label.startswith(f"Predict all {COUNT}")]
        return asks[0].click().run() if asks else at

    return open_page


@pytest.fixture(scope="module")
def truth(parts):
    """What is known of each image, straight from the file, and what the model says of it."""
    rows = pq.read_table(parts[1] / "manifest.parquet").to_pylist()
    said = predict(load_classifier(parts[0]), load_images(parts[1])).frame
    for row, called in zip(rows, said["predicted"], strict=True):
        row["called"] = called
        row["right"] = None if row["label"] is None else row["label"] == called
    assert len({row["called"] for row in rows}) > 3
    return rows


def count_shown(at) -> int:
    """How many images the gallery says that it shows."""
    said = [match for c in at.caption if (match := re.fullmatch(r"(?:([\d,]+) of )?([\d,]+) images", c.value))]
    if not said:
        assert any("No image matches" in text for text in at.said())
        return 0
    return int((said[0][1] or said[0][2]).replace(",", ""))


@pytest.mark.parametrize(
    ("page", "address"), PAGES, ids=lambda value: value if isinstance(value, str) else str(value.get("view", ""))
)
def test_every_page_stands(opened, page, address) -> None:
    opened(page, **address).sound()


def test_every_class_of_the_filter_shows_its_images(opened, truth) -> None:
    at = opened("explain", **QUICK).sound()
    options = at.selectbox(key="class").options
    assert len(set(options)) == len(options) == len(CLASSES) + 1
    assert count_shown(at) == COUNT
    for name in (*CLASSES[:5], "=x"):
        at.selectbox(key="class").select(gallery.class_token(name)).run().sound()
        assert count_shown(at) == sum(row["label"] == name for row in truth), name
        again = opened("explain", **QUICK, **{"class": at.query_params["class"]}).sound()
        assert count_shown(again) == count_shown(at), "the address says the same"


def test_every_group_of_the_filter_shows_its_images(opened, truth) -> None:
    at = opened("explain", **QUICK).sound()
    options = at.selectbox(key="group").options
    assert len(set(options)) == len(options)
    given = {name: [None if row[name] is None else shown(scalar(row[name])) for row in truth] for name in COLUMNS}
    assert len(options) == 1 + sum(len({*values} - {None}) for values in given.values())
    for place, (name, values) in enumerate(given.items()):
        value = sorted({*values} - {None})[place % 3]
        at.selectbox(key="group").select(gallery.token(name, value)).run().sound()
        assert count_shown(at) == values.count(value) > 0, (name, value)
    again = opened("explain", **QUICK, group="a\\: b: b: c").sound()
    assert count_shown(again) == sum(row["a: b"] == "b: c" for row in truth)
    assert again.query_params["group"] == "a\\: b: b: c"


def test_every_verdict_and_split_shows_its_images(opened, truth) -> None:
    at = opened("explain", **QUICK).sound()
    for verdict, right in (("right", True), ("wrong", False)):
        at.selectbox(key="verdict").select(verdict).run().sound()
        assert count_shown(at) == sum(row["right"] is right for row in truth)
    at.selectbox(key="verdict").select("all").run()
    at.selectbox(key="split").select("test").run().sound()
    assert count_shown(at) == sum(row["split"] == "test" for row in truth)


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_can_be_explained_and_is_the_one_explained(opened, truth, name) -> None:
    at = opened("explain", **QUICK, image="000.png").sound()
    special = 1 + (truth[0]["label"] is not None)
    box = at.selectbox(key="target")
    assert len(set(box.options)) == len(box.options) == len(CLASSES) + special
    box.select(url.named(name, explain.AIMS)).run().sound()
    said = " ".join(at.unescaped(one.value).replace("**", "") for one in (*at.markdown, *at.caption))
    assert f"Explained: the logit of {name}. " in said


def test_the_overview_counts_classes_and_groups_as_the_file_does(parts, truth) -> None:
    tables = loaded._counts(load_images(parts[1]))
    by_class = tables["class and split"].set_index("class")
    assert len(by_class) == len(CLASSES) + 1
    assert by_class["all"].sum() == COUNT
    assert by_class.loc["(no label)", "all"] == sum(row["label"] is None for row in truth)
    assert by_class.loc["(no label) (2)", "all"] == sum(row["label"] == "(no label)" for row in truth)
    assert by_class.loc["all", "test"] == sum((row["label"], row["split"]) == ("all", "test") for row in truth)
    by_group = tables["group and class"].set_index("group")
    assert by_group.index.is_unique
    assert by_group.columns.is_unique
    assert by_group.loc["group: all", "all"] == sum(row["group"] == "all" for row in truth)
    assert by_group.loc["group: all", "all (2)"] == sum((row["group"], row["label"]) == ("all", "all") for row in truth)
    assert by_group.loc["group: (none)", "all"] == sum(row["group"] == "(none)" for row in truth)
    assert by_group.loc["group: (none) (2)", "all"] == sum(row["group"] is None for row in truth)


def test_every_attribute_groups_the_bias_page(opened, truth) -> None:
    at = opened("bias").sound("Bias")
    options = at.selectbox(key="by").options
    assert len(options) == len(COLUMNS)
    tested = [row for row in truth if row["split"] == "test" and row["right"] is not None]
    for column in ("group", "verdict (attribute)", "label (attribute) (attribute)", "a: b", "tags"):
        at.selectbox(key="by").select(column).run().sound()
        name = {"verdict (attribute)": "verdict", "label (attribute) (attribute)": "label (attribute)"}.get(
            column, column
        )
        frame = next(d.value for d in at.dataframe if list(d.value.columns)[:2] == ["group", "images"])
        counted = dict(zip(frame["group"], frame["images"], strict=True))
        values = [shown(scalar(row[name])) for row in tested if row[name] is not None]
        assert counted == {value: values.count(value) for value in set(values)}, column


def test_links_from_mistakes_lead_to_the_class_that_they_name(opened, truth) -> None:
    at = opened("bias", on="all").sound("Bias")
    links = [(at.unescaped(link.value), link.proto.query_string) for link in at.get("page_link")]
    wrong = sum(row["right"] is False and row["label"] == "all" for row in truth)
    assert wrong
    query = next(query for label, query in links if label == f"all: {wrong:,} wrong" and "class=%3Dall" in query)
    assert "verdict=wrong" in query
    found = opened("explain", **QUICK, **{"class": "=all", "verdict": "wrong"}).sound()
    assert count_shown(found) == wrong


def test_a_concept_called_like_a_group_is_another(opened, truth) -> None:
    at = opened("probe", view="concepts", concepts=["a\\: b: all", "a: b: c"]).sound()
    said = [at.unescaped(m.value) for m in at.markdown]
    assert f"**a: b: all**: {sum(row['a: b'] == 'all' for row in truth):,} images" in said
    assert f"**a: b: c**: {sum(row['a'] == 'b: c' for row in truth):,} images" in said
