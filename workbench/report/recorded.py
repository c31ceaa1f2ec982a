"""What files and the journal record of a model: whether it and its images are still those, and how often people
overrule it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.audit import PREDICTIONS
from workbench.errors import InputError
from workbench.files import CheckResult, read, read_facts
from workbench.predictions import Predictions, units_by_name
from workbench.reliability import DIGITS, TrainingRecord, overrule_chart, overrule_results
from workbench.stats import ENOUGH, share

if TYPE_CHECKING:
    from workbench.journal import Entry

NO_DRIFT = CheckResult(
    "drift",
    "unknown",
    "No other images were compared with these: choose newer images on Reliability, or run workbench drift.",
)
"""What is known of drift where nobody compared."""
SHORT = 12
"""Digits of a digest that are shown."""


@dataclasses.dataclass(frozen=True, eq=False)
class AnswersBefore:
    """Which model was asked about which images, by a file that was there before anything was computed now.

    Attributes:
        model: Digest of weights and preprocessing as they were then.
        set_name: What the image set was called; empty where the file does not say.
        images: Digest of each image as its file was then, by name.
        source: The file that says so.
        day: When it was made, as 2030-12-31; empty where it does not say.
    """

    model: str
    set_name: str
    images: Mapping[str, str]
    source: str
    day: str

    @property
    def named(self) -> str:
        """The file, and of when it is."""
        return f"{self.source} beside the model" + (f" (made on {self.day})" if self.day else "")


def answers_before(folder: Path | None) -> AnswersBefore | None:
    """What the table of answers beside a model says; None where there is none, or none that can be read."""
    path = None if folder is None else folder / PREDICTIONS
    if path is None or not path.is_file():
        return None
    try:
        facts, columns = read_facts(path), read(path, ["name", "id"]).to_pydict()
    except (InputError, OSError):
        return None
    images = {name: digest for name, digest in zip(columns["name"], columns["id"], strict=True) if digest is not None}
    model, of_set, created = (facts.get(name) for name in ("model", "set name", "created"))
    if not isinstance(model, str):
        return None
    day = created[:10] if isinstance(created, str) else ""
    return AnswersBefore(model, of_set if isinstance(of_set, str) else "", images, path.name, day)


def record_beside(folder: Path | None) -> TrainingRecord | str | None:
    """What the folder of a model says of its training; None where it says nothing, and why where that is unreadable."""
    from workbench.reliability import read_record

    try:
        return read_record(folder)
    except InputError as error:
        return str(error)


@dataclasses.dataclass(frozen=True, eq=False)
class Provenance:
    """What is there now, beside what was recorded before. What was computed just now is no record: it is of the model
    and the images at hand, whatever these were yesterday.

    Attributes:
        model: Digest of weights and preprocessing as they are now.
        model_name: What the model is called.
        set_name: What the image set is called; files of another set may have the same names.
        images: Digest of each image as its file is now, by name; None where it cannot be read.
        splits: The split of each image, by name; None where it has none.
        before: What was recorded when the model was asked before; None where nothing was.
        record: What is recorded of its training; None where nothing is, and why where it cannot be read.
        entries: The decisions in the journal; None where there is no journal.
    """

    model: str
    model_name: str
    set_name: str
    images: Mapping[str, str | None]
    splits: Mapping[str, str | None]
    before: AnswersBefore | None
    record: TrainingRecord | str | None
    entries: Sequence[Entry] | None


def provenance_results(known: Provenance) -> list[CheckResult]:
    """Whether model, images, training and decisions are still those that were recorded."""
    return [_model(known), _images(known), _trained(known), *_decided(known)]


def overruled_results(entries: Sequence[Entry] | None, predictions: Predictions) -> list[CheckResult]:
    """How often people overrule a model, and whether that stays within its control limits.

    Args:
        entries: The decisions about it in the journal, in their order; None where there is no journal.
        predictions: What it says of each image, for the units that images come in.
    """
    if not entries:
        why = (
            "No decision about this model is in the journal of this machine: how often people overrule it is unknown."
            " Record decisions on Defects to know."
        )
        return [CheckResult("overruled", "unknown", why)]
    hits = [entry.overruled is not None for entry in entries]
    rate = share(hits, _units(entries, predictions))
    few = rate.support < ENOUGH or rate.few_units
    sentence = (
        f"{rate.count:,} of {rate.support:,} recorded decisions{rate.in_units('units')} are overruled"
        f" ({100 * (rate.value or 0):.1f} %, 95 % interval {100 * (rate.low or 0):.1f} to"
        f" {100 * (rate.high or 0):.1f})."
    )
    if few:
        sentence += f" That is too few to say more: {ENOUGH} decisions are needed."
    first = CheckResult(
        "overruled", "unknown" if few else "ok", sentence, rate.value, rate.low, rate.high, None, rate.support
    )
    return [first, *overrule_results(overrule_chart([entry.time for entry in entries], hits))]


def _units(entries: Sequence[Entry], predictions: Predictions) -> np.ndarray:
    """The unit of each decision: of its image, so that decisions on one image count once."""
    known = units_by_name(predictions.frame) or {}
    labels = [known.get(entry.image_name, entry.image) for entry in entries]
    return np.unique(np.array([str(label) for label in labels]), return_inverse=True)[1].astype(np.intp)


def _model(known: Provenance) -> CheckResult:
    name, now, before = "provenance: model", known.model, known.before
    if before is None:
        why = (
            f"{now[:SHORT]} is loaded, and no answers from before are kept beside the model ({PREDICTIONS}, as"
            " workbench audit writes it): whether its weights or preprocessing changed cannot be known."
        )
        return CheckResult(name, "unknown", why)
    if now == before.model:
        return CheckResult(name, "ok", f"Weights and preprocessing, {now[:SHORT]}, are those of {before.named}.")
    text = (
        f"Weights or preprocessing changed: {now[:SHORT]} is loaded, and {before.named} is of {before.model[:SHORT]}."
    )
    return CheckResult(name, "fail", text)


def _images(known: Provenance) -> CheckResult:
    name, before = "provenance: images", known.before
    asked = {} if before is None else before.images
    compared = known.images.keys() & asked.keys()
    changed = tuple(each for each in known.images if each in compared and known.images[each] != asked[each])
    without = len(known.images) - len(compared)
    facts = {"figure": float(len(changed)), "support": len(compared)}
    if before is None:
        why = (
            f"No answers from before are kept beside the model ({PREDICTIONS}): whether images changed cannot be known."
        )
        return CheckResult(name, "unknown", why, **facts)  # type: ignore[arg-type]
    if changed and len(changed) == len(compared) and before.set_name != known.set_name:
        text = f"None of these images is in {before.named}: it is of another set, or all files were replaced."
        return CheckResult(name, "unknown", text, **facts)  # type: ignore[arg-type]
    if changed:
        text = f"{len(changed):,} of {len(compared):,} images are not the files that {before.named} tells of."
        return CheckResult(name, "fail", text, images=changed, **facts)  # type: ignore[arg-type]
    if without or not compared:
        text = (
            f"{without:,} of {len(known.images):,} images are not in {before.named}: whether they changed is unknown."
        )
        return CheckResult(name, "unknown", text, **facts)  # type: ignore[arg-type]
    text = f"All {len(compared):,} images are the files that {before.named} tells of."
    return CheckResult(name, "ok", text, **facts)  # type: ignore[arg-type]


def _trained(known: Provenance) -> CheckResult:
    name, record = "provenance: training", known.record
    if isinstance(record, str):
        return CheckResult(name, "unknown", record)
    if record is None or record.trained_on is None:
        why = "Which images trained the model is not recorded beside it: training.json would tell."
        return CheckResult(name, "unknown", why)
    own = {known.images.get(each) for each, split in known.splits.items() if split == "train"} - {None}
    short = {digest[:DIGITS] for digest in own if digest}
    others = {digest[:DIGITS] for each, digest in known.images.items() if digest} - short
    unseen, beyond = len(short - record.trained_on), len(others & record.trained_on)
    if beyond:
        text = f"{beyond:,} images that are not in the training split trained the model, by {record.source}."
        return CheckResult(name, "fail", text, float(beyond), support=len(record.trained_on))
    if not short & record.trained_on:
        where = record.elsewhere or "other images"
        text = f"By {record.source} the model learned from {where}: none of these images trained it."
        return CheckResult(name, "ok", text, 0.0, support=len(record.trained_on))
    text = f"{len(short & record.trained_on):,} images of the training split trained the model, by {record.source}"
    text += f"; {unseen:,} of that split did not." if unseen else ", and none beside."
    return CheckResult(name, "ok", text, float(unseen), support=len(record.trained_on))


def _decided(known: Provenance) -> list[CheckResult]:
    """Whether decisions in the journal were made by a model of this name that is another one."""
    named = [entry for entry in known.entries or () if entry.model_name == known.model_name]
    others = [entry for entry in named if entry.model != known.model]
    if not named:
        return []
    name, facts = "provenance: decisions", (float(len(others)), None, None, None, len(named))
    if not others:
        return [CheckResult(name, "ok", f"All {len(named):,} recorded decisions are of this very model.", *facts)]
    text = (
        f"{len(others):,} of {len(named):,} recorded decisions of a model of this name, the last from"
        f" {others[-1].time[:10]}, are of other weights or preprocessing: it changed since."
    )
    return [CheckResult(name, "warn", text, *facts)]
