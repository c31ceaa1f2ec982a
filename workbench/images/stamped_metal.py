"""The synthetic set stamped-metal: which parts it has, and how they are written to a folder or kept for this user.

Its ground truth is planted. Some parts carry an inspection stamp at the bottom right, always drawn without regard to
the class in the test split; in the other splits a set may be asked for in which the stamp goes with one class, as a
shortcut for a model to take.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.errors import InputError
from workbench.files import CACHE_VARIABLE, cache_folder, to_csv
from workbench.images.stamped_part import CAMERAS, FINISH, LABELS, LIGHTS, Part, draw

NAME = "stamped-metal"
EDITION = 1
"""Goes up with every change of what is drawn, so that no image of an older drawing passes for one of a newer."""
SPLIT_SHARES = {"train": 0.6, "validation": 0.15, "test": 0.25}
STAMPED = 0.3
"""Share of parts with a stamp where it means nothing."""
STORED = 600
"""Parts in the set that goes by its name alone."""
MOST_PARTS, SIZES, SEEDS = 90_000, (32, 2048), 2**32
"""Bounds: parts of a set, edge lengths in pixels, seeds."""
DRAWN_AT_ONCE = 32
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Plan:
    """A set that can be drawn: the same plan is the same set, to the last bit.

    Attributes:
        count: Parts, spread evenly over the labels.
        size: Edge length in pixels.
        seed: A whole number from 0.
        stamp_with: The label that the stamp goes with in the splits train and validation; None where with none.
        stamp_share: Share of those parts that carry a stamp; of all others 1 - `stamp_share` do.
    """

    count: int = STORED
    size: int = 128
    seed: int = 0
    stamp_with: str | None = None
    stamp_share: float = 0.95

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST_PARTS:
            raise InputError(f"A set of {self.count} images cannot be made: ask for 1 to {MOST_PARTS:,}.")
        if not SIZES[0] <= self.size <= SIZES[1]:
            raise InputError(f"Images of {self.size} pixels cannot be made: ask for {SIZES[0]} to {SIZES[1]}.")
        if not 0 <= self.seed < SEEDS:
            raise InputError(f"The seed {self.seed} cannot be used: give a whole number from 0 to {SEEDS - 1}.")
        if self.stamp_with is not None and self.stamp_with not in LABELS:
            raise InputError(f"The stamp cannot go with {self.stamp_with!r}: choose one of {', '.join(LABELS)}.")
        if not 0 <= self.stamp_share <= 1:
            raise InputError(f"The stamp's share {self.stamp_share} is not a share: give a number from 0 to 1.")

    @property
    def token(self) -> str:
        """Six letters that tell this plan from others; they begin the name of each of its images."""
        return hashlib.sha256(f"{EDITION} {self}".encode()).hexdigest()[:6]

    def parts(self) -> list[tuple[str, Part]]:
        """Split and description of each part, in the order of the set.

        Splits are shared out within each label, stamps within each label and split; all else is drawn without regard to
        the label.
        """
        rng = np.random.default_rng([self.seed])
        cases = [(split, label, bool(stamped)) for label in LABELS for split, stamped in self._cases(label, rng)]
        parts = []
        for number, place in enumerate(rng.permutation(len(cases))):
            split, label, stamped = cases[place]
            camera, lighting = str(rng.choice(list(CAMERAS))), str(rng.choice(list(LIGHTS)))
            line = int(rng.choice(list(FINISH)))
            parts.append((split, Part((self.seed, number), label, camera, lighting, line, stamped)))
        return parts

    def _cases(self, label: str, rng: np.random.Generator) -> Iterator[tuple[str, bool]]:
        """Split and stamp of each part with `label`."""
        total = (self.count - LABELS.index(label) - 1) // len(LABELS) + 1
        edges = np.floor(total * np.cumsum([0, *SPLIT_SHARES.values()]) + 0.5).astype(int)
        for split, many in zip(SPLIT_SHARES, np.diff(edges).tolist(), strict=True):
            share = STAMPED
            if self.stamp_with is not None and split != "test":
                share = self.stamp_share if label == self.stamp_with else 1 - self.stamp_share
            stamped = int(share * many + rng.random())
            yield from ((split, number < stamped) for number in range(many))


def draw_parts(
    plan: Plan, workers: int | None = None
) -> Iterator[tuple[str, Part, NDArray[np.uint8], NDArray[np.bool_]]]:
    """Draw a plan's parts in its order, by so many threads: split, description, image (S, S, 3) and mask (S, S)."""
    parts = plan.parts()
    images = _in_parallel(lambda number: draw(parts[number][1], plan.size), len(parts), workers)
    return ((split, part, *pair) for (split, part), pair in zip(parts, images, strict=True))


def make_set(
    folder: Path | str,
    *,
    count: int = 1200,
    size: int = 128,
    seed: int = 0,
    stamp_with: str | None = None,
    stamp_share: float = 0.95,
    workers: int | None = None,
) -> Iterator[tuple[int, int]]:
    """Write a set: `manifest.csv`, `images/` and `masks/`. Until all is drawn, nothing of it can be seen in `folder`.

    Args:
        folder: Where to; made where missing, and else empty.
        count: As in `Plan`, like `size`, `seed`, `stamp_with` and `stamp_share`.
        size: Edge length in pixels.
        seed: The same seed gives the same bytes, whatever the number of workers.
        stamp_with: The label that the stamp goes with outside of the test split.
        stamp_share: Share of those parts that carry one.
        workers: Threads; as many as there are cores where missing.

    Yields:
        How many parts are drawn, and of how many.

    Raises:
        InputError: At the first step: a number is out of bounds, or the folder is not empty or cannot be written to.
    """
    plan, folder = Plan(count, size, seed, stamp_with, stamp_share), Path(folder)
    _check_folder(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-", ignore_cleanup_errors=True) as made:
        yield from _write(plan, Path(made), workers)
        # A manifest whose images are missing is refused, images without their manifest would pass for a set: so it goes
        # first.
        for name in ("manifest.csv", "masks", "images"):
            os.replace(Path(made, name), folder / name)


def stored_set(seed: int = 0) -> Path:
    """The folder of the set of `STORED` parts with this seed, drawn on first use (seconds) and kept for this user.

    It lies in the user's cache folder, or in the one that the environment variable WORKBENCH_CACHE names. Two processes
    that ask at once both draw it, and the first to be done wins.

    Raises:
        InputError: The seed is out of bounds, or the folder cannot be written to.
    """
    folder = set_folder(seed)
    if (folder / "manifest.csv").is_file():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-", ignore_cleanup_errors=True) as made:
            for _ in make_set(Path(made, "set"), count=STORED, seed=seed):
                pass
            if not _move(Path(made, "set"), folder) and not (folder / "manifest.csv").is_file():
                shutil.rmtree(folder, ignore_errors=True)  # what a clean-up of the cache left of it
                os.rename(Path(made, "set"), folder)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise InputError(
            f"{NAME} cannot be kept in {folder.parent} ({why}): name another folder in {CACHE_VARIABLE}."
        ) from None
    return folder


def set_folder(seed: int) -> Path:
    """Where `stored_set` keeps the set with this seed."""
    return cache_folder() / "sets" / f"{NAME}-{seed}-{Plan(STORED, seed=seed).token}"


def seed_of(ref: str) -> int | None:
    """The seed that `ref` asks for, as "stamped-metal:SEED"; None where it names something else.

    Raises:
        InputError: The seed is not a number.
    """
    name, colon, seed = ref.partition(":")
    if name != NAME or not colon:
        return None
    if not (seed.isascii() and seed.isdecimal() and len(seed) < 12):
        raise InputError(f"{ref!r} names no seed: give a whole number after the colon, as in {NAME}:7.")
    return int(seed)


def _move(made: Path, folder: Path) -> bool:
    """Whether `made` now is `folder`; not so where another process was faster."""
    try:
        os.rename(made, folder)
    except OSError:
        if not folder.exists():
            raise
        return False
    return True


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        full = next(folder.iterdir(), None) is not None
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{folder} is or lies below a file: name a folder.") from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"The folder {folder} cannot be made ({getattr(error, 'strerror', None) or error}): name another."
        ) from None
    if full:
        raise InputError(f"The folder {folder} is not empty: name a new one.")
    if not os.access(folder, os.W_OK):
        raise InputError(f"The folder {folder} cannot be written to: name another.")


def _write(plan: Plan, folder: Path, workers: int | None) -> Iterator[tuple[int, int]]:
    """Write a plan's images, masks and manifest, with progress."""
    parts = plan.parts()
    for name in ("images", "masks"):
        (folder / name).mkdir()
    header = ("image", "label", "split", "mask", "camera", "lighting", "line", "stamp", "synthetic")
    rows: list[tuple[object, ...]] = []

    def keep(number: int) -> tuple[str, str]:
        pixels, mask = draw(parts[number][1], plan.size)
        names = f"images/{plan.token}-{number:05}.png", f"masks/{plan.token}-{number:05}.png" if mask.any() else ""
        Image.fromarray(pixels).save(folder / names[0])
        if names[1]:
            Image.fromarray(mask).save(folder / names[1])
        return names

    for number, (image, mask) in enumerate(_in_parallel(keep, len(parts), workers)):
        split, part = parts[number]
        stamp = "bottom right" if part.stamped else "none"
        rows.append((image, part.label, split, mask, part.camera, part.lighting, part.line, stamp, "yes"))
        yield number + 1, len(parts)
    (folder / "manifest.csv").write_text(to_csv(header, rows), encoding="utf-8", newline="")


def _in_parallel(work: Callable[[int], T], total: int, workers: int | None) -> Iterator[T]:
    """`work` for each number below `total`, in order; in chunks, so that it stops soon after its caller does."""
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for start in range(0, total, DRAWN_AT_ONCE):
            yield from list(pool.map(work, range(start, min(start + DRAWN_AT_ONCE, total))))
