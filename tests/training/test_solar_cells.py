"""The training behind `workbench train-demo`, on a handful of images."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
import torch

from workbench.audit.known import known_outputs
from workbench.audit.maps import basis
from workbench.audit.reader import open_summaries
from workbench.errors import InputError
from workbench.models.classifier import predict
from workbench.models.folder import read_spec
from workbench.models.loading import load_classifier
from workbench.predictions.headline import best_threshold, headline
from workbench.predictions.table import Predictions
from workbench.sets.layouts import load_images
from workbench.training import solar_cells
from workbench.training.loop import Recipe
from workbench.training.run import FILES

RECIPE = Recipe(epochs=2, sizes=(32, 48), batch=8)
LIMIT = 16


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An interrupted and resumed trial run: its folder and its second half's progress. About 10 s."""
    out = tmp_path_factory.mktemp("demo") / "solar-cells"
    first = solar_cells.train(out=out, recipe=RECIPE, limit=LIMIT)
    while next(first).done < 3:  # into the second of two epochs of two steps
        pass
    first.close()
    assert [path.name for path in out.iterdir()] == ["training.ckpt"]
    return out, list(solar_cells.train(out=out, recipe=RECIPE, limit=LIMIT))


def test_it_resumes_after_the_last_finished_epoch(run) -> None:
    _, steps = run
    training = [step for step in steps if step.stage == "training"]
    assert [(step.done, step.total) for step in training] == [(3, 4), (4, 4)]
    assert training[0].detail.startswith("epoch 2 of 2, loss ")
    assert (steps[-1].stage, steps[-1].done) == ("looking", steps[-1].total)


def test_an_interruption_changes_nothing(run, tmp_path) -> None:
    list(solar_cells.train(out=tmp_path, recipe=RECIPE, limit=LIMIT, checkpoint=tmp_path / "kept.ckpt"))
    whole, resumed = (Predictions.load(folder / "predictions.parquet") for folder in (tmp_path, run[0]))
    np.testing.assert_allclose(whole.logits, resumed.logits, rtol=1e-4, atol=1e-5)
    again = list(solar_cells.train(out=tmp_path, recipe=RECIPE, limit=LIMIT, checkpoint=tmp_path / "kept.ckpt"))
    assert {step.stage for step in again} == {
        "predicting",
        "looking",
    }  # a finished checkpoint is enough to write the model from
    assert Predictions.load(tmp_path / "predictions.parquet").model == whole.model


def test_it_writes_a_model_that_loads(run) -> None:
    out, _ = run
    assert sorted(path.name for path in out.iterdir()) == sorted([*FILES, "attributions"])
    assert (out / "model.safetensors").stat().st_size < 20e6
    assert (out / "model.safetensors").stat().st_mode & 0o044 == 0o044
    classifier = load_classifier(out)
    assert (classifier.class_names, classifier.positive, classifier.preprocessing.size) == (
        solar_cells.CLASSES,
        "defective",
        (48, 48),
    )
    assert not any(name.startswith("backbone") for name, _ in classifier.model.named_parameters())
    stored = Predictions.load(out / "predictions.parquet")
    assert (stored.model, stored.rule) == (classifier.key, classifier.rule)
    known = set(stored.frame["name"])
    items = [item for item in load_images("solar-cells") if item.name in known]
    assert [item.name for item in items] == list(
        stored.frame["name"]
    )  # the set's own order: so the app knows them again
    items = items[:5]
    fresh = predict(classifier, items)
    np.testing.assert_allclose(fresh.logits, stored.logits[:5], rtol=1e-3, atol=1e-4)


def test_what_comes_with_it_holds_embeddings_and_maps_of_a_sample(run, tmp_path) -> None:
    out, _ = run
    classifier, names = load_classifier(out), Predictions.load(out / "predictions.parquet").frame["name"]
    images = load_images("solar-cells")
    images = dataclasses.replace(images, items=tuple(images.by_name[name] for name in names))
    known = known_outputs(images, classifier.key, classifier.rule, tmp_path, [out / "predictions.parquet"])
    assert (known.missing, known.elsewhere) == (0, frozenset())
    last = classifier.model.get_classifier()
    logits = torch.nn.functional.linear(torch.from_numpy(known.embeddings()), last.weight, last.bias)
    np.testing.assert_allclose(logits.detach().numpy(), known.predictions.logits, rtol=1e-3, atol=1e-4)
    maps = open_summaries(out, "grad_cam")
    assert maps.facts["basis"] == basis(classifier.key, images, "grad_cam")
    assert set(maps.frame["name"]) <= set(names)


def test_the_threshold_comes_from_the_validation_split_alone(run) -> None:
    stored = Predictions.load(run[0] / "predictions.parquet")
    rows = (stored.frame["split"] == "validation").to_numpy()
    validation = dataclasses.replace(
        stored,
        frame=stored.frame[rows].reset_index(drop=True),
        probabilities=stored.probabilities[rows],
        logits=stored.logits[rows],
    )
    assert read_spec(run[0]).threshold == pytest.approx(best_threshold(validation), abs=1e-4)


def test_the_card_states_what_was_measured(run) -> None:
    card = (run[0] / "MODEL_CARD.md").read_text(encoding="utf-8")
    stored = Predictions.load(run[0] / "predictions.parquet")
    test = (stored.frame["split"] == "test").to_numpy()
    accuracy = headline(stored, test)["accuracy"]
    share = f"{accuracy.value:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%}"
    assert f"{share}; {accuracy.count} of {accuracy.support} in {accuracy.groups} units)" in card
    confusion = [
        int(n) for row in re.findall(r"^\| (?:functional|defective) \| (\d+) \| (\d+) \|$", card, re.M) for n in row
    ]
    assert len(confusion) == 4
    assert sum(confusion) == test.sum()
    assert confusion[0] + confusion[3] == accuracy.count
    levels = re.findall(r"\| (\d+) of (\d+) \|$", card, re.M)
    assert (sum(int(hit) for hit, _ in levels), sum(int(n) for _, n in levels)) == (accuracy.count, accuracy.support)
    for words in (
        "trial run",
        "88.42%",
        "CC BY-NC-SA 4.0",
        "**Whole modules stand on one side**",
        "| whole modules |",
        "| cells at random |",
        "Not for the acceptance",
        "| mono |",
        "| poly |",
        "train-demo solar-cells",
        f"probability of {stored.rule.threshold:g}",
    ):
        assert words in card
    assert "{" not in card


def test_the_starting_network_is_the_same_every_time_and_sees_grey() -> None:
    one, two = solar_cells.starting_network(), solar_cells.starting_network()
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert all(name.startswith("backbone.") for name in one.state_dict())
    x = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        assert torch.equal(one.eval()(x), one.backbone(x.repeat(1, 3, 1, 1)))


def test_targets_are_the_experts_doubt_in_whole_thirds() -> None:
    items = {item.attributes["defect probability"]: item for item in load_images("solar-cells")}
    images, targets = solar_cells.tensors([items[level] for level in (0.0, 0.333, 0.667, 1.0)])
    assert (images.shape, images.dtype) == ((4, 1, 300, 300), torch.uint8)
    assert torch.equal(targets[:, 1], torch.tensor([0, 1 / 3, 2 / 3, 1]))
    assert torch.equal(targets.sum(1), torch.ones(4))


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None, "steps"])
def test_a_checkpoint_of_another_run_is_refused(tmp_path, content) -> None:
    path = tmp_path / "other.ckpt"
    if content is None:
        torch.save(
            {
                "model": {"m.weight": torch.zeros(1)},
                "average": {},
                "optimizer": {},
                "schedule": {"total_steps": 4},
                "epoch": 1,
            },
            path,
        )
    elif content == "steps":
        state = solar_cells.starting_network().state_dict()
        torch.save({"model": state, "average": {}, "optimizer": {}, "schedule": {"total_steps": 99}, "epoch": 1}, path)
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(
        InputError,
        match=r"other\.ckpt cannot be resumed from.*99 steps" if content == "steps" else r"other\.ckpt cannot",
    ):
        next(solar_cells.train(out=tmp_path, recipe=RECIPE, limit=LIMIT, checkpoint=path))
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_refused(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        next(solar_cells.train(out=tmp_path / "file" / "out", limit=LIMIT))
