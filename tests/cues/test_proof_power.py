"""The chance of two independent proofs together, against SciPy's and against its own promise."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import combine_pvalues

from workbench.cues import Cue, Transplant, Turned
from workbench.cues.proof_power import combined, power_of
from workbench.stats import mean_of, share


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


def tried(decoys, target="scratch", count=60):
    """A cue that was put on some images, with decoys that turn a share of them."""
    decoy = np.arange(count) < decoys * count
    frame = pd.DataFrame({"turned": 0.0, "decoy": decoy * 1.0, "unit": np.arange(count)})
    way = Turned(frame, share(decoy & False), share(decoy), mean_of(-1.0 * decoy), 1.0)
    return Transplant(Cue("property", "blur", target, None), way, None)


@pytest.mark.parametrize(("decoys", "power"), [(0.0, 1.0), (0.1, 0.95), (0.3, 0.0), (0.6, 0.0)])
def test_no_cue_is_said_to_be_provable_that_its_decoys_would_clear(decoys, power):
    """Half of 60 decisions turn: more than three times as many as decoys of a tenth do, fewer than of three tenths."""
    result = power_of(SimpleNamespace(seed=0), [tried(decoys)] * 3)
    assert result == pytest.approx(power, abs=0.06)


def test_the_power_is_the_median_of_what_was_tried_of_the_class_that_has_least():
    study = SimpleNamespace(seed=0)
    assert power_of(study, [tried(0.6), tried(0.0), tried(0.0)]) >= 0.9
    assert power_of(study, [tried(0.0), tried(0.6), tried(0.6)]) <= 0.1
    assert power_of(study, [tried(0.0), tried(0.6, "stain")]) <= 0.1
    assert power_of(study, []) is None
