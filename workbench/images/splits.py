"""Split labelled images into training, validation and test images; copies, and images of one unit, stay together."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from workbench.errors import InputError
from workbench.images.item import ImageItem
from workbench.images.unit_deal import deal_units
from workbench.stats import joined

SPLITS = ("train", "validation", "test")
SHARES = {"test": 0.25, "validation": 0.15}
"""Of all images of a class; the rest trains."""
LEAST_OF_SPLIT = {"train": 3, "validation": 1}
"""Different images that every class needs in a split; the test split may lack one, which then has no figures."""


@dataclasses.dataclass(frozen=True)
class Deal:
    """Which image stands in which split.

    Attributes:
        splits: "train", "validation" or "test" for each of N images.
        how: Where the splits come from, in sentences.
        copies: Images that are byte for byte the same as one before them.
        leaked: Images of the validation and test split of which the training split holds a copy; 0 where the
            whole set was split here.
    """

    splits: tuple[str, ...]
    how: str
    copies: int
    leaked: int


def deal(items: Sequence[ImageItem], classes: Sequence[str], seed: int = 0, units: Sequence[int] | None = None) -> Deal:
    """Use a set's own splits, take a missing one from its training split, or split the whole set.

    Images are split class by class, in the order of a hash of their bytes, so that neither their names nor the order in
    which they lie on the disk matters, and copies go together; so do images of one unit, as `unit_deal.deal_units`
    deals them. Where a set has splits, images without one count as training images.

    Args:
        items: N readable images, each with a label.
        classes: All classes that there should be.
        seed: Another seed gives other splits.
        units: The number of each image's unit: those of one part or lot. Each image is one of its own where missing.

    Raises:
        InputError: A class has too few images, or too few units to be on every side.
    """
    own_splits = {item.split for item in items}
    training = {item.label for item in items if item.split in (None, "train")}
    lacking = [kind for kind in classes if kind not in training]
    if own_splits == {None}:
        missing, pool, how = list(SHARES), list(range(len(items))), _NONE
    elif lacking:
        missing, pool, how = list(SHARES), list(range(len(items))), _UNFIT.format(kind=lacking[0])
    else:
        missing = [name for name in SHARES if name not in own_splits]
        pool = [row for row, item in enumerate(items) if item.split in (None, "train")]
        how = _PARTLY.format(names=" and ".join(sorted(missing))) if missing else _OWN
    ids = [item.id for item in items]
    together = None if units is None else _with_copies(units, ids)
    if together is None or len(set(together)) == len(set(ids)):
        assignment = _assign(items, pool, missing, seed)
    else:
        assignment = _assign_units(items, pool, missing, seed, together)
    splits = tuple(assignment.get(row) or item.split or "train" for row, item in enumerate(items))
    _check(items, splits, classes, missing, together)
    trained = {digest for digest, split in zip(ids, splits, strict=True) if split == "train"}
    leaked = sum(digest in trained and split != "train" for digest, split in zip(ids, splits, strict=True))
    if missing and together is not None and len(set(together)) < len(set(ids)):
        how = f"{how} {_together([splits[row] for row in pool], len({together[row] for row in pool}))}"
    return Deal(splits, how, len(ids) - len(set(ids)), leaked)


def _with_copies(units: Sequence[int], ids: Sequence[str]) -> list[int]:
    """Units of N images (N,), those joined that hold copies of one image."""
    number = {digest: place for place, digest in enumerate(dict.fromkeys(ids))}
    files = np.array([number[digest] for digest in ids], np.intp)
    return joined([files, np.asarray(units, np.intp)]).tolist()


def _assign_units(
    items: Sequence[ImageItem], pool: Sequence[int], missing: Sequence[str], seed: int, units: Sequence[int]
) -> Mapping[int, str]:
    """A split for every row of `pool`, all images of a unit in one."""
    if not missing:
        return {}
    pool_share = 1 - sum(share for name, share in SHARES.items() if name not in missing)
    shares = {name: SHARES[name] / pool_share for name in missing}
    shares["train"] = 1 - sum(shares.values())
    labels, digests = [str(items[row].label) for row in pool], [items[row].id for row in pool]
    return dict(zip(pool, deal_units(labels, [units[row] for row in pool], digests, shares, seed), strict=True))


def _together(splits: Sequence[str], units: int) -> str:
    """What whole units make of the shares, for the images that were dealt."""
    shares = ", ".join(f"{100 * splits.count(name) / len(splits):.0f} % {name}" for name in SPLITS if name in splits)
    return _TOGETHER.format(count=units, shares=shares)


def _assign(items: Sequence[ImageItem], pool: Iterable[int], missing: Sequence[str], seed: int) -> Mapping[int, str]:
    """A split for every row of `pool`, all copies of an image in one."""
    if not missing:
        return {}
    rows_of: dict[str, list[int]] = defaultdict(list)
    digests: dict[str, set[str]] = defaultdict(set)
    for row in pool:
        digest = items[row].id
        if not rows_of[digest]:  # the copies of an image go with the first, also those with another label
            digests[str(items[row].label)].add(digest)
        rows_of[digest].append(row)
    pool_share = 1 - sum(share for name, share in SHARES.items() if name not in missing)
    assignment = {}
    for kind in sorted(digests):
        order = sorted(digests[kind], key=lambda digest: hashlib.sha256(f"{seed} {digest}".encode()).digest())
        start = 0
        for name in missing:
            end = start + max(1, round(SHARES[name] / pool_share * len(order)))
            assignment.update({row: name for digest in order[start:end] for row in rows_of[digest]})
            start = end
        assignment.update({row: "train" for digest in order[start:] for row in rows_of[digest]})
    return assignment


def _check(
    items: Sequence[ImageItem],
    splits: Sequence[str],
    classes: Sequence[str],
    missing: Sequence[str],
    units: Sequence[int] | None,
) -> None:
    """Refuse a class with too few different images or units, the smallest first."""
    dealt_from = {"train", *missing}
    needed = sum(LEAST_OF_SPLIT.get(name, 1) for name in dealt_from)
    for name in LEAST_OF_SPLIT:
        in_split: dict[str, set[str]] = {kind: set() for kind in classes}
        in_pool: dict[str, set[str]] = {kind: set() for kind in classes}
        for item, split in zip(items, splits, strict=True):
            in_split[str(item.label)] |= {item.id} if split == name else set()
            in_pool[str(item.label)] |= {item.id} if split in dealt_from else set()
        kind = min(classes, key=lambda kind: len(in_split[kind]))
        if len(in_split[kind]) >= LEAST_OF_SPLIT[name]:
            continue
        have, want, where = len(in_split[kind]), LEAST_OF_SPLIT[name], f" in the {name} split"
        if missing and name in dealt_from:
            have, want, where = len(in_pool[kind]), needed, ""
            if units is not None and have >= want:
                raise InputError(
                    f"The {have} images of the class {kind!r} belong to so few parts or groups, each of which stays on"
                    " one side, that the class cannot be in both training and validation: add images of other parts, or"
                    " leave the class out."
                )
        raise InputError(
            f"The class {kind!r} has too few images{where} ({have} different ones that can be read): it needs at least"
            f" {want}, so add some or leave the class out."
        )


_OWN = "The splits are the set's own."
_NONE = "The set has no splits, so it was split class by class: 60 % training, 15 % validation, 25 % test."
_UNFIT = (
    "**The whole set was split again**, class by class: 60 % training, 15 % validation, 25 % test. Its own training"
    " split has no image of the class {kind}, so no model could learn that class from it (in the MVTec AD layout only"
    " good parts train). The figures below cannot be compared with results published for the set's own splits."
)
_TOGETHER = (
    "Images that were dealt here and show one part, or come from one group, stand on one side: they form {count:,}"
    " units and came out as {shares}."
)
_PARTLY = (
    "The set has no {names} split, so images were taken from its training split, class by class. All else is the set's"
    " own."
)
