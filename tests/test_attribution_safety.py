"""What an attribution leaves behind: nothing. State, threads, randomness, memory, and stopping half-way."""

import hashlib
import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.attribution import CHUNK, attribute
from workbench.classifier import predict
from workbench.errors import InputError
from workbench.images import image_from_bytes
from workbench.loading import load_classifier
from workbench.methods import METHODS

torch.set_num_threads(1)
SIZE = (16, 20)
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (33, 47, 3), dtype=np.uint8))
_buffer = io.BytesIO()
PICTURE.save(_buffer, "PNG")
ITEM = image_from_bytes(_buffer.getvalue(), "noise.png")
SETTINGS = {
    "integrated_gradients": {"n_steps": 20},
    "smoothgrad": {"samples": 20},
    "occlusion": {"window": 0.25},
    "grad_cam": {"layer": "0"},
}


class FailsBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise ArithmeticError("planted, backward")


class Fuse(nn.Module):
    """Passes its input on, notes the batch size, and blows when told to."""

    def __init__(self):
        super().__init__()
        self.batches = []
        self.blow_at = None
        self.blow_backward = False

    def forward(self, x):
        self.batches.append(len(x))
        if self.blow_at is not None and len(self.batches) >= self.blow_at:
            raise ArithmeticError("planted, forward")
        return FailsBackward.apply(x) if self.blow_backward else x


def make():
    """A classifier in train mode with everything that could be disturbed: BatchNorm, dropout, hooks, frozen weights, gradients."""
    torch.manual_seed(2)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.GELU(),
        Fuse(),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    )
    clf = load_classifier(model, size=SIZE, device="cpu")
    model.train()
    model[4].eval()  # a mixture of modes must come back as a mixture
    model[0].weight.requires_grad_(False)
    model[10].weight.grad = torch.full((3, 8), 7.0)
    model[3].register_forward_hook(lambda *_: None)
    model[3].register_full_backward_hook(lambda *_: None)
    model[6].batches.clear()
    return clf, model, model[6]


def state(model):
    """Everything that an attribution must leave as it was."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    modules = list(model.modules())
    return {
        "weights": digest.hexdigest(),
        "modes": [module.training for module in modules],
        "hooks": [len(t) for module in modules for name, t in sorted(vars(module).items()) if name.endswith("_hooks") and t is not None],
        "requires_grad": [p.requires_grad for p in model.parameters()],
        "grad": [(id(p.grad), None if p.grad is None else p.grad.tolist()) for p in model.parameters()],
    }


def run(clf, method, **more):
    return attribute(clf, PICTURE, method, 1, **(SETTINGS.get(method, {}) | more))


@pytest.mark.parametrize("method", METHODS)
def test_a_model_is_left_as_it_was(method):
    clf, model, _ = make()
    before = state(model)
    first = run(clf, method)
    assert state(model) == before
    np.testing.assert_array_equal(run(clf, method).values, first.values, err_msg="dropout or BatchNorm was in train mode")


FAILURES = [
    (name, failure)
    for name, method in METHODS.items()
    for failure in ("forward", "backward", "progress", "layer", "margin")
    if not (failure == "backward" and method.family == "perturbation")
]


@pytest.mark.parametrize(("method", "failure"), FAILURES)
def test_a_model_is_left_as_it_was_by_a_failure(method, failure):
    clf, model, fuse = make()
    clean = run(clf, method).values
    before, calls, more = state(model), len(fuse.batches), {}
    if failure == "forward":
        fuse.blow_at = calls + 2  # the first forward only looks at the prediction
    elif failure == "backward":
        fuse.blow_backward = True
    elif failure == "progress":
        more = {"on_progress": lambda done, total: 1 / 0}
    else:
        more = {"layer": "nowhere"} if failure == "layer" else {"score": "margin", "against": 1}
    with pytest.raises((ArithmeticError, InputError)):
        run(clf, method, **more)
    assert state(model) == before
    assert clf.lock.acquire(blocking=False)
    clf.lock.release()
    fuse.blow_at, fuse.blow_backward = None, False
    np.testing.assert_array_equal(run(clf, method).values, clean)


def in_threads(*works):
    """Run every work at the same time and hand back their results, or raise what one of them raised."""
    results, errors = [None] * len(works), []
    gate = threading.Barrier(len(works))

    def go(i):
        try:
            gate.wait(10)
            results[i] = works[i]()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=go, args=(i,)) for i in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    return results


def test_threads_on_one_model_get_the_maps_of_a_single_thread():
    clf, model, _ = make()
    alone = {name: run(clf, name).values for name in METHODS}
    before = state(model)
    there, back = list(METHODS) * 3, list(METHODS)[::-1] * 3
    both = in_threads(*(lambda names=names: [run(clf, name).values for name in names] for names in (there, back)))
    for names, maps in zip((there, back), both, strict=True):
        for name, values in zip(names, maps, strict=True):
            np.testing.assert_array_equal(values, alone[name], err_msg=name)
    assert state(model) == before


@pytest.mark.parametrize("second", ["attribute", "predict"])
def test_nobody_else_gets_at_the_model_during_an_attribution(second):
    clf, _, fuse = make()
    inside, release, done = threading.Event(), threading.Event(), threading.Event()

    def hold(now, total):
        if now > 0:
            inside.set()
            assert release.wait(30)

    def follow():
        run(clf, "saliency") if second == "attribute" else predict(clf, ITEM)
        done.set()

    first = threading.Thread(target=run, args=(clf, "integrated_gradients"), kwargs={"on_progress": hold})
    other = threading.Thread(target=follow)
    first.start()
    try:
        assert inside.wait(30)
        asked = len(fuse.batches)
        other.start()
        assert not done.wait(0.3), "a second thread used the model while the first held it"
        assert len(fuse.batches) == asked
    finally:
        release.set()
        first.join(30)
    other.join(30)
    assert done.is_set()


def test_smoothgrad_on_two_models_at_once_stays_seeded():
    """torch's generator is one for all threads, and two models do not share a lock."""
    pair = [make()[0], make()[0]]
    alone = run(pair[0], "smoothgrad").values
    together = in_threads(*(lambda clf=clf: [run(clf, "smoothgrad").values for _ in range(8)] for clf in pair))
    for values in together[0] + together[1]:
        np.testing.assert_array_equal(values, alone)


def test_smoothgrad_is_seeded_and_leaves_the_global_generator_alone():
    clf, _, _ = make()
    torch.manual_seed(123)
    before = torch.get_rng_state()
    one, same, other = (run(clf, "smoothgrad", seed=seed).values for seed in (4, 4, 5))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3 * np.abs(one).max()
    torch.manual_seed(99)
    np.testing.assert_array_equal(run(clf, "smoothgrad", seed=4).values, one)
    with pytest.raises(ZeroDivisionError):
        run(clf, "smoothgrad", on_progress=lambda done, total: done and 1 / 0)
    torch.manual_seed(123)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("method", "params"),
    [("integrated_gradients", {"n_steps": 203}), ("smoothgrad", {"samples": 43}), ("occlusion", {"window": 0.13, "baseline": "blur"})],
)
def test_memory_stays_in_chunks_and_the_count_is_true(method, params):
    clf, _, fuse = make()
    calls = []
    attribute(clf, PICTURE, method, 1, on_progress=lambda done, total: calls.append((done, total)), **params)
    looked = [1, 1] if METHODS[method].complete else [1]  # the prediction first, the baseline's score last
    asked = fuse.batches[1 : len(fuse.batches) - (len(looked) - 1)]
    assert max(fuse.batches) <= CHUNK
    assert sum(asked) == {"integrated_gradients": 203, "smoothgrad": 43, "occlusion": 1 + 15 * 18}[method]
    assert len(asked) <= sum(asked) // CHUNK + 2, "the chunks are needlessly small"
    assert {total for _, total in calls} == {sum(asked)}
    done = [d for d, _ in calls]
    assert done == [0, *np.cumsum(asked)], "progress tells how many inputs have been asked about"


@pytest.mark.parametrize("share", [0.05, 0.2, 0.3, 0.5, 0.51, 0.75, 1.0])
@pytest.mark.parametrize("size", [(16, 20), (15, 31), (7, 64)])
def test_occlusion_asks_exactly_as_often_as_it_says(share, size):
    model = nn.Sequential(Fuse(), nn.Flatten(), nn.Linear(3 * size[0] * size[1], 2))
    clf = load_classifier(model, size=size, device="cpu")
    model[0].batches.clear()
    totals = set()
    attribute(clf, PICTURE, "occlusion", 0, window=share, on_progress=lambda done, total: totals.add(total))
    assert totals == {sum(model[0].batches[1:])}


@pytest.mark.parametrize("method", ["integrated_gradients", "smoothgrad", "occlusion"])
def test_stopping_takes_effect_within_one_chunk(method):
    clf, _, fuse = make()

    class Stopped(BaseException):
        """Streamlit's own way to stop a script is no Exception either."""

    def stop(done, total):
        if done >= 2:
            raise Stopped

    with pytest.raises(Stopped):
        run(clf, method, on_progress=stop)
    assert sum(fuse.batches[1:]) <= 2 + CHUNK


@pytest.mark.parametrize("method", METHODS)
def test_progress_begins_at_nothing_and_ends_at_all(method):
    clf, _, _ = make()
    calls = []
    run(clf, method, on_progress=lambda done, total: calls.append((done, total)))
    assert calls[0][0] == 0
    assert calls[-1][0] == calls[-1][1] > 0
    assert [d for d, _ in calls] == sorted({d for d, _ in calls}), "each step goes on from the one before"
