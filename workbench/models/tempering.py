"""From logits to probabilities, at a temperature (Guo et al. 2017, "On calibration of modern neural networks")."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.predictions import DecisionRule, moved, reaches

Numbers = NDArray[np.floating]


def untempered(logits: Tensor, *, several: bool) -> Tensor:
    """Probabilities (N, K) of logits (N, K) as the model was trained; `several` where several classes can be true."""
    return logits.sigmoid() if several else logits.softmax(1)


def tempered(logits: Tensor, rule: DecisionRule, *, several: bool) -> Tensor:
    """Probabilities (N, K) of logits (N, K) divided by the rule's temperature; gradients are those of the division.

    Of two classes, and of several labels, none crosses a threshold that it would not cross without the temperature and
    with the threshold where it came from, and the most probable class stays: what rounding to single precision would
    turn around stands one step of that precision on its own side.
    """
    plain = untempered(logits, several=several)
    if rule.temperature == 1:
        return plain
    scaled = untempered(logits / rule.temperature, several=several)
    was, now = (values.detach().cpu().numpy() for values in (plain, scaled))
    steps = (_kept(was, now, rule) - now).astype(now.dtype)
    return scaled + torch.from_numpy(steps).to(scaled.device)


def _kept(was: Numbers, now: Numbers, rule: DecisionRule) -> Numbers:
    """Probabilities `now` (N, K), some of them moved so that a rule decides as it would of `was`."""
    if rule.thresholds is not None:
        return _above(was, now, np.array(rule.thresholds), rule.temperature)
    if rule.positive is None or rule.threshold is None:
        return _highest(was, now)
    result, column = now.copy(), rule.class_names.index(rule.positive)
    if now.shape[1] == 2:  # of more classes no threshold keeps all decisions
        part = slice(column, column + 1)
        result[:, part] = _above(was[:, part], now[:, part], np.array([rule.threshold]), rule.temperature)
    return result


def _above(was: Numbers, now: Numbers, thresholds: NDArray[np.float64], temperature: float) -> Numbers:
    """Scores (N, L) that reach thresholds (L,) just where `was` reaches those that they came from."""
    least = thresholds.astype(np.float32)
    reached = reaches(was, [moved(value, 1 / temperature) for value in thresholds.tolist()])
    reaching = reaches(now, thresholds)
    raised = np.where(reached & ~reaching, least, now)
    return np.where(~reached & reaching, np.nextafter(least, np.float32(0)), raised)


def _highest(was: Numbers, now: Numbers) -> Numbers:
    """Probabilities (N, K) whose first highest is in the same column as that of `was`."""
    result, column = now.copy(), was.argmax(1)
    for row in np.flatnonzero(now.argmax(1) != column):
        top = now[row].max()
        result[row, np.flatnonzero(now[row] >= top)] = np.nextafter(top, np.float32(0))
        result[row, column[row]] = top
    return result
