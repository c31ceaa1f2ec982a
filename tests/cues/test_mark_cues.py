"""Marks that wander, on a network that provably finds one wherever it is."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import workbench as wb
from workbench.cues import search, study_of, transplant
from workbench.cues.cue_evidence import log_odds, peaks
from workbench.cues.cuts import Seen, detail_of, meets
from workbench.cues.mark_cues import best_match, marks, parted

MARK = np.kron(np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]]), np.ones((2, 2)))  # a cross of 6 pixels a side
AT = (20, 8)


class ReadsMark(nn.Module):
    """Two classes: the second where the mark is somewhere, by its correlation with the image, and nothing else."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel = torch.from_numpy(MARK - MARK.mean()).float()[None, None]
        best = nn.functional.conv2d(x.mean(1, keepdim=True), -kernel).amax((1, 2, 3))
        return torch.stack([2 - best, best - 2], 1) * 8


def marked(pixels, at):
    result = pixels.copy()
    top, left = at
    result[top : top + 6, left : left + 6][MARK == 1] = 20
    return result


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("marks"), np.random.default_rng(0)
    for label in ("plain", "marked"):
        for number in range(60):
            pixels = rng.integers(110, 150, (40, 40, 3)).astype(np.uint8)
            pixels = pixels if label == "plain" else marked(pixels, rng.integers(0, 35, 2))
            (folder / label).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return wb.load_images(folder)


@pytest.fixture(scope="module")
def classifier():
    return wb.load_classifier(
        ReadsMark(), class_names=("plain", "marked"), size=(40, 40), mean=(0, 0, 0), std=(1, 1, 1)
    )


@pytest.fixture(scope="module")
def study(parts, classifier):
    pred = wb.predict(classifier, parts)
    assert (pred.frame["predicted"] == [item.label for item in parts]).all()
    return study_of(classifier, list(parts), pred)


def test_the_mark_is_proposed_and_proven_wherever_it_lies(study):
    cues = list(marks(study, "marked"))
    assert [cue.kind for cue in cues] == ["mark"]
    assert cues[0].name.startswith("a dark mark of ")
    result = transplant(study, cues[0])
    assert result.put.flips.value >= 0.8
    assert result.put.decoys.value == 0
    assert result.taken.flips.value >= 0.8
    assert result.taken.decoys.value == 0
    assert not list(marks(study, "plain"))  # the absence of a mark looks like nothing


def test_the_search_says_mark_and_names_no_place(study):
    result = search(study)
    kinds = {finding.cue.kind for finding in result.accused}
    assert "mark" in kinds
    assert "place" not in kinds


def test_it_is_taken_only_from_images_that_carry_it(study, classifier):
    exchange, rng = next(marks(study, "marked")).exchange, np.random.default_rng(0)
    plain = np.random.default_rng(5).integers(110, 150, (40, 40, 3)).astype(np.uint8)
    assert exchange.take(plain, rng, decoy=False) is None
    taken = exchange.take(marked(plain, AT), rng, decoy=False)
    decoy = exchange.take(marked(plain, AT), rng, decoy=True)
    assert (decoy != marked(plain, AT)).any()
    assert (log_odds(classifier, [marked(plain, AT), decoy], "marked") > 0).all()
    assert log_odds(classifier, [taken], "marked") < 0


def test_occlusion_peaks_on_the_mark_and_never_on_a_masked_defect(classifier):
    plain = np.random.default_rng(5).integers(110, 150, (40, 40, 3)).astype(np.uint8)
    mark = tuple(share / 40 for share in (20, 8, 26, 14))
    found = peaks(classifier, Seen(marked(plain, AT)), "marked", np.random.default_rng(0))
    assert meets(found[0].box, mark)
    height, width = found[0].box[2] - found[0].box[0], found[0].box[3] - found[0].box[1]
    assert max(height, width) <= 0.45
    spared = np.zeros((40, 40), bool)
    spared[20:26, 8:14] = True
    hidden = peaks(classifier, Seen(marked(plain, AT), spared), "marked", np.random.default_rng(0))
    assert not any(meets(crop.box, mark) for crop in hidden)


def test_log_odds_are_those_of_the_probabilities_and_are_not_cut_off(classifier, parts):
    images = [np.asarray(parts.items[n].open()) for n in (0, 70)]
    exact = [ReadsMark()(torch.from_numpy(i.copy()).permute(2, 0, 1)[None].double().float() / 255)[0] for i in images]
    assert log_odds(classifier, images, "marked") == pytest.approx([float(z[1] - z[0]) for z in exact], abs=1e-3)
    sure = dataclasses.replace(classifier, model=nn.Sequential(classifier.model, Times(100)))
    assert abs(log_odds(sure, images, "marked")).min() > 50


class Times(nn.Module):
    """Multiplies."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


def test_the_best_match_is_that_of_a_plain_loop():
    rng = np.random.default_rng(0)
    image = detail_of(marked(rng.integers(110, 150, (40, 40, 3)).astype(np.uint8), AT))
    template = image[19:27, 7:15] + rng.normal(0, 5, (8, 8, 3)).astype(np.float32)
    best, box = best_match(image, [template])
    values = {
        (y, x): np.corrcoef(image[y : y + 8, x : x + 8].ravel(), template.ravel())[0, 1]
        for y in range(33)
        for x in range(33)
    }
    place = max(values, key=values.get)
    assert best == pytest.approx(values[place], abs=1e-4)
    assert (round(box[0] * 40), round(box[1] * 40)) == place == (19, 7)
    assert best_match(image, [np.full((8, 8, 3), 7, np.float32)]) == (-1, None)


def test_who_carries_a_mark_is_told_where_both_kinds_part_most():
    own, others = [0.9, 0.8, 0.7, 0.6, 0.2, 0.2], [0.65, 0.3, 0.3, 0.2]
    shares = {level: np.mean([o >= level for o in own]) - np.mean([o >= level for o in others]) for level in own[:4]}
    assert parted(own, others) == max(shares, key=shares.get) == 0.7
    assert parted(own, own) is None
    assert parted([0.4, 0.3], [0.1]) is None
