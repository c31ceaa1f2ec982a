"""Where a decision came from: one verb, `attribute`, over Captum's methods.

Captum is Kokhlikyan et al. 2020, "Captum: A unified and generic model interpretability library for PyTorch".
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from workbench.classifier import Classifier, untouched
from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.methods import METHODS, Method
from workbench.preprocessing import BASELINES, Placement

ScoreKind = Literal["logit", "probability", "margin"]
SCORES: Mapping[str, str] = MappingProxyType(
    {
        "logit": "the class's raw output; for a single-output model its log-odds",
        "probability": "the class's probability, which also falls when another class rises",
        "margin": "the class's logit minus that of another class: why this one rather than that one",
    }
)
CHUNK = 8
"""Inputs a forward pass. Larger chunks were slower on the CPU and cost memory in proportion."""

Progress = Callable[[int, int], None]
_random = threading.Lock()  # torch's global generator is one for all threads


@dataclasses.dataclass(frozen=True)
class Score:
    """The one number that is shown, explained and measured.

    Attributes:
        kind: "logit", "probability" or "margin".
        target: Column of the class.
        against: Column of the other class of a margin.
    """

    kind: ScoreKind
    target: int
    against: int | None = None

    def of(self, classifier: Classifier, logits: Tensor) -> Tensor:
        """Scores of shape (N,) for logits of shape (N, K)."""
        if self.kind == "probability":
            return logits.softmax(1)[:, self.target]
        if self.against is not None:
            return logits[:, self.target] - logits[:, self.against]
        if classifier.single:
            return logits[:, self.target] - logits[:, 1 - self.target]
        return logits[:, self.target]


@dataclasses.dataclass(frozen=True, eq=False)
class Attribution:
    """A map of where one score of one picture came from.

    Attributes:
        values: Signed float32 of shape (C, H, W) in the score's unit (per unit of input for gradients), over the model's input;
            C is 1 for layer maps.
        method: Name in `METHODS`.
        target: Column of the class that is explained.
        score: "logit", "probability" or "margin".
        params: Everything else that the map depends on.
        output: The score's value on this picture.
        delta: Convergence delta: the sum of the map minus (score of the picture - score of the baseline); None for methods
            that promise no sum.
        change: Score of the picture minus score of the baseline; None likewise.
        placement: Where the map lies on the picture.
        classifier: Digest of the classifier.
    """

    values: NDArray[np.float32]
    method: str
    target: int
    score: ScoreKind
    params: Mapping[str, object]
    output: float
    delta: float | None
    change: float | None
    placement: Placement
    classifier: str

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.dtype != np.float32:
            raise ValueError(f"expected float32 values of shape (C, H, W), got {self.values.dtype} {self.values.shape}")
        if not np.isfinite(self.values).all():
            raise InputError("The map holds values that are not numbers: the model's output overflows on this picture.")

    def __getstate__(self) -> dict[str, object]:
        """Pickle `params` as a plain dict: a read-only view of one cannot be pickled, which caches and workers need."""
        return self.__dict__ | {"params": dict(self.params)}

    def heatmap(self) -> NDArray[np.float32]:
        """The sum over channels, (H, W), over the model's input."""
        return self.values.sum(0)

    def on_picture(self) -> NDArray[np.float32]:
        """The heatmap over the pixels of the original picture, (height, width)."""
        return self.placement.to_original(self.heatmap())

    @property
    def relative_delta(self) -> float | None:
        """|delta| as a share of the change that the map explains."""
        if self.delta is None or not self.change:
            return None
        return abs(self.delta / self.change)


@dataclasses.dataclass(frozen=True)
class _Job:
    """What a method's implementation gets."""

    forward: Callable[[Tensor], Tensor]
    x: Tensor
    baseline: Tensor | None
    params: Mapping[str, object]
    classifier: Classifier

    def number(self, name: str) -> int:
        return int(self.params[name])  # type: ignore[call-overload]


def attribute(
    classifier: Classifier,
    item: ImageItem | Image.Image,
    method: str = "integrated_gradients",
    target: int | str | None = None,
    *,
    score: ScoreKind = "logit",
    against: int | str | None = None,
    on_progress: Progress | None = None,
    **params: object,
) -> Attribution:
    """Explain one score of one picture.

    Args:
        classifier: The model.
        item: The picture.
        method: A name in `METHODS`.
        target: The class, by name or column; the predicted one where missing.
        score: What is explained: "logit", "probability" or "margin".
        against: With "margin": the other class; the strongest other one where missing.
        on_progress: Called with (done, total) evaluations; what it raises stops the work and leaves the model as it was.
        **params: The method's own settings (`METHODS[method].params` names them with their defaults).

    Returns:
        The map with all that it depends on.

    Raises:
        InputError: An unknown method, class, score or setting, or a model that the method does not suit.
    """
    chosen = _method(method)
    params = _settings(chosen, params)
    if score not in SCORES:
        raise InputError(f"There is no score {score!r}: choose {', '.join(SCORES)}.")
    picture = item.open() if isinstance(item, ImageItem) else item
    x = classifier.prepare(picture)[None].to(classifier.device)
    with untouched(classifier):
        with torch.inference_mode():
            logits = classifier.logits(x)
        aim = _aim(classifier, logits, target, score, against)
        if "layer" in params:
            params["layer"] = choose_layer(classifier, params["layer"])
        baseline = _baseline(classifier, picture, params["baseline"]) if "baseline" in params else None
        total = _evaluations(chosen, params, x)
        forward = _counted(lambda z: aim.of(classifier, classifier.logits(z)), total, on_progress)
        values = _IMPLEMENTATIONS[chosen.name](_Job(forward, x, baseline, params, classifier))
        if on_progress:
            on_progress(total, total)
        output = aim.of(classifier, logits).item()
        change = delta = None
        if chosen.complete and baseline is not None:
            with torch.inference_mode():
                change = output - aim.of(classifier, classifier.logits(baseline)).item()
            delta = float(values.double().sum()) - change
    if isinstance(params.get("baseline"), Tensor | np.ndarray):
        params["baseline"] = "given"
    if aim.against is not None:
        params["against"] = classifier.class_names[aim.against]
    return Attribution(
        values=values.detach().float().cpu().numpy()[0],
        method=chosen.name,
        target=aim.target,
        score=aim.kind,
        params=MappingProxyType(params),
        output=output,
        delta=delta,
        change=change,
        placement=classifier.placement(picture),
        classifier=classifier.key,
    )


def choose_layer(classifier: Classifier, name: object) -> str:
    """The layer called `name`, or where that is None the last one with a spatial output."""
    if not classifier.layers:
        raise InputError("This model has no layer with a spatial output, which layer methods need: choose another method.")
    if name is None:
        return list(classifier.layers)[-1]
    if not isinstance(name, str) or name not in classifier.layers:
        raise InputError(f"There is no layer {name!r} with a spatial output: choose one such as {', '.join(list(classifier.layers)[-3:])}.")
    return name


def _method(name: str) -> Method:
    if name not in METHODS:
        raise InputError(f"There is no method {name!r}: choose one of {', '.join(METHODS)}.")
    return METHODS[name]


def _settings(method: Method, params: Mapping[str, object]) -> dict[str, object]:
    if strange := sorted(params.keys() - method.params.keys()):
        takes = ", ".join(method.params) or "no settings"
        raise InputError(f"{method.title} has no setting {strange[0]!r}: it takes {takes}.")
    return dict(method.params) | {name: _number(method, name, value) for name, value in params.items()}


def _number(method: Method, name: str, value: object) -> object:
    """`value` as the plain number that the setting takes; other kinds of settings are checked where they are used."""
    default = method.params[name]
    if not isinstance(default, int | float):
        return value
    plain = value.item() if isinstance(value, np.generic) else value
    number = plain if isinstance(plain, int | float) and not isinstance(plain, bool) else -1
    whole = isinstance(default, int)
    least = 1 if whole and name != "seed" else 0
    if not least <= number < 2**31 or (whole and number != int(number)):
        kind = "a whole number" if whole else "a number"
        raise InputError(f"{method.title} cannot use {name} = {value!r}: give {kind} from {least} up.")
    return int(number) if whole else float(number)


def _aim(classifier: Classifier, logits: Tensor, target: int | str | None, kind: ScoreKind, against: int | str | None) -> Score:
    predicted = classifier.rule.decide(logits.softmax(1).cpu().numpy())[0][0]
    column = int(predicted) if target is None else classifier.index(target)
    if kind != "margin" and against is not None:
        raise InputError("Another class to compare with belongs to a margin: ask for score='margin'.")
    if kind != "margin":
        return Score(kind, column)
    if against is None:
        order = logits[0].argsort(descending=True).tolist()
        return Score(kind, column, next(i for i in order if i != column))
    other = classifier.index(against)
    if other == column:
        raise InputError("A margin needs two different classes: choose another class to compare with.")
    return Score(kind, column, other)


def _baseline(classifier: Classifier, picture: Image.Image, baseline: object) -> Tensor:
    if isinstance(baseline, str):
        values = torch.from_numpy(classifier.preprocessing.baseline(baseline, picture))
    else:
        shape = (len(classifier.preprocessing.mean), *classifier.preprocessing.size)
        found = tuple(baseline.shape) if isinstance(baseline, Tensor | np.ndarray) else type(baseline).__name__
        if found != shape:
            raise InputError(f"The baseline is {found}: give the name of one ({', '.join(BASELINES)}), or an array of shape {shape}.")
        values = torch.as_tensor(baseline, dtype=torch.float32)
    return values[None].to(classifier.device)


def _counted(forward: Callable[[Tensor], Tensor], total: int, on_progress: Progress | None) -> Callable[[Tensor], Tensor]:
    done = 0

    def counting(x: Tensor) -> Tensor:
        nonlocal done
        if on_progress:
            on_progress(min(done, total), total)
        done += len(x)
        return forward(x)

    return counting


def _evaluations(method: Method, params: Mapping[str, object], x: Tensor) -> int:
    """How many inputs the model will be asked about."""
    if method.name == "occlusion":
        height, width = x.shape[2:]
        window, stride = _window(params, height, width)
        return 1 + int(np.prod([int(np.ceil((n - w) / s)) + 1 for n, w, s in zip((height, width), window, stride, strict=True)]))
    return int(params.get("n_steps", params.get("samples", 1)))  # type: ignore[call-overload]


def _saliency(job: _Job) -> Tensor:
    from captum.attr import Saliency

    return Saliency(job.forward).attribute(job.x.clone().requires_grad_())


def _input_x_gradient(job: _Job) -> Tensor:
    from captum.attr import InputXGradient

    return InputXGradient(job.forward).attribute(job.x.clone().requires_grad_())


def _integrated_gradients(job: _Job) -> Tensor:
    from captum.attr import IntegratedGradients

    return IntegratedGradients(job.forward).attribute(
        job.x, baselines=job.baseline, n_steps=job.number("n_steps"), internal_batch_size=CHUNK
    )


def _smoothgrad(job: _Job) -> Tensor:
    from captum.attr import NoiseTunnel, Saliency

    spread = float(job.params["noise"]) * (job.x.max() - job.x.min()).item()  # type: ignore[arg-type]
    with _random, torch.random.fork_rng():
        torch.manual_seed(job.number("seed"))
        return NoiseTunnel(Saliency(job.forward)).attribute(
            job.x, nt_type="smoothgrad", nt_samples=job.number("samples"), nt_samples_batch_size=CHUNK, stdevs=spread, abs=False
        )


def _grad_cam(job: _Job) -> Tensor:
    from captum.attr import LayerAttribution, LayerGradCam

    layer = job.classifier.model.get_submodule(str(job.params["layer"]))
    values = LayerGradCam(job.forward, layer).attribute(job.x)
    return LayerAttribution.interpolate(values, tuple(job.x.shape[2:]), interpolate_mode="bilinear")


def _occlusion(job: _Job) -> Tensor:
    from captum.attr import Occlusion

    channels, height, width = job.x.shape[1:]
    window, stride = _window(job.params, height, width)
    with torch.inference_mode():
        return Occlusion(job.forward).attribute(
            job.x,
            sliding_window_shapes=(channels, *window),
            strides=(channels, *stride),
            baselines=job.baseline,
            perturbations_per_eval=CHUNK,
        )


def _window(params: Mapping[str, object], height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    share = float(params["window"])  # type: ignore[arg-type]
    if not 0 < share <= 1:
        raise InputError("Occlusion's window is a share of the picture's edge: give a number above 0 and at most 1.")
    window = max(round(height * share), 1), max(round(width * share), 1)
    return window, (max(window[0] // 2, 1), max(window[1] // 2, 1))


_IMPLEMENTATIONS: Mapping[str, Callable[[_Job], Tensor]] = {
    "saliency": _saliency,
    "input_x_gradient": _input_x_gradient,
    "integrated_gradients": _integrated_gradients,
    "smoothgrad": _smoothgrad,
    "grad_cam": _grad_cam,
    "occlusion": _occlusion,
}
