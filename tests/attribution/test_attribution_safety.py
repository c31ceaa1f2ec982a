"""What an attribution leaves behind: nothing. State, threads, randomness, memory, and stopping half-way."""

import hashlib
import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.attribution.engine import attribute
from workbench.attribution.job import CHUNK
from workbench.attribution.methods import METHODS
from workbench.errors import InputError
from workbench.images.item import image_from_bytes
from workbench.models.classifier import predict
from workbench.models.loading import load_classifier

torch.set_num_threads(1)
SIZE = (16, 20)
IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (33, 47, 3), dtype=np.uint8))
_buffer = io.BytesIO()
IMAGE.save(_buffer, "PNG")
ITEM = image_from_bytes(_buffer.getvalue(), "noise.png")
BACKWARD_FREE = {"anomaly_map", "attention_rollout", "score_cam", "eigen_cam"}  # beside the perturbations
SEEDED = [name for name, method in METHODS.items() if "seed" in method.params]


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
        if self.blow_backward and x.requires_grad:
            x.register_hook(blow)
        return x


class Detector(nn.Conv2d):
    """A head that gives an anomaly map and its peak."""

    def forward(self, x):
        found = super().forward(x).sigmoid()
        return {"pred_score": found.amax((1, 2, 3)), "anomaly_map": found}


def blow(gradient):
    raise ArithmeticError("planted, backward")


def make(end=None):
    """A classifier in train mode with everything that could be disturbed: BatchNorm, dropout, hooks, frozen weights,
    gradients."""
    torch.manual_seed(2)
    fuse = Fuse()
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        fuse,
        nn.Dropout(0.5),
        *(end() if end else (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))),
    )
    return disturbable(model, fuse, SIZE, model[3], model[4], model[0], model[-1])


def disturbable(model, fuse, size, hooked, resting, frozen, learnt):
    clf = load_classifier(model, size=size, device="cpu")
    model.train()
    resting.eval()  # a mixture of modes must come back as a mixture
    frozen.weight.requires_grad_(False)
    learnt.weight.grad = torch.full_like(learnt.weight, 7.0)
    hooked.register_forward_hook(lambda *_: None)
    hooked.register_full_backward_hook(lambda *_: None)
    fuse.batches.clear()
    return clf, model, fuse


@pytest.fixture
def subject(tiny_transformer):
    """Makes the like of `make` for a method: a transformer for those that read attention, a detector for the map of its
    own."""

    def made(method):
        if METHODS[method].family != "attention":
            return make((lambda: (Detector(8, 1, 1),)) if METHODS[method].family == "own" else None)
        model = tiny_transformer((16, 24), dropout=0.5)
        model.fc_norm = Fuse()
        block = model.blocks[0]
        return disturbable(model, model.fc_norm, (16, 24), block.attn.attn_drop, block.mlp, block.attn.qkv, model.head)

    return made


@pytest.fixture
def run(cheap):
    """Explains one class of one image by a method, cheaply."""

    def explain(clf, method, **more):
        layer = {"layer": "0"} if "layer" in METHODS[method].params else {}
        return attribute(clf, IMAGE, method, **({"target": 1} | cheap(method) | layer | more))

    return explain


def state(model):
    """Everything that an attribution must leave as it was."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    modules = list(model.modules())
    plain = [vars(module) for module in modules if not isinstance(module, Fuse)]
    return {
        "weights": digest.hexdigest(),
        "modes": [module.training for module in modules],
        "hooks": [
            len(t)
            for module in modules
            for name, t in sorted(vars(module).items())
            if name.endswith("_hooks") and t is not None
        ],
        "flags": [
            (name, value) for values in plain for name, value in values.items() if isinstance(value, bool | int | float)
        ],
        "attributes": [sorted(values) for values in plain],
        "requires_grad": [p.requires_grad for p in model.parameters()],
        "grad": [(id(p.grad), None if p.grad is None else p.grad.tolist()) for p in model.parameters()],
        "random": (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), np.random.get_state()[2]),
    }


@pytest.mark.parametrize("method", METHODS)
def test_a_model_is_left_as_it_was(subject, run, method):
    clf, model, _ = subject(method)
    before = state(model)
    first = run(clf, method)
    assert state(model) == before
    np.testing.assert_array_equal(
        run(clf, method).values, first.values, err_msg="dropout or BatchNorm was in train mode"
    )


FAILURES = [
    (name, failure)
    for name, method in METHODS.items()
    for failure in ("forward", "backward", "progress", "late progress", "layer", "margin")
    if failure != "backward" or not (method.family == "perturbation" or name in BACKWARD_FREE)
]


@pytest.mark.parametrize(("method", "failure"), FAILURES)
def test_a_model_is_left_as_it_was_by_a_failure(subject, run, method, failure):
    clf, model, fuse = subject(method)
    run(clf, method)
    before, calls = state(model), len(fuse.batches)
    clean = run(clf, method).values
    often = len(fuse.batches) - calls
    cases = {
        "progress": {"on_progress": lambda done, total: 1 / 0},
        "late progress": {"on_progress": lambda done, total: done == total and 1 / 0},
        "layer": {"layer": "nowhere"},
        "margin": {"score": "margin", "against": 1},
    }
    for call in (
        sorted({1, often // 2 + 1, often}) if failure == "forward" else [None]
    ):  # the first, one half-way, and the last
        fuse.blow_at, fuse.blow_backward = call and len(fuse.batches) + call, failure == "backward"
        says = "planted" if failure in ("forward", "backward") else None
        with pytest.raises((ArithmeticError, InputError), match=says):
            run(clf, method, **cases.get(failure, {}))
        assert state(model) == before
        assert clf.lock.acquire(blocking=False)
        clf.lock.release()
    fuse.blow_at, fuse.blow_backward = None, False
    np.testing.assert_array_equal(run(clf, method).values, clean)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_is_left_as_it_was_by_a_failure_at_the_first_look(subject, run, method):
    """What is found out once about a model, such as its layers, fails too."""
    clf, model, fuse = subject(method)
    before, fuse.blow_at = state(model), 1
    with pytest.raises(ArithmeticError, match="planted"):
        run(clf, method)
    assert state(model) == before
    fuse.blow_at = None
    np.testing.assert_array_equal(run(clf, method).values, run(subject(method)[0], method).values)


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


def test_threads_on_one_model_get_the_maps_of_a_single_thread(subject, run):
    family = {name: METHODS[name].family if METHODS[name].family in ("attention", "own") else "any" for name in METHODS}
    made = {family[name]: subject(name) for name in METHODS}
    alone = {name: run(made[family[name]][0], name).values for name in METHODS}
    before = [state(model) for _, model, _ in made.values()]
    there, back = list(METHODS) * 3, list(METHODS)[::-1] * 3
    both = in_threads(
        *(lambda names=names: [run(made[family[name]][0], name).values for name in names] for names in (there, back))
    )
    for names, maps in zip((there, back), both, strict=True):
        for name, values in zip(names, maps, strict=True):
            np.testing.assert_array_equal(values, alone[name], err_msg=name)
    assert [state(model) for _, model, _ in made.values()] == before


@pytest.mark.parametrize("second", ["attribute", "predict"])
def test_nobody_else_gets_at_the_model_during_an_attribution(run, second):
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


@pytest.mark.parametrize("method", SEEDED)
def test_two_models_at_once_stay_seeded(run, method):
    """The global generators are one for all threads, and two models do not share a lock."""
    pair = [make()[0], make()[0]]
    alone = run(pair[0], method).values
    together = in_threads(*(lambda clf=clf: [run(clf, method).values for _ in range(8)] for clf in pair))
    for values in together[0] + together[1]:
        np.testing.assert_array_equal(values, alone)


@pytest.mark.parametrize("method", SEEDED)
def test_a_seed_fixes_the_map_and_leaves_the_global_generators_alone(run, method):
    clf, model, _ = make()
    seed_all(123)
    before = state(model)
    one, same, other = (run(clf, method, seed=seed).values for seed in (4, 4, 5))
    assert state(model) == before
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3 * np.abs(one).max()
    seed_all(99)
    np.testing.assert_array_equal(run(clf, method, seed=4).values, one)
    with pytest.raises(ZeroDivisionError):
        run(clf, method, on_progress=lambda done, total: done and 1 / 0)
    seed_all(123)
    assert state(model) == before


def seed_all(seed):
    torch.manual_seed(seed)
    np.random.seed(seed)


# A prime number of evaluations, and how many more the score of the image and that of the baseline then take
COUNTED = {
    "integrated_gradients": ({"n_steps": 203}, 203, 2),
    "smoothgrad": ({"samples": 43}, 43, 1),
    "smoothgrad_sq": ({"samples": 43}, 43, 1),
    "vargrad": ({"samples": 43}, 43, 1),
    "expected_gradients": ({"samples": 43}, 43, 2),
    "occlusion": ({"window": 0.13, "baseline": "blur"}, 1 + 15 * 18, 0),
    "lime": ({"samples": 43}, 43, 1),
    "kernel_shap": ({"samples": 43}, 43, 2),
}


@pytest.mark.parametrize("method", COUNTED)
def test_memory_stays_in_chunks_and_the_count_is_true(run, method):
    clf, _, fuse = make()
    params, count, more = COUNTED[method]
    calls = []
    run(clf, method, on_progress=lambda done, total: calls.append((done, total)), **params)
    asked = fuse.batches[: len(fuse.batches) - more]
    assert max(fuse.batches) <= CHUNK
    assert sum(asked) == count
    assert len(asked) <= sum(asked) // CHUNK + 2, "the chunks are needlessly small"
    assert {total for _, total in calls} == {count}
    done = [d for d, _ in calls]
    assert done == [0, *np.cumsum(asked)], "progress tells how many inputs have been asked about"


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.cost <= 3])
def test_a_score_that_came_by_is_not_asked_for_again(subject, run, method):
    clf, _, fuse = subject(method)
    run(clf, method)  # which also finds out what is found out once
    for target, more in (({}, 0), ({"target": None}, 1)):  # the prediction first, where no class is named
        fuse.batches.clear()
        run(clf, method, **target)
        assert sum(fuse.batches) == METHODS[method].cost + METHODS[method].complete + more


@pytest.mark.parametrize("share", [0.05, 0.2, 0.3, 0.5, 0.51, 0.75, 1.0])
@pytest.mark.parametrize("size", [(16, 20), (15, 31), (7, 64)])
def test_occlusion_asks_exactly_as_often_as_it_says(share, size):
    model = nn.Sequential(Fuse(), nn.Flatten(), nn.Linear(3 * size[0] * size[1], 2))
    clf = load_classifier(model, size=size, device="cpu")
    model[0].batches.clear()
    totals = set()
    attribute(clf, IMAGE, "occlusion", 0, window=share, on_progress=lambda done, total: totals.add(total))
    assert totals == {sum(model[0].batches)}


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.cost > CHUNK])
def test_stopping_takes_effect_within_one_chunk(run, method):
    clf, _, fuse = make()
    more = {"segments": 20, "samples": 60} if "segments" in METHODS[method].params else {}
    more = {name: value for name, value in more.items() if name in METHODS[method].params}

    class Stopped(BaseException):
        """Streamlit's own way to stop a script is no Exception either."""

    def stop(done, total):
        assert total > 2
        if done >= 2:
            raise Stopped

    run(clf, method, **more)
    fuse.batches.clear()
    with pytest.raises(Stopped):
        run(clf, method, on_progress=stop, **more)
    assert sum(fuse.batches) <= 2 + CHUNK


@pytest.mark.parametrize("method", METHODS)
def test_progress_begins_at_nothing_and_ends_at_all(subject, run, method):
    clf, _, _ = subject(method)
    calls = []
    run(clf, method, on_progress=lambda done, total: calls.append((done, total)))
    assert calls[0][0] == 0
    assert calls[-1][0] == calls[-1][1] > 0
    assert [d for d, _ in calls] == sorted({d for d, _ in calls}), "each step goes on from the one before"
