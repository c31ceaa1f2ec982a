"""Occlusion and ablation on networks whose gates see the whole input: the incremental engine against a plain loop.

The loop covers one place after another, asks the untouched model about each covered input, and takes the difference of
the scores.
"""

import itertools
import math
import random

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from timm.models.nfnet import NfCfg, NormFreeNet
from timm.models.resnet import BasicBlock, ResNet
from torch import nn
from torch.nn import functional as F

from workbench.attribution import incremental
from workbench.attribution.engine import attribute
from workbench.attribution.incremental import suits
from workbench.attribution.patched import Kept, cut
from workbench.attribution.superpixels import segmented
from workbench.models.loading import load_classifier
from workbench.models.preprocessing import BASELINES

torch.set_num_threads(1)
SIZE = (64, 80)


def awake(model, seed=0):
    """A model in evaluation mode with nothing asleep: layers that start as nothing are drawn, BatchNorm has
    statistics."""
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.abs().max() < 1e-2:
                parameter.copy_(torch.randn(parameter.shape, generator=chance) / 2)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=chance) / 4)
                module.running_var.copy_(torch.rand(module.running_var.shape, generator=chance) + 0.5)
    return model.eval()


class Gated(nn.Module):
    """A layer, a gate, a layer, and a linear head."""

    def __init__(self, gate):
        super().__init__()
        self.first, self.gate, self.second = nn.Conv2d(3, 8, 3, 2, 1), gate, nn.Conv2d(8, 6, 3, 1, 1)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = F.relu(self.gate(F.relu(self.first(x))))
        return self.head(F.relu(self.second(x)).mean((2, 3)))


class TwoHeads(Gated):
    """Answers with logits and with something else."""

    def forward(self, x):
        x = F.relu(self.first(x))
        x = x * x.mean((2, 3), keepdim=True)
        return {"aux": self.head(x.amax((2, 3))[:, :6]), "logits": self.head(F.relu(self.second(x)).mean((2, 3)))}


def squeezed(x):
    return x.mean((2, 3), keepdim=True)


def singly(step, x):
    return step(x) if len(x) == 1 else torch.cat([step(one) for one in x.split(1)])


W = torch.randn(8, 8, 3, 3, generator=torch.Generator().manual_seed(2)) / 6
GATES = {
    "a factor a channel": lambda x: x * squeezed(x).sigmoid(),
    "a factor a channel, in place": lambda x: x.mul_(squeezed(x).sigmoid()),
    "a shift a channel": lambda x: x + 3 * squeezed(x),
    "a shift and a scale": lambda x: (x - squeezed(x)) / (x.var((2, 3), keepdim=True) + 1).sqrt(),
    "without an axis for copies": lambda x: x * squeezed(x)[0] if len(x) == 1 else x * squeezed(x),
    "one factor an input": lambda x: x * x.mean((1, 2, 3), keepdim=True),
    "one number where there is one copy": lambda x: (
        x * x.mean() if len(x) == 1 else x * x.mean((1, 2, 3), keepdim=True)
    ),
    "a factor a place": lambda x: x * x.mean(1, keepdim=True).sigmoid(),
    "a factor a column": lambda x: x * x.mean(2, keepdim=True),
    "a factor a row and one a column": lambda x: x * x.mean(3, keepdim=True) * x.mean(2, keepdim=True),
    "both, one after the other": lambda x: (y := x * squeezed(x)) * y.amax(1, keepdim=True).sigmoid(),
    "a gate upon a gate": lambda x: (y := F.relu(x * squeezed(x))) + 2 * y * squeezed(y),
    "weights that depend on the input": lambda x: singly(lambda one: F.conv2d(one, W * squeezed(one), padding=1), x),
    "a bias that depends on the input": lambda x: singly(
        lambda one: F.conv2d(one, W, squeezed(one).flatten(), padding=1), x
    ),
    "statistics that depend on the input": lambda x: singly(
        lambda one: F.batch_norm(one, squeezed(one).flatten(), torch.ones(8)), x
    ),
    "a bound that depends on the input": lambda x: singly(lambda one: one.clamp(max=float(one.mean())), x),
    "a global response": lambda x: x + x * (g := x.norm(dim=(2, 3), keepdim=True)) / (g.mean(1, keepdim=True) + 1e-6),
}


def copies(image, count, chance, edge=24):
    """Copies of an image that each differ in one square of another shade, and where they differ."""
    height, width = image.shape[2:]
    differs = torch.zeros(count, height, width, dtype=torch.bool)
    for one in differs:
        top, left = chance.randrange(height - edge), chance.randrange(width - edge)
        one[top : top + edge, left : left + edge] = True
    shades = torch.tensor([chance.uniform(-3, 3) for _ in range(count)]).view(-1, 1, 1, 1)
    return torch.where(differs[:, None], shades, image), differs


@pytest.mark.parametrize("name", GATES)
def test_a_gate_answers_for_each_copy_in_chunks_of_one_and_of_many(name):
    torch.manual_seed(0)
    model, chance = Gated(GATES[name]).eval(), random.Random(name)
    image = torch.randn(1, 3, *SIZE)
    kept = Kept(image)
    for count in (1, 1, 2, 1, 5, 1, 2):
        inputs, differs = copies(image, count, chance)
        with torch.no_grad():
            expected, plain = torch.cat([model(one) for one in inputs.split(1)]), model(image)
        effect = (expected - plain).abs().max().item()
        assert effect > 1e-3 * plain.abs().max(), "the rectangles change nothing"
        found = kept.through(model, cut(kept, inputs, differs))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-3 * effect)


def test_what_is_written_to_after_its_use_is_no_longer_what_was_kept():
    """A weight that the model changes in place from pass to pass."""
    weight = torch.ones(1, 3, 1, 1)

    def growing(x):
        return (x * weight.add_(1)).relu()

    image, chance = torch.randn(1, 3, *SIZE), random.Random(0)
    kept = Kept(image)
    for factor in (2, 3, 4):
        inputs, differs = copies(image, 2, chance)
        torch.testing.assert_close(kept.through(growing, cut(kept, inputs, differs)), (inputs * factor).relu())


def small(attention):
    return lambda: ResNet(BasicBlock, [1, 1, 1, 1], 5, channels=(16, 24, 32, 48), block_args={"attn_layer": attention})


def small_nf(attention=None):
    """Without BatchNorm: its weights are made anew for every pass."""
    settings = NfCfg(
        (1, 1, 1, 1),
        (32, 48, 64, 64),
        stem_type="3x3",
        num_features=64,
        attn_layer=attention,
        attn_kwargs={},
        group_size=8,
    )
    return lambda: NormFreeNet(settings, num_classes=5)


def named(name):
    return lambda: timm.create_model(name, pretrained=False, num_classes=5)


FAMILIES = {
    "squeeze and excite: MobileNetV3 large": named("mobilenetv3_large_100"),
    "squeeze and excite: EfficientNet-B0": named("efficientnet_b0"),
    "squeeze and excite: RegNetY": named("regnety_002"),
    "squeeze and excite: ResNet": small("se"),
    "effective squeeze and excite": small("ese"),
    "squeeze and excite: torchvision's MobileNetV3": lambda: torchvision.models.mobilenet_v3_large(num_classes=5),
    "efficient channel attention": small("eca"),
    "convolutional block attention": small("cbam"),
    "lightweight block attention": small("lcbam"),
    "global context": small("gc"),
    "split attention": small("splat"),
    "selective kernels": small("sk"),
    "normaliser-free": small_nf(),
    "normaliser-free, squeeze and excite": small_nf("se"),
    "normaliser-free, efficient channel attention": small_nf("eca"),
    "global response normalisation": named("convnextv2_atto"),
    "mixture of weights": named("efficientnet_cc_b0_4e"),
    "two heads": lambda: TwoHeads(nn.Identity()),
}
CASES = list(
    itertools.product(
        ["occlusion", "feature_ablation"], ["plain", "textured"], BASELINES, ["stretch", "crop", "pad"], [1, 2, 16]
    )
)
DEALT = random.Random(11).sample(CASES, len(CASES))


def photograph(kind, seed):
    """An image: on plain ground two spots, or texture all over."""
    pixels = np.zeros((90, 70, 3), np.uint8)
    chance = np.random.default_rng(seed)
    if kind == "textured":
        pixels = chance.integers(0, 256, pixels.shape, np.uint8)
    for _ in range(2):
        top, left = chance.integers(20, 60), chance.integers(10, 50)
        pixels[top : top + 9, left : left + 12] = chance.integers(100, 256, 3)
    return Image.fromarray(pixels)


def areas(clf, method, x, share, segments):
    """The places that a method covers, each (H, W), by its definition: windows that overlap by half, or superpixels."""
    height, width = x.shape[2:]
    if method == "feature_ablation":
        parts = segmented(np.asarray(clf.preprocessing.image(x[0].numpy())), segments)
        return [torch.from_numpy(parts == part) for part in range(parts.max() + 1)]
    sizes = [max(round(n * share), 1) for n in (height, width)]
    steps = [max(size // 2, 1) for size in sizes]
    rows, columns = (
        range(math.ceil((n - size) / step) + 1) for n, size, step in zip((height, width), sizes, steps, strict=True)
    )
    found = []
    for row, column in itertools.product(rows, columns):
        place = torch.zeros(height, width, dtype=torch.bool)
        top, left = row * steps[0], column * steps[1]
        place[top : top + sizes[0], left : left + sizes[1]] = True
        found.append(place)
    return found


def looped(clf, image, method, baseline, share=0.2, segments=20):
    """The map by a plain loop: (H, W), and the largest and the plain score."""
    x = clf.prepare(image)[None]
    blank = torch.from_numpy(clf.preprocessing.baseline(baseline, image))[None]

    def score(inputs):
        with torch.no_grad():
            return clf.logits(inputs)[0, 1].item()

    plain, total, count = score(x), np.zeros(x.shape[2:]), np.zeros(x.shape[2:])
    for place in areas(clf, method, x, share, segments):
        fall = plain - score(torch.where(place, blank, x))
        total[place] += fall if method == "occlusion" else fall / place.sum().item()
        count[place] += 1
    return total / count, plain


def held(family, case, seed, monkeypatch):
    """Hold one map against the loop; the share of its peak by which it is off."""
    method, kind, baseline, resize, chunk = case
    torch.manual_seed(seed)
    clf = load_classifier(awake(FAMILIES[family]()), size=SIZE, resize=resize, device="cpu")
    monkeypatch.setitem(incremental._suited, clf, True)  # whether or not it is worth while
    monkeypatch.setattr(incremental, "PATCHED_CHUNK", chunk)
    image = photograph(kind, seed)
    expected, plain = looped(clf, image, method, baseline)
    settings = {"window": 0.2} if method == "occlusion" else {"segments": 20}
    found = attribute(clf, image, method, 1, baseline=baseline, **settings).values
    whole = found[0] if method == "occlusion" else found.sum(0)
    per_area = abs(plain) * (
        1 if method == "occlusion" else 1 / 50
    )  # an ablated part's fall is shared out among its pixels
    np.testing.assert_allclose(
        whole, expected, rtol=0, atol=2e-3 * np.abs(expected).max() + 4e-6 * per_area, err_msg=str(case)
    )
    return np.abs(expected).max()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_gated_network_has_the_map_that_a_plain_loop_makes(family, monkeypatch):
    place = list(FAMILIES).index(family)
    peaks = [held(family, case, seed, monkeypatch) for seed, case in enumerate(DEALT[place :: len(FAMILIES)][:2])]
    assert max(peaks) > 0, "nothing was changed"


PARTS = 12


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("family", FAMILIES)
def test_a_gated_network_has_that_map_in_every_case(family, part, monkeypatch):
    for seed in range(part, len(CASES), PARTS):
        held(family, CASES[seed], seed, monkeypatch)


@pytest.mark.parametrize("method", ["lime", "kernel_shap", "score_cam"])
def test_other_methods_ask_about_whole_inputs(method, monkeypatch):
    """They change an input everywhere, where nothing could be shared; a chunk answers as its inputs do one by one."""
    torch.manual_seed(0)
    clf = load_classifier(awake(small("se")()), size=SIZE, device="cpu")
    monkeypatch.setattr(Kept, "through", lambda *_: pytest.fail("only what differs was computed"))
    image, settings = photograph("textured", 0), {} if method == "score_cam" else {"segments": 6, "samples": 24}
    together = attribute(clf, image, method, 1, **settings).values
    plain = clf.model.forward
    monkeypatch.setattr(clf.model, "forward", lambda x: torch.cat([plain(one) for one in x.split(1)]))
    singly = attribute(clf, image, method, 1, **settings).values
    assert np.abs(singly).max() > 0
    np.testing.assert_allclose(together, singly, rtol=0, atol=1e-3 * np.abs(singly).max())


def test_a_large_gated_network_on_plain_ground_is_tried_and_right(monkeypatch):
    """As it is used: nothing is forced. Most windows change nothing here, so that a chunk may hold a single copy."""
    torch.manual_seed(3)
    clf = load_classifier(
        awake(timm.create_model("mobilenetv3_large_100", num_classes=5)), size=(160, 160), device="cpu"
    )
    assert suits(clf)
    image = Image.new("RGB", (160, 160))
    image.paste((200, 180, 160), (70, 60, 86, 74))
    expected, _ = looped(clf, image, "occlusion", "black", 0.125)
    found = attribute(clf, image, "occlusion", 1, baseline="black").values[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3 * np.abs(expected).max())
