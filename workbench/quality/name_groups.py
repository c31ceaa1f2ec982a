"""Ways to read groups out of the names of files, or out of their order, held against which images are alike."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.sets import groups_by

MOST_PROPOSED, LEAST_LIFT, NAME_DRAWS = 4, 2.0, 199
NAMES_THAT_FIT, IMAGES_JOINED, LEAST_NUMBERED = 0.8, 0.2, 5
"""The share of the names that a pattern must fit, and of the images that must share a group; and how many groups a
number after a telling word must make."""
BY_CHANCE = 0.01
TELLING = frozenset(
    (
        *("batch", "board", "case", "cell", "die", "id", "kos", "lot", "module", "num", "panel", "part", "patient"),
        *("piece", "plate", "sample", "serial", "sheet", "slide", "sn", "specimen", "strip", "subject", "tile"),
        *("unit", "wafer"),
    )
)
"""Words before a number that say what it counts: such a number is proposed whatever the images look like."""
_RUNS = re.compile(r"([0-9]+|[A-Za-z]+|[^0-9A-Za-z]+)")
Rows = Sequence[NDArray[np.intp]]


@dataclasses.dataclass(frozen=True)
class Proposed:
    """A way to read groups.

    Attributes:
        option: The option of the reading that takes it, such as "name:lot{group}_*" or "order:60".
        groups: How many groups that makes.
        images: Of how many images.
        shared: Which share of the most alike images are of one group.
        by_chance: The same if groups were dealt at random within class and folder.
        example: A name and its group.
    """

    option: str
    groups: int
    images: int
    shared: float
    by_chance: float
    example: tuple[str, str]

    @property
    def lift(self) -> float:
        """How many times as often as by chance alike images are of one group."""
        return self.shared / max(self.by_chance, 1e-9)

    @property
    def sentence(self) -> str:
        """What it makes, and why it is proposed."""
        name, group = self.example
        return (
            f"{self.groups:,} groups of {self.images:,} images by {self.option} ({name} is of {group}):"
            f" {100 * self.shared:.0f} % of the most alike images are of one group, {100 * self.by_chance:.1f} % by"
            " chance."
        )


def in_names(names: Sequence[str], strata: Rows, pairs: Rows, rng: np.random.Generator) -> list[Proposed]:
    """Patterns of names whose groups hold alike images, the most telling first.

    Args:
        names: Of N images.
        strata: The rows of the images that are compared with each other, one array a class and folder.
        pairs: The most alike others of each of them, (n, k), as numbers within the stratum.
        rng: Where the draws come from.
    """
    ways = [way for option in _patterns(names) if (way := _tried(option, names, strata, pairs, rng)) is not None]
    best = sorted(ways, key=lambda way: -way.lift)
    different = {(way.groups, way.images, round(way.shared, 6)): way for way in reversed(best)}
    return [way for way in best if different[(way.groups, way.images, round(way.shared, 6))] is way][:MOST_PROPOSED]


def in_blocks(
    names: Sequence[str], places: NDArray[np.intp], strata: Rows, pairs: Rows, rng: np.random.Generator
) -> list[Proposed]:
    """Blocks of files as long as alike images lie together.

    The length is that at which the alike images within that many files exceed what chance makes of them the most.
    """
    both = list(zip(strata, pairs, strict=True))
    gaps = np.concatenate([np.abs(places[part][:, None] - places[part][near]).ravel() for part, near in both])
    size = len(places)
    found = np.bincount(gaps, minlength=size).cumsum() / len(gaps)
    null = np.zeros(size)
    for _ in range(20):
        for part, near in both:
            own = rng.permutation(places[part])
            null += np.bincount(np.abs(own[:, None] - own[near]).ravel(), minlength=size) / len(gaps) / 20
    length = int((found - null.cumsum())[1:].argmax()) + 2
    way = _tried(f"order:{length}", names, strata, pairs, rng) if length < size // 2 else None
    return [] if way is None else [way]


def _tried(option: str, names: Sequence[str], strata: Rows, pairs: Rows, rng: np.random.Generator) -> Proposed | None:
    """The groups of an option where they hold alike images; None where they do not, or make no groups."""
    try:
        values = groups_by(names, option)
    except InputError:
        return None
    counts = Counter(value for value in values if value is not None)
    fits = sum(counts.values())
    joined = sum(count for count in counts.values() if count > 1)
    if fits < NAMES_THAT_FIT * len(names) or joined < IMAGES_JOINED * len(names) or len(counts) < 2:
        return None
    numbers = {value: number for number, value in enumerate(counts)}
    codes = np.array([-1 - row if value is None else numbers[value] for row, value in enumerate(values)])

    def shared(parts: Rows) -> float:
        same = [own[:, None] == own[near] for own, near in zip(parts, pairs, strict=True)]
        return float(np.concatenate([part.ravel() for part in same]).mean())

    own = shared([codes[part] for part in strata])
    null = np.array([shared([rng.permutation(codes[part]) for part in strata]) for _ in range(NAME_DRAWS)])
    p = (1 + (null >= own).sum()) / (1 + NAME_DRAWS)
    word = re.search(r"([a-z]+)[_\-. ]*\{group\}", option.lower())
    telling = word is not None and word[1] in TELLING and len(counts) >= LEAST_NUMBERED
    if not telling and (p > BY_CHANCE or own < LEAST_LIFT * null.mean()):
        return None
    row = next(row for row, value in enumerate(values) if value is not None and counts[value] > 1)
    example = PurePosixPath(names[row]).name, str(values[row])
    return Proposed(option, len(counts), fits, own, float(null.mean()), example)


def _patterns(names: Sequence[str]) -> list[str]:
    """Patterns with one number of the names, or their folder, as the group, by the commonest form of the names."""
    stems = [PurePosixPath(name).stem for name in names]
    forms = Counter(tuple("0" if run.isdigit() else run for run in _RUNS.findall(stem)) for stem in stems)
    several = [form for form, _ in forms.most_common(400)]
    lengths = Counter(map(len, several))
    if not lengths:
        return []
    length = max(lengths, key=lambda n: sum(forms[form] for form in several if len(form) == n))
    alike = [form for form in several if len(form) == length]
    fixed = [form[0] if len(set(form)) == 1 else None for form in zip(*alike, strict=True)]
    numbers = [place for place, run in enumerate(fixed) if run == "0"]
    if len(numbers) < 2 and all(run is not None for run in fixed):
        return []
    options = []
    for place in [place for place, run in enumerate(fixed) if run in ("0", None)]:
        text = "".join(_wild(run, at == place) for at, run in enumerate(fixed))
        options.append(f"name:{re.sub(r'[*]{2,}', '*', text)}")
    return options


def _wild(run: str | None, group: bool) -> str:
    if group:
        return "{group}"
    return "*" if run in ("0", None) else run
