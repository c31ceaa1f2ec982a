"""The pairs of images of a set that a person has said are not the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.journal.store import Journal, journal_path

Pairs = tuple[tuple[str, str], ...]


def told_apart_here(items: Iterable[ImageItem]) -> Pairs:
    """The pairs of digests of some images that somebody told apart in the journal of this machine; none where there is
    no journal.

    Raises:
        InputError: It cannot be read.
    """
    path = journal_path()
    return pairs_among(items, Journal(path, create=False).pairs_apart()) if path.is_file() else ()


def pairs_among(items: Iterable[ImageItem], pairs: Collection[tuple[str, str]]) -> Pairs:
    """Those pairs of digests of which both are of these images, sorted: what is said of other sets changes nothing."""
    there = set()
    for item in items if pairs else ():
        try:
            there.add(item.id)
        except InputError:  # what cannot be read is in no pair
            continue
    return tuple(sorted(pair for pair in pairs if there.issuperset(pair)))
