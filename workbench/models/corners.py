"""The corner test: a layout is believed where a change in one corner of the input shows in that corner of the grid."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Container, Mapping
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.models.grids import Grid, Reader, outside_attention

CHANNELS = 16
"""Random mixtures of a layer's channels that are kept, so that memory does not grow with the model."""
KEPT_CELLS = 4096
"""Cells of a plane that are kept; of finer ones, means over squares of cells."""
FLOOR = 1e-3
"""Changes smaller than this share of the mean one count as this."""
CLEAR = 3.0
"""How many times the agreement must exceed what chance makes of it; from top to bottom or left to right alone, two
thirds of that."""
LOPSIDED = 0.02
"""Least agreement from left to right as a share of that from top to bottom, or the other way round."""
SURE, FAINT = 0.1, 0.02
"""Agreement from which a layer is not looked at again, and below which there is none."""
CLOSE = 0.8
"""As a share of the clearest layout's agreement: that of the layout with the prefix that somebody set."""
NEW, OTHER = 0.05, 0.25
"""Least agreement for a layout that no layer had before or another one than as many places had before, and for both;
layers that mix nothing have 0.3 to 1.7, and those that mix all but what passes beside them, down to 0.02."""
CALM = 224
"""Pixels of the shorter side at which the undecided layers of a smaller input are looked at once more."""
AWAKE = 1e-3
"""Standard deviation of the noise in place of weights that are all zero."""
_SIDES = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
"""A corner a row: whether it is at the top, at the left, and whether both or neither."""


@dataclasses.dataclass
class _Layer:
    """What is known of one layer.

    Attributes:
        shape: That of its output for one input.
        grids: The layouts that its shape allows, likeliest first.
        kept: Of the unchanged input, for each of them: few mixed channels, laid over the grid.
        changes: For each of them: of the change in each corner of the input, how much is seen in each of the grid.
        sides: For each of them, how sides of the input and of the grid went together in each round so far.
        calls: How often the layer ran in the last pass.
    """

    shape: tuple[int, ...]
    grids: list[Grid]
    kept: list[Tensor]
    changes: list[Tensor]
    sides: list[list[Tensor]]
    calls: int = 1

    def options(self) -> list[tuple[Grid, float]]:
        """The layouts that passed, with how clearly."""
        strengths = [agreement(torch.stack(rounds).mean(0)) if rounds else None for rounds in self.sides]
        return [(grid, strength) for grid, strength in zip(self.grids, strengths, strict=True) if strength is not None]

    def places(self, grid: Grid) -> tuple[int, ...]:
        """The dimensions of the output that hold places, by which layers that lie alike are known."""
        return self.shape[2:] if grid.layout in ("channels first", "tokens last") else self.shape[1:-1]


def noise(shape: tuple[int, int, int], seed: int = 0) -> Tensor:
    """Spots of every size, as photographs have, from 0 to 1: (C, H, W)."""
    chance = torch.Generator().manual_seed(seed)
    channels, height, width = shape
    values = torch.full((1, *shape), 0.5)
    for step in (1, 4, 16):
        spots = torch.randn(1, channels, max(height // step, 2), max(width // step, 2), generator=chance)
        values += 0.15 * functional.interpolate(spots, (height, width), mode="bilinear")
    return values[0].clamp(0, 1)


def read_grids(model: nn.Module, image: Tensor, prefix: int | None = None) -> dict[str, Grid]:
    """Layers with a spatial output that passed the corner test, in the order of execution (where a layer ran last).

    A layer that nothing in the image changes is not listed, nor one whose places cannot be told because all of them
    change alike.

    Args:
        model: In evaluation mode, held by the caller, without gradients.
        image: Any image with something everywhere, (1, C, H, W).
        prefix: Tokens before those of the image; looked for where missing.
    """
    if isinstance(model, torch.jit.ScriptModule):
        return {}  # it runs its layers without hooks
    layers = _round(model, image, prefix)
    grids = _choose(layers, {}, prefix, SURE)
    rounds = [image.flip(2), image.flip(3)]
    if (times := -(-CALM // min(image.shape[2:]))) > 1:
        rounds.append(functional.interpolate(image, scale_factor=float(times)))
    asleep = {name: _awake(p) for name, p in model.named_parameters() if p.numel() and not p.any()}
    for other in rounds:
        undecided = {name: layer for name, layer in layers.items() if layer.grids and name not in grids}
        if undecided:
            again = _round(model, other, prefix, asleep, undecided)
            for name in undecided.keys() & again.keys():
                _join(undecided[name], again[name])
            grids = _choose(layers, grids, prefix, SURE)
    grids = _choose(layers, grids, prefix, FAINT)
    return {
        name: dataclasses.replace(grids[name], calls=layer.calls) for name, layer in layers.items() if name in grids
    }


def sides(changes: Tensor) -> Tensor | None:
    """How sides go together: (3, 3), a row for top or bottom of the input, left or right, and both; a column for those
    of the grid. What is true of a corner of the input wherever one looks, or of one of the grid, cancels.

    Args:
        changes: (4, 4), a row a corner of the input, a column a corner of the grid; top left, top right, bottom left,
            bottom right.

    Returns:
        None where some corner changes nothing.
    """
    if not changes.isfinite().all() or not (changes.amax(1) > 0).all():
        return None
    logs = (changes.double() + FLOOR * changes.mean()).log()
    return _SIDES.T @ logs @ _SIDES / 16


def agreement(together: Tensor) -> float | None:
    """How clearly top is top and left is left in what `sides` tells: None where not, or not more than by chance."""
    chance = together[~torch.eye(3, dtype=torch.bool)].square().mean().sqrt().item()
    least, most = sorted((together[0, 0].item(), together[1, 1].item()))
    clear = least > CLEAR * 2 / 3 * chance and together.diagonal().mean().item() > CLEAR * chance
    return least if clear and least > LOPSIDED * most else None


def _join(layer: _Layer, again: _Layer) -> None:
    """Add what another round told, possibly at another size, of the same layouts."""
    more = dict(zip(map(_kind, again.grids), again.sides, strict=True))
    alike = again.shape == layer.shape
    for grid, rounds in zip(layer.grids, layer.sides, strict=True):
        if not alike and more.get(_kind(grid)):
            rounds.clear()  # a larger grid tells more than all before
        rounds += more.get(_kind(grid), [])


def _round(
    model: nn.Module,
    image: Tensor,
    prefix: int | None,
    instead: Mapping[str, Tensor] | None = None,
    only: Container[str] | None = None,
) -> dict[str, _Layer]:
    """Look at layers while the model is asked about an image and four changed copies.

    With weights that stand in for others the model may also refuse, as it may for a size of input that is not its own:
    what ran before that counts.
    """
    reader, layers = Reader((image.shape[2], image.shape[3]), prefix), dict[str, _Layer]()
    turn = 0

    def look(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if not turn:
                calls = layers.pop(name).calls if name in layers else 0
                grids = reader.layouts(module, output)
                layers[name] = _unchanged(grids if only is None or name in only else [], output, calls + 1)
            elif name in layers and layers[name].grids:
                _compare(layers[name], turn - 1, output)

        return hook

    with contextlib.ExitStack() as hooks, torch.random.fork_rng():
        for name, module in outside_attention(model):
            hooks.callback(module.register_forward_hook(look(name)).remove)
        for turn, x in enumerate([image, *_changed(image)]):  # noqa: B007 - the hooks read it
            torch.manual_seed(0)
            if instead is None:
                model(x)
            else:
                with contextlib.suppress(Exception):
                    torch.func.functional_call(model, dict(instead), (x,))
    for layer in layers.values():
        layer.sides = [[told] if (told := sides(changes)) is not None else [] for changes in layer.changes]
    return layers


def _unchanged(grids: list[Grid], output: object, calls: int) -> _Layer:
    if not grids or not isinstance(output, Tensor):
        return _Layer((), [], [], [], [], calls)
    changes = [torch.zeros(4, 4) for _ in grids]
    return _Layer(tuple(output.shape), grids, _laid(grids, output), changes, [[]], calls)


def _compare(layer: _Layer, corner: int, output: object) -> None:
    if not isinstance(output, Tensor) or output.shape != layer.shape:
        return
    for laid, kept, changes in zip(_laid(layer.grids, output), layer.kept, layer.changes, strict=True):
        change = laid - kept
        change = change - change.mean((2, 3), keepdim=True)  # attention and gates spread the same everywhere
        change = change.square().sum(1)[0].sqrt()
        height, width = change.shape
        means = [change[rows, columns].mean() for rows in _halves(height) for columns in _halves(width)]
        changes[corner] = torch.stack(means).cpu()


def _halves(length: int) -> tuple[slice, slice]:
    return slice(length // 2), slice(length - length // 2, length)


def _changed(image: Tensor) -> list[Tensor]:
    """Copies of an image with other content in the top left, top right, bottom left and bottom right quarter."""
    height, width = image.shape[2:]
    other = image.roll((height // 3 + 1, width // 3 + 1), (2, 3)).flip(1)
    copies = []
    for rows in _halves(height):
        for columns in _halves(width):
            copies.append(image.clone())
            copies[-1][..., rows, columns] = other[..., rows, columns]
    return copies


def _laid(grids: list[Grid], output: Tensor) -> list[Tensor]:
    """Few random mixtures of the channels of an output, over each of its grids: (1, C, h, w)."""
    mixed = {axis: _mixed(output, axis) for axis in {_channel_axis(grid) for grid in grids}}
    return [_over(grid, mixed[_channel_axis(grid)]) for grid in grids]


def _over(grid: Grid, mixed: Tensor) -> Tensor:
    _, height, width = grid.shape
    channels = mixed.shape[_channel_axis(grid)]
    laid = dataclasses.replace(grid, shape=(channels, height, width)).spread(mixed)
    step = 1
    while (height // step) * (width // step) > KEPT_CELLS:
        step += 1
    return functional.avg_pool2d(laid, step) if step > 1 else laid


def _mixed(output: Tensor, axis: int) -> Tensor:
    channels = output.shape[axis]
    values = output.detach().float()
    if channels > CHANNELS:
        values = (values.movedim(axis, -1) @ _mixtures(channels).to(values.device)).movedim(-1, axis)
    return values.clone()  # what follows may work in place


def _channel_axis(grid: Grid) -> int:
    return -1 if grid.layout in ("channels last", "tokens") else 1


@cache
def _mixtures(channels: int) -> Tensor:
    return torch.randn(channels, CHANNELS, generator=torch.Generator().manual_seed(channels))


def _awake(parameter: Tensor) -> Tensor:
    chance = torch.Generator().manual_seed(parameter.numel())
    return (AWAKE * torch.randn(parameter.shape, generator=chance)).to(parameter)


def _kind(grid: Grid) -> tuple[object, ...]:
    return grid.layout, grid.prefix, grid.suffix, grid.folds, grid.blocks, grid.middle


def _choose(
    layers: Mapping[str, _Layer], before: Mapping[str, Grid], prefix: int | None, least: float
) -> dict[str, Grid]:
    """For each layer the layout that passed most clearly; what has as many places as a layer before lies as that one,
    but for strong evidence. What is less clear than `least` is left for another round."""
    usual = {(layers[name].places(grid), _kind(grid)) for name, grid in before.items()}
    grids = dict(before)
    for name, layer in layers.items():
        options = [] if name in before else _likely(layer.options(), prefix)
        as_before = [option for option in options if (layer.places(option[0]), _kind(option[0])) in usual]
        best, strength = max(as_before or options, key=lambda option: option[1], default=(None, 0.0))
        if best is not None and strength > least:
            strange = layer.places(best) in {places for places, _ in usual}, _kind(best) not in {k for _, k in usual}
            if as_before or strength > (0, NEW, OTHER)[sum(strange)]:
                grids[name] = best
                usual.add((layer.places(best), _kind(best)))
    return grids


def _likely(options: list[tuple[Grid, float]], prefix: int | None) -> list[tuple[Grid, float]]:
    """Of the layouts that passed those with the fewest tokens beside the grid; where it is said how many stand before
    it, those with so many, unless others are far clearer."""
    clearest = max((strength for _, strength in options), default=0.0)
    if prefix is not None and any(grid.layout == "tokens" for grid, _ in options):
        options = [option for option in options if option[0].prefix == prefix and option[1] > CLOSE * clearest]
    fewest = min((grid.beside for grid, _ in options), default=0)
    return [option for option in options if option[0].beside == fewest]
