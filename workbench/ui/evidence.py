"""Whether the maps on the page can be believed: a line on each, then a table of questions, then the figures."""

from __future__ import annotations

import dataclasses
import html
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from workbench.attribution import METHODS
from workbench.ui import draw, gallery, results, stubborn, url
from workbench.ui.progress import troubles
from workbench.ui.text import plain
from workbench.ui.view import ImageView

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from workbench.attribution import Attribution
    from workbench.evidence import Check, ErrorRates, Finding, Stubbornness
    from workbench.stats import Rate

    Cards = Mapping[str, Sequence[Finding]]

BUDGETS = {"off": "Off", "quick": "Quick", "full": "Thorough"}
VERDICT_WORDS = {"holds": "✓ holds", "doubtful": "? doubtful", "fails": "✕ fails"}
TABLE_PARTS = {
    "counted": "Does it show what the model goes by?",
    "properties": "Properties of this method's map: they do not tell whether it is right",
    "places": "Where it lies: this says something about the model, and nothing for or against the map",
}
ALL_PLANTED = "Of all planted networks, with those that never learned their cue and those of earlier runs"
STRONG, PALE = "#12a594", "#8a9694"


def line(place: DeltaGenerator, view: ImageView, attribution: Attribution) -> None:
    """On a map: how far it can be relied on, where that was looked into and is still known."""
    budget = url.now("evidence", list(BUDGETS))
    findings = None if budget == "off" else results.findings_slot(view, attribution, budget).get()
    if findings is not None:
        _rate(place, findings)


def _rate(place: DeltaGenerator, findings: Sequence[Finding]) -> None:
    from workbench.evidence import rating

    rated = rating(findings)
    place.html(gallery.chip(rated.sentence, rated.tone))


def section(view: ImageView, attributions: Mapping[str, Attribution], lines: Mapping[str, DeltaGenerator]) -> None:
    """Choose how thoroughly to check; then the verdicts on each map, as they come.

    Args:
        view: With the image.
        attributions: Its maps by method.
        lines: Where on each map its line goes.
    """
    st.header("Can these maps be trusted?", divider="gray")
    with st.container(horizontal=True, vertical_alignment="center"):
        budget = url.segments(
            "Checks",
            list(BUDGETS),
            key="evidence",
            default="off",
            format_func=BUDGETS.__getitem__,
            label_visibility="collapsed",
        )
        draw.meaning("evidence", "What is evidence?")
    if budget == "off":
        st.caption(
            "Not checked yet. Quick and Thorough hold each map against the model: does removing what it marks change"
            " the score, does showing it alone carry the decision, does the map hang on the model's weights?"
        )
    else:
        cards = {}
        for method, attribution in attributions.items():
            with troubles():
                findings = results.findings(view, attribution, "full" if budget == "full" else "quick")
                if findings is not None:
                    cards[method] = findings
                    if method in lines:
                        _rate(lines[method], findings)
        if cards:
            maps = {method: attributions[method] for method in cards}
            told = stubborn.known(view, maps, budget)
            _conclude(cards, told)
            stubborn.section(view, maps, cards, told, budget)
    if len(attributions) > 1:
        _agreement(attributions)


def _conclude(cards: Cards, asked: Mapping[str, Stubbornness]) -> None:
    """The sum, the table, the figures behind it; with how often each verdict flips, where that was asked."""
    from workbench.evidence import in_sum, rating

    ratings = {METHODS[method].title: rating(findings) for method, findings in cards.items()}
    st.markdown(f"**{in_sum(ratings)}**")
    _errors()
    st.html(_table(cards, asked))
    spread = [f"{METHODS[m].title}: {f.reason}" for m, some in cards.items() for f in some if f.name == "sparsity"]
    st.caption("How spread out each map is, which is no check. " + plain(" ".join(spread), 1500))
    with st.expander("Figures, curves and sources", icon=":material/query_stats:"):
        for check in _shown(cards):
            _figures(check, {m: f for m, some in cards.items() for f in some if f.name == check.name})
    facts: dict[str, object] = {method: [_plain(f) for f in findings] for method, findings in cards.items()}
    if asked:
        facts["under other settings"] = {method: made.rows for method, made in asked.items()}
    draw.download("Evidence (JSON)", lambda: json.dumps(facts, indent=2), "evidence.json", "evidence json")


def _errors() -> None:
    """How often the card errs, beside its verdict."""
    from workbench.evidence import LEAN, error_rates

    rates, every = error_rates(), error_rates(every=True)
    if rates is None or every is None or not rates.passed.support or rates.leant is None or rates.trusted is None:
        st.caption(":material/help: Error rates not known for this version of the checks.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"How often this card errs: of {rates.passed.support:,} planted wrong maps {_in_words(rates.passed)} had no"
            f' failing check, and {_in_words(rates.leant)} got "{LEAN}"; of {rates.failing.support:,} right maps'
            f' {_in_words(rates.failing)} had a failing check, and {_in_words(rates.trusted)} got "{LEAN}".'
            f"{_of_all(rates, every)}"
        )
        draw.meaning("card-errors", "What does this mean?")


def _of_all(rates: ErrorRates, every: ErrorRates) -> str:
    """The same shares on all planted networks; empty where those are the same."""
    if (every.passed.support, every.failing.support) == (rates.passed.support, rates.failing.support):
        return ""
    return (
        f" {ALL_PLANTED}: {_in_words(every.passed)} of {every.passed.support:,} wrong maps and"
        f" {_in_words(every.failing)} of {every.failing.support:,} right ones."
    )


def _in_words(rate: Rate) -> str:
    """A share with its 95 % interval."""
    if rate.value is None or rate.low is None or rate.high is None:
        return "an unknown share"
    return f"{rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%})"


def _error_note(check: str) -> str:
    """How often one check errs, as a sentence; empty where that was not measured."""
    from workbench.evidence import error_rates

    rates, every, parts = error_rates(check), error_rates(check, every=True), []
    if rates and rates.passed.support:
        parts.append(f"of {rates.passed.support:,} planted wrong maps it did not fail {_in_words(rates.passed)}")
    if rates and rates.failing.support:
        parts.append(f"of {rates.failing.support:,} right ones it failed {_in_words(rates.failing)}")
    if not parts or rates is None or every is None:
        return " Its error rates were not measured."
    return f" Measured: {'; '.join(parts)}.{_of_all(rates, every)}"


def _shown(cards: Cards) -> list[Check]:
    """The checks that apply to any of the maps: those that count first, the veto last of them."""
    from workbench.evidence import CHECKS, VETO

    there = {f.name for findings in cards.values() for f in findings if f.verdict != "not applicable"}
    parts = list(TABLE_PARTS)
    return sorted(
        (check for name, check in CHECKS.items() if name in there),
        key=lambda check: (parts.index(_part(check)), check.name == VETO),
    )


def _part(check: Check) -> str:
    """Which part of the table a check stands in."""
    from workbench.evidence import OF_PLACE, PROPERTIES

    return "properties" if check.name in PROPERTIES else "places" if check.name in OF_PLACE else "counted"


def _table(cards: Cards, asked: Mapping[str, Stubbornness]) -> str:
    """Questions by methods as HTML, the rating below those that count."""
    from workbench.evidence import rating

    head = "".join(f'<th scope="col">{html.escape(METHODS[method].title)}</th>' for method in cards)
    ratings = "".join(
        f"<td><strong>{html.escape(rating(findings).sentence)}</strong>{_turned(asked.get(method))}</td>"
        for method, findings in cards.items()
    )
    parts: dict[str, list[str]] = {"counted": []}
    for check in _shown(cards):
        parts.setdefault(_part(check), []).append(_row(check, cards, asked))
    parts["counted"].append(f'<tr><th scope="row">In sum</th>{ratings}</tr>')
    body = "".join(
        f'<tr><th scope="colgroup" colspan="{1 + len(cards)}"><strong>{TABLE_PARTS[part]}</strong></th></tr>'
        + "".join(rows)
        for part, rows in parts.items()
    )
    return (
        '<div class="wb-scroll" role="region" aria-label="Checks of each map" tabindex="0"><table class="wb-checks">'
        f'<thead><tr><th scope="col">Question</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _row(check: Check, cards: Cards, asked: Mapping[str, Stubbornness]) -> str:
    """One question, with how often its verdict errs, and the verdict on each map."""
    from workbench.evidence import VETO, tone_of

    cells = []
    for method, findings in cards.items():
        finding = next((f for f in findings if f.name == check.name), None)
        if finding is None or finding.verdict not in VERDICT_WORDS:
            cells.append("<td>does not apply</td>")
            continue
        flips = ""
        if (made := asked.get(method)) and check.name in made.verdicts:
            flipped, of = made.flips(check.name)
            flips = f"<br><small>flips under {flipped} of {of}</small>" if of else ""
        cells.append(f"<td>{gallery.chip(VERDICT_WORDS[finding.verdict], tone_of(finding))}{flips}</td>")
    veto = (
        " <small>(A veto: it counts where it fails, and says nothing where it holds.)</small>"
        if check.name == VETO
        else ""
    )
    question = f"{html.escape(check.question)}{veto}{_rarely(check)}"
    return f'<tr><th scope="row">{question}</th>{"".join(cells)}</tr>'


def _rarely(check: Check) -> str:
    """How many planted maps a check failed, for beside its verdict."""
    from workbench.evidence import error_rates

    rates, every = error_rates(check.name), error_rates(check.name, every=True)
    if rates is None or every is None or not rates.passed.support or not rates.failing.support:
        return ""
    also = "" if not _of_all(rates, every) else f"; of all networks, {' and '.join(_failed(every))}"
    wrong, right = _failed(rates)
    return f"<br><small>Failed {wrong} planted wrong maps and {right} right ones{also}.</small>"


def _failed(rates: ErrorRates) -> tuple[str, str]:
    """How many wrong maps failed, of how many, and how many right ones."""
    wrong, right = rates.passed, rates.failing
    return f"{wrong.support - wrong.count:,} of {wrong.support:,}", f"{right.count:,} of {right.support:,}"


def _turned(made: Stubbornness | None) -> str:
    """Under how many other settings the word in sum is another."""
    if made is None or not made.turns[1]:
        return ""
    return f"<br><small>another word under {made.turns[0]} of {made.turns[1]} other settings</small>"


def _figures(check: Check, findings: Mapping[str, Finding]) -> None:
    """One check of all maps: what was measured, what that means, and the curves where there are some."""
    st.markdown(f"**{check.title}.** {check.question}")
    with st.grid(3, min_column_width=210):
        for method, finding in findings.items():
            with st.container(key=f"finding-{check.name}-{method}"):
                word = VERDICT_WORDS.get(finding.verdict, "does not apply")
                st.markdown(f"{METHODS[method].title}: **{word}**. {plain(finding.reason, 600)}")
                if finding.curves and "share" in finding.curves:
                    _curves(finding)
                st.caption(finding.meaning)
    st.caption(f"Source: {check.source}.{_error_note(check.name)}")


def _curves(finding: Finding) -> None:
    """The map's curve in a strong colour over the grey band of the random orders."""
    import numpy as np
    import pandas as pd

    curves = finding.curves or {}
    share, orders = curves["share"], curves["random"]
    low, high = (np.interp(share, curves.get("random_share", share), ends) for ends in (orders.min(0), orders.max(0)))
    frame = pd.DataFrame({"share": 100 * share, "map": curves["map"], "low": low, "high": high})
    x = {"field": "share", "type": "quantitative", "title": "share of the pixels, %"}
    y: dict[str, Any] = {"type": "quantitative", "title": "score"}
    band = {"y": y | {"field": "low"}, "y2": {"field": "high"}}
    spec = {
        "height": 200,
        "encoding": {"x": x},
        "layer": [
            {"mark": {"type": "area", "color": PALE, "opacity": 0.35}, "encoding": band},
            {
                "mark": {"type": "line", "color": STRONG, "strokeWidth": 3},
                "encoding": {"y": y | {"field": "map"}},
            },
        ],
    }
    st.vega_lite_chart(frame, spec)
    st.caption("Line: this map. Grey band: random orders, lowest to highest.")


def _agreement(attributions: Mapping[str, Attribution]) -> None:
    import numpy as np
    import pandas as pd

    from workbench.evidence import agreement

    names, matrix = agreement(list(attributions.values()))
    titles = [METHODS[name].title if name in METHODS else name for name in names]
    with st.expander("How far the methods agree", icon=":material/compare_arrows:"):
        st.dataframe(
            pd.DataFrame(matrix, columns=titles).round(2).assign(Map=titles)[["Map", *titles]], hide_index=True
        )
        if np.isnan(matrix).any():
            st.caption(":material/info: A constant map has no order of places to compare.")
        draw.meaning("agreement", "What is agreement?")


def _plain(finding: Finding) -> dict[str, object]:
    facts = dataclasses.asdict(finding)
    curves = facts.pop("curves")
    return facts | {"curves": {name: _value(values) for name, values in (curves or {}).items()}}


def _value(values: Sequence[float]) -> object:
    import numpy as np

    return np.asarray(values).tolist()
