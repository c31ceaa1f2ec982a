"""Only what a rectangle can change is computed, and it comes out as if everything had been."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from workbench.attribution import incremental
from workbench.attribution.incremental import suits
from workbench.attribution.patched import Kept, Patched, cut
from workbench.models.loading import load_classifier

torch.set_num_threads(1)
SIZE = (37, 50)
BLOCK = (4, 7)  # rows and columns of the rectangles
CORNERS = [(0, 0), (33, 43), (0, 20), (11, 0), (17, 23), (33, 8)]


def rectangles(block=BLOCK, corners=CORNERS, size=SIZE, seed=0):
    """An image, copies of it with a rectangle of noise each, and where these differ."""
    random = torch.Generator().manual_seed(seed)
    image = torch.randn(1, 3, *size, generator=random)
    differs = torch.zeros(len(corners), *size, dtype=torch.bool)
    for i, (top, left) in enumerate(corners):
        differs[i, top : top + block[0], left : left + block[1]] = True
    return image, torch.where(differs[:, None], torch.randn(len(corners), 3, *size, generator=random), image), differs


class Watched:
    """A forward function that notes which layers were asked about rectangles only, by the share of the area that they
    computed."""

    def __init__(self, model):
        self.model, self.shares = model.eval(), []

    def __call__(self, x):
        out = self.model(x)
        self.shares.append(out.patch[0, 0].numel() / out[0, 0].numel() if isinstance(out, Patched) else 1)
        return out


def conv(k, s=1, p=0, d=1, groups=1, width=6):
    return nn.Conv2d(3, width, k, s, p, d, groups)


torch.manual_seed(0)
NORM = nn.BatchNorm2d(3)
NORM.running_mean.normal_()
NORM.running_var.uniform_(0.5, 2)
LAYERS = {
    "1 x 1": conv(1),
    "1 x 1, stride 2": conv(1, 2),
    "3 x 3": conv(3, 1, 1),
    "3 x 3, stride 2": conv(3, 2, 1),
    "3 x 3, stride 3, no margin": conv(3, 3),
    "3 x 5, uneven": nn.Conv2d(3, 4, (3, 5), (2, 1), (0, 2)),
    "7 x 7, stride 2": conv(7, 2, 3),
    "2 x 2, stride 4": conv(2, 4),
    "dilated": conv(3, 1, 2, 2),
    "dilated, stride 2, wide margin": conv(3, 2, 4, 3),
    "each channel by itself": conv(5, 1, 2, groups=3),
    "maximum": nn.MaxPool2d(3, 2, 1),
    "maximum, 2": nn.MaxPool2d(2),
    "mean": nn.AvgPool2d(2),
    "one-sided margin": nn.Sequential(nn.ZeroPad2d((0, 1, 2, 1)), conv(3, 2)),
    "BatchNorm": NORM,
    "three in a row": nn.Sequential(
        conv(3, 1, 1), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(6, 4, 3), nn.GELU()
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_computes_the_rectangles_only_and_right(name):
    image, inputs, differs = rectangles()
    watched = Watched(LAYERS[name])
    kept = Kept(image)
    with torch.no_grad():
        expected = watched.model(inputs)
        for _ in range(2):  # the second time from what is kept
            found = kept.through(watched, cut(kept, inputs, differs))
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert max(watched.shares) < 0.6
    assert (expected - watched.model(image)).abs().max() > 0.1, "the rectangles change nothing"


def residual(x):
    y = F.relu(F.conv2d(x, torch.full((3, 3, 3, 3), 0.1), padding=1))
    y = F.conv2d(y, torch.full((3, 3, 3, 3), -0.1), padding=1)
    y += x
    return F.relu_(y)


STEPS = {
    "residual": (residual, True),
    "dense blocks": (lambda x: torch.cat([x, F.max_pool2d(x, 3, 1, 1), x.sigmoid()], 1), True),
    "numbers": (lambda x: F.hardtanh((x + 3) * 0.5 - 1) / 2, True),
    "a weight a channel": (
        lambda x: x * torch.tensor([1.0, -2, 3]).view(1, 3, 1, 1) + torch.tensor([1.0, 0, 2]).view(3, 1, 1),
        True,
    ),
    "a weight a place": (lambda x: x * torch.linspace(0, 1, SIZE[1]), False),
    "a weight an image": (lambda x: x * x.mean((1, 2, 3), keepdim=True), False),
    "squeeze and excite": (lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(), False),
    "channels last": (lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (3,)).permute(0, 3, 1, 2), False),
    "channels dropped": (lambda x: x[:, :2], False),
    "unheard of": (lambda x: torch.fft.rfft2(x).abs(), False),
    "unheard of, in place": (lambda x: (x + 0).exp_().relu(), False),
    "sum with an ordinary tensor": (lambda x: F.relu(x).add_(x.cumsum(2)).relu(), False),
    "added to an ordinary tensor": (lambda x: x.cumsum(2).add_(x), False),
    "two branches": (
        lambda x: F.conv2d(x, W1, padding=2) + F.conv2d(x, W2, padding=2) * F.conv2d(x, W1, padding=2),
        True,
    ),
    "mirrored margin": (lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), False),
    "upwards": (lambda x: F.conv_transpose2d(x, torch.ones(3, 2, 2, 2), stride=2), False),
    "in training": (lambda x: F.batch_norm(x, None, None, training=True), False),
    "rounded up": (lambda x: F.max_pool2d(x, 4, 3, ceil_mode=True), False),
}
W1, W2 = torch.randn(3, 3, 5, 5), torch.randn(3, 3, 5, 5)


@pytest.mark.parametrize("name", STEPS)
def test_any_code_answers_as_it_would_to_whole_inputs(name):
    step, local = STEPS[name]
    image, inputs, differs = rectangles()
    watched = Watched(nn.Identity())
    watched.model = step
    kept = Kept(image)
    with torch.no_grad():
        expected = step(inputs)
    for _ in range(2):
        torch.testing.assert_close(kept.through(watched, cut(kept, inputs, differs)), expected, atol=1e-4, rtol=1e-4)
    assert (max(watched.shares) < 0.6) == local
    torch.testing.assert_close(kept.image, image, atol=0, rtol=0)


class Deep(nn.Module):
    """Layers and branches that rectangles of different sizes outgrow at different places."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.first, self.norm = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8)
        self.a, self.b, self.short = nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 8, 5, 2, 2), nn.Conv2d(8, 8, 1, 2)
        self.c, self.head = nn.Conv2d(16, 8, 3, 1, 1), nn.Linear(8, 4)

    def forward(self, x):
        x = F.relu_(self.norm(self.first(x)))
        x = F.relu_(self.a(x).add_(x))
        x = torch.cat([self.b(x), self.short(x)], 1)
        return self.head(torch.tanh(self.c(x)).mean((2, 3)))


def test_what_is_kept_serves_rectangles_of_every_size_in_every_order():
    model = Deep().eval()
    image = rectangles()[0]
    kept = Kept(image)
    blocks = [(4, 7), (30, 40), (1, 1), (16, 20), (37, 50), (2, 30), (4, 7)]
    for seed, (height, width) in enumerate(blocks):
        corners = [(0, 0), (37 - height, 50 - width), ((37 - height) // 2, (50 - width) // 3)][: 1 + seed % 3]
        _, inputs, differs = rectangles((height, width), corners, seed=seed)
        inputs = torch.where(differs[:, None], inputs, image)
        with torch.no_grad():
            torch.testing.assert_close(
                kept.through(model, cut(kept, inputs, differs)), model(inputs), atol=1e-5, rtol=1e-5
            )
    assert kept.spared > 0


def test_memory_does_not_grow_from_chunk_to_chunk():
    model, (image, inputs, differs) = Deep().eval(), rectangles()
    kept = Kept(image)
    sizes = []
    for _ in range(4):
        kept.through(model, cut(kept, inputs, differs))
        sizes.append(len(kept._results))
    assert len(set(sizes)) == 1


class Aside(Deep):
    """Writes into a view, of which a rectangle's tensor knows nothing."""

    def forward(self, x):
        x = F.relu(x)
        x[:, :, ::2].zero_()
        return super().forward(x)


class AsideAlone(Deep):
    """The same for every batch, but by way of a view where it holds a single input."""

    def forward(self, x):
        x = F.relu(x)
        if len(x) > 1:
            return super().forward(x * (torch.arange(x.shape[2]) % 2)[:, None])
        x[:, :, ::2].zero_()
        return super().forward(x)


class Suspicious(Deep):
    def forward(self, x):
        if type(x) is not torch.Tensor:
            raise TypeError("tensors only, please")
        return super().forward(x)


def patches(size):
    return nn.Sequential(
        nn.Conv2d(3, 16, 8, 8),
        nn.Flatten(2),
        nn.Linear(size[0] * size[1] // 64, 900),
        nn.Flatten(),
        nn.Linear(16 * 900, 3),
    )


@pytest.mark.parametrize(
    ("model", "size", "suited"),
    [
        (Deep(), (64, 80), True),
        (Deep(), (63, 64), False),
        (Aside(), (64, 80), False),
        (AsideAlone(), (64, 80), False),
        (Suspicious(), (64, 80), False),
        (patches((64, 80)), (64, 80), False),
    ],
    ids=[
        "yes",
        "too small to gain",
        "answers otherwise",
        "answers otherwise to a single one",
        "refuses such tensors",
        "too little to gain",
    ],
)
def test_a_model_is_tried_once_before_it_is_asked_so(model, size, suited, monkeypatch):
    clf = load_classifier(model.eval(), size=size, device="cpu")
    assert suits(clf) == suited
    monkeypatch.setattr(incremental, "_agrees", lambda classifier: pytest.fail("tried again"))
    assert suits(clf) == suited
