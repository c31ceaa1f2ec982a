"""The section on where the model looks: mean maps by class and group, and whether groups differ beyond chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from PIL import Image

from workbench.attribution import METHODS
from workbench.bias import LOOKED_AT, Maps, differences, focus, maps_of, mean_maps
from workbench.drawing import render
from workbench.images import SAMPLE
from workbench.stats import ENOUGH
from workbench.ui import audits, draw, runs, url
from workbench.ui.bias import tables, words
from workbench.ui.bias.scope import Scope
from workbench.ui.progress import offer
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_METHODS = ("grad_cam", "integrated_gradients", "input_x_gradient", "saliency", "occlusion", "layer_cam")
"""Methods for a whole sample: the cheapest that suits most models first."""
SHOWN_REGIONS = (*(region.name for region in LOOKED_AT if "quadrant" not in region.name), "mask")
MOST_MAPS = 12
SIDE = 240
CELLS = 1024
UNIT = "times an even map"


def maps(scope: Scope) -> Maps | None:
    """The maps of the chosen method among the images of the page; None, and a way to get them, where there are none."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = url.select(
            "Maps by",
            SAMPLE_METHODS,
            key="maps",
            format_func=lambda name: METHODS[name].title,
            width=230,
            help="One method for the whole section.",
        )
        draw.meaning("mean-attribution-map")
    summaries = audits.summaries(scope, scope.predictions, method)
    if summaries is None:
        _offer(scope, method)
        return None
    return _among(scope, maps_of(summaries, scope.predictions))


def _offer(scope: Scope, method: str) -> None:
    """The way to the maps, and why those that were made before are not shown."""
    stale = (
        " The stored maps no longer fit: images, labels, decisions or the background have changed. Maps that still "
        "fit are kept; only the rest is computed."
    )
    st.info(
        f"To see where the model looks on average, {METHODS[method].title} is computed for a sample of up to"
        f" {SAMPLE} images, spread over the classes of the test"
        f" split.{stale if audits.outdated(scope, method) else ''}",
        icon=":material/center_focus_strong:",
    )
    label = f"Compute {SAMPLE} maps"
    offer(label, f"look {method}", lambda: runs.summaries(scope, scope.predictions, method))


def _among(scope: Scope, sample: Maps) -> Maps | None:
    """Those of the images that the page is about."""
    names = set(scope.predictions.frame["name"][scope.rows])
    rows = sample.frame["name"].isin(names).to_numpy(bool)
    if not rows.any():
        of = " and ".join(sorted(sample.frame["split"].dropna().unique()))
        where = f"of the {of} split" if of else "without a split"
        st.info(
            f"The maps are of a sample {where}, none of them among these images: choose others above.",
            icon=":material/filter_alt_off:",
        )
        return None
    return Maps(sample.frame[rows].reset_index(drop=True), sample.heatmaps[rows], sample.mask[rows], sample.method)


def section(scope: Scope, sample: Maps) -> None:
    """Mean maps, shares and differences."""
    ways = ["predicted", "label", *scope.attributes]
    titles = {"predicted": "predicted class", "label": "true class"}
    by = url.select("Mean maps by", ways, key="maps_by", format_func=lambda way: titles.get(way, way), width=230)
    _images(scope, sample, by)
    frame = focus(sample, by)
    _shares(scope, frame, by)
    _differences(scope, sample)


def _images(scope: Scope, sample: Maps, by: str) -> None:
    means = sorted(mean_maps(sample, by).items(), key=lambda line: -line[1][1])[:MOST_MAPS]
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
            "png maps",
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
                row[region] = (
                    _share(line["share"], line["low"], line["high"])
                    if line["enough"]
                    else f"too few ({line['support']})"
                )
        rows.append(row)
    areas = frame.groupby("region")["area"].first()
    regions = [region for region in SHOWN_REGIONS if np.isfinite(areas.get(region, np.nan))]
    rows.append({"group": "an even map", "maps": "", **{region: words.percent(areas[region]) for region in regions}})
    pinned = {"group": st.column_config.TextColumn("group", pinned=True)}
    st.dataframe(pd.DataFrame(rows).fillna(""), hide_index=True, column_config=pinned)
    tables.csv("Shares of attribution (CSV)", frame, f"bias-shares-{by}")


def _share(value: float, low: float, high: float) -> str:
    return f"{words.percent(value)} ({100 * low:.1f} to {100 * high:.1f})" if np.isfinite(low) else words.percent(value)


def _differences(scope: Scope, sample: Maps) -> None:
    if not scope.tested:
        return
    facts = "where", sample.method, sample.frame["id"].tolist(), sample.heatmaps, scope.tested
    frame = scope.kept(facts, lambda: differences(sample, *scope.tested))
    if frame.empty:
        st.caption(f"No attribute has two groups of {ENOUGH} maps: too few to compare where the model looks.")
        return
    rows = frame[frame["significant"]].sort_values("p adjusted", kind="stable").to_dict("records")
    if not rows:
        st.markdown(
            f"**Groups**: no difference in where the model looks is proven for any region ({len(frame)} comparisons,"
            f" smallest {words.chance(frame['p adjusted'].min())} after correction)."
        )
    for line in rows[:4]:
        st.markdown(
            f"**By {plain(line['by'])}**: the model looks at the {line['region']} more for {plain(line['most'])} than"
            f" for {plain(line['least'])}: {100 * line['gap']:.1f} points of its attribution more,"
            f" {words.chance(line['p adjusted'])} after correction for {len(frame)} comparisons."
        )
    tables.csv("Do groups differ? (CSV)", frame, f"bias-where-{scope.split}")
