"""Several labels at once: each as a question of its own, and how often they are true together."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.images import ImageSet
from workbench.predictions.labels import labels_of

if TYPE_CHECKING:
    import pandas as pd


def one_against_rest(images: ImageSet, label: str, classes: Sequence[str]) -> ImageSet:
    """An image set asked about one label: `label` where it is among an image's labels, else `no LABEL`.

    Args:
        images: Its labels may be several an image.
        label: One of `classes`.
        classes: All labels that a model knows.

    Example:
        >>> asked = one_against_rest(images, "scratch", ("scratch", "dent"))
        >>> asked.class_names
        ('no scratch', 'scratch')
    """
    question = (label, *classes)
    if question in images.asked:
        return images.asked[question]
    truths = [labels_of(item.label, classes) for item in images.items]
    other = f"no {label}"
    items = tuple(
        dataclasses.replace(item, label=None if truth is None else label if label in truth else other)
        for item, truth in zip(images.items, truths, strict=True)
    )
    strange = Counter(part for truth in truths for part in truth or () if part not in classes)
    notes = tuple(
        f"The label {name!r} of {count} image{'s' * (count > 1)} is none of the model's labels"
        f" ({', '.join(classes[:6])})."
        for name, count in strange.most_common(5)
    )
    answer = dataclasses.replace(images, items=items, class_names=(other, label), notes=(*images.notes, *notes))
    return images.asked.setdefault(question, answer)


def cooccurrence(truths: Sequence[tuple[str, ...] | None], classes: Sequence[str]) -> pd.DataFrame:
    """How often labels are true together: K x K counts of images, on the diagonal how often each is true at all.

    Example:
        >>> cooccurrence([("scratch", "dent"), ("dent",), ()], ("scratch", "dent")).loc["scratch", "dent"]
        1
    """
    import pandas as pd

    holds = np.array([[label in (truth or ()) for label in classes] for truth in truths], dtype=np.int64)
    counts = holds.reshape(-1, len(classes)).T @ holds.reshape(-1, len(classes))
    return pd.DataFrame(counts, index=list(classes), columns=list(classes))
