"""What people said of pairs counts for the sets that both images are of, and for no other."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import numpy as np
import pytest
from decisions import digest
from PIL import Image

from workbench.files import cache_folder
from workbench.images import FileSource, ImageItem
from workbench.journal import Journal, Note, journal_path, pairs_among, told_apart_here
from workbench.quality import store_key
from workbench.report.check_parts import of_set
from workbench.report.subject import Subject
from workbench.sets import load_images


@pytest.fixture
def parts(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WORKBENCH_JOURNAL", str(tmp_path / "journal.sqlite"))
    rng = np.random.default_rng(0)
    for label in ("bad", "good"):
        (tmp_path / "parts" / label).mkdir(parents=True)
        for number in range(3):
            Image.fromarray(rng.integers(0, 255, (24, 24, 3), np.uint8)).save(tmp_path / f"parts/{label}/{number}.png")
    return load_images(str(tmp_path / "parts"))


def told(first: str, second: str) -> Note:
    names = {"image_name": "1.png", "second_name": "2.png", "label": "good", "second_label": "good", "to": None}
    return Note(
        about="pair", user="Ada", set_name="cells", said="not the same", image=first, second=second, reason="", **names
    )


def test_pairs_of_other_sets_change_nothing(parts) -> None:
    assert told_apart_here(parts) == ()
    book, own = Journal(journal_path()), sorted(item.id for item in parts)[:2]
    book.append(told(digest("a"), digest("b")))
    book.append(told(own[0], digest("b")))
    assert told_apart_here(parts) == ()
    book.append(told(own[0], own[1]))
    assert told_apart_here(parts) == (tuple(own),)
    assert store_key(parts, told_apart_here(parts)) != store_key(parts)


def test_an_image_that_cannot_be_read_is_in_no_pair(parts, tmp_path) -> None:
    gone = ImageItem("gone.png", FileSource(tmp_path / "gone.png"))
    own = tuple(sorted(item.id for item in parts)[:2])
    assert pairs_among([*parts, gone], {own, ("a", "b")}) == (own,)


def test_families_of_an_upload_stay_in_its_own_folder_and_heed_its_own_journal(parts, tmp_path, monkeypatch) -> None:
    """A check of one's own images leaves nothing in the cache, and what another journal holds does not count."""

    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    own = tuple(sorted(item.id for item in parts)[:2])
    Journal(journal_path()).append(told(*own))
    monkeypatch.setattr("workbench.quality.leaks", stopped)
    subject = Subject("m", cast(Any, None), parts, cast(Any, None), cast(Any, None), tmp_path, lambda *_: None)
    for apart, counted in ((None, (own,)), ((), ())):
        folder = tmp_path / f"own {len(counted)}"
        mine = dataclasses.replace(subject, lasting=False, families_in=folder, apart=apart)
        assert mine.told_apart == counted
        with pytest.raises(KeyboardInterrupt):
            of_set(mine)
        assert list(folder.glob("*.parquet"))
    assert not (cache_folder() / "families").exists()
