"""The corner test of layouts: nets of many families, held against a second, slower implementation."""

import pytest
import timm
import torch
from judged import halves, run, shares
from torch import nn

from workbench.attribution.capture import choose_layer
from workbench.models import corners
from workbench.models.corners import agreement, noise, read_grids, sides
from workbench.models.grids import Grid
from workbench.models.loading import load_classifier

torch.set_num_threads(1)
FAST = {
    "mobilevitv2_050": 128,
    "eva02_tiny_patch14_224": 112,
    "xcit_nano_12_p16_224": 96,
}
"""Families and the size of the input."""
SLOW = [
    "cait_xxs24_224",
    "pvt_v2_b0",
    "ghostnet_050",
    "poolformer_s12",
    "coat_lite_tiny",
    "crossvit_tiny_240",
    "swinv2_cr_tiny_224",
    "repvit_m0_9",
    "tiny_vit_5m_224",
    "hiera_tiny_224",
    "efficientformerv2_s0",
    "efficientformer_l1",
    "nest_tiny",
    "mambaout_femto",
    "swinv2_tiny_window8_256",
    "maxvit_pico_rw_256",
    "coatnet_nano_rw_224",
    "davit_tiny",
    "focalnet_tiny_srf",
    "caformer_s18",
    "twins_svt_small",
    "twins_pcpvt_small",
    "convmixer_1024_20_ks9_p14",
    "fastvit_t8",
    "nextvit_small",
    "tnt_s_patch16_224",
    "hrnet_w18_small",
    "mobilevit_xxs",
    "vit_betwixt_patch16_reg4_gap_256",
    "gcvit_xxtiny",
    "edgenext_xx_small",
    "levit_128s",
]


def net(name, size=None):
    """An untrained net in which nothing is zero."""
    torch.manual_seed(0)
    try:
        model = timm.create_model(name, **({"img_size": size} if size else {}))
    except TypeError:
        model = timm.create_model(name)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.02)
    return model.eval(), (size, size) if size else model.default_cfg["input_size"][1:]


def grids(model, size, prefix=None):
    with torch.inference_mode():
        return read_grids(model.eval(), noise((3, *size))[None] - 0.5, prefix)


def hold(name, size):
    model, size = net(name, size)
    found = grids(model, size)
    assert len(found) > 30
    stays = shares(model, found, size)
    wrong = {layer: (share, found[layer]) for layer, share in stays.items() if min(share) <= 0.5}
    assert not wrong
    assert min(map(min, stays.values())) < 0.99, "deep layers see more than their corner"
    return model, size, found


@pytest.mark.parametrize("name", FAST)
def test_every_layer_that_is_offered_passes_a_second_corner_test(name):
    model, size, found = hold(name, FAST[name])
    clf = load_classifier(model, size=size, device="cpu")
    assert list(clf.grids) == list(found)
    assert choose_layer(clf, None) not in (next(iter(found)), "patch_embed")


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_every_layer_of_more_families_passes_too(name):
    hold(name, None)


def test_mobilevit_is_folded_back_as_its_own_code_does_it():
    model, size = net("mobilevitv2_050", 128)
    found = grids(model, size)
    name = "stages.2.1.transformer.1"
    folded = run(model, [name], noise((3, *size))[None])[name]
    plain = nn.functional.fold(folded.reshape(1, -1, folded.shape[-1]), (16, 16), 2, stride=2)
    assert found[name].folds == 1
    assert torch.equal(found[name].spread(folded), plain)


class Registers(nn.Module):
    """A transformer with a class token and four registers that nobody declares."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.patches = nn.Conv2d(3, 32, 8, stride=8)
        self.extra = nn.Parameter(torch.randn(1, 5, 32))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(32, 2, 64, dropout=0.0, batch_first=True, norm_first=True) for _ in range(3)
        )
        self.head = nn.Linear(32, 3)

    def forward(self, x):
        x = torch.cat([self.extra.expand(len(x), -1, -1), self.patches(x).flatten(2).transpose(1, 2)], 1)
        for block in self.blocks:
            x = block(x)
        return self.head(x[:, 0])


def test_a_class_token_and_four_registers_that_nobody_declares_are_found():
    model, size = Registers(), (64, 48)
    found = grids(model, size)
    tokens = {name: grid for name, grid in found.items() if grid.layout == "tokens"}
    assert len(tokens) > 10
    assert {(grid.prefix, grid.suffix, grid.shape[1:]) for grid in tokens.values()} == {(5, 0, (8, 6))}
    assert min(map(min, shares(model, found, size).values())) > 0.5
    clf = load_classifier(model, size=size, device="cpu")
    assert choose_layer(clf, None).startswith("blocks.2")
    said = load_classifier(model, size=size, device="cpu", prefix_tokens=5)
    assert said.grids == clf.grids
    assert said.key != clf.key
    assert list(load_classifier(model, size=size, device="cpu", prefix_tokens=1).grids) == ["patches"]


class Apply(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


WRONG = {
    "transposed": lambda x: x.transpose(2, 3),
    "upside down": lambda x: x.flip(2),
    "shuffled": lambda x: x.flatten(2)[..., torch.randperm(64, generator=torch.Generator().manual_seed(0))].view_as(x),
    "unfolded": lambda x: x.reshape(1, 8, 4, 2, 4, 2).permute(0, 1, 3, 5, 2, 4).reshape(1, 8, 8, 8),
    "not of the image": lambda x: torch.zeros_like(x) + x.mean((2, 3), keepdim=True),
    "constant": lambda x: torch.ones_like(x),
}


@pytest.mark.parametrize("how", WRONG)
def test_what_only_has_the_shape_of_a_grid_is_not_offered_and_the_judge_agrees(how):
    model = nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), Apply(WRONG[how]))
    assert list(grids(model, (64, 64))) == ["0"]
    wrong = {"1": Grid("channels first", (8, 8, 8))}
    assert min(shares(model, wrong, (64, 64))["1"]) < 0.54


def test_what_goes_together_is_told_by_value():
    own = 1 + 8 * torch.eye(4)
    assert torch.allclose(sides(own)[0, 0], torch.log(torch.tensor((9 + 0.003) / (1 + 0.003))).double() / 4, atol=1e-6)
    assert agreement(sides(own)) == pytest.approx(sides(own)[0, 0].item())
    assert halves(own.double()) == pytest.approx((10 / 12, 10 / 12))
    louder = own * torch.tensor([1.0, 5, 2, 1])[:, None] * torch.tensor([1.0, 1, 9, 1])
    assert agreement(sides(louder)) == pytest.approx(agreement(sides(own)), abs=0.02), "loud corners change nothing"
    assert agreement(sides(own[[1, 0, 3, 2]])) is None
    assert agreement(sides(own[[0, 2, 1, 3]])) is None
    assert sides(torch.zeros(4, 4)) is None


def test_small_inputs_are_looked_at_once_more_at_a_larger_size():
    torch.manual_seed(0)
    wide = nn.Sequential(*(nn.Sequential(nn.Conv2d(c, 32, 5, 2, 2), nn.ReLU()) for c in (3, 32, 32, 32)))
    mixed = nn.Sequential(wide, nn.Conv2d(32, 32, 5, padding=2), nn.Conv2d(32, 32, 5, padding=2))
    model = nn.Sequential(mixed, nn.Flatten(), nn.Linear(128, 2))
    assert {"0.1", "0.2"} <= grids(model, (32, 32)).keys(), (
        "its last layer refuses other sizes, after those in question"
    )


def test_of_large_layers_little_is_kept():
    model = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4))
    layer = corners._round(model, noise((3, 256, 256))[None], None)["1"]
    numbers = [kept.untyped_storage().nbytes() // 4 for kept in layer.kept]
    assert 0 < max(numbers) <= corners.CHANNELS * corners.KEPT_CELLS < 64 * 256 * 256 / 50
