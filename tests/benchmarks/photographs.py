"""Real photographs to plant cues into: good or defective, dealt by whole modules or tiles to learn from and to search.

    python tests/benchmarks/photographs.py CELLS.npz

keeps the solar cells in a file, for a machine that has no catalog.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from planted_cues import SIZE, Parts

from workbench.sets import load_images

CLASSES = ("good", "defective")
TILES = {"MT_Free": 0, "MT_Blowhole": 1, "MT_Crack": 1}
"""The folders of the tiles, as published, and the class of each."""
CELLS = "solar-cells"
CROPS = ((24, 20), (6, 5))
"""Crops of a tile to learn from and to search, of a good one and of a defective one."""
SHORTER = 110
"""Pixels of the shorter side to which a photograph of a tile is brought before it is cut."""
LEARNT = 2
"""Of eight modules or tiles, so many are learnt from; the others are searched, for either half of a search needs ten
units of each verdict."""
OF_A_MODULE = 24
"""Cells of a module that are searched, at most."""


def named(source: str) -> str:
    """What a source shows."""
    return "solar cells" if is_cells(source) else "magnetic tiles"


def is_cells(source: str) -> bool:
    """Whether a source is the solar cells, of the catalog or kept in a file."""
    return source == CELLS or source.endswith(".npz")


@functools.lru_cache(maxsize=2)
def photographs(source: str, split: int, seed: int) -> tuple[Parts, tuple[str, ...]]:
    """The photographs to learn from (0) or to search (1), and the group of each, dealt anew by every seed.

    Args:
        source: A folder of magnetic tiles as published (Huang et al. 2018: MT_Free/Imgs, MT_Blowhole/Imgs,
            MT_Crack/Imgs, an image x.jpg with its mask x.png), which carry no licence and are not in this repository;
            or `CELLS`, of the catalog or as `keep` wrote them, which have no masks.
        split: Of the tiles, each of which is cut into several crops, or of the modules.
        seed: Of the deal and the crops.
    """
    return cells(source, split, seed) if is_cells(source) else tiles(Path(source), split, seed)


def dealt(units: list[str], split: int, rng: np.random.Generator) -> set[str]:
    """Of units that lie next to similar ones, those to learn from (0) or to search (1): of every eight as many."""
    learnt = {
        units[start + i]
        for start in range(0, len(units), 8)
        for i in rng.permutation(8)[:LEARNT]
        if start + i < len(units)
    }
    return learnt if split == 0 else set(units) - learnt


def cells(source: str, split: int, seed: int) -> tuple[Parts, tuple[str, ...]]:
    """Solar cells of which their inspectors were sure, at `SIZE`, without masks."""
    images, labels, modules = sure_cells(source)
    rng = np.random.default_rng([seed, 23])
    many = {str(name): int(labels[modules == name].sum()) for name in np.unique(modules)}
    own = dealt(sorted(many, key=lambda name: (many[name], name)), split, rng)
    rows: list[int] = []
    for name in sorted(own):
        rows += rng.permutation(np.flatnonzero(modules == name))[: OF_A_MODULE if split else None].tolist()
    shown = np.repeat(images[rows][..., None], 3, axis=3)
    masks = np.zeros((len(rows), SIZE, SIZE), bool)
    return (shown, masks, labels[rows]), tuple(modules[rows].tolist())


@functools.lru_cache(maxsize=1)
def sure_cells(source: str) -> tuple[NDArray[np.uint8], NDArray[np.intp], NDArray[np.str_]]:
    """Grey images (N, S, S), labels (N,) and modules (N,) of the cells whose probability of a defect is 0 or 1."""
    if source != CELLS:
        with np.load(source) as kept:
            return kept["images"], kept["labels"].astype(np.intp), kept["modules"]
    items = [item for item in load_images(CELLS) if float(str(item.attributes["defect probability"])) in (0, 1)]
    images = [np.asarray(item.open().convert("L").resize((SIZE, SIZE))) for item in items]
    labels = [int(item.label == "defective") for item in items]
    modules = [str(item.attributes["group"]) for item in items]
    return np.stack(images), np.array(labels, np.intp), np.array(modules)


def tiles(folder: Path, split: int, seed: int) -> tuple[Parts, tuple[str, ...]]:
    """Crops of magnetic tiles, those of defective ones around the defect."""
    rng, order = np.random.default_rng([seed, split, 29]), np.random.default_rng([seed, 23])
    images, masks, labels, groups = [], [], [], []
    for part, label in TILES.items():
        paths = {path.stem: path for path in sorted((folder / part / "Imgs").glob("*.jpg"))}
        for name in sorted(dealt(list(paths), split, order)):
            whole, shown = tile(paths[name])
            for _ in range(CROPS[split][label]):
                top, left = corner(shown, rng)
                images.append(whole[top : top + SIZE, left : left + SIZE])
                masks.append(shown[top : top + SIZE, left : left + SIZE])
                labels.append(label)
                groups.append(name)
    return (np.stack(images), np.stack(masks), np.array(labels, np.intp)), tuple(groups)


def tile(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The pixels (H, W, 3) and the mask (H, W) of a tile, its shorter side brought to `SHORTER`."""
    image, mask = Image.open(path).convert("RGB"), Image.open(path.with_suffix(".png")).convert("L")
    scale = SHORTER / min(image.size)
    size = tuple(max(round(edge * scale), SIZE) for edge in image.size)
    whole = np.asarray(image.resize(size, Image.Resampling.BICUBIC))  # type: ignore[arg-type]
    return whole, np.asarray(mask.resize(size, Image.Resampling.NEAREST)) > 127  # type: ignore[arg-type]


def corner(mask: NDArray[np.bool_], rng: np.random.Generator) -> tuple[int, int]:
    """Top and left of a crop that holds a pixel of the defect, if there is one, well inside."""
    if not mask.any():
        return tuple(int(rng.integers(edge - SIZE + 1)) for edge in mask.shape)  # type: ignore[return-value]
    places = np.argwhere(mask)
    point = places[int(rng.integers(len(places)))]
    starts = [int(at - rng.integers(SIZE // 5, SIZE - SIZE // 5)) for at in point]
    return tuple(min(max(start, 0), edge - SIZE) for start, edge in zip(starts, mask.shape, strict=True))  # type: ignore[return-value]


def keep(path: Path) -> None:
    """Write the cells into a file."""
    images, labels, modules = sure_cells(CELLS)
    np.savez_compressed(path, images=images, labels=labels, modules=modules)


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
