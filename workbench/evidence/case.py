"""One map under examination: its model, its image, its score, and how to make it again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.attribution import CHUNK, METHODS, Attribution, Method, Score, ScoreKind, attribute
from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.models import BASELINES, Classifier, Input, untouched

COARSE_GRID = 8
"""Cells an edge of the coarse grid: about that of a network's last layer, so every method can fill it."""

LEAST: Mapping[ScoreKind, float] = {"logit": 2e-3, "margin": 2e-3, "probability": 5e-4}
"""The least change of a score that counts: it moves no probability by more than a twentieth of a percent."""
QUIET = 0.2
"""Share of the largest change of the score that a fill must bring about to be heard: one that hardly changes the score
at all removes nothing that the model reads."""

FLAT = 1e-4
"""Share of the score below which a change would be rounding error."""
EVEN = 1e-12


@dataclasses.dataclass(frozen=True)
class Budget:
    """How much is spent.

    Attributes:
        steps: Steps of a deletion or insertion curve.
        marks: The steps at which random orders are asked about, the same from either end.
        orders: Random orders that the curves are held against. A random map beats all of them once in `orders` + 1
            times.
        stages: Stages of the model's randomisation.
        noises: Noisy inputs for the sensitivity.
        squares: Covered squares for the infidelity.
    """

    steps: int
    marks: tuple[int, ...]
    orders: int
    stages: int
    noises: int
    squares: int


BUDGETS = {
    "quick": Budget(steps=12, marks=(1, 4, 8, 11), orders=20, stages=3, noises=3, squares=32),
    "full": Budget(steps=20, marks=tuple(range(1, 20, 2)), orders=32, stages=8, noises=10, squares=64),
}


class Meter:
    """Turns evaluations into progress: each check fills its own part of the plan, however many it needs."""

    def __init__(self, plan: list[int], on_progress: Callable[[int, int], None] | None) -> None:
        self._plan, self._report = plan, on_progress
        self._start = self._room = self._inside = 0

    def begin(self, index: int) -> None:
        """Check `index` begins."""
        self._start, self._room, self._inside = sum(self._plan[:index]), self._plan[index], 0
        self.step(0)

    def step(self, evaluations: int) -> None:
        """So many inputs were asked about; what the callback raises stops the work."""
        self._inside = min(self._inside + evaluations, self._room)
        if self._report:
            self._report(self._start + self._inside, sum(self._plan))

    def end(self) -> None:
        """All is done."""
        if self._report:
            self._report(sum(self._plan), sum(self._plan))


FILLS = ("flat", "blur", "elsewhere")


@dataclasses.dataclass(frozen=True, eq=False)
class Fill:
    """What can stand in the place of removed pixels.

    Attributes:
        name: One of `FILLS`.
        values: (1, C, H, W).
        words: What it is, to follow "with".
    """

    name: str
    values: Tensor
    words: str


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A map with everything that a check may ask about.

    Attributes:
        classifier: The model.
        ready: What is explained, made ready for the model.
        attribution: The map.
        mask: Where the map should lie, (height, width) of the image; None where that is not known.
        names: The checks that are to be done.
        budget: How much may be spent.
        seed: For everything that is drawn.
        meter: Takes note of evaluations.
        background: The images that the map compares with, for methods that need them.
        replacing: Names of the fills that removed pixels are replaced with; all where empty.
        shared: What one check measured and another needs too.
    """

    classifier: Classifier
    ready: Input
    attribution: Attribution
    mask: NDArray[np.bool_] | None
    names: tuple[str, ...]
    budget: Budget
    seed: int
    meter: Meter
    background: tuple[ImageItem, ...] | None = None
    replacing: tuple[str, ...] = ()
    shared: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def method(self) -> Method:
        """The map's row in `METHODS`."""
        return METHODS[self.attribution.method]

    @cached_property
    def x(self) -> Tensor:
        """The image as input, (1, C, H, W)."""
        return self.ready.x[None].to(self.classifier.device)

    @property
    def lost(self) -> str | None:
        """Why the map cannot be made again, as a sentence; None where it can."""
        given = next(
            (name for name, value in self.attribution.params.items() if isinstance(value, str) and value == "given"),
            None,
        )
        if given:
            return f"The map cannot be made again: its {given} was given as an array, which a map does not keep."
        if self.method.background and self.background is None:
            return (
                "The map cannot be made again without the images that it compares with: hand them over as background."
            )
        return None

    @cached_property
    def replacement(self) -> tuple[Tensor, str]:
        """What replaces a removed pixel, (1, C, H, W), and its name: the map's own baseline, otherwise a blur."""
        name = self.attribution.params.get("baseline")
        if isinstance(name, str) and name in BASELINES:
            values = self.classifier.baseline(name, self.ready)
            words = f"the map's own baseline ({name})"
        else:
            values, words = self.classifier.baseline("blur", self.ready), "the blurred image"
        return torch.from_numpy(values)[None].to(self.classifier.device), words

    @cached_property
    def fills(self) -> tuple[Fill, ...]:
        """What may replace removed pixels, each defensible and none right for every model.

        A blur keeps how bright a place is, one colour draws an outline, and another place of the image brings its own
        content. What a model reads is gone with at least one of them.
        """
        own = self.attribution.params.get("baseline")
        if isinstance(own, str) and own in BASELINES and own != "blur":
            flat = Fill("flat", *self.replacement)
        else:
            flat = Fill("flat", self.x.mean((2, 3), keepdim=True).expand_as(self.x), "the image's mean colour")
        blur = torch.from_numpy(self.classifier.baseline("blur", self.ready))[None].to(self.classifier.device)
        half = self.x.shape[2] // 2, self.x.shape[3] // 2
        elsewhere = torch.roll(self.x, half, (2, 3))
        all_of_them = (
            flat,
            Fill("blur", blur, "the blurred image"),
            Fill("elsewhere", elsewhere, "other places of the image"),
        )
        return tuple(fill for fill in all_of_them if not self.replacing or fill.name in self.replacing)

    @cached_property
    def whole_fills(self) -> tuple[Fill, ...]:
        """`fills` in whole grey levels of 255, as an image file has them.

        Between those a model that was built to deceive can answer otherwise (Anders et al. 2020).
        """
        prep = self.classifier.preprocessing
        mean, std = (
            torch.tensor(numbers, dtype=torch.float32, device=self.x.device).view(-1, 1, 1)
            for numbers in (prep.mean, prep.std)
        )

        def whole(values: Tensor) -> Tensor:
            return (((values * std + mean) * 255).round() / 255 - mean) / std

        return tuple(
            fill if fill.name == "elsewhere" else dataclasses.replace(fill, values=whole(fill.values))
            for fill in self.fills
        )

    @cached_property
    def ranking(self) -> NDArray[np.float32]:
        """What speaks for the class most comes first: (H, W)."""
        return self.attribution.ranking

    @cached_property
    def fresh(self) -> Attribution:
        """The map, made again with its own settings.

        Raises:
            InputError: The background at hand is another.
        """
        made = self.again()
        if made.params.get("background_digest") != self.attribution.params.get("background_digest"):
            raise InputError("The map was made with another background: hand over the same images.")
        return made

    def generator(self, salt: int) -> np.random.Generator:
        """Random numbers for one purpose, whatever other checks were done before."""
        return np.random.default_rng([self.seed, salt])

    def stays(self, span: float) -> bool:
        """Whether a range of scores is none: rounding errors, or less than would matter to any decision.

        What an anomaly model gives has units of its own, of which no least change is known.
        """
        least = 0.0 if self.classifier.scored else LEAST[self.attribution.score]
        return span <= max(FLAT * max(abs(self.ends[0]), EVEN), least)

    @property
    def aim(self) -> Score:
        """The explained score."""
        against = self.attribution.params.get("against")
        return Score(
            self.attribution.score,
            self.attribution.target,
            None if against is None else self.classifier.index(str(against)),
        )

    def logits(self, x: Tensor) -> Tensor:
        """Logits (N, K) of at most a chunk of inputs (N, C, H, W), with the model left as it was."""
        with untouched(self.classifier), torch.inference_mode():
            logits = self.classifier.logits(x)
        self.meter.step(len(x))
        return logits

    def score(self, x: Tensor) -> Tensor:
        """The explained score, (N,), of at most a chunk of inputs (N, C, H, W)."""
        with torch.inference_mode():
            return self.aim.of(self.classifier, self.logits(x)).double()

    def scores(self, kept: Iterable[NDArray[np.bool_]], fill: Fill) -> NDArray[np.float64]:
        """Scores of the image with only the `kept` pixels, each (H, W), and the others filled, chunk by chunk."""
        parts: list[NDArray[np.float64]] = []
        chunk: list[NDArray[np.bool_]] = []

        def flush() -> None:
            masks = torch.from_numpy(np.stack(chunk))[:, None].to(self.x.device)
            parts.append(self.score(torch.where(masks, self.x, fill.values)).cpu().numpy())
            chunk.clear()

        for mask in kept:
            chunk.append(mask)
            if len(chunk) == CHUNK:
                flush()
        if chunk:
            flush()
        return np.concatenate(parts)

    @cached_property
    def ends(self) -> tuple[float, float]:
        """Score of the image, and of what replaces it."""
        both = self.score(torch.cat([self.x, self.replacement[0]])).tolist()
        return both[0], both[1]

    def again(
        self, classifier: Classifier | None = None, *, x: Tensor | None = None, seed: int | None = None
    ) -> Attribution:
        """The map recomputed with all of its own settings.

        Args:
            classifier: Another model in place of the case's own.
            x: Another input, (1, C, H, W), in place of the image's.
            seed: Another seed, for methods that draw.
        """
        old = self.attribution.params
        params: dict[str, Any] = {name: value for name, value in old.items() if name in self.method.params}
        # as many points as the map took: the models are compared, not the effort
        for name in ("n_steps", "samples"):
            if "evaluations" in old and name in params:
                params[name] = old["evaluations"]
        if seed is not None and "seed" in params:
            params["seed"] = seed
        steps = 0

        def tell(done: int, total: int) -> None:
            nonlocal steps
            now = round(self.method.cost * done / max(total, 1))
            self.meter.step(max(now - steps, 0))
            steps = max(now, steps)

        with torch.enable_grad():  # Captum's metrics call this without gradients
            return attribute(
                classifier or self.classifier,
                self.ready if x is None else dataclasses.replace(self.ready, x=x[0].cpu()),
                self.method.name,
                self.attribution.target,
                score=self.attribution.score,
                against=None if old.get("against") is None else str(old["against"]),
                background=self.background,
                on_progress=tell,
                **params,
            )


def strength(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """|values| of a map (C, H, W), summed over channels: (H, W)."""
    return np.abs(values).sum(0, dtype=np.float32)


def pooled(values: NDArray[np.floating], grid: int = COARSE_GRID) -> NDArray[np.float32]:
    """The means of (H, W) values over a grid of at most `grid` x `grid` cells."""
    shape = min(grid, values.shape[0]), min(grid, values.shape[1])
    return torch.nn.functional.adaptive_avg_pool2d(
        torch.from_numpy(np.ascontiguousarray(values, np.float32))[None], shape
    )[0].numpy()
