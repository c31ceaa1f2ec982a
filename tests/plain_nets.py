"""Networks for tests of attributions whose right answer is known."""

import numpy as np
import torch
from PIL import Image
from torch import nn

from workbench.models.loading import load_classifier

SIZE = (8, 12)


class Linear(nn.Module):
    """K logits, or one, or a bare vector of one an image: w * x + c."""

    def __init__(self, outputs=3, flat=False):
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.w = nn.Parameter(torch.randn(outputs, 3, *SIZE, generator=generator))
        self.c = nn.Parameter(torch.randn(outputs, generator=generator))
        self.flat = flat

    def forward(self, x):
        out = torch.einsum("nchw,kchw->nk", x, self.w) + self.c
        return out[:, 0] if self.flat else out


class Net(nn.Module):
    """A small curved network: convolution, BatchNorm, in-place ReLU, another activation, head."""

    def __init__(self, outputs=4, gain=1.0, end=nn.Tanh):
        super().__init__()
        torch.manual_seed(11)
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.act = nn.ReLU(inplace=True)
        self.down = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.end = end()
        self.head = nn.Linear(8, outputs)
        with torch.no_grad():
            self.norm.running_mean.normal_()
            self.head.weight *= 3 * gain
            self.head.bias *= gain

    def forward(self, x):
        return self.head(self.end(self.down(self.act(self.norm(self.conv(x))))).mean((2, 3)))


def wrap(model, size=SIZE, **settings):
    return load_classifier(model.eval(), size=size, device="cpu", **settings)


def noise_image(seed=0, size=(31, 17)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def model_folder(folder):
    """A folder with a tiny network of random weights that tells good from bad."""
    import timm
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    save_file(timm.create_model("test_resnet", num_classes=2).state_dict(), folder / "model.safetensors")
    lines = [
        'architecture = "timm:test_resnet"',
        'weights = "model.safetensors"',
        'classes = ["good", "bad"]',
        'positive = "bad"',
    ]
    (folder / "model.toml").write_text("\n".join([*lines, "threshold = 0.5", "[preprocessing]", "size = [64, 64]"]))
