"""Labels of an image set that are no class of the model, and the class that each may stand for."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from workbench.predictions.labels import labels_of

LIKE = 0.85
"""From this similarity on (of `difflib`), a class is named as the one that a label may mean."""
MOST_COMPARED = 2000
"""Classes that a label is compared with by similarity."""


@dataclasses.dataclass(frozen=True)
class Unmatched:
    """A label that the model does not know.

    Attributes:
        label: It.
        images: How many images have it.
        near: The class that it may mean; empty where none is alike.
    """

    label: str
    images: int
    near: str = ""


def unmatched(labels: Iterable[str | None], classes: Sequence[str], *, several: bool = False) -> list[Unmatched]:
    """The labels that no class is named after, the most frequent first.

    Args:
        labels: One an image; None where there is none.
        classes: The model's.
        several: Whether several can be true of one image, and stand in one text.

    Example:
        >>> unmatched(["Scratch", "dent", "Scratch"], ("scratch", "dent"))
        [Unmatched(label='Scratch', images=2, near='scratch')]
    """
    own = set(classes)
    counts = Counter[str]()
    for text in labels:
        parts = (labels_of(text, classes) or ()) if several else () if text is None else (text,)
        counts.update(label for label in set(parts) if label not in own)
    plain = {_plain(name): name for name in classes}
    return [Unmatched(label, count, _near(label, plain)) for label, count in counts.most_common()]


def _near(label: str, plain: dict[str, str]) -> str:
    name = _plain(label)
    if name in plain:
        return plain[name]
    alike = difflib.get_close_matches(name, list(plain)[:MOST_COMPARED], 1, LIKE) if len(name) < 100 else []
    return plain[alike[0]] if alike else ""


def _plain(name: str) -> str:
    """A name without case, and with blanks, hyphens and underscores as one kind."""
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()
