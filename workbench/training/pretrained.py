"""The network that every fine-tuning starts from, with published weights."""

from __future__ import annotations

import torch
from torch import nn

from workbench.catalog import shared
from workbench.models import build, fit_weights, read_spec, read_weights, weights_path

ARCHITECTURE = "timm:tf_efficientnet_lite0"
DROPOUT, DROP_PATH = 0.3, 0.1


def backbone(classes: int) -> nn.Module:
    """EfficientNet-Lite0 with its published ImageNet weights and a new head of so many classes, the same on every
    machine.

    Raises:
        InputError: The package that holds the weights is not installed.
    """
    folder = shared("models/everyday")
    spec = read_spec(folder)
    options = {"num_classes": len(spec.classes), "drop_rate": DROPOUT, "drop_path_rate": DROP_PATH}
    weights = read_weights(weights_path(folder, spec))
    network, _ = build(ARCHITECTURE, trusted=True, options=options)
    fit_weights(network, weights, spec.weights, by_order=spec.order)
    torch.manual_seed(0)
    network.reset_classifier(classes)  # type: ignore[operator]
    return network
