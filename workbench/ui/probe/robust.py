"""The section on attacks over a set: accuracy against epsilon, and whether the model hides its gradients."""

from __future__ import annotations

from typing import Any

import streamlit as st

from workbench.images import ImageItem, ImageSet, samples
from workbench.predictions import Predictions
from workbench.probe import ATTACKS, TESTED, Robustness, robustness
from workbench.ui import choice, draw
from workbench.ui.cache import Slot, computed, slot
from workbench.ui.progress import Stoppable, offer
from workbench.ui.text import plain

ATTACKED = 40
EPSILONS = {"linf": (1.0, 2.0, 4.0, 8.0), "l2": (0.125, 0.25, 0.5, 1.0)}


def section(model: choice.ModelChoice, images: ImageSet, known: Predictions | None, method: str) -> None:
    """A button, then the curves and what the black-box attack says."""
    method = method if ATTACKS[method].white else "pgd"
    items = [item for item in samples.testing_items(images, known) if item.label in model.rule.class_names]
    if not items:
        st.caption("None of these images has a label that the model knows: accuracy under attack cannot be measured.")
        return
    many = min(len(items), ATTACKED)
    check = ATTACKS[method].norm == "linf" and st.toggle(
        "Also test for gradient masking (minutes)", key="masked gradients"
    )
    found: Robustness | None = _place("robustness", model, images, items, method, check).get()
    if found is None:
        st.caption(
            f"{ATTACKS[method].title} with growing epsilon on {many:,} images{samples.of_split(items)}: minutes on a"
            " CPU."
        )
        offer(
            f"Attack {many:,} images",
            f"robust {method} {model.key[:12]}",
            lambda: _attacked(model, images, items, method, check),
        )
        return
    draw.meaning("robust-accuracy")
    if found.masking is not None:
        kind = st.error if found.masking.flagged else st.success if found.masking.tested >= TESTED else st.info
        kind(
            plain(found.masking.message, 500),
            icon=":material/visibility_off:" if found.masking.flagged else ":material/check:",
        )
    _curves(found)
    st.caption(
        f"{len(found.rows):,} of {found.sample['images']:,} images{samples.of_split(items)}; bands are 95 % intervals"
        " (Wilson)."
    )
    draw.table("Figures (CSV)", lambda: found.frame, f"robustness-{method}.csv", "csv robust")


def _place(
    kind: str, model: choice.ModelChoice, images: ImageSet, items: list[ImageItem], method: str, check: bool
) -> Slot:
    names = [item.name for item in items]
    return slot(kind, **model.identity, images=images.key, items=names, method=method, check=check)


def _attacked(
    model: choice.ModelChoice, images: ImageSet, items: list[ImageItem], method: str, check: bool
) -> Robustness | None:
    kept = _place("robustness rows", model, images, items, method, check)
    rows = kept.get() or {}
    norm = ATTACKS[method].norm

    def make(progress: Stoppable) -> Robustness:
        try:
            return robustness(
                choice.classifier(model),
                items,
                EPSILONS[norm],
                method,
                check=check,
                most=ATTACKED,
                known=rows,
                on_progress=progress,
            )
        finally:
            kept.put(rows, 1024 * (1 + len(rows)))

    return computed(
        _place("robustness", model, images, items, method, check), ATTACKS[method].title, make, lambda _: 64 * 1024
    )


def _curves(found: Robustness) -> None:
    x = {"field": "epsilon", "type": "quantitative", "title": "epsilon"}
    scale = {
        "type": "quantitative",
        "title": "correct under attack",
        "scale": {"domain": [0, 1]},
        "axis": {"format": "%"},
    }
    colour = {"field": "group", "type": "nominal", "title": None}
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
    st.vega_lite_chart(found.frame, spec)
