"""A league in words, as a finding, and as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.attribution import METHODS
from workbench.evidence.league_order import REDRAWN, TURNING, League, Standing, Standings
from workbench.files import CheckResult, Outcome
from workbench.stats import FEW_UNITS, SIGNIFICANT, Rate
from workbench.texts import sentence_list

if TYPE_CHECKING:
    import pandas as pd

LEAGUE = "league of methods"


def league_sentence(result: League, table: Standings) -> str:
    """What a league comes to, in plain sentences."""
    where = "test images" if result.split else "images (no split says which of them the model was trained on)"
    units = "" if table.units is None or table.units == table.decisions else f" in {table.units} units"
    on = f"{table.decisions} decisions{units}, drawn from {result.images:,} {where}"
    if table.outcome == "too few":
        return (
            f"Too few to say which method suits this model: {on}; {FEW_UNITS} decisions of which every method has a"
            f" map, in as many units, are needed."
        )
    if table.outcome == "nothing to explain":
        return f"No method is put forward: {_nothing(result, table)} ({on})."
    first = table.rows[0]
    if table.outcome == "none":
        return (
            f"No method beats chance here: of {len(table.rows)} tried, none marks the places that carry the score"
            f" better than the same maps moved elsewhere do. The largest lead is that of {first.entrant.title},"
            f" {_points(first.lead)} of the score's range, where chance gives {_percent(first.chance)} ({on})."
        )
    best = table.best or first
    return " ".join([_best(table, best), *_others(table, best), f"All of it rests on {on}.", *_unasked(result)])


def _unasked(result: League) -> list[str]:
    """What could not be looked at, so that it does not stand in the way of a method."""
    if result.by_chance is None:
        return ["Labels of two classes are not known, so that whether its decisions are right could not be looked at."]
    if result.by_random is None:
        return ["Its decisions were not compared with those of random weights: no copy of it could be drawn."]
    return []


def _best(table: Standings, best: Standing) -> str:
    """Which method is put forward, and why."""
    first = table.rows[0]
    if best is first:
        how = "has the largest lead" if table.as_good else "suits this model best"
        begins = f"{best.entrant.title} {how} of {len(table.rows)} tried: the"
    elif table.misled and METHODS[best.entrant.method].family == "perturbation":
        begins = (
            f"{best.entrant.title} is put forward of {len(table.rows)} tried, before {first.entrant.title} with the"
            f" largest lead ({_points(first.lead)}): gradients at the image mislead here (their maps carry less than"
            " half of that, as where they are flat, noisy or faked), and of the methods that ask the model without"
            " gradients and carry at least nine tenths of it this is the cheapest. The"
        )
    else:
        begins = (
            f"{best.entrant.title} is put forward of {len(table.rows)} tried: {len(table.tied)} cannot be told apart,"
            " and of these it is the first whose values sum up to the change of the score. The"
        )
    return (
        f"{begins} places that it marks most carry more of the score than those it marks least, by"
        f" {_points(best.lead)} of the score's range, where chance gives {_percent(best.chance)}."
    )


def _others(table: Standings, best: Standing) -> list[str]:
    """Whom the largest lead is ahead of, and whom not."""
    said, first = [], table.rows[0]
    if best not in table.tied and len(table.tied) > 1:
        names = sentence_list([row.entrant.title for row in table.tied[1:]])
        said.append(f"{names} cannot be told from {first.entrant.title}.")
    elif table.as_good:
        names = sentence_list([row.entrant.title for row in table.tied if row is not best])
        largest = "" if best is first else f" ({first.entrant.title} has the largest lead, {_points(first.lead)})"
        said.append(
            f"{names} cannot be told from it{largest}: with 95 % confidence the best of all tried is among these."
        )
    behind = next((row for row in table.rows if row.told_apart), None)
    if behind is not None and behind.behind is not None:
        ahead = "It is" if best is first else f"{first.entrant.title} is"
        said.append(f"{ahead} ahead of {behind.entrant.title} by {_points(behind.behind)}.")
    return said


def _nothing(result: League, table: Standings) -> str:
    if result.unrelated and table.turned >= TURNING * table.decisions:
        if result.by_chance is not None and result.by_chance > SIGNIFICANT:
            why = (
                f"the model's decisions agree with the labels no better than chance would (p = {result.by_chance:.2g})"
            )
        else:
            as_well = round((result.by_random or 0) * (REDRAWN + 1))
            why = (
                f"copies of the model with random weights come as near to the labels as it does ({as_well - 1} of"
                f" {REDRAWN})"
            )
        return f"{why}. Maps may show what such a model computes, but no reason for right decisions"
    return (
        f"whatever is removed from the image, {table.turned} of {table.decisions} decisions turn. Maps may show what"
        " moves the score, but nothing that a place in the image decides"
    )


def _percent(share: float) -> str:
    return f"{round(100 * share)} %"


def _points(rate: Rate) -> str:
    """A share of the score's range with its interval, as in "41 % (95 % interval 33 to 49 %)"."""
    value, low, high = (100 * float(x or 0) for x in (rate.value, rate.low, rate.high))
    return f"{value:.0f} % (95 % interval {low:.0f} to {high:.0f} %)"


def league_result(result: League, table: Standings) -> CheckResult:
    """A league as a finding: ok where one method suits the model best, to be looked at where none does; where several
    cannot be told apart it is unknown which, with the lead of the one that is put forward."""
    sentence = league_sentence(result, table)
    if table.outcome == "too few":
        return CheckResult(LEAGUE, "unknown", sentence, support=table.decisions)
    best = table.best
    if best is None:
        return CheckResult(LEAGUE, "warn", sentence, support=table.decisions)
    lead = best.lead
    verdict: Outcome = "ok" if table.single else "unknown"
    return CheckResult(LEAGUE, verdict, sentence, lead.value, lead.low, lead.high, best.chance, table.decisions)


def league_rows(result: League, table: Standings) -> pd.DataFrame:
    """A row for each method, those that are ranked first."""
    import pandas as pd

    rows = [
        {
            "rank": number,
            "entrant": row.entrant.title,
            "method": row.entrant.method,
            "settings": ", ".join(f"{name}={value}" for name, value in row.entrant.settings),
            "lead": row.lead.value,
            "low": row.lead.low,
            "high": row.lead.high,
            "chance": row.chance,
            "p_chance": row.p_chance,
            "behind": row.behind and row.behind.value,
            "behind_low": row.behind and row.behind.low,
            "behind_high": row.behind and row.behind.high,
            "p_behind": row.p_behind,
            "seconds": row.seconds,
            "evaluations": row.passes,
            "not_ranked": "",
        }
        for number, row in enumerate(table.rows, 1)
    ]
    by_title = {entrant.title: entrant.method for entrant in result.entrants}
    rows += [
        {"entrant": title, "method": by_title[title], "not_ranked": why} for title, why in table.incomplete.items()
    ]
    entered = {entrant.method for entrant in result.entrants}
    rows += [
        {"entrant": method.title, "method": name, "not_ranked": "did not enter"}
        for name, method in METHODS.items()
        if name not in entered
    ]
    return pd.DataFrame(rows)
