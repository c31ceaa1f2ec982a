"""Whether a model keeps the limits that were set for its mistakes: the verdict by exact bounds, never by an estimate.

It needs no SciPy, so that the first page says it at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from math import exp, lgamma, log, log1p
from typing import Literal

from workbench.stats import ENOUGH, SIGNIFICANT, Rate

Outcome = Literal["kept", "not kept", "not shown", "too few", "no limit"]
Tone = Literal["good", "bad", "doubt"]


@dataclasses.dataclass(frozen=True)
class Limits:
    """The most mistakes that are acceptable, each as a share between 0 and 1, or None where none is set.

    Attributes:
        escapes: Of the defective parts that pass.
        overkill: Of the good parts that are rejected.
        errors: Of all images that are called something else than they are; for models without a defect class.
    """

    escapes: float | None = None
    overkill: float | None = None
    errors: float | None = None


NO_LIMITS = Limits()
"""None is set."""


@dataclasses.dataclass(frozen=True)
class Promise:
    """A limit held against what was measured.

    Attributes:
        name: What is limited, an attribute of `Limits`.
        rate: The mistakes that were measured.
        limit: The most that is acceptable, or None.
        outcome: "kept" where the rate is under the limit with 95 % confidence, "not kept" where it is over it with 95 %
            confidence, "not shown" where the images tell neither, "too few" where fewer than `ENOUGH` tell anything
            or they come in too few units, "no limit" where none is set.
    """

    name: str
    rate: Rate
    limit: float | None
    outcome: Outcome


@dataclasses.dataclass(frozen=True)
class Fitness:
    """Whether a model is fit for use, as far as its limits say.

    Attributes:
        verdict: In a few words.
        tone: "good" only where every limit is kept on images of a test split.
        promises: What it rests on.
    """

    verdict: str
    tone: Tone
    promises: tuple[Promise, ...]


def promise(name: str, rate: Rate, limit: float | None) -> Promise:
    """Hold a limit against a measured share of mistakes.

    The bounds are the exact one-sided ones of Clopper and Pearson 1934: the limit is kept where so few mistakes, and
    not kept where so many, had a chance of at most 5 % at a rate of just the limit. Where the images come in units, the
    bounds of the rate itself must agree; with fewer than `FEW_UNITS` units nothing is said.

    Args:
        name: What is limited.
        rate: The share of mistakes, with `count` of `support`, as of `share`.
        limit: The most that is acceptable, in 0 .. 1; None where none is set.

    Example:
        >>> from workbench.predictions.fitness import promise
        >>> from workbench.stats import wilson
        >>> [promise("escapes", wilson(k, 205), 0.05).outcome for k in (2, 8, 55)]
        ['kept', 'not shown', 'not kept']
    """
    if limit is None:
        return Promise(name, rate, limit, "no limit")
    if rate.support < ENOUGH or rate.few_units:
        return Promise(name, rate, limit, "too few")
    least, most = (limit if bound is None else bound for bound in (rate.least, rate.most))
    if most <= limit and _at_most(rate.count, rate.support, limit) <= SIGNIFICANT:
        return Promise(name, rate, limit, "kept")
    if least >= limit and rate.count and 1 - _at_most(rate.count - 1, rate.support, limit) <= SIGNIFICANT:
        return Promise(name, rate, limit, "not kept")
    return Promise(name, rate, limit, "not shown")


def fitness(
    rates: Mapping[str, Rate], limits: Limits, *, held_out: bool, shortcut: bool = False, hidden: bool = False
) -> Fitness:
    """The verdict of a model.

    Args:
        rates: The shares of mistakes that were measured, by the attributes of `Limits`.
        limits: What is acceptable.
        held_out: Whether they were measured on a test split; if not, the model may have been trained on the images, and
            no limit is called kept.
        shortcut: Whether it is proven that the model goes by a cue beside the defect: then nothing is called fit.
        hidden: Whether images, or the parts that they show, are taken as independent although the order of the files
            hides a group: then no limit is called kept without that.
    """
    promises = tuple(promise(name, rate, getattr(limits, name)) for name, rate in rates.items())
    verdict, tone = _verdict({p.name: p.outcome for p in promises}, held_out, shortcut)
    if hidden and tone == "good":
        verdict = "Keeps the limit only if each image or part counts, but the order of the files hides a group."
        return Fitness(verdict, "doubt", promises)
    return Fitness(verdict, tone, promises)


def _verdict(outcomes: Mapping[str, Outcome], held_out: bool, shortcut: bool) -> tuple[str, Tone]:
    if outcomes.get("escapes") == "not kept":
        return "Not as the only inspection.", "bad"
    if outcomes.get("overkill") == "not kept":
        return "Not without a second look at rejected parts.", "bad"
    if outcomes.get("errors") == "not kept":
        return "Not good enough for the limit set.", "bad"
    if shortcut:
        return "Not as it is: it goes by a shortcut.", "bad"
    held = [outcome for outcome in outcomes.values() if outcome != "no limit"]
    if not held:
        return "Set a limit to get a verdict.", "doubt"
    if "too few" in held:
        return "Too few images for a verdict.", "doubt"
    if "not shown" in held:
        return "Not shown to keep the limit set.", "doubt"
    if not held_out:
        return "Keeps the limit on these images, which may have trained it.", "doubt"
    return ("Keeps the limit set." if len(held) == 1 else "Keeps the limits set."), "good"


def _at_most(count: int, support: int, share: float) -> float:
    """The chance of at most `count` hits among `support` cases that each hit with the probability `share`."""
    if count >= support or share <= 0:
        return 1.0
    if share >= 1:
        return 0.0
    whole = lgamma(support + 1)
    logs = (
        whole - lgamma(k + 1) - lgamma(support - k + 1) + k * log(share) + (support - k) * log1p(-share)
        for k in range(count + 1)
    )
    return min(sum(map(exp, logs)), 1.0)
