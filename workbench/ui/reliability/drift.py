"""Drift: whether new images are still those that the model was made for, and how often people overrule it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from workbench.errors import InputError
from workbench.files import CheckResult
from workbench.reliability import (
    Drift,
    Estimates,
    Foreign,
    OverruleChart,
    drift,
    drift_results,
    drift_tables,
    overrule_chart,
    overrule_results,
)
from workbench.stats import Rate
from workbench.ui import checks, draw, logbook, session, url
from workbench.ui import kept as on_disk
from workbench.ui.cache import Slot, slot
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.reliability import drift_shown, drift_sides
from workbench.ui.reliability.drift_sides import A_SET, Two
from workbench.ui.reliability.scope import Scope
from workbench.ui.text import seen

AGAINST, COMPARE_MAPS = "against", "drift_maps"
"""What is chosen in the address: the new images, and whether maps are compared."""


@st.fragment
@guarded
def section(scope: Scope) -> None:
    """The choice of the new images, the verdict and its figures, and the journal's control chart."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        options = drift_sides.offered(scope)
        against = url.select(
            "New images",
            list(options),
            key=AGAINST,
            format_func=lambda option: options.get(option, f"Image set: {seen(option.removeprefix(A_SET))}"),
            free=session.local(),
            help="Another image set (here you can also type a folder), a split or a group of this set.",
            width=360,
        )
        maps = url.select("Where the model looks", ["on", "off"], key=COMPARE_MAPS, format_func=_maps_words, width=220)
        draw.meaning("drift", "What does this mean?")
    if against == drift_sides.NONE_CHOSEN:
        st.info(
            "Choose the images that are to be held against this set: those of this week, another line, one lot. The"
            " reference is the test split, where there is one.",
            icon=":material/compare_arrows:",
        )
    else:
        _compared(scope, against, maps == "on")
    _overrules(scope)


def _maps_words(option: str) -> str:
    return "compared" if option == "on" else "not compared"


def _compared(scope: Scope, against: str, maps: bool) -> None:
    two = drift_sides.two_of(scope, against)
    place = _place(scope, two, maps)
    result = _recalled(place)
    if result is None:
        counts = f"{len(two.reference.images):,} reference and {len(two.new.images):,} new images"
        st.markdown(":material/radio_button_unchecked: **Not looked for yet.** The model is asked about images that it"
                    " has not seen, files are measured, and all of it is compared.")  # fmt: skip
        token = f"{session.token(scope.images)[:12]} {place.key[:12]}"
        offer(f"Compare {counts}", f"drift {token}", lambda: _look(scope, two, maps, place))
        return
    whole, *others = _told(result)
    checks.lines([whole])
    checks.lines(others)
    drift_shown.shown(scope, two, result)
    with st.container(horizontal=True):
        for name, frame in drift_tables(result).items():
            draw.table(f"{drift_shown.TABLE_TITLES[name]} (CSV)", lambda own=frame: own, f"{name}.csv", f"csv {name}")  # type: ignore[misc]


def _told(result: Drift) -> list[CheckResult]:
    """What stands in lines: all but the tests, which chart and table show, and the estimates."""
    tests = drift_shown.in_table(result)
    told = [found for found in drift_results(result) if found.check not in tests]
    return [found for found in told if not found.check.startswith("estimated")]


def _place(scope: Scope, two: Two, maps: bool) -> Slot:
    return slot("drift", **scope.model.identity, **scope.stored, new=two.key, maps=maps)


def _recalled(place: Slot) -> Drift | None:
    result: Drift | None = on_disk.recall(place, Drift, Foreign, Estimates, Rate)
    return result


def _look(scope: Scope, two: Two, maps: bool, place: Slot) -> Drift | None:
    both = drift_sides.sides(scope, two, maps)
    if both is None:
        return None
    progress = Stoppable("Comparing", f"drift tests {place.key[:12]}")
    if progress.stopped:
        return None
    result = drift(*both, scope.positive, together=two.together, on_progress=progress)
    on_disk.keep(place, result, 16384 + 400 * sum(result.counts))
    progress.done()
    return result


def known(scope: Scope) -> Sequence[CheckResult]:
    """The verdict on the images that are chosen as new, and what asks for a look; nothing where none are chosen, or
    nobody looked."""
    against = str(st.query_params.get(AGAINST) or st.session_state.get(AGAINST) or "")
    if not against:
        return ()
    maps = str(st.query_params.get(COMPARE_MAPS) or "on") == "on"
    try:
        result = _recalled(_place(scope, drift_sides.two_of(scope, against), maps))
    except InputError:  # the section says why
        return ()
    if result is None:
        return ()
    whole, *others = drift_results(result)
    return [whole, *(found for found in others if found.verdict in ("warn", "fail"))]


def _overrules(scope: Scope) -> None:
    """The rate at which people overrule this model."""
    st.subheader("How often people overrule the model", anchor=False)
    chart = _chart(scope)
    checks.lines(overrule_results(chart))
    if len(chart.frame):
        drift_shown.control_chart(chart)
        draw.table("Control chart (CSV)", lambda: chart.frame, "overrule-rate.csv", "csv overrules")


def _chart(scope: Scope) -> OverruleChart:
    try:
        book = logbook.journal(scope.model)
    except InputError:
        book = None
    entries = () if book is None else book.entries(model=scope.model.key)
    return overrule_chart([entry.time for entry in entries], [entry.overruled is not None for entry in entries])
