"""What a model answers with is seen in a trial, told, and can be set: held against plain torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

import workbench as wb
from workbench.attribution.engine import attribute
from workbench.images import BytesSource, ImageItem
from workbench.models.classifier import predict

torch.set_num_threads(1)
SIZE = (24, 24)
IMAGES = torch.rand(5, 3, *SIZE, generator=torch.Generator().manual_seed(1)) * 2 - 1


class Ending(nn.Module):
    """A net, and what is made of its logits."""

    def __init__(self, net: nn.Module, end: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.net, self.end = net, end

    def forward(self, x: Tensor) -> Any:
        return self.end(self.net(x))


@pytest.fixture(scope="module")
def net() -> Callable[[int], nn.Sequential]:
    def make(outputs: int) -> nn.Sequential:
        torch.manual_seed(3)
        layers: list[nn.Module] = []
        for inside, outside in ((3, 8), (8, 16)):
            layers += [nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, outputs)).eval()

    return make


def words(classifier: Any) -> str:
    return " ".join(fact.value for fact in classifier.facts)


PROBABILITIES = {
    "a softmax module": lambda net: nn.Sequential(net, nn.Softmax(1)),
    "a softmax by name": lambda net: Ending(net, lambda z: functional.softmax(z, dim=1)),
    "a softmax of one's own": lambda net: Ending(net, lambda z: z.exp() / z.exp().sum(1, keepdim=True)),
}


@pytest.mark.parametrize("how", PROBABILITIES)
@pytest.mark.parametrize("outputs", [2, 40])
def test_probabilities_are_shown_as_they_are(net: Any, how: str, outputs: int) -> None:
    model = PROBABILITIES[how](net(outputs))
    classifier = wb.load_classifier(model, size=SIZE)
    assert classifier.head.kind == "probabilities"
    shown = classifier.probabilities(classifier.forward(IMAGES))
    with torch.no_grad():
        torch.testing.assert_close(shown, model(IMAGES), atol=1e-6, rtol=1e-5)


ONE = {
    "a sigmoid module": lambda net: nn.Sequential(net, nn.Sigmoid()),
    "a sigmoid by name": lambda net: Ending(net, torch.sigmoid),
    "a sigmoid of one's own": lambda net: Ending(net, lambda z: 1 / (1 + (-z).exp())),
    "squeezed": lambda net: Ending(net, lambda z: z.sigmoid().squeeze(1)),
    "squeezed to nothing": lambda net: Ending(net, lambda z: z.sigmoid().squeeze()),
}


@pytest.mark.parametrize("how", ONE)
def test_one_probability_is_that_of_the_second_class(net: Any, how: str) -> None:
    model = ONE[how](net(1))
    classifier = wb.load_classifier(model, size=SIZE, classes=("good", "bad"))
    assert (classifier.head.kind, classifier.single) == ("sigmoid", True)
    with torch.no_grad():
        want = model(IMAGES).reshape(5)
    torch.testing.assert_close(classifier.probabilities(classifier.forward(IMAGES))[:, 1], want, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", [nn.Softmax(1), nn.Sigmoid()], ids=["softmax", "sigmoid"])
def test_the_logit_before_a_last_softmax_or_sigmoid_is_explained(net: Any, kind: nn.Module) -> None:
    plain = net(1 if isinstance(kind, nn.Sigmoid) else 3)
    classifier = wb.load_classifier(nn.Sequential(plain, kind), size=SIZE)
    assert "(1) is explained, the logit" in words(classifier)
    image = Image.fromarray((IMAGES[0].permute(1, 2, 0).numpy() * 60 + 128).astype(np.uint8))
    got = attribute(classifier, image, method="saliency", target=1)
    x = classifier.prepare(image)[None].requires_grad_()
    out = plain(x)
    (want,) = torch.autograd.grad(out[0, -1] if out.shape[1] == 1 else out[0, 1], x)
    np.testing.assert_allclose(got.values, want[0].abs().numpy(), rtol=1e-4, atol=1e-7)
    assert all(not module._forward_hooks for module in classifier.model.modules())


def test_a_functional_softmax_says_that_the_logarithm_is_explained(net: Any) -> None:
    classifier = wb.load_classifier(Ending(net(3), lambda z: z.softmax(1)), size=SIZE)
    assert "the logarithm of the probability is explained" in words(classifier)


def test_labels_that_do_not_exclude_each_other_each_have_their_own_probability(net: Any) -> None:
    logits = torch.tensor([[6.0, 5.0, -4.0]])
    fixed = Ending(net(3), lambda z: z * 0 + logits)
    classifier = wb.load_classifier(fixed, size=SIZE, classes=("a", "b", "c"), head="multilabel")
    shown = classifier.probabilities(classifier.forward(IMAGES[:1]))
    torch.testing.assert_close(shown, logits.sigmoid())
    bounded = wb.load_classifier(Ending(net(3), torch.sigmoid), size=SIZE)
    assert (bounded.head.kind, bounded.head.bounded) == ("multilabel", True)
    torch.testing.assert_close(
        bounded.probabilities(bounded.forward(IMAGES)), net(3)(IMAGES).sigmoid().detach(), atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("shape", [(1, 9, 9), (9, 9)])
def test_a_raw_logit_beside_a_plane_is_no_anomaly_score(net: Any, shape: tuple[int, ...]) -> None:
    model = Ending(net(1), lambda z: (z, torch.rand(len(z), *shape)))
    classifier = wb.load_classifier(model, size=SIZE)
    assert (classifier.head.kind, classifier.scored) == ("logits", False)
    with torch.no_grad():
        want = model.net(IMAGES)[:, 0].sigmoid()
    torch.testing.assert_close(classifier.probabilities(classifier.forward(IMAGES))[:, 1], want)
    assert "1 left aside" in words(classifier)


def test_small_logits_are_not_taken_for_probabilities(net: Any) -> None:
    model = Ending(net(2), lambda z: z * 1e-3 + torch.tensor([0.4, 0.7]))
    classifier = wb.load_classifier(model, size=SIZE)
    assert classifier.head.kind == "logits"
    for end in (
        lambda z: torch.stack([z[:, 0] * 0, z[:, 0] * 1e-4 + 0.5], 1),
        lambda z: (z * 1e-4 + 0.5).clone() * 1.0,
    ):
        assert wb.load_classifier(Ending(net(2), end), size=SIZE).head.kind == "logits"


def test_logarithms_of_probabilities_are_logits(net: Any) -> None:
    model = nn.Sequential(net(3), nn.LogSoftmax(1))
    classifier = wb.load_classifier(model, size=SIZE)
    with torch.no_grad():
        want = model(IMAGES).exp()
    torch.testing.assert_close(classifier.probabilities(classifier.forward(IMAGES)), want)


def test_an_output_can_be_chosen(net: Any) -> None:
    model = Ending(net(3), lambda z: {"coarse": z[:, :2], "fine": z, "features": z.new_zeros(len(z), 7)})
    with pytest.raises(wb.InputError, match=r"'fine' of shape \(1, 3\).*set output"):
        wb.load_classifier(model, size=SIZE)
    with torch.no_grad():
        want = model.net(IMAGES)
    for keywords in ({"output": "fine"}, {"output": 1}, {"classes": ("a", "b", "c")}):
        classifier = wb.load_classifier(model, size=SIZE, **keywords)
        torch.testing.assert_close(classifier.forward(IMAGES), want)
    assert wb.load_classifier(model, size=SIZE, output="coarse").forward(IMAGES).shape == (5, 2)
    keys = {wb.load_classifier(model, size=SIZE, output=name).key for name in ("fine", "coarse")}
    assert len(keys) == 2
    with pytest.raises(wb.InputError, match="no output 'finer'"):
        wb.load_classifier(model, size=SIZE, output="finer")


@pytest.mark.parametrize(
    ("outputs", "end", "head", "says"),
    [
        (3, lambda z: z, "probabilities", "which is no probability"),
        (3, lambda z: z.sigmoid(), "probabilities", "do not sum to 1"),
        (3, lambda z: z.sigmoid(), "sigmoid", "answers with 3"),
        (3, lambda z: z, "softmax", "no head 'softmax'"),
        (3, lambda z: z.softmax(0), None, "give it dim=1"),
        (3, lambda z: z * float("nan"), None, "no number"),
        (3, lambda z: functional.dropout(z, 0.5), None, "answers anew each time"),
        (3, lambda z: z + torch.randn(1, 3), None, "answers anew each time"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    net: Any, outputs: int, end: Callable[[Tensor], Tensor], head: str | None, says: str
) -> None:
    with pytest.raises(wb.InputError, match=says):
        wb.load_classifier(Ending(net(outputs), end), size=SIZE, head=head)


class Scaled(nn.Module):
    """Brings its images to -1 to 1 in place."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.mul_(2).sub_(1))


class Counted(Scaled):
    """Answers by turns, by how often it was asked."""

    asked = 0

    def forward(self, x: Tensor) -> Tensor:
        self.asked += 1
        return self.net(x) * (-1) ** self.asked


@pytest.mark.parametrize(("kind", "says"), [(Scaled, "in place"), (Counted, "answers anew each time")])
def test_a_model_that_would_see_another_image_at_a_second_look_is_refused(
    net: Any, kind: type[Scaled], says: str
) -> None:
    with pytest.raises(wb.InputError, match=says):
        wb.load_classifier(kind(net(3)), size=SIZE)


class Company(nn.Module):
    """Its normalisation is that of the images it is asked about together."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=False)
        self.last = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.conv(x)).relu().mean((2, 3)))


ALONE = {
    "statistics of the batch": (Company, "depends on the images"),
    "rows joined": (lambda: Ending(nn.Conv2d(3, 8, 3), lambda h: h.mean((2, 3)).view(1, -1)[:, :8]), "it cannot take"),
}


@pytest.mark.parametrize("name", ALONE)
def test_a_model_that_answers_otherwise_in_company_is_asked_alone(name: str) -> None:
    torch.manual_seed(0)
    make, says = ALONE[name]
    model = make().eval()
    classifier = wb.load_classifier(model, size=SIZE)
    assert classifier.head.alone
    assert says in words(classifier)
    with torch.no_grad():
        want = torch.cat([model(x) for x in IMAGES.split(1)])
    torch.testing.assert_close(classifier.forward(IMAGES), want)


def test_a_model_that_says_the_same_of_everything_is_noted(net: Any) -> None:
    classifier = wb.load_classifier(Ending(net(3), lambda z: z * 0 + 0.3), size=SIZE)
    assert "answers alike for noise" in classifier.notes[-1]


def item(name: str, seed: int, label: str | None) -> ImageItem:
    import io

    rng = np.random.default_rng(seed)
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8)).save(file, "PNG")
    return ImageItem(name, BytesSource(file.getvalue()), label)


def test_each_label_is_a_question_of_its_own(net: Any) -> None:
    labels = ("scratch", "dent", "hole")
    thresholds = {"scratch": 0.55, "hole": 0.48}
    classifier = wb.load_classifier(net(3), size=SIZE, classes=labels, head="multilabel", thresholds=thresholds)
    truths = ["scratch;dent", "good", "hole", "dent | hole", None, "scratch"]
    items = [item(f"{i}.png", i, truth) for i, truth in enumerate(truths)]
    whole = predict(classifier, items)
    for column, label in enumerate(labels):
        lone = predict(classifier.label(label), items)
        np.testing.assert_array_equal(lone.logits[:, 1], whole.logits[:, column])
        np.testing.assert_allclose(lone.probabilities[:, 1], whole.probabilities[:, column], atol=1e-7)
        holds = [label in said.split(" + ") for said in whole.frame["predicted"]]
        assert (lone.frame["predicted"] == label).tolist() == holds
    want = {0: {"scratch", "dent"}, 1: set(), 2: {"hole"}, 3: {"dent", "hole"}, 5: {"scratch"}}
    for row, verdict in enumerate(whole.frame["verdict"]):
        said = set(whole.frame["predicted"][row].split(" + ")) - {"none"}
        assert verdict == (None if row not in want else "right" if said == want[row] else "wrong")
    with pytest.raises(wb.InputError, match="ask about one label"):
        attribute(classifier, items[0], method="saliency")
    assert len({classifier.label(label).key for label in labels} | {classifier.key}) == 4
