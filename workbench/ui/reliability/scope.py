"""What the Reliability page speaks of: what the model says of all images of a set, and which classes are defects."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

import streamlit as st

from workbench.predictions import Independence, Predictions, independence_of, known_defects
from workbench.ui import draw, gallery, independence, kin, runs, session
from workbench.ui.cache import slot
from workbench.ui.text import plain
from workbench.ui.view import View

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, eq=False)
class Scope(View):
    """What all sections of the page speak of.

    Attributes:
        predictions: What the model says of the images of the set, all splits.
    """

    predictions: Predictions

    @cached_property
    def positive(self) -> tuple[str, ...]:
        """The classes that are defects; none where no class says by its name that it is good."""
        return known_defects(self.predictions)

    @property
    def threshold(self) -> float | None:
        """The working threshold; None where the most probable class is the decision."""
        return self.predictions.rule.threshold

    @cached_property
    def independence(self) -> Independence:
        """How independent the images with a verdict are."""
        return independence_of(self.predictions.frame, self.predictions.frame["verdict"].notna().to_numpy(bool))

    @property
    def stored(self) -> dict[str, str | None]:
        """These images, how they are labelled and dealt, and which belong together, as ingredients of a key that names
        the same in another process."""

        def facts() -> str:
            columns = [self.predictions.frame[name].tolist() for name in ("name", "label", "split")]
            return hashlib.sha256(repr(columns).encode()).hexdigest()

        table = self.kept("names, labels, splits", facts)
        return {"images": self.images.key, "families": kin.known_key(self.images), "table": table}

    @property
    def footer(self) -> str:
        """What an image for a record must say of its figures."""
        at = f" at the threshold {self.threshold:.3f}" if self.threshold is not None else ""
        origin = " (synthetic)" if self.images.synthetic else ""
        return (
            f"{self.model.title}, model {self.model.key[:12]}{at}; {self.images.name}{origin}; 95 % intervals,"
            f" {self.independence.short}"
        )

    def kept(self, what: object, make: Callable[[], T]) -> T:
        """What `make` computes of these predictions alone in a moment, from the shelf where it was computed before."""
        place = slot("reliability figure", table=session.token(self.predictions), figure=what)
        return place.kept(make, lambda _: 64 * 1024 + 8 * len(self.predictions))


def scope_of(view: View) -> Scope | None:
    """What the page speaks of, said on top of it; None, and a way out, where the model was not asked yet."""
    if view.predictions is None:
        st.info("No predictions of this model for this image set yet.", icon=":material/play_circle:")
        runs.offer_predictions(view, "")
        return None
    scope = Scope(view.model, view.images, view.predictions, proposed=view.proposed)
    _facts(scope)
    return scope


def _facts(scope: Scope) -> None:
    """What is measured on what."""
    rule = scope.model.rule
    at = f" at the threshold {rule.threshold:.3f} for {plain(rule.positive)}" if rule.threshold is not None else ""
    counts = scope.predictions.frame["split"].fillna("no split").value_counts()
    splits = ", ".join(f"{count:,} {plain(name)}" for name, count in counts.items())
    st.caption(
        f"**{plain(scope.model.title)}**{at}, measured on **{plain(scope.images.name)}**: {len(scope.predictions):,}"
        f" images ({splits}). Ranges are 95 % intervals."
    )
    if scope.images.synthetic:
        st.html(gallery.chip("synthetic: generated, not photographed", "doubt"))
    independence.note(scope, scope.independence, "reliability")
    draw.meaning("reliability", "What is this page for?")
