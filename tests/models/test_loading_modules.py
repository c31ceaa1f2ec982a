"""Loading an `nn.Module` of one's own: its head, its channels, and what is no classifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import workbench as wb
from workbench.models import architectures, mending

Refusal = Callable[[Callable[[], object]], str]
Net = Callable[..., nn.Sequential]


@pytest.mark.parametrize(("outputs", "single"), [(1, True), (2, False), (5, False)])
def test_heads_of_one_two_and_more_logits(tiny_net: Net, outputs: int, single: bool) -> None:
    net = tiny_net(outputs).eval()
    classifier = wb.load_classifier(net, size=(16, 16))
    k = max(outputs, 2)
    assert (classifier.single, classifier.class_names) == (single, tuple(f"class {i}" for i in range(k)))
    x = torch.rand(3, 3, 16, 16)
    logits, raw = classifier.logits(x), net(x)
    assert torch.equal(logits, torch.cat([torch.zeros(3, 1), raw], 1) if single else raw)
    if single:
        assert torch.allclose(logits.softmax(1)[:, 1], raw[:, 0].sigmoid())


def test_a_grey_net_takes_colour_images(tiny_net: Net) -> None:
    classifier = wb.load_classifier(tiny_net(channels=1), size=(16, 12), mean=(0.5,), std=(0.25,))
    x = classifier.prepare(Image.new("RGB", (30, 30), (255, 255, 255)))
    assert x.shape == (1, 16, 12)
    assert torch.allclose(x, torch.tensor(2.0))


def test_trying_a_module_leaves_it_as_it_was(tiny_net: Net) -> None:
    net = tiny_net().train()
    net[1].eval()
    state = {k: v.clone() for k, v in net.state_dict().items()}
    wb.load_classifier(net)
    assert [module.training for module in net] == [True, False, True, True, True, True]
    assert all(torch.equal(state[k], v) for k, v in net.state_dict().items())


def test_the_key_of_a_module_follows_weights_preprocessing_and_classes(tiny_net: Net) -> None:
    key = wb.load_classifier(tiny_net()).key
    assert wb.load_classifier(tiny_net(), positive="class 1", threshold=0.2, name="other").key == key
    others = [
        wb.load_classifier(tiny_net(seed=1)),
        wb.load_classifier(tiny_net(), size=(9, 9)),
        wb.load_classifier(tiny_net(), classes="ab"),
    ]
    assert len({key} | {other.key for other in others}) == 4


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"classes": ["a"]}, "names 1 classes but the model answers with 2"),
        ({"classes": ["a", "b", "c"]}, "names 3 classes"),
        ({"classes": ["a", "a"]}, "twice"),
        ({"positive": "worst"}, "'worst' is not among the classes"),
        ({"threshold": 0.5}, "name the positive class"),
        ({"threshold": 1.5, "positive": "class 1"}, "not a probability"),
        ({"threshold": float("nan"), "positive": "class 1"}, "not a probability"),
        ({"device": "toaster"}, "'toaster' cannot be used"),
        ({"size": (0, 0)}, "'size.0'"),
        ({"size": "big"}, "'size'"),
        ({"std": (1, 0, 1)}, "'std.1'"),
        ({"interpolation": "cubic"}, "'interpolation'"),
        ({"colour": "red"}, "'colour'"),
        ({"mean": (0.5,)}, "one number a channel"),
        ({"mean": (0.5,), "std": (0.5,)}, "cannot take an image of 1 x 224 x 224"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    tiny_net: Net, keywords: dict[str, Any], says: str, refusal: Refusal
) -> None:
    assert says in refusal(lambda: wb.load_classifier(tiny_net(), **keywords))


class Odd(nn.Module):
    """Answers with whatever the given function makes of its input."""

    def __init__(self, answer: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor) -> object:
        return self.answer(x)


def fails(x: Tensor) -> Tensor:
    raise AssertionError


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda x: (x,), "answers with tuple"),
        (lambda x: (x.mean((2, 3)), x.amax((2, 3))), "0 of shape (1, 3), 1 of shape (1, 3)"),
        (lambda x: None, "answers with NoneType"),
        (lambda x: x, "shape (1, 3, 224, 224)"),
        (lambda x: x.new_zeros(1, 0), "shape (1, 0)"),
        (fails, "(AssertionError)"),
        (lambda x: dict[str, Tensor]()["k"], "cannot take an image"),
    ],
)
def test_a_module_that_is_no_classifier_is_refused(
    answer: Callable[[Tensor], object], says: str, refusal: Refusal
) -> None:
    assert says in refusal(lambda: wb.load_classifier(Odd(answer)))


def test_a_module_may_answer_with_named_logits() -> None:
    assert len(wb.load_classifier(Odd(lambda x: {"loss": 0, "logits": x.mean((2, 3))})).class_names) == 3


class Viewing(nn.Module):
    """Views a convolution's output as rows, which cannot be done with the channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4 * 8 * 8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).view(len(x), -1))


def laid_out_for_speed(model: nn.Module) -> bool:
    return all(p.is_contiguous(memory_format=torch.channels_last) for p in model.parameters() if p.ndim == 4)


@pytest.mark.parametrize("ref", ["timm:resnet18", "torchvision:mobilenet_v3_small"])
def test_a_network_that_is_built_here_is_laid_out_for_speed_and_has_the_same_key(ref: str) -> None:
    model = wb.load_classifier(ref, size=(32, 32)).model
    assert laid_out_for_speed(model)
    key = mending.state_key(model)
    assert mending.state_key(model.to(memory_format=torch.contiguous_format)) == key
    assert not laid_out_for_speed(model)


def test_code_that_cannot_take_this_layout_gets_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architectures, "_factory", lambda name, options: Viewing())
    classifier = wb.load_classifier("python:somewhere:viewing", size=(8, 8), device="cpu")
    assert not laid_out_for_speed(classifier.model)
    assert classifier.logits(torch.zeros(2, 3, 8, 8, requires_grad=True)).requires_grad


def test_the_layout_of_a_module_of_ones_own_is_left_alone(tiny_net: Net) -> None:
    for layout in (torch.channels_last, torch.contiguous_format):
        net = tiny_net().to(memory_format=layout)
        strides = [p.stride() for p in net.parameters()]
        wb.load_classifier(net, size=(16, 16))
        assert [p.stride() for p in net.parameters()] == strides
