"""What a feature layer sees, taken apart, on activations and networks whose parts are known because they were made."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from torch import nn

import workbench as wb
from workbench.cues import concept_layer
from workbench.cues.concept_layer import _once, activations, answered, feature_layer, parts_of
from workbench.errors import InputError

SIDE = 16
CHANNELS = 6


def small(last):
    """Two convolutions, pooled: its feature layer is the last of them, after `last`."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, padding=1), nn.ReLU(), nn.Conv2d(4, CHANNELS, 3, padding=1), last,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 3),
    )  # fmt: skip


def loaded(model):
    return wb.load_classifier(model, class_names=("a", "b", "c"), size=(SIDE, SIDE), mean=(0, 0, 0), std=(1, 1, 1))


def images(count):
    return list(np.random.default_rng(0).integers(0, 255, (count, SIDE, SIDE, 3)).astype(np.uint8))


def planted(rng, signed=False):
    """Activations (12, 6, 5, 5) of three directions, each alone at most places."""
    directions = np.zeros((3, CHANNELS), np.float32)
    for number in range(3):
        directions[number, 2 * number : 2 * number + 2] = (0.8, -0.6 if signed else 0.6)
    amounts = rng.random((12, 5, 5, 3)) * (rng.random((12, 5, 5, 3)) < 0.4)
    return (
        directions,
        np.float32(amounts.transpose(0, 3, 1, 2)),
        np.float32((amounts @ directions).transpose(0, 3, 1, 2)),
    )


@pytest.mark.parametrize("signed", [False, True])
def test_directions_that_were_mixed_are_found_with_their_amounts(signed):
    directions, amounts, values = planted(np.random.default_rng(3), signed)
    parts = parts_of("layer", values)
    alike = parts.directions @ directions.T
    assert alike.max(0) == pytest.approx(np.ones(3), abs=0.01)
    held = parts.amounts(values)
    whole = sum(parts.made_of(held[4], each) for each in range(len(parts.directions)))
    assert whole == pytest.approx(values[4], abs=0.02)
    same = np.flatnonzero(alike[:, 1] > 0.99)  # one direction may be told as several
    own = sum(parts.made_of(held[4], int(each)) for each in same)
    assert own == pytest.approx(directions[1][:, None, None] * amounts[4, 1], abs=0.05)
    without = parts.without(values[4], int(same[0]), np.random.default_rng(0), 1)[0]
    assert without == pytest.approx(values[4] - parts.made_of(held[4], int(same[0])), abs=1e-6)


def test_amounts_are_those_of_non_negative_least_squares_place_by_place():
    _, _, values = planted(np.random.default_rng(5))
    values = values + np.float32(0.05 * np.random.default_rng(6).random(values.shape))
    parts = parts_of("layer", values)
    held = parts.amounts(values[:1])[0]
    for row, column in ((0, 0), (2, 3), (4, 4)):
        expected = nnls(parts.basis.T.astype(float), values[0, :, row, column].astype(float))[0]
        rebuilt = parts.basis.T @ held[:, row, column]
        assert rebuilt == pytest.approx(parts.basis.T @ expected, abs=0.01)


def test_a_decoy_takes_as_much_energy_by_others_and_never_more_than_there_is():
    _, _, values = planted(np.random.default_rng(7))
    parts = parts_of("layer", values)
    held = parts.amounts(values[:1])[0]
    sizes = [np.square(parts.made_of(held, number)).sum() for number in range(len(held))]
    number = int(np.argsort(sizes)[-2])
    edits = parts.without(values[0], number, np.random.default_rng(1), 4)
    gone = np.square(values[0] - edits).sum((1, 2, 3))
    assert gone == pytest.approx(np.full(5, sizes[number]), rel=0.02)
    assert len({edit.tobytes() for edit in edits}) > 2
    lone = np.zeros_like(values[0])
    lone[0] = 1.0  # nothing but one direction: there is nothing else to take
    number = int(parts.amounts(lone[None])[0].sum((1, 2)).argmax())
    own, decoy = parts.without(lone, number, np.random.default_rng(1), 1)
    assert np.square(own).sum() < np.square(decoy).sum()


@pytest.mark.parametrize("last", [nn.ReLU(), nn.ReLU(inplace=True), nn.GELU(), nn.Tanh()])
def test_the_model_goes_on_with_what_it_is_given_and_is_left_as_it_was(last):
    model = small(last)
    classifier, (image,) = loaded(model), images(1)
    layer = feature_layer(classifier)
    x = classifier.input(image).x[None]
    with torch.inference_mode():
        features, plain = model[:4](x.clone()), model(x.clone())
    values = activations(classifier, layer, [image])
    assert values == pytest.approx(features.numpy(), abs=1e-5)
    other = np.stack([values[0], values[0] * 0, values[0] * 2])
    with torch.inference_mode():
        expected = model[4:](torch.from_numpy(other)).numpy()
    assert answered(classifier, layer, image, other) == pytest.approx(expected, abs=1e-5)
    assert expected[0] == pytest.approx(plain[0].numpy(), abs=1e-5)
    assert _once[classifier]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


class Counting(nn.Module):
    """Counts its images before the layer, and has as many answers after it."""

    def __init__(self):
        super().__init__()
        self.inner = small(nn.ReLU())

    def forward(self, x):
        return self.inner[6](self.inner[:4](x).mean((2, 3)).reshape(len(x), CHANNELS))


def test_a_model_that_counts_its_images_is_asked_about_as_many():
    model = Counting()
    classifier, (image,) = loaded(model), images(1)
    values = activations(classifier, "inner.3", [image])
    other = np.concatenate([values, values * 0, values * 2])
    with torch.inference_mode():
        expected = model.inner[4:](torch.from_numpy(other)).numpy()
    assert answered(classifier, "inner.3", image, other) == pytest.approx(expected, abs=1e-5)
    assert not _once[classifier]


class Tokens(nn.Module):
    """A transformer's trunk: patches as tokens."""

    def __init__(self):
        super().__init__()
        self.patch, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 3)
        self.blocks = nn.Sequential(*[nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) for _ in range(2)])

    def forward(self, x):
        return self.head(self.blocks(self.patch(x).flatten(2).transpose(1, 2)).mean(1))


def test_models_without_a_feature_layer_are_refused_by_the_cause():
    torch.manual_seed(0)
    with pytest.raises(InputError, match="tokens, as transformers do"):
        feature_layer(loaded(Tokens()))
    with pytest.raises(InputError, match="No layer of this model keeps"):
        feature_layer(loaded(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 3))))
    scripted = torch.jit.trace(small(nn.ReLU()).eval(), torch.zeros(1, 3, SIDE, SIDE))
    with pytest.raises(InputError, match="Layer methods do not suit this model"):
        feature_layer(loaded(scripted))


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_activations_that_say_nothing_are_not_taken_apart(value):
    with pytest.raises(InputError, match="is zero, or no number"):
        parts_of("5", np.full((4, 3, 2, 2), value, np.float32))


def test_fewer_channels_than_parts_and_dead_ones_are_taken_as_they_are():
    values = np.random.default_rng(0).random((6, 3, 4, 4)).astype(np.float32)
    values[:, 1] = 0
    parts = parts_of("5", values)
    assert 1 <= len(parts.directions) <= 3
    assert np.isfinite(parts.directions).all()
    assert np.isfinite(parts.amounts(values)).all()


def test_large_layers_are_fitted_on_some_places_and_refused_from_a_million_values(monkeypatch):
    directions, _, values = planted(np.random.default_rng(3))
    monkeypatch.setattr(concept_layer, "FITTED_PLACES", 100)
    parts = parts_of("layer", values)
    assert (parts.directions @ directions.T).max(0) == pytest.approx(np.ones(3), abs=0.01)
    classifier = loaded(small(nn.ReLU()))
    assert feature_layer(classifier) == "3"
    monkeypatch.setattr(concept_layer, "LAYER_VALUES", CHANNELS * 8 * 8 - 1)
    with pytest.raises(InputError, match="holds 384 values of an image"):
        feature_layer(classifier)
