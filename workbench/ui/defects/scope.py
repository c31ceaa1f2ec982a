"""What the Defects page covers: which classes are defects, which images choose a threshold and which report it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.defects import CHOSEN_ON, HALVES, REPORTED_ON, Costs, cases_of, deal, of_split, points_of
from workbench.predictions import Cases, Predictions, all_scores, good_class
from workbench.ui import draw, runs, session, url
from workbench.ui.cache import slot
from workbench.ui.text import plain
from workbench.ui.view import View

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

SPLIT_NAMES = {CHOSEN_ON: "validation split", REPORTED_ON: "test split"}
REST, TRAINING = "images of no split", "training split"
PROPOSED = "proposed "
"""Stands before the name of a split that is not as it is stated."""
T = TypeVar("T")


@dataclasses.dataclass(frozen=True, eq=False)
class Scope(View):
    """What all sections of the page speak of.

    Attributes:
        positive: The classes that are defects.
        cases: The labelled images to choose on and to report on, by `CHOSEN_ON` and `REPORTED_ON`.
        words: What those two are called.
        costs: What mistakes cost, and the share of defects on the line.
    """

    predictions: Predictions
    positive: tuple[str, ...]
    cases: Mapping[str, Cases]
    words: Mapping[str, str]
    costs: Costs

    @property
    def facts(self) -> dict[str, object]:
        """These predictions, classes and splits, as ingredients of a key."""
        return {"table": session.token(self.predictions), "positive": self.positive, "chosen on": self.words[CHOSEN_ON]}

    @property
    def scores(self) -> NDArray[np.float64]:
        """The probability of a defect for all images, (N,)."""
        return self.kept("scores", lambda: all_scores(self.predictions, self.positive))

    def points(self, split: str) -> pd.DataFrame:
        """The operating points of one of the two splits."""
        return self.kept(("points", split, self.costs), lambda: points_of(self.cases[split], self.costs))

    def kept(self, what: object, make: Callable[[], T]) -> T:
        """What `make` computes, from the shelf where it was computed before."""
        return slot("defects figure", **self.facts, figure=what).kept(
            make, lambda _: 64 * 1024 + 160 * len(self.predictions)
        )

    @property
    def defect(self) -> str:
        """What a defect is called, for Markdown."""
        return plain(self.positive[0]) if len(self.positive) == 1 else "a defect"

    @property
    def footer(self) -> str:
        """What an image for a record must say of its figures."""
        origin = " (synthetic)" if self.images.synthetic else ""
        dealt = ", splits as proposed" if self.proposed else ""
        return (
            f"{self.model.title}, model {self.model.key[:12]}; {self.images.name}{origin}{dealt}; defects:"
            f" {', '.join(self.positive)}"
        )


def choose(view: View, place: DeltaGenerator) -> Scope | None:
    """The controls, drawn in `place`; None, and a way out outside of it, where nothing can be decided."""
    predictions = view.predictions
    if predictions is None:
        st.info("No predictions of this model for this image set yet.", icon=":material/play_circle:")
        runs.offer_predictions(view, "")
        return None
    positive = _positive(predictions, place)
    if positive is None:
        return None
    with place:
        cases, words = _splits(cases_of(predictions, positive), predictions)
        if view.proposed:
            stated = (*SPLIT_NAMES.values(), TRAINING)
            words = {split: f"{PROPOSED}{name}" if name in stated else name for split, name in words.items()}
        with st.container(horizontal=True, vertical_alignment="bottom"):
            costs = _costs()
            draw.meaning("escape-and-overkill", "What are escapes and overkill?")
    if view.images.synthetic:
        st.caption(":material/science: These images are synthetic: made by a program, not photographed.")
    return Scope(view.model, view.images, predictions, positive, cases, words, costs, proposed=view.proposed)


def _positive(predictions: Predictions, place: DeltaGenerator) -> tuple[str, ...] | None:
    """The classes that are defects: two classes of which one is named need no question."""
    names, rule = predictions.class_names, predictions.rule
    good = good_class(names)
    if rule.positive is not None and rule.positive != good:  # a threshold for good parts makes no defect of them
        guess: tuple[str, ...] = (rule.positive,)
    else:
        guess = tuple(name for name in names if name != good) if good is not None else ()
    if len(names) == 2 and guess:
        return guess
    if len(names) > MOST_OFFERED and guess:
        return guess
    if len(names) > MOST_OFFERED:
        st.info(
            f"This model has {len(names):,} classes, and none is a defect. Choose a model that inspects parts.",
            icon=":material/category:",
        )
        return None
    with place:
        answer = url.pills("Classes that are defects", names, key="defect", default=guess, format_func=plain)
    if not answer or len(answer) == len(names):
        st.info("Choose which classes are defects: at least one, but not all.", icon=":material/touch_app:")
        return None
    return tuple(name for name in names if name in answer)


MOST_OFFERED = 60
LEAST_PRIOR = 1e-4
"""Per cent: one defect in a million parts. Links of older releases say 0 for an empty field, which is below it."""


def _splits(cases: Cases, predictions: Predictions) -> tuple[dict[str, Cases], dict[str, str]]:
    """The images to choose on and to report on; two halves, if the visitor agrees, where a split lacks images."""
    splits = {name: of_split(cases, name) for name in SPLIT_NAMES}
    if all(_whole(part) for part in splits.values()):
        return splits, SPLIT_NAMES
    if not len(cases):
        st.caption(
            ":material/info: None of these images has a label that the model knows: a threshold can be set, but not"
            " evaluated."
        )
        return splits, SPLIT_NAMES
    halves = deal(cases)
    if all(_whole(part) for part in halves.values()):
        options = {"off": "As given", "halves": "Two halves"}
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(
                f":material/info: {_missing(splits, predictions)} The images that the model was not trained on can be "
                "split into two halves instead: one to choose a threshold on, one to report it on."
            )
            way = url.segments("Splits", list(options), key="splits", default="off", format_func=options.__getitem__)
        if way == "halves":
            return halves, HALVES
    else:
        st.caption(f":material/info: {_missing(splits, predictions)}")
    return _as_they_are(cases, splits, predictions)


def _as_they_are(
    cases: Cases, splits: dict[str, Cases], predictions: Predictions
) -> tuple[dict[str, Cases], dict[str, str]]:
    """Without a test split, report on images outside training, never on those that choose the threshold."""
    if len(splits[REPORTED_ON]):
        return splits, SPLIT_NAMES
    split, nothing = predictions.frame["split"], cases.where(np.zeros(len(predictions), bool))
    rest = cases.where(split.isna().to_numpy(bool))
    if len(rest):
        return {**splits, REPORTED_ON: rest}, {**SPLIT_NAMES, REPORTED_ON: REST if split.notna().any() else "set"}
    if len(splits[CHOSEN_ON]):
        return {CHOSEN_ON: nothing, REPORTED_ON: splits[CHOSEN_ON]}, {
            **SPLIT_NAMES,
            REPORTED_ON: SPLIT_NAMES[CHOSEN_ON],
        }
    st.caption(":material/warning: All labelled images were used for training: expect worse rates on new parts.")
    return {CHOSEN_ON: nothing, REPORTED_ON: cases}, {**SPLIT_NAMES, REPORTED_ON: TRAINING}


def _whole(cases: Cases) -> bool:
    return bool(cases.defects and cases.good)


def _missing(splits: Mapping[str, Cases], predictions: Predictions) -> str:
    """What the splits lack, and what follows from it."""
    lacks = []
    for split, cases in splits.items():
        if not _whole(cases):
            what = "labelled images" if not len(cases) else "good parts" if cases.defects else "defects"
            lacks.append(f"The {SPLIT_NAMES[split]} has no {what}.")
    others = bool(len(splits[REPORTED_ON])) or bool(
        (predictions.frame["split"].isna() & predictions.frame["verdict"].notna()).any()
    )
    follows = "" if _whole(splits[CHOSEN_ON]) and others else " So no threshold can be chosen by cost or a ceiling."
    return " ".join(lacks) + follows


def _costs() -> Costs:
    escape = url.number("Cost of an escape", 0.0, 1e9, key="escape_cost", default=10.0, step=1.0, width=150)
    overkill = url.number("Cost of an overkill", 0.0, 1e9, key="overkill_cost", default=1.0, step=1.0, width=150)
    prior = url.optional(
        "Defects on the line, %",
        LEAST_PRIOR,
        99.0,
        key="prior",
        step=0.1,
        width=215,
        format="%.4g",
        placeholder="as in these images",
        help="Share of defects among the parts that the line makes (prior). Empty: as in these images.",
    )
    return Costs(escape, overkill, None if prior is None else prior / 100)
