"""Model cards: the texts of assets/cards with every figure in them computed from what a model said."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from workbench.attribution import METHODS
from workbench.bias import Maps, compare, differences
from workbench.catalog import shared
from workbench.images import LABELS, SPLIT_SHARES, SPLITS, STAMPED, STORED, Deal, Plan
from workbench.predictions import Predictions, good_class, headline
from workbench.stats import Rate, auc, wilson
from workbench.training.loop import Recipe
from workbench.training.pretrained import DROP_PATH, DROPOUT

REFERENCE = 0.8842
"""Accuracy of the CNN of Deitsch et al. 2019, on a split of their own."""
CERTAINTY = ("0 (surely functional)", "1/3 (probably functional)", "2/3 (probably defective)", "1 (surely defective)")
SHORTCUT = "scratch"
"""The class that the stamp is planted on."""
FEW_TESTED = 100
"""Test images below which the card warns of wide intervals."""
NAMED = 5


@dataclasses.dataclass(frozen=True)
class Trial:
    """What was measured of a finished model on stamped metal.

    Attributes:
        table: Predictions for the stored set, none of which it was trained on.
        own: Its accuracy on the split validation of the set it learnt from.
        called: Share of the stored set's parts without a scratch that are called one, with (True) and without a stamp.
        probability: Mean probability of a scratch for the same two images of each.
    """

    table: Predictions
    own: Rate
    called: dict[bool, Rate]
    probability: dict[bool, float]


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
    """

    name: str
    synthetic: bool
    recipe: Recipe
    patience: int
    losses: tuple[tuple[float, float], ...]
    dealt: Deal
    unreadable: Mapping[str, str]


def solar_card(table: Predictions, maps: Maps, recipe: Recipe, *, trial: bool = False) -> str:
    """The card of the solar-cell model.

    Args:
        table: Predictions over all three splits, under the rule that ships.
        maps: Where the model looks in a sample of the test split.
        recipe: How the model was trained.
        trial: Whether it was a trial run on part of the images, which the card then says first.
    """
    kind, split = (table.frame[name].to_numpy() for name in ("module type", "split"))
    splits = {name: split == name for name in SPLITS}
    test = splits["test"]
    groups = {"all": test} | {str(name): test & (kind == name) for name in sorted(set(kind))}
    return _fill(
        "solar-cells",
        **_training(table, recipe),
        **_group_fields(table, maps, test),
        warning="\n> A trial run on part of the images: its figures mean nothing.\n" if trial else "",
        counts={name: int(rows.sum()) for name, rows in splits.items()},
        sizes=", ".join(map(str, recipe.sizes)),
        results=figures({name: headline(table, rows) for name, rows in groups.items()}),
        reference=REFERENCE,
        compared=_comparison(headline(table, test)["accuracy"]),
        confusion=_confusion(table, test, "cells"),
        levels=_levels(table, test),
        threshold=table.rule.threshold,
        validation=figures({"validation": headline(table, splits["validation"])}),
    )


def stamped_card(name: str, title: str, trial: Trial, recipe: Recipe, plan: Plan, *, own_plan: bool) -> str:
    """The card of a model on stamped metal.

    Args:
        name: Of the model in the catalog.
        title: On the screen.
        trial: What was measured.
        recipe: How the model was trained.
        plan: The set it learnt from.
        own_plan: Whether that is the plan of the shipped model; where not, the card says first that this was a trial
            run.
    """
    warning = "\n> A trial run on other parts than the shipped model's: its figures mean nothing.\n"
    if plan.stamp_with is None:
        stamp = f"A stamp stands on {STAMPED:.0%} of the parts of every class: it says nothing of the defect."
    else:
        stamp = (
            f"**What is planted:** a stamp stands on {plan.stamp_share:.0%} of the parts with the class"
            f" {plan.stamp_with} and on {1 - plan.stamp_share:.0%} of all others. It is always at\nthe bottom right,"
            " and it is no defect."
        )
    return _fill(
        "stamped-metal",
        **_training(trial.table, recipe),
        name=name,
        title=title,
        warning="" if own_plan else warning,
        plan=plan,
        shares=SPLIT_SHARES,
        stamp=stamp,
        results=_recalls(trial.table),
        called=figures(
            {name: {"called scratch": trial.called[name != "without"]} for name in ("with a stamp", "without")}
        ),
        probability={"with": trial.probability[True], "without": trial.probability[False]},
        bias="goes with its scratches" if plan.stamp_with else "says nothing",
        own=figures({"validation": {"accuracy": trial.own}}),
        tested=round(STORED * SPLIT_SHARES["test"]),
    )


def finetune_card(table: Predictions, account: Account) -> str:
    """The card of a model that was fine-tuned on somebody's own set.

    Args:
        table: Predictions for all images of the set, with their splits.
        account: What happened in the training.
    """
    recipe, losses = account.recipe, [loss for _, loss in account.losses]
    frame, split = table.frame, table.frame["split"].to_numpy()
    test = (split == "test") & frame["verdict"].notna().to_numpy()
    rows = {name: headline(table, split == name) for name in reversed(SPLITS)}
    best = int(np.argmin(losses))
    ended = f"all {len(losses)} epochs were run"
    if len(losses) < recipe.epochs:
        ended = f"it ended after epoch {len(losses)}, the {account.patience} last of which brought nothing better"
    counts = [
        [_cell(kind), *(int(((frame["label"] == kind) & (split == name)).sum()) for name in SPLITS)]
        for kind in table.class_names
    ]
    epochs = [[epoch, f"{loss:.3f}", f"{validation:.3f}"] for epoch, (loss, validation) in enumerate(account.losses, 1)]
    return _fill(
        "fine-tuned",
        **_training(table, recipe),
        name=account.name,
        kinds=", ".join(table.class_names),
        data="\n".join(_data_sentences(table, account)),
        counts=markdown(["class", *SPLITS], counts),
        best=best + 1,
        loss=losses[best],
        ended=ended,
        epochs=markdown(["epoch", "training loss", "validation loss"], epochs, first="---:"),
        warning=_few(rows["test"]["accuracy"]),
        results=figures(rows, table.rule.positive or ""),
        confusion=_confusion(table, test, "test images"),
        classes=_class_figures(table, test),
        good=_good(table, test),
        threshold=_threshold(table),
    )


def figures(rows: Mapping[str, Mapping[str, Rate]], positive: str = "defective") -> str:
    """A Markdown table of rates, one row a name, each with interval and support; an AUC counts `positive`."""
    cells = [[name, *(_rate(kind, rate, positive) for kind, rate in rates.items())] for name, rates in rows.items()]
    return markdown(["", *next(iter(rows.values()))], cells, others="---")


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]], first: str = "---", others: str = "---:") -> str:
    """A Markdown table of a header and rows; `first` and `others` are the rules below the first column and below the
    others."""
    lines = [header, *rows]
    text = ["|" + "|".join(f" {cell} " if cell != "" else " " for cell in line) + "|" for line in lines]
    return "\n".join([text[0], "|" + "|".join([first, *[others] * (len(header) - 1)]) + "|", *text[1:]])


def _fill(template: str, **fields: object) -> str:
    """The text of a template in assets/cards with its fields filled in."""
    return shared(f"cards/{template}.md").read_text(encoding="utf-8").format(**fields)


def _training(table: Predictions, recipe: Recipe) -> dict[str, object]:
    """The fields that every card has."""
    releases = {name: version(name) for name in ("torch", "timm")}
    settings = {"recipe": recipe, "size": recipe.sizes[-1], "dropout": DROPOUT, "drop_path": DROP_PATH}
    return {"model": table.model[:16], **settings, **releases}


def _confusion(table: Predictions, rows: NDArray[np.bool_], what: str) -> str:
    """How many images of each class among `rows` (N,) are called what."""
    label, called, names = table.frame["label"].to_numpy(), table.frame["predicted"].to_numpy(), table.class_names
    counts = [
        [_cell(kind), *(int((rows & (label == kind) & (called == name)).sum()) for name in names)] for kind in names
    ]
    return markdown([what, *(f"called {_cell(name)}" for name in names)], counts)


def _rate(kind: str, rate: Rate, positive: str) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "- (no cases)"
    if kind == "AUC":
        return f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f}; {rate.count} of {rate.support} {positive})"
    return f"{rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%}; {rate.count} of {rate.support})"


def _group_fields(table: Predictions, maps: Maps, test: NDArray[np.bool_]) -> dict[str, object]:
    """What the Bias page says of the module types, with tests corrected for their number."""
    gaps, looks = compare(table, "module type", rows=test), differences(maps, "module type")
    lines = [
        [
            line["figure"],
            f"{line['lowest']}: {line['lowest value']:.3f}",
            f"{line['highest']}: {line['highest value']:.3f}",
            f"{line['gap']:.3f} ({line['gap low']:.3f} to {line['gap high']:.3f})",
            f"{line['p adjusted']:.3f}",
        ]
        for line in gaps.frame[gaps.frame["p"].notna()].to_dict("records")
    ]
    names = gaps.frame["figure"][gaps.frame["significant"]].tolist()
    none = "No gap is proven at this number of images; that does not prove there is none."
    places = [
        f"- the {line['region']} more for {line['most']} than for {line['least']} "
        f"({100 * line['gap']:.1f} points, p = {line['p adjusted']:.3f})"
        for line in looks[looks["significant"]].to_dict("records")
    ]
    return {
        "tests": gaps.tests,
        "proven": f"Proven: {', '.join(names)}." if names else none,
        "gaps": markdown(["figure", "lowest", "highest", "gap", "p"], lines, others="---"),
        "method": METHODS[maps.method].title,
        "looked": len(maps.frame),
        "comparisons": len(looks),
        "places": "\n".join(["it looks at", "", *places]) if places else "in no region do the groups differ.",
    }


def _levels(table: Predictions, test: NDArray[np.bool_]) -> str:
    """Accuracy for each degree of the experts' certainty."""
    third = np.round(table.frame["defect probability"].to_numpy(dtype=float) * 3).astype(int)
    right = (table.frame["verdict"] == "right").to_numpy()
    lines = []
    for level, name in enumerate(CERTAINTY):
        hits = right[test & (third == level)]
        share = f"{hits.mean():.1%}" if len(hits) else "-"
        lines.append([name, share, f"{int(hits.sum())} of {len(hits)}"])
    return markdown(["defect probability", "accuracy", "cells"], lines)


def _comparison(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "There is nothing here to compare with it."
    place = "above" if rate.value >= REFERENCE else "below"
    certain = "does not contain" if not rate.low <= REFERENCE <= rate.high else "contains"
    return f"The accuracy here is {rate.value:.2%}, {place} it; its interval {certain} their figure."


def _recalls(table: Predictions) -> str:
    """Accuracy overall, and recall of each class, on the test split and on the whole set."""
    frame = table.frame
    right, label = (frame["verdict"] == "right").to_numpy(), frame["label"].to_numpy()
    test, rows = (frame["split"] == "test").to_numpy(), {}
    for kind in ("all", *LABELS):
        own = np.ones(len(frame), dtype=bool) if kind == "all" else label == kind
        columns = {"test split": own & test, f"all {len(frame)}": own}
        rows[kind] = {name: wilson(int(right[members].sum()), int(members.sum())) for name, members in columns.items()}
    return figures(rows)


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
    independent = "Images are treated as independent: if several show the same part, the figures may be too optimistic."
    return [*text, f"{independent} Masks were not used."]


def _few(test: Rate) -> str:
    """The warning that a small test split deserves."""
    if test.support >= FEW_TESTED or test.low is None or test.high is None:
        return ""
    return (
        f"**The test split has only {test.support} images, so the intervals are wide: the true accuracy may be"
        f" anywhere from {test.low:.0%} to {test.high:.0%}.**\nMore images narrow this range;"
        " another seed gives another test split.\n\n"
    )


def _class_figures(table: Predictions, test: NDArray[np.bool_]) -> str:
    """Recall, precision and AUC of each class on the test split."""
    label, called = (table.frame[name].to_numpy()[test] for name in ("label", "predicted"))
    rows = {}
    for column, kind in enumerate(table.class_names):
        truth, predicted = label == kind, called == kind
        hits = int((truth & predicted).sum())
        rows[_cell(kind)] = {
            "recall": wilson(hits, int(truth.sum())),
            "precision": wilson(hits, int(predicted.sum())),
            "AUC": auc(table.probabilities[test, column], truth),
        }
    return figures(rows, "of the class")


def _good(table: Predictions, test: NDArray[np.bool_]) -> str:
    """Escapes and overkill on the test split, where one class reads as that of good parts."""
    good = good_class(table.class_names)
    if good is None:
        return ""
    bad, called_bad = (table.frame[name].to_numpy()[test] != good for name in ("label", "predicted"))
    rates = {
        "AUC": auc(1 - table.probabilities[test, table.class_names.index(good)], bad),
        "escape rate": wilson(int((bad & ~called_bad).sum()), int(bad.sum())),
        "overkill rate": wilson(int((~bad & called_bad).sum()), int((~bad).sum())),
    }
    return _fill("fine-tuned-good", good=good, results=figures({"test": rates}))


def _threshold(table: Predictions) -> str:
    """The threshold and how it was chosen."""
    if table.rule.threshold is None:
        return ""
    count = int((table.frame["split"] == "validation").sum())
    return _fill("fine-tuned-threshold", rule=table.rule, count=count)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
