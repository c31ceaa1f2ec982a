"""Fine-tune an image classifier on a labelled image set, on whatever machine is at hand.

The loop is a generator of progress, like every long piece of work in this package, and it saves its whole state after
each epoch: an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from workbench.errors import InputError

WARM_UP = 0.2
"""Of all steps; with so few that not one whole step would warm up, none does."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to fine-tune. The defaults are those the shipped solar-cell model was trained with.

    Attributes:
        epochs: Passes over the training images.
        sizes: Edge lengths in pixels, one stage each; the epochs are shared out evenly (progressive resizing, Tan and
            Le 2021, "EfficientNetV2").
        batch: Images a step.
        rate: Peak learning rate of AdamW under a one-cycle schedule (Smith and Topin 2019).
        decay: Weight decay.
        averaging: Decay of the exponential moving average of the weights; the average is the result.
        mixup: Parameter of the Beta distribution that mixes pairs of images (Zhang et al. 2018); 0 turns it off.
        seed: Seeds the order of the images and every augmentation.
    """

    epochs: int = 40
    sizes: tuple[int, ...] = (192, 224, 256)
    batch: int = 32
    rate: float = 1e-3
    decay: float = 0.05
    averaging: float = 0.99
    mixup: float = 0.2
    seed: int = 20261121

    def size_at(self, epoch: int) -> int:
        """Edge length in pixels of the training images in `epoch` (counted from 0)."""
        return self.sizes[min(epoch * len(self.sizes) // self.epochs, len(self.sizes) - 1)]


@dataclasses.dataclass(frozen=True)
class Progress:
    """One step of training: `done` of `total` steps, in `epoch` (from 1), with that step's cross-entropy `loss`."""

    done: int
    total: int
    epoch: int
    loss: float


class Watch(Protocol):
    """Sees the model after each epoch and may end the training; its state is kept in the checkpoint."""

    @property
    def ended(self) -> bool:
        """Whether no further epoch is wanted."""

    def look(self, average: nn.Module, loss: float) -> None:
        """See the moving average after an epoch, and its mean training loss; the average must not be changed."""

    def state_dict(self) -> dict[str, object]:
        """Tensors, numbers, text, and lists and dicts of them."""

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from what `state_dict` gave."""


def augment(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Turn, flip, shift, scale and re-light a batch in one resampling.

    Args:
        images: uint8 of shape (N, C, H, W).
        size: Edge length of the result in pixels.
        generator: Source of randomness.

    Returns:
        float32 of shape (N, C, size, size), scaled to -1 .. 1.
    """
    n = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, generator=generator) * (high - low) + low

    quarter = torch.randint(4, (n,), generator=generator) * (math.pi / 2)
    angle = quarter + uniform(-5, 5) * (math.pi / 180)
    flip = torch.randint(2, (n,), generator=generator) * 2.0 - 1
    scale = uniform(0.88, 1.05)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    across = torch.stack([cos * flip, -sin, uniform(-0.06, 0.06)], 1)
    theta = torch.stack([across, torch.stack([sin * flip, cos, uniform(-0.06, 0.06)], 1)], 1)
    x = images.float() / 127.5 - 1
    grid = F.affine_grid(theta, [n, x.shape[1], size, size], align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    gain, shift = uniform(0.75, 1.3), uniform(-0.15, 0.15)
    return (x * gain.view(n, 1, 1, 1) + shift.view(n, 1, 1, 1)).clamp(-1, 1)


def fit(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    recipe: Recipe,
    checkpoint: Path | None = None,
    *,
    order: Callable[[torch.Generator], Tensor] | None = None,
    watch: Watch | None = None,
) -> Iterator[Progress]:
    """Fine-tune `model` in place; its weights end as the moving average.

    Args:
        model: Takes float (N, C, H, W) in -1 .. 1 and returns logits (N, K).
        images: uint8 of shape (N, C, H, W); it may be a map of a file, of which only a batch at a time is read.
        targets: Class probabilities of shape (N, K); soft labels are welcome.
        recipe: Schedule and augmentation.
        checkpoint: Where the state is kept after each epoch, and read from when it exists.
        order: Draws the rows that one epoch shows, always as many; each once where missing.
        watch: Sees the model after each epoch, and may end the training before the last.

    Yields:
        Progress after every step.

    Raises:
        InputError: The loss, or what the weights should change by, is no number any more.
    """
    model.to(memory_format=torch.channels_last).train()
    order = order or (lambda generator: torch.randperm(len(images), generator=generator))
    steps = math.ceil(len(order(torch.Generator())) / recipe.batch)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.averaging), use_buffers=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    schedule = one_cycle(optimizer, recipe.rate, recipe.epochs * steps)
    state = {"model": model, "average": average, "optimizer": optimizer, "schedule": schedule}
    state |= {"watch": watch} if watch else {}
    first = _resume(state, checkpoint)
    for epoch in range(first, recipe.epochs):
        if watch and watch.ended:
            break
        losses = []
        generator = torch.Generator().manual_seed(recipe.seed + epoch)
        torch.manual_seed(recipe.seed + epoch)  # dropout and stochastic depth draw from the global source
        for step, rows in enumerate(order(generator).split(recipe.batch)):
            x, y = augment(images[rows], recipe.size_at(epoch), generator), targets[rows]
            x, y = _mix(x, y, recipe.mixup, generator)
            loss = F.cross_entropy(model(x.to(memory_format=torch.channels_last)), y)
            optimizer.zero_grad()
            loss.backward()
            change = nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            _check_finite(loss, change, epoch + 1, step + 1)
            optimizer.step()
            schedule.step()
            average.update_parameters(model)
            losses.append(loss.item())
            yield Progress(epoch * steps + step + 1, recipe.epochs * steps, epoch + 1, losses[-1])
        if watch:
            watch.look(average.module, sum(losses) / len(losses))
        _save(state, checkpoint, epoch + 1)
    model.load_state_dict(average.module.state_dict())
    model.eval()


def one_cycle(optimizer: torch.optim.Optimizer, rate: float, steps: int) -> LRScheduler:
    """The one-cycle schedule up to `rate` over any number of steps, 1 included, none of which has a rate of 0."""
    warm_up = WARM_UP if cycle_length(steps) == steps else 0.0
    return OneCycleLR(optimizer, rate, total_steps=cycle_length(steps), pct_start=warm_up)


def cycle_length(steps: int) -> int:
    """How many steps the schedule is made for: one more if none warms up, because its last has a rate of 0."""
    return steps if steps * WARM_UP > 1 else steps + 1


def _check_finite(loss: Tensor, change: Tensor, epoch: int, step: int) -> None:
    """Stop where the next weights would be no numbers: no later epoch could mend them, and none could be the best."""
    if not (loss.isfinite() and change.isfinite()):
        raise InputError(
            f"The training came apart in epoch {epoch}, step {step}, where the loss is {loss.item():g} and its gradient"
            f" {change.item():g}: train again from scratch with another seed or a larger image size; if that comes"
            " apart too, look for damaged start weights."
        )


def _mix(x: Tensor, y: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    if not alpha:
        return x, y
    # The ratio of two Gamma draws is a Beta draw; torch's Beta takes no generator, its Gamma does.
    draws = torch._standard_gamma(torch.full((2,), alpha), generator=generator)
    share = (draws[0] / draws.sum()).item()
    partner = torch.randperm(len(x), generator=generator)
    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]


def _resume(state: dict, checkpoint: Path | None) -> int:
    if checkpoint is None or not checkpoint.exists():
        return 0
    saved = torch.load(checkpoint, weights_only=True)
    for name, part in state.items():
        part.load_state_dict(saved[name])
    return saved["epoch"]


def _save(state: dict, checkpoint: Path | None, epoch: int) -> None:
    if checkpoint is None:
        return
    partial = checkpoint.with_suffix(".partial")
    torch.save({name: part.state_dict() for name, part in state.items()} | {"epoch": epoch}, partial)
    partial.replace(checkpoint)
