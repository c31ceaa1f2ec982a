"""Scores of copies of one image that each differ in one rectangle, in less time than asking about each as a whole."""

from __future__ import annotations

import math
import weakref

import torch
from torch import Tensor

from workbench.attribution.job import CHUNK, Job
from workbench.attribution.patched import Kept, cut
from workbench.models import Classifier

PATCHED_CHUNK = 2 * CHUNK
"""Inputs a forward pass where only rectangles are computed: faster than 8. With what is kept, 225 windows of
EfficientNet-Lite0 took 224 MiB, where chunks of 8 whole inputs took 161, and one gradient for 8 takes 558."""
WORTHWHILE = 0.2  # of the multiplications must be spared, or the bookkeeping eats the gain
SMALLEST_INPUT = 64 * 64  # pixels; likewise
LARGEST_SHARE = 0.25  # of the image, from where on hardly anything is spared; likewise
_suited: weakref.WeakKeyDictionary[Classifier, bool] = weakref.WeakKeyDictionary()


class Scorer:
    """Scores of inputs that equal the image but for a rectangle each, as occlusion and ablation make them.

    Attributes:
        chunk: How many inputs to ask about at once.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._patched = suits(job.classifier)
        self.chunk = PATCHED_CHUNK if self._patched else CHUNK
        self._kept = Kept(job.x)
        self._plain: Tensor | None = None

    def __call__(self, inputs: Tensor) -> Tensor:
        """Scores (N,) for inputs (N, C, H, W); after the first, inputs equal to the image cost nothing."""
        differs = (inputs != self.job.x).any(1)
        changed = differs.flatten(1).any(1)
        if self._plain is None:
            self._plain = self._whole(self.job.x)
        scores = self._plain.repeat(len(inputs))
        if changed.any():
            scores[changed] = self._scores(inputs[changed], differs[changed])
        return scores

    def _scores(self, inputs: Tensor, differs: Tensor) -> Tensor:
        if self._patched:
            copies = cut(self._kept, inputs, differs)
            if copies.patch[0].numel() <= LARGEST_SHARE * inputs[0].numel():
                return self._kept.through(self.job.forward, copies)
        return torch.cat([self._whole(part) for part in inputs.split(CHUNK)])

    @torch.inference_mode()
    def _whole(self, inputs: Tensor) -> Tensor:
        return self.job.forward(inputs)


def suits(classifier: Classifier) -> bool:
    """Whether a classifier's answers to such inputs come out the same, and enough is spared; tried once for each."""
    if classifier not in _suited:
        _suited[classifier] = (
            classifier.device.type == "cpu"
            and math.prod(classifier.preprocessing.size) >= SMALLEST_INPUT
            and _agrees(classifier)
        )
    return _suited[classifier]


def _agrees(classifier: Classifier) -> bool:
    """Compare on noise, with rectangles of noise in two corners and off centre, together and one by one."""
    from torch.utils.flop_counter import FlopCounterMode

    height, width = classifier.preprocessing.size
    random = torch.Generator().manual_seed(0)
    image = torch.randn(1, len(classifier.preprocessing.mean), height, width, generator=random)
    h, w = height // 8, width // 10
    inputs = image.repeat(3, 1, 1, 1)
    differs = torch.zeros(3, height, width, dtype=torch.bool)
    for i, (top, left) in enumerate([(0, 0), (height // 3 + 1, width // 2 + 1), (height - h, width - w)]):
        differs[i, top : top + h, left : left + w] = True
    inputs = torch.where(differs[:, None], torch.randn(inputs.shape, generator=random), inputs)
    kept = Kept(image)
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as work:
            expected = classifier.logits(inputs)
        together = kept.through(classifier.logits, cut(kept, inputs, differs))
        spared = kept.spared
        alone = [
            kept.through(classifier.logits, cut(kept, inputs[i : i + 1], differs[i : i + 1]))
            for i in range(len(inputs))
        ]
        plain = classifier.logits(image).detach()
    except Exception:  # whatever a model's own code makes of a tensor that is not quite one
        return False
    effect, scale = (expected - plain).abs().max(), expected.abs().max()
    off = max((scores - expected).abs().max() for scores in (together, torch.cat(alone)))
    return bool(off <= 1e-3 * effect + 2e-6 * scale) and spared >= WORTHWHILE * work.get_total_flops()
