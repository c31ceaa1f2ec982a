"""The same network read in another way: another head, other preprocessing, another positive class."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping

from workbench.models.classifier import Classifier
from workbench.models.folder import ModelSpec
from workbench.models.preprocessing import Preprocessing
from workbench.models.published import REFINEMENTS
from workbench.models.reading import Fact, How, Opened
from workbench.models.settings import Settings

SURENESS: tuple[How, ...] = ("assumed", "measured", "published", "stated")
"""From the least sure on."""
HERE = "changed on this page"
_FIELDS = tuple(field.name for field in dataclasses.fields(Preprocessing))


def reread(
    classifier: Classifier,
    *,
    head: str | None = None,
    output: int | str | None = None,
    positive: str | None = None,
    preprocessing: Mapping[str, object] | None = None,
    prefix_tokens: int | None = None,
    trusted: bool = True,
) -> Classifier:
    """A classifier with the same network and other settings, tried anew; the two share their lock.

    Args:
        classifier: The model as it was read; of all its labels where it has several.
        head: Another head, of `workbench.models.heads.HEADS`; as it is where missing.
        output: Another output, by its place or name.
        positive: Another positive class.
        preprocessing: Fields of `PreprocessingSpec` that change.
        prefix_tokens: Another number of tokens before those of the image; as it is where missing.
        trusted: False for what a visitor asked for: then its size is bounded.

    Raises:
        InputError: The settings do not fit the model.
    """
    changed, rule = dict(preprocessing or {}), classifier.rule
    settings = Settings(
        classes=rule.class_names,
        positive=positive or rule.positive,
        threshold=rule.threshold if positive in (None, rule.positive) else None,
        name=classifier.name,
        device=str(classifier.device),
        preprocessing=changed,
        head=head or classifier.head.kind,
        output=classifier.head.output if output is None else output,
        prefix_tokens=classifier.prefix_tokens if prefix_tokens is None else prefix_tokens,
        trusted=trusted,
        thresholds=dict(zip(rule.class_names, rule.thresholds or (), strict=False)),
        temperature=rule.temperature,
    )
    before = {name: getattr(classifier.preprocessing, name) for name in _FIELDS}
    kept = tuple(fact for fact in classifier.facts if fact.topic in ("format", "weights", "classes", "layers"))
    opened = Opened(classifier.model, classifier.key, classifier.name, preprocessing=before, facts=kept)
    with classifier.lock:
        result = settings.finish(opened)
    facts = [*kept, *_preprocessing(classifier, result, set(changed)), *_answers(classifier, result, head, output)]
    return dataclasses.replace(result, facts=tuple(facts), limits=classifier.limits, lock=classifier.lock)


def _preprocessing(before: Classifier, after: Classifier, changed: set[str]) -> list[Fact]:
    old = [fact for fact in before.facts if fact.topic == "preprocessing"]
    if not changed or not old:
        return old
    source = "; ".join(dict.fromkeys(fact.source for fact in old))
    how = min((fact.how for fact in old), key=SURENESS.index)
    rest = after.preprocessing.words(set(_FIELDS) - changed - REFINEMENTS)
    return [
        Fact("preprocessing", after.preprocessing.words(changed), HERE, "stated", "preprocessing"),
        Fact("preprocessing", rest, source, how, "preprocessing"),
    ]


def _answers(before: Classifier, after: Classifier, head: str | None, output: int | str | None) -> list[Fact]:
    asked = {"head": head is not None, "output": output is not None}
    facts = []
    for fact in after.facts:
        if fact.topic in ("head", "behaviour"):
            same = next((o for o in before.facts if (o.topic, o.value) == (fact.topic, fact.value)), None)
            here = Fact(fact.topic, fact.value, HERE, "stated", fact.setting)
            facts.append(here if asked.get(fact.setting) else same or fact)
    return facts


def settings_toml(classifier: Classifier, spec: ModelSpec | None = None) -> str:
    """The text of a `model.toml` that reads a network as a classifier does.

    Args:
        classifier: It.
        spec: Its description so far, where it has one: what no setting of a reading changes is kept.
    """
    rule, head, prep = classifier.rule, classifier.head, classifier.preprocessing
    top: dict[str, object] = {
        "title": classifier.name,
        "about": (spec.about if spec else "") or None,
        "architecture": spec.architecture if spec else "timm:NAME",
        "weights": spec.weights if spec else "model.safetensors",
        "state": (spec.state if spec else "") or None,
        "order": (spec.order if spec else False) or None,
        "classes": list(rule.class_names),
        "positive": rule.positive,
        "threshold": rule.threshold,
        "head": head.kind,
        "output": head.output,
        "temperature": rule.temperature if rule.temperature != 1 else None,
    }
    lines = ["# How the model was read; what is not right can be changed here."]
    lines += [] if spec else ["# architecture and weights are not known here: correct these two lines."]
    lines += [f"{name} = {_toml(value)}" for name, value in top.items() if value is not None]
    fields = {field.name: getattr(prep, field.name) for field in dataclasses.fields(prep)}
    plain = {field.name for field in dataclasses.fields(prep) if fields[field.name] == field.default}
    tables: dict[str, Mapping[str, object]] = {
        "options": spec.options if spec else {},
        "thresholds": dict(zip(rule.class_names, rule.thresholds or (), strict=False)),
        "preprocessing": {name: value for name, value in fields.items() if name not in plain & REFINEMENTS},
        "limits": spec.limits.model_dump() if spec else {},
    }
    for name, table in tables.items():
        rows = [f"{_key(key)} = {_toml(value)}" for key, value in table.items() if value is not None]
        lines += ["", f"[{name}]", *rows] if rows else []
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value)
