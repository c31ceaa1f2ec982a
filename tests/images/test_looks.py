"""Images that look unlike a set are found, and images of the set are not: planted cases on the shipped parts."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import workbench as wb
from workbench.images import Training, appearance, training_looks


@pytest.fixture(scope="module")
def training() -> Training:
    parts = [item for item in wb.load_images("stamped-metal") if item.split == "train"]
    return training_looks(np.array([appearance(item.open()) for item in parts]))


def image(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8))


def test_noise_flat_images_and_photographs_of_something_else_are_unlike_every_training_image(
    training: Training,
) -> None:
    chance = np.random.default_rng(0)
    planted = [image(chance.integers(0, 256, (160, 160, 3))), image(np.full((160, 160, 3), 255))]
    planted += [item.open() for item in wb.load_images("everyday")]
    found = [training.likeness(appearance(one)) for one in planted]
    assert all(one.unlike for one in found)
    assert found[0].sentence.startswith("Unlike every one of 360 training images")


def test_no_image_of_the_test_split_is_called_unlike(training: Training) -> None:
    parts = [item for item in wb.load_images("stamped-metal") if item.split == "test"]
    found = [training.likeness(appearance(item.open())) for item in parts]
    assert sum(one.unlike for one in found) <= 2, "of 150: one of N + 1 by chance"
    assert "What it shows was not compared." in found[0].sentence


def test_with_few_training_images_nothing_is_said() -> None:
    few = training_looks(np.zeros((99, 14), np.float32))
    found = few.likeness(np.ones(14, np.float32))
    assert not found.unlike
    assert "too few to say" in found.sentence
    assert "There are 0 training images" in training_looks(np.zeros((0,), np.float32)).likeness(np.ones(14)).sentence
