"""Statistics by their textbook names: arrays in, arrays out. SciPy is loaded at the first call that needs it."""

from __future__ import annotations

from workbench.stats.auc import auc
from workbench.stats.calibration import BINS, calibration_cells, calibration_error
from workbench.stats.gaps import Estimates, difference, gap, paired_difference, ratio, simultaneous
from workbench.stats.neighbours import cosine, nearest
from workbench.stats.ranks import spearman
from workbench.stats.rates import Rate, critical_value, f1_of, mean_of, means, moments, upper_bound, wilson, wilson_bounds
from workbench.stats.significance import at_least, aucs_differ, calibrations_differ, holm, mcnemar, means_differ, shares_differ, tail

__all__ = [
    "BINS", "Estimates", "Rate", "at_least", "auc", "aucs_differ", "calibration_cells", "calibration_error", "calibrations_differ",
    "cosine", "critical_value", "difference", "f1_of", "gap", "holm", "mcnemar", "mean_of", "means", "means_differ", "moments",
    "nearest", "paired_difference", "ratio", "shares_differ", "simultaneous", "spearman", "tail", "upper_bound", "wilson",
    "wilson_bounds",
]  # fmt: skip
