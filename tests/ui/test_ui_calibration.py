"""The section Calibration of the page Reliability, and what its changed model.toml does to every page."""

from __future__ import annotations

import shutil

import numpy as np

from workbench.catalog import shared
from workbench.models import load_folder, predict, read_spec, spec_key
from workbench.sets import load_images
from workbench.ui import draw


def text(page):
    return page.unescaped(" ".join(m.value for kind in (page.markdown, page.caption) for m in kind))


def test_the_description_it_offers_moves_probabilities_and_no_decision(visit, monkeypatch, tmp_path) -> None:
    made = {}
    monkeypatch.setattr(draw.st, "download_button", lambda label, make, name, mime, **_: made.update({label: make}))
    page = visit("reliability", model="solar-cells", set="solar-cells").sound("Reliability")
    words = text(page)
    assert "of the probability of defective, on 648 images from 11 groups" in words
    assert "cannot be trusted: at least 10 are needed, in the validation split" in words
    assert "Temperature 1.6 (95 % interval no lower end to" in words
    label = next(name for name in made if name.startswith("model.toml with temperature"))
    assert made["Reliability diagram (CSV)"]().count("\n") == 16

    plain, warm = shared("models/solar-cells"), tmp_path / "warm"
    warm.mkdir()
    shutil.copy(plain / "model.safetensors", warm)
    (warm / "model.toml").write_text(made[label](), encoding="utf-8")
    assert spec_key(warm, read_spec(warm)) != spec_key(plain, read_spec(plain))
    items = load_images("solar-cells").items[::220]
    before, after = (predict(load_folder(folder), items) for folder in (plain, warm))
    assert (before.frame["predicted"] == after.frame["predicted"]).all()
    assert set(before.frame["predicted"]) == {"functional", "defective"}
    assert np.array_equal(before.logits, after.logits)
    odds = np.log(after.probabilities[:, 1] / after.probabilities[:, 0])
    assert np.abs(odds * after.rule.temperature - (before.logits[:, 1] - before.logits[:, 0])).max() < 1e-4

    page = visit("overview", model=str(warm), set="solar-cells").sound()
    facts = " ".join(element.proto.body for element in page.get("html"))
    assert "Temperature</th><td>1.604 applied" in facts


def test_of_many_defect_classes_there_is_no_threshold_to_move(visit, monkeypatch) -> None:
    made = {}
    monkeypatch.setattr(draw.st, "download_button", lambda label, make, name, mime, **_: made.update({label: make}))
    page = visit("reliability", model="metal-sound", set="stamped-metal").sound("Reliability")
    assert "probability of any of 4 defect classes, on 150 images of the test split" in text(page)
    assert "Calibration error by class" in text(page)
    changed = next(make for label, make in made.items() if label.startswith("model.toml with"))()
    assert "temperature = 0.8749\n" in changed
    assert "threshold" not in changed
