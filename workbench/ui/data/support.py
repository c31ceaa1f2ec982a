"""How much the set can carry: independent parts by class and split, what they prove, and how many more are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from workbench.predictions import FAMILY, attributes_of
from workbench.quality import NO_SPLIT, Promise, Support, support, support_results
from workbench.stats import ENOUGH
from workbench.ui import checks, draw, gallery, url
from workbench.ui.cache import slot
from workbench.ui.data.scope import Scope
from workbench.ui.progress import guarded
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

MOST_SUPPORT_ROWS = 200
MOST_DOORS = 24


@st.fragment
@guarded
def section(scope: Scope) -> None:
    """Controls, findings, the table, and the way to the images."""
    if not scope.images.class_names:
        st.markdown(
            "**Cannot be told**: no image has a label. Put the images into folders named after classes, or add a"
            " manifest with a column `label`."
        )
        return
    promise, by = _controls(scope)
    result = of(scope, promise, by)
    if not result.joined:
        st.caption("Each image is counted as a part of its own: neither groups nor families are known.")
    checks.lines(support_results(result))
    _table(result)
    with st.container(horizontal=True, vertical_alignment="center"):
        draw.table("Support (CSV)", lambda: result.frame, "support.csv", "csv support")
        draw.meaning("support", "What does this mean?", enough=ENOUGH)
    _doors(result)


def of(scope: Scope, promise: Promise, by: str = "") -> Support:
    """What the set can carry of a promise, by class and split, and by an attribute where one is named; kept."""
    return slot("support", **scope.facts, promise=promise, by=by).kept(
        lambda: support(table_of(scope), promise, by=by), lambda made: 4096 + 400 * len(made.frame)
    )


def table_of(scope: Scope) -> pd.DataFrame:
    """A row an image, with label, split, group and family, and the verdict where predictions are known."""
    if scope.predictions is not None:
        return scope.predictions.frame
    import pandas as pd

    items = scope.images.items
    names = {"name": [i.name for i in items], "label": [i.label for i in items], "split": [i.split for i in items]}
    frame = pd.concat([pd.DataFrame(names, dtype=object), attributes_of(items)], axis=1)
    if scope.families is not None:
        frame[FAMILY] = frame["name"].map(scope.families.by_name).astype(object)
    return frame


def _controls(scope: Scope) -> tuple[Promise, str]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        ceiling = url.number("Ceiling to prove (%)", 0.001, 50.0, key="promised", default=5.0, step=1.0, width=170)
        allowed = url.segments("Mistakes allowed", ["0", "1", "2"], key="allowed", default="0")
        within = url.number("Interval (± points)", 0.1, 50.0, key="within", default=5.0, step=1.0, width=160)
        there = [name for name in gallery.groups(scope.images) if name in table_of(scope)]
        by = url.select(
            "Also by", ["", *there], key="count_by", format_func=lambda name: name or "nothing else", width=190
        )
    return Promise(ceiling / 100, int(allowed), within / 100), by


def _table(result: Support) -> None:
    promise, unit = result.promise, result.unit
    frame, per_cent = (
        result.frame.head(MOST_SUPPORT_ROWS).copy(),
        ("right", "right low", "right high", "provable ceiling"),
    )
    shown = frame[["class", "split", *([result.by] if result.by else []), "images"]].rename(columns=str.capitalize)
    if result.joined:
        shown[unit.capitalize()] = frame["parts"]
    if result.predicted:
        shown["Decided right"] = [
            "" if value is None or value != value else f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
            for value, low, high in zip(*(frame[name] for name in per_cent[:3]), strict=True)
        ]
    shown["Interval ±"] = [f"{100 * half:.1f} points" for half in frame["half-width"]]
    shown["Provable ceiling"] = [f"{100 * proven:.2f} %" for proven in frame["provable ceiling"]]
    shown[f"More {unit} for {100 * promise.ceiling:.3g} %"] = frame["more for the ceiling"]
    shown[f"More {unit} for ± {100 * promise.within:.3g}"] = frame["more for the interval"]
    if result.predicted and "train" in set(frame["split"]):
        st.caption("Figures of the training split flatter the model: it was trained on those images.")
    if len(result.frame) > MOST_SUPPORT_ROWS:
        st.caption(f"The first {MOST_SUPPORT_ROWS} of {len(result.frame):,} rows; the CSV holds all.")
    st.dataframe(
        shown,
        hide_index=True,
        column_config={"Class": st.column_config.TextColumn("Class", pinned=True, width=130)},
        alt="Support by class and split",
    )


def _doors(result: Support) -> None:
    """A link to the images of each row, those of the classes with the fewest parts first."""
    rows = result.frame[result.frame["images"] > 0].sort_values("parts", kind="stable").head(MOST_DOORS)
    with st.expander("Look at the images of a class"):
        for row in rows.to_dict("records"):
            name, split, value = str(row["class"]), str(row["split"]), str(row.get(result.by) or "")
            own = {"class": gallery.class_token(name)}
            own |= {} if split == NO_SPLIT else {"split": split}
            own |= {"group": gallery.token(result.by, value)} if value else {}
            words = ", ".join(plain(part) for part in (name, split, value) if part)
            st.page_link(url.EXPLAIN, label=f"{words}: {row['images']:,} images", query_params=url.link(**own))
