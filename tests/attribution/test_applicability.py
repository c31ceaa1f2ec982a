"""Any architecture, no configuration: each method works on it or is refused with its reason."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.attribution import matrix
from workbench.attribution.engine import attribute
from workbench.attribution.matrix import suits
from workbench.attribution.methods import METHODS
from workbench.errors import InputError
from workbench.images.item import ImageItem
from workbench.models.loading import load_classifier

torch.set_num_threads(1)
IMAGE = Image.fromarray(np.random.default_rng(7).normal(120, 50, (90, 110, 3)).clip(0, 255).astype(np.uint8))
CHEAP = {"samples": 16, "channels": 8, "window": 0.5, "segments": 6}
COMPLETE = {"integrated_gradients": 0.01, "deeplift": 1e-5}
FREE = (
    "saliency",
    "input_x_gradient",
    "smoothgrad",
    "smoothgrad_sq",
    "vargrad",
    "integrated_gradients",
    "expected_gradients",
    "occlusion",
)
"""Methods that ask nothing of a model but a gradient, or not even that."""

_spec = importlib.util.spec_from_file_location("matrix_script", Path(__file__).parents[1] / "benchmarks" / "matrix.py")
script = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(script)


# Small networks with everything that trips hooks


class Blocks(nn.Module):
    """Convolutions with activations as they come: modules used twice, functions, in place, and answers in a dict."""

    def __init__(self, act, named=False):
        super().__init__()
        torch.manual_seed(2)
        self.one, self.two, self.head = (
            nn.Conv2d(3, 8, 3, padding=1),
            nn.Conv2d(8, 8, 3, stride=2, padding=1),
            nn.Linear(8, 4),
        )
        self.relu, self.act, self.named = nn.ReLU(inplace=True), act, named

    def forward(self, x):
        h = self.act(self, self.two(self.act(self, self.one(x))))
        out = self.head(h.mean((2, 3)))
        return {"logits": out, "features": h} if self.named else out


class Tokens(nn.Module):
    """A small transformer over patches, with a class token or with the mean of all tokens."""

    def __init__(self, class_token):
        super().__init__()
        torch.manual_seed(2)
        self.patches = nn.Conv2d(3, 16, 8, stride=8)
        self.token = nn.Parameter(torch.randn(1, 1, 16)) if class_token else None
        self.block = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True, activation="gelu")
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1)
        tokens = self.block(tokens)
        return self.head(tokens[:, 0] if self.token is not None else tokens.mean(1))


def own_modules():
    torch.manual_seed(2)
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)),
    )


def handmade(name):
    made = {
        "modules of their own": own_modules,
        "one module used twice": lambda: Blocks(lambda net, h: net.relu(h)),
        "functions": lambda: Blocks(lambda net, h: torch.relu(h)),
        "in place": lambda: Blocks(lambda net, h: h.relu_()),
        "a dict": lambda: Blocks(lambda net, h: torch.relu(h), named=True),
        "a class token": lambda: Tokens(True),
        "no class token": lambda: Tokens(False),
    }
    return load_classifier(made[name]().eval(), size=(48, 48), device="cpu")


GUIDED = {
    "modules of their own",
    "one module used twice",
    "timm:resnet18",
    "timm:densenet121",
    "torchvision:resnet18",
    "torchvision:vgg11",
}
"""Models for which guided backprop works; for all others it must be refused."""
DEEPLIFT = {"modules of their own", "timm:resnet18", "timm:densenet121"}
NO_DEEPLIFT = {
    "one module used twice": "is used 2 times",
    "torchvision:resnet18": "is used 2 times",
    "torchvision:vgg11": "max-pooling",
    "functions": "Relu",
    "timm:regnety_002": "product of two",
    "a class token": "LayerNorm",
    "timm:vit_tiny_patch16_224": "LayerNorm",
}
HANDMADE = [
    "modules of their own",
    "one module used twice",
    "functions",
    "in place",
    "a dict",
    "a class token",
    "no class token",
]
FAST = {"timm:resnet18": (64, 64), "timm:mobilenetv3_small_100": (64, 64), "torchvision:mobilenet_v3_small": (64, 64)}


def check(clf, name):
    """Try every method on a classifier and return the reasons of those that are refused."""
    reasons = {}
    for method, row in METHODS.items():
        settings = {k: v for k, v in CHEAP.items() if k in row.params}
        try:
            found = attribute(clf, IMAGE, method, 1, background=matrix._noise(), **settings)
        except InputError as error:
            reasons[method] = str(error)
            assert "\n" not in reasons[method]
            assert reasons[method].endswith(".")
            continue
        height, width = clf.preprocessing.size
        assert found.values.shape in ((3, height, width), (1, height, width)), method
        assert np.isfinite(found.values).all(), method
        if row.family != "layer":  # those may rightly find nothing that speaks for the class
            assert found.values.any(), f"{method} on {name}: nothing but zeros"
        if method in COMPLETE:  # as a share of all that is shared out: by chance these networks change by little
            assert abs(found.delta) < COMPLETE[method] * np.abs(found.values).sum(), (
                f"{method} on {name} misses its sum"
            )
    assert not reasons.keys() & set(FREE), reasons
    assert ("guided_backprop" not in reasons) == (name in GUIDED), reasons.get("guided_backprop")
    assert ("deeplift" not in reasons) == (name in DEEPLIFT), reasons.get("deeplift")
    assert NO_DEEPLIFT.get(name, "") in reasons.get("deeplift", "")
    return reasons


@pytest.mark.parametrize("name", HANDMADE)
def test_small_networks_of_every_make(name):
    clf = handmade(name)
    reasons = check(clf, name)
    for method in METHODS:
        said = suits(clf, method)
        assert (said is None) == (method not in reasons), f"{method}: {said} {reasons.get(method)}"


@pytest.mark.parametrize("name", FAST)
def test_some_published_architectures(name):
    check(script.subject(name, size=FAST[name]), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", script.MODELS)
def test_every_published_architecture(name):
    clf = script.subject(name)
    reasons = check(clf, name)
    for method in reasons:
        assert suits(clf, method) is not None


# The answer to "does it suit?"


def test_it_is_tried_once_on_each_classifier_and_kept_as_long_as_that_lives(monkeypatch):
    tried = []
    monkeypatch.setattr(matrix, "_reason", lambda clf, method, settings: tried.append((method.name, settings)))
    one, other = handmade("functions"), handmade("functions")
    for clf in (one, one, other):
        suits(clf, "saliency")
        suits(clf, "occlusion")
        suits(clf, "occlusion", window=0.25)
    assert len(tried) == 6
    held = len(matrix._answers)
    del one, other, clf
    assert len(matrix._answers) <= held - 2


def test_it_is_tried_at_little_cost_and_leaves_the_model_as_it_was():
    clf = handmade("modules of their own")
    asked = []
    clf.model.train()
    clf.model[0].register_forward_pre_hook(lambda module, inputs: asked.append(len(inputs[0])))
    before = [
        (m.training, len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
        for m in clf.model.modules()
    ]
    for method in METHODS:
        asked.clear()
        suits(clf, method)
        assert sum(asked) <= 140, method
    assert [
        (m.training, len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
        for m in clf.model.modules()
    ] == before
    assert [item for item in matrix._noise() if not isinstance(item, ImageItem)] == []


def test_whatever_a_model_raises_becomes_a_reason_and_an_unknown_method_an_error():
    clf = handmade("functions")
    clf.model.register_forward_hook(lambda *_: 1 / 0)
    assert "it failed with ZeroDivisionError (division by zero)" in suits(clf, "saliency")
    with pytest.raises(InputError, match="There is no method 'magic'"):
        suits(clf, "magic")


def test_maps_of_nothing_do_not_suit():
    clf = handmade("functions")
    with torch.no_grad():
        clf.model.head.weight.zero_()
    assert "the same for every image" in suits(clf, "saliency")
    steps = load_classifier(Blocks(lambda net, h: (8 * h).round()).eval(), size=(48, 48), device="cpu")
    assert "zero everywhere" in suits(steps, "saliency")
    assert suits(steps, "occlusion") is None


def test_a_reason_is_as_good_as_its_setting():
    clf = handmade("modules of their own")
    assert "nowhere" in suits(clf, "grad_cam", layer="nowhere")
    assert suits(clf, "grad_cam", layer="0") is None
    assert "max-pooling" in suits(clf, "deeplift", baseline="blur")


# The table in the documentation


def test_the_cells_of_the_table_in_the_readme_are_those_that_its_legend_names():
    section = script.SECTION.search(script.PAGE.read_text(encoding="utf-8"))[0]
    legend, rows = section.splitlines()[1], [line for line in section.splitlines() if line.startswith("|")][2:]
    assert legend == script.LEGEND
    assert "✓" not in script.PAGE.read_text(encoding="utf-8")
    cells = {cell.strip() for row in rows for cell in row.strip("|").split("|")[1:]}
    assert {cell.partition(" (")[0] for cell in cells} == {script.WORKS, script.REFUSED}


def test_the_table_says_what_works_and_gives_each_reason_once(tmp_path):
    found = {"timm:a": {"saliency": None, "deeplift": "DeepLift does not suit this model: it is odd."}}
    found["b"] = {"saliency": "Too dark.", "deeplift": "DeepLift does not suit this model: it is odd."}
    text = script.table(found)
    assert text.splitlines() == [
        script.LEGEND,
        "",
        "| Method | timm a | b |",
        "|---|---|---|",
        "| Saliency | works | no (1) |",
        "| DeepLift | no (2) | no (2) |",
        "",
        "1. Too dark.",
        "2. It is odd.",
    ]
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- matrix -->\nold\n<!-- /matrix -->\nafter\n")
    script.write(text, page)
    script.write(text, page)
    assert page.read_text() == f"before\n<!-- matrix -->\n{text}<!-- /matrix -->\nafter\n"
    page.write_text("no marks")
    with pytest.raises(SystemExit, match="add the two marks"):
        script.write(text, page)
