"""Families: images of one part, found by what they show.

Three stages: files and pixels that are the same; candidates, of which too many are taken rather than too few; and their
registration on what the images of the set do not share, against a threshold from the set's own strangers.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.quality import candidates, grading, registration, residuals
from workbench.quality.canvases import Records, records_of
from workbench.quality.differences import differences_of
from workbench.quality.grading import GRADES

if TYPE_CHECKING:
    import pandas as pd

PAIR_COLUMNS = ("first", "second", "grade", "score", "turn")
REGISTERED = 0.9999
"""The most that a registered pair is alike: 1 is what is exactly the same."""
CLOSE_LOOKS = 12
"""Pairs of an image that are looked at for differences, the most alike first."""
MOST_TRIED = 300
"""Images up to which all pairs are candidates where there is no null."""
LIKENESS_BINS = np.round(np.linspace(-0.2, 1, 61), 2)
"""Edges of the counts of likenesses."""
WORK_DONE = {"reading": 0.45, "texture": 0.5, "candidates": 0.6, "registering": 0.8, "differences": 1.0}
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

    @property
    def by_name(self) -> dict[str, str]:
        """The family of each image by its name."""
        return dict(zip(self.frame["name"], self.frame["family"], strict=True))


@dataclasses.dataclass(frozen=True)
class _Pair:
    """Two images that are alike: rows, the place of their grade in `GRADES`, likeness, and turn of the second."""

    first: int
    second: int
    grade: int
    score: float
    turn: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class _Verdict:
    """What registration says of a set."""

    pairs: list[_Pair]
    threshold: float | None = None
    untold: NDArray[np.intp] = dataclasses.field(default_factory=lambda: np.zeros(0, np.intp))
    sisters: bool = False
    strangers: tuple[int, ...] = ()
    compared: tuple[int, ...] = ()


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
        verdict = _registered(images, records, rows, embeddings, Path(work), steps)
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
        _Pair(rows[first], rows[second], GRADES.index(grade), score)
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
) -> tuple[list[_Pair], NDArray[np.intp]]:
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
            pairs.append(_Pair(to, row, 0 if ids[row] == ids[to] else 1, 1.0))
    return pairs, np.array(rows, np.intp)


def _registered(
    items: Sequence[ImageItem],
    records: Records,
    rows: NDArray[np.intp],
    embeddings: NDArray[np.floating] | None,
    work: Path,
    steps: _Steps,
) -> _Verdict:
    textures = residuals.residuals_of(records, work, steps.of("texture"))
    untold = rows[textures.faint[rows]]
    rows = rows[~textures.faint[rows]]
    if len(rows) < 2:
        return _Verdict([], untold=untold)
    unlike = candidates.unlike(textures, rows)
    if len(unlike) < registration.LEAST_STRANGERS:
        verdict = _unmistakable(items, records, textures, rows, steps)
        return dataclasses.replace(verdict, untold=np.union1d(untold, verdict.untold).astype(np.intp))
    own = residuals.less_shared(textures, unlike)
    triples = candidates.candidates(own, rows, steps.of("candidates"))
    if embeddings is not None:
        triples = np.unique(np.concatenate([triples, candidates.nearest_by_embedding(embeddings, rows)]), axis=0)
    score, rest, shifts = registration.likeness(own, triples, steps.of("registering"))
    null, null_rest = registration.strangers(own, unlike)
    limits = [registration.threshold_of(figures, len(rows)) for figures in (null, null_rest)]
    best = grading.best_turns(triples, np.where(rest >= limits[1], score, score - 2))
    alike = best[(score[best] >= limits[0]) & (rest[best] >= limits[1])]
    pairs, doubtful, sisters = _graded(items, records, triples[alike], score[alike], shifts[alike], steps)
    return _Verdict(
        pairs, limits[0], np.union1d(untold, doubtful).astype(np.intp), sisters, _counts(null), _counts(score[best])
    )


def _counts(figures: NDArray[np.floating]) -> tuple[int, ...]:
    return tuple(np.histogram(np.clip(figures, LIKENESS_BINS[0], LIKENESS_BINS[-1]), LIKENESS_BINS)[0].tolist())


def _graded(
    items: Sequence[ImageItem],
    records: Records,
    triples: candidates.Triples,
    score: residuals.Array,
    shifts: NDArray[np.int64],
    steps: _Steps,
) -> tuple[list[_Pair], NDArray[np.integer], bool]:
    """Graded pairs, the images that are as like to several others, and whether the set holds sister parts."""
    sisters = grading.holds_sisters(triples, len(records))
    kept = grading.first_of_each(triples, score, CLOSE_LOOKS)
    triples, score, shifts = triples[kept], score[kept], shifts[kept]
    differences = differences_of(items, triples, shifts, steps.of("differences"))
    grades = grading.grades_of(triples, differences, grading.of_one_colour(records, triples), sisters)
    doubtful = triples[(grades == 3) & (differences.excess <= grading.NOISE_ALONE), :2] if sisters else triples[:0, :2]
    doubtful = np.setdiff1d(doubtful, triples[grades < 3, :2])
    return _pairs(triples, grades, score), doubtful, sisters


def _pairs(triples: candidates.Triples, grades: NDArray[np.intp], score: NDArray[np.floating]) -> list[_Pair]:
    return [
        _Pair(int(first), int(second), int(grade), min(float(likeness), REGISTERED), int(turn))
        for (first, second, turn), grade, likeness in zip(triples, grades, score, strict=True)
    ]


def _unmistakable(
    items: Sequence[ImageItem],
    records: Records,
    textures: residuals.Residuals,
    rows: NDArray[np.intp],
    steps: _Steps,
) -> _Verdict:
    """Other files of one shot, where too few images differ to know what strangers look like.

    Where the set is large and yet all of it looks alike, as boards of one layout do, nothing tells another shot of a
    part from another part: pairs that are as like as two files of one shot are then called very similar.
    """
    if len(rows) <= MOST_TRIED:
        one, other, turn = (part.ravel() for part in np.meshgrid(rows, rows, np.arange(len(residuals.TURNS))))
        triples = candidates.ordered(one, other, turn)
    else:
        triples = candidates.candidates(textures, rows, steps.of("candidates"))
    score, _, shifts = registration.likeness(textures, triples, steps.of("registering"))
    best = grading.best_turns(triples, score)
    best = best[score[best] > 0.5]
    triples, score, shifts = triples[best], score[best], shifts[best]
    differences = differences_of(items, triples, shifts, steps.of("differences"))
    grades = grading.grades_of(triples, differences, grading.of_one_colour(records, triples), False)
    same = grades == 1
    if len(rows) < registration.LEAST_STRANGERS:
        return _Verdict(_pairs(triples[same], grades[same], score[same]))
    return _Verdict(_pairs(triples[same], np.full(same.sum(), 3), score[same]), untold=rows)


def _result(
    items: Sequence[ImageItem], exact: Sequence[_Pair], verdict: _Verdict, sound: NDArray[np.bool_]
) -> Families:
    import pandas as pd

    names = [item.name for item in items]
    pairs = sorted([*exact, *verdict.pairs], key=lambda pair: (-pair.score, pair.first, pair.second))
    return Families(
        _frame(names, pairs, set()),
        pd.DataFrame(
            [(names[p.first], names[p.second], GRADES[p.grade], p.score, residuals.TURNS[p.turn]) for p in pairs],
            columns=list(PAIR_COLUMNS),
        ),
        verdict.threshold,
        tuple(names[row] for row in verdict.untold),
        tuple(names[row] for row in np.flatnonzero(~sound)),
        verdict.sisters,
        verdict.strangers,
        verdict.compared,
    )


def _frame(names: Sequence[str], pairs: Sequence[_Pair], told: set[tuple[int, int]]) -> pd.DataFrame:
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
    names: Sequence[str], family: Sequence[int], firm: Sequence[_Pair]
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
