"""The gate: every rule put to a new model beside the old one, and what they come to together."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.images import ImageSet
from workbench.report.gate_decisions import decision_rulings
from workbench.report.gate_holds import corruption_rulings, evidence_ruling, shortcuts_ruling, steady
from workbench.report.gate_origin import preprocessing_differs, preprocessing_ruling, unseen_rulings
from workbench.report.gate_pairing import Eligible, GateSide, Pairing, pairing
from workbench.report.gate_reasons import reasons_rulings
from workbench.report.gate_rules import GateRules
from workbench.report.gate_rulings import GateOutcome, Levels, Ruling, untold
from workbench.texts import sentence_list

if TYPE_CHECKING:
    from workbench.models import Classifier

Report = Callable[[str, int, int], None]
EXIT_CODES: dict[GateOutcome, int] = {"pass": 0, "fail": 1, "not enough": 3}
"""What a job sees of an outcome; 2 is bad input."""


@dataclasses.dataclass(frozen=True)
class Gate:
    """What a gate came to.

    Attributes:
        old: The model of before, by the name that it was given.
        new: The one that is to follow it.
        images: The set.
        rulings: A ruling for each question, in their order.
        notes: What a reader must know beside them, one sentence each.
        level: With which confidence the rules hold together.
        failing: With which confidence each alone is shown to be broken.
        digests: Of the rules, and where known of either model and of the images, by name: what was asked of what.
    """

    old: str
    new: str
    images: str
    rulings: tuple[Ruling, ...]
    notes: tuple[str, ...]
    level: float
    failing: float
    digests: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def outcome(self) -> GateOutcome:
        """ "fail" where any rule is shown to be broken, "pass" only where all are shown to hold."""
        outcomes = {ruling.outcome for ruling in self.rulings}
        if "fail" in outcomes:
            return "fail"
        return "pass" if outcomes == {"pass"} else "not enough"

    @property
    def code(self) -> int:
        """The exit code of it."""
        return EXIT_CODES[self.outcome]

    @property
    def headline(self) -> str:
        """The outcome in a sentence."""
        by = {kind: [r.rule for r in self.rulings if r.outcome == kind] for kind in EXIT_CODES}
        asked = f"{len(self.rulings)} question{'s' if len(self.rulings) != 1 else ''}"
        if by["fail"]:
            return (
                f"The gate fails: {len(by['fail'])} of {asked} are shown to be broken ({sentence_list(by['fail'], 6)})."
            )
        if by["not enough"]:
            return (
                f"The gate does not pass: of {len(by['not enough'])} of {asked} there is not enough to tell"
                f" ({sentence_list(by['not enough'], 6)}); none is shown to be broken."
            )
        if not self.rulings:
            return "The gate does not pass: nothing was asked."
        return f"The gate passes: all of {asked} are shown to hold."


def gate(
    old: GateSide,
    new: GateSide,
    images: ImageSet,
    counted: Eligible,
    rules: GateRules,
    *,
    null: Sequence[Classifier] = (),
    folder: Path | None = None,
    on_progress: Report | None = None,
) -> Gate:
    """Put all rules to a new model beside the old one.

    Args:
        old: The model of before.
        new: The one that is to follow it.
        images: The set.
        counted: Those of its images that count.
        rules: What is asked.
        null: Further trainings of the old model's recipe, for the reasons.
        folder: Where answers are kept, so that work that was stopped goes on.
        on_progress: Called with what is done now and (done, total) of it; what it raises stops the work.

    Raises:
        InputError: The models know other classes, or a rule names a class, attribute, method or disturbance that does
            not exist.
    """

    def report(stage: str, done: int, total: int) -> None:
        if on_progress:
            on_progress(stage, done, total)

    pair = pairing(old, new, counted.items, rules.defects)
    levels = Levels.shared(rules.level, rules.asked)
    part = dataclasses.replace(images, items=pair.items)
    found = unseen_rulings(counted)
    if rules.preprocessing is not None:
        found.append(preprocessing_ruling(pair))
    found += [*decision_rulings(pair, rules, levels), *steady(pair)]
    if pair.items:
        found += _asked_again(pair, part, rules, levels, null, folder, report)
    digests = {
        "rules": rules.digest,
        "old model": old.classifier.key,
        "new model": new.classifier.key,
        "images": images.key,
    }
    notes = _notes(pair, counted, rules)
    return Gate(old.name, new.name, images.name, tuple(found), notes, levels.passing, levels.failing, digests)


def no_gate(old: str, new: str, images: ImageSet, counted: Eligible, rules: GateRules) -> Gate:
    """What a gate comes to of which no image counts: nothing can be told. Arguments as for `gate`, models by name."""
    why = "; ".join(f"{count:,}, as {why}" for why, count in Counter(counted.left_out.values()).items())
    levels = Levels.shared(rules.level, rules.asked)
    ruling = untold("images", f"None of the images counts. Left out: {why}.")
    rulings = (*unseen_rulings(counted), ruling)
    digests = {"rules": rules.digest, "images": images.key}
    return Gate(old, new, images.name, rulings, counted.notes, levels.passing, levels.failing, digests)


def _asked_again(
    pair: Pairing,
    images: ImageSet,
    rules: GateRules,
    levels: Levels,
    null: Sequence[Classifier],
    folder: Path | None,
    report: Report,
) -> list[Ruling]:
    found: list[Ruling] = []
    if rules.corruption is not None:
        kept = None if folder is None else folder / "corrupted"
        found += corruption_rulings(pair, images, rules.corruption, levels, rules.seed, kept, report)
    if rules.shortcuts is not None:
        kept = None if folder is None else folder / "trials"
        found.append(shortcuts_ruling(pair, rules.shortcuts, levels, rules.seed, kept, report))
    if rules.evidence is not None:
        found.append(evidence_ruling(pair, rules.evidence, levels, rules.seed, report))
    if rules.reasons is not None:
        found += reasons_rulings(pair, null, rules.reasons, levels, rules.seed, report)
    return found


def _notes(pair: Pairing, counted: Eligible, rules: GateRules) -> tuple[str, ...]:
    """Which images count, how they are counted, and what is known of either model."""
    asked = len(counted.items) + len(counted.left_out)
    where = "of the test split" if rules.split == "test" else "of the set"
    notes = [f"{len(pair.items):,} of {asked:,} images {where} count."]
    notes += [f"Left out: {count:,}, as {why}." for why, count in Counter(counted.left_out.values()).items()]
    if unlabelled := int((~pair.labelled).sum()):
        notes.append(f"{unlabelled:,} have no label that the models know and count where none is needed.")
    notes += [pair.independence.sentence, *counted.notes]
    if rules.preprocessing is None and (differs := preprocessing_differs(pair)):
        notes.append(differs)
    old, new = (side.classifier.class_names for side in (pair.old, pair.new))
    if old != new:
        notes.append(
            f"Old and new state their classes in another order ({sentence_list(old, 4)}; {sentence_list(new, 4)}): they"
            " are compared by name."
        )
    for side in (pair.old, pair.new):
        rule = side.classifier.rule
        at = "" if rule.threshold is None else f" “{rule.positive}” from a probability of {rule.threshold:g} on"
        notes.append(f"{side.name} decides for{at}." if at else f"{side.name} decides for the most probable class.")
        notes += [f"{side.name}: {note}" for note in side.classifier.notes]
    return tuple(dict.fromkeys(notes))
