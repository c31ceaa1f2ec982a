"""Does it matter? What covering a region of many pictures does to a model's answers, beside covering an equal area elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from workbench.bias.regions import Region
from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.metrics import Rate, wilson

if TYPE_CHECKING:
    import pandas as pd

    from workbench.classifier import Classifier

FILLS = {
    "patch": "texture from other places of the same picture",
    "exchange": "the same place of other pictures of the set",
    "mean": "the mean colour around it",
    "blur": "the picture itself, heavily blurred",
}
"""What a region is covered with. A patch leaves no mark of its own: a flat or blurred one may look like a defect."""
DRAWS = 4
"""How many times each picture's region, and as many other places of equal area, are covered."""
FLIPS = 4000
LARGEST = 1024
"""Pixels of the longer side to which larger pictures are shrunk first: covering a camera's full picture takes seconds."""
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Intervention:
    """What covering one region of N pictures does.

    Attributes:
        region: Which.
        fill: What with: one of `FILLS`.
        frame: One row a picture: name, label, target, before, after and elsewhere (the target's probability as it is, with the region
            covered, and with an equal area elsewhere covered, each the mean of `DRAWS` covers), called (the class before), turned and
            turned elsewhere (with which share of the covers the verdict changed).
        change: Mean of after - before, with its interval of 95 % (Student's t).
        elsewhere: Mean of elsewhere - before, likewise.
        effect: Mean of after - elsewhere, likewise: what the place adds to the mere loss of so much area.
        p: The chance of so large an effect if region and elsewhere were exchanged at random in each picture (Fisher's sign flips).
        turned: Share of the pictures whose verdict changes with the region covered, in at least half of the covers.
        turned_elsewhere: The same elsewhere.
    """

    region: Region
    fill: str
    frame: pd.DataFrame
    change: Rate
    elsewhere: Rate
    effect: Rate
    p: float
    turned: Rate
    turned_elsewhere: Rate


def intervene(
    classifier: Classifier,
    items: Sequence[ImageItem],
    region: Region,
    *,
    target: str | None = None,
    fill: str = "patch",
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Intervention:
    """Cover a region of each picture and ask again.

    The region elsewhere is the same shape shifted at random, what leaves the picture on one side coming back on the other, so that its
    area is the same to the pixel.

    Args:
        classifier: The model.
        items: N pictures; those that cannot be read are left out.
        region: What to cover, in the pixels of each picture.
        target: The class whose probability is watched; each picture's predicted class where missing.
        fill: One of `FILLS`.
        seed: Of the places elsewhere, the patches and the exchange.
        on_progress: Called with (done, total); what it raises stops the work.

    Raises:
        InputError: There is no such fill or class, fewer than two pictures can be read, or a mask is damaged.
    """
    if fill not in FILLS:
        raise InputError(f"There is no fill {fill!r}: choose {', '.join(FILLS)}.")
    column = None if target is None else classifier.index(target)
    rng, lines = np.random.default_rng(seed), []
    for done, item in enumerate(items):
        if on_progress:
            on_progress(done, len(items))
        try:
            pictures = _variants(item, items, region, fill, rng)
        except InputError:
            continue
        answers = _answers(classifier, pictures)
        called = classifier.rule.decide(answers)[0]
        watched = int(called[0]) if column is None else column
        lines.append((item, watched, answers[:, watched].astype(np.float64), called))
    if len(lines) < 2:
        raise InputError("Fewer than two of the chosen pictures can be read: choose other pictures.")
    if on_progress:
        on_progress(len(items), len(items))
    return _judged(region, fill, _frame(lines, classifier.class_names), rng)


def _frame(lines: Sequence[tuple[ImageItem, int, NDArray[np.float64], NDArray[np.intp]]], names: Sequence[str]) -> pd.DataFrame:
    """From, for each picture: the class that is watched, its probability and the verdict in all variants."""
    import pandas as pd

    watched, called = np.array([p for _, _, p, _ in lines]), np.array([c for *_, c in lines])
    turned = called[:, 1:] != called[:, :1]
    return pd.DataFrame(
        {
            "name": [item.name for item, *_ in lines],
            "label": [item.label for item, *_ in lines],
            "target": [names[column] for _, column, *_ in lines],
            "before": watched[:, 0],
            "after": watched[:, 1 : 1 + DRAWS].mean(1),
            "elsewhere": watched[:, 1 + DRAWS :].mean(1),
            "called": [names[column] for column in called[:, 0]],
            "turned": turned[:, :DRAWS].mean(1),
            "turned elsewhere": turned[:, DRAWS:].mean(1),
        }
    )


def _judged(region: Region, fill: str, frame: pd.DataFrame, rng: np.random.Generator) -> Intervention:
    before, after, elsewhere = (frame[name].to_numpy() for name in ("before", "after", "elsewhere"))
    effect = after - elsewhere
    null = np.abs((rng.integers(0, 2, (FLIPS, len(effect)), dtype=np.int8) * 2 - 1) @ effect)
    p = float((1 + (null >= abs(effect.sum()) - 1e-12).sum()) / (1 + FLIPS))
    turned = [wilson(int((frame[name] >= 0.5).sum()), len(frame)) for name in ("turned", "turned elsewhere")]
    return Intervention(region, fill, frame, mean_of(after - before), mean_of(elsewhere - before), mean_of(effect), p, *turned)


def mean_of(values: NDArray[np.float64]) -> Rate:
    """The mean of values (N,) with Student's interval of 95 %; `count` is the number below zero."""
    from scipy.stats import t

    size = len(values)
    half = float(t.ppf(0.975, size - 1) * values.std(ddof=1) / np.sqrt(size)) if size > 1 else float("nan")
    mean = float(values.mean())
    return Rate(mean, mean - half, mean + half, int((values < 0).sum()), size)


def _variants(item: ImageItem, others: Sequence[ImageItem], region: Region, fill: str, rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    """The picture as it is, with the region covered `DRAWS` times, and with as many other places covered; each (H, W, 3)."""
    whole, mask = item.open(), item.open_mask() if region.of_mask else None
    if max(whole.size) > LARGEST:
        whole.thumbnail((LARGEST, LARGEST))
        mask = None if mask is None else np.asarray(Image.fromarray(mask).resize(whole.size, Image.Resampling.NEAREST))
    picture = np.asarray(whole)
    height, width = picture.shape[:2]
    inside = region.on(height, width, mask)
    again = DRAWS if fill in ("patch", "exchange") else 1  # the others cover alike each time
    variants = [picture, *([covered(picture, inside, fill, others, rng) for _ in range(again)] * (DRAWS // again))]
    for _ in range(DRAWS):
        shift = int(rng.integers(height)), int(rng.integers(width))
        variants.append(covered(picture, np.roll(inside, shift, axis=(0, 1)), fill, others, rng))
    return variants


def covered(
    picture: NDArray[np.uint8], inside: NDArray[np.bool_], fill: str, others: Sequence[ImageItem], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A picture with a region covered, its edge feathered over 1/64 of the picture so that no seam shows.

    Args:
        picture: (H, W, 3).
        inside: (H, W), True where it is to be covered.
        fill: One of `FILLS`.
        others: Pictures to exchange with.
        rng: Which of them, and from where a patch comes.
    """
    from scipy.ndimage import binary_dilation, gaussian_filter

    height, width = inside.shape
    ring = binary_dilation(inside, iterations=max(min(inside.shape) // 16, 1)) & ~inside
    if not ring.any():
        ring = ~inside if not inside.all() else inside
    own = picture.astype(np.float32)
    if fill == "mean":
        cover = np.broadcast_to(own[ring].mean(0), own.shape)
    elif fill == "blur":
        cover = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(max(inside.shape) / 16)), np.float32)
    else:
        cover = _patch(own, rng) if fill == "patch" else _other(others, (width, height), rng)
        cover = cover + own[ring].mean(0) - cover[ring].mean(0)  # as bright as what surrounds the region
    alpha = gaussian_filter(inside.astype(np.float32), max(inside.shape) / 64)[..., None]
    return np.asarray((alpha * cover + (1 - alpha) * own).round().clip(0, 255).astype(np.uint8))


def _patch(own: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The picture (H, W, 3), shifted by at least a quarter each way."""
    return np.roll(own, [int(rng.integers(n // 4, max(n - n // 4, n // 4 + 1))) for n in own.shape[:2]], axis=(0, 1))


def _other(others: Sequence[ImageItem], size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    return np.asarray(others[int(rng.integers(len(others)))].open().resize(size, Image.Resampling.BILINEAR), np.float32)


def _answers(classifier: Classifier, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Probabilities (N, K) for N pictures (H, W, 3)."""
    import torch

    from workbench.classifier import untouched

    inputs = torch.stack([classifier.prepare(Image.fromarray(picture)) for picture in pictures])
    with untouched(classifier), torch.inference_mode():
        return np.asarray(classifier.logits(inputs).float().softmax(1).cpu().numpy())
