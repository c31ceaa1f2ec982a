"""How often a league is right: counted by hand from a file, and said where it was not measured."""

from __future__ import annotations

import json

import pytest

from workbench.evidence import errors_sentence, league_errors
from workbench.evidence.league_rates import LEAGUE_ERRORS, league_version


@pytest.fixture
def asset(tmp_path, monkeypatch):
    """Where the file is looked for."""
    monkeypatch.setattr("workbench.evidence.league_rates.shared", lambda name: tmp_path / name)
    league_errors.cache_clear()
    yield tmp_path / LEAGUE_ERRORS
    league_errors.cache_clear()


def test_planted_and_random_networks_are_counted_apart(asset) -> None:
    kinds = [*["planted"] * 10, "fresh", "fresh", "redrawn", "redrawn", "faked", "faked"]
    networks = [{"kind": kind, "right": number % 5 != 0} for number, kind in enumerate(kinds)]
    asset.write_text(json.dumps({"version": league_version(), "networks": networks}))
    errors = league_errors()
    assert errors is not None
    assert (errors.right.value, errors.right.support) == (0.8, 10)
    assert (errors.faked.count, errors.faked.support) == (1, 2)
    assert (errors.silent.value, errors.silent.support) == (0.75, 4)
    assert errors.right.low == pytest.approx(0.4902, abs=1e-4), "Wilson's interval, by hand"
    assert "in 8 of 10 (95 % interval 49 to 94 %), and where" in errors_sentence(errors)
    assert "gradients were faked in 1 of 2 (" in errors_sentence(errors)
    assert "none forward in 3 of 4" in errors_sentence(errors)


@pytest.mark.parametrize("written", [None, {"version": [0, 0], "networks": []}])
def test_rates_of_another_version_are_not_told(asset, written) -> None:
    if written is not None:
        asset.write_text(json.dumps(written))
    assert league_errors() is None
    assert "was not measured for this version" in errors_sentence(None)


def test_what_ships_holds_for_the_league_as_it_is() -> None:
    errors = league_errors()
    assert errors is not None
    assert errors.right.support >= 20
    assert errors.silent.support >= 20
    assert errors.faked.support >= 10
