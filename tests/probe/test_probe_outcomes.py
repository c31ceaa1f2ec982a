"""Conclusions: the word follows from the figures, chance stands beside each claim, too few images claim nothing."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.models.classifier import ask
from workbench.models.loading import load_classifier
from workbench.probe import outcomes
from workbench.probe.concepts import CONCEPT_VERDICTS, Concepts
from workbench.probe.influence import Behind
from workbench.probe.margins import CELLS, RANDOM_PLACES, covered
from workbench.probe.minimal import Minimal
from workbench.probe.versus import Versus
from workbench.stats.gaps import paired_difference
from workbench.stats.rates import Rate, wilson
from workbench.stats.significance import mcnemar

torch.set_num_threads(1)
SIDE = 64
NONE = np.empty(0)


class Corner(nn.Module):
    """The margin of "lit" over "dark" is how bright the upper left quarter is."""

    def forward(self, x):
        z = 8 * (x[..., : SIDE // 2, : SIDE // 2].mean((1, 2, 3)) - 0.5)
        return torch.stack([-z / 2, z / 2], 1)


@pytest.fixture(scope="module")
def corner():
    flat = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "size": (SIDE, SIDE), "interpolation": "nearest"}
    clf = load_classifier(Corner(), class_names=["dark", "lit"], device="cpu", **flat)
    pixels = np.full((SIDE, SIDE, 3), 20, np.uint8)
    pixels[4:20, 4:20] = 255  # a tenth of the cells lie well within it
    return clf, Image.fromarray(pixels), pixels


def test_a_map_holds_where_covering_it_takes_the_margin_and_random_places_do_not(corner) -> None:
    clf, image, pixels = corner
    heat = (pixels[..., 0] > 100).astype(np.float32)
    right = covered(clf, image, heat, "lit", "dark", fill="grey")
    wrong = covered(clf, image, heat[::-1, ::-1], "lit", "dark", fill="grey")
    before = ask(clf, [pixels])[0]
    assert right.before == pytest.approx(float(np.log(before[1] / before[0])), abs=1e-4)
    assert right.area == pytest.approx(round(0.1 * CELLS**2) / CELLS**2)
    assert len(right.random) == RANDOM_PLACES
    assert right.as_much == sum(margin <= right.after for margin in right.random) == 0
    assert right.holds
    assert not wrong.holds
    assert outcomes.of_margin(right, "lit", "dark").word == "The map holds"
    told = outcomes.of_margin(wrong, "lit", "dark")
    assert told.word == "Do not rely on the map"
    assert f"{wrong.as_much} of {RANDOM_PLACES} random places" in told.sentence


def region(aim, *, found=True, chosen=3, random=0) -> Minimal:
    return Minimal(
        aim, "inpaint", found, np.zeros((2, 2), bool), 0.097, chosen, 75, "pit", "good", 0.9, 0.1, NONE, NONE,
        wilson(random, 39) if chosen else Rate(None, None, None, 0, 0), 100, np.zeros((2, 2, 3), np.uint8),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("flip", "keep", "word", "part"),
    [
        ({}, {}, "A region decides", "flips pit to good (0 of 39 random regions"),
        ({}, {"random": 9}, "Hangs on a region", "alone keeps pit, but so do 9 of 39 random regions"),
        ({"random": 20}, {}, "A region is enough", "but so do 20 of 39 random regions"),
        ({"found": False, "chosen": 0}, {"chosen": 0}, "No region stands out", "nothing needs to stay to keep pit"),
        ({"random": 2}, {"random": 2}, "No region stands out", "but so do 2 of 39 random regions"),
    ],
)
def test_a_region_decides_only_where_random_regions_do_not_do_the_same(flip, keep, word, part) -> None:
    told = outcomes.of_regions(region("flip", **flip), region("keep", **keep))
    assert told.word == word
    assert part in told.sentence


def nearest(labels, *, alike, labelled=100, looks=0) -> Behind:
    frame = pd.DataFrame({"label": labels, "look": [*["odd"] * looks, *[None] * (len(labels) - looks)]}, dtype=object)
    return Behind("pit", 0.9, frame, frame, frame, labelled, None, labelled, alike)


@pytest.mark.parametrize(
    ("hits", "alike", "word"),
    [
        (8, 20, "Backed by its neighbours"),
        (8, 95, "No more than chance"),  # nearly every training image is
        (2, 20, "No more than chance"),
        (0, 80, "Contradicted by its neighbours"),
        (0, 10, "No more than chance"),
        (4, 12, "Partly backed"),
    ],
)
def test_neighbours_are_held_against_the_share_of_their_class(hits, alike, word) -> None:
    told = outcomes.of_training(nearest(["pit"] * hits + ["dent"] * (8 - hits), alike=alike))
    assert told.word == word
    assert told.sentence.startswith(f"{hits} of the 8 nearest training images are labelled pit; of all 100")
    assert f"{alike}% are" in told.sentence


def of_units(labels, units, total, marked) -> Behind:
    result = nearest(labels, alike=50)
    return dataclasses.replace(result, nearest=result.nearest.assign(unit=units), units=(total, marked))


@pytest.mark.parametrize("alike", [5, 20, 50, 80, 95])
def test_units_of_one_image_are_counted_as_images_are(alike) -> None:
    for hits in range(9):
        labels = ["pit"] * hits + ["dent"] * (8 - hits)
        plain = outcomes.of_training(nearest(labels, alike=alike))
        by_unit = of_units(labels, range(8), 100, float(alike))
        assert outcomes.of_training(dataclasses.replace(by_unit, alike=alike)) == plain


def test_eight_images_of_one_unit_back_nothing() -> None:
    told = outcomes.of_training(of_units(["pit"] * 8, [4] * 8, 20, 10.0))
    assert told.word == "No more than chance"
    assert "They are of 1 unit; of the nearest of each, 1 are." in told.sentence
    several = outcomes.of_training(of_units(["pit"] * 8, [0, 0, 1, 2, 3, 4, 5, 5], 20, 8.4))
    assert several.word == "Backed by its neighbours"  # six units of twenty, at most nine of which are pits


def test_neighbours_of_units_that_are_drawn_at_random_are_rarely_called_more_than_chance() -> None:
    rng, backed, without = np.random.default_rng(3), 0, 0
    for _ in range(400):
        share = np.repeat(rng.permutation([1.0] * 8 + [0.5] * 4 + [0.0] * 12), 10).reshape(24, 10)
        labels = rng.random((24, 10)) < share
        units = np.repeat(rng.choice(24, 3, replace=False), 4)[:10]
        words = ["pit" if labels[unit, place % 10] else "dent" for place, unit in enumerate(units)]
        result = of_units(words, units, 24, float(labels.mean(1).sum()))
        told = outcomes.of_training(result)
        backed += told.word in ("Backed by its neighbours", "Partly backed")
        alike = dataclasses.replace(result, units=None, labelled=240, alike=int(labels.sum()))
        without += outcomes.of_training(alike).word != "No more than chance"
    assert backed <= 28, "5 % of 400, and the slack of a binomial"
    assert without > 80, "as if images were independent, more than a fifth are called beyond chance"


def test_odd_labels_and_none_are_told() -> None:
    assert "2 of them have a label to look at" in outcomes.of_training(nearest(["pit"] * 8, alike=9, looks=2)).sentence
    assert outcomes.of_training(nearest([None] * 8, alike=0, labelled=0)).word == "Not known"


@pytest.mark.parametrize(
    ("verdicts", "word"),
    [((0, 2), "Matters"), ((1,), "Matters"), ((2, 3), "No more than chance"), ((3,), "Too few to say")],
)
def test_concepts_matter_by_their_verdicts(verdicts, word) -> None:
    lines = [
        {"concept": f"c{n}", "verdict": CONCEPT_VERDICTS[v], "p": np.nan if v == 3 else 0.2}
        for n, v in enumerate(verdicts)
    ]
    told = outcomes.of_concepts(Concepts(pd.DataFrame(lines), {}, {}, "layer", "pit", 40))
    assert told.word == word
    assert told.sentence.endswith(". Tested on 40 images of pit.")
    assert ("speaks for pit (p = 0.2)" in told.sentence) == (0 in verdicts)
    assert ("speaks against pit" in told.sentence) == (1 in verdicts)
    assert all(f"c{n}" in told.sentence for n in range(len(verdicts)))
    assert "nan" not in told.sentence


def least(epsilon, linf=1, method="pgd"):
    attack = SimpleNamespace(method=method, was=0, now=1, linf=linf)
    return SimpleNamespace(epsilon=epsilon, attacked=attack, tried=((1.0, False), (32.0, epsilon is not None)))


def test_an_attack_is_told_beside_random_noise_of_its_size() -> None:
    small = outcomes.of_attack(least(2.0), wilson(1, 20), ["pit", "good"])
    assert (small.word, small.tone) == ("Fragile", "bad")
    assert "pit becomes good with 2 of 255 levels a pixel, aimed by PGD" in small.sentence
    assert "in 1 of 20 draws (95 % interval" in small.sentence
    assert (
        outcomes.of_attack(least(20.0, linf=20), wilson(0, 20), ["pit", "good"]).word == "Flips under a larger change"
    )
    none = outcomes.of_attack(least(None), None, ["pit", "good"])
    assert (none.word, none.tone) == ("Not flipped", "plain")
    assert "Still pit at 32 of 255 levels a pixel" in none.sentence
    assert "proves nothing" in none.sentence


@pytest.mark.parametrize(("right", "word"), [(4, "Accuracy falls"), (37, "No fall shown")])
def test_accuracy_falls_only_where_the_intervals_part(right, word) -> None:
    rates = {0.0: wilson(39, 40), 2.0: wilson(38, 40), 8.0: wilson(right, 40)}
    lines = [
        {"group": "all classes", "epsilon": epsilon, "support": 40, "accuracy": r.value, "low": r.low, "high": r.high}
        for epsilon, r in rates.items()
    ]
    frame = pd.DataFrame([*lines, dict(lines[0], group="pit", accuracy=0.0, epsilon=9.0)])
    told = outcomes.of_robustness(SimpleNamespace(frame=frame, method="pgd"))
    assert told.word == word
    assert f"Of 40 images 97.5% ({rates[0.0].low:.1%} to " in told.sentence
    assert f"{right / 40:.1%} ({rates[8.0].low:.1%} to {rates[8.0].high:.1%}) under 8 of 255" in told.sentence


def versus(*counts, rows=3) -> Versus:
    frame = pd.DataFrame({"name": list("abc"), "first": "x", "second": "y", "first confidence": 1.0, "right": "second"})
    return Versus(
        frame.head(rows), *counts, mcnemar(counts[1], counts[2]), wilson(counts[0] + counts[1], sum(counts)),
        wilson(counts[0] + counts[2], sum(counts)), paired_difference(*counts), wilson(97, 100), 0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "rows", "word"),
    [
        ((70, 20, 2, 8), 3, "Not equally good"),
        ((90, 2, 1, 7), 3, "No difference shown"),
        ((93, 0, 0, 7), 0, "Same decisions"),
        ((0, 0, 0, 0), 3, "Not judged"),
    ],
)
def test_models_are_named_and_differ_only_beyond_chance(counts, rows, word) -> None:
    told = outcomes.of_models(versus(*counts, rows=rows), "Sound", "int8 copy")
    assert told.word == word
    assert "97.0% (" in told.sentence
    if sum(counts):
        assert f"Only Sound is right on {counts[1]}, only int8 copy on {counts[2]}" in told.sentence
    assert ("Sound is better" in told.sentence) == (word == "Not equally good")


def test_a_table_of_differences_names_its_models() -> None:
    frame = versus(90, 2, 1, 7).named("Sound", "int8 copy")
    assert list(frame) == ["name", "Sound", "int8 copy", "Sound confidence", "right"]
    assert set(frame["right"]) == {"int8 copy"}


@pytest.mark.parametrize(("correlation", "word"), [(0.5, "Other reasons"), (0.9, "No other reasons shown")])
def test_maps_lie_apart_only_beyond_what_noise_does(correlation, word) -> None:
    figures = {
        "correlation": Rate(correlation, correlation - 0.05, correlation + 0.05, None, 40),
        "own_correlation": Rate(0.92, 0.9, 0.94, None, 40),
    }
    told = outcomes.of_reasons(SimpleNamespace(figures=figures), "Sound", "int8 copy")
    assert told.word == word
    assert f"Sound and int8 copy correlate at {correlation:.2f} on average" in told.sentence
    assert "at 0.92 (0.90 to 0.94)" in told.sentence


def test_one_image_and_edits() -> None:
    assert outcomes.of_pair(("Sound", "int8"), [("pit", 0.9), ("pit", 0.8)]).word == "Same decision"
    told = outcomes.of_pair(("Sound", "int8"), [("pit", 0.9), ("good", 0.8)])
    assert told == outcomes.Outcome(
        "Different decisions", "Sound calls this image pit (90.0%), int8 good (80.0%).", "doubt"
    )
    assert outcomes.of_edits("pit", "good", 0.9, 0.1).sentence.startswith("pit has become good. P(pit): 90.0% before")
    assert dataclasses.astuple(outcomes.of_edits("pit", "pit", 0.9, 0.85))[1].startswith("Still pit. P(pit): 90.0%")
