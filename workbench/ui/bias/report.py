"""For a fairness report: the measures by name, and all figures of the page as one ZIP that says what they are of."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import streamlit as st

from workbench.bias import Breakdown, Conclusion, Slices, fairness, focus
from workbench.cues import costs_table, power_words, trials_table, tried_table, unsearched_words
from workbench.drawing import charts, render
from workbench.files import frame_csv
from workbench.predictions import By, by_of
from workbench.stats import ENOUGH
from workbench.ui import draw
from workbench.ui.bias import confusions, groups, sampled, shortcuts, summary, tables, words
from workbench.ui.bias.scope import CAVEATS, Scope
from workbench.ui.cache import slot
from workbench.ui.progress import guarded
from workbench.ui.text import seen
from workbench.version import __version__

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ENTRY_TIME = (1980, 1, 1, 0, 0, 0)
"""Of every file in the archive: the same figures give the same bytes."""


@guarded
def section(scope: Scope) -> None:
    """The measures and the archive, folded."""
    with st.expander("For a fairness report", icon=":material/balance:"):
        groups.measures(scope)
        st.caption(
            "All figures of this page as CSV, the charts as PNG, and a text that says which model, images and settings"
            " they are of."
        )
        draw.download("All figures (ZIP)", lambda: archive(scope), f"bias-{scope.stem}.zip", "zip bias")


def archive(scope: Scope) -> bytes:
    """All figures of the page as a ZIP archive."""
    tables_of, charts_of = dict(_tables(scope)), dict(_charts(scope))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        entries: Mapping[str, str | bytes] = {
            "README.txt": _readme(scope, [*tables_of, *charts_of]),
            **{f"{name}.csv": frame_csv(frame) for name, frame in tables_of.items()},
            **{f"{name}.png": render.to_png(chart) for name, chart in charts_of.items()},
        }
        for name, content in entries.items():
            file.writestr(zipfile.ZipInfo(name, ENTRY_TIME), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _ways(scope: Scope) -> list[By]:
    """The attributes, the chosen one first; crossed where two are chosen."""
    chosen = [] if scope.by is None else [scope.by]
    return [*chosen, *(name for name in scope.attributes if name != scope.by)]


def _tables(scope: Scope) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each table with its name."""
    import pandas as pd

    yield "conclusions", pd.DataFrame(map(_line, summary.conclusions(scope)))
    yield "classes", words.numbers(scope.breakdown())
    parts = [scope.breakdown(way) for way in _ways(scope)]
    if parts:
        yield "groups", pd.concat([_named(part) for part in parts], ignore_index=True)
    comparison = scope.comparison()
    if comparison is not None:
        yield "gaps", comparison.frame
        rows = [row for way in _ways(scope) for row in _fairness(scope, way)]
        yield "fairness", pd.DataFrame(rows)
    yield "confusions", confusions.all_pairs(scope.confusion())
    kinds: Slices | None = slot("bias figure", **scope.facts, figure="slices").get()
    if kinds is not None:
        yield "slices", kinds.frame
    maps = sampled.known_of_any(scope)
    if maps is not None:
        yield "mean-map-shares", focus(maps)
    search = shortcuts.known(scope)
    if search is not None and search.findings:
        yield "shortcuts", tried_table(search)
        yield "shortcuts-images", trials_table(search)
        yield "shortcuts-cost", costs_table(search)


def _line(conclusion: Conclusion) -> dict[str, str]:
    return {
        "verdict": conclusion.verdict,
        "about": conclusion.about or conclusion.kind,
        "sentence": f"{conclusion.lead}: {conclusion.sentence}",
        "what would settle it": conclusion.settles,
    }


def _named(part: Breakdown) -> pd.DataFrame:
    frame = words.numbers(part)
    frame.insert(0, "by", part.by)
    return frame


def _fairness(scope: Scope, way: By) -> list[dict[str, object]]:
    """The measures of one attribute whose groups can be compared."""
    if scope.tied.keys() & ({way} if isinstance(way, str) else set(way)):
        return []
    result = scope.kept(("fairness", way), lambda: fairness(scope.predictions, way, rows=scope.rows))
    by = by_of(scope.predictions, way)
    return [
        {
            "by": by,
            "measure": n,
            "value": r.value,
            "low": r.low,
            "high": r.high,
            "groups": r.count,
            "support": r.support,
        }
        for n, r in result.items()
    ]


def _charts(scope: Scope) -> Iterator[tuple[str, Figure]]:
    """Each chart with its name."""
    ways = [("recall-by-class", scope.breakdown(), "recall")]
    if scope.by is not None:
        ways.append(("accuracy-by-group", scope.breakdown(scope.by), "accuracy"))
    for name, breakdown, figure in ways:
        chart = tables.chart(scope, breakdown, figure)
        if chart is not None:
            yield name, chart
    counts, names = confusions.shown(scope.confusion())
    yield "confusion-matrix", charts.matrix(counts, names, names, title="Confusion matrix", footer=scope.footer)


def _readme(scope: Scope, files: list[str]) -> str:
    """What the figures are of, and how they were made; without a date, so that the same figures give the same text."""
    model, rule = scope.model, scope.model.rule
    decision = "the most probable class"
    if rule.positive is not None:
        decision = f"{rule.positive} from a probability of {rule.threshold}" if rule.threshold is not None else decision
    by = "nothing" if scope.by is None else by_of(scope.predictions, scope.by)
    search = shortcuts.known(scope)
    looked = "not looked for yet"
    if search is not None:
        looked = f"looked for in {search.images:,} images. {power_words(search)} {unsearched_words(search)}".rstrip()
    lines = [
        "Figures of the Bias page",
        "",
        f"Model: {model.title}",
        f"Model digest (SHA-256 of weights and settings): {model.key}",
        f"Decision: {decision}",
        f"Image set: {scope.images.name}{' (synthetic)' if scope.images.synthetic else ''}",
        f"Image set digest (SHA-256 of images, masks, labels, splits and attributes): {scope.images.key}",
        f"Images: {scope.where}. {CAVEATS[scope.split]}".rstrip(),
        f"Grouped by: {by}",
        f"Attributes that the label is known from, excluded from all tests: {', '.join(scope.tied) or 'none'}",
        f"Shortcuts: {looked}",
        f"Made with: explainability workbench {__version__}",
        "",
        "Ranges are 95 % intervals. p adjusted is Holm's over all gaps; a gap is proven where it is at most 0.05.",
        f"Figures that rest on fewer than {ENOUGH} images are left empty.",
        "",
        "Files: " + ", ".join(files),
    ]
    return seen("\n".join(lines)) + "\n"
