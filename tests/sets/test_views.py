"""Folders that look like classes and are not: the same things seen twice, and masks that are called like a split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from laid import Case, disc, encoded
from PIL import Image, ImageFile

from workbench.catalog import ReadOptions
from workbench.sets.layouts import load_images

PART = np.random.default_rng(0).normal(0, 30, (64, 64))
"""What all parts of a product have in common."""


def scene(seed: int, moved: int = 0, noise: float = 3) -> bytes:
    """A part with a surface of its own, seen from a place `moved` pixels aside."""
    rough = np.random.default_rng(seed).normal(0, 1, (9, 9)).astype(np.float32)
    own = np.asarray(Image.fromarray(rough).resize((64, 64), Image.Resampling.BICUBIC)) * 40
    values = np.roll(PART + own, moved, 1) + np.random.default_rng(seed + 99).normal(0, noise, (64, 64)) + 128
    return encoded(Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)), "png")


def asked(files: dict[str, bytes | str], folder: Path, options: ReadOptions | None = None) -> list[str]:
    report = load_images(Case("x", files, {}, {}).lay(folder), options=options).report
    assert report is not None
    return [question.option for question in report.questions]


def test_two_views_of_the_same_things_are_asked_about(tmp_path: Path) -> None:
    views = {f"{side}/{n}.png": scene(n, moved) for side, moved in (("left", 0), ("right", 2)) for n in range(8)}
    assert asked(views, tmp_path) == ["layout"]
    assert asked(views, tmp_path, ReadOptions(layout="folders")) == []
    assert {item.label for item in load_images(tmp_path, options=ReadOptions(layout="unlabelled"))} == {None}


def test_parts_of_one_product_under_the_same_numbers_are_classes(tmp_path: Path) -> None:
    parts = {f"{kind}/{n}.png": scene(n + first) for kind, first in (("good", 0), ("bad", 50)) for n in range(8)}
    assert asked(parts, tmp_path) == []


@pytest.mark.parametrize(("images", "others"), [("train", "train_2nd"), ("train_x", "train_y")])
def test_two_folders_of_one_split_with_the_same_names_are_asked_about(tmp_path: Path, images: str, others: str) -> None:
    files = {f"{folder}/{n}.png": "photo" for folder in (images, others, "test") for n in range(3)}
    assert asked(files, tmp_path) == [f"split.{others}"]


def test_what_lies_in_the_second_can_be_named_as_masks(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {
        f"{split}/{first + n}.png": "photo" for n in range(3) for split, first in (("train", 0), ("test", 5))
    }
    files |= {f"train_colours/{n}_L.png": disc(3 + n) for n in range(3)}
    assert asked(files, tmp_path) == ["split.train_colours"]
    images = load_images(tmp_path, options=ReadOptions(masks="train_colours/{stem}*"))
    assert {item.name for item in images if item.mask} == {f"train/{n}.png" for n in range(3)}
    assert {item.name for item in images if not item.mask} == {f"test/{n}.png" for n in range(5, 8)}


@pytest.mark.parametrize(("layout", "most"), [("good/{}.png", 0), ("{}/good/x.jpg", 0), ("ok/{}.png ko/{}.png", 44)])
def test_images_are_decoded_only_where_they_must_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, most: int
) -> None:
    """Where two folders hold files of the same names: sixteen of each as possible masks, six as views; else none."""
    Case("x", {path.format(n): "photo" for n in range(30) for path in layout.split()}, {}, {}).lay(tmp_path)
    decoded = []
    load = ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: (decoded.extend(image.tile[:1]), load(image))[1])
    assert len(load_images(tmp_path)) == 30 * len(layout.split())
    assert len(decoded) <= most
