"""The rules of a gate, as a TOML file states them: what a new model must be shown to keep to."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from workbench.catalog import Strict, read_toml, validated
from workbench.errors import InputError

Share = Annotated[float, Field(gt=0, lt=1, strict=True)]
Amount = Annotated[float, Field(ge=0, lt=1, strict=True)]
Images = Annotated[int, Field(ge=1, strict=True)]


class PreprocessingRule(Strict):
    """That the new model is given an image as the old one is.

    Attributes:
        same: Whether both must state the same preprocessing: size, resize, interpolation, channels, mean and deviation.
    """

    same: Literal[True]


class ChurnRule(Strict):
    """That few decisions change (prediction churn), for better or worse.

    Attributes:
        ceiling: The most that may differ from the old model's, on the same images. Measure between trainings of one
            recipe how many do, and allow somewhat more.
    """

    ceiling: Share


class MistakesRule(Strict):
    """How many parts may be decided wrongly at the working threshold, of the defective ones or of the good ones.

    Attributes:
        ceiling: The most that the share may be.
        margin: By how much it may be higher than that of the old model, on the same images.
    """

    ceiling: Share | None = None
    margin: Amount | None = None


class AccuracyRule(Strict):
    """That the new model decides no worse than the old one.

    Attributes:
        margin: By how much its accuracy may be lower on the same images (non-inferiority).
    """

    margin: Amount


class GroupsRule(Strict):
    """That no group of images is decided worse than the others, or worse than before.

    Attributes:
        by: What groups the images: an attribute, as "camera", "group", or "label" for each class.
        gap: The most by which the accuracy of the best and the worst group may differ.
        margin: By how much the accuracy in any group may be lower than that of the old model, on the same images.
        least: Groups of fewer images with a label are left out, and named.
    """

    by: str
    gap: Share | None = None
    margin: Amount | None = None
    least: Images = 1


class CalibrationRule(Strict):
    """That probabilities mean what they say.

    Attributes:
        error: The most that the expected calibration error may be, what chance adds to it taken off.
    """

    error: Share


class CorruptionRule(Strict):
    """That everyday disturbances change few decisions; at least one of the ceilings is needed.

    Attributes:
        kinds: Which disturbances, by name; all kinds of a line where missing.
        severity: Up to which severity.
        escapes: The most that may pass of the defects that were caught without a disturbance, under each kind.
        overkill: The most that may be rejected of the good parts that were accepted, likewise.
        flips: The most decisions that may change, likewise.
        images: How many images are disturbed at most, as evenly over the classes as their numbers allow.
    """

    kinds: tuple[str, ...] = ()
    severity: Annotated[int, Field(ge=1, le=5, strict=True)] = 2
    escapes: Share | None = None
    overkill: Share | None = None
    flips: Share | None = None
    images: Images = 120


class ShortcutsRule(Strict):
    """That the new model goes by no cue that the old one does not go by.

    Attributes:
        known: Whether a cue that decides with the old model too may stay.
    """

    known: bool = True


class EvidenceRule(Strict):
    """That the new model's attribution maps can be relied on.

    Attributes:
        failing: The most that may be of maps whose evidence card says not to rely on them.
        method: The method of the maps; the first of Grad-CAM, input x gradient, saliency and occlusion that suits the
            model where missing.
        images: How many images are explained at most.
    """

    failing: Share
    method: str | None = None
    images: Images = 60


class ReasonsRule(Strict):
    """That the new model decides for the same reasons as the old one, as far as two trainings of one recipe do.

    Attributes:
        null: Models trained by the recipe of the old one with other seeds: references as for `--old`, paths start at
            the rules file. How far they and the old one agree is what the agreement with the new one is held against.
            Two or more; without them the rule cannot be told.
        margin: By how much the agreement with the new model may be lower than that among them.
        by: What is compared: "regions" (how the score answers when places are covered), "maps" (attribution maps).
        method: The method of the maps; the first of input x gradient, saliency, Grad-CAM and occlusion that suits all
            models where missing.
        images: How many images are compared at most.
    """

    null: tuple[str, ...] = ()
    margin: Share = 0.2
    by: tuple[Literal["regions", "maps"], ...] = ("regions", "maps")
    method: str | None = None
    images: Images = 100


class GateRules(Strict):
    """What a new model must be shown to keep to.

    Attributes:
        split: "test": the images of the test split alone; "all": every image, where neither model was trained on any.
        level: With which confidence a rule must be shown to hold, and at least with which a gate that fails does so
            rightly.
        seed: Of all samples and draws.
        defects: The classes that are defects; told from the classes' names and the working threshold where missing.
        preprocessing: `[preprocessing]`.
        churn: Decisions that change: `[churn]`.
        escapes: Defects that pass: `[escapes]`.
        overkill: Good parts that are rejected: `[overkill]`.
        accuracy: `[accuracy]`.
        groups: `[groups]`.
        calibration: `[calibration]`.
        corruption: `[corruption]`.
        shortcuts: `[shortcuts]`.
        evidence: `[evidence]`.
        reasons: `[reasons]`.
    """

    split: Literal["test", "all"] = "test"
    level: Annotated[float, Field(ge=0.8, lt=1, strict=True)] = 0.95
    seed: Annotated[int, Field(strict=True)] = 0
    defects: tuple[str, ...] = ()
    preprocessing: PreprocessingRule | None = None
    churn: ChurnRule | None = None
    escapes: MistakesRule | None = None
    overkill: MistakesRule | None = None
    accuracy: AccuracyRule | None = None
    groups: GroupsRule | None = None
    calibration: CalibrationRule | None = None
    corruption: CorruptionRule | None = None
    shortcuts: ShortcutsRule | None = None
    evidence: EvidenceRule | None = None
    reasons: ReasonsRule | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of all settings, those that the file leaves out too."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def asked(self) -> int:
        """How many questions the rules put to which chance can give a wrong answer, so that they share it."""
        mistakes = [rule for rule in (self.escapes, self.overkill) if rule is not None]
        count = sum((rule.ceiling is not None) + (rule.margin is not None) for rule in mistakes)
        if self.groups is not None:
            count += (self.groups.gap is not None) + (self.groups.margin is not None)
        if self.corruption is not None:
            count += sum(
                v is not None for v in (self.corruption.escapes, self.corruption.overkill, self.corruption.flips)
            )
        if self.reasons is not None:
            count += len(self.reasons.by)
        single = self.churn, self.accuracy, self.calibration, self.shortcuts, self.evidence
        return count + sum(rule is not None for rule in single)


ANY_OF = {
    "escapes": ("ceiling", "margin"),
    "overkill": ("ceiling", "margin"),
    "groups": ("gap", "margin"),
    "corruption": ("escapes", "overkill", "flips"),
}
"""Rules that ask nothing unless one of these keys is there."""


def read_rules(path: Path) -> GateRules:
    """The rules in a TOML file.

    Raises:
        InputError: It is missing, not TOML, holds an unknown key or a value out of bounds, or asks nothing.
    """
    rules = validated(GateRules, read_toml(path), path.name)
    for name, keys in ANY_OF.items():
        rule = getattr(rules, name)
        if rule is not None and all(getattr(rule, key) is None for key in keys):
            raise InputError(f"{path.name} asks nothing in [{name}]: add {' or '.join(keys)}.")
    if not rules.asked and rules.preprocessing is None:
        raise InputError(f"{path.name} holds no rule, so that every model would pass: add one, such as [accuracy].")
    return rules
