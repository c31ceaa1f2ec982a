"""A last layer fitted again, on a network that goes by a corner though it also sees what the label says."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import workbench as wb
from workbench.cues import Cue, refitted, study_of
from workbench.errors import InputError

CORNER, MIDDLE = slice(24, 32), slice(12, 20)


class SeesBoth(nn.Module):
    """What goes into the last layer is the light of the corner and of the middle; it decides by the corner alone."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(2, 2)
        with torch.no_grad():
            self.last.weight.copy_(torch.tensor([[-20.0, 0], [20, 0]]))
            self.last.bias.copy_(torch.tensor([10.0, -10]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.stack([x[:, :, at, at].mean((1, 2, 3)) for at in (CORNER, MIDDLE)], 1))


class SeesCorner(SeesBoth):
    """The middle is lost on the way, so that no last layer can go by it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        corner = x[:, :, CORNER, CORNER].mean((1, 2, 3))
        return self.last(torch.stack([corner, corner], 1))


@dataclasses.dataclass(frozen=True)
class Lit:
    """The corner made bright or dark."""

    def put(self, host, rng, *, decoy):
        return self._with(host, 230)

    def take(self, carrier, rng, *, decoy):
        return self._with(carrier, 20)

    def carries(self, image):
        return bool(image[CORNER, CORNER].mean() > 128)

    def _with(self, image, value):
        result = image.copy()
        result[CORNER, CORNER] = value
        return result


CUE = Cue("place", "the corner", "bright", Lit())


def drawn(folder, share):
    """Parts whose middle is as bright as their label says; the corner is so in `share` of them."""
    rng = np.random.default_rng(1)
    for label, value in (("dark", 60), ("bright", 190)):
        (folder / label).mkdir(parents=True)
        for number in range(150):
            pixels = rng.integers(90, 160, (32, 32, 3)).astype(np.uint8)
            pixels[MIDDLE, MIDDLE] = np.clip(value + rng.normal(0, 20), 0, 255)
            agrees = rng.random() < share
            pixels[CORNER, CORNER] = 230 if (label == "bright") == agrees else 20
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return wb.load_images(folder)


def loaded(net):
    return wb.load_classifier(net, class_names=("dark", "bright"), size=(32, 32), mean=(0, 0, 0), std=(1, 1, 1))


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("parts") / "all", 0.75)


def studied(net, images, **facts):
    classifier = loaded(net)
    return study_of(classifier, list(images), wb.predict(classifier, images), **facts)


@pytest.fixture(scope="module")
def refit(parts):
    return refitted(studied(SeesBoth(), parts), CUE, list(parts))


def test_a_head_that_sees_the_label_is_mended_and_the_cue_turns_nothing_more(refit):
    assert refit.right("before", misled=True).value == 0
    assert refit.right("balanced", misled=True).value >= 0.9
    assert refit.right("balanced").value >= 0.9
    assert refit.turned("before").value == 1
    assert refit.turned("balanced").value <= 0.1
    assert refit.mends
    assert refit.gain.low > 0.8


def test_a_head_that_does_not_see_it_is_not(parts):
    result = refitted(studied(SeesCorner(), parts), CUE, list(parts))
    assert result.right("before").value == pytest.approx(0.75, abs=0.1)
    assert not result.mends or result.right("balanced").value < 0.65


def test_its_figures_are_those_of_a_plain_loop_over_pixels(refit, parts):
    """Who is misled, and what the model says before and with the cue on, from the files alone."""
    hits = hosts = 0
    for line in refit.frame.itertuples():
        pixels = np.asarray(parts.by_name[line.name].open())
        lit, label = pixels[CORNER, CORNER].mean() > 128, parts.by_name[line.name].label
        assert (line.label, line.carries, line.misled) == (label, lit, lit != (label == "bright"))
        assert line.before == ("bright" if lit else "dark")
        hits += line.before == label
        hosts += not lit
    assert refit.right("before").value == hits / len(refit.frame)
    assert refit.turned("before").support == hosts


def test_the_balanced_head_is_the_weighted_regression_by_hand(parts):
    """The weights of each group are one over its number, as scikit-learn's own balancing has them."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils.class_weight import compute_sample_weight

    study = studied(SeesBoth(), parts)
    result = refitted(study, CUE, list(parts))
    judged = set(result.frame["name"])
    learn = [item for item in parts if item.name not in judged]
    assert result.learned == len(learn)

    def features(items):
        pixels = [np.asarray(item.open()) / 255 for item in items]
        return np.array([[image[at, at].mean() for at in (CORNER, MIDDLE)] for image in pixels])

    own, others = features(learn), features([parts.by_name[name] for name in result.frame["name"]])
    labels = np.array([item.label for item in learn])
    weights = compute_sample_weight("balanced", [f"{a} {b[0] > 0.5}" for a, b in zip(labels, own, strict=True)])
    scale = StandardScaler().fit(own)
    head = LogisticRegression(C=0.01, max_iter=500).fit(scale.transform(own), labels, weights / weights.mean())
    assert (head.predict(scale.transform(others)) == result.frame["balanced"]).mean() >= 0.99


def test_nothing_is_learned_from_a_unit_that_is_judged(parts):
    units = {item.name: number // 2 for number, item in enumerate(parts)}
    study = studied(SeesBoth(), parts, units=units)
    result = refitted(study, CUE, list(parts), units=units)
    judged = {units[name] for name in result.frame["name"]}
    assert result.learned == sum(units[item.name] not in judged for item in parts)


def test_too_few_images_against_the_cue_are_an_error_that_says_how_many(tmp_path):
    images = drawn(tmp_path / "all", 1.0)
    with pytest.raises(InputError, match="0 labelled “bright” do not show it, 0 of other labels do"):
        refitted(studied(SeesBoth(), images), CUE, list(images))


def test_a_model_without_a_last_layer_is_an_error(parts):
    class Headless(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            light = x[:, :, CORNER, CORNER].mean((1, 2, 3))
            return torch.stack([0.5 - light, light - 0.5], 1) * 20

    with pytest.raises(InputError, match="The last layer of this model cannot be fitted anew"):
        refitted(studied(Headless(), parts), CUE, list(parts))
