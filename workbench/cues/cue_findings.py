"""What a search for cues came to: verdicts in words that fit, and what was not looked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from workbench.cues.cue import Cue, Kind
from workbench.cues.cue_precedence import explains
from workbench.cues.cue_sample import Study
from workbench.cues.defect_followed import Followed
from workbench.cues.proof_power import BY_DECOYS, MATTERS, combined
from workbench.cues.transplant import Transplant, Turned
from workbench.predictions import good_class
from workbench.stats import SIGNIFICANT, holm

ALONE = 0.5
"""What must turn beyond a decoy's where one way alone speaks for a cue: a property that adds detail, a concept that is
taken away, a place or a mark that is put on and on which no decision hangs."""
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
            but nothing says whether it belongs to the defect; "looks" where it turns decisions, but not clearly more
            than chance or its decoy would, against its other proof, or may only have hidden or brought defects;
            "clear" where it turns few; "too few" where too few images could be edited. What a concept turns within the
            model is asked for as well and proves nothing alone: some direction decides in every model.
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
    """The verdicts, their p-values adjusted for their number, the gravest first; of those that are accused, the one
    that turns most both ways together, but what another one brings about after that."""
    adjusted = holm([_chance(_proofs(study, tried)) for tried in transplants]).tolist() if transplants else []
    findings = [Finding(tried, p, _verdict(study, tried, p)) for tried, p in zip(transplants, adjusted, strict=True)]

    def brought(finding: Finding) -> bool:
        same = [f.cue for f in findings if f.accused and f is not finding and f.cue.target == finding.cue.target]
        return any(explains(study, cue, finding.cue) for cue in same)

    def rank(finding: Finding) -> tuple[float, ...]:
        first = (float(brought(finding)), -_turned(study, finding)) if finding.accused else (finding.p, 0.0)
        return (ORDER.index(finding.verdict), *first)

    return tuple(sorted(findings, key=rank))


def _spared(study: Study, cue: Cue) -> bool:
    """Whether defects were left as they are."""
    return cue.spares and study.masks_known()


def _proofs(study: Study, tried: Transplant) -> list[Turned]:
    """The ways that prove something: to change a whole image until it is called good proves nothing where no mask says
    that its defect was left as it was."""
    hides = tried.cue.kind == "property" and tried.cue.target == study.good and not study.masks_known()
    return [way for way in (None if hides else tried.put, tried.taken) if way is not None and way.enough]


def _chance(ways: Sequence[Turned]) -> float:
    """The chance of the effects of all ways, which no image shares."""
    return combined([way.p for way in ways])


def _verdict(study: Study, tried: Transplant, p: float) -> Verdict:
    ways = [way for way in (tried.put, tried.taken) if way is not None and way.enough]
    if not ways:
        return "too few"
    if p <= SIGNIFICANT and _proven(study, tried) and _as_a_concept(study, tried) and not _contradicted(tried):
        return "shortcut" if _spared(study, tried.cue) else "leans"
    return "looks" if any((way.flips.value or 0) >= MATTERS for way in ways) else "clear"


def _as_a_concept(study: Study, tried: Transplant) -> bool:
    """Whether what more is asked of a concept holds: it decides within the model too, put on images it turns them or,
    taken away alone, half of them, and masks tell it from the defect: without them it may well be what the class is.
    True for other cues."""
    inside, put, taken = tried.suppressed, tried.put, tried.taken
    if tried.cue.kind != "concept":
        return True
    alone = taken is not None and taken.enough and (taken.effect.value or 0) >= ALONE
    both = alone or (put is not None and put.enough and _matters(put))
    return study.masks_known() and both and inside is not None and inside.enough and _matters(inside)


def _proven(study: Study, tried: Transplant) -> bool:
    """Whether a way turns decisions that neither hides a defect nor brings what looks like one: to add detail all over
    an image may do both, and so is no proof where less detail turns nothing, and hardly one where there is no other."""
    adding = None if tried.cue.adds is None else tried.put if tried.cue.adds else tried.taken
    mattering = [way for way in _proofs(study, tried) if _matters(way)]
    if any(way is not adding for way in mattering):
        return True
    other = tried.taken if tried.cue.adds else tried.put
    tried_so = other is not None and other.enough
    return bool(mattering) and not tried_so and (mattering[0].effect.value or 0) >= ALONE


def _matters(way: Turned) -> bool:
    """Whether a way is shown to turn `MATTERS` of the decisions beyond its decoy's: by the interval of its effect."""
    flips, decoys = way.flips.value or 0, way.decoys.value or 0
    return flips - decoys >= MATTERS and (way.effect.low or 0) >= MATTERS and decoys <= BY_DECOYS * flips


def _contradicted(tried: Transplant) -> bool:
    """Whether one way speaks against what the other turned: its decoy is shown to turn more than the cue, or hardly a
    decision hangs on the cue, for images that show it are called so without it as well. What a sound model takes for
    the class is enough for some decisions and yet not what it goes by: a window that looks like a defect, or strong
    colours all over an image, which are a stain. A place or a mark that turns half of those that it is put on decides
    whatever hangs on it: where it always comes with the defect, either is enough for the model."""
    ways = [way for way in (tried.put, tried.taken) if way is not None and way.enough]
    against = any(way.effect.high is not None and way.effect.high < 0 for way in ways)
    put, taken = tried.put, tried.taken
    decides = tried.cue.kind != "property" and put is not None and put.enough and (put.effect.value or 0) >= ALONE
    idle = taken is not None and taken.enough and (taken.flips.value or 0) < MATTERS
    return against or (idle and not decides)


def _turned(study: Study, finding: Finding) -> float:
    """How many decisions it turns beyond its decoy: as a share of those that it was put on, and of all from which it
    might have been taken, so that what few images show comes after what many do."""
    put, taken = finding.transplant.put, finding.transplant.taken
    some = len(taken.frame) / max(len(study.confirmed(finding.cue.target)), 1) if taken is not None else 0.0
    return sum((way.effect.value or 0) * of for way, of in ((put, 1.0), (taken, some)) if way is not None)
