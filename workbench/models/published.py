"""Preprocessing as those publish it who made an architecture or its weights, and where each setting comes from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Published:
    """Preprocessing that somebody states.

    Attributes:
        fields: Fields of `PreprocessingSpec`; those that nobody states are left out.
        source: Who states them, in words.
    """

    fields: Mapping[str, object] = dataclasses.field(default_factory=dict)
    source: str = ""
