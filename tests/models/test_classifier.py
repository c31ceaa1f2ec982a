"""Asking a classifier: outputs, layers, predictions, and leaving the model as it was."""

import io
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.errors import InputError
from workbench.images.item import BytesSource, ImageItem, image_from_bytes
from workbench.models.classifier import predict, untouched
from workbench.models.loading import load_classifier

torch.set_num_threads(1)
SIZE = (12, 16)


class Net(nn.Module):
    """Convolution, BatchNorm, dropout, head; notes the batches it was asked about and in which mode."""

    def __init__(self, outputs=3, shape=None):
        super().__init__()
        torch.manual_seed(4)
        self.head = nn.Linear(6, outputs)  # registered first, run last
        self.second = nn.Conv2d(4, 6, 3, stride=2)
        self.first = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.shape = shape or (lambda out: out)
        self.batches = []

    def forward(self, x):
        self.batches.append((len(x), self.training))
        out = self.head(self.drop(self.second(self.norm(self.first(x)).relu()).tanh().mean((2, 3))))
        return self.shape(out)


def wrap(model, **settings):
    clf = load_classifier(model, size=SIZE, device="cpu", **settings)
    getattr(model, "batches", []).clear()
    return clf


def item(seed, label=None):
    buffer = io.BytesIO()
    values = np.random.default_rng(seed).integers(0, 256, (20 + seed, 30, 3), dtype=np.uint8)
    Image.fromarray(values).save(buffer, "PNG")
    return ImageItem(f"{seed}.png", BytesSource(buffer.getvalue()), label)


BROKEN = ImageItem("broken.png", BytesSource(b"this is no image"), "class 0")


@pytest.mark.parametrize("shape", ["(N, 1)", "(N,)", "a mapping", "an object"])
def test_a_single_logit_is_the_log_odds_of_the_second_class(shape):
    shapes = {
        "(N, 1)": lambda out: out,
        "(N,)": lambda out: out[:, 0],
        "a mapping": lambda out: {"logits": out},
        "an object": lambda out: SimpleNamespace(logits=out),
    }
    plain = Net(1).eval()
    clf = wrap(Net(1, shapes[shape]).eval(), classes=["good", "bad"])
    x = torch.stack([clf.prepare(item(seed)) for seed in range(3)])
    z = plain(x)[:, 0]
    found = clf.logits(x)
    assert clf.single
    assert clf.class_names == ("good", "bad")
    assert torch.equal(found, torch.stack([torch.zeros(3), z], 1))
    torch.testing.assert_close(found.softmax(1)[:, 1], z.sigmoid())
    assert clf.logits(x[:1]).shape == (1, 2)


def test_several_logits_are_passed_on_with_their_gradient():
    model = Net().eval()
    clf = wrap(model)
    x = clf.prepare(item(1))[None].requires_grad_()
    assert torch.equal(clf.logits(x), model(x))
    assert torch.autograd.grad(clf.logits(x)[0, 0], x)[0].abs().sum() > 0


def test_classes_are_found_by_name_and_number():
    clf = wrap(Net(), classes=["a", "b", "c"])
    assert [clf.index(t) for t in ("a", "c", 1, np.int64(2))] == [0, 2, 1, 2]
    for wrong in ("d", 3, -1, 1.0, None):
        with pytest.raises(InputError, match=r"choose one of a, b, c \(numbers 0 to 2\)"):
            clf.index(wrong)


def test_a_number_written_as_a_class_name_is_the_class():
    clf = wrap(Net(), classes=["2", "0", "1"])
    assert [clf.index("2"), clf.index(2)] == [0, 2]


def test_preparing_gives_the_input_and_its_place():
    clf = wrap(Net(), resize="crop", mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.125))
    one = item(3)
    x = clf.prepare(one)
    mean, std = np.array([[0.1, 0.2, 0.3], [0.5, 0.25, 0.125]])[..., None, None]
    expected = (clf.preprocessing.pixels(one.open()) - mean) / std
    np.testing.assert_allclose(x.numpy(), expected, atol=1e-5)
    assert x.dtype == torch.float32
    assert torch.equal(clf.prepare(one.open()), x)
    assert clf.placement(one) == clf.placement(one.open()) == clf.preprocessing.placement(one.open())


def test_layers_are_listed_in_the_order_of_execution():
    clf = wrap(Net())
    assert dict(clf.layers) == {"first": (4, 10, 14), "norm": (4, 10, 14), "second": (6, 4, 6)}
    assert list(clf.layers) == ["first", "norm", "second"], "not the order of registration"


def test_a_layer_used_twice_stands_where_it_ran_last():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.same = nn.Conv2d(3, 3, 3, padding=1)
            self.other = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x):
            return self.same(self.other(self.same(x))).mean((2, 3))

    assert list(wrap(Twice()).layers) == ["other", "same"]


def test_layers_without_a_grid_are_not_listed():
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    assert not wrap(model).layers
    assert wrap(model).parameters == 8


def modes(model):
    return [module.training for module in model.modules()]


@pytest.mark.parametrize("fails", [False, True])
def test_untouched_mends_what_happens_inside(fails):
    model = Net()
    clf = wrap(model)
    model.train()
    model.norm.eval()
    model.first.weight.requires_grad_(False)
    model.head.bias.grad = kept = torch.ones(3)
    calls = []
    model.first.register_forward_hook(lambda *_: calls.append("mine"))
    before, wanted = modes(model), [p.requires_grad for p in model.parameters()]
    try:
        with untouched(clf):
            assert not any(modes(model))
            assert not any(p.requires_grad for p in model.parameters())
            model.first.register_forward_hook(lambda *_: calls.append("left over"))
            model.second.register_forward_pre_hook(lambda *_: calls.append("left over"))
            model.head.register_full_backward_hook(lambda *_: None)
            model.train()
            for parameter in model.parameters():
                parameter.requires_grad_(True)
                parameter.grad = torch.zeros_like(parameter)
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert fails
    assert modes(model) == before
    assert [p.requires_grad for p in model.parameters()] == wanted
    assert model.head.bias.grad is kept
    assert model.head.weight.grad is None
    with torch.no_grad():
        model(torch.zeros(1, 3, *SIZE))
    assert calls == ["mine"]
    assert not model.head._backward_hooks


def test_untouched_and_logits_hold_the_lock():
    clf = wrap(Net())
    free = []

    def probe(*_):
        def try_lock():
            got = clf.lock.acquire(blocking=False)
            free.append(got)
            if got:
                clf.lock.release()

        thread = threading.Thread(target=try_lock)
        thread.start()
        thread.join()

    with untouched(clf):
        probe()
    clf.model.first.register_forward_hook(probe)
    clf.logits(torch.zeros(1, 3, *SIZE))
    probe()
    assert free == [False, False, True]


def test_predicting_keeps_order_in_batches_and_reports_what_cannot_be_read():
    model = Net()
    clf = wrap(model)
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    items = [item(0, "class 1"), item(1), BROKEN, item(2, "class 2"), item(3), item(4), item(5)]
    steps = []
    found = predict(clf, iter(items), batch=3, on_progress=lambda done, total: steps.append((done, total)))
    assert model.batches == [(2, False), (3, False), (1, False)]
    assert steps == [(3, 7), (6, 7), (7, 7)]
    assert list(found.frame["name"]) == [i.name for i in items]
    assert found.model == clf.key
    bad = found.frame.iloc[2]
    assert "broken.png is not an image" in bad["error"]
    assert (bad["predicted"], bad["verdict"], bad["unsure"]) == (None, None, False)
    assert np.isnan(found.probabilities[2]).all()
    assert np.isnan(bad["confidence"])
    assert found.frame["error"].isna().sum() == 6
    for row in (0, 1, 3, 4, 5, 6):
        alone = predict(clf, items[row])
        np.testing.assert_allclose(found.probabilities[row], alone.probabilities[0], atol=1e-5)
        np.testing.assert_allclose(found.logits[row], alone.logits[0], atol=1e-5)
        direct = clf.model.eval()(clf.prepare(items[row])[None]).detach()[0]
        np.testing.assert_allclose(found.logits[row], direct, atol=1e-5)
        np.testing.assert_allclose(found.probabilities[row], direct.softmax(0), atol=1e-5)
        assert found.frame["predicted"][row] == clf.class_names[int(direct.argmax())]
        model.train()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert np.ptp(found.logits[[0, 1, 3]], axis=0).max() > 1e-4, "the images differ"


def test_a_batch_of_unreadable_images_asks_nothing():
    model = Net()
    clf = wrap(model)
    found = predict(clf, [BROKEN, ImageItem("gone.png", BytesSource(b""))], batch=1)
    assert model.batches == []
    assert found.frame["error"].notna().all()
    assert "gone.png is empty" in found.frame["error"][1]


def test_stopping_a_prediction_leaves_the_model_as_it_was():
    model = Net()
    clf = wrap(model)
    model.train()

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(clf, [item(seed) for seed in range(4)], batch=2, on_progress=stop)
    assert len(model.batches) == 1
    assert all(modes(model))
    assert clf.lock.acquire(blocking=False)
    clf.lock.release()


def test_an_upload_can_be_predicted():
    clf = wrap(Net(1), classes=["good", "bad"], positive="bad", threshold=0.0)
    found = predict(clf, image_from_bytes(item(2).source.data, "upload.png"))
    assert list(found.frame["predicted"]) == ["bad"], "the threshold decides"
    assert clf.positive == "bad"
    assert found.probabilities.sum() == pytest.approx(1)
