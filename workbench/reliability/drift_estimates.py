"""How right the model is on new images: measured where they have labels, estimated where they have none."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.reliability.drift_foreign import Foreign
from workbench.reliability.drift_sides import DriftSide
from workbench.reliability.estimate import Estimates, estimates_of
from workbench.stats import Rate, share
from workbench.texts import shown

TRUSTED_AREA, TRUSTED_BEYOND = 0.8, 0.05
"""The domain classifier's AUC, and the share of images beyond the reach of the reference, above which no estimate
without labels is to be trusted."""
ACCURACY, PASSED, ESCAPES = "accuracy", "defects among what passes", "escape rate"


def estimated_sides(
    first: DriftSide,
    second: DriftSide,
    units: tuple[NDArray[np.intp] | None, NDArray[np.intp] | None],
    positive: Sequence[str],
    seed: int = 0,
) -> Estimates:
    """Estimates for the second side from the labels of the first, of `ACCURACY` and of `PASSED`, the share of defects
    among the images that the model passes.

    Args:
        first: N labelled images.
        second: M others.
        units: (N,) the unit of each of the first, and (M,) of the second; None where none are known.
        positive: The classes that are defects; without any, only the accuracy is given.
        seed: Of the halves on which errors are measured.
    """
    import pandas as pd

    figures = (ACCURACY, PASSED) if positive else (ACCURACY,)
    parts = [_estimated((first, second), units, figure, positive, seed) for figure in figures]
    kept = [part for part in parts if not part.reason]
    why = dict.fromkeys(f"{figure}: {part.reason}" for figure, part in zip(figures, parts, strict=True) if part.reason)
    frame = pd.concat([part.frame for part in kept], ignore_index=True) if kept else parts[0].frame
    return Estimates(frame, all(part.calibrated for part in kept), " ".join(why))


def _estimated(
    sides: tuple[DriftSide, DriftSide],
    units: tuple[NDArray[np.intp] | None, NDArray[np.intp] | None],
    figure: str,
    positive: Sequence[str],
    seed: int,
) -> Estimates:
    (among, sure, right), (asked, new_sure, new_right) = (_correct(side, figure, positive) for side in sides)
    judged = [side.table["verdict"].notna().to_numpy(bool) for side in sides]
    known = among & judged[0]
    labelled = asked.any() and bool(judged[1][asked].all())
    result = estimates_of(
        (sure[known], new_sure[asked]),
        right[known],
        None if units[0] is None else units[0][known],
        lots=None if units[1] is None else len(np.unique(units[1][asked])),
        figure=figure,
        truth=new_right[asked] if labelled else None,
        seed=seed,
    )
    return result if figure == ACCURACY else _turned(result)


def _correct(
    side: DriftSide, figure: str, positive: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.bool_]]:
    """Which images a figure is of, how sure the model is of each (N,), and whether it is right."""
    table = side.table
    if figure == ACCURACY:
        sure = table["confidence"].to_numpy(np.float64)
        return np.ones(len(table), np.bool_), sure, (table["verdict"] == "right").to_numpy(bool)
    passes = ~table["predicted"].isin(positive).to_numpy(bool)
    return passes, 1 - side.score(positive), ~table["label"].isin(positive).to_numpy(bool)


def _turned(part: Estimates) -> Estimates:
    """Shares of defects, from those of parts without."""
    frame = part.frame.assign(low=1 - part.frame["high"], high=1 - part.frame["low"])
    for name in ("estimate", "reference", "truth"):
        frame[name] = 1 - frame[name].astype(float)
    return dataclasses.replace(part, frame=frame)


def measured_side(side: DriftSide, units: NDArray[np.intp] | None, positive: Sequence[str]) -> dict[str, Rate]:
    """What the labels of a side show of the same and of `ESCAPES`, as far as it has any that the model knows."""
    judged = side.table["verdict"].notna().to_numpy(bool)
    defect, passes = (side.table[name].isin(positive).to_numpy(bool) for name in ("label", "predicted"))
    passes = ~passes
    right = (side.table["verdict"] == "right").to_numpy(bool)
    parts = {ACCURACY: (judged, right)}
    if positive:
        parts |= {PASSED: (judged & passes, defect), ESCAPES: (judged & defect, passes)}
    return {
        name: share(hits[among], None if units is None else units[among])
        for name, (among, hits) in parts.items()
        if among.any()
    }


def doubts_of(
    sides: tuple[DriftSide, DriftSide], domain: Rate, foreign: Foreign | None, estimates: Estimates
) -> tuple[str, ...]:
    """Why estimates without labels are not to be trusted; empty where nothing that was looked at says so."""
    doubts = [*_unknown_labels(sides[1]), *_outside(sides)]
    if foreign is None or domain.value is None:
        doubts.append("it is not known whether the new images are of the kind of the reference")
    elif domain.value > TRUSTED_AREA:
        doubts.append(
            f"a classifier tells the new images from the reference with an AUC of {domain.value:.2f}, above"
            f" {TRUSTED_AREA}"
        )
    beyond = None if foreign is None else foreign.beyond
    if beyond is not None and (beyond.value or 0) > TRUSTED_BEYOND:
        doubts.append(
            f"{beyond.value:.1%} of the new images ({beyond.count:,} of {beyond.support:,}) lie beyond the reach of the"
            f" reference, more than {TRUSTED_BEYOND:.0%}"
        )
    if len(estimates.frame) and not estimates.calibrated:
        doubts.append("the scores are not calibrated on the reference, even after a curve is fitted to them")
    return tuple(doubts)


def unjudged(side: DriftSide) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The images that have a label which the model has no class for, and those labels."""
    table = side.table[side.table["label"].notna() & ~side.table["label"].isin(side.classes)]
    return tuple(table["name"]), tuple(sorted(map(str, table["label"].unique())))


def _unknown_labels(new: DriftSide) -> list[str]:
    names, labels = unjudged(new)
    if not names:
        return []
    return [f"{len(names):,} new images have a label that is no class of the model ({shown(labels[0])})"]


def _outside(sides: tuple[DriftSide, DriftSide]) -> list[str]:
    """Where the model is surer, or less sure, of new images than of any of the reference: no label tells of that."""
    known, asked = (side.table["confidence"].to_numpy(np.float64) for side in sides)
    if not len(known) or not len(asked):
        return []
    part = float(((asked < known.min()) | (asked > known.max())).mean())
    if part <= TRUSTED_BEYOND:
        return []
    return [f"the confidence of {part:.1%} of the new images lies outside of all that the reference has"]
