"""Classes: the mistakes behind each, and every figure of each."""

from __future__ import annotations

import numpy as np

from workbench.bias import Breakdown
from workbench.ui import gallery
from workbench.ui.bias import tables, words
from workbench.ui.bias.scope import Scope


def mistakes(scope: Scope, breakdown: Breakdown) -> None:
    """Where to look at the mistakes of each class."""
    tables.links(scope, _mistakes(scope, breakdown), "class")


def figures(scope: Scope) -> None:
    """Every figure of each class."""
    breakdown = scope.breakdown()
    tables.figures(breakdown, words.CLASS_FIGURES, "class")
    tables.downloads(scope, breakdown, "recall", "bias-classes")


def _mistakes(scope: Scope, breakdown: Breakdown) -> list[tuple[str, int, dict[str, str]]]:
    """For each class how many of its images are called something else, and the link to them."""
    wrong = (scope.predictions.frame["verdict"] == "wrong").to_numpy(bool) & (breakdown.codes >= 0)
    at = np.flatnonzero(wrong)
    codes = breakdown.codes[at]
    count = np.bincount(codes, minlength=len(breakdown.frame))
    first = dict(zip(codes[::-1].tolist(), at[::-1].tolist(), strict=True))
    names = scope.predictions.frame["name"].to_numpy()
    lines = []
    for code, (name,) in enumerate(breakdown.values):
        query = (
            {"class": gallery.class_token(str(name)), "verdict": "wrong", "image": str(names[first[code]])}
            if code in first
            else {}
        )
        lines.append((str(name), int(count[code]), query))
    return lines
