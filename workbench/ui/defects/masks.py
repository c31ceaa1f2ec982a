"""The view of maps against masks: how well the maps of a method find the defects, for each kind."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from workbench.attribution import METHODS
from workbench.defects import FEW, MAP_FIGURES, Localisation, Row, Share, concluded, localise, shares_of, worst_shares
from workbench.drawing import render
from workbench.images import SAMPLE, ImageItem, testing_items
from workbench.predictions import units_by_name
from workbench.texts import shortened
from workbench.ui import choice, draw, photographs, results, terms, url
from workbench.ui.cache import Slot, computed, slot
from workbench.ui.defects import rests
from workbench.ui.defects.scope import Scope
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

OF_MAPS = tuple(name for name in MAP_FIGURES if name != "image AUROC")
"""The figures that depend on the map."""
TILE_EDGE, WORST, BESIDE = 260, 4, 3
"""Longest side of a tile in pixels, tiles a row, and how many methods stand side by side."""


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a method.

    Attributes:
        figures: For each kind of defect.
        shares: For each image with a defect, by name.
    """

    figures: Localisation
    shares: dict[str, Share]


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
    measured: Measured | None = _place("localisation", scope, method).get()
    if measured is None:
        many = min(len(items), SAMPLE)
        st.caption(
            f"{METHODS[method].title} is computed for {many:,} images, good parts included, and compared with the"
            " masks."
        )
        offer(f"Measure on {many:,} images", f"localise {method}", lambda: _localisation(scope, items, method))
        return
    st.markdown(f"**{concluded(METHODS[method].title, measured.figures.frame)}**")
    others = {
        other: known
        for other in rests.offered(scope.model)
        if other != method and (known := _place("localisation", scope, other).get()) is not None
    }
    known = {method: measured, **others}
    _methods(known)
    _table(scope, measured.figures)
    _worst(scope, dict(list(known.items())[:BESIDE]))


def _images(scope: Scope) -> list[ImageItem]:
    """Those of the test split, or all where it has no masks."""
    items = testing_items(scope.images, scope.predictions)
    return items if any(item.mask is not None for item in items) else list(scope.images)


def _localisation(scope: Scope, items: list[ImageItem], method: str) -> Measured | None:
    """The figures, computed with progress; the images measured so far are kept where it is stopped."""
    place = _place("localisation rows", scope, method)
    rows: MutableMapping[str, Row] = place.get() or {}
    names, scores = scope.predictions.frame["name"].to_numpy(), scope.scores
    columns = [scope.predictions.class_names.index(name) for name in scope.positive]
    likeliest = dict(zip(names, np.nan_to_num(scope.predictions.probabilities[:, columns]).argmax(1), strict=True))
    scores_of = {str(name): float(score) for name, score in zip(names, scores, strict=True) if math.isfinite(score)}

    def make(progress: Stoppable) -> Measured:
        try:
            figures = localise(
                choice.classifier(scope.model),
                items,
                method,
                target=lambda item: scope.positive[int(likeliest[item.name])],
                good=[name for name in scope.predictions.class_names if name not in scope.positive],
                scores=scores_of,
                units=units_by_name(scope.predictions.frame),
                rows=rows,
                params={"background": scope.images},
                on_progress=progress,
            )
            return Measured(figures, shares_of(rows.values()))
        finally:
            place.put(rows, 64 * 1024 + 2**20 * len(rows))

    return computed(_place("localisation", scope, method), METHODS[method].title, make, lambda _: 64 * 1024)


def _methods(known: Mapping[str, Measured]) -> None:
    """The figures of all defects, a row a method that was measured."""
    import pandas as pd

    if len(known) == 1:
        st.caption("Measure another method, and both stand side by side.")
        return
    rows = [
        {"method": METHODS[name].title, **{figure: _figure(_rows(each.figures)[-1], figure) for figure in OF_MAPS}}
        for name, each in known.items()
    ]
    st.header("Methods side by side", anchor=False)
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt="Methods side by side, all defects")


def _worst(scope: Scope, known: Mapping[str, Measured]) -> None:
    """The defects that the first method's maps miss most, each with its outline and the maps of all."""
    worst = worst_shares(next(iter(known.values())).shares)
    if not worst:
        return
    st.header(f"The {len(worst)} worst", anchor=False)
    st.caption(
        "Of these the least of the map lies within the mask, for its size. Magenta outlines the mask; left to right: "
        + ", ".join(METHODS[name].title for name in known)
        + "."
    )
    with st.grid(WORST, min_column_width=200 if len(known) == 1 else 320, key="worst"):
        for share in worst:
            with st.container(gap="xsmall"):
                _tile(scope, share, known)


def _tile(scope: Scope, share: Share, known: Mapping[str, Measured]) -> None:
    item = scope.image(share.name)
    image, mask = photographs.fitted(item, TILE_EDGE), photographs.mask_of(item)
    aim = {"target": rests.target(scope, scope.predictions.by_name[share.name]), "score": "logit"}
    maps, masses = [], []
    for method, measured in known.items():
        found = results.attribution(scope.of(item), method, aim, {})
        if found is None or isinstance(found, str):
            continue
        over = render.overlay(image, rests.heatmap(found, image), rests.Question(method, "").signed)
        maps.append(over if mask is None else render.outline(over, photographs.resized(mask, image.size)))
        masses.append(f"{measured.shares[share.name].mass:.0%}" if share.name in measured.shares else "n/a")
    if not maps:
        return
    name = plain(shortened(share.name.rpartition("/")[2], 28))
    draw.image(_joined(maps), f"Maps of {share.name}, {share.kind}")
    st.caption(f"{name}, {plain(share.kind)}: {' and '.join(masses)} within the mask, {share.chance:.0%} by chance")
    query = url.link(view="decisions", queue="all", on="all", image=share.name)
    st.page_link(url.DEFECTS, label="Open this image", query_params=query)


def _joined(images: list[Image.Image]) -> Image.Image:
    """Images of one size, side by side."""
    width, height = images[0].size
    joined = Image.new("RGB", (width * len(images), height))
    for number, image in enumerate(images):
        joined.paste(image, (number * width, 0))
    return joined


def _place(kind: str, scope: Scope, method: str) -> Slot:
    return slot(kind, **scope.model.identity, **scope.facts, images=scope.images.key, method=method)


def _table(scope: Scope, result: Localisation) -> None:
    table = texts(result)
    st.caption(
        f"{METHODS[result.method].title} of {result.sample['drawn']:,} of {result.sample['images']:,} images, "
        f"{result.good:,} of them good parts. The table scrolls sideways where it is cut."
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
            {"kind": row["kind"], "images": _support(row), **{name: _figure(row, name) for name in MAP_FIGURES}}
            for row in _rows(result)
        ]
    )


def _rows(result: Localisation) -> list[dict[str, float | str]]:
    return [{str(key): value for key, value in row.items()} for row in result.frame.to_dict("records")]


def _support(row: dict[str, float | str]) -> str:
    joined = "" if row["units"] == row["support"] else f" in {row['units']:,} units"
    return f"{row['support']:,}{joined}"


def _figure(row: dict[str, float | str], name: str) -> str:
    value, low, high, chance = (float(row[f"{name}{end}"]) for end in ("", " low", " high", " chance"))
    if math.isnan(value):
        return "n/a"
    area = "AU" in name
    text = f"{value:.3f}" if area else f"{value:.1%}"
    if not math.isnan(low):
        text += f" ({low:.3f} to {high:.3f})" if area else f" ({low:.1%} to {high:.1%})"
    return text if math.isnan(chance) else text + (f"; chance {chance:.2f}" if area else f"; chance {chance:.1%}")
