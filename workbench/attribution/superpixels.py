"""A picture cut into superpixels: small regions of even colour."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from workbench.attribution.job import Job


def superpixels(job: Job) -> Tensor:
    """The number of each pixel's superpixel, from 0 on, (1, 1, H, W): SLIC on the picture as the model sees it.

    Achanta et al. 2012, "SLIC Superpixels Compared to State-of-the-art Superpixel Methods". About as many as the setting `segments`
    says: where colours flicker so much that hardly any region holds together, the next try heeds them less, down to an even grid.
    A spot keeps a superpixel of its own down to a quarter of the usual size, because small defects are what people look for.
    """
    from skimage.segmentation import slic

    wanted = job.number("segments")
    pixels = np.asarray(job.classifier.preprocessing.picture(job.x[0].cpu().numpy()))
    for compactness in (10, 100, 1000):
        found = slic(pixels, n_segments=wanted, compactness=compactness, min_size_factor=0.25, start_label=0)
        _, labels = np.unique(found, return_inverse=True)
        if 2 * (labels.max() + 1) > wanted:
            break
    return torch.from_numpy(labels.reshape(1, 1, *pixels.shape[:2])).to(job.x.device)


def spread(weights: Tensor, parts: Tensor) -> Tensor:
    """Share each superpixel's weight out evenly: where `weights` has it at every value, (1, C, H, W), the map sums to it."""
    areas = torch.bincount(parts.flatten())[parts]
    return weights / (areas * weights.shape[1])
