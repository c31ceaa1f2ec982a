"""Whether a model's decisions have anything to do with the labels: else there is no reason that a map could show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.evidence.league_order import REDRAWN
from workbench.evidence.stability import redraw, spoilable
from workbench.images import stratify
from workbench.models import predict
from workbench.predictions import units_of
from workbench.stats import blocks_of, shuffled, tail, units_or_cases

if TYPE_CHECKING:
    import pandas as pd

    from workbench.images import ImageSet
    from workbench.models import Classifier
    from workbench.predictions import Predictions

LABELS_DEALT = 999
"""Of the labels, to see whether the model's decisions have to do with them."""
ASKED = 96
"""Images of which they are asked, at most."""


def by_chance(frame: pd.DataFrame) -> float | None:
    """The chance of as many decisions that agree with the labels, if labels were dealt anew among units; None where
    fewer than two classes of labels are known."""
    rows = frame[frame["label"].notna() & frame["error"].isna()]
    if rows["label"].nunique() < 2:
        return None
    import pandas as pd

    codes, labels = pd.factorize(rows["label"])
    called = pd.Index(labels).get_indexer(rows["predicted"])
    blocks = blocks_of(codes.astype(np.intp), units_or_cases(units_of(rows), len(rows)))
    drawn = shuffled(blocks, LABELS_DEALT, np.random.default_rng(0))
    null = np.concatenate([(some[:, blocks.place] == called).sum(1) for some in drawn])
    return tail(float((codes == called).sum()), null.astype(np.float64))


def by_random_weights(
    classifier: Classifier,
    images: ImageSet,
    predictions: Predictions,
    on_progress: Callable[[int, int], None] | None = None,
) -> float | None:
    """The chance of probabilities that are as near to the labels, if the model's weights were random.

    An easy set is told apart by random weights too, and far better than by chance: a network that sums up its image
    sees which class is the brighter one. So the model is one of `REDRAWN` + 1, the others with weights drawn from a
    normal distribution of each tensor's own mean and spread, and the figure is the share of them whose probabilities
    are as near to the labels as its own (Brier 1950, each class counted alike), itself counted: of models with random
    weights it is 5 % or less in one of twenty.

    Args:
        classifier: The model.
        images: The set.
        predictions: What the model says of the images; the test split counts where there is one.
        on_progress: Called with how many copies were asked, and of how many. What it raises stops the work.

    Returns:
        None where fewer than two classes of labels are known, or the model has no weights that could be drawn.
    """
    import torch

    rows = _asked(images, predictions)
    private = _private(classifier)
    if rows["label"].nunique() < 2 or private is None:
        return None
    layers = [module for module in private.model.modules() if any(True for _ in module.parameters(recurse=False))]
    inputs = [classifier.input(images.by_name[name]) for name in rows["name"]]
    weights = {name: values.clone() for name, values in private.model.state_dict().items()}
    labels = [classifier.class_names.index(label) for label in rows["label"]]
    rng, null = torch.Generator().manual_seed(0), []
    for done in range(REDRAWN):
        if on_progress is not None:
            on_progress(done, REDRAWN)
        private.model.load_state_dict(weights)
        redraw(layers, rng)
        try:
            null.append(_nearness(labels, predict(private, inputs).probabilities))
        except InputError:  # its answers are no numbers
            null.append(-np.inf)
    own = predictions.probabilities[[predictions.by_name[name] for name in rows["name"]]]
    return tail(_nearness(labels, own), np.array(null))


def counted(predictions: Predictions) -> pd.DataFrame:
    """The rows of the test split, or all where there is none."""
    test = predictions.frame["split"] == "test"
    return predictions.frame[test] if test.any() else predictions.frame


def _asked(images: ImageSet, predictions: Predictions) -> pd.DataFrame:
    """At most `ASKED` of the rows that count, as evenly over classes as can be."""
    rows = counted(predictions)
    rows = rows[rows["label"].isin(predictions.class_names) & rows["error"].isna() & rows["name"].isin(images.by_name)]
    rows = rows.reset_index(drop=True)
    return rows.iloc[stratify(rows, ASKED, 0)[0]]


def _private(classifier: Classifier) -> Classifier | None:
    """A copy whose weights may be drawn; None where there is none, or no weight."""
    try:
        private = spoilable(classifier)
    except Exception:  # whatever a foreign module raises when it is copied
        return None
    return private if any(weights.is_floating_point() for weights in private.model.parameters()) else None


def _nearness(labels: Sequence[int], probabilities: NDArray[np.floating]) -> float:
    """Minus the Brier score of probabilities (N, K), the mean over classes."""
    given, wrong = np.array(labels), probabilities.astype(np.float64)
    wrong[np.arange(len(given)), given] -= 1
    scores = (wrong**2).sum(1)
    return -float(np.mean([scores[given == label].mean() for label in set(labels)]))
