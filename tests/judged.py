"""The corner test once more, slow and simple: one corner at a time, places by arithmetic on single cells."""

import dataclasses

import torch

SIDES = [(0, 0), (0, 1), (1, 0), (1, 1)]


def place(grid, row, column, height, width):
    """Where the cell of a row and a column stands among those of the grid."""
    if grid.folds:
        coarser = dataclasses.replace(grid, folds=grid.folds - 1)
        inner = place(coarser, row // 2, column // 2, height // 2, width // 2)
        return (2 * (row % 2) + column % 2) * (height // 2) * (width // 2) + inner
    down, across = grid.blocks
    tall, wide = height // down, width // across
    block = (row // tall) * across + column // wide
    return block * tall * wide + (row % tall) * wide + column % wide


def cells(grid, output):
    """An output for one input as (h, w, C)."""
    _, height, width = grid.shape
    if grid.layout in ("channels last", "tokens"):
        rows = output[0].reshape(-1, output.shape[-1])
    else:
        rows = output[0].reshape(output.shape[1], -1).T
    index = [grid.prefix + place(grid, y, x, height, width) for y in range(height) for x in range(width)]
    return rows[index].reshape(height, width, -1)


def run(model, names, x):
    """The last output of each of the layers for an input."""
    outputs = {}
    handles = [
        model.get_submodule(name).register_forward_hook(lambda m, i, o, name=name: outputs.update({name: o.clone()}))
        for name in names
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return outputs


def spots(channels, height, width, chance):
    """Squares of six sizes one upon another, around 0."""
    image = torch.zeros(1, channels, height, width)
    for size in (1, 2, 4, 8, 16, 32):
        squares = torch.randn(1, channels, -(-height // size), -(-width // size), generator=chance)
        image += 0.2 * squares.repeat_interleave(size, 2).repeat_interleave(size, 3)[..., :height, :width]
    return image


def shares(model, grids, size, channels=3, images=2):
    """For each layer how much of the change stays in the half of the grid that was changed, top or bottom and left or
    right: 1/2 where it says nothing of the place, 1 where nothing leaves the corner."""
    height, width = size
    seen = {name: torch.zeros(4, 4, dtype=torch.float64) for name in grids}
    chance = torch.Generator().manual_seed(99)
    for _ in range(images):
        x, other = (spots(channels, height, width, chance) for _ in range(2))
        before = {name: cells(grids[name], output) for name, output in run(model, grids, x).items()}
        for corner, (below, right) in enumerate(SIDES):
            changed = x.clone()
            rows = slice(height - height // 2, height) if below else slice(0, height // 2)
            columns = slice(width - width // 2, width) if right else slice(0, width // 2)
            changed[:, :, rows, columns] = other[:, :, rows, columns]
            for name, output in run(model, grids, changed).items():
                change = cells(grids[name], output).double() - before[name].double()
                size_of = (change - change.mean((0, 1))).norm(dim=2)
                h, w = size_of.shape
                for quarter, (low, far) in enumerate(SIDES):
                    part = size_of[h - h // 2 :] if low else size_of[: h // 2]
                    seen[name][corner, quarter] += (part[:, w - w // 2 :] if far else part[:, : w // 2]).mean()
    return {name: halves(table) for name, table in seen.items()}


def halves(table):
    """Of a table of corners by quarters, with the same total in each row and each column: what stays above or below,
    and what stays left or right."""
    table = table + 1e-12
    for _ in range(50):
        table = table / table.sum(1, keepdim=True)
        table = table / table.sum(0, keepdim=True)
    stays = [
        sum(table[a, b].item() for a in range(4) for b in range(4) if SIDES[a][side] == SIDES[b][side]) / 4
        for side in (0, 1)
    ]
    return tuple(stays)
