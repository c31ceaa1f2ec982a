"""Class activation maps: equal to their formulas and to Captum, on every architecture, in the right place, or
refused."""

import captum.attr as captum
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from workbench.attribution import capture
from workbench.attribution.capture import choose_layer, survey
from workbench.attribution.engine import attribute
from workbench.attribution.job import Job
from workbench.attribution.layers import IMPLEMENTATIONS
from workbench.attribution.methods import METHODS
from workbench.attribution.result import Score
from workbench.errors import InputError
from workbench.models.loading import load_classifier

torch.set_num_threads(1)
SIZE = (16, 24)
IMAGE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (37, 53, 3), dtype=np.uint8))
SIMPLE = sorted(IMPLEMENTATIONS.keys() - {"guided_grad_cam"})

DEFAULTS = {
    "timm:resnet18": ("layer4", (512, 7, 7)),
    "timm:convnext_atto": ("stages", (320, 7, 7)),
    "timm:mobilenetv3_small_100": ("blocks", (576, 7, 7)),
    "timm:efficientnet_b0": ("bn2", (1280, 7, 7)),
    "timm:regnety_002": ("s4", (368, 7, 7)),
    "timm:vit_tiny_patch16_224": ("blocks.11.norm1", (192, 14, 14)),
    "timm:deit_tiny_distilled_patch16_224": ("blocks.11.norm1", (192, 14, 14)),
    "timm:swin_tiny_patch4_window7_224": ("norm", (768, 7, 7)),
    "timm:mixer_s32_224": ("norm", (512, 7, 7)),
    "timm:levit_128s": ("stages.1", (256, 7, 7)),
    "torchvision:resnet18": ("layer4", (512, 7, 7)),
    "torchvision:mobilenet_v3_small": ("features", (576, 7, 7)),
}
LARGE = {
    "timm:densenet121": ("features", (1024, 7, 7)),
    "torchvision:vgg11": ("features", (512, 7, 7)),
    "torchvision:swin_t": ("norm", (768, 7, 7)),
    "torchvision:vit_b_32": ("encoder.layers.encoder_layer_11.ln_1", (768, 7, 7)),
}
"""What is looked at unless told: the last grid before pooling, and where a class token answers, what its last block
reads. In an untrained LeViT nothing of a place survives its last attention, which has no way around it."""


def load(model, size=SIZE, **settings):
    return load_classifier(model.eval(), size=size, device="cpu", **settings)


class Net(nn.Module):
    """Convolutions with in-place ReLUs, global average pooling, a linear head."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.down = nn.Conv2d(6, 12, 3, stride=2, padding=1)
        self.end = nn.ReLU(inplace=True)
        self.head = nn.Linear(12, 3)
        with torch.no_grad():
            self.head.weight *= 30

    def forward(self, x):
        return self.head(self.end(self.down(self.act(self.conv(x)))).mean((2, 3)))


@pytest.fixture(scope="module")
def net():
    return load(Net())


def parts(clf, layer, target):
    """A layer's activation and the gradient of the logit to it, both (C, h, w), from a plain pass."""
    kept = []

    def keep(module, inputs, output):
        kept.append(output)
        output.retain_grad()
        return output.clone()

    with torch.enable_grad():
        handle = clf.model.get_submodule(layer).register_forward_hook(keep)
        clf.model(clf.prepare(IMAGE)[None].requires_grad_())[0, target].backward()
        handle.remove()
    clf.model.zero_grad()
    return kept[0].detach()[0], kept[0].grad[0]


def laid(grid, size=SIZE):
    return functional.interpolate(grid[None, None], size, mode="bilinear")[0].numpy()


@pytest.mark.parametrize("ref", [*DEFAULTS, *(pytest.param(ref, marks=pytest.mark.slow) for ref in LARGE)])
def test_the_layer_that_is_looked_at_unless_told(ref):
    torch.manual_seed(0)
    clf = load_classifier(ref, device="cpu")
    name, shape = (DEFAULTS | LARGE)[ref]
    assert choose_layer(clf, None) == name
    assert clf.layers[name] == shape
    assert name in survey(clf).live


@pytest.mark.parametrize("ref", ["timm:resnet18", "timm:convnext_atto", "torchvision:mobilenet_v3_small"])
def test_grad_cam_equals_captum(ref):
    size = (96, 128)
    clf = load_classifier(ref, device="cpu", size=size)
    clf.model.eval()
    x = clf.prepare(IMAGE)[None]
    for layer in (choose_layer(clf, None), [name for name, shape in clf.layers.items() if shape[1:] == (12, 16)][-1]):
        plain = captum.LayerGradCam(clf.model, clf.model.get_submodule(layer)).attribute(x, target=2)
        expected = captum.LayerAttribution.interpolate(plain, size, interpolate_mode="bilinear").detach().numpy()[0]
        np.testing.assert_allclose(
            attribute(clf, IMAGE, "grad_cam", 2, layer=layer).values, expected, atol=1e-5, rtol=1e-5
        )
        assert np.abs(expected).max() > 0


def test_guided_grad_cam_equals_captum(net):
    guided = captum.GuidedGradCam(net.model, net.model.down)
    expected = (
        guided.attribute(net.prepare(IMAGE)[None].requires_grad_(), target=1, interpolate_mode="bilinear")
        .detach()
        .numpy()[0]
    )
    np.testing.assert_allclose(attribute(net, IMAGE, "guided_grad_cam", 1, layer="down").values, expected, atol=1e-6)
    assert np.abs(expected).max() > 1e-4
    smooth = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(InputError, match=r"^Guided Grad-CAM does not suit.*uses Gelu"):
        attribute(load(smooth), IMAGE, "guided_grad_cam")


@pytest.mark.parametrize("layer", ["conv", "down", "end"])
def test_maps_of_gradients_equal_their_plain_formulas(net, layer):
    values, gradient = parts(net, layer, 2)
    plus, cam, fine = (torch.zeros(values.shape[1:]) for _ in range(3))
    for a, g in zip(values, gradient, strict=True):
        weight = 0.0
        for i in range(a.shape[0]):
            for j in range(a.shape[1]):
                below = 2 * g[i, j] ** 2 + a.sum() * g[i, j] ** 3
                weight += (g[i, j] ** 2 / below if below != 0 else 0) * max(g[i, j], 0)
        plus += weight * a
        cam += g.mean() * a
        fine += g.clamp(min=0) * a
    for name, expected in {"grad_cam_pp": plus, "grad_cam": cam, "layer_cam": fine}.items():
        found = attribute(net, IMAGE, name, 2, layer=layer).values
        np.testing.assert_allclose(
            found, laid(expected), atol=1e-5 * expected.abs().max().item(), rtol=1e-4, err_msg=name
        )
        assert found.std() > 0


def test_grad_cam_shares_out_the_score_of_a_linear_head_on_pooled_features(net):
    """The map's sum on the layer's grid is the score without its bias; over the input each cell counts as often as it
    has pixels."""
    for target in range(3):
        found = attribute(net, IMAGE, "grad_cam", target)
        assert found.params["layer"] == "end"
        factor = (SIZE[0] // 8) * (SIZE[1] // 12)
        assert found.values.sum() / factor == pytest.approx(found.output - net.model.head.bias[target].item(), abs=1e-4)


@pytest.mark.parametrize("limit", [0, 3, 12, 40])
def test_score_cam_equals_a_plain_loop_over_channels(limit):
    model = Net()
    with torch.no_grad():
        model.down.weight[5], model.down.bias[5] = 0, 3  # a busy channel that says nothing
    clf = load(model)
    x, values = clf.prepare(IMAGE)[None], parts(clf, "end", 1)[0]
    varying = [k for k in range(12) if values[k].max() > values[k].min()]
    assert 5 not in varying
    kept = sorted(varying, key=lambda k: -values[k].mean())[: limit or None]
    scores = []
    for k in kept:
        mask = torch.from_numpy(laid(values[k]))
        scores.append(clf.model(x * (mask - mask.min()) / (mask.max() - mask.min()))[0, 1].item())
    weights = np.exp(scores) / np.exp(scores).sum()
    expected = laid(sum(float(w) * values[k] for w, k in zip(weights, kept, strict=True)).clamp(min=0))
    found = attribute(clf, IMAGE, "score_cam", 1, channels=limit)
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    assert found.params["channels"] == len(kept)


def test_eigen_cam_is_the_first_principal_component_for_every_class(net):
    values = parts(net, "down", 0)[0].flatten(1).numpy()
    centred = values - values.mean(1, keepdims=True)
    _, vectors = np.linalg.eigh(centred @ centred.T)
    along = vectors[:, -1] @ centred
    along *= np.sign(along[np.abs(along).argmax()])
    expected = laid(torch.from_numpy(along.reshape(8, 12)).float().clamp(min=0))
    maps = [attribute(net, IMAGE, "eigen_cam", target, layer="down").values for target in range(3)]
    np.testing.assert_allclose(maps[0], expected, atol=1e-4)
    np.testing.assert_array_equal(maps[0], maps[1])


class Redness(nn.Module):
    """How red the image is, by cells of 8 pixels: as (C, h, w), as (h, w, C), or as tokens."""

    def __init__(self, layout):
        super().__init__()
        self.layout = layout
        self.cells = nn.Conv2d(3, 2, 8, stride=8)
        self.act = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True))
        with torch.no_grad():
            self.cells.weight.copy_(
                torch.tensor([[1.0, -0.5, -0.5], [0.0, 0.0, 0.01]])[:, :, None, None].expand(2, 3, 8, 8) / 64
            )
            self.cells.bias.zero_()

    def forward(self, x):
        x = self.cells(x)
        if self.layout == "last":
            pooled = self.act(x.permute(0, 2, 3, 1)).mean((1, 2))
        elif self.layout == "tokens":
            pooled = self.act(functional.pad(x.flatten(2).transpose(1, 2), (0, 0, 1, 0)))[:, 1:].mean(1)
        else:
            pooled = self.act(x).mean((2, 3))
        return torch.stack([0.1 * pooled[:, 1], pooled[:, 0]], 1)


@pytest.mark.parametrize("method", SIMPLE)
@pytest.mark.parametrize("layout", ["first", "last", "tokens"])
@pytest.mark.parametrize(("width", "height", "box"), [(96, 64, (48, 32, 64, 48)), (64, 120, (11, 60, 21, 90))])
def test_the_peak_lies_in_the_patch_that_decides(method, layout, width, height, box):
    image = Image.new("RGB", (width, height), (128, 128, 128))
    image.paste((255, 0, 0), box)
    clf = load(Redness(layout), (32, 48), resize="stretch")
    for layer in (None, "act.0"):
        seen = attribute(clf, image, method, 1, layer=layer).on_image()
        y, x = np.unravel_index(seen.argmax(), seen.shape)
        assert box[0] <= x < box[2], f"column {x}"
        assert box[1] <= y < box[3], f"row {y}"
        assert seen.max() > 0


@pytest.fixture(scope="module")
def vit():
    return load_classifier("timm:vit_tiny_patch16_224", device="cpu")


@pytest.mark.parametrize("method", ["grad_cam", "layer_cam", "score_cam", "eigen_cam"])
@pytest.mark.parametrize("layer", ["blocks.11", "norm", "blocks.11.mlp.fc1"])
def test_layers_of_a_transformer_whose_patches_no_longer_matter_are_refused(vit, method, layer):
    with pytest.raises(InputError, match=rf"from the class token.*own tokens at {layer}: choose blocks.11.norm1\.$"):
        attribute(vit, IMAGE, method, 0, layer=layer)


def test_a_layer_that_the_score_does_not_use_is_refused():
    class Aside(Net):
        def __init__(self):
            super().__init__()
            self.aside = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            self.aside(x)
            return super().forward(x)

    with pytest.raises(InputError, match="does not depend on the layer aside: choose end"):
        attribute(load(Aside()), IMAGE, "grad_cam", layer="aside")


def test_a_gradient_that_is_zero_on_one_image_alone_is_a_map_of_zeros():
    model = Net()
    with torch.no_grad():
        model.head.weight[1] = 0
    assert not attribute(load(model), IMAGE, "grad_cam", 1).values.any()
    with pytest.raises(InputError, match="the same whatever part of the image is shown"):
        attribute(load(model), IMAGE, "score_cam", 1)


def test_a_head_of_zeros_hides_no_layer():
    model = Net()
    nn.init.zeros_(model.head.weight)
    assert choose_layer(load(model), None) == "end"


def test_layers_that_run_twice_are_refused_by_name_and_never_the_default():
    same = nn.ReLU()
    model = nn.Sequential(nn.Conv2d(3, 4, 3), same, nn.Conv2d(4, 4, 3), same, nn.Flatten(), nn.Linear(4 * 12 * 20, 2))
    clf = load(model)
    assert choose_layer(clf, None) == "2"
    with pytest.raises(InputError, match=r"runs 2 times in one pass.*choose one such as 0, 2\.$"):
        attribute(clf, IMAGE, "grad_cam", layer="1")


def test_what_has_no_gradient_is_refused():
    class Sealed(Net):
        def forward(self, x):
            with torch.no_grad():
                return super().forward(x)

    with pytest.raises(InputError, match="no gradient flows"):
        attribute(load(Sealed()), IMAGE, "grad_cam", layer="down")


@pytest.mark.parametrize("method", ["grad_cam", "layer_cam", "eigen_cam", "attention_rollout", "gradient_attention"])
def test_a_class_token_behind_the_others_gives_the_map_of_one_before_them(method):
    class Placed(nn.Module):
        def __init__(self, behind):
            super().__init__()
            torch.manual_seed(1)
            self.cells, self.mix, self.head = (
                nn.Conv2d(3, 8, 8, stride=8),
                nn.MultiheadAttention(8, 2, batch_first=True),
                nn.Linear(8, 2),
            )
            self.norm, self.out, self.behind = nn.LayerNorm(8), nn.LayerNorm(8), behind

        def forward(self, x):
            tokens = self.cells(x).flatten(2).transpose(1, 2)
            x = self.norm(functional.pad(tokens, (0, 0, 0, 1) if self.behind else (0, 0, 1, 0), value=1))
            return self.head(self.out(self.mix(x, x, x)[0])[:, -1 if self.behind else 0])

    size = (64, 48)
    maps = [attribute(load(Placed(behind), size), IMAGE, method).values for behind in (True, False)]
    np.testing.assert_allclose(*maps, atol=1e-5 * np.abs(maps[0]).max())
    assert np.abs(maps[0]).std() > 0


def test_a_channel_that_never_varies_leaves_nothing_to_score():
    model = Net()
    nn.init.zeros_(model.down.weight)
    nn.init.ones_(model.down.bias)
    with pytest.raises(InputError, match="no channel of the layer end varies"):
        attribute(load(model), IMAGE, "score_cam", layer="end")


def test_what_lies_before_the_layer_runs_without_a_graph(net):
    graphs = {}
    handles = [
        m.register_forward_hook(lambda m, i, o, n=n: graphs.update({n: o.requires_grad}))
        for n, m in net.model.named_children()
    ]
    try:
        attribute(net, IMAGE, "grad_cam", 0, layer="down")
    finally:
        for handle in handles:
            handle.remove()
    assert graphs == {"conv": False, "act": False, "down": False, "end": True, "head": True}


def test_the_survey_is_made_once_and_leaves_nothing(monkeypatch):
    clf, calls = load(Net()), []
    real = capture._survey
    monkeypatch.setattr(capture, "_survey", lambda c: calls.append(1) or real(c))
    with torch.inference_mode():
        assert choose_layer(clf, None) == "end", "asked from where gradients are off"
    assert choose_layer(clf, None) == "end"
    assert len(calls) == 1
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in clf.model.modules())
    assert all(p.requires_grad and p.grad is None for p in clf.model.parameters())


@pytest.mark.parametrize("method", SIMPLE)
def test_hooks_go_away_when_the_model_fails(method):
    model = Net()
    clf = load(model)
    survey(clf)
    model.head.weight = nn.Parameter(torch.zeros(3, 5))
    params = {"layer": "end", "channels": 0}
    job = Job(
        METHODS[method],
        Score("logit", 0),
        lambda x: clf.logits(x)[:, 0],
        clf.prepare(IMAGE)[None],
        None,
        None,
        params,
        clf,
    )
    with pytest.raises(RuntimeError):
        IMPLEMENTATIONS[method].run(job)
    assert not any(m._forward_hooks for m in model.modules())
