"""Checks that were tried for the card and left out, on networks that set limits: what they tell, and what they would
change.

    python tests/benchmarks/card_tried.py [--seeds 0 2] [--only domain] [--workers 1] [--seconds 1200] [--out FILE]
        [--write]

Resumable: each network is a line of a file. The table is `RESULTS-card-tried.md`, that of one alone (`--only`) is named
after it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import bench_card
import card_domain
import numpy as np
from bench_card import Named
from card_report import failed, in_words, units
from numpy.typing import NDArray

from workbench.attribution import attribute
from workbench.evidence import card as card_module
from workbench.evidence import stability
from workbench.evidence.case import Case, pooled, strength
from workbench.evidence.location import _anywhere
from workbench.stats import auc, spearman

Row = dict[str, Any]
GRID = 8
TOLERANCES = (0.02, 0.05, 0.1)
"""Share of the score's range by which replacing the blind region at once may change the score."""
USEFUL = 0.1
"""Part of the way from chance to a map wholly off the blind region, below which it would fail."""
REDRAWN = 3
OUT = bench_card.HERE / "RESULTS-card-tried.md"


def random_weights(case: Case) -> dict[str, list[list[float]]]:
    """Likeness, on pixels and on a grid, of the map and those of models with random weights, and of these among
    themselves."""
    import torch

    mine, maps = strength(case.attribution.values), []
    for number in range(REDRAWN):
        private = stability.spoilable(case.classifier)
        stability.redraw(stability._owners(private, case), torch.Generator().manual_seed(100 + number))
        maps.append(strength(case.again(private).values))
    pairs = [(maps[i], maps[j]) for i in range(REDRAWN) for j in range(i)]
    return {"map": [_alike(case, mine, one) for one in maps], "each": [_alike(case, *pair) for pair in pairs]}


def _alike(case: Case, a: NDArray[np.float32], b: NDArray[np.float32]) -> list[float]:
    shared = stability._multiplied(case)
    parts = [a, b] if shared is None else [a, b, shared]
    compared = spearman if shared is None else stability._beyond
    return [float(compared(*parts)), float(compared(*map(pooled, parts)))]


def blind_region(case: Case) -> dict[str, dict[str, float]]:
    """By tolerance: the share of the map off the largest region that can be replaced at once, and what the same map
    laid anywhere would have."""
    height, width = case.x.shape[2:]
    cells = (np.arange(height) * GRID // height)[:, None] * GRID + (np.arange(width) * GRID // width)[None]
    score, fills = case.ends[0], case.whole_fills
    effect = np.abs([case.scores((cells != cell for cell in range(GRID**2)), fill) - score for fill in fills])
    span = max(effect.max(), *(abs(float(case.score(fill.values)[0]) - score) for fill in fills))
    values = case.ranking.clip(0).astype(np.float64)
    if case.stays(float(span)) or not values.any():
        return {}
    place = np.empty(GRID**2, int)
    place[np.argsort(effect.max(0), kind="stable")] = np.arange(GRID**2)
    order, result = place[cells], {}
    for tolerance in TOLERANCES:
        low, high = 0, GRID**2
        while low < high:
            middle = (low + high + 1) // 2
            changes = [abs(float(case.scores([order >= middle], fill)[0]) - score) for fill in fills]
            low, high = (middle, high) if max(changes) <= tolerance * span else (low, middle - 1)
        needed = order >= low
        if 0 < low < GRID**2:
            anywhere = _anywhere(values, needed, np.ones_like(needed)) / values.sum()
            mass = float(values[needed].sum() / values.sum())
            result[str(tolerance)] = {"n": low, "v": mass, "mean": float(anywhere.mean())}
    return result


def other_classes(case: Case) -> list[float]:
    """Rank correlation, on a grid, with the map of each other class that has one (Sixt et al. 2020)."""
    import torch

    result, mine = [], strength(case.attribution.values)
    params = {name: value for name, value in case.attribution.params.items() if name in case.method.params}
    for column in range(len(case.classifier.class_names)):
        if column == case.attribution.target:
            continue
        with torch.enable_grad():
            made = attribute(
                case.classifier, case.ready, case.method.name, column, background=case.background, **params
            )
        if made.values.any():
            result.append(float(spearman(pooled(mine), pooled(strength(made.values)))))
    return result


TRIED: dict[str, Callable[[Case], Any]] = {"rand": random_weights, "blind": blind_region, "class": other_classes}
DOMAIN = "domain"


def measured(spec: Named, only: str | None = None) -> list[Row]:
    """The cases of a network with what was tried beside: all, or one alone."""
    import torch

    torch.set_num_threads(1)
    found: list[Row] = []
    tuned = card_domain.Tuned(spec)
    plain = card_module._findings

    def also(case: Case, chosen: Any) -> Iterator[Any]:
        yield from plain(case, chosen)
        found.append({})
        for name, run in {**TRIED, DOMAIN: tuned.outcomes}.items():
            if only not in (None, name):
                continue
            try:
                found[-1][name] = run(case)
            except Exception as error:  # what cannot be measured of one map is left out of its table
                found[-1][name + " error"] = str(error)[:100]

    card_module._findings = also
    try:
        rows: list[Row] = bench_card.cases(spec)
    finally:
        card_module._findings = plain
    waiting = iter(found)
    return [row | ({"tried": next(waiting)} if "findings" in row else {}) for row in rows]


def table(rows: list[Row]) -> str:
    """Areas, and what each would change in the whole card."""
    judged = [row for row in rows if "tried" in row]
    right, wrong = ([row for row in judged if row["truth"] == truth] for truth in ("right", "wrong"))
    lines = [
        f"{len(right)} right and {len(wrong)} wrong maps of {len(set(units(judged).tolist()))} networks of even seeds."
        f" The card without them: {sum(not failed(row) for row in wrong)} wrong maps pass,"
        f" {sum(map(failed, right))} right ones fail.",
        "",
        "| tried | ROC AUC | right maps | wrong maps | further right maps failed | wrong maps that only it fails |",
        "|---|---|---|---|---|---|",
    ]

    def line(
        name: str,
        score: Callable[[Row], float | None],
        limit: float | None = None,
        fails: Callable[[Row], bool] | None = None,
    ) -> None:
        some = [(row, value) for row in judged if (value := score(row)) is not None]
        if not some:
            return
        figure = auc([v for _, v in some], [r["truth"] == "right" for r, _ in some], units=units([r for r, _ in some]))
        low = [row for row, v in some if (fails(row) if fails else v < (limit or 0.0)) and not failed(row)]
        counts = [sum(row["truth"] == truth for row, _ in some) for truth in ("right", "wrong")]
        said = limit is not None or fails is not None
        more = [str(sum(row["truth"] == t for row in low)) if said else "" for t in ("right", "wrong")]
        lines.append(f"| {name} | {in_words(figure)} | {counts[0]} | {counts[1]} | {more[0]} | {more[1]} |")

    for tolerance in TOLERANCES:

        def off(row: Row, name: str = str(tolerance)) -> float | None:
            got = row["tried"].get("blind", {}).get(name)
            return None if not got or "v" not in got else (got["v"] - got["mean"]) / (1 - got["mean"])

        line(f"blind region, score within {tolerance:.0%} of its range", off, USEFUL)
    for check in ("deletion", "insertion"):
        line(f"in-domain {check}", partial(_domain, check, 1), fails=lambda row, c=check: _domain(c, 0, row) == "fails")  # type: ignore[misc]
    line("another class: least unlike", lambda r: -max(r["tried"]["class"]) if r["tried"].get("class") else None, -0.9)
    line("randomisation, mean of three draws", lambda row: _redrawn(row, "map", None))
    line("the same, beyond how alike random models are", lambda row: _redrawn(row, "map", "each"))
    return "\n".join(lines)


def _domain(check: str, place: int, row: Row) -> Any:
    """The verdict (0) or the figure (1) of a check by the copy that was tuned on masked images."""
    return row["tried"].get(DOMAIN, {}).get(check, (None, None))[place]


def _redrawn(row: Row, of: str, less: str | None) -> float | None:
    got = row["tried"].get("rand")
    if not isinstance(got, dict):
        return None
    value = max(np.mean(got[of], axis=0)[:2])
    return float(-(value - max(np.mean(got[less], axis=0)[:2]))) if less else float(-value)


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--only", choices=(*TRIED, DOMAIN), help="one of what was tried")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="after which no network is begun")
    parser.add_argument("--out", type=Path, help="where each network is a line")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    jobs = {spec: partial(measured, spec, given.only) for spec in bench_card.specs(given.seeds)}
    text = table(
        bench_card.collected(
            given.out or bench_card.BUILD / f"tried-{given.only}.jsonl", jobs, given.workers, given.seconds
        )
    )
    print(text)
    if given.write:
        out = OUT.with_stem(f"{OUT.stem}-{given.only}") if given.only else OUT
        out.write_text(f"# Checks of maps that were tried and left out\n\nBy `card_tried.py --write`. {text}\n")


if __name__ == "__main__":
    main()
