"""The folders of the chosen set, to choose its root and the words for its splits from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import streamlit as st

from workbench.catalog import ReadOptions
from workbench.errors import InputError
from workbench.sets import Tree, split_of, tree_of
from workbench.ui import choice, corrections, session, sets

TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
DEEP, MOST_FOLDERS, KEPT = 4, 300, "folders of the set"
"""How far down folders are offered, how many of them, and where the session keeps them while the set is the same."""


@dataclass(frozen=True)
class Files:
    """What a set holds before any layout is recognised.

    Attributes:
        folders: How many files lie below each folder, by its path.
        tables: Whether a file may be a table that lists the images.
        listed: Whether the files are known at all: not for a set that a package lists.
    """

    folders: Mapping[str, int] = field(default_factory=dict)
    tables: bool = False
    listed: bool = False


def of(ref: str) -> Files:
    """The files of the chosen set."""
    upload: sets.Upload | None = session.own("sets").get(ref)
    try:
        images = choice.images_read(ref, corrections.text())
    except InputError:
        images = None
    kept, result = st.session_state.get(KEPT, (None, Files()))
    if images is None or kept is not images:
        try:
            tree = (
                upload.tree()
                if upload is not None
                else tree_of(ref, trusted=choice.trusted_set(ref), follow=choice.given_set(ref))
            )
            result = Files() if tree is None else _files(tree)
        except InputError:  # the page says why
            result = Files()
        st.session_state[KEPT] = images, result
    return result


def _files(tree: Tree) -> Files:
    tables = any(path.suffix.lower() in TABLES for path in tree.files if len(path.parts) <= DEEP)
    return Files(_below(tree), tables, True)


def _below(tree: Tree) -> dict[str, int]:
    count = Counter[tuple[str, ...]]()
    for path in tree.files:
        parts = path.parts[:-1][:DEEP]
        count.update(parts[: place + 1] for place in range(len(parts)))
    order = sorted(count, key=lambda parts: (len(parts), parts))[:MOST_FOLDERS]
    return {"/".join(parts): count[parts] for parts in sorted(order)}


def words(there: Mapping[str, int], most: int) -> dict[str, int]:
    """Names of folders that may stand for splits, and how many files lie below them: those that are recognised, then
    the ones at the top."""
    count = Counter[str]()
    for folder, number in there.items():
        count[folder.rpartition("/")[2]] += number
    tops = {folder for folder in there if "/" not in folder}
    if len(tops) == 1:
        tops |= {folder.rpartition("/")[2] for folder in there if folder.count("/") == 1}
    known = [word for word in count if split_of(word, ReadOptions())]
    order = dict.fromkeys([*known, *sorted(tops)])
    return {word: count[word] for word in list(order)[:most]}
