"""The limits of a model's description under corruption: from which severity on its mistakes are surely too many."""

from __future__ import annotations

import dataclasses
from functools import cached_property

from workbench.files import CheckResult, Outcome
from workbench.images import CORRUPTIONS, SEVERITIES
from workbench.predictions import Limits, promise
from workbench.reliability.corruption import Corrupted
from workbench.reliability.corruption_figures import Flags, Mistake, mistakes_of
from workbench.reliability.corruption_words import MILD
from workbench.stats import ENOUGH, Rate, share
from workbench.texts import sentence_list

LIMITED = {"escapes": "escapes", "overkill": "overkill", "mistakes": "errors"}
"""The attribute of `Limits` that each kind of mistake is held against."""


def limit_results(study: Corrupted, limits: Limits) -> list[CheckResult]:
    """Each limit that is set, held against all mistakes of its kind at every severity of every corruption.

    Mistakes are over a limit where their interval by unit lies above it, at the level of Bonferroni for as many kinds
    and severities. A limit does not hold ("fail") where they are at a severity of at most `MILD` but not without a
    corruption, and asks for a look ("warn") where they are at a higher severity, or without any. It is "ok" where
    `predictions.promise` calls it kept without a corruption and in every case; else it cannot be told.

    Args:
        study: M images.
        limits: As of the model's description.

    Returns:
        One result a limit that is set and that labels can tell of; none where none is set.
    """
    set_ones = [(*line, getattr(limits, LIMITED[line[0]])) for line in mistakes_of(study)]
    return [
        _Held(study, name, limit, among, mistake).result()
        for name, among, mistake, limit in set_ones
        if limit is not None and among.any()
    ]


@dataclasses.dataclass(frozen=True, eq=False)
class _Held:
    """A limit held against the mistakes of one kind, among some images (M,)."""

    study: Corrupted
    name: str
    limit: float
    among: Flags
    mistake: Mistake

    def result(self) -> CheckResult:
        """What it comes to."""
        clean = self._rate(self.mistake(self.study.clean), self.among)
        already = promise(self.name, clean, self.limit).outcome
        start = f"Limit of {100 * self.limit:.3g} % for {self.name}, as the model's description sets it:"
        start += f" {_of(clean)} without a corruption" + (", which is over it already" if already == "not kept" else "")
        check, over = f"corruption limit: {self.name}", self._over
        if not over:
            verdict, end = self._not_over(already)
            return CheckResult(check, verdict, f"{start}; {end}", *_figures(clean, self.limit))
        severity, kind = min(over, key=lambda case: case[0])
        titles = sentence_list([CORRUPTIONS[name].title for first, name in over if first == severity])
        worst = self._rate(*self._cases[severity, kind])
        verdict = "fail" if severity <= MILD and already != "not kept" else "warn"
        end = (
            f"surely over it, at the level of Bonferroni over {self._where}, from severity {severity} of 5 on under"
            f" {titles}: {_of(worst)} under {CORRUPTIONS[kind].title}."
        )
        return CheckResult(check, verdict, f"{start}; {end}", *_figures(worst, self.limit))

    def _not_over(self, already: str) -> tuple[Outcome, str]:
        kept = all(promise(self.name, self._rate(*case), self.limit).outcome == "kept" for case in self._cases.values())
        if kept and already == "kept":
            return "ok", f"kept with 95 % confidence in each of {self._where}."
        end = f"in none of {self._where} surely over it, but that it is kept in all of them is not shown."
        return ("warn" if already == "not kept" else "unknown"), end

    @cached_property
    def _cases(self) -> dict[tuple[int, str], tuple[Flags, Flags]]:
        """The mistakes, and among which images, by severity and kind."""
        cases = {}
        for place, kind in enumerate(self.study.kinds):
            rows = self.among & (self.study.decisions[:, place, 0] >= 0)
            for number, severity in enumerate(SEVERITIES):
                if rows.any():
                    cases[severity, kind] = self.mistake(self.study.decisions[:, place, number]), rows
        return cases

    @property
    def _where(self) -> str:
        return f"{len(self._cases):,} kinds and severities"

    @property
    def _over(self) -> list[tuple[int, str]]:
        """The severities and kinds at which the mistakes are surely over the limit."""
        level = 1 - 0.1 / max(len(self._cases), 1)  # its lower end is one-sided
        sure = {case: self._rate(*flags, level) for case, flags in self._cases.items()}
        return [
            case
            for case, rate in sure.items()
            if rate.low is not None and rate.low > self.limit and rate.support >= ENOUGH and not rate.few_units
        ]

    def _rate(self, hits: Flags, rows: Flags, level: float = 0.95) -> Rate:
        return share(hits[rows], None if self.study.units is None else self.study.units[rows], level)


def _of(rate: Rate) -> str:
    ends = f"{rate.value:.0%}, 95 % interval {rate.low:.0%} to {rate.high:.0%}"
    return f"{rate.count:,} of {rate.support:,}{rate.in_units()} ({ends})"


def _figures(rate: Rate, limit: float) -> tuple[float | None, float | None, float | None, float, int]:
    return rate.value, rate.low, rate.high, limit, rate.support
