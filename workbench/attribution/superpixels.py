"""An image cut into superpixels: small regions of even colour."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.attribution.job import Job
from workbench.images import Pixels


def superpixels(job: Job) -> Tensor:
    """The number of each pixel's superpixel from 0, (1, 1, H, W), of the image as the model sees it: `segmented`."""
    if "superpixels" not in job.measured:
        pixels = np.asarray(job.classifier.preprocessing.image(job.x[0].cpu().numpy()))
        job.measured["superpixels"] = torch.from_numpy(segmented(pixels, job.number("segments"))[None, None]).to(
            job.x.device
        )
    return job.measured["superpixels"]


def segmented(pixels: Pixels, segments: int) -> NDArray[np.intp]:
    """The number of each pixel's superpixel, from 0 on, (H, W), about `segments` of them: SLIC.

    Achanta et al. 2012, "SLIC Superpixels Compared to State-of-the-art Superpixel Methods". Where colours flicker so
    much that hardly any region holds together, the next try heeds them less, down to an even grid. A spot keeps a
    superpixel of its own down to a quarter of the usual size, because small defects are what people look for.
    """
    from skimage.segmentation import slic

    if pixels.dtype != np.uint8:  # what matters of levels is how they differ, however little
        low, high = float(pixels.min()), float(pixels.max())
        pixels = ((pixels - low) * (255 / ((high - low) or 1))).round().astype(np.uint8)
    labels = np.zeros(pixels.shape[:2], np.intp)
    for compactness in (10, 100, 1000):
        pieces = slic(pixels, n_segments=segments, compactness=compactness, min_size_factor=0.25, start_label=0)
        labels = np.unique(pieces, return_inverse=True)[1].reshape(pixels.shape[:2])
        if 2 * (labels.max() + 1) > segments:
            break
    return labels


def spread(weights: Tensor, parts: Tensor) -> Tensor:
    """Share each superpixel's weight out evenly: with `weights` (1, C, H, W) at every value, the map sums to it."""
    areas = torch.bincount(parts.flatten())[parts]
    return weights / (areas * weights.shape[1])
