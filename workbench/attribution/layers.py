"""Methods that look at one layer inside of the model: class activation maps.

Maps, (1, 1, H, W), are laid over the input by bilinear interpolation, and left as signed as the formula makes them
unless a paper's method is about magnitude alone.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from workbench.attribution.backprop import guided_backprop
from workbench.attribution.capture import activation, capture, choose_layer
from workbench.attribution.job import CHUNK, Implementation, Job

__all__ = ["IMPLEMENTATIONS", "choose_layer"]


def grad_cam(job: Job) -> Tensor:
    """The layer's activations, weighted by the mean gradient of the score to each channel, unrectified.

    Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization".
    """
    values, gradient = capture(job)
    return _over_input((values * gradient.mean((2, 3), keepdim=True)).sum(1, keepdim=True), job)


def guided_grad_cam(job: Job) -> Tensor:
    """Guided backprop where Grad-CAM is positive, (1, C, H, W): fine detail inside of the regions that spoke for the
    class.

    Selvaraju et al. 2017, as `grad_cam`. Refused where guided backprop is.
    """
    return guided_backprop(job) * grad_cam(job).relu()


def grad_cam_pp(job: Job) -> Tensor:
    """Grad-CAM with weights that give each place of a channel its own share, so that several objects of a class all
    count.

    Chattopadhay et al. 2018, "Grad-CAM++". For the exponential of the score, whose higher derivatives are powers of the
    gradient g: alpha = g^2 / (2 g^2 + sum(A) g^3), and a channel's weight is the sum of alpha max(g, 0).
    """
    values, gradient = capture(job)
    below = 2 + values.sum((2, 3), keepdim=True) * gradient  # both sides divided by g^2, which could underflow
    alpha = torch.where(below != 0, 1 / below, 0)
    weights = (alpha * gradient.relu()).sum((2, 3), keepdim=True)
    return _over_input((values * weights).sum(1, keepdim=True), job)


def layer_cam(job: Job) -> Tensor:
    """Each activation times its own positive gradient, summed over channels: fine enough for early layers.

    Jiang et al. 2021, "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization".
    """
    values, gradient = capture(job)
    return _over_input((values * gradient.relu()).sum(1, keepdim=True), job)


def score_cam(job: Job) -> Tensor:
    """Channels weighted by the score of the image seen through each, without gradients.

    Wang et al. 2020, "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks". A channel, laid
    over the input and scaled to 0 .. 1, is a mask; the weights are the softmax of the scores under the masks, which
    their common reference (the score of an empty image) does not change; the sum is rectified. `channels` limits the
    work to those with the largest mean magnitude (0: all). A channel without variation shows nothing and is skipped.

    Raises:
        InputError: No channel varies, or the score is the same under every mask.
    """
    values = activation(job)
    chosen = _busiest(values[0], job.number("channels"))
    if not len(chosen):
        raise job.refuse(f"no channel of the layer {job.params['layer']} varies over this image: choose another layer")
    job.report["channels"] = len(chosen)
    with torch.inference_mode():
        scores = []
        for some in chosen.split(CHUNK):
            masks = _over_input(values[0, some, None], job)
            low, high = masks.amin((2, 3), keepdim=True), masks.amax((2, 3), keepdim=True)
            scores.append(job.forward(job.x * ((masks - low) / (high - low).clamp(min=torch.finfo(masks.dtype).tiny))))
        score = torch.cat(scores)
        if len(score) > 1 and (score == score[0]).all():
            raise job.refuse(
                "its score stays the same whatever part of the image is shown: choose another class or score"
            )
        weights = score.softmax(0)
        return _over_input((values[:, chosen] * weights[:, None, None]).sum(1, keepdim=True).relu(), job)


def eigen_cam(job: Job) -> Tensor:
    """The first principal component of the activations over the grid, the same for every class; rectified.

    Muhammad and Yeasin 2020, "Eigen-CAM: Class Activation Map using Principal Components". Channels are centred, and
    the component, whose sign is free, points to where it stands out most.
    """
    values = activation(job)[0]
    with torch.inference_mode():
        centred = (values - values.mean((1, 2), keepdim=True)).flatten(1)
        _, _, right = torch.linalg.svd(centred, full_matrices=False)
        along = right[0] * torch.linalg.vector_norm(centred @ right[0])
        along = along * along[along.abs().argmax()].sign()
        return _over_input(along.reshape(1, 1, *values.shape[1:]).relu(), job)


def _busiest(values: Tensor, limit: int) -> Tensor:
    """The channels of (C, h, w) that vary, in order: the `limit` of largest mean magnitude (0: all)."""
    varying = (values.amax((1, 2)) > values.amin((1, 2))).nonzero()[:, 0]
    if not 0 < limit < len(varying):
        return varying
    strength = values[varying].abs().mean((1, 2))
    return varying[strength.argsort(descending=True, stable=True)[:limit]].sort().values


def _channels(job: Job) -> int:
    """Inputs that Score-CAM asks about: the image, then one a channel."""
    count, limit = job.classifier.layers[str(job.params["layer"])][0], job.number("channels")
    return 1 + (min(count, limit) if limit else count)


def _over_input(values: Tensor, job: Job) -> Tensor:
    """Maps of shape (N, 1, h, w) over the input, (N, 1, H, W)."""
    return functional.interpolate(values, tuple(job.x.shape[2:]), mode="bilinear")


IMPLEMENTATIONS = {
    "grad_cam": Implementation(grad_cam),
    "grad_cam_pp": Implementation(grad_cam_pp),
    "layer_cam": Implementation(layer_cam),
    "guided_grad_cam": Implementation(guided_grad_cam, lambda job: 3),
    "score_cam": Implementation(score_cam, _channels),
    "eigen_cam": Implementation(eigen_cam),
}
