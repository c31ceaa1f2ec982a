"""Sides of a comparison, from what an audit, the measures of the images and summed maps say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.attribution import METHODS
from workbench.images import ImageSet
from workbench.predictions import Predictions
from workbench.reliability.drift_sides import DriftMaps, DriftSide
from workbench.reliability.training_record import DIGITS, TrainingRecord

if TYPE_CHECKING:
    import pandas as pd

    from workbench.audit import Summaries
    from workbench.models import Classifier

MODEL_EMBEDDED, IMAGENET_EMBEDDED = "what goes into the model's last layer", "what the ImageNet network sees"
MAPPED_BY = ("grad_cam", "input_x_gradient", "saliency", "occlusion")
"""Methods whose maps are compared, the first that suits the model: one backward pass an image, the last none."""


def side_of(
    images: ImageSet,
    whole: int,
    predictions: Predictions,
    *,
    measures: pd.DataFrame | None = None,
    vectors: NDArray[np.floating] | None = None,
    maps: DriftMaps | None = None,
    title: str = "",
    reference: bool = False,
    record: TrainingRecord | None = None,
    own: bool = True,
) -> DriftSide:
    """What is known of images that stand for a set.

    Args:
        images: N images.
        whole: Of how many they are drawn.
        predictions: What the model says of them, a row each, in their order.
        measures: A row each, in their order.
        vectors: (N, D) an embedding.
        maps: Of a sample of them.
        title: What they are; made of the set's name where missing.
        reference: Whether they are the reference, which must be none that the model was trained on.
        record: What is known of the model's training.
        own: Whether the embedding is that of the model itself, and not of the ImageNet network.
    """
    tested = {item.split for item in images} == {"test"}
    part = f"the test split of {images.name}" if tested and not title else title or images.name
    few = f"{len(images):,} of the {whole:,} images of {part} stand for it" if len(images) < whole else ""
    trained = (
        f"No test split is stated of {images.name}: whether the model was trained on its images is not known, and of"
        " images that it was trained on it is surer."
    )
    seen = None if record is None else record.trained_on
    count = sum((item.readable_id or "")[:DIGITS] in (seen or ()) for item in images)
    if count:
        trained = f"By the record of its training the model was trained on {count:,} of the {len(images):,} images of"
        trained += f" {part}: of them it is surer than of new ones."
    stated = tested or "test split" in title or seen is not None
    notes = [*([f"{few}."] if few else []), *([trained] if count or (reference and not stated) else [])]
    return DriftSide(
        part,
        predictions.frame.reset_index(drop=True),
        predictions.probabilities,
        predictions.class_names,
        measures,
        vectors,
        maps,
        " ".join(notes),
        "" if vectors is None else MODEL_EMBEDDED if own else IMAGENET_EMBEDDED,
    )


def _maps_of(summaries: Summaries) -> DriftMaps:
    """The maps of a sample, as `workbench.audit.look` sums them up."""
    frame = summaries.frame
    method = METHODS[str(frame["method"].iloc[0])].title if len(frame) else ""
    return DriftMaps(tuple(map(str, frame["name"])), summaries.heatmaps, method)


def map_method(classifier: Classifier) -> str | None:
    """The method whose maps are compared: the first of `MAPPED_BY` that suits the model, None where none does."""
    from workbench.attribution import suits

    return next((method for method in MAPPED_BY if not suits(classifier, method)), None)


def looked_at(
    classifier: Classifier,
    images: ImageSet,
    predictions: Predictions,
    method: str,
    sample: int,
    folder: Path,
    on_progress: Callable[[int, int], None],
) -> DriftMaps:
    """Where a model looks in a sample of a side, drawn without labels and splits.

    Args:
        classifier: The model.
        images: Of the side.
        predictions: What the model says of them.
        method: Of the maps.
        sample: How many images.
        folder: Where the summed maps are kept, so that a run that was stopped goes on.
        on_progress: Called with how many are done, and of how many. What it raises stops the work.
    """
    from workbench.audit import look, open_summaries

    with closing(look(classifier, images, _unlabelled(predictions), folder, method, sample=sample)) as steps:
        for step in steps:
            on_progress(step.done, step.total)
    return _maps_of(open_summaries(folder, method))


def _unlabelled(predictions: Predictions) -> Predictions:
    """The same without labels and splits, so that a sample of them is drawn alike on either side of a comparison."""
    return dataclasses.replace(predictions, frame=predictions.frame.assign(label=None, split=None))
