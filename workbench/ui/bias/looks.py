"""Mean maps by class and group, the share of them in each place, and whether groups differ beyond chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from workbench.attribution import METHODS
from workbench.bias import LOOKED_AT, Maps, chance, differences, focus, mean_maps, percent
from workbench.drawing import render
from workbench.stats import ENOUGH
from workbench.ui import draw, url
from workbench.ui.bias import tables
from workbench.ui.bias.scope import Scope
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

SHOWN_REGIONS = (*(region.name for region in LOOKED_AT if "quadrant" not in region.name), "mask")
MOST_MAPS = 12
SIDE = 240
CELLS = 1024
UNIT = "times an even map"


def section(scope: Scope, sample: Maps) -> None:
    """Mean maps, shares and differences."""
    ways = ["predicted", "label", *scope.attributes]
    titles = {"predicted": "predicted class", "label": "true class"}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = url.select("Mean maps by", ways, key="maps_by", format_func=lambda way: titles.get(way, way), width=230)
        draw.meaning("mean-attribution-map", "What is a mean map?")
    images(scope, sample, by)
    frame = focus(sample, by)
    _shares(scope, frame, by)
    _differences(scope, sample)


def images(scope: Scope, sample: Maps, by: str, most: int = MOST_MAPS) -> None:
    """The mean maps of the groups with most maps, on one scale."""
    means = sorted(mean_maps(sample, by).items(), key=lambda line: -line[1][1])[:most]
    scale = render.scale_of([heatmap * CELLS for _, (heatmap, _) in means], signed=False)
    with st.grid(max(len(means), 5), min_column_width=150):
        for name, (heatmap, count) in means:
            with st.container(gap="xsmall"):
                image = Image.fromarray(scale.colours(heatmap * CELLS)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
                draw.image(image, f"mean map of {name}")
                few = "" if count >= ENOUGH else ", too few for a verdict"
                st.caption(f"**{plain(name)}**, {count:,} images{few}")
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width=260):
            draw.colour_bar(scale, UNIT)
        panels = [
            render.Panel(
                name,
                Image.fromarray(scale.colours(heatmap * CELLS)).resize((SIDE, SIDE)),
                scale,
                UNIT,
                f"{count:,} images",
            )
            for name, (heatmap, count) in means
        ]
        title = f"Mean map by {METHODS[sample.method].title}"
        draw.download(
            "Mean maps (PNG)",
            lambda: render.figure(None, panels, title, scope.footer),
            f"bias-maps-{sample.method}.png",
            f"png maps {by} {most}",
        )


def _shares(scope: Scope, frame: pd.DataFrame, by: str) -> None:
    import pandas as pd

    rows = []
    for group, part in frame.groupby("group", sort=False):
        lines = {line["region"]: line for line in part.to_dict("records")}
        row: dict[str, str] = {"group": str(group), "maps": f"{part['support'].max():,}"}
        for region in SHOWN_REGIONS:
            if region in lines:
                line = lines[region]
                few = f"{line['support']}" if line["support"] < ENOUGH else f"{line['units']} units"
                value = _share(line["share"], line["low"], line["high"])
                row[region] = value if line["enough"] else f"too few ({few})"
        rows.append(row)
    areas = frame.groupby("region")["area"].first()
    regions = [region for region in SHOWN_REGIONS if np.isfinite(areas.get(region, np.nan))]
    rows.append({"group": "an even map", "maps": "", **{region: percent(areas[region]) for region in regions}})
    tables.wide(pd.DataFrame(rows).fillna(""), "Shares of attribution in each place")
    tables.csv("Shares of attribution (CSV)", frame, f"bias-shares-{by}")


def _share(value: float, low: float, high: float) -> str:
    return f"{percent(value)} ({100 * low:.1f} to {100 * high:.1f})" if np.isfinite(low) else percent(value)


def _differences(scope: Scope, sample: Maps) -> None:
    if not scope.tested:
        return
    facts = "where", sample.method, sample.frame["id"].tolist(), sample.heatmaps, scope.tested
    frame = scope.kept(facts, lambda: differences(sample, *scope.tested))
    if frame.empty:
        st.caption(
            f"No attribute has two groups of {ENOUGH} maps, of enough units: too few to compare where the model looks."
        )
        return
    rows = frame[frame["significant"]].sort_values("p adjusted", kind="stable").to_dict("records")
    if not rows:
        st.markdown(
            f"**Groups**: no difference in where the model looks is proven for any region ({len(frame)} comparisons,"
            f" smallest {chance(frame['p adjusted'].min())} after correction)."
        )
    for line in rows[:4]:
        st.markdown(
            f"**By {plain(line['by'])}**: the model looks at the {line['region']} more for {plain(line['most'])} than"
            f" for {plain(line['least'])}: {100 * line['gap']:.1f} points of its attribution more,"
            f" {chance(line['p adjusted'])} after correction for {len(frame)} comparisons."
        )
    tables.csv("Do groups differ? (CSV)", frame, f"bias-where-{scope.stem}")
