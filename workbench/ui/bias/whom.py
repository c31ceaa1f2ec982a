"""For whom is it worse? Classes and groups in one table with bars, and the gaps with what would settle them."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import streamlit as st

from workbench.bias import Apart, Breakdown, Conclusion, ordered, points
from workbench.stats import ENOUGH, Rate
from workbench.ui import draw, terms, url
from workbench.ui.bias import classes, groups, summary, words
from workbench.ui.bias.scope import ALL, CAVEATS, Scope
from workbench.ui.progress import guarded
from workbench.ui.text import plain, seen

MOST_BARS = 12
CHIPS = {"proven": "wb-bad", "chance": "wb-plain", "too few": "wb-doubt", "excluded": "wb-plain"}


@guarded
def section(scope: Scope) -> None:
    """The table, the gaps, and the rest folded."""
    parts = [("Class", "recall", scope.breakdown())]
    if scope.by is not None:
        parts.append((scope.breakdown(scope.by).by, "accuracy", scope.breakdown(scope.by)))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{scope.where}. Worst first; bars from 0 to 100 % with 95 % intervals.")
        draw.meaning("per-class-metrics", "What is recall?", metrics=_terms(words.CLASS_FIGURES), enough=ENOUGH)
    st.html(bars(parts))
    _more_images(scope, [part for *_, part in parts])
    classes.mistakes(scope, parts[0][2])
    if scope.by is None:
        groups.without_attributes()
    else:
        groups.mistakes(scope, parts[1][2])
    st.subheader("Which gaps are proven?", anchor="gaps")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{scope.where}. Proven first; all comparisons of the page are corrected for together.")
        draw.meaning("gap", "What is a gap?")
    st.html(gaps([summary.of_the_classes(scope), *summary.of_attributes(scope)]))
    groups.paradoxes(scope)
    with st.expander("All figures by class and group", icon=":material/table:"):
        classes.figures(scope)
        groups.figures(scope)


def _terms(names: Sequence[str]) -> str:
    return terms.entries("metrics", names)


def bars(parts: Sequence[tuple[str, str, Breakdown]]) -> str:
    """A table as HTML: for each (title, figure, breakdown) the worst rows, with a bar of the figure's interval."""
    body = []
    for title, figure, breakdown in parts:
        frame = breakdown.frame.head(MOST_BARS)
        rest = len(breakdown.frame) - len(frame)
        more = f", the {len(frame)} worst of {len(breakdown.frame):,}" if rest else ""
        body.append(
            f'<tr><th scope="rowgroup" colspan="4">{_escaped(title)} ({figure}{more})</th></tr>'
            + "".join(
                _row(str(name), breakdown.rates(figure)[str(name)], int(support), wrong)
                for name, support, wrong in zip(
                    frame["group"], frame["support"], _wrong(breakdown, figure), strict=False
                )
            )
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Name", "Right, with its interval", "Wrong", "Images"))
    return f'<table class="wb-table wb-whom"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'


def _wrong(breakdown: Breakdown, figure: str) -> list[int]:
    return [rate.support - rate.count for rate in breakdown.rates(figure).values()]


def _row(name: str, rate: Rate, support: int, wrong: int) -> str:
    """One class or group; without a bar where too few images speak."""
    if not words.enough(rate, "recall") or rate.value is None or rate.low is None or rate.high is None:
        told = f'<span class="wb-chip wb-doubt">{words.few(rate, support)}</span>'
    else:
        low, width, at = (f"{100 * share:.1f}%" for share in (rate.low, rate.high - rate.low, rate.value))
        bar = f'<i style="left:{low};width:{width}"></i><b style="left:{at}"></b>'
        told = f'<span class="wb-span" aria-hidden="true">{bar}</span> {words.interval(rate, "recall")}'
    return (
        f'<tr><th scope="row">{_escaped(name)}</th><td data-label="Right">{told}</td>'
        f'<td data-label="Wrong" class="wb-number">{wrong:,}</td>'
        f'<td data-label="Images" class="wb-number">{support:,}{rate.in_units()}</td></tr>'
    )


def gaps(conclusions: Sequence[Conclusion]) -> str:
    """A table as HTML: between whom, the verdict, how wide the gap is, and what would settle it; proven first."""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Between", "Verdict", "Gap", "What would settle it"))
    rows = "".join(
        f'<tr><th scope="row">{_escaped("classes" if line.kind == "class" else line.about)}</th>'
        f'<td data-label="Verdict"><span class="wb-chip {CHIPS[line.verdict]}">{line.lead}</span></td>'
        f'<td data-label="Gap">{_escaped(_gap(line))}</td>'
        f'<td data-label="What would settle it">{_escaped(line.settles or "-")}</td></tr>'
        for line in ordered(conclusions)
    )
    return f'<table class="wb-table wb-gaps"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _gap(line: Conclusion) -> str:
    if line.gap is None:
        return line.sentence[0].upper() + line.sentence[1:]
    figure, ends = line.gap.figure, f"lowest for {line.gap.lowest}, highest for {line.gap.highest}"
    return f"{figure[0].upper()}{figure[1:]}: {_span(line.gap)}, {ends}"


def _span(gap: Apart) -> str:
    return "{:.3f} ({:.3f} to {:.3f})".format(*gap.span) if gap.figure == "AUC" else points(*gap.span)


def _escaped(text: str) -> str:
    return html.escape(seen(text))


def _more_images(scope: Scope, breakdowns: Sequence[Breakdown]) -> None:
    """Where some rows rest on too few images and the whole set has more of them: how many, and a way there."""
    if scope.split == ALL:
        return
    whole = scope.all_images()
    for breakdown in breakdowns:
        few = breakdown.frame["group"][~breakdown.frame["enough"].to_numpy(bool)].tolist()
        if not few:
            continue
        counts = whole.breakdown("label" if breakdown.by == "label" else scope.by or "label").frame
        sizes = counts.set_index("group")["support"].reindex(few).fillna(0).to_numpy(int)
        if (sizes >= ENOUGH).any():
            what = "class" if breakdown.by == "label" else plain(breakdown.by)
            st.markdown(
                f":material/data_usage: **Too few to say** for {len(few):,} of {len(breakdown.frame):,}. All"
                f" {whole.support:,} labelled images hold {_range(sizes)} a {what}. {CAVEATS[ALL]}"
            )
            st.button(
                f"Use all {whole.support:,} images",
                key=f"all images {what}",
                icon=":material/select_all:",
                on_click=url.choose,
                args=("on", ALL),
            )
            return


def _range(sizes: np.ndarray) -> str:
    low, high = int(sizes.min()), int(sizes.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
