"""What the maps say: exact on linear models, equal to Captum, in the score's units, and in the right place on the
image."""

import pickle
import re

import captum.attr as captum
import numpy as np
import pytest
import torch
from PIL import Image
from plain_nets import SIZE, Linear, Net, noise_image, wrap
from torch import nn

from workbench.attribution.engine import attribute
from workbench.attribution.layers import choose_layer
from workbench.attribution.methods import METHODS
from workbench.attribution.result import SCORES, Score
from workbench.errors import InputError

torch.set_num_threads(1)
GUIDED = {"guided_backprop", "guided_grad_cam"}  # defined for ReLUs alone
ATTENTION = {name for name, method in METHODS.items() if method.family == "attention"}
ANY = [name for name, method in METHODS.items() if method.family in ("gradient", "perturbation") and name not in GUIDED]


@pytest.fixture(scope="module")
def image():
    return noise_image()


@pytest.fixture(scope="module")
def net():
    return wrap(Net(), classes=["a", "b", "c", "d"])


@pytest.fixture
def subject(tiny_transformer):
    """Makes a curved classifier that a method suits, the head of which answers `gain` times as loud."""

    def made(method, gain=1.0):
        if method not in ATTENTION:
            return wrap(Net(gain=gain, end=nn.ReLU if method in GUIDED else nn.Tanh))
        model = tiny_transformer((16, 24))
        with torch.no_grad():
            model.head.weight *= gain
            model.head.bias *= gain
        return wrap(model, (16, 24))

    return made


@pytest.fixture(params=["three logits", "one logit", "a bare vector"])
def linear(request):
    """A linear classifier, the column to explain, and the weights w that its score has there."""
    outputs = 3 if request.param == "three logits" else 1
    model = Linear(outputs, flat=request.param == "a bare vector")
    column = 2 if outputs == 3 else 1
    return wrap(model), column, model.w.detach()[column if outputs == 3 else 0].numpy()


@pytest.mark.parametrize("name", ["black", "white", "mean", "blur", "given"])
def test_integrated_gradients_of_a_linear_model_is_w_times_the_way_from_the_baseline(linear, image, name):
    clf, column, w = linear
    given = np.random.default_rng(1).normal(size=(3, *SIZE)).astype(np.float32)
    b = given if name == "given" else clf.preprocessing.baseline(name, image)
    found = attribute(
        clf, image, "integrated_gradients", column, baseline=torch.from_numpy(given) if name == "given" else name
    )
    expected = w * (clf.prepare(image).numpy() - b)
    np.testing.assert_allclose(found.values, expected, atol=2e-5)
    assert found.change == pytest.approx(expected.sum(), abs=1e-3)
    assert abs(found.delta) < 1e-3
    assert found.relative_delta == pytest.approx(abs(found.delta / found.change))
    assert found.params["baseline"] == name
    assert attribute(clf, image, "integrated_gradients", column, baseline=b).params["baseline"] == "given"


def test_gradient_methods_of_a_linear_model_are_its_weights(linear, image):
    clf, column, w = linear
    x = clf.prepare(image).numpy()
    np.testing.assert_allclose(attribute(clf, image, "saliency", column).values, np.abs(w), atol=1e-6)
    np.testing.assert_allclose(attribute(clf, image, "input_x_gradient", column).values, w * x, atol=1e-6)
    np.testing.assert_allclose(attribute(clf, image, "smoothgrad", column, samples=9).values, w, atol=1e-5)
    assert attribute(clf, image, "saliency", column).delta is None


def test_the_first_class_of_a_single_logit_has_the_opposite_map(image):
    clf = wrap(Linear(1), classes=["good", "bad"])
    good, bad = (attribute(clf, image, "input_x_gradient", name) for name in ("good", "bad"))
    np.testing.assert_allclose(good.values, -bad.values, atol=1e-6)
    assert good.output == pytest.approx(-bad.output, abs=1e-5)
    assert np.abs(bad.values).max() > 0.5


@pytest.mark.parametrize("baseline", ["mean", "white"])
def test_occlusion_of_a_linear_model_is_the_mean_of_the_windows_that_cover_a_pixel(linear, image, baseline):
    clf, column, w = linear
    contribution = w * (clf.prepare(image).numpy() - clf.preprocessing.baseline(baseline, image))
    window, stride = (4, 6), (2, 3)  # half of 8 x 12, in steps of half a window
    total, count = np.zeros(SIZE), np.zeros(SIZE)
    for top in range(0, SIZE[0] - window[0] + 1, stride[0]):
        for left in range(0, SIZE[1] - window[1] + 1, stride[1]):
            spot = np.s_[top : top + window[0], left : left + window[1]]
            total[spot] += contribution[:, *spot].sum()
            count[spot] += 1
    found = attribute(clf, image, "occlusion", column, window=0.5, baseline=baseline)
    np.testing.assert_allclose(found.values, np.broadcast_to(total / count, found.values.shape), atol=1e-3)


def test_methods_equal_the_direct_call_of_captum(net, image):
    """Those that suit every net; test_gradients, test_layers and test_perturbations hold the others against Captum."""
    x = net.prepare(image)[None]
    zero = torch.zeros_like(x)
    torch.manual_seed(3)
    smooth = captum.NoiseTunnel(captum.Saliency(net.model)).attribute(
        x, target=1, nt_samples=8, nt_samples_batch_size=8, stdevs=0.1 * (x.max() - x.min()).item(), abs=False
    )
    cam = captum.LayerGradCam(net.model, net.model.conv).attribute(x, target=1)
    window = {"sliding_window_shapes": (3, 2, 3), "strides": (3, 1, 1)}
    direct = {
        "saliency": captum.Saliency(net.model).attribute(x.clone().requires_grad_(), target=1),
        "input_x_gradient": captum.InputXGradient(net.model).attribute(x.clone().requires_grad_(), target=1),
        "integrated_gradients": captum.IntegratedGradients(net.model).attribute(x, zero, target=1, n_steps=21),
        "smoothgrad": smooth,
        "grad_cam": captum.LayerAttribution.interpolate(cam, SIZE, interpolate_mode="bilinear"),
        "occlusion": captum.Occlusion(net.model).attribute(x, target=1, baselines=zero, **window),
    }
    settings = {
        "integrated_gradients": {"n_steps": 21},
        "smoothgrad": {"samples": 8, "noise": 0.1, "seed": 3},
        "grad_cam": {"layer": "conv"},
        "occlusion": {"window": 0.25},
    }
    for name, expected in direct.items():
        found = attribute(net, image, name, 1, **settings.get(name, {})).values
        np.testing.assert_allclose(found, expected.detach().numpy()[0], atol=1e-5, err_msg=name)
        assert found.std() > 1e-4, name


# How often a map takes the score as a factor, where that is not once
POWER = {"smoothgrad_sq": 2, "vargrad": 2, "guided_grad_cam": 2, "eigen_cam": 0, "attention_rollout": 0}
# Their formulas are curved in the score; the smaller it is, the straighter
CURVED = {"grad_cam_pp", "gradient_attention"}


@pytest.mark.parametrize(
    "method", sorted(METHODS.keys() - {"anomaly_map", "score_cam"})
)  # whose weights sum to 1 whatever the score
def test_units_are_kept(subject, image, cheap, method):
    """No map is normalised: a head that answers with a hundredth gives a map of a hundredth."""
    start = 1e-4 if method in CURVED else 1.0
    full, faint = (attribute(subject(method, gain), image, method, 1, **cheap(method)) for gain in (start, start / 100))
    assert full.values.any()
    factor = 100.0 ** -POWER.get(method, 1)
    np.testing.assert_allclose(
        faint.values, full.values * factor, rtol=0, atol=1e-3 * np.abs(full.values).max() * factor
    )
    assert faint.output == pytest.approx(full.output / 100, rel=1e-3)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("method", sorted(METHODS.keys() - {"anomaly_map"}))
def test_every_method_tells_the_score_of_the_plain_model(subject, image, cheap, method, score):
    """Whichever of its own evaluations the score is taken from, with whatever hooks in place."""
    if (method, score) == ("deeplift", "probability"):
        pytest.skip("refused: it cannot follow a softmax")
    clf = subject(method)
    given = {"against": 2} if score == "margin" else {}
    logits = clf.logits(clf.prepare(image)[None]).detach()
    expected = Score(score, 1, given.get("against")).of(clf, logits).item()
    assert attribute(clf, image, method, 1, score=score, **given, **cheap(method)).output == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize("method", ["smoothgrad", "expected_gradients", "integrated_gradients"])
def test_the_score_of_a_changed_image_is_not_taken_for_its_own(net, image, cheap, method):
    one = {
        name: 1 for name in ("samples", "n_steps") if name in METHODS[method].params
    }  # the only input asked about, and not the image
    expected = net.logits(net.prepare(image)[None])[0, 1].item()
    assert attribute(net, image, method, 1, **(cheap(method) | one)).output == pytest.approx(expected, rel=1e-5)


SINGLE = {"one logit": (1, "class 1", "class 0"), "four logits": (4, "class 2", "class 3")}


@pytest.mark.parametrize("outputs", SINGLE)
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("against", [None, "given"])
def test_the_score_shown_is_the_score_explained(image, outputs, score, against):
    width, target, other = SINGLE[outputs]
    clf = wrap(Net(width))
    given = {"against": other} if against and score == "margin" else {}
    found = attribute(clf, image, "integrated_gradients", target, score=score, n_steps=100, **given)
    logits = clf.logits(clf.prepare(image)[None]).detach()[0]
    column = clf.index(target)
    strongest = max((i for i in range(len(logits)) if i != column), key=lambda i: logits[i])
    versus = clf.index(other) if given else strongest
    expected = {
        "logit": logits[column] - (logits[1 - column] if width == 1 else 0),
        "probability": logits.softmax(0)[column],
        "margin": logits[column] - logits[versus],
    }[score]
    aim = Score(score, column, versus if score == "margin" else None)
    blank = clf.logits(torch.zeros(1, 3, *SIZE)).detach()
    assert found.output == pytest.approx(expected.item(), abs=1e-5)
    assert found.output == pytest.approx(aim.of(clf, logits[None]).item(), abs=1e-5)
    assert found.change == pytest.approx(found.output - aim.of(clf, blank).item(), abs=1e-5)
    assert found.delta == pytest.approx(found.values.sum(dtype=np.float64) - found.change, abs=1e-5)
    assert found.relative_delta < 0.02
    assert abs(found.change) > 1e-3
    assert found.params.get("against") == (clf.class_names[versus] if score == "margin" else None)


def test_a_margin_and_its_reverse_cancel(net, image):
    one, other = (
        attribute(net, image, "saliency", a, score="margin", against=b).output for a, b in (("a", "c"), ("c", "a"))
    )
    assert one == pytest.approx(-other)
    assert one != 0


def test_the_predicted_class_is_explained_where_none_is_named(image):
    model = Net()
    for column in range(4):
        with torch.no_grad():
            model.head.bias.zero_()[column] = 100
        assert attribute(wrap(model), image, "saliency").target == column
    careful = wrap(model, positive="class 1", threshold=0.0)
    assert attribute(careful, image, "saliency").target == 1, "the decision rule decides, not the most probable class"


WRONG = {
    "method": ({"method": "magic"}, "choose one of saliency"),
    "target name": ({"target": "zebra"}, "choose one of a, b"),
    "target number": ({"target": 4}, "numbers 0 to 3"),
    "negative target": ({"target": -1}, "numbers 0 to 3"),
    "score": ({"score": "loudness"}, "choose logit, probability, margin"),
    "against without a margin": ({"target": "a", "against": "b"}, "ask for score=.margin"),
    "equal classes": ({"target": "a", "score": "margin", "against": 0}, "choose another class"),
    "parameter": ({"n_step": 5}, "it takes baseline, n_steps"),
    "no parameters": ({"method": "saliency", "n_steps": 5}, "takes no settings"),
    "layer": ({"method": "grad_cam", "layer": "cnov"}, "choose one such as act, down, end"),
    "layer of no name": ({"method": "grad_cam", "layer": ["conv"]}, "choose one such as"),
    "layer without a grid": ({"method": "grad_cam", "layer": "head"}, "spatial output"),
    "baseline": ({"baseline": "purple"}, "choose black, white, mean, blur"),
    "no baseline": ({"baseline": None}, "give the name of one .black"),
    "shape of the baseline": ({"baseline": torch.zeros(3, 12, 8)}, r"of shape \(3, 8, 12\)"),
    "no steps": ({"n_steps": 0}, "a whole number from 1 up"),
    "steps that are words": ({"n_steps": "50"}, "a whole number from 1 up"),
    "steps without number": ({"n_steps": float("nan")}, "a whole number from 1 up"),
    "endless steps": ({"n_steps": float("inf")}, "a whole number from 1 up"),
    "half a step": ({"n_steps": 2.5}, "a whole number from 1 up"),
    "no samples": ({"method": "smoothgrad", "samples": 0}, "a whole number from 1 up"),
    "negative noise": ({"method": "smoothgrad", "noise": -0.1}, "a number from 0 up"),
    "huge seed": ({"method": "smoothgrad", "seed": 2**70}, "a whole number from 0 up"),
    "no window": ({"method": "occlusion", "window": 0}, "above 0 and at most 1"),
    "window too wide": ({"method": "occlusion", "window": 2}, "above 0 and at most 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_used_is_refused_in_one_line_that_says_what_to_choose(net, image, case):
    arguments, says = WRONG[case]
    with pytest.raises(InputError, match=says) as caught:
        attribute(net, image, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")


def test_numbers_of_numpy_are_numbers(net, image):
    found = attribute(net, image, n_steps=np.int64(4))
    assert found.params["n_steps"] == 4
    assert type(found.params["n_steps"]) is int
    assert attribute(net, image, "occlusion", np.int64(2), window=np.float32(0.5)).target == 2


@pytest.mark.parametrize("method", METHODS)
def test_a_model_without_a_grid_refuses_layers_and_attention_and_takes_the_rest(image, cheap, refusal, method):
    clf = wrap(Linear())
    if method in ANY:
        found = attribute(clf, image, method, 0, **cheap(method)).values
        assert found.shape == (3, *SIZE)
        assert found.any() or method == "vargrad"  # the gradient is the same everywhere
        return
    why = {
        "layer": r"^No layer of this model keeps the image's places.*Choose another method, or set prefix_tokens",
        "own": "no anomaly map",
    }
    message = refusal(lambda: attribute(clf, image, method, 0))
    assert re.search(
        (why | {"attention": "no attention modules"}).get(METHODS[method].family, "no ReLU module"), message
    )


def test_layer_methods_take_the_last_layer_unless_told(net, image):
    assert list(net.layers) == ["conv", "norm", "act", "down", "end"]
    assert choose_layer(net, None) == attribute(net, image, "grad_cam").params["layer"] == "end"
    shallow = attribute(net, image, "grad_cam", layer="norm")
    assert shallow.values.shape == (1, *SIZE)
    assert not np.allclose(shallow.values, attribute(net, image, "grad_cam").values)


def test_one_that_overflows_is_refused(image):
    model = Linear()
    classifier = wrap(model)
    with torch.no_grad():
        model.w.fill_(float("inf"))
    with pytest.raises(InputError, match="score is not a number"):
        attribute(classifier, image, "input_x_gradient", 0)


class Redness(nn.Module):
    """Answers with how much of the image is red: a smoothing convolution, a threshold, a power, a mean."""

    def __init__(self, power=2, dims=False):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)
        self.act = nn.ReLU()
        self.power = power
        self.light = nn.ReLU() if dims else None
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, -0.25, -0.25]).view(1, 3, 1, 1).expand(1, 3, 3, 3) / 9)
            self.conv.bias.fill_(-0.4)

    def forward(self, x):
        red = self.act(self.conv(x))
        red = (red**self.power if self.power > 1 else red).mean((2, 3))
        if self.light:  # light speaks a little against the class, everywhere
            red = red - self.light(x.mean(1, keepdim=True) + 4).mean((2, 3)) / 20
        return torch.cat([torch.zeros_like(red), red], 1)


EYES = {"deeplift": {"power": 1}} | {name: {"dims": True} for name in GUIDED}
"""DeepLift follows no power, and guided backprop is refused where it has nothing to leave out."""
PATCHES = {"wide": ((120, 60), (62, 8, 80, 22)), "tall": ((60, 120), (36, 62, 50, 80))}
PLACED = [
    name for name in METHODS if name not in ATTENTION | {"anomaly_map"}
]  # those have a planted patch in tests of their own


@pytest.mark.parametrize("shape", PATCHES)
@pytest.mark.parametrize("size", [(40, 40), (32, 48)])
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_the_map_lies_on_the_patch_that_the_model_looks_at(cheap, resize, size, shape):
    (width, height), (left, top, right, bottom) = PATCHES[shape]
    image = Image.new("RGB", (width, height), (128, 128, 128))
    image.paste((255, 0, 0), (left, top, right, bottom))
    for name in PLACED:
        clf = wrap(Redness(**EYES.get(name, {})), size, resize=resize)
        fine = (
            {} if METHODS[name].family == "perturbation" else cheap(name)
        )  # cheap windows and superpixels are larger than the patch
        settings = fine | ({"layer": "conv"} if "layer" in METHODS[name].params else {})
        found = attribute(clf, image, name, 1, **settings)
        seen = found.on_image()
        assert seen.shape == (height, width)
        y, x = np.unravel_index(seen.argmax(), seen.shape)
        assert left <= x < right, f"{name}: the peak is at column {x}"
        assert top <= y < bottom, f"{name}: the peak is at row {y}"
        weight = np.where(seen > seen.max() / 2, seen, 0).astype(float)
        rows, columns = np.mgrid[:height, :width] + 0.5
        centre = (columns * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum()
        slack = 4 if name in ("occlusion", "vargrad") else 2  # windows are wide, and chance makes the variance uneven
        assert centre == pytest.approx(((left + right) / 2, (top + bottom) / 2), abs=slack), name


def test_an_attribution_is_frozen_and_survives_a_pickle(net, image):
    found = attribute(net, image, "occlusion", window=0.5)
    with pytest.raises(TypeError):
        found.params["window"] = 1
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.values, found.values)
    assert (again.params, again.placement, again.classifier) == (dict(found.params), found.placement, net.key)
    assert found.heatmap().shape == SIZE
    np.testing.assert_allclose(found.heatmap(), found.values.sum(0))
    assert found.on_image().shape == (17, 31)
