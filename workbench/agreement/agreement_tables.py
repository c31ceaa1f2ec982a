"""What lies behind the findings of an agreement study, as tables, and the study as files to take home."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from workbench.agreement.agreement_words import agreement_results
from workbench.agreement.appraisal import Appraiser, Panel, panel
from workbench.agreement.arms import Contrast, contrasts
from workbench.agreement.kappas import Kappa
from workbench.agreement.ratings import Ratings
from workbench.files import FINDINGS, TABLES_IN, CheckResult, findings_text, frame_csv
from workbench.stats import Rate

if TYPE_CHECKING:
    import pandas as pd

ANSWERS_CSV = "answers.csv"
OLDEST = (1980, 1, 1, 0, 0, 0)
"""The time of every file of the archive: the same study gives the same bytes."""


@dataclasses.dataclass(frozen=True, eq=False)
class Outcomes:
    """All that a study comes to.

    Attributes:
        ratings: The decisions.
        panels: The figures of each arm.
        contrasts: With maps against without: of all inspectors, then of each; none where there is one arm.
        results: The findings.
        tables: The figures as tables, by name.
    """

    ratings: Ratings
    panels: tuple[Panel, ...]
    contrasts: tuple[Contrast, ...]
    results: tuple[CheckResult, ...]
    tables: Mapping[str, pd.DataFrame]


def outcomes_of(ratings: Ratings) -> Outcomes:
    """Every figure and finding of a study.

    Example:
        >>> from workbench.agreement import outcomes_of, read_ratings
        >>> rows = ["Ada,1,1,reject,reject", "Ada,1,2,reject,reject", "Ada,2,1,pass,pass", "Ada,2,2,reject,pass"]
        >>> text = "\\n".join(["inspector,part,trial,answer,reference", *rows])
        >>> outcomes = outcomes_of(read_ratings(text.encode(), "answers.csv"))
        >>> outcomes.panels[0].people[0].effective.value
        0.5
    """
    panels = tuple(panel(ratings, arm) for arm in ratings.arms)
    compared = contrasts(ratings)
    results = tuple(agreement_results(panels, compared))
    tables = {"agreement-appraisers": _appraisers(panels), "agreement-pairs": _pairs(panels)}
    if compared:
        tables["agreement-maps"] = _contrasts(compared)
    return Outcomes(ratings, panels, compared, results, tables)


def answers_csv(ratings: Ratings) -> str:
    """The decisions as a CSV that `read_ratings` reads."""
    frame = ratings.frame
    words = {True: "reject", False: "pass"}
    table = frame[["inspector", "kind", "part", "arm", "trial", "session"]].copy()
    table["answer"] = frame["rejects"].map(words)
    if frame["defect"].notna().any():
        table["reference"] = frame["defect"].map(words)
    table["seconds"] = frame["seconds"]
    return frame_csv(table)


def study_zip(outcomes: Outcomes, facts: Mapping[str, object]) -> bytes:
    """A study as a zip: decisions, findings, tables, and `study.json` with the plan and what else is known of it."""
    files = {ANSWERS_CSV: answers_csv(outcomes.ratings), FINDINGS: findings_text(outcomes.results)}
    files |= {f"{TABLES_IN}/{name}.csv": frame_csv(table) for name, table in outcomes.tables.items()}
    files["study.json"] = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, text in files.items():
            target.writestr(zipfile.ZipInfo(name, OLDEST), text.encode(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _appraisers(panels: Sequence[Panel]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([_row(one) for panel in panels for one in panel.appraisers])


def _row(one: Appraiser) -> dict[str, object]:
    names = ("name", "kind", "arm", "trials", "decisions", "parts", "incomplete", "defects", "good")
    row: dict[str, object] = {name: getattr(one, name) for name in names}
    for title, rate in (
        ("same decision in all trials", one.same),
        ("effectiveness", one.effective),
        ("right decisions", one.right),
        ("miss rate", one.miss),
        ("false-alarm rate", one.false_alarm),
    ):
        row |= _of_rate(title, rate)
    return row | _of_kappa("kappa of own trials", one.within) | _of_kappa("kappa with reference", one.reference)


def _of_rate(title: str, rate: Rate) -> dict[str, object]:
    return {title: rate.value, f"{title} low": rate.low, f"{title} high": rate.high, f"{title} of": rate.support}


def _of_kappa(title: str, kappa: Kappa) -> dict[str, object]:
    return {title: kappa.value, f"{title} low": kappa.low, f"{title} high": kappa.high}


def _pairs(panels: Sequence[Panel]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {"arm": panel.arm, "first": first, "second": second, **_beside(kappa)}
        for panel in panels
        for (first, second), kappa in panel.pairs.items()
    ]
    rows += [
        {"arm": panel.arm, "first": "all inspectors", "second": "", **_beside(panel.between)}
        for panel in panels
        if len(panel.people) > 1
    ]
    return pd.DataFrame(rows, columns=["arm", "first", "second", *_beside(Kappa(None, None, None, None, 0, 0))])


def _beside(kappa: Kappa) -> dict[str, object]:
    return {**_of_kappa("kappa", kappa), "agreement": kappa.agreement, "parts": kappa.units, "pairs": kappa.pairs}


def _contrasts(compared: Sequence[Contrast]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for one in compared:
        row: dict[str, object] = {"inspectors": one.name, "parts": one.parts, "p-value": one.p_value}
        row |= {"changed": one.changed, "without map first": one.balanced, "order p-value": one.order_p_value}
        for title, rate in (
            ("right decisions", one.right),
            ("miss rate", one.miss),
            ("false-alarm rate", one.false_alarm),
            ("seconds", one.seconds),
            ("second look", one.order),
        ):
            row |= _of_rate(title, rate)
        rows.append(row)
    return pd.DataFrame(rows)
