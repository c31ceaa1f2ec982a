"""What a check of a command found, as `findings.json` says it: the same fields for data, drift and all others."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Literal

Outcome = Literal["ok", "warn", "fail", "unknown"]
FINDINGS, TABLES_IN = "findings.json", "tables"
"""The file that commands write findings to, and the folder of the tables behind them."""


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Attributes:
        check: Its name, as the documentation lists it.
        verdict: "ok" only where it was looked for and not found, "warn" where a person should look, "fail" where a
            figure or promise does not hold, "unknown" where it cannot be told.
        sentence: The finding, with its figures, for somebody who sees nothing else.
        figure: The figure that the verdict rests on, in the unit that `sentence` says; None where there is none.
        low: Lower end of its 95 % interval.
        high: Upper end.
        threshold: What the figure is held against.
        support: How many images, pairs or families it rests on.
        images: The images behind it by name, or pairs of them.
    """

    check: str
    verdict: Outcome
    sentence: str
    figure: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    support: int = 0
    images: tuple[str | tuple[str, str], ...] = ()


def findings_text(results: Sequence[CheckResult]) -> str:
    """The contents of `findings.json`: a list of objects, of which what is not known is null. Half a pair of
    surrogates, which no file can hold, becomes a replacement character."""
    rows = [result_row(result) for result in results]
    text = json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def result_row(result: CheckResult) -> dict[str, object]:
    """The fields of a result as `findings.json` has them."""
    return {name: _plain(value) for name, value in dataclasses.asdict(result).items()}


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
