"""A model of several labels at once, on parts with two kinds of defect: each label's figures are those of a model about
that label alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import workbench as wb
from workbench.images.item import BytesSource, ImageItem, ImageSet
from workbench.models.classifier import predict
from workbench.predictions import cooccurrence, labels_of, one_against_rest

torch.set_num_threads(1)
LABELS = ("scratch", "dent")
SIZE = 24


class Eyes(nn.Module):
    """One bright and one dark blob, each told by a filter of its own, with noise that makes some answers wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.blobs = nn.Conv2d(1, 2, 5, bias=False)
        self.blobs.weight.data = torch.stack([torch.ones(1, 5, 5), -torch.ones(1, 5, 5)]) / 25

    def forward(self, x: Tensor) -> Tensor:
        return (self.blobs(x).amax((2, 3)) - 0.45) * 12


def part(name: str, truth: set[str], rng: np.random.Generator) -> ImageItem:
    pixels = rng.normal(128, 25, (SIZE, SIZE))
    for label, level in (("scratch", 60), ("dent", -60)):
        if label in truth:
            top, left = rng.integers(0, SIZE - 6, 2)
            pixels[top : top + 6, left : left + 6] += level * rng.uniform(0.5, 1.1)
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "PNG")
    camera = {"camera": str(rng.integers(2))}
    return ImageItem(
        name, BytesSource(file.getvalue()), ";".join(sorted(truth)) or "good", split="test", attributes=camera
    )


@pytest.fixture(scope="module")
def parts() -> ImageSet:
    rng = np.random.default_rng(0)
    truths = [{label for label in LABELS if rng.random() < 0.45} for _ in range(80)]
    return ImageSet("parts", tuple(part(f"{i:02}.png", truth, rng) for i, truth in enumerate(truths)))


@pytest.fixture(scope="module")
def classifier() -> Any:
    keywords = {"size": (SIZE, SIZE), "mean": (0.5,), "std": (0.5,), "classes": LABELS, "head": "multilabel"}
    return wb.load_classifier(Eyes(), thresholds={"dent": 0.4}, **keywords)


class Column(nn.Module):
    def __init__(self, column: int) -> None:
        super().__init__()
        self.eyes, self.column = Eyes(), column

    def forward(self, x: Tensor) -> Tensor:
        return self.eyes(x)[:, self.column]


@pytest.mark.parametrize("column", [0, 1])
def test_each_figure_is_that_of_a_model_about_one_label(classifier: Any, parts: ImageSet, column: int) -> None:
    label = LABELS[column]
    lone = wb.load_classifier(
        Column(column),
        classes=(f"no {label}", label),
        positive=label,
        threshold=(0.5, 0.4)[column],
        size=(SIZE, SIZE),
        mean=(0.5,),
        std=(0.5,),
    )
    plain = [
        ImageItem(item.name, item.source, label if label in item.label.split(";") else f"no {label}", None, "test",
                  item.attributes)
        for item in parts
    ]  # fmt: skip
    ours = predict(classifier.label(label), one_against_rest(parts, label, LABELS))
    want = predict(lone, plain)
    np.testing.assert_allclose(ours.probabilities, want.probabilities, atol=1e-9, rtol=0)
    assert set(ours.frame["verdict"]) == {"right", "wrong"}
    for by in ("label", "camera"):
        pd.testing.assert_frame_equal(wb.breakdown(ours, by=by).frame, wb.breakdown(want, by=by).frame, atol=1e-9)
    points = [wb.operating_points(pred, positive=label) for pred in (ours, want)]
    pd.testing.assert_frame_equal(*points, atol=1e-9)


def test_labels_that_occur_together_are_counted(parts: ImageSet) -> None:
    truths = [labels_of(item.label, LABELS) for item in parts]
    table = cooccurrence(truths, LABELS)
    both = sum(item.label == "dent;scratch" for item in parts)
    assert table.loc["scratch", "dent"] == table.loc["dent", "scratch"] == both > 5
    assert table.loc["dent", "dent"] == sum("dent" in item.label for item in parts)


def test_a_label_that_the_model_does_not_know_is_said(parts: ImageSet) -> None:
    odd = ImageItem("odd.png", parts.items[0].source, "scratch;hole")
    asked = one_against_rest(ImageSet("odd", (odd, parts.items[1])), "dent", LABELS)
    assert asked.items[0].label == "no dent"
    assert "'hole' of 1 image is none of the model's labels (scratch, dent)" in asked.notes[-1]
    assert one_against_rest(parts, "dent", LABELS) is one_against_rest(parts, "dent", LABELS)


def test_a_folder_says_which_labels_and_thresholds(tmp_path: Path, refusal: Any) -> None:
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    net = timm.create_model("resnet10t", num_classes=3)
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    text = 'architecture = "timm:resnet10t"\nweights = "model.safetensors"\nclasses = ["a", "b", "c"]\n'
    (tmp_path / "model.toml").write_text(
        f'{text}head = "multilabel"\nthresholds = {{b = 0.3}}\n[preprocessing]\nsize = [64, 64]\n'
    )
    classifier = wb.load_classifier(str(tmp_path))
    assert classifier.rule.thresholds == (0.5, 0.3, 0.5)
    assert classifier.label("b").rule.threshold == 0.3
    assert wb.load_classifier(str(tmp_path), label="b").class_names == ("no b", "b")
    (tmp_path / "model.toml").write_text(f'{text}head = "multilabel"\nthresholds = {{d = 0.3}}\n')
    assert "'d', which is none of the labels" in refusal(lambda: wb.load_classifier(str(tmp_path)))
