"""Which methods suit which model: found by trying, and remembered."""

from __future__ import annotations

import io
from functools import cache
from weakref import WeakKeyDictionary

import numpy as np
import torch
from PIL import Image

from workbench.attribution.engine import attribute
from workbench.attribution.methods import METHODS, Method
from workbench.errors import InputError
from workbench.images import ImageItem, image_from_bytes
from workbench.models import Classifier, untouched

TRIED = 4
"""Samples, steps or segments that a trial takes."""
_answers: WeakKeyDictionary[Classifier, dict[str, str | None]] = WeakKeyDictionary()


def suits(classifier: Classifier, method: str, **settings: object) -> str | None:
    """Why a method does not suit a classifier, or None where it does.

    The method is tried once on grey noise with its cheapest settings, and the answer is remembered as long as the
    classifier lives. A method that holds on noise may still refuse an image: DeepLift checks its sum each time.

    Args:
        classifier: The model, which is left as it was.
        method: A name in `METHODS`.
        **settings: Settings of the method that are of interest, such as the layer.

    Returns:
        One sentence, or None.

    Raises:
        InputError: There is no such method.
    """
    if method not in METHODS:
        raise InputError(f"There is no method {method!r}: choose one of {', '.join(METHODS)}.")
    key = f"{method} {sorted(settings.items())}"
    with untouched(classifier):  # whoever asks for the same answer meanwhile waits for it
        answers = _answers.setdefault(classifier, {})
        if key not in answers:
            answers[key] = _reason(classifier, METHODS[method], settings)
        return answers[key]


def _reason(classifier: Classifier, method: Method, settings: dict[str, object]) -> str | None:
    image, *others = _noise()
    try:
        attribution = attribute(classifier, image, method.name, background=others, **(_cheapest(method) | settings))  # type: ignore[arg-type]
    except InputError as error:
        return str(error)
    except Exception as error:  # whatever the model's own code raises
        message = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        return (
            f"{method.title} does not suit this model: it failed with {type(error).__name__} ({message}), so choose"
            " another method."
        )
    if attribution.values.any():
        return None
    inputs = torch.stack([classifier.prepare(item) for item in (image, *others)])
    with torch.inference_mode():
        constant = not classifier.logits(inputs).std(0).any()
    if constant:
        return (
            f"{method.title} does not suit this model: it answers the same for every image, as a head of zeros does, so"
            " train it first."
        )
    # they may keep only what speaks for the class, here nothing
    if method.family == "layer" or method.name == "guided_backprop":
        return None
    return f"{method.title} does not suit this model: its map of noise is zero everywhere, so choose another method."


def _cheapest(method: Method) -> dict[str, object]:
    """Few of what is counted, and one large window."""
    counts: dict[str, object] = {
        name: TRIED
        for name, default in method.params.items()
        if type(default) is int and name != "seed" and default > TRIED
    }
    if {"segments", "samples"} <= counts.keys():  # a fit needs more answers than unknowns
        counts["samples"] = 4 * TRIED
    return counts | {name: value for name, value in {"n_steps": TRIED, "window": 0.5}.items() if name in method.params}


@cache
def _noise() -> tuple[ImageItem, ...]:
    """Three images of grey noise: one to explain and a small background."""
    images = []
    for seed in range(3):
        buffer = io.BytesIO()
        grey = np.random.default_rng(seed).normal(128, 40, (256, 256)).clip(0, 255).astype(np.uint8)
        Image.fromarray(grey).convert("RGB").save(buffer, "PNG")
        images.append(image_from_bytes(buffer.getvalue(), f"noise {seed}"))
    return tuple(images)
