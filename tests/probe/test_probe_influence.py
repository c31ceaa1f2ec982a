"""The training images behind a decision: Captum's own figures, a planted mislabelled twin, and what cannot be told said
so."""

from __future__ import annotations

import dataclasses
import io
from collections import deque

import numpy as np
import pandas as pd
import pytest
import torch
from captum.influence import TracInCP, TracInCPFast
from PIL import Image
from torch import nn
from torch.utils.data import TensorDataset

from workbench.audit.reader import open_audit
from workbench.audit.runner import run
from workbench.images.item import BytesSource, ImageItem
from workbench.images.stamped_metal import make_set
from workbench.models.classifier import predict
from workbench.models.loading import load_classifier
from workbench.predictions.table import tabulate
from workbench.probe import influence as module
from workbench.probe.influence import behind
from workbench.sets.layouts import load_images
from workbench.stats.neighbours import nearest

torch.set_num_threads(1)
CLASSES = ("a", "b", "c")


def state(model):
    values = {name: value.clone() for name, value in model.state_dict().items()}
    return (
        values,
        [m.training for m in model.modules()],
        [(p.requires_grad, p.grad) for p in model.parameters()],
        hooks(model),
    )


def hooks(model):
    return [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules()]


def same(one, other):
    return all(torch.equal(one[0][name], other[0][name]) for name in one[0]) and one[1:] == other[1:]


def images(count, seed=0):
    rng, found = np.random.default_rng(seed), []
    for number in range(count):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(buffer, "PNG")
        found.append(ImageItem(f"{number}.png", BytesSource(buffer.getvalue()), CLASSES[number % 3], split="train"))
    return found


def net(kind="linear"):
    """A small network whose last layer is linear, has a single logit, or is a convolution of one pixel before the
    pooling."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        body, pool = [nn.Conv2d(3, 5, 3, padding=1), nn.ReLU()], [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        if kind == "conv":
            return nn.Sequential(*body, nn.Conv2d(5, 3, 1, bias=False), *pool)
        return nn.Sequential(*body, *pool, nn.Linear(5, 1 if kind == "single" else 3))


def loaded(model, classes=CLASSES):
    return load_classifier(model, classes=classes, size=(8, 8), mean=(0.5,) * 3, std=(0.5,) * 3)


def known(classifier, items):
    """Embeddings and predictions as an audit has them."""
    inputs = torch.stack([classifier.prepare(item) for item in items])
    with torch.no_grad():
        embeddings = classifier.model[:2](inputs).mean((2, 3)).numpy()
    return embeddings, predict(classifier, items)


def spread(found):
    """Influence by row, from proponents and opponents together."""
    table = pd.concat([found.proponents, found.opponents])
    return dict(zip(table["row"], table["influence"], strict=True))


def slowly(kind, classifier, items, classes):
    """Influence of all images but the first on calling the first "b", by Captum on a whole copy of the model."""
    slow, inputs = net(kind), torch.stack([classifier.prepare(item) for item in items])
    truth = torch.tensor([classes.index(item.label) for item in items])
    if kind == "single":
        data, aim, loss = (
            TensorDataset(inputs[1:], truth[1:, None].float()),
            torch.ones(1, 1),
            nn.BCEWithLogitsLoss(reduction="sum"),
        )
    else:
        data, aim, loss = TensorDataset(inputs[1:], truth[1:]), torch.tensor([1]), nn.CrossEntropyLoss(reduction="sum")
    if kind == "conv":  # each image's own gradient by backpropagation, for Captum's short cut knows linear layers only
        tracing = TracInCP(slow, data, [0], lambda *_: 1.0, ["2"], loss, 8, sample_wise_grads_per_batch=True)
    else:
        tracing = TracInCPFast(slow, slow[-1], data, [0], lambda *_: 1.0, loss, 8)
    return tracing.influence((inputs[:1], aim))[0].detach().numpy()


@pytest.mark.parametrize("kind", ["linear", "single", "conv"])
def test_influence_is_captums_on_the_whole_model(kind, monkeypatch):
    classes = CLASSES[:2] if kind == "single" else CLASSES
    classifier = loaded(net(kind), classes)
    items = [dataclasses.replace(item, label=classes[n % len(classes)]) for n, item in enumerate(images(24))]
    embeddings, predictions = known(classifier, items)
    expected = slowly(kind, classifier, items, classes)
    monkeypatch.setattr(module, "HELD_AT_ONCE", 7)
    found = behind(classifier, embeddings, predictions, np.arange(24) > 0, 0, target="b", k=24)
    assert found.why is None
    assert spread(found) == pytest.approx(
        dict(enumerate(expected.tolist(), 1)), abs=1e-4 * float(np.abs(expected).max())
    )
    order = 1 + np.argsort(expected)
    assert found.opponents["row"].tolist() == order[np.sort(expected) < 0].tolist()
    assert found.proponents["row"].tolist() == order[np.sort(expected) > 0][::-1].tolist()
    assert 0 < len(found.opponents) < 23


def test_the_nearest_are_those_of_the_defects_page():
    classifier = loaded(net())
    items = images(24)
    embeddings, predictions = known(classifier, items)
    embeddings[5] = np.nan
    rows = np.arange(24) % 2 == 1
    found = behind(classifier, embeddings, predictions, rows, 7, k=3)
    assert (found.nearest["row"].iloc[0], found.nearest["similarity"].iloc[0]) == pytest.approx(
        nearest(embeddings, 7, rows)
    )
    assert found.nearest["similarity"].is_monotonic_decreasing
    assert len(found.nearest) == 3
    assert found.among == 10  # of the twelve neither the image itself nor the unreadable one
    assert set(found.nearest["row"]) <= set(np.flatnonzero(rows)) - {5, 7}
    line = predictions.frame.iloc[found.nearest["row"].iloc[0]]
    for name in ("name", "label", "predicted", "confidence"):
        assert found.nearest[name].iloc[0] == line[name]
    assert found.target == predictions.frame["predicted"].iloc[7]
    assert found.confidence == pytest.approx(predictions.probabilities[7].max(), rel=1e-5)


def test_an_image_from_elsewhere_is_asked_as_the_audit_asks():
    classifier = loaded(net())
    items = images(24)
    embeddings, predictions = known(classifier, items)
    rows, before = np.arange(24) > 0, state(classifier.model)
    inside = behind(classifier, embeddings, predictions, rows, 0)
    outside = behind(classifier, embeddings, predictions, rows, items[0])
    edited = behind(classifier, embeddings, predictions, rows, items[0].open())
    assert same(before, state(classifier.model))
    for found in (outside, edited):
        for table in ("nearest", "proponents", "opponents"):
            pd.testing.assert_frame_equal(getattr(found, table), getattr(inside, table), rtol=1e-4)
    again = behind(classifier, embeddings, predictions, rows, items[4])
    assert (
        again.nearest["row"].iloc[0] == 4
    )  # an image that is no row is compared with its own copy in the training split too
    assert again.nearest["similarity"].iloc[0] == pytest.approx(1, abs=1e-6)


@pytest.fixture(scope="module")
def metal(tmp_path_factory):
    """What the audit of the shipped model knows of 220 drawn parts."""
    classifier, parts, folder = (
        load_classifier("metal-sound"),
        tmp_path_factory.mktemp("parts"),
        tmp_path_factory.mktemp("audit"),
    )
    deque(make_set(parts, count=220, seed=1))
    deque(run(classifier, load_images(parts), folder))
    audit = open_audit(folder)
    return classifier, audit.embeddings(), audit.predictions


def twinned(metal, labelled):
    """The test image of a scratch that the model is surest of, and a copy of it at the end, in the training split with
    a label."""
    classifier, embeddings, predictions = metal
    frame = predictions.frame
    wanted = (frame["split"] == "test") & (frame["label"] == "scratch") & (frame["predicted"] == "scratch")
    row = int(np.where(wanted, predictions.probabilities[:, 1], 0).argmax())
    grown = pd.concat(
        [frame, frame.iloc[[row]].assign(name="copy.png", label=labelled, split="train", id="f" * 64)],
        ignore_index=True,
    )
    order = [*range(len(frame)), row]
    planted = dataclasses.replace(
        predictions, frame=grown, logits=predictions.logits[order], probabilities=predictions.probabilities[order]
    )
    return row, (classifier, embeddings[order], planted, (grown["split"] == "train").to_numpy())


def test_a_mislabelled_twin_comes_first_among_the_proponents_of_its_wrong_class(metal):
    row, known = twinned(metal, "pit")
    assert len(known[1]) > 200
    assert known[3].sum() > 120
    assert known[2].probabilities[row, 1] > 0.99
    found = behind(*known, row, target="pit")
    first, second = found.proponents.iloc[0], found.proponents.iloc[1]
    assert (first["name"], first["label"], first["predicted"]) == ("copy.png", "pit", "scratch")
    assert first["influence"] > 2 * second["influence"]
    assert first["similarity"] == pytest.approx(1, abs=1e-6)
    assert found.nearest["name"].iloc[0] == "copy.png"
    against = behind(*known, row)
    assert against.target == "scratch"
    assert against.opponents["name"].iloc[0] == "copy.png"
    assert "copy.png" not in set(against.proponents["name"])
    said = (
        "For the model it is the image asked about, which is labelled scratch, not pit: one of the two labels is wrong."
    )
    assert first["look"] == against.opponents["look"].iloc[0] == said


def test_a_rightly_labelled_twin_is_no_proponent_of_another_class(metal):
    row, known = twinned(metal, "scratch")
    found = behind(*known, row, target="pit")
    assert "copy.png" not in set(found.proponents["name"].iloc[:3])
    assert found.nearest["look"].iloc[0] is None


def test_labels_that_contradict_a_sure_model_are_flagged():
    classifier = loaded(net())
    items = images(6)
    embeddings, _ = known(classifier, items)
    probabilities = np.array([[0.5, 0.3, 0.2]] + [[0.95, 0.03, 0.02]] * 4 + [[0.85, 0.1, 0.05]], np.float32)
    labels = ["a", "b", "a", None, "elsewhere", "b"]
    items = [dataclasses.replace(item, label=label) for item, label in zip(items, labels, strict=True)]
    said = tabulate(items, np.log(probabilities), probabilities, {}, classifier.rule, "")
    found = behind(classifier, embeddings, said, np.arange(6) > 0, 0, k=6).nearest.set_index("row")["look"]
    assert found[1] == "It is labelled b, but the model is 95% sure of a: perhaps it is mislabelled."
    assert [found[row] for row in (2, 3, 4, 5)] == [None] * 4


def test_training_images_that_belong_together_are_counted_as_one_unit():
    classifier, items = loaded(net()), images(24)
    embeddings, predictions = known(classifier, items)
    rows = np.arange(24) % 5 > 0
    alone = behind(classifier, embeddings, predictions, rows, 0, target=1)
    assert alone.units is None
    assert alone.nearest["unit"].isna().all()
    groups = [number // 4 for number in range(24)]
    joined = dataclasses.replace(predictions, frame=predictions.frame.assign(group=groups))
    found = behind(classifier, embeddings, joined, rows, 0, target=1)
    assert found.nearest["unit"].tolist() == [row // 4 for row in found.nearest["row"]]
    members: dict[int, list[bool]] = {}
    for row in range(24):
        label = predictions.frame["label"][row]
        if rows[row] and label is not None and label == label:
            members.setdefault(groups[row], []).append(label == "b")
    shares = [sum(own) / len(own) for own in members.values()]
    assert found.units == (len(shares), pytest.approx(sum(shares)))
    assert 0 < sum(shares) < len(shares)


def test_the_same_image_with_two_labels_is_flagged():
    classifier = loaded(net())
    items = images(24)
    embeddings, predictions = known(classifier, items)
    asked = dataclasses.replace(items[4], label="c")  # in the training split it is labelled b
    look = behind(classifier, embeddings, predictions, np.ones(24, bool), asked).nearest["look"]
    assert look.iloc[0] == "It is the image asked about, which is labelled c, not b: one of the two labels is wrong."
    assert look.iloc[1] is None


def test_a_very_sure_decision_still_has_proponents():
    """In single precision the gradient of a loss of 1e-9 is 0."""
    model = net()
    with torch.no_grad():
        model[-1].bias.copy_(torch.tensor([0.0, 21.0, 0.0]))
    classifier = loaded(model)
    items = images(24)
    found = behind(classifier, *known(classifier, items), np.arange(24) > 0, 0)
    assert (found.target, found.why) == ("b", None)
    assert found.confidence > 1 - 1e-8
    assert len(found.proponents) == 8
    assert (found.proponents["influence"] > 0).all()


def test_where_influence_is_not_known_the_nearest_still_are():
    classifier = loaded(net())
    items = images(24)
    embeddings, predictions = known(classifier, items)
    rows = np.arange(24) > 0
    other = dataclasses.replace(predictions, logits=predictions.logits + 1)
    found = behind(classifier, embeddings, other, rows, 0)
    assert (len(found.nearest), len(found.proponents), len(found.opponents)) == (8, 0, 0)
    assert found.why.startswith("No layer of the model takes the stored embeddings to the stored logits")
    assert found.nearest["influence"].isna().all()
    frame = predictions.frame.assign(label="elsewhere")
    found = behind(classifier, embeddings, dataclasses.replace(predictions, frame=frame), rows, 0)
    assert "has a label of one of the model's classes" in found.why
    sure = loaded(nn.Sequential(*net()[:-1], Sure()))
    embeddings, predictions = known(sure, items)
    found = behind(sure, embeddings, predictions, rows, 0)
    assert "no training image moves its loss" in found.why


class Sure(nn.Linear):
    def __init__(self):
        super().__init__(5, 3)
        nn.init.zeros_(self.weight)
        self.bias.data = torch.tensor([0.0, 900.0, 0.0])


def test_what_cannot_be_asked_is_refused(refusal):
    classifier = loaded(net())
    items = images(6)
    embeddings, predictions = known(classifier, items)
    rows = np.arange(6) > 0
    embeddings[3] = np.nan
    assert "no row 6" in refusal(lambda: behind(classifier, embeddings, predictions, rows, 6))
    assert "3.png cannot be read" in refusal(lambda: behind(classifier, embeddings, predictions, rows, 3))
    assert "no class 'd'" in refusal(lambda: behind(classifier, embeddings, predictions, rows, 0, target="d"))
    only = np.arange(6) == 3
    assert "no readable training image" in refusal(lambda: behind(classifier, embeddings, predictions, only, 0))
    assert "this model's 5" in refusal(lambda: behind(classifier, embeddings[:, :4], predictions, rows, items[0]))
    headless = loaded(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Softplus()))
    assert "no embeddings" in refusal(lambda: behind(headless, embeddings, predictions, rows, items[0]))
    with pytest.raises(ValueError, match="expected 6 rows"):
        behind(classifier, embeddings[:5], predictions, rows, 0)


def test_it_tells_how_far_it_is_and_can_be_stopped(monkeypatch):
    monkeypatch.setattr(module, "HELD_AT_ONCE", 10)
    classifier = loaded(net())
    items = images(24)
    embeddings, predictions = known(classifier, items)
    steps, before = [], state(classifier.model)
    behind(classifier, embeddings, predictions, np.arange(24) > 0, 0, on_progress=lambda *step: steps.append(step))
    assert steps == [(0, 23), (10, 23), (20, 23), (23, 23)]

    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        behind(classifier, embeddings, predictions, np.arange(24) > 0, 0, on_progress=stop)
    assert same(before, state(classifier.model))
