"""One decision about one part, in plain words: verdict, margin, where the evidence lies, and the nearest images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.defects.review_band import Band
from workbench.defects.spots import LEAST_MOVE, Filled, Spot
from workbench.predictions import Cases, near

QUEUES = ("escapes", "overkill", "near", "overruled", "all")
VERDICT_WORDS = {"pass": "Passed", "reject": "Rejected", "review": "For review"}
EVIDENCE = "the evidence for a defect"
EFFECTS = {
    "rests": "the score rests on it",
    "holds down": "it holds the score down",
    "little": f"further than elsewhere, but by less than {LEAST_MOVE}",
    "none": "no more than elsewhere",
}
WITHOUT = {"pass": "would pass", "reject": "would be rejected", "review": "would be for review"}


@dataclasses.dataclass(frozen=True)
class Decision:
    """What is decided about one image.

    Attributes:
        item_id: SHA-256 of the image's bytes.
        score: The probability of a defect.
        band: The threshold, and what is reviewed around it.
        verdict: "pass", "review" or "reject".
        regions: Where the evidence lies, the heaviest first.
        filled: What filling each of them does; empty where that was not tried.
        evidence: What the regions hold a share of, in words.
    """

    item_id: str
    score: float
    band: Band
    verdict: str
    regions: tuple[Spot, ...] = ()
    filled: tuple[Filled, ...] = ()
    evidence: str = EVIDENCE

    @property
    def margin(self) -> float:
        """How far the score is above the threshold; below it where negative."""
        return self.score - self.band.threshold

    @property
    def sentence(self) -> str:
        """The decision, where its evidence lies, and what becomes of it without."""
        parts = [f"{VERDICT_WORDS[self.verdict]}: {' against '.join(_distinct(self.score, self.band.threshold))}"]
        if self.regions:
            top = self.regions[0]
            parts.append(f"{top.mass:.0%} of {self.evidence} lies in one region of {_percent(top.area)} of the area")
        if self.filled:
            parts.append(self._what_filling_does(self.filled[0]))
        return "; ".join(parts) + "."

    def meaning(self, filled: Filled) -> str:
        """What filling a region says of it, and what would be decided without it where that is something else."""
        before, after = (str(verdict) for verdict in self.band.verdicts(np.array([filled.before, filled.after])))
        text = EFFECTS[filled.effect]
        if filled.effect in ("rests", "holds down") and before == self.verdict != after:
            text += f": without it the part {WITHOUT[after]}"
        return text

    def _what_filling_does(self, filled: Filled) -> str:
        change = round(filled.after, 2) - round(filled.before, 2)  # as they are read
        verb = "leaves" if change == 0 else "drops" if change < 0 else "raises"
        at = "at" if verb == "leaves" else "to"
        same = round(filled.before, 2) == round(self.score, 2)
        start = "" if same else f" from {filled.before:.2f}, which it is at the size shown,"
        elsewhere = f"(same area elsewhere: {_range(filled.elsewhere)})"
        return f"filling it {verb} the score{start} {at} {filled.after:.2f} {elsewhere}; {self.meaning(filled)}"


def decide(
    item_id: str,
    score: float,
    band: Band,
    regions: Sequence[Spot] = (),
    filled: Sequence[Filled] = (),
    evidence: str = EVIDENCE,
) -> Decision:
    """The decision about an image with a score, (1,) of `Band.verdicts`; the rest as `Decision` has it."""
    verdict = str(band.verdicts(np.array([score]))[0])
    return Decision(item_id, score, band, verdict, tuple(regions), tuple(filled), evidence)


def queue(
    cases: Cases,
    scores: NDArray[np.float64],
    rows: NDArray[np.bool_],
    band: Band,
    name: str,
    overruled: NDArray[np.bool_],
) -> NDArray[np.intp]:
    """Which images wait under a name, the gravest first.

    Args:
        cases: The labelled images, of which alone it is known that they escape or are rejected for nothing.
        scores: (N,) of all images of the table; NaN where one cannot be read: it waits nowhere.
        rows: (N,) which images are looked at.
        band: The threshold and the band of doubt.
        name: One of `QUEUES`.
        overruled: (N,) which images somebody overruled.

    Returns:
        Rows of the table. Escapes begin with the lowest score, overkill with the highest, the others with what is
        nearest to the threshold.
    """
    labelled, defect = cases.mask, np.zeros(len(scores), bool)
    defect[cases.rows] = cases.defect
    verdicts = band.verdicts(np.nan_to_num(scores))
    distance = np.abs(scores - band.threshold)
    kinds = {
        "escapes": (defect & (verdicts == "pass"), scores),
        "overkill": (labelled & ~defect & (verdicts == "reject"), -scores),
        "near": ((verdicts == "review") | near(scores, band.threshold), distance),
        "overruled": (overruled, distance),
        "all": (np.ones(len(scores), bool), distance),
    }
    members, order = kinds[name]
    places = np.flatnonzero(members & rows & np.isfinite(scores))
    return np.asarray(places[np.argsort(order[places], kind="stable")])


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def _range(values: Sequence[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def _distinct(first: float, second: float) -> tuple[str, str]:
    """Two numbers with two digits, or as many as it takes for them to read differently where they are."""
    digits = next((n for n in range(2, 6) if f"{first:.{n}f}" != f"{second:.{n}f}"), 2)
    return f"{first:.{digits}f}", f"{second:.{digits}f}"
