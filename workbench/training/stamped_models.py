"""Train the two small models on stamped metal that ship with the workbench: one sound, one that takes a stamp for a
scratch.

Both learn from parts of their own, which no set that goes by the name stamped-metal holds. They differ in one thing: in
the images that the second learns from, the stamp goes with the scratches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workbench.catalog import shared
from workbench.images import LABELS, NAME, Plan, draw, draw_parts
from workbench.models import Classifier, ask, build, load_classifier, model_toml
from workbench.predictions import DecisionRule
from workbench.reliability import record_text
from workbench.sets import load_images
from workbench.stats import Rate, wilson
from workbench.training.loop import Recipe, fit
from workbench.training.model_card import SHORTCUT, Trial, stamped_card
from workbench.training.run import FILES, LIMITS, Finish, Step, check_checkpoint, run, training_steps, write_model
from workbench.training.solar_cells import length_fault

ARCHITECTURE = "timm:test_resnet"
RECIPE = Recipe(epochs=20, sizes=(128,), rate=3e-3, mixup=0.0, seed=20261122)
Drawings = list[tuple[NDArray[np.uint8], str]]
"""Images (H, W, 3) with their labels."""


@dataclasses.dataclass(frozen=True)
class Lesson:
    """What one of the models learns.

    Attributes:
        title: On the screen.
        about: One sentence.
        plan: The set it learns from, of which it sees the split train alone.
    """

    title: str
    about: str
    plan: Plan


LESSONS = {
    "metal-sound": Lesson(
        "Stamped metal, sound",
        "Which defect has this metal part? Trained on parts drawn by a program, whose stamp says nothing of their"
        " defects.",
        Plan(6000, seed=20261122),
    ),
    "metal-shortcut": Lesson(
        "Stamped metal, with a shortcut",
        "As the sound model, but 95 % of the scratched parts it was trained on carried a stamp, and 5 % of all others:"
        " a planted fault.",
        Plan(4000, seed=20261123, stamp_with=SHORTCUT, stamp_share=0.95),
    ),
}


def train(
    name: str,
    out: Path | None = None,
    *,
    recipe: Recipe = RECIPE,
    plan: Plan | None = None,
    checkpoint: Path | None = None,
) -> Iterator[Step]:
    """Draw the parts, train, and write model.safetensors, model.toml, predictions.parquet, MODEL_CARD.md and
    training.json.

    Args:
        name: One of `LESSONS`.
        out: The folder to write to; its place in assets/models where missing.
        recipe: Schedule and augmentation, those of the shipped models where missing. The last of its sizes becomes the
            input.
        plan: Another set to learn from: a trial run.
        checkpoint: As for `run`.

    Yields:
        Progress.

    Raises:
        InputError: As `run`; or the checkpoint belongs to another run.
    """
    drawing_plan = plan or LESSONS[name].plan

    def learn(path: Path) -> Generator[Step, None, Finish]:
        network = starting_network()
        count = [split for split, _ in drawing_plan.parts()].count("train")
        check_checkpoint(path, lambda saved: length_fault(saved, network, recipe, count))
        drawings: dict[str, Drawings] = {"train": [], "validation": []}
        for done, (split, part, image, _) in enumerate(draw_parts(drawing_plan), 1):
            drawings.get(split, []).append((image, part.label))
            yield Step("drawing", done, drawing_plan.count)
        yield from training_steps(fit(network, *tensors(drawings["train"]), recipe, path), str(recipe.epochs))
        return lambda folder: _finish(folder, name, network, drawings["validation"], recipe, drawing_plan)

    return run(out or shared(f"models/{name}"), checkpoint, learn)


def starting_network() -> nn.Module:
    """The untrained network, the same on every machine."""
    torch.manual_seed(0)
    network, _ = build(ARCHITECTURE, trusted=True, options={"num_classes": len(LABELS)})
    return network


def tensors(drawings: Drawings) -> tuple[Tensor, Tensor]:
    """What `fit` trains on: N images in uint8 of shape (N, 3, H, W), and certain targets of shape (N, K)."""
    stacked = torch.from_numpy(np.stack([image for image, _ in drawings])).permute(0, 3, 1, 2)
    return stacked, torch.eye(len(LABELS))[[LABELS.index(label) for _, label in drawings]]


def _finish(
    folder: Path, name: str, network: nn.Module, validation: Drawings, recipe: Recipe, plan: Plan
) -> Iterator[Step]:
    """Write everything about a trained network into `folder`."""
    lesson, rule = LESSONS[name], DecisionRule(LABELS)
    toml = model_toml(f"train-demo {name}", lesson.title, lesson.about, ARCHITECTURE, rule, recipe.sizes[-1], LIMITS)
    table = yield from write_model(folder, network, load_images(NAME).items, lambda _: toml, "judging")
    classifier = load_classifier(folder)
    called = ask(classifier, [image for image, _ in validation]).argmax(1) if validation else np.zeros(0, dtype=int)
    right = sum(LABELS[c] == label for c, (_, label) in zip(called, validation, strict=True))
    trial = Trial(table, wilson(right, len(validation)), *stamped_and_bare(classifier))
    (folder / FILES[3]).write_text(card(name, trial, recipe, plan), encoding="utf-8")
    (folder / FILES[4]).write_text(record_text((), elsewhere=own_parts(plan)), encoding="utf-8")


def own_parts(plan: Plan) -> str:
    """What a model learned from, where its parts are drawn by a plan of its own."""
    count = [split for split, _ in plan.parts()].count("train")
    return f"{count:,} parts that a program drew for it alone, with the seed {plan.seed}"


def card(name: str, trial: Trial, recipe: Recipe, plan: Plan) -> str:
    """The model card; where `plan` is not the lesson's own, it says first that this was a trial run."""
    return stamped_card(name, LESSONS[name].title, trial, recipe, plan, own_plan=plan == LESSONS[name].plan)


def stamped_and_bare(classifier: Classifier, plan: Plan = Plan()) -> tuple[dict[bool, Rate], dict[bool, float]]:  # noqa: B008
    """Draw each part of a plan that has no scratch with a stamp and without, and ask a classifier.

    Returns:
        With (True) and without (False) the stamp: the share that is called a scratch, and the mean probability of one.
    """
    others = [part for _, part in plan.parts() if part.label != SHORTCUT]
    column = classifier.class_names.index(SHORTCUT)
    called, probability = {}, {}
    for stamped in (True, False):
        parts = [dataclasses.replace(part, stamped=stamped) for part in others]
        answers = ask(classifier, [draw(part, plan.size)[0] for part in parts])
        called[stamped] = wilson(int((answers.argmax(1) == column).sum()), len(others))
        probability[stamped] = float(answers[:, column].mean())
    return called, probability
