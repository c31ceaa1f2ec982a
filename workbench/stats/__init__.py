"""Statistics by their textbook names: arrays in, arrays out. SciPy is loaded at the first call that needs it."""

from __future__ import annotations

from workbench.stats.auc import auc, placements
from workbench.stats.calibration import BINS, calibration_cells, calibration_error, debiased_error
from workbench.stats.clusters import complement, ends_along, share, upper_along
from workbench.stats.corp import Decomposition, decomposition, isotonic
from workbench.stats.equal_mass import Binned, binned_calibration, equal_mass, error_in_bins
from workbench.stats.gaps import Estimates, difference, gap, paired_difference, ratio, simultaneous
from workbench.stats.influences import by_influence, mean_auc, weighted_mean, weighted_share
from workbench.stats.joining import joined, units_or_cases
from workbench.stats.logistic_head import head_answers, head_probabilities
from workbench.stats.neighbours import cosine, nearest
from workbench.stats.of_units import calibration_of_units, mean_of_units
from workbench.stats.paired import mcnemar_of_units, paired_difference_of_units
from workbench.stats.planning import cases_for_ceiling, cases_for_interval, half_width, worth_of
from workbench.stats.power import more_of_each, more_of_smaller
from workbench.stats.ranks import midranks, spearman
from workbench.stats.rates import (
    ENOUGH,
    FEW_UNITS,
    Rate,
    critical_value,
    f1_of,
    mean_of,
    means,
    moments,
    student,
    upper_bound,
    wilson,
    wilson_bounds,
)
from workbench.stats.shuffles import (
    Blocks,
    all_means_differ_by_units,
    apart_by_units,
    blocks_of,
    excess_in_units,
    means_differ_by_units,
    more_by_units,
    shuffled,
    sign_flips,
    sums_of_shuffles,
)
from workbench.stats.significance import (
    SIGNIFICANT,
    at_least,
    aucs_differ,
    calibrations_differ,
    excess_of,
    holm,
    mcnemar,
    means_differ,
    ranks_differ,
    shares_differ,
    tail,
)
