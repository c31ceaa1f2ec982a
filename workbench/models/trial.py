"""Ask a model once before it is believed: what its answers are, and whether they are a function of one image."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import InputError
from workbench.models.heads import HEADS, Head, Kind, is_named_score, output_of, outputs_of, reaching, rows, scored
from workbench.models.holding import set_evaluating
from workbench.models.makers import maker
from workbench.models.preprocessing import Preprocessing
from workbench.models.reading import Fact, How

ALIKE = 1e-3
"""How far two answers may differ, against the largest number in them, to count as one: above what the order of sums and
half precision do, below what a decision could turn on."""
NEARLY_NOTHING = 1e-12
SOURCES = {
    "assumed": "nothing says otherwise",
    "stated": "the names of its outputs",
    "measured": "measured on noise",
}
FAR = (100.0, -100.0, 1e6, -1e6)
"""How many times an image's contrast an input is stretched, to see whether an answer stays in 0 .. 1."""
ACTIVATIONS = (nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.Sigmoid)


@dataclasses.dataclass(frozen=True)
class Trial:
    """What a trial showed.

    Attributes:
        head: How the answers are read.
        facts: What was understood, and from what.
        notes: What a reader must know before believing the model.
    """

    head: Head
    facts: tuple[Fact, ...]
    notes: tuple[str, ...] = ()


def trial(
    model: nn.Module,
    preprocessing: Preprocessing,
    device: torch.device,
    kind: str | None = None,
    output: int | str | None = None,
    source: str = "",
    classes: int = 0,
) -> Trial:
    """Ask a model about noise, twice, and in company.

    Args:
        model: On `device`; left as it was.
        preprocessing: How an image becomes its input.
        device: Where it computes.
        kind: What its answers are, of `HEADS`, where somebody says so.
        output: Which of several outputs, likewise.
        source: Who says so.
        classes: How many there are, where that is known: it tells outputs apart.

    Raises:
        InputError: It cannot take an image, or is no classifier of single images, or is not what was said.
    """
    if kind is not None and kind not in HEADS:
        raise InputError(f"There is no head {kind[:40]!r}: choose one of {', '.join(HEADS)}.")
    with _evaluating(model):
        images = _noise(preprocessing, device)
        first = _first_answer(model, shown := images[:1].clone(), preprocessing)
        if not torch.equal(shown, images[:1]):
            raise InputError(
                "The model changes the image that it is given in place, so that whoever looks twice sees another: let"
                " its forward begin with x = x.clone(), or write x = x / 255 for x /= 255 or x.div_(255)."
            )
        named = output is not None
        output = _output(first, classes) if output is None else output
        values, alone, behaviour = _company(model, images, first, output)
        read = _Answers(model, images, values, first, output, alone, source if named else "")
        head, facts = read.head(kind, source)
    return Trial(head, (*facts, *behaviour), read.notes(head))


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    set_evaluating(model)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _noise(preprocessing: Preprocessing, device: torch.device) -> Tensor:
    """Three inputs: two of smooth noise in the range of an image, and a blank one."""
    shape = (len(preprocessing.mean), *preprocessing.size)
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, shape[0], max(shape[1] // 8, 1), max(shape[2] // 8, 1), generator=generator)
    pixels = nn.functional.interpolate(coarse, shape[1:], mode="bilinear")
    inputs = torch.stack([torch.from_numpy(preprocessing.normalise(image.numpy())) for image in pixels])
    return torch.cat([inputs, torch.zeros(1, *shape)]).to(device)


def _first_answer(model: nn.Module, x: Tensor, preprocessing: Preprocessing) -> object:
    """What the model says of one image; its weights are laid out anew where its own code asks for that."""
    ask = torch.inference_mode()(model)
    try:
        try:
            return ask(x)
        except RuntimeError as error:
            if "view" not in str(error) or all(p.is_contiguous() for p in model.parameters()):
                raise
        # its own code views a convolution's output as rows, as only this layout allows
        model.to(memory_format=torch.contiguous_format)
        return ask(x)
    except Exception as error:  # whatever the model's own code raises; it stays attached as the cause
        rows, columns = preprocessing.size
        raise InputError(
            f"The model cannot take an image of {len(preprocessing.mean)} x {rows} x {columns} "
            f"({(str(error) or type(error).__name__)[:120]}): {_remedy(str(error))}."
        ) from error


def _remedy(error: str) -> str:
    """What helps against an error of a model's own code."""
    if "required positional argument" in error:
        return "it asks for more than the image, so wrap it in a module that gives it the rest"
    if "Expected more than 1 value per channel when training" in error:
        return "a BatchNorm or the like runs in training mode whatever .eval() says, so take that out of its forward"
    if "dtype" in error or "Half" in error or "BFloat16" in error:
        return "its parts compute in different precisions, so call .float() on all of it"
    return "correct size, mean and std"


def _company(
    model: nn.Module, images: Tensor, first: object, output: int | str | None
) -> tuple[Tensor, bool, tuple[Fact, ...]]:
    """The answers to the images (N, K), and whether a model must be asked about one at a time, by asking about all
    together: the first must get the same answer as alone.

    Raises:
        InputError: It answers anew each time.
    """
    ask = torch.inference_mode()(model)
    lone = _numbers(first, 1, output)
    try:
        together = _numbers(ask(images), len(images), output)
        if _same(lone[0], together[0]):
            return together, False, (_behaviour("the same image gets the same answer alone and in company"),)
        why = (
            "its answer depends on the images that are asked about with it, as with a BatchNorm without running"
            " statistics"
        )
    except Exception as error:  # whatever the model's own code raises, or what it makes of several images
        why = f"it cannot take several ({(str(error) or type(error).__name__).splitlines()[0][:100]})"
    each = torch.cat([_numbers(ask(x), 1, output) for x in images.split(1)])
    for other in (each, _numbers(ask(images[:1]), 1, output)):
        if not _same(lone[0], other[0]):
            value = (lone[0] - other[0]).abs().argmax()
            raise InputError(
                f"The model answers anew each time (the same image got {lone[0][value]:.4g}, then"
                f" {other[0][value]:.4g}): something random runs in evaluation mode, such as F.dropout without"
                " training=self.training, or it keeps count of what it was asked. Switch it off."
            )
    return each, True, (_behaviour(f"asked about one image at a time, as {why}"),)


def _output(out: object, classes: int) -> int | str | None:
    """The output to read where several have a row of numbers an image, and one of these fits the classes."""
    if isinstance(out, Tensor) or is_named_score(out) or _is_pair(out):
        return None
    outputs = outputs_of(out)
    flat = [name for name, value in outputs.items() if value.ndim == 2 and value.is_floating_point()]
    fit = [name for name in flat if outputs[name].shape[1] in ((1, 2) if classes == 2 else (classes,))]
    return fit[0] if "logits" not in outputs and len(flat) > 1 and len(fit) == 1 else None


def _behaviour(value: str) -> Fact:
    return Fact("behaviour", value, "measured on noise", "measured")


def _numbers(out: object, count: int, output: int | str | None) -> Tensor:
    """What is compared between answers: (N, K)."""
    score = scored(out)[0] if output is None and (is_named_score(out) or _is_pair(out)) else None
    return rows(output_of(out, output) if score is None else score, count)


def _is_pair(out: object) -> bool:
    """Whether an answer is a number an image and a plane an image, without names."""
    return not isinstance(out, Tensor) and scored(out)[1] is not None and not is_named_score(out)


def _same(a: Tensor, b: Tensor) -> bool:
    scale = max(a.nan_to_num().abs().max().item(), b.nan_to_num().abs().max().item(), NEARLY_NOTHING)
    return bool(torch.allclose(a, b, rtol=0, atol=ALIKE * scale, equal_nan=True))


class _Answers:
    """What a model says of the trial's images, and what kind of answers these are."""

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        values: Tensor,
        first: object,
        output: int | str | None,
        alone: bool,
        chosen: str,
    ) -> None:
        self.chosen = chosen
        self.model, self.images, self.first, self.output, self.alone = model, images, first, output, alone
        self.named, self.pair = output is None and is_named_score(first), output is None and _is_pair(first)
        self.values, self.width = values, values.shape[1]

    def _ask(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            return _numbers(self.model(x), 1, self.output)

    def head(self, kind: str | None, source: str) -> tuple[Head, tuple[Fact, ...]]:
        if not bool(self.values.isfinite().any()):
            raise InputError(
                "The model answers with no number (NaN or infinity) for noise and for a blank image alike: look for"
                " damaged weights, or statistics (mean, std) that do not belong to it."
            )
        found, how = (self._stated(kind), "stated") if kind is not None else self._detected()
        bounded = found == "multilabel" and self._in_bounds() and (kind is None or self._is_bounded())
        head = Head(found, self.output, self.width, "", bounded, self.alone)
        if found == "anomaly":
            head.read(self.first, 1)
        head = dataclasses.replace(head, activation=self._activation(head))
        where = source if kind is not None else SOURCES[how]
        facts = [Fact("head", self._words(head), where, how, "head")]  # type: ignore[arg-type]
        outputs = outputs_of(self.first)
        if len(outputs) > 1 and head.kind != "anomaly":
            chosen = next((name for name, v in outputs.items() if v is output_of(self.first, self.output)), "")
            others = ", ".join(str(name) for name in outputs if name != chosen)
            facts.append(
                Fact(
                    "head",
                    f"output {chosen!r} of {len(outputs)} is read; {others} left aside",
                    self.chosen or "the only one with a row of as many numbers an image as there are classes",
                    "stated" if self.chosen else "measured",
                    "output",
                )
            )
        return head, tuple(facts)

    def _stated(self, kind: str) -> Kind:
        low, high = self.values.min().item(), self.values.max().item()
        if kind in ("probabilities", "sigmoid", "anomaly") and not self._in_bounds():
            raise InputError(
                f"The head is set to {kind!r}, but the model answers with {low if low < 0 else high:.4g} for noise,"
                " which is no probability: set head to another kind, such as logits."
            )
        if kind in ("sigmoid", "anomaly") and self.width != 1:
            raise InputError(
                f"The head is set to {kind!r}, which is one number an image, but the model answers with {self.width}:"
                " set head to multilabel or probabilities."
            )
        if kind == "probabilities" and (self.width == 1 or not self._sums_to_one()):
            sums = self.values.sum(1)
            raise InputError(
                f"The head is set to 'probabilities', but the answers do not sum to 1 (to {sums.min().item():.4g} and"
                f" {sums.max().item():.4g} for noise): set head to multilabel, sigmoid or logits."
            )
        return kind  # type: ignore[return-value]

    def _detected(self) -> tuple[Kind, How]:
        """The kind of the answers, and whether that was seen or is the usual case."""
        logits: tuple[Kind, How] = ("logits", "measured" if self.width == 1 else "assumed")
        if self.named:
            return "anomaly", "stated"
        if not self._in_bounds():
            return logits
        if self.width > 1 and self._sums_to_one():
            return "probabilities", "measured"
        if not self._is_bounded():
            return logits
        if self.pair:
            return "anomaly", "measured"
        return ("sigmoid" if self.width == 1 else "multilabel"), "measured"

    def _in_bounds(self) -> bool:
        values = self.values[self.values.isfinite()]
        return bool((values >= 0).all() and (values <= 1 + ALIKE).all())

    def _sums_to_one(self) -> bool:
        if not bool(((self.values.sum(1) - 1).abs() < ALIKE).all()):
            return False
        far = self._far()
        far = far[far.isfinite().all(1)]
        if not len(far):
            return self._last() != "linear"
        return bool(((far.sum(1) - 1).abs() < ALIKE).all()) and bool((far >= 0).all())

    def _is_bounded(self) -> bool:
        """Whether answers in 0 .. 1 are so by a sigmoid, rather than by chance.

        Raises:
            InputError: They come from a softmax over something else than the classes.
        """
        last = self._last()
        if last == "softmax":
            raise InputError(
                "The model ends in a softmax that does not run over the classes, so that its answers do not sum to 1:"
                " give it dim=1."
            )
        return last == "sigmoid" or (not last and self._stays())

    def _far(self) -> Tensor:
        """Answers to inputs that lie far from any image."""
        return torch.cat([self._ask(times * self.images[:1]) for times in FAR])

    def _stays(self) -> bool:
        """Whether answers stay in 0 .. 1 and move however far an input lies from any image."""
        far = self._far()
        moved = any(not _same(self.values[0], other) for other in far)
        return moved and bool((far >= 0).all() and (far <= 1).all())

    def _last(self) -> str:
        """What computed the answer last, of the values of `LAST`; empty where that cannot be known."""
        try:
            with torch.enable_grad():
                x = self.images[:1].clone().requires_grad_()
                node: Any = _numbers(self.model(x), 1, self.output).grad_fn
        except Exception:  # a model without gradients: then its answers alone must tell
            return ""
        return maker(node)

    def _activation(self, head: Head) -> str:
        """The softmax or sigmoid module that the model ends in, if leaving it out gives what it makes its answer of."""
        if head.kind not in ("probabilities", "sigmoid") and not head.bounded:
            return ""
        ends: list[str] = []
        handles = [
            module.register_forward_hook(lambda module, inputs, output, name=name: ends.append(name))
            for name, module in self.model.named_modules()
            if name and isinstance(module, ACTIVATIONS)
        ]
        try:
            with torch.inference_mode():
                values = _numbers(self.model(self.images[1:2]), 1, self.output)
        finally:
            for handle in handles:
                handle.remove()
        if not ends or ends.count(ends[-1]) > 1:
            return ""
        name = ends[-1]
        with torch.inference_mode(), reaching(self.model, name):
            before = _numbers(self.model(self.images[1:2]), 1, self.output)
        again = before.softmax(1) if head.kind == "probabilities" else before.sigmoid()
        return name if torch.allclose(again, values, atol=1e-5) else ""

    def _words(self, head: Head) -> str:
        text = {
            "logits": "logits: exactly one class is true of an image, and softmax turns them into probabilities"
            if self.width > 1
            else "one logit: the log-odds of the second class, which a sigmoid turns into its probability",
            "probabilities": "probabilities that sum to 1: exactly one class is true of an image",
            "sigmoid": "one probability: that of the second class",
            "multilabel": "a {} for each label, true or not whatever the others are".format(
                "probability" if head.bounded else "logit"
            ),
            "anomaly": "an anomaly score from 0 (normal) to 1",
        }[head.kind]
        if head.activation:
            return f"{text}; what goes into its last layer ({head.activation}) is explained, the logit"
        if head.kind == "probabilities":
            return f"{text}; the logarithm of the probability is explained, as its logits are out of reach"
        if head.kind == "sigmoid" or head.bounded:
            return f"{text}; the log-odds of the probability are explained"
        return text

    def notes(self, head: Head) -> tuple[str, ...]:
        if len(self.values) > 1 and all(_same(self.values[0], other) for other in self.values[1:]):
            return (
                "The model answers alike for noise, other noise and a blank image: its statistics (mean, std) or its"
                " weights may not be its own.",
            )
        return ()
