"""Whether what a person said of the words for splits was of any use."""

from __future__ import annotations

from workbench.catalog import ReadOptions
from workbench.errors import InputError


class Watched(dict[str, str]):
    """A mapping that notes which of its keys were looked up."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values)
        self.met: set[str] = set()

    def __contains__(self, key: object) -> bool:
        there = super().__contains__(key)
        if there:
            self.met.add(str(key))
        return there

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """As of any mapping; the key is noted."""
        return super().get(key, default) if key in self else default


def watched(options: ReadOptions) -> ReadOptions:
    """The options with splits that note which words were met in the set."""
    return options.model_copy(update={"splits": Watched(dict(options.splits))}) if options.splits else options


def check_met(options: ReadOptions, name: str) -> None:
    """Refuse words for splits that are neither a folder's name nor in a table of the set.

    Args:
        options: As `watched` made them, after the set was read.
        name: Of the set.
    """
    splits = options.splits
    strange = sorted(splits.keys() - splits.met) if isinstance(splits, Watched) else []
    if strange:
        raise InputError(
            f"{name} has no folder and no cell {strange[0]!r}, which the options call {splits[strange[0]]}: correct the"
            " word, which must be written as in the set, or leave it out."
        )
