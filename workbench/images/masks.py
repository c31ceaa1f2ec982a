"""Masks as sets bring them: one file or several an image, and which files are masks at all."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
from PIL import Image

from workbench.errors import InputError
from workbench.images.decoding import open_with, upright_size
from workbench.images.deep import decode_mask, with_values
from workbench.images.item import Source, read_source
from workbench.images.mask_rules import NoMaskError, look

MASKS_SEEN, MOST_LOOKS = 16, 256
"""Files that are decoded to see whether they are masks; and where some of them are and others are not."""
MASK_MARK = ";"
"""What stands between the paths of several masks of an image in a cell of a table."""
T = TypeVar("T")


@dataclass(frozen=True)
class MaskSource:
    """Several files of one size as one mask, inside where any of them is.

    Attributes:
        parts: The files.
        rule: As `ReadOptions.mask_rule`.
    """

    parts: tuple[Source, ...] = field(repr=False)
    rule: str = "auto"

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def read(self) -> bytes:
        """A PNG of 0 outside and 255 inside.

        Raises:
            InputError: A part cannot be read.
        """
        masks = [decode_mask(read_source(part, "a mask"), "a mask", self.rule) for part in self.parts]
        buffer = io.BytesIO()
        Image.fromarray(np.uint8(255) * np.logical_or.reduce(masks)).save(buffer, "PNG")
        return buffer.getvalue()

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(" ".join((self.rule, *(part.digest for part in self.parts))).encode()).hexdigest()


def mask_of(parts: Sequence[Source], rule: str = "auto") -> Source | None:
    """What stands for the mask of an image: none, the one file as it is, or all of them joined."""
    if not parts:
        return None
    return parts[0] if len(parts) == 1 and rule == "auto" else MaskSource(tuple(parts), rule)


def parts_of(mask: Source | None) -> tuple[Source, ...]:
    """The files of a mask."""
    return () if mask is None else mask.parts if isinstance(mask, MaskSource) else (mask,)


def doubtful(candidates: Iterable[tuple[str, Source, Source]]) -> dict[str, str]:
    """Which of the files that might be masks are none, and why.

    A few are looked at, spread evenly; more only where some of them are masks and others are not.

    Args:
        candidates: The name, the mask's file and its image's file of each.

    Returns:
        Reasons by name, as "looks like a photo: 231 grey values, 38% of the pixels between ...".
    """
    pairs = list(candidates)
    sample = evenly_spread(pairs, MASKS_SEEN)
    reasons = {name: _why_none(mask, image) for name, mask, image in sample}
    strange = sum(why is not None for why in reasons.values())
    if not strange:
        return {}
    if strange < len(sample):
        more = [pair for pair in pairs if pair[0] not in reasons][:MOST_LOOKS]
        reasons |= {name: _why_none(mask, image) for name, mask, image in more}
        strange = sum(why is not None for why in reasons.values())
    if len(reasons) < len(pairs):
        rest = f"was not looked at, and {strange:,} of the {len(reasons):,} like it that were are no masks"
        reasons |= {name: rest for name, _, _ in pairs if name not in reasons}
    return {name: why for name, why in reasons.items() if why is not None}


def evenly_spread(values: Sequence[T], most: int) -> list[T]:
    """At most so many of `values`, from the first to the last."""
    if len(values) <= most:
        return list(values)
    return [values[round(place)] for place in np.linspace(0, len(values) - 1, most)]


def _why_none(mask: Source, image: Source) -> str | None:
    """Why a file is no mask of an image; None where it is one, or cannot be read, which is said once it is opened."""
    try:
        data, photo = read_source(mask, "a mask"), read_source(image, "an image")
        if data == photo and mask != image:
            return "is the same file as its image"
        if _is_of_another_form(data, photo):
            return "has another size and aspect than its image"
        if open_with(data, "a mask", lambda opened: opened.mode) != "1":
            with_values(data, "a mask", lambda values: look(values, "a mask"))
    except NoMaskError as error:
        return error.why
    except InputError:
        return None
    return None


def _is_of_another_form(data: bytes, photo: bytes) -> bool:
    """Whether neither the size nor the aspect of a mask is its image's, lying or upright."""
    width, height = upright_size(data, "a mask")
    across, down = upright_size(photo, "an image")
    wanted = ((across, down), (down, across))
    return not any(abs(width * b - height * a) <= max(a, b) for a, b in wanted)
