"""A small classifier under examination, with an image and a mask."""

import hashlib
import io

import numpy as np
import torch
from PIL import Image
from torch import nn

from workbench.images.item import BytesSource
from workbench.models.loading import load_classifier

SIZE = (16, 24)


def png(values):
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return BytesSource(buffer.getvalue())


PIXELS = np.random.default_rng(0).integers(0, 256, (33, 47, 3), dtype=np.uint8)


IMAGE = Image.fromarray(PIXELS)


MASK = np.zeros((33, 47), bool)


class Fuse(nn.Module):
    """Passes its input on and notes how many came at once."""

    batches: list = []  # noqa: RUF012 - shared with the private copies of the model, which are to be counted too

    def forward(self, x):
        self.batches.append(len(x))
        return x


def make(seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(
        Fuse(),
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(6 * 16 * 24, 3),
    )
    clf = load_classifier(model.eval(), size=SIZE, device="cpu", classes=["a", "b", "c"])
    model.train()
    model[2].eval()
    model[1].weight.requires_grad_(False)
    model[6].bias.grad = torch.full((3,), 7.0)
    model[1].register_forward_hook(lambda *_: None)
    Fuse.batches.clear()
    return clf


def state(model):
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    hooks = [
        len(t)
        for module in model.modules()
        for name, t in sorted(vars(module).items())
        if name.endswith("_hooks") and t is not None
    ]
    grads = [(p.requires_grad, id(p.grad), None if p.grad is None else p.grad.tolist()) for p in model.parameters()]
    return digest.hexdigest(), [module.training for module in model.modules()], hooks, grads
