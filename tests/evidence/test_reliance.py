"""What findings come to in words, by value."""

from __future__ import annotations

import pytest

from workbench.evidence import Finding, Verdict, in_sum, rating
from workbench.evidence.reliance import Rating, tone_of

ALL = ("deletion", "insertion", "randomisation", "infidelity")


def findings(**verdicts: Verdict) -> list[Finding]:
    return [Finding(name, verdict, None, None, None, None, "", "", "") for name, verdict in verdicts.items()]


def same(verdict: Verdict, *names: str) -> dict[str, Verdict]:
    return dict.fromkeys(names, verdict)


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        (same("holds", *ALL), "Lean on it (all 3 checks hold)"),
        (same("holds", *ALL[:2]) | same("doubtful", *ALL[2:]), "Lean on it a little (2 of 3 checks hold)"),
        (same("holds", *ALL[:2]) | same("fails", "infidelity"), "Do not rely on it here (2 of 3 checks hold)"),
        (same("holds", *ALL) | same("fails", "randomisation"), "Do not rely on it here (3 of 4 checks hold)"),
        (same("holds", *ALL) | same("doubtful", "randomisation"), "Lean on it (all 3 checks hold)"),
        (
            same("holds", *ALL) | same("fails", "completeness"),
            "Lean on it a little (all 3 checks hold; its values do not add up)",
        ),
        (
            same("holds", *ALL) | same("fails", "repeatability"),
            "Lean on it a little (all 3 checks hold; another random seed gives another map)",
        ),
        (same("doubtful", *ALL), "Do not rely on it here (0 of 3 checks hold)"),
        (same("holds", "deletion", "insertion"), "Lean on it (both checks hold)"),
        (same("holds", "deletion"), "Lean on it a little (its one check holds)"),
        (same("fails", "deletion"), "Do not rely on it here (its one check does not hold)"),
        (same("holds", "randomisation", "completeness", "sensitivity"), "Not known: no check applies to it"),
        (same("not applicable", *ALL), "Not known: no check applies to it"),
        ({}, "Not known: no check applies to it"),
    ],
)
def test_a_map_is_rated_by_its_checks(verdicts: dict[str, Verdict], sentence: str) -> None:
    assert rating(findings(**verdicts)).sentence == sentence


def test_a_faithful_map_of_a_model_that_looks_at_the_wrong_place_is_not_blamed_for_it() -> None:
    """Where the map lies says something about the model; how sparse it is and how steady says nothing for or against
    it."""
    place = (
        same("fails", "pointing", "relevance_mass", "relevance_rank")
        | same("not applicable", "sparsity")
        | same("fails", "sensitivity")
    )
    assert rating(findings(**same("holds", *ALL), **place)) == rating(findings(**same("holds", *ALL)))


def test_the_sum_names_the_maps_that_hold_everything_and_no_other() -> None:
    best, some = Rating("Lean on it", 4, 0, 4), Rating("Lean on it a little", 3, 0, 4)
    bad, none = Rating("Do not rely on it here", 1, 3, 4), Rating("Not known", 0, 0, 0)
    assert in_sum({"A": some, "B": bad, "C": none}) == (
        "On this image no map holds all its checks: take none as the reason."
    )
    assert in_sum({"A": best, "B": bad}).startswith("On this image A holds all its checks: as far as they reach, it")
    assert in_sum({"A": best, "B": best, "C": some}).startswith("On this image A and B hold all their checks")
    assert in_sum({"A": some}) == "On this image the map does not hold all its checks: do not take it as the reason."


def test_what_says_nothing_for_or_against_a_map_has_no_colour() -> None:
    """A veto that holds is no evidence either: wrong maps change with the weights like right ones."""
    tones = {
        f"{f.name} {f.verdict}": tone_of(f)
        for verdict in ("holds", "fails")
        for f in findings(**same(verdict, "deletion", "randomisation", "completeness", "sensitivity", "pointing"))
    }
    assert {name for name, tone in tones.items() if tone != "plain"} == {
        "deletion holds",
        "deletion fails",
        "randomisation fails",
    }
    assert tones["deletion holds"] == "good"
    assert tones["randomisation fails"] == tones["deletion fails"] == "bad"
