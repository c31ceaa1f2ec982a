"""Leaks of the shipped sets: the solar cells, which hold one module twice, and stamped metal with planted copies."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
from planted import kin

from workbench.catalog import load_catalog
from workbench.predictions import Predictions, concatenate
from workbench.quality import SAME_PART, families, grouped_split, leaks, repeats
from workbench.sets import load_images


def stored(model):
    return Predictions.load(Path(load_catalog().models[model].ref, "predictions.parquet"))


@pytest.fixture(scope="module")
def cells():
    images = load_images("solar-cells-random")
    pairs = [(f"cell{n:04d}.png", f"cell{n + 542:04d}.png") for n in range(1735, 1785)]
    return images, kin(images.items, pairs)


def test_the_module_that_the_cells_hold_twice_leaks(cells):
    """Counted on the stored predictions by plain pandas."""
    images, known = cells
    predictions = stored("solar-cells-random")
    split = {item.name: item.split for item in images}
    frame = predictions.frame.assign(split=[split[name] for name in predictions.frame["name"]])
    predictions = dataclasses.replace(predictions, frame=frame)
    twins = [(f"cell{n:04d}.png", f"cell{n + 542:04d}.png") for n in range(1735, 1785)]
    found = leaks(images, known, predictions)
    assert len(found.pairs) == sum(split[a] != split[b] for a, b in twins)
    for side in found.sides:
        leaked = {
            name
            for pair in twins
            for name, other in (pair, pair[::-1])
            if (split[name], split[other]) == (side.measured, side.source)
        }
        assert set(side.images["name"]) == leaked
        part = frame[frame["split"] == side.measured]
        right, inside = part["verdict"] == "right", part["name"].isin(leaked)
        if len(leaked):
            cut = side.accuracy
            assert (cut.reported.count, cut.reported.support) == (right.sum(), len(part))
            assert (cut.without.count, cut.without.support) == (right[~inside].sum(), (~inside).sum())
            assert (cut.leaked.count, cut.leaked.support) == (right[inside].sum(), inside.sum())
            assert side.verdict == "few"


def test_no_cell_of_the_twice_held_module_stays_on_two_sides(cells):
    images, known = cells
    split = grouped_split(images, known)
    after = dict(zip(split.frame["name"], split.frame["after"], strict=True))
    assert all(after[f"cell{n:04d}.png"] == after[f"cell{n + 542:04d}.png"] for n in range(1735, 1785))
    straddling = sum(item.split != images.by_name[f"cell{n + 542:04d}.png"].split
                     for n in range(1735, 1785) for item in [images.by_name[f"cell{n:04d}.png"]])  # fmt: skip
    assert len(split.moved) == straddling


def test_two_shots_of_a_cell_are_sometimes_decided_differently(cells):
    _, known = cells
    predictions = stored("solar-cells-random")
    every = repeats(known, predictions).kinds[0]
    row = predictions.frame.set_index("name")
    twins = [(row.loc[f"cell{n:04d}.png"], row.loc[f"cell{n + 542:04d}.png"]) for n in range(1735, 1785)]
    assert every.pairs == 50
    assert every.flips.count == sum(a["predicted"] != b["predicted"] for a, b in twins)
    assert every.agreement.count == sum(a["label"] == b["label"] for a, b in twins)


def test_planted_copies_on_stamped_metal_are_counted_as_by_hand():
    images, predictions = load_images("stamped-metal"), stored("metal-shortcut")
    tested = [item for item in images if item.split == "test"][:60]
    trained = [item for item in images if item.split == "train"][:40]
    copies = [dataclasses.replace(item, name=f"copy of {item.name}", split="train") for item in tested[::3]]
    rows = [predictions.by_name[item.name] for item in (*tested, *trained, *tested[::3])]
    items = [*tested, *trained, *copies]
    part = dataclasses.replace(
        predictions,
        frame=predictions.frame.iloc[rows]
        .reset_index(drop=True)
        .assign(name=[item.name for item in items], split=[item.split for item in items]),
        probabilities=predictions.probabilities[rows],
        logits=predictions.logits[rows],
    )
    side = leaks(items, families(items), concatenate([part])).side(SAME_PART, "test", "train")
    frame = pd.DataFrame(part.frame)
    test, leaked = frame["split"] == "test", frame["name"].isin([item.name for item in tested[::3]])
    right = frame["verdict"] == "right"
    assert set(side.images["name"]) == {item.name for item in tested[::3]}
    assert set(side.images["grade"]) == {"same file"}
    assert side.images["agrees"].all()
    cut = side.accuracy
    assert (cut.reported.count, cut.reported.support) == (right[test].sum(), 60)
    assert (cut.without.count, cut.without.support) == (right[test & ~leaked].sum(), 40)
    assert (cut.leaked.count, cut.leaked.support) == (right[test & leaked].sum(), 20)
    escapes = next(cut for cut in side.cuts if cut.figure == "escape rate")
    defect, passed = test & (frame["label"] != "good"), frame["predicted"] == "good"
    assert escapes.leaked.count == (defect & passed & leaked).sum()
    assert escapes.without.support == (defect & ~leaked).sum()
