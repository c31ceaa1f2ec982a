"""What models answer with: logits, probabilities, several labels at once, or an anomaly score with a map."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from workbench.errors import InputError

Kind = Literal["logits", "probabilities", "sigmoid", "multilabel", "anomaly"]
HEADS: tuple[Kind, ...] = get_args(Kind)
NEAREST = 1e-6
"""How near to 0 and 1 a score is taken as it is; beyond, its log-odds stay those of this distance."""
LEAST_SHARE = 1e-12
"""The smallest probability of which a logarithm is taken."""
SCORE_NAMES, MAP_NAMES = ("pred_score", "score"), ("anomaly_map", "map")
"""Names for an anomaly score and its map: anomalib's, and plain ones."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """A model's answer for N images.

    Attributes:
        logits: (N, K), or (N, 1) where there is one an image; of probabilities their logarithm, of a score or of a
            probability alone its log-odds.
        scored: Whether the model gave an anomaly score, from 0 (normal) to 1, rather than logits.
        map: Where the score comes from, (N, h, w), as the model gave it; None where it gave none.
    """

    logits: Tensor
    scored: bool = False
    map: Tensor | None = None


@dataclasses.dataclass(frozen=True)
class Head:
    """How a model's answers are read.

    Attributes:
        kind: "logits" of K classes of which one is true (or one logit, the log-odds of the second of two);
            "probabilities" of the same, which sum to 1; "sigmoid": one probability, of the second of two classes;
            "multilabel": K labels, each true or not whatever the others are; "anomaly": a score from 0 to 1.
        output: Which of several outputs: its place in a tuple or its name in a dict; None where it is plain.
        width: Numbers an image that the output has.
        activation: Name of the softmax or sigmoid module that the model ends in, whose input is read in place of its
            output; empty where there is none within reach.
        bounded: Whether a "multilabel" output is probabilities rather than logits.
        alone: Whether the model is asked about one image at a time, because it answers otherwise in company.
        column: The label that is looked at, of a "multilabel" model; None for all.
    """

    kind: Kind = "logits"
    output: int | str | None = None
    width: int = 2
    activation: str = ""
    bounded: bool = False
    alone: bool = False
    column: int | None = None

    @property
    def several(self) -> bool:
        """Whether several classes can be true of one image."""
        return self.kind == "multilabel" and self.column is None

    @property
    def single(self) -> bool:
        """Whether there is one number an image: the log-odds of the second of two classes."""
        return self.column is not None or self.width == 1

    def ask(self, model: nn.Module, x: Tensor) -> Answer:
        """A model's answer for inputs of shape (N, C, H, W). Errors as `read`."""
        with reaching(model, self.activation):
            if self.alone and len(x) > 1:
                return self.read(joined([model(part) for part in x.split(1)]), len(x))
            return self.read(model(x), len(x))

    def read(self, out: object, count: int) -> Answer:
        """What a model returned for `count` images.

        Raises:
            InputError: It is something else, or lies outside of 0 .. 1 where it must not.
        """
        if self.kind == "anomaly":
            score, heatmap = scored(out) if self.output is None else (output_of(out, self.output), None)
            if score is None:
                raise _no_classifier(out)
            return Answer(_log_odds(score), True, None if heatmap is None else _heatmaps(heatmap, len(score)))
        values = rows(output_of(out, self.output), count)
        if self.column is not None:
            values = values[:, self.column : self.column + 1]
        if not self.activation and (self.kind in ("probabilities", "sigmoid") or self.bounded):
            values = self._unbounded(values)
        return Answer(values)

    def _unbounded(self, values: Tensor) -> Tensor:
        low, high = values.detach().amin().item(), values.detach().amax().item()
        if low < -NEAREST or high > 1 + NEAREST:
            raise InputError(
                f"The model answers with {low if low < 0 else high:.4g}, which is no probability: set head to another"
                " kind, such as logits."
            )
        if self.kind == "probabilities":
            return values.clamp_min(LEAST_SHARE).log()
        return torch.logit(values, eps=NEAREST)


LOGITS = Head()
"""The usual head."""


def read_answer(out: object) -> Answer:
    """What a model returned, by the names it gives: a tensor or what is named `logits` is logits, one an image where it
    has one dimension; what is named `pred_score` and `anomaly_map`, or `score` and `map`, and a plain pair of such
    tensors, is an anomaly score with its map.

    Raises:
        InputError: It is something else, or the score lies outside of 0 .. 1.
    """
    if not isinstance(out, Tensor) and _field(out, ("logits",)) is None and scored(out)[0] is not None:
        return Head("anomaly").read(out, 0)
    return Answer(output_of(out, None))


def outputs_of(out: object) -> dict[int | str, Tensor]:
    """The tensors that a model returned, by their place or name, None among them left out."""
    if isinstance(out, Tensor):
        return {0: out}
    if isinstance(out, Mapping):
        return {str(name): value for name, value in out.items() if isinstance(value, Tensor)}
    if isinstance(out, tuple | list) and not hasattr(out, "_fields"):
        return {place: value for place, value in enumerate(out) if isinstance(value, Tensor)}
    fields = getattr(out, "_fields", None) or vars(out) if hasattr(out, "__dict__") or hasattr(out, "_fields") else ()
    return {str(name): value for name in fields if isinstance(value := getattr(out, name, None), Tensor)}


def output_of(out: object, wanted: int | str | None) -> Tensor:
    """The output that is read: the one that is named, or else `logits`, or else the only one that has a row an image.

    Raises:
        InputError: There is none, or there are several.
    """
    if isinstance(out, Tensor) and wanted in (None, 0):
        return out
    outputs = outputs_of(out)
    if wanted is None and "logits" in outputs:
        return outputs["logits"]
    if wanted is not None:
        names = list(outputs)
        key = names[wanted] if isinstance(wanted, int) and wanted not in outputs and wanted < len(names) else wanted
        if key not in outputs:
            raise InputError(
                f"The model has no output {wanted!r}: set output to one of {_listed(outputs) or 'those it has'}."
            )
        return outputs[key]
    flat = {name: value for name, value in outputs.items() if value.ndim <= 2 and value.is_floating_point()}
    if len(flat) != 1:
        raise InputError(
            f"The model answers with several outputs ({_listed(outputs)}), and which one holds the classes is not"
            " known: set output to it."
            if len(flat) > 1
            else str(_no_classifier(out))
        )
    return next(iter(flat.values()))


def scored(out: object) -> tuple[Tensor | None, Tensor | None]:
    """The anomaly score and map in what a model returned: by their names, or a plain pair of a number an image and a
    plane an image."""
    if isinstance(out, Tensor):
        return out, None
    score, heatmap = _field(out, SCORE_NAMES), _field(out, MAP_NAMES)
    if score is None and isinstance(out, tuple | list) and len(out) == 2:
        first, second = out
        if isinstance(first, Tensor) and isinstance(second, Tensor) and second.ndim > 2:
            score, heatmap = first, second
    return score, heatmap


def is_named_score(out: object) -> bool:
    """Whether what a model returned calls an output an anomaly score, and none logits."""
    return not isinstance(out, Tensor) and _field(out, ("logits",)) is None and _field(out, SCORE_NAMES) is not None


def rows(values: Tensor, count: int) -> Tensor:
    """Numbers of `count` images as (N, K) in single precision, also where single dimensions were squeezed away.

    Raises:
        InputError: There is not one row an image.
    """
    shape = tuple(values.shape)
    if values.ndim > 2 and values.shape[0] == count and values[0].numel() == values.shape[1]:
        values = values.flatten(1)
    if count == 1 and values.ndim < 2:
        values = values.reshape(1, -1)
    elif values.ndim == 1 and len(values) == count:
        values = values[:, None]
    if values.ndim != 2 or len(values) != count or not values.shape[1]:
        raise InputError(
            f"The model answers with shape {shape} for {count} image{'s' * (count > 1)}: a classifier must answer"
            f" ({count}, K)."
        )
    return values.float()


@contextlib.contextmanager
def reaching(model: nn.Module, activation: str) -> Iterator[None]:
    """While inside, the module of this name hands on what goes into it: softmax and sigmoid are left out."""
    if not activation:
        yield
        return
    handle = model.get_submodule(activation).register_forward_hook(lambda module, inputs, output: inputs[0])
    try:
        yield
    finally:
        handle.remove()


def joined(parts: Sequence[Any]) -> object:
    """Answers for some images each as one for all, of the same make."""
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.cat([part.reshape(1) if part.ndim == 0 else part for part in parts])
    if isinstance(first, Mapping):
        return {name: joined([part[name] for part in parts]) for name in first if first[name] is not None}
    if isinstance(first, tuple | list):
        values: list[Any] = [joined(some) for some in zip(*parts, strict=True)]
        return type(first)(*values) if hasattr(first, "_fields") else type(first)(values)
    return first


def _listed(outputs: Mapping[int | str, Tensor]) -> str:
    return ", ".join(f"{name!r} of shape {tuple(value.shape)}" for name, value in list(outputs.items())[:8])


def _no_classifier(out: object) -> InputError:
    return InputError(
        f"The model answers with {type(out).__name__}: a classifier must answer with logits of shape (N, K), or with"
        " pred_score and anomaly_map."
    )


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
