"""What files and the journal record of a model: whether it and its images are still those, and how often people
overrule it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.files import CheckResult
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
class Provenance:
    """What is there now, beside what was recorded.

    Attributes:
        model: Digest of weights and preprocessing as they are now.
        model_name: What the model is called.
        images: Digest of each image as its file is now, by name; None where it cannot be read.
        predictions: What was recorded when the model was asked.
        record: What is recorded of its training; None where nothing is.
        entries: The decisions in the journal; None where there is no journal.
    """

    model: str
    model_name: str
    images: Mapping[str, str | None]
    predictions: Predictions
    record: TrainingRecord | None
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
        why = "No decision about this model is in the journal of this machine: how often people overrule it is unknown."
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
    name, now, then = "provenance: model", known.model, known.predictions.model
    if now == then:
        return CheckResult(name, "ok", f"Weights and preprocessing, {now[:SHORT]}, are those that were asked.")
    return CheckResult(
        name,
        "fail",
        f"Weights or preprocessing changed: {now[:SHORT]} is loaded, and what it says was computed by {then[:SHORT]}.",
    )


def _images(known: Provenance) -> CheckResult:
    frame, name = known.predictions.frame, "provenance: images"
    asked = dict(zip(frame["name"], frame["id"], strict=True))
    compared = {each: digest for each, digest in asked.items() if isinstance(digest, str) and each in known.images}
    changed = [each for each, digest in compared.items() if known.images[each] != digest]
    without = len(known.images) - len(known.images.keys() & compared.keys())
    facts = {"figure": float(len(changed)), "support": len(compared)}
    if changed:
        text = f"{len(changed):,} of {len(compared):,} images are not the files that the model was asked about."
        return CheckResult(name, "fail", text, images=tuple(changed), **facts)  # type: ignore[arg-type]
    if without or not compared:
        text = f"Of {without:,} of {len(known.images):,} images no digest was recorded when the model was asked."
        return CheckResult(name, "unknown", text, **facts)  # type: ignore[arg-type]
    return CheckResult(
        name,
        "ok",
        f"All {len(compared):,} images are the files that the model was asked about.",
        **facts,  # type: ignore[arg-type]
    )


def _trained(known: Provenance) -> CheckResult:
    name, record = "provenance: training", known.record
    if record is None or record.trained_on is None:
        why = "Which images trained the model is not recorded beside it: training.json would tell."
        return CheckResult(name, "unknown", why)
    frame = known.predictions.frame
    own = {known.images.get(each) for each in frame["name"][frame["split"] == "train"]} - {None}
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
