"""What the findings about one map come to in a word, and those about all maps of an image in a sentence."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from workbench.evidence.finding import Finding

DECIDING = ("completeness", "randomisation", "repeatability")
"""Checks without which a map is not one of this model's score at all: failing one, it is not to be relied on."""
UNCOUNTED = ("relevance_mass", "relevance_rank", "pointing", "sensitivity")
"""Checks that say nothing for or against a map. A faithful map of a model that looks at the wrong place must fail those
of its place; and wrong maps hold their ground under imperceptible noise as well as right ones (`bench_card.py`)."""
ENOUGH = 3
"""With fewer checks that apply, a map that holds them all is still leant on only a little."""
LEAN, LITTLE, NOT, UNKNOWN = "Lean on it", "Lean on it a little", "Do not rely on it here", "Not known"


@dataclasses.dataclass(frozen=True)
class Rating:
    """How far a map can be relied on, by its checks.

    Attributes:
        word: "Lean on it", "Lean on it a little", "Do not rely on it here" or "Not known".
        holds: How many of the counted checks hold.
        fails: How many of them fail; the others are doubtful.
        counted: How many checks of the map apply, without those of `UNCOUNTED`.
    """

    word: str
    holds: int
    fails: int
    counted: int

    @property
    def sentence(self) -> str:
        """The word and the count behind it."""
        if not self.counted:
            return f"{self.word}: no check applies to it"
        if self.counted == 1:
            return f"{self.word} (its one check {'holds' if self.holds else 'does not hold'})"
        if self.holds == self.counted:
            return f"{self.word} (all {self.counted} checks hold)"
        return f"{self.word} ({self.holds} of {self.counted} checks hold)"


def rating(findings: Iterable[Finding]) -> Rating:
    """How far a map can be relied on.

    It is not to be relied on where one of `DECIDING` fails, or no more checks hold than fail.

    Example:
        >>> rating(wb.assess(clf, item, att)).sentence
        'Lean on it a little (2 of 4 checks hold)'
    """
    verdicts = {f.name: f.verdict for f in findings if f.name not in UNCOUNTED and f.verdict != "not applicable"}
    holds, fails = (sum(verdict == word for verdict in verdicts.values()) for word in ("holds", "fails"))
    counted = len(verdicts)
    if not counted:
        word = UNKNOWN
    elif holds <= fails or any(verdicts.get(name) == "fails" for name in DECIDING):
        word = NOT
    else:
        word = LEAN if holds == counted >= ENOUGH else LITTLE
    return Rating(word, holds, fails, counted)


def in_sum(ratings: Mapping[str, Rating]) -> str:
    """What all maps of one image come to, by the titles of their methods; at least one map."""
    best = [title for title, rated in ratings.items() if rated.word == LEAN]
    if len(ratings) == 1:
        if best:
            return "On this image the map holds all its checks: as far as they reach, it shows the model's reason."
        return "On this image the map does not hold all its checks: do not take it as the reason."
    if not best:
        return "On this image no map holds all its checks: take none as the reason."
    names = best[0] if len(best) == 1 else f"{', '.join(best[:-1])} and {best[-1]}"
    hold, they, show = ("holds all its", "it", "shows") if len(best) == 1 else ("hold all their", "they", "show")
    return f"On this image {names} {hold} checks: as far as they reach, {they} {show} the model's reason."
