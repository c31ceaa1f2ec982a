"""The chance of two independent proofs together, against SciPy's and against its own promise."""

import numpy as np
import pytest
from scipy.stats import combine_pvalues

from workbench.cues.proof_power import combined


@pytest.mark.parametrize("chances", [(0.0078, 0.0245), (0.5, 0.001), (1.0, 1.0), (1.0, 0.02), (1e-9, 1e-12)])
def test_two_chances_are_combined_as_scipy_does(chances):
    assert combined(chances) == pytest.approx(combine_pvalues(chances, "fisher").pvalue)


def test_one_chance_is_itself_and_none_is_certain():
    assert combined([0.03]) == 0.03
    assert combined([]) == 1
    with pytest.raises(ValueError, match="at most"):
        combined([0.1, 0.1, 0.1])


def test_where_nothing_is_there_five_of_a_hundred_are_below_five_percent():
    draws = np.random.default_rng(0).random((20_000, 2))
    assert np.mean([combined(pair) <= 0.05 for pair in draws]) == pytest.approx(0.05, abs=0.005)
