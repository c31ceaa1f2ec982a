"""Models as training and export leave them: explained as plain torch would, or refused with the true reason."""

import copy

import numpy as np
import pytest
import torch
from plain_nets import noise_image
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from workbench.attribution import matrix
from workbench.attribution.engine import attribute
from workbench.attribution.methods import METHODS
from workbench.errors import InputError
from workbench.models.loading import load_classifier

torch.set_num_threads(1)
SIZE = (32, 32)
CHEAP = {"samples": 16, "channels": 8, "window": 0.5, "segments": 6}
WITHOUT_GRADIENT = {"eigen_cam", "score_cam", "occlusion", "feature_ablation", "lime", "kernel_shap"}
NEVER = {"attention_rollout", "gradient_attention", "anomaly_map"}
"""What a convolutional classifier has nothing for."""
ALL = METHODS.keys() - NEVER


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.one, self.two = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.first, self.second, self.head = nn.ReLU(), nn.ReLU(), nn.Linear(12, 4)

    def features(self, x):
        return self.second(self.two(self.first(self.one(x))))

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


def around(change):
    """A net whose answer is that of `Net` through `change`, a function of its forward and an input."""
    kind = type("Changed", (Net,), {"forward": lambda self, x: change(lambda y: Net.forward(self, y), x)})
    return kind()


def autocast(forward, x):
    with torch.autocast("cpu", torch.bfloat16):
        return forward(x)


def without(mode):
    def change(forward, x):
        with mode():
            return forward(x)

    return change


class Part(Net):
    def __init__(self):
        super().__init__()
        self.two = self.two.to(torch.bfloat16)

    def features(self, x):
        return self.second(self.two(self.first(self.one(x)).to(torch.bfloat16))).float()


class Checkpointed(Net):
    reentrant = True

    def features(self, x):
        return checkpoint(super().features, x, use_reentrant=self.reentrant)


class Kept(Checkpointed):
    reentrant = False


class Extra(Net):
    def get_extra_state(self):
        return {"epoch": 3, "schedule": [0.1, 0.01], "kind": torch.float32}

    def set_extra_state(self, state):
        pass


def of_inference():
    with torch.inference_mode():
        return Net()


def compiled():
    net = Net()
    net.compile(backend="eager")
    return net


def quantised():
    return torch.ao.quantization.quantize_dynamic(Net().eval(), {nn.Linear}, dtype=torch.qint8)


SOUND = {
    "half": (lambda: Net().half(), 2e-2),
    "bfloat16": (lambda: Net().to(torch.bfloat16), 1e-1),
    "double": (lambda: Net().double(), 1e-4),
    "extra state": (Extra, 1e-4),
    "weights of inference_mode": (of_inference, 1e-4),
    "checkpoint that is not re-entrant": (Kept, 1e-4),
    "compiled in place": (compiled, 1e-4),
    "compiled": (lambda: torch.compile(Net().eval(), backend="eager"), 1e-4),
    "autocast": (lambda: around(autocast), 1e-1),
    "a part in bfloat16": (Part, 1e-1),
}
GIVES_NO_GRADIENT = {
    "no_grad": lambda: around(without(torch.no_grad)),
    "inference_mode": lambda: around(without(torch.inference_mode)),
    "detach": lambda: around(lambda forward, x: forward(x).detach()),
    "NumPy": lambda: around(lambda forward, x: torch.from_numpy(forward(x).detach().numpy())),
    "quantised": quantised,
    "re-entrant checkpoint": Checkpointed,
}


def load(model):
    return load_classifier(model.eval(), size=SIZE, device="cpu")


def explained(clf, method, **more):
    settings = {name: value for name, value in CHEAP.items() if name in METHODS[method].params} | more
    return attribute(clf, noise_image(size=SIZE), method, 1, background=matrix._noise(), **settings)


def plain(method, x):
    """The map in plain torch."""
    net = Net()
    x = x.clone().requires_grad_()
    if method == "saliency":
        return torch.autograd.grad(net(x)[0, 1], x)[0].abs()[0]
    values = net.features(x)
    if method == "grad_cam":
        weights = torch.autograd.grad(net.head(values.mean((2, 3)))[0, 1], values)[0].mean((2, 3), keepdim=True)
        grid = (values * weights).sum(1, keepdim=True)
    else:
        centred = (values - values.mean((2, 3), keepdim=True))[0].flatten(1).detach()
        along = torch.linalg.svd(centred, full_matrices=False)
        first = along.Vh[0] * along.S[0]
        grid = (first * first[first.abs().argmax()].sign()).relu().reshape(1, 1, *values.shape[2:])
    return functional.interpolate(grid, SIZE, mode="bilinear")[0]


@pytest.mark.parametrize("name", SOUND)
def test_what_is_mended_or_as_it_should_be_has_the_maps_of_plain_torch(name):
    make, tolerance = SOUND[name]
    clf = load(make())
    x = clf.prepare(noise_image(size=SIZE))[None]
    for method in ("saliency", "grad_cam", "eigen_cam"):
        expected = plain(method, x).detach().numpy()
        found = explained(clf, method).values
        assert np.linalg.norm(found - expected) <= tolerance * np.linalg.norm(expected), method
    for method in ALL - {"deeplift"} if name in ("half", "autocast") else ():
        assert np.isfinite(explained(clf, method).values).all(), method
    if tolerance == 1e-1 and name != "bfloat16":
        with pytest.raises(InputError, match="half precision, too coarse for the sum"):
            explained(clf, "deeplift")


def test_what_was_mended_is_said_and_the_callers_own_model_stays():
    half, odd = Net().half(), of_inference()
    facts = [fact.value for model in (half, odd, torch.compile(Net(), backend="eager")) for fact in load(model).facts]
    for words in ("stored in float16, computed in float32", "under torch.inference_mode", "not as torch.compile made"):
        assert any(words in fact for fact in facts), words
    assert half.one.weight.dtype is torch.float16
    assert odd.one.weight.is_inference()


@pytest.mark.parametrize("name", GIVES_NO_GRADIENT)
def test_without_a_gradient_the_rest_works_and_the_reason_is_the_reason(name):
    clf = load(GIVES_NO_GRADIENT[name]())
    for method in ALL:
        if method in WITHOUT_GRADIENT:
            assert explained(clf, method).values.any(), method
        else:
            with pytest.raises(InputError, match=r"no gradient flows from its answer|use_reentrant=False"):
                explained(clf, method)
    x = clf.prepare(noise_image(size=SIZE))[None]
    found = explained(clf, "eigen_cam")
    expected = plain("eigen_cam", x).detach().numpy()
    np.testing.assert_allclose(found.values, expected, atol=1e-4 * expected.max())
    assert found.params["layer"] == "second"


REFUSED = {
    "lazy layers": (lambda: nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(2)), "no values yet"),
    "a second input": (
        lambda: type("Two", (Net,), {"forward": lambda self, x, y: Net.forward(self, x)})(),
        "asks for more than the image",
    ),
    "BatchNorm1d in training": (
        lambda: around(lambda forward, x: functional.batch_norm(forward(x), None, None, training=True)),
        "runs in training mode whatever",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_asked_is_refused_with_the_way_out(name):
    make, reason = REFUSED[name]
    with pytest.raises(InputError, match=reason):
        load(make())


def test_a_score_that_is_no_number_for_a_changed_copy_is_told_as_that():
    def broken(forward, x):
        return torch.where((x == 0).flatten(1).float().mean(1, keepdim=True) > 0.2, torch.nan, forward(x))

    clf = load(around(broken))
    for method in ("lime", "kernel_shap", "feature_ablation", "occlusion"):
        with pytest.raises(InputError, match="score is not a number for this image or for a changed copy"):
            explained(clf, method)


@pytest.mark.parametrize("make", [torch.jit.script, lambda net: torch.jit.trace(net, torch.zeros(1, 3, *SIZE))])
def test_torchscript_has_what_needs_no_layer_and_says_why_not_the_rest(make):
    clf, same = load(make(Net().eval())), load(copy.deepcopy(Net()))
    for method in ALL:
        if METHODS[method].family == "layer" or method in ("guided_backprop", "deeplift"):
            with pytest.raises(InputError, match="it is TorchScript, which runs its layers without the hooks"):
                explained(clf, method)
        else:
            expected = explained(same, method).values
            np.testing.assert_allclose(explained(clf, method).values, expected, atol=1e-4 * np.abs(expected).max())
