"""Real photographs to plant cues into."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from planted_cues import SIZE, Parts

from workbench.sets import load_images

TILES = {"good": "MT_Free", "blowhole": "MT_Blowhole", "crack": "MT_Crack"}
CELLS = "solar-cells"
CROPS = {"good": 8, "blowhole": 12, "crack": 12}
"""Crops of a photograph, so that each class has about as many."""
SHORTER = 110
"""Pixels of the shorter side to which a photograph of a tile is brought before it is cut."""


def names_of(source: str) -> tuple[str, ...]:
    """The classes of a source."""
    return ("functional", "defective") if source == CELLS else tuple(TILES)


@functools.lru_cache(maxsize=2)
def photographs(source: str, split: int) -> tuple[Parts, tuple[str, ...]]:
    """The photographs to train on (0) or to search (1), and the group of each.

    Args:
        source: A folder of magnetic tiles as published (Huang et al. 2018: MT_Free/Imgs, MT_Blowhole/Imgs,
            MT_Crack/Imgs, an image x.jpg with its mask x.png), which carry no licence and are not in this repository;
            or `CELLS`, of the catalog, which have no masks.
        split: Of the tiles half of the photographs, each cut into several crops; of the cells the training split or the
            others.
    """
    return cells(split) if source == CELLS else tiles(Path(source), split)


def cells(split: int) -> tuple[Parts, tuple[str, ...]]:
    """Solar cells at `SIZE`, without masks."""
    items = [item for item in load_images(CELLS) if (item.split == "train") == (split == 0)]
    images = [np.asarray(item.open().convert("RGB").resize((SIZE, SIZE))) for item in items]
    labels = np.array([names_of(CELLS).index(str(item.label)) for item in items], np.intp)
    masks = np.zeros((len(items), SIZE, SIZE), bool)
    return (np.stack(images), masks, labels), tuple(str(item.attributes["group"]) for item in items)


def tiles(folder: Path, split: int) -> tuple[Parts, tuple[str, ...]]:
    """Crops of magnetic tiles, those of defective ones around the defect."""
    rng = np.random.default_rng(split)
    images, masks, labels, groups = [], [], [], []
    for number, (name, part) in enumerate(TILES.items()):
        for path in sorted((folder / part / "Imgs").glob("*.jpg"))[split::2]:
            image, mask = Image.open(path).convert("RGB"), Image.open(path.with_suffix(".png")).convert("L")
            scale = SHORTER / min(image.size)
            size = tuple(max(round(edge * scale), SIZE) for edge in image.size)
            whole = np.asarray(image.resize(size, Image.Resampling.BICUBIC))  # type: ignore[arg-type]
            shown = np.asarray(mask.resize(size, Image.Resampling.NEAREST)) > 127  # type: ignore[arg-type]
            for _ in range(CROPS[name]):
                top, left = corner(shown, rng)
                images.append(whole[top : top + SIZE, left : left + SIZE])
                masks.append(shown[top : top + SIZE, left : left + SIZE])
                labels.append(number)
                groups.append(path.stem)
    return (np.stack(images), np.stack(masks), np.array(labels, np.intp)), tuple(groups)


def corner(mask: NDArray[np.bool_], rng: np.random.Generator) -> tuple[int, int]:
    """Top and left of a crop that holds a pixel of the defect, if there is one, well inside."""
    if not mask.any():
        return tuple(int(rng.integers(edge - SIZE + 1)) for edge in mask.shape)  # type: ignore[return-value]
    places = np.argwhere(mask)
    point = places[int(rng.integers(len(places)))]
    starts = [int(at - rng.integers(SIZE // 5, SIZE - SIZE // 5)) for at in point]
    return tuple(min(max(start, 0), edge - SIZE) for start, edge in zip(starts, mask.shape, strict=True))  # type: ignore[return-value]
