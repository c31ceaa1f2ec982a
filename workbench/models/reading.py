"""What was understood of a model while it was read: each assumption a line, with where it comes from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import nn

How = Literal["stated", "published", "measured", "assumed"]
"""How sure a fact is: said by who brings the model, said by who published its architecture, seen in a trial, or taken
for lack of better."""
TOPICS = ("format", "weights", "classes", "preprocessing", "head", "layers", "behaviour")
"""What facts are about, in the order in which they are told."""


@dataclasses.dataclass(frozen=True)
class Fact:
    """One line of how a model was read.

    Attributes:
        topic: One of `TOPICS`.
        value: What was understood, as a short sentence or phrase.
        source: Where it comes from: a file, a publisher, a trial.
        how: How sure it is.
        setting: The key of `model.toml` that changes it; empty where nothing does.

    Example:
        >>> [fact.value for fact in clf.facts if fact.topic == "head"]
        ['logits: exactly one class is true of an image, and softmax turns them into probabilities']
    """

    topic: Literal["format", "weights", "classes", "preprocessing", "head", "layers", "behaviour"]
    value: str
    source: str
    how: How
    setting: str = ""


@dataclasses.dataclass(frozen=True)
class Opened:
    """A model as it came out of its file, before it is tried; what whoever loads it says goes before all of it.

    Attributes:
        model: Takes (N, C, H, W).
        key: Digest of all that decides what it computes.
        name: How to call it where nobody says.
        preprocessing: Fields of `PreprocessingSpec` that the file or the publisher states.
        source: Where these come from.
        how: How sure they are.
        architecture: What the network is, as of `build`; empty where nobody says.
        file: The name of the file of its weights, where they come out of one.
        classes: The class names that the file states.
        head: What the file says of the answers, as `workbench.models.heads.HEADS`.
        positive: The class that a defect decision is about, where the file says so.
        facts: What else was understood.
        notes: What a reader must know before believing it, one sentence each.
    """

    model: nn.Module
    key: str
    name: str
    preprocessing: Mapping[str, object] = dataclasses.field(default_factory=dict)
    source: str = ""
    how: How = "stated"
    architecture: str = ""
    file: str = ""
    classes: tuple[str, ...] = ()
    head: str | None = None
    positive: str | None = None
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """Where it says what its classes and answers are: what told its format."""
        return next((fact.source for fact in self.facts if fact.topic == "format"), self.source or self.name)
