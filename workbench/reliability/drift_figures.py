"""Figures of how far two samples lie apart, for the observed deal and for all others at once.

Each takes deals (A, N), True where an image lies on the new side, and gives A figures that grow with the difference.
None is scaled by the size of the sides, so that a large lot counts no more than a small one.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.stats import midranks

DOMAIN_AXES, FOLDS, RIDGE = 64, 5, 0.1
"""Of the domain classifier: directions that it sees, folds, and the ridge as a share of the images."""
MOST_NUMBERS = 8_000_000
"""Numbers of a batch of deals."""
Kind = Literal["number", "category", "vectors"]


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """Something that both sides are compared by.

    Attributes:
        family: What it belongs to: "files", "image", "embedding", "scores", "attributes", "classes" or "maps".
        name: What it is called.
        kind: Numbers are compared by Kolmogorov and Smirnov's distance, categories by chi-square, vectors by the
            maximum mean discrepancy.
        values: (M,) numbers, of which NaN is a value of its own below all others; (M,) codes; or (M, D) vectors.
        words: What each code stands for.
        rows: (M,) which of all images these are.
    """

    family: str
    name: str
    kind: Kind
    values: NDArray[np.float64]
    words: tuple[str, ...]
    rows: NDArray[np.intp]


def figures_of(asked: Asked, new: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The figure of each deal (A,) of the images that `asked` is about, (A, M)."""
    if asked.kind == "vectors":
        return discrepancies(asked.values, new)
    distances = ks_distances if asked.kind == "number" else chi_squares
    step = max(MOST_NUMBERS // max(new.shape[1], 1), 1)
    return np.concatenate([distances(asked.values, new[start : start + step]) for start in range(0, len(new), step)])


def ks_distances(values: NDArray[np.float64], new: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The largest distance of the distribution functions of values (N,) on both sides (Kolmogorov 1933, Smirnov 1939);
    values that are not known lie below all others, so that a measurement that goes missing is a difference."""
    known = np.where(np.isnan(values), -np.inf, values)
    order = np.argsort(known, kind="stable")
    last = np.append(known[order][1:] != known[order][:-1], True)
    side = new[:, order]
    ours = np.cumsum(side, axis=1, dtype=np.int32)[:, last]
    ranks = np.arange(1, len(values) + 1, dtype=np.int32)[last]
    count = side.sum(1)[:, None].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = ours / count - (ranks - ours) / (len(values) - count)
    return np.asarray(np.abs(apart).max(1), np.float64)


def chi_squares(codes: NDArray[np.float64], new: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Pearson's chi-square of categories (N,) against the side, over nm/(n + m): the distance of the shares."""
    held = np.eye(int(codes.max()) + 1, dtype=np.float32)[codes.astype(np.intp)]
    ours, total = (new.astype(np.float32) @ held).astype(np.float64), held.sum(0, dtype=np.float64)
    count = new.sum(1)[:, None].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = ours / count - (total - ours) / (len(codes) - count)
    pooled = np.maximum(total / len(codes), 1e-12)
    return np.asarray((apart**2 / pooled).sum(1), np.float64)


def discrepancies(vectors: NDArray[np.floating], new: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The squared maximum mean discrepancy, unbiased, under a Gaussian kernel whose width is the median distance:
    Gretton et al. 2012, "A kernel two-sample test"."""
    kernel = gaussian_kernel(vectors)
    np.fill_diagonal(kernel, 0)
    rows, result = kernel.sum(1, dtype=np.float64), []
    step = max(MOST_NUMBERS // max(len(rows), 1), 1)
    for start in range(0, len(new), step):
        side = new[start : start + step].astype(np.float32)
        count = side.sum(1, dtype=np.float64)
        within = np.einsum("an,an->a", side @ kernel, side, dtype=np.float64)
        to_all, others = side @ rows, len(rows) - count
        between, rest = to_all - within, float(rows.sum()) - 2 * to_all + within
        with np.errstate(invalid="ignore", divide="ignore"):
            value = within / (count * (count - 1)) + rest / (others * (others - 1)) - 2 * between / (count * others)
        result.append(value)
    return np.concatenate(result)


def gaussian_kernel(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """exp(-d^2 / 2 m^2) of the distances d of vectors (N, D), m being their median over pairs: (N, N)."""
    values = vectors - vectors.mean(0, keepdims=True, dtype=np.float64)
    values = (values / max(float(np.abs(values).max(initial=0)), 1e-30)).astype(np.float32)  # squares stay finite
    squares = np.einsum("nd,nd->n", values, values)
    apart = np.maximum(squares[:, None] + squares - 2 * (values @ values.T), 0)
    median = float(np.median(apart[np.triu_indices(len(apart), 1)])) if len(apart) > 1 else 1.0
    return np.asarray(np.exp(apart / (-2 * median if median > 0 else -1.0)), np.float32)


def domain_scores(
    vectors: NDArray[np.floating], new: NDArray[np.bool_], units: NDArray[np.intp], seed: int = 0
) -> NDArray[np.float64] | None:
    """Out-of-fold scores (A, N) of linear classifiers that tell the sides apart: the classifier two-sample test of
    Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests".

    Ridge regression on the first `DOMAIN_AXES` principal directions, in folds of whole units, so that no classifier is
    tried on a lot that it was taught.

    Args:
        vectors: (N, D), finite.
        new: (A, N) the deals.
        units: (N,) the unit of each image.
        seed: Of the folds.

    Returns:
        None where either side comes in fewer than `FOLDS` units: then nothing can be taught but those lots.
    """
    if min(len(np.unique(units[new[0]])), len(np.unique(units[~new[0]]))) < FOLDS:
        return None
    features = _components(vectors)
    names, place = np.unique(units, return_inverse=True)
    rng = np.random.default_rng(seed)
    fold = (rng.permutation(len(names)) % FOLDS)[place]
    scores = np.zeros(new.shape, np.float32)
    for number in range(FOLDS):
        taught, tried = fold != number, fold == number
        centre = features[taught].mean(0)
        known, asked = features[taught] - centre, features[tried] - centre
        inner = known.T @ known + RIDGE * taught.sum() * np.eye(features.shape[1])
        side = new[:, taught].astype(np.float64)
        weights = np.linalg.solve(inner, known.T @ (side - side.mean(1, keepdims=True)).T)
        spread = np.sqrt(np.maximum((weights**2).sum(0), 1e-30))
        scores[:, tried] = (asked @ (weights / spread)).T
    return np.asarray(scores, np.float64)


def areas(scores: NDArray[np.float64], new: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The area under the ROC curve of each deal's scores (A, N) for its new side: (A,)."""
    result = np.empty(len(scores))
    for line, (score, side) in enumerate(zip(scores, new, strict=True)):
        ours = int(side.sum())
        total = float(midranks(score)[side].sum()) - ours * (ours + 1) / 2
        result[line] = total / max(ours * (len(side) - ours), 1)
    return result


def _components(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """The first principal components of vectors (N, D), each of variance 1."""
    values = vectors.astype(np.float64) - vectors.mean(0, dtype=np.float64)
    inner = values.T @ values if values.shape[1] <= len(values) else values @ values.T
    squares, directions = np.linalg.eigh(inner)
    keep = np.argsort(squares)[::-1][:DOMAIN_AXES]
    keep = keep[squares[keep] > 1e-9 * max(float(squares.max(initial=0)), 1e-30)]
    parts = values @ directions[:, keep] if values.shape[1] <= len(values) else directions[:, keep] * 1.0
    return np.asarray(parts / np.maximum(parts.std(0), 1e-12), np.float64)
