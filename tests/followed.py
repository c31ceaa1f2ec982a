"""Networks whose gradients are followed by hand-written rules, and how they are asked."""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from workbench.attribution.engine import attribute
from workbench.errors import InputError
from workbench.images.item import image_from_bytes
from workbench.models.loading import load_classifier

SIZE = (16, 20)


def noise(seed, size=(31, 17)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def item(seed):
    buffer = io.BytesIO()
    noise(seed).save(buffer, "PNG")
    return image_from_bytes(buffer.getvalue(), f"{seed}.png")


IMAGE = noise(99)


BACKGROUND = [item(seed) for seed in range(5)]


class Net(nn.Module):
    """A small convolutional network whose parts can be exchanged."""

    def __init__(self, act=nn.ReLU, inplace=True, body=None, pool=None):
        super().__init__()
        torch.manual_seed(4)
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.act = act(inplace=True) if inplace else act()
        self.pool = pool or nn.Identity()
        self.down = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.last = act()
        self.careless = nn.ReLU(inplace=True)
        self.head = nn.Linear(8, 3)
        self.body = body or (lambda net, h: net.last(net.down(h)))
        nn.init.normal_(self.norm.bias)

    def forward(self, x):
        return self.head(self.body(self, self.pool(self.act(self.norm(self.conv(x))))).mean((2, 3)))


BODIES = {
    "its own": None,
    "reused": lambda net, h: net.act(net.down(net.act(h - 0.3))),
    "shortcut": lambda net, h: net.last(d := net.down(h)) + d,
    "functional": lambda net, h: F.relu(net.down(h)),
    "clamp": lambda net, h: net.down(h).clamp(min=0),
    "method": lambda net, h: net.down(h).relu_(),
    "gelu": lambda net, h: F.gelu(net.down(h)),
    "relu6": lambda net, h: nn.ReLU6()(net.down(h)),
    "ignored result": lambda net, h: (d := net.down(h), net.careless(d))[0],
    "product": lambda net, h: (d := net.down(h)) * net.last(d),
    "quotient": lambda net, h: 1 / (2 + net.last(net.down(h))),
    "norm": lambda net, h: F.layer_norm(net.down(h), (8, 10)),
    "own function": lambda net, h: Doubled.apply(net.last(net.down(h))),
}


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


def wrap(model, size=SIZE, **more):
    return load_classifier(model.eval(), size=size, device="cpu", **more)


def ask(model, method, **more):
    return attribute(wrap(model), IMAGE, method, 1, **more)


def refused(model, method, **more):
    with pytest.raises(InputError) as caught:
        ask(model, method, **more)
    assert str(caught.value).count(".") >= 1
    assert "\n" not in str(caught.value)
    return str(caught.value)


def linear():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE[0] * SIZE[1], 2))
    return model, model[1].weight.detach()[1].reshape(3, *SIZE).numpy()
