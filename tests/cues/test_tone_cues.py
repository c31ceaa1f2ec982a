"""Properties as cues, on networks that read one: named, proven, and none accused where nothing is read."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import nn

import workbench as wb
from workbench.cues import study_of, transplant
from workbench.cues.cue_findings import judged
from workbench.cues.tone_cues import DECOYS, Levels, measured, properties, quality_of
from workbench.cues.tone_levels import jpeg, tones

EDGE = 48


class ReadsLight(nn.Module):
    """The second class where the mean is above 0.5."""

    def forward(self, x):
        value = x.mean((1, 2, 3)) - 0.5
        return torch.stack([-value, value], 1) * 40


class ReadsDetail(nn.Module):
    """The second class where neighbouring pixels differ little: the energy of the highest band."""

    def forward(self, x):
        step = (x[..., 1:] - x[..., :-1]).square().mean((1, 2, 3)) * 1000 - 0.6
        return torch.stack([step, -step], 1)


def plain(rng):
    fine, broad = (gaussian_filter(rng.normal(size=(EDGE, EDGE)), width) for width in (0.8, 4))
    return 110 + 12 * fine / fine.std() + 8 * broad / broad.std() + rng.normal(0, 4)


def pixels(values):
    return np.repeat(values[..., None], 3, 2).round().clip(0, 255).astype(np.uint8)


CHANGES = {"lit": lambda values: values * 1.35, "soft": lambda values: gaussian_filter(values, 1.3)}


def study_by(network, change, folder):
    """60 images as they are and 60 changed; labels say nothing of it, only the decisions do."""
    rng = np.random.default_rng(0)
    for number in range(120):
        values = plain(rng)
        values = CHANGES[change](values) if number % 2 else values
        (folder / "ab"[number // 2 % 2]).mkdir(exist_ok=True)
        Image.fromarray(pixels(values)).save(folder / "ab"[number // 2 % 2] / f"{number}.png")
    images = wb.load_images(folder)
    classifier = wb.load_classifier(network, class_names=("a", "b"), size=(EDGE, EDGE), mean=(0, 0, 0), std=(1, 1, 1))
    return study_of(classifier, list(images), wb.predict(classifier, images))


@pytest.fixture(scope="module")
def lit(tmp_path_factory):
    return study_by(ReadsLight(), "lit", tmp_path_factory.mktemp("lit"))


@pytest.fixture(scope="module")
def soft(tmp_path_factory):
    return study_by(ReadsDetail(), "soft", tmp_path_factory.mktemp("soft"))


def test_brightness_is_named_and_proven_both_ways(lit):
    cue = next(cue for cue in properties(lit, "b") if cue.name == "brightness")
    assert (cue.name, cue.unit, cue.spares) == ("brightness", "levels of 255", False)
    shown = [lit.decoded(lit.items[i])[0].mean() for i in lit.explored("b")]
    others = [lit.decoded(lit.items[i])[0].mean() for i in lit.explored("b", others=True)]
    assert cue.level == pytest.approx((np.median(shown), np.median(others)), abs=0.01)
    proof = transplant(lit, cue)
    for way in (proof.put, proof.taken):
        assert way.flips.value >= 0.95
        assert way.decoys.value <= 0.05
    assert judged(lit, [proof])[0].accused
    others = [transplant(lit, other) for other in properties(lit, "b") if other.name != "brightness"]
    assert [f.cue.name for f in judged(lit, [proof, *others]) if f.accused] == ["brightness"]


def test_blur_is_named_and_only_put_for_it_cannot_be_undone(soft):
    cues = {cue.name: cue for cue in properties(soft, "b")}
    proof = transplant(soft, cues["blur"])
    assert proof.taken is None
    assert proof.put.flips.value >= 0.9
    assert proof.put.decoys.value == 0
    back = next(cue for cue in properties(soft, "a") if cue.name == "sharpness")
    opposite = transplant(soft, back)
    assert opposite.put is None
    assert opposite.taken.flips.value >= 0.9


def test_no_strength_goes_beyond_what_the_set_shows(lit, soft):
    for study in (lit, soft):
        for cue in properties(study, "b"):
            tone, everywhere = cue.exchange.tone, np.ones((EDGE, EDGE), bool)
            explored = [study.decoded(study.items[i])[0] for i in study.explored("b")]
            levels = [tone.level(image, everywhere) for image in explored]
            assert min(levels) <= cue.exchange.own <= max(levels)


def test_verdicts_that_go_with_no_property_have_none_proposed(lit, monkeypatch):
    rng, known = np.random.default_rng(0), measured(lit)
    monkeypatch.setattr("workbench.cues.tone_cues.measured", lambda _: known)  # whatever they are called
    alarms = 0
    for _ in range(40):
        called = lit.called.copy()
        called[lit.explore] = rng.permutation(called[lit.explore])
        alarms += any(properties(dataclasses.replace(lit, called=called), "b"))
    assert alarms <= 6  # of 40 at 5 %: more has a chance of 0.3 %


@pytest.mark.parametrize("name", [name for name in tones() if name != "resolution"])
def test_a_decoy_is_as_strong_and_leaves_the_property(name):
    tone, rng = tones()[name], np.random.default_rng(5)
    image = pixels(plain(rng)).astype(np.float32) * np.array([1.1, 1, 0.8], np.float32)
    image += gaussian_filter(rng.normal(0, 60, (EDGE, EDGE, 3)), (4, 4, 0))
    image = (image + rng.normal(0, 3, image.shape)).clip(0, 255).astype(np.uint8)
    everywhere = np.ones((EDGE, EDGE), bool)
    level = tone.level(image, everywhere)
    scale = {
        "brightness": 20,
        "contrast": 0.06,
        "saturation": 0.03,
        "noise": 0.05,
        "colour noise": 0.05,
        "compression": 0.8,
    }.get(name, 0.5)
    target = level + (scale if tone.up else -scale)
    exchange = Levels(tone, target, level, (level + target) / 2)
    edited = exchange.put(image, rng, decoy=False)
    size = np.sqrt(np.mean((edited - image.astype(float)) ** 2))
    reached = tone.level(edited, everywhere)
    for form in tone.decoys:
        single = Levels(type(tone)(**{**vars(tone), "decoys": (form,)}), target, level, (level + target) / 2)
        for _ in range(5):
            decoy = single.put(image, rng, decoy=True)
            assert np.sqrt(np.mean((decoy - image.astype(float)) ** 2)) == pytest.approx(size, rel=0.25)
            assert (tone.level(decoy, everywhere) - level) / (reached - level) <= 0.5, form


def test_an_image_that_has_the_cue_is_not_given_it():
    tone = tones()["brightness"]
    exchange, rng = Levels(tone, 150.0, 100.0, 125.0), np.random.default_rng(0)
    dark, bright = (np.full((16, 16, 3), value, np.uint8) for value in (100, 150))
    assert exchange.put(bright, rng, decoy=False) is None
    assert exchange.take(dark, rng, decoy=False) is None
    assert exchange.put(dark, rng, decoy=False).mean() == pytest.approx(150, abs=1)
    assert exchange.take(bright, rng, decoy=False).mean() == pytest.approx(100, abs=1)
    assert set(tone.decoys) <= set(DECOYS)


@pytest.mark.parametrize("quality", [10, 12, 33, 75])
def test_the_quality_of_a_compressed_image_is_told(quality):
    image = pixels(plain(np.random.default_rng(4)) + np.random.default_rng(5).normal(0, 6, (EDGE, EDGE)))
    assert quality_of(jpeg(image, quality)) == quality
    assert quality_of(image) is None
    assert quality_of(image[..., :1]) is None
    assert quality_of(image.astype(np.float32)) is None


def test_compression_is_put_on_at_the_quality_of_the_set(tmp_path):
    """Of images compressed at 12, neighbours of it are no match, though their measure is as high."""
    rng = np.random.default_rng(7)
    for number in range(80):
        image = pixels(plain(rng) + rng.normal(0, 6, (EDGE, EDGE)))
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        shown = jpeg(image, 12) if number % 2 else image
        Image.fromarray(shown).save(tmp_path / "ab"[number % 2] / f"{number}.png")
    images = wb.load_images(tmp_path)
    names = ("a", "b")
    classifier = wb.load_classifier(ReadsLight(), class_names=names, size=(EDGE, EDGE), mean=(0, 0, 0), std=(1, 1, 1))
    study = study_of(classifier, list(images), wb.predict(classifier, images))
    study = dataclasses.replace(study, called=np.array([names.index(item.label) for item in study.items]))
    cue = next(cue for cue in properties(study, "b") if cue.name == "JPEG compression")
    host = study.decoded(study.items[study.explored("b", others=True)[0]])[0]
    assert (cue.exchange.put(host, rng, decoy=False) == jpeg(host, 12)).all()
