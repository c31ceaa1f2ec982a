"""What a check finds: a figure beside what chance gives, and how a figure becomes a verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["holds", "doubtful", "fails", "not applicable"]
Curves = Mapping[str, NDArray[np.floating]]


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: Name in `CHECKS`.
        verdict: "holds", "doubtful", "fails" or "not applicable".
        value: The figure; None where there is none.
        low: Lower end of its 95 % interval; None where the figure has none.
        high: Upper end likewise.
        chance: What the figure would be by chance alone; None where that has no meaning.
        reason: One sentence with the figure.
        meaning: What that says to a reader without statistics.
        source: The paper that the check comes from.
        curves: Arrays for drawing, by name; None where there is nothing to draw.
    """

    name: str
    verdict: Verdict
    value: float | None
    low: float | None
    high: float | None
    chance: float | None
    reason: str
    meaning: str
    source: str
    curves: Curves | None = dataclasses.field(default=None, repr=False, compare=False)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a check hands to the card, which adds the words.

    Attributes:
        reason: One sentence with the figure.
        verdict: As in `Finding`.
        value: As in `Finding`.
        interval: (low, high) or None.
        chance: As in `Finding`.
        curves: As in `Finding`.
    """

    reason: str
    verdict: Verdict = "not applicable"
    value: float | None = None
    interval: tuple[float, float] | None = None
    chance: float | None = None
    curves: Curves | None = None


def advantage(value: float, *, low: float, top: float, chance: float, useful: float) -> Verdict:
    """The verdict on a figure of which more is better: it holds where it is useful and more than luck would give, and
    fails where it is less than useful at best. Between lies what luck could have given too, or what was measured too
    coarsely, and that is doubtful.

    Args:
        value: The figure.
        low: Its lower end.
        top: The most that it may be for all that was measured.
        chance: What luck gives.
        useful: The least that is worth having.
    """
    if value >= useful and low > chance:
        return "holds"
    return "fails" if top < useful else "doubtful"


def limit(interval: tuple[float, float], good: float, bad: float) -> Verdict:
    """The verdict on a figure of which less is better: it holds up to `good`, and fails above `bad`."""
    low, high = interval
    if high <= good:
        return "holds"
    return "fails" if low > bad else "doubtful"
