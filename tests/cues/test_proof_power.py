"""The chance of two independent proofs together, against SciPy's and against its own promise."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, combine_pvalues, norm, ttest_1samp

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


def exact(decoys, count=60):
    """The power where decisions turn by a fair coin each: the sum over how many turn with the decoy and without it."""
    both, total = round(decoys * count), 0.0
    for turned_too, turned_alone in itertools.product(range(both + 1), range(count - both + 1)):
        turns = np.concatenate([np.arange(both) < turned_too, np.arange(count - both) < turned_alone])
        effects = turns - (np.arange(count) < both) * 1.0
        proven = ttest_1samp(effects, 0)
        z = effects.sum() / max(np.sqrt((effects**2).sum()), 1e-12)
        if proven.confidence_interval(0.95).low >= 0.2 and 6 * norm.sf(z) <= 0.05 and both <= turns.sum() / 3:
            total += binom.pmf(turned_too, both, 0.5) * binom.pmf(turned_alone, count - both, 0.5)
    return total


@pytest.mark.parametrize("decoys", [0.1, 0.3, 0.6])
def test_no_cue_is_said_to_be_provable_that_its_decoys_would_clear(decoys):
    """Half of 60 decisions turn: a tenth of decoys leave it to be shown that a fifth do so by the cue; three tenths are
    more than a third of what it turns."""
    result = power_of(SimpleNamespace(seed=0), [tried(decoys)] * 3)
    assert result == pytest.approx(exact(decoys), abs=0.06)
    assert (result > 0.7) == (decoys == 0.1)


def test_few_images_cannot_show_what_many_do():
    powers = [power_of(SimpleNamespace(seed=0), [tried(0.0, count=count)]) for count in (12, 24, 60)]
    assert powers == [pytest.approx(exact(0.0, count), abs=0.06) for count in (12, 24, 60)]
    assert powers[0] < powers[1] < powers[2]


def test_the_power_is_the_median_of_what_was_tried_of_the_class_that_has_least():
    study = SimpleNamespace(seed=0)
    assert power_of(study, [tried(0.6), tried(0.0), tried(0.0)]) >= 0.9
    assert power_of(study, [tried(0.0), tried(0.6), tried(0.6)]) <= 0.1
    assert power_of(study, [tried(0.0), tried(0.6, "stain")]) <= 0.1
    assert power_of(study, []) is None
