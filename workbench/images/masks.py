"""Masks as sets bring them: one file or several an image, and what in them counts as inside."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from PIL import Image

from workbench.images.deep import decode_mask
from workbench.images.item import Source, read_source


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
        masks = [decode_mask(read_source(part, "a mask"), "a mask") for part in self.parts]
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
