"""Files of the native libraries: each opens without anybody's code and answers as its own library does, preprocessing
included; how many methods suit each is kept in the documentation's table."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from zoo import CLASSES, picture, quiet
from zoo_files import FEW, FILES

from workbench.attribution.matrix import suits
from workbench.attribution.methods import METHODS
from workbench.models.loading import load_classifier

torch.set_num_threads(1)
TABLE = Path(__file__).parents[2] / "docs" / "models" / "formats.json"
FAMILIES = ("perturbation", "gradient", "layer", "attention")
IMAGES = (picture(0), picture(1, (50, 90)), picture(2, (64, 64)))


def opened(made):
    with quiet():
        return load_classifier(made.path, device="cpu", **made.keywords)


def gap(made, clf):
    """How far the answers are from the native library's, of a softmax up to a constant, over three images."""
    ours = clf.forward(torch.stack([clf.input(image).x for image in IMAGES])).numpy()
    with quiet():
        theirs = np.stack([made.native(image) for image in IMAGES])
    assert theirs.std(0).max() > 1e-3, "the images must differ for it"
    if "softmax" in made.family or "Ultralytics" in made.family:
        ours, theirs = (values - values.mean(1, keepdims=True) for values in (ours, theirs))
    return float(np.abs(ours - theirs).max())


def fits(clf):
    """For each family of methods, how many suit and how many there are; and why the others do not."""
    asked = clf.label(CLASSES[1]) if clf.head.several else clf
    reasons = {name: suits(asked, name) for name in METHODS}
    counts = {
        family: [
            sum(reasons[name] is None for name, method in METHODS.items() if method.family == family),
            sum(method.family == family for method in METHODS.values()),
        ]
        for family in FAMILIES
    }
    return counts, {name: reason for name, reason in reasons.items() if reason is not None}


@pytest.mark.parametrize("name", FEW)
def test_it_opens_and_answers_as_its_own_library(tmp_path, name):
    made = FILES[name](tmp_path)
    clf = opened(made)
    assert gap(made, clf) < 1e-4
    assert clf.class_names == CLASSES
    assert [fact.topic for fact in clf.facts].count("format") >= 1
    assert clf.head.kind == ("multilabel" if name in ("hf-several", "hf-siglip-texts") else "logits")


@pytest.mark.parametrize(("name", "least"), [("hf-vit", 16), ("onnx-resnet", 18), ("script-scripted", 11)])
def test_methods_suit_it_or_say_why_not(tmp_path, name, least):
    counts, reasons = fits(opened(FILES[name](tmp_path)))
    assert sum(count for count, _ in counts.values()) >= least
    assert all("failed with" not in reason for reason in reasons.values())
    if name == "script-scripted":
        assert "TorchScript keeps its layers to itself" in reasons["grad_cam"]
        assert "TorchScript keeps its layers to itself" in reasons["attention_rollout"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_all_forty_open_within_a_minute_and_the_table_says_how_far_they_go(tmp_path):
    assert len(FILES) >= 40
    table, seconds, refused = [], 0.0, {}
    for name, make in FILES.items():
        folder = tmp_path / name
        folder.mkdir()
        made = make(folder)
        began = time.process_time()
        try:
            clf = opened(made)
        except Exception as error:
            refused[name] = str(error)
            continue
        seconds += time.process_time() - began
        far = gap(made, clf)
        assert far < 1e-4, f"{name}: {far}"
        counts, reasons = fits(clf)
        assert all("failed with" not in reason for reason in reasons.values()), f"{name}: {reasons}"
        followed = made.form not in ("TorchScript",) and not getattr(clf.model, "refusals", {})
        total = sum(count for count, _ in counts.values())
        assert total >= 15 or not followed, f"{name}: {total} methods: {reasons}"
        table.append({"form": made.form, "family": made.family, **counts})
    assert len(table) >= 38, refused
    assert seconds < 60
    stored = json.loads(TABLE.read_text()) if TABLE.is_file() else None
    if stored != table:
        TABLE.write_text(json.dumps(table, indent=1) + "\n")
        pytest.fail("the table in the documentation was out of date and is renewed: run make docs and commit it")
