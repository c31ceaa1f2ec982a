"""What a study of corruptions comes to: a verdict and a sentence a kind, the headline, and the tables behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from workbench.files import CheckResult
from workbench.images import CORRUPTIONS, SEVERITIES
from workbench.reliability.corrupted_answers import CORRUPTED_EDGE
from workbench.reliability.corruption import Corrupted
from workbench.reliability.corruption_figures import (
    MEASURES,
    Measure,
    cells,
    first_turns,
    holding,
    measures_of,
    ranking,
    rises,
    turned,
    turned_by,
)
from workbench.stats import ENOUGH, FEW_UNITS, SIGNIFICANT, Rate, cases_for_ceiling, upper_bound, wilson
from workbench.texts import sentence_list

if TYPE_CHECKING:
    import pandas as pd

MILD = 2
"""Up to this severity a disturbance is one that nobody may notice."""
TOLERATED = 0.05
"""A kind is called harmless only where less than this share of images turns at any severity, with 95 % confidence."""
CHECK = "corruption"
Tables = Mapping[Measure, Mapping[str, Sequence[Rate]]]
Verdict = Literal["ok", "warn", "fail", "unknown"]
GRAVEST: tuple[Verdict, ...] = ("fail", "warn", "unknown", "ok")


def corruption_results(study: Corrupted) -> list[CheckResult]:
    """The headline, then what each kind of corruption comes to.

    A kind does not hold ("fail") where mistakes rise beyond chance at a severity of at most `MILD`; it asks for a look
    ("warn") where a caught defect passes at any severity, mistakes rise beyond chance, or surely more than `TOLERATED`
    of the images turn; it is "ok" only where, with 95 % confidence by unit, less than that turn at any severity; else
    it cannot be told.
    """
    risen = rises(study)
    tables = {measure: turned_by(study, measure) for measure in measures_of(study)}
    kinds = [_of_kind(study, kind, tables, risen[risen["kind"] == kind]) for kind in study.kinds]
    return [_headline(study, tables, kinds), *kinds]


def corruption_tables(study: Corrupted) -> dict[str, pd.DataFrame]:
    """The tables behind the results, by name."""
    import pandas as pd

    tables = {"corruption-cells": cells(study), "corruption-by-class": cells(study, "label")}
    parts = [cells(study, str(name)) for name in study.attributes]
    if parts:
        tables["corruption-by-group"] = pd.concat(parts, ignore_index=True)
    for measure in measures_of(study):
        tables[f"corruption-{measure}-by-severity"] = holding(study, measure)
        tables[f"corruption-{measure}-ranking"] = ranking(study, measure)
        tables[f"corruption-{measure}-first"] = first_turns(study, measure)
    tables["corruption-rises"] = rises(study)
    return tables


def caveats(study: Corrupted) -> list[str]:
    """What the figures must be read with, a sentence each."""
    lines = []
    if study.shrunk:
        lines.append(
            f"{study.shrunk:,} of {len(study.names):,} images are larger than {CORRUPTED_EDGE:,} pixels and were shrunk"
            " to that first: noise is that of the smaller image's pixels, stronger than that of the original's."
        )
    if study.unlike:
        lines.append(
            f"{study.unlike:,} of {len(study.names):,} images are decided otherwise here, before any corruption, than"
            " in the table of predictions: figures compare with the decisions made here."
        )
    if study.left_out:
        reason = next(iter(study.left_out.values()))
        lines.append(f"{len(study.left_out):,} of the images drawn could not be asked about: {reason}")
    lines += [f"{CORRUPTIONS[kind].title}: {reason}" for kind, reason in study.unsuited.items()]
    loose = [CORRUPTIONS[kind].title for kind in study.kinds if not CORRUPTIONS[kind].graded]
    if loose:
        lines.append(
            f"{sentence_list(loose)}: in the published table a higher severity is not always the stronger one, so that"
            " no smallest severity is told."
        )
    return lines


def ranking_sentence(study: Corrupted, measure: Measure) -> str:
    """What to guard against first, claimed only as far as intervals are apart."""
    table = ranking(study, measure)
    if table.empty:
        return "No image can have any of these corruptions."
    if not (table["figure"] > 0).any():
        return f"Of {MEASURES[measure]} there are none under any of these corruptions."
    worst = [CORRUPTIONS[kind].title for kind in table.loc[table["rank"] == 1, "kind"]]
    if len(worst) == len(table):
        return (
            f"By {MEASURES[measure]}, these {len(table)} corruptions cannot be told apart: their intervals overlap with"
            f" that of the first, {worst[0]}. More images, of more units, may tell."
        )
    first = worst[0] if len(worst) == 1 else f"{sentence_list(worst)}, which cannot be told apart,"
    others = len(table) - len(worst)
    rest = "one" if others == 1 else f"{others}"
    return f"By {MEASURES[measure]}, guard first against {first} before the other {rest}."


def _headline(study: Corrupted, tables: Tables, kinds: list[CheckResult]) -> CheckResult:
    """The smallest severity at which anything turns, at the working threshold."""
    measure: Measure = "escapes" if tables.get("escapes") else "flips"
    table, what = tables[measure], "defect passes" if measure == "escapes" else "decision changes"
    worst: Verdict = min((result.verdict for result in kinds), key=GRAVEST.index, default="unknown")
    lead = _broken(study, kinds)
    hits = [
        (severity, -rates[severity - 1].count, study.kinds.index(kind))
        for kind, rates in table.items()
        for severity in SEVERITIES
        if CORRUPTIONS[kind].graded and rates[severity - 1].count
    ]
    if not hits:
        most = max((rates[-1] for rates in table.values()), key=lambda rate: rate.support, default=wilson(0, 0))
        noun = "defects that the model catches" if measure == "escapes" else "decisions"
        sentence = lead + (
            f"{_at(study)}, no {what} under any of these corruptions, of {most.support:,} {noun}, {_drawn(study)}."
        )
        if worst in ("fail", "warn"):
            sentence += " Other decisions surely change: the line of each corruption tells which."
        elif worst != "ok":
            sentence += f" {_unproven(most)}"
        return CheckResult(CHECK, worst, sentence, 0.0, 0.0, most.high, support=most.support)
    severity, _, place = min(hits)
    name, same = study.kinds[place], sum(hit[0] == severity for hit in hits)
    kind, rate = CORRUPTIONS[name], table[name][severity - 1]
    also = f", and under {same - 1} other kinds" if same > 2 else ", and under another kind" if same == 2 else ""
    sentence = lead + (
        f"{_at(study)}, the first {what} at severity {severity} of 5 of {kind.title} ({kind.amount(severity)})"
        f"{also}: {_share(rate, measure)}, {_drawn(study)}."
    )
    names = _names(study, measure, name, severity)
    return CheckResult(CHECK, worst, sentence, rate.value, rate.low, rate.high, None, rate.support, names)


def _broken(study: Corrupted, kinds: list[CheckResult]) -> str:
    """What does not hold, in a sentence to put first; empty where nothing fails."""
    fails = [
        CORRUPTIONS[name].title for name, result in zip(study.kinds, kinds, strict=True) if result.verdict == "fail"
    ]
    return f"Mistakes rise beyond chance at severity 1 or {MILD} under {sentence_list(fails)}. " if fails else ""


def _of_kind(study: Corrupted, name: str, tables: Tables, risen: pd.DataFrame) -> CheckResult:
    kind, check = CORRUPTIONS[name], f"{CHECK}: {name}"
    own = {measure: table[name] for measure, table in tables.items() if name in table}
    if not own:
        return CheckResult(check, "unknown", f"{kind.title}: {study.unsuited.get(name, 'no image can have it.')}")
    main: Measure = "escapes" if "escapes" in own else "flips"
    parts = [_turns(name, measure, own[measure]) for measure in own if measure in (main, "overkill")]
    verdict, why = _verdict({measure: rates[-1] for measure, rates in own.items()}, risen, main)
    sentence = f"{kind.title}, {_drawn(study)}: {' '.join([*parts, why]).strip()}"
    last, names = own[main][-1], _names(study, main, name, SEVERITIES[-1])
    return CheckResult(check, verdict, sentence, last.value, last.low, last.high, TOLERATED, last.support, names)


def _verdict(last: Mapping[Measure, Rate], risen: pd.DataFrame, main: Measure) -> tuple[Verdict, str]:
    """The verdict on a kind and why, from what has turned by the last severity."""
    proven = risen[(risen["adjusted"] <= SIGNIFICANT) & (risen["more"] > risen["fewer"])].sort_values("severity")
    for severity, what, more, fewer, p in zip(
        *(proven[column].tolist() for column in ("severity", "measure", "more", "fewer", "adjusted")), strict=True
    ):
        verb = "rises" if what == "overkill" else "rise"
        why = (
            f"{what.capitalize()} {verb} beyond chance at severity {severity} ({more} images turn to one, {fewer} from"
            f" one; p = {p:.2g} by Holm over all kinds and severities)."
        )
        return ("fail" if severity <= MILD else "warn"), why
    if main == "escapes" and last[main].count:
        return "warn", "That escapes rise beyond chance is not shown."
    for measure, rate in last.items():
        if rate.low is not None and rate.low > TOLERATED and rate.support >= ENOUGH and not rate.few_units:
            return "warn", f"Surely more than {TOLERATED:.0%} by severity 5: {_share(rate, measure)}."
    if max(map(_highest, last.values())) <= TOLERATED:
        return "ok", ""
    return "unknown", _unproven(min(last.values(), key=lambda rate: rate.groups or rate.support))


def _turns(name: str, measure: Measure, rates: Sequence[Rate]) -> str:
    """From which severity on images turn, and how many by the last."""
    kind, last = CORRUPTIONS[name], rates[-1]
    if not last.count:
        return (
            f"None of {last.support:,} {MEASURES[measure].split(' that ')[0]}{last.in_units()} turns at any severity."
        )
    if not kind.graded:
        return f"At one of its severities {_share(last, measure)}."
    severity = next(severity for severity, rate in zip(SEVERITIES, rates, strict=True) if rate.count)
    first = rates[severity - 1]
    later = "and no more up to severity 5" if first.count == last.count else f"{last.count:,} by severity 5"
    start = f"From severity {severity} on ({kind.amount(severity)}) {_share(first, measure)}"
    return f"{start}." if severity == SEVERITIES[-1] else f"{start}, {later}."


def _share(rate: Rate, measure: Measure) -> str:
    what, does = MEASURES[measure].split(" that ")
    one = {"pass": "passes", "are rejected": "is rejected", "change": "changes"}[does]
    ends = f"{rate.value:.0%}, 95 % interval {rate.low:.0%} to {rate.high:.0%}"
    verb = one if rate.count == 1 else does
    return f"{rate.count:,} of {rate.support:,} {what}{rate.in_units()} {verb} ({ends})"


def _unproven(rate: Rate) -> str:
    """What so few images cannot know, and what would settle it."""
    units = rate.groups or rate.support
    if rate.few_units:
        come = f"{units} independent unit{'' if units == 1 else 's'}"
        return f"The images come in {come}, too few for any bound: {FEW_UNITS} or more are needed."
    if rate.count:
        return f"That less than {TOLERATED:.0%} turn is not shown on {units:,} independent ones."
    return (
        f"That less than {TOLERATED:.0%} turn is not shown: {cases_for_ceiling(TOLERATED)} independent ones of which"
        f" none turns would show it, here there are {units:,}."
    )


def _highest(rate: Rate) -> float:
    """The one-sided upper bound of a share."""
    if not rate.support:
        return 1.0
    return float(upper_bound(rate.count, rate.support)) if rate.most is None else rate.most


def _names(study: Corrupted, measure: Measure, kind: str, severity: int) -> tuple[str, ...]:
    """The images that have turned by a severity."""
    rows, hits = turned(study, measure)
    by_then = rows & hits[:, study.kinds.index(kind), :severity].any(1)
    return tuple(name for name, turns in zip(study.names, by_then, strict=True) if turns)


def _at(study: Corrupted) -> str:
    return "By the highest probability" if study.threshold is None else f"At the threshold {study.threshold:.3f}"


def _drawn(study: Corrupted) -> str:
    sample = study.sample
    return f"a sample of {study.where}" if sample["drawn"] != sample["images"] else study.where
