"""Methods that follow the gradient of the score to the picture."""

from __future__ import annotations

from torch import Tensor

from workbench.attribution.job import CHUNK, Implementation, Job, seeded


def saliency(job: Job) -> Tensor:
    """|d score / d input|."""
    from captum.attr import Saliency

    return Saliency(job.forward).attribute(job.x.clone().requires_grad_())


def input_x_gradient(job: Job) -> Tensor:
    """Input times gradient."""
    from captum.attr import InputXGradient

    return InputXGradient(job.forward).attribute(job.x.clone().requires_grad_())


def integrated_gradients(job: Job) -> Tensor:
    """The gradient's mean on the straight way from the baseline, times the way."""
    from captum.attr import IntegratedGradients

    return IntegratedGradients(job.forward).attribute(
        job.x, baselines=job.baseline, n_steps=job.number("n_steps"), internal_batch_size=CHUNK
    )


def smoothgrad(job: Job) -> Tensor:
    """The gradient's mean over noisy copies."""
    from captum.attr import NoiseTunnel, Saliency

    spread = job.share("noise") * (job.x.max() - job.x.min()).item()
    with seeded(job.number("seed")):
        return NoiseTunnel(Saliency(job.forward)).attribute(
            job.x, nt_type="smoothgrad", nt_samples=job.number("samples"), nt_samples_batch_size=CHUNK, stdevs=spread, abs=False
        )


IMPLEMENTATIONS = {
    "saliency": Implementation(saliency),
    "input_x_gradient": Implementation(input_x_gradient),
    "smoothgrad": Implementation(smoothgrad, lambda job: job.number("samples")),
    "integrated_gradients": Implementation(integrated_gradients, lambda job: job.number("n_steps")),
}
