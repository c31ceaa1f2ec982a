"""One decision about one part, in plain words: verdict, margin, where the evidence lies, and the nearest images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from workbench.defects.review_band import Band
from workbench.defects.spots import LEAST_MOVE, Filled, Spot
from workbench.predictions import Cases, near

QUEUES = ("escapes", "overkill", "near", "overruled", "all")
HINT = "Its strongest hint is"
EFFECTS = {
    "rests": "the score rests on it",
    "holds down": "it holds the score down",
    "little": f"further than elsewhere, but by less than {LEAST_MOVE}",
    "none": "no more than elsewhere",
}
WITHOUT = {"pass": "would pass", "reject": "would be rejected", "review": "would be for review"}
ELSE = "Another kind of defect is visible."
REASONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "defect": (
            "The defect is visible.",
            "The defect is faint, but it is there.",
            "It is known from another test.",
            "It is outside the specification.",
        ),
        "good": (
            "No defect is visible.",
            "A mark, dirt or reflection, not a defect.",
            "It is within the specification.",
            "It is known from another test.",
        ),
    }
)
"""What a person may give as reason for calling a part defective, or good, without typing."""


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
        label: The ground truth, None where it is not known or is no class of the model.
        defective: Whether the label is a defect.
        hint: How a sentence begins that names the heaviest region.
    """

    item_id: str
    score: float
    band: Band
    verdict: str
    regions: tuple[Spot, ...] = ()
    filled: tuple[Filled, ...] = ()
    label: str | None = None
    defective: bool = False
    hint: str = HINT

    @property
    def margin(self) -> float:
        """How far the score is above the threshold; below it where negative."""
        return self.score - self.band.threshold

    @property
    def mistake(self) -> str | None:
        """The kind of mistake that the label makes of it: "escape", "overkill" or None."""
        if self.label is None or self.verdict != ("pass" if self.defective else "reject"):
            return None
        return "escape" if self.defective else "overkill"

    @property
    def sentence(self) -> str:
        """The decision, whether its label agrees, and what becomes of it without its strongest hint."""
        truth = ". No label says what it is."
        if self.label is not None:
            joint = ", though" if self.mistake else ";" if self.verdict == "review" else ", and"
            truth = f"{joint} it is labelled {self.label}."
        hint = ""
        if self.regions:
            hint = f" {self.hint} box 1" + (f"; {self._what_filling_does(self.filled[0])}" if self.filled else "") + "."
        return f"{self._verdict()}{truth}{hint}"

    def _verdict(self) -> str:
        low, at, high = self.band.low, self.band.threshold, self.band.high
        if self.verdict == "review":
            score, start = _distinct(self.score, low)
            end = f", rejected from {_distinct(self.score, high)[1]}" if high <= 1 else ""
            return f"For review (score {score}, reviewed from {start}{end})"
        word, edge = ("Rejected", high) if self.verdict == "reject" else ("Passed", at if self.band.empty else low)
        begins = "reviewed" if self.verdict == "pass" and not self.band.empty else "rejected"
        score, start = _distinct(self.score, edge)
        return f"{word} (score {score}, {begins} from {start})"

    def meaning(self, filled: Filled) -> str:
        """What filling a region says of it, and what would be decided without it where that is something else."""
        before, after = (str(verdict) for verdict in self.band.verdicts(np.array([filled.before, filled.after])))
        text = EFFECTS[filled.effect]
        if filled.effect in ("rests", "holds down") and before == self.verdict != after:
            text += f", and without it the part {WITHOUT[after]}"
        return text

    def _what_filling_does(self, filled: Filled) -> str:
        change = round(filled.after, 2) - round(filled.before, 2)  # as they are read
        if change == 0:
            return "painting it over changes nothing"
        same = round(filled.before, 2) == round(self.score, 2)
        start = "" if same else f" from {filled.before:.2f} (at the size shown)"
        moved = f"{'drops' if change < 0 else 'raises'} the score{start} to {filled.after:.2f}"
        elsewhere = _range(filled.elsewhere)
        if filled.effect in ("rests", "holds down"):
            return f"painting it over {moved} (as much elsewhere: {elsewhere}): {self.meaning(filled)}"
        but = f", but by less than {LEAST_MOVE}" if filled.effect == "little" else ""
        than = "further than" if filled.effect == "little" else "no more than"
        return f"painting it over {moved}, {than} elsewhere ({elsewhere}){but}"


def decide(
    item_id: str,
    score: float,
    band: Band,
    regions: Sequence[Spot] = (),
    filled: Sequence[Filled] = (),
    *,
    label: str | None = None,
    positive: Sequence[str] = (),
    hint: str = HINT,
) -> Decision:
    """The decision about an image with a score, (1,) of `Band.verdicts`; `positive` are the classes that are defects,
    the rest is as `Decision` has it."""
    verdict = str(band.verdicts(np.array([score]))[0])
    return Decision(item_id, score, band, verdict, tuple(regions), tuple(filled), label, label in positive, hint)


def alternatives(verdict: str, classes: Sequence[str], positive: Sequence[str], called: str) -> list[str]:
    """What a person may say a part is who overrules the verdict on it, the other side of the decision first.

    Args:
        verdict: The machine's.
        classes: The model's.
        positive: Those that are defects.
        called: The class that the model finds most probable: to say the same of a part is no contradiction, but where
            the part is for review.
    """
    if verdict == "review":
        return list(classes)
    other = [name for name in classes if (name in positive) == (verdict == "pass")]
    return other + [
        name for name in classes if name not in other and name != called and _several(name, classes, positive)
    ]


def _several(name: str, classes: Sequence[str], positive: Sequence[str]) -> bool:
    """Whether more classes than this one are on its side of the decision."""
    return sum((each in positive) == (name in positive) for each in classes) > 1


def reasons(verdict: str, to: str, positive: Sequence[str]) -> tuple[str, ...]:
    """Reasons to offer a person who overrules a verdict to the class `to`."""
    offered = REASONS["defect" if to in positive else "good"]
    return (ELSE, *offered[1:]) if verdict == "reject" and to in positive else offered


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


def _range(values: Sequence[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def _distinct(first: float, second: float) -> tuple[str, str]:
    """Two numbers with two digits, or as many as it takes for them to read differently where they are."""
    digits = next((n for n in range(2, 6) if f"{first:.{n}f}" != f"{second:.{n}f}"), 2)
    return f"{first:.{digits}f}", f"{second:.{digits}f}"
