"""A model of several labels is asked about one of them, on every page, and the link says which."""

import csv

import pytest
from PIL import Image

from workbench.catalog import shared
from workbench.ui import session

LABELS = ("scratch", "dent")


@pytest.fixture
def given(tmp_path, monkeypatch):
    """A model.toml over shipped weights read as labels, and eight parts with none, one or two of them."""
    monkeypatch.setattr(session, "local", lambda: True)
    model, parts = tmp_path / "model", tmp_path / "parts"
    model.mkdir()
    parts.mkdir()
    weights = shared("models/metal-sound/model.safetensors")
    (model / "model.safetensors").write_bytes(weights.read_bytes())
    text = shared("models/metal-sound/model.toml").read_text()
    (model / "model.toml").write_text(f'head = "multilabel"\n{text}')
    truths = ["scratch;dent", "scratch", "dent", "good"] * 2
    for number in range(len(truths)):
        Image.new("RGB", (64, 64), (100 + number, 110, 120)).save(parts / f"{number}.png")
    with (parts / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "label", "split"])
        rows.writerows([f"{number}.png", truth, "test"] for number, truth in enumerate(truths))
    return str(model), str(parts)


def test_one_label_at_a_time(visit, given):
    model, parts = given
    at = visit("bias", model=model, set=parts, label="dent").sound()
    assert at.selectbox(key="label").value == "dent"
    next(b for b in at.button if b.label.startswith("Predict all 8")).click().run().sound()
    assert "Which labels occur together?" in [heading.value for heading in at.subheader]
    shown = " ".join(element.proto.body for element in at.get("html"))
    assert ">dent<" in shown
    assert ">no dent<" in shown
    at.selectbox(key="label").set_value("scratch").run().sound()
    assert at.query_params["label"] == "scratch"
    assert any("No predictions" in text for text in at.said()), "each label has figures of its own"
    assert visit("explain", model=model, set=parts, label="dent", image="0.png", method="saliency").sound()
