"""Decisions of a study as one table: those of inspectors, those of the model, and those given elsewhere as a CSV."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.agreement.study_plan import ARM_TITLES, LONGEST_INSPECTOR, NO_MAPS, WITH_MAPS, StudyPlan
from workbench.agreement.study_store import StudyAnswer
from workbench.errors import InputError
from workbench.files import read_delimited, unguarded

if TYPE_CHECKING:
    import pandas as pd

PERSON, MACHINE = "person", "model"
DECISION_COLUMNS = ("inspector", "kind", "part", "arm", "trial", "session", "rejects", "defect", "seconds")
"""Of the table: who, `PERSON` or `MACHINE`, the part's name, one of `ARM_TITLES`, from 1, from 1 or NaN, whether the
part was rejected, whether it is defective (None where that is not known), and how long it took or NaN."""
ANSWER_COLUMNS = ("inspector", "part", "trial", "answer")
REJECTS = frozenset(["reject", "rejected", "defect", "defective", "bad", "nok", "fail", "failed", "no-go", "ng"])
PASSES = frozenset(["pass", "passed", "accept", "accepted", "good", "ok", "functional", "go", "g"])
DECIMAL_COMMA = re.compile(r"\d{1,12},\d{1,12}")
MOST_DECISIONS, LARGEST_CSV, LONGEST_PART = 200_000, 32 * 2**20, 400
MOST_APPRAISERS = 100


@dataclasses.dataclass(frozen=True, eq=False)
class Ratings:
    """Decisions of one or more appraisers.

    Attributes:
        frame: A row a decision, with the columns `DECISION_COLUMNS`.
    """

    frame: pd.DataFrame

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that people decided in, in their order."""
        there = set(self.frame.loc[self.frame["kind"] == PERSON, "arm"])
        return tuple(arm for arm in ARM_TITLES if arm in there)

    def appraisers(self, kind: str, arm: str) -> tuple[str, ...]:
        """Who of a kind decided in an arm, in order of appearance."""
        frame = self.frame
        return tuple(dict.fromkeys(frame.loc[(frame["kind"] == kind) & (frame["arm"] == arm), "inspector"]))

    def of(self, name: str, kind: str, arm: str) -> pd.DataFrame:
        """The decisions of one appraiser in an arm."""
        frame = self.frame
        return frame[(frame["inspector"] == name) & (frame["kind"] == kind) & (frame["arm"] == arm)]

    def with_model(self, rows: Ratings | None) -> Ratings:
        """The same with the decisions of a model beside them, or none."""
        import pandas as pd

        people = self.frame[self.frame["kind"] == PERSON]
        return Ratings(people if rows is None else pd.concat([people, rows.frame], ignore_index=True))


def ratings_of(plan: StudyPlan, answers: Iterable[StudyAnswer]) -> Ratings:
    """The decisions that were given in a study of the workbench."""
    rows = [
        (
            given.inspector,
            PERSON,
            plan.parts[given.look.part].name,
            given.look.arm,
            given.look.trial,
            float(given.look.session),
            given.rejects,
            plan.parts[given.look.part].defect,
            given.seconds,
        )
        for given in answers
    ]
    return _ratings(rows)


def model_ratings(plan: StudyPlan, name: str, rejects: Sequence[Sequence[bool]]) -> Ratings:
    """The decisions of a model, which has no arm of its own: it stands beside people without maps.

    Args:
        plan: Of the study.
        name: What the model is called.
        rejects: For each part of the plan what it decides, a trial after the other.
    """
    rows = [
        (name, MACHINE, part.name, NO_MAPS, trial, math.nan, bool(rejected), part.defect, math.nan)
        for part, decisions in zip(plan.parts, rejects, strict=True)
        for trial, rejected in enumerate(decisions, 1)
    ]
    return _ratings(rows)


def read_ratings(data: bytes | Path, name: str, rejects: str = "") -> Ratings:
    """The decisions in a CSV that somebody else wrote, or that the workbench did.

    It needs the columns inspector, part, trial and answer, and may have reference (in the words of answer), arm
    ("without" or "with" maps), kind ("person" or "model"), session and seconds.

    Args:
        data: Its contents, or where it lies.
        name: Of the file.
        rejects: Which word of answer and reference means that a part is rejected, where these are words of your own:
            every other then means that it passes. Of 0 and 1 nothing says which, so that they need it.

    Raises:
        InputError: It cannot be read so; the message names the first line and what is wrong with it.
    """
    if isinstance(data, Path):
        if not data.is_file():
            raise InputError(f"There is no file {data.name!r}: name a CSV of answers.")
        if data.stat().st_size > LARGEST_CSV:
            raise InputError(f"{data.name} is larger than {LARGEST_CSV >> 20} MB: split it by study.")
        data = data.read_bytes()
    placed = [(where.capitalize(), row) for where, row in read_delimited(data, name).rows]
    rows = [row for _, row in placed]
    if not rows:
        raise InputError(f"{name} holds no answers: write a row for each, below the names of the columns.")
    if missing := [column for column in ANSWER_COLUMNS if column not in rows[0]]:
        raise InputError(f"{name} has no column {missing[0]!r}: it needs {', '.join(ANSWER_COLUMNS)}.")
    if len(rows) > MOST_DECISIONS:
        raise InputError(f"{name} has {len(rows):,} rows, more than {MOST_DECISIONS:,}: split it by study.")
    if rejects:
        _two_words(rows, name, rejects)
    ratings = _ratings([_row(row, where, rejects) for where, row in placed])
    _check(ratings.frame, [where for where, _ in placed], name)
    return ratings


def _ratings(rows: Sequence[tuple[Any, ...]]) -> Ratings:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(DECISION_COLUMNS))
    kinds = dict.fromkeys(("inspector", "kind", "part", "arm", "defect"), object)
    return Ratings(frame.astype({**kinds, "rejects": bool, "trial": int, "session": float, "seconds": float}))


def _two_words(rows: Iterable[Mapping[str, Any]], name: str, rejects: str) -> None:
    """Refuse answers in more than two words, or none of which rejects."""
    cells = (str(row.get(column) or "").strip().casefold() for row in rows for column in ("answer", "reference"))
    words = list(dict.fromkeys(word for word in cells if word))
    if rejects.strip().casefold() not in words or len(words) > 2:
        raise InputError(
            f"The answers in {name} are {', '.join(map(repr, words[:4]))}: they must be {rejects[:40]!r}, which"
            " rejects, and one other word."
        )


def _row(row: Mapping[str, Any], where: str, rejects: str) -> tuple[Any, ...]:
    def text(column: str, most: int = LONGEST_INSPECTOR) -> str:
        value = unguarded(str(row.get(column) or "").strip())
        if len(value) > most or not value.isprintable():
            raise InputError(f"{where}: {column} has more than {most} characters, or some that cannot be printed.")
        return value

    inspector, part = text("inspector"), text("part", LONGEST_PART)
    if not inspector or not part:
        raise InputError(f"{where} names no inspector or no part: fill both in.")
    arm, kind = text("arm").casefold(), text("kind").casefold() or PERSON
    if arm not in ARM_TITLES or kind not in (PERSON, MACHINE):
        raise InputError(
            f"{where}: arm is {NO_MAPS!r}, {WITH_MAPS!r} or empty, kind {PERSON!r} or {MACHINE!r}: correct it."
        )
    trial = _number(text("trial"), where, "trial")
    if not 1 <= trial <= 1000 or trial != int(trial):
        raise InputError(f"{where}: trial is a whole number from 1 to 1,000: correct it.")
    reference = text("reference")
    return (
        inspector, kind, part, arm, int(trial),
        _number(text("session"), where, "session"),
        _rejected(text("answer"), where, rejects),
        _rejected(reference, where, rejects) if reference else None,
        _number(text("seconds"), where, "seconds"),
    )  # fmt: skip


def _number(text: str, where: str, column: str) -> float:
    if not text:
        return math.nan
    if DECIMAL_COMMA.fullmatch(text):
        raise InputError(f"{where}: {column} is {text!r}, with a comma: write a point for decimals, and no commas.")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not math.isfinite(value) or value < 0:
        raise InputError(f"{where}: {column} is {text[:20]!r}, which is no number from 0 on: correct it.")
    return value


def _rejected(text: str, where: str, rejects: str) -> bool:
    word = text.casefold()
    if not word:
        raise InputError(f"{where} has no answer: leave the row out where nobody decided.")
    if rejects:
        return word == rejects.strip().casefold()
    if word in REJECTS:
        return True
    if word in PASSES:
        return False
    raise InputError(
        f"{where}: nothing says whether {text[:20]!r} rejects the part: write reject and pass, or say which word"
        " rejects."
    )


def _check(frame: pd.DataFrame, places: Sequence[str], name: str) -> None:
    """Refuse what contradicts itself."""
    who = ["inspector", "kind", "part", "arm", "trial"]
    if (again := frame.duplicated(who)).any():
        first = places[int(again.to_numpy().argmax())]
        raise InputError(f"{first} of {name} decides again what an earlier row does: number the trials.")
    if frame["inspector"].nunique() > MOST_APPRAISERS:
        raise InputError(f"{name} has more than {MOST_APPRAISERS} inspectors: split it by study.")
    known = frame.dropna(subset=["defect"])
    told = known.astype({"defect": bool}).groupby("part")["defect"].nunique()
    if (told > 1).any():
        part = str(told.index[told > 1][0])
        raise InputError(f"The reference of part {part[:40]!r} differs between rows of {name}: a part has one.")
    if known["part"].nunique() not in (0, frame["part"].nunique()) or len(known) not in (0, len(frame)):
        raise InputError(f"Some rows of {name} have a reference and some have none: fill it in for all, or for none.")
