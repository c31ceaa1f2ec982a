"""How stubborn a card is: under which other defensible settings each of its verdicts comes out otherwise."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from workbench.attribution import METHODS, Attribution, attribute
from workbench.errors import InputError
from workbench.evidence.card import examine
from workbench.evidence.case import FILLS
from workbench.evidence.finding import Finding, Verdict
from workbench.evidence.reliance import rating
from workbench.images import ImageItem
from workbench.models import BASELINES, Classifier, Input

Kind = Literal["replacement", "draws", "map seed", "baseline", "layer", "score"]
BY_REMOVAL = ("deletion", "insertion", "infidelity")
"""Checks that replace parts of the image."""
JUDGED = (*BY_REMOVAL, "randomisation")
"""Checks whose verdict says something about the map, and so is asked again."""
OF_ANOTHER_MAP = (*JUDGED, "completeness")
"""What is asked of a map that is made again under another setting: its sum is another too."""
MORE_SEEDS = 2
SETTING_WORDS: Mapping[Kind, str] = {
    "replacement": "Removed regions replaced only with: {}",
    "draws": "Other random orders, squares and weights: seed {}",
    "map seed": "The map with another seed: {}",
    "baseline": "The map against another baseline: {}",
    "layer": "The map of another layer: {}",
    "score": "The map of another score: {}",
}
_FILL_WORDS = {"flat": "one colour", "blur": "a blur", "elsewhere": "other places of the image"}


@dataclasses.dataclass(frozen=True)
class Trial:
    """A card under one other setting.

    Attributes:
        kind: What is set otherwise.
        value: To what.
        verdicts: Those of the checks that the setting concerns, by name; none where the map could not be made.
        word: How far the map could be relied on by them and the verdicts that stay.
        error: Why there is no map under this setting, else empty.
    """

    kind: Kind
    value: str
    verdicts: Mapping[str, Verdict]
    word: str
    error: str

    @property
    def setting(self) -> str:
        """In words."""
        return SETTING_WORDS[self.kind].format(_FILL_WORDS.get(self.value, self.value))


@dataclasses.dataclass(frozen=True)
class Stubbornness:
    """A card beside the same card under other settings, each as defensible.

    Attributes:
        verdicts: Those of the card, of `JUDGED` checks that apply, by name.
        word: How far the map can be relied on by the card.
        trials: One for each other setting.
    """

    verdicts: Mapping[str, Verdict]
    word: str
    trials: tuple[Trial, ...]

    def flips(self, check: str) -> tuple[int, int]:
        """Under how many other settings the verdict of a check comes out otherwise, and of how many that concern it."""
        others = [
            trial.verdicts[check] for trial in self.trials if trial.verdicts.get(check, "not applicable") in ANSWERS
        ]
        return sum(verdict != self.verdicts[check] for verdict in others), len(others)

    @property
    def turns(self) -> tuple[int, int]:
        """Under how many other settings the word for the whole map is another, and of how many."""
        words = [trial.word for trial in self.trials if not trial.error]
        return sum(word != self.word for word in words), len(words)

    @property
    def rows(self) -> list[dict[str, str]]:
        """One row a setting, the card itself first: its verdicts by check, the word, and why there is no map."""
        own = {"setting": "As shown", **self.verdicts, "in sum": self.word, "no map": ""}
        return [own] + [
            {
                "setting": trial.setting,
                **{name: trial.verdicts.get(name, "") for name in self.verdicts},
                "in sum": trial.word,
                "no map": trial.error,
            }
            for trial in self.trials
        ]


ANSWERS: tuple[Verdict, ...] = ("holds", "doubtful", "fails")


def stubbornness(
    classifier: Classifier,
    item: ImageItem | Input,
    attribution: Attribution,
    findings: Sequence[Finding],
    *,
    background: Iterable[ImageItem] | None = None,
    budget: Literal["quick", "full"] = "quick",
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Stubbornness:
    """Ask a card again under each other defensible setting: each replacement alone, other random draws, and the map
    with another seed, baseline, layer or score.

    The settings are those there are, and no sample of anything: their share has no interval.

    Args:
        classifier: The model.
        item: The image.
        attribution: The map.
        findings: Its card, as `assess` gives it.
        background: As of `assess`.
        budget: As of `assess`, for each setting.
        seed: Of the card.
        on_progress: Called with how many settings are done, and of how many; what it raises stops the work.
    """
    ready = classifier.input(item)
    settings = list(_settings(classifier, attribution, seed))
    trials = []
    for done, (kind, value) in enumerate(settings):

        def tell(_: int, __: int, done: int = done) -> None:
            if on_progress is not None:
                on_progress(done, len(settings))

        tell(0, 0)
        try:
            made = attribution
            checks: Sequence[str] = BY_REMOVAL if kind == "replacement" else JUDGED
            if kind not in ("replacement", "draws"):
                checks = OF_ANOTHER_MAP
                made = _made(classifier, ready, attribution, kind, value, background, tell)
            again = list(
                examine(
                    classifier, ready, made,
                    checks=checks,
                    background=background,
                    budget=budget,
                    seed=int(value) if kind == "draws" else seed,
                    fills=[value] if kind == "replacement" else None,
                    on_progress=tell,
                )
            )  # fmt: skip
        except InputError as error:
            trials.append(Trial(kind, value, {}, "", str(error)))
            continue
        names = {finding.name for finding in again}
        whole = rating([*again, *(finding for finding in findings if finding.name not in names)])
        trials.append(Trial(kind, value, {finding.name: finding.verdict for finding in again}, whole.word, ""))
    own = {f.name: f.verdict for f in findings if f.name in JUDGED and f.verdict in ANSWERS}
    return Stubbornness(own, rating(findings).word, tuple(trials))


def _settings(classifier: Classifier, attribution: Attribution, seed: int) -> Iterator[tuple[Kind, str]]:
    """What else could have been chosen."""
    params = attribution.params
    for fill in FILLS:
        yield "replacement", fill
    for more in range(1, MORE_SEEDS + 1):
        yield "draws", str(seed + more)
    if any(isinstance(value, str) and value == "given" for value in params.values()):
        return  # an array that the map does not keep: it cannot be made again
    for more in range(1, MORE_SEEDS + 1) if "seed" in params else ():
        yield "map seed", str(int(params["seed"]) + more)  # type: ignore[call-overload]
    if params.get("baseline") in BASELINES:
        yield from (("baseline", name) for name in BASELINES if name != params["baseline"])
    if params.get("layer") in classifier.layers:
        names = list(classifier.layers)
        place = names.index(str(params["layer"]))
        yield from (("layer", names[i]) for i in (place - 1, place + 1) if 0 <= i < len(names))
    if params.get("against") is None:
        yield "score", "probability" if attribution.score == "logit" else "logit"


def _made(
    classifier: Classifier,
    ready: Input,
    attribution: Attribution,
    kind: Kind,
    value: str,
    background: Iterable[ImageItem] | None,
    tell: Callable[[int, int], None],
) -> Attribution:
    """The map with one setting changed."""
    method, old = METHODS[attribution.method], attribution.params
    params = {name: setting for name, setting in old.items() if name in method.params}
    if kind in ("baseline", "layer"):
        params[kind] = value
    if kind == "map seed":
        params["seed"] = int(value)
    return attribute(
        classifier,
        ready,
        method.name,
        attribution.target,
        score=value if kind == "score" else attribution.score,  # type: ignore[arg-type]
        against=None if old.get("against") is None else str(old["against"]),
        background=background,
        on_progress=tell,
        **params,
    )
