"""What an agreement study comes to, as blocks of a report that holds the answers too: so it can be counted again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.report.blocks import BLANK_CELL, Block, Cell, Grid, Heading, Words, of_frame, said
from workbench.texts import shown

if TYPE_CHECKING:
    from workbench.agreement import Kappa, Outcomes, Study
    from workbench.stats import Rate

MOST_ANSWERS_TOLD = 2**19
"""Characters of the answers that a report holds: about ten thousand decisions."""
STUDY_SIGNS = {"ok": "✓ ok", "warn": "! watch", "fail": "✗ fail", "unknown": "? not known"}
STUDY_TONES = {"ok": "good", "warn": "doubt", "fail": "bad", "unknown": "doubt"}


@dataclasses.dataclass(frozen=True)
class GivenStudy:
    """The answers of a study.

    Attributes:
        name: Of the file that they were given in.
        answers: They, as the workbench writes them: a CSV.
        rejects: The word that rejects in that file, where it had words of its own.
        record: What the study's own record says of it, where it is one of the workbench.

    Raises:
        InputError: There are more than a report can hold, or they cannot be read.
    """

    name: str
    answers: str
    rejects: str = ""
    record: str = ""

    def __post_init__(self) -> None:
        if len(self.answers) > MOST_ANSWERS_TOLD:
            raise InputError(
                f"{self.name} holds more answers than a report does ({MOST_ANSWERS_TOLD >> 10} KB): hand the study on"
                " beside it."
            )
        _ = self.outcomes

    @cached_property
    def outcomes(self) -> Outcomes:
        """Every figure and finding."""
        from workbench.agreement import outcomes_of, read_ratings

        return outcomes_of(read_ratings(self.answers.encode(), self.name))

    @property
    def told(self) -> dict[str, str]:
        """The same for a file."""
        return dataclasses.asdict(self)


def given_study(path: Path, rejects: str = "") -> GivenStudy:
    """A study from a CSV of answers.

    Raises:
        InputError: As `GivenStudy` and `read_ratings`.
    """
    from workbench.agreement import answers_csv, read_ratings

    return GivenStudy(path.name, answers_csv(read_ratings(path, path.name, rejects)), rejects)


def study_here(study: Study) -> GivenStudy | None:
    """A study of the workbench, as far as it is; None where nobody has decided.

    Raises:
        InputError: Its answers are not as they were given, or more than a report can hold.
    """
    from workbench.agreement import answers_csv, ratings_of

    plan, answers = study.plan, study.answers()
    if not answers:
        return None
    expected = len(plan.parts) * plan.sessions * len(plan.inspectors)
    record = (
        f"{plan.title}, planned {plan.planned[:16].replace('T', ' ')} UTC: {len(answers):,} of {expected:,} decisions"
        f" are given. Digest of the plan {plan.digest[:16]}, end of the chain of answers {study.head()[:16]}."
    )
    record += "" if len(answers) == expected else " It is not complete: decide nothing by it."
    return GivenStudy("answers.csv", answers_csv(ratings_of(plan, answers)), record=record)


def study_of(told: object) -> GivenStudy | None:
    """A study from what a report says of it; None where it says nothing.

    Raises:
        InputError: It cannot be read.
    """
    if told is None:
        return None
    if not isinstance(told, Mapping) or set(told) != {"name", "answers", "rejects", "record"}:
        raise InputError("The report's study has not the form of one.")
    return GivenStudy(**{name: str(value) for name, value in told.items()})


def study_blocks(study: GivenStudy, images: frozenset[str]) -> Iterator[Block]:
    """Findings and tables of a study.

    Args:
        study: It.
        images: Names of the images of the report's set.
    """
    parts = set(study.outcomes.ratings.frame["part"])
    known = len(parts & images)
    yield Heading("study title", "Agreement study: do inspectors agree, and do maps help them?", anchor="agreement")
    yield Words("study", _of_what(study, len(parts), known), "" if known == len(parts) else "doubt")
    if study.record:
        yield Words("study record", shown(study.record))
    yield _appraisers(study.outcomes)
    yield _findings(study.outcomes)
    for name, table in study.outcomes.tables.items():
        yield of_frame(name, table)


def _of_what(study: GivenStudy, parts: int, known: int) -> str:
    """What the study rests on, of whose parts so many are known by name."""
    frame = study.outcomes.ratings.frame
    of_set = (
        f"{known:,} of its {parts:,} parts have the name of an image of this set."
        if known
        else "None of its parts has the name of an image of this set: whether it is about these parts is not known."
    )
    return (
        f"{len(frame):,} decisions by {frame['inspector'].nunique():,} appraisers, from {said(study.name).text}."
        f" {of_set} The answers stand in this file as data, so that these figures are computed again from them; that"
        " they are those that were given, only the study's own record can show."
    )


def _appraisers(outcomes: Outcomes) -> Grid:
    from workbench.agreement import ARM_TITLES

    rows = tuple(
        (
            said(one.name),
            said(ARM_TITLES[panel.arm]),
            *(_share(rate) for rate in (one.same, one.effective, one.miss, one.false_alarm)),
            _kappa(one.reference),
        )
        for panel in outcomes.panels
        for one in panel.appraisers
    )
    columns = ("who", "arm", "same again", "effectiveness", "miss rate", "false-alarm rate", "kappa, reference")
    return Grid("appraisers", columns, rows, "Each appraiser. Intervals are of 95 % and count parts.")


def _findings(outcomes: Outcomes) -> Grid:
    rows = tuple(
        (
            Cell(f"{number}, {result.check}"),
            Cell(STUDY_SIGNS[result.verdict], tone=STUDY_TONES[result.verdict]),
            Cell(
                said(result.figure if result.figure is None else f"{result.figure:.4g}").text,
                result.figure,
                result.low,
                result.high,
                result.support or None,
            ),
            said(result.sentence),
        )
        for number, result in enumerate(outcomes.results, 1)
    )
    return Grid("study findings", ("finding", "verdict", "figure", "what it says"), rows, "By the bands of the AIAG.")


def _share(rate: Rate) -> Cell:
    """A share of parts or of decisions."""
    if rate.value is None or rate.low is None or rate.high is None:
        return Cell(BLANK_CELL)
    text = f"{rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%}; {rate.count or 0:,} of {rate.support:,})"
    return Cell(text, rate.value, rate.low, rate.high, rate.support)


def _kappa(kappa: Kappa) -> Cell:
    if kappa.value is None or kappa.low is None or kappa.high is None:
        return Cell(BLANK_CELL)
    text = f"{kappa.value:.3f} ({kappa.low:.3f} to {kappa.high:.3f}; {kappa.units:,} parts)"
    return Cell(text, kappa.value, kappa.low, kappa.high, kappa.units)
