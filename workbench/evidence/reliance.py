"""The findings about one map as a card, what they come to in a word, and those about all maps of an image."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from workbench.attribution import METHODS
from workbench.errors import InputError
from workbench.evidence.finding import Finding, Verdict
from workbench.texts import panel, panel_chip, panel_rows

VETO = "randomisation"
"""A check that speaks against a map where it fails, and otherwise says nothing: wrong maps that are made of the weights
change with them like right ones (`bench_card.py`)."""
PROPERTIES = ("completeness", "repeatability", "sensitivity", "sparsity")
"""What is known of a map beside whether it is right: wrong maps add up, come again and keep still as well as right ones
(`bench_card.py`)."""
OF_PLACE = ("relevance_mass", "relevance_rank", "pointing")
"""Where the map lies: a faithful map of a model that looks at the wrong place must fail these."""
UNCOUNTED = (*PROPERTIES, *OF_PLACE)
"""Checks that say nothing for or against a map."""
PROMISES: Mapping[str, str] = {
    "completeness": "its values do not add up",
    "repeatability": "another random seed gives another map",
}
"""What is said beside the word where such a property fails: then the map is leant on a little at most."""
ENOUGH = 2
"""With fewer checks that apply, a map that holds them all is still leant on only a little."""
LEAN, LITTLE, NOT_RELIED_ON, UNKNOWN = "Lean on it", "Lean on it a little", "Do not rely on it here", "Not known"
CHECK_NOTES: Mapping[str, str] = {
    VETO: "counts only where it fails",
    **dict.fromkeys(PROPERTIES, "a property, not counted"),
    **dict.fromkeys(OF_PLACE, "about the model, not counted"),
}
VERDICT_TONES: Mapping[str, str] = {"holds": "good", "doubtful": "doubt", "fails": "bad"}


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What all checks found about one map.

    Attributes:
        findings: In the order of `CHECKS`.
        method: Method of the map.
        target: Column of the class that it explains.
        classifier: Digest of the classifier that it was held against.
        budget: "quick" or "full".
        seed: What the random orders, noise and weights were drawn from.

    Example:
        >>> card = wb.assess(clf, item, att, checks=["randomisation", "completeness"])
        >>> card.verdicts
        {'completeness': 'not applicable', 'randomisation': 'holds'}
    """

    findings: tuple[Finding, ...]
    method: str
    target: int
    classifier: str
    budget: str
    seed: int

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, name: str) -> Finding:
        """The finding called `name`."""
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise InputError(f"This card has no finding {name!r}: choose one of {', '.join(self.verdicts)}.")

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict of each finding by its name."""
        return {finding.name: finding.verdict for finding in self.findings}

    def _repr_html_(self) -> str:
        """The card for a notebook."""
        rated = rating(self.findings)
        facts = {
            "Class explained": f"column {self.target}",
            "Model": self.classifier[:12],
            "Budget and seed": f"{self.budget}, {self.seed}",
        }
        head = ("Check", "Verdict", "Figure", "By chance", "What was found", "What that means")
        table = panel_rows(head, map(_line, self.findings), len(self.findings), "checks")
        chip = panel_chip(rated.sentence, rated.tone)
        return panel(f"Evidence of the map by {METHODS[self.method].title}", facts, chip, table)


def tone_of(finding: Finding) -> str:
    """The colour of a verdict: none where it says nothing for or against the map."""
    silent = finding.name in UNCOUNTED or (finding.name == VETO and finding.verdict != "fails")
    return "plain" if silent else VERDICT_TONES.get(finding.verdict, "plain")


def _line(finding: Finding) -> tuple[object, ...]:
    """What a card's table says of one finding."""
    word = finding.verdict
    figure = "" if finding.value is None else f"{finding.value:.3g}"
    if finding.low is not None and finding.high is not None:
        figure += f" ({finding.low:.3g} to {finding.high:.3g})"
    tone, note = tone_of(finding), CHECK_NOTES.get(finding.name, "")
    name = f"{finding.name} ({note})" if note else finding.name
    chance = "" if finding.chance is None else f"{finding.chance:.3g}"
    return name, panel_chip(word, tone), figure, chance, finding.reason, finding.meaning


@dataclasses.dataclass(frozen=True)
class Rating:
    """How far a map can be relied on, by its checks.

    Attributes:
        word: "Lean on it", "Lean on it a little", "Do not rely on it here" or "Not known".
        holds: How many of the counted checks hold.
        fails: How many of them fail; the others are doubtful.
        counted: How many checks of the map apply, without those of `UNCOUNTED`, and `VETO` only where it fails.
        but: What else is to be said, as that its values do not add up; else empty.
    """

    word: str
    holds: int
    fails: int
    counted: int
    but: str = ""

    @property
    def tone(self) -> str:
        """The word's colour: "good", "doubt", "bad" or "plain"."""
        return {LEAN: "good", LITTLE: "doubt", NOT_RELIED_ON: "bad"}.get(self.word, "plain")

    @property
    def sentence(self) -> str:
        """The word and the count behind it."""
        but = f"; {self.but}" if self.but else ""
        if not self.counted:
            return f"{self.word}: no check applies to it{but}"
        if self.counted == 1:
            return f"{self.word} (its one check {'holds' if self.holds else 'does not hold'}{but})"
        if self.holds == self.counted:
            return f"{self.word} ({'both' if self.counted == 2 else f'all {self.counted}'} checks hold{but})"
        return f"{self.word} ({self.holds} of {self.counted} checks hold{but})"


def rating(findings: Iterable[Finding]) -> Rating:
    """How far a map can be relied on.

    It is not to be relied on where a check fails that tells right maps from wrong ones, or none holds.

    Example:
        >>> rating(wb.assess(clf, item, att)).sentence
        'Lean on it a little (1 of 2 checks hold)'
    """
    answers = {f.name: f.verdict for f in findings if f.verdict != "not applicable"}
    counted = {
        name: verdict
        for name, verdict in answers.items()
        if name not in UNCOUNTED and (name != VETO or verdict == "fails")
    }
    holds, fails = (sum(verdict == word for verdict in counted.values()) for word in ("holds", "fails"))
    but = " and ".join(words for name, words in PROMISES.items() if answers.get(name) == "fails")
    if not counted:
        word = UNKNOWN
    elif fails or not holds:
        word = NOT_RELIED_ON
    else:
        word = LEAN if holds == len(counted) >= ENOUGH and not but else LITTLE
    return Rating(word, holds, fails, len(counted), but)


def in_sum(ratings: Mapping[str, Rating]) -> str:
    """What all maps of one image come to, by the titles of their methods; at least one map."""
    best = [title for title, rated in ratings.items() if rated.word == LEAN]
    if len(ratings) == 1:
        if best:
            return "On this image the map holds all its checks: as far as they reach, it shows the model's reason."
        return "On this image the map does not hold all its checks: do not take it as the reason."
    if not best:
        return "On this image no map holds all its checks: take none as the reason."
    names = best[0] if len(best) == 1 else f"{', '.join(best[:-1])} and {best[-1]}"
    hold, they, show = ("holds all its", "it", "shows") if len(best) == 1 else ("hold all their", "they", "show")
    return f"On this image {names} {hold} checks: as far as they reach, {they} {show} the model's reason."
