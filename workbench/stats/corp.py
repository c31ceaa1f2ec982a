"""The Brier score and what it consists of."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Decomposition:
    """A Brier score as miscalibration less discrimination plus uncertainty.

    Attributes:
        score: The mean square of probability less outcome: 0 is best.
        miscalibration: What would be won if each probability were what came true at it ("reliability").
        discrimination: What the ranking of the cases is worth ("resolution").
        uncertainty: The score of one who says the base rate of every case.
    """

    score: float
    miscalibration: float
    discrimination: float
    uncertainty: float


def decomposition(scores: NDArray[np.float64], hits: NDArray[np.bool_]) -> Decomposition:
    """The CORP decomposition of Dimitriadis, Gneiting and Jordan 2021, "Stable reliability diagrams for probabilistic
    classifiers": what came true at a probability is the isotonic regression, so that no bins are chosen. Its
    miscalibration is never negative, and above 0 by chance even of a calibrated model.

    Args:
        scores: (M,) probabilities, M at least 1.
        hits: (M,) whether what they are of came true.

    Example:
        >>> import numpy as np
        >>> from workbench.stats import decomposition
        >>> parts = decomposition(np.array([0.2, 0.2, 0.9, 0.9]), np.array([False, False, True, True]))
        >>> round(parts.score, 3), round(parts.miscalibration, 3), parts.discrimination, parts.uncertainty
        (0.025, 0.025, 0.25, 0.25)
    """
    recalibrated = isotonic(scores, hits)
    own, best, base = (float(((p - hits) ** 2).mean()) for p in (scores, recalibrated, hits.mean()))
    return Decomposition(own, own - best, base - best, base)


def isotonic(scores: NDArray[np.float64], hits: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The isotonic regression of outcomes on probabilities, (M,): equal probabilities get equal values."""
    from scipy.optimize import isotonic_regression

    place, counts = np.unique(scores, return_inverse=True, return_counts=True)[1:]
    means = np.bincount(place, hits) / counts
    return np.asarray(isotonic_regression(means, weights=counts).x[place], np.float64)
