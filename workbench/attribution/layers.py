"""Methods that look at one layer inside of the model."""

from __future__ import annotations

from torch import Tensor

from workbench.attribution.job import Implementation, Job
from workbench.classifier import Classifier
from workbench.errors import InputError


def choose_layer(classifier: Classifier, name: object) -> str:
    """The layer called `name`, or where that is None the last one with a spatial output."""
    if not classifier.layers:
        raise InputError("This model has no layer with a spatial output, which layer methods need: choose another method.")
    if name is None:
        return list(classifier.layers)[-1]
    if not isinstance(name, str) or name not in classifier.layers:
        raise InputError(f"There is no layer {name!r} with a spatial output: choose one such as {', '.join(list(classifier.layers)[-3:])}.")
    return name


def grad_cam(job: Job) -> Tensor:
    """The layer's activations, weighted by the mean gradient of the score to each channel, unrectified."""
    from captum.attr import LayerAttribution, LayerGradCam

    layer = job.classifier.model.get_submodule(str(job.params["layer"]))
    values = LayerGradCam(job.forward, layer).attribute(job.x)
    return LayerAttribution.interpolate(values, tuple(job.x.shape[2:]), interpolate_mode="bilinear")


IMPLEMENTATIONS = {"grad_cam": Implementation(grad_cam)}
