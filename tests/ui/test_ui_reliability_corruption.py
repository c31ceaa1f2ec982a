"""The section Corruption of the page Reliability: offered, asked once, kept, and a cell that a link opens."""

from __future__ import annotations

import pytest

from workbench.ui.reliability import corruption


def text(page):
    return page.unescaped(" ".join(m.value for kind in (page.markdown, page.caption, page.subheader) for m in kind))


@pytest.fixture
def few(monkeypatch):
    """Two kinds and eight images, so that a run takes seconds."""
    monkeypatch.setattr(corruption, "kinds_of", lambda suite: ("underexposed", "saturate"))
    monkeypatch.setattr(corruption, "SAMPLES", {"40": 8, "200": 10})


def button(page):
    return [one for one in page.button if one.label == "Corrupt and ask again"]


def test_the_solar_cells_are_asked_once_and_a_link_opens_a_cell(visit, few, monkeypatch) -> None:
    page = visit("reliability", model="solar-cells", set="solar-cells").sound("Reliability")
    assert "Up to 8 images under 2 kinds of corruption at five severities: 88 questions" in text(page)
    button(page)[0].click().run()
    words = text(page.sound())
    assert "At the threshold 0.759" in words
    assert "8 of the images cannot have it. This image has no colour" in words
    assert "before the model's own preprocessing" in words
    assert not button(page)
    monkeypatch.setattr(corruption, "corrupted", None)
    link = {"corruption": "underexposed", "severity": "5", "turned": "overkill"}
    again = visit("reliability", model="solar-cells", set="solar-cells", **link).sound()
    words = text(again)
    assert "Underexposure, severity 5: 1.5 stops darker" in words
    assert "**Accepted good parts that are rejected** at this severity" in words
    rows = next(f.value for f in again.dataframe if "escapes" in f.value.columns)
    assert rows["images"].tolist()[:3] == ["all images", "label: functional", "label: defective"]
    other = visit("reliability", model="solar-cells", set="solar-cells", corruption="saturate", severity="1").sound()
    assert "cannot have it" in " ".join(info.value for info in other.info)
    assert button(visit("reliability", model="solar-cells", set="solar-cells", corrupted="200").sound())


def test_the_evidence_of_what_turned_is_traced(visit, few) -> None:
    page = visit("reliability", model="solar-cells", set="solar-cells", corruption="underexposed", severity="5")
    page.sound()
    button(page)[0].click().run()
    shown = [one for one in page.toggle if one.key == "corrupted maps"]
    if not shown:  # then no image of the sample turns at all
        assert "No image turns" in text(page)
        return
    shown[0].set_value(True).run()
    assert "So few images show cases, no rate" in text(page.sound())
