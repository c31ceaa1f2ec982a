"""The view of maps against masks: how well the maps of a method find the defects, for each kind."""

from __future__ import annotations

import math
from collections.abc import MutableMapping
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from workbench.attribution import METHODS
from workbench.defects import FEW, MAP_FIGURES, Localisation, Row, localise
from workbench.images import SAMPLE, ImageItem, testing_items
from workbench.ui import choice, draw, terms, url
from workbench.ui.cache import Slot, computed, slot
from workbench.ui.defects import rests
from workbench.ui.defects.scope import Scope
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd


@guarded
def section(scope: Scope) -> None:
    """The method, a button, and the table."""
    items = _images(scope)
    if not any(item.mask is not None and item.label in scope.positive for item in items):
        st.info(
            f"{plain(scope.images.name)} has no masks that mark its defects, so localisation cannot be measured. Masks "
            "come with the MVTec AD layout, as x.png beside x.jpg, or in a column mask of manifest.csv.",
            icon=":material/select_all:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = url.select(
            "Map by", rests.offered(scope.model), key="map", format_func=lambda name: METHODS[name].title, width=250
        )
        draw.meaning("localisation-metrics", "What is mass accuracy?")
    result: Localisation | None = _place("localisation", scope, method).get()
    if result is None:
        many = min(len(items), SAMPLE)
        st.caption(
            f"{METHODS[method].title} is computed for {many:,} images, good parts included, and compared with the"
            " masks."
        )
        offer(f"Measure on {many:,} images", f"localise {method}", lambda: _localisation(scope, items, method))
        return
    _table(scope, result)


def _images(scope: Scope) -> list[ImageItem]:
    """Those of the test split, or all where it has no masks."""
    items = testing_items(scope.images, scope.predictions)
    return items if any(item.mask is not None for item in items) else list(scope.images)


def _localisation(scope: Scope, items: list[ImageItem], method: str) -> Localisation | None:
    """The figures, computed with progress; the images measured so far are kept where it is stopped."""
    place = _place("localisation rows", scope, method)
    rows: MutableMapping[str, Row] = place.get() or {}
    names, scores = scope.predictions.frame["name"].to_numpy(), scope.scores
    columns = [scope.predictions.class_names.index(name) for name in scope.positive]
    likeliest = dict(zip(names, np.nan_to_num(scope.predictions.probabilities[:, columns]).argmax(1), strict=True))
    scores_of = {str(name): float(score) for name, score in zip(names, scores, strict=True) if math.isfinite(score)}

    def make(progress: Stoppable) -> Localisation:
        try:
            return localise(
                choice.classifier(scope.model),
                items,
                method,
                target=lambda item: scope.positive[int(likeliest[item.name])],
                good=[name for name in scope.predictions.class_names if name not in scope.positive],
                scores=scores_of,
                rows=rows,
                params={"background": scope.images},
                on_progress=progress,
            )
        finally:
            place.put(rows, 64 * 1024 + 2**20 * len(rows))

    return computed(_place("localisation", scope, method), METHODS[method].title, make, lambda _: 64 * 1024)


def _place(kind: str, scope: Scope, method: str) -> Slot:
    return slot(kind, **scope.model.identity, **scope.facts, images=scope.images.key, method=method)


def _table(scope: Scope, result: Localisation) -> None:
    table = texts(result)
    st.caption(
        f"{METHODS[result.method].title} of {result.sample['drawn']:,} of {result.sample['images']:,} images, "
        f"{result.good:,} of them good parts."
    )
    columns = {
        name: st.column_config.TextColumn(name, help=terms.entry("localisation-metrics", name)) for name in MAP_FIGURES
    }
    st.dataframe(table, hide_index=True, column_config=columns, alt="Localisation: maps against masks")
    if not result.frame["enough"].all():
        st.caption(f":material/info: For a kind with fewer than {FEW} images only the count is meaningful.")
    if result.left_out:
        with st.expander(f"{len(result.left_out):,} images are left out"):
            for failure in result.left_out[:50]:
                st.caption(f"{plain(failure.name)}: {plain(failure.message, 300)}")
    name = f"maps-against-masks-{result.method}"
    draw.table("Figures (CSV)", lambda: result.frame, f"{name}.csv", "csv masks")


def texts(result: Localisation) -> pd.DataFrame:
    """The figures as text."""
    import pandas as pd

    return pd.DataFrame(
        [
            {"kind": row["kind"], "images": row["support"], **{name: _figure(row, name) for name in MAP_FIGURES}}
            for row in _rows(result)
        ]
    )


def _rows(result: Localisation) -> list[dict[str, float | str]]:
    return [{str(key): value for key, value in row.items()} for row in result.frame.to_dict("records")]


def _figure(row: dict[str, float | str], name: str) -> str:
    value, low, high, chance = (float(row[f"{name}{end}"]) for end in ("", " low", " high", " chance"))
    if math.isnan(value):
        return "n/a"
    area = "AU" in name
    text = f"{value:.3f}" if area else f"{value:.1%}"
    if not math.isnan(low):
        text += f" ({low:.3f} to {high:.3f})" if area else f" ({low:.1%} to {high:.1%})"
    return text if math.isnan(chance) else text + (f"; chance {chance:.2f}" if area else f"; chance {chance:.1%}")
