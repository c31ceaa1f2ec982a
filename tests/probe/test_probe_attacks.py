"""Attacks: as worked out by hand where the model is linear, within their bounds in 8 bits, and without a trace on the
model."""

from __future__ import annotations

import dataclasses
import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.images.item import BytesSource, ImageItem
from workbench.models.classifier import ask
from workbench.models.loading import load_classifier
from workbench.probe import attacks
from workbench.probe.attacks import ATTACKS, UNITS, attack, least_epsilon, random_flips, shift

torch.set_num_threads(1)
SIZE = (12, 20)
LINF = [name for name, method in ATTACKS.items() if method.norm == "linf"]
L2 = [name for name, method in ATTACKS.items() if method.norm == "l2"]
WHITE = [name for name, method in ATTACKS.items() if method.white]
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)


class Linear(nn.Module):
    """The log-odds of the second class are linear in the input."""

    def __init__(self, weights: np.ndarray, bias: float = 0.0) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.from_numpy(weights.astype(np.float32)))
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def forward(self, x):
        z = (x * self.weights).sum((1, 2, 3)) + self.bias
        return torch.stack([torch.zeros_like(z), z], 1)


def image(size=SIZE, seed: int = 0, low: int = 60, high: int = 196) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(low, high, (*size, 3), dtype=np.uint8))


def weights(size=SIZE, channels: int = 3, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (channels, *size))


def linear(given: np.ndarray, score: float, seen: Image.Image, wrap=lambda model: model, **settings):
    """A classifier whose log-odds for `seen` are `score`, and their gradient to a level, (H, W, C)."""
    settings = {"mean": MEAN[: len(given)], "std": STD[: len(given)], "positive": "b", "threshold": 0.5} | settings
    model = Linear(given)
    make = {"class_names": ("a", "b"), "size": given.shape[1:], "device": "cpu", **settings}
    x = load_classifier(model, **make).prepare(seen)
    with torch.no_grad():
        model.bias += score - model(x[None])[0, 1]
    per_level = given / 255 / np.asarray(settings["std"])[:, None, None]
    return load_classifier(wrap(model), **make), per_level.transpose(1, 2, 0)


def odds(probabilities) -> float:
    return math.log(probabilities[1] / probabilities[0])


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
@pytest.mark.parametrize("score", [30.0, -30.0])
def test_the_linf_attacks_move_each_pixel_by_epsilon_against_the_gradient(method, score) -> None:
    seen = image(low=0, high=256)
    seen.paste((0, 255, 2), (0, 0, 4, 4))
    classifier, gradient = linear(weights() / 10, score, seen)
    found = attack(classifier, seen, method, 3)
    expected = (np.asarray(seen).astype(int) - 3 * np.sign(gradient * score)).clip(0, 255)
    assert (found.clean == np.asarray(seen)).all()
    assert (found.attacked == expected).all()
    assert not found.flipped
    assert odds(found.before) == pytest.approx(score, abs=1e-3)
    assert odds(found.after) == pytest.approx(score + ((expected - found.clean) * gradient).sum(), abs=1e-3)


@pytest.mark.parametrize("method", L2)
def test_the_l2_attacks_step_along_the_gradient_by_epsilon(method) -> None:
    seen = image()
    classifier, gradient = linear(weights() / 30, 9.0, seen)
    found = attack(classifier, seen, method, 1.5)
    step = -255 * 1.5 * gradient / np.linalg.norm(gradient)
    assert not found.flipped
    assert np.abs(found.attacked.astype(int) - np.asarray(seen) - step).max() < 1
    assert 1.5 - 0.01 < found.l2 <= 1.5
    assert odds(found.after) == pytest.approx(9 - 255 * 1.5 * np.linalg.norm(gradient), abs=0.01)


def test_a_gradient_too_small_for_captum_still_has_a_sign() -> None:
    seen = image()
    classifier, gradient = linear(weights() * 1e-5, 1e-4, seen)
    assert np.abs(gradient).max() < 1e-6
    assert (attack(classifier, seen, "fgsm", 2).attacked == np.asarray(seen) - 2 * np.sign(gradient)).all()


@pytest.mark.parametrize("threshold", [0.5, 0.85, 0.2])
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_the_least_linf_epsilon_is_the_margin_to_the_threshold_over_the_gradients_l1_norm(
    method, side, threshold
) -> None:
    seen, edge = image(), math.log(threshold / (1 - threshold))
    _, gradient = linear(weights(), 0, seen)
    margin = 5.4 * np.abs(gradient).sum()
    classifier, _ = linear(weights(), edge + side * margin, seen, threshold=threshold)
    found = least_epsilon(classifier, seen, method)
    assert found.epsilon == 6
    assert found.tried == ((1, False), (2, False), (4, False), (8, True), (6, True), (5, False)) or method == "pgd"
    assert dict(found.tried)[5] is False
    assert found.attacked.flipped
    assert found.attacked.linf <= 6
    assert (ask(classifier, [found.attacked.attacked])[0, 1] >= threshold) == (side < 0)


@pytest.mark.parametrize("method", L2)
def test_the_least_l2_epsilon_is_the_margin_over_the_gradients_norm(method) -> None:
    seen = image()
    _, gradient = linear(weights(), 0, seen)
    for wanted in (0.2, 0.9, 2.34):
        classifier, _ = linear(weights(), 255 * wanted * np.linalg.norm(gradient), seen)
        found = least_epsilon(classifier, seen, method)
        assert wanted <= found.attacked.l2 <= found.epsilon < wanted + 1.3 * UNITS["l2"]
        assert found.epsilon in [k * UNITS["l2"] for k in range(100)]


def test_pushed_is_the_threshold_not_one_half() -> None:
    seen = image()
    given = weights() / 50
    strict, gradient = linear(given, math.log(0.8 / 0.2), seen, threshold=0.79)
    assert np.abs(gradient).sum() < math.log(4)
    found = attack(strict, seen, "pgd", 1)
    assert (found.was, found.now, found.flipped) == (1, 0, True)
    assert 0.5 < found.after[1] < 0.79
    even = attack(strict, seen, "pgd", 1, decide=lambda p: p.argmax(1))
    assert (even.was, even.now, even.flipped) == (1, 1, False)
    named = attack(strict, seen, "pgd", 1, decide=lambda p: np.where(p[:, 1] > 0.795, "stop", "go"))
    assert (named.was, named.now, named.flipped) == ("stop", "go", True)
    assert 0.5 < named.after[1] < 0.795
    assert (
        least_epsilon(strict, seen, "fgsm", decide=lambda p: p.argmax(1)).epsilon
        > least_epsilon(strict, seen, "fgsm").epsilon
    )


@pytest.mark.parametrize("method", ATTACKS)
@pytest.mark.parametrize("epsilon", [0, 1, 2.7, 20])
def test_the_bound_holds_in_8_bits_also_at_black_and_white(method, epsilon) -> None:
    seen = image(low=0, high=256)
    seen.paste((0, 0, 0), (0, 0, 9, 6))
    seen.paste((255, 255, 255), (9, 6, 20, 12))
    classifier, gradient = linear(weights(), 900.0, seen)
    epsilon = epsilon if ATTACKS[method].norm == "linf" else epsilon / 4
    found = attack(classifier, seen, method, epsilon, steps=12)
    change = found.attacked.astype(int) - found.clean
    assert found.attacked.dtype == found.clean.dtype == np.uint8
    assert found.linf == np.abs(change).max()
    assert found.l2 == pytest.approx(np.linalg.norm(change / 255))
    assert (found.linf if ATTACKS[method].norm == "linf" else found.l2) <= epsilon
    assert (change * gradient).sum() < 0 or epsilon == 0
    assert np.allclose(ask(classifier, [found.attacked])[0], found.after, atol=1e-6)
    assert found.queries <= 12 * 2 + 4


@pytest.mark.parametrize("method", ATTACKS)
def test_a_grey_model_gets_grey_levels_where_it_looks(method) -> None:
    place = np.s_[3:6, 11:18]
    looks = np.zeros((1, *SIZE))
    looks[0][place] = 1
    seen = image()
    classifier, _ = linear(looks, 0.05, seen)
    found = attack(classifier, seen, method, 4 if ATTACKS[method].norm == "linf" else 0.3)
    assert found.attacked.shape == (*SIZE, 3)
    assert (found.clean == np.asarray(seen.convert("L"))[..., None]).all()
    assert (found.attacked == found.attacked[..., :1]).all()
    assert found.flipped
    change = (found.attacked.astype(int) - found.clean)[..., 0]
    assert found.l2 == pytest.approx(np.linalg.norm(change / 255))
    if ATTACKS[method].white:
        inside = np.zeros(SIZE, bool)
        inside[place] = True
        assert change[inside].any()
        assert not change[~inside].any() or method == "pgd"  # whose start may be random
    assert np.allclose(ask(classifier, [found.attacked])[0], found.after, atol=1e-6)


def test_the_models_own_size_is_attacked_not_the_files() -> None:
    seen = image((40, 33))
    classifier, _ = linear(weights(), 0.01, seen, resize="pad")
    buffer = io.BytesIO()
    seen.save(buffer, "PNG")
    found = attack(classifier, ImageItem("a.png", BytesSource(buffer.getvalue())), "pgd", 2)
    assert found.clean.shape == (*SIZE, 3)
    assert (found.clean == np.asarray(classifier.preprocessing.image(classifier.prepare(seen).numpy()))).all()


class Dead(nn.Module):
    """A gradient of zero at the image itself, and a way out beside it."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.bias = inner, inner.bias

    def forward(self, x):
        z = self.inner(x)[:, 1:]
        return torch.cat([torch.zeros_like(z), 1 - 40 * (z - 2).relu() - 40 * (-2 - z).relu()], 1)


def test_pgd_starts_again_from_a_random_point_where_the_gradient_is_zero() -> None:
    seen = image()
    classifier, gradient = linear(weights(), 0.0, seen, Dead)
    wide = 8.0 / np.linalg.norm(gradient)  # then a random point has moved the log-odds by several
    assert attack(classifier, seen, "fgsm", wide).linf == 0
    found = [attack(classifier, seen, "pgd", wide, seed=seed) for seed in (0, 0, 1)]
    assert all(one.flipped for one in found)
    assert (found[0].attacked == found[1].attacked).all()
    assert (found[0].attacked != found[2].attacked).any()


def test_the_square_attack_needs_no_gradient_and_keeps_what_helps(refusal) -> None:
    class Hidden(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            with torch.no_grad():
                return self.inner(x)

    seen = image()
    smooth = np.full((3, *SIZE), 0.01)
    classifier, gradient = linear(smooth, 100 * 6 * 0.01, seen, Hidden)
    for method in WHITE:
        assert "Square" in refusal(lambda method=method: attack(classifier, seen, method, 4))
    assert (
        200 < attack(classifier, seen, "square", 6, steps=300).queries <= 302
    )  # a square that changes nothing asks nothing
    found = [attack(classifier, seen, "square", 6, steps=300, seed=seed) for seed in (0, 0, 1)]
    change = found[0].attacked.astype(int) - found[0].clean
    assert (np.abs(change) == 6).all()
    assert -(change * gradient).sum() > 0.4 * 6 * np.abs(gradient).sum()  # by chance it would be about nothing
    assert (found[0].attacked == found[1].attacked).all()
    assert (found[0].attacked != found[2].attacked).any()


@pytest.mark.parametrize("method", ["pgd", "fgsm_l2", "square"])
def test_the_model_is_left_as_it_was_also_when_stopped(method, tiny_net) -> None:
    net = tiny_net()
    net.train()
    net[0].weight.grad = torch.ones_like(net[0].weight)
    net[2].register_forward_hook(lambda *_: None)
    net[5].bias.requires_grad_(False)
    classifier = load_classifier(net, size=SIZE, device="cpu")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    random, chance = torch.random.get_rng_state(), np.random.get_state()[1].copy()

    def unchanged() -> None:
        assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
        assert all(module.training for module in net.modules())
        assert [len(module._forward_hooks) for module in net] == [0, 0, 1, 0, 0, 0]
        assert [p.requires_grad for p in net.parameters()] == [True] * 5 + [False]
        assert torch.equal(net[0].weight.grad, torch.ones_like(net[0].weight))
        assert net[5].weight.grad is None
        assert torch.equal(torch.random.get_rng_state(), random)
        assert (np.random.get_state()[1] == chance).all()

    attack(classifier, image(), method, 2, steps=5)
    unchanged()

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attack(classifier, image(), method, 2, steps=5, on_progress=stop)
    unchanged()
    assert classifier.lock.acquire(blocking=False)


@pytest.mark.parametrize("method", ATTACKS)
def test_progress_rises_to_its_total_once(method) -> None:
    seen, told = image(), []
    classifier, _ = linear(weights(), 900.0, seen)
    found = attack(classifier, seen, method, 1, steps=7, on_progress=lambda *now: told.append(now))
    done, totals = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert done[-1] == totals[-1] >= found.queries
    assert len(set(totals[1:])) == 1
    assert len(told) == found.queries + 1


def test_what_flips_with_less_counts_for_what_it_needed(monkeypatch) -> None:
    seen = image()
    classifier, _ = linear(weights(), 1.0, seen)
    template = attack(classifier, seen, "fgsm", 0)

    def fake(_, __, method, epsilon, **settings):
        return dataclasses.replace(template, flipped=epsilon >= 16, linf=5, epsilon=epsilon)

    monkeypatch.setattr(attacks, "attack", fake)
    found = least_epsilon(classifier, seen, "pgd")
    assert found.epsilon == found.attacked.epsilon == 5
    assert found.tried == ((1, False), (2, False), (4, False), (8, False), (16, True))
    nothing = least_epsilon(classifier, seen, "pgd", most=11)
    assert nothing.epsilon is None
    assert nothing.tried == ((1, False), (2, False), (4, False), (8, False), (11, False))
    assert nothing.attacked.epsilon == 11


def test_what_cannot_be_is_refused(refusal) -> None:
    seen = image()
    classifier, _ = linear(weights(), 1.0, seen)
    assert "choose one of fgsm, pgd" in refusal(lambda: attack(classifier, seen, "deepfool", 1))
    assert "choose one of fgsm, pgd" in refusal(lambda: least_epsilon(classifier, seen, "deepfool"))
    for epsilon in (-1, math.inf, math.nan):
        assert "from 0 up" in refusal(lambda epsilon=epsilon: attack(classifier, seen, "pgd", epsilon))
    assert "one step" in refusal(lambda: attack(classifier, seen, "pgd", 1, steps=0))
    assert "at least 1" in refusal(lambda: least_epsilon(classifier, seen, "pgd", most=0.5))
    broken, _ = linear(weights(), 1.0, seen)
    broken.model.bias.data.fill_(math.nan)
    assert "not a number" in refusal(lambda: attack(broken, seen, "square", 1))
    alone = load_classifier(
        nn.Sequential(nn.Flatten(), nn.Linear(720, 1)), size=SIZE, class_names=("a", "b"), device="cpu"
    )
    assert attack(alone, seen, "pgd", 32).flipped


def test_how_far_a_map_moved() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(40, 50))
    assert shift(one, np.exp(one)) == attacks.Shift(pytest.approx(1), 1)
    assert shift(one, -one) == attacks.Shift(pytest.approx(-1), 0)
    apart = shift(one, rng.normal(size=one.shape))
    assert abs(apart.spearman) < 0.1
    assert 0.03 < apart.overlap < 0.2
    half = one.copy()
    half[np.argsort(one, axis=None)[-100] // 50, np.argsort(one, axis=None)[-100] % 50] = -9
    assert shift(one, half).overlap == 199 / 200
    spots = np.zeros((2, 40, 50))
    spots[0, 3, 3] = spots[1, 30, 30] = 1
    assert shift(*spots).overlap < 0.2  # both are zero nearly everywhere, which is no agreement
    assert math.isnan(shift(one, np.ones_like(one)).spearman)
    with pytest.raises(ValueError, match="one shape"):
        shift(one, one.T)


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 3.0), ("l2", 0.25), ("l2", 0.6)])
def test_random_noise_has_the_size_of_the_attack(norm, epsilon, monkeypatch) -> None:
    clf, _ = linear(weights(), 1e6, image())
    asked, plain = [], attacks.Search.ask
    monkeypatch.setattr(attacks.Search, "ask", lambda self, levels: asked.append(levels) or plain(self, levels))
    rate = random_flips(clf, image(), norm, epsilon, draws=3)
    assert (rate.count, rate.support) == (0, 3), "a decision so far from flipping holds"
    clean, *noisy = asked
    for levels in noisy:
        change = levels - clean
        size = np.abs(change).max() if norm == "linf" else math.sqrt((change**2).sum()) / 255
        assert size == pytest.approx(epsilon, rel=0.01)
    assert (noisy[0] != noisy[1]).any()


def test_random_noise_flips_what_stands_on_the_edge_about_every_second_time() -> None:
    clf, _ = linear(weights(), 1e-3, image())
    assert 5 <= random_flips(clf, image(), "linf", 2, draws=30).count <= 25
