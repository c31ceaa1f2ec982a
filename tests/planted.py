"""Planted sets for tests of leaks, splits and repeats: images by name, what a model says, and which show one part."""

import numpy as np
import pandas as pd

from workbench.images import BytesSource, ImageItem
from workbench.predictions import DecisionRule, tabulate
from workbench.quality import Families

RULE = DecisionRule(("good", "defective"), "defective", 0.5)
PAIRS = ("first", "second", "grade", "score", "turn")


def item(name, split=None, label="good", **attributes):
    """An image whose bytes are its name."""
    return ImageItem(name, BytesSource(name.encode()), label, None, split, attributes)


def said(items, scores, rule=RULE):
    """What a model says of them: the probability of a defect of each."""
    scores = np.asarray(scores, np.float32)
    probabilities = np.stack([1 - scores, scores], 1)
    return tabulate(items, np.log(probabilities + 1e-9), probabilities, {}, rule, "model")


def kin(items, pairs):
    """Families of the images from pairs (first, second[, grade[, score[, turn]]])."""
    pairs = [(*pair, *("same part", 0.9, "")[len(pair) - 2 :]) for pair in pairs]
    parent = {i.name: i.name for i in items}

    def root(name):
        return name if parent[name] == name else root(parent[name])

    rows = {}
    for first, second, grade, *_ in pairs:
        if grade != "very similar" and first in parent and second in parent:
            parent[root(second)] = root(first)
            rows[second] = (grade, first)
    frame = pd.DataFrame(
        [(i.name, root(i.name), *rows.get(i.name, (None, None))) for i in items],
        columns=["name", "family", "grade", "to"],
    )
    return Families(frame, pd.DataFrame(pairs, columns=list(PAIRS)))
