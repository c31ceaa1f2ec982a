"""What in a mask counts as inside: by its own values, or by a rule that somebody states."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images.mask_values import COLOUR, INDEX, Census, Values, brightest, census

AUTO, NONZERO, INVERTED, SOFT = "auto", "nonzero", "inverted", "soft "
RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
VOID, VOID_COLOUR, LAST_CLASS = 255, 0xE0E0C0, 64
"""The index and the colour of what belongs to no class, and the classes that an index beside it may stand for."""
FAINT = 32
"""The brightest value below which what a lossy format has left cannot be told from its noise."""
MOST_COLOURS, SHADES = 64, 8
"""Colours over which they are no kinds; and colours that fill no area over which they are shades of soft edges."""
PHOTO, PHOTO_BORDER, LEVELS, LIKE_NEIGHBOURS = 0.2, 0.25, 32, 0.5
"""Shares of pixels, and the number of grey values, over which it is a photo; and the share of pixels like their
neighbour from which on values are kinds."""
Test = Callable[[NDArray], NDArray]


class NoMaskError(InputError):
    """A file whose values are those of a photo.

    Attributes:
        why: What it is taken for, and by what.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} is taken for a mask, but {why}: give the mask itself, or say what of it is inside.")
        self.why = why


@dataclass(frozen=True)
class Look:
    """How a mask is read by its own values.

    Attributes:
        kind: "empty", "full", "two values", "levels", "soft" or "colours".
        words: The rule, as in "grey from 128 on is inside".
        test: Which values are inside.
        levels: The distinct values, empty where there are very many.
        high: The largest.
        has_void: Whether 255 stands for what belongs to no class.
    """

    kind: str
    words: str
    test: Test
    levels: tuple[float, ...] = ()
    high: float = 0.0
    has_void: bool = False


def check_rule(rule: str) -> None:
    """Refuse a rule that is none."""
    match = RANGE.fullmatch(rule)
    if rule in (AUTO, NONZERO, INVERTED) or (match and int(match[1]) <= int(match[2] or match[1])):
        return
    raise InputError(
        f"{rule!r} is no rule of masks: use auto, nonzero, inverted, the lowest grey value inside as 128, or the lowest"
        " and the highest as 1-254."
    )


def derived(rule: str) -> str:
    """A rule that the other masks of a set suggest: each file is still held against its own values."""
    return f"{AUTO} {rule}"


def inside(values: Values, rule: str, name: str) -> NDArray[np.bool_]:
    """The mask (H, W) by a rule that somebody states, or that is derived.

    Raises:
        InputError: The rule is none, or is left to the values and they are no mask's.
    """
    own = rule.removeprefix(f"{AUTO} ")
    if own.startswith(SOFT) and own != rule:
        return values.where(_as_bright(look(values, name), float(own.removeprefix(SOFT)), name).test)
    check_rule(own)
    if own == NONZERO:
        return values.where(lambda part: (part != 0) & ~np.isnan(part))
    if match := RANGE.fullmatch(own):
        if own != rule:
            _check(values, name, own)
        return values.where(_between(values, float(match[1]), float(match[2] or "inf")))
    test = look(values, name).test
    return values.where((lambda part: ~test(part)) if own == INVERTED else test)


def _as_bright(found: Look, high: float, name: str) -> Look:
    """Refuse a mask of soft edges that is faint beside the others of its set, of which half would be too little."""
    if found.kind == "soft" and found.high < high / 2:
        rule = math.ceil(high / 2) if high > 1 else NONZERO
        raise InputError(
            f"{name} reaches {found.high:g} only, and other masks of its set {high:g}, so that half of its own"
            f" brightest value may well be outside: state a rule of masks, as {rule}."
        )
    return found


def _check(values: Values, name: str, rule: str) -> None:
    """Refuse a mask that the rule of its set does not fit."""
    found = census(values, name)
    if values.kind != COLOUR and _is_photo(found) and len(found.levels) != 2:
        _by_grey(found, (), False, name)
    low = RANGE.fullmatch(rule)
    if low and 0 < found.high < float(low[1]) - 1:
        raise InputError(
            f"{name} reaches {found.high:g} only, and the other masks of its set say that {rule} is inside: export it"
            " again, or give a rule of masks."
        )


def _between(values: Values, low: float, high: float) -> Test:
    def test(part: NDArray) -> NDArray:
        grey = brightest(part) if values.kind == COLOUR else part
        return (grey >= low) & (grey <= high)

    return test


def look(values: Values, name: str) -> Look:
    """How a mask is to be read by its own values.

    Raises:
        InputError: They are no mask's.
    """
    found = census(values, name)
    levels = tuple(found.levels.tolist())
    if values.kind == INDEX:
        return _by_index(values, found, levels, name)
    if values.kind == COLOUR:
        return _by_colour(found, levels, name)
    return _by_grey(found, levels, values.lossy, name)


def _by_grey(found: Census, levels: tuple[float, ...], lossy: bool, name: str) -> Look:
    if found.high <= 0:
        return Look("empty", "nothing is inside", lambda part: part > 0, levels, found.high)
    if len(levels) == 1:
        return Look("full", f"all of it is {levels[0]:g}, and inside", lambda part: part > 0, levels, found.high)
    if len(levels) != 2 and _is_photo(found):
        raise NoMaskError(
            name, f"looks like a photo: {found.many} grey values, {found.middle:.0%} of the pixels between"
        )
    if lossy and found.high < FAINT:
        raise InputError(
            f"{name} is saved with loss, and its brightest value is {found.high:g}, which cannot be told from the"
            " noise of saving: export the mask as PNG."
        )
    if lossy or (len(levels) != 2 and _is_soft(found)):
        low = found.high / 2 if found.high <= 1 else math.ceil(found.high / 2)
        return Look("soft", f"grey from {low:g} on is inside", lambda part: part >= low, levels, found.high)
    if len(levels) == 2:
        low = max(levels[0], 0)
        return Look("two values", f"what is over {low:g} is inside", lambda part: part > low, levels, found.high)
    if found.low > 0:
        raise InputError(
            f"{name} holds {found.many} values from {found.low:g} to {found.high:g} and no 0, so that nothing says"
            f" which of them is outside: give a rule of masks, as {math.ceil(found.low) + 1}."
        )
    if levels and levels[-1] == VOID and levels[-2] <= LAST_CLASS:
        words = "what is over 0 but not 255 is inside"
        return Look("levels", words, lambda part: (part > 0) & (part != VOID), levels, VOID, has_void=True)
    return Look("levels", "what is over 0 is inside", lambda part: part > 0, levels, found.high)


def _is_photo(found: Census) -> bool:
    """Whether grey values are those of a photo: many, a good part of them between, and hardly two alike.

    The slopes of a soft edge are smooth, and keep away from the border of the image.
    """
    many = not len(found.levels) or len(found.levels) > LEVELS
    much = (found.middle > PHOTO and found.ramp < 0.9) or found.border > PHOTO_BORDER
    return many and much and found.flat < LIKE_NEIGHBOURS


def _is_soft(found: Census) -> bool:
    """Whether the values between are those of edges, or of what was once a JPEG: no two alike, all on slopes, or
    next to 0 beside a bright one."""
    noise = found.high >= 128 and found.middle < 0.05 and bool((found.levels[1:2] <= found.high / 8).all())
    return found.flat < LIKE_NEIGHBOURS and (found.ramp > 0.5 or noise)


def _by_index(values: Values, found: Census, levels: tuple[float, ...], name: str) -> Look:
    """Indices of a palette: outside is black where one index is, else index 0; the colour of void belongs nowhere."""
    assert values.palette is not None
    used = [int(level) for level in levels]
    if len(used) > MOST_COLOURS and found.flat < LIKE_NEIGHBOURS:
        raise NoMaskError(name, f"looks like a photo: {len(used)} colours of a palette")
    black = [index for index in used if values.palette[index] == 0]
    outside = set(black if len(black) == 1 else [0])
    void = {index for index in used if values.palette[index] == VOID_COLOUR}
    void |= {VOID} if len(used) > 2 and used[-1] == VOID and used[-2] <= LAST_CLASS else set()
    words = f"what is not index {min(outside)} is inside" + (f", but not {max(void)}" if void else "")
    kind = "empty" if set(used) <= outside | void else "levels"
    keep = np.isin(np.arange(256), list(outside | void), invert=True)
    return Look(kind, words, lambda part: keep[part], levels, used[-1])


def _by_colour(found: Census, levels: tuple[float, ...], name: str) -> Look:
    """Colours: outside is black; what lies on soft edges goes to the nearest colour that fills an area."""
    if len(levels) == 1:
        return Look("full", "all of it is of one colour, and inside", lambda part: part != 0, levels)
    many = not levels or len(levels) > MOST_COLOURS
    if many and found.flat < LIKE_NEIGHBOURS and (found.middle > PHOTO or found.ramp < 0.5):
        raise NoMaskError(name, f"is 3 channels of different values: {found.many} colours")
    if levels and 0 not in levels:
        raise InputError(
            f"{name} holds {len(levels):,} colours of which none is black, so that nothing says which is outside: paint"
            " the background black, or give a rule of masks, as 128, which goes by the brightest channel."
        )
    if found.flat < LIKE_NEIGHBOURS and found.ramp > 0.5:
        low = math.ceil(found.high / 2)
        words = f"the brightest channel from {low} on is inside"
        return Look("soft", words, lambda part: brightest(part) >= low, levels, found.high)
    if levels and (many or len(levels) - len(found.solid) > SHADES):
        colours, keep = found.levels, _nearest_is_inside(found)
        words = f"what is nearer to one of {len(found.solid)} colours than to black is inside"
        return Look("soft", words, lambda part: keep[np.searchsorted(colours, part)], levels, found.high)
    words = "what is not black is inside" + (", but the colour of void" if VOID_COLOUR in levels else "")
    return Look("colours", words, lambda part: (part != 0) & (part != VOID_COLOUR), levels, found.high)


def _nearest_is_inside(found: Census) -> NDArray[np.bool_]:
    """Of each colour of a mask, whether the nearest of those that fill areas is inside."""
    solid = np.union1d(found.solid, [0]).astype(np.int32)
    apart = [(found.levels[:, None] >> shift & 255) - (solid >> shift & 255) for shift in (16, 8, 0)]
    nearest = solid[np.argmin(sum(one.astype(np.int64) ** 2 for one in apart), axis=1)]
    return (nearest != 0) & (nearest != VOID_COLOUR)
