"""What a comparison comes to: its verdicts, a sentence each, and the tables behind them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.files import CheckResult, Outcome
from workbench.reliability.drift_compared import Drift
from workbench.reliability.drift_estimates import ACCURACY, ESCAPES, TRUSTED_BEYOND
from workbench.reliability.estimate import POINTS_NEAR, SHARE_NEAR
from workbench.stats import ENOUGH, SIGNIFICANT, Rate, cases_for_ceiling, difference
from workbench.texts import sentence_list, shown

if TYPE_CHECKING:
    import pandas as pd

PROMISED = 0.05
"""The ceiling of the escape rate that the number of labels needed is told for."""
LEAST_SAID = 0.0005
"""A loss that would not be seen is told of where it does not round to nothing."""
NAMED, NAMED_IMAGES = 4, 50
"""Properties that the first sentence names, and images that a finding names."""


def drift_results(result: Drift) -> list[CheckResult]:
    """The verdict as a whole, each test, copies of the reference, foreign images, and how right the model is there."""
    found = [_whole(result), *(_test(result, row) for row in result.tests.to_dict("records"))]
    found += [*_not_compared(result), _copies(result), _foreign(result)]
    return [*found, *_estimates(result), *_measured(result), *_unjudged(result)]


def drift_tables(result: Drift) -> dict[str, pd.DataFrame]:
    """The tables behind the verdicts, by name: those without a row are left out."""
    frames = {"drift-tests": result.tests, "drift-estimates": result.estimates.frame, "drift-over-time": result.times}
    if result.foreign is not None:
        frames["drift-foreign"] = result.foreign.frame
    return {name: frame for name, frame in frames.items() if len(frame)}


def sides_of(result: Drift) -> str:
    """How many images were compared with how many, what was dealt, and what the embedding is of."""
    embedded = f"; the embedding is {result.embedded}" if result.embedded else ""
    if not result.by_unit:
        counts = f"{result.counts[0]:,} reference and {result.counts[1]:,} new images"
        return f"{counts}, each taken as independent{embedded}"
    return (
        f"{result.counts[0]:,} reference images of {result.lots[0]:,} lots or parts and {result.counts[1]:,} new ones"
        f" of {result.lots[1]:,}, whole lots dealt{embedded}"
    )


def _whole(result: Drift) -> CheckResult:
    support, lead = sum(result.counts), f"{_opening(result.new)} against {result.reference}: "
    if result.reason or not len(result.tests):
        why = result.reason or "Nothing that could differ was known of both sides."
        return CheckResult("drift", "unknown", f"{lead}it cannot be told whether this is drift. {why}", support=support)
    least = float(result.tests["p adjusted"].min())
    tests = f"{len(result.tests)} tests; {sides_of(result)}"
    iid = (
        "" if result.by_unit else " No lots are known: a difference as between any two lots would be called drift too."
    )
    facts = (least, None, None, SIGNIFICANT, support)
    if not result.drifted:
        said = (
            f"{lead}none of {len(result.tests)} tests finds a difference beyond chance (smallest corrected p ="
            f" {least:.2g}; {sides_of(result)}). Differences below the critical figures in the table would not have"
            f" been found.{iid}"
        )
        return CheckResult("drift", "ok", said, *facts)
    rows = result.tests[result.tests["drift"]].sort_values(["p adjusted", "p"], kind="stable")
    names = rows["property"].tolist()
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    said = f"{lead}drift in {', '.join(names[:NAMED])}{more} (smallest corrected p = {least:.2g} of {tests}).{iid}"
    images = () if result.foreign is None else tuple(result.foreign.frame["name"][:NAMED_IMAGES])
    return CheckResult("drift", "fail" if result.by_unit else "warn", said, *facts, images)


def _opening(title: str) -> str:
    """A title at the start of a sentence; a name stays as it is."""
    return f"The {title.removeprefix('the ')}" if title.startswith("the ") else title


def _test(result: Drift, row: Mapping[Hashable, Any]) -> CheckResult:
    check = f"drift: {row['property']}"
    value, low, high, before = (
        None if np.isnan(row[name]) else float(row[name]) for name in ("value", "low", "high", "reference")
    )
    rate = ""
    if row["meaning"] and value is not None:
        ends = "" if low is None or high is None else f" (95 % interval {low:.1%} to {high:.1%})"
        rate = f" {row['meaning'][0].upper()}{row['meaning'][1:]}: {value:.1%}{ends}."
    effect = f": {row['effect']}" if row["effect"] else ""
    p = f"{row['test']} {row['figure']:.3g}, critical {row['critical']:.3g}, p = {row['p adjusted']:.2g} corrected"
    said = f"{row['property']}{effect}.{rate} {p}, {int(row['images']):,} images."
    said = said[0].upper() + said[1:]
    verdict: Outcome = "unknown" if result.reason else "warn" if row["drift"] else "ok"
    lead = {
        "unknown": "Cannot be told from the difference between lots. ",
        "warn": "Differs. ",
        "ok": "No difference beyond chance was found. ",
    }
    return CheckResult(check, verdict, lead[verdict] + said, value, low, high, before, int(row["images"]))


def _not_compared(result: Drift) -> list[CheckResult]:
    notes = [CheckResult("drift: not known", "unknown", note) for note in result.notes]
    if any(result.unreadable):
        lost = (
            f"{result.unreadable[0]:,} images of the reference and {result.unreadable[1]:,} new ones could not be read"
            " and are left out: nothing is said of them."
        )
        notes.append(CheckResult("drift: unreadable", "warn", lost, support=sum(result.unreadable)))
    return notes


def _copies(result: Drift) -> CheckResult:
    near = result.foreign.frame.loc[result.foreign.frame["copy"], "name"].tolist() if result.foreign else []
    count, total = len(result.same) + len(near), result.counts[1] + len(result.same)
    told = result.foreign is not None and result.foreign.told
    names = (*result.same, *near)[:NAMED_IMAGES]
    check = "copies of the reference"
    if count:
        said = (
            f"{len(result.same):,} of {total:,} new images are files of the reference, byte for byte, and were left out"
            f" of all figures; {len(near):,} more lie as near to one of its images in the embedding as a copy, and were"
            " not: nobody compared them pixel by pixel."
        )
        return CheckResult(check, "warn", said, count / total, support=total, images=names)
    also = ", and none lies as near to one of its images in the embedding as a copy" if told else ""
    said = (
        f"None of {total:,} new images is a file of the reference{also}. Whether any shows one of its images or parts"
        " again, stored at another size or under other light, cannot be told from this embedding: Data compares the"
        " images of one set that holds both."
    )
    return CheckResult(check, "unknown", said, 0.0, support=total)


def _foreign(result: Drift) -> CheckResult:
    if result.foreign is None or result.foreign.beyond.value is None:
        return CheckResult("foreign images", "unknown", "Without an embedding the most foreign images are not known.")
    rate = result.foreign.beyond
    few = min(result.counts) < ENOUGH or rate.few_units
    names = result.foreign.frame.loc[result.foreign.frame["beyond"], "name"].tolist()[:NAMED_IMAGES]
    said = (
        f"{rate.count:,} of {rate.support:,} new images ({rate.value:.1%}, 95 % interval {rate.low:.1%} to"
        f" {rate.high:.1%}{rate.in_units()}) lie beyond the distance within which 99 % of the reference's own images"
        " have others."
    )
    high = (rate.value or 0) > TRUSTED_BEYOND
    verdict: Outcome = "unknown" if few else "warn" if high else "ok"
    if few:
        said = f"Too few images or lots for a verdict: {said}"
    return CheckResult(
        "foreign images", verdict, said, rate.value, rate.low, rate.high, TRUSTED_BEYOND, rate.support, tuple(names)
    )


def _estimates(result: Drift) -> list[CheckResult]:
    estimates, results = result.estimates, []
    if estimates.reason:
        said = f"Without labels it cannot be estimated: {estimates.reason} {labels_needed()}"
        results.append(CheckResult("estimated without labels", "unknown", said))
    parts = estimates.frame.groupby("figure", sort=False)
    return [*(_estimate(result, str(figure), part) for figure, part in parts), *results]


def labels_needed() -> str:
    """How many labels turn an estimate into a promise."""
    return (
        f"Labels needed to confirm: {cases_for_ceiling(PROMISED)} new defective parts, none of which passes, prove an"
        f" escape rate of at most {PROMISED:.0%} (95 % confidence)."
    )


def _estimate(result: Drift, figure: str, part: pd.DataFrame) -> CheckResult:
    """The verdict rests on the median of the methods that are near; where none is, there is none."""
    methods = "; ".join(
        f"{row['method']} {row['estimate']:.1%} ({row['low']:.1%} to {row['high']:.1%}, off by {row['error']:.1%} on"
        f" average on held-out parts of the reference{'' if row['near'] else ', not counted'})"
        for row in part.to_dict("records")
    )
    before, support = float(part["reference"].iloc[0]), int(part["support"].iloc[0])
    counted = part[part["near"]] if part["near"].any() else part
    middle, low, high = (float(np.median(counted[name])) for name in ("estimate", "low", "high"))
    said = f"Estimated {figure} of {support:,} new images: {methods}; {before:.1%} in the reference."
    said = said if figure == ACCURACY else f"{said} {labels_needed()}"
    facts = (middle, low, high, before, support)
    check = f"estimated {figure}"
    doubts = [*result.doubts, *([] if part["near"].any() else [_far(part)])]
    if doubts:
        return CheckResult(check, "unknown", f"Not to be trusted: {'; '.join(doubts)}. {said}", *facts)
    worse = high < before if figure == ACCURACY else low > before
    unseen = max(before - low if figure == ACCURACY else high - before, 0)
    lead = "A loss is estimated"
    if not worse:
        lead = "No loss is estimated"
        lead += f", and one of up to {100 * unseen:.1f} points would not be seen" if unseen >= LEAST_SAID else ""
    return CheckResult(check, "warn" if worse else "ok", f"{lead}: {said[0].lower()}{said[1:]}", *facts)


def _far(part: pd.DataFrame) -> str:
    """Why no method is near, of one figure."""
    best = part.sort_values("within", ascending=False, kind="stable").iloc[0]
    return (
        "on held-out parts of the reference as large as the new images no method comes within"
        f" {100 * POINTS_NEAR:.0f} points of the truth in {SHARE_NEAR:.0%} of cases (the best, {best['method']}, in"
        f" {best['within']:.0%})"
    )


def _measured(result: Drift) -> list[CheckResult]:
    results = []
    for figure, rate in result.measured.items():
        before = result.before.get(figure)
        said = f"Measured {figure} of the new images that have labels: {_words(rate)}"
        facts = (rate.value, rate.low, rate.high, None if before is None else before.value, rate.support)
        if before is None or min(_weight(rate), _weight(before)) < ENOUGH:
            said = f"{said}: too few for a verdict, which takes {ENOUGH} on either side."
            results.append(CheckResult(f"measured {figure}", "unknown", said, *facts))
            continue
        gap, low, high = (float(part[0]) for part in difference(_ends(rate), _ends(before)))
        worse = high < 0 if figure == ACCURACY else low > 0
        change = f"{100 * gap:+.1f} points, 95 % interval {100 * low:+.1f} to {100 * high:+.1f}"
        unseen = 100 * max(-low if figure == ACCURACY else high, 0)
        end = "" if worse else f" No loss beyond chance; one of up to {unseen:.1f} points would not be seen."
        said = f"{said}; {_words(before)} in the reference ({change}).{end}"
        results.append(CheckResult(f"measured {figure}", "fail" if worse else "ok", said, *facts))
    if ESCAPES not in result.measured and result.measured:
        said = "The new images have no defect with a label, so that no escape could be seen."
        results.append(CheckResult(f"measured {ESCAPES}", "unknown", said))
    return results


def _unjudged(result: Drift) -> list[CheckResult]:
    names, labels = result.unjudged
    if not names:
        return []
    kinds = sentence_list([shown(label) for label in labels[:NAMED]])
    more = f" and {len(labels) - NAMED} more" if len(labels) > NAMED else ""
    said = (
        f"{len(names):,} of {result.counts[1]:,} new images have a label that is no class of the model ({kinds}{more}):"
        " whatever it decides of them, no figure here counts it as right or wrong."
    )
    share = len(names) / result.counts[1]
    facts = (share, None, None, None, result.counts[1], names[:NAMED_IMAGES])
    return [CheckResult("labels that are no class", "warn", said, *facts)]


def _weight(rate: Rate) -> int:
    return rate.support if rate.groups is None else rate.groups


def _ends(rate: Rate) -> tuple[Any, Any, Any]:
    return tuple(np.array([getattr(rate, name)], np.float64) for name in ("value", "low", "high"))  # type: ignore[return-value]


def _words(rate: Rate) -> str:
    ends = f"95 % interval {rate.low:.1%} to {rate.high:.1%}"
    return f"{rate.value:.1%} ({rate.count:,} of {rate.support:,}{rate.in_units()}, {ends})"
