"""Fine-tuning on a set of one's own: small drawn images, a small network, few epochs."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from trained import lay, small_backbone

from workbench.models.architectures import build
from workbench.models.loading import load_classifier
from workbench.predictions.headline import best_threshold, headline
from workbench.predictions.table import Predictions
from workbench.sets.layouts import load_images
from workbench.training import finetune
from workbench.training.finetune import EarlyStop, balanced_order, recipe_for, train
from workbench.training.pretrained import backbone
from workbench.training.run import FILES, where

torch.set_num_threads(1)
SMALL = {"epochs": 3, "size": 32}


@pytest.fixture
def small(monkeypatch):
    """The training with timm's smallest ResNet for its backbone."""
    small_backbone(monkeypatch)


@pytest.fixture
def parts(tmp_path):
    return load_images(lay(tmp_path / "parts", {"good": 24, "holed": 16}))


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def test_it_writes_a_model_that_tells_the_classes(small, parts, tmp_path) -> None:
    steps = list(train(parts, tmp_path / "made", epochs=12, size=32, seed=1))
    out = tmp_path / "made"
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    classifier, table = load_classifier(out), Predictions.load(out / "predictions.parquet")
    assert (classifier.class_names, classifier.positive, classifier.preprocessing.size) == (
        ("good", "holed"),
        "holed",
        (32, 32),
    )
    assert (table.model, table.rule) == (classifier.key, classifier.rule)
    assert list(table.frame["name"]) == [item.name for item in parts]
    assert table.frame.groupby(["label", "split"]).size().to_dict() == {
        ("good", "train"): 14, ("good", "validation"): 4, ("good", "test"): 6,
        ("holed", "train"): 10, ("holed", "validation"): 2, ("holed", "test"): 4,
    }  # fmt: skip
    assert table.rule.threshold == round(best_threshold(where(table, table.frame["split"] == "validation")), 4)
    assert headline(table, np.ones(len(table), dtype=bool))["accuracy"].value >= 0.9
    assert [step.stage for step in steps if step.done == step.total] in (
        ["reading", "comparing", "training", "predicting"],
        ["reading", "comparing", "predicting"],
    )
    assert (steps[0].stage, steps[0].total) == ("reading", 40)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training of `parts` that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        small_backbone(patch)
        list(train(load_images(lay(folder / "parts", {"good": 24, "holed": 16})), folder / "made", **SMALL))
    return folder / "made"


@pytest.mark.parametrize("stopped_after", [1, 2, 3])
def test_an_interruption_changes_nothing(small, parts, tmp_path, whole, stopped_after) -> None:
    first = train(parts, tmp_path / "half", **SMALL)
    for step in first:
        if (
            step.stage == "training" and step.detail.startswith(f"epoch {stopped_after + 1} ")
        ) or step.stage == "predicting":
            break
    first.close()
    assert [path.name for path in (tmp_path / "half").iterdir()] == ["training.ckpt"], "and not the decoded images"
    torch.rand(7)
    rest = [step for step in train(parts, tmp_path / "half", **SMALL) if step.stage == "training"]
    assert {step.detail.split(" of ")[0] for step in rest} == {
        f"epoch {epoch + 1}" for epoch in range(stopped_after, 3)
    }
    assert weights(tmp_path / "half") == weights(whole)
    assert (tmp_path / "half" / "MODEL_CARD.md").read_text() == (whole / "MODEL_CARD.md").read_text()


def test_a_checkpoint_of_another_training_is_refused(small, parts, tmp_path, refusal) -> None:
    kept = tmp_path / "kept.ckpt"
    list(train(parts, tmp_path / "made", **SMALL, checkpoint=kept))
    before = kept.read_bytes()
    others = [{"seed": 2}, {"epochs": 4}, {"size": 40}]
    for other in others:
        again = train(parts, tmp_path / "made", **{**SMALL, **other}, checkpoint=kept)
        assert "kept.ckpt cannot be resumed from, for it belongs to other images" in refusal(
            lambda again=again: list(again)
        )
    fewer = dataclasses.replace(parts, items=parts.items[1:])
    assert "other images" in refusal(lambda: list(train(fewer, tmp_path / "made", **SMALL, checkpoint=kept)))
    assert kept.read_bytes() == before
    kept.write_bytes(b"nothing")
    assert "damaged" in refusal(lambda: list(train(parts, tmp_path / "made", **SMALL, checkpoint=kept)))


def test_the_best_epoch_is_kept_and_the_training_ends_when_none_comes(tmp_path) -> None:
    """The validation loss falls for two epochs and then rises: the network says 3, 2, 4, 5, 5, ... for the wrong
    class."""
    images, labels = torch.zeros(6, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, 0, 0, 0, 0, 1])
    watch = EarlyStop(images, torch.arange(6), labels, "run", patience=3)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 2), torch.nn.Dropout(0.9)).train()
    torch.nn.init.zeros_(model[1].weight)
    ended = []
    for wrong in (3.0, 2.0, 4.0, 5.0, 5.0, 1.0):
        model[1].bias.data = torch.tensor([0.0, wrong])
        watch.look(model, 0.5)
        ended.append(watch.ended)
        assert model.training
        if watch.ended:
            break
    assert ended == [False, False, False, False, True]
    assert watch.best["1.bias"].tolist() == [0.0, 2.0]
    one, other = np.log1p(np.exp(2.0)), np.log1p(np.exp(-2.0))
    assert watch.losses[1] == (0.5, pytest.approx((one + other) / 2)), "averaged over classes, not over images"
    again = EarlyStop(images, torch.arange(6), labels, "run", patience=3)
    again.load_state_dict(watch.state_dict())
    assert again.ended
    assert again.losses == watch.losses


def test_a_validation_loss_that_is_no_number_is_never_the_best_and_freezes_nothing() -> None:
    images, labels = torch.zeros(6, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, 0, 0, 0, 0, 1])
    watch = EarlyStop(images, torch.arange(6), labels, "run", patience=3)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 2)).train()
    torch.nn.init.zeros_(model[1].weight)
    ended = []
    for wrong in (float("nan"), 3.0, 2.0, float("nan"), 4.0, 5.0):
        model[1].bias.data = torch.tensor([0.0, wrong])
        watch.look(model, 0.5)
        ended.append(watch.ended)
        assert bool(watch.best) == (len(ended) > 1)
    assert ended == [False] * 5 + [True]
    assert watch.best["1.bias"].tolist() == [0.0, 2.0]
    assert [np.isfinite(loss) for _, loss in watch.losses] == [False, True, True, False, True, True]


def test_a_training_without_one_usable_epoch_says_so_and_writes_nothing(
    small, parts, tmp_path, monkeypatch, refusal
) -> None:
    look = EarlyStop.look

    def spoilt(self, average, loss):
        average = copy.deepcopy(average)
        next(average.parameters()).data.fill_(float("nan"))
        look(self, average, loss)

    monkeypatch.setattr(EarlyStop, "look", spoilt)
    message = refusal(lambda: list(train(parts, tmp_path / "made", **SMALL)))
    assert message.startswith("After none of the 3 epochs")
    assert "another seed" in message
    assert not list((tmp_path / "made").glob("model*"))


def test_weights_that_come_apart_end_the_training_in_a_sentence(small, parts, tmp_path, monkeypatch, refusal) -> None:
    def backbone(classes):
        network = build("timm:test_resnet", trusted=True, options={"num_classes": classes})[0]
        next(network.parameters()).data.fill_(float("nan"))
        return network

    monkeypatch.setattr(finetune, "backbone", backbone)
    message = refusal(lambda: list(train(parts, tmp_path / "made", **SMALL)))
    assert "epoch 1, step 1" in message
    assert "damaged start weights" in message


@pytest.mark.parametrize("epochs", [1, 5])
def test_the_smallest_set_that_can_be_learnt_from_is_trained_for_any_number_of_epochs(small, tmp_path, epochs) -> None:
    images = load_images(lay(tmp_path / "parts", {"good": 5, "holed": 5}))
    steps = [step for step in train(images, tmp_path / "made", epochs=epochs, size=32) if step.stage == "training"]
    assert [(step.done, step.total) for step in steps] == [(i + 1, epochs) for i in range(epochs)], (
        "one step an epoch: 8 a batch of 6"
    )
    assert load_classifier(tmp_path / "made").class_names == ("good", "holed")


def test_an_ended_training_writes_the_best_epochs_weights(small, parts, tmp_path, monkeypatch) -> None:
    seen = {}

    def look(self, average, loss):
        epoch = len(self.losses) + 1
        if epoch == 2:
            self.best = {name: tensor.clone() for name, tensor in average.state_dict().items()}
            seen.update(self.best)
        self.losses.append((loss, 0.1 if epoch == 2 else 0.5))

    monkeypatch.setattr(EarlyStop, "look", look)
    steps = [step for step in train(parts, tmp_path, epochs=40, size=32) if step.stage == "training"]
    assert steps[-1].detail.startswith(f"epoch {2 + finetune.PATIENCE} of 40 at most")
    state = load_classifier(tmp_path).model.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in seen.items())
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert "after epoch 2, whose validation loss is the lowest\n(0.100" in card
    assert f"it ended after epoch {2 + finetune.PATIENCE}" in card


def test_every_class_is_shown_alike_often() -> None:
    rows = [torch.arange(100), torch.arange(100, 103), torch.arange(103, 110)]
    order = balanced_order(rows, 48)
    generator = torch.Generator().manual_seed(0)
    drawn = order(generator)
    assert [int(torch.isin(drawn, own).sum()) for own in rows] == [16, 16, 16]
    assert drawn[drawn < 100].unique().numel() == 16
    few = torch.bincount(drawn[(drawn >= 100) & (drawn < 103)] - 100)
    assert few.tolist() in ([5, 5, 6], [5, 6, 5], [6, 5, 5])
    assert not torch.equal(order(generator), drawn)
    assert torch.equal(order(torch.Generator().manual_seed(0)), drawn)
    counts = [int(torch.isin(balanced_order(rows, 40)(generator), own).sum()) for own in rows]
    assert sorted(counts) == [13, 13, 14]


def test_the_recipe_suits_the_number_of_images() -> None:
    small, large = recipe_for(40, 30, 224, 5), recipe_for(5000, 30, 224, 5)
    assert (small.batch, large.batch, large.rate, large.averaging) == (8, 32, 1e-3, 0.99)
    assert small.rate < large.rate
    assert small.averaging == 0.9
    assert (small.epochs, small.sizes, small.seed) == (30, (224,), 5)


def test_images_are_held_in_a_file_as_the_model_sees_them(parts, tmp_path) -> None:
    (tmp_path / "parts" / "good" / "03.png").write_text("no image")
    stored = finetune._store(parts.items, tmp_path / "images", 32)
    steps = 0
    try:
        while next(stored):
            steps += 1
    except StopIteration as done:
        known, unreadable = done.value
    assert steps == 40
    assert list(unreadable) == ["good/03.png"]
    held = np.fromfile(tmp_path / "images", np.uint8).reshape(39, 3, 32, 32)
    expected = np.asarray(known[7].open().resize((32, 32), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    np.testing.assert_array_equal(held[7], expected)


def test_what_cannot_be_read_or_has_no_label_is_told_and_predicted_all_the_same(small, tmp_path) -> None:
    lay(tmp_path / "parts", {"good": 8, "holed": 8, "stray": 2})
    (tmp_path / "parts" / "good" / "03.png").write_text("no image")
    (tmp_path / "parts" / "manifest.csv").write_text(
        "image,label\n"
        + "".join(
            f"{k}/{i:02}.png,{k if k != 'stray' else ''}\n"
            for k, n in {"good": 8, "holed": 8, "stray": 2}.items()
            for i in range(n)
        )
    )
    list(train(load_images(tmp_path / "parts"), tmp_path / "made", **SMALL))
    frame = Predictions.load(tmp_path / "made" / "predictions.parquet").frame.set_index("name")
    assert len(frame) == 18
    assert frame.loc["good/03.png", "error"].startswith("good/03.png")
    assert frame.loc[["stray/00.png", "stray/01.png"], "split"].isna().all()
    assert frame.loc["stray/00.png", "predicted"] in ("good", "holed")
    card = (tmp_path / "made" / "MODEL_CARD.md").read_text()
    assert "1 could not be read and were left out: good/03.png." in card
    assert "2 have no label" in card


def test_the_layout_of_mvtec_is_dealt_anew(small, tmp_path) -> None:
    lay(tmp_path / "bottle" / "train", {"good": 10})
    lay(tmp_path / "bottle" / "test", {"good": 4, "broken": 6, "stained": 6}, seed=1)
    lay(tmp_path / "bottle" / "ground_truth", {"broken": 1})
    list(train(load_images(tmp_path / "bottle"), tmp_path / "made", **SMALL, positive="broken"))
    table = Predictions.load(tmp_path / "made" / "predictions.parquet")
    assert len(table) == 26
    assert {split for _, split in table.frame.groupby(["label", "split"]).groups} == {"train", "validation", "test"}
    assert (table.rule.positive, table.rule.threshold is None) == ("broken", False)
    assert "**The whole set was split again**" in (tmp_path / "made" / "MODEL_CARD.md").read_text()


def test_no_positive_class_is_guessed_where_the_names_do_not_say(small, tmp_path) -> None:
    images = load_images(lay(tmp_path / "pets", {"cat": 6, "dog": 6}))
    list(train(images, tmp_path / "made", **SMALL))
    rule = load_classifier(tmp_path / "made").rule
    assert (rule.positive, rule.threshold) == (None, None)
    card = (tmp_path / "made" / "MODEL_CARD.md").read_text()
    assert "## Threshold" not in card
    assert "Good or not" not in card


def test_names_with_quotes_and_signs_survive(small, tmp_path) -> None:
    images = load_images(lay(tmp_path / 'set "é"', {"good": 6, 'h|ö"l😀e\x7f': 6}))
    list(train(images, tmp_path / "made", **SMALL))
    assert load_classifier(tmp_path / "made").class_names == images.class_names
    assert load_classifier(tmp_path / "made").name == 'set "é"'


@pytest.mark.parametrize(
    ("counts", "settings", "says"),
    [
        ({"good": 9}, {}, "has the class 'good' only"),
        ({"good": 9, "holed": 4}, {}, "'holed' has too few images"),
        ({"good": 9, "holed": 9}, {"positive": "crack"}, "no class 'crack'"),
    ],
)
def test_a_set_that_cannot_be_learnt_from_is_refused(small, tmp_path, refusal, counts, settings, says) -> None:
    images = load_images(lay(tmp_path / "set", counts))
    assert says in refusal(lambda: list(train(images, tmp_path / "made", **settings)))
    assert not list((tmp_path / "made").glob("*"))


def test_a_set_without_labels_is_refused(small, tmp_path, refusal) -> None:
    lay(tmp_path, {"flat": 3})
    assert "no labels" in refusal(lambda: list(train(load_images(tmp_path / "flat"), tmp_path / "made")))


def test_somebodys_own_model_is_not_overwritten(small, parts, tmp_path, refusal) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.toml").write_text('title = "Mine"')
    assert "did not write" in refusal(lambda: list(train(parts, tmp_path / "mine", **SMALL)))
    list(train(parts, tmp_path / "made", **SMALL))
    list(train(parts, tmp_path / "made", **{**SMALL, "seed": 4}))  # its own it may
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["model.toml"]


def test_the_real_backbone_is_trained_for_an_epoch(tmp_path) -> None:
    images = load_images(lay(tmp_path / "parts", {"good": 6, "holed": 6}))
    list(train(images, tmp_path / "made", epochs=1, size=64))
    classifier = load_classifier(tmp_path / "made")
    assert classifier.parameters > 3e6
    assert (tmp_path / "made" / "model.toml").read_text().splitlines()[
        3
    ] == 'architecture = "timm:tf_efficientnet_lite0"'
    start = backbone(2).state_dict()
    kernels = {name: tensor for name, tensor in classifier.model.state_dict().items() if tensor.ndim > 1}
    assert len(kernels) == 50
    assert not [name for name, tensor in kernels.items() if torch.equal(tensor, start[name])], "every layer is trained"
    assert max((tensor - start[name]).abs().max() for name, tensor in kernels.items()) < 0.01, (
        "from the published weights"
    )
    assert pd.notna(Predictions.load(tmp_path / "made" / "predictions.parquet").frame["predicted"]).all()
