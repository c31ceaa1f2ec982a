"""What models answer with: logits, or an anomaly score with a map of where it comes from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor

from workbench.errors import InputError

NEAREST = 1e-6
"""How near to 0 and 1 a score is taken as it is; beyond, its log-odds stay those of this distance."""
SCORE_NAMES, MAP_NAMES = ("pred_score", "score"), ("anomaly_map", "map")
"""Names for an anomaly score and its map: anomalib's, and plain ones."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """A model's answer for N images.

    Attributes:
        logits: (N, K), or (N, 1) or (N,) where there is one an image; of an anomaly score its log-odds.
        scored: Whether the model gave an anomaly score, from 0 (normal) to 1, rather than logits.
        map: Where the score comes from, (N, h, w), as the model gave it; None where it gave none.
    """

    logits: Tensor
    scored: bool = False
    map: Tensor | None = None


def read_answer(out: object) -> Answer:
    """Read what a model returned.

    A tensor is logits, and so is what a dict or an output object names `logits`. A dict, named tuple or object with
    `pred_score` and `anomaly_map`, or `score` and `map`, holds an anomaly score of shape (N,) or (N, 1) and a map of
    shape (N, h, w) or (N, 1, h, w); and so does a plain pair of such tensors.

    Raises:
        InputError: It is something else, or the score lies outside of 0 .. 1.
    """
    if isinstance(out, Tensor):
        return Answer(out)
    logits, score, heatmap = _field(out, ("logits",)), _field(out, SCORE_NAMES), _field(out, MAP_NAMES)
    if logits is not None:
        return Answer(logits)
    if (
        score is None
        and isinstance(out, tuple | list)
        and len(out) == 2
        and all(isinstance(part, Tensor) for part in out)
    ):
        score, heatmap = out if out[1].ndim > 2 else (None, None)
    if score is None:
        raise InputError(
            f"The model answers with {type(out).__name__}: a classifier must answer with logits of shape (N, K), or"
            " with pred_score and anomaly_map."
        )
    return Answer(_log_odds(score), True, None if heatmap is None else _heatmaps(heatmap, len(score)))


def _field(out: object, names: tuple[str, ...]) -> Tensor | None:
    values = (out.get(name) if isinstance(out, Mapping) else getattr(out, name, None) for name in names)
    return next((value for value in values if isinstance(value, Tensor)), None)


def _log_odds(score: Tensor) -> Tensor:
    if score.ndim == 0 or score.numel() != len(score):
        raise InputError(
            f"The model's anomaly score has the shape {tuple(score.shape)}: it must be (N,) or (N, 1), one an image."
        )
    low, high = score.min().item(), score.max().item()
    if low < 0 or high > 1:
        worst = low if low < 0 else high
        raise InputError(
            f"The model's anomaly score reaches {worst:.4g}, and must lie in 0 .. 1: export the model with its"
            " normalisation on."
        )
    return torch.logit(score.float().reshape(len(score), 1), eps=NEAREST)


def _heatmaps(heatmap: Tensor, count: int) -> Tensor:
    shape = tuple(heatmap.shape)
    if len(shape) == 4 and shape[1] == 1:
        heatmap = heatmap[:, 0]
    if heatmap.ndim != 3 or len(heatmap) != count:
        raise InputError(
            f"The model's anomaly map has the shape {shape}: it must be (N, h, w) or (N, 1, h, w), one an image."
        )
    return heatmap.float()
