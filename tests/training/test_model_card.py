"""The model card of a fine-tuned model says what was measured, and nothing else."""

from __future__ import annotations

import dataclasses
import re
import string
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.catalog import shared
from workbench.files import CheckResult
from workbench.images.splits import Deal
from workbench.models.folder import read_spec
from workbench.predictions.table import DecisionRule, Predictions
from workbench.quality import Families
from workbench.reliability import NO_HEADS, read_record
from workbench.sets import load_images
from workbench.stats import auc
from workbench.training.loop import Recipe
from workbench.training.model_card import STUDIED, Reason, holds, with_reasons, with_studies
from workbench.training.own_card import Account, finetune_card

NAMES = ("ok", "crack")


def table(
    rows: list[tuple[str | None, str, str | None, float]],
    rule: DecisionRule = DecisionRule(NAMES, "crack", 0.4),  # noqa: B008
) -> Predictions:
    """Rows of label, split and what is predicted, with the probability of a crack."""
    frame = pd.DataFrame([row[:3] for row in rows], columns=["label", "split", "predicted"])
    frame["verdict"] = [None if lab is None or p is None else "right" if lab == p else "wrong" for lab, _, p, _ in rows]
    frame["family"] = [f"image {row}" for row in range(len(rows))]
    scores = np.array([row[3] for row in rows], np.float32)
    probabilities = np.stack([1 - scores, scores], 1)
    return Predictions(frame, probabilities, probabilities, rule, "0123456789abcdef0123")


ROWS = [
    ("ok", "test", "ok", 0.1), ("ok", "test", "ok", 0.2), ("ok", "test", "crack", 0.6),
    ("crack", "test", "crack", 0.9), ("crack", "test", "crack", 0.5), ("crack", "test", "ok", 0.3),
    ("crack", "test", "ok", 0.05),
    ("ok", "train", "ok", 0.1), ("crack", "train", "crack", 0.9), ("crack", "validation", "crack", 0.9),
    ("ok", "validation", "ok", 0.1),
]  # fmt: skip
DEAL = Deal(("test",) * 7 + ("train",) * 2 + ("validation",) * 2, "Dealt so.", 0, 0)
ALONE = Families(pd.DataFrame({"name": range(11), "family": range(11)}), pd.DataFrame({"first": [], "second": []}), 0.8)
LOSSES = ((0.9, 0.8), (0.7, 0.4), (0.6, 0.5), (0.5, 0.5), (0.4, 0.6))
ACCOUNT = Account("tiles", False, Recipe(9, (64,), 8, 5e-4), 3, LOSSES, DEAL, {}, ALONE)


def test_counts_and_rates_are_those_of_the_table() -> None:
    card = finetune_card(table(ROWS), ACCOUNT)
    for line in (
        "# tiles: ok, crack",
        "11 images. Dealt so.",
        "| ok | 1 | 1 | 3 |",
        "| crack | 1 | 1 | 4 |",
        "| ok | 2 | 1 |",
        "| crack | 2 | 2 |",
        "| test | 57.1% (25.0% to 84.2%; 4 of 7)",
        "50.0% (15.0% to 85.0%; 2 of 4)",
        "66.7% (20.8% to 93.9%; 2 of 3)",
        "50.0% (15.0% to 85.0%; 2 of 4) | 33.3% (6.1% to 79.2%; 1 of 3)",
        "called crack from a probability of 0.4",
        "`0123456789abcdef`",
        "**The test split has only 7 images, so the intervals are wide: the true accuracy may be anywhere",
        "from 25% to 84%.**\nMore images narrow",
        "after epoch 2, whose validation loss is the lowest\n(0.400",
        "it ended after epoch 5, the 3 last",
        "| 5 | 0.400 | 0.600 |",
        "stretched to 64 x 64",
        "balanced sampling",
    ):
        assert line in card, line
    assert "0.583 (" in card, "the AUC: 7 of 12 pairs in order"
    assert not {"{", "None", "nan"} & set(card.split())


def test_what_was_left_out_and_what_flatters_is_said() -> None:
    rows = [*ROWS, (None, "test", "ok", 0.1)]
    dealt = dataclasses.replace(DEAL, copies=3, leaked=2)
    unreadable = {f"{i}.png": "why" for i in range(7)}
    card = finetune_card(table(rows), dataclasses.replace(ACCOUNT, synthetic=True, dealt=dealt, unreadable=unreadable))
    for words in (
        "12 images, made by a program and not photographed.",
        "3 images are byte-for-byte copies",
        "**2 images of the validation or test split are also in the training split",
        "7 could not be read and were left out: 0.png, 1.png, 2.png, 3.png, 4.png, ...",
        "1 have no label",
    ):
        assert words in card, words
    plain = finetune_card(table(ROWS), ACCOUNT)
    assert not [
        words
        for words in ("byte-for-byte", "are also in the training", "could not be read", "no label", "program")
        if words in plain
    ]


def test_a_large_test_split_needs_no_warning_and_other_names_no_guess() -> None:
    many = table(
        [("cat", "test", "cat", 0.1), ("dog", "test", "dog", 0.9), ("dog", "validation", "dog", 0.9)] * 60,
        DecisionRule(("cat", "dog")),
    )
    card = finetune_card(many, dataclasses.replace(ACCOUNT, losses=((0.5, 0.5),) * 9))
    assert not [words for words in ("intervals are wide", "Good or not", "## Threshold", "escape") if words in card]
    assert "all 9 epochs were run" in card
    assert "after epoch 1, whose" in card


@pytest.mark.parametrize("kind", ["crack", "ok"])
def test_a_class_that_the_test_split_lacks_has_no_figure(kind) -> None:
    card = finetune_card(table([row for row in ROWS if row[:2] != (kind, "test")]), ACCOUNT)
    row = next(line for line in card.splitlines() if line.startswith(f"| {kind} | ") and "(" in line)
    assert row.startswith(f"| {kind} | - (no cases) |")
    assert row.endswith("- (no cases) |")
    assert f"**The test split has no image of {kind}, so its accuracy says nothing of that class.**" in card
    assert "has no image of" not in finetune_card(table(ROWS), ACCOUNT)


def test_a_test_split_without_images_is_told() -> None:
    card = finetune_card(table([row for row in ROWS if row[1] != "test"]), ACCOUNT)
    assert "**No image is left for the test split: how good the model is on new images is unknown.**" in card
    assert "| test | - (no cases) |" in card


@pytest.mark.parametrize(
    ("model", "template"),
    [
        ("solar-cells", "solar-cells"),
        ("solar-cells-random", "solar-cells"),
        ("metal-sound", "stamped-metal"),
        ("metal-shortcut", "stamped-metal"),
    ],
)
def test_a_shipped_card_is_its_template_with_the_fields_filled_in(model, template) -> None:
    text = shared(f"cards/{template}.md").read_text(encoding="utf-8")
    pattern = "".join(
        re.escape(words) + (".*?" if field else "") for words, field, *_ in string.Formatter().parse(text)
    )
    card = (shared(f"models/{model}") / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert re.fullmatch(pattern, card, re.DOTALL)


@pytest.mark.parametrize("model", ["solar-cells", "solar-cells-random"])
def test_a_card_says_what_reliability_says(model) -> None:
    folder = shared(f"models/{model}")
    modules = {item.name: item.attributes["group"] for item in load_images("solar-cells")}
    known = Predictions.load(folder / "predictions.parquet")
    table = dataclasses.replace(known, frame=known.frame.assign(group=known.frame["name"].map(modules)))
    said = holds(table, read_record(folder))
    card, lines = (folder / "MODEL_CARD.md").read_text(encoding="utf-8"), said.splitlines()
    assert len(lines) >= 4
    missing = [line for line in lines if f"\n{line}\n" not in card]
    assert [NO_HEADS in line for line in missing] == [True], "of heads the card says below what they found"
    assert "were not calibrated" in (folder / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_images_of_one_part_are_one_unit_and_what_straddles_is_told() -> None:
    parts = table([(label, split, called, score) for label, split, called, score in ROWS for _ in range(4)])
    parts.frame["family"] = np.repeat(np.arange(11), 4).astype(str)
    shown = pd.DataFrame({"name": range(44), "family": np.repeat(np.arange(11), 4)})
    account = dataclasses.replace(ACCOUNT, found=dataclasses.replace(ALONE, frame=shown))
    card = finetune_card(parts, account)
    assert "44 of 44 images show 11 parts several times: 11 parts in all." in card
    assert "Of the test split: Intervals, tests and limits count parts, not images: 28 images of 7 parts" in card
    assert "7 parts cannot rule out a kind of part that makes up less than 35% of all" in card
    assert "**The test split has only 28 images of 7 parts (families), so the intervals are wide:" in card
    assert "**Of fewer than 10 parts no interval can be trusted.**" in card
    assert "; 16 of 28 in 7 units)" in card, "the accuracy"
    assert "; 8 of 16 in 4 units) | 66.7%" in card, "the recall of a crack"
    assert "that also trains" not in card
    low, high = (float(x) for x in re.search(r"57\.1% \(([\d.]+)% to ([\d.]+)%; 16 of 28", card).groups())
    assert low <= 25, "no narrower than with one image of each part"
    assert high >= 84
    parts.frame.loc[28:31, "family"] = "0"  # a part that trains is tested too
    card = finetune_card(parts, ACCOUNT)
    assert "**4 of the 28 test images show a part, or come from a group, that also trains" in card
    assert "Accuracy as reported 57.1%, without them 50.0%.**" in card
    parts.frame["group"] = np.repeat(["a", "b"], 22)
    assert "puts them into 2 groups" in finetune_card(parts, ACCOUNT)
    assert "No group" not in finetune_card(parts, ACCOUNT)
    parts.frame.loc[:3, "group"] = None
    assert "puts them into 2 groups; of 4 images it is not stated." in finetune_card(parts, ACCOUNT)
    parts.frame["group"] = None
    assert "No group (lot, module, part) is stated" in finetune_card(parts, ACCOUNT)


def test_an_auc_counts_parts_as_every_other_figure_does() -> None:
    rows = [("ok", "test", "ok", 0.1 + k / 100) for k in range(12)] + [("crack", "test", "ok", 0.2)] * 4
    rows += [("crack", "test", "crack", 0.9)] * 8 + [
        ("ok", "validation", "ok", 0.1),
        ("crack", "validation", "ok", 0.1),
    ]
    singles, parts = table(rows), table(rows)
    parts.frame["family"] = (np.arange(26) // 4).astype(str)
    scores, truth = np.array([row[3] for row in rows[:24]]), np.arange(24) >= 12
    for own, units in ((singles, None), (parts, np.arange(24) // 4)):
        rate = auc(scores, truth, units=units)
        said = f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f}; 12 of 24"
        card = finetune_card(own, ACCOUNT)
        assert card.count(said) == 4, "of the test split, of both classes, and of good or not"
    assert card.count(f"{said} crack in 6 units)") == 1


def test_what_the_comparison_cannot_know_is_said() -> None:
    card = finetune_card(table(ROWS), ACCOUNT)
    assert "Of 11 images none was found to show a part that another shows." in card
    assert "No two of the 7 images belong together, as far as is known: each is taken as independent." in card
    blind = dataclasses.replace(ALONE, threshold=None, untold=(3, 4), sisters=True)
    card = finetune_card(table(ROWS), dataclasses.replace(ACCOUNT, found=blind))
    assert "only copies were looked for" in card
    assert "Different parts look alike here" in card
    assert "2 cannot be told apart at this resolution: whether they show one part is unknown." in card
    alike = dataclasses.replace(ALONE, pairs=pd.DataFrame({"first": [0, 3], "second": [1, 4]}))
    card = finetune_card(table(ROWS), dataclasses.replace(ACCOUNT, found=alike))
    assert "2 further pairs are alike without being sure to show one part: where the set was split here," in card


def test_the_readme_and_the_overview_tell_both_figures_of_the_solar_cells() -> None:
    """Counted by plain numpy: right decisions, and escapes where 5 % of the good cells of the validation split go."""
    readme, shares, escapes = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8"), [], []
    for name in ("solar-cells", "solar-cells-random"):
        stored = Predictions.load(shared(f"models/{name}") / "predictions.parquet")
        frame, score = stored.frame, stored.probabilities[:, 1]
        split, defect = frame["split"].to_numpy(), (frame["label"] == "defective").to_numpy()
        good, test = score[(split == "validation") & ~defect], split == "test"
        assert stored.class_names[1] == "defective"
        cut = min(t for t in np.unique(good) if (good > t).mean() <= 0.05)
        shares.append(f"{100 * ((score >= stored.rule.threshold) == defect)[test].mean():.1f} %")
        escapes.append(f"{100 * (score[test & defect] <= cut).mean():.0f} %")
        missed = int((defect & (score < stored.rule.threshold))[test].sum())
        if name == "solar-cells":
            assert f"Click *{missed} missed defects*" in readme
    flat = " ".join(readme.replace("**", "").split())
    assert f"it decides {shares[0]} right and lets {escapes[0]} of the defects pass at 5 % overkill" in flat
    assert f"dealt at random, the same recipe says {shares[1]} and {escapes[1]}" in flat
    for name in ("solar-cells", "solar-cells-random"):
        about = read_spec(shared(f"models/{name}")).about
        assert all(figure in about for figure in (*shares, *escapes)), about


CARD = """# A model

## Will it hold

- Sound: It holds.
- Cannot be told: Whether it is too simple is open. {heads}

{studied}

## Why it decides as it does

That the pages tell.

## What it is not for

- Not for this.
"""


def test_reasons_stand_before_what_it_is_not_for_and_are_written_anew() -> None:
    plain = CARD.format(heads="", studied="None.")
    found = CheckResult("league of methods", "unknown", "Two cannot be told apart.", support=16)
    first = with_reasons(plain, [Reason("League", [found], "It errs in 2 of 10."), Reason("Search", ())])
    told = first.partition("## Why it decides as it does")[2].partition("## What it is not for")[0]
    assert "### League\n\n- Cannot be told: Two cannot be told apart.\n- It errs in 2 of 10.\n\n### Search" in told
    assert "### Search\n\n- Cannot be told: Not asked in what ships" in told
    assert first.startswith(plain.partition("That the pages")[0])
    assert "That the pages" not in first
    assert first.endswith("## What it is not for\n\n- Not for this.\n")
    other = dataclasses.replace(found, verdict="ok", sentence="One is best.")
    second = with_reasons(first, [Reason("League", [other])])
    assert "- Sound: One is best." in second
    assert "Two cannot" not in second
    assert "Search" not in second
    assert with_reasons(second, [Reason("League", [found], "It errs in 2 of 10."), Reason("Search", ())]) == first


def test_that_no_head_was_fitted_is_not_said_above_what_heads_found() -> None:
    from workbench.training.model_card import NOT_STUDIED

    card = CARD.format(heads=NO_HEADS, studied=NOT_STUDIED)
    heads = CheckResult("fit too simple", "ok", "Not too simple: heads reach no more.")
    more = CheckResult("fit more images", "unknown", "More images may help.")
    told = with_studies(card, [heads, more])
    assert NO_HEADS not in told
    assert f"- Sound: It holds.\n\n{STUDIED}\n\n- Sound: Not too simple: heads reach no more.\n- Cannot" in told
    assert with_studies(told, [heads, more]) == told
    assert NO_HEADS in with_studies(card, [more]), "no head was fitted, and it says so"
