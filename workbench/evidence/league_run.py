"""Which method suits a model: each makes a map of the same decisions, and each map is held against the model."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.attribution import METHODS, UNBELIEVABLE, Attribution, attribute
from workbench.errors import InputError
from workbench.evidence.case import EVEN, FLAT
from workbench.evidence.contest import Bout, bout
from workbench.evidence.entrants import LEAGUE_DECISIONS, Entrant, entrants_of
from workbench.evidence.league_null import by_chance, by_random_weights, counted
from workbench.evidence.league_order import REDRAWN, League
from workbench.files import KINDS, key, read_value, write_value
from workbench.images import ImageItem, ImageSet
from workbench.predictions import Predictions, drawn_decisions, explained_by_default, units_by_name

if TYPE_CHECKING:
    from workbench.models import Classifier

MOST_SAID = 160
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Round:
    """One map of one decision, as it is kept on disk.

    Attributes:
        bout: How it was held against the model; None where there is no map.
        seconds: What making the map took.
        passes: Evaluations of the model that it took.
        error: Why there is no map; empty where there is one.
    """

    bout: Bout | None
    seconds: float
    passes: int
    error: str = ""


def league(
    classifier: Classifier,
    images: ImageSet,
    predictions: Predictions,
    *,
    target: str | None = None,
    many: int = LEAGUE_DECISIONS,
    methods: Collection[str] | None = None,
    folder: Path | None = None,
    on_progress: Progress | None = None,
) -> League:
    """Explain the same decisions by every method that suits the model, and hold each map against it.

    Args:
        classifier: The model.
        images: The set.
        predictions: What the model says of each image; the test split counts where there is one.
        target: The class that is explained; the one that Explain takes unless told where missing.
        many: How many decisions.
        methods: Names in `METHODS`; all where missing, but those that take hundreds of evaluations a map.
        folder: Where each map's result is kept, so that stopped work goes on; None where it is not.
        on_progress: Called with how many maps, and copies with random weights, are done, and of how many. What it
            raises stops the work.

    Raises:
        InputError: There is no such class or method.

    Example:
        >>> from workbench.evidence import league, standings
        >>> standings(league(clf, images, pred, methods=["saliency"], many=2)).outcome
        'too few'
    """
    entrants = entrants_of(classifier, methods)
    target = explained_by_default(predictions) if target is None else classifier.class_names[classifier.index(target)]
    names = drawn_decisions(images, predictions, many)
    units, rows = units_by_name(predictions.frame), []
    maps = len(names) * len(entrants)

    def tell(done: int) -> None:
        if on_progress is not None:
            on_progress(done, maps + REDRAWN)

    for number, name in enumerate(names):
        known = predictions.frame.iloc[predictions.by_name[name]]
        explained = str(known["predicted"]) if target is None else target
        decision = _Decision(classifier, images, images.by_name[name], explained, folder)
        rounds = []
        for done, entrant in enumerate(entrants):
            tell(number * len(entrants) + done)
            rounds.append(decision.round(entrant))
        facts = (name, known["label"], known["predicted"], explained, -1 if units is None else units[name])
        titles = [entrant.title for entrant in entrants]
        rows += [(*facts, title, *figures) for title, figures in zip(titles, _figures(rounds), strict=True)]
    import pandas as pd

    columns = ["name", "label", "predicted", "explained", "unit", "entrant"]
    table = pd.DataFrame(rows, columns=[*columns, "lead", "chance", "seconds", "passes", "turns", "error"])
    test = bool((predictions.frame["split"] == "test").any())
    random = by_random_weights(classifier, images, predictions, lambda done, _: tell(maps + done))
    among = counted(predictions)
    return League(table, entrants, len(among), test, by_chance(among), random)


@dataclasses.dataclass
class _Decision:
    """One decision, and the maps of it."""

    classifier: Classifier
    images: ImageSet
    item: ImageItem
    target: str
    folder: Path | None

    def round(self, entrant: Entrant) -> Round:
        """The map of an entrant, held against the model; from the folder where it was done before."""
        path = None if self.folder is None else self.folder / f"{self._key(entrant)}.json"
        kept: Round | None = None if path is None else read_value(path, Round, Bout)
        if kept is not None:
            return kept
        made = self._made(entrant)
        if path is not None:
            write_value(path, made)
        return made

    def _made(self, entrant: Entrant) -> Round:
        passes, start = 0, time.perf_counter()

        def count(done: int, total: int) -> None:
            nonlocal passes
            passes = max(passes, done)

        background = self.images if METHODS[entrant.method].background else None
        try:
            ready = self.classifier.input(self.item)
            start = time.perf_counter()
            made = attribute(
                self.classifier,
                ready,
                entrant.method,
                self.target,
                background=background,
                on_progress=count,
                **dict(entrant.settings),  # type: ignore[arg-type]
            )
            seconds = time.perf_counter() - start
            if (missed := _missed(made)) > UNBELIEVABLE:
                raise InputError(f"its map misses {missed:.0%} of the sum that it must make")
            took = made.params.get("evaluations")
            held = bout(self.classifier, ready, made, self._seed)
            if not np.isfinite(held.reach).all():
                raise InputError("the model's score is not a number once part of the image is replaced")
            return Round(held, seconds, took if isinstance(took, int) else passes)
        except InputError as error:
            return Round(None, time.perf_counter() - start, passes, str(error))
        except Exception as error:  # whatever the model's own code raises
            message = (str(error).strip() or "no message").splitlines()[0][:MOST_SAID]
            return Round(None, time.perf_counter() - start, passes, f"it failed with {type(error).__name__}: {message}")

    @property
    def _seed(self) -> int:
        """The same for all maps of a decision, so that chance is the same for all."""
        return int(self.item.id[:8], 16)

    def _key(self, entrant: Entrant) -> str:
        return key(
            "league round",
            model=self.classifier.key,
            rule=self.classifier.rule,
            image=self.item.id,
            method=entrant.method,
            aim=self.target,
            settings={**METHODS[entrant.method].params, **dict(entrant.settings), "map": KINDS["map"].version},
            background=self.images.key if METHODS[entrant.method].background else None,
        )


def _missed(made: Attribution) -> float:
    """The share of the change that the map must sum to and misses; 0 of a change that is rounding."""
    if made.change is None or abs(made.change) <= FLAT * abs(made.output):
        return 0.0
    return made.relative_delta or 0.0


def _figures(rounds: Sequence[Round]) -> list[tuple[float, float, float, int, bool, str]]:
    """Of all maps of one decision: lead and lead by chance, as shares of the range of the score over all that was shown
    to the model, seconds, evaluations, whether the decision turned, and why there is no map."""
    bouts = [one.bout for one in rounds if one.bout is not None]
    reach = np.stack([one.reach for one in bouts]) if bouts else np.zeros((1, 2, 1))
    span = float((reach[:, 1].max(0) - reach[:, 0].min(0)).sum())
    still = span <= FLAT * reach.shape[2] * max(float(np.abs(reach).max()), EVEN)
    turns = any(one.turns for one in bouts)
    rows = []
    for one in rounds:
        lead, chance = (np.nan, np.nan)
        if one.bout is not None:
            own, *moved = np.zeros(len(one.bout.leads)) if still else one.bout.leads.sum(1) / span
            lead, chance = float(own), float(np.mean(moved))
        rows.append((lead, chance, one.seconds, one.passes, turns, one.error))
    return rows
