"""How near the estimates of Drift come without labels, and when they are not shown, on simulated and on real images.

    python tests/benchmarks/bench_estimates.py OUT.jsonl [--tiles FOLDER] [--sources A,B] [--cases N] [--first CASE]
        [--workers N] [--minutes M] [--write] [--also FILE ...]

Each line of OUT is one shift: what `workbench drift` estimates of the new images, its doubts, and what their labels
say. The reference and the new images are never of the same photograph or module, and the model, a logistic head on the
frozen ImageNet network, learned neither. A run that was stopped goes on where it was. Sources:

- `modules`: the solar cells of the catalog; 7 modules are learned, 30 are the reference, 6 others are new.
- `cells`: the same dealt one by one, of the same modules on all sides, as of one line whose camera alone changes.
- `tiles`: crops of magnetic tiles in FOLDER (Huang et al. 2018), which carry no licence and are not in this repository.
- `simulated`: calibrated scores of 700 against 700 images, of which more, or fewer, are hard.

Shifts: `none` (other parts alone), `mild` (a corruption of a line at severity 1 or 2), `severe` (4 or 5), and `unseen`
(of tiles: a kind of defect that neither the model nor the reference has seen).
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from estimates_report import tables, write
from numpy.typing import NDArray

PLAIN = ("mild", "mild", "mild", "none", "severe")
SHIFTS = {"modules": PLAIN, "cells": PLAIN, "tiles": ("mild", "unseen", "mild", "none", "severe")}
SEVERITIES = {"mild": (1, 2), "severe": (4, 5)}
MODULES, CELLS = (7, 30, 6), (500, 1500, 600)
PHOTOGRAPHS = (0.2, 0.5)
"""Of each class of tiles: the share that is learned, and the share that is the reference."""
SIMULATED, HARD = 700, 0.3
CLASSES = ("good", "defective")
BATCH = 32
Images = list[NDArray[np.uint8]]


@functools.lru_cache(maxsize=1)
def backbone() -> Any:
    """The ImageNet network, and where what goes into its last layer is noted."""
    import torch

    from workbench.models import load_classifier

    torch.set_num_threads(1)
    net, seen = load_classifier("everyday"), []
    last = [layer for layer in net.model.modules() if isinstance(layer, torch.nn.Linear)][-1]
    last.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().numpy().copy()))
    return net, seen


def features(images: Images) -> NDArray[np.float32]:
    """What the ImageNet network sees in N images, (N, 1280)."""
    from workbench.models import forwards

    net, seen = backbone()
    seen.clear()
    for _ in forwards(net, iter(images), batch=BATCH):
        pass
    return np.concatenate(seen)[-len(images) :]


@functools.lru_cache(maxsize=1)
def photographs() -> tuple[Images, NDArray[np.intp], NDArray[np.str_]]:
    """The solar cells: pixels, whether defective, module."""
    from workbench.sets import load_images

    items = list(load_images("solar-cells"))
    pixels = [np.asarray(item.open().convert("RGB")) for item in items]
    labels = np.array([item.label == "defective" for item in items], np.intp)
    return pixels, labels, np.array([str(item.attributes["group"]) for item in items])


@functools.lru_cache(maxsize=1)
def crops(folder: str) -> tuple[Images, NDArray[np.intp], NDArray[np.str_]]:
    """Crops of the tiles: pixels, class (0 for good), photograph."""
    from bench_cues_real import tiles

    halves = [tiles(Path(folder), half) for half in (0, 1)]
    pixels = [image for (images, _, _), _ in halves for image in images]
    groups = np.array([group for _, names in halves for group in names])
    return pixels, np.concatenate([labels for (_, _, labels), _ in halves]), groups


def data_of(source: str, folder: str) -> Any:
    """The images of a source, their labels and groups."""
    return crops(folder) if source == "tiles" else photographs()


def shelf(source: str, kept: Path) -> Path:
    """Where the features of a source lie."""
    return kept.with_suffix(f".{'tiles' if source == 'tiles' else 'solar'}.npy")


def known(source: str, kept: Path) -> NDArray[np.float32]:
    """Features of the images as they are, kept beside the results."""
    return np.asarray(np.load(shelf(source, kept)), np.float32)


def make_known(source: str, folder: str, kept: Path, workers: int) -> None:
    """Compute the features of the images of a source as they are, unless they are kept."""
    path = shelf(source, kept)
    if path.exists():
        return
    count = len(data_of(source, folder)[0])
    parts = [(source, folder, part.tolist()) for part in np.array_split(np.arange(count), max(count // 64, 1))]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        np.save(path, np.concatenate(pool.starmap(_part, parts)))


def _part(source: str, folder: str, rows: list[int]) -> NDArray[np.float32]:
    images = data_of(source, folder)[0]
    return features([images[row] for row in rows])


def dealt(source: str, shift: str, data: Any, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Rows to learn from, of the reference and new ones, whole modules or photographs."""
    _, labels, groups = data
    names = np.unique(groups)
    if source != "tiles":
        order = rng.permutation(names if source == "modules" else len(labels))
        ends = np.cumsum(MODULES if source == "modules" else CELLS)
        parts = [order[start:end] for start, end in zip((0, *ends), ends, strict=False)]
        return [np.flatnonzero(np.isin(groups, part)) for part in parts] if source == "modules" else parts
    kind = {name: int(labels[groups == name][0]) for name in names}
    unseen = int(rng.integers(1, 3)) if shift == "unseen" else 0
    sides: list[list[str]] = [[], [], []]
    for label in range(3):
        own = rng.permutation([name for name in names if kind[name] == label])
        if label and label == unseen:
            sides[2] += own.tolist()
            continue
        first, second = int(PHOTOGRAPHS[0] * len(own)), int(sum(PHOTOGRAPHS) * len(own))
        sides[0] += own[:first].tolist()
        sides[1] += own[first:second].tolist()
        if not (unseen and label):
            sides[2] += own[second:].tolist()
    return [np.flatnonzero(np.isin(groups, part)) for part in sides]


def side(
    title: str, rows: NDArray[np.intp], scores: NDArray[np.float64], data: Any, vectors: Any, grouped: bool
) -> Any:
    """A side of a comparison, as an audit would give it."""
    from workbench.reliability import DriftSide

    truth, called = data[1][rows] > 0, scores >= 0.5
    frame = pd.DataFrame(
        {
            "name": [f"{title} {row}" for row in rows],
            "id": [f"{title} {row}" for row in rows],
            "label": [CLASSES[int(value)] for value in truth],
            "split": None,
            "predicted": [CLASSES[int(value)] for value in called],
            "confidence": np.maximum(scores, 1 - scores),
            "verdict": np.where(truth == called, "right", "wrong"),
            "error": None,
        }
    )
    if grouped:
        frame["group"] = data[2][rows]
    return DriftSide(title, frame, np.stack([1 - scores, scores], axis=1), CLASSES, None, vectors)


def real(source: str, shift: str, number: int, folder: str, kept: Path) -> dict[str, Any]:
    """One shift of real images."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from workbench.images import OF_LINE, corrupt, kinds_of
    from workbench.reliability import drift

    data = data_of(source, folder)
    rng = np.random.default_rng([number, len(source)])
    learned, reference, new = dealt(source, shift, data, rng)
    vectors, kinds = known(source, kept), kinds_of(OF_LINE)
    kind, severity = kinds[number % len(kinds)], 0
    shown = vectors[new]
    if shift in SEVERITIES:
        severity = int(rng.choice(SEVERITIES[shift]))
        shown = features([corrupt(data[0][row], kind, severity) for row in new])
    head = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=2000))
    head.fit(vectors[learned], data[1][learned] > 0)
    scores = [np.asarray(head.predict_proba(each)[:, 1], np.float64) for each in (vectors[reference], shown)]
    sides = (
        side("reference", reference, scores[0], data, vectors[reference], source != "cells"),
        side("new", new, scores[1], data, shown, source != "cells"),
    )
    result = drift(*sides, ("defective",), seed=number)
    return facts_of(result) | {"kind": kind if severity else "", "severity": severity}


def facts_of(result: Any) -> dict[str, Any]:
    """What is noted of a comparison."""
    from workbench.reliability import drift_results

    rows = result.estimates.frame.to_dict("records")
    verdicts = {line.check: line.verdict for line in drift_results(result) if line.check.startswith("estimated")}
    beyond = None if result.foreign is None else result.foreign.beyond.value
    return {
        "rows": rows,
        "verdicts": verdicts,
        "doubts": list(result.doubts),
        "reason": result.estimates.reason,
        "domain": result.domain.value,
        "beyond": beyond,
        "drifted": result.drifted,
        "counts": list(result.counts),
    }


def simulated(number: int) -> dict[str, Any]:
    """One shift of calibrated scores, some of them near the boundary."""
    from workbench.reliability.estimate import estimates_of

    rng = np.random.default_rng(number)
    parts = []
    for hard in (HARD, rng.uniform(HARD - 0.1, HARD + 0.1)):
        near = rng.random(SIMULATED) < hard
        sure = np.where(near, rng.uniform(0.5, 0.8, SIMULATED), rng.uniform(0.85, 1.0, SIMULATED))
        parts.append((sure, rng.random(SIMULATED) < sure))
    (sure, right), (asked, truth) = parts
    result = estimates_of((sure, asked), right, truth=truth, seed=number)
    return {"rows": result.frame.to_dict("records"), "doubts": [], "reason": result.reason, "kind": "", "severity": 0}


def run(task: tuple[str, str, int, str, str]) -> str:
    """One case, as a line."""
    source, shift, number, folder, kept = task
    start = time.process_time()
    found = simulated(number) if source == "simulated" else real(source, shift, number, folder, Path(kept))
    line = {"source": source, "shift": shift, "case": number, "seconds": time.process_time() - start} | found
    return json.dumps(line, default=float)


def tasks(sources: list[str], first: int, count: int) -> Iterator[tuple[str, str, int]]:
    """The cases in an order of which any beginning is a balanced sample."""
    for number, source in itertools.product(range(first, first + count), sources):
        shifts = SHIFTS.get(source, ("mild",))
        yield source, shifts[number % len(shifts)], number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", help="without one a few simulated cases are shown")
    parser.add_argument("--tiles", default="")
    parser.add_argument("--sources", default="modules,cells")
    parser.add_argument("--cases", type=int, default=80)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--write", action="store_true", help="keep the tables in RESULTS-estimates.md")
    parser.add_argument("--also", type=Path, nargs="*", default=[], help="cases of earlier runs that are kept too")
    given = parser.parse_args()
    if given.out is None:
        print(tables([json.loads(run(("simulated", "mild", number, "", ""))) for number in range(10)]))
        return
    end, sources = time.monotonic() + 60 * given.minutes, given.sources.split(",")
    past = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out.exists() else []
    done = {(line["source"], line["case"]) for line in past}
    wanted = [task for task in tasks(sources, given.first, given.cases) if (task[0], task[2]) not in done]
    if wanted:
        for source in sources:
            if source != "simulated":
                make_known(source, given.tiles, given.out, given.workers)
    todo = [(*task, given.tiles, str(given.out)) for task in wanted]
    with multiprocessing.get_context("spawn").Pool(given.workers) as pool, given.out.open("a") as file:
        for line in pool.imap(run, todo):
            file.write(line + "\n")
            file.flush()
            if time.monotonic() > end:
                pool.terminate()
                break
    if given.write:
        write(given.out, *given.also)


if __name__ == "__main__":
    main()
