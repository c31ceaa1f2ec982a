"""Which everyday disturbance lets a defect pass first: a table of kinds and severities, and what lies behind a cell."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from workbench.files import CheckResult
from workbench.images import CORRUPTIONS, IMAGENET_C, OF_LINE, SEVERITIES, kinds_of
from workbench.reliability import (
    MEASURES,
    Corrupted,
    Measure,
    caveats,
    cells,
    corrupted,
    corruption_results,
    corruption_tables,
    kept_folder,
    limit_results,
    measures_of,
    ranking_sentence,
    turned,
)
from workbench.ui import checks, choice, draw, kept, kin, url
from workbench.ui.cache import Slot, slot
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.reliability import corrupted_images
from workbench.ui.reliability.scope import Scope
from workbench.ui.text import plain

if TYPE_CHECKING:
    import pandas as pd

SUITES = {OF_LINE: "Of a line", IMAGENET_C: "ImageNet-C"}
SAMPLES = {"40": 40, "200": 200}
SECONDS_EACH = 0.046
"""Of a processor core, for a question about an image of 300 pixels to the solar cells' network."""
COUNTED: Mapping[str, str] = {"escapes": "Escapes", "overkill": "Overkill", "flips": "Flips"}


@dataclasses.dataclass(frozen=True, eq=False)
class Finished:
    """A study and what it comes to, as they are kept on disk."""

    study: Corrupted
    results: tuple[CheckResult, ...]


@st.fragment
@guarded
def section(scope: Scope) -> None:
    """What to ask, and the answer."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        suite = url.segments("Corruptions", list(SUITES), key="suite", default=OF_LINE, format_func=SUITES.__getitem__)
        words = {"40": "Quick: 40", "200": "200"}
        largest = "200" if _recall(scope, suite, SAMPLES["200"]) is not None else "40"
        many = url.segments("Images", list(SAMPLES), key="corrupted", default=largest, format_func=words.__getitem__)
        draw.meaning("corruption", "What does this mean?")
    finished = _recall(scope, suite, SAMPLES[many])
    if finished is None:
        _offer(scope, suite, SAMPLES[many])
        return
    study = finished.study
    checks.lines([finished.results[0], *limit_results(study, scope.model.limits)])
    measures = measures_of(study)
    counted = url.segments(
        "What is counted", measures, key="turned", default=measures[0], format_func=lambda name: COUNTED[name]
    )
    measure = next(name for name in measures if name == counted)
    st.markdown(plain(ranking_sentence(study, measure), 400))
    kind, severity = _cell(study, measure)
    _table(study, measure, kind, severity)
    _notes(scope, study)
    _downloads(scope, study)
    with st.expander("What each kind comes to", icon=":material/checklist:"):
        checks.lines(finished.results[1:])
    _behind(scope, study, measure, kind, severity)


def known(scope: Scope) -> Sequence[CheckResult]:
    """What is known by now: of the larger sample where both were asked, and of a line before ImageNet-C."""
    for many in sorted(SAMPLES.values(), reverse=True):
        for suite in SUITES:
            finished = _recall(scope, suite, many)
            if finished is not None:
                return (*finished.results, *limit_results(finished.study, scope.model.limits))
    return ()


def _recall(scope: Scope, suite: str, many: int) -> Finished | None:
    result: Finished | None = kept.recall(_place(scope, suite, many), Finished, Corrupted, CheckResult)
    return result


def _place(scope: Scope, suite: str, many: int) -> Slot:
    return slot("corruption", **scope.model.identity, **scope.stored, kinds=kinds_of(suite), many=many)


def _offer(scope: Scope, suite: str, many: int) -> None:
    kinds, images = kinds_of(suite), min(many, len(scope.predictions))
    asked = images * (1 + len(kinds) * len(SEVERITIES))
    st.markdown(
        f":material/radio_button_unchecked: **Not looked for yet.** Up to {images:,} images under {len(kinds)} kinds of"
        f" corruption at five severities: {asked:,} questions to the model. {_cost(asked)}"
    )
    token = f"corrupt {suite} {many} {scope.model.key[:12]}"
    offer("Corrupt and ask again", token, lambda: look(scope, suite, many))


def _cost(asked: int) -> str:
    """What so many questions cost, measured with the solar cells' model on one processor core."""
    minutes = max(round(asked * SECONDS_EACH / 60), 1)
    return (
        f"About {minutes} minute{'' if minutes == 1 else 's'} of one processor core with a small network on images of"
        " 300 pixels, longer with larger"
        " ones; it can be stopped, and goes on where it was."
    )


def look(scope: Scope, suite: str, many: int) -> Finished | None:
    """The study, made now with progress and kept; None where the user stopped it."""
    progress = Stoppable("Asking about corrupted images", f"corruption {suite} {many} {scope.model.key[:12]}")
    if progress.stopped:
        return None
    study = corrupted(
        choice.classifier(scope.model),
        scope.images,
        scope.predictions,
        kinds_of(suite),
        most=many,
        folder=_folder(),
        on_progress=progress,
    )
    finished = Finished(study, tuple(corruption_results(study)))
    kept.keep(_place(scope, suite, many), finished, 64 * 1024 + 16 * study.decisions.size)
    progress.done()
    return finished


def _folder() -> Path:
    """Where answers are kept: those about a visitor's own images go with them."""
    return kept_folder() if kept.lasting() else kin.kept_in(own=True) / "corrupted"


def _cell(study: Corrupted, measure: Measure) -> tuple[str, int]:
    """The kind and severity that are looked at; at first those at which the first image turns."""
    rows, hits = turned(study, measure)
    counts = (hits & (study.decisions >= 0))[rows].sum(0)
    least = next((place for place in range(len(SEVERITIES)) if counts[:, place].any()), 0)
    first = study.kinds[int(counts[:, least].argmax())]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = url.select(
            "Corruption",
            list(study.kinds),
            key="corruption",
            default=first,
            format_func=lambda name: CORRUPTIONS[name].title,
            width=260,
        )
        severity = url.segments("Severity", [str(s) for s in SEVERITIES], key="severity", default=str(least + 1))
    return kind, int(severity)


def _table(study: Corrupted, measure: Measure, kind: str, severity: int) -> None:
    """How many images turn at each kind and severity, the darker the more; a click on a cell looks behind it."""
    import pandas as pd

    rows, hits = turned(study, measure)
    texts, shades = [], []
    for place in range(len(study.kinds)):
        able = rows & (study.decisions[:, place, 0] >= 0)
        total, counts = int(able.sum()), hits[able, place].sum(0)
        texts.append([f"{count:,} of {total:,}" if total else "cannot have it" for count in counts])
        shades.append(
            [f"background-color: rgba(210, 85, 63, {0.75 * x:.3f})" if x else "" for x in counts / max(total, 1)]
        )
    titles = [CORRUPTIONS[name].title for name in study.kinds]
    columns = [str(s) for s in SEVERITIES]
    frame = pd.DataFrame(texts, index=pd.Index(titles, name="Corruption"), columns=columns)
    styles = np.array(shades, dtype=object)
    st.session_state["corruption cells"] = {
        "selection": {"rows": [], "columns": [], "cells": [(study.kinds.index(kind), str(severity))]}
    }
    st.caption(f"**{MEASURES[measure].capitalize()}** at each severity, of those decided the other way uncorrupted.")
    st.dataframe(
        frame.style.apply(lambda _: styles, axis=None),
        key="corruption cells",
        height="content",
        on_select=partial(_clicked, study.kinds),
        selection_mode="single-cell",
        alt=f"{MEASURES[measure]} by corruption and severity",
    )


def _clicked(kinds: Sequence[str]) -> None:
    """A click on a cell chooses it above the table, and so in the address."""
    clicked = st.session_state["corruption cells"]["selection"]["cells"]
    if clicked:
        row, severity = clicked[0]
        url.choose("corruption", kinds[row])
        url.choose("severity", str(severity))


def _notes(scope: Scope, study: Corrupted) -> None:
    """What the table must be read with."""
    drawn = "a sample of " if study.sample["drawn"] != study.sample["images"] else ""
    units = "" if study.units is None else f" in {len(np.unique(study.units)):,} independent units"
    defects, good = int(study.defective.sum()), int(study.good.sum())
    classes = f" ({defects:,} defective, {good:,} good)" if study.positive else ""
    st.caption(
        f"Counted on {drawn}{study.where}{units}{classes}, the same noise at all severities of an image. The original"
        " image is corrupted, as a camera would, before the model's own preprocessing."
    )
    for line in caveats(study):
        st.caption(f":material/info: {plain(line, 400)}")


def _downloads(scope: Scope, study: Corrupted) -> None:
    with st.container(horizontal=True):
        for name, label in (
            ("corruption-cells", "All cells (CSV)"),
            ("corruption-by-group", "By group (CSV)"),
            ("corruption-by-class", "By class (CSV)"),
        ):
            if name != "corruption-by-group" or len(study.attributes.columns):
                draw.table(label, partial(_one_table, study, name), f"{name}.csv", f"csv {name}")


def _one_table(study: Corrupted, name: str) -> pd.DataFrame:
    return corruption_tables(study)[name]


def _behind(scope: Scope, study: Corrupted, measure: Measure, kind: str, severity: int) -> None:
    """One cell: its rates by class and group, how many hold up to each severity, and its images."""
    chosen = CORRUPTIONS[kind]
    st.subheader(f"{chosen.title}, severity {severity}: {chosen.amount(severity)}", anchor=False)
    st.caption(f"On a line: {chosen.cause}. Constants: {chosen.source}.")
    if (study.decisions[:, study.kinds.index(kind), 0] < 0).all():
        st.info(plain(study.unsuited.get(kind, "No image can have it."), 300), icon=":material/block:")
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        _rates(study, kind, severity)
    with right:
        corrupted_images.curve(study, measure, kind)
    corrupted_images.turned_images(scope, study, measure, kind, severity)


def _rates(study: Corrupted, kind: str, severity: int) -> None:
    """Flips, escapes, overkill and accuracy of the cell, of all images and of each class and group."""
    import pandas as pd

    parts = [cells(study, by) for by in ("all", "label", *map(str, study.attributes))]
    table = pd.concat(parts, ignore_index=True)
    rows = table[(table["kind"] == kind) & (table["severity"] == severity)].to_dict("records")
    lines = []
    for row in rows:
        group = row["group"] if row["by"] == "all" else f"{row['by']}: {row['group']}"
        line = {"images": group, "of": f"{row['support']:,}" + _in_units(row)}
        shown = ("flips", "escapes", "overkill", "accuracy") if study.positive else ("flips", "accuracy")
        lines.append(line | {name: _written(row, name) for name in shown})
    st.dataframe(pd.DataFrame(lines), hide_index=True, alt=f"Rates under {CORRUPTIONS[kind].title}")
    st.caption("With 95 % intervals by unit; in brackets the rate of the same images without the corruption.")


def _in_units(row: dict[Any, Any]) -> str:
    return "" if row["units"] == row["support"] else f" in {row['units']:,} unit{'' if row['units'] == 1 else 's'}"


def _written(row: dict[Any, Any], name: str) -> str:
    if not row[f"{name} of"]:
        return "n/a"
    ends = f"{row[f'{name} low']:.0%} to {row[f'{name} high']:.0%}"
    before = "" if name == "flips" else f" [{row[f'{name} before']:.0%}]"
    return f"{row[f'{name} count']:,} of {row[f'{name} of']:,}: {row[name]:.0%} ({ends}){before}"
