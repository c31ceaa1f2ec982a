"""How layers lie over the image: every layout is read with its places right, and what only looks like a grid is not
listed."""

import pytest
import torch
from torch import nn

from workbench.models.corners import noise, read_grids
from workbench.models.grids import Grid, is_attention

torch.set_num_threads(1)


def grids(model, *size, channels=3, prefix=None):
    with torch.inference_mode():
        return read_grids(model.eval(), noise((channels, *size))[None] - 0.5, prefix)


class Apply(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def last(x):
    return x.permute(0, 2, 3, 1)


def tokens(x, prefix=0):
    return nn.functional.pad(x.flatten(2).transpose(1, 2), (0, 0, prefix, 0))


@pytest.mark.parametrize("prefix", [0, 1, 5])
def test_every_layout_is_spread_to_the_same_places(prefix):
    values = torch.randn(2, 3, 4, 6)
    first = Grid("channels first", (3, 4, 6))
    assert torch.equal(first.spread(values), values)
    assert torch.equal(Grid("channels last", (3, 4, 6)).spread(last(values)), values)
    assert torch.equal(Grid("tokens", (3, 4, 6), prefix).spread(tokens(values, prefix)), values)


@pytest.mark.parametrize("size", [(32, 48), (56, 24), (30, 50)])
def test_layouts_are_told_apart_on_inputs_that_are_not_square(size):
    conv = nn.Conv2d(3, 10, 8, stride=8)
    model = nn.Sequential(
        conv, Apply(last), nn.LayerNorm(10), nn.Linear(10, 7), nn.GELU(), nn.Flatten(1, 2), nn.Linear(7, 9)
    )
    height, width = conv(torch.zeros(1, 3, *size)).shape[2:]
    found = grids(model, *size)
    assert [(g.layout, g.shape[0]) for g in found.values()] == [
        ("channels first", 10),
        *[("channels last", c) for c in (10, 10, 7, 7)],
        ("tokens", 7),
        ("tokens", 9),
    ]
    assert {g.shape[1:] for g in found.values()} == {(height, width)}


@pytest.mark.parametrize("prefix", [0, 1, 2])
def test_prefix_tokens_are_found_by_counting(prefix):
    model = nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), Apply(lambda x: tokens(x, prefix)), nn.LayerNorm(8))
    assert grids(model, 32, 48)["2"] == Grid("tokens", (8, 4, 6), prefix)


def test_prefix_tokens_that_nobody_declares_are_found_and_a_number_that_is_set_counts_alone():
    model = nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), Apply(lambda x: tokens(x, 5)), Apply(lambda x: x[:, 1:]))
    assert {name: grid.prefix for name, grid in grids(model, 32, 48).items()} == {"0": 0, "1": 5, "2": 4}
    assert list(grids(model, 32, 48, prefix=5)) == ["0", "1"], "of the second only four may stand before the grid"
    assert list(grids(model, 32, 48, prefix=1)) == ["0"], "one does not fit where five are"


def test_tokens_may_stand_before_and_behind_those_of_the_image():
    both = Apply(lambda x: nn.functional.pad(x.flatten(2).transpose(1, 2), (0, 0, 1, 1)))
    behind = Apply(lambda x: nn.functional.pad(x.flatten(2).transpose(1, 2), (0, 0, 0, 5)))
    for how, sides in ((both, (1, 1)), (behind, (0, 5))):
        grid = grids(nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), how), 64, 48)["1"]
        assert (grid.prefix, grid.suffix) == sides


def test_a_class_token_between_the_halves_shifts_no_place():
    def between(x):
        rows = x.flatten(2).transpose(1, 2)
        half = rows.shape[1] // 2
        return torch.cat([rows[:, :half], torch.zeros(1, 1, rows.shape[2]), rows[:, half:]], 1)

    model = nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), Apply(between), nn.LayerNorm(8))
    found = grids(model, 64, 48)
    assert {(grid.prefix, grid.middle, grid.suffix) for name, grid in found.items() if name != "0"} == {(0, 1, 0)}
    x = noise((3, 64, 48))[None]
    assert torch.equal(found["1"].spread(model[:2](x)), model[0](x))


def test_tokens_of_patches_cut_without_a_convolution_take_the_aspect_of_the_input():
    cut = Apply(lambda x: nn.functional.unfold(x, 8, stride=8).transpose(1, 2))
    assert grids(nn.Sequential(cut, nn.Linear(192, 5)), 32, 48)["1"] == Grid("tokens", (5, 4, 6))


def test_tokens_may_be_merged_by_halves():
    merge = Apply(lambda x: tokens(nn.functional.avg_pool2d(x, 2, ceil_mode=True), 1))
    assert grids(nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), merge), 40, 56)["1"] == Grid("tokens", (8, 3, 4), 1)


def test_tokens_along_the_last_dimension_are_a_grid_until_they_are_mixed():
    """In an MLP mixer (1, channels, tokens) has as many channels here as a grid of stride 2 has cells."""
    model = nn.Sequential(
        nn.Conv2d(3, 384, 8, stride=8), Apply(tokens), Apply(lambda x: x.transpose(1, 2)), nn.Linear(24, 30)
    )
    assert {name: grid.layout for name, grid in grids(model, 32, 48).items()} == {
        "0": "channels first",
        "1": "tokens",
        "2": "tokens last",
    }


def test_windows_and_single_cells_and_vectors_are_no_grids():
    split = Apply(lambda x: x.reshape(1, 8, 2, 2, 2, 3).permute(0, 2, 4, 3, 5, 1).reshape(4, 6, 8))
    assert list(grids(nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), split, nn.Linear(8, 8)), 32, 48)) == ["0"]
    model = nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    assert list(grids(model, 32, 48)) == ["0"]


class Attention(nn.Module):
    """Attention whose matrix, at 4 x 4 tokens of a 16 x 16 input, has the shape of a map at full size."""

    def __init__(self):
        super().__init__()
        self.num_heads = 2
        self.qkv, self.inner = nn.Linear(8, 24), nn.Identity()

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        return self.inner((q @ k.transpose(1, 2)).softmax(-1)[None].reshape(1, 1, 16, 16))[0] @ v


def test_the_inside_of_attention_is_not_listed():
    model = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), Apply(tokens), Attention(), nn.LayerNorm(8))
    assert is_attention(model[2])
    assert list(grids(model, 16, 16)) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("how", [nn.Softmax(-1), Apply(lambda x: x.softmax(-1))])
def test_a_matrix_of_attention_is_not_listed(how):
    matrix = Apply(lambda x: tokens(x) @ tokens(x).transpose(1, 2))
    model = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), matrix, nn.Unflatten(0, (1, 1)), how)
    assert "3" not in grids(model, 16, 16)


def test_a_shape_that_is_the_same_either_way_is_read_as_it_lies():
    cube = nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), nn.ReLU(), Apply(last), nn.LayerNorm(8), nn.GELU())
    assert [g.layout for g in grids(cube, 64, 64).values()] == ["channels first"] * 2 + ["channels last"] * 3


def test_convolutions_without_padding_or_with_uneven_strides_keep_their_grid():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 5), nn.ReLU(), nn.MaxPool2d(2), Apply(torch.tanh), nn.Conv2d(4, 6, 3, stride=(1, 2)), nn.ReLU()
    )
    found = grids(model, 28, 28, channels=1)
    assert {g.layout for g in found.values()} == {"channels first"}
    assert [g.shape for g in found.values()] == [(4, 24, 24)] * 2 + [(4, 12, 12)] * 2 + [(6, 10, 5)] * 2


def test_calls_are_counted_and_hooks_removed():
    same = nn.ReLU()
    model = nn.Sequential(nn.Conv2d(3, 4, 3), same, nn.Conv2d(4, 4, 3), same)
    assert {name: g.calls for name, g in grids(model, 12, 16).items()} == {"0": 1, "2": 1, "1": 2}
    model.append(nn.Linear(1, 1))
    with pytest.raises(RuntimeError):
        grids(model, 12, 16)
    assert not any(module._forward_hooks for module in model.modules())
