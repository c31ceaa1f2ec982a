"""What is known of a new model before any decision is counted: what it learned from, and how it is given an image."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from workbench.images import draw_sample
from workbench.predictions import percent
from workbench.report.gate_decisions import MOST_TO_LOOK_AT, SAME_MODEL
from workbench.report.gate_pairing import Eligible, Pairing
from workbench.report.gate_rulings import OUTCOMES, GateOutcome, Ruling

if TYPE_CHECKING:
    from workbench.models import Preprocessing

ALIKE_ON = 16
"""Images that both models are given in the same way, to see whether their weights are the same."""
CLOSE = 1e-5
"""Relative difference of logits below which two answers are one: what the order of sums in a batch changes."""


def unseen_rulings(counted: Eligible) -> list[Ruling]:
    """Whether the new model learned from images of the test split; no ruling where no record of its training says."""
    if counted.learned is None:
        return []
    asked, learned = len(counted.items) + len(counted.left_out), counted.learned
    kind: GateOutcome = "fail" if learned else "pass"
    sentence = (
        f"The record of its training says that the new model was trained or chosen on {len(learned):,} of {asked:,}"
        f" images of the test split: {OUTCOMES[kind]}."
    )
    names = learned[:MOST_TO_LOOK_AT]
    return [Ruling("unseen", kind, sentence, len(learned), criterion=0, support=asked, images=names)]


def preprocessing_ruling(pair: Pairing) -> Ruling:
    """Whether both models state that they are given an image in the same way.

    It is known exactly, for it is a matter of what either states: no chance is in it. What a model does inside its own
    graph is not stated, and not compared.
    """
    title, what = "preprocessing", "Stated preprocessing"
    support = len(pair.items)
    if pair.same:
        return Ruling(title, "pass", f"{what}: the same. {SAME_MODEL}", criterion=0, support=support)
    if not (differs := preprocessing_differs(pair)):
        sentence = f"{what}: the same ({pair.new.classifier.preprocessing.words()}): {OUTCOMES['pass']}."
        return Ruling(title, "pass", sentence, 0, criterion=0, support=support)
    changed = pair.new_says != pair.old_says
    places = np.flatnonzero(changed)[:MOST_TO_LOOK_AT]
    names = tuple(pair.items[int(place)].name for place in places)
    sentence = f"{differs.removesuffix('.')}: {OUTCOMES['fail']}."
    return Ruling(title, "fail", sentence, 1, criterion=0, support=support, images=names)


def preprocessing_differs(pair: Pairing) -> str:
    """What differs between the stated ways of either model, and what comes of it, in sentences; empty where nothing."""
    old, new = pair.old.classifier.preprocessing, pair.new.classifier.preprocessing
    names = [field.name for field in dataclasses.fields(old) if getattr(old, field.name) != getattr(new, field.name)]
    if not names:
        return ""
    changed = int((pair.new_says != pair.old_says).sum())
    share = percent(changed / len(pair.items)) if pair.items else "none"
    decisions = f"{changed:,} of {len(pair.items):,} decisions ({share}) change"
    count = _alike(pair)
    why = (
        f" Given {count:,} images prepared as for the old model, the new one answers each as the old one does: the"
        f" weights are the same, and by the preprocessing alone {decisions}."
        if count
        else f" Between the models {decisions}."
    )
    return f"Stated preprocessing: {_words(old, new, names)}.{why}"


def _words(old: Preprocessing, new: Preprocessing, names: list[str]) -> str:
    """The settings that differ, of the old model and of the new one."""
    first, second = old.words(names), new.words(names)
    if not first or not second or first == second:
        first, second = (", ".join(f"{name} = {getattr(one, name)!r}" for name in names) for one in (old, new))
    return f"{first} for the old model, {second} for the new one"


def _alike(pair: Pairing) -> int:
    """On how many images the new model gives the old one's logits, given them as the old one is: all that were tried,
    or 0 where any differs or cannot be taken."""
    from workbench.models import predict

    old, new = pair.old.classifier, pair.new.classifier
    items = draw_sample(pair.items, ALIKE_ON, 0)
    if old.class_names != new.class_names or not items:
        return 0
    try:
        first, second = (
            predict(dataclasses.replace(one, preprocessing=old.preprocessing), items).logits for one in (old, new)
        )
    except (ValueError, RuntimeError):
        return 0
    tells = bool(np.ptp(first, axis=0).max() > 0) if np.isfinite(first).all() else False
    return len(items) if tells and np.allclose(first, second, CLOSE, CLOSE) else 0
