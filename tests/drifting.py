"""Made sides of a comparison, whose lots, scores and embeddings are drawn, so that what is in them is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.reliability import DriftSide

CLASSES = ("good", "defective")


def side(
    lots: np.ndarray | None,
    count: int,
    rng: np.random.Generator,
    *,
    lot_effect: float = 0.0,
    shift: float = 0.0,
    label: bool = True,
    prefix: str = "a",
    dimensions: int = 8,
    defects: float = 0.3,
) -> DriftSide:
    """`count` images, of the lots (N,) or of none; lots differ by `lot_effect` standard deviations in everything."""
    own = np.zeros(count, int) if lots is None else lots
    offsets = lot_effect * rng.standard_normal((own.max() + 1, dimensions + 4))[own]
    values = rng.standard_normal((count, dimensions + 4)) + offsets + shift
    truth = rng.random(count) < defects
    logits = 2.5 * truth - 1.25 + 0.9 * rng.standard_normal(count) + 0.3 * offsets[:, 0]
    score = 1 / (1 + np.exp(-2 * logits))
    called = score >= 0.5
    frame = pd.DataFrame(
        {
            "name": [f"{prefix}{number}.png" for number in range(count)],
            "id": [f"{prefix}{number}" for number in range(count)],
            "label": [CLASSES[int(value)] if label else None for value in truth],
            "split": None,
            "predicted": [CLASSES[int(value)] for value in called],
            "confidence": np.maximum(score, 1 - score),
            "unsure": False,
            "verdict": ["right" if one == other else "wrong" for one, other in zip(truth, called, strict=True)],
            "error": None,
        }
    )
    frame["verdict"] = frame["verdict"] if label else None
    if lots is not None:
        frame["group"] = [f"{prefix}{number}" for number in lots]
    measures = pd.DataFrame(values[:, dimensions:], columns=["brightness", "contrast", "sharpness", "bytes"])
    blank = dict.fromkeys(("format", "mode", "profile", "camera"), "PNG")
    zeros = dict.fromkeys(("quality", "width", "height", "bits", "colour", "black", "white"), 0.0)
    probabilities = np.stack([1 - score, score], axis=1)
    vectors = values[:, :dimensions].astype(np.float32)
    return DriftSide(f"side {prefix}", frame, probabilities, CLASSES, measures.assign(**blank, **zeros), vectors)
