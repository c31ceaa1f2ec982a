"""What does this model really go by? Cues are proposed on one half of a sample and proven on the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from workbench.cues.concept_cues import concepts
from workbench.cues.concept_layer import feature_layer
from workbench.cues.cue import CUE_KINDS, Cue, Kind
from workbench.cues.cue_findings import Search, Unsearched, judged
from workbench.cues.cue_sample import LEAST_CALLED, Study
from workbench.cues.defect_followed import followed
from workbench.cues.exchanged import places
from workbench.cues.mark_cues import marks
from workbench.cues.proof_power import power_of
from workbench.cues.tone_cues import properties
from workbench.cues.transplant import Transplant
from workbench.cues.transplant_store import transplanted
from workbench.errors import InputError
from workbench.stats import FEW_UNITS

Proposer = Callable[[Study, str], Iterator[Cue]]
PROPOSERS: Mapping[Kind, Proposer] = {"place": places, "mark": marks, "property": properties, "concept": concepts}
"""For each kind of cue, what proposes some for a class: it looks at explored images alone, the most promising first."""
Report = Callable[[str, int, int], None]
UNSHOWN = Unsearched(
    "a property at a strength that no image of the set shows",
    "Cues are tried at the strengths that the explored images show: add images that show it.",
)
"""What no search can find."""


def search(study: Study, on_progress: Report | None = None, folder: Path | None = None) -> Search:
    """Look for cues of all kinds in all classes of a study, and try each.

    Args:
        study: The sample, as `study_of` draws it.
        on_progress: Called with what is done now, in words, and (done, total) of it; what it raises stops the work.
        folder: Where each trial is kept, so that a search that was stopped goes on; nowhere where missing.
    """

    def report(step: str, done: int, total: int) -> None:
        if on_progress:
            on_progress(step, done, total)

    cues: list[Cue] = []
    steps = [(kind, target) for kind in PROPOSERS for target in study.classes]
    for number, (kind, target) in enumerate(steps):
        report(f"Looking for {CUE_KINDS[kind]}", number, len(steps))
        for cue in PROPOSERS[kind](study, target):
            cues.append(cue)
            report(f"Looking for {CUE_KINDS[kind]}", number, len(steps))
    transplants: list[Transplant] = []
    for number, cue in enumerate(cues):

        def tell(*_: int, done: int = number) -> None:
            report("Transplanting cues", done, len(cues))

        tell()
        transplants.append(transplanted(study, cue, folder, tell))
    report("Transplanting cues", len(cues), len(cues))
    return Search(
        judged(study, transplants),
        study.classes,
        tuple(kind for kind in PROPOSERS if _unproposed(study, kind) is None),
        _unsearched(study),
        len(study.items),
        power_of(study, transplants),
        tuple(study.classifier.class_names),
        followed(study, lambda done, total: report("Taking defects away", done, total)),
    )


def proposed_again(study: Study, cue: Cue) -> Cue:
    """A cue of which only the record is left, with its means to edit images: proposed anew from the same study.

    Raises:
        InputError: It is not proposed any more.
    """
    for own in PROPOSERS[cue.kind](study, cue.target) if cue.kind in PROPOSERS else ():
        if own.name == cue.name:
            return own
    raise InputError(f"The cue {cue.name} is not proposed any more: search for shortcuts again.")


def _unsearched(study: Study) -> tuple[Unsearched, ...]:
    names = [name for name in study.classifier.class_names if name not in study.classes]
    classes = [
        Unsearched(
            f"the class “{name}”",
            f"It needs {LEAST_CALLED} images that the model calls so, and as many that it calls otherwise, each from"
            f" {FEW_UNITS} independent units in either half. {_there(study, name)}",
        )
        for name in names
    ]
    kinds = [
        Unsearched(words, why) for kind, words in CUE_KINDS.items() if (why := _unproposed(study, kind)) is not None
    ]
    beyond = [UNSHOWN] if "property" in PROPOSERS else []
    return (*classes, *kinds, *beyond, *_unfollowed(study))


def _unproposed(study: Study, kind: Kind) -> str | None:
    """Why a kind of cue is not looked for; None where it is."""
    if kind not in PROPOSERS:
        return "This search does not cover it."
    try:
        if kind == "concept":
            feature_layer(study.classifier)
    except InputError as error:
        return str(error)
    return None


def _there(study: Study, name: str) -> str:
    """How many images and units of a class there are, in a sentence."""
    own = study.called == study.classifier.index(name)
    parts = [f"{side.sum():,} images of {len(np.unique(study.units[side])):,} units" for side in (own, ~own)]
    return f"Here it calls {parts[0]} so, and {parts[1]} otherwise."


def _unfollowed(study: Study) -> tuple[Unsearched, ...]:
    if study.good is not None and study.masks_known():
        return ()
    why = "It needs a class without a defect and masks of at least half of the defective images."
    return (Unsearched("whether decisions stay when the defect is taken away", why),)
