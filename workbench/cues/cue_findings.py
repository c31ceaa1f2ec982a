"""What a search for cues came to: verdicts in words that fit, and what was not looked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from workbench.cues.cue import Cue, Kind
from workbench.cues.cue_sample import Study
from workbench.cues.defect_followed import Followed
from workbench.cues.transplant import Transplant, Turned
from workbench.predictions import good_class
from workbench.stats import SIGNIFICANT, holm

MATTERS = 0.1
"""A cue that turns fewer decisions more than its decoy is not accused."""
NARROWER = 2 / 3
"""A cue that does this share of what the whole background does is named before it."""
ENOUGH_POWER = 0.8
"""With a smaller chance of proving a cue, a search that proves none does not clear a class."""
Verdict = Literal["shortcut", "leans", "looks", "clear", "too few"]
ORDER: tuple[Verdict, ...] = ("shortcut", "leans", "looks", "too few", "clear")


@dataclasses.dataclass(frozen=True, eq=False)
class Finding:
    """What was found about one class and one cue.

    Attributes:
        transplant: The proof.
        p: Its chance after Holm over all that were tried.
        verdict: "shortcut" where it decides and masks show that the defects were left alone; "leans" where it decides
            but nothing says whether it belongs to the defect; "looks" where it turns decisions, but no more than chance
            or its decoy would; "clear" where it turns next to none; "too few" where too few images could be edited.
    """

    transplant: Transplant
    p: float
    verdict: Verdict

    @property
    def cue(self) -> Cue:
        """The cue."""
        return self.transplant.cue

    @property
    def accused(self) -> bool:
        """Whether the cue is shown to decide."""
        return self.verdict in ("shortcut", "leans")


@dataclasses.dataclass(frozen=True, eq=False)
class Unsearched:
    """What was not looked for.

    Attributes:
        what: A class, or a kind of cue, in words.
        why: The reason, and what would make it possible, in a sentence.
    """

    what: str
    why: str


@dataclasses.dataclass(frozen=True, eq=False)
class Search:
    """A finished search.

    Attributes:
        findings: A finding for each cue that was tried, the gravest first.
        classes: The classes that were judged.
        kinds: The kinds of cue that were looked for.
        unsearched: What was not.
        images: How many images were looked at.
        power: The chance that the tests would have accused a cue that turns half of the decisions, given that it was
            tried: the least over the classes; None where nothing was tried.
        class_names: All classes of the model.
        followed: For each class but the good one, whether its decisions follow the defect; empty where no masks show
            where defects lie.
    """

    findings: tuple[Finding, ...]
    classes: tuple[str, ...]
    kinds: tuple[Kind, ...]
    unsearched: tuple[Unsearched, ...]
    images: int
    power: float | None
    class_names: tuple[str, ...]
    followed: tuple[Followed, ...] = ()

    @property
    def good(self) -> str | None:
        """The class without a defect, None where none is known."""
        return good_class(self.class_names)

    @property
    def strong(self) -> bool:
        """Whether a cue that matters would probably have been proven: else finding none says nothing."""
        return self.power is not None and self.power >= ENOUGH_POWER

    def of(self, target: str) -> list[Finding]:
        """What was tried for a class, the gravest first."""
        return [finding for finding in self.findings if finding.cue.target == target]

    @property
    def accused(self) -> list[Finding]:
        """The cues that are shown to decide."""
        return [finding for finding in self.findings if finding.accused]

    @property
    def unexplained(self) -> list[Followed]:
        """The classes whose decisions stay without the defect although no cue is accused of them: they are decided by
        something that this search has not found, so that nothing is clear."""
        named = {finding.cue.target for finding in self.accused}
        return [line for line in self.followed if line.stays and line.target not in named]


def judged(study: Study, transplants: Sequence[Transplant]) -> tuple[Finding, ...]:
    """The verdicts, their p-values adjusted for their number, the gravest first."""
    adjusted = holm([transplant.p for transplant in transplants]).tolist() if transplants else []
    masks = study.masks_known()
    findings = [
        Finding(transplant, p, _verdict(transplant, p, masks))
        for transplant, p in zip(transplants, adjusted, strict=True)
    ]
    return tuple(
        sorted(findings, key=lambda f: (ORDER.index(f.verdict), _covers(f, findings), f.p, -_most(f.transplant)))
    )


def _covers(finding: Finding, findings: Sequence[Finding]) -> bool:
    """Whether a background is accused for what it shows: a narrower cue that does most of what it does names it."""
    if finding.cue.kind != "background" or not finding.accused:
        return False
    narrower = [f for f in findings if f.accused and f.cue.kind != "background" and f.cue.target == finding.cue.target]
    return any(_most(f.transplant) >= NARROWER * _most(finding.transplant) for f in narrower)


def _verdict(transplant: Transplant, p: float, masks: bool) -> Verdict:
    ways = [way for way in (transplant.put, transplant.taken) if way is not None and way.enough]
    if not ways:
        return "too few"
    if p <= SIGNIFICANT and any(_matters(way) for way in ways):
        return "shortcut" if masks else "leans"
    return "looks" if any((way.flips.value or 0) >= MATTERS for way in ways) else "clear"


def _matters(way: Turned) -> bool:
    effect = way.effect
    return (effect.value or 0) >= MATTERS and (effect.low or 0) > 0


def _most(transplant: Transplant) -> float:
    return max((way.effect.value or 0 for way in (transplant.put, transplant.taken) if way is not None), default=0.0)
