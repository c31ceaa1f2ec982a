"""What was understood of an image set, before any figure: counts, guesses with their reasons, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from workbench.catalog import ReadOptions
from workbench.texts import sentence_list

TOPICS = ("layout", "root", "splits", "labels", "masks", "groups", "values", "files")
SHOWN = 5
"""Names of files that a line of the report gives."""


@dataclass(frozen=True)
class Guess:
    """One thing that was understood of a set.

    Attributes:
        topic: One of `TOPICS`.
        value: What was understood, in words.
        why: From what.
        how: "stated" by the set or by options, "recognised" by a known form, or "assumed".
        option: The name in `ReadOptions` that changes it.
    """

    topic: str
    value: str
    why: str
    how: str
    option: str = ""


@dataclass(frozen=True)
class LeftOut:
    """Files that are no images of the set, and why; `names` lists all of them."""

    reason: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """What contradicts itself: a sentence, and the names of the images (for pairs two after one another)."""

    kind: str
    sentence: str
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """What cannot be known from the files. The first choice is what was taken until somebody answers.

    Attributes:
        option: The name in `ReadOptions` that answers it, as "layout" or "split.extra".
        sentence: What is asked, with the reason.
        choices: Each value of the option, and what it means.
    """

    option: str
    sentence: str
    choices: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Count:
    """How many images, and masks of them, of one label and split; None where either is not known."""

    label: str | None
    split: str | None
    images: int
    masks: int


@dataclass(frozen=True)
class LoadReport:
    """What was read of a set, and how.

    Attributes:
        layout: The name of the layout.
        why: By what it was recognised.
        counts: Images and masks by label and split.
        listed: Files that were looked at, of any kind; each of them is used or in `left_out`.
        used: How many of them are images or masks, or told something of the images.
        options: The corrections that were made.
        guesses: What was understood, and from what.
        left_out: What is no part of the set, by reason.
        findings: What contradicts itself.
        questions: What cannot be known from the files.

    Example:
        >>> images.report.layout, images.report.total
        ('class folders', 7)
    """

    layout: str
    why: str
    counts: tuple[Count, ...]
    listed: int
    used: int
    options: ReadOptions
    guesses: tuple[Guess, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    findings: tuple[Finding, ...] = ()
    questions: tuple[Question, ...] = ()

    @property
    def total(self) -> int:
        """Images."""
        return sum(count.images for count in self.counts)

    @property
    def masks(self) -> int:
        """Images with a mask."""
        return sum(count.masks for count in self.counts)

    def by(self, name: str) -> dict[str | None, int]:
        """Images by "label" or by "split", in the order of the counts."""
        sums: Counter[str | None] = Counter()
        for count in self.counts:
            sums[getattr(count, name)] += count.images
        return dict(sums)

    def lines(self) -> Iterator[str]:
        """The report as lines of text, for a terminal."""
        classes = {label: number for label, number in self.by("label").items() if label is not None}
        yield f"{self.total:,} images of {len(classes):,} classes, {self.masks:,} with a mask; layout: {self.layout}"
        yield f"  {self.why}"
        yield from (f"  {label or '(no label)'}: {number:,}" for label, number in self.by("label").items())
        if set(self.by("split")) != {None}:
            splits = (f"{split or '(no split)'} {number:,}" for split, number in self.by("split").items())
            yield f"  splits: {', '.join(splits)}"
        for guess in self.guesses:
            option = f" [{guess.option}]" if guess.option else ""
            yield f"  {guess.topic}: {guess.value} ({guess.how}: {guess.why}){option}"
        for left in self.left_out:
            yield f"  left out, {left.reason}: {len(left.names):,} ({sentence_list(left.names, SHOWN)})"
        yield from (f"  contradiction: {finding.sentence}" for finding in self.findings)
        for question in self.questions:
            yield f"  to be answered: {question.sentence}"
            yield from (f"    {question.option} = {value}: {meaning}" for value, meaning in question.choices)
