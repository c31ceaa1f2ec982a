"""Four other ways to look for shortcuts, asked about the models that `bench_cues.py` searches: the finder of before,
TCAV, slices and clusters of maps.

Each gives a score a model, highest where it accuses most, so that all have a ROC; TCAV, slices and the earlier finder
also have a verdict of their own, clusters of maps have none. TCAV is handed the very images that carry the true cue as
its concept, which nobody who looks for an unknown cue has, and so names whatever it finds.
"""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np
import torch
from numpy.typing import NDArray
from places_alone import shortcuts
from planted_cues import EDGES, SIZE, Case, Laid, place_of
from torch import nn

import workbench as wb
from workbench.audit import GRID
from workbench.bias import Maps, slices
from workbench.errors import InputError
from workbench.images import ImageItem, ImageSet
from workbench.models import Classifier
from workbench.predictions import Predictions
from workbench.probe import tcav

CARRY = 0.75
"""The share of a slice or cluster that carries the cue from which it is taken to show it."""
MOST_SHOWN, REPEATS = 50, 4
"""Images of a class, of the cue and of the background that TCAV is shown at most, and its separators of the cue."""
CLASS_LEAST = 20
"""Fewer maps of a class are not clustered."""


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """A model, its test images and what is known of them."""

    case: Case
    classifier: Classifier
    data: Laid
    images: ImageSet
    predictions: Predictions

    @property
    def called(self) -> NDArray[np.str_]:
        """(N,) what each image is called."""
        return self.predictions.frame["predicted"].to_numpy(str)

    @property
    def target(self) -> str:
        """The class that the cue goes with."""
        return self.data.names[self.case.seed % len(self.data.names)]

    @property
    def middle(self) -> tuple[float, float]:
        """Where the middle of the fixed stamp lies, as shares of height and width."""
        edge = EDGES[self.case.strength]
        return tuple((start + edge / 2) / SIZE for start in place_of(self.case.seed, edge))  # type: ignore[return-value]


Said = dict[str, object]
"""score (highest where it accuses most), accused (None where it has no verdict of its own), named (whether the first
accusation shows the true cue and class)."""


def maps_of_all(asked: Asked) -> Maps:
    """Grad-CAM of each image for what it is called."""
    frame, heatmaps = asked.predictions.frame, []
    for item, name in zip(asked.images, frame["predicted"], strict=True):
        values = np.abs(wb.attribute(asked.classifier, item, "grad_cam", name).on_image())
        rows = np.linspace(0, SIZE, GRID + 1).astype(int)[:-1]
        cells = np.add.reduceat(np.add.reduceat(values, rows, 0), rows, 1)
        heatmaps.append(cells / max(cells.sum(), 1e-12) if values.any() else np.full((GRID, GRID), GRID**-2.0))
    units = np.unique(asked.data.groups, return_inverse=True)[1] if asked.data.groups else None
    return Maps(frame, np.stack(heatmaps), np.full(len(frame), np.nan), "grad_cam", units)


def earlier(asked: Asked, maps: Maps) -> Said:
    """The finder of five places at the edge."""
    findings = shortcuts(asked.classifier, asked.images, maps, seed=asked.case.seed)
    tried = [finding for finding in findings if finding.tried is not None and finding.verdict != "too few"]
    score = max((-math.log10(max(f.p_where, f.p_effect or 1.0, 1e-300)) for f in tried), default=0.0)
    guilty = [finding for finding in findings if finding.accused]
    row, column = (int(share * 1000) for share in asked.middle)
    right = bool(guilty) and asked.case.family == "fixed stamp" and guilty[0].target == asked.target
    right = right and bool(guilty[0].region.on(1000, 1000)[row, column])
    return {"score": score, "accused": bool(guilty), "named": right}


def concepts(asked: Asked) -> Said:
    """TCAV with the true cue as the concept, for each class."""
    items, carry = np.array(asked.images.items, object), asked.data.carry
    cue, background = (some(items[which], asked.case.seed) for which in (carry, ~carry))
    best, guilty = 0.0, set()
    chances: list[tuple[float, str, bool]] = []
    for name in asked.data.names:
        own = some(items[asked.called == name], asked.case.seed)
        try:
            result = tcav(
                asked.classifier, {"cue": cue}, own, name, background=background, repeats=REPEATS,
                seed=asked.case.seed,
            )  # fmt: skip
        except InputError:
            continue
        row = result.frame.iloc[0]
        supports = row["verdict"] == "matters, for the class"
        chances.append((float(row["p"]), name, bool(supports)))
        if row["slope"] > 0 and row["accuracy"] >= 0.7:
            best = max(best, -math.log10(max(float(row["p"]), 1e-300)))
    for p, name, supports in chances:  # Bonferroni's over the classes
        if supports and p * len(chances) <= 0.05:
            guilty.add(name)
    return {"score": best, "accused": bool(guilty), "named": asked.target in guilty}


def some(items: NDArray[np.object_], seed: int) -> list[ImageItem]:
    """At most `MOST_SHOWN` of the items."""
    return list(np.random.default_rng(seed).permutation(items)[:MOST_SHOWN])


def embedded(asked: Asked) -> NDArray[np.float32]:
    """(N, D) what goes into the last linear layer."""
    heads = [module for module in asked.classifier.model.modules() if isinstance(module, nn.Linear)]
    rows: list[torch.Tensor] = []
    hook = heads[-1].register_forward_pre_hook(lambda _, inputs: rows.append(inputs[0].detach().cpu()))
    try:
        for batch in torch.stack([asked.classifier.input(item).x for item in asked.images]).split(64):
            with torch.no_grad():
                asked.classifier.forward(batch.to(asked.classifier.device))
    finally:
        hook.remove()
    return torch.cat(rows).numpy()


def sliced(asked: Asked) -> Said:
    """Clusters of embeddings with more errors than chance makes."""
    result = slices(embedded(asked), asked.predictions, seed=asked.case.seed)
    score = max((-math.log10(max(part.p_adjusted, 1e-300)) for part in result.slices), default=0.0)
    guilty = [part for part in result.slices if part.significant]
    right = bool(guilty) and shows(asked, guilty[0].members)
    return {"score": score, "accused": bool(guilty), "named": right}


def shows(asked: Asked, rows: NDArray[np.intp]) -> bool:
    """Whether images are mostly those of another class that the cue makes of its class, or those of its class that miss
    it."""
    carry, labels = asked.data.carry[rows], asked.predictions.frame["label"].to_numpy(str)[rows]
    own = labels == asked.target
    lured = carry & ~own & (asked.called[rows] == asked.target)
    return bool(max(lured.mean(), (own & ~carry).mean()) >= CARRY)


def clustered(asked: Asked, maps: Maps) -> Said:
    """K-means of the maps of each class, by the clearest of two to four clusters (after SpRAy)."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    best, right = 0.0, False
    for name in asked.data.names:
        own = np.flatnonzero(asked.called == name)
        if len(own) < CLASS_LEAST:
            continue
        values = maps.heatmaps[own].reshape(len(own), 8, 4, 8, 4).sum((2, 4)).reshape(len(own), -1)
        for count in (2, 3, 4):
            groups = KMeans(count, n_init=4, random_state=asked.case.seed).fit_predict(values)
            clear = float(silhouette_score(values, groups)) if len(set(groups)) > 1 else 0.0
            if clear > best:
                parts = [asked.data.carry[own[groups == group]].mean() for group in set(groups)]
                best, right = clear, bool(name == asked.target and max(parts) >= CARRY and min(parts) <= 1 - CARRY)
    return {"score": best, "accused": None, "named": right}


def others(asked: Asked) -> dict[str, Said]:
    """What each of the other ways says of one model, and how many seconds of processor it took."""
    start = time.process_time()
    maps = maps_of_all(asked)
    shared = time.process_time() - start
    ways = {
        "earlier finder": lambda: earlier(asked, maps),
        "TCAV, given the cue": lambda: concepts(asked),
        "slices": lambda: sliced(asked),
        "clusters of maps": lambda: clustered(asked, maps),
    }
    said = {}
    for name, way in ways.items():
        start = time.process_time()
        said[name] = way()
        said[name]["seconds"] = time.process_time() - start + shared * (name in ("earlier finder", "clusters of maps"))
    return said
