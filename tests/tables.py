"""Tables of predictions for tests, and the real ones that ship."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.predictions.table import DecisionRule, Predictions

AT_RANDOM = "solar-cells-random"


@cache
def solar() -> Predictions:
    """What the model of solar cells dealt at random says about its 2,624 images, of which no group is stated."""
    return Predictions.load(
        Path(__file__).resolve().parents[1] / "assets" / "models" / AT_RANDOM / "predictions.parquet"
    )


def with_attributes(table: Predictions, **columns: object) -> Predictions:
    return dataclasses.replace(table, frame=table.frame.assign(**columns))


def table(
    labels: Sequence[str | None],
    predicted: Sequence[str],
    attributes: Mapping[str, Sequence[object]] | None = None,
    *,
    classes: Sequence[str] = ("good", "bad"),
    positive: str | None = "bad",
    confidence: Sequence[float] | float = 0.9,
) -> Predictions:
    """A decision with its confidence for each image; the other classes share the rest."""
    labels, predicted = np.array(labels, dtype=object), np.array(predicted, dtype=object)
    n, k = len(labels), len(classes)
    sure = np.broadcast_to(np.asarray(confidence, dtype=np.float32), n)
    probabilities = np.repeat(((1 - sure) / (k - 1))[:, None], k, axis=1).astype(np.float32)
    probabilities[np.arange(n), pd.Index(classes).get_indexer(predicted)] = sure
    known = np.isin(labels.astype(str), classes)
    verdict = np.where(known, np.where(labels == predicted, "right", "wrong"), None)
    frame = pd.DataFrame(
        {
            "name": [f"{i}.png" for i in range(n)],
            "id": [str(i) for i in range(n)],
            "label": pd.Series(labels, dtype=object),
            "split": pd.Series(["test"] * n, dtype=object),
            **{
                name: pd.Series(np.array(values, dtype=object), dtype=object)
                for name, values in (attributes or {}).items()
            },
            "predicted": pd.Series(predicted, dtype=object),
            "confidence": sure,
            "unsure": False,
            "verdict": pd.Series(verdict, dtype=object),
            "error": None,
        }
    )
    return Predictions(
        frame, probabilities, np.log(probabilities + 1e-6), DecisionRule(tuple(classes), positive), "key"
    )


def scored(good: Sequence[float], bad: Sequence[float], split: str = "validation") -> Predictions:
    """Good parts and defects with these probabilities of a defect, in float32 as a model gives them."""
    labels = ["good"] * len(good) + ["bad"] * len(bad)
    found = table(labels, ["bad"] * len(labels), confidence=np.array([*good, *bad]))
    return with_attributes(found, split=split)
