"""How often the card errs, as measured on planted maps and shipped beside the code that was measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from workbench.catalog import of_version, shared
from workbench.files import KINDS
from workbench.stats import Rate, share

ASSET = "card-errors.json"
"""Written by `tests/benchmarks/bench_card.py`: what the card said of the maps of each planted network."""
RIGHTLY = 0.9
"""Share of new images that a planted network must decide rightly, for it to be known that it reads its cue: what one
reads that never learned it is not known, though its weights be zero everywhere else. A network that reads nothing has
no cue, and is known."""
RUN_AFTER = 19
"""The first odd seed that was run after `RIGHTLY` was chosen: those before had shown what it would leave out."""


@dataclasses.dataclass(frozen=True)
class ErrorRates:
    """How often a check, or any check of a card, errs on planted maps; intervals allow for maps of one network.

    Attributes:
        passed: Of wrong maps, those that did not fail: of a card, in no check that counts and not by its veto.
        failing: Of right maps, those that failed.
        leant: Of wrong maps, those that a card says to lean on; None of a single check.
        trusted: Of right maps, those that a card says to lean on; None of a single check.
        warned: Of wrong maps, those that a card says not to rely on; None of a single check.
        spurned: Of right maps, those that a card says not to rely on; None of a single check.
    """

    passed: Rate
    failing: Rate
    leant: Rate | None = None
    trusted: Rate | None = None
    warned: Rate | None = None
    spurned: Rate | None = None


def version() -> int:
    """The version of the computation of findings, which error rates hold for."""
    return KINDS["findings"].version


def error_rates(check: str | None = None, family: str | None = None, *, every: bool = False) -> ErrorRates | None:
    """The measured error rates, on planted networks of which it is known what they read.

    Args:
        check: Of one check of `CHECKS`; of the whole card where missing.
        family: On networks of one family: "plain", "residual", "gated" or "transformer"; on all where missing.
        every: On all that set no limit: also those that did not learn their cue (`RIGHTLY`), and those that were run
            before it was chosen to leave such out (`RUN_AFTER`).

    Returns:
        The rates, or None where none were measured for this version of the checks.

    Example:
        >>> from workbench.evidence import error_rates
        >>> rates = error_rates()
        >>> rates.passed.support > 300
        True
    """
    networks = _measured()
    if networks is None:
        return None
    chosen = [
        one
        for one in networks
        if family in (None, one["family"]) and (every or understood(one["seed"], one["decides"]))
    ]
    counts = [one["card"] if check is None else one["checks"].get(check, {}) for one in chosen]
    passed, failing = _rate(counts, "passed", "wrong"), _rate(counts, "failing", "right")
    if check is not None:
        return ErrorRates(passed, failing)
    words = (("leant", "wrong"), ("trusted", "right"), ("warned", "wrong"), ("spurned", "right"))
    return ErrorRates(passed, failing, *(_rate(counts, hits, of) for hits, of in words))


def understood(seed: int, decides: float | None) -> bool:
    """Whether it is known what a planted network reads, and was not known before it was chosen which to leave out.

    Args:
        seed: Its seed.
        decides: The share of new images that it decides rightly; None where it reads nothing.
    """
    return seed >= RUN_AFTER and learned(decides)


def learned(decides: float | None) -> bool:
    """Whether it is known what a planted network reads, by the share of new images that it decides rightly; None where
    it reads nothing."""
    return decides is None or decides >= RIGHTLY


@cache
def _measured() -> Sequence[Mapping[str, Any]] | None:
    """What was counted on each network; None where that is missing or of another version."""
    table = of_version(shared(ASSET), version())
    return None if table is None else table["networks"]


def _rate(counts: Iterable[Mapping[str, int]], hits: str, of: str) -> Rate:
    """The share of hits, with the networks as units."""
    rows = [(number, one.get(hits, 0), one.get(of, 0)) for number, one in enumerate(counts)]
    units = np.repeat([number for number, _, _ in rows], [many for _, _, many in rows]).astype(np.intp)
    flags = [place < hit for _, hit, many in rows for place in range(many)]
    return share(flags, units)
