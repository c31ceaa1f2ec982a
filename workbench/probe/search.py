"""How attacks look for an image that is decided otherwise: what they push, what 8 bits leave of a step, and the steps
themselves.

Images are levels 0 .. 255 of shape (C, H, W), as the model is fed them before normalisation, which lies inside of what
is searched.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.models import Classifier
    from workbench.predictions import DecisionRule

Progress = Callable[[int, int], None]
Decide = Callable[[NDArray[np.floating]], NDArray]
Norm = Literal["linf", "l2"]
Levels = NDArray[np.int32]
Margin = Callable[["Tensor"], "Tensor"]

STRIDE = 2.5
"""The length of all steps of PGD together, in epsilons (Madry et al. 2018)."""
SHARE = 0.8
"""The share of the image that the first squares cover, as in AutoAttack."""
HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Where the squares halve their area, in shares of all steps: the paper's schedule."""


class _FlippedError(Exception):
    """The decision flipped: there is nothing left to look for."""


class Search:
    """The model as a function of levels, which keeps the 8-bit image that came nearest to another decision.

    Attributes:
        clean: Where it starts, (C, H, W).
        before: Probabilities there, (K,).
        was: What is decided there.
        best: What came nearest so far, (C, H, W).
        queries: How many times the model was asked.
        total: The most times that it may be asked; whoever searches says.
    """

    def __init__(
        self,
        classifier: Classifier,
        clean: Levels,
        decide: Decide | None,
        epsilon: float,
        norm: Norm,
        tell: Progress | None,
    ) -> None:
        self.classifier, self.clean, self.norm, self.tell = classifier, clean, norm, tell
        self.reach = float(math.floor(min(epsilon, 255))) if norm == "linf" else 255 * epsilon
        self.decide = decide or (lambda probabilities: classifier.rule.decide(probabilities)[0])
        self.queries, self.total, self.best, self.least = 0, 1, clean, math.inf
        self.before, self.was = self.ask(clean)
        if not np.isfinite(self.before).all():
            raise InputError("The model's answer for this image is not a number: look for damaged weights.")
        self.margin = margin_by(decide, self.was, self.before) if decide else margin_of(classifier.rule, self.was)

    def ask(self, levels: Levels) -> tuple[NDArray[np.float32], Any]:
        """Probabilities (K,) for an image, and what is decided of it."""
        import torch

        return self._decision(self.classifier.forward(self._input(torch.from_numpy(levels[None].astype(np.float32)))))

    def __call__(self, x: Tensor) -> Tensor:
        """How far (1, C, H, W), brought to 8 bits within epsilon, is from another decision: (1,), with the gradient
        there.

        Raises:
            _FlippedError: It is decided otherwise; then it is `best`.
            InputError: The gradient is asked for, and there is none.
        """
        import torch

        levels = snapped(self.clean, x.detach().numpy()[0], self.reach, self.norm)
        rounded = torch.from_numpy(levels[None].astype(np.float32))
        # what is added is zero: it only lets the gradient through
        logits = self.classifier.logits(self._input(rounded + (x - x.detach())))
        margin = self.margin(logits)
        if x.requires_grad and not margin.requires_grad:
            raise InputError(
                "No gradient flows from the model's answer to the image: choose the Square attack, which needs none."
            )
        probabilities, now = self._decision(logits.detach())
        flipped, distance = bool(np.isfinite(probabilities).all()) and now != self.was, float(margin.detach())
        if flipped or distance < self.least:
            self.best, self.least = levels, distance
        if flipped:
            raise _FlippedError
        return margin

    def _input(self, levels: Tensor) -> Tensor:
        """What the model is asked next, normalised."""
        if self.tell:
            self.tell(min(self.queries, self.total), self.total)
        self.queries += 1
        scaling = self.classifier.preprocessing
        mean, std = (levels.new_tensor(numbers)[:, None, None] for numbers in (scaling.mean, scaling.std))
        return (levels / 255 - mean) / std

    def _decision(self, logits: Tensor) -> tuple[NDArray[np.float32], Any]:
        probabilities = self.classifier.probabilities(logits.float()).cpu().numpy()
        label = self.decide(probabilities)[0]
        return probabilities[0], label.item() if isinstance(label, np.generic) else label


def margin_of(rule: DecisionRule, was: int) -> Margin:
    """What of logits (N, K) falls below zero just where the rule no longer decides for class `was`: (N,), in units of
    the logits.

    Raises:
        InputError: There is one class alone.
    """
    others = [column for column in range(len(rule.class_names)) if column != was]
    if not others:
        raise InputError(
            "The model knows one class alone, so that no decision can flip: choose a model of at least two."
        )
    if rule.positive is None or rule.threshold is None:
        return lambda z: z[:, was] - z[:, others].amax(1)
    positive = rule.class_names.index(rule.positive)
    threshold = min(max(rule.threshold, 1e-9), 1 - 1e-9)
    edge, scale = math.log(threshold / (1 - threshold)), rule.temperature
    if was == positive:
        return lambda z: z[:, was] - scale * ((z[:, others] / scale).logsumexp(1) + edge)
    negative = [column for column in range(len(rule.class_names)) if column != positive]
    rivals = [column for column in others if column != positive]

    def nearest(z: Tensor) -> Tensor:
        below = scale * (edge + (z[:, negative] / scale).logsumexp(1)) - z[:, positive]
        return below.minimum(z[:, was] - z[:, rivals].amax(1)) if rivals else below

    return nearest


def margin_by(decide: Decide, was: object, before: NDArray[np.float32]) -> Margin:
    """What of logits (N, K) falls as another label than `was` comes near: the log-odds of the classes that by
    themselves get `was`.

    Where none does (a band of doubt, say) it is the most probable class that is pushed down.

    Args:
        decide: Labels (N,) from probabilities (N, K).
        was: The label before.
        before: Probabilities (K,) of the image.

    Raises:
        InputError: Every class gets the same label.
    """
    labels = [
        label.item() if isinstance(label, np.generic) else label
        for label in decide(np.eye(len(before), dtype=np.float32))
    ]
    alike = [column for column, label in enumerate(labels) if label == was] or [int(before.argmax())]
    others = [column for column in range(len(before)) if column not in alike]
    if not others:
        raise InputError(
            "Whatever the model answers, the decision is the same, so that none can flip: choose another rule."
        )
    return lambda z: z[:, alike].logsumexp(1) - z[:, others].logsumexp(1)


def snapped(clean: Levels, moved: NDArray[np.floating], reach: float, norm: Norm) -> Levels:
    """The 8-bit image for `moved`, both (C, H, W), that keeps within `reach` of `clean`.

    Rounding each pixel by itself would swallow an L2 change of under half a level a pixel, and may make another one
    longer. There the change is scaled until, rounded, it is as long as it was; of the pixels that would round up next
    those that still fit do.

    Args:
        clean: Levels 0 .. 255.
        moved: Levels, of which what lies beyond `reach` is cut off.
        reach: The largest change of a pixel, a whole number, or the norm of all changes, in levels.
        norm: Which of the two.
    """
    if norm == "linf":
        return np.asarray(np.rint(moved.clip(clean - reach, clean + reach)).clip(0, 255), np.int32)
    change = (moved.clip(0, 255) - clean).astype(np.float64)
    length = math.sqrt(float((change**2).sum()))
    budget = math.floor(min(reach, length * (1 + 1e-5)) ** 2 + 1e-6)

    def at(scale: float) -> tuple[Levels, int]:
        rounded = np.rint(scale * change).clip(-clean, 255 - clean).astype(np.int32)
        return rounded, int((rounded.astype(np.int64) ** 2).sum())

    low, high = 0.0, 1.0
    while at(high)[1] <= budget and high < 2**20:
        low, high = high, 2 * high
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle)[1] <= budget else (low, middle)
    shorter, used = at(low)
    longer, _ = at(high)
    late = np.flatnonzero(shorter != longer)
    late = late[np.argsort((np.abs(shorter.flat[late]) + 0.5) / np.abs(change.flat[late]), kind="stable")]
    cost = longer.flat[late].astype(np.int64) ** 2 - shorter.flat[late].astype(np.int64) ** 2
    fit = late[np.cumsum(cost) <= budget - used]
    shorter.flat[fit] = longer.flat[fit]
    return clean + shorter


def climb(search: Search, steps: int, seed: int, *, once: bool) -> Levels:
    """Follow the gradient with Captum's FGSM (`once`) or PGD, of so many `steps`, which restarts from a
    random point drawn from `seed`, where it fails. Gives the best levels (C, H, W) of the `search`."""
    import torch
    from captum.robust import PGD

    from workbench.models import untouched

    search.total = 4 if once else 2 * steps + 4
    length = search.reach if once else STRIDE * search.reach / steps
    run = PGD(search, lambda margin, _: -margin, 0.0, 255.0)
    run.fgsm.zero_thresh = 0.0  # a gradient per level is small, and the smallest has a sign
    run.fgsm = step = _Step(run.fgsm, search.norm)
    x = torch.from_numpy(search.clean[None].astype(np.float32))
    named = "Linf" if search.norm == "linf" else "L2"
    try:
        with untouched(search.classifier), torch.enable_grad(), torch.random.fork_rng(devices=[]):
            if once:
                (end,) = step.perturb((x,), length)
                search.best = snapped(search.clean, end.clamp(0, 255).numpy()[0], search.reach, search.norm)
                search(end)
                return search.best
            torch.manual_seed(seed)
            for random in (False, True):
                search(run.perturb(x, search.reach, length, steps, None, random_start=random, norm=named))
    except _FlippedError:
        pass
    return search.best


class _Step:
    """One step of PGD: Captum's for L-inf; for L2 along the gradient itself, where Captum would follow its sign."""

    def __init__(self, fgsm: Any, norm: Norm) -> None:
        self.fgsm, self.norm = fgsm, norm

    def perturb(self, inputs: Sequence[Tensor], length: float, *settings: object) -> tuple[Tensor, ...]:
        import torch

        (x,) = inputs
        x = x.detach().requires_grad_()  # else Captum warns at each step
        if self.norm == "linf":
            return tuple(step.detach() for step in self.fgsm.perturb((x,), length, *(settings or (None,))))
        (gradient,) = torch.autograd.grad(-self.fgsm.forward_func(x).sum(), x)
        norm = gradient.norm()
        return ((x + length * gradient / norm).detach() if norm > 0 else x.detach(),)


def squares(search: Search, steps: int, seed: int) -> Levels:
    """The Square attack for L-inf: stripes first, then squares at random places, each kept where it brings the decision
    nearer.

    Andriushchenko et al. 2020, "Square Attack: a query-efficient black-box adversarial attack via random search",
    algorithms 1 and 2. All changes are whole levels, so that nothing is lost by rounding.

    Args:
        search: Of an image (C, H, W); it keeps the best levels, which are given back.
        steps: Queries after the first.
        seed: Of the stripes and squares.
    """
    import torch

    from workbench.models import untouched

    search.total = steps + 2
    rng, reach = np.random.default_rng(seed), int(search.reach)
    channels, height, width = search.clean.shape

    def ask_about(image: Levels) -> None:
        with untouched(search.classifier), torch.inference_mode():
            search(torch.from_numpy(image[None].astype(np.float32)))

    try:
        ask_about((search.clean + reach * rng.choice((-1, 1), (channels, 1, width))).clip(0, 255))
        for step in range(1, steps):
            area = SHARE / 2 ** bisect.bisect_left(HALVINGS, step / steps) * height * width
            side = min(max(round(math.sqrt(area)), 1), height, width)
            top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
            place = np.s_[:, top : top + side, left : left + side]
            levels = search.best.copy()
            levels[place] = (search.clean[place] + reach * rng.choice((-1, 1), (channels, 1, 1))).clip(0, 255)
            if (levels != search.best).any():
                ask_about(levels)
    except _FlippedError:
        pass
    return search.best
