"""What a report is made from: a dossier, what a person chose to show of it, and the journal up to its head."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.catalog import load_catalog, versions
from workbench.errors import InputError
from workbench.journal import Head, Journal, Record, journal_path
from workbench.predictions import independence_of, is_tested, judgeable
from workbench.report.check_parts import model_folder
from workbench.report.dossier import Dossier
from workbench.report.report_study import GivenStudy
from workbench.version import __version__

if TYPE_CHECKING:
    from workbench.images import ImageSet
    from workbench.models import Classifier
    from workbench.predictions import Predictions

SECTIONS: Mapping[str, str] = {
    "purpose": "Purpose and limits",
    "cards": "The model and the images",
    "operating": "How good it is at its threshold",
    "groups": "For whom it is worse",
    "looks": "Where it looks",
    "shortcuts": "Shortcuts",
    "decisions": "Decisions, one by one",
    "health": "Whether the set is sound and the model will hold",
    "journal": "Who decided what",
}
"""What can be chosen, by name, in the order of a report that chooses nothing."""
ALWAYS_IN: Mapping[str, str] = {
    "verdict": "Is it fit for use?",
    "questions": "Twelve questions of a reviewer",
    "unknown": "What is not known",
    "made": "How this was made, and how to check it",
}
"""What no report leaves out."""
RELEASES_TOLD = ("torch", "timm", "captum", "numpy", "scipy", "scikit-learn", "pandas", "pillow")
CHOICE_LISTS = ("read", "sections", "decisions")
"""The fields of `Choices` that are lists."""
MOST_DECISIONS, LONGEST_NOTE, ENTRIES_SHOWN = 24, 50_000, 50


@dataclasses.dataclass(frozen=True)
class Choices:
    """What is shown, and about what.

    Attributes:
        model: As for `load_classifier`; of a path the report tells the last name alone.
        images: As for `load_images`, likewise.
        read: Corrections of how the images are read, as `--read` takes them.
        sections: Names in `SECTIONS`, in their order.
        notes: What a person adds to a section by its name, Markdown; "verdict" is the one on top.
        decisions: Names of the images whose decisions are shown; chosen by a rule where empty.
        called: What the report calls model and images, where that is not to follow from their references.
        study: An agreement study, which stands where it says who decided what.

    Raises:
        InputError: There is no such section, a note or the list of decisions is too long, or there is a study and no
            section for it.
    """

    model: str
    images: str
    read: tuple[str, ...] = ()
    sections: tuple[str, ...] = tuple(SECTIONS)
    notes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    decisions: tuple[str, ...] = ()
    called: tuple[str, str] | None = None
    study: GivenStudy | None = None

    def __post_init__(self) -> None:
        for name in (*self.sections, *self.notes):
            if name not in SECTIONS and not (name in ALWAYS_IN and name in self.notes):
                raise InputError(f"There is no section {name!r} to choose: take from {', '.join(SECTIONS)}.")
        if len(set(self.sections)) < len(self.sections):
            raise InputError("A section is named twice: name each once.")
        if any(len(note) > LONGEST_NOTE for note in self.notes.values()):
            raise InputError(f"A note has over {LONGEST_NOTE:,} characters: shorten it.")
        if len(self.decisions) > MOST_DECISIONS:
            raise InputError(f"{len(self.decisions)} decisions are too many to show: choose {MOST_DECISIONS} at most.")
        if self.study is not None and "journal" not in self.sections:
            raise InputError(f"A study stands in the section journal ({SECTIONS['journal']}): choose that too.")

    @property
    def names(self) -> tuple[str, str]:
        """What model and images are called; a path by its last name."""
        return self.called or (_told(self.model), _told(self.images))

    @property
    def asked_for(self) -> str:
        """The options that name model and images."""
        model, images = self.names
        read = "".join(f" --read {shlex.quote(each)}" for each in self.read)
        return f" --model {shlex.quote(model)} --images {shlex.quote(images)}{read}"

    @property
    def command(self) -> str:
        """The command that makes the report again."""
        parts = [f"workbench report{self.asked_for} --out FILE.html"]
        if self.sections != tuple(SECTIONS):
            parts.append(f"--sections {','.join(self.sections) or 'none'}")
        parts += [f"--decision {shlex.quote(name)}" for name in self.decisions]
        parts += [f"--note {name}=NOTE.md" for name in sorted(self.notes)]
        if self.study is not None:
            parts.append(f"--agreement {shlex.quote(self.study.name)}")
            parts += [f"--rejects {shlex.quote(self.study.rejects)}"] if self.study.rejects else []
        return " ".join(parts)

    @property
    def told(self) -> dict[str, object]:
        """The same for a file."""
        model, images = self.names
        lists = {name: list(getattr(self, name)) for name in CHOICE_LISTS}
        study = {} if self.study is None else {"study": self.study.told}
        return {"model": model, "images": images, "notes": dict(self.notes), **lists, **study}

    def about(self, model: str | None, images: str | None, read: Sequence[str] = ()) -> Choices:
        """The choices of a report that somebody else made, about what the reader names; of what the report names itself
        no more is taken than a name of the catalog.

        Raises:
            InputError: The reader names nothing, and the report names nothing of the catalog.
        """
        catalog = load_catalog()
        if model is None and self.model not in catalog.models:
            raise InputError("The report is about a model that is in no catalog here: name it with --model.")
        if images is None and self.images not in catalog.images:
            raise InputError("The report is about images that are in no catalog here: name them with --images.")
        taken = {"model": model or self.model, "images": images or self.images}
        return dataclasses.replace(self, **taken, read=tuple(read), called=self.names)  # type: ignore[arg-type]


def _told(ref: str) -> str:
    """A name of the catalog or a scheme as it is; of a path the last name, which is nobody's folder."""
    catalog = load_catalog()
    if ref in catalog.models or ref in catalog.images or "/" not in ref.replace("\\", "/"):
        return ref
    return ref.replace("\\", "/").rstrip("/").rpartition("/")[2]


@dataclasses.dataclass(frozen=True, eq=False)
class Matter:
    """All that a report is made from.

    Attributes:
        dossier: The twelve checks, with what they rest on.
        choices: What is shown of it.
        head: Where the journal ends; None where there is none.
        records: Its entries about this model or these images, oldest first.
        method: Of the maps; None where none suits the model.
    """

    dossier: Dossier
    choices: Choices
    head: Head | None
    records: tuple[Record, ...]
    method: str | None
    most_entries = ENTRIES_SHOWN

    @property
    def classifier(self) -> Classifier:
        """The model."""
        return self.dossier.subject.classifier

    @property
    def images(self) -> ImageSet:
        """The set."""
        return self.dossier.subject.images

    @property
    def predictions(self) -> Predictions:
        """What the model says of N images."""
        return self.dossier.subject.predictions

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """The model's folder, where it has one."""
        folder = model_folder(self.choices.model)
        return () if folder is None else (folder,)

    @cached_property
    def vectors(self) -> NDArray[np.float32] | None:
        """(N, D) what goes into the model's last layer; None where that is not known."""
        answers = self.dossier.subject.answers
        try:
            vectors = answers.embeddings()
        except InputError:
            return None
        order = answers.predictions.by_name
        return vectors[[order[name] for name in self.predictions.frame["name"]]]

    @cached_property
    def tested(self) -> NDArray[np.bool_]:
        """(N,) the images of the test split, all where there is none."""
        table = self.predictions
        return (table.frame["split"] == "test").to_numpy(bool) if is_tested(table) else np.ones(len(table), bool)

    @property
    def split(self) -> str:
        """Which images those are."""
        return "the test split" if is_tested(self.predictions) else "all images"

    @property
    def independence(self) -> str:
        """Which of those images count as one."""
        rows = judgeable(self.predictions, self.tested)
        if not len(rows):
            return ""
        short = independence_of(self.predictions.frame, rows).short
        return f"Intervals are {short}."

    @property
    def left_out(self) -> tuple[str, ...]:
        """Titles of the sections that were not chosen."""
        return tuple(title for name, title in SECTIONS.items() if name not in self.choices.sections)

    @property
    def versions(self) -> dict[str, str | None]:
        """The releases that the figures were made with."""
        return {"workbench": __version__, **versions(RELEASES_TOLD)}


def journal_here() -> Journal | None:
    """The journal of this machine; None where there is none.

    Raises:
        InputError: It cannot be read.
    """
    path = journal_path()
    return Journal(path, create=False, called="the journal") if path.is_file() else None


def matter_of(dossier: Dossier, choices: Choices, book: Journal | None) -> Matter:
    """The dossier with what a journal says of its model and images.

    Raises:
        InputError: The journal cannot be read.
    """
    from workbench.reliability import map_method

    subject = dossier.subject
    head, records = None, tuple[Record, ...]()
    if book is not None:
        head = book.head()
        ids = {item.readable_id for item in subject.images} - {None}
        records = tuple(
            each
            for each in book.records()
            if getattr(each, "model", None) == subject.classifier.key
            or (not hasattr(each, "model") and getattr(each, "image", None) in ids)
        )
    return Matter(dossier, choices, head, records, map_method(subject.classifier))
