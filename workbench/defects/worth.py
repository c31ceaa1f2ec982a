"""What a threshold is worth, in sentences: was its promise kept, is it useless, and what would have been cheaper."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.defects.operating import Costs, rates_at
from workbench.defects.threshold import choose
from workbench.errors import InputError
from workbench.predictions import Cases, promise
from workbench.stats import Rate, complement

if TYPE_CHECKING:
    import pandas as pd

USELESS = 0.5
"""From this share of one kind of part on that is judged wrong, a threshold is called useless for it."""
CEILINGS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
"""Ceilings that are tried in place of a useless one."""
SAYS = {"kept": "Kept.", "not kept": "Not kept.", "not shown": "Too few to say.", "too few": "Too few to say."}
PROMISES = {"escape": "escapes", "overkill": "overkill"}


def promised(way: str, ceiling: float, reported: Cases, threshold: float, where: str) -> str:
    """What a ceiling promised and what became of it on images that the threshold was not chosen on.

    Args:
        way: "escape" or "overkill".
        ceiling: Of that rate, between 0 and 1.
        reported: The images to hold it against.
        threshold: The one that was chosen, without a review band.
        where: What these images are called.
    """
    rate = _rate(way, reported, threshold)
    if rate.value is None or rate.low is None or rate.high is None:
        kind = "defects" if way == "escape" else "good parts"
        return f"The promise cannot be checked: the {where} has no {kind}."
    outcome = SAYS[promise(PROMISES[way], rate, ceiling).outcome]
    origin = reported.of(reported.defect == (way == "escape")).independence.origin
    what = "defects escape" if way == "escape" else "good parts are rejected"
    return (
        f"The promise: fewer than {_percent(ceiling)} of the {what}. On the {where}: {_percent(rate.value)}"
        f" ({_percent(rate.low)} to {_percent(rate.high)}, {rate.count:,} of {rate.support:,}{origin}). {outcome}"
    )


def band_kept(rate: Rate, target: float) -> str:
    """What became of the promise of a review band: of the parts of a kind, `rate` were not judged wrong unseen, and the
    share `target` was promised."""
    if rate.value is None:
        return "n/a"
    return SAYS[promise("escapes", complement(rate), 1 - target).outcome]


def useless(way: str, ceiling: float | None, threshold: float, chosen: Cases, reported: Cases) -> str | None:
    """Why nobody could work with a threshold, and which ceiling would do; None where somebody could.

    Args:
        way: How it was chosen: one of `WAYS`, or another word.
        ceiling: What it keeps, where it keeps one.
        threshold: From this score on a part is rejected.
        chosen: The images that a threshold is chosen on.
        reported: Those that the shares of the sentence are measured on.
    """
    for kind, what in (("overkill", "rejects {} of the good parts"), ("escape", "lets {} of the defects pass")):
        rate = _rate(kind, reported, threshold)
        if rate.value is None or rate.low is None or rate.low < USELESS:
            continue
        who = "This ceiling" if way in PROMISES and way != kind else "This threshold"
        says = f"{who} {what.format(_percent(rate.value))}"
        if way not in PROMISES or way == kind or ceiling is None:
            return f"{says}."
        return f"{says}{_milder(way, kind, ceiling, rate.value, chosen, reported)}."
    return None


def _milder(way: str, kind: str, ceiling: float, share: float, chosen: Cases, reported: Cases) -> str:
    """The first higher ceiling at which at most half as much is lost."""
    for other in CEILINGS:
        if other <= ceiling:
            continue
        try:
            found = choose(chosen, way, ceiling=other)
        except InputError:
            continue
        rate = _rate(kind, reported, found.threshold)
        if rate.value is not None and rate.value <= share / 2:
            does = "rejects" if kind == "overkill" else "passes"
            return f"; a ceiling of {_percent(other)} {does} {_percent(rate.value)}"
    return ""


def dearer(point: pd.Series, best: pd.Series, costs: Costs, where: str) -> str:
    """What a part costs at a threshold, beside the one with the lowest cost, and beside no inspection at all.

    Args:
        point: The figures at the threshold, of `point_at`.
        best: Those at the threshold that was chosen by cost.
        costs: What mistakes cost.
        where: What the images of both are called.
    """
    if math.isnan(point["cost"]):
        return ""
    says = f"A part costs {_cost(point)} on the {where}"
    if point["threshold"] == best["threshold"]:
        says += "; no threshold had a lower cost where it was chosen."
    else:
        says += f", and {_cost(best)} at the threshold with the lowest cost ({best['threshold']:.4f})."
    prior = costs.prior if costs.prior is not None else point["defects"] / (point["defects"] + point["good"])
    blind = {"passed": costs.escape * prior, "rejected": costs.overkill * (1 - prior)}
    cheapest = min(blind, key=blind.__getitem__)
    if point["cost low"] > blind[cheapest]:
        says += f" It would cost less, {blind[cheapest]:.3g}, if every part were {cheapest} unseen."
    return says


def _rate(kind: str, cases: Cases, threshold: float) -> Rate:
    escapes, overkill = rates_at(cases, threshold)
    return escapes if kind == "escape" else overkill


def _cost(point: pd.Series) -> str:
    return f"{point['cost']:.3g} ({point['cost low']:.3g} to {point['cost high']:.3g})"


def _percent(share: float) -> str:
    """A share in as many digits as tell something: 0.4 %, 3.4 %, 87 %."""
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.2g} %"
