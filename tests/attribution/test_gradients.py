"""The methods that follow the gradient: equal to Captum and to hand-written rules, and refused where Captum would err
in silence."""

import hashlib

import captum.attr as captum
import numpy as np
import pytest
import torch
from followed import BACKGROUND, BODIES, IMAGE, SIZE, Net, ask, item, linear, refused, wrap
from torch import nn

from workbench.attribution.background import MOST_IMAGES
from workbench.attribution.engine import attribute
from workbench.attribution.job import CHUNK
from workbench.errors import InputError
from workbench.images.item import BytesSource, ImageItem

torch.set_num_threads(1)


# Parity with Captum


def architectures():
    import timm

    torch.manual_seed(8)
    made = {"own": (Net(pool=nn.MaxPool2d(2)), SIZE)}
    for name in ("resnet10t", "regnetx_002"):
        made[name] = (timm.create_model(name, num_classes=4, zero_init_last=False).eval(), (48, 48))
    return made


@pytest.fixture(scope="module", params=["own", "resnet10t", "regnetx_002"])
def pair(request):
    model, size = architectures()[request.param]
    clf = wrap(model, size)
    return clf, clf.prepare(IMAGE)[None]


def test_each_equals_the_direct_call_of_captum(pair):
    clf, x = pair
    spread = 0.15 * (x.max() - x.min()).item()
    tunnel = captum.NoiseTunnel(captum.Saliency(clf.model))
    direct = {}
    for kind in ("smoothgrad_sq", "vargrad"):
        torch.manual_seed(3)
        direct[kind] = tunnel.attribute(x, target=1, nt_type=kind, nt_samples=8, stdevs=spread, abs=False)
    direct["deeplift"] = captum.DeepLift(clf.model).attribute(x, torch.zeros_like(x), target=1)
    direct["guided_backprop"] = captum.GuidedBackprop(clf.model).attribute(x, target=1)
    sampled = {"samples": 8, "noise": 0.15, "seed": 3}
    for name, expected in direct.items():
        settings = sampled if name not in ("deeplift", "guided_backprop") else {}
        found = attribute(clf, IMAGE, name, 1, background=BACKGROUND, **settings).values
        scale = expected.abs().max().item()
        assert scale > 0
        np.testing.assert_allclose(found / scale, expected.detach().numpy()[0] / scale, atol=1e-5, err_msg=name)


# Squares and variances


def test_squared_gradients_and_their_variance_of_a_linear_model():
    model, w = linear()
    np.testing.assert_allclose(ask(model, "smoothgrad_sq", samples=9).values, w**2, rtol=1e-4)
    flat = ask(model, "vargrad", samples=9).values
    assert flat.min() >= 0
    assert flat.max() < 1e-6 * (w**2).max()


def test_the_variance_is_what_squares_and_means_differ_by():
    few = {"samples": 11, "seed": 2, "noise": 0.3}
    squares, means, spread = (ask(Net(), name, **few).values for name in ("smoothgrad_sq", "smoothgrad", "vargrad"))
    np.testing.assert_allclose(spread, squares - means**2, atol=1e-5 * squares.max())
    assert spread.max() > 1e-3 * squares.max()


# Expected gradients


def test_expected_gradients_against_one_image_are_the_weights_times_the_way_from_it():
    model, w = linear()
    found = ask(model, "expected_gradients", background=BACKGROUND[:1], samples=19)
    clf = wrap(model)
    way = (clf.prepare(IMAGE) - clf.prepare(BACKGROUND[0])).numpy()
    np.testing.assert_allclose(found.values, w * way, atol=1e-6)
    assert found.change == pytest.approx((w * way).sum(), abs=1e-4)
    assert abs(found.delta) < 1e-4


def test_expected_gradients_come_to_sum_to_the_change_from_the_mean_of_the_background():
    clf = wrap(Net())
    found = {n: attribute(clf, IMAGE, "expected_gradients", 1, background=BACKGROUND, samples=n) for n in (8, 2048)}
    scores = [clf.logits(clf.prepare(p)[None])[0, 1].item() for p in (IMAGE, *BACKGROUND)]
    for one in found.values():
        assert one.change == pytest.approx(scores[0] - np.mean(scores[1:]), abs=1e-5)
        assert one.delta == pytest.approx(one.values.sum(dtype=np.float64) - one.change, abs=1e-5)
    spread = np.std(scores[1:])
    assert abs(found[2048].delta) < 4 * spread / 2048**0.5
    assert abs(found[2048].delta) < abs(found[8].delta)


@pytest.mark.parametrize(
    "pair", ["own", "regnetx_002", pytest.param("resnet10t", marks=pytest.mark.slow)], indirect=True
)
def test_expected_gradients_come_to_captums_mean_of_random_draws(pair):
    """Captum's GradientShap draws each sample at random; in the mean of many both are the same integral."""
    clf, x = pair
    background = torch.stack([clf.prepare(i) for i in BACKGROUND])
    torch.manual_seed(3)
    np.random.seed(3)
    shap = captum.GradientShap(clf.model)
    drawn = sum(shap.attribute(x, background, n_samples=64, target=1) for _ in range(16))[0].detach().numpy() / 16
    found = attribute(clf, IMAGE, "expected_gradients", 1, background=BACKGROUND, samples=512).values
    assert (drawn * found).sum() / np.linalg.norm(drawn) / np.linalg.norm(found) > 0.98


def test_expected_gradients_equal_a_plain_loop_over_places_spread_evenly():
    """Each image in turn, from a place of its own, by the binary digits mirrored at the point."""
    clf = wrap(Net())
    found = attribute(clf, IMAGE, "expected_gradients", 1, background=BACKGROUND, samples=11, seed=4)
    x, starts = clf.prepare(IMAGE), [clf.prepare(i) for i in BACKGROUND]
    rng, count = np.random.default_rng(4), len(BACKGROUND)
    turns, first = rng.permutation(count), (rng.permutation(count) + rng.random(count)) / count
    total = torch.zeros_like(x)
    for i in range(11):
        row, round_ = turns[i % count], i // count
        mirrored = 1 - sum(int(bit) / 2 ** (at + 1) for at, bit in enumerate(reversed(f"{round_:b}")))
        point = (starts[row] + (first[row] + mirrored) % 1 * (x - starts[row])).float()[None].requires_grad_()
        (gradient,) = torch.autograd.grad(clf.model(point)[0, 1], point)
        total += gradient[0] * (x - starts[row])
    np.testing.assert_allclose(found.values, total.numpy() / 11, atol=1e-5 * np.abs(found.values).max())


def test_expected_gradients_take_samples_until_their_sum_holds():
    clf = wrap(Net())
    made = {t: attribute(clf, IMAGE, "expected_gradients", 1, background=BACKGROUND, tolerance=t) for t in (1.0, 0.002)}
    assert made[1.0].params["evaluations"] == 64
    assert made[0.002].params["evaluations"] in (128, 256, 512)
    for tolerance, one in made.items():
        assert one.relative_delta <= tolerance or one.params["evaluations"] == 512
        same = attribute(clf, IMAGE, "expected_gradients", 1, background=BACKGROUND, samples=one.params["evaluations"])
        np.testing.assert_array_equal(one.values, same.values)
        assert (one.change, one.delta) == (pytest.approx(same.change), pytest.approx(same.delta, abs=1e-5))


def test_expected_gradients_say_which_background_they_used_and_spread_over_a_long_one():
    seen = []

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Net()

        def forward(self, x):
            seen.append(len(x))
            return self.net(x)

    clf = wrap(Watched())
    broken = ImageItem("broken.png", BytesSource(b"no image"))
    many = [item(seed) for seed in range(3 * MOST_IMAGES)]  # as a set sorted by class would be
    found = attribute(clf, IMAGE, "expected_gradients", 1, background=iter(many), samples=20)
    ids = "".join(one.id for one in many[::3])
    assert found.params["background"] == MOST_IMAGES
    assert found.params["background_digest"] == hashlib.sha256(ids.encode()).hexdigest()[:16]
    assert max(seen) <= CHUNK
    short = attribute(clf, IMAGE, "expected_gradients", 1, background=[broken, *BACKGROUND])
    assert short.params["background"] == len(BACKGROUND)
    assert short.params["background_digest"] != found.params["background_digest"]


def test_expected_gradients_are_seeded_and_leave_both_generators_alone():
    one, same, other = (
        ask(Net(), "expected_gradients", background=BACKGROUND, samples=12, seed=s).values for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3 * np.abs(one).max()
    clf = wrap(Net())
    torch.manual_seed(5)
    np.random.seed(5)
    expected = torch.rand(1).item(), np.random.rand()
    torch.manual_seed(5)
    np.random.seed(5)
    attribute(clf, IMAGE, "expected_gradients", 1, background=BACKGROUND, samples=12)
    with pytest.raises(ZeroDivisionError):
        attribute(
            clf, IMAGE, "expected_gradients", 1, background=BACKGROUND, on_progress=lambda done, total: done and 1 / 0
        )
    assert (torch.rand(1).item(), np.random.rand()) == expected


@pytest.mark.parametrize(
    ("background", "says"),
    [
        (None, r"give them as background=load_images"),
        ([], "give images of an image set"),
        ("everyday", "give images of an image set"),
        (7, "give images of an image set"),
        ([IMAGE], "give images of an image set"),
        ([ImageItem("broken.png", BytesSource(b"no image"))], "no image that can be read"),
    ],
)
def test_expected_gradients_without_a_background_say_how_to_give_one(background, says):
    with pytest.raises(InputError, match=says):
        ask(Net(), "expected_gradients", background=background)


# DeepLift


@pytest.mark.parametrize("baseline", ["mean", "black", "white", "blur"])
@pytest.mark.parametrize("act", [nn.ReLU, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus])
@pytest.mark.parametrize("body", ["its own", "shortcut"])
def test_deeplift_sums_to_the_change(act, baseline, body):
    found = ask(Net(act, inplace=False, body=BODIES[body]), "deeplift", baseline=baseline)
    assert found.relative_delta < 1e-3
    assert found.values.std() > 0


def test_deeplift_of_one_hidden_layer_is_the_rescale_rule_written_out():
    torch.manual_seed(6)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE[0] * SIZE[1], 9), nn.ReLU(), nn.Linear(9, 3))
    found = ask(model, "deeplift", baseline="white").values
    clf = wrap(model)
    x, b = clf.prepare(IMAGE).flatten(), torch.from_numpy(clf.preprocessing.baseline("white", IMAGE)).flatten()
    w, c, v = model[1].weight.detach(), model[1].bias.detach(), model[3].weight.detach()[1]
    z, z0 = w @ x + c, w @ b + c
    share = (z.relu() - z0.relu()) / (z - z0)
    np.testing.assert_allclose(found.ravel(), ((v * share) @ w * (x - b)).numpy(), atol=1e-5)


NOT_FOLLOWED = {
    "reused": "used 3 times",
    "functional": "Relu",
    "clamp": "Clamp",
    "method": "Relu",
    "gelu": "Gelu",
    "relu6": "Hardtanh",
    "ignored result": "its result is not passed on",
    "product": "product of two",
    "quotient": "product of two|Reciprocal",
    "norm": "LayerNorm",
    "own function": "Doubled",
}


@pytest.mark.parametrize("body", NOT_FOLLOWED)
def test_deeplift_refuses_what_captum_would_leave_out(body):
    said = refused(Net(body=BODIES[body]), "deeplift")
    assert said.startswith("DeepLift does not suit this model: ")
    assert any(word in said for word in NOT_FOLLOWED[body].split("|"))


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1)])
def test_deeplift_withholds_a_map_that_max_pooling_breaks(pool):
    assert ask(Net(pool=pool), "deeplift").relative_delta < 1e-3
    for baseline in ("blur", "black"):
        said = refused(Net(pool=pool), "deeplift", baseline=baseline)
        assert "max-pooling" in said
        assert "choose the baseline mean or integrated gradients" in said


def test_deeplift_explains_logits_and_margins_but_no_probability():
    assert ask(Net(), "deeplift", score="margin").relative_delta < 1e-3
    assert "explain the logit" in refused(Net(), "deeplift", score="probability")


def test_deeplift_is_the_same_with_the_owners_hooks_and_leaves_nothing_on_the_modules():
    plain = ask(Net(inplace=False), "deeplift")
    hooked = Net(
        inplace=False, body=lambda net, h: (net.careless(h + 0), net.last(net.down(h)))[1]
    )  # one that no gradient reaches
    hooked.act.register_full_backward_hook(lambda *_: None)
    hooked.last.unused = "the owner's"
    before = [set(vars(module)) for module in hooked.modules()]
    np.testing.assert_array_equal(ask(hooked, "deeplift").values, plain.values)
    for method in ("deeplift", "guided_backprop"):
        with pytest.raises(ZeroDivisionError):
            ask(hooked, method, on_progress=lambda done, total: done and 1 / 0)
        assert [set(vars(module)) for module in hooked.modules()] == before
        assert len(hooked.act._backward_hooks) == 1
        assert sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in hooked.modules()) == 0


# Guided backprop


class GuidedRelu(torch.autograd.Function):
    """The rule of Springenberg et al., written out."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient.clamp(min=0) * (x > 0)


class Guided(nn.Module):
    def __init__(self, inplace=False):
        super().__init__()

    def forward(self, x):
        return GuidedRelu.apply(x)


@pytest.mark.parametrize("score", ["logit", "probability"])
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("body", ["its own", "reused", "shortcut"])
def test_guided_backprop_is_the_rule_written_out(body, inplace, score):
    model, twin = Net(inplace=inplace, body=BODIES[body]), Net(Guided, inplace=inplace, body=BODIES[body]).eval()
    twin.load_state_dict(model.state_dict())
    found = ask(model, "guided_backprop", score=score).values
    x = wrap(model).prepare(IMAGE)[None].requires_grad_()
    out = twin(x).softmax(1) if score == "probability" else twin(x)
    (expected,) = torch.autograd.grad(out[0, 1], x)
    np.testing.assert_allclose(found, expected[0].numpy(), atol=1e-6 * expected.abs().max().item())
    assert np.abs(found).max() > 0


NOT_GUIDED = {
    "functional": "calls ReLU as a function",
    "method": "calls ReLU as a function",
    "clamp": "uses Clamp",
    "gelu": "uses Gelu",
    "relu6": "uses Hardtanh",
    "ignored result": "its result is not passed on",
    "own function": "uses Doubled",
}


@pytest.mark.parametrize("body", NOT_GUIDED)
def test_guided_backprop_refuses_what_captum_would_leave_out(body):
    said = refused(Net(body=BODIES[body]), "guided_backprop")
    assert said.startswith("Guided backprop does not suit this model: ")
    assert NOT_GUIDED[body] in said


@pytest.mark.parametrize(
    "act", [nn.GELU, nn.SiLU, nn.Hardswish, nn.ReLU6, nn.Sigmoid, nn.Tanh, nn.LeakyReLU, nn.PReLU, nn.Mish]
)
def test_guided_backprop_is_for_relu_alone(act):
    assert "defined for ReLU alone" in refused(Net(act, inplace=False), "guided_backprop")


def test_guided_backprop_refuses_what_has_no_relu_or_gains_nothing_by_it():
    assert "no ReLU module" in refused(linear()[0], "guided_backprop")
    positive = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(2 * SIZE[0] * SIZE[1], 2))
    nn.init.ones_(positive[3].weight)
    assert "the plain gradient here" in refused(positive, "guided_backprop")


@pytest.mark.parametrize(
    "method", ["saliency", "input_x_gradient", "smoothgrad", "vargrad", "deeplift", "guided_backprop"]
)
def test_a_model_that_cuts_the_gradient_is_refused(method):
    assert "no gradient flows" in refused(Net(body=lambda net, h: net.last(net.down(h)).detach()), method)
