"""The tests of a comparison: a figure for each property, held against all deals, and corrected together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.reliability.drift_effects import Effect, effect_of
from workbench.reliability.drift_figures import Asked, areas, domain_scores, figures_of
from workbench.reliability.drift_null import Deals, adjusted, critical, p_values
from workbench.stats import SIGNIFICANT, Rate, auc

if TYPE_CHECKING:
    import pandas as pd

NONE_KNOWN = Rate(None, None, None, 0, 0)
TEST_OF = {"number": "Kolmogorov-Smirnov", "category": "chi-square", "vectors": "MMD"}
TEST_COLUMNS = (
    "family", "property", "test", "figure", "critical", "p", "p adjusted", "drift", "effect", "meaning", "value", "low",
    "high", "reference", "images", "units",
)  # fmt: skip
Progress = Callable[[int, int], None]
Line = tuple[str, str, str, Effect, NDArray[np.intp]]


def results_of_tests(
    asked: list[Asked],
    vectors: NDArray[np.floating] | None,
    new: NDArray[np.bool_],
    units: NDArray[np.intp] | None,
    deals: Deals,
    seed: int,
    on_progress: Progress | None,
) -> tuple[pd.DataFrame, Rate, bool]:
    """The table of tests, the domain classifier's AUC, and whether that is of lots that it was not taught."""
    figures, lines = [], []
    place = np.full(len(new), -1)
    place[deals.rows] = np.arange(len(deals.rows))
    for done, line in enumerate(asked):
        among = place[line.rows]
        part = dataclasses.replace(line, values=line.values[among >= 0], rows=line.rows[among >= 0])
        sides = new[part.rows]
        if 2 <= sides.sum() <= len(sides) - 2:
            figures.append(figures_of(part, deals.new[:, among[among >= 0]]))
            test = TEST_OF[line.kind]
            own = None if units is None else units[line.rows]
            lines.append((line.family, line.name, test, effect_of(line, new[line.rows], own), line.rows))
        if on_progress is not None:
            on_progress(done + 1, len(asked) + 1)
    domain, by_lot = NONE_KNOWN, False
    if vectors is not None and 2 <= new.sum() <= len(new) - 2:
        domain, by_lot, more = _domain(vectors, new, units, deals, seed)
        if more is not None:
            figures.append(more)
            effect = Effect("", "how often a classifier finds a new image more like the new ones", domain, 0.5)
            lines.append(("embedding", "domain classifier", "classifier two-sample test", effect, np.arange(len(new))))
    return _table(figures, lines, new, units), domain, by_lot


def _domain(
    vectors: NDArray[np.floating],
    new: NDArray[np.bool_],
    units: NDArray[np.intp] | None,
    deals: Deals,
    seed: int,
) -> tuple[Rate, bool, NDArray[np.float64] | None]:
    scores = domain_scores(vectors[deals.rows], deals.new, deals.units, seed)
    if scores is not None:
        side = deals.new[0]
        rate = auc(scores[0], side, units=deals.units if deals.by_unit else None)
        return rate, True, areas(scores, deals.new)
    alone = domain_scores(vectors, new[None], np.arange(len(new)), seed)
    rate = NONE_KNOWN if alone is None else auc(alone[0], new, units=units)
    return rate, False, None


def _table(
    figures: list[NDArray[np.float64]],
    lines: list[Line],
    new: NDArray[np.bool_],
    units: NDArray[np.intp] | None,
) -> pd.DataFrame:
    import pandas as pd

    if not figures:
        return pd.DataFrame(columns=list(TEST_COLUMNS))
    matrix = np.stack(figures, axis=1)
    p, corrected, limits = p_values(matrix), adjusted(matrix), critical(matrix)
    rows = []
    for number, (family, name, test, effect, at) in enumerate(lines):
        rate = effect.rate or NONE_KNOWN
        many = len(at) if units is None else len(np.unique(units[at]))
        facts = (family, name, test, float(matrix[0, number]), float(limits[number]), float(p[number]))
        found = float(corrected[number]) <= SIGNIFICANT
        figure = (rate.value, rate.low, rate.high, effect.reference)
        rows.append((*facts, float(corrected[number]), found, effect.words, effect.meaning, *figure, len(at), many))
    table = pd.DataFrame(rows, columns=list(TEST_COLUMNS))
    table[["value", "low", "high", "reference"]] = table[["value", "low", "high", "reference"]].astype(float)
    return table
