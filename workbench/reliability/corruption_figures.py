"""Figures of decisions under corruption: rates at each severity, how many hold up to it, and a ranking of kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.images import CORRUPTIONS, SEVERITIES
from workbench.reliability.corruption import Corrupted
from workbench.stats import Rate, holm, mcnemar_of_units, paired_difference_of_units, share

if TYPE_CHECKING:
    import pandas as pd

Measure = Literal["escapes", "overkill", "flips"]
MEASURES: Mapping[Measure, str] = MappingProxyType(
    {
        "escapes": "caught defects that pass",
        "overkill": "accepted good parts that are rejected",
        "flips": "decisions that change",
    }
)
"""What is counted, each among the images that were decided the other way without a corruption."""
ALL_IMAGES, ALL_BY = "all images", "all"
Flags = NDArray[np.bool_]


def measures_of(study: Corrupted) -> tuple[Measure, ...]:
    """What can be counted: escapes and overkill only where it is known which classes are defects."""
    if not study.positive:
        return ("flips",)
    there: list[Measure] = ["escapes"] if study.defective.any() else []
    return (*there, "overkill", "flips") if study.good.any() else (*there, "flips")


def turned(study: Corrupted, measure: Measure) -> tuple[Flags, Flags]:
    """Which images can turn, (M,), and which do at each kind and severity, (M, Q, 5); the rest of them hold."""
    called = study.rejected(study.decisions)
    if measure == "escapes":
        return study.defective & study.rejected(study.clean), ~called
    if measure == "overkill":
        return study.good & ~study.rejected(study.clean), called
    return np.ones(len(study.names), bool), study.decisions != study.clean[:, None, None]


def cells(study: Corrupted, by: str = ALL_BY) -> pd.DataFrame:
    """Rates at each kind and severity.

    Args:
        study: M images.
        by: `ALL_BY`, "label", or a column of the attributes.

    Returns:
        One row a kind, severity and group: kind, severity, by, group, support (images), units (in how many independent
        ones they come), and for each of flips (decisions that are not those without a corruption), escapes (among
        defective parts), overkill (among good parts) and accuracy (among labelled ones): `NAME of` (support), `NAME
        count`, NAME, `NAME low`, `NAME high` (95 %, by unit), `NAME before` (the rate without a corruption), and but
        for flips `NAME change` with `change low` and `change high` (paired, by unit). NaN where there is nothing to
        count.
    """
    import pandas as pd

    lines = []
    rate, groups = _Rates(study.units), _groups(study, by)
    for place, kind in enumerate(study.kinds):
        suited = study.decisions[:, place, 0] >= 0
        for number, severity in enumerate(SEVERITIES):
            for group, rows in groups:
                line: dict[str, object] = {"kind": kind, "severity": severity, "by": by, "group": group}
                lines.append(line | _cell(study, rows & suited, study.decisions[:, place, number], rate))
    return pd.DataFrame(lines)


def _groups(study: Corrupted, by: str) -> list[tuple[str, Flags]]:
    if by == ALL_BY:
        return [(ALL_IMAGES, np.ones(len(study.names), bool))]
    if by == "label":
        return [(name, study.truth == column) for column, name in enumerate(study.class_names) if column in study.truth]
    column = study.attributes[by]
    return [(str(value), (column == value).to_numpy(bool)) for value in sorted(column.dropna().unique(), key=str)]


def _cell(study: Corrupted, rows: Flags, decisions: NDArray[np.intp], rate: _Rates) -> dict[str, object]:
    after, before = study.rejected(decisions), study.rejected(study.clean)
    flips = rate.share(decisions != study.clean, rows)
    line: dict[str, object] = {"support": flips.support, "units": flips.groups or flips.support}
    line |= _written("flips", flips, 0.0)
    for name, among, now, then in (
        ("escapes", study.defective, ~after, ~before),
        ("overkill", study.good, after, before),
        ("accuracy", study.truth >= 0, decisions == study.truth, study.clean == study.truth),
    ):
        chosen = rows & among
        line |= _written(name, rate.share(now, chosen), float(then[chosen].mean()) if chosen.any() else np.nan)
        change = paired_difference_of_units(now[chosen], then[chosen], rate.among(chosen)) if chosen.any() else None
        for end, what in (("", "value"), (" low", "low"), (" high", "high")):
            line[f"{name} change{end}"] = np.nan if change is None else getattr(change, what)
    return line


def _written(name: str, rate: Rate, before: float) -> dict[str, object]:
    ends = {name: rate.value, f"{name} low": rate.low, f"{name} high": rate.high, f"{name} before": before}
    numbers = {key: np.nan if end is None else end for key, end in ends.items()}
    return {f"{name} of": rate.support, f"{name} count": rate.count, **numbers}


class _Rates:
    """`stats.share` of some rows, each question put once: of most cells the answer is that of a neighbour."""

    def __init__(self, units: NDArray[np.intp] | None) -> None:
        self.units = units
        self._known: dict[tuple[bytes, bytes, float], Rate] = {}

    def among(self, rows: Flags) -> NDArray[np.intp] | None:
        """The units of some rows."""
        return None if self.units is None else self.units[rows]

    def share(self, hits: Flags, rows: Flags, level: float = 0.95) -> Rate:
        """The share of the rows that are hits."""
        name = (np.packbits(hits[rows]).tobytes(), np.packbits(rows).tobytes(), level)
        if name not in self._known:
            self._known[name] = share(hits[rows], self.among(rows), level)
        return self._known[name]


def first_turns(study: Corrupted, measure: Measure) -> pd.DataFrame:
    """The smallest severity at which each image turns, under each kind whose severities are graded.

    Returns:
        One row an image that can turn: name, label, and a column a kind: 1 to 5; 0 where it holds at all of them; NaN
        where the image cannot have the kind.
    """
    import pandas as pd

    rows, hits = turned(study, measure)
    table: dict[str, object] = {"name": np.array(study.names, object)[rows]}
    table["label"] = [study.class_names[column] if column >= 0 else None for column in study.truth[rows]]
    for place, kind in enumerate(study.kinds):
        if CORRUPTIONS[kind].graded:
            own = hits[rows, place]
            first = np.where(own.any(1), own.argmax(1) + 1, 0).astype(float)
            table[kind] = np.where(study.decisions[rows, place, 0] >= 0, first, np.nan)
    return pd.DataFrame(table)


def turned_by(study: Corrupted, measure: Measure, level: float = 0.95) -> dict[str, list[Rate]]:
    """Which share of the images has turned by each severity, at it or at a smaller one, for each kind that some can
    have.

    One that turns at severity 2 and is decided as before at severity 3 has turned: a line does not know how strong the
    next disturbance is. No image leaves before the last severity, so that the share that still holds is the estimate of
    Kaplan and Meier, with an interval of its own at each severity.
    """
    rows, hits = turned(study, measure)
    rate, result = _Rates(study.units), {}
    for place, kind in enumerate(study.kinds):
        chosen = rows & (study.decisions[:, place, 0] >= 0)
        if chosen.any():
            ever = np.logical_or.accumulate(hits[:, place], axis=1)
            result[kind] = [rate.share(ever[:, number], chosen, level) for number in range(len(SEVERITIES))]
    return result


def holding(study: Corrupted, measure: Measure) -> pd.DataFrame:
    """`turned_by` as a table.

    Returns:
        One row a kind and severity: kind, severity, count (images that have turned by it), support, units, share, low,
        high, and held, held low, held high: the share that still holds.
    """
    import pandas as pd

    lines = []
    for kind, rates in turned_by(study, measure).items():
        for severity, rate in zip(SEVERITIES, rates, strict=True):
            low, value, high = (np.nan if end is None else end for end in (rate.low, rate.value, rate.high))
            count = (kind, severity, rate.count, rate.support, rate.groups or rate.support)
            lines.append((*count, value, low, high, 1 - value, 1 - high, 1 - low))
    names = ("kind", "severity", "count", "support", "units", "share", "low", "high", "held", "held low", "held high")
    return pd.DataFrame(lines, columns=list(names))


def ranking(study: Corrupted, measure: Measure) -> pd.DataFrame:
    """What to guard against first: kinds by how soon images turn, and which of them cannot be told apart.

    The figure of a kind is the mean over the five severities of the share that has turned by each. Its interval is the
    mean of their intervals, which is wide enough however the severities depend on each other, at the level of
    Bonferroni for as many kinds. A kind begins a new rank only where its interval lies below that of the first of the
    rank before.

    Returns:
        One row a kind that some images can have, the worst first: kind, figure, low, high, support, units, rank (from
        1; kinds of one rank cannot be told apart from its first), first (smallest severity at which one turns; 0 for
        none, and for kinds that are not graded).
    """
    import pandas as pd

    level = 1 - 0.05 / max(len(study.kinds), 1)
    lines: list[tuple[str, float, float, float, int, int, int]] = []
    for kind, rates in turned_by(study, measure, level).items():
        value, low, high = (float(np.mean([getattr(rate, end) for rate in rates])) for end in ("value", "low", "high"))
        first = next((severity for severity, rate in zip(SEVERITIES, rates, strict=True) if rate.count), 0)
        size = rates[0].support, rates[0].groups or rates[0].support
        lines.append((kind, value, low, high, *size, first * CORRUPTIONS[kind].graded))
    lines.sort(key=lambda line: -line[1])
    columns = ["kind", "figure", "low", "high", "support", "units", "first"]
    frame = pd.DataFrame(lines, columns=columns)
    frame.insert(6, "rank", _ranks([(low, high) for _, _, low, high, *_ in lines]))
    return frame


def _ranks(intervals: Sequence[tuple[float, float]]) -> list[int]:
    """The rank of each of some intervals, in their order: a new one where an interval lies below the rank's first."""
    ranks: list[int] = []
    head = 0.0
    for low, high in intervals:
        if not ranks or high < head:
            ranks.append(ranks[-1] + 1 if ranks else 1)
            head = low
        else:
            ranks.append(ranks[-1])
    return ranks


def rises(study: Corrupted) -> pd.DataFrame:
    """Whether escapes, overkill or mistakes rise beyond chance at a kind and severity, against those without it.

    Returns:
        One row a kind, severity and measure ("escapes", "overkill", or "mistakes" where it is not known which classes
        are defects): kind, severity, measure, more (images that turn to a mistake), fewer (that turn from one), p
        (McNemar's exact test by unit, one-sided: of the images that turn, chance would turn as many from a mistake),
        adjusted (by Holm, over all rows).
    """
    import pandas as pd

    lines = []
    for name, among, mistake in mistakes_of(study):
        before = mistake(study.clean)
        for place, kind in enumerate(study.kinds):
            rows = among & (study.decisions[:, place, 0] >= 0)
            own = None if study.units is None else study.units[rows]
            for number, severity in enumerate(SEVERITIES):
                after = mistake(study.decisions[:, place, number])[rows]
                more, fewer = int((after & ~before[rows]).sum()), int((before[rows] & ~after).sum())
                p = 1.0 if more <= fewer else mcnemar_of_units(after, before[rows], own, "greater")
                lines.append((kind, severity, name, more, fewer, p))
    frame = pd.DataFrame(lines, columns=["kind", "severity", "measure", "more", "fewer", "p"])
    return frame.assign(adjusted=holm(frame["p"].to_numpy()) if len(frame) else frame["p"])


Mistake = Callable[[NDArray[np.intp]], Flags]


def mistakes_of(study: Corrupted) -> list[tuple[str, Flags, Mistake]]:
    """What is a mistake of which images, as a function of decisions (M,)."""
    if not study.positive:
        return [("mistakes", study.truth >= 0, lambda decided: decided != study.truth)]
    return [
        ("escapes", study.defective, lambda decided: ~study.rejected(decided)),
        ("overkill", study.good, study.rejected),
    ]
