"""Which images stand for a set: its test split, a sample of it, a background to compare with."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from workbench.images.item import ImageItem, ImageSet

if TYPE_CHECKING:
    import pandas as pd

RULE = "as evenly over classes and splits as their sizes allow, by a digest of seed, image and name"
SAMPLE = 200
"""Images that stand for a set where all of them would take too long."""
T = TypeVar("T")


class Table(Protocol):
    """Predictions, as far as a sample looks at them."""

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each image, with name and split among the columns."""


def testing_items(images: ImageSet, table: Table | None) -> list[ImageItem]:
    """The test split, by the set itself or by the model's `table` of predictions; all images where there is none."""
    if table is not None and (table.frame["split"] == "test").any():
        names = set(table.frame["name"][table.frame["split"] == "test"])
        return [item for item in images if item.name in names]
    return [item for item in images if item.split == "test"] or list(images)


def of_split(items: Sequence[ImageItem]) -> str:
    """Words for where they come from."""
    return " of the test split" if all(item.split == "test" for item in items) else " of the set"


def digest(seed: int, *facts: object) -> bytes:
    """A random number of 32 bytes that depends only on a seed and on what is drawn, not on the alternatives."""
    return hashlib.sha256(" ".join(map(str, (seed, *facts))).encode()).digest()


def draw_sample(items: Sequence[ImageItem], most: int, seed: int) -> list[ImageItem]:
    """At most so many `items`, each equally likely, in their order; with the same `seed`, more contain fewer."""
    ranked = sorted(items, key=lambda item: digest(seed, item.name))
    names = {item.name for item in ranked[:most]}
    return [item for item in items if item.name in names]


def shuffle(items: Sequence[T], rng: np.random.Generator) -> list[T]:
    """All `items` in random order."""
    return [items[i] for i in rng.permutation(len(items))]


def pick(items: Sequence[T], most: int, rng: np.random.Generator) -> list[T]:
    """At most so many of the `items`, drawn at random, in their order."""
    return [items[i] for i in np.sort(rng.permutation(len(items))[:most])]


def evenly(items: Sequence[T], most: int) -> Sequence[T]:
    """At most so many `items`, spread over the whole, which is often sorted by class."""
    return [items[i * len(items) // most] for i in range(most)] if len(items) > most else items


def stratify(frame: pd.DataFrame, sample: int, seed: int) -> tuple[list[int], dict[str, object]]:
    """Draw equally many from each class in each split, or all that it has.

    Readable images are drawn, of the test split alone where there is one. A larger sample with the same seed holds the
    smaller one.

    Args:
        frame: That of `Predictions`, of N rows.
        sample: How many at most.
        seed: Any number; another one draws another sample.

    Returns:
        Positions in `frame`, ascending, and what to say of the sample.
    """
    readable = np.flatnonzero(frame["error"].isna().to_numpy()).tolist()
    splits, labels = frame["split"].tolist(), frame["label"].tolist()
    of_test = [i for i in readable if splits[i] == "test"]
    strata: dict[tuple[str | None, str | None], list[int]] = defaultdict(list)
    for i in of_test or readable:
        strata[labels[i], splits[i]].append(i)
    places: list[int] = []
    sizes: list[dict[str, object]] = []
    order = sorted(strata, key=lambda k: (len(strata[k]), *((part is None, part or "") for part in k)))
    for left, key in zip(range(len(strata), 0, -1), order, strict=True):
        ranked = sorted(strata[key], key=lambda i: digest(seed, frame["id"][i], frame["name"][i]))
        share = ranked[: (sample - len(places)) // left]
        places += share
        sizes.append({"label": key[0], "split": key[1], "drawn": len(share)})
    split = "test" if of_test else None
    return sorted(places), {
        "asked": sample,
        "drawn": len(places),
        "seed": seed,
        "split": split,
        "strata": sizes,
        "rule": RULE,
    }


def stratify_items(
    items: Sequence[ImageItem], labels: Sequence[str | None], splits: Sequence[str | None], sample: int, seed: int
) -> tuple[list[int], dict[str, object]]:
    """The same of images by their names, whose labels and splits are given."""
    import pandas as pd

    names = [item.name for item in items]
    return stratify(
        pd.DataFrame({"name": names, "id": names, "label": labels, "split": splits, "error": None}), sample, seed
    )
