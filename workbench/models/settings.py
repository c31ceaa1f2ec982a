"""From a model that was opened to a classifier: joined with what the caller says, tried, and named."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import torch

from workbench.catalog import validated
from workbench.errors import InputError
from workbench.models.bounds import check_cost, check_size
from workbench.models.classifier import Classifier
from workbench.models.folder import PreprocessingSpec, check_classes, class_words, thresholds_of
from workbench.models.heads import Head
from workbench.models.mending import mended
from workbench.models.preprocessing import Preprocessing
from workbench.models.published import Published, facts_of, guessed, join, published
from workbench.models.reading import Fact, Opened
from workbench.models.trial import trial
from workbench.predictions import DecisionRule

ANOMALY = ("normal", "anomalous")
"""The default classes of a model that answers with an anomaly score; the second is the positive one."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the caller said about a model that is still to be built; it goes before what the model's own file says.

    Attributes:
        classes: Class names.
        positive: The class that a defect decision is about.
        threshold: Probability of `positive` from which a part is called positive.
        name: How to call it on the screen.
        device: Where it computes.
        preprocessing: Fields of `PreprocessingSpec`.
        head: What its answers are, of `workbench.models.heads.HEADS`; seen in a trial where missing.
        output: Which of several outputs, by its place or name.
        thresholds: Of a "multilabel" head, a probability a label from which it is called true.
        label: Of a "multilabel" head, the one that is asked about.
        trusted: False for what a visitor typed or uploaded.
        state: Which copy of the weights to take from a checkpoint.
        prompt: What a model that is asked with texts is asked, with {} for a class name.
        prefix_tokens: Tokens before those of the image.
        temperature: What logits are divided by before they become probabilities; thresholds are of these.
    """

    classes: Sequence[str] | None = None
    positive: str | None = None
    threshold: float | None = None
    name: str | None = None
    device: str | None = None
    preprocessing: Mapping[str, object] = dataclasses.field(default_factory=dict)
    head: str | None = None
    output: int | str | None = None
    thresholds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    label: str | None = None
    trusted: bool = True
    prompt: str | None = None
    state: str = ""
    prefix_tokens: int | None = None
    temperature: float = 1.0

    @property
    def other(self) -> bool:
        """Whether the caller asks for another model than its own `model.toml` describes."""
        numbers = self.prefix_tokens, self.output
        return bool(self.classes or self.preprocessing or self.head or self.prompt) or numbers != (None, None)

    def size(self) -> tuple[int, int] | None:
        """(height, width) of the input, where the caller says it."""
        size = self.preprocessing.get("size")
        match size:
            case [int(height), int(width)]:
                return height, width
        return None

    def _or_own(self, opened: Opened) -> Settings:
        """These settings with the classes that the model's own file states, where the caller names none."""
        classes = self.classes or opened.classes or None
        own = opened.positive if opened.positive in tuple(classes or ()) else None
        return dataclasses.replace(self, classes=classes, positive=self.positive or own)

    def finish(self, opened: Opened) -> Classifier:
        """Try a model, and put the parts together.

        Raises:
            InputError: It is no classifier, or what was said of it does not fit.
        """
        model, said = opened.model, self._or_own(opened)
        joined = join(
            (
                guessed(model),
                published(model, opened.architecture, opened.file),
                Published(opened.preprocessing, opened.source, opened.how),
                Published(self.preprocessing, "as it was loaded", "stated"),
            )
        )
        fields = {name: value for name, (value, _) in joined.items()}
        preprocessing = Preprocessing(**validated(PreprocessingSpec, fields, "Preprocessing").model_dump())
        if not self.trusted:
            check_size(preprocessing.size)
            check_cost(model, (len(preprocessing.mean), *preprocessing.size))
        device = device_of(self.device)
        model, mends = mended(model, (len(preprocessing.mean), *preprocessing.size), device)
        kind, source = (self.head, "the caller") if self.head else (opened.head, opened.origin)
        seen = trial(model, preprocessing, device, kind, self.output, source, len(said.classes or ()))
        head = seen.head
        named = dataclasses.replace(said, classes=ANOMALY, positive=self.positive or ANOMALY[1])
        rule = (named if head.kind == "anomaly" and not said.classes else said)._rule(head)
        prefix = "" if self.prefix_tokens is None else f" prefix_tokens={self.prefix_tokens}"
        asked = f"{head.kind} {head.output}{prefix}"
        key = hashlib.sha256(f"{opened.key} {preprocessing} {rule.class_names} {asked}".encode()).hexdigest()
        classifier = Classifier(
            key,
            self.name or opened.name,
            model,
            preprocessing,
            rule,
            device,
            head,
            (*opened.notes, *filter(None, [preprocessing.doubt]), *seen.notes),
            facts=(
                *(*opened.facts, *mends, *self._class_facts(rule, opened)),
                *(*facts_of(preprocessing, joined), *seen.facts, *self._temperature_facts()),
            ),
            prefix_tokens=self.prefix_tokens,
        )
        return classifier if self.label is None else classifier.label(self.label)

    def _class_facts(self, rule: DecisionRule, opened: Opened) -> list[Fact]:
        if any(fact.topic == "classes" for fact in opened.facts):
            return []
        value = class_words(rule.class_names)
        if self.classes or opened.classes:
            source = "as it was loaded" if self.classes else opened.origin
            return [Fact("classes", value, source, "stated", "classes")]
        return [Fact("classes", f"{value}, numbered, as no names are given", "the answer", "assumed", "classes")]

    def _temperature_facts(self) -> list[Fact]:
        if self.temperature == 1:
            return []
        value = f"temperature {self.temperature:.4g}: logits are divided by it before they become probabilities"
        return [Fact("head", value, "model.toml", "stated", "temperature")]

    def _rule(self, head: Head) -> DecisionRule:
        width = head.width if head.several else max(head.width, 2)
        classes = tuple(map(str, self.classes)) if self.classes else tuple(f"class {i}" for i in range(width))
        if len(classes) != width:
            raise InputError(
                f"The class list names {len(classes)} classes but the model answers with {head.width}: give one name"
                " for each."
            )
        check_classes(classes)
        if self.positive is not None and self.positive not in classes:
            raise InputError(
                f"The positive class {self.positive!r} is not among the classes {', '.join(classes[:6])}: correct one"
                " of them."
            )
        if self.threshold is not None and self.positive is None:
            raise InputError("A threshold needs the class that it applies to: name the positive class.")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InputError(f"The threshold {self.threshold} is not a probability: give a number from 0 to 1.")
        if not head.several:
            return DecisionRule(classes, self.positive, self.threshold, temperature=self.temperature)
        thresholds = thresholds_of(classes, self.thresholds)
        return DecisionRule(classes, thresholds=thresholds, temperature=self.temperature)


def device_of(name: str | None) -> torch.device:
    """The device of that name, or the best there is. Raises InputError where it cannot be used."""
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InputError(
            f"The device {name!r} cannot be used here: choose cpu" + (", cuda." if torch.cuda.is_available() else ".")
        ) from None
    return device
