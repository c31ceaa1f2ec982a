"""Leaks in words: one sentence a side, and the results that `workbench data` writes."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.files import CheckResult, Outcome
from workbench.predictions import percent
from workbench.quality.leaks import COMPARED_SPLITS, SAME_PART, SHARED_GROUP, SPLIT_WORDS, Leaks, Side
from workbench.stats import Rate

_OUTCOMES: Mapping[str, Outcome] = {
    "none": "ok",
    "unknown": "warn",
    "flatters": "fail",
    "worse": "warn",
    "chance": "warn",
    "few": "warn",
    "nothing left": "fail",
}
_NOT_LOOKED = (
    "Leaks are unknown, because families were not looked for: look for images of one part, or state a group for each"
    " image."
)
_SHARE = {SAME_PART: "show a part that is also among", SHARED_GROUP: "belong to a group that also has images among"}


def what_leaks(side: Side) -> str:
    """How many images of a split leak, and from where, as a sentence."""
    measured, source = SPLIT_WORDS[side.measured], SPLIT_WORDS[side.source]
    count = len(side.images)
    if not count:
        what = "part" if side.kind == SAME_PART else "stated group"
        return f"None of the {side.size:,} {measured} images shares a {what} with the {source} images."
    verb = _SHARE[side.kind]
    if count == 1:
        verb = verb.replace("show", "shows", 1).replace("belong", "belongs", 1)
    of = f"{count:,} of {side.size:,} {measured} images ({percent(count / side.size)})"
    return f"{of} {verb} the {source} images."


def what_follows(side: Side) -> str:
    """What the leak does to the accuracy, with the figures, as sentences; empty where nothing leaks or is known."""
    cut, excess = side.accuracy, side.excess
    if cut is None or excess is None:
        return ""
    figures = (
        f"Accuracy as reported {_rate(cut.reported)}, without them {_rate(cut.without)}, on them alone"
        f" {_rate(cut.leaked)}."
    )
    return f"{figures} {_difference(side)}"


def _difference(side: Side) -> str:
    excess = side.excess
    assert excess is not None
    if excess.verdict == "nothing left":
        return f"All {SPLIT_WORDS[side.measured]} images leak, so the accuracy on anything new is unknown."
    if excess.verdict == "few" or excess.value is None or excess.low is None or excess.high is None:
        return "Too few to say whether they flatter the figure."
    low, high = sorted((abs(100 * excess.low), abs(100 * excess.high)))
    size = f"{abs(100 * excess.value):.1f} points ({low:.1f} to {high:.1f})"
    if excess.verdict == "flatters":
        return (
            f"That is more than chance: within a class the model is {size} better on them, so they flatter the figure."
        )
    if excess.verdict == "worse":
        return f"Within a class the model is {size} worse on them: they do not flatter the figure, but look at them."
    span = f"{_points(excess.low)} to {_points(excess.high)}"
    return f"Chance can make that difference (within a class {_points(excess.value)} points, {span})."


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _rate(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "unknown (none are left)"
    return f"{percent(rate.value)} ({100 * rate.low:.1f} to {100 * rate.high:.1f})"


def leak_results(leaks: Leaks) -> tuple[CheckResult, ...]:
    """The results of the check for leaks: one for each kind and two splits, as `workbench data` writes them."""
    results = []
    for kind in (SAME_PART, SHARED_GROUP):
        for measured, source in COMPARED_SPLITS:
            name = f"{'leaks' if kind == SAME_PART else 'groups'} {measured}-{source}"
            side = leaks.side(kind, measured, source)
            if side is not None:
                results.append(_result(name, side))
            elif kind == SAME_PART:
                results.append(CheckResult(name, "unknown", _why(leaks, measured, source)))
    return tuple(results)


def _why(leaks: Leaks, measured: str, source: str) -> str:
    """Why it is unknown whether two splits share a part."""
    if leaks.missing or not leaks.families:
        return leaks.missing or _NOT_LOOKED
    first, second = SPLIT_WORDS[measured], SPLIT_WORDS[source]
    return f"There are no {first} images or no {second} images, so nothing can be said of leaks between the two."


def _result(name: str, side: Side) -> CheckResult:
    sentence = " ".join(filter(None, (what_leaks(side), what_follows(side))))
    if len(side.images) and side.excess is None:
        sentence += " What that does to the figures is unknown without predictions: name a model."
    cut = side.accuracy
    rate = None if cut is None else cut.without
    return CheckResult(
        name,
        _OUTCOMES[side.verdict],
        sentence,
        None if rate is None else rate.value,
        None if rate is None else rate.low,
        None if rate is None else rate.high,
        None if cut is None else cut.reported.value,
        len(side.images),
        tuple(zip(side.images["name"], side.images["to"], strict=True)),
    )
