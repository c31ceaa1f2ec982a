"""Directions of concepts in a layer: what separates the activations of some images from those of others, and how a
class's score rises along it."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.models import BATCH

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.attribution import Score
    from workbench.models import Classifier

NEEDED = 8
"""Images that a concept needs, and the class."""
TRAINED_ON = 40
"""Images of a concept that one separator is trained on, and as many others."""
HELD = 0.25
"""Share of the images on which a separator of the rest is judged."""


class Ticks:
    """How far the work has come."""

    def __init__(self, total: int, on_progress: Callable[[int, int], None] | None) -> None:
        self._done, self._total, self._report = 0, total, on_progress

    def __call__(self, many: int) -> None:
        """Some more is about to be done."""
        if self._report:
            self._report(self._done, self._total)
        self._done += many

    def finish(self) -> None:
        """All is done."""
        self._done = self._total
        self(0)


@dataclasses.dataclass(frozen=True, eq=False)
class Activations:
    """M images in a layer: its activations and the class score's slopes, float32 (M, F), and the images' digests."""

    values: Tensor
    slopes: Tensor | None
    ids: tuple[str, ...]


def read_activations(
    classifier: Classifier, items: Sequence[ImageItem], layer: str, aim: Score | None, tick: Ticks
) -> Activations:
    """What a layer gives for those of the images that can be read; with the slopes of `aim` where there is one.

    Args:
        classifier: The model; left as it was.
        items: The images.
        layer: A name in `Classifier.layers`.
        aim: The score whose slopes to take.
        tick: Called before each batch with how many images it has.
    """
    import torch

    values: list[Tensor] = []
    slopes: list[Tensor] = []
    ids: list[str] = []
    for start in range(0, len(items), BATCH):
        part, inputs = items[start : start + BATCH], []
        tick(len(part))
        for item in part:
            try:
                inputs.append(classifier.prepare(item))
                ids.append(item.id)
            except InputError:
                continue
        if inputs:
            value, slope = _activation(classifier, torch.stack(inputs), layer, aim)
            values.append(value)
            slopes.extend([] if slope is None else [slope])
    nothing = torch.zeros(0, math.prod(classifier.layers[layer]))
    return Activations(torch.cat(values) if values else nothing, torch.cat(slopes) if slopes else None, tuple(ids))


def _activation(classifier: Classifier, x: Tensor, layer: str, aim: Score | None) -> tuple[Tensor, Tensor | None]:
    """What a layer gives for inputs (M, C, H, W), flat as Captum takes it, and the slope of a score to it."""
    import torch

    from workbench.models import untouched

    kept: list[Tensor] = []

    def cut(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_(aim is not None))
        return kept[0].clone()  # what follows may work in place

    with untouched(classifier), torch.inference_mode(False), torch.enable_grad():
        classifier.model.get_submodule(layer).register_forward_hook(cut)
        logits = classifier.logits(x)
        slope = None
        if aim is not None:
            score = aim.of(classifier, logits).sum()
            slope = torch.autograd.grad(score, kept, allow_unused=True)[0] if score.requires_grad else None
            slope = torch.zeros_like(kept[0]) if slope is None else slope
    return kept[0].detach().flatten(1).float().cpu(), None if slope is None else slope.flatten(1).float().cpu()


@dataclasses.dataclass(frozen=True, eq=False)
class Trial:
    """What came of one concept.

    Attributes:
        images: Of the concept, that can be read.
        left: Of the background, without the concept's.
        size: Images on each side of a separator; 0 where there are too few.
        own: Score, slope and accuracy of each repeat, (R, 3).
        random: The same of random concepts, without accuracy.
    """

    images: int
    left: int
    size: int
    own: NDArray[np.float64]
    random: NDArray[np.float64]


def measure(
    images: Activations,
    own: Activations,
    others: Activations,
    repeats: int,
    chances: int,
    rng: np.random.Generator,
    tick: Ticks,
) -> Trial:
    """Learn the directions of one concept, and of random ones, and follow the class's score along each.

    Args:
        images: The class's, with slopes.
        own: The concept's images.
        others: The background; those of the concept among it are left out.
        repeats: Separators of the concept.
        chances: Separators between random images and other random ones.
        rng: Deals the images.
        tick: Called before each separator.
    """
    free = np.flatnonzero([digest not in own.ids for digest in others.ids])
    size = min(len(own.ids), len(free) // 2, TRAINED_ON)
    if size < NEEDED:
        tick(repeats + chances)
        return Trial(len(own.ids), len(free), 0, np.zeros((0, 3)), np.zeros((0, 3)))
    pairs = []
    for _ in range(repeats):
        tick(1)
        mine, theirs = own.values[rng.permutation(len(own.ids))[:size]], others.values[rng.permutation(free)[:size]]
        pairs.append(_figures(images, mine, theirs, int(rng.integers(2**31)), True))
    chance = []
    for _ in range(chances):
        tick(1)
        places = rng.permutation(free)
        first, second = others.values[places[:size]], others.values[places[size : 2 * size]]
        chance.append(_figures(images, first, second, int(rng.integers(2**31)), False))
    return Trial(len(own.ids), len(free), size, np.array(pairs), np.array(chance))


class _Separator:
    """Captum's own linear separator, but seeded, judged on images held out, and then trained on all of them.

    Captum's shuffles by the global generator and trains on two thirds. This one's direction has length 1, so that
    slopes compare.
    """

    def __init__(self, seed: int) -> None:
        from sklearn.linear_model import SGDClassifier

        self._seed = seed
        self._model = SGDClassifier(alpha=0.01, max_iter=1000, tol=1e-3, random_state=seed)

    def train_and_eval(self, batches: Iterable[tuple[Tensor, Tensor]], judged: bool) -> dict[str, float]:
        from sklearn.model_selection import train_test_split

        parts = list(batches)
        x, y = (np.concatenate([part[side].numpy() for part in parts]) for side in (0, 1))
        accuracy = math.nan
        if judged:
            training, held, called, truth = train_test_split(x, y, test_size=HELD, stratify=y, random_state=self._seed)
            accuracy = float(self._model.fit(training, called).score(held, truth))
        self._model.fit(x, y)
        return {"accs": accuracy}

    def weights(self) -> Tensor:
        import torch

        direction = torch.from_numpy(self._model.coef_[0]).float()
        direction = direction / direction.norm().clamp(min=1e-12)
        return torch.stack([-direction, direction])

    def classes(self) -> list[int]:
        return self._model.classes_.tolist()


def _tangent() -> nn.Module:
    """A model that takes activations (M, F) and has given slopes: all of the classifier that Captum needs here."""
    from torch import nn

    class Tangent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.activation = nn.Identity()

        def forward(self, values: Tensor, slopes: Tensor | None = None) -> Tensor:
            values = self.activation(values)
            return (values if slopes is None else values * slopes).sum(1)

    return Tangent()


def _figures(
    images: Activations, concept: Tensor, others: Tensor, seed: int, judged: bool
) -> tuple[float, float, float]:
    """Score and slope of the class's images along the concept's direction, and its separator's accuracy."""
    import torch
    from captum.concept import TCAV, Concept

    assert images.slopes is not None
    pair = [Concept(0, "concept", [concept]), Concept(1, "other", [others])]  # names make paths: never those of a user
    inputs = (images.values.clone().requires_grad_(), images.slopes.clone().requires_grad_())
    with (
        tempfile.TemporaryDirectory(prefix="workbench-tcav-") as folder,
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        testing = TCAV(_tangent(), "activation", classifier=_Separator(seed), save_path=folder, judged=judged)
        figures = testing.interpret(inputs, [pair])["0-1"]["activation"]
        accuracy = testing.cavs["0-1"]["activation"].stats["accs"]
    return float(figures["sign_count"][0]), float(figures["magnitude"][0]), accuracy
