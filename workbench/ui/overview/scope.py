"""What the Overview judges: the images that count, the mistakes that cost money, and how shares are said."""

from __future__ import annotations

import dataclasses
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workbench.predictions import (
    NO_LIMITS,
    Cases,
    Limits,
    Predictions,
    inspection,
    is_tested,
    judgeable,
    known_defects,
    mistakes,
)
from workbench.stats import Rate, complement
from workbench.ui import gallery
from workbench.ui.text import plain
from workbench.ui.view import View

MISTAKES = {"escapes": "escape rate", "overkill": "overkill rate"}
"""The figures that limits are set for, by their names in `Limits`."""
MISTAKEN = ("escape", "overkill")
"""The kinds of mistakes, as `mistakes` names them."""


@dataclasses.dataclass(frozen=True, eq=False)
class Scope(View):
    """A view with predictions, and what is judged of it.

    Attributes:
        split: "test", or None where there is no test split: then all images count.
        rows: (N,) those of the split.
        limits: What is acceptable, from the model's description or as the visitor set it.
    """

    predictions: Predictions
    split: str | None
    rows: NDArray[np.bool_]
    limits: Limits = NO_LIMITS

    @cached_property
    def cases(self) -> Cases:
        """The images that count."""
        positive = known_defects(self.predictions)
        return Cases(self.predictions, judgeable(self.predictions, self.rows), positive)

    @cached_property
    def figures(self) -> dict[str, Rate]:
        """The first figures, as `inspection`."""
        return inspection(self.cases)

    @cached_property
    def mistakes(self) -> dict[str, Rate]:
        """Shares of mistakes by their names in `Limits`."""
        if self.cases.positive:
            return {name: self.figures[figure] for name, figure in MISTAKES.items()}
        return {"errors": complement(self.figures["accuracy"])}

    @cached_property
    def surest(self) -> dict[str, NDArray[np.intp]]:
        """The mistakes of each kind, as rows, the one that the model is surest of first: "escape" and "overkill", or
        "wrong" where no class is a defect."""
        defects = bool(self.cases.positive)
        kinds = mistakes(self.predictions) if defects else self.predictions.frame["verdict"].to_numpy()
        sure = gallery.certainty(self.predictions).to_numpy()
        rows = {kind: np.flatnonzero((kinds == kind) & self.rows) for kind in (MISTAKEN if defects else ("wrong",))}
        return {kind: some[np.argsort(-sure[some], kind="stable")] for kind, some in rows.items()}

    @property
    def where(self) -> str:
        """Which images these are, for Markdown."""
        count, name = f"{len(self.cases):,}", plain(self.images.name)
        test = "proposed test split" if self.proposed else "test split"
        return f"{count} images of the {test} of {name}" if self.split else f"all {count} labelled images of {name}"


def judged(view: View) -> Scope | None:
    """The view with what is judged of it; None where no image has predictions and a label that the model knows."""
    predictions = view.predictions
    if predictions is None or not predictions.frame["verdict"].notna().any():
        return None
    split = "test" if is_tested(predictions) else None
    rows = (predictions.frame["split"] == split).to_numpy(bool) if split else np.ones(len(predictions), dtype=bool)
    return Scope(view.model, view.images, predictions, split, rows, view.model.limits, proposed=view.proposed)


def of_100(rate: Rate) -> str:
    """A share as a count of 100 with its interval, such as "27 of 100 (21 to 33)"."""
    if rate.value is None or rate.low is None or rate.high is None:
        return "an unknown share (there are none)"
    digits = 0 if rate.value == 0 or 100 * rate.value >= 0.95 else 1
    value, low, high = (f"{100 * share:.{digits}f}" for share in (rate.value, rate.low, rate.high))
    return f"{value} of 100 ({low} to {high})"
