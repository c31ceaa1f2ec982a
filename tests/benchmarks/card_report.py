"""What the cases of `bench_card.py` come to: rates of error with intervals by check, kind and family, and areas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from workbench.evidence import CHECKS
from workbench.evidence.planted import version
from workbench.stats import auc, share

Row = dict[str, Any]
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
    """Whether any check of the card fails."""
    return any(finding[0] == "fails" for finding in row["findings"].values())


def passed(row: Row) -> bool:
    """Whether no check of the card fails."""
    return not failed(row)


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


def table(rows: list[Row]) -> str:
    """The figures as Markdown."""
    right, wrong = ([row for row in rows if row["truth"] == truth] for truth in ("right", "wrong"))
    lines = [
        f"{len(rows)} maps: {len(right)} right, {len(wrong)} wrong, the others between",
        f"whole card: nothing fails, wrong map {rate(wrong, passed)}; something fails, right map {rate(right, failed)}",
        "",
        "| check | fails, right map | does not fail, wrong map | holds, right | holds, wrong | ROC AUC |",
        "|---|---|---|---|---|---|",
    ]
    for name in CHECKS:
        of = [[row for row in some if name in row["findings"]] for some in (right, wrong)]
        if not any(of):
            continue

        fails, holds, spared = says(name, "fails"), says(name, "holds"), says(name, "holds", "doubtful")
        lines.append(
            f"| {name} | {rate(of[0], fails)} | {rate(of[1], spared)}"
            f" | {rate(of[0], holds)} | {rate(of[1], holds)} | {area(name, *of)} |"
        )
    for key in ("kind", "method", "cue", "family"):
        lines += ["", f"| {key} | nothing fails, wrong | fails, right | failing checks, right |", "|---|---|---|---|"]
        for value in dict.fromkeys(row[key] for row in rows):
            r, w = ([row for row in some if row[key] == value] for some in (right, wrong))
            which = [name for row in r for name, f in row["findings"].items() if f[0] == "fails"]
            counts = ", ".join(f"{name} {which.count(name)}" for name in dict.fromkeys(which))
            lines.append(f"| {value} | {rate(w, passed)} | {rate(r, failed)} | {counts} |")
    return "\n".join(lines)


def area(name: str, right: list[Row], wrong: list[Row]) -> str:
    """The area under a check's ROC curve, right maps above wrong ones."""
    rows = [row for row in right + wrong if row["findings"][name][1] is not None]
    if name not in ORIENTED or not rows:
        return ""
    scores = [ORIENTED[name](row["findings"][name]) for row in rows]
    figure = auc(scores, [row["truth"] == "right" for row in rows], units=units(rows))
    return "" if figure.value is None else f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})"


def asset(rows: list[Row]) -> dict[str, Any]:
    """What is shipped: the version of the checks that were measured, and counts of each network, by check."""
    networks = []
    for spec in dict.fromkeys((row["family"], row["cue"], row["seed"]) for row in rows):
        some = [row for row in rows if (row["family"], row["cue"], row["seed"]) == spec and "findings" in row]
        checks = {}
        for name in CHECKS:
            those = [row for row in some if name in row["findings"] and name != "sparsity"]
            if those:
                checks[name] = counts(those, says(name, "fails"))
        networks.append(
            dict(zip(("family", "cue", "seed"), spec, strict=True)) | {"card": counts(some, failed), "checks": checks}
        )
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
