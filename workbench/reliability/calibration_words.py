"""What a calibration comes to, in sentences and tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.catalog import COLDEST, HOTTEST
from workbench.files import CheckResult, Outcome
from workbench.predictions import UNSURE, Independence
from workbench.reliability.calibrate import ANYWHERE, FITTED_ON, AtThreshold, Calibration, Changed
from workbench.reliability.temperature import Temperature
from workbench.stats import ENOUGH, FEW_UNITS, SIGNIFICANT, Rate

if TYPE_CHECKING:
    import pandas as pd

ACCUSED = SIGNIFICANT / 2
"""Called miscalibrated below this p-value, so that a calibrated model is in fewer than 5 of 100 draws."""
WORTH_IT = 0.05
"""A calibration error below this is small: probabilities are right to 5 points on average."""
RARE = 0.025
"""How unlikely it must be that a kind of image or unit was missed by chance for it to be ruled out, on either side."""
NEAR_ENOUGH = 0.2
"""How wide an interval of the share near the threshold may be for it to say something."""
TIGHT = 2.0
"""How many times its lower end the upper end of a temperature's interval may be for it to say something."""
CLASSWISE = "calibration by class"
CALIBRATION_CHECKS = ("calibration", "calibration near the threshold", "calibration temperature")


def calibration_results(result: Calibration | str) -> list[CheckResult]:
    """What it comes to; `result` as of `calibration_of`."""
    if isinstance(result, str):
        return [
            CheckResult(check, "unknown", f"Calibration was not measured. {result}") for check in CALIBRATION_CHECKS
        ]
    found = [_overall(result), *([_by_class(result)] if result.classes else [])]
    if result.threshold is not None:
        found.append(_near(result, result.threshold))
    return [*found, _temperature(result)]


def calibration_tables(result: Calibration | str) -> dict[str, pd.DataFrame]:
    """The tables behind it; none where nothing was found."""
    if isinstance(result, str):
        return {}
    tables = {
        "calibration-diagram": diagram_table(result),
        "calibration-figures": figures_table(result),
        "calibration-classes": classes_table(result),
        "calibration-temperature": temperature_table(result),
    }
    return {name: table for name, table in tables.items() if len(table)}


def diagram_table(result: Calibration) -> pd.DataFrame:
    """One row a bin of the reliability diagram."""
    import numpy as np
    import pandas as pd

    binned = result.binned
    bins = range(len(binned.shares))
    return pd.DataFrame(
        {
            "lowest probability": [result.scores[binned.codes == b].min() for b in bins],
            "highest probability": [result.scores[binned.codes == b].max() for b in bins],
            "mean probability": binned.expected,
            "share true": [rate.value for rate in binned.shares],
            "share low": [rate.low for rate in binned.shares],
            "share high": [rate.high for rate in binned.shares],
            "images": [rate.support for rate in binned.shares],
            "units": [rate.support if rate.groups is None else rate.groups for rate in binned.shares],
            "band low": binned.band[0],
            "band high": binned.band[1],
            "outside of the band": [
                bool(np.round(rate.value, 9) < np.round(low, 9) or np.round(rate.value, 9) > np.round(high, 9))
                for rate, low, high in zip(binned.shares, *binned.band, strict=True)
                if rate.value is not None
            ],
        }
    )


def figures_table(result: Calibration) -> pd.DataFrame:
    """One row a figure of the split that is measured."""
    import pandas as pd

    binned, parts = result.binned, result.parts
    rows: list[tuple[str, float | None, float | None, float | None, float | None]] = [
        ("calibration error, debiased", binned.error.value, binned.error.low, binned.error.high, None),
        ("calibration error as it is", binned.plain, None, None, binned.floor[1]),
        ("Brier score", result.brier.value, *_ends(result.brier), None),
        ("Brier: reliability (miscalibration)", parts.miscalibration, None, None, result.chance),
        ("Brier: resolution (discrimination)", parts.discrimination, None, None, None),
        ("Brier: uncertainty (base rate)", parts.uncertainty, None, None, None),
        ("NLL (nats, all classes)", result.loss.value, *_ends(result.loss), None),
    ]
    return pd.DataFrame(rows, columns=["figure", "value", "low", "high", "calibrated model"])


def classes_table(result: Calibration) -> pd.DataFrame:
    """One row a class that was looked at; empty where there are two classes, of which one mirrors the other."""
    import pandas as pd

    rows = [
        (one.name, one.images, one.error.value, one.error.low, one.error.high, one.plain, one.floor, one.p_value)
        for one in result.classes
    ]
    columns = ["class", "images", "calibration error", "low", "high", "as it is", "calibrated model", "p (Holm)"]
    return pd.DataFrame(rows, columns=columns)


def temperature_table(result: Calibration) -> pd.DataFrame:
    """One row a figure at both temperatures."""
    import pandas as pd

    rows = [(one.name, one.before, one.after, one.change.value, *_ends(one.change)) for one in result.changes]
    names = [f"at {result.applied:.4g}", f"at {result.temperature.value or 1:.4g}"]
    return pd.DataFrame(rows, columns=["figure", *names, "change", "low", "high"])


def _ends(rate: Rate) -> tuple[float | None, float | None]:
    ends = [None if end is None or not math.isfinite(end) else end for end in (rate.low, rate.high)]
    return ends[0], ends[1]


def _where(result: Calibration) -> str:
    optimistic = ", of which no split is known: too good if the model was trained on them"
    rest = optimistic if result.split == ANYWHERE else f" of the {result.split} split"
    return f"{result.independence.counted}{rest}"


def _too_few(independence: Independence, wanted: str = "units") -> str:
    """Why so few images or units can say nothing, and what would settle it; empty where there are enough."""
    if independence.images < ENOUGH:
        return f"At least {ENOUGH} labelled images are needed."
    if independence.units is not None and independence.units < FEW_UNITS:
        return (
            f"An interval from {independence.units} {independence.unit} cannot be trusted: at least {FEW_UNITS} are"
            f" needed, {wanted}."
        )
    return ""


def _more(independence: Independence, times: float) -> str:
    """So many times as many images, or of the units that they come in."""
    if independence.units in (None, independence.images):
        return f"{math.ceil(independence.images * times / 10) * 10:,} such images"
    return f"{math.ceil(independence.units * times):,} such {independence.unit}"


def _begun(sentence: str) -> str:
    """A sentence that begins with a capital."""
    return sentence[0].upper() + sentence[1:]


def _overall(result: Calibration) -> CheckResult:
    binned, low, high = result.binned, *_ends(result.binned.error)
    value, floor = float(binned.error.value or 0), binned.floor[1]
    figures = (
        f"calibration error {value:.3f} (95 % interval {low or 0:.3f} to {high or 0:.3f}, equal mass, debiased) of the"
        f" probability of {result.subject}, on {_where(result)}"
    )
    beside = f"as it is {binned.plain:.3f}, where a calibrated model of this size shows up to {floor:.3f}"
    verdict, rest = _judged(result, high or 0)
    start = {"warn": "Miscalibrated: ", "ok": "No miscalibration found: "}.get(verdict, "")
    return CheckResult(
        CALIBRATION_CHECKS[0],
        verdict,
        _begun(f"{start}{figures}; {beside}.{rest}"),
        value,
        low,
        high,
        WORTH_IT,
        result.independence.images,
    )


def _judged(result: Calibration, high: float) -> tuple[Outcome, str]:
    few = _too_few(result.independence)
    if few:
        return "unknown", f" {few}"
    hits = int(result.hits.sum())
    if result.binned.p_value < ACCUSED:
        gap = float((result.scores - result.hits).mean())
        way = "too high" if gap > 0 else "too low"
        return "warn", f" On average probabilities are {abs(gap):.1%} {way}." if abs(gap) >= 0.005 else ""
    if min(hits, len(result.hits) - hits) < FEW_UNITS:
        return "unknown", f" Only {min(hits, len(result.hits) - hits)} of them are of the rarer kind."
    if high > WORTH_IT:
        rare = high <= 1 - RARE ** (1 / (result.independence.units or len(result.hits))) + 1e-9
        least = math.log(RARE) / math.log(1 - WORTH_IT) / (result.independence.units or len(result.hits))
        more = _more(result.independence, least if rare else (high / WORTH_IT) ** 2)
        return "unknown", f" An error of up to {high:.3f} cannot be ruled out; about {more} would do that."
    return "ok", ""


def _by_class(result: Calibration) -> CheckResult:
    few = _too_few(result.independence)
    named: dict[Outcome, list[str]] = {"warn": [], "unknown": [], "ok": []}
    for one in result.classes:
        low, high = _ends(one.error)
        verdict: Outcome = "warn" if one.p_value < ACCUSED else "unknown" if (high or 1) > WORTH_IT else "ok"
        span = f"{one.name} {one.error.value or 0:.3f} ({low or 0:.3f} to {high or 0:.3f})"
        named["unknown" if few else verdict].append(span)
    words = {"warn": "miscalibrated", "unknown": "cannot be told", "ok": "no miscalibration found"}
    said = "; ".join(f"{words[verdict]}: {', '.join(names)}" for verdict, names in named.items() if names)
    rest = f" {result.unasked:,} classes with fewer images were not looked at." if result.unasked else ""
    worst = max(result.classes, key=lambda one: one.error.value or 0)
    return CheckResult(
        CLASSWISE,
        next(verdict for verdict, names in named.items() if names),
        f"Calibration error by class with 95 % intervals, on {_where(result)}: {said}. Each is held against a"
        f" calibrated model of this size, with Holm's correction.{rest} {few}".rstrip(),
        worst.error.value,
        *_ends(worst.error),
        WORTH_IT,
        result.independence.images,
    )


def _near(result: Calibration, found: AtThreshold) -> CheckResult:
    rate = found.share
    place = f"within {UNSURE} of the threshold {found.threshold:.3f}, {result.split} split"
    counted = f"{rate.support:,} images{rate.in_units(result.independence.unit)} {place}"
    if rate.value is None or rate.low is None or rate.high is None:
        return CheckResult(
            CALIBRATION_CHECKS[1], "unknown", f"No image lies {place}: what scores mean there cannot be told."
        )
    figures = (
        f"of {counted}, {rate.value:.1%} are defects (95 % interval {rate.low:.1%} to {rate.high:.1%}), where their"
        f" scores say {found.predicted:.1%}"
    )
    inside, few = rate.low <= found.predicted <= rate.high, rate.support < ENOUGH or rate.few_units
    verdict: Outcome = "unknown"
    rest = _begun(f"{figures}.")
    if not inside and not few and not found.sure[0] <= found.predicted <= found.sure[1]:
        verdict, rest = "warn", f"Scores near the threshold mean something else: {figures}."
    elif inside and not few and rate.high - rate.low <= NEAR_ENOUGH:
        verdict, rest = "ok", f"Scores near the threshold mean what they say: {figures}."
    elif rate.support < ENOUGH:
        total = math.ceil(len(result.scores) * ENOUGH / rate.support / 10) * 10
        rest += f" {ENOUGH} images there would be a start, in a {result.split} of about {total:,}."
    elif verdict == "unknown" and not rate.few_units:
        rest += " The interval is too wide to tell, or chance too near."
    elif rate.few_units:
        rest += f" These are too few {result.independence.unit}: at least {FEW_UNITS} are needed."
    return CheckResult(
        CALIBRATION_CHECKS[1], verdict, rest, rate.value, rate.low, rate.high, found.predicted, rate.support
    )


def _temperature(result: Calibration) -> CheckResult:
    found, at = result.temperature, result.applied
    if found.value is None or found.low is None or found.high is None or result.fitted_in is None:
        return CheckResult(
            CALIBRATION_CHECKS[2], "unknown", f"No temperature can be fitted: {found.reason}.", support=found.images
        )
    now = "" if at == 1 else f", where {at:.4g} is applied"
    figures = (
        f"temperature {found.value:.3g} (95 % interval {_range(found)}), fitted on"
        f" {result.fitted_in.counted} of the {FITTED_ON} split{now}"
    )
    verdict, start, rest = _tempered(result)
    return CheckResult(
        CALIBRATION_CHECKS[2],
        verdict,
        _begun(f"{start}{figures}.{rest}"),
        found.value,
        found.low,
        found.high,
        at,
        found.images,
    )


def _range(found: Temperature) -> str:
    """Its interval in words: one that reaches a bound has no end there."""
    low = "no lower end" if found.low is None or found.low <= COLDEST * 1.001 else f"{found.low:.3g}"
    high = "no upper end" if found.high is None or found.high >= HOTTEST / 1.001 else f"{found.high:.3g}"
    return f"{low} to {high}"


def _tempered(result: Calibration) -> tuple[Outcome, str, str]:
    found, at, own = result.temperature, result.applied, result.fitted_in
    if found.value is None or found.low is None or found.high is None or own is None:
        return "unknown", "", ""
    few = _too_few(own, f"in the {FITTED_ON} split")
    shown = _on_test(result)
    if few:
        return "unknown", "", f" {few}{shown}"
    if found.holds(at):
        if found.high / found.low <= TIGHT:
            return (
                "ok",
                "No other temperature is called for: ",
                f" The interval holds {at:.4g}: it is unnecessary.{shown}",
            )
        more = _more(own, (math.log(found.high / found.low) / math.log(TIGHT)) ** 2)
        return "unknown", "", f" The interval holds {at:.4g} and is wide; about {more} would do.{shown}"
    way = "extreme" if found.value > at else "timid"
    return "warn", f"Probabilities are too {way}: ", f"{shown}"


def _on_test(result: Calibration) -> str:
    """What applying the temperature does to the test split."""
    loss = next((change for change in result.changes if change.name == "NLL"), None)
    if loss is None:
        return " There is no test split to show it on."
    return (
        f" On the test split the NLL goes from {loss.before:.4f} to {loss.after:.4f} (change"
        f" {loss.change.value or 0:+.4f}{_span(loss)}): {_effect(loss)}."
    )


def _span(changed: Changed) -> str:
    low, high = _ends(changed.change)
    return "" if low is None or high is None else f", 95 % interval {low:+.4f} to {high:+.4f}"


def _effect(changed: Changed) -> str:
    low, high = _ends(changed.change)
    if low is None or high is None:
        return "one unit shows no interval"
    return "better" if high < 0 else "worse" if low > 0 else "no difference shown"
