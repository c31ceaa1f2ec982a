"""Studies that are kept: taken under the name of what they rest on, made anew where anything of it is another."""

from __future__ import annotations

import dataclasses

import pytest

from workbench.files import key, write_value
from workbench.report import search_facts, study_paths
from workbench.report.studies_kept import kept_study


@dataclasses.dataclass(frozen=True)
class Told:
    """A study."""

    figure: float


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("workbench.report.studies_kept.shipped", lambda name: tmp_path / "shipped" / name)
    return study_paths("a" * 64)


def asked(figure, lasting=True):
    """The study of that name, and how often it was made."""
    made = []

    def make():
        made.append(figure)
        return Told(figure)

    return kept_study("a" * 64, (Told,), make, lasting).figure, len(made)


def test_a_study_is_made_once_and_a_damaged_one_again(places) -> None:
    assert asked(1.0) == (1.0, 1)
    assert asked(2.0) == (1.0, 0)
    places[0].write_text(places[0].read_text().replace("1.0", "7.0"))
    assert asked(3.0) == (3.0, 1)


def test_what_ships_is_taken_where_the_cache_holds_nothing_and_never_written(places) -> None:
    cache, shipped = places
    write_value(shipped, Told(5.0))
    assert asked(1.0) == (5.0, 0)
    assert not cache.exists()
    write_value(cache, Told(6.0))
    assert asked(1.0) == (6.0, 0)


def test_what_may_not_last_is_neither_read_nor_written(places) -> None:
    write_value(places[0], Told(5.0))
    assert asked(1.0, lasting=False) == (1.0, 1)
    places[0].unlink()
    assert asked(2.0, lasting=False) == (2.0, 1)
    assert not places[0].exists()


def test_a_search_is_named_after_set_images_and_units() -> None:
    base = "set", ["a", "b"], {"a": 0, "b": 1}
    others = [
        ("another", *base[1:]),
        (base[0], ["b", "a"], base[2]),
        (base[0], ["a"], base[2]),
        (*base[:2], {"a": 0, "b": 0}),
        (*base[:2], {"a": 0}),
        (*base[:2], None),
    ]
    names = {key("shortcuts", model="one", rule="rule", **search_facts(*each)) for each in (base, *others)}
    assert len(names) == 1 + len(others)
    assert search_facts(*base[:2], {**base[2], "elsewhere": 2})["units"].tolist() == [0, 1]
