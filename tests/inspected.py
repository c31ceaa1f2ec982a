"""The Defects page for tests: tables with made-up scores and their images, a page that shows them, and what stands on
it."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tables import table, with_attributes

from workbench.drawing.render import to_png
from workbench.images.item import BytesSource, ImageItem, ImageSet
from workbench.ui import choice, results, runs
from workbench.ui.defects import histogram, review, rules

HOSTILE = "![x](https://attack.example/x.png)"
LINES = '<b>$a$</b>\n# `_two_` "lines"'
DECIDE = {"view": "decisions", "queue": "all"}
REFUSED = "This method is not for this model: choose another."


def scored(labels, scores, splits=("test",), classes=("good", "bad"), positive="bad", **attributes):
    """A table in which the last class has these scores, and the first has the rest."""
    scores = np.asarray(scores, dtype=np.float64)
    called = np.where(scores >= 0.5, classes[-1], classes[0])
    found = table(labels, called, attributes, classes=classes, positive=positive)
    probabilities = np.zeros((len(labels), len(classes)), np.float32)
    probabilities[:, 0], probabilities[:, -1] = 1 - scores, scores
    broken = pd.Series(np.where(np.isfinite(scores), None, "cannot be read"), dtype=object)
    frame = found.frame.assign(split=pd.Series(np.resize(np.array(splits, dtype=object), len(labels))), error=broken)
    frame.loc[~np.isfinite(scores), "verdict"] = None
    return dataclasses.replace(found, frame=frame, probabilities=probabilities)


def mixed(count=400, splits=("train", "validation", "test", "test"), seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(["good", "good", "bad"], count)
    return scored(
        labels, np.where(labels == "bad", rng.beta(4, 2, count), rng.beta(2, 5, count)), rng.choice(splits, count)
    )


def image(colour, size=(24, 16)):
    return to_png(Image.new("RGB", size, colour))


def image_set(found, masks=None):
    """A set of images for a table, and the table with their digests."""
    items = tuple(
        ImageItem(
            row["name"],
            BytesSource(image((i % 256, i // 256, 90))),
            row["label"],
            mask=(masks or {}).get(i),
            split=row["split"],
        )
        for i, row in enumerate(found.frame.to_dict("records"))
    )
    return ImageSet("Made up", items, found.class_names), with_attributes(found, id=[item.id for item in items])


@pytest.fixture
def defects(visit, monkeypatch):
    """Opens the Defects page on a table of one's own; every method refuses, which is quick."""
    monkeypatch.setattr(results, "attribution", lambda *_: REFUSED)
    monkeypatch.setattr(review, "LEAST_LOOK", 0)

    def opened(found, /, masks=None, **address):
        made, known = image_set(found, masks)
        monkeypatch.setattr(choice, "images", lambda model: made)
        monkeypatch.setattr(runs, "known_predictions", lambda view: known)
        return visit("defects", **address)

    return opened


@pytest.fixture
def journal(tmp_path, monkeypatch):
    """The journal of this test alone."""
    path = tmp_path / "journal.sqlite"
    monkeypatch.setenv("WORKBENCH_JOURNAL", str(path))
    return path


@pytest.fixture
def drawn_lines(monkeypatch):
    """What the histogram was given, run by run."""
    given = []
    monkeypatch.setattr(histogram, "_component", lambda: lambda key, data, **_: given.append(data))
    return given


@pytest.fixture
def drawn_rules(monkeypatch):
    """What the table of rules was given, run by run."""
    given = []
    monkeypatch.setattr(rules, "_component", lambda: lambda key, data, **_: given.append(data))
    return given


def sentence(at):
    return at.unescaped(
        next(m.value for m in at.markdown if m.value.startswith(("Parts with a score", "A part is ")))
    ).replace("**", "")


def at_threshold(at):
    return float(re.search(r"score of ([\d.]+) or more", sentence(at)).group(1))


def told(at):
    """All that is said in small print."""
    return "\n".join(at.unescaped(c.value) for c in at.caption)


def drawn(at):
    """All Markdown that the page draws, names of options included."""
    kinds = (at.markdown, at.caption, at.info, at.warning, at.error, at.header, at.subheader)
    options = [o.content for e in at.get("button_group") for o in e.proto.options]
    return [e.value for kind in kinds for e in kind] + options


def named(at, who="Quinn"):
    """The visitor says who decides, once."""
    at.text_input(key="who").set_value(who)
    return press(at, "Start deciding")


def note(at, text):
    """What the visitor types beside the buttons."""
    next(t for t in at.text_input if str(t.key).startswith("note ")).set_value(text)
    return at.run()


def press(at, label):
    return next(b for b in at.button if at.unescaped(b.label) == label).click().run()


def overrule(at, *labels):
    """Press Overrule, and then what is offered, one after the other."""
    for label in ("Overrule", *labels):
        at = press(at, label)
    return at


def steps(at):
    """How far the queue is, in words."""
    return at.unescaped(at.get("progress")[0].proto.text).replace("**", "")


def asked(at):
    """The fields of the work place that take text; those of the sidebar name folders."""
    return [field for field in at.text_input if field.key not in ("model folder", "set folder")]
