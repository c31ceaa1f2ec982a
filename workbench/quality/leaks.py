"""Leaks: images of one part, or of one stated group, on both sides of a split."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.images import SPLITS, ImageItem
from workbench.predictions import GROUP, Predictions, with_families
from workbench.quality.grading import GRADES
from workbench.quality.leak_figures import Cut, Excess, cuts_of, excess_of
from workbench.quality.same_part import Families

if TYPE_CHECKING:
    import pandas as pd

COMPARED_SPLITS = (("test", "train"), ("test", "validation"), ("validation", "train"))
"""The split that a figure is told of, and the one that it must not share a part with."""
SPLIT_WORDS = {"train": "training", "validation": "validation", "test": "test"}
SAME_PART, SHARED_GROUP = "part", "group"
"""What may stand on both sides: images of one part, or of one stated group."""
TWIN_COLUMNS = ("name", "label", "to", "to label", "agrees", "grade", "score")
PAIR_COLUMNS = (
    *("first", "second", "first split", "second split", "first label", "second label", "agrees"),
    *("grade", "score", "turn"),
)
Twin = tuple[str, str | None, float]
"""Of an image on the other side: its name, the grade of the likeness, and how great that is."""


@dataclasses.dataclass(frozen=True, eq=False)
class Side:
    """What one split shares with another, and what that does to the figures.

    Attributes:
        kind: `SAME_PART` or `SHARED_GROUP`.
        measured: The split whose figures are told.
        source: The split that they must not share a part with.
        size: How many images the measured split has.
        images: One row for each of its images that leaks: name, label, to (an image of the other split, the most
            alike), to label, agrees (whether both labels are the same; None where one is missing), grade (one of
            `GRADES`; None for a group) and score (likeness; NaN where the two were not compared).
        cuts: The figures as reported, without these images and on them alone; empty without predictions.
        excess: How much better the model is on them than on images of the same classes that do not leak; None without
            predictions.
    """

    kind: str
    measured: str
    source: str
    size: int
    images: pd.DataFrame
    cuts: tuple[Cut, ...] = ()
    excess: Excess | None = None

    @property
    def verdict(self) -> str:
        """ "none" (no leak), "unknown" (no predictions), or that of `Excess`."""
        if not len(self.images):
            return "none"
        return "unknown" if self.excess is None else self.excess.verdict

    @property
    def accuracy(self) -> Cut | None:
        """The accuracy over all images; None without predictions."""
        return self.cuts[0] if self.cuts else None

    @property
    def table(self) -> pd.DataFrame:
        """The figures as a table, one row a figure and cut."""
        import pandas as pd

        return pd.DataFrame([cut.row() for cut in self.cuts])


@dataclasses.dataclass(frozen=True, eq=False)
class Leaks:
    """What stands on both sides of the splits of a set.

    Attributes:
        sides: One for each kind and two splits that the set has.
        pairs: One row for two images of one part in different splits: first, second, the split and label of each,
            agrees, grade, score and turn, as in `Families.pairs`; pairs that a chain alone joins have no score.
        groups: One row a stated group with images in more than one split: group, and how many images in each split.
        families: Whether it is known which images show one part.
        stated: Whether groups are stated.
        missing: Why nothing can be said of leaks, as a sentence; empty where the set has two splits to compare.
    """

    sides: tuple[Side, ...]
    pairs: pd.DataFrame
    groups: pd.DataFrame
    families: bool
    stated: bool
    missing: str = ""

    def side(self, kind: str, measured: str, source: str) -> Side | None:
        """What two splits share, or None where one of them is not there or the kind is not known."""
        found = (s for s in self.sides if (s.kind, s.measured, s.source) == (kind, measured, source))
        return next(found, None)

    @cached_property
    def leaking(self) -> tuple[Side, ...]:
        """The sides with a leak."""
        return tuple(side for side in self.sides if len(side.images))


def leaks(
    items: Iterable[ImageItem],
    families: Families | None = None,
    predictions: Predictions | None = None,
    *,
    similar: bool = False,
) -> Leaks:
    """Find what stands on both sides of a split.

    An image leaks where its family, all images of one part, has an image on the other side; so does one whose stated
    group has. The two are told apart: a group on both sides is a lot or module that the model has seen, not the part.

    Args:
        items: N images.
        families: Which of them show one part; None where that was not looked for.
        predictions: What a model says of them; without it no figures are given.
        similar: Whether pairs graded "very similar" count as one part too.

    Raises:
        InputError: There are no images.
    """
    images = {item.name: item for item in items}
    if not images:
        raise InputError("There are no images to compare: choose a set that holds some.")
    counts = Counter(item.split for item in images.values())
    groups = {name: str(item.attributes[GROUP]) for name, item in images.items() if GROUP in item.attributes}
    likeness = {} if families is None else _likeness(families, images, similar)
    ties: dict[str, Mapping[str, str]] = {}
    if families is not None:
        ties[SAME_PART] = {name: family for name, family in families.by_name.items() if name in images}
    if groups:
        ties[SHARED_GROUP] = groups
    if predictions is not None and families is not None:
        predictions = with_families(predictions, families.by_name)
    there = [(measured, source) for measured, source in COMPARED_SPLITS if counts[measured] and counts[source]]
    sides = [
        _side(kind, measured, source, images, tie, likeness if kind == SAME_PART else {}, predictions)
        for kind, tie in ties.items()
        for measured, source in there
    ]
    return Leaks(
        tuple(sides),
        _pairs(images, families, [side for side in sides if side.kind == SAME_PART], similar),
        _groups(images, groups),
        families is not None,
        bool(groups),
        "" if there else _missing(counts),
    )


def _missing(counts: Counter[str | None]) -> str:
    stated = [split for split in SPLITS if counts[split]]
    if not stated:
        return (
            "No image says which split it belongs to, so nothing can be said of leaks: state a split for each image (a"
            " column split, or folders train and test)."
        )
    return (
        f"All images with a split are of the {SPLIT_WORDS[stated[0]]} split, so nothing can be said of leaks: add the"
        " images that the model was trained on, or those that it is reported on."
    )


def _likeness(families: Families, images: Mapping[str, ImageItem], similar: bool) -> dict[str, list[Twin]]:
    """For each image those that it was compared with and resembles, by name, grade and likeness."""
    twins: dict[str, list[Twin]] = defaultdict(list)
    pairs = families.pairs
    if not len(pairs):
        return twins
    for first, second, grade, score in pairs[["first", "second", "grade", "score"]].itertuples(index=False):
        if first in images and second in images and (similar or grade != GRADES[-1]):
            twins[first].append((second, grade, float(score)))
            twins[second].append((first, grade, float(score)))
    return twins


def _side(
    kind: str,
    measured: str,
    source: str,
    images: Mapping[str, ImageItem],
    tie: Mapping[str, str],
    likeness: Mapping[str, Sequence[Twin]],
    predictions: Predictions | None,
) -> Side:
    import pandas as pd

    others: dict[str, str] = {}
    for name in sorted(tie):
        if images[name].split == source:
            others.setdefault(tie[name], name)
    rows = []
    size = 0
    for name, item in images.items():
        if item.split != measured:
            continue
        size += 1
        twin = _twin(name, source, images, likeness, others.get(tie.get(name, "")) if name in tie else None)
        if twin is not None:
            to, grade, score = twin
            label, other = item.label, images[to].label
            rows.append((name, label, to, other, _agree(label, other), None if kind != SAME_PART else grade, score))
    leaked = pd.DataFrame(rows, columns=list(TWIN_COLUMNS)).astype({"agrees": object})
    side = Side(kind, measured, source, size, leaked)
    if predictions is None or not rows:
        return side
    agrees = dict(zip(leaked["name"], leaked["agrees"], strict=True))
    return dataclasses.replace(
        side, cuts=cuts_of(predictions, measured, agrees), excess=excess_of(predictions, measured, agrees)
    )


def _twin(
    name: str,
    source: str,
    images: Mapping[str, ImageItem],
    likeness: Mapping[str, Sequence[Twin]],
    member: str | None,
) -> Twin | None:
    """The most alike image of the other split; a member of the same family or group where none was compared."""
    order = {grade: place for place, grade in enumerate(GRADES)}
    direct = [twin for twin in likeness.get(name, ()) if images[twin[0]].split == source]
    if direct:
        return min(direct, key=lambda twin: (order.get(str(twin[1]), len(order)), -twin[2], twin[0]))
    return None if member is None else (member, GRADES[2], float("nan"))


def _agree(first: str | None, second: str | None) -> bool | None:
    return None if first is None or second is None else first == second


def _pairs(
    images: Mapping[str, ImageItem], families: Families | None, sides: Sequence[Side], similar: bool
) -> pd.DataFrame:
    """Every compared pair in two splits, and a pair for each leaking image that only a chain joins."""
    import pandas as pd

    if families is None:
        return pd.DataFrame(columns=list(PAIR_COLUMNS))
    rows = []
    joined: set[str] = set()
    for first, second, grade, score, turn in families.pairs[["first", "second", "grade", "score", "turn"]].itertuples(
        index=False
    ):
        if first not in images or second not in images or (grade == GRADES[-1] and not similar):
            continue
        splits = images[first].split, images[second].split
        if None not in splits and splits[0] != splits[1]:
            rows.append(
                _pair(images[first], images[second], grade, float(score), turn if isinstance(turn, str) else "")
            )
            joined |= {first, second}
    for side in sides:
        for name, to, grade in side.images[["name", "to", "grade"]].itertuples(index=False):
            if name not in joined:
                rows.append(_pair(images[name], images[to], grade, float("nan"), ""))
                joined |= {name, to}
    return pd.DataFrame(rows, columns=list(PAIR_COLUMNS)).astype({"agrees": object})


def _pair(first: ImageItem, second: ImageItem, grade: str, score: float, turn: str) -> tuple[object, ...]:
    facts = first.split, second.split, first.label, second.label, _agree(first.label, second.label)
    return first.name, second.name, *facts, grade, score, turn


def _groups(images: Mapping[str, ImageItem], groups: Mapping[str, str]) -> pd.DataFrame:
    import pandas as pd

    counts: dict[str, Counter[str | None]] = defaultdict(Counter)
    for name, group in groups.items():
        counts[group][images[name].split] += 1
    rows = [
        (group, *(count[split] for split in SPLITS))
        for group, count in sorted(counts.items())
        if sum(bool(count[split]) for split in SPLITS) > 1
    ]
    return pd.DataFrame(rows, columns=["group", *SPLITS])
