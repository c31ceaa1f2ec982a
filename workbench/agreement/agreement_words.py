"""What an agreement study comes to, a sentence each: by the bands of the AIAG, and never on a handful of parts.

The bands are those of the Automotive Industry Action Group's "Measurement systems analysis", 4th edition, chapter III,
section C. A verdict rests on the interval: within a band for good only where all of it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from workbench.agreement.appraisal import Appraiser, Panel
from workbench.agreement.arms import Contrast
from workbench.agreement.kappas import Kappa
from workbench.agreement.ratings import MACHINE
from workbench.agreement.study_plan import ARM_TITLES
from workbench.files import CheckResult, Outcome
from workbench.stats import ENOUGH, SIGNIFICANT, Rate

Band = Literal["acceptable", "marginal", "not acceptable"]
BANDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"effectiveness": (0.90, 0.80), "miss rate": (0.02, 0.05), "false-alarm rate": (0.05, 0.10)}
)
"""For each figure what is acceptable, and what is marginal: at least so much effectiveness, at most such rates."""
KAPPA_BANDS = (0.75, 0.40)
"""Above the first, agreement is good to excellent; below the second it is poor."""
KAPPA_WORDS: Mapping[Band, str] = MappingProxyType(
    {"acceptable": "good", "marginal": "between poor and good", "not acceptable": "poor"}
)


def band_of(figure: str, value: float) -> Band:
    """The band that a value of one of `BANDS`, or of "kappa", lies in."""
    if figure == "kappa":
        return "acceptable" if value > KAPPA_BANDS[0] else "not acceptable" if value < KAPPA_BANDS[1] else "marginal"
    accepted, marginal = BANDS[figure]
    sign = 1 if accepted > marginal else -1
    return "acceptable" if sign * (value - accepted) >= 0 else "marginal" if sign * (value - marginal) >= 0 else (
        "not acceptable"
    )  # fmt: skip


def judged_band(figure: str, value: float, low: float, high: float, parts: int) -> tuple[Outcome, Band]:
    """The verdict on a figure, and the band of its estimate.

    "ok" where the whole interval is acceptable, "fail" where none of it is even marginal, "warn" where the estimate is
    not acceptable, and "unknown" where it is but the interval is not, or where there are fewer than `ENOUGH` parts.
    """
    worst, best = (high, low) if figure.endswith("rate") else (low, high)
    band = band_of(figure, value)
    if parts < ENOUGH:
        return "unknown", band
    if band_of(figure, worst) == "acceptable":
        return "ok", band
    if band_of(figure, best) == "not acceptable":
        return "fail", band
    return ("unknown" if band == "acceptable" else "warn"), band


def agreement_results(panels: Sequence[Panel], contrasts: Sequence[Contrast]) -> list[CheckResult]:
    """The findings of a study: for each arm and appraiser repeatability, effectiveness, misses and false alarms, for
    each arm the agreement between people, and whether maps help."""
    results = []
    for panel in panels:
        for one in panel.appraisers if panel is panels[0] else panel.people:
            results += _of_appraiser(one)
        results += _between(panel)
    return [*results, *map(_help, contrasts[:1])]


def _of_appraiser(one: Appraiser) -> list[CheckResult]:
    who = _who(one)
    results = [_of_kappa("repeatability", f"{who}: the same decision on the same part", one.within, one.parts)]
    if one.trials < 2:
        results = [
            CheckResult("repeatability", "unknown", f"{who}: each part was decided once, which shows no repeatability.")
        ]
    if not one.defects + one.good:
        return [
            *results,
            CheckResult("effectiveness", "unknown", f"{who}: nothing says which parts are defective."),
        ]
    return [
        *results,
        _of_rate("effectiveness", f"{who}: right in every trial", one.effective, one.effective.support, "parts"),
        _of_rate("miss rate", f"{who}: defective parts passed (escapes)", one.miss, one.defects, "decisions"),
        _of_rate("false-alarm rate", f"{who}: good parts rejected", one.false_alarm, one.good, "decisions"),
        _of_kappa("agreement with the reference", f"{who}: agreement with the reference", one.reference, one.parts),
    ]


def _who(one: Appraiser) -> str:
    if one.kind == MACHINE:
        return f"The model {one.name}"
    return f"{one.name}, {ARM_TITLES[one.arm]}" if one.arm else one.name


def _of_rate(figure: str, what: str, rate: Rate, parts: int, unit: str) -> CheckResult:
    if rate.value is None or rate.low is None or rate.high is None:
        return CheckResult(figure, "unknown", f"{what}: there are no such parts.")
    verdict, band = judged_band(figure, rate.value, rate.low, rate.high, parts)
    accepted, marginal = BANDS[figure]
    limit = "at least" if figure == "effectiveness" else "at most"
    on = "" if unit == "parts" else f" on {_parts(parts)}"
    said = (
        f"{what}: {figure} {rate.value:.1%} (95 % interval {rate.low:.1%} to {rate.high:.1%}; {rate.count:,} of"
        f" {rate.support:,} {unit}{on}). {_judged(verdict, band, parts)} (AIAG: {limit} {accepted:.0%} is acceptable,"
        f" {limit} {marginal:.0%} marginal)."
    )
    return CheckResult(figure, verdict, said, rate.value, rate.low, rate.high, accepted, rate.support)


def _judged(verdict: Outcome, band: Band, parts: int) -> str:
    if parts < ENOUGH:
        return f"Not judged on fewer than {ENOUGH} parts"
    if verdict == "ok":
        return "Acceptable, and so is the whole interval"
    if verdict == "fail":
        return "Not acceptable, nor is any value in the interval even marginal"
    if verdict == "unknown":
        return "Acceptable by the estimate alone: the interval reaches beyond"
    return f"{band[0].upper()}{band[1:]} by the estimate alone: the interval reaches beyond"


def _of_kappa(check: str, what: str, kappa: Kappa, parts: int) -> CheckResult:
    if kappa.value is None or kappa.low is None or kappa.high is None:
        why = "all decisions are alike, so that there is nothing to tell apart" if kappa.pairs else "nothing to compare"
        return CheckResult(check, "unknown", f"{what}: {why}.")
    verdict, band = judged_band("kappa", kappa.value, kappa.low, kappa.high, parts)
    tail = f"On fewer than {ENOUGH} parts nothing is judged."
    if parts >= ENOUGH:
        reach = ", and the whole interval is" if verdict in ("ok", "fail") else "; the interval reaches beyond"
        tail = f"Agreement beyond chance is {KAPPA_WORDS[band]}{reach} (AIAG: good above .75, poor below .40)."
    said = (
        f"{what}: kappa {_decimal(kappa.value)} (95 % interval {_decimal(kappa.low)} to {_decimal(kappa.high)};"
        f" {kappa.agreement:.1%} of {kappa.pairs:,} pairs of decisions agree, {_parts(kappa.units)}). {tail}"
    )
    return CheckResult(check, verdict, said, kappa.value, kappa.low, kappa.high, KAPPA_BANDS[0], kappa.units)


def _decimal(value: float) -> str:
    return f"{value:.2f}".replace("0.", ".", 1)


def _parts(count: int) -> str:
    return f"{count:,} part" if count == 1 else f"{count:,} parts"


def _between(panel: Panel) -> list[CheckResult]:
    if len(panel.people) < 2:
        return []
    arm = f", {ARM_TITLES[panel.arm]}" if panel.arm else ""
    what = f"Between {len(panel.people)} inspectors{arm}"
    return [_of_kappa("agreement between inspectors", what, panel.between, panel.between.units)]


def _help(contrast: Contrast) -> CheckResult:
    """Whether maps help all inspectors together, or the only one."""
    right = contrast.right
    if right.value is None or right.low is None or right.high is None:
        return CheckResult("maps against no maps", "unknown", "No part was decided both with and without a map.")
    enough = contrast.parts >= ENOUGH
    proven = contrast.p_value <= SIGNIFICANT and (right.low > 0 or right.high < 0)
    verdict: Outcome = "unknown"
    said = f"not judged on fewer than {ENOUGH} parts"
    if enough:
        said = "whether maps change anything cannot be told from this"
    if enough and proven:
        verdict = "ok" if right.value > 0 else "fail"
        said = f"with maps they decide {'better' if right.value > 0 else 'worse'}"
    low, value, high = (f"{100 * end:+.1f}" for end in (right.low, right.value, right.high))
    sentence = (
        f"With maps less without, {contrast.name}: right decisions {value} points (95 % interval {low} to {high}; p ="
        f" {contrast.p_value:.3f}; {right.support:,} pairs of decisions on {_parts(contrast.parts)}): {said}. It holds"
        " for these inspectors and parts alone."
    )
    return CheckResult(
        "maps against no maps", verdict, sentence, right.value, right.low, right.high, 0.0, contrast.parts
    )
