"""Families: images of one part, found by what they show.

Three stages: files and pixels that are the same; candidates, of which too many are taken rather than too few; and their
registration on what the images of the set do not share, against a threshold from the set's own strangers.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.quality import grading
from workbench.quality.canvases import Records, records_of
from workbench.quality.grading import GRADES
from workbench.quality.likeness import Pair, Verdict, verdict_of
from workbench.quality.residuals import TURNS

if TYPE_CHECKING:
    import pandas as pd

PAIR_COLUMNS = ("first", "second", "grade", "score", "turn")
WORK_DONE = {
    "reading": 0.4,
    "texture": 0.45,
    "candidates": 0.55,
    "registering": 0.7,
    "searching": 0.85,
    "differences": 1.0,
}
"""How much of the work is done after each step, as a share."""


@dataclasses.dataclass(frozen=True, eq=False)
class Families:
    """Which of N images show one part.

    Attributes:
        frame: One row an image, in order: name, family (of images alone their own name), grade (how it resembles the
            image `to`, one of `GRADES`; None for the first of a family and for images alone), to (the name of that
            image, or None).
        pairs: One row a pair: first, second (names), grade, score (likeness, at most 1), turn (how the second must be
            turned to match), by decreasing score. Those graded "very similar" join no family.
        threshold: The likeness from which two images count as one part, from the set's own null; None where nothing
            was registered.
        untold: Names of the images that cannot be told apart at this resolution.
        unread: Names of the images that cannot be read.
        sisters: Whether the set holds different parts that look alike, so that likeness alone does not tell.
        strangers: How many pairs of strangers have each likeness, counted between `LIKENESS_BINS`.
        compared: How many candidates have each likeness.

    Example:
        >>> families.frame.columns.tolist(), families.pairs.columns.tolist()
        (['name', 'family', 'grade', 'to'], ['first', 'second', 'grade', 'score', 'turn'])
    """

    frame: pd.DataFrame
    pairs: pd.DataFrame
    threshold: float | None = None
    untold: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    sisters: bool = False
    strangers: tuple[int, ...] = ()
    compared: tuple[int, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, str]:
        """The family of each image by its name."""
        return dict(zip(self.frame["name"], self.frame["family"], strict=True))


def families(
    items: Iterable[ImageItem],
    *,
    apart: Iterable[tuple[str, str]] = (),
    embeddings: NDArray[np.floating] | None = None,
    folder: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Families:
    """Find the images that show one part.

    Args:
        items: N images.
        apart: Pairs of digests of images that a person has said are not the same.
        embeddings: What a model makes of the images, (N, D), whose nearest are compared too.
        folder: Where what was read of each image is kept, so that a run that was stopped goes on; None: nowhere.
        on_progress: Called with how much is done, and of how much, in images. What it raises stops the work.

    Returns:
        The families, each image in exactly one.

    Raises:
        InputError: There are no images.

    Example:
        >>> families = wb.families(images.items[:12])
        >>> families.frame["family"].nunique()
        12
    """
    images = list(items)
    if not images:
        raise InputError("There are no images to compare: choose a set that holds some.")
    steps = _Steps(len(images), on_progress)
    with tempfile.TemporaryDirectory(prefix="workbench-") as work:
        records, sound = records_of(images, Path(work), folder, steps.of("reading"))
        exact, rows = _exact(images, records, sound)
        verdict = verdict_of(images, records, rows, embeddings, Path(work), steps.of)
    steps.end()
    return told_apart(_result(images, exact, verdict, sound), images, apart)


def told_apart(found: Families, items: Sequence[ImageItem], apart: Iterable[tuple[str, str]]) -> Families:
    """The same families without what a person has told apart: such a pair is joined neither directly nor by others.

    Args:
        found: Families of N images, whoever was told apart in them.
        items: The images, in their order.
        apart: Pairs of digests of images that are not the same.
    """
    names = [item.name for item in items]
    rows = {name: row for row, name in enumerate(names)}
    columns = (found.pairs[name] for name in ("first", "second", "grade", "score"))
    pairs = [
        Pair(rows[first], rows[second], GRADES.index(grade), score)
        for first, second, grade, score in zip(*columns, strict=True)
    ]
    return dataclasses.replace(found, frame=_frame(names, pairs, _apart(items, apart)))


class _Steps:
    """Progress through several kinds of work, as a count of images."""

    def __init__(self, total: int, on_progress: Callable[[int, int], None] | None) -> None:
        self._total, self._report = total, on_progress

    def of(self, step: str) -> Callable[[int, int], None]:
        names = list(WORK_DONE)
        before = 0.0 if step == names[0] else WORK_DONE[names[names.index(step) - 1]]

        def report(done: int, total: int) -> None:
            if self._report is not None:
                share = before + (WORK_DONE[step] - before) * done / max(total, 1)
                self._report(min(int(share * self._total), self._total - 1), self._total)

        return report

    def end(self) -> None:
        if self._report is not None:
            self._report(self._total, self._total)


def _apart(items: Sequence[ImageItem], apart: Iterable[tuple[str, str]]) -> set[tuple[int, int]]:
    """Rows of images that are told apart, in both orders."""
    wanted = {tuple(pair) for pair in apart}
    if not wanted:
        return set()
    rows = defaultdict(list)
    for row, item in enumerate(items):
        try:
            rows[item.id].append(row)
        except InputError:
            continue
    return {
        pair
        for first, second in wanted
        if first != second
        for one in rows[first]
        for other in rows[second]
        for pair in ((one, other), (other, one))
    }


def _exact(
    items: Sequence[ImageItem], records: Records, sound: NDArray[np.bool_]
) -> tuple[list[Pair], NDArray[np.intp]]:
    """Pairs of the same bytes or pixels, each with the first of its kind, and the rows that are left to compare.

    Pixels of one colour say nothing: only the same file is the same image there.
    """
    first: dict[object, int] = {}
    ids: dict[int, str] = {}
    pairs, rows = [], []
    flat = np.ptp(records["tints"].reshape(len(records), -1).astype(np.float32), axis=1) < 1
    for row in map(int, np.flatnonzero(sound)):
        ids[row] = items[row].id
        to = first.setdefault(ids[row] if flat[row] else bytes(records["pixels"][row]), row)
        if to == row:
            rows.append(row)
        else:
            pairs.append(Pair(to, row, 0 if ids[row] == ids[to] else 1, 1.0))
    return pairs, np.array(rows, np.intp)


def _result(items: Sequence[ImageItem], exact: Sequence[Pair], verdict: Verdict, sound: NDArray[np.bool_]) -> Families:
    import pandas as pd

    names = [item.name for item in items]
    pairs = sorted([*exact, *verdict.pairs], key=lambda pair: (-pair.score, pair.first, pair.second))
    return Families(
        _frame(names, pairs, set()),
        pd.DataFrame(
            [(names[p.first], names[p.second], GRADES[p.grade], p.score, TURNS[p.turn]) for p in pairs],
            columns=list(PAIR_COLUMNS),
        ),
        verdict.threshold,
        tuple(names[row] for row in verdict.untold),
        tuple(names[row] for row in np.flatnonzero(~sound)),
        verdict.sisters,
        verdict.strangers,
        verdict.compared,
    )


def _frame(names: Sequence[str], pairs: Sequence[Pair], told: set[tuple[int, int]]) -> pd.DataFrame:
    """The table of families: what is exactly the same is one first, then what registers, the most alike first."""
    import pandas as pd

    firm = [pair for pair in pairs if pair.grade < 3 and (pair.first, pair.second) not in told]
    kinds: dict[int, list[int]] = defaultdict(list)
    first = list(range(len(names)))
    for pair in firm:
        kind = kinds[first[pair.first]] or [pair.first]
        if pair.score == 1.0 and pair.grade < 2 and not any((row, pair.second) in told for row in kind):
            first[pair.second] = first[pair.first]
            kinds[first[pair.first]] = [*kind, pair.second]
    links = ((first[pair.first], first[pair.second]) for pair in firm)
    enemies = {(first[one], first[other]) for one, other in told}
    family = grading.joined(len(names), links, enemies)
    rows = _rows(names, [family[row] for row in first], firm)
    return pd.DataFrame(rows, columns=["name", "family", "grade", "to"], dtype=object)


def _rows(
    names: Sequence[str], family: Sequence[int], firm: Sequence[Pair]
) -> list[tuple[str, str, str | None, str | None]]:
    """A row an image: name, family, and how it resembles which other member, the best of its pairs."""
    best: dict[int, tuple[int, float, int]] = {}
    for pair in firm:
        if family[pair.first] == family[pair.second]:
            for row, to in ((pair.first, pair.second), (pair.second, pair.first)):
                if row != family[row]:
                    best[row] = min(best.get(row, (9, 0.0, 0)), (pair.grade, -pair.score, to))
    rows: list[tuple[str, str, str | None, str | None]] = []
    for row, name in enumerate(names):
        grade, _, to = best.get(row, (None, 0.0, 0))
        said = (None, None) if grade is None else (GRADES[grade], names[to])
        rows.append((name, names[family[row]], *said))
    return rows
