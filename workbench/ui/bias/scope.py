"""What the Bias page speaks of: which images of which set, decided by which model, and what they are grouped by."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.bias import (
    MOST_VALUES,
    Breakdown,
    Comparison,
    Confusion,
    Grouping,
    Tie,
    breakdown,
    compare,
    confusion,
    grouping,
    tied_to_label,
)
from workbench.predictions import By, Independence, Predictions, independence_of, is_tested, units_by_name
from workbench.ui import draw, gallery, independence, labels, runs, selection, session, url
from workbench.ui.cache import slot
from workbench.ui.text import plain
from workbench.ui.view import View

ALL = "all"
SPLIT_TITLES = {"test": "Test split", "validation": "Validation split", "train": "Training split", ALL: "All images"}
CAVEATS = {
    "test": "",
    "validation": "The threshold may have been chosen on these images: slightly optimistic. ",
    "train": "The model was trained on them: optimistic. ",
    ALL: "Optimistic where the model was trained on them. ",
}
T = TypeVar("T")


@dataclasses.dataclass(frozen=True, eq=False)
class Scope(View):
    """What all sections of the page speak of.

    Attributes:
        predictions: The same N images, with measurements replaced by ranges where they are grouped by.
        rows: (N,) which images count.
        split: "test", "validation", "train" or "all".
        by: The attribute to group by, two of them where they are crossed, None where there is none.
        attributes: All attributes that the images can be grouped by.
        tied: Those of them that the label is known from, and how: they take no part in any test.
        whole: Those of them that are as in the image set, not cut into ranges.
        support: How many of the images can be judged.
        facts: These predictions and these images, as ingredients of a key.
        selected: How many images are selected on the map, None where no selection holds.
    """

    predictions: Predictions
    rows: NDArray[np.bool_]
    split: str
    by: By | None
    attributes: tuple[str, ...]
    tied: Mapping[str, Tie]
    whole: tuple[str, ...]
    support: int
    facts: Mapping[str, object]
    selected: int | None = None

    @property
    def tested(self) -> tuple[str, ...]:
        """The attributes whose groups can be compared with each other."""
        return tuple(name for name in self.attributes if name not in self.tied)

    @property
    def comparable(self) -> bool:
        """Whether the chosen groups can be compared: not where the label is known from what they are grouped by."""
        return self.by is not None and not self.tied.keys() & ({self.by} if isinstance(self.by, str) else set(self.by))

    @property
    def where(self) -> str:
        """Which images, in words for Markdown."""
        return f"{self.title}, {self.support:,} labelled images"

    @property
    def title(self) -> str:
        """The split, and the selection where there is one."""
        split = SPLIT_TITLES[self.split] + (" as proposed" if self.proposed and self.split != ALL else "")
        return split if self.selected is None else f"S{selection.title(self.selected)[1:]}, {split.lower()}"

    @property
    def stem(self) -> str:
        """What tells the downloads of these images from those of others."""
        split = f"{self.split}-as-proposed" if self.proposed else self.split
        return split if self.selected is None else f"{split}-selection-of-{self.selected}"

    @property
    def independence(self) -> Independence:
        """How independent those images are."""
        rows = self.rows & self.predictions.frame["verdict"].notna().to_numpy(bool)
        return self.kept("independence", lambda: independence_of(self.predictions.frame, rows))

    @property
    def units(self) -> dict[str, int] | None:
        """The independent unit of each image of the set by its name, where any is known."""
        return self.kept("units", lambda: units_by_name(self.predictions.frame))

    @property
    def footer(self) -> str:
        """What an image for a record must say of its figures."""
        at = f" at the threshold {self.model.rule.threshold:.3f}" if self.model.rule.threshold is not None else ""
        origin = " (synthetic)" if self.images.synthetic else ""
        where = f"{self.title.lower()}, {self.support:,} labelled images"
        return (
            f"{self.model.title}, model {self.model.key[:12]}{at}; {self.images.name}{origin}, {where}; 95 % intervals,"
            f" {self.independence.short}"
        )

    def kept(self, what: object, make: Callable[[], T]) -> T:
        """What `make` computes of these predictions, from the shelf where it was computed before."""
        return slot("bias figure", **self.facts, figure=what).kept(
            make, lambda _: 64 * 1024 + 8 * len(self.predictions)
        )

    def breakdown(self, by: By = "label") -> Breakdown:
        """The figures by class or by group."""
        return self.kept(("breakdown", by), lambda: breakdown(self.predictions, by, rows=self.rows))

    def confusion(self) -> Confusion:
        """Which class is called which."""
        return self.kept("confusion", lambda: confusion(self.predictions, self.rows))

    def comparison(self) -> Comparison | None:
        """The gaps by each attribute, and by two crossed where two are chosen; None if no groups can be compared."""
        if not self.tested:
            return None
        crossed = [] if self.by is None or isinstance(self.by, str) or not self.comparable else [self.by]
        ways: list[By] = [*self.tested, *crossed]
        return self.kept(("comparison", tuple(ways)), lambda: compare(self.predictions, *ways, rows=self.rows))

    def all_images(self) -> Scope:
        """The same about all images of the set."""
        return _made(self, self.predictions, Grouping(self.predictions, self.attributes, (), ()), ALL, self.by)

    def link(self, **query: str) -> dict[str, str]:
        """Query parameters of a link to Explain that keeps model, set and split."""
        own = {} if self.split == ALL else {"split": self.split}
        return {**url.link(**own), **query}


def choose(view: View) -> Scope | None:
    """The controls on top of the page; None, and a way out, where there is nothing to judge."""
    labels.banner(view)
    selection.chip(view)
    predictions = view.predictions
    if predictions is None or not predictions.frame["verdict"].notna().any():
        _nothing(view)
        return None
    groups = _grouping(predictions)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        split = _split(predictions)
        by = _by(groups)
        draw.meaning("evaluation-set", "What is the test split?", most=MOST_VALUES)
    scope = _made(view, predictions, groups, split, by, selection.chosen(view.images))
    _facts(scope, groups)
    if not scope.support:
        st.info(
            "None of these images has a label that the model knows: choose other images above.",
            icon=":material/label_off:",
        )
        return None
    return scope


def standard(view: View) -> Scope | None:
    """What the page speaks of before anything is chosen on it: the test split where there is one; None as `choose`."""
    predictions = view.predictions
    if predictions is None or not predictions.frame["verdict"].notna().any():
        return None
    groups = _grouping(predictions)
    split = "test" if is_tested(predictions) else ALL
    scope = _made(view, predictions, groups, split, groups.names[0] if groups.names else None)
    return scope if scope.support else None


def _made(
    view: View,
    predictions: Predictions,
    groups: Grouping,
    split: str,
    by: By | None,
    selected: frozenset[str] | None = None,
) -> Scope:
    rows = np.ones(len(predictions), bool) if split == ALL else (predictions.frame["split"] == split).to_numpy(bool)
    if selected is not None:
        rows = rows & predictions.frame["name"].isin(selected).to_numpy(bool)
    support = int((rows & predictions.frame["verdict"].notna().to_numpy(bool)).sum())
    whole = tuple(name for name in groups.names if name not in groups.cut)
    digest = selected and hashlib.sha256("\0".join(sorted(selected)).encode()).hexdigest()
    facts = {"table": session.token(predictions), "split": (split, digest) if digest else split}
    ties = slot("bias figure", **facts, figure="tied").kept(lambda: tied_to_label(predictions, rows), lambda _: 4096)
    tied = {name: tie for name, tie in ties.items() if name in groups.names}
    return Scope(
        view.model,
        view.images,
        groups.predictions,
        rows,
        split,
        by,
        groups.names,
        tied,
        whole,
        support,
        facts,
        None if selected is None else len(selected),
        proposed=view.proposed,
    )


def _grouping(predictions: Predictions) -> Grouping:
    place = slot("grouping", table=session.token(predictions))
    return place.kept(
        lambda: grouping(predictions), lambda groups: 64 * 1024 + (200 * len(predictions) if groups.cut else 0)
    )


def _split(predictions: Predictions) -> str:
    there = set(predictions.frame["split"].dropna().unique())
    options = [*(split for split in SPLIT_TITLES if split in there), ALL]
    default = "test" if "test" in there else ALL
    return url.select("Images", options, key="on", default=default, format_func=SPLIT_TITLES.__getitem__, width=170)


def _by(groups: Grouping) -> By | None:
    """What to group by; None where there is no attribute."""
    if not groups.names:
        return None
    by = url.select("Group by", groups.names, key="by", width=210)
    others = [name for name in groups.names if name != by]
    cross = (
        url.select("Crossed with", ["", *others], key="cross", format_func=lambda name: name or "nothing", width=210)
        if others
        else ""
    )
    return (by, cross) if cross else by


def _facts(scope: Scope, groups: Grouping) -> None:
    """What is measured on what, and what cannot be grouped by."""
    rule = scope.model.rule
    at = f" at the threshold {rule.threshold:.3f} for {plain(rule.positive)}" if rule.threshold is not None else ""
    synthetic = f" {gallery.chip('synthetic: generated, not photographed', 'doubt')}" if scope.images.synthetic else ""
    st.caption(
        f"**{plain(scope.model.title)}**{at}, measured on **{plain(scope.images.name)}**: {scope.where}. "
        f"{CAVEATS[scope.split]}Ranges are 95 % intervals."
    )
    if scope.selected is not None:
        st.caption(
            ":material/info: A slice that was selected because it looked bad looks worse than it is, and no p-value"
            " here allows for that choice: confirm it on images that were not looked at before."
        )
    if synthetic:
        st.html(synthetic)
    independence.note(scope, scope.independence, "bias")
    notes = [f"{plain(name)} is a measurement: its images are grouped into four ranges." for name in groups.cut]
    notes += [f"{plain(name)} {reason}: left out." for name, reason in groups.left_out]
    if notes:
        more = f" And {len(notes) - 6} more." if len(notes) > 6 else ""
        st.caption(":material/info: " + " ".join(notes[:6]) + more)


def _nothing(view: View) -> None:
    if view.predictions is None and any(item.label in view.model.rule.class_names for item in view.images):
        st.info("No predictions of this model for this image set yet.", icon=":material/play_circle:")
        runs.offer_predictions(view, "")
        return
    st.info(
        f"{plain(view.images.name)} has no labels that the model knows, so no accuracy can be computed. "
        "Put the images into folders named after classes, or add a manifest.csv with a column label.",
        icon=":material/label_off:",
    )
