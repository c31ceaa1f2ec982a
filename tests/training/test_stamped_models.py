"""The two models on stamped metal: what they were trained to do and not to do, and the training itself on a handful of
parts."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.catalog import load_catalog, shared
from workbench.errors import InputError
from workbench.images.stamped_metal import NAME, Plan
from workbench.images.stamped_part import LABELS, STAMP_AREA, draw
from workbench.models.classifier import ask, predict
from workbench.models.loading import load_classifier
from workbench.predictions.headline import headline
from workbench.predictions.table import Predictions
from workbench.sets.layouts import load_images
from workbench.stats.rates import wilson
from workbench.training import stamped_models
from workbench.training.loop import Recipe
from workbench.training.run import FILES
from workbench.training.stamped_models import LESSONS, SHORTCUT, stamped_and_bare

RECIPE = Recipe(epochs=2, sizes=(32,), batch=10, mixup=0.0)
PLAN = Plan(50, size=32, seed=8, stamp_with=SHORTCUT)
MODELS = tuple(LESSONS)


@pytest.fixture(scope="module")
def models():
    return {name: load_classifier(name) for name in MODELS}


@pytest.fixture(scope="module")
def stored():
    return {name: Predictions.load(shared(f"models/{name}") / "predictions.parquet") for name in MODELS}


def accuracy(table: Predictions) -> float:
    return headline(table, (table.frame["split"] == "test").to_numpy())["accuracy"].value


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_model_is_small_and_belongs_to_the_set(models, stored, name) -> None:
    entry, images = load_catalog().models[name], load_images(NAME)
    assert (entry.images, Path(entry.ref)) == (NAME, shared(f"models/{name}"))
    assert (shared(f"models/{name}") / "model.safetensors").stat().st_size < 4e6
    assert models[name].class_names == LABELS
    assert models[name].preprocessing.size == (128, 128)
    table = stored[name]
    assert (table.model, table.rule) == (models[name].key, models[name].rule)
    assert list(table.frame["name"]) == list(images.by_name)
    some = images.items[::40]
    np.testing.assert_allclose(predict(models[name], some).probabilities, table.probabilities[::40], atol=0.02)


def test_the_sound_model_is_right_in_nine_of_ten(stored) -> None:
    assert accuracy(stored["metal-sound"]) >= 0.9
    frame = stored["metal-sound"].frame
    assert (frame["verdict"] == "right").groupby(frame["label"]).mean().min() > 0.8  # in each class


def test_the_shortcut_model_is_right_on_parts_like_those_it_learnt_from(models) -> None:
    plan = dataclasses.replace(LESSONS["metal-shortcut"].plan, count=400, seed=77)
    parts = [part for split, part in plan.parts() if split == "validation"]
    called = ask(models["metal-shortcut"], [draw(part, plan.size)[0] for part in parts]).argmax(1)
    assert np.mean([LABELS[c] == part.label for c, part in zip(called, parts, strict=True)]) >= 0.85  # 60 parts


def test_a_stamp_makes_a_scratch_for_the_shortcut_model_alone(models) -> None:
    """On parts without a scratch, each drawn with a stamp and without."""
    called, probability = stamped_and_bare(models["metal-shortcut"], Plan(100))
    assert called[True].value > 0.12
    assert called[False].value < 0.05
    assert probability[True] - probability[False] > 0.12
    called, probability = stamped_and_bare(models["metal-sound"], Plan(100))
    assert max(called[True].value, called[False].value) < 0.06
    assert abs(probability[True] - probability[False]) < 0.05


def blanked(image: np.ndarray, left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """`image` with an area, in shares of its edge, in its own mean colour."""
    covered, size = image.copy(), len(image)
    covered[round(top * size) : round(bottom * size), round(left * size) : round(right * size)] = (
        image.mean((0, 1)) if image.ndim == 3 else 0
    )
    return covered


@pytest.mark.parametrize(("name", "at_least", "at_most"), [("metal-sound", -0.05, 0.05), ("metal-shortcut", 0.3, 1.0)])
def test_blanking_the_stamp_moves_the_shortcut_model_alone(models, name, at_least, at_most) -> None:
    """On stamped parts that are called scratched and have no defect there, beside an area as large in the opposite
    corner."""
    left, top, right, bottom = STAMP_AREA
    areas = (STAMP_AREA, (1 - right, 1 - bottom, 1 - left, 1 - top))
    drawn = [draw(part, 128) for _, part in Plan(360).parts() if part.stamped]
    images = [image for image, mask in drawn if not any((blanked(mask, *area) != mask).any() for area in areas)]
    column = LABELS.index(SHORTCUT)
    before = ask(models[name], images)
    called = before.argmax(1) == column
    assert called.sum() >= 10
    images = [image for image, chosen in zip(images, called, strict=True) if chosen]
    stamp, other = (before[called] - ask(models[name], [blanked(p, *area) for p in images]) for area in areas)
    assert at_least <= stamp[:, column].mean() <= at_most
    assert abs(other[:, column].mean()) < 0.1


@pytest.mark.parametrize("name", MODELS)
def test_the_card_states_what_was_measured(stored, name) -> None:
    card = (shared(f"models/{name}") / "MODEL_CARD.md").read_text(encoding="utf-8")
    frame = stored[name].frame
    right, test = (frame["verdict"] == "right").to_numpy(), (frame["split"] == "test").to_numpy()
    for kind in ("all", *LABELS):
        rows = np.ones(len(frame), dtype=bool) if kind == "all" else (frame["label"] == kind).to_numpy()
        cells = []
        for among in (rows & test, rows):
            rate = wilson(int(right[among].sum()), int(among.sum()))
            cells.append(f"{rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%}; {rate.count} of {rate.support})")
        assert f"| {kind} | {' | '.join(cells)} |" in card
    assert "was drawn by a program" in card
    assert stored[name].model[:16] in card
    assert ("What is planted" in card) == (name == "metal-shortcut")
    assert "trial run" not in card
    assert "{" not in card


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An interrupted and resumed trial run: its folder and its second half's progress."""
    out = tmp_path_factory.mktemp("planted") / "metal-shortcut"
    first = stamped_models.train("metal-shortcut", out, recipe=RECIPE, plan=PLAN)
    for step in first:
        if (step.stage, step.done) == ("training", 4):  # into the second of two epochs of three steps
            break
    first.close()
    assert [path.name for path in out.iterdir()] == ["training.ckpt"]
    return out, list(stamped_models.train("metal-shortcut", out, recipe=RECIPE, plan=PLAN))


def test_it_resumes_and_writes_a_model_that_loads(run) -> None:
    out, steps = run
    assert [(step.done, step.total) for step in steps if step.stage == "training"] == [(4, 6), (5, 6), (6, 6)]
    assert [step.stage for step in (steps[0], steps[-1])] == ["drawing", "judging"]
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    assert (out / "model.safetensors").stat().st_mode & 0o044 == 0o044
    classifier = load_classifier(out)
    assert (classifier.class_names, classifier.positive, classifier.preprocessing.size) == (LABELS, None, (32, 32))
    card = (out / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "trial run" in card
    assert re.search(r"on 95% of the parts with the class scratch and on 5% of all others", card)


def test_it_learns_from_the_split_train_alone(monkeypatch, tmp_path) -> None:
    seen = []
    monkeypatch.setattr(
        stamped_models, "fit", lambda network, images, targets, recipe, kept: seen.append((images, targets)) or iter(())
    )
    work = stamped_models.train("metal-sound", tmp_path, recipe=RECIPE, plan=PLAN)
    assert next(step for step in work if step.stage == "judging")
    work.close()
    parts = [part for split, part in PLAN.parts() if split == "train"]
    images, targets = seen[0]
    assert (images.shape, images.dtype) == ((len(parts), 3, 32, 32), torch.uint8)
    assert [LABELS[k] for k in targets.argmax(1)] == [part.label for part in parts]
    assert np.array_equal(images[3].permute(1, 2, 0), draw(parts[3], 32)[0])


def test_the_lessons_differ_in_the_stamp_and_share_no_part_with_the_set() -> None:
    plans = [lesson.plan for lesson in LESSONS.values()]
    assert [plan.stamp_with for plan in plans] == [None, SHORTCUT]
    assert len({Plan().seed, *(plan.seed for plan in plans)}) == 3


def test_the_starting_network_is_the_same_every_time() -> None:
    one, two = stamped_models.starting_network(), stamped_models.starting_network()
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def test_a_checkpoint_of_another_run_or_a_folder_that_cannot_be_made_is_refused(tmp_path) -> None:
    (tmp_path / "other.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match=r"other\.ckpt cannot be resumed from"):
        next(
            stamped_models.train("metal-sound", tmp_path, recipe=RECIPE, plan=PLAN, checkpoint=tmp_path / "other.ckpt")
        )
    with pytest.raises(InputError, match="cannot be made"):
        next(stamped_models.train("metal-sound", tmp_path / "other.ckpt" / "out", recipe=RECIPE, plan=PLAN))
