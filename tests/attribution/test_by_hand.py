"""ReLU as people write it by hand: guided backprop and DeepLift are right by value, or refused with the true reason."""

import numpy as np
import pytest
import torch
from plain_nets import noise_image
from torch import nn
from torch.nn import functional

from workbench.attribution.engine import attribute
from workbench.errors import InputError
from workbench.models.loading import load_classifier

torch.set_num_threads(1)
SIZE = (24, 24)


def assigned(h):
    h = h.clone()
    h[h < 0] = 0
    return h


FORMS = {
    "a module": nn.ReLU(),
    "where": lambda h: torch.where(h > 0, h, 0),
    "where with zeros": lambda h: torch.where(h > 0, h, torch.zeros_like(h)),
    "a mask": lambda h: h * (h > 0),
    "a mask of numbers": lambda h: h * (h > 0).float(),
    "a mask in place": lambda h: h.clone().mul_(h.detach() > 0),
    "half of one and the sign": lambda h: h * (1 + h.detach().sign()) / 2,
    "clamp": lambda h: h.clamp(min=0),
    "F.relu": functional.relu,
    "relu_": lambda h: torch.relu_(h),
    "max": lambda h: torch.max(h, torch.zeros_like(h)),
    "maximum": lambda h: torch.maximum(h, torch.zeros(())),
    "the absolute value": lambda h: (h + h.abs()) / 2,
    "the root of the square": lambda h: (h + (h * h).sqrt()) / 2,
    "masked_fill": lambda h: h.masked_fill(h < 0, 0),
    "an assignment": assigned,
    "threshold": lambda h: functional.threshold(h, 0, 0),
}


class Net(nn.Module):
    """Two convolutions, with ReLU modules after the first two and one more as `form` writes it."""

    def __init__(self, form):
        super().__init__()
        torch.manual_seed(6)
        self.one, self.two, self.three = (nn.Conv2d(a, 6, 3, padding=1) for a in (3, 6, 6))
        self.first, self.second, self.head = nn.ReLU(), nn.ReLU(), nn.Linear(6, 3)
        self.last = form if isinstance(form, nn.Module) else None
        self.form = form

    def forward(self, x):
        h = self.second(self.two(self.first(self.one(x))))
        return self.head((self.last or self.form)(self.three(h)).mean((2, 3)))


def guided(model, x, target):
    """The gradient by hand, layer by layer: negative parts are dropped at each ReLU."""
    with torch.no_grad():
        a = model.one(x)
        b = model.two(a.relu())
        c = model.three(b.relu())
        back = model.head.weight[target].reshape(1, -1, 1, 1).expand_as(c) / c[0, 0].numel()
        for above, conv in ((c, model.three), (b, model.two), (a, model.one)):
            back = back.clamp(min=0) * (above > 0)
            back = functional.conv_transpose2d(back, conv.weight, padding=1)
    return back[0].numpy()


def rescaled(model, x, baseline, target):
    """DeepLift's rescale rule by hand."""
    with torch.no_grad():
        values = []
        h = torch.cat([x, baseline])
        for conv in (model.one, model.two, model.three):
            h = conv(h)
            values.append(h)
            h = h.relu()
        back = model.head.weight[target].reshape(1, -1, 1, 1).expand_as(values[-1][:1]) / values[-1][0, 0].numel()
        for above, conv in zip(reversed(values), (model.three, model.two, model.one), strict=True):
            change, out = above[:1] - above[1:], above[:1].relu() - above[1:].relu()
            back = back * torch.where(change.abs() < 1e-7, (above[:1] > 0).float(), out / change)
            back = functional.conv_transpose2d(back, conv.weight, padding=1)
        return (back * (x - baseline))[0].numpy()


@pytest.mark.parametrize("form", FORMS)
def test_a_relu_by_hand_is_refused_or_right(form):
    clf = load_classifier(Net(FORMS[form]).eval(), size=SIZE, device="cpu")
    image = noise_image(size=(24, 24))
    x = clf.prepare(image)[None]
    torch.testing.assert_close(clf.model(x), Net(FORMS["a module"]).eval()(x))
    right = {"guided_backprop": guided(clf.model, x, 1), "deeplift": rescaled(clf.model, x, torch.zeros_like(x), 1)}
    for method, expected in right.items():
        if form == "a module":
            values = attribute(clf, image, method, 1).values
            np.testing.assert_allclose(values, expected, atol=1e-5 * np.abs(expected).max())
            continue
        with pytest.raises(InputError, match=r"ReLU|follow|defined for ReLU alone") as caught:
            attribute(clf, image, method, 1)
        assert "sums to" not in str(caught.value), "told by what it computes, not by a sum that happens to be off"


def test_a_mask_that_no_image_changes_is_no_relu():
    class Masked(Net):
        def forward(self, x):
            h = self.second(self.two(self.first(self.one(x))))
            frame = torch.zeros(SIZE)
            frame[2:-2, 2:-2] = 1
            return self.head(self.last(self.three(h) * frame).mean((2, 3)))

    clf = load_classifier(Masked(nn.ReLU()).eval(), size=SIZE, device="cpu")
    assert attribute(clf, noise_image(), "guided_backprop", 1).values.any()
    assert abs(attribute(clf, noise_image(), "deeplift", 1).delta) < 1e-5
