"""The model as one appraiser beside the people: it decides on each part several times, imaged a little differently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.agreement.study_plan import StudyPlan
from workbench.errors import InputError
from workbench.images import corrupt, shrunk, unsuited

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.images import ImageSet, Pixels
    from workbench.models import Classifier

REIMAGED: tuple[tuple[str, int], ...] = (("shift", 1), ("gain_noise", 1), ("underexposed", 1))
"""How each trial of the model is imaged: kinds of corruption with their severity, the mildest there is."""
LARGEST_EDGE = 1024
"""Pixels of the longer side: larger images are shrunk to that first."""


def model_decisions(
    classifier: Classifier,
    images: ImageSet,
    plan: StudyPlan,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[list[bool]]:
    """Whether the model rejects each part, a trial after the other, as `REIMAGED` images it.

    Args:
        classifier: The model.
        images: The set of the plan.
        plan: The study's.
        on_progress: Is told how many parts are done, of how many; what it raises stops the work.

    Returns:
        N lists, for each part one truth a trial.

    Raises:
        InputError: A part is no longer in the set as it was, cannot be read, or cannot be imaged so.
    """
    from workbench.models import answers

    columns = [classifier.class_names.index(name) for name in plan.positive]
    decisions = []
    for number, part in enumerate(plan.parts):
        on_progress(number, len(plan.parts))
        item = images.by_name.get(part.name)
        if item is None or item.readable_id != part.image:
            raise InputError(
                f"{part.name} is no longer in this set as it was planned: choose the set of the study, or restore it."
            )
        pixels = shrunk(classifier.levels(item), LARGEST_EDGE)
        probabilities = np.concatenate(list(answers(classifier, _imaged(pixels, REIMAGED))))
        called, _ = classifier.rule.decide(probabilities)
        decisions.append(np.isin(called, columns).tolist())
    return decisions


def _imaged(pixels: Pixels, trials: Sequence[tuple[str, int]]) -> Iterator[Pixels]:
    for kind, severity in trials:
        if reason := unsuited(pixels, kind):
            raise InputError(reason)
        yield corrupt(pixels, kind, severity)
