"""Studies on disk: a plan that is sealed, and answers that are only ever added, each chained to the one before.

The first answer is chained to the digest of the plan. So neither the plan nor an answer can be changed, left out or put
in without a word; answers that were cut off at the end show as not given yet.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from workbench.agreement.study_plan import Look, StudyPlan, plan_from, schedule
from workbench.errors import InputError
from workbench.files import read_file

PLAN_FILE, ANSWERS_FILE = "plan.json", "answers.jsonl"
LARGEST_STUDY = 64 * 2**20
"""Bytes of a file that are read."""
LONGEST_LOOK = 3600.0
"""Seconds; a decision that took longer is noted with this time."""
_KEY = re.compile("[0-9a-f]{16}")


@dataclasses.dataclass(frozen=True)
class StudyAnswer:
    """A decision of an inspector.

    Attributes:
        inspector: Who decided.
        look: What was asked.
        rejects: Whether they rejected the part.
        seconds: How long they looked, as the server measured it.
        time: When: UTC, ISO 8601.
    """

    inspector: str
    look: Look
    rejects: bool
    seconds: float
    time: str


@dataclasses.dataclass(frozen=True)
class Due:
    """What an inspector is asked next.

    Attributes:
        look: The decision; None once all are given.
        opens: When the session opens that it belongs to; None where it is open.
    """

    look: Look | None
    opens: datetime.datetime | None = None


class Study:
    """A study in a folder of its own.

    Attributes:
        plan: Its plan.
        path: Its folder.
    """

    def __init__(self, path: Path) -> None:
        """Open a study.

        Raises:
            InputError: There is none, or its plan is not the one that it is named after.
        """
        self.path = path
        try:
            text = read_file(path / PLAN_FILE, LARGEST_STUDY).decode("utf-8")
        except (OSError, ValueError):
            raise InputError("There is no study of that name here: open it from the list, or plan one.") from None
        self.plan = plan_from(text)
        if self.plan.text != text or self.plan.key != path.name:
            raise InputError(
                "The plan of this study was changed after it was sealed: its answers can no longer be trusted. Restore"
                " the plan from a copy."
            )

    def answers(self) -> tuple[StudyAnswer, ...]:
        """All answers, in the order in which they were given.

        Raises:
            InputError: They are not as they were written.
        """
        return self._read()[0]

    def head(self) -> str:
        """The digest at the end of the chain: to note elsewhere, and to hold the study against later. Errors as
        `answers`."""
        return self._read()[1]

    def due(self, inspector: str, now: datetime.datetime) -> Due:
        """What an inspector is asked next.

        Raises:
            InputError: The plan knows no such inspector, or the answers are not as they were written.
        """
        return self._due(inspector, self.answers(), now)

    def answer(self, inspector: str, look: Look, rejects: bool, seconds: float, now: datetime.datetime) -> None:
        """Write a decision down.

        Raises:
            InputError: It is not the one that is due, as where it was given already in another tab; or the disk cannot
                be written to.
        """
        from filelock import FileLock, Timeout

        try:
            with FileLock(self.path / f"{ANSWERS_FILE}.lock", timeout=10):
                answers, head = self._read()
                due = self._due(inspector, answers, now)
                if due.look != look or due.opens is not None:
                    raise InputError("This decision was given already: go on with the part that is shown now.")
                seconds = round(min(max(seconds, 0.0), LONGEST_LOOK), 3)
                given = StudyAnswer(inspector, look, rejects, seconds, now.isoformat(timespec="milliseconds"))
                line = json.dumps({"answer": dataclasses.asdict(given), "hash": _hash(head, given)}, sort_keys=True)
                with (self.path / ANSWERS_FILE).open("a", encoding="utf-8") as file:
                    file.write(f"{line}\n")
                    file.flush()
                    os.fsync(file.fileno())
        except Timeout:
            raise InputError("Another inspector is writing at this moment: decide again.") from None
        except OSError as error:
            raise InputError(f"The decision could not be written down ({error.strerror}): check the disk.") from None

    def _read(self) -> tuple[tuple[StudyAnswer, ...], str]:
        head, answers = self.plan.digest, list[StudyAnswer]()
        try:
            lines = read_file(self.path / ANSWERS_FILE, LARGEST_STUDY).decode("utf-8").splitlines()
        except FileNotFoundError:
            return (), head
        except (OSError, ValueError):
            raise InputError("The answers of this study cannot be read: restore their file from a copy.") from None
        for number, line in enumerate(lines, 1):
            given, digest = _answer_from(line)
            if given is None or digest != _hash(head, given):
                raise InputError(
                    f"Answer {number:,} of this study is not as it was given, or one before it is missing: restore the"
                    " file of answers from a copy."
                )
            answers.append(given)
            head = digest
        return tuple(answers), head

    def _due(self, inspector: str, answers: Sequence[StudyAnswer], now: datetime.datetime) -> Due:
        looks = schedule(self.plan, inspector)
        own = [given for given in answers if given.inspector == inspector]
        if len(own) >= len(looks):
            return Due(None)
        look = looks[len(own)]
        if look.number > 1 or not own:
            return Due(look)
        last = datetime.datetime.fromisoformat(own[-1].time)
        opens = last + datetime.timedelta(days=self.plan.washout)
        return Due(look, opens if now < opens else None)


def create_study(root: Path, plan: StudyPlan) -> Study:
    """Seal a plan in a folder under `root`.

    Raises:
        InputError: The disk cannot be written to.
    """
    folder = root / plan.key
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".part", delete=False, encoding="utf-8") as file:
            file.write(plan.text)
        os.replace(file.name, folder / PLAN_FILE)
    except OSError as error:
        raise InputError(f"The study could not be written down ({error.strerror}): check the disk.") from None
    return Study(folder)


def open_study(roots: Sequence[Path], key: str) -> Study:
    """The study of that key under one of some folders.

    Raises:
        InputError: There is none, or it was changed.
    """
    if _KEY.fullmatch(key):
        for root in roots:
            if (root / key / PLAN_FILE).is_file():
                return Study(root / key)
    raise InputError("There is no study of that name here: open it from the list, or plan one.")


def studies_in(root: Path, fits: Callable[[StudyPlan], bool]) -> list[StudyPlan]:
    """The plans under a folder that fit, the newest first; those that cannot be read are left out."""
    plans = []
    with contextlib.suppress(OSError):
        for folder in root.iterdir():
            if _KEY.fullmatch(folder.name):
                with contextlib.suppress(InputError):
                    plans.append(Study(folder).plan)
    return sorted(filter(fits, plans), key=lambda plan: plan.planned, reverse=True)


def _answer_from(line: str) -> tuple[StudyAnswer | None, str]:
    try:
        document: dict[str, Any] = json.loads(line)
        fields = document["answer"]
        return StudyAnswer(**{**fields, "look": Look(**fields["look"])}), str(document["hash"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None, ""


def _hash(head: str, given: StudyAnswer) -> str:
    text = json.dumps(dataclasses.asdict(given), sort_keys=True)
    return hashlib.sha256(f"{head}\n{text}".encode()).hexdigest()
