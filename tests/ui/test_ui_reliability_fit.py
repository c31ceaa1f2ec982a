"""The section Fit of the page Reliability: what it says of the demo, and the heads that it offers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.reliability import NextToLabel, TrainingRecord
from workbench.ui.data import embedded
from workbench.ui.reliability import fit, label_next


def text(page):
    return page.unescaped(" ".join(m.value for kind in (page.markdown, page.caption) for m in kind))


def test_of_the_solar_cells_the_gap_is_open_and_heads_are_fitted_once(visit, monkeypatch) -> None:
    def seen(items, on_progress):
        on_progress(len(items), len(items))
        rng = np.random.default_rng(0)
        return rng.normal(size=(len(items), 6)).astype(np.float32)

    monkeypatch.setattr(fit, "frozen_features", seen)
    page = visit("reliability", model="solar-cells", set="solar-cells").sound("Reliability")
    words = text(page)
    assert "Whether it memorised is open: 93.5 % of 1,616 images in 26" in words
    assert "read from training.json beside it" in words
    assert any("whether it memorised or is too simple cannot be told" in str(h.value) for h in page.get("html"))
    assert "Of fewer than 10" in words
    page.button(key=next(b.key for b in page.button if b.label.startswith("Fit heads"))).click().run()
    words = text(page.sound())
    assert "for a head on frozen features, not the model itself" in words
    assert "Learning curve of a head on frozen features" in words
    assert not [b for b in page.button if b.label.startswith("Fit heads")]
    monkeypatch.setattr(fit, "frozen_features", None)
    again = visit("reliability", model="solar-cells", set="solar-cells", fit_by="group", fit_spread="loss").sound()
    assert "Learning curve of a head on frozen features" in text(again)
    assert "group" in {row for frame in again.dataframe for row in frame.value.get("By", pd.Series(dtype=object))}


def test_a_model_of_other_images_is_told_so(visit, monkeypatch) -> None:
    record = TrainingRecord(frozenset(), frozenset(), "parts of its own", pd.DataFrame(), None, "training.json")
    monkeypatch.setattr(fit, "read_record", lambda folder: record)
    page = visit("reliability", model="solar-cells", set="solar-cells").sound("Reliability")
    assert "By training.json, no image of this set trained the model" in text(page)
    assert not [b for b in page.button if b.label.startswith("Fit heads")]


def test_a_network_that_is_not_installed_is_not_offered(visit, monkeypatch) -> None:
    monkeypatch.setattr(embedded, "network", lambda: None)
    page = visit("reliability", model="solar-cells", set="solar-cells").sound("Reliability")
    assert "the ImageNet network is not installed here" in text(page)


def test_what_to_label_next_is_listed_with_a_table_to_train_from(visit, monkeypatch) -> None:
    seen = []

    def listed(predictions, features, record, *, positive):
        assert len(features) == len(predictions)
        names = predictions.frame["name"][:3]
        columns = {"why": ["foreign", "unsure", "costly"], "distance": 0.5, "beyond": 1.0, "margin": 0.1, "cost": 0.2}
        seen.append(positive)
        return NextToLabel(pd.DataFrame({"name": names, **columns, "predicted": "functional"}), 40, 2)

    monkeypatch.setattr(label_next, "unlabelled_of", lambda scope: 40)
    monkeypatch.setattr(label_next, "next_to_label", listed)
    page = visit("reliability", model="solar-cells", set="solar-cells").sound("Reliability")
    words = text(page)
    assert "3 of 40 images without a label are listed" in words
    assert "most foreign" in words
    assert "--from MODEL" in words
    assert seen == [("defective",)]
    monkeypatch.setattr(label_next, "unlabelled_of", lambda scope: 0)
    assert "All images of this set have labels" in text(visit("reliability", model="solar-cells", set="solar-cells"))
