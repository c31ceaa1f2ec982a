"""Maps of attention: equal to their formulas, true to the fused model, in the right place, and refused where there is
none to follow."""

import numpy as np
import pytest
import torch
from PIL import Image
from timm.models.deit import VisionTransformerDistilled as Distilled
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn import functional
from torchvision.models import SwinTransformer as WindowedNet
from torchvision.models import VisionTransformer as SquareTransformer

from workbench.attribution import attention
from workbench.attribution.engine import attribute
from workbench.attribution.job import Job
from workbench.attribution.methods import METHODS as TABLE
from workbench.attribution.result import Score
from workbench.errors import InputError
from workbench.models.classifier import untouched
from workbench.models.loading import load_classifier

torch.set_num_threads(1)
SIZE = (32, 48)
IMAGE = Image.fromarray(np.random.default_rng(5).integers(0, 256, (40, 61, 3), dtype=np.uint8))
METHODS = ["attention_rollout", "gradient_attention"]


def load(model, size=SIZE, **settings):
    return load_classifier(model.eval(), size=size, device="cpu", resize="stretch", **settings)


def small(kind=VisionTransformer, **more):
    """A transformer of timm with 4 x 6 patches, three blocks of two heads, and weights large enough to matter."""
    torch.manual_seed(8)
    model = kind(img_size=SIZE, patch_size=8, embed_dim=16, depth=3, num_heads=2, num_classes=4, **more)
    return awake(model)


def square():
    torch.manual_seed(9)
    return awake(
        SquareTransformer(
            image_size=32, patch_size=8, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=4
        )
    )


def awake(model):
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.4)
    return model


MODELS = {
    "class token": (small, SIZE, 1, [0]),
    "registers": (lambda: small(reg_tokens=3), SIZE, 4, [0]),
    "distilled": (lambda: small(Distilled), SIZE, 2, [0, 1]),
    "mean": (lambda: small(class_token=False, global_pool="avg"), SIZE, 0, range(24)),
    "mean of patches": (lambda: small(global_pool="avg"), SIZE, 1, range(1, 25)),
    "torchvision": (square, (32, 32), 1, [0]),
}
"""How each is made, its input, its prefix tokens, and the tokens that its head reads."""


def watched(clf, target, monkeypatch):
    """Logits, matrices of attention (heads, T, T) and the gradients of one logit to them, taken where torch fuses
    them."""
    matrices = []

    def plain(q, k, v, *_, **__):
        matrices.append((q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1))
        matrices[-1].retain_grad()
        return matrices[-1] @ v

    with monkeypatch.context() as patch:
        patch.setattr(functional, "scaled_dot_product_attention", plain)
        logits = clf.logits(clf.prepare(IMAGE)[None].requires_grad_())
    logits[0, target].backward()
    clf.model.zero_grad()
    return logits.detach()[0], [m.detach()[0] for m in matrices], [m.grad[0] for m in matrices]


def reached(flow, readers, prefix, size):
    grid = sum(flow[i] for i in readers)[prefix:] / len(readers)
    return functional.interpolate(grid.reshape(1, 1, size[0] // 8, size[1] // 8), size, mode="bilinear")[0].numpy()


@pytest.mark.parametrize("name", MODELS)
def test_maps_equal_their_plain_formulas(name, monkeypatch):
    make, size, prefix, readers = MODELS[name]
    clf = load(make(), size)
    logits, matrices, gradients = watched(clf, 2, monkeypatch)
    assert len(matrices) == 3
    assert matrices[0].shape[0] == 2
    one = torch.eye(matrices[0].shape[-1])
    rolled, relevance = one, one
    for matrix, gradient in zip(matrices, gradients, strict=True):
        rolled = (matrix.mean(0) + one) / 2 @ rolled
        relevance = relevance + (matrix * gradient).clamp(min=0).mean(0) @ relevance
    found = {method: attribute(clf, IMAGE, method, 2) for method in METHODS}
    np.testing.assert_allclose(found["attention_rollout"].values, reached(rolled, readers, prefix, size), atol=1e-5)
    expected = reached(relevance - one, readers, prefix, size)
    np.testing.assert_allclose(found["gradient_attention"].values, expected, atol=1e-4 * expected.max())
    for one in found.values():
        assert one.output == pytest.approx(logits[2].item(), abs=1e-4)
        assert one.values.min() >= 0
        assert one.values.std() > 1e-3 * one.values.mean()


@pytest.mark.parametrize("name", MODELS)
def test_the_model_answers_as_with_fused_attention(name):
    make, size, *_ = MODELS[name]
    clf = load(make(), size)
    x = clf.prepare(IMAGE)[None]
    job = Job(TABLE["gradient_attention"], Score("logit", 0), lambda z: clf.logits(z)[:, 0], x, None, None, {}, clf)
    with untouched(clf):
        score, matrices = attention._forward(job)
        with torch.inference_mode():
            fused = clf.logits(x)[:, 0]
    assert len(matrices) == 3
    torch.testing.assert_close(score.detach(), fused, atol=1e-4, rtol=1e-4)


def test_rollout_is_the_same_for_every_class_and_gradient_attention_is_not():
    clf = load(small())
    rollouts, weighted = ([attribute(clf, IMAGE, method, target).values for target in (0, 1)] for method in METHODS)
    np.testing.assert_array_equal(*rollouts)
    assert np.abs(weighted[0] - weighted[1]).max() > 0.01 * weighted[0].max()


def state(model):
    hooks = [
        len(t) for m in model.modules() for n, t in sorted(vars(m).items()) if n.endswith("_hooks") and t is not None
    ]
    return hooks, [m.fused_attn for m in model.modules() if hasattr(m, "fused_attn")]


@pytest.mark.parametrize("name", ["class token", "torchvision"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("failure", [None, "block", "stop"])
def test_flags_and_hooks_are_as_before(name, method, failure):
    make, size, *_ = MODELS[name]
    model = make()
    if name == "class token":
        model.blocks[1].attn.fused_attn = False  # a mixture must come back as a mixture
    clf = load(model, size)
    clean = attribute(clf, IMAGE, method, 0).values
    before, calls, more = state(model), [], {}

    def blow(module, inputs, output):
        calls.append(1)
        if failure == "block" and len(calls) == 1:
            raise ArithmeticError("planted")

    model.get_submodule(
        "blocks.2" if name == "class token" else "encoder.layers.encoder_layer_2"
    ).register_forward_hook(blow)
    if failure == "stop":
        more = {"on_progress": lambda done, total: 1 / 0}
    if failure:
        with pytest.raises(ArithmeticError):
            attribute(clf, IMAGE, method, 0, **more)
    after = state(model)
    assert after[1] == before[1]
    assert sum(after[0]) == sum(before[0]) + 1
    np.testing.assert_array_equal(attribute(clf, IMAGE, method, 0).values, clean)


class Seeker(nn.Module):
    """A hand-made transformer on 4 x 6 patches whose class token looks for red, block after block, and answers with
    what it found."""

    def __init__(self, blocks=2):
        super().__init__()
        self.patches = nn.Conv2d(3, 4, 8, stride=8)
        self.norms = nn.ModuleList(nn.Identity() for _ in range(blocks))
        self.attention = nn.ModuleList(nn.MultiheadAttention(4, 1, batch_first=True) for _ in range(blocks))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
            self.patches.weight[0] = torch.tensor([1.0, -0.5, -0.5])[:, None, None] / 64
            for layer in self.attention:
                layer.in_proj_weight[0, 3] = 20.0  # query: being the class token
                layer.in_proj_weight[4, 0] = 1.0  # key: red
                layer.in_proj_weight[9, 0] = 1.0  # value: red, handed on in channel 1
                layer.out_proj.weight.copy_(torch.eye(4))

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([torch.tensor([0.0, 0, 0, 1]).expand(len(x), 1, 4), x], 1)
        for norm, layer in zip(self.norms, self.attention, strict=True):
            y = norm(x)
            x = x + layer(y, y, y, need_weights=False)[0]
        return torch.stack([-x[:, 0, 1], x[:, 0, 1]], 1)


@pytest.mark.parametrize("method", [*METHODS, "grad_cam", "grad_cam_pp", "layer_cam", "score_cam", "eigen_cam"])
@pytest.mark.parametrize(("width", "height", "box"), [(96, 64, (48, 32, 64, 48)), (66, 124, (11, 62, 22, 93))])
def test_the_peak_lies_in_the_patch_that_is_sought(method, width, height, box):
    image = Image.new("RGB", (width, height), (128, 128, 128))
    image.paste((255, 0, 0), box)
    found = attribute(load(Seeker()), image, method, 1)
    seen = found.on_image()
    y, x = np.unravel_index(seen.argmax(), seen.shape)
    assert box[0] <= x < box[2], f"column {x}"
    assert box[1] <= y < box[3], f"row {y}"
    inside = seen[box[1] : box[3], box[0] : box[2]].mean()
    assert inside > 3 * np.abs(seen).mean()
    if "layer" in found.params:
        assert found.params["layer"] == "norms.1"


def test_attention_may_be_called_with_its_settings_in_order():
    other = Seeker()

    def ordered(x):
        x = other.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([torch.tensor([0.0, 0, 0, 1]).expand(len(x), 1, 4), x], 1)
        for norm, layer in zip(other.norms, other.attention, strict=True):
            y = norm(x)
            x = x + layer(y, y, y, None, False, None, True)[0]
        return torch.stack([-x[:, 0, 1], x[:, 0, 1]], 1)

    other.forward = ordered
    for method in METHODS:
        one, two = (attribute(load(model), IMAGE, method, 1).values for model in (Seeker(), other))
        np.testing.assert_array_equal(one, two)


def unsoftened():
    """Attention whose rows do not add up to one."""
    model = small()
    model.blocks[1].attn.attn_drop.register_forward_hook(lambda module, inputs, output: output * 1.5)
    return model


class Shrinking(nn.Module):
    """Attention on 4 x 6 tokens, then on half as many."""

    def __init__(self):
        super().__init__()
        self.cells, self.head = nn.Conv2d(3, 8, 8, stride=8), nn.Linear(8, 2)
        self.one, self.two = (nn.MultiheadAttention(8, 2, batch_first=True) for _ in range(2))

    def forward(self, x):
        x = self.cells(x).flatten(2).transpose(1, 2)
        x = self.one(x, x, x)[0][:, ::2]
        return self.head(self.two(x, x, x)[0].mean(1))


REFUSED = {
    "no attention": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(2)), "no attention modules"),
    "timm swin": (
        lambda: SwinTransformer(
            img_size=32, patch_size=2, window_size=4, embed_dim=8, depths=(2, 2), num_heads=(2, 2), num_classes=3
        ),
        "stays within windows",
    ),
    "torchvision swin": (
        lambda: WindowedNet([2, 2], 8, [2], [2], [4, 4], num_classes=3),
        "the attention of its ShiftedWindowAttention cannot be read",
    ),
    "changing grid": (Shrinking, "changes its grid between blocks"),
    "no shares": (unsoftened, "does not share out a whole"),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", REFUSED)
def test_models_without_attention_over_the_whole_image_are_refused(name, method, refusal):
    make, reason = REFUSED[name]
    model = make()
    size = (32, 32) if "swin" in name else SIZE
    model(torch.zeros(1, 3, *size))
    clf = load(model, size)
    before = state(model)
    assert reason in refusal(lambda: attribute(clf, IMAGE, method, 0))
    assert state(model) == before


def test_attention_without_a_gradient_is_refused():
    class Sealed(Seeker):
        def forward(self, x):
            with torch.no_grad():
                return super().forward(x)

    with pytest.raises(InputError, match="no gradient flows"):
        attribute(load(Sealed()), IMAGE, "gradient_attention")
