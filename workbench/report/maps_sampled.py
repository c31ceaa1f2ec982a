"""Can the maps be believed: a sample of decisions, each explained by one method and held against the model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.attribution import METHODS
from workbench.evidence import LEAN, LITTLE, NOT_RELIED_ON, error_rates
from workbench.files import CheckResult, Outcome
from workbench.images import ImageSet
from workbench.predictions import Predictions, drawn_decisions, units_by_name
from workbench.report.maps_kept import kept_map, rated_map
from workbench.stats import FEW_UNITS, Rate, share

if TYPE_CHECKING:
    import pandas as pd

    from workbench.evidence import ErrorRates
    from workbench.models import Classifier

DECISIONS = 30
"""How many decisions are explained: as many of each class, then one of each unit first."""
LEAST_RATED = 20
"""With fewer nothing is said of the share that fails."""
MAPS_FAIL = "maps"
MADE_AGAIN = 5
"""Of how many decisions a check of a report makes the maps again."""


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
    folder: Path | None = None,
) -> MapStudy:
    """Explain a sample of decisions, by the method that reports and comparisons draw, and hold each map against the
    model.

    Args:
        classifier: The model.
        images: The set.
        predictions: What the model says of each image; the test split counts where there is one.
        on_progress: Called with how many decisions are done, and of how many. What it raises stops the work.
        folder: Where each rating is kept, so that work that was stopped goes on; nowhere where missing.
    """
    import pandas as pd

    from workbench.reliability import map_method

    frame = predictions.frame
    test = bool((frame["split"] == "test").any())
    method = map_method(classifier) or ""
    units = units_by_name(frame)
    rows = []
    names = sampled(images, predictions) if method else []
    for done, name in enumerate(names):

        def tell(done: int = done) -> None:
            if on_progress is not None:
                on_progress(done, len(names))

        row, item = frame.iloc[predictions.by_name[name]], images.by_name[name]
        made = kept_map(classifier, item, method, folder) or rated_map(classifier, item, method, folder, tell)
        rows.append((name, row["label"], row["predicted"], -1 if units is None else units[name], made.word, made.error))
    table = pd.DataFrame(rows, columns=["name", "label", "predicted", "unit", "rating", "error"])
    counted = int((frame["split"] == "test").sum()) if test else len(frame)
    return MapStudy(table, method, counted, test)


def maps_again(
    classifier: Classifier,
    images: ImageSet,
    predictions: Predictions,
    folder: Path,
    on_progress: Callable[[int, int], None] | None = None,
    seed: int | None = None,
) -> str:
    """Make some maps of a study again, drawn at random, and where one comes out otherwise than it is kept, all of them.
    What is kept is replaced, so that the next `map_study` goes by it.

    Arguments as for `map_study`; with a seed the same are drawn each time.

    Returns:
        What was made again, in a sentence; empty where no method suits the model.
    """
    from workbench.reliability import map_method

    method = map_method(classifier)
    if method is None:
        return ""
    names = sampled(images, predictions)
    kept = {name: kept_map(classifier, images.by_name[name], method, folder) for name in names}
    recorded = [name for name in names if kept[name] is not None]
    rng = np.random.default_rng(seed)
    waiting = rng.permutation(recorded).tolist()
    most, changed = min(MADE_AGAIN, len(waiting)), 0
    for done, name in enumerate(waiting):
        if done >= MADE_AGAIN and not changed:
            break

        def tell(done: int = done, total: int = len(waiting) if changed else most) -> None:
            if on_progress is not None:
                on_progress(done, total)

        changed += rated_map(classifier, images.by_name[name], method, folder, tell) != kept[name]
    return _again(len(names), len(recorded), most, changed)


def _again(total: int, recorded: int, drawn: int, changed: int) -> str:
    missing = total - recorded
    if changed:
        return (
            f"All {total} maps of the study were made again: of those that were recorded, {changed} came out otherwise."
        )
    if drawn == recorded:
        return f"All {total} maps of the study were made again."
    return (
        f"{missing + drawn} of {total} maps of the study were made again, the others taken from the study as recorded."
    )


def map_results(study: MapStudy) -> list[CheckResult]:
    """What it comes to: the share of maps that fail, by unit, beside how often the card itself errs."""
    if not study.method:
        why = "No quick method of maps suits this model: no map was held against it. Ask for one on Explain."
        return [CheckResult(MAPS_FAIL, "unknown", why)]
    rated = study.frame[study.frame["rating"].isin([LEAN, LITTLE, NOT_RELIED_ON])]
    unknown = len(study.frame) - len(rated)
    units = None if (rated["unit"] < 0).any() else rated["unit"].to_numpy(np.intp)
    fails = rated["rating"] == NOT_RELIED_ON
    rate = share(fails.to_numpy(), units)
    where, title = "test images" if study.split else "images", METHODS[study.method].title
    if rate.value is None or rate.low is None or rate.high is None:
        why = f"No check applies to any of {len(study.frame)} maps by {title}."
        return [CheckResult(MAPS_FAIL, "unknown", why)]
    held = int((rated["rating"] == LEAN).sum())
    counted = f"{len(rated)} decisions{rate.in_units('units')}"
    sentence = (
        f"{rate.count} of {counted} have a map by {title} that fails a check or holds none ({100 * rate.value:.0f} %,"
        f" 95 % interval {100 * rate.low:.0f} to {100 * rate.high:.0f} %), {held} hold all of them; drawn from"
        f" {study.images:,} {where}, as many of each class."
    )
    if unknown:
        sentence += f" Of {unknown} more it cannot be told."
    sentence += f" {_card(error_rates(), error_rates(every=True))}"
    few = rate.few_units or rate.support < LEAST_RATED
    if few:
        sentence += f" That is too few to say more: {LEAST_RATED} decisions in {FEW_UNITS} units are needed."
    verdict: Outcome = "unknown" if few else "warn" if rate.count else "ok"
    names = tuple(rated.loc[fails, "name"])
    return [CheckResult(MAPS_FAIL, verdict, sentence, rate.value, rate.low, rate.high, None, rate.support, names)]


def _card(rates: ErrorRates | None, every: ErrorRates | None) -> str:
    """How often the card says of planted maps what the study counts: where it is known what the network reads, and of
    all."""
    if rates is None or every is None:
        return "How often the card itself errs was not measured for this version of its checks."
    also = (
        f"; of all planted networks, with those that never learned their cue, of {_refused(every)}"
        if every != rates
        else ""
    )
    return f"On planted maps the card says so of {_refused(rates)}{also}."


def _refused(rates: ErrorRates) -> str:
    wrong, right = (_of(rate) for rate in (rates.warned, rates.spurned) if rate is not None)
    return f"{wrong} of the wrong ones and {right} of the right ones"


def _of(rate: Rate) -> str:
    low, high = (100 * float(end or 0) for end in (rate.low, rate.high))
    return f"{rate.count:,} of {rate.support:,} (95 % interval {low:.0f} to {high:.0f} %)"


def sampled(images: ImageSet, predictions: Predictions) -> list[str]:
    """The names of the decisions: drawn as evenly over classes as can be, one of each unit before any other."""
    return drawn_decisions(images, predictions, DECISIONS)
