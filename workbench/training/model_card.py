"""Model cards: the texts of assets/cards with every figure in them computed from what a model said."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from workbench.attribution import METHODS
from workbench.bias import Maps, compare, differences
from workbench.catalog import shared
from workbench.files import CheckResult
from workbench.images import LABELS, SPLIT_SHARES, SPLITS, STAMPED, STORED, Plan
from workbench.predictions import GROUP, Predictions, defect_classes, headline, units_of
from workbench.reliability import NO_HEADS, TrainingRecord, calibration_of, calibration_results, fit_of, fit_results
from workbench.stats import ENOUGH, FEW_UNITS, Rate, share, wilson
from workbench.training.loop import Recipe
from workbench.training.pretrained import DROP_PATH, DROPOUT

REFERENCE = 0.8842
"""Accuracy of the CNN of Deitsch et al. 2019, on a split of their own."""
CERTAINTY = ("0 (surely functional)", "1/3 (probably functional)", "2/3 (probably defective)", "1 (surely defective)")
ESCAPES = "escapes at 5 % overkill"
QUESTION = "Is this solar cell functional or defective?"
TITLES = {"solar-cells": "Solar cells", "solar-cells-random": "Solar cells, dealt at random"}
ABOUTS = {
    "solar-cells": QUESTION
    + " Of cells of modules that the model never saw, {own}. Where cells are dealt at random, as"
    " in the literature, and others of their module were learnt, {others}",
    "solar-cells-random": QUESTION + " Trained on cells dealt at random, as in the literature: of cells with others of"
    " their module among those learnt, {own}. Of cells of modules never seen, {others}",
}
DEALT = {"solar-cells": "whole modules", "solar-cells-random": "cells at random"}
FIT_IN_CARD = ("fit memorised", "fit too simple")
"""What a card tells of the fit."""
STUDIED = "With longer studies, of heads on frozen features and of corrupted images, it says:"
NOT_STUDIED = (
    "Which everyday disturbance lets a defect pass first, and whether more images would help, that page tells once it"
    " was asked."
)
WHY_PART = "## Why it decides as it does"
UNTOLD = f"{WHY_PART}\n\nThat the pages Bias, Explain and Overview tell once they were asked."
HOW_ASKED = (
    "What the pages Bias, Explain and Overview say of this model on its set, with what each verdict rests on, and how"
    " often such a verdict was measured to err."
)
NOT_ASKED = "Not asked in what ships with the program; the page does it on request."
VERDICT_WORDS = {"ok": "Sound", "warn": "Look here", "fail": "Does not hold", "unknown": "Cannot be told"}
SHORTCUT = "scratch"
"""The class that the stamp is planted on."""


@dataclasses.dataclass(frozen=True)
class Reason:
    """What one study says of why a model decides so.

    Attributes:
        title: Of its part of the card.
        results: What it came to; empty where nobody asked.
        errs: How often its verdicts err, in a sentence; empty where the results say so themselves.
    """

    title: str
    results: Sequence[CheckResult]
    errs: str = ""


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


def solar_card(
    name: str,
    deals: Mapping[str, Predictions],
    maps: Maps,
    recipe: Recipe,
    record: TrainingRecord | None,
    *,
    trial: bool = False,
) -> str:
    """The card of a solar-cell model.

    Args:
        name: Which one, a key of `deals`.
        deals: Of the models whose cells were dealt by module and at random, by their names: predictions over all three
            splits of each, under the rule that ships, with the module of each cell as its group.
        maps: Where the model looks in a sample of the test split.
        recipe: How the model was trained.
        record: Which images it learned from.
        trial: Whether it was a trial run on part of the images, which the card then says first.
    """
    table = deals[name]
    kind, split = (table.frame[name].to_numpy() for name in ("module type", "split"))
    splits = {name: split == name for name in SPLITS}
    test = splits["test"]
    groups = {"all": test} | {str(name): test & (kind == name) for name in sorted(set(kind))}
    counts = {name: int(rows.sum()) for name, rows in splits.items()}
    modules = {name: table.frame[GROUP][rows].nunique() for name, rows in splits.items()}
    return fill(
        "solar-cells",
        **training_fields(table, recipe),
        **_group_fields(table, maps, test),
        warning="\n> A trial run on part of the images: its figures mean nothing.\n" if trial else "",
        name=name,
        title=TITLES[name],
        deal=fill(f"{name}-deal", counts=counts, modules=modules).strip(),
        sizes=", ".join(map(str, recipe.sizes)),
        results=figures({name: headline(table, rows) for name, rows in groups.items()}),
        dealt=figures({DEALT[name]: dealt_figures(table) for name, table in deals.items()}),
        reference=REFERENCE,
        compared=_comparison(headline(table, test)["accuracy"]),
        confusion=confusion_table(table, test, "cells"),
        levels=_levels(table, test),
        threshold=table.rule.threshold,
        validation=figures({"validation": headline(table, splits["validation"])}),
        holds=holds(table, record),
        studied=NOT_STUDIED,
        reasons=UNTOLD,
    )


def holds(table: Predictions, record: TrainingRecord | None) -> str:
    """What the page Reliability says of fit and calibration, a line each."""
    calibration = calibration_results(calibration_of(table, defect_classes(table)))
    fit = [line for line in fit_results(fit_of(table, record), None, record) if line.check in FIT_IN_CARD]
    return "\n".join(f"- {VERDICT_WORDS[line.verdict]}: {line.sentence}" for line in [*fit, *calibration])


def with_studies(card: str, results: Sequence[CheckResult]) -> str:
    """A card of the solar cells with what longer studies on the page Reliability say, in the place of what it said of
    them before: of heads on frozen features, and of the corruption that lets a defect pass first."""
    plain = re.sub(rf"{re.escape(STUDIED)}\n\n(?:- [^\n]*\n)*- [^\n]*", lambda _: NOT_STUDIED, card)
    new = [line for line in results if line.sentence not in plain]
    if any(line.check == FIT_IN_CARD[1] for line in new):  # told below, with the heads
        plain = re.sub(rf"- [^\n]*{re.escape(NO_HEADS)}\n", "", plain)
    return plain.replace(NOT_STUDIED, f"{STUDIED}\n\n{_lines(new)}") if new else plain


def with_reasons(card: str, reasons: Sequence[Reason]) -> str:
    """A card with what is known of why the model decides so, in the place of what it said of that before.

    Args:
        card: Of any model that ships.
        reasons: What was asked, in the order that the card tells it in.
    """
    parts = [WHY_PART, HOW_ASKED]
    for reason in reasons:
        told = _lines(reason.results) or f"- {VERDICT_WORDS['unknown']}: {NOT_ASKED}"
        errs = f"- {reason.errs}" if reason.errs else ""
        parts.append("\n".join(filter(None, [f"### {reason.title}\n", told, errs])))
    return re.sub(rf"{WHY_PART}\n\n.*?(?=\n\n## )", lambda _: "\n\n".join(parts), card, flags=re.DOTALL)


def _lines(results: Sequence[CheckResult]) -> str:
    return "\n".join(f"- {VERDICT_WORDS[line.verdict]}: {line.sentence}" for line in results)


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
    return fill(
        "stamped-metal",
        **training_fields(trial.table, recipe),
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
        reasons=UNTOLD,
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


def fill(template: str, **fields: object) -> str:
    """The text of a template in assets/cards with its fields filled in."""
    return shared(f"cards/{template}.md").read_text(encoding="utf-8").format(**fields)


def training_fields(table: Predictions, recipe: Recipe) -> dict[str, object]:
    """The fields that every card has."""
    releases = {name: version(name) for name in ("torch", "timm")}
    settings = {"recipe": recipe, "size": recipe.sizes[-1], "dropout": DROPOUT, "drop_path": DROP_PATH}
    return {"model": table.model[:16], **settings, **releases}


def confusion_table(table: Predictions, rows: NDArray[np.bool_], what: str) -> str:
    """How many images of each class among `rows` (N,) are called what."""
    label, called, names = table.frame["label"].to_numpy(), table.frame["predicted"].to_numpy(), table.class_names
    counts = [
        [cell(kind), *(int((rows & (label == kind) & (called == name)).sum()) for name in names)] for kind in names
    ]
    return markdown([what, *(f"called {cell(name)}" for name in names)], counts)


def _rate(kind: str, rate: Rate, positive: str) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "- (no cases)"
    units = rate.in_units()
    if kind == "AUC":
        return f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f}; {rate.count} of {rate.support} {positive}{units})"
    return f"{rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%}; {rate.count} of {rate.support}{units})"


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
    none = (
        "No gap is proven at this number of images; that does not prove there is none."
        if lines
        else f"Nothing can be compared: that takes {ENOUGH} images of at least {FEW_UNITS} modules of each type."
    )
    places = [
        f"- the {line['region']} more for {line['most']} than for {line['least']} "
        f"({100 * line['gap']:.1f} points, p = {line['p adjusted']:.3f})"
        for line in looks[looks["significant"]].to_dict("records")
    ]
    return {
        "tests": gaps.tests,
        "proven": f"Proven: {', '.join(names)}." if names else none,
        "gaps": markdown(["figure", "lowest", "highest", "gap", "p"], lines, others="---")
        if lines
        else "No figure was compared.",
        "method": METHODS[maps.method].title,
        "looked": len(maps.frame),
        "comparisons": len(looks),
        "places": "\n".join(["it looks at", "", *places]) if places else "in no region do the groups differ.",
    }


def solar_about(name: str, deals: Mapping[str, Predictions]) -> str:
    """What a solar-cell model is and how right it is, by module and dealt at random, in a few sentences.

    Args:
        name: As for `solar_card`.
        deals: As for `solar_card`.
    """
    own, others = (_dealt_words(deals[deal]) for deal in (name, *(deals.keys() - {name})))
    return f"{ABOUTS[name].format(own=own, others=others)}; see MODEL_CARD.md."


def _dealt_words(table: Predictions) -> str:
    known = dealt_figures(table)
    accuracy, escapes = known["accuracy"], known[ESCAPES]
    low, high = accuracy.low, accuracy.high
    if accuracy.value is None or low is None or high is None or escapes.value is None:
        return "it is not known how many are decided right"
    return (
        f"{100 * accuracy.value:.1f} % ({100 * low:.1f} to {100 * high:.1f} %) are decided right, and"
        f" at 5 % overkill {100 * escapes.value:.0f} % of the defects escape"
    )


def dealt_figures(table: Predictions) -> dict[str, Rate]:
    """Figures of the test split, with the escapes at 5 % overkill, by which two ways to deal images are compared."""
    rates = headline(table, (table.frame["split"] == "test").to_numpy())
    escapes, overkill = _at_overkill(table)
    return {"accuracy": rates["accuracy"], "AUC": rates["AUC"], ESCAPES: escapes, "overkill there": overkill}


def _at_overkill(table: Predictions, most: float = 0.05) -> tuple[Rate, Rate]:
    """Escape and overkill rate of the test split at the lowest threshold that rejects at most so large a share of the
    good cells of the validation split."""
    positive = table.rule.positive
    scores = table.probabilities[:, table.class_names.index(str(positive))]
    split, defect = table.frame["split"].to_numpy(), (table.frame["label"] == positive).to_numpy()
    good = np.sort(scores[(split == "validation") & ~defect])[::-1]
    rejected = scores > good[int(most * len(good))]
    units = units_of(table.frame)
    own = np.arange(len(table)) if units is None else units
    tested = [(split == "test") & kind for kind in (defect, ~defect)]
    escapes, overkill = (share(hit[rows], own[rows]) for hit, rows in zip((~rejected, rejected), tested, strict=True))
    return escapes, overkill


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


def cell(text: str) -> str:
    """Text that stays in one cell of a Markdown table."""
    return text.replace("|", "\\|")
