"""The report of a dossier: its sections in the order that somebody chose, as one HTML file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping

from workbench.files import file_digest
from workbench.journal import Journal, to_json
from workbench.report import chapters, reviewer, shown_cases
from workbench.report.blocks import Block, Section
from workbench.report.dossier import Dossier
from workbench.report.html import html_of
from workbench.report.matter import ALWAYS_IN, SECTIONS, Choices, Matter, matter_of
from workbench.report.report_study import study_blocks

REPORT_FORMAT = "workbench report 1"
MOST_LISTED, MOST_SEALED = 20_000, 500
"""Images whose digests stand in the file, and entries of the journal."""


def _decided(matter: Matter) -> Iterable[Block]:
    """The journal, and the study where there is one."""
    yield from chapters.journal(matter)
    if matter.choices.study is not None:
        yield from study_blocks(matter.choices.study, frozenset(item.name for item in matter.images))


CHAPTERS: Mapping[str, Callable[[Matter], Iterable[Block]]] = {
    "verdict": chapters.verdict,
    "purpose": chapters.purpose,
    "cards": chapters.model_and_images,
    "operating": chapters.operating,
    "groups": chapters.groups,
    "looks": shown_cases.looks,
    "shortcuts": chapters.shortcuts,
    "decisions": shown_cases.decisions,
    "health": chapters.health,
    "journal": _decided,
    "unknown": chapters.unknown,
    "made": chapters.made,
}
"""What makes the blocks of each section."""


def report_of(dossier: Dossier, choices: Choices, book: Journal | None = None) -> str:
    """A report as the text of one HTML file: the same dossier, choices and journal give the same text.

    Maps and evidence of the decisions shown are computed here, and told to `dossier.subject.report`.

    Args:
        dossier: What is known.
        choices: What is shown of it.
        book: The journal; without one the report says that who decided is not known.

    Raises:
        InputError: A chosen image is not in the set, or the journal cannot be read.
    """
    matter = matter_of(dossier, choices, book)
    order = ("verdict", *choices.sections, "unknown", "made")
    made = []
    for done, name in enumerate(order, 1):
        blocks = tuple(CHAPTERS[name](matter))
        made.append(Section(name, {**SECTIONS, **ALWAYS_IN}[name], blocks, choices.notes.get(name, "")))
        dossier.subject.report("writing the report", done, len(order))
    last = dataclasses.replace(made[-1], blocks=(*made[-1].blocks, *reviewer.index(made)))
    asked = Section("questions", ALWAYS_IN["questions"], tuple(reviewer.questions(made)))
    sections = [made[0], asked, *made[1:-1], last]
    title = f"{matter.classifier.name} on {matter.images.name}"
    subject = f"Model {matter.classifier.key[:16]}, images {matter.images.key[:16]}"
    if matter.images.synthetic:
        subject += "; synthetic: generated, not photographed"
    return html_of(title, subject, sections, facts_of(matter))


def facts_of(matter: Matter) -> dict[str, object]:
    """What the file carries machine-readably beside its figures."""
    images = matter.images
    listed = {item.name: item.readable_id or "" for item in images} if len(images) <= MOST_LISTED else {}
    head = matter.head
    sealed = json.loads(to_json(matter.records[-MOST_SEALED:]))["entries"]
    return {
        "format": REPORT_FORMAT,
        "choices": matter.choices.told,
        "model": {
            "key": matter.classifier.key,
            "files": {path.name: file_digest(path) for path in chapters.model_files(matter.folders)},
        },
        "images": {"key": images.key, "files": listed},
        "journal": None if head is None else {"count": head.count, "hash": head.hash, "entries": sealed},
        "versions": matter.versions,
    }
