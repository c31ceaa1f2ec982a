"""What was found of a set stands again after a restart, until the set is another one; of uploads nothing is on disk."""

from __future__ import annotations

import dataclasses
import os

import pytest

from workbench.files import write_value
from workbench.images import BytesSource, ImageItem, ImageSet
from workbench.quality import FileOrder, Proposed
from workbench.ui import choice, kept, kin, session
from workbench.ui.cache import slot

ORDER = FileOrder(40, 3.0, 20.5, 0.002, (Proposed("order:6", 7, 40, 0.8, 0.1, ("1.png", "0")),))


@pytest.fixture
def cache(tmp_path, monkeypatch, empty_shelves):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(choice, "whole", lambda: None)
    monkeypatch.setattr(choice, "set_ref", lambda _: "a folder")
    monkeypatch.setattr(session, "own", lambda kind: {})
    return tmp_path / "cache" / "results"


def images(label: str = "good", name: str = "a.png", pixels: bytes = b"pixels") -> ImageSet:
    return ImageSet("set", (ImageItem(name, BytesSource(pixels), label),))


def place_of(some: ImageSet):
    return slot("file order", images=some.key, names=[item.name for item in some])


def test_a_result_stands_again_after_a_restart_for_the_same_set_alone(cache, empty_shelves) -> None:
    assert kin.order_of(images()) is None
    kept.keep(place_of(images()), ORDER, 100)
    assert kin.order_of(images()) is ORDER
    empty_shelves.clear()
    again = kin.order_of(images())
    assert dataclasses.asdict(again) == dataclasses.asdict(ORDER)
    assert empty_shelves["file order"].get(place_of(images()).key) is again  # and is on its shelf
    for other in (images("bad"), images(name="b.png"), images(pixels=b"Pixels")):
        assert kin.order_of(other) is None


def test_of_what_a_visitor_uploaded_nothing_is_on_disk(cache, monkeypatch) -> None:
    monkeypatch.setattr(session, "own", lambda kind: {"a folder": object()} if kind == "sets" else {})
    kept.keep(place_of(images()), ORDER, 100)
    assert kin.order_of(images()) is ORDER
    assert not cache.exists()


def test_a_damaged_file_is_looked_for_again_and_old_files_go(cache, monkeypatch, empty_shelves) -> None:
    monkeypatch.setattr(kept, "MOST_FILES", 3)
    for number in range(5):
        kept.keep(place_of(images(name=f"{number}.png")), dataclasses.replace(ORDER, images=number + 1), 100)
        newest = max(cache.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (number, number))
    empty_shelves.clear()
    results = [kin.order_of(images(name=f"{number}.png")) for number in range(5)]
    assert [result and result.images for result in results] == [None, None, 3, 4, 5]
    empty_shelves.clear()
    for path in cache.iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    assert kin.order_of(images(name="4.png")) is None


def test_what_comes_with_the_package_is_read_where_the_cache_has_nothing(
    cache, monkeypatch, tmp_path, empty_shelves
) -> None:
    shipped, name = tmp_path / "shipped" / "results", f"{place_of(images()).key}.json"
    monkeypatch.setattr("workbench.report.studies_kept.shipped", lambda name: tmp_path / "shipped" / name)
    write_value(shipped / name, ORDER)
    before = (shipped / name).read_bytes()
    assert dataclasses.asdict(kin.order_of(images())) == dataclasses.asdict(ORDER)
    for other in (images("bad"), images(name="b.png"), images(pixels=b"Pixels")):
        assert kin.order_of(other) is None
    own = dataclasses.replace(ORDER, images=41)
    kept.keep(place_of(images()), own, 100)
    empty_shelves.clear()
    assert kin.order_of(images()).images == 41
    (cache / name).write_text("damaged")
    empty_shelves.clear()
    assert kin.order_of(images()).images == 40
    assert [path.name for path in shipped.iterdir()] == [name]
    assert (shipped / name).read_bytes() == before
