"""Which decisions are looked at where all would take too long, and which class is explained where nobody chose one."""

from __future__ import annotations

from workbench.images import ImageSet, stratify
from workbench.predictions.independence import spread_over, units_by_name
from workbench.predictions.labels import good_class
from workbench.predictions.table import Predictions

DRAWN_FROM = 200
"""How many images are drawn first, as many of each class."""


def drawn_decisions(images: ImageSet, predictions: Predictions, many: int) -> list[str]:
    """The names of the decisions: drawn as evenly over classes as can be, one of each unit before any other.

    Args:
        images: The set.
        predictions: What the model says of each image; the test split counts where there is one.
        many: How many at most.
    """
    places, _ = stratify(predictions.frame, DRAWN_FROM, 0)
    drawn = predictions.frame.iloc[places]
    drawn = drawn[drawn["name"].isin(images.by_name)]
    units = units_by_name(predictions.frame)
    queues = [spread_over(part["name"].tolist(), units) for _, part in drawn.groupby("label", sort=True, dropna=False)]
    turns = [queue[turn] for turn in range(DRAWN_FROM) for queue in queues if turn < len(queue)]
    return turns[:many]


def explained_by_default(predictions: Predictions) -> str | None:
    """The class that is explained where nobody chose one, whatever was decided, so that a colour means one thing on
    all images: the one defect of the rule; None where there is no such class, and the predicted one is explained."""
    positive = predictions.rule.positive
    return None if positive == good_class(predictions.class_names) else positive
