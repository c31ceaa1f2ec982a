"""Cues planted into real photographs: how often the search names, finds, and falsely accuses.

    python tests/benchmarks/bench_cues_real.py FOLDER OUT.jsonl [--seeds N] [--first SEED] [--minutes M]

FOLDER holds magnetic tiles as published (Huang et al. 2018: MT_Free/Imgs, MT_Blowhole/Imgs, MT_Crack/Imgs, an image
x.jpg with its mask x.png), which carry no licence and are not in this repository; "solar-cells" stands for those of the
catalog, which have no masks. A tile is cut into several crops of one photograph, one unit; half of the photographs are
trained on. Of the cells the training split is, and the search sees the others, with their modules as units. Each line
of OUT is one model; those of a seed go on from one network that learned the photographs without a cue.
"""

from __future__ import annotations

import argparse
import functools
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from bench_cues import cases, lines_of, table
from numpy.typing import NDArray
from PIL import Image
from planted_cues import (
    EDGES,
    SIZE,
    Case,
    Laid,
    Parts,
    grounded,
    laid,
    loaded,
    on_disk,
    place_of,
    trained,
    turned_by_truth,
)
from torch import nn

from workbench.cues import search, study_of
from workbench.models import predict
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
    """The photographs to train on (0) or to search (1), and the group of each."""
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


@functools.lru_cache(maxsize=1)
def learned(source: str, net: str, seed: int) -> nn.Module:
    """A network that learned the photographs as they are."""
    parts = photographs(source, 0)[0]
    return grounded(seed, net, Laid(*parts, np.zeros(len(parts[2]), bool), names_of(source)))


def run(case: Case, source: str) -> dict[str, object]:
    """Train a model, search it, and note the truth beside what was said."""
    names, (parts, groups) = names_of(source), photographs(source, 1)
    data = laid(case, 1, parts, names, groups)
    ground = learned(source, case.net, case.seed)
    classifier = loaded(trained(case, laid(case, 0, photographs(source, 0)[0], names), ground), names)
    turned, hosts = turned_by_truth(case, classifier, data)
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        images = on_disk(Path(folder), data)
        predictions = predict(classifier, images)
        result = search(study_of(classifier, images.items, predictions, seed=case.seed))
    carry = {item.name: bool(has) for item, has in zip(images.items, data.carry, strict=True)}
    return {
        **vars(case),
        "source": "solar cells" if source == CELLS else "magnetic tiles",
        "target": names[case.seed % len(names)],
        "accuracy": float((predictions.frame["predicted"] == predictions.frame["label"]).mean()),
        "turned": turned,
        "hosts": hosts,
        "seconds": time.process_time() - start,
        "power": result.power,
        "classes": list(result.classes),
        "unexplained": [line.target for line in result.unexplained],
        "place": [end / SIZE for end in place_of(case.seed, EDGES[case.strength])],
        "findings": lines_of(result, carry),
    }


def main() -> None:
    """Run what is missing, and print the table of each source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=600)
    options = parser.parse_args()
    torch.set_num_threads(1)
    end = time.monotonic() + 60 * options.minutes
    there = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    done = {(line["source"] == "solar cells", line["family"], line["seed"], line["shortcut"]) for line in there}
    with options.out.open("a", encoding="utf-8") as file:
        for case in cases(range(options.first, options.first + options.seeds)):
            known = (options.source == CELLS, case.family, case.seed, case.shortcut) in done
            if known or time.monotonic() > end:
                continue
            there.append(line := run(case, options.source))
            file.write(json.dumps(line) + "\n")
            file.flush()
            print(case.family, case.net, case.seed, case.shortcut, line["accuracy"], line["turned"], flush=True)
    for source in sorted({line["source"] for line in there}):
        own = [line for line in there if line["source"] == source]
        print(f"\n## {source}\n\n{table(own)}\n")


if __name__ == "__main__":
    main()
