"""Whether decisions follow the defect, on networks that read it, that read something else, and that read any patch."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import workbench as wb
from workbench.cues import Followed, followed, search, study_of
from workbench.cues.cue_findings import Search
from workbench.cues.defect_followed import without
from workbench.stats import wilson

CORNER = slice(26, 32)
PLACES = [(4, 4), (4, 18), (16, 6), (14, 16)]


class Reads(nn.Module):
    """Calls an image defective where a spot, or where the corner, is bright."""

    def __init__(self, spot):
        super().__init__()
        self.spot = spot

    def forward(self, x):
        corner = x[:, :, CORNER, CORNER].mean((1, 2, 3))
        spots = nn.functional.avg_pool2d(x[:, :, :26, :26].mean(1, keepdim=True), 4, 1).amax((1, 2, 3))
        value = spots if self.spot else corner
        return torch.stack([0.75 - value, value - 0.75], 1) * 40


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """60 good ones and 60 with a bright spot, each of which also has a bright corner."""
    folder, rng = tmp_path_factory.mktemp("spots"), np.random.default_rng(0)
    lines = ["image,label,mask"]
    for number in range(120):
        pixels = rng.integers(100, 150, (32, 32, 3)).astype(np.uint8)
        faulty = number % 2
        if faulty:
            top, left = PLACES[number // 2 % 4]
            mask = np.zeros((32, 32), bool)
            mask[top : top + 5, left : left + 5] = True
            pixels[mask] = 250
            pixels[CORNER, CORNER] = 250
            Image.fromarray(mask).save(folder / f"{number}-mask.png")
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{'spot' if faulty else 'good'},{f'{number}-mask.png' if faulty else ''}")
    (folder / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    return wb.load_images(folder / "manifest.csv")


def study_by(network, parts):
    classifier = wb.load_classifier(network, class_names=("good", "spot"), size=(32, 32), mean=(0, 0, 0), std=(1, 1, 1))
    return study_of(classifier, list(parts), wb.predict(classifier, parts))


def test_a_network_that_reads_the_defect_follows_it(parts):
    (line,) = followed(study_by(Reads(spot=True), parts))
    assert line.target == "spot"
    assert line.stayed.value <= 0.1, "a patch may show the bright corner"
    assert (line.patched.value, line.pasted.value) == (0, 1)
    assert line.known
    assert not line.stays


def test_decisions_by_something_else_stay_and_nothing_is_clear(parts):
    study = study_by(Reads(spot=False), parts)
    (line,) = followed(study)
    assert (line.stayed.value, line.patched.value, line.pasted.value) == (1, 0, 0)
    assert line.stays
    blind = Search((), study.classes, (), (), len(study.items), None, "good", (line,))
    assert blind.unexplained == [line]
    found = search(study)
    assert {f.cue.target for f in found.accused} >= {"spot"}
    assert not found.unexplained, "the corner explains it"


def test_rates_count_images_once(parts):
    (line,) = followed(study_by(Reads(spot=True), parts))
    assert line.frame.groupby("how")["name"].nunique().to_dict() == line.frame["how"].value_counts().to_dict()
    assert line.stayed.support == (line.frame["how"] == "stayed").sum() >= 20


@pytest.mark.parametrize(
    ("stayed", "patched", "known", "stays"),
    [
        (wilson(20, 30), wilson(0, 30), True, True),
        (wilson(12, 30), wilson(0, 30), True, True),
        (wilson(4, 30), wilson(2, 30), True, False),
        (wilson(20, 30), wilson(20, 30), False, False),
        (wilson(9, 9), wilson(0, 30), False, False),
        (wilson(12, 30), wilson(0, 0), True, False),
    ],
)
def test_a_patch_that_makes_defects_says_nothing(stayed, patched, known, stays):
    line = Followed("spot", stayed, patched, wilson(0, 0), None)
    assert (line.known, line.stays) == (known, stays)


def test_a_patch_shows_nothing_of_the_defect_and_leaves_the_rest():
    rng = np.random.default_rng(1)
    image = rng.integers(90, 110, (64, 64, 3)).astype(np.uint8)
    mask = np.zeros((64, 64), bool)
    mask[20:28, 30:38] = True
    image[mask] = 250
    patched = without(image, mask, rng)
    assert patched[mask].mean() == pytest.approx(100, abs=2)
    np.testing.assert_array_equal(patched[:, :20], image[:, :20])
    assert without(image, np.ones((64, 64), bool), rng) is None


def test_without_masks_it_was_not_looked_for(parts):
    bare = [dataclasses.replace(item, mask=None) for item in parts]
    classifier = study_by(Reads(spot=True), parts).classifier
    study = study_of(classifier, bare, wb.predict(classifier, bare))
    assert followed(study) == ()
    assert "whether decisions stay when the defect is taken away" in {line.what for line in search(study).unsearched}
