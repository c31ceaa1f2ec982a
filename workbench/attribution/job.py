"""What a method's implementation gets and gives."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from workbench.attribution.methods import Method
from workbench.attribution.result import Score
from workbench.errors import InputError
from workbench.models import Classifier

CHUNK = 8
"""Inputs a forward pass. Larger chunks were slower on the CPU and cost memory in proportion."""
OUTPUT, REFERENCE = "output", "reference"
"""Where an implementation reports the score of the image and of the baseline, if it learned them on its way."""
NO_GRADIENT = (
    "no gradient flows from its answer back to the image, as under torch.no_grad or torch.inference_mode, after"
    " .detach(), .numpy() or a comparison such as x > 0, in quantised layers or in checkpoint(use_reentrant=True):"
    " choose Score-CAM, Eigen-CAM or a perturbation method, or take that out"
)
REENTRANT = (
    "it runs torch.utils.checkpoint with use_reentrant=True, past which no gradient of single tensors is handed: set"
    " use_reentrant=False, or choose a perturbation method"
)
SCRIPTED = (
    "it is TorchScript, which runs its layers without the hooks that this needs: load the model that it was made of, or"
    " choose another gradient or a perturbation method"
)
_random = threading.Lock()  # the global generators of torch and NumPy are one for all threads


@dataclasses.dataclass(frozen=True)
class Job:
    """One map that is to be made.

    Attributes:
        method: Which.
        score: What is explained.
        forward: Scores of shape (N,) for inputs of shape (N, C, H, W); it reports progress.
        x: The image as input, (1, C, H, W).
        baseline: The reference input, (1, C, H, W), for methods with that setting.
        background: Inputs that stand for the image set, (N, C, H, W), for methods that need them.
        params: Settings.
        classifier: The model, held and in evaluation mode.
        report: Settings as they turned out, which the implementation writes and the attribution's `params` show.
        measured: What was found about the image and is needed more than once.
    """

    method: Method
    score: Score
    forward: Callable[[Tensor], Tensor]
    x: Tensor
    baseline: Tensor | None
    background: Tensor | None
    params: Mapping[str, object]
    classifier: Classifier
    report: dict[str, object] = dataclasses.field(default_factory=dict)
    measured: dict[str, Tensor] = dataclasses.field(default_factory=dict)

    def number(self, name: str) -> int:
        """A whole setting."""
        return int(self.params[name])  # type: ignore[call-overload]

    def share(self, name: str) -> float:
        """A setting with decimals."""
        return float(self.params[name])  # type: ignore[arg-type]

    def refuse(self, reason: str) -> InputError:
        """The error that says why the method does not suit the model; `reason` gives cause and remedy."""
        return InputError(f"{self.method.title} does not suit this model: {reason}.")


@dataclasses.dataclass(frozen=True)
class Implementation:
    """How a method is done.

    Attributes:
        run: Makes the map, (1, C, H, W), or (1, 1, H, W) for layer maps, from a job.
        evaluations: About how many inputs the model will be asked about.
    """

    run: Callable[[Job], Tensor]
    evaluations: Callable[[Job], int] = lambda job: 1


def no_gradient(error: str) -> str | None:
    """The reason for what torch says where no gradient can be had; None for other errors."""
    if "use_reentrant" in error:
        return REENTRANT
    signs = (
        "does not require grad",
        "not have been used in the graph",
        "nference tensor",
        "not implemented the derivative",
    )
    return NO_GRADIENT if any(sign in error for sign in signs) else None


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers from `seed` in this block; the generators of torch and NumPy, which Captum uses, are restored."""
    with _random, torch.random.fork_rng():
        state = np.random.get_state()
        try:
            torch.manual_seed(seed)
            np.random.seed(seed)
            yield
        finally:
            np.random.set_state(state)
