"""What a notebook shows of a result: the values themselves, escaped, without script, and bounded in size."""

import base64
import dataclasses
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

import workbench as wb
from workbench.attribution.result import Attribution
from workbench.bias.performance import breakdown
from workbench.evidence.finding import Finding
from workbench.evidence.reliance import Evidence
from workbench.images.item import BytesSource, ImageItem
from workbench.models.placement import Placement
from workbench.predictions.table import DecisionRule, tabulate
from workbench.texts.panels import PANEL_ROWS, panel, panel_chip, panel_rows

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"' \u202e\x07"
HARMLESS = {"div", "strong", "table", "thead", "tbody", "tr", "th", "td", "span", "img"}


class Reader(HTMLParser):
    """The cells of the tables, the images, and whatever no panel may hold."""

    def __init__(self, text):
        super().__init__()
        self.lines, self.images, self.faults, self.open = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.faults += [tag] if tag not in HARMLESS else []
        self.faults += [name for name, value in attrs if name.startswith("on") or "url(" in (value or "")]
        if tag == "img":
            self.images.append(dict(attrs)["src"])
        else:
            self.open.append(tag)
        if tag == "tr":
            self.lines.append([])
        elif tag in ("td", "th"):
            self.lines[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.lines[-1][-1] += data


def read(result):
    reader = Reader(result._repr_html_())
    assert reader.faults == []
    assert all(source.startswith("data:image/png;base64,") for source in reader.images)
    return reader


def predictions(count, name="part {}.png", label="good", camera="a"):
    rng = np.random.default_rng(3)
    items = [
        ImageItem(
            name.format(i),
            BytesSource(b""),
            label=label if i % 3 else "bad",
            split="test",
            attributes={"camera": camera},
        )
        for i in range(count)
    ]
    logits = rng.normal(size=(count, 2)).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    rule = DecisionRule((label, "bad"), "bad", 0.5)
    return tabulate(items, logits, shares, {1: HOSTILE}, rule, "0123456789abcdef", [str(i) for i in range(count)])


def test_a_panel_shows_what_it_is_given_and_nothing_runs():
    reader = Reader(panel(HOSTILE, {HOSTILE: HOSTILE}, panel_rows([HOSTILE], [[HOSTILE]], 1, HOSTILE)))
    assert reader.faults == reader.images == []
    shown = HOSTILE.replace("\u202e\x07", "\ufffd\ufffd")
    assert reader.lines == [[shown, shown], [shown], [shown]]


def test_a_chip_stands_in_a_table_and_a_text_that_looks_like_one_does_not():
    text = str(panel_chip("holds", "good"))
    reader = Reader(panel_rows(["a", "b"], [[panel_chip("holds", "good"), text]], 1, "rows"))
    assert reader.lines[1] == ["holds", text]


@pytest.mark.parametrize(("count", "said"), [(PANEL_ROWS, 0), (PANEL_ROWS + 1, 1), (20_000, 1)])
def test_of_a_long_table_the_first_lines_stand_and_how_many_there_are(count, said):
    text = panel_rows(["n"], ([i] for i in range(count)), count, "images")
    assert len(Reader(text).lines) == 1 + PANEL_ROWS
    assert text.count(f"the first {PANEL_ROWS} of {count:,} images") == said


def test_predictions_of_many_images_stay_small_and_count_right():
    table = predictions(20_000)
    text, reader = table._repr_html_(), read(table)
    assert len(text) < 30_000
    verdicts = [
        None if i == 1 else ("bad" if p >= 0.5 else "good") == ("good" if i % 3 else "bad")
        for i, p in enumerate(table.probabilities[:, 1].tolist())
    ]
    said = dict(reader.lines[:4])
    assert said["Decided, test"].startswith(
        f"{verdicts.count(True):,} right, {verdicts.count(False):,} wrong, 0 without a label to judge by, 1 unreadable"
    )
    assert said["Rule"] == "bad from 0.5, else the most probable other class"
    name, label, split, predicted, confidence, verdict, error = reader.lines[5]
    assert (name, label, split, error) == ("part 0.png", "bad", "test", "")
    assert confidence == f"{max(table.probabilities[0]):.3f}"
    assert (predicted == label) == (verdict == "right")


def test_names_and_classes_of_others_are_shown_as_they_are():
    table = predictions(60, name=f"{{}} {HOSTILE}", label=HOSTILE, camera=HOSTILE)
    assert any("<script>" in cell for line in read(table).lines for cell in line)
    assert any("<script>" in line[0] for line in read(breakdown(table, "camera")).lines)


def test_a_breakdown_shows_each_figure_with_interval_and_support():
    table = predictions(90)
    result = breakdown(table, "label")
    reader = read(result)
    head = next(line for line in reader.lines if line[0] == "Group")
    for line in reader.lines[reader.lines.index(head) + 1 :]:
        hits = [row for row in table.frame.to_dict("records") if row["label"] == line[0] and row["verdict"]]
        right = sum(row["verdict"] == "right" for row in hits)
        share = f"{100 * right / len(hits):.1f}%"
        cell = line[head.index("Recall")]
        assert re.fullmatch(rf"{re.escape(share)} \([\d.]+% to [\d.]+%\) of {len(hits)}", cell)
    assert len(reader.lines) >= 4


def test_of_a_group_with_too_few_images_no_figure_is_shown():
    lines = read(breakdown(predictions(12), "label")).lines
    assert [line[2] for line in lines[-2:]] == ["too few (4)", "too few (7)"] or [line[2] for line in lines[-2:]] == [
        "too few (7)",
        "too few (4)",
    ]


def attribution(values, **changed):
    height, width = values.shape[1:]
    placement = Placement((width, height), (0, 0, width, height), (height, width))
    facts = {"method": "integrated_gradients", "target": 1, "score": "logit", "params": {"baseline": HOSTILE}}
    facts |= {"output": 1.5, "delta": 0.0, "change": 1.0, "placement": placement, "classifier": "f" * 64}
    return Attribution(values=values, **(facts | changed))


def test_a_map_is_drawn_pixel_by_pixel_in_the_colours_of_its_bar():
    values = np.linspace(-1, 1, 12, dtype=np.float32).reshape(1, 3, 4)
    reader = read(attribution(values))
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(reader.images[0].partition(",")[2]))))
    limit = np.quantile(np.abs(values), 0.99)
    for place, value in np.ndenumerate(values[0]):
        colour = np.array(colormaps["RdBu_r"](round((min(max(value / limit, -1), 1) + 1) / 2 * 255))[:3]) * 255
        assert np.abs(pixels[place].astype(float) - colour).max() <= 1
    assert dict(reader.lines)["Explained"] == "logit of class column 1 = 1.5"


def test_a_map_of_a_large_image_stays_small_and_one_that_does_not_add_up_is_marked():
    large = attribution(np.random.default_rng(0).normal(size=(3, 8, 8)).astype(np.float32))
    large = dataclasses.replace(large, placement=Placement((6000, 4000), (0, 0, 6000, 4000), (8, 8)))
    assert len(large._repr_html_()) < 300_000
    assert "must sum to" not in large._repr_html_()
    assert "misses 20% of the score change that it must sum to" in dataclasses.replace(large, delta=0.2)._repr_html_()
    assert "zero everywhere" in attribution(np.zeros((1, 4, 4), np.float32))._repr_html_()


def test_evidence_shows_each_verdict_and_what_the_card_comes_to():
    findings = [
        Finding(name, verdict, 0.5, 0.25, 0.75, 0.125, HOSTILE, "meaning", "source")
        for name, verdict in [("completeness", "holds"), ("deletion", "fails"), ("sensitivity", "doubtful")]
    ]
    card = Evidence(tuple(findings), "saliency", 0, "0" * 64, "quick", 7)
    text, reader = card._repr_html_(), read(card)
    assert "Do not rely on it here (its one check does not hold)" in text
    assert [line[:4] for line in reader.lines[-3:]] == [
        ["completeness (a property, not counted)", "holds", "0.5 (0.25 to 0.75)", "0.125"],
        ["deletion", "fails", "0.5 (0.25 to 0.75)", "0.125"],
        ["sensitivity (a property, not counted)", "doubtful", "0.5 (0.25 to 0.75)", "0.125"],
    ]


def test_the_public_results_show_themselves():
    for name in ("Attribution", "Evidence", "Predictions", "Breakdown"):
        assert callable(getattr(wb, name)._repr_html_)
