"""The section on attacks over a set: accuracy against epsilon, and whether the model hides its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from workbench.images import ImageItem, samples
from workbench.probe import ATTACKS, Robustness, outcomes, robustness
from workbench.ui import choice, draw, kin
from workbench.ui.cache import Slot, computed, slot
from workbench.ui.probe.conclusion import conclude, counted
from workbench.ui.progress import Stoppable, offer
from workbench.ui.text import plain
from workbench.ui.view import View

ATTACKED = 40
EPSILONS = {"linf": (1.0, 2.0, 4.0, 8.0), "l2": (0.125, 0.25, 0.5, 1.0)}


def section(view: View, method: str) -> None:
    """A button, then the curves and what the black-box attack says."""
    method = method if ATTACKS[method].white else "pgd"
    items = [
        item
        for item in samples.testing_items(view.images, view.predictions)
        if item.label in view.model.rule.class_names
    ]
    if not items:
        st.caption("None of these images has a label that the model knows: accuracy under attack cannot be measured.")
        return
    many = min(len(items), ATTACKED)
    check = ATTACKS[method].norm == "linf" and st.toggle(
        "Also test for gradient masking (minutes)", key="masked gradients"
    )
    result: Robustness | None = _place("robustness", view, items, method, check).get()
    if result is None:
        st.caption(
            f"{ATTACKS[method].title} with growing epsilon on {many:,} images{samples.of_split(items)}: minutes on a"
            " CPU."
        )
        offer(
            f"Attack {many:,} images",
            f"robust {method} {view.model.key[:12]}",
            lambda: _attack(view, items, method, check),
        )
        return
    conclude(outcomes.of_robustness(result), within=True)
    draw.meaning("robust-accuracy", "What is robust accuracy?")
    if result.masking is not None:
        kind = st.error if result.masking.flagged else st.success if result.masking.told else st.info
        kind(
            plain(result.masking.message, 500),
            icon=":material/visibility_off:" if result.masking.flagged else ":material/check:",
        )
    _curves(result, view.model.rule.class_names)
    st.caption(
        f"{len(result.rows):,} of {result.sample['images']:,} images{samples.of_split(items)}; bands are 95 %"
        f" intervals, {counted(result.units)}."
    )
    draw.table("Figures (CSV)", lambda: result.frame, f"robustness-{method}.csv", "csv robust")


def _place(kind: str, view: View, items: list[ImageItem], method: str, check: bool) -> Slot:
    facts: dict[str, object] = {"items": [item.name for item in items], "method": method, "check": check}
    if kind == "robustness":
        facts["families"] = kin.known_key(view.images)
    return slot(kind, **view.model.identity, images=view.images.key, **facts)


def _attack(view: View, items: list[ImageItem], method: str, check: bool) -> Robustness | None:
    place = _place("robustness rows", view, items, method, check)
    rows = place.get() or {}
    norm = ATTACKS[method].norm

    def make(progress: Stoppable) -> Robustness:
        try:
            return robustness(
                choice.classifier(view.model),
                items,
                EPSILONS[norm],
                method,
                check=check,
                most=ATTACKED,
                units=kin.units_of(view.images),
                known=rows,
                on_progress=progress,
            )
        finally:
            place.put(rows, 1024 * (1 + len(rows)))

    return computed(_place("robustness", view, items, method, check), ATTACKS[method].title, make, lambda _: 64 * 1024)


def _curves(result: Robustness, class_names: Sequence[str]) -> None:
    x = {"field": "epsilon", "type": "quantitative", "title": "epsilon"}
    scale = {
        "type": "quantitative",
        "title": "correct under attack",
        "scale": {"domain": [0, 1]},
        "axis": {"format": "%"},
    }
    colour = draw.colours(class_names, result.frame["group"].unique().tolist(), "group")
    tip = [{"field": "group"}, {"field": "epsilon"}, {"field": "accuracy", "format": ".1%"}, {"field": "support"}]
    spec: dict[str, Any] = {
        "height": 260,
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.15},
                "encoding": {"x": x, "y": {"field": "low", **scale}, "y2": {"field": "high"}, "color": colour},
            },
            {
                "mark": {"type": "line", "point": True},
                "encoding": {"x": x, "y": {"field": "accuracy", **scale}, "color": colour, "tooltip": tip},
            },
        ],
    }
    st.vega_lite_chart(result.frame, spec)
