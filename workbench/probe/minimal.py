"""What must be removed to flip a decision, and what must stay to keep it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.images import REGION_FILLS, Pieces, Pixels, as_pixels, shrunk, square_cells
from workbench.predictions import DecisionRule
from workbench.stats import SIGNIFICANT, Rate, wilson

if TYPE_CHECKING:
    from workbench.models import Classifier

Aim = Literal["flip", "keep"]
Decide = Callable[[NDArray[np.floating]], NDArray[Any]]
Progress = Callable[[int, int], None] | None
CUT_EDGE = 512
"""Pixels of the longer side to which larger images are shrunk before they are cut up, filled and shown to the model."""
MOST_SEGMENTS, MOST_CELLS = 256, 32
WIDE = 8
"""How many superpixels are tried for each step of the growing region."""
RANDOM_REGIONS = 39
"""Random regions to compare with: enough to reach the level of `SIGNIFICANT` with one of them as good."""
OTHER = "another class"


@dataclasses.dataclass(frozen=True, eq=False)
class Minimal:
    """The smallest region found that is enough to change a decision, or to keep it.

    It is one-minimal: none of its superpixels can be spared, which was tried for each. Another region, not looked at,
    may be smaller.

    Attributes:
        aim: "flip": filling the region changes the decision; "keep": the region alone, all else filled, keeps it.
        fill: One of `REGION_FILLS`.
        found: False where even filling everything does not change the decision, or keeping everything does not keep it.
        inside: (H, W) the region in the pixels of the image; empty where none was found, or where nothing needs to be
            kept.
        area: Its share of the image.
        chosen: How many superpixels it has.
        parts: How many the image has.
        before: The decision about the image.
        after: The decision with the region filled, or with it alone kept; where none was found, at the last step.
        score: The probability of the classes decided on, of the image.
        score_after: Likewise, of what `after` is about.
        areas: (S,) share of the image that is filled (or kept) at each step of the growing region, until it was enough.
        scores: (S,) the probability of the classes decided on at each step.
        random: How often random superpixels of at least equal area do the same, of `RANDOM_REGIONS`; without a value
            where there is no region.
        evaluations: How many images the model was asked about.
        image: (h, w, C) what `after` is about, at most `CUT_EDGE` pixels a side.
    """

    aim: Aim
    fill: str
    found: bool
    inside: NDArray[np.bool_]
    area: float
    chosen: int
    parts: int
    before: str
    after: str
    score: float
    score_after: float
    areas: NDArray[np.float64]
    scores: NDArray[np.float64]
    random: Rate
    evaluations: int
    image: Pixels

    @property
    def p(self) -> float:
        """The chance that an ordinary region stands out as far: exact, by its rank among random ones (Barnard 1963)."""
        return (1 + self.random.count) / (1 + self.random.support) if self.random.support else 1.0

    @property
    def special(self) -> bool:
        """Whether the region does what random ones of its area do not: only then is it a finding."""
        return self.found and self.chosen > 0 and self.p <= SIGNIFICANT

    @property
    def sentence(self) -> str:
        """What was found, how sure that is, and what chance does."""
        if not self.found:
            if self.aim == "keep":
                return f"Even with everything kept the decision is not {self.before}."
            return (
                f"Filling everything ({self.fill}) does not change the decision {self.before}, nor did any smaller"
                " region that was tried."
            )
        if not self.chosen:
            return f"Nothing needs to stay: with everything filled ({self.fill}) the decision is still {self.before}."
        size = f"{100 * self.area:.2g} % of the image, {self.chosen} of {self.parts} pieces"
        random = (
            f"{self.random.count} of {self.random.support} regions of that area chosen at random (exact p ="
            f" {self.p:.2g})"
        )
        if not self.special:
            does = (
                f"filling {size}, flips {self.before} to {self.after}"
                if self.aim == "flip"
                else f"{size}, alone keeps {self.before}"
            )
            return (
                f"No region stands out: {does}, but so do {random}. Another region does as much, so this is no finding."
            )
        does = (
            f"Filling {size}, flips {self.before} to {self.after}"
            if self.aim == "flip"
            else f"{size}, alone keeps {self.before}"
        )
        return (
            f"{does} ({self.score:.2f} to {self.score_after:.2f}). None of them can be spared, but another region may"
            f" be smaller. The same is true of {random}."
        )


def smallest(
    classifier: Classifier,
    image: Image.Image | Pixels,
    *,
    aim: Aim,
    heatmap: NDArray[np.floating] | None = None,
    fill: str = "inpaint",
    positive: Sequence[str] | None = None,
    decide: Decide | None = None,
    segments: int = 64,
    cells: int | None = None,
    seed: int = 0,
    on_progress: Progress = None,
) -> Minimal:
    """Look for the smallest region that decides, among superpixels.

    The region grows by one superpixel at a time, those with the most of the map first, until it is enough. Then it is
    pruned: of the superpixels that can be spared singly as many as can go together go, those that matter least first,
    until none can be spared. The regions are those of Dabkowski and Gal 2017, "Real time image saliency for black box
    classifiers" (smallest destroying and smallest sufficient region); pruning is the one-minimality of Zeller and
    Hildebrandt 2002, "Simplifying and isolating failure-inducing input".

    Args:
        classifier: The model.
        image: RGB, or what `Classifier.levels` gives; one larger than `CUT_EDGE` is shrunk for all of this, also for
            the decision before.
        aim: "flip" or "keep".
        heatmap: (H, W) of the image's pixels, what speaks for the decision positive. Where missing, or nowhere
            positive, each superpixel is filled by itself and counts by what that takes from the score.
        fill: One of `REGION_FILLS`.
        positive: Classes that count as one decision, such as all defects, their probabilities added; the decided class
            where missing.
        decide: What is decided for probabilities (N, K): labels (N,) of any kind, "pass" and "reject" say. By default
            the rule's own class with its threshold, or with `positive` whether that is one of them. Where it is not,
            the score is that of the others.
        segments: About how many superpixels (SLIC, Achanta et al. 2012).
        cells: In their place square cells, this many along the longer side.
        seed: Of patches and of the random regions.
        on_progress: Called with (done, total), an estimate, after each batch and at the end; what it raises stops the
            work.

    Raises:
        InputError: A setting is out of range, or a class is not the model's.
    """
    from workbench.attribution import segmented

    if aim not in ("flip", "keep") or fill not in REGION_FILLS:
        raise InputError(
            f"There is no aim {aim!r} with the fill {fill!r}: choose flip or keep, and one of"
            f" {', '.join(REGION_FILLS)}."
        )
    if not 2 <= segments <= MOST_SEGMENTS or not 2 <= (cells or 2) <= MOST_CELLS:
        raise InputError(
            f"There can be 2 to {MOST_SEGMENTS} superpixels or 2 to {MOST_CELLS} cells a side: choose a number between."
        )
    whole = as_pixels(image)
    size, pixels = (whole.shape[1], whole.shape[0]), shrunk(whole, CUT_EDGE)
    labels = segmented(pixels, segments) if cells is None else square_cells(pixels.shape, cells)
    trial = _Trial(classifier, Pieces(pixels, labels, fill, seed), aim, on_progress)
    trial.settle(positive, decide)
    masses = None if heatmap is None else _masses(heatmap, size, labels)
    region, areas, scores = _grow(trial, masses)
    found = region is not None
    region = np.zeros(trial.pieces.parts, bool) if region is None else _prune(trial, region)
    return _result(trial, region, found, areas, scores, size, seed)


class _Trial:
    """One image cut into n superpixels, and what the model says when some of them are filled."""

    def __init__(self, classifier: Classifier, pieces: Pieces, aim: Aim, on_progress: Progress) -> None:
        self.classifier, self.pieces, self.aim, self.on_progress = classifier, pieces, aim, on_progress
        self.asked, self.total = 0, 4 * pieces.parts + RANDOM_REGIONS

    def settle(self, positive: Sequence[str] | None, decide: Decide | None) -> None:
        """Ask about the image itself, and fix what is decided and which classes the score adds up."""
        rule = self.classifier.rule
        for name in positive or ():
            self.classifier.index(name)
        self.decide = decide or _by_rule(rule, positive)
        (whole,) = self._answers(np.zeros((1, self.pieces.parts), bool))
        self.before = self.decide(whole)[0]
        decided = [rule.class_names[int(rule.decide(whole)[0][0])]]
        own = np.isin(rule.class_names, list(positive or decided))
        if own.all():
            raise InputError(
                "All classes count as one decision, so that nothing can change it: leave out at least one."
            )
        sides = np.stack([own / own.sum(), ~own / (~own).sum()])
        self.own = ~own if self.decide(sides)[1] == self.before else own
        self.score = float(whole[0, self.own].sum())

    def tries(self, regions: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """For regions (M, n): whether each is enough (M,), and the score (M,)."""
        holds, scores, _ = self.results(regions if self.aim == "flip" else ~regions)
        return holds, scores

    def results(self, filled: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[Any]]:
        """For fillings (M, n): whether each reaches the aim, the score, and the decision, each (M,)."""
        parts = []
        for part in self._answers(filled):
            parts.append(part)
            if self.on_progress:
                self.on_progress(min(self.asked, self.total), self.total)
        probabilities = np.concatenate(parts)
        decided = self.decide(probabilities)
        same = np.array([decision == self.before for decision in decided], bool)
        return (
            ~same if self.aim == "flip" else same,
            probabilities[:, self.own].sum(1, dtype=np.float64).clip(0, 1),
            decided,
        )

    def _answers(self, filled: NDArray[np.bool_]) -> Iterator[NDArray[np.float32]]:
        from workbench.models import answers

        for part in answers(self.classifier, map(self.pieces.with_filled, filled)):
            self.asked += len(part)
            yield part


def _by_rule(rule: DecisionRule, positive: Sequence[str] | None) -> Decide:
    """The rule's class by name; or whether it is one of some."""
    names = np.array(rule.class_names, object)
    if positive is None:
        return lambda probabilities: names[rule.decide(probabilities)[0]]
    among, title = np.isin(rule.class_names, list(positive)), " or ".join(positive)
    return lambda probabilities: np.where(among[rule.decide(probabilities)[0]], title, OTHER)


def _masses(
    heatmap: NDArray[np.floating], size: tuple[int, int], labels: NDArray[np.intp]
) -> NDArray[np.float64] | None:
    """How much of a map's positive part lies in each superpixel, (n,); None where nothing is positive."""
    if heatmap.shape != size[::-1]:
        raise ValueError(f"expected a map of shape {size[::-1]}, got {heatmap.shape}")
    positive = Image.fromarray(np.clip(heatmap, 0, None).astype(np.float32))
    small = np.asarray(positive.resize(labels.shape[::-1], Image.Resampling.BOX))
    return np.bincount(labels.ravel(), small.ravel()).astype(np.float64) if small.any() else None


def _grow(
    trial: _Trial, masses: NDArray[np.float64] | None
) -> tuple[NDArray[np.bool_] | None, NDArray[np.float64], NDArray[np.float64]]:
    """A region (n,) that is enough, None where there is none, and the area and the score of each step towards it.

    The first step tries every superpixel; each further one only those that promise most, by their last trial and by the
    map. From half of the superpixels on the others join as they come, for nobody wants so large a region.
    """
    parts, better = trial.pieces.parts, -1 if trial.aim == "flip" else 1
    region, gains = np.zeros(parts, bool), np.zeros(parts)
    holds, some = trial.tries(region[None])
    path, scores = [region], [float(some[0])]
    while not holds.any() and not region.all():
        free = np.flatnonzero(~region)
        singly = region.sum() < parts // 2
        among = free if not region.any() else _promising(free, gains, masses)[: WIDE if singly else None]
        regions = np.tile(region, (len(among), 1))
        regions[np.arange(len(among)), among] = True
        if not singly:
            regions = np.logical_or.accumulate(regions)
        holds, some = trial.tries(regions)
        if singly:
            gains[among] = better * (some - scores[-1])
            steps = np.array([int(np.where(holds == holds.any(), gains[among], -np.inf).argmax())])
        else:
            steps = np.arange(int(holds.argmax()) + 1 if holds.any() else len(among))
        path += list(regions[steps])
        scores += some[steps].tolist()
        region = path[-1]
    return region if holds.any() else None, np.stack(path) @ trial.pieces.areas, np.array(scores)


def _promising(
    free: NDArray[np.intp], gains: NDArray[np.float64], masses: NDArray[np.float64] | None
) -> NDArray[np.intp]:
    """Superpixels in the order of trial: alternately what last gained most and what has most of the map."""
    by_gain = free[np.argsort(-gains[free], kind="stable")]
    if masses is None:
        return by_gain
    by_map = free[np.argsort(-masses[free], kind="stable")]
    both = np.stack([by_map, by_gain], 1).ravel()
    return both[np.sort(np.unique(both, return_index=True)[1])]


def _prune(trial: _Trial, region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A sufficient region (n,) without what can be spared: each of its superpixels was tried and is needed."""
    trial.total = max(trial.total, trial.asked + int(region.sum()) + RANDOM_REGIONS)
    while region.any():
        members = np.flatnonzero(region)
        holds, scores = trial.tries(region & ~np.eye(trial.pieces.parts, dtype=bool)[members])
        if not holds.any():
            break
        spared = members[holds][np.argsort(scores[holds] if trial.aim == "flip" else -scores[holds], kind="stable")]
        counts = [len(spared) >> halved for halved in range(len(spared).bit_length())]
        candidates = np.tile(region, (len(counts), 1))
        for candidate, count in zip(candidates, counts, strict=True):
            candidate[spared[:count]] = False
        together = trial.tries(candidates[:-1])[0] if len(counts) > 1 else np.empty(0, bool)
        region = candidates[int(np.append(together, True).argmax())]  # the last, without one, is known to be enough
    return region


def _result(
    trial: _Trial,
    region: NDArray[np.bool_],
    found: bool,
    areas: NDArray[np.float64],
    scores: NDArray[np.float64],
    size: tuple[int, int],
    seed: int,
) -> Minimal:
    """The result for a region (n,) of an image of (width, height), with random ones beside it."""
    filled = region if trial.aim == "flip" else ~region
    if not found:
        filled = ~filled
    _, (score_after,), (after,) = trial.results(filled[None])
    hits = (
        trial.tries(_random_regions(trial.pieces.areas, float(trial.pieces.areas[region].sum()), seed))[0]
        if region.any()
        else np.empty(0, bool)
    )
    if trial.on_progress:
        trial.on_progress(trial.total, trial.total)
    rows, columns = (np.arange(n) * m // n for n, m in zip(size[::-1], trial.pieces.labels.shape, strict=True))
    return Minimal(
        aim=trial.aim,
        fill=trial.pieces.fill,
        found=found,
        inside=region[trial.pieces.labels][np.ix_(rows, columns)],
        area=float(trial.pieces.areas[region].sum()),
        chosen=int(region.sum()),
        parts=trial.pieces.parts,
        before=str(trial.before),
        after=str(after),
        score=trial.score,
        score_after=float(score_after),
        areas=areas,
        scores=scores,
        random=wilson(int(hits.sum()), len(hits)),
        evaluations=trial.asked,
        image=trial.pieces.with_filled(filled),
    )


def _random_regions(areas: NDArray[np.float64], least: float, seed: int) -> NDArray[np.bool_]:
    """Random sets of superpixels (`RANDOM_REGIONS`, n), each just as large as `least` or the next size above."""
    rng, sets = np.random.default_rng(seed), np.zeros((RANDOM_REGIONS, len(areas)), bool)
    for members in sets:
        order = rng.permutation(len(areas))
        members[order[: int(np.searchsorted(areas[order].cumsum(), least - 1e-9)) + 1]] = True
    return sets
