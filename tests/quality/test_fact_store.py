"""Facts of images that come with the package are read beside those of the user's own, and never written."""

import sqlite3

import pytest

from workbench.quality import fact_store
from workbench.quality.fact_store import keep_facts, known_facts


def fact(number):
    return {"error": None, "bytes": number}


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A folder of the package that knows of "a" and "b"."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "shipped"))
    keep_facts({"a": fact(1), "b": fact(2)})
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fact_store, "shipped", lambda name: tmp_path / "shipped" / name)
    return tmp_path / "shipped"


def test_the_users_own_go_before_those_of_the_package(shipped, tmp_path):
    before = (shipped / fact_store.KEPT_IN).read_bytes()
    assert known_facts(["a", "c"]) == {"a": fact(1)}
    keep_facts({"a": fact(7), "c": fact(3)})
    assert known_facts(["a", "b", "c", "d"]) == {"a": fact(7), "b": fact(2), "c": fact(3)}
    assert [path.name for path in shipped.iterdir()] == [fact_store.KEPT_IN]
    assert (shipped / fact_store.KEPT_IN).read_bytes() == before
    with sqlite3.connect(tmp_path / "cache" / fact_store.KEPT_IN) as own:
        assert own.execute("SELECT name FROM images ORDER BY name").fetchall() == [("a",), ("c",)]


def test_a_broken_file_of_the_package_is_ignored(shipped):
    (shipped / fact_store.KEPT_IN).write_bytes(b"no database" * 400)
    assert known_facts(["a"]) == {}
    keep_facts({"a": fact(7)})
    assert known_facts(["a", "b"]) == {"a": fact(7)}


def test_a_cache_that_cannot_be_used_hides_nothing_of_the_package(shipped, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert known_facts(["a", "b", "c"]) == {"a": fact(1), "b": fact(2)}
