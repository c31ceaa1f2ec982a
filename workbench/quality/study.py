"""All that is asked of a set at once: every check of `workbench.quality`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.images import ImageSet
from workbench.predictions import Predictions, attributes_of, reordered, with_families
from workbench.quality.answers import Answers
from workbench.quality.coverage import coverage
from workbench.quality.family_store import look_for_families
from workbench.quality.faults import faults_of
from workbench.quality.frozen import frozen_features
from workbench.quality.giveaways import Told, giveaways
from workbench.quality.grouped_split import GroupedSplit, grouped_split
from workbench.quality.label_issues import LabelIssues, label_issues
from workbench.quality.leaks import leaks
from workbench.quality.measured import measure
from workbench.quality.order import file_order
from workbench.quality.repeats import repeats
from workbench.quality.same_part import Families
from workbench.quality.support import support

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from workbench.models import Classifier

TARGETS: tuple[Told, ...] = ("label", "split")
Report = Callable[[str, int, int], None]


def study(
    images: ImageSet,
    predictions: Predictions | None = None,
    embeddings: NDArray[np.floating] | None = None,
    *,
    classifier: Classifier | None = None,
    apart: Iterable[tuple[str, str]] = (),
    on_progress: Report | None = None,
) -> Answers:
    """Put every question about a set.

    Args:
        images: The set.
        predictions: What a model says of each image, in the set's order; without them some checks stay "unknown".
        embeddings: (N, D) what goes into the model's last layer; the frozen ImageNet backbone looks at the images where
            it is missing.
        classifier: The model that said it, where images may be edited and asked about again.
        apart: Pairs of digests of images that a person has said are not the same.
        on_progress: Called with what is done, how far that is, and of how much.

    Raises:
        InputError: There are no images.
    """
    report = on_progress or (lambda stage, done, total: None)
    found = look_for_families(images, apart, on_progress=lambda *at: report("comparing images", *at))
    judged = None if predictions is None else with_families(predictions, found.by_name)
    measured = measure(images, lambda *at: report("looking at files", *at))
    known = Answers(
        faults=faults_of(images.items, measured, found.by_name, images.report),
        measured=measured,
        families=found,
        order=file_order(images.items, on_progress=lambda *at: report("comparing neighbours", *at)),
        leaks=leaks(images, found, predictions),
        repeats=None if predictions is None else repeats(found, predictions),
        split=proposed_split(images, found),
    )
    features = frozen_features(images.items, lambda *at: report("describing images", *at))
    table = _table(images, found) if judged is None else judged.frame
    return dataclasses.replace(
        known,
        labels=_labels(images, found, predictions, features, classifier, report),
        reordered=None if judged is None else reordered(judged),
        support=support(table),
        coverage=coverage(
            table,
            features if embeddings is None else embeddings,
            on_progress=lambda *at: report("measuring coverage", *at),
        ),
        giveaways=tuple(
            giveaways(
                images,
                measured,
                target=target,
                families=found.by_name,
                on_progress=lambda *at: report("looking for giveaways", *at),
            )
            for target in TARGETS
        ),
    )


def proposed_split(images: ImageSet, found: Families | None) -> GroupedSplit | None:
    """The split that keeps each part and group on one side; None where the set has no splits, or too few parts."""
    if not any(item.split for item in images):
        return None
    try:
        return grouped_split(images, found)
    except InputError:
        return None


def _labels(
    images: ImageSet,
    found: Families,
    predictions: Predictions | None,
    features: NDArray[np.floating],
    classifier: Classifier | None,
    report: Report,
) -> LabelIssues | str:
    try:
        return label_issues(
            images,
            found,
            predictions,
            features=features,
            classifier=classifier,
            on_progress=lambda *at: report("looking for wrong labels", *at),
        )
    except InputError as error:
        return str(error)


def _table(images: ImageSet, found: Families) -> pd.DataFrame:
    """What is known of the images without a model, a row each."""
    import pandas as pd

    frame = pd.DataFrame(
        {
            "name": [item.name for item in images],
            "label": pd.Series([item.label for item in images], dtype=object),
            "split": pd.Series([item.split for item in images], dtype=object),
        }
    )
    return frame.assign(**attributes_of(images.items), family=found.frame["family"].to_numpy())
