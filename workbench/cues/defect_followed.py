"""Do decisions follow the defect? It is taken out of images, and put on good ones, where masks show where it lies."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.cues.cue_sample import LEAST_CALLED, Study
from workbench.cues.cuts import fitted
from workbench.errors import InputError
from workbench.images import Pixels, alike, tile
from workbench.stats import Rate, share

if TYPE_CHECKING:
    import pandas as pd

MOST_STAY = 0.5
"""From this share on, decisions that stay without the defect must be explained by something else."""
LARGEST = 0.25
"""Of the image that a defect covers at most: more cannot be patched from the same image."""
PATCH_TRIES = 20
"""How many places are looked at for a patch that shows nothing of the defect."""
REPEATS = 2
"""How many times each image is edited, by other patches or with other defects."""


@dataclasses.dataclass(frozen=True, eq=False)
class Followed:
    """Whether a class is decided by the defect that a mask shows.

    Attributes:
        target: The class, which is not the good one.
        stayed: The share of images called so that still are once their defect is patched away with their own texture.
        patched: The share of good images that are called so once they are patched likewise: what the patches alone do.
        pasted: The share of good images that are called so with the defect of such an image on them.
        frame: One row an edited image: name, unit, how ("stayed", "patched" or "pasted"), share (of its edits after
            which it is called `target`).
    """

    target: str
    stayed: Rate
    patched: Rate
    pasted: Rate
    frame: pd.DataFrame

    @property
    def known(self) -> bool:
        """Whether enough images could be edited, and patches alone leave most good images as they are."""
        return self.stayed.support >= LEAST_CALLED // 2 and (self.patched.value or 0) < MOST_STAY

    @property
    def stays(self) -> bool:
        """Whether decisions stay though the defect is gone: most of them, or clearly more than patches alone make."""
        more = (self.stayed.low or 0) > (self.patched.high if self.patched.high is not None else 1)
        return self.known and (more or (self.stayed.value or 0) >= MOST_STAY)


def followed(study: Study, on_progress: Callable[[int, int], None] | None = None) -> tuple[Followed, ...]:
    """For each class but the good one: what is left of its decisions without the defect, what the defect does.

    Both halves of the sample are looked at, as nothing is chosen by it. Nothing where fewer than half of the defective
    images have a mask, or no class is known to be good.

    Args:
        study: The sample.
        on_progress: Called with (done, total) classes; what it raises stops the work.
    """
    if study.good is None or not study.masks_known():
        return ()
    rng = np.random.default_rng([study.seed, *b"followed"])
    good = _called(study, study.good)
    targets = [name for name in study.classes if name != study.good]
    results = []
    for done, target in enumerate(targets):
        if on_progress:
            on_progress(done, len(targets))
        results.append(_followed(study, target, good, rng))
    return tuple(results)


def _called(study: Study, name: str) -> list[int]:
    return [*study.explored(name), *study.confirmed(name)]


def _followed(study: Study, target: str, good: Sequence[int], rng: np.random.Generator) -> Followed:
    import pandas as pd

    carriers = []
    for place in _called(study, target):
        try:
            image, mask = study.decoded(study.items[place])
        except InputError:
            continue
        if mask is not None and 0 < mask.mean() <= LARGEST:
            carriers.append((place, image, mask))
    lines = [(place, "stayed", _turned(study, target, image, [mask] * REPEATS, rng)) for place, image, mask in carriers]
    for place in good if carriers else ():
        try:
            image, shown = study.decoded(study.items[place])
        except InputError:
            continue
        if shown is not None and shown.any():
            continue
        donors = [carriers[int(i)] for i in rng.integers(0, len(carriers), REPEATS)]
        masks = [_scaled(mask, image) for _, _, mask in donors]
        lines.append((place, "patched", _turned(study, target, image, masks, rng)))
        laid = [_pasted(image, donor, mask) for (_, donor, _), mask in zip(donors, masks, strict=True)]
        lines.append((place, "pasted", _share(study, target, laid)))
    rows = [(study.items[i].name, int(study.units[i]), how, value) for i, how, value in lines if value is not None]
    frame = pd.DataFrame(rows, columns=["name", "unit", "how", "share"])
    stayed, patched, pasted = (_rate(frame[frame["how"] == how]) for how in ("stayed", "patched", "pasted"))
    return Followed(target, stayed, patched, pasted, frame)


def _rate(part: pd.DataFrame) -> Rate:
    return share(part["share"].to_numpy(np.float64) >= 0.5, part["unit"].to_numpy(np.intp))


def _turned(
    study: Study, target: str, image: Pixels, masks: Iterable[NDArray[np.bool_]], rng: np.random.Generator
) -> float | None:
    edited = [patched for mask in masks if (patched := without(image, mask, rng)) is not None]
    return _share(study, target, edited)


def _share(study: Study, target: str, images: Sequence[Pixels]) -> float | None:
    from workbench.models import ask

    if not images:
        return None
    try:
        decided = study.classifier.rule.decide(ask(study.classifier, images))[0]
    except InputError:
        return None
    return float((decided == study.classifier.index(target)).mean())


def without(image: Pixels, mask: NDArray[np.bool_], rng: np.random.Generator) -> Pixels | None:
    """An image (H, W, C) whose masked defect (H, W) is covered by texture from another place of it, as light as what
    lies around; None where no place of it shows as large an area free of the defect."""
    inside = near(mask)
    shifts = [tuple(int(rng.integers(n)) for n in mask.shape) for _ in range(PATCH_TRIES)]
    free = [shift for shift in shifts if not (np.roll(inside, shift, (0, 1)) & inside).any()]
    if not free:
        return None
    cover = np.roll(tile(image), free[0], (0, 1))
    ring = near(inside) & ~inside
    own = image.astype(np.float32)
    if ring.any():
        cover = cover + own[ring].mean(0) - cover[ring].mean(0)
    return _blended(own, cover, inside, image)


def _pasted(image: Pixels, donor: Pixels, mask: NDArray[np.bool_]) -> Pixels:
    """A defect on another image at the place where it was, its surroundings as light as they are there."""
    own, other = image.astype(np.float32), fitted(donor, image).astype(np.float32)
    ring = near(mask, 2) & ~near(mask)
    if ring.any():
        other = other * (own[ring].mean(0) / np.maximum(other[ring].mean(0), 1))
    return _blended(own, other, near(mask), image)


def _blended(own: NDArray[np.float32], cover: NDArray[np.float32], inside: NDArray[np.bool_], image: Pixels) -> Pixels:
    from scipy.ndimage import gaussian_filter

    alpha = gaussian_filter(inside.astype(np.float32), max(inside.shape) / 96)[..., None]
    return alike(alpha * cover + (1 - alpha) * own, image)


def near(mask: NDArray[np.bool_], times: int = 1) -> NDArray[np.bool_]:
    """(H, W) what a mask shows and a rim of `times` 1/32 of the longer side."""
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(mask, iterations=max(times * max(mask.shape) // 32, 1)))


def _scaled(mask: NDArray[np.bool_], image: Pixels) -> NDArray[np.bool_]:
    from PIL import Image

    if mask.shape == image.shape[:2]:
        return mask
    size = image.shape[1], image.shape[0]
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
