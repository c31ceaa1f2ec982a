"""What a set does not cover: images beyond the reach of the training split, and training images that no test reaches.

Reach is measured in an embedding, by the distance to the fifth nearest part (Sun et al. 2022, "Out-of-distribution
detection with deep nearest neighbors"), and held against the same distances within the training split, where a part's
own images never count: a copy in the training split makes nothing near.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.files import CheckResult, Outcome
from workbench.predictions import units_of
from workbench.stats import ENOUGH, SIGNIFICANT, Rate, share, units_or_cases

if TYPE_CHECKING:
    import pandas as pd

RANK = 5
"""The distance to this many-th nearest part counts: one odd neighbour makes nothing near."""
WITHIN_REACH = 0.99
"""The share of the training parts that lie within reach of the others: the radius is this quantile."""
FEW_DIMENSIONS = 3
"""Vectors of no more numbers than this are compared as they are, longer ones by their direction."""
DISTANCES_AT_ONCE = 256
"""Rows whose distances are in memory at once."""
NOT_MEASURED = Rate(None, None, None, 0, 0)
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Coverage:
    """What of a set lies beyond the reach of its training split.

    Attributes:
        frame: One row an image, in the order of the table: name, split, distance (to the `RANK`-th nearest training
            part, its own left out; NaN where it is not known), outside (whether that is beyond the radius; False for
            training images), nearest (the most alike training image of another part, or None), untested (of a training
            image: whether it is beyond the reach of the test images).
        split: The split that the figures are about, "test" or "validation"; empty where nothing can be told.
        radius: The distance that counts as out of reach; NaN where nothing can be told.
        outside: The share of the split's images beyond it; `groups` counts parts where they are known.
        p: How often chance alone would put so many parts beyond it, were the split drawn like the training split.
        right_inside: The share of right decisions within reach.
        right_outside: The same beyond it.
        untested: The share of training images beyond the reach of the test images; without a value where the split has
            fewer than `ENOUGH` parts.
        untested_p: As `p`.
        reason: Why nothing can be told; empty where something can.
    """

    frame: pd.DataFrame
    split: str = ""
    radius: float = float("nan")
    outside: Rate = NOT_MEASURED
    p: float = 1.0
    right_inside: Rate = NOT_MEASURED
    right_outside: Rate = NOT_MEASURED
    untested: Rate = NOT_MEASURED
    untested_p: float = 1.0
    reason: str = ""

    @property
    def gap(self) -> bool:
        """Whether more lies out of reach than chance puts there."""
        return not self.reason and self.p < SIGNIFICANT

    @property
    def untested_gap(self) -> bool:
        """Whether more of the training split is never tested than chance leaves."""
        return not self.reason and self.untested.value is not None and self.untested_p < SIGNIFICANT


def coverage(table: pd.DataFrame, vectors: NDArray[np.floating], *, on_progress: Progress | None = None) -> Coverage:
    """Look for images that the training split does not reach.

    Args:
        table: A row an image, with name and split; with group, family and verdict where they are known.
        vectors: (N, D) an embedding of the same images; rows that are not finite are of images that cannot be read.
        on_progress: Called with how much is done, and of how much.

    Raises:
        InputError: Table and vectors are of different images.
    """
    if vectors.ndim != 2 or len(vectors) != len(table):
        raise InputError("The embedding does not belong to these images: compute it again.")
    units = units_of(table)
    parts, splits = units_or_cases(units, len(table)), table["split"].to_numpy(dtype=object)
    read, directions = np.isfinite(vectors).all(axis=1), _directions(vectors)
    rows = {name: np.flatnonzero(read & (splits == name)) for name in ("train", "validation", "test")}
    frame = _blank(table)
    if reason := _unknown(rows, parts):
        return Coverage(frame, reason=reason)
    split = "test" if len(rows["test"]) else "validation"
    asked = np.concatenate([rows["train"], rows["validation"], rows["test"]])
    ticks = _Ticks(on_progress, len(asked) + len(rows["train"]) + len(rows[split]))
    distance, nearest = _reach(directions, parts, asked, rows["train"], ticks)
    frame.loc[asked, "distance"] = distance
    frame["nearest"] = frame["nearest"].astype(object)
    frame.loc[asked, "nearest"] = table["name"].to_numpy(dtype=object)[nearest]
    away = frame["distance"].to_numpy(dtype=np.float64)
    radius = _radius(away[rows["train"]], parts[rows["train"]])
    frame["outside"] = read & np.isin(np.arange(len(table)), asked) & (splits != "train") & (away > radius)
    out = frame["outside"].to_numpy(dtype=bool)
    verdicts = _verdicts(table)
    right, within = verdicts == "right", _judged(rows[split], verdicts)
    untested, chance = _back(frame, directions, parts, (rows["train"], rows[split]), units, ticks)
    return Coverage(
        frame,
        split,
        radius,
        outside=_share(out, rows[split], units),
        p=_chance(away > radius, parts, rows["train"], rows[split]),
        right_inside=_share(right, within[~out[within]], units),
        right_outside=_share(right, within[out[within]], units),
        untested=untested,
        untested_p=chance,
    )


def _back(
    frame: pd.DataFrame,
    directions: NDArray[np.float32],
    parts: NDArray[np.intp],
    rows: tuple[NDArray[np.intp], NDArray[np.intp]],
    units: NDArray[np.intp] | None,
    ticks: _Ticks,
) -> tuple[Rate, float]:
    """The other way round: the training images, the first of `rows`, beyond the reach of the tested ones, the second;
    `frame` is told."""
    train, test = rows
    if len(np.unique(parts[test])) < ENOUGH:
        return NOT_MEASURED, 1.0
    away, both = np.full(len(frame), np.nan), np.concatenate(rows)
    away[both], _ = _reach(directions, parts, both, test, ticks)
    beyond = away > _radius(away[test], parts[test])
    frame.loc[train, "untested"] = beyond[train]
    return _share(beyond, train, units), _chance(beyond, parts, test, train)


class _Ticks:
    """How many rows are done, of how many."""

    def __init__(self, on_progress: Progress | None, total: int) -> None:
        self._tell, self._total, self._done = on_progress, total, 0

    def __call__(self, rows: int) -> None:
        self._done += rows
        if self._tell is not None:
            self._tell(min(self._done, self._total), self._total)


def _blank(table: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    none = np.full(len(table), None, dtype=object)
    columns = {"name": table["name"].to_numpy(dtype=object), "split": table["split"].to_numpy(dtype=object)}
    return pd.DataFrame(columns | {"distance": np.nan, "outside": False, "nearest": none, "untested": False})


def _unknown(rows: dict[str, NDArray[np.intp]], parts: NDArray[np.intp]) -> str:
    """Why nothing can be told of the reach of a training split."""
    if not len(rows["train"]):
        return "No image that can be read is of a training split, so its reach is not known."
    if not len(rows["test"]) and not len(rows["validation"]):
        return "No image that can be read is of a test or validation split, so nothing can be out of reach."
    if (count := len(np.unique(parts[rows["train"]]))) < ENOUGH:
        return f"The training split holds {count} independent images: with fewer than {ENOUGH} its reach is not known."
    return ""


def _directions(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """What is compared: the vectors of length 1, or centred where they have `FEW_DIMENSIONS`."""
    values = np.nan_to_num(vectors.astype(np.float32), posinf=0, neginf=0)
    if values.shape[1] <= FEW_DIMENSIONS:
        centred: NDArray[np.float32] = values - values.mean(axis=0, dtype=np.float64).astype(np.float32)
        return centred
    length = np.sqrt(np.einsum("nd,nd->n", values, values, dtype=np.float64))
    return np.asarray(values / np.where(length > 0, length, 1)[:, None], dtype=np.float32)


def _reach(
    vectors: NDArray[np.float32],
    parts: NDArray[np.intp],
    asked: NDArray[np.intp],
    pool: NDArray[np.intp],
    ticks: _Ticks,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """How far each row of `asked` (Q,) lies from the `RANK`-th nearest part of the rows `pool`, its own part left out,
    (Q,), and the nearest such row, (Q,)."""
    order = pool[np.argsort(parts[pool], kind="stable")]
    numbers, starts, sizes = np.unique(parts[order], return_index=True, return_counts=True)
    there, squares = vectors[order], (vectors[order].astype(np.float64) ** 2).sum(axis=1)
    rounding = 1e-6 * max(float(squares.mean()), 1e-30)
    rank = min(RANK, len(numbers) - 1)
    distances, nearest = np.empty(len(asked)), np.empty(len(asked), np.intp)
    for start in range(0, len(asked), DISTANCES_AT_ONCE):
        rows = asked[start : start + DISTANCES_AT_ONCE]
        own = (vectors[rows].astype(np.float64) ** 2).sum(axis=1)
        apart = own[:, None] + squares - 2 * (vectors[rows] @ there.T)
        places = np.searchsorted(numbers, parts[rows]).clip(max=len(numbers) - 1)
        for line, place in zip(*_same(numbers[places] == parts[rows], places), strict=True):
            apart[line, starts[place] : starts[place] + sizes[place]] = np.inf
        nearest[start : start + len(rows)] = order[apart.argmin(axis=1)]
        least = np.minimum.reduceat(apart, starts, axis=1) if len(numbers) < len(order) else apart
        far = np.partition(least, rank - 1, axis=1)[:, rank - 1]
        distances[start : start + len(rows)] = np.sqrt(np.where(far < rounding, 0, far))
        ticks(len(rows))
    return distances, nearest


def _same(there: NDArray[np.bool_], places: NDArray[np.intp]) -> tuple[list[int], list[int]]:
    lines = np.flatnonzero(there)
    return lines.tolist(), places[lines].tolist()


def _radius(distances: NDArray[np.float64], parts: NDArray[np.intp]) -> float:
    """The `WITHIN_REACH` quantile of distances (M,), in which each part counts once."""
    _, place, counts = np.unique(parts, return_inverse=True, return_counts=True)
    order = np.argsort(distances, kind="stable")
    reached = np.cumsum((1 / counts[place])[order])
    return float(distances[order][np.searchsorted(reached, WITHIN_REACH * reached[-1] - 1e-9)])


def _share(hits: NDArray[np.bool_], rows: NDArray[np.intp], units: NDArray[np.intp] | None) -> Rate:
    return share(hits[rows], None if units is None else units[rows])


def _verdicts(table: pd.DataFrame) -> NDArray[np.object_]:
    if "verdict" not in table:
        return np.full(len(table), None, dtype=object)
    verdicts = table["verdict"].astype(object)
    return verdicts.where(verdicts.notna(), None).to_numpy()


def _judged(rows: NDArray[np.intp], verdicts: NDArray[np.object_]) -> NDArray[np.intp]:
    return rows[[verdict is not None for verdict in verdicts[rows]]]


def _chance(
    beyond: NDArray[np.bool_], parts: NDArray[np.intp], within: NDArray[np.intp], asked: NDArray[np.intp]
) -> float:
    """How often so many of the parts of `asked` would lie beyond the radius if they were drawn like those of `within`:
    the exact tail of the hypergeometric distribution over parts, each beyond where half of its images are."""
    from scipy.stats import hypergeom

    (own, all_own), (other, all_other) = (_parts_beyond(beyond[rows], parts[rows]) for rows in (within, asked))
    return float(hypergeom.sf(other - 1, all_own + all_other, all_other, own + other)) if other else 1.0


def _parts_beyond(beyond: NDArray[np.bool_], parts: NDArray[np.intp]) -> tuple[int, int]:
    _, place, counts = np.unique(parts, return_inverse=True, return_counts=True)
    return int((np.bincount(place, beyond) >= counts / 2).sum()), len(counts)


def coverage_results(result: Coverage) -> tuple[CheckResult, ...]:
    """The checks "coverage" (images beyond the reach of the training split), "coverage accuracy" (whether the model is
    worse there) and "coverage untested" (training images that no test image reaches)."""
    if result.reason:
        return tuple(CheckResult(name, "unknown", result.reason) for name in COVERAGE_CHECKS)
    rate, names = result.outside, result.frame.loc[result.frame["outside"] & (result.frame["split"] == result.split)]
    sentence = (
        f"{rate.count:,} of {rate.support:,} images of the {result.split} split lie beyond the reach of the training"
        f" split: {'more than' if result.gap else 'no more than'} chance would put there (p = {result.p:.2g})."
    )
    ordered = names.sort_values("distance", ascending=False)["name"].tolist()
    first = CheckResult(
        COVERAGE_CHECKS[0],
        "warn" if result.gap else "ok",
        sentence,
        rate.value,
        rate.low,
        rate.high,
        1 - WITHIN_REACH,
        rate.support,
        tuple(ordered),
    )
    return first, _accuracy(result, tuple(ordered)), _untested(result)


COVERAGE_CHECKS = ("coverage", "coverage accuracy", "coverage untested")


def _accuracy(result: Coverage, names: tuple[str, ...]) -> CheckResult:
    inside, outside = result.right_inside, result.right_outside
    if inside.value is None and outside.value is None:
        why = "No decision can be judged: there are no predictions, or no labels."
        return CheckResult(COVERAGE_CHECKS[1], "unknown", why)
    if outside.value is None or inside.value is None or (outside.groups or outside.support) < ENOUGH:
        why = (
            f"Too few lie out of reach to say how the model does there: {outside.count:,} of {outside.support:,} right."
        )
        return CheckResult(COVERAGE_CHECKS[1], "unknown", why, outside.value, outside.low, outside.high, images=names)
    worse = (outside.high or 0.0) < (inside.low or 0.0)
    sentence = (
        f"{100 * outside.value:.1f} % of the images beyond reach are decided right, {100 * inside.value:.1f} % of those"
        " within."
    )
    return CheckResult(
        COVERAGE_CHECKS[1],
        "warn" if worse else "ok",
        sentence,
        outside.value,
        outside.low,
        outside.high,
        inside.value,
        outside.support,
        names,
    )


def _untested(result: Coverage) -> CheckResult:
    rate = result.untested
    if rate.value is None:
        why = f"The {result.split} split holds fewer than {ENOUGH} independent images, so its own reach is not known."
        return CheckResult(COVERAGE_CHECKS[2], "unknown", why)
    more = "more than" if result.untested_gap else "no more than"
    sentence = (
        f"{rate.count:,} of {rate.support:,} training images lie beyond the reach of the {result.split} split: {more}"
        f" chance would leave there (p = {result.untested_p:.2g})."
    )
    names = tuple(result.frame.loc[result.frame["untested"], "name"].tolist())
    verdict: Outcome = "warn" if result.untested_gap else "ok"
    return CheckResult(
        COVERAGE_CHECKS[2], verdict, sentence, rate.value, rate.low, rate.high, 1 - WITHIN_REACH, rate.support, names
    )
