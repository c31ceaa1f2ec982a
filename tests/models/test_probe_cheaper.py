"""Cheaper copies: rounded and pruned exactly, each a classifier of its own, the original as it was."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.attribution.engine import attribute
from workbench.images.item import BytesSource, ImageItem
from workbench.models.classifier import ask, predict
from workbench.models.compressed import CHEAPER, Stored, cheaper, stored
from workbench.models.exported import Exported
from workbench.models.loading import load_classifier
from workbench.probe.versus import compare_models

torch.set_num_threads(1)
LAYERS = (nn.modules.conv._ConvNd, nn.Linear)


def linear(rows) -> nn.Sequential:
    layer = nn.Linear(len(rows[0]), len(rows))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(rows))
        layer.bias.copy_(torch.tensor([0.123456, 0.2]))
    return nn.Sequential(nn.AdaptiveAvgPool2d((1, len(rows[0]) // 3)), nn.Flatten(), layer)


def loaded(model, size=(16, 24), **settings):
    return load_classifier(
        model, size=size, class_names=settings.pop("class_names", ["a", "b"]), device="cpu", **settings
    )


def images(count: int):
    return list(np.random.default_rng(0).integers(0, 256, (count, 16, 24, 3), np.uint8))


def digest(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_rounding_is_as_worked_out_by_hand() -> None:
    """Each row has its own scale: the largest value over 127, or over 7; 0.3 / (0.7 / 7) = 3, 0.26 / 0.1 = 2.6, which
    is rounded to 3."""
    rows = [[1.27, -0.314, 0.006, 0.004, -1.27, 0.0], [0.7, 0.3, 0.26, -0.34, 0.05, -0.7]]
    original = loaded(linear(rows))
    eight, four = (cheaper(original, how).model[2] for how in ("int8", "int4"))
    assert eight.weight[0].tolist() == pytest.approx([1.27, -0.31, 0.01, 0.0, -1.27, 0.0], abs=1e-7)
    assert four.weight[1].tolist() == pytest.approx([0.7, 0.3, 0.3, -0.3, 0.0, -0.7], abs=1e-7)
    assert (eight.bias == original.model[2].bias).all()
    half = cheaper(original, "half").model[2]
    assert half.bias[0].item() == 0.12353515625  # 253 / 2048: eight binary digits
    assert half.weight[0, 0].item() == 1.2734375
    assert original.model[2].weight[0].tolist() == pytest.approx(rows[0])


@pytest.mark.parametrize(("make", "channel"), [(nn.Conv2d, 0), (nn.ConvTranspose2d, 1)])
def test_a_convolution_is_rounded_by_its_output_channels(make, channel) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(make(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight[(slice(None),) * channel + (0,)] *= 100  # one loud channel must not make the others coarse
        model[0].weight[(slice(None),) * channel + (1,)] = 0
    before = model[0].weight.detach().clone().transpose(0, channel)
    after = cheaper(loaded(model), "int8").model[0].weight.detach().transpose(0, channel)
    for own, rounded in zip(before, after, strict=True):
        step = own.abs().max() / 127
        assert torch.isfinite(rounded).all()
        assert (own - rounded).abs().max() <= step / 2 + 1e-7
        assert own.abs().max() == pytest.approx(rounded.abs().max().item())
        assert len(rounded.unique()) > 5 or not own.any()


@pytest.mark.parametrize(("how", "share"), [("pruned 30 %", 0.3), ("pruned 50 %", 0.5), ("pruned 80 %", 0.8)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_pruning_sets_exactly_the_share_of_the_smallest_to_zero(how, share, layout, tiny_net) -> None:
    original = loaded(tiny_net().to(memory_format=layout))
    pruned = cheaper(original, how)
    old, new = (
        [m.weight.detach().ravel() for m in c.model.modules() if isinstance(m, LAYERS)] for c in (original, pruned)
    )
    old, new = torch.cat(old), torch.cat(new)
    gone = new == 0
    assert gone.sum() == round(share * len(old))
    assert pruned.model[0].weight.stride() == original.model[0].weight.stride()
    assert (new[~gone] == old[~gone]).all()
    assert old[gone].abs().max() <= old[~gone].abs().min()
    assert pruned.model.state_dict().keys() == original.model.state_dict().keys()  # made permanent: no masks are left
    assert not any(module._forward_pre_hooks for module in pruned.model.modules())


@pytest.mark.parametrize("how", CHEAPER)
def test_a_copy_is_a_classifier_of_its_own(how, tiny_net) -> None:
    model = tiny_net(seed=3).train()
    original = loaded(model, name="Net", positive="b", threshold=0.4)
    before, hooks = digest(model), copy.copy(model._forward_hooks)
    made = cheaper(original, how)
    after = digest(model)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    assert hooks == model._forward_hooks
    assert (made.name, made.rule, made.preprocessing) == (f"Net ({how})", original.rule, original.preprocessing)
    assert made.lock is not original.lock
    assert len({original.key, made.key, *(cheaper(original, other).key for other in CHEAPER)}) == len(CHEAPER) + 1
    assert cheaper(original, how).key == made.key
    assert CHEAPER[how].about in made.notes[-1]
    assert "floating point" in made.notes[-1]
    one, other = ask(original, images(4)), ask(made, images(4))
    assert (one != other).any()
    assert attribute(made, Image.fromarray(images(1)[0]), "saliency").values.any()


def test_the_gentler_copy_is_the_nearer_one(tiny_net) -> None:
    original = loaded(tiny_net(seed=3))
    one = ask(original, images(8))
    apart = {how: np.abs(one - ask(cheaper(original, how), images(8))).mean() for how in CHEAPER}
    assert 0 < apart["int8"] < 0.01 < apart["pruned 80 %"]
    assert apart["int8"] < apart["int4"]
    assert apart["pruned 30 %"] < apart["pruned 80 %"]


def test_what_is_stored_is_counted_in_bits(tiny_net) -> None:
    """The net has 3 * 4 * 9 = 108 and 4 * 2 = 8 weights in 4 + 2 channels, 4 + 2 biases, and 4 * 4 numbers of
    BatchNorm."""
    original = loaded(tiny_net())
    assert stored(original).size == 4 * (116 + 22)
    assert stored(original).weights == 138
    sizes = {how: stored(cheaper(original, how), how) for how in CHEAPER}
    assert sizes["half"].size == 2 * 138
    assert sizes["int8"].size == 116 + 4 * 6 + 4 * 22
    assert sizes["int4"].size == 58 + 4 * 6 + 4 * 22
    pruned, zeros = sizes["pruned 50 %"], stored(original).zeros
    assert pruned == Stored(4 * 58 + 15 + 4 * 22, 138, 58 + zeros)  # one bit for each of 116 weights: 14.5 bytes


def test_attention_is_rounded_too(tiny_transformer) -> None:
    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.head = nn.MultiheadAttention(3, 1, batch_first=True), nn.Linear(3, 2)

        def forward(self, x):
            tokens = x.flatten(2).transpose(1, 2)
            return self.head(self.attention(tokens, tokens, tokens)[0].mean(1))

    torch.manual_seed(0)
    for how, levels in (("int4", 15 * 9), ("pruned 50 %", 27)):
        weight = cheaper(loaded(Attends(), size=(4, 4)), how).model.attention.in_proj_weight
        if how == "int4":
            scaled = weight / weight.abs().amax(1, keepdim=True) * 7
            assert torch.allclose(scaled, scaled.round(), atol=1e-5)
        else:
            assert 0 < (weight == 0).sum() < levels
    timm = loaded(tiny_transformer((16, 24)), class_names=["a", "b", "c"])
    assert (ask(cheaper(timm, "int4"), images(2)) != ask(timm, images(2))).any()


def test_a_parametrised_weight_is_made_plain_first() -> None:
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)))
    rounded = cheaper(loaded(model), "int4").model[2].weight
    scaled = rounded / rounded.abs().amax(1, keepdim=True) * 7
    assert torch.allclose(scaled, scaled.round(), atol=1e-5)
    assert nn.utils.parametrize.is_parametrized(model[2])


def test_a_model_that_is_pruned_to_nothing_disagrees() -> None:
    """Four of five weights are small and count together; what remains says nothing of the image."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.AdaptiveAvgPool2d((4, 5)), nn.Flatten(), nn.Linear(60, 2, bias=True))
    with torch.no_grad():
        model[2].weight.copy_(torch.cat([torch.full((1, 60), -0.1), torch.full((1, 60), 0.1)]))
        model[2].weight[:, 48:] = 0.1001  # alike for both classes
        model[2].bias.copy_(torch.tensor([0.5, -0.5]))
    original = loaded(model)
    items = []
    for level in (10, 60, 200, 240):
        buffer = io.BytesIO()
        Image.new("RGB", (24, 16), (level,) * 3).save(buffer, "PNG")
        items.append(ImageItem(f"{level}.png", BytesSource(buffer.getvalue()), "a" if level < 128 else "b"))
    pruned = cheaper(original, "pruned 80 %")
    assert stored(pruned, "pruned 80 %").zeros == 96
    found = compare_models(predict(original, items), predict(pruned, items))
    assert (found.both_right, found.only_first, found.only_second, found.both_wrong) == (2, 2, 0, 0)
    assert found.frame["name"].tolist() == ["240.png", "200.png"]


def test_what_cannot_be_made_cheaper_is_refused(tiny_net, refusal) -> None:
    original = loaded(tiny_net())
    assert "'int2'" in refusal(lambda: cheaper(original, "int2"))
    assert "'int2'" in refusal(lambda: stored(original, "int2"))
    bare = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(3))
    assert "no convolution" in refusal(lambda: cheaper(loaded(bare, class_names=["a", "b", "c"]), "int8"))
    program = torch.export.export(tiny_net().eval(), (torch.zeros(1, 3, 16, 24),))
    assert "torch.export" in refusal(lambda: cheaper(loaded(Exported(program)), "int8"))

    class Stubborn(nn.Sequential):
        def __deepcopy__(self, memo):
            raise TypeError("no")

    assert "TypeError" in refusal(lambda: cheaper(loaded(Stubborn(*tiny_net())), "int8"))
