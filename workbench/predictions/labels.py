"""What labels say: which reads as good, and which several stand in one text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from workbench.texts import reads_as_good

SEPARATORS = re.compile(r"\s*[;|,+]\s*")
"""What stands between the labels of one image."""
NOTHING = "none"
"""What is written where no label is true."""


def labels_of(text: str | None, classes: Sequence[str]) -> tuple[str, ...] | None:
    """The labels in what an image set says of an image, such as "scratch;dent"; a word for a good part is none of them.

    Returns:
        The labels, those that no class is named after among them; None where nothing is said.

    Example:
        >>> labels_of("scratch; dent", ("scratch", "dent", "hole")), labels_of("good", ("scratch", "dent"))
        (('scratch', 'dent'), ())
    """
    if text is None:
        return None
    if text in classes:
        return (text,)
    parts = [part for part in SEPARATORS.split(text.strip()) if part]
    return tuple(part for part in parts if part in classes or (part != NOTHING and good_class([part]) is None))


def together(labels: Iterable[str]) -> str:
    """Labels of one image as one text, in their order."""
    return " + ".join(labels) or NOTHING


def good_class(class_names: Iterable[str]) -> str | None:
    """The class of parts without a defect, guessed from the names: good, OK, pass, functional, MT_Free, defect-free,
    no_defect, ...

    Returns:
        The one class that reads so; None where none does, or several do.
    """
    names = [name for name in class_names if reads_as_good(name)]
    return names[0] if len(names) == 1 else None
