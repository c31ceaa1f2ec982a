"""What each question to an image came to: a verdict in a word, and one sentence of what was measured."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

from workbench.probe.attacks import ATTACKS, Least
from workbench.probe.concepts import CONCEPT_VERDICTS, Concepts
from workbench.probe.influence import Behind
from workbench.probe.margins import Covered
from workbench.probe.minimal import Minimal
from workbench.probe.robustness import ALL_CLASSES, Robustness
from workbench.probe.sweep import Sweep, SweptSet
from workbench.probe.versus import Moved, Versus
from workbench.stats import SIGNIFICANT, Rate, at_least

FRAGILE = 8.0
"""Levels of 255 up to which a change that flips the decision counts as small: the usual budget of benchmarks."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A conclusion.

    Attributes:
        word: The verdict.
        sentence: What was measured, with its support and what chance does.
        tone: "bad" where it speaks against the model, "doubt" where it wants a look, "plain" else.
    """

    word: str
    sentence: str
    tone: Literal["bad", "doubt", "plain"] = "plain"


def of_edits(was: str, now: str, before: float, after: float) -> Outcome:
    """What edits did to the decision `was`, whose probability was `before` and is `after`."""
    moved = f"P({was}): {before:.1%} before, {after:.1%} now ({100 * (after - before):+z.1f} points)."
    if was == now:
        return Outcome("Same decision", f"Still {now}. {moved}")
    return Outcome("Flipped", f"{was} has become {now}. {moved}", "doubt")


def of_sweep(result: Sweep) -> Outcome:
    """How little of one change flips the decision."""
    sentence = " ".join(f"{sentence}." for sentence in result.sentences)
    return Outcome("Flips", sentence, "doubt") if result.flipping else Outcome("Holds", sentence)


def of_swept_set(result: SweptSet) -> Outcome:
    """How many decisions of a set the smallest change flips."""
    sentence = " ".join(f"{sentence}." for sentence in result.sentences)
    return Outcome("Some flip", sentence, "doubt") if result.flipping else Outcome("None flips", sentence)


def of_regions(flip: Minimal, keep: Minimal) -> Outcome:
    """Whether a region decides that random ones of its area do not: what must go, and what must stay."""
    words = {
        (True, True): "A region decides",
        (True, False): "Hangs on a region",
        (False, True): "A region is enough",
        (False, False): "No region stands out",
    }
    return Outcome(words[flip.special, keep.special], f"{_going(flip)}; {_staying(keep)}.")


def _going(region: Minimal) -> str:
    size = f"Filling {100 * region.area:.2g} % of the image"
    if not region.found:
        return f"Filling everything leaves the decision {region.before}"
    if region.special:
        return f"{size} flips {region.before} to {region.after} ({_random(region)} do too)"
    return f"{size} flips {region.before} to {region.after}, but so do {_random(region)}"


def _staying(region: Minimal) -> str:
    size = f"{100 * region.area:.2g} % of the image alone"
    if not region.found:
        return f"no part alone was found to keep {region.before}"
    if not region.chosen:
        return f"nothing needs to stay to keep {region.before}"
    if region.special:
        return f"{size} keeps {region.before} ({_random(region)} do too)"
    return f"{size} keeps {region.before}, but so do {_random(region)}"


def _random(region: Minimal) -> str:
    return f"{region.random.count} of {region.random.support} random regions of that area"


def of_margin(result: Covered, first: str, second: str) -> Outcome:
    """Whether a contrastive map points at what the margin hangs on."""
    change = f"changes the margin from {result.before:+.2f} to {result.after:+.2f}"
    if result.after < result.before and result.before > 0 > result.after:
        change += f", which puts {second} first"
    sentence = (
        f"Covering the {result.area:.0%} of the image that speak most for {first} rather than {second} {change};"
        f" {result.as_much} of {len(result.random)} random places of that area take as much (p = {result.p:.2g})."
    )
    return Outcome("The map holds", sentence) if result.holds else Outcome("Do not rely on the map", sentence, "doubt")


def of_training(result: Behind) -> Outcome:
    """Whether the nearest training images are labelled as the class, beyond what the class's share would give; of those
    that belong together, the nearest counts."""
    rows = result.nearest[result.nearest["label"].notna()]
    drawn, hits = len(rows), int((rows["label"] == result.target).sum())
    looks = int(result.nearest["look"].notna().sum())
    odd = f" {looks} of them {'has' if looks == 1 else 'have'} a label to look at." if looks else ""
    if not drawn:
        return Outcome("Not known", "The nearest training images have no labels.")
    share = f"of all {result.labelled:,} labelled training images {result.alike / result.labelled:.0%} are"
    sentence = f"{hits} of the {drawn} nearest training images are labelled {result.target}; {share}."
    total, marked = result.labelled, float(result.alike)
    if result.units is not None:
        rows, (total, marked) = rows.drop_duplicates("unit"), result.units
        if len(rows) < drawn:
            drawn, hits = len(rows), int((rows["label"] == result.target).sum())
            sentence += f" They are of {drawn} {'unit' if drawn == 1 else 'units'}; of the nearest of each, {hits} are."
    sentence += odd
    tone: Literal["doubt", "plain"] = "doubt" if looks else "plain"
    most, least = max(math.ceil(marked), hits), min(math.floor(marked), total - drawn + hits)
    if float(at_least(hits, drawn, most, total)) <= SIGNIFICANT:
        return Outcome("Backed by its neighbours" if 2 * hits > drawn else "Partly backed", sentence, tone)
    if 1 - float(at_least(hits + 1, drawn, least, total)) <= SIGNIFICANT:
        return Outcome("Contradicted by its neighbours", sentence, "doubt")
    return Outcome("No more than chance", sentence, tone)


def of_concepts(result: Concepts) -> Outcome:
    """Which concepts matter to the class."""
    supports, opposes, chance, few = CONCEPT_VERDICTS
    verbs = {
        supports: f"speaks for {result.target}",
        opposes: f"speaks against {result.target}",
        chance: "does no more than random directions do",
        few: "has too few images to say",
    }
    lines = sorted(result.frame.to_dict("records"), key=lambda line: CONCEPT_VERDICTS.index(line["verdict"]))
    parts = [
        f"{line['concept']} {verbs[line['verdict']]}" + (f" (p = {line['p']:.2g})" if line["p"] == line["p"] else "")
        for line in lines
    ]
    sentence = f"{'; '.join(parts)}. Tested on {result.images:,} images of {result.target}."
    verdicts = {line["verdict"] for line in lines}
    if verdicts & {supports, opposes}:
        return Outcome("Matters", sentence)
    return Outcome("No more than chance" if chance in verdicts else "Too few to say", sentence)


def of_attack(least: Least, random: Rate | None, names: Sequence[str]) -> Outcome:
    """How little of a change, aimed by an attack, flips the decision.

    Args:
        least: What the attack needed.
        random: How often noise of that size does, as `random_flips`; None where nothing flipped.
        names: The classes.
    """
    attack = least.attacked
    method, was, now = ATTACKS[attack.method], names[int(attack.was)], names[int(attack.now)]  # type: ignore[call-overload]
    if least.epsilon is None or random is None:
        most = bound(attack.method, max(tried for tried, _ in least.tried))
        return Outcome(
            "Not flipped", f"Still {was} at {most} by {method.title}. That proves nothing: a stronger attack might."
        )
    low, high = 100 * (random.low or 0), 100 * (random.high or 0)
    sentence = (
        f"{was} becomes {now} with {bound(attack.method, least.epsilon)}, aimed by {method.title}; random noise of that"
        f" size does it in {random.count} of {random.support} draws (95 % interval {low:.0f} to {high:.0f} %)."
    )
    small = attack.linf <= FRAGILE
    return Outcome("Fragile" if small else "Flips under a larger change", sentence, "bad" if small else "doubt")


def of_robustness(result: Robustness) -> Outcome:
    """How far the accuracy on a set falls under attack."""
    frame = result.frame[result.frame["group"] == ALL_CLASSES].sort_values("epsilon")
    first, last = frame.iloc[0], frame.iloc[-1]
    sentence = (
        f"Of {int(first['support']):,} images {first['accuracy']:.1%} ({first['low']:.1%} to {first['high']:.1%}) are"
        f" decided rightly without an attack, {last['accuracy']:.1%} ({last['low']:.1%} to {last['high']:.1%}) under"
        f" {bound(result.method, last['epsilon'])}."
    )
    if last["high"] < first["low"]:
        return Outcome("Accuracy falls", sentence, "bad")
    return Outcome("No fall shown", f"{sentence} That proves nothing: a stronger attack might.")


def bound(method: str, epsilon: float) -> str:
    """An epsilon of an attack in words."""
    return f"{epsilon:g} of 255 levels a pixel" if ATTACKS[method].norm == "linf" else f"an L2 norm of {epsilon:.3g}"


def of_models(result: Versus, first: str, second: str) -> Outcome:
    """Whether one of two models, called so, is better by more than chance."""
    alike = f"They decide alike on {share(result.agree)} of {result.agree.support:,} images."
    count = result.both_right + result.only_first + result.only_second + result.both_wrong
    if not count:
        return Outcome("Not judged", f"{alike} None has a label that the models know, so neither can be called right.")
    sentence = (
        f"{first} is right on {share(result.first)} of {count:,} labelled images, {second} on {share(result.second)}:"
        f" {_points(result.difference)}. Only {first} is right on {result.only_first:,}, only {second} on"
        f" {result.only_second:,}: McNemar's p = {result.p:.2g}. {alike}"
    )
    if result.p <= SIGNIFICANT:
        better = first if result.only_first > result.only_second else second
        return Outcome("Not equally good", f"{better} is better. {sentence}", "doubt")
    if not len(result.frame):
        return Outcome("Same decisions", sentence)
    return Outcome("No difference shown", f"Chance alone could explain it. {sentence}")


def of_pair(names: tuple[str, str], decisions: Sequence[tuple[str, float]]) -> Outcome:
    """Whether two models, called so, decide alike on one image: class and probability of each."""
    (first, p), (second, q) = decisions
    if first == second:
        return Outcome("Same decision", f"Both call this image {first}: {names[0]} at {p:.1%}, {names[1]} at {q:.1%}.")
    return Outcome(
        "Different decisions", f"{names[0]} calls this image {first} ({p:.1%}), {names[1]} {second} ({q:.1%}).", "doubt"
    )


def of_reasons(result: Moved, first: str, second: str) -> Outcome:
    """Whether the maps of two models lie further apart than noise alone moves those of the first."""
    apart, own = result.figures["correlation"], result.figures["own_correlation"]
    if apart.value is None or own.value is None or apart.high is None or own.low is None:
        return Outcome("Not known", "The maps have no order of pixels to compare.")
    sentence = (
        f"The maps of {first} and {second} correlate at {apart.value:.2f} on average ({apart.low:.2f} to"
        f" {apart.high:.2f}); those of {first} with themselves under noise of one grey level at {own.value:.2f}"
        f" ({own.low:.2f} to {own.high:.2f})."
    )
    if apart.high < own.low:
        return Outcome("Other reasons", sentence, "doubt")
    return Outcome("No other reasons shown", sentence)


def _points(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "the difference is not known"
    low, high = f"{100 * rate.low:+z.1f}", f"{100 * rate.high:+z.1f}"
    return f"a difference of {100 * rate.value:+z.1f} points (95 % interval {low} to {high})"


def share(rate: Rate) -> str:
    """A share with its interval."""
    if rate.value is None or rate.low is None or rate.high is None:
        return "n/a"
    return f"{rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%})"
