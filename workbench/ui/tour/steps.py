"""The six steps of the tour: where each leads, and what is said there, with the figures of what is loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from workbench.catalog import load_catalog
from workbench.errors import InputError
from workbench.files import CheckResult
from workbench.predictions import verdict_of
from workbench.quality import leak_results
from workbench.ui import checks, leaked, logbook, maps_known, url
from workbench.ui.overview import checked
from workbench.ui.overview.scope import Scope, judged, of_100
from workbench.ui.text import plain
from workbench.ui.view import View

METHODS_SHOWN = ("grad_cam",)
"""The maps of the tour: one that takes a moment."""
DEALS = {"solar-cells": "solar-cells-random", "solar-cells-random": "solar-cells"}
"""Models of the catalog whose images are the same, dealt to the splits in another way."""
UNJUDGED = (
    "Nothing is known here yet: there are no predictions of these images, or no labels that the model knows.",
    "The Overview says what to do.",
)
Said = tuple[str, str]
Query = Mapping[str, str | list[str]]


@dataclasses.dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        title: The question that it answers.
        page: The file of the page.
        query: What the link to it says beside model and image set.
        anchor: The section to scroll to; empty for the top.
        say: What is so, and what to look at, as Markdown, once the page is drawn.
    """

    title: str
    page: Path
    query: Query
    anchor: str
    say: Callable[[], Said]


def route(view: View) -> tuple[Step, ...]:
    """The six steps for a model and a set."""
    scope = judged(view)
    image: dict[str, str] = {} if scope is None else _image(scope)
    kind = {} if scope is None else {"verdict": _kind(scope), "sort": "sure"} | _split(scope)
    decisions: Mapping[str, str] = {"view": "decisions", "queue": "escapes", **image}
    defects = scope is not None and bool(scope.cases.positive)
    methods: dict[str, str | list[str]] = {"method": list(METHODS_SHOWN), "evidence": "quick"}
    steps: tuple[tuple[str, Path, Query, str, Callable[[View, Scope], Said]], ...] = (
        ("Is it fit for use?", url.OVERVIEW, {}, "", _verdict),
        (
            "What gets past it?",
            *((url.DEFECTS, decisions) if defects else (url.EXPLAIN, {**image, **kind})),
            "",
            _escape,
        ),
        ("Why, and can the map be believed?", url.EXPLAIN, {**image, **kind, **methods}, "", _map),
        ("Do the figures stand?", url.DATA, {"leak": "part"}, "leaks", _leak),
        ("Where should the threshold be?", url.DEFECTS, {"view": "threshold"}, "", _threshold),
        ("What is handed on?", url.REPORT, {}, "", _handed_on),
    )
    return tuple(
        Step(title, page, query, anchor, _saying(say, view, scope)) for title, page, query, anchor, say in steps
    )


def other_deal(view: View) -> tuple[str, Query] | None:
    """The same images dealt to the splits in another way: the label of a link and its query; None where there is
    none."""
    models, ref = load_catalog().models, DEALS.get(view.model.ref, "")
    if ref not in models:
        return None
    return f"The same on {models[ref].title}", {"model": ref, "set": models[ref].images or "", "leak": "part"}


def _saying(say: Callable[[View, Scope], Said], view: View, scope: Scope | None) -> Callable[[], Said]:
    return lambda: UNJUDGED if scope is None else say(view, scope)


def surest(scope: Scope) -> int | None:
    """The row of the mistake that the model is surest of: a missed defect where it is known what is one."""
    rows = scope.surest[_kind(scope)]
    return int(rows[0]) if len(rows) else None


def _kind(scope: Scope) -> str:
    return "escape" if scope.cases.positive else "wrong"


def _split(scope: Scope) -> dict[str, str]:
    return {"split": scope.split} if scope.split else {}


def _image(scope: Scope) -> dict[str, str]:
    row = surest(scope)
    return {} if row is None else {"image": scope.at(row).name}


def _verdict(_: View, scope: Scope) -> Said:
    verdict, rates = checked.looked_up(scope), scope.mistakes
    if "errors" in rates:
        figures = f"It calls {of_100(rates['errors'])} images something else than they are."
    else:
        figures = f"It misses {of_100(rates['escapes'])} defects and rejects {of_100(rates['overkill'])} good parts."
    flattering = "" if scope.split else " There is no test split, so these figures may flatter."
    counts = "" if verdict is None else f" {checked.summed(verdict.standings)}"
    return (
        f"{figures} In brackets are 95 % intervals; measured on {scope.where}.{flattering}{counts}",
        "The box below says what that comes to, by limits that you can change; the table under it says each of the"
        " twelve checks, its criterion and the page behind it. Grey means not yet known: never that all is well.",
    )


def _escape(_: View, scope: Scope) -> Said:
    row, count = surest(scope), len(scope.surest[_kind(scope)])
    if row is None:
        return f"No such mistake was seen among {scope.where}: that is no proof that none will come.", ""
    verdict = verdict_of(scope.predictions, row)
    if scope.cases.positive:
        counted = f"{count:,} of {scope.cases.defects:,} defects are missed"
    else:
        counted = f"{count:,} of {len(scope.cases):,} images are decided wrong"
    return (
        f"{counted} ({scope.where}). The model is surest of this one, {plain(scope.at(row).name)}:"
        f" {plain(verdict.sentence, 300)}",
        "Look at the photograph first: would you have seen it? Then at what the decision rests on.",
    )


def _map(view: View, scope: Scope) -> Said:
    row = surest(scope)
    if row is None:
        return "There is no mistake to explain.", "Any image of the set can be chosen here."
    known = maps_known.ratings(view, row, METHODS_SHOWN)
    parts = "; ".join(f"{title}: **{plain(sentence, 200)}**" for title, sentence in known.items())
    return (
        "A map says where the score came from, not that this is a good reason. Each is held against the model: regions"
        f" are removed, weights replaced by random ones.{f' {parts}.' if parts else ''}",
        "" if parts else "The checks run below, in seconds; then what they found stands on each map.",
    )


def _leak(view: View, scope: Scope) -> Said:
    found = leaked.of(view)
    if found is None:
        return "It is not known whether parts stand in two splits.", "Look for images of one part further up."
    if found.missing:
        return plain(found.missing, 400), ""
    sentences = [_signed(result) for result in _gravest(leak_results(found))]
    pairs = (
        f"All {len(found.pairs):,} pairs of one part in two splits can be looked at below." if len(found.pairs) else ""
    )
    return f"A test image whose part was trained on is no test. {' '.join(sentences)}", pairs


def _gravest(results: tuple[CheckResult, ...]) -> list[CheckResult]:
    """The result that asks most for a look."""
    return sorted(results, key=lambda result: checks.ORDER.index(result.verdict))[:1]


def _signed(result: CheckResult) -> str:
    return f"{checks.SIGNS[result.verdict]} {plain(result.sentence, 500)}"


def _threshold(_: View, scope: Scope) -> Said:
    if not scope.cases.positive:
        return "None of the classes is known to be a defect.", "Say below which are: then a threshold can be chosen."
    rule, limit, rates = scope.model.rule, scope.limits.escapes, scope.mistakes
    at = "by the most probable class" if rule.threshold is None else f"at the model's threshold of {rule.threshold:.3f}"
    now = (
        f"Of {scope.where}, {at}, {rates['escapes'].count:,} of {rates['escapes'].support:,} defects pass and"
        f" {rates['overkill'].count:,} of {rates['overkill'].support:,} good parts are rejected."
    )
    guide = "Drag the line in the histogram: what escapes and what is scrapped for nothing is counted as it moves."
    if limit is None:
        return f"{now} No limit is set for escapes.", guide
    return f"{now} {_kept(scope, limit)}", guide


def _kept(scope: Scope, limit: float) -> str:
    """What it takes to keep the limit of escapes: chosen on the validation split, told of the test split."""
    from workbench.defects import CHOSEN_ON, REPORTED_ON, cases_of, choose, of_split, rates_at

    cases, under = cases_of(scope.predictions, scope.cases.positive), f"under {100 * limit:g} of 100"
    try:
        choice = choose(of_split(cases, CHOSEN_ON), "escape", ceiling=limit)
    except InputError as error:
        return f"To keep escapes {under}: {plain(error, 500)}"
    reported = of_split(cases, REPORTED_ON)
    if not reported.defects or not reported.good:
        return f"On the validation split a threshold of {choice.threshold:.3f} keeps escapes {under}."
    escapes, overkill = rates_at(reported, choice.threshold)
    return (
        f"To keep escapes {under}, the validation split asks for {choice.threshold:.3f}: that misses"
        f" {of_100(escapes)} defects of the test split and rejects {of_100(overkill)} good parts."
    )


def _handed_on(view: View, scope: Scope) -> Said:
    book = logbook.journal(view.model)
    count = 0 if book is None else book.count_records()
    decided = f"{count:,} decisions stand" if count > 1 else "1 decision stands" if count else "No decision stands"
    return (
        f"All of this was model {view.model.key[:12]} on {scope.where}. {decided} in the journal, where each entry is"
        " sealed into the next, so that a later change shows.",
        "Write the report here: one file that opens offline and prints, says what is not known yet, and can be computed"
        " again with `workbench report --verify`.",
    )
