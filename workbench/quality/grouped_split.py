"""A grouped split: whole parts and groups on one side, proposed image by image."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import SHARES, SPLITS, ImageItem
from workbench.predictions import units_of_items
from workbench.quality.proposals import Proposal
from workbench.quality.same_part import Families

if TYPE_CHECKING:
    import pandas as pd

DEALT_SHARES = {"train": 1 - sum(SHARES.values()), **SHARES}
"""Of the images of each class, where the set has no splits whose sizes can be kept."""


@dataclasses.dataclass(frozen=True, eq=False)
class GroupedSplit:
    """Which split each image would have if no part and no group stood on both sides.

    Attributes:
        frame: One row an image, in order: name, label, unit (the number of what stays together), before and after (the
            split; None where none is stated before).
        kept: Whether units that stood in one split stay there, so that only the others are dealt again.
        lacking: Classes that a split would have no image of, as (split, class): there are too few parts or groups.
    """

    frame: pd.DataFrame
    kept: bool
    lacking: tuple[tuple[str, str], ...]

    @property
    def units(self) -> int:
        """How many units are dealt."""
        return int(self.frame["unit"].nunique())

    @property
    def moved(self) -> pd.DataFrame:
        """The images whose split changes: name, before and after."""
        frame = self.frame
        return frame.loc[frame["before"] != frame["after"], ["name", "before", "after"]].reset_index(drop=True)

    @property
    def counts(self) -> pd.DataFrame:
        """How many images of each class each split has before and after, one row a class."""
        import pandas as pd

        rows = []
        for label, part in self.frame.groupby("label", dropna=False, sort=True):
            row: dict[str, object] = {"class": label}
            for when in ("before", "after"):
                row |= {f"{split} {when}": int((part[when] == split).sum()) for split in SPLITS}
            rows.append(row)
        return pd.DataFrame(rows)


def grouped_split(
    items: Iterable[ImageItem], families: Families | None = None, *, anew: bool = False, seed: int = 0
) -> GroupedSplit:
    """Deal whole units, images that share a part or a stated group, to training, validation and test.

    Where the set has splits, a unit that lies in one of them stays there, and those on both sides are dealt, the
    largest first, each to that of its own splits which lacks most of its classes. So few images move, and the sizes of
    the splits and the shares of the classes stay as near to what they were as whole units allow. Copies of one file are
    one unit too. Images without a split count as training images where others have one. The deal depends on what the
    images hold and not on their names or order.

    Args:
        items: N images.
        families: Which of them show one part; None where that is not known.
        anew: Deal all units again, also those that lie in one split.
        seed: Another seed gives another deal among units that are alike.

    Raises:
        InputError: There are fewer units than splits.
    """
    import pandas as pd

    images = list(items)
    digests = [_digest(item, seed) for item in images]
    units = units_of_items(images, None if families is None else families.by_name)
    if len(np.unique(units)) < len(SPLITS):
        raise InputError(
            "There are fewer than three different parts or groups, so they cannot be dealt to training, validation and"
            " test: add images of other parts."
        )
    before = [item.split for item in images]
    kept = not anew and len({split for split in before if split}) > 1
    after = _deal(
        units, [item.label for item in images], [split or "train" for split in before] if kept else None, digests
    )
    labels = [item.label for item in images]
    result = pd.DataFrame({"name": [item.name for item in images], "label": pd.Series(labels, dtype=object)})
    result["unit"] = units
    result["before"] = pd.Series(before, dtype=object)
    result["after"] = pd.Series(after, dtype=object)
    return GroupedSplit(result, kept, _lacking(result))


def for_trained(split: GroupedSplit) -> list[str]:
    """The split that each image counts in, for a model that was trained on the split as it was before.

    A part or group of which the model was trained on an image is no test of it, wherever it is dealt now: all of its
    images count as training images. One that chose its threshold or its last epoch counts as validation at best. So
    nothing becomes a test image that was none before.
    """
    before = [SPLITS.index(name or SPLITS[0]) for name in split.frame["before"]]
    after = [SPLITS.index(name) for name in split.frame["after"]]
    units = split.frame["unit"].to_numpy(dtype=np.intp)
    used = np.full(int(units.max()) + 1, len(SPLITS) - 1)
    np.minimum.at(used, units, np.minimum(before, after))
    return [SPLITS[rank] for rank in used[units]]


def split_proposals(split: GroupedSplit) -> tuple[Proposal, ...]:
    """The moves of a grouped split as proposals, each with an image of the same unit that speaks for it."""
    partner: dict[int, dict[str | None, str]] = defaultdict(dict)
    for name, unit, before in split.frame[["name", "unit", "before"]].itertuples(index=False):
        partner[unit].setdefault(before, name)
    proposals = []
    for name, unit, before, after in split.frame[["name", "unit", "before", "after"]].itertuples(index=False):
        if before == after:
            continue
        other = next((there for where, there in partner[unit].items() if there != name and where != before), None)
        why = "dealt by part and group" if other is None else f"belongs with {other}, which stands in another split"
        proposals.append(Proposal(name, "split", before, after, why))
    return tuple(proposals)


def _digest(item: ImageItem, seed: int) -> str:
    """What the deal goes by: a digest of the bytes, and of the name alone where they cannot be read."""
    text = item.readable_id or f"unreadable {item.name}"
    return hashlib.sha256(f"{seed} {text}".encode()).hexdigest()


def _deal(
    units: NDArray[np.intp], labels: Sequence[str | None], splits: Sequence[str] | None, digests: Sequence[str]
) -> list[str]:
    """The split of each image: that of its unit where it has just one, else the one that lacks its classes most."""
    kinds = {label: place for place, label in enumerate(sorted({str(label) for label in labels}))}
    codes = np.array([kinds[str(label)] for label in labels])
    whole = np.bincount(codes, minlength=len(kinds))
    if splits is None:
        names = list(SPLITS)
        target = np.outer([DEALT_SHARES[name] for name in names], whole)
    else:
        names = [name for name in SPLITS if name in splits]
        target = np.array([np.bincount(codes[_is(splits, name)], minlength=len(kinds)) for name in names], float)
    members: dict[int, list[int]] = defaultdict(list)
    for row, unit in enumerate(units.tolist()):
        members[unit].append(row)
    own = {unit: {splits[row] for row in rows} for unit, rows in members.items()} if splits is not None else {}
    filled = np.zeros_like(target)
    choice: dict[int, int] = {}
    for unit, there in own.items():
        if len(there) == 1:
            choice[unit] = names.index(next(iter(there)))
            filled[choice[unit]] += np.bincount(codes[members[unit]], minlength=len(kinds))
    rest = [unit for unit in members if unit not in choice]
    rest.sort(key=lambda unit: (-len(members[unit]), sorted(digests[row] for row in members[unit])))
    for unit in rest:
        counts = np.bincount(codes[members[unit]], minlength=len(kinds))
        allowed = [names.index(split) for split in names if unit not in own or split in own[unit]]
        choice[unit] = allowed[_emptiest(filled[allowed], target[allowed], counts)]
        filled[choice[unit]] += counts
    return [names[choice[unit]] for unit in units.tolist()]


def _is(splits: Sequence[str], name: str) -> NDArray[np.bool_]:
    return np.array([split == name for split in splits], dtype=bool)


def _emptiest(filled: NDArray[np.float64], target: NDArray[np.float64], counts: NDArray[np.int64]) -> int:
    """The split in which a unit brings the counts of its classes nearest to what they should be, by chi-square."""
    scale = np.maximum(target, 0.5)
    gain = ((filled + counts - target) ** 2 - (filled - target) ** 2) / scale
    return int(gain.sum(1).argmin())


def _lacking(frame: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    there = Counter(zip(frame["after"], frame["label"], strict=True))
    labels = sorted({str(label) for label in frame["label"] if label is not None})
    splits = [split for split in SPLITS if (frame["after"] == split).any() or not frame["before"].notna().any()]
    return tuple((split, label) for split in splits for label in labels if not there[split, label])
