"""Right and wrong maps of a network whose place is known, each made by a method, so that making it again does not tell.

A wrong map takes the place of a method's implementation: the card makes it again on other weights, on noisy inputs and
with other seeds like any other.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import torch
from card_images import EDGE
from card_nets import Faked, as_input, wrapped
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from workbench.attribution import Attribution, attribute, engine
from workbench.attribution.job import Implementation, Job
from workbench.models import Classifier

METHODS_TRIED = (
    "integrated_gradients",
    "saliency",
    "input_x_gradient",
    "smoothgrad",
    "occlusion",
    "grad_cam",
    "layer_cam",
    "expected_gradients",
)
WRONG = (
    "noise",
    "clouds",
    "shifted",
    "other image",
    "other class",
    "other model",
    "edges",
    "centre",
    "faked",
    "blind CAM",
)
MOVING = ("colour", "texture")
"""Cues whose place differs from image to image."""
SLOTS = ("integrated_gradients", "input_x_gradient", "saliency", "grad_cam")
"""The methods whose place a wrong map takes."""
SETTINGS: dict[str, dict[str, object]] = {"occlusion": {"window": 0.125}}
RIGHT, OFF = 0.6, 0.25
"""Share of the positive values on the place that the score depends on, from which a map is right, and up to which, with
the same share of its strongest pixels, it is wrong. Between lie coarse maps, which are not counted."""

FAINT = 0.01
"""Gradient of a faked map where the network has none: large ones would move the score by the rounding of grey levels in
single precision, and so be the reason that they are to feign."""
PROMISED = 0.05
"""By how much a method may miss the sum that it promises: a map that misses it more is not right, wherever it lies."""


@dataclasses.dataclass(frozen=True)
class Around:
    """What wrong maps are made of: another image, another class, another network of the family."""

    image: NDArray[np.uint8]
    column: int | None
    model: Classifier


def kind_of(attribution: Attribution, place: NDArray[np.bool_]) -> str:
    """ "right", "wrong" or "between", by where the map lies; on a network that depends on nothing each map is wrong."""
    values = attribution.ranking.clip(0)
    if not values.any() or np.ptp(attribution.ranking) == 0:
        return "between" if place.any() else "empty"
    mass = values[place].sum() / values.sum()
    top = np.argsort(-values.ravel(), kind="stable")[: int(place.sum())]
    rank = place.ravel()[top].mean() if place.any() else 0.0
    if mass >= RIGHT and rank >= RIGHT:
        return "right" if (attribution.relative_delta or 0.0) <= PROMISED else "between"
    return "wrong" if mass <= OFF and rank <= OFF else "between"


@contextlib.contextmanager
def planted(slot: str, run: Callable[[Job], Tensor]) -> Iterator[None]:
    """A method that is another one meanwhile."""
    before = engine.IMPLEMENTATIONS
    engine.IMPLEMENTATIONS = {**before, slot: Implementation(run, before[slot].evaluations)}
    try:
        yield
    finally:
        engine.IMPLEMENTATIONS = before


def wrong(kind: str, slot: str, around: Around, place: NDArray[np.bool_], seed: int) -> Callable[[Job], Tensor] | None:
    """What a method of this kind gives; None where the network has no such thing."""
    genuine, rng = engine.IMPLEMENTATIONS[slot].run, np.random.default_rng([seed, WRONG.index(kind)])
    if kind == "shifted":
        step = _away(place, rng)
        return lambda job: torch.roll(genuine(job), step, (2, 3))
    if kind == "other image":
        x = as_input(around.image[None])
        return lambda job: genuine(dataclasses.replace(job, x=x))
    if kind == "other class":
        column = around.column
        if column is None:
            return None
        return lambda job: genuine(dataclasses.replace(job, forward=lambda z: job.classifier.logits(z)[:, column]))
    if kind == "other model":
        other = around.model
        return lambda job: genuine(dataclasses.replace(job, classifier=other, forward=lambda z: other.logits(z)[:, 1]))
    if kind == "edges":
        return lambda job: _as_map(_edges(job.x), job)
    fields = {
        "noise": lambda: rng.normal(size=(EDGE, EDGE)),
        "clouds": lambda: gaussian_filter(rng.normal(size=(EDGE, EDGE)), 5, mode="wrap") * 10,
        "centre": _centre,
    }
    values = torch.from_numpy(fields[kind]().astype(np.float32))[None, None]
    return lambda job: _as_map(values, job)


def _as_map(values: Tensor, job: Job) -> Tensor:
    """A field (1, 1, H, W) as the map of a job, summing to the score's change where the method promises that."""
    channels = 1 if job.method.family == "layer" else job.x.shape[1]
    made = values.expand(1, channels, -1, -1).clone()
    if job.method.complete and job.baseline is not None:
        with torch.no_grad():
            change = (job.forward(job.x) - job.forward(job.baseline)).item()
        positive = made.sum().item()
        made = made * (change / positive) if abs(positive) > 1e-6 else made
    else:
        made = made + 0 * job.forward(job.x).sum()
    return made


def _edges(x: Tensor) -> Tensor:
    down, across = np.gradient(x[0].mean(0).numpy())
    return torch.from_numpy(np.hypot(down, across).astype(np.float32))[None, None]


def _centre() -> NDArray[np.float64]:
    y, x = (np.mgrid[:EDGE, :EDGE] - (EDGE - 1) / 2) / (EDGE / 5)
    return np.exp(-(y**2 + x**2) / 2)


def _away(place: NDArray[np.bool_], rng: np.random.Generator) -> tuple[int, int]:
    """A shift around the edges after which the place meets itself least, of twenty."""
    steps = [(int(rng.integers(EDGE)), int(rng.integers(EDGE))) for _ in range(20)]
    return min(steps, key=lambda step: int((np.roll(place, step, (0, 1)) & place).sum()))


def far_before_gate(classifier: Classifier) -> str | None:
    """The first layer of a network whose gate stands behind the last: Grad-CAM spreads over what is blinded later."""
    return next((name for name in classifier.layers if name.startswith("heads")), None)


def faked(classifier: Classifier, place: NDArray[np.bool_], image: NDArray[np.uint8], seed: int) -> Classifier:
    """The network with gradients that point elsewhere, and the same answers on images of whole grey levels."""
    rng = np.random.default_rng([seed, 99])
    size = attribute(classifier, _pil(image), "saliency", 1).values.max()
    elsewhere = np.roll(place, _away(place, rng), (0, 1)) if place.any() else _centre() > 0.5
    pattern = float(size or FAINT) * rng.uniform(0.5, 1, (3, EDGE, EDGE)) * (3 + 5 * elsewhere) * ~place
    return wrapped(Faked(classifier.model, torch.from_numpy(pattern.astype(np.float32))).eval())


def _pil(image: NDArray[np.uint8]) -> object:
    from PIL import Image

    return Image.fromarray(image)
