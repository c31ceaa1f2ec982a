"""Words in which people name the parts of a set."""

from __future__ import annotations

from workbench.catalog import ReadOptions

SPLIT_WORDS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


def split_of(word: str, options: ReadOptions) -> str | None:
    """The split that a folder's name or a table's word means, by the options and then by the usual words."""
    if (given := options.splits.get(word)) is not None:
        return None if given == "none" else given
    return SPLIT_WORDS.get(word.strip().lower())
