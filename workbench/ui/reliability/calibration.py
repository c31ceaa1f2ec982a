"""Calibration: the reliability diagram, what is true near the threshold, and the temperature that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from workbench.drawing import charts
from workbench.errors import LONGEST, InputError
from workbench.files import CheckResult
from workbench.models import temperature_lines, tempered_toml
from workbench.predictions import UNSURE
from workbench.reliability import (
    Calibration,
    calibration_of,
    calibration_results,
    calibration_tables,
    diagram_table,
)
from workbench.ui import checks, choice, draw
from workbench.ui.progress import guarded
from workbench.ui.reliability import calibration_chart
from workbench.ui.reliability.scope import Scope
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

CSV_TITLES = {
    "calibration-diagram": "Reliability diagram (CSV)",
    "calibration-figures": "Figures (CSV)",
    "calibration-classes": "By class (CSV)",
    "calibration-temperature": "Temperature (CSV)",
}
WRITTEN_DIGITS = 4
"""Of a temperature that is written into a description."""


@st.fragment
@guarded
def section(scope: Scope) -> None:
    """What was found, the diagram, the figures, and the temperature."""
    result = kept(scope)
    checks.lines(calibration_results(result))
    with st.container(horizontal=True, vertical_alignment="center"):
        draw.meaning("calibration", "What does this mean?", near=UNSURE)
        tables = calibration_tables(result)
        for name in tables:
            draw.table(
                CSV_TITLES[name], partial(tables.__getitem__, name), f"{name.replace(' ', '-')}.csv", f"csv {name}"
            )
        if not isinstance(result, str):
            _png(scope, result)
    if isinstance(result, str):
        return
    _rates(result)
    calibration_chart.diagrams(result)
    _figures(result)
    st.subheader("Temperature", anchor="temperature")
    _temperature(scope, result)


def known(scope: Scope) -> Sequence[CheckResult]:
    """What it comes to."""
    return calibration_results(kept(scope))


def kept(scope: Scope) -> Calibration | str:
    """What was found of the predictions; it takes a moment."""
    scored = choice.scored(scope.model)
    return scope.kept(
        ("calibration", scope.positive, scored),
        lambda: calibration_of(scope.predictions, scope.positive, scored=scored),
    )


def _rates(result: Calibration) -> None:
    near = result.threshold
    with st.grid(2, min_column_width=220, gap="small", key="calibration figures"):
        draw.rate(
            "Calibration error", result.binned.error, "Of probabilities on average, less what chance adds; equal mass."
        )
        if near is not None:
            draw.rate(
                "Defects near the threshold",
                near.share,
                f"True share of defects among images whose score lies within {UNSURE} of the threshold; their scores"
                f" say {near.predicted:.1%} on average.",
            )


def _figures(result: Calibration) -> None:
    """The scores and their parts, and the classes one by one."""
    tables = calibration_tables(result)
    for name in ("calibration-figures", "calibration-classes"):
        if name in tables:
            st.dataframe(_readable(tables[name]), hide_index=True)
    st.caption(
        "“Calibrated model”: what a perfectly calibrated model of this very size shows, its 95th percentile; of the"
        " Brier score's miscalibration its mean, of independent images. Whether a model is called miscalibrated is told"
        " from its calibration error alone."
    )


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """A table as it is read: four digits, the interval in one column, nothing where nothing is known."""
    import pandas as pd

    def digits(value: object) -> str:
        known = isinstance(value, float | int) and not pd.isna(value)
        return "" if not known else f"{value:,}" if isinstance(value, int) else f"{value:.4f}"

    ends = zip(table["low"], table["high"], strict=True)
    spans = [f"{digits(low)} to {digits(high)}" if digits(low) else "" for low, high in ends]
    first = table.columns[0]
    shown = {name: table[name] if name == first else list(map(digits, table[name].tolist())) for name in table}
    readable = pd.DataFrame({name: values for name, values in shown.items() if name not in ("low", "high")})
    readable.insert(list(table.columns).index("low"), "95 % interval", spans)
    return readable


def _temperature(scope: Scope, result: Calibration) -> None:
    """The figures of the test split at both temperatures, and the way into model.toml."""
    found = result.temperature
    if result.applied != 1:
        st.markdown(f"Temperature **{result.applied:.4g}** is applied on every page.")
    tables = calibration_tables(result)
    if "calibration-temperature" in tables:
        st.dataframe(_readable(tables["calibration-temperature"]), hide_index=True)
        st.caption("On the test split; the change with its 95 % interval, on the same images.")
    if found.value is not None:
        temperature = float(f"{found.value:.{WRITTEN_DIGITS}g}")
        if calibration_results(result)[-1].verdict == "warn":
            _offer(scope, temperature)
            return
        with st.expander("Apply it all the same: that it is needed is not shown", icon=":material/tune:"):
            _offer(scope, temperature)


def _offer(scope: Scope, temperature: float) -> None:
    """The description of the model with the temperature, or the lines to write into one."""
    model, rule = scope.model, scope.model.rule
    if model.label is not None:
        st.info(
            "This is the temperature of one label. A model has one temperature for all its labels, so that none is"
            " written down here.",
            icon=":material/info:",
        )
        return
    try:
        lines = temperature_lines(rule, temperature)
    except InputError as error:
        st.info(plain(error, LONGEST), icon=":material/info:")
        return
    moved = lines.partition("threshold = ")[2]
    stay = f"; the threshold moves with it, from {rule.threshold:.4f} to {float(moved):.4f}" if moved else ""
    st.markdown(f"**Apply it**: every page and command then tells probabilities at it. Decisions stay{stay}.")
    path = None if model.folder is None else model.folder / "model.toml"
    text = path.read_text(encoding="utf-8") if path is not None and path.is_file() else ""
    try:
        changed = tempered_toml(text, rule, temperature) if text else ""
    except InputError as error:
        st.info(plain(error, LONGEST), icon=":material/info:")
        changed = ""
    if changed:
        draw.download(
            f"model.toml with temperature {temperature:.{WRITTEN_DIGITS}g}",
            lambda: changed,
            "model.toml",
            "toml temperature",
        )
        st.caption(
            "Put it in place of the model's own. The model then counts as another one: its answers are computed anew."
        )
    else:
        st.code(lines, language="toml")
        st.caption("Write these lines into the model's model.toml, before its first [table].")


def _png(scope: Scope, result: Calibration) -> None:
    draw.download(
        "Reliability diagram (PNG)",
        lambda: charts.reliability_diagram(
            diagram_table(result), title=f"P({result.subject}), {result.split} split", footer=scope.footer
        ),
        "reliability-diagram.png",
        "png calibration",
    )
