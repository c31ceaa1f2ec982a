"""The verb: from an image, a score and a method to a map, with the model left as it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from workbench.attribution import attention, backprop, gradients, integrated, layers, own, perturbations
from workbench.attribution.background import prepare_background
from workbench.attribution.job import CHUNK, OUTPUT, REFERENCE, Implementation, Job, no_gradient
from workbench.attribution.methods import METHODS, Method
from workbench.attribution.result import SCORES, Attribution, Score, ScoreKind
from workbench.attribution.tiled import stitch
from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.models import BASELINES, Classifier, Input, untouched

Progress = Callable[[int, int], None]
IMPLEMENTATIONS: Mapping[str, Implementation] = (
    gradients.IMPLEMENTATIONS
    | integrated.IMPLEMENTATIONS
    | backprop.IMPLEMENTATIONS
    | layers.IMPLEMENTATIONS
    | attention.IMPLEMENTATIONS
    | perturbations.IMPLEMENTATIONS
    | own.IMPLEMENTATIONS
)


def attribute(
    classifier: Classifier,
    item: ImageItem | Image.Image | Input,
    method: str = "integrated_gradients",
    target: int | str | None = None,
    *,
    score: ScoreKind = "logit",
    against: int | str | None = None,
    background: Iterable[ImageItem] | None = None,
    on_progress: Progress | None = None,
    **params: object,
) -> Attribution:
    """Explain one score of one image.

    Args:
        classifier: The model.
        item: The image, as it is or made ready.
        method: A name in `METHODS`.
        target: The class, by name or column; the predicted one where missing.
        score: What is explained: "logit", "probability" or "margin".
        against: With "margin": the other class; the strongest other one where missing.
        background: Images of the image set, for methods whose `Method.background` is true; others do not look at it. At
            most 64, spread evenly over what is given, are used.
        on_progress: Called with (done, total) evaluations; what it raises stops the work and leaves the model as it
            was.
        **params: The method's own settings (`METHODS[method].params` names them with their defaults).

    Returns:
        The map with all that it depends on.

    Raises:
        InputError: An unknown method, class, score or setting, or a model that the method does not suit.

    Example:
        >>> att = wb.attribute(clf, item, method="grad_cam", target="defective")
        >>> att.values.shape  # the map of a layer has one channel
        (1, 256, 256)
    """
    chosen = _method(method)
    params = _settings(chosen, params)
    if reason := _unsuited(classifier, chosen):
        raise InputError(f"{chosen.title} does not suit this model: {reason}.")
    if score not in SCORES:
        raise InputError(f"There is no score {score!r}: choose {', '.join(SCORES)}.")
    aims = partial(_aim, classifier, target=target, kind=score, against=against)
    if not isinstance(item, Input) and classifier.preprocessing.tiles:
        source = classifier.source(item)
        if classifier.preprocessing.boxes(*source.size):
            explain = partial(_explained, classifier.untiled, chosen, params)
            return stitch(classifier, source, chosen, aims, explain, on_progress)
    ready = classifier.input(item)
    x = ready.x[None].to(classifier.device)
    backdrop, report = prepare_background(classifier, chosen, background) if chosen.background else (None, {})
    with untouched(classifier):
        aim = aims(lambda: classifier.logits(x))
        return _explained(classifier, chosen, params, ready, aim, backdrop, report, on_progress)


def _explained(
    classifier: Classifier,
    chosen: Method,
    given: Mapping[str, object],
    ready: Input,
    aim: Score,
    backdrop: Tensor | None = None,
    report: Mapping[str, object] = MappingProxyType({}),
    on_progress: Progress | None = None,
) -> Attribution:
    """The map of one score of an image that is ready."""
    params, x = dict(given), ready.x[None].to(classifier.device)
    with untouched(classifier):
        if "layer" in params:
            params["layer"] = layers.choose_layer(classifier, params["layer"])
        baseline = _baseline(classifier, ready, params["baseline"]) if "baseline" in params else None
        scores = partial(_scores, classifier, aim)
        job = Job(chosen, aim, scores, x, baseline, backdrop, params, classifier, dict(report))
        values = _run(job, on_progress)
        output, change, delta = _balance(job, values)
        params |= job.report
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
        placement=ready.placement,
        classifier=classifier.key,
    )


def _run(job: Job, on_progress: Progress | None) -> Tensor:
    implementation = IMPLEMENTATIONS[job.method.name]
    total = implementation.evaluations(job)
    try:
        values = implementation.run(dataclasses.replace(job, forward=_counting(job, total, on_progress)))
    except RuntimeError as error:
        if reason := no_gradient(str(error)):
            raise job.refuse(reason) from error
        raise
    if on_progress:
        on_progress(total, total)
    return values


def _balance(job: Job, values: Tensor) -> tuple[float, float | None, float | None]:
    """The score; and of a complete method its change from the baseline or background, and by how much the map misses
    it."""
    output = _mean_score(job, OUTPUT, job.x)
    reference = job.background if job.baseline is None else job.baseline
    if not job.method.complete or reference is None:
        return output, None, None
    change = output - _mean_score(job, REFERENCE, reference)
    return output, change, float(values.double().sum()) - change


def _mean_score(job: Job, name: str, inputs: Tensor) -> float:
    """The mean score of inputs (N, C, H, W), where the map was made from it already at no further cost."""
    score = job.report.pop(name, None)
    if isinstance(score, float):
        return score
    with torch.inference_mode():
        parts = [job.score.of(job.classifier, job.classifier.logits(part)) for part in inputs.split(CHUNK)]
        return torch.cat(parts).double().mean().item()


def _scores(classifier: Classifier, aim: Score, inputs: Tensor) -> Tensor:
    return aim.of(classifier, classifier.logits(inputs))


def _method(name: str) -> Method:
    if name not in METHODS:
        raise InputError(f"There is no method {name!r}: choose one of {', '.join(METHODS)}.")
    return METHODS[name]


def _unsuited(classifier: Classifier, method: Method) -> str:
    """Why no method of the family suits a model of this format; empty where one may."""
    reasons = getattr(classifier.model, "refusals", None)
    return str(reasons.get(method.family, "")) if isinstance(reasons, Mapping) else ""


def _settings(method: Method, params: Mapping[str, object]) -> dict[str, object]:
    if strange := sorted(params.keys() - method.params.keys()):
        takes = ", ".join(method.params) or "no settings"
        raise InputError(f"{method.title} has no setting {strange[0]!r}: it takes {takes}.")
    return dict(method.params) | {name: _number(method, name, value) for name, value in params.items()}


def _number(method: Method, name: str, value: object) -> object:
    """`value` as the plain number that the setting takes; other kinds of settings are checked where they are used."""
    default = 1 if name in ("n_steps", "samples") and value is not None else method.params[name]
    if not isinstance(default, int | float):
        return value
    plain = value.item() if isinstance(value, np.generic) else value
    number = plain if isinstance(plain, int | float) and not isinstance(plain, bool) else -1
    whole = isinstance(default, int)
    least = 1 if whole and name not in ("seed", "channels") else 0
    if not least <= number < 2**31 or (whole and number != int(number)):
        kind = "a whole number" if whole else "a number"
        raise InputError(f"{method.title} cannot use {name} = {value!r}: give {kind} from {least} up.")
    return int(number) if whole else float(number)


def _aim(
    classifier: Classifier,
    logits: Callable[[], Tensor],
    target: int | str | None,
    kind: ScoreKind,
    against: int | str | None,
) -> Score:
    if kind != "margin" and against is not None:
        raise InputError("Another class to compare with belongs to a margin: ask for score='margin'.")
    column = classifier.index(_probable(classifier, logits, ()) if target is None else target)
    if kind != "margin":
        return Score(kind, column)
    rival = classifier.index(_probable(classifier, logits, (column,)) if against is None else against)
    if rival == column:
        raise InputError("A margin needs two different classes: choose another class to compare with.")
    return Score(kind, column, rival)


def _probable(classifier: Classifier, ask: Callable[[], Tensor], beside: tuple[int, ...]) -> int:
    """The predicted class, or the most probable one beside those named."""
    with torch.inference_mode():
        logits = ask()
    if not beside:
        return int(classifier.rule.decide(classifier.probabilities(logits).cpu().numpy())[0][0])
    return next(i for i in logits[0].argsort(descending=True).tolist() if i not in beside)


def _baseline(classifier: Classifier, ready: Input, baseline: object) -> Tensor:
    if isinstance(baseline, str):
        values = torch.from_numpy(classifier.baseline(baseline, ready))
    else:
        shape = (len(classifier.preprocessing.mean), *classifier.preprocessing.size)
        kind = tuple(baseline.shape) if isinstance(baseline, Tensor | np.ndarray) else type(baseline).__name__
        if kind != shape:
            raise InputError(
                f"The baseline is {kind}: give the name of one ({', '.join(BASELINES)}), or an array of shape {shape}."
            )
        values = torch.as_tensor(baseline, dtype=torch.float32)
    return values[None].to(classifier.device)


def _counting(job: Job, total: int, on_progress: Progress | None) -> Callable[[Tensor], Tensor]:
    """The job's forward, which also reports progress and notes the score of the image when it comes by."""
    done = 0

    def counting(x: Tensor) -> Tensor:
        nonlocal done
        if on_progress:
            on_progress(min(done, total), total)
        done += len(x)
        scores = job.forward(x)
        if not scores.isfinite().all():
            raise InputError(
                "The model's score is not a number for this image or for a changed copy of it: the answer overflows or"
                " divides by zero there. Choose another baseline or a method that changes less."
            )
        if OUTPUT not in job.report and x.shape == job.x.shape and torch.equal(x, job.x):
            job.report[OUTPUT] = scores.item()
        return scores

    return counting
