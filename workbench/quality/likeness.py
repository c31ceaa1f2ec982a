"""Which pairs of a set show one part, by what is left of their images without what the set shares."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.images import ImageItem
from workbench.quality import agreement, candidates, grading, registration, residuals, templates, warps
from workbench.quality.canvases import Records
from workbench.quality.differences import Differences, differences_of
from workbench.quality.residuals import Array, Residuals

REGISTERED = 0.9999
"""The most that a registered pair is alike: 1 is what is exactly the same."""
CLOSE_LOOKS = 12
"""Pairs of an image that are looked at for differences, the most alike first."""
MOST_TRIED = 300
"""Images up to which all pairs are candidates where there is no null."""
STRANGERS_MOVED = 300
"""Pairs of strangers that are brought onto each other as well as can be, for the null of pairs that do not lie so."""
COPY_LIKENESS = 0.5
"""Likeness, and agreement over most of the area, of two files of one shot where there is no null."""
LIKENESS_BINS = np.round(np.linspace(-0.2, 1, 61), 2)
"""Edges of the counts of likenesses."""
Step = Callable[[str], Callable[[int, int], None]]
"""Gives, by the name of a step of the work, what is told how much of it is done."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two images that are alike: rows, the place of their grade in `GRADES`, likeness, and turn of the second."""

    first: int
    second: int
    grade: int
    score: float
    turn: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Verdict:
    """What registration says of a set: pairs, the likeness from which on two images are no strangers, which cannot be
    told apart, whether there are sister parts, and counts of the likeness of strangers and of candidates."""

    pairs: list[Pair]
    threshold: float | None = None
    untold: NDArray[np.intp] = dataclasses.field(default_factory=lambda: np.zeros(0, np.intp))
    sisters: bool = False
    strangers: tuple[int, ...] = ()
    compared: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Alike:
    """Pairs beyond what strangers reach: (M, 3), likeness (M,), how the second is moved onto the first (M, 2), and
    whether another thing stands in their middle (M,)."""

    triples: candidates.Triples
    score: Array
    motions: warps.Motions
    contradicted: NDArray[np.bool_]

    def __getitem__(self, which: NDArray) -> Alike:
        return Alike(*(getattr(self, name)[which] for name in _FIELDS))


@dataclasses.dataclass(frozen=True, eq=False)
class _Compared:
    """What is compared: images and their records, rows of those that are, what a model makes of them, how each was laid
    on the template of the set (None where there is none), and what is told of the progress."""

    items: Sequence[ImageItem]
    records: Records
    rows: NDArray[np.intp]
    embeddings: NDArray[np.floating] | None
    places: warps.Motions | None
    step: Step


_FIELDS = tuple(field.name for field in dataclasses.fields(Alike))


def verdict_of(
    items: Sequence[ImageItem],
    records: Records,
    rows: NDArray[np.intp],
    embeddings: NDArray[np.floating] | None,
    work: Path,
    step: Step,
) -> Verdict:
    """Compare some images of a set.

    Args:
        items: N images.
        records: Of the images.
        rows: Which of them are not exactly as an earlier one.
        embeddings: What a model makes of the images, (N, D), or None.
        work: A folder for as long as this takes.
        step: See `Step`.
    """
    textures = residuals.residuals_of(records, work, step("texture"))
    untold = rows[textures.faint[rows]]
    rows = rows[~textures.faint[rows]]
    if len(rows) < 2:
        return Verdict([], untold=untold)
    textures, places = templates.laid(textures, rows, work) or (textures, None)
    compared = _Compared(items, records, rows, embeddings, places, step)
    unlike = candidates.unlike(textures, rows)
    verdict = None
    if len(unlike) >= registration.LEAST_STRANGERS:
        verdict = _against_strangers(compared, textures, unlike)
    verdict = verdict or _unmistakable(compared, textures)
    return dataclasses.replace(verdict, untold=np.union1d(untold, verdict.untold).astype(np.intp))


def _against_strangers(compared: _Compared, textures: Residuals, unlike: NDArray[np.integer]) -> Verdict | None:
    """By what pairs of images that have nothing to do with each other reach; None where that tells nothing."""
    rows, step = compared.rows, compared.step
    own, background = residuals.less_shared(textures, unlike), agreement.background_of(textures, unlike)
    null, null_agreement = registration.strangers(own, unlike, background)
    limit = registration.threshold_of(null, len(rows))
    least = agreement.limit_of(null_agreement, registration.pairs_of(len(rows)), registration.EXPECTED_FALSE)
    if max(limit, least) >= 1:
        return None
    triples = candidates.candidates(own, rows, step("candidates"))
    if compared.embeddings is not None:
        nearest = candidates.nearest_by_embedding(compared.embeddings, rows)
        triples = np.unique(np.concatenate([triples, nearest]), axis=0)
    score, tiles, shifts = registration.likeness(own, triples, background, limit, step("registering"))
    firm = (score >= limit) & (agreement.agreement_of(tiles) >= least)
    best = grading.best_turns(triples, np.where(firm, score, score - 2))
    chosen = best[firm[best]]
    doubted = agreement.contradicted(tiles[chosen])
    found = Alike(triples[chosen], score[chosen], _shifted(shifts[chosen]), doubted)
    found = _moved(own, background, rows, unlike, found, step)
    pairs, doubtful, sisters = _graded(compared, found)
    if compared.places is not None:
        if not pairs:
            return None
        doubtful = np.setdiff1d(np.union1d(doubtful, _alone_in_noise(own, rows)), found.triples[:, :2])
    return Verdict(pairs, limit, doubtful.astype(np.intp), sisters, _counts(null), _counts(score[best]))


def _alone_in_noise(own: Residuals, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """The images that have so little of their own beside the layout that it may be noise alone."""
    parts = np.array_split(rows, max(len(rows) // residuals.ROWS_AT_ONCE, 1))
    return rows[np.concatenate([own.share(part) for part in parts]) < templates.OWN_SHARE]


def _shifted(shifts: NDArray[np.int64]) -> warps.Motions:
    """Shifts down and right (M, 2) as motions."""
    return np.stack([np.zeros(len(shifts)), -(shifts[:, 1] + 1j * shifts[:, 0])], 1)


def _counts(figures: NDArray[np.floating]) -> tuple[int, ...]:
    return tuple(np.histogram(np.clip(figures, LIKENESS_BINS[0], LIKENESS_BINS[-1]), LIKENESS_BINS)[0].tolist())


def _moved(
    own: Residuals,
    background: agreement.Background,
    rows: NDArray[np.intp],
    unlike: NDArray[np.integer],
    found: Alike,
    step: Step,
) -> Alike:
    """Those found as they lie, and pairs of which one is shifted, scaled or turned by a few degrees."""
    report = step("searching")
    pairs, starts = candidates.moved(own, rows, found.triples[~found.contradicted])
    parts = [found]
    limit = _moved_limit(own, background, len(rows), unlike) if len(pairs) else np.inf
    for some in np.split(np.arange(len(pairs)), range(warps.ALIGNED_AT_ONCE, len(pairs), warps.ALIGNED_AT_ONCE)):
        if not len(some):
            break
        agrees, motions, contradicted = _brought(own, pairs[some], starts[some], background)
        good = np.flatnonzero(agrees >= limit)
        upright = np.column_stack([pairs[some][good], np.zeros(len(good), np.int64)])
        parts.append(Alike(upright, agrees[good], motions[good], contradicted[good]))
        report(int(some[-1]) + 1, len(pairs))
    every = Alike(*(np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS))
    return every[grading.best_turns(every.triples, np.where(every.contradicted, every.score - 2, every.score))]


def _moved_limit(own: Residuals, background: agreement.Background, count: int, unlike: NDArray[np.integer]) -> float:
    """The agreement that strangers reach among N images once they are brought onto each other as well as can be."""
    rng = np.random.default_rng(2)
    strange = unlike[rng.integers(0, len(unlike), (STRANGERS_MOVED, 2))]
    strange = strange[strange[:, 0] != strange[:, 1]]
    starts = candidates.MOVES[rng.integers(0, len(candidates.MOVES), len(strange))]
    null = _brought(own, strange, starts, background)[0]
    return agreement.limit_of(null, registration.pairs_of(count), registration.EXPECTED_FALSE)


def _brought(
    own: Residuals, pairs: NDArray[np.integer], starts: warps.Motions, background: agreement.Background
) -> tuple[Array, warps.Motions, NDArray[np.bool_]]:
    """How far pairs agree once the second is brought onto the first, by which motion, and which are contradicted."""
    first, second = own.raw(pairs[:, 0]), own.raw(pairs[:, 1])
    motions, small = warps.aligned(first, second, starts)
    tiles = agreement.correlations(first, warps.warped(second, motions), background)
    return np.where(small, agreement.agreement_of(tiles), -1), motions, agreement.contradicted(tiles)


def _graded(compared: _Compared, found: Alike) -> tuple[list[Pair], NDArray[np.integer], bool]:
    """Graded pairs, the images that are as like to several others, and whether the set holds sister parts."""
    sisters = grading.holds_sisters(found.triples, len(compared.records))
    found = found[grading.first_of_each(found.triples, found.score, CLOSE_LOOKS)]
    triples = found.triples
    differences = _differences(compared, triples, found.motions)
    coloured = grading.of_one_colour(compared.records, triples, found.motions)
    grades = grading.grades_of(triples, differences, coloured & ~found.contradicted, sisters)
    doubtful = triples[(grades == 3) & (differences.excess <= grading.NOISE_ALONE), :2] if sisters else triples[:0, :2]
    doubtful = np.setdiff1d(doubtful, triples[grades < 3, :2])
    return _pairs(triples, grades, found.score), doubtful, sisters


def _differences(compared: _Compared, triples: candidates.Triples, motions: warps.Motions) -> Differences:
    """What differs between pairs, as the images lie in their files."""
    if compared.places is not None:
        first, second = compared.places[triples[:, 0]], compared.places[triples[:, 1]]
        motions = np.where(triples[:, 2:] == 0, templates.composed(motions, first, second), motions)
    return differences_of(compared.items, triples, motions, compared.step("differences"))


def _pairs(triples: candidates.Triples, grades: NDArray[np.intp], score: NDArray[np.floating]) -> list[Pair]:
    return [
        Pair(int(first), int(second), int(grade), min(float(likeness), REGISTERED), int(turn))
        for (first, second, turn), grade, likeness in zip(triples, grades, score, strict=True)
    ]


def _unmistakable(compared: _Compared, textures: Residuals) -> Verdict:
    """Other files of one shot, where too few images differ to know what strangers look like.

    Where the set is large and yet all of it looks alike, as boards of one layout do, nothing tells another shot of a
    part from another part: pairs that are as like as two files of one shot are then called very similar.
    """
    rows, step = compared.rows, compared.step
    if len(rows) <= MOST_TRIED:
        one, other, turn = (part.ravel() for part in np.meshgrid(rows, rows, np.arange(len(residuals.TURNS))))
        triples = candidates.ordered(one, other, turn)
    else:
        triples = candidates.candidates(textures, rows, step("candidates"))
    score, tiles, shifts = registration.likeness(
        textures, triples, agreement.NOTHING, COPY_LIKENESS, step("registering")
    )
    best = grading.best_turns(triples, score)
    best = best[(score[best] > COPY_LIKENESS) & (agreement.agreement_of(tiles[best]) > COPY_LIKENESS)]
    triples, score = triples[best], score[best]
    motions = _shifted(shifts[best])
    coloured = grading.of_one_colour(compared.records, triples, motions)
    grades = grading.grades_of(triples, _differences(compared, triples, motions), coloured, False)
    same = grades == 1
    if len(rows) < registration.LEAST_STRANGERS:
        return Verdict(_pairs(triples[same], grades[same], score[same]))
    return Verdict(_pairs(triples[same], np.full(same.sum(), 3), score[same]), untold=rows)
