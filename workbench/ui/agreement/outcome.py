"""What a study came to: each appraiser, each two of them, with maps against without, and the way to take it home."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import streamlit as st

from workbench.agreement import (
    ARM_TITLES,
    MACHINE,
    REIMAGED,
    Contrast,
    Kappa,
    Outcomes,
    Panel,
    Ratings,
    Study,
    answers_csv,
    judged_band,
    model_decisions,
    model_ratings,
    outcomes_of,
    ratings_of,
    read_ratings,
    study_zip,
)
from workbench.files import Outcome, findings_text
from workbench.images import CORRUPTIONS
from workbench.stats import ENOUGH
from workbench.ui import checks, choice, draw, gallery
from workbench.ui.cache import computed, slot
from workbench.ui.progress import guarded, offer
from workbench.ui.view import View

if TYPE_CHECKING:
    from workbench.agreement import Appraiser
    from workbench.stats import Rate

TONES = {"ok": "good", "fail": "bad", "warn": "doubt", "unknown": "plain"}
MOST_UPLOADED = 32
"""Megabytes."""


@guarded
def section(view: View, study: Study | None) -> None:
    """The decisions of the open study, or those in an uploaded table."""
    given = _uploaded()
    if given is None and study is None:
        st.info("Plan a study, or bring answers that were given elsewhere.", icon=":material/inbox:")
        return
    facts: dict[str, object] = {}
    if given is None:
        assert study is not None
        answers = study.answers()
        if not answers:
            st.info("Nobody has decided yet: open Inspect and hand out the links.", icon=":material/inbox:")
            return
        expected = len(study.plan.parts) * study.plan.sessions * len(study.plan.inspectors)
        st.caption(
            f"{len(answers):,} of {expected:,} decisions are given. Chain of answers ends in `{study.head()[:16]}`."
        )
        if len(answers) < expected:
            st.warning(
                "The study is not complete: look at it, and decide nothing by it. Who stops once the figures please"
                " gets figures that flatter.",
                icon=":material/hourglass_top:",
            )
        given = ratings_of(study.plan, answers).with_model(_model(view, study))
        facts = {"plan": study.plan.text, "plan digest": study.plan.digest, "answers end in": study.head()}
    _told(outcomes_of(given), facts)


def _uploaded() -> Ratings | None:
    """The answers of an uploaded table; None where there is none. They are kept for this session alone."""
    with st.expander("Answers given elsewhere", icon=":material/upload_file:"):
        st.caption(
            "A CSV with the columns inspector, part, trial, answer (reject or pass), and where known reference, arm"
            " (without or with), session, seconds. Nobody else sees it."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            file = st.file_uploader("CSV of answers", type="csv", key="answers upload", max_upload_size=MOST_UPLOADED)
            rejects = st.text_input("Which answer rejects", key="answers reject", placeholder="reject", width=180)
    return None if file is None else read_ratings(file.getvalue(), file.name, rejects)


def _model(view: View, study: Study) -> Ratings | None:
    """The model as one appraiser, once it was asked."""
    place = slot("model appraiser", **view.model.identity, plan=study.plan.digest)
    rows: list[list[bool]] | None = place.get()
    kinds = ", ".join(CORRUPTIONS[kind].title.lower() for kind, _ in REIMAGED)
    if rows is None:
        offer("Put the model beside them", f"model {study.plan.key}", lambda: _asked(view, study))
        st.caption(
            f"The model decides on each part {len(REIMAGED)} times, as if it were imaged again: {kinds}, each mild."
        )
        return None
    return model_ratings(study.plan, view.model.title, rows)


def _asked(view: View, study: Study) -> list[list[bool]] | None:
    place = slot("model appraiser", **view.model.identity, plan=study.plan.digest)
    return computed(
        place,
        "Asking the model",
        lambda progress: model_decisions(choice.classifier(view.model), view.images, study.plan, progress),
        lambda rows: 64 * len(rows),
    )


def _told(outcomes: Outcomes, facts: dict[str, object]) -> None:
    if outcomes.contrasts:
        st.header("Do the maps help?", divider="gray", anchor="maps")
        checks.lines(outcomes.results[-1:])
        _contrasts(outcomes.contrasts)
    for panel in outcomes.panels:
        arm = ARM_TITLES[panel.arm]
        st.header(f"Inspectors {arm}" if arm else "Inspectors", divider="gray", anchor=f"panel-{panel.arm or 'all'}")
        _panel(panel)
    draw.meaning("agreement-figures", "What do these figures mean?")
    with st.expander(f"All {len(outcomes.results):,} findings in words", icon=":material/list:"):
        checks.lines(outcomes.results)
    st.header("Take it home", divider="gray", anchor="take-home")
    with st.container(horizontal=True):
        draw.download("Everything (zip)", lambda: study_zip(outcomes, facts), "agreement-study.zip", "zip study")
        draw.download("Answers (CSV)", lambda: answers_csv(outcomes.ratings), "answers.csv", "csv answers")
        draw.download("Findings (JSON)", lambda: findings_text(outcomes.results), "findings.json", "json agreement")
    st.caption("`workbench agreement --answers answers.csv --out DIR` computes the same from the answers.")


def _panel(panel: Panel) -> None:
    heads = ("Appraiser", "Same decision again", "Effectiveness", "Miss rate", "False-alarm rate", "Kappa, reference")
    rows = [[_name(one), *_cells(one)] for one in panel.appraisers]
    st.html(_table(heads, rows, "Appraisers"))
    if left := sum(one.incomplete for one in panel.appraisers):
        st.caption(f"{left:,} parts lack a trial: they count in neither repeatability nor effectiveness.")
    if panel.pairs:
        pairs = [[html.escape(f"{a} and {b}"), _kappa(kappa)] for (a, b), kappa in panel.pairs.items()]
        if len(panel.people) > 1:
            pairs.insert(0, ["<strong>All inspectors</strong>", _kappa(panel.between)])
            pairs.append(["All right in every trial", _plain(panel.effective)])
        st.html(_table(("Between", "Agreement"), pairs, "Agreement between appraisers"))


def _name(one: Appraiser) -> str:
    mark = f" {gallery.chip('model', 'plain')}" if one.kind == MACHINE else ""
    trials = "1 trial" if one.trials == 1 else f"{one.trials} trials"
    return f"{html.escape(one.name)}{mark}<div class='wb-small'>{one.parts:,} parts, {trials}</div>"


def _cells(one: Appraiser) -> list[str]:
    return [
        _kappa(one.within),
        _rate("effectiveness", one.effective, one.effective.support),
        _rate("miss rate", one.miss, one.defects),
        _rate("false-alarm rate", one.false_alarm, one.good),
        _kappa(one.reference),
    ]


def _rate(figure: str, rate: Rate, parts: int) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "<span class='wb-small'>not known</span>"
    verdict, band = judged_band(figure, rate.value, rate.low, rate.high, parts)
    word = _word(verdict, band, parts)
    return f"{_plain(rate)}{gallery.chip(word, TONES[verdict])}"


def _word(verdict: Outcome, band: str, parts: int) -> str:
    """A band, with a question mark where the interval reaches beyond; that there are too few parts to judge."""
    if parts < ENOUGH:
        return "too few"
    return band if verdict in ("ok", "fail") else f"{band}?"


def _plain(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "<span class='wb-small'>not known</span>"
    ends = f"{rate.low:.1%} to {rate.high:.1%}, {rate.count:,} of {rate.support:,}"
    return f"{rate.value:.1%}<div class='wb-small'>{ends}</div>"


def _kappa(kappa: Kappa) -> str:
    if kappa.value is None or kappa.low is None or kappa.high is None:
        alike = "all decisions alike" if kappa.pairs else "not known"
        return f"<span class='wb-small'>{alike}</span>"
    verdict, band = judged_band("kappa", kappa.value, kappa.low, kappa.high, kappa.units)
    words = {"acceptable": "good", "marginal": "between", "not acceptable": "poor"}
    word = _word(verdict, words[band], kappa.units)
    return (
        f"{kappa.value:.2f}<div class='wb-small'>{kappa.low:.2f} to {kappa.high:.2f}, {kappa.units:,} parts</div>"
        f"{gallery.chip(word, TONES[verdict])}"
    )


def _contrasts(contrasts: tuple[Contrast, ...]) -> None:
    """With maps less without, in points, for everybody and each."""
    heads = ("With less without", "Right decisions", "Miss rate", "False-alarm rate", "Seconds", "Second look")
    rows = [
        [
            f"{html.escape(one.name)}<div class='wb-small'>{one.parts:,} parts, {one.changed:.0%} changed</div>",
            *(_points(rate) for rate in (one.right, one.miss, one.false_alarm)),
            _seconds(one.seconds),
            _points(one.order),
        ]
        for one in contrasts
    ]
    st.html(_table(heads, rows, "With maps less without"))
    st.caption(
        "Points, with 95 % intervals that count parts. Second look: a part's second look less its first one, whatever"
        " the arm: what was learned or remembered in between. As half of the parts come with a map first, it moves the"
        " other columns little."
    )


def _points(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "<span class='wb-small'>not known</span>"
    return (
        f"{100 * rate.value:+.1f}<div class='wb-small'>{100 * rate.low:+.1f} to {100 * rate.high:+.1f},"
        f" {rate.support:,} pairs</div>"
    )


def _seconds(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "<span class='wb-small'>not known</span>"
    return f"{round(rate.value, 1) + 0.0:+.1f}<div class='wb-small'>{rate.low:+.1f} to {rate.high:+.1f}</div>"


def _table(heads: tuple[str, ...], rows: list[list[str]], label: str) -> str:
    head = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in heads)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows
    )
    return (
        f'<div class="wb-scroll" tabindex="0"><table class="wb-checks" aria-label="{html.escape(label)}"><thead><tr>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
