"""The plan of an agreement study: which parts, who inspects them how often, in which order, with and without maps."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError

NO_MAPS, WITH_MAPS = "without", "with"
"""The arms: decisions without a map, and with one."""
ARM_TITLES = {NO_MAPS: "without maps", WITH_MAPS: "with maps", "": ""}
MOST_STUDY_PARTS, MOST_INSPECTORS, MOST_TRIALS, LONGEST_INSPECTOR = 500, 30, 10, 80
MOST_WASHOUT = 365
"""Days."""


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a study, shown by one image.

    Attributes:
        name: The image's name in its set.
        image: SHA-256 of the image's file, in hex.
        defect: Whether its label, the reference of the study, is a defect.
        borderline: Whether it was drawn for lying near the threshold.
        score: The model's probability of a defect.
    """

    name: str
    image: str
    defect: bool
    borderline: bool
    score: float


@dataclasses.dataclass(frozen=True)
class Look:
    """One decision that is asked for.

    Attributes:
        session: From 1; in each session each part is shown once.
        number: Its place in the session, from 1.
        part: Where the part stands in the plan, from 0.
        arm: `NO_MAPS` or `WITH_MAPS`.
        trial: How often the part was shown in this arm with it, from 1.
    """

    session: int
    number: int
    part: int
    arm: str
    trial: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """All that is settled before the first decision; its digest names the study and seals what follows.

    Attributes:
        title: What the study is called.
        inspectors: Who inspects, by name.
        parts: What they inspect.
        trials: How often each inspects each part in each arm.
        arms: One or both of `NO_MAPS` and `WITH_MAPS`.
        method: What makes the maps; empty without them.
        washout: Days that lie at least between two sessions of an inspector.
        seed: Of the orders in which parts are shown.
        model: Digest of the model whose maps are shown.
        model_name: How it is called.
        set_name: How the image set is called.
        positive: The classes that are defects.
        planned: When: UTC, ISO 8601.

    Raises:
        InputError: It cannot be a study; the message says why.
    """

    title: str
    inspectors: tuple[str, ...]
    parts: tuple[Part, ...]
    trials: int
    arms: tuple[str, ...]
    method: str
    washout: int
    seed: int
    model: str
    model_name: str
    set_name: str
    positive: tuple[str, ...]
    planned: str

    def __post_init__(self) -> None:
        names = [inspector.casefold() for inspector in self.inspectors]
        if not 1 <= len(names) <= MOST_INSPECTORS or len(set(names)) < len(names):
            raise InputError(f"A study has 1 to {MOST_INSPECTORS} inspectors of different names: correct the list.")
        if any(not name.strip() or len(name) > LONGEST_INSPECTOR or not name.isprintable() for name in self.inspectors):
            raise InputError(f"A name has 1 to {LONGEST_INSPECTOR} characters that can be printed: correct the list.")
        if not 2 <= len(self.parts) <= MOST_STUDY_PARTS or len({part.image for part in self.parts}) < len(self.parts):
            raise InputError(
                f"A study has 2 to {MOST_STUDY_PARTS} parts, each with an image of its own: choose others."
            )
        if len({part.defect for part in self.parts}) < 2:
            raise InputError("A study needs good parts and defective ones: choose images that hold both.")
        if not 1 <= self.trials <= MOST_TRIALS or not 0 <= self.washout <= MOST_WASHOUT:
            raise InputError(
                f"A study has 1 to {MOST_TRIALS} trials and at most {MOST_WASHOUT} days between sessions: correct them."
            )
        if self.arms not in ((NO_MAPS,), (NO_MAPS, WITH_MAPS)):
            raise InputError(f"The arms are {self.arms}: a study has decisions without maps, or both without and with.")

    @property
    def sessions(self) -> int:
        """How many sessions each inspector has."""
        return self.trials * len(self.arms)

    @property
    def text(self) -> str:
        """The plan as the text that its digest is taken over."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, ensure_ascii=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """SHA-256 of `text`, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def key(self) -> str:
        """What links call the study."""
        return self.digest[:16]


def plan_from(text: str) -> StudyPlan:
    """The plan that `StudyPlan.text` wrote.

    Raises:
        InputError: The text is none.
    """
    try:
        fields: dict[str, Any] = json.loads(text)
        parts = tuple(Part(**part) for part in fields.pop("parts"))
        fields |= {name: tuple(fields[name]) for name in ("inspectors", "arms", "positive")}
        return StudyPlan(parts=parts, **fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError("The plan of this study cannot be read: restore its file from a copy.") from None


def draw_parts(
    candidates: Sequence[Part],
    units: NDArray[np.intp],
    threshold: float,
    shares: Mapping[str, float],
    many: int,
    seed: int,
) -> tuple[Part, ...]:
    """Draw the parts of a study: one image a unit, so many of them defects, so many near the threshold.

    Args:
        candidates: N images that could be shown.
        units: (N,) which of them show one part or belong together: of each unit one image at most is drawn.
        threshold: On the score; near it is what has the nearest log-odds.
        shares: "defects", of all parts, and "borderline", of the defects and of the good parts alike; 0 to 1.
        many: How many parts.
        seed: Of the draw.

    Returns:
        The parts in an order that tells nothing.

    Raises:
        InputError: There are not so many defects or good parts in different units; the message says how many there are.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(candidates))
    drawn: list[Part] = []
    taken: set[int] = set()
    wanted = {True: round(many * shares["defects"])}
    wanted[False] = many - wanted[True]
    for defect in (True, False):
        pool = [i for i in order if candidates[i].defect is defect and int(units[i]) not in taken]
        of_unit = list({int(units[i]): i for i in pool}.values())
        if len(of_unit) < wanted[defect]:
            kind = "defects" if defect else "good parts"
            raise InputError(
                f"There are {len(of_unit):,} {kind} here that are different parts, and the plan asks for"
                f" {wanted[defect]:,}: plan fewer parts, or another share of defects."
            )
        near = sorted(of_unit, key=lambda i: abs(_log_odds(candidates[i].score) - _log_odds(threshold)))
        close = near[: round(wanted[defect] * shares["borderline"])]
        others = [i for i in of_unit if i not in set(close)][: wanted[defect] - len(close)]
        taken.update(int(units[i]) for i in (*close, *others))
        drawn += [dataclasses.replace(candidates[i], borderline=True) for i in close]
        drawn += [dataclasses.replace(candidates[i], borderline=False) for i in others]
    return tuple(drawn[i] for i in rng.permutation(len(drawn)))


def _log_odds(score: float) -> float:
    clipped = float(np.clip(score, 1e-6, 1 - 1e-6))
    return float(np.log(clipped / (1 - clipped)))


def schedule(plan: StudyPlan, inspector: str) -> tuple[Look, ...]:
    """All decisions of an inspector in their order, the same at every call.

    In each session each part comes once, in a new random order. Where there are two arms, half of the defects and half
    of the good parts, borderline or not, are shown without a map first and with one in the next session, the others
    the other way round; which half is drawn for each inspector.

    Raises:
        InputError: The plan knows no such inspector.
    """
    if inspector not in plan.inspectors:
        raise InputError("This study knows no inspector of that name: use the link that you were given.")
    rng = np.random.default_rng(_seed(plan, inspector))
    first = _halves(plan, rng)
    looks: list[Look] = []
    for session in range(plan.sessions):
        for number, part in enumerate(rng.permutation(len(plan.parts)).tolist(), 1):
            arm = plan.arms[(first[part] + session) % len(plan.arms)]
            looks.append(Look(session + 1, number, part, arm, session // len(plan.arms) + 1))
    return tuple(looks)


def _halves(plan: StudyPlan, rng: np.random.Generator) -> NDArray[np.intp]:
    """Which arm each part is shown in first, (N,)."""
    first = np.zeros(len(plan.parts), np.intp)
    strata: dict[tuple[bool, bool], list[int]] = {}
    for place, part in enumerate(plan.parts):
        strata.setdefault((part.defect, part.borderline), []).append(place)
    start = int(rng.integers(2))
    for places in strata.values():
        mixed = rng.permutation(places)
        first[mixed] = (np.arange(len(mixed)) + start) % len(plan.arms)
        start += len(mixed)
    return first


def _seed(plan: StudyPlan, inspector: str) -> list[int]:
    digest = hashlib.sha256(f"{plan.digest}\0{inspector}".encode()).digest()
    return [plan.seed, *digest[:16]]
