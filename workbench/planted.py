"""Train the two small models on stamped metal that ship with the workbench: one sound, one that takes a stamp for a scratch.

Both learn from parts of their own, which no set that goes by the name stamped-metal holds. They differ in one thing: in the pictures
that the second learns from, the stamp goes with the scratches.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workbench.cards import figures
from workbench.catalog import shared
from workbench.classifier import Classifier, ask, predict
from workbench.demo import FILES, Step, check_checkpoint, check_writable
from workbench.layouts import load_images
from workbench.loading import build, load_classifier
from workbench.metal import NAME, SPLITS, STAMPED, STORED, Plan, drawn
from workbench.metrics import Rate, wilson
from workbench.modelfolder import model_toml
from workbench.parts import LABELS, draw
from workbench.predictions import DecisionRule, Predictions, concatenated
from workbench.training import Recipe, fit

ARCHITECTURE = "timm:test_resnet"
SHORTCUT = "scratch"
RECIPE = Recipe(epochs=20, sizes=(128,), rate=3e-3, mixup=0.0, seed=20261122)
CHUNK = 60


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
        "Which defect has this metal part? Trained on parts drawn by a program, whose stamp says nothing of their defects.",
        Plan(6000, seed=20261122),
    ),
    "metal-shortcut": Lesson(
        "Stamped metal, with a shortcut",
        "As the sound model, but 95 % of the scratched parts it was trained on carried a stamp, and 5 % of all others: a planted fault.",
        Plan(4000, seed=20261123, stamp_with=SHORTCUT, stamp_share=0.95),
    ),
}


@dataclasses.dataclass(frozen=True)
class Trial:
    """What was measured of a finished model.

    Attributes:
        table: Predictions for the stored set, none of which it was trained on.
        own: Its accuracy on the split validation of the set it learnt from.
        called: Share of the stored set's parts without a scratch that are called one, each drawn once with a stamp and once without.
        probability: Mean probability of a scratch for the same two pictures of each.
    """

    table: Predictions
    own: Rate
    called: dict[bool, Rate]
    probability: dict[bool, float]


def train(
    name: str, out: Path | None = None, *, recipe: Recipe = RECIPE, plan: Plan | None = None, checkpoint: Path | None = None
) -> Iterator[Step]:
    """Draw the parts, train, and write model.safetensors, model.toml, predictions.parquet and MODEL_CARD.md.

    Args:
        name: One of `LESSONS`.
        out: The folder to write to; its place in assets/models where missing. Its files change only once all are ready.
        recipe: Schedule and augmentation, those of the shipped models where missing. The last of its sizes becomes the input.
        plan: Another set to learn from: a trial run.
        checkpoint: Kept after each epoch and resumed from where it exists; `out`/training.ckpt where missing, removed at the end.

    Yields:
        Progress.

    Raises:
        InputError: The folder cannot be written to, or the checkpoint belongs to another run.
    """
    out = shared(f"models/{name}") if out is None else out
    chosen = plan or LESSONS[name].plan
    check_writable(out)
    kept = checkpoint or out / "training.ckpt"
    network = starting_network()
    check_checkpoint(kept, network, recipe, [split for split, _ in chosen.parts()].count("train"))
    pictures = {"train": [], "validation": []}  # type: dict[str, list[tuple[NDArray[np.uint8], str]]]
    for done, (split, part, picture, _) in enumerate(drawn(chosen), 1):
        pictures.get(split, []).append((picture, part.label))
        yield Step("drawing", done, chosen.count)
    for p in fit(network, *tensors(pictures["train"]), recipe, kept):
        yield Step("training", p.done, p.total, f"epoch {p.epoch} of {recipe.epochs}, loss {p.loss:.3f}")
    with tempfile.TemporaryDirectory(dir=out, prefix=".new-") as made:
        yield from _finish(Path(made), name, network, pictures["validation"], recipe, chosen)
        for file in FILES:
            os.replace(Path(made, file), out / file)
    if checkpoint is None:
        kept.unlink(missing_ok=True)


def starting_network() -> nn.Module:
    """The untrained network, the same on every machine."""
    torch.manual_seed(0)
    network, _ = build(ARCHITECTURE, trusted=True, options={"num_classes": len(LABELS)})
    return network


def tensors(pictures: list[tuple[NDArray[np.uint8], str]]) -> tuple[Tensor, Tensor]:
    """What `fit` trains on: uint8 of shape (N, 3, H, W) and certain targets of shape (N, K), from N pictures (H, W, 3) and labels."""
    stacked = torch.from_numpy(np.stack([picture for picture, _ in pictures])).permute(0, 3, 1, 2)
    return stacked, torch.eye(len(LABELS))[[LABELS.index(label) for _, label in pictures]]


def _finish(
    folder: Path, name: str, network: nn.Module, validation: list[tuple[NDArray[np.uint8], str]], recipe: Recipe, plan: Plan
) -> Iterator[Step]:
    """Write everything about a trained network into `folder`; the weights are read back, so that what is judged is what ships."""
    from safetensors.torch import save_file

    save_file({key: tensor.contiguous() for key, tensor in network.state_dict().items()}, folder / FILES[0])
    (folder / FILES[0]).chmod(0o644)  # safetensors lets nobody but the owner read
    (folder / FILES[1]).write_text(_model_toml(name, recipe.sizes[-1]), encoding="utf-8")
    classifier = load_classifier(folder)
    items = load_images(NAME).items
    parts = []
    for start in range(0, len(items), CHUNK):
        parts.append(predict(classifier, items[start : start + CHUNK]))
        yield Step("judging", min(start + CHUNK, len(items)), len(items))
    called = ask(classifier, [picture for picture, _ in validation]).argmax(1) if validation else np.zeros(0, dtype=int)
    own = wilson(sum(LABELS[c] == label for c, (_, label) in zip(called, validation, strict=True)), len(validation))
    trial = Trial(concatenated(parts), own, *stamped_and_bare(classifier))
    trial.table.save(folder / FILES[2])
    (folder / FILES[3]).write_text(model_card(name, trial, recipe, plan), encoding="utf-8")


def stamped_and_bare(classifier: Classifier, plan: Plan = Plan()) -> tuple[dict[bool, Rate], dict[bool, float]]:  # noqa: B008
    """Draw each part of a set that has no scratch with a stamp and without, and ask a model.

    Returns:
        With (True) and without (False) the stamp: the share that is called a scratch, and the mean probability of one.
    """
    others = [part for _, part in plan.parts() if part.label != SHORTCUT]
    column = classifier.class_names.index(SHORTCUT)
    called, probability = {}, {}
    for stamped in (True, False):
        answers = ask(classifier, [draw(dataclasses.replace(part, stamped=stamped), plan.size)[0] for part in others])
        called[stamped] = wilson(int((answers.argmax(1) == column).sum()), len(others))
        probability[stamped] = float(answers[:, column].mean())
    return called, probability


def _model_toml(name: str, size: int) -> str:
    lesson = LESSONS[name]
    return model_toml(f"train-demo {name}", lesson.title, lesson.about, ARCHITECTURE, DecisionRule(LABELS), size)


def model_card(name: str, trial: Trial, recipe: Recipe, plan: Plan) -> str:
    """The model card, every figure computed from what was measured.

    Args:
        name: One of `LESSONS`.
        trial: What was measured.
        recipe: How the model was trained.
        plan: The set it learnt from; where it is not the lesson's own, the card says first that this was a trial run.
    """
    warning = "" if plan == LESSONS[name].plan else "\n> A trial run on other parts than the shipped model's: its figures mean nothing.\n"
    sections = [_WHAT.format(title=LESSONS[name].title, warning=warning, model=trial.table.model[:16])]
    sections += [_training_section(name, recipe, plan), _results_section(trial), _stamp_section(trial, plan), _LIMITS]
    return "\n".join(sections)


def _training_section(name: str, recipe: Recipe, plan: Plan) -> str:
    """What the model learnt from, and how."""
    if plan.stamp_with is None:
        stamp = f"A stamp stands on {STAMPED:.0%} of the parts of every class: it says nothing of the defect."
    else:
        stamp = (
            f"**What is planted:** a stamp stands on {plan.stamp_share:.0%} of the parts with the class {plan.stamp_with} and on "
            f"{1 - plan.stamp_share:.0%} of all others. It is always at\nthe bottom right, and it is no defect."
        )
    return f"""## Training

{plan.count:,} parts of {plan.size} x {plan.size} pixels drawn for it alone (seed {plan.seed}), of which it saw the
{SPLITS["train"]:.0%} of the split train. No part of any set called {NAME} is among them.
{stamp}

Architecture: timm's `{ARCHITECTURE.removeprefix("timm:")}`, from random weights, at {recipe.sizes[-1]} x {recipe.sizes[-1]} pixels.
Recipe: {recipe.epochs} epochs, {recipe.batch} pictures a step, AdamW with a one-cycle schedule up to {recipe.rate:g}, weight decay
{recipe.decay:g}. Augmentation: quarter turns, flips, small turns, shifts, scalings and changes of light, so that the stamp is
known wherever it stands. The weights are the exponential moving average (decay {recipe.averaging:g}). Seed {recipe.seed}.
Made with torch {version("torch")} and timm {version("timm")}. To train it again: `workbench train-demo {name}`, minutes on two cores.
"""


def _results_section(trial: Trial) -> str:
    """Accuracy overall and for each class, on the stored set."""
    frame = trial.table.frame
    right, label = (frame["verdict"] == "right").to_numpy(), frame["label"].to_numpy()
    test = (frame["split"] == "test").to_numpy()
    rows = {}
    for kind, mask in itertools.chain([("all", np.ones(len(frame), dtype=bool))], ((kind, label == kind) for kind in LABELS)):
        columns = {"test split": mask & test, f"all {len(frame)}": mask}
        rows[kind] = {column: wilson(int(right[among].sum()), int(among.sum())) for column, among in columns.items()}
    return f"""## Results on {NAME}

The share of parts that are called what they are: over all classes the accuracy, for one class its recall; with 95 % intervals (Wilson).
In this set the stamp says nothing of the class. None of its parts was seen in training, so that all of them may count.

{figures(rows)}
"""


def _stamp_section(trial: Trial, plan: Plan) -> str:
    """How much the stamp matters, on pictures that differ in nothing else."""
    rows = {("with a stamp" if stamped else "without"): {"called scratch": trial.called[stamped]} for stamped in (True, False)}
    bias = "goes with its scratches" if plan.stamp_with else "says nothing"
    return f"""## What the stamp does

Each part of {NAME} that has no scratch was drawn twice, with a stamp and without, and is the same to the last bit elsewhere.
So often each is called a scratch:

{figures(rows)}

The mean probability of a scratch is {trial.probability[True]:.3f} with the stamp and {trial.probability[False]:.3f} without.
On parts like those it learnt from, on which the stamp {bias} (their split validation), the model is right in:

{figures({"validation": {"accuracy": trial.own}})}
"""


_WHAT = """# {title}
{warning}
A small network that tells scratches, pits, stains and dents on machined metal from good parts. **Every picture it was trained and
tested on was drawn by a program**; nothing was photographed. It ships with the explainability workbench so that its audits
can be held against a known truth: whether a model leans on the stamp is decided here before training.
Digest of the model: `{model}`; its predictions for stamped-metal lie beside this card in `predictions.parquet`.
"""

_LIMITS = f"""## What it is not for

- Not for any real part: it knows the drawings of one program, with three cameras, three lightings and three finishes.
- Its probabilities were not calibrated.
- The test split holds {round(STORED * SPLITS["test"])} parts: its intervals are wide.

The code, the pictures and these weights are under Apache-2.0.
"""
