"""Which of two cues brings the other about: a mark makes colours strong, and no strong colours make a mark."""

from __future__ import annotations

import numpy as np

from workbench.cues.cue import Cue
from workbench.cues.cue_sample import Study
from workbench.errors import InputError

PUT_ON = 12
"""On how many explored images a cue is put at most."""
LEAST_PUT_ON = 3
"""Fewer say nothing."""


def explains(study: Study, one: Cue, other: Cue) -> bool:
    """Whether most explored images show `other` once `one` is put on them, and not the other way round.

    The model is not asked: this is about what the images show. A place never explains a mark: one that lies anywhere
    lies at some place as well, and how many images show either tells which it is.
    """
    if (one.kind, other.kind) == ("place", "mark"):
        return False
    return _brings(study, one, other) and not _brings(study, other, one)


def _brings(study: Study, one: Cue, other: Cue) -> bool:
    rng = np.random.default_rng([study.seed, *f"{one.name}, {other.name}, {other.target}".encode()])
    shown: list[bool] = []
    for place in study.explored(other.target, others=True):
        if len(shown) == PUT_ON:
            break
        try:
            image, _ = study.decoded(study.items[place])
        except InputError:
            continue
        edited = None if other.exchange.carries(image) else one.exchange.put(image, rng, decoy=False)
        if edited is not None:
            shown.append(other.exchange.carries(edited))
    return len(shown) >= LEAST_PUT_ON and 2 * sum(shown) > len(shown)
