"""The background exchanged: where masks show defects, where parts lie before a plain border, and where neither is."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

import workbench as wb
from workbench.cues import Cue, Transplant, Turned, search, study_of, transplant
from workbench.cues.cue_findings import judged
from workbench.cues.surroundings import backgrounds, part_of, unparted
from workbench.stats import wilson

EDGE = 48


class ReadsStripes(nn.Module):
    """The second class where rows alternate, outside of what is very bright."""

    def forward(self, x):
        value = (x[:, :, 1::2] - x[:, :, ::2]).mean((1, 2, 3)).abs() * 255 - 6
        return torch.stack([-value, value], 1)


class ReadsSpot(nn.Module):
    """The second class where there is something very bright."""

    def forward(self, x):
        value = nn.functional.avg_pool2d(x.mean(1, keepdim=True), 4, 1).amax((1, 2, 3)) - 0.75
        return torch.stack([-value, value], 1) * 40


@pytest.fixture(scope="module")
def striped(tmp_path_factory):
    """Good images and such with a bright spot; half of either are striped everywhere but on the spot."""
    folder, rng = tmp_path_factory.mktemp("striped"), np.random.default_rng(0)
    lines = ["image,label,mask"]
    for number in range(160):
        values = rng.integers(90, 130, (EDGE, EDGE, 3)).astype(float)
        values[::2] -= 10 * (number // 2 % 2)
        mask = np.zeros((EDGE, EDGE), bool)
        if number % 2:
            top, left = rng.integers(4, EDGE - 12, 2)
            mask[top : top + 6, left : left + 6] = True
            values[mask] = 250
            Image.fromarray(mask).save(folder / f"{number}-mask.png")
        Image.fromarray(values.astype(np.uint8)).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{'spot' if number % 2 else 'good'},{f'{number}-mask.png' if number % 2 else ''}")
    (folder / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    return wb.load_images(folder / "manifest.csv")


def study_by(network, images):
    classifier = wb.load_classifier(
        network, class_names=("good", "spot"), size=(EDGE, EDGE), mean=(0, 0, 0), std=(1, 1, 1)
    )
    return study_of(classifier, list(images), wb.predict(classifier, images))


def test_a_texture_around_the_defect_is_found(striped):
    study = study_by(ReadsStripes(), striped)
    for target in ("good", "spot"):
        (cue,) = backgrounds(study, target)
        proof = transplant(study, cue)
        assert (proof.put.flips.value, proof.put.decoys.value) == (1, 0)
        assert (proof.taken.flips.value, proof.taken.decoys.value) == (1, 0)
        assert judged(study, [proof])[0].verdict == "shortcut"


def test_a_network_that_reads_the_defect_is_not_accused(striped):
    study = study_by(ReadsSpot(), striped)
    proofs = [transplant(study, cue) for target in ("good", "spot") for cue in backgrounds(study, target)]
    assert len(proofs) == 2
    assert not any(finding.accused for finding in judged(study, proofs))


def test_the_whole_search_names_the_background_and_a_sound_model_is_left_alone(striped):
    result = search(study_by(ReadsStripes(), striped))
    assert "background" in {finding.cue.kind for finding in result.accused}
    assert [line.target for line in result.followed if line.stays] == ["spot"]
    sound = search(study_by(ReadsSpot(), striped))
    assert not [f for f in sound.accused if f.cue.kind in ("background", "property")]
    assert not sound.unexplained


def scene(rng, light, spread=2.0):
    """A disc on a background of `light`."""
    values = np.full((EDGE, EDGE, 3), light, float) + rng.normal(0, spread, (EDGE, EDGE, 1))
    rows, columns = np.mgrid[:EDGE, :EDGE] - EDGE / 2
    disc = np.hypot(rows, columns) < 14
    values[disc] = 120 + rng.normal(0, 15, (int(disc.sum()), 1))
    return values.clip(0, 255).astype(np.uint8), disc


def test_a_part_is_told_from_a_plain_background_alone():
    rng = np.random.default_rng(0)
    image, disc = scene(rng, 30)
    part = part_of(image)
    assert (part & disc).sum() / (part | disc).sum() >= 0.9
    assert part_of(scene(rng, 30, spread=25.0)[0]) is None
    assert part_of(np.full((EDGE, EDGE, 3), 90, np.uint8)) is None
    half = np.full((EDGE, EDGE, 3), 30, np.uint8)
    half[:, EDGE // 2 :] = 200
    assert part_of(half) is None, "the border shows two colours"


class ReadsRim(nn.Module):
    """The second class where the rim is light."""

    def forward(self, x):
        value = x[:, :, :4].mean((1, 2, 3)) - 0.2
        return torch.stack([-value, value], 1) * 40


def test_without_masks_parts_are_cut_out_or_it_is_not_looked_for(tmp_path):
    rng = np.random.default_rng(1)
    for number in range(120):
        label = "good" if number % 4 < 2 else "spot"
        (tmp_path / label).mkdir(exist_ok=True)
        Image.fromarray(scene(rng, 80 if number % 2 else 20)[0]).save(tmp_path / label / f"{number}.png")
    images = wb.load_images(tmp_path)
    study = study_by(ReadsRim(), images)
    assert not unparted(study)
    (cue,) = backgrounds(study, "spot")
    proof = transplant(study, cue)
    assert (proof.put.flips.value, proof.put.decoys.value) == (1, 0)
    edited = proof.after
    np.testing.assert_allclose(edited[20:28, 20:28], proof.before[20:28, 20:28], atol=2)
    assert judged(study, [proof])[0].verdict == "leans"


def test_neither_masks_nor_parts_is_said(striped):
    bare = [dataclasses.replace(item, mask=None) for item in striped]
    study = study_by(ReadsStripes(), bare)
    assert not list(backgrounds(study, "spot"))
    assert "what surrounds the part" in {line.what for line in search(study).unsearched}


def tried(study, kind, effect, target="spot"):
    frame = pd.DataFrame({"unit": range(40)})
    rate = wilson(round(40 * effect), 40)
    way = Turned(frame, rate, wilson(0, 40), rate, 0.0001)
    return Transplant(Cue(kind, kind, target, None), way, None)


@pytest.mark.parametrize(("effect", "first"), [(0.6, "property"), (0.5, "background")])
def test_a_background_is_named_after_a_narrower_cue_that_does_as_much(striped, effect, first):
    study = study_by(ReadsStripes(), striped)
    proofs = [tried(study, "background", 0.825), tried(study, "property", effect), tried(study, "place", 0.9, "good")]
    own = [finding for finding in judged(study, proofs) if finding.cue.target == "spot"]
    assert all(finding.accused for finding in own)
    assert own[0].cue.kind == first
