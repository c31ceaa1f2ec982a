"""Can the maps be believed: a sample of decisions, each explained by one method and held against the model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import InputError
from workbench.evidence import LEAN, LITTLE, NOT_RELIED_ON, error_rates
from workbench.files import CheckResult, Outcome
from workbench.images import ImageSet
from workbench.predictions import Predictions, spread_over, units_by_name
from workbench.stats import FEW_UNITS, Rate, share

if TYPE_CHECKING:
    import pandas as pd

    from workbench.evidence import ErrorRates
    from workbench.models import Classifier

MAP_METHODS = ("integrated_gradients", "grad_cam", "saliency", "occlusion")
"""The first of them that suits a model explains its decisions."""
DECISIONS, DRAWN_FROM = 30, 200
"""How many decisions are explained, and from how many: as many of each class, then one of each unit first."""
LEAST_RATED = 20
"""With fewer nothing is said of the share that fails."""
MAPS_FAIL = "maps"


@dataclasses.dataclass(frozen=True, eq=False)
class MapStudy:
    """What the checks of a sample of maps came to.

    Attributes:
        frame: A row a decision: name, label, predicted, unit (-1 where units are not known), rating (a word, or none)
            and error (why there is no map, else empty).
        method: The method of the maps; empty where none suits the model.
        images: How many images the sample is drawn from.
        split: Whether those are of the test split.
    """

    frame: pd.DataFrame
    method: str
    images: int
    split: bool


def map_study(
    classifier: Classifier,
    images: ImageSet,
    predictions: Predictions,
    on_progress: Callable[[int, int], None] | None = None,
) -> MapStudy:
    """Explain a sample of decisions and hold each map against the model.

    Args:
        classifier: The model.
        images: The set.
        predictions: What the model says of each image; the test split counts where there is one.
        on_progress: Called with how many decisions are done, and of how many. What it raises stops the work.
    """
    import pandas as pd

    from workbench.attribution import suits

    frame = predictions.frame
    test = bool((frame["split"] == "test").any())
    method = next((name for name in MAP_METHODS if not suits(classifier, name)), "")
    units = units_by_name(frame)
    rows = []
    names = _sample(images, predictions) if method else []
    for done, name in enumerate(names):
        if on_progress is not None:
            on_progress(done, len(names))
        row = frame.iloc[predictions.by_name[name]]
        word, error = _rated(classifier, images, name, method)
        rows.append((name, row["label"], row["predicted"], -1 if units is None else units[name], word, error))
    table = pd.DataFrame(rows, columns=["name", "label", "predicted", "unit", "rating", "error"])
    counted = int((frame["split"] == "test").sum()) if test else len(frame)
    return MapStudy(table, method, counted, test)


def map_results(study: MapStudy) -> list[CheckResult]:
    """What it comes to: the share of maps that fail, by unit, beside how often the card itself errs."""
    if not study.method:
        why = f"None of {', '.join(MAP_METHODS)} suits this model: no map was made."
        return [CheckResult(MAPS_FAIL, "unknown", why)]
    rated = study.frame[study.frame["rating"].isin([LEAN, LITTLE, NOT_RELIED_ON])]
    unknown = len(study.frame) - len(rated)
    units = None if (rated["unit"] < 0).any() else rated["unit"].to_numpy(np.intp)
    fails = rated["rating"] == NOT_RELIED_ON
    rate = share(fails.to_numpy(), units)
    where = "test images" if study.split else "images"
    if rate.value is None or rate.low is None or rate.high is None:
        why = f"No check applies to any of {len(study.frame)} maps by {study.method}."
        return [CheckResult(MAPS_FAIL, "unknown", why)]
    held = int((rated["rating"] == LEAN).sum())
    counted = f"{len(rated)} decisions{rate.in_units('units')}"
    sentence = (
        f"{rate.count} of {counted} have a map by {study.method} that fails its checks ({100 * rate.value:.0f} %, 95 %"
        f" interval {100 * rate.low:.0f} to {100 * rate.high:.0f} %), {held} hold all of them; drawn from"
        f" {study.images:,} {where}, as many of each class."
    )
    if unknown:
        sentence += f" Of {unknown} more it cannot be told."
    sentence += f" {_card(error_rates())}"
    few = rate.few_units or rate.support < LEAST_RATED
    if few:
        sentence += f" That is too few to say more: {LEAST_RATED} decisions in {FEW_UNITS} units are needed."
    verdict: Outcome = "unknown" if few else "warn" if rate.count else "ok"
    names = tuple(rated.loc[fails, "name"])
    return [CheckResult(MAPS_FAIL, verdict, sentence, rate.value, rate.low, rate.high, None, rate.support, names)]


def _card(rates: ErrorRates | None) -> str:
    if rates is None:
        return "How often the card itself errs was not measured for this version of its checks."
    return (
        f"On planted maps the card lets {_of(rates.passed)} wrong ones pass and fails {_of(rates.failing)} right ones."
    )


def _of(rate: Rate) -> str:
    return f"{rate.count:,} of {rate.support:,}"


def _sample(images: ImageSet, predictions: Predictions) -> list[str]:
    """The names of the decisions: drawn as evenly over classes as can be, one of each unit before any other."""
    from workbench.images import stratify

    places, _ = stratify(predictions.frame, DRAWN_FROM, 0)
    drawn = predictions.frame.iloc[places]
    drawn = drawn[drawn["name"].isin(images.by_name)]
    units = units_by_name(predictions.frame)
    queues = [spread_over(part["name"].tolist(), units) for _, part in drawn.groupby("label", sort=True, dropna=False)]
    turns = [queue[turn] for turn in range(DRAWN_FROM) for queue in queues if turn < len(queue)]
    return turns[:DECISIONS]


def _rated(classifier: Classifier, images: ImageSet, name: str, method: str) -> tuple[str, str]:
    """How far the map of one decision can be relied on, and why there is none."""
    from workbench.attribution import attribute
    from workbench.evidence import assess, rating

    try:
        ready = classifier.input(images.by_name[name])
        made = attribute(classifier, ready, method)
        return rating(assess(classifier, ready, made).findings).word, ""
    except InputError as error:
        return "", str(error)
