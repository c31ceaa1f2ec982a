"""How likely the proof would have been had there been a cue: what a verdict of "clear" is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from workbench.cues.cue_sample import Study
from workbench.cues.transplant import Transplant, Turned
from workbench.stats import SIGNIFICANT, mean_of

TURNS = 0.5
"""The share of decisions that a cue turns whose discovery is asked about."""
MATTERS = 0.2
"""A cue is accused where it is shown to turn so large a share of decisions beyond its decoy's: by the lower end of the
interval, for many models turn by a little of anything."""
BY_DECOYS = 1 / 3
"""Where decoys turn more than this share of what a cue does, any change of that size turns decisions."""
RUNS = 500


def combined(chances: Sequence[float]) -> float:
    """The chance of one or two independent tests together (Fisher 1932, by the chi-square distribution with four
    degrees of freedom); 1 without any.

    Raises:
        ValueError: There are more than two.
    """
    if len(chances) > 2:
        raise ValueError(f"a cue is put on and taken away: expected two chances at most, got {len(chances)}")
    product = math.prod(chances)
    return product if len(chances) < 2 or product <= 0 else min(product * (1 - math.log(product)), 1.0)


def power_of(study: Study, transplants: Sequence[Transplant]) -> float | None:
    """The chance that a cue which turns `TURNS` of the decisions would have been accused, had it been among those that
    were tried: simulated on the images and units that were edited, with the decoys as they came out, at the level of
    Holm's first step, by the normal limit of the sign flips, with an effect whose interval lies above `MATTERS`, and
    shown by one of both ways alone. The median over what
    was tried of a class, the least over the classes; None where nothing was tried.
    """
    rng = np.random.default_rng(study.seed)
    powers: dict[str, list[float]] = {}
    for tried in transplants:
        ways = [way for way in (tried.put, tried.taken) if way is not None and way.enough]
        if ways:
            own = powers.setdefault(tried.cue.target, [])
            own.append(max(_power(way, len(ways), len(transplants), rng) for way in ways))
    return min(float(np.median(own)) for own in powers.values()) if powers else None


def _power(way: Turned, ways: int, tried: int, rng: np.random.Generator) -> float:
    units = np.unique(way.frame["unit"].to_numpy(np.intp), return_inverse=True)[1]
    decoys = way.frame["decoy"].to_numpy(np.float64)
    turns = rng.random((RUNS, len(units))) < TURNS
    effects, apart = turns - decoys, (decoys >= TURNS).mean() <= BY_DECOYS * turns.mean(1)
    matters = np.array([(mean_of(effect, units=units).low or 0) >= MATTERS for effect in effects])
    sums = np.stack([np.bincount(units, effect) for effect in effects])
    total, spread = sums.sum(1), np.sqrt((sums**2).sum(1))
    chances = [math.erfc(z / math.sqrt(2)) if z > 0 else 1.0 for z in total / np.maximum(spread, 1e-12)]
    both = [combined([p, *[1.0] * (ways - 1)]) for p in chances]
    return float(np.mean(apart & matters & (tried * np.array(both) <= SIGNIFICANT)))
