"""What a few masks of a set say of all of them: the rule, and what does not fit."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images.deep import upright_size, with_values
from workbench.images.item import ImageItem, read_source
from workbench.images.mask_rules import AUTO, INVERTED, NONZERO, SOFT, Look, derived, look
from workbench.images.mask_turns import fitting, is_unclear, orientation_of
from workbench.images.mask_values import Values
from workbench.images.masks import MASKS_SEEN, evenly_spread, mask_of, parts_of
from workbench.images.report import Finding, Guess, Question
from workbench.texts import reads_as_good

MOST_PIXELS = 60_000_000
"""Pixels that are decoded to find the rule of a set."""
OPTION = "mask_rule"


@dataclass(frozen=True)
class Seen:
    """What one mask says.

    Attributes:
        item: Its image.
        look: How its first file is read; None where it cannot be.
        border: Share of the outermost pixels that are inside.
        fault: Why it cannot be read.
        unclear: Whether nothing says if it was drawn on the image as EXIF turns it.
    """

    item: ImageItem
    look: Look | None = None
    border: float = 0.0
    fault: str = ""
    unclear: bool = False


@dataclass
class Judgement:
    """The rule of a set's masks, and what the report says of them."""

    rule: str = AUTO
    guesses: list[Guess] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)


def judge(items: Iterable[ImageItem], rule: str) -> Judgement:
    """The rule of a set's masks, from a few of them, spread evenly.

    Args:
        items: The images of the set.
        rule: What somebody states; then none is looked at.

    Raises:
        InputError: A rule is stated, and there is no mask.
    """
    masked = [item for item in items if item.mask is not None]
    if not masked and rule != AUTO:
        raise InputError(
            f"mask_rule = {rule} says what of a mask is inside, and the set has no masks: leave it out, or name them by"
            " the option masks."
        )
    if not masked:
        return Judgement()
    if rule != AUTO:
        return Judgement(rule, [Guess("masks", f"{rule} is inside", "your option", "stated", OPTION)])
    result, seen = Judgement(), _sample(masked)
    looks = [one.look for one in seen if one.look is not None]
    result.findings += _faults(seen, len(masked))
    result.findings += [*_empty(seen), *_full(looks)]
    if not looks:
        return result
    result.rule, words = _rule(looks)
    result.findings += _faint(seen)
    why = f"{len(looks):,} of {len(masked):,} masks were looked at: {_kinds(looks)}"
    result.guesses.append(Guess("masks", words, why, "recognised", OPTION))
    voters = [one for one in seen if one.look is not None and one.look.kind not in ("empty", "full")]
    white = [one for one in voters if one.border > 0.5]
    if 2 * len(white) > len(voters):
        result.questions.append(_is_inverted(white, voters, words))
        result.rule = derived(INVERTED)
        result.guesses[-1] = replace(result.guesses[-1], value=f"inverted: {words} the other way round", how="assumed")
    else:
        result.findings += _of_good(seen)
    if unclear := [one for one in seen if one.unclear]:
        value = "drawn on the image as it stands upright"
        why = f"{len(unclear):,} of them belong to images that EXIF turns, and their sizes do not tell"
        result.guesses.append(Guess("masks", value, why, "assumed"))
    return result


def ruled(items: Iterable[ImageItem], rule: str) -> list[ImageItem]:
    """The images with what of their masks is inside by a rule."""
    if rule == AUTO:
        return list(items)
    return [item if item.mask is None else replace(item, mask=mask_of(parts_of(item.mask), rule)) for item in items]


def _sample(masked: Sequence[ImageItem]) -> list[Seen]:
    seen, pixels = [], 0
    for item in evenly_spread(masked, MASKS_SEEN):
        one, size = _look_at(item)
        seen.append(one)
        pixels += size
        if pixels > MOST_PIXELS:
            break
    return seen


def _look_at(item: ImageItem) -> tuple[Seen, int]:
    """What a mask says, and how many pixels it has."""
    name = f"the mask of {item.name}"
    try:
        data = read_source(parts_of(item.mask)[0], name)
        result, inside = with_values(data, name, lambda values: _both(values, name))
        image = read_source(item.source, item.name)
        size, own, turn = upright_size(image, item.name), orientation_of(data), orientation_of(image)
        inside = fitting(inside, size, own, turn, name)
    except InputError as error:
        return Seen(item, fault=str(error)), 0
    edges = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
    border = float(np.mean(np.concatenate(edges)))
    return Seen(item, result, border, unclear=is_unclear(size, own, turn)), inside.size


def _both(values: Values, name: str) -> tuple[Look, NDArray[np.bool_]]:
    found = look(values, name)
    return found, values.where(found.test)


def _rule(looks: Sequence[Look]) -> tuple[str, str]:
    """The rule of all masks, and its words: what one file alone cannot tell is told by the others."""
    lows = {one.levels[0] for one in looks if one.kind in ("two values", "levels") and one.levels}
    if len(lows) == 1 and (low := lows.pop()) > 0 and low == int(low):
        return derived(f"{int(low) + 1}"), f"what is over {low:g} is inside, which is the lowest value of each"
    void = [one for one in looks if one.has_void]
    if void and not any(one.kind == "soft" for one in looks):
        return derived("1-254"), "what is over 0 but not 255 is inside, which is void beside classes"
    words = Counter(one.words for one in looks if one.kind not in ("empty", "full"))
    if not words:
        return AUTO, looks[0].words
    highs = [one.high for one in looks if one.kind == "soft"]
    rule = derived(f"{SOFT}{max(highs):.17g}") if highs else AUTO
    others = f" (others: {'; '.join(list(words)[1:4])})" if len(words) > 1 else ""
    return rule, f"{words.most_common(1)[0][0]}{others}"


def _kinds(looks: Sequence[Look]) -> str:
    counts = Counter(one.kind for one in looks)
    return ", ".join(f"{number:,} {_KINDS[kind]}" for kind, number in counts.most_common())


_KINDS = {
    "empty": "empty",
    "full": "inside as a whole",
    "two values": "of two values",
    "levels": "of a few values, each a kind",
    "soft": "with soft edges or saved as JPEG, cut at half of their brightest value",
    "colours": "of a colour for each kind",
}


def _is_inverted(white: Sequence[Seen], voters: Sequence[Seen], words: str) -> Question:
    soft = [one.look.high for one in voters if one.look is not None and one.look.kind == "soft"]
    bright = f"{math.ceil(max(soft) / 2)}" if soft else NONZERO
    return Question(
        OPTION,
        f"In {len(white):,} of the {len(voters):,} masks that were looked at, more than half of the border is inside if"
        f" {words}: are they white around black defects?",
        (
            (INVERTED, "the dark parts are the defects"),
            (bright, "the bright parts are the defects, and reach the border"),
        ),
    )


def _faults(seen: Sequence[Seen], total: int) -> list[Finding]:
    faults = [one for one in seen if one.fault]
    if not faults:
        return []
    sentence = f"{len(faults):,} of the {len(seen):,} masks that were looked at, of {total:,}, cannot be used, as:"
    names = tuple(one.item.name for one in faults)
    return [Finding("mask that cannot be used", f"{sentence} {faults[0].fault}", names)]


def _full(looks: Sequence[Look]) -> list[Finding]:
    if not looks or any(one.kind != "full" for one in looks):
        return []
    return [Finding("full masks", f"All {len(looks):,} masks that were looked at are inside as a whole.")]


def _faint(seen: Sequence[Seen]) -> list[Finding]:
    """Masks with soft edges that are refused, for they are less than half as bright as another."""
    highs = {one.item.name: one.look.high for one in seen if one.look is not None and one.look.kind == "soft"}
    names = tuple(name for name, high in highs.items() if 2 * high < max(highs.values()))
    if not names:
        return []
    sentence = f"{len(names):,} of the masks that were looked at are less than half as bright as others, as that of"
    return [Finding("faint mask", f"{sentence} {names[0]}: they are refused until a rule is stated.", names)]


def _of_good(seen: Sequence[Seen]) -> list[Finding]:
    """Masks with something inside of images whose label reads as good."""
    inside = [one for one in seen if one.look is not None and one.look.kind != "empty"]
    good = tuple(one.item.name for one in inside if one.item.label and reads_as_good(one.item.label))
    if not good:
        return []
    sentence = f"{len(good):,} of the masks that were looked at are of good images and not empty, as that of {good[0]}."
    return [Finding("mask of a good image", sentence, good)]


def _empty(seen: Sequence[Seen]) -> list[Finding]:
    """Labels of which some masks are empty and others are not."""
    by_label: dict[str | None, list[Seen]] = defaultdict(list)
    for one in seen:
        if one.look is not None:
            by_label[one.item.label].append(one)
    findings = []
    for label, group in by_label.items():
        empty = [one for one in group if one.look is not None and one.look.kind == "empty"]
        if label is not None and 0 < len(empty) < len(group):
            sentence = (
                f"Of {len(group):,} masks of {label!r} that were looked at {len(empty):,} have nothing inside, as that"
                f" of {empty[0].item.name}."
            )
            findings.append(Finding("empty mask", sentence, tuple(one.item.name for one in empty)))
    return findings
