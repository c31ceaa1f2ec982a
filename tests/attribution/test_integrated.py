"""Integrated gradients that refines itself: right, quick to stop, flat in memory; and Captum's rule where steps are
asked for."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.attribution.engine import attribute
from workbench.attribution.integrated import FEWEST, MOST_GRADIENTS, place
from workbench.attribution.job import CHUNK
from workbench.models.loading import load_classifier


@pytest.fixture
def image():
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (12, 16, 3), dtype=np.uint8))


def rough_net(width=64):
    """A ReLU network whose gradient jumps on the way from the baseline."""
    torch.manual_seed(5)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3 * 12 * 16, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2)
    ).eval()  # fmt: skip


def classifier(model):
    return load_classifier(model, size=(12, 16), device="cpu")


def watched(clf):
    """Sizes of the batches that the model is asked about."""
    sizes = []
    clf.model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    return sizes


def reference(clf, x, steps=4000):
    places = (torch.arange(steps) + 0.5) / steps
    points = (places.view(-1, 1, 1, 1) * x).requires_grad_()
    (gradients,) = torch.autograd.grad(clf.model(points)[:, 1].sum(), points)
    return (gradients.mean(0, keepdim=True) * x)[0].numpy()


def test_a_linear_model_is_exact_at_the_fewest_points(image):
    clf = classifier(nn.Sequential(nn.Flatten(), nn.Linear(3 * 12 * 16, 2)))
    found = attribute(clf, image, "integrated_gradients", 1)
    assert found.params["evaluations"] == FEWEST
    expected = clf.model[1].weight[1].detach().reshape(3, 12, 16) * clf.prepare(image)
    np.testing.assert_allclose(found.values, expected, atol=1e-5)


@pytest.mark.parametrize("tolerance", [0.05, 0.02, 0.01])
def test_it_refines_until_the_sum_is_right(image, tolerance):
    found = attribute(classifier(rough_net()), image, "integrated_gradients", 1, tolerance=tolerance)
    assert found.relative_delta <= tolerance
    assert FEWEST <= found.params["evaluations"] < MOST_GRADIENTS


def test_the_map_is_that_of_thousands_of_points(image):
    clf = classifier(rough_net())
    found = attribute(clf, image, "integrated_gradients", 1)
    expected = reference(clf, clf.prepare(image)[None])
    cosine = (found.values * expected).sum() / np.linalg.norm(found.values) / np.linalg.norm(expected)
    assert cosine > 0.99


def test_it_gives_up_honestly(image):
    found = attribute(classifier(rough_net()), image, "integrated_gradients", 1, tolerance=0)
    assert found.params["evaluations"] == MOST_GRADIENTS
    assert found.delta == pytest.approx(float(found.values.sum(dtype=np.float64)) - found.change, abs=1e-9)
    assert found.delta != 0


def test_a_tighter_tolerance_only_adds_points(image):
    found = [
        attribute(classifier(rough_net()), image, "integrated_gradients", 1, tolerance=t) for t in (0.1, 0.01, 0.001)
    ]
    steps = [one.params["evaluations"] for one in found]
    assert steps == sorted(steps)


def test_no_batch_is_larger_than_a_chunk_and_no_point_is_asked_twice(image):
    clf = classifier(rough_net())
    sizes = watched(clf)
    found = attribute(clf, image, "integrated_gradients", 1, tolerance=0)
    assert max(sizes) <= CHUNK
    assert sum(sizes) == found.params["evaluations"] + 1  # the baseline


def test_it_is_the_same_from_run_to_run(image):
    first, second = (attribute(classifier(rough_net()), image, "integrated_gradients", 1) for _ in range(2))
    np.testing.assert_array_equal(first.values, second.values)


@pytest.mark.parametrize("steps", [7, 50])
def test_a_number_of_steps_means_captums_rule(image, steps):
    clf = classifier(rough_net())
    found = attribute(clf, image, "integrated_gradients", 1, n_steps=steps)
    x = clf.prepare(image)[None]
    expected = captum.attr.IntegratedGradients(clf.model).attribute(x, torch.zeros_like(x), target=1, n_steps=steps)
    np.testing.assert_allclose(found.values, expected[0].detach().numpy(), atol=1e-5)
    assert found.params["n_steps"] == steps


def test_every_prefix_of_the_points_is_spread_evenly():
    points = np.array([place(i) for i in range(64)])
    for n in (1, 2, 4, 8, 16, 32, 64):
        np.testing.assert_allclose(np.sort(points[:n]), np.arange(1, n + 1) / n)


def test_a_smooth_model_needs_few_points(image):
    """The trapezoidal rule's error falls with the square of the points; an even mean of them needed ten times as
    many."""
    torch.manual_seed(5)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 12 * 16, 16), nn.GELU(), nn.Linear(16, 2)).eval()
    clf = classifier(model)
    found = attribute(clf, image, "integrated_gradients", 1, tolerance=0.005)
    assert found.params["evaluations"] <= 16
    np.testing.assert_allclose(
        found.values, reference(clf, clf.prepare(image)[None]), atol=0.02 * np.abs(found.values).max()
    )


def test_a_sum_that_is_right_by_luck_does_not_end_it(image):
    """At any tolerance the map must have settled before it is believed."""
    clf = classifier(rough_net(16))
    found = attribute(clf, image, "integrated_gradients", 1, tolerance=10.0)
    expected = reference(clf, clf.prepare(image)[None])
    assert (found.values * expected).sum() >= 0.97 * np.linalg.norm(found.values) * np.linalg.norm(expected)
