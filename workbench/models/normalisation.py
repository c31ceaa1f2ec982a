"""Whether a mean and a standard deviation can be meant for pixels in 0 .. 1, by what they make of black and white."""

from __future__ import annotations

import math
from collections.abc import Sequence

from workbench.errors import InputError
from workbench.images import MOST_CHANNELS

LEAST_SPAN, MOST_SPAN = 0.5, 1e6
"""From black to white, in the model's units: 1 to 7 is usual; 255 and 65,535 are models of raw counts."""
FARTHEST = 1.0
"""How far from zero all of an image may lie, in spans: further off, its own contrast hardly matters."""
NEAR = 0.002
"""How near to published numbers others are taken for them where the order of the colours is in question."""
LONGEST_CHANNEL = 60
PUBLISHED = {
    "ImageNet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CLIP": ((0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758)),
    "CIFAR-10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}


def check_channels(
    mean: Sequence[float], std: Sequence[float], names: Sequence[str], limits: tuple[float, float] | None
) -> None:
    """Refuse a mean, a standard deviation and names that are not of as many channels, and a range that is none.

    Raises:
        InputError: With what does not fit.
    """
    if len(mean) != len(std) or not 1 <= len(mean) <= MOST_CHANNELS:
        raise InputError(
            f"Preprocessing needs one number a channel for mean and std, of 1 to {MOST_CHANNELS} channels, not"
            f" {len(mean)} and {len(std)}."
        )
    if names and len(names) != len(mean):
        raise InputError(
            f"channels names {len(names)} ({', '.join(names[:6])}), and mean and std have {len(mean)} numbers each:"
            " give one a channel."
        )
    if len(set(names)) < len(names) or not all(name.strip() and len(name) <= LONGEST_CHANNEL for name in names):
        raise InputError(
            f"Each channel needs a name of its own, of 1 to {LONGEST_CHANNEL} characters: correct channels."
        )
    if limits is not None and not (all(map(math.isfinite, limits)) and limits[0] < limits[1]):
        raise InputError(
            f"range is [{limits[0]:g}, {limits[1]:g}]: give the count that becomes 0, and a larger one that becomes 1."
        )


def check_statistics(mean: Sequence[float], std: Sequence[float]) -> None:
    """Refuse numbers that no pixels in 0 .. 1 have, of which every image would answer alike.

    What decides is where black and white come to lie. Values in 0 .. 255 (std 1/255) are as good as values about zero.

    Raises:
        InputError: With what is wrong with them, and the numbers that may have been meant.
    """
    if not all(map(math.isfinite, (*mean, *std))) or not all(s > 0 for s in std):
        raise InputError(
            f"std is {_list(std)} and mean {_list(mean)}: each std must be a number above 0, as it is divided by, and"
            " each mean a number."
        )
    for name, (usual_mean, usual_std) in PUBLISHED.items():
        if _alike(mean, usual_std) and _alike(std, usual_mean):
            raise InputError(
                f"mean {_list(mean)} and std {_list(std)} are {name}'s exchanged: set mean to {_list(std)} and std to"
                f" {_list(mean)}."
            )
    for m, s in zip(mean, std, strict=True):
        span, black, white = 1 / s, -m / s, (1 - m) / s
        if span < LEAST_SPAN or max(black, -white) > FARTHEST * span:
            raise InputError(
                f"mean {_list(mean)} and std {_list(std)} turn black into {black:.4g} and white into {white:.4g}, so"
                f" that every image answers alike: {_remedy(mean, std)}"
            )
        if span > MOST_SPAN:
            raise InputError(
                f"std {_list(std)} turns black into {black:.4g} and white into {white:.4g}, which no model is trained"
                " on: give std for pixels in 0 .. 1, as in 0.229."
            )


def doubt(mean: Sequence[float], std: Sequence[float], channels: object) -> str:
    """What looks like a slip in numbers that can be meant all the same, in one sentence; empty where nothing does."""
    for name, (usual_mean, usual_std) in PUBLISHED.items():
        if channels == "rgb" and _alike(mean, usual_mean[::-1], NEAR) and _alike(std, usual_std[::-1], NEAR):
            return (
                f"mean {_list(mean)} and std {_list(std)} are {name}'s in the order blue, green, red, and the model is"
                ' given red, green, blue: set channels = "bgr" if it was trained so, or else turn them round.'
            )
        if _alike(mean, usual_mean, NEAR) and _alike(std, usual_mean, NEAR):
            return f"std {_list(std)} repeats {name}'s mean: set std to {_list(usual_std)} if the model was trained so."
    return ""


def _remedy(mean: Sequence[float], std: Sequence[float]) -> str:
    """Which numbers may have been meant: those on the scale of 0 .. 255 or 0 .. 100, for pixels in 0 .. 1."""
    if not any(m > 1 for m in mean) and not any(s > 1 for s in std):
        return "give both for pixels in 0 .. 1, as in mean 0.485 and std 0.229."
    scale = 255
    by = [m / scale if max(mean) > 1 else m for m in mean], [s / scale if max(std) >= 1 else s for s in std]
    percent = "" if max(*mean, *std) > 100 else ", or by 100 if they are percentages"
    return (
        "they are on the scale of 0 .. 255. Give them for pixels in 0 .. 1, divided by 255"
        f" (mean {_list(by[0])}; std {_list(by[1])}){percent}."
    )


def _alike(numbers: Sequence[float], others: Sequence[float], near: float = 0.01) -> bool:
    return len(numbers) == len(others) and all(abs(a - b) < near for a, b in zip(numbers, others, strict=True))


def _list(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:.4g}" for number in numbers)
