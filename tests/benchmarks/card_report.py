"""What the cases of `bench_card.py` come to: rates of error with intervals by check, kind and family, and areas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.evidence import CHECKS, LEAN, NOT_RELIED_ON, UNCOUNTED, Finding, rating
from workbench.evidence.planted import RIGHTLY, RUN_AFTER, learned, understood, version
from workbench.stats import auc, share

Row = dict[str, Any]
ENOUGH_NETWORKS = 20
ORIENTED: dict[str, Callable[[list[float]], float]] = {
    "completeness": lambda f: -f[1],
    "deletion": lambda f: f[1],
    "insertion": lambda f: f[1],
    "randomisation": lambda f: -f[1],
    "repeatability": lambda f: -f[1],
    "sensitivity": lambda f: -f[1],
    "infidelity": lambda f: f[4] - f[1],
}
"""Each check's figure, higher for a better map."""


def failed(row: Row) -> bool:
    """Whether any check fails that counts, or the veto."""
    return any(finding[0] == "fails" for name, finding in row["findings"].items() if name not in UNCOUNTED)


def passed(row: Row) -> bool:
    """Whether no check of the card fails."""
    return not failed(row)


def known(rows: list[Row]) -> list[Row]:
    """Those of networks of which it is known what they read, that were run after it was chosen to leave others out."""
    return [row for row in rows if understood(row["seed"], row["decides"])]


def word(row: Row) -> str:
    """What the card says in sum of a map."""
    return rating(Finding(name, f[0], *f[1:5], "", "", "") for name, f in row["findings"].items()).word


def leant(row: Row) -> bool:
    """Whether the card says to lean on the map."""
    return word(row) == LEAN


def warned(row: Row) -> bool:
    """Whether the card says not to rely on the map."""
    return word(row) == NOT_RELIED_ON


def says(name: str, *verdicts: str) -> Callable[[Row], bool]:
    """Whether a check's verdict on a map is one of these."""
    return lambda row: row["findings"][name][0] in verdicts


def units(rows: list[Row]) -> np.ndarray:
    """The number of each case's network: maps of one network err together."""
    names = [(row["family"], row["cue"], row["seed"]) for row in rows]
    order = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([order[name] for name in names], np.intp)


def rate(rows: list[Row], hits: Callable[[Row], bool]) -> str:
    """A share with its interval and support, in words."""
    if not rows:
        return "none"
    figure = share([hits(row) for row in rows], units(rows))
    return f"{figure.value:.1%} ({figure.low:.1%}-{figure.high:.1%}; {figure.count}/{figure.support})"


def in_sum(title: str, rows: list[Row]) -> list[str]:
    """The errors of the whole card, as rows of a table."""
    right, wrong = ([row for row in rows if row["truth"] == truth] for truth in ("right", "wrong"))
    figures = (rate(wrong, passed), rate(right, failed), rate(wrong, leant), rate(right, leant))
    more = (rate(wrong, warned), rate(right, warned), str(len(set(units(right + wrong).tolist()))))
    return [f"| {title} | {' | '.join((*figures, *more))} |"]


def by_check(rows: list[Row]) -> list[str]:
    """The errors of each check, as lines of a table."""
    right, wrong = ([row for row in rows if row["truth"] == truth] for truth in ("right", "wrong"))
    lines = [
        "| check | fails, right map | does not fail, wrong map | holds, right | holds, wrong | ROC AUC |",
        "|---|---|---|---|---|---|",
    ]
    fails, holds, spared = ("fails",), ("holds",), ("holds", "doubtful")
    for name in CHECKS:
        of = [[row for row in some if name in row["findings"]] for some in (right, wrong)]
        if any(of):
            asked = ((of[0], fails), (of[1], spared), (of[0], holds), (of[1], holds))
            figures = " | ".join(rate(some, says(name, *verdicts)) for some, verdicts in asked)
            lines.append(f"| {name} | {figures} | {area(name, *of)} |")
    return lines


def table(rows: list[Row]) -> str:
    """The figures as Markdown: both of the networks of which it is known what they read and of all."""
    every, rows = rows, known(rows)
    right, wrong = ([row for row in rows if row["truth"] == truth] for truth in ("right", "wrong"))
    apart = {(row["family"], row["cue"], row["seed"]): row["decides"] for row in every if not learned(row["decides"])}
    named = ", ".join(f"{family} {cue} {seed} ({told:.0%})" for (family, cue, seed), told in apart.items())
    lines = [
        f"{len(rows)} maps of networks of seeds from {RUN_AFTER} on that decide at least {RIGHTLY:.0%} of new images"
        f" rightly, or read nothing: {len(right)} right, {len(wrong)} wrong, the others between. Of all"
        f" {len(set(units(every).tolist()))} networks {len(apart)} never learned their cue, so that nothing is known of"
        f" what they read{': ' if named else ''}{named}. Those of seeds below {RUN_AFTER} were known when it was"
        " chosen to leave such out, and enter the figures of all networks only.",
        "",
        "| whole card | nothing fails, wrong map | something fails, right map | leant on, wrong | leant on, right"
        " | not to be relied on, wrong | not to be relied on, right | networks |",
        "|---|---|---|---|---|---|---|---|",
        *in_sum("of networks of which it is known what they read", rows),
        *in_sum("of all networks", every),
        "",
        "By check, of networks of which it is known what they read:",
        "",
        *by_check(rows),
        "",
        "By check, of all networks:",
        "",
        *by_check(every),
        "",
        "Of all networks:",
    ]
    right, wrong = ([row for row in every if row["truth"] == truth] for truth in ("right", "wrong"))
    for key in ("kind", "method", "cue", "family"):
        lines += ["", f"| {key} | nothing fails, wrong | fails, right | failing checks, right |", "|---|---|---|---|"]
        for value in dict.fromkeys(row[key] for row in every):
            r, w = ([row for row in some if row[key] == value] for some in (right, wrong))
            failing = [name for row in r for name, f in row["findings"].items() if f[0] == "fails"]
            which = [name for name in failing if name not in UNCOUNTED]
            counts = ", ".join(f"{name} {which.count(name)}" for name in dict.fromkeys(which))
            lines.append(f"| {value} | {rate(w, passed)} | {rate(r, failed)} | {counts} |")
    return "\n".join(lines)


def area(name: str, right: list[Row], wrong: list[Row]) -> str:
    """The area under a check's ROC curve, right maps above wrong ones."""
    rows = [row for row in right + wrong if row["findings"][name][1] is not None]
    if name not in ORIENTED or not rows:
        return ""
    scores = [ORIENTED[name](row["findings"][name]) for row in rows]
    return in_words(auc(scores, [row["truth"] == "right" for row in rows], units=units(rows)))


def in_words(figure: Any) -> str:
    """An area with its interval; empty where there is none."""
    return "" if figure.value is None else f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})"


def beside_quantus(rows: list[Row]) -> str:
    """Each matching metric of Quantus beside our check, by the area under the ROC curve, on the maps that both answer.

    A check of ours that does not tell right maps from wrong ones is no better for it: both figures are told.
    """
    from card_quantus import MATCHES

    lines = ["| metric of Quantus | its area | our check | its area | maps |", "|---|---|---|---|---|"]
    above = 0
    judged = [row for row in known(rows) if row["truth"] in ("right", "wrong")]
    for metric, (check, sign) in MATCHES.items():
        both = [
            row for row in judged if metric in row["quantus"] and row["findings"].get(check, ["", None])[1] is not None
        ]
        theirs = [sign * row["quantus"][metric] for row in both]
        ours = [ORIENTED[check](row["findings"][check]) for row in both]
        figures = [
            auc(scores, [row["truth"] == "right" for row in both], units=units(both)) for scores in (theirs, ours)
        ]
        values = [figure.value for figure in figures]
        if None not in values:
            above += values[1] > values[0]  # type: ignore[operator]
        words = [in_words(figure) for figure in figures]
        lines.append(f"| {metric} | {words[0]} | {check} | {words[1]} | {len(both)} |")
    networks = len(set(units(judged).tolist()))
    few = "" if networks >= ENOUGH_NETWORKS else " That is too few to say which is better."
    return "\n".join([*lines, "", f"Ours is above in {above} of {len(MATCHES)}, on {networks} networks.{few}"])


def asset(rows: list[Row]) -> dict[str, Any]:
    """What is shipped: the version of the checks that were measured, and counts of each network, by check."""
    networks = []
    for spec in dict.fromkeys((row["family"], row["cue"], row["seed"]) for row in rows):
        its = [row for row in rows if (row["family"], row["cue"], row["seed"]) == spec]
        some = [row for row in its if "findings" in row]
        checks = {}
        for name in CHECKS:
            those = [row for row in some if name in row["findings"] and name != "sparsity"]
            if those:
                checks[name] = counts(those, says(name, "fails"))
        card = counts(some, failed) | {
            "leant": sum(leant(row) for row in some if row["truth"] == "wrong"),
            "trusted": sum(leant(row) for row in some if row["truth"] == "right"),
            "warned": sum(warned(row) for row in some if row["truth"] == "wrong"),
            "spurned": sum(warned(row) for row in some if row["truth"] == "right"),
        }
        facts = dict(zip(("family", "cue", "seed"), spec, strict=True)) | {"decides": its[0]["decides"]}
        networks.append(facts | {"card": card, "checks": checks})
    return {"version": version(), "networks": networks}


def counts(rows: list[Row], fails: Callable[[Row], bool]) -> dict[str, int]:
    """Maps that are wrong and, of them, those that passed; maps that are right and those that failed."""
    wrong, right = ([row for row in rows if row["truth"] == truth] for truth in ("wrong", "right"))
    return {
        "wrong": len(wrong),
        "passed": sum(not fails(row) for row in wrong),
        "right": len(right),
        "failing": sum(map(fails, right)),
    }
