"""The price of a grouped split before anybody retrains: a logistic head on frozen features, in folds of both kinds."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.predictions import units_of_items
from workbench.quality.same_part import Families
from workbench.stats import Rate, auc, head_answers

if TYPE_CHECKING:
    import pandas as pd

PRICE_FOLDS = 5
MOST_PRICED = 6000
"""Images that the heads are fitted on at most; of larger sets whole units are drawn."""
OVERKILL_ALLOWED = 0.05
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class HeadFigures:
    """What a head reaches on images that it was not fitted on, averaged over folds.

    Each figure has an interval over the folds, with `groups` the number of folds: Student's t with the variance of
    Nadeau and Bengio 2003, "Inference for the generalization error", because folds share most of their training images.

    Attributes:
        accuracy: Share of right decisions.
        auc: Area under the ROC curve of the probability of a defect; without a value where no class is a defect.
        escapes: Share of defects that pass where at most 5 % of the good parts of the fold are rejected; likewise.
    """

    accuracy: Rate
    auc: Rate
    escapes: Rate


@dataclasses.dataclass(frozen=True)
class HeadPrice:
    """The figures of one head, dealt in two ways.

    Attributes:
        by_image: Folds dealt image by image, as splits at random are: parts stand on both sides.
        by_unit: Folds that keep every part and group on one side.
        images: How many images took part.
        units: Of how many units.
        left_out: Classes of too few units, which took no part.
    """

    by_image: HeadFigures
    by_unit: HeadFigures
    images: int
    units: int
    left_out: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """The figures, one row a figure and way of dealing."""
        import pandas as pd

        rows = []
        for way, figures in (("image by image", self.by_image), ("by part and group", self.by_unit)):
            named = (("accuracy", figures.accuracy), ("AUC", figures.auc), ("escapes at 5 % overkill", figures.escapes))
            rows += [(way, name, rate.value, rate.low, rate.high) for name, rate in named if rate.value is not None]
        return pd.DataFrame(rows, columns=["dealt", "figure", "value", "low", "high"])


def head_price(
    items: Sequence[ImageItem],
    features: NDArray[np.floating],
    families: Families | None = None,
    positive: Sequence[str] = (),
    on_progress: Progress | None = None,
) -> HeadPrice:
    """What leaks are worth to a model of this set, by a logistic head on features that never saw its labels.

    It is not the loaded model: a whole network remembers parts better than a head does, so that its own loss may be
    larger.

    Args:
        items: N images; those without a label take no part.
        features: (N, D) of a network that was not trained on these labels; rows of NaN take no part.
        families: Which images show one part.
        positive: The classes that are defects; without any, only the accuracy is given.
        on_progress: Called with how many heads are fitted, and of how many; what it raises stops the work.

    Raises:
        InputError: No two classes have images of as many different parts or groups as there are folds.
    """
    rows, units, labels, left_out = _usable(items, features, families)
    names, codes = np.unique(labels, return_inverse=True)
    defect = np.isin(names, list(positive))
    x = np.asarray(features[rows], np.float64)
    ways = list(_folds(codes, None)), list(_folds(codes, units))
    steps, done = sum(map(len, ways)), 0
    figures = []
    for folds in ways:
        parts = []
        for fold in folds:
            if on_progress is not None:
                on_progress(done, steps)
            parts.append(_fit(x, codes, fold, defect if defect.any() and not defect.all() else None))
            done += 1
        figures.append(HeadFigures(*(_over_folds([part[i] for part in parts], len(rows)) for i in range(3))))
    if on_progress is not None:
        on_progress(steps, steps)
    return HeadPrice(figures[0], figures[1], len(rows), len(np.unique(units)), left_out)


def _usable(
    items: Sequence[ImageItem], features: NDArray[np.floating], families: Families | None
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.object_], tuple[str, ...]]:
    """Rows in the order of their contents, their units and labels, and the classes that are left out."""
    import pandas as pd

    if len(items) != len(features):
        raise ValueError(f"expected features of {len(items)} images, got {len(features)}")
    units = units_of_items(items, None if families is None else families.by_name)
    finite = np.isfinite(features).all(1) & bool(features.shape[1])
    if not finite.any():
        raise InputError("No image has features, because none can be read: choose a set that holds images.")
    labels = np.array([item.label for item in items], dtype=object)
    rows = np.array([i for i, item in enumerate(items) if item.label is not None and finite[i]], dtype=np.intp)
    rows = _drawn(rows[np.argsort([items[row].readable_id or items[row].name for row in rows], kind="stable")], units)
    apart: dict[str, set[int]] = defaultdict(set)
    for row in rows.tolist():
        apart[str(labels[row])].add(int(units[row]))
    left_out = tuple(sorted(label for label, own in apart.items() if len(own) < PRICE_FOLDS))
    rows = rows[~np.isin(labels[rows].astype(str), left_out)]
    if len(np.unique(labels[rows].astype(str))) < 2:
        raise InputError(
            f"The price of a grouped split cannot be told: fewer than two classes have images of {PRICE_FOLDS}"
            " different parts or groups. Add images of other parts."
        )
    return rows, pd.factorize(units[rows])[0].astype(np.intp), labels[rows].astype(str), left_out


def _drawn(rows: NDArray[np.intp], units: NDArray[np.intp]) -> NDArray[np.intp]:
    """At most `MOST_PRICED` of the rows, whole units of them in the order of the rows."""
    if len(rows) <= MOST_PRICED:
        return rows
    own, first, sizes = np.unique(units[rows], return_index=True, return_counts=True)
    order = np.argsort(first)
    taken = own[order][np.cumsum(sizes[order]) <= MOST_PRICED]
    return rows[np.isin(units[rows], taken)]


def _folds(codes: NDArray[np.intp], units: NDArray[np.intp] | None) -> Iterator[Fold]:
    """Folds with every class as even as can be; those that lack two classes on a side are left out."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    splitter = StratifiedKFold if units is None else StratifiedGroupKFold
    folds = splitter(PRICE_FOLDS, shuffle=True, random_state=0).split(codes[:, None], codes, units)
    usable = [(a, b) for a, b in folds if min(len(np.unique(codes[a])), len(np.unique(codes[b]))) > 1]
    if len(usable) < 2:
        raise InputError(
            "The price of a grouped split cannot be told: whole parts and groups cannot be dealt so that two folds have"
            " two classes each. Add images of other parts."
        )
    yield from usable


def _fit(
    x: NDArray[np.float64], codes: NDArray[np.intp], fold: Fold, defect: NDArray[np.bool_] | None
) -> tuple[float | None, float | None, float | None]:
    """Accuracy, AUC and escapes at 5 % overkill of one head on the images that it was not fitted on."""
    train, test = fold
    probabilities, classes = head_answers(x, codes, train, test), np.unique(codes[train])
    accuracy = float((classes[probabilities.argmax(1)] == codes[test]).mean())
    if defect is None:
        return accuracy, None, None
    scores, truth = probabilities[:, defect[classes]].sum(1), defect[codes[test]]
    if truth.all() or not truth.any():
        return accuracy, None, None
    good = np.sort(scores[~truth])
    limit = good[math.ceil((1 - OVERKILL_ALLOWED) * len(good)) - 1]
    return accuracy, auc(scores, truth).value, float((scores[truth] <= limit).mean())


def _over_folds(values: Sequence[float | None], images: int) -> Rate:
    """The mean over folds, with the interval that counts for their shared training images."""
    from scipy.special import stdtrit

    told = np.array([value for value in values if value is not None], np.float64)
    size = len(told)
    if not size:
        return Rate(None, None, None, 0, 0)
    mean = float(told.mean())
    if size < 2:
        return Rate(mean, 0.0, 1.0, 0, images, size)
    half = float(stdtrit(size - 1, 0.975)) * math.sqrt((1 / size + 1 / (size - 1)) * float(told.var(ddof=1)))
    return Rate(mean, max(mean - half, 0.0), min(mean + half, 1.0), 0, images, size)
