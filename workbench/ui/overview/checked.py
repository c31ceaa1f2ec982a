"""The twelve checks, on all pages, in one table: looked up, held against their criteria, and one verdict over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from workbench.catalog import home, load_catalog
from workbench.errors import InputError
from workbench.files import CheckResult
from workbench.predictions import Fitness
from workbench.ui import audits, checks, draw, findings, gallery, logbook, url, warm
from workbench.ui.cache import slot
from workbench.ui.overview import accept, asking
from workbench.ui.overview.scope import Scope
from workbench.ui.progress import guarded
from workbench.ui.text import plain

if TYPE_CHECKING:
    from workbench.journal import Entry, Journal, RulingEntry
    from workbench.report import Standing, Verdict

WIDTHS = (1.1, 1.9, 6)
"""Of the columns, relative to each other."""
STATUS_CHIPS: Mapping[str, tuple[str, str]] = {
    "fail": ("fail", "bad"),
    "watch": ("watch", "doubt"),
    "not yet known": ("not yet known", "plain"),
    "ok": ("ok", "good"),
}


def looked_up(scope: Scope, limits: Fitness | None = None) -> Verdict | None:
    """The verdict on what is known by now; None before the libraries are there. Nothing long is computed for it.

    Args:
        scope: What is judged.
        limits: Whether the limits are kept, as the box says; the headline then says so too.
    """
    if not warm.torch_ready():
        return None
    from workbench.report import accepted, judge

    results, criteria = known(scope), load_catalog().criteria
    taken = accepted(_rulings(scope), results, criteria, scope.model.key, scope.images.name)
    return judge(results, criteria, taken, limits=limits)


@guarded
def section(scope: Scope, verdict: Verdict | None) -> None:
    """The table, and the ways to know more."""
    if verdict is None:
        st.caption(":material/hourglass_top: The twelve checks follow in seconds, once the libraries are loaded.")
        return
    from workbench.report import criteria_set

    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("What has been checked", anchor="checked")
        draw.meaning("checked", "What do these mean?")
    st.caption(summed(verdict.standings))
    asking.section(scope)
    for standing in verdict.standings:
        _row(scope, standing)
    since = criteria_set(_rulings(scope), load_catalog().criteria, scope.images.name, audits.asked(scope))
    st.caption(f":material/rule: {plain(since.sentence, 600)}")
    if not since.known:
        accept.criteria(scope)


def summed(standings: Sequence[Standing]) -> str:
    """How many checks came to what, the gravest first."""
    counts = {status: sum(each.status == status for each in standings) for status in STATUS_CHIPS}
    parts = ", ".join(f"{count} {STATUS_CHIPS[status][0]}" for status, count in counts.items() if count)
    taken = sum(each.accepted is not None for each in standings)
    but = f" ({taken} accepted)" if taken else ""
    return f"{len(standings)} checks: {parts}{but}. What was not looked for may still be there."


def _row(scope: Scope, standing: Standing) -> None:
    from workbench.report import accepted_words

    check, results = standing.check, standing.results
    verdict, subject, finding = st.columns(WIDTHS, gap="small", vertical_alignment="center")
    verdict.html(gallery.chip(*STATUS_CHIPS[standing.status]))
    page = home() / "pages" / f"{check.page}.py"
    subject.page_link(page, label=f"**{check.title}**", query_params=url.link())
    with finding.container(gap="xxsmall"):
        said = checks.verdict_of(results)[1] if standing.result is not None else checks.NOT_YET.capitalize()
        st.caption(plain(said, 2 * checks.LONGEST_SUMMARY + 120))
        st.caption(f"Criterion: {plain(standing.criterion, 300)}")
        if standing.accepted is not None:
            st.markdown(f":material/handshake: {plain(accepted_words(standing.accepted), 900)}")
            accept.withdrawal(scope, standing)
        elif standing.status in ("fail", "watch"):
            accept.finding(scope, standing)


def known(scope: Scope) -> dict[str, Sequence[CheckResult]]:
    """What is known by now, by the name of the check."""
    from workbench.report import overruled_results
    from workbench.ui.data import state
    from workbench.ui.data.scope import scope_of
    from workbench.ui.reliability import calibration, corruption, fit

    held = asking.held(scope)
    data = state.known(scope_of(scope)).by_question
    return {
        **{name: data[name] for name in ("leaks", "labels", "support")},
        **_bias(scope),
        "maps": asking.maps_known(held),
        "fit": fit.known(held),
        "calibration": calibration.known(held),
        "corruption": corruption.known(held),
        "drift": _drift(scope),
        "provenance": _provenance(scope),
        "overruled": overruled_results(_entries(scope), scope.predictions),
    }


def _bias(scope: Scope) -> dict[str, Sequence[CheckResult]]:
    from workbench.bias import conclusion_result
    from workbench.cues import cue_results
    from workbench.ui.bias import shortcuts, summary

    bias = findings.scope_of(scope)
    if bias is None:
        return {}
    search = shortcuts.known(bias)
    lines = [summary.of_the_classes(bias), *summary.of_attributes(bias)]
    return {
        "shortcut": () if search is None else cue_results(search),
        "worst group": [conclusion_result(line) for line in lines],
    }


def _drift(scope: Scope) -> Sequence[CheckResult]:
    from workbench.report import NO_DRIFT
    from workbench.ui.reliability import drift

    return drift.known(asking.held(scope)) or (NO_DRIFT,)


def _provenance(scope: Scope) -> Sequence[CheckResult]:
    from workbench.report import Provenance, answers_before, provenance_results, record_beside

    place = slot("image digests", images=scope.images.key)
    digests = place.kept(lambda: {item.name: item.readable_id for item in scope.images}, lambda made: 200 * len(made))
    book, model = _book(scope), scope.model
    entries = None if book is None else book.entries()
    frame = scope.predictions.frame
    splits = dict(zip(frame["name"], frame["split"], strict=True))
    before, named = answers_before(model.folder), (model.key, model.title, scope.images.name)
    return provenance_results(Provenance(*named, digests, splits, before, record_beside(model.folder), entries))


def _entries(scope: Scope) -> Sequence[Entry]:
    book = _book(scope)
    return () if book is None else book.entries(model=scope.model.key)


def _rulings(scope: Scope) -> Sequence[RulingEntry]:
    book = _book(scope)
    return () if book is None else book.rulings()


def _book(scope: Scope) -> Journal | None:
    """The journal that counts here; None where there is none that can be read."""
    try:
        return logbook.journal(scope.model)
    except InputError:  # the page Journal says why
        return None
