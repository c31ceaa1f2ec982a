"""What a study of corruptions comes to: a verdict and a sentence a kind, the headline, and the tables behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from workbench.files import CheckResult
from workbench.images import CORRUPTIONS
from workbench.reliability.corrupted_answers import EDGE
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
)
from workbench.stats import FEW_UNITS, SIGNIFICANT, cases_for_ceiling, upper_bound
from workbench.texts import sentence_list

if TYPE_CHECKING:
    import pandas as pd

MILD = 2
"""Up to this severity a disturbance is one that nobody may notice."""
TOLERATED = 0.05
"""A kind is called harmless only where less than this share of images turns at any severity, with 95 % confidence."""
CHECK = "corruption"


def corruption_results(study: Corrupted) -> list[CheckResult]:
    """The headline, then what each kind of corruption comes to.

    A kind does not hold ("fail") where mistakes rise beyond chance at a severity of at most `MILD`; it asks for a look
    ("warn") where a caught defect passes at any severity, or mistakes rise beyond chance; it is "ok" only where, with 95
    % confidence by unit, less than `TOLERATED` of the images turn at any severity; else it cannot be told.
    """
    risen = rises(study)
    tables = {measure: holding(study, measure) for measure in measures_of(study)}
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
            f"{study.shrunk:,} of {len(study.names):,} images are larger than {EDGE:,} pixels and were shrunk to that"
            " first: noise is that of the smaller image's pixels, which is stronger than that of the original's."
        )
    if study.unlike:
        lines.append(
            f"{study.unlike:,} of {len(study.names):,} images are decided otherwise here, before any corruption, than in"
            " the table of predictions: figures compare with the decisions made here."
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
            f"By {MEASURES[measure]} these {len(table)} corruptions cannot be told apart: their intervals overlap with"
            f" that of the first, {worst[0]}. More images would tell."
        )
    first = worst[0] if len(worst) == 1 else f"{sentence_list(worst)}, which cannot be told apart,"
    others = len(table) - len(worst)
    return f"By {MEASURES[measure]}, guard first against {first} before the other {others}."


def _headline(study: Corrupted, tables: Mapping[Measure, pd.DataFrame], kinds: list[CheckResult]) -> CheckResult:
    """The smallest severity at which anything turns, at the working threshold."""
    measure: Measure = "escapes" if "escapes" in tables else "flips"
    table = tables[measure]
    graded = table[table["kind"].map(lambda kind: CORRUPTIONS[kind].graded)]
    hits = graded[graded["count"] > 0].sort_values(["severity", "count"], ascending=[True, False], kind="stable")
    worst = min((result.verdict for result in kinds), key=("fail", "warn", "unknown", "ok").index)
    what = {"escapes": "defect passes", "flips": "decision changes"}.get(measure, "image turns")
    if hits.empty:
        count = int(table["support"].max()) if len(table) else 0
        noun = "defects that the model catches" if measure == "escapes" else "decisions"
        sentence = f"{_at(study)}, no {what} under any of these corruptions, of {count:,} {noun} ({_drawn(study)})."
        if worst != "ok" and count:
            sentence += f" {_unproven(count, int(table['units'].max()))}"
        return CheckResult(CHECK, worst, sentence, 0.0, 0.0, _highest(table), support=count)
    row = hits.iloc[0]
    kind, same = CORRUPTIONS[row["kind"]], int((hits["severity"] == row["severity"]).sum())
    also = f", and under {same - 1} other kinds" if same > 2 else ", and under another kind" if same == 2 else ""
    sentence = (
        f"{_at(study)}, the first {what} at severity {row['severity']} of 5 of {kind.title.lower()}"
        f" ({kind.amount(int(row['severity']))}){also}: {_share(row, measure)}, {_drawn(study)}."
    )
    names = _names(study, measure, row["kind"], int(row["severity"]))
    return CheckResult(CHECK, worst, sentence, *_ends(row), None, int(row["support"]), names)


def _of_kind(
    study: Corrupted, name: str, tables: Mapping[Measure, pd.DataFrame], risen: pd.DataFrame
) -> CheckResult:
    kind, check = CORRUPTIONS[name], f"{CHECK}: {name}"
    own = {measure: table[(table["kind"] == name) & (table["support"] > 0)] for measure, table in tables.items()}
    if own["flips"].empty:
        return CheckResult(check, "unknown", f"{kind.title}: {study.unsuited.get(name, 'no image can have it.')}")
    main: Measure = "escapes" if not own.get("escapes", own["flips"].iloc[:0]).empty else "flips"
    parts = [_turns(name, measure, table) for measure, table in own.items() if measure == main or measure == "overkill"]
    last = own[main].iloc[-1]
    proven = risen[(risen["adjusted"] <= SIGNIFICANT) & (risen["more"] > risen["fewer"])]
    bounded = [_highest(table.iloc[-1:]) for measure, table in own.items() if len(table)]
    few = any(_few(table.iloc[-1]) for table in own.values() if len(table))
    if len(proven):
        first = proven.sort_values("severity").iloc[0]
        mild = first["severity"] <= MILD
        what = first["measure"].capitalize()
        parts.append(
            f"{what} rise beyond chance from severity {first['severity']} on ({first['more']} images turn to one,"
            f" {first['fewer']} from one; p = {first['adjusted']:.2g} by Holm over all kinds and severities)."
        )
        verdict = "fail" if mild else "warn"
    elif main == "escapes" and last["count"]:
        verdict = "warn"
        parts.append("That escapes rise beyond chance is not shown.")
    elif max(bounded) <= TOLERATED and not few:
        verdict = "ok"
    else:
        verdict = "unknown"
        parts.append(_unproven(int(last["support"]), int(last["units"])))
    sentence = f"{kind.title}: {' '.join(parts)} ({_drawn(study)})"
    names = _names(study, main, name, 5)
    return CheckResult(check, verdict, sentence, *_ends(last), TOLERATED, int(last["support"]), names)  # type: ignore[arg-type]


def _turns(name: str, measure: Measure, table: pd.DataFrame) -> str:
    """From which severity on images turn, and how many by the last."""
    kind, last = CORRUPTIONS[name], table.iloc[-1] if len(table) else None
    if last is None:
        return ""
    if not last["count"]:
        return f"none of {last['support']:,} {MEASURES[measure].split(' that ')[0]} turns at any severity."
    hits = table[table["count"] > 0].iloc[0]
    if not kind.graded:
        return f"at any severity {_share(last, measure)}."
    start = f"from severity {hits['severity']} on ({kind.amount(int(hits['severity']))}) {_share(hits, measure)}"
    return f"{start}." if hits["severity"] == last["severity"] else f"{start}, by severity 5 {last['count']:,}."


def _share(row: pd.Series, measure: Measure) -> str:
    units = "" if row["units"] == row["support"] else f" in {row['units']:,} unit{'s' * (row['units'] != 1)}"
    what, does = MEASURES[measure].split(" that ")
    one = {"pass": "passes", "are rejected": "is rejected", "change": "changes"}[does]
    return (
        f"{row['count']:,} of {row['support']:,} {what}{units} {one if row['count'] == 1 else does}"
        f" ({row['share']:.0%}, 95 % interval {row['low']:.0%} to {row['high']:.0%})"
    )


def _unproven(support: int, units: int) -> str:
    """What so few images cannot know, and what would settle it."""
    needed = cases_for_ceiling(TOLERATED)
    if support > units and units < FEW_UNITS:
        return f"They come in {units} independent unit{'s' * (units != 1)}, too few for any bound: {FEW_UNITS} or more are needed."
    return (
        f"That less than {TOLERATED:.0%} turn is not shown: {needed} independent ones of which none turns would"
        f" show it, here there are {units:,}."
    )


def _few(row: pd.Series) -> bool:
    return bool(row["units"] < min(FEW_UNITS, row["support"]))


def _highest(table: pd.DataFrame) -> float:
    """The largest one-sided upper bound of some shares."""
    bounds = [
        float(row["most"]) if row["most"] == row["most"] else float(upper_bound(row["count"], int(row["support"])))
        for _, row in table.iterrows()
        if row["support"]
    ]
    return max(bounds, default=1.0)


def _ends(row: pd.Series) -> tuple[float, float, float]:
    return float(row["share"]), float(row["low"]), float(row["high"])


def _names(study: Corrupted, measure: Measure, kind: str, severity: int) -> tuple[str, ...]:
    """The images that have turned by a severity."""
    first = first_turns(study, measure)
    if kind not in first:
        return ()
    return tuple(first.loc[(first[kind] > 0) & (first[kind] <= severity), "name"])


def _at(study: Corrupted) -> str:
    return "By the highest probability" if study.threshold is None else f"At the threshold {study.threshold:.3f}"


def _drawn(study: Corrupted) -> str:
    sample = study.sample
    return f"a sample of {study.where}" if sample["drawn"] != sample["images"] else study.where
