"""What a model decided about one image as words: right or how it is wrong, by what figure, and whether it was close."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from workbench.predictions.cases import mistakes
from workbench.predictions.labels import good_class
from workbench.predictions.table import DecisionRule, Predictions, as_scores

HEADS: Mapping[str, str] = {"escape": "Missed defect", "overkill": "Good part rejected"}
MOST_DIGITS = 12


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A decision held against the ground truth.

    Attributes:
        word: "Right", "Missed defect", "Good part rejected", "Wrong", "Truth not known" (no label that the model
            knows) or "Not read" (no decision).
        sentence: The word, what was decided, by which figure, and "Close." where it was.
        close: Whether the decision is unsure, as `Predictions` has it.
    """

    word: str
    sentence: str
    close: bool


def verdict_of(predictions: Predictions, row: int) -> Verdict:
    """The verdict on one image.

    Example:
        >>> verdict_of(pred, 0).sentence
        'Missed defect. P(defective) 48.7 %, needs 58.0 %. Close.'
    """
    facts: Mapping[Any, Any] = predictions.frame.loc[row].to_dict()
    rule = predictions.rule
    if facts["error"]:
        return Verdict("Not read", "Not read: nothing is decided about this image.", False)
    word, head = _judged(facts, rule, mistakes(predictions)[row])
    if rule.positive is None or rule.threshold is None:
        text = f"{head}, {percent(float(facts['confidence']))} probable."
    else:
        column = rule.class_names.index(rule.positive)
        score, least = as_scores([predictions.probabilities[row, column], rule.threshold]).tolist()
        figure = f"P({rule.positive}) {percent(score, beside=least)}, needs {percent(least, beside=score)}"
        text = f"{head}. {figure}."
    if word == "Truth not known":
        truth = facts["label"]
        text += f" Its label, {truth}, is no class of this model." if truth else " The ground truth is not known."
    close = bool(facts["unsure"])
    return Verdict(word, f"{text} Close." if close else text, close)


def _judged(facts: Mapping[Any, Any], rule: DecisionRule, mistake: str | None) -> tuple[str, str]:
    """The word, and how the sentence begins."""
    truth, called = facts["label"], facts["predicted"]
    if facts["verdict"] == "right":
        return "Right", f"Right: {called}"
    if facts["verdict"] is None:
        return "Truth not known", f"Called {called}"
    good, two = good_class(rule.class_names), len(rule.class_names) == 2
    passes = called if mistake == "escape" else truth
    word = HEADS[mistake] if mistake and (two or good in (None, passes)) else "Wrong"
    if mistake and two and rule.threshold is not None and rule.positive != good:
        return word, word  # with the figure that follows, both classes are said
    return word, f"{word}: called {called}, is {truth}"


def percent(share: float, beside: float | None = None) -> str:
    """A share in per cent to a tenth; never rounded to none or all of it, nor to what another share reads as.

        >>> percent(0.4871), percent(0.99999), percent(0.57994, beside=0.5799)
        ('48.7 %', 'over 99.9 %', '57.994 %')

    Args:
        share: From 0 to 1.
        beside: Another share that it is compared with: as many digits are told as it takes to tell the two apart.
    """
    digits = 1
    if beside is not None and beside != share:
        digits = next((n for n in range(1, MOST_DIGITS) if f"{share:.{n}%}" != f"{beside:.{n}%}"), MOST_DIGITS)
    text = f"{share:.{digits}%}"[:-1]
    if digits == 1 and 0 < share < 1 and text in ("0.0", "100.0"):
        return "under 0.1 %" if text == "0.0" else "over 99.9 %"
    return f"{text} %"
