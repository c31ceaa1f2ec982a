"""What must go and what must stay, on a model that reads a known patch, where both are that patch; and the nearest
unlike neighbour."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import binary_erosion
from tables import table
from torch import nn

from workbench.attribution.engine import attribute
from workbench.defects.review_band import Band
from workbench.images.pieces import REGION_FILLS, Pieces, square_cells
from workbench.models.classifier import answers, ask
from workbench.models.loading import load_classifier
from workbench.models.preprocessing import Preprocessing
from workbench.probe import minimal
from workbench.probe.counterfactuals import counterfactual
from workbench.probe.minimal import smallest
from workbench.stats.neighbours import nearest
from workbench.stats.rates import wilson

torch.set_num_threads(1)
HEIGHT, WIDTH, CELLS = 64, 96, 12
PATCH = np.s_[24:40, 40:64]  # two by three of the cells of 8 x 8 pixels, in what every preprocessing sees
INSIDE = np.zeros((HEIGHT, WIDTH), bool)
INSIDE[PATCH] = True
PREPROCESSING = {"stretch": (48, 48), "crop": (64, 64), "pad": (96, 96)}
ALL_GONE, ALL_THERE = 0.08, 0.92
"""Thresholds between the score with the patch gone, or there, and the score with one cell of it more, or less."""


class OnPatch(nn.Module):
    """The log-odds of "hit" rise from -3 to 3 as what it reads goes from mid-grey to white, the sooner the higher the
    gain."""

    def __init__(self, reads: np.ndarray, others: int = 1, gain: float = 1.0) -> None:
        super().__init__()
        self.reads = nn.Parameter(torch.from_numpy(reads / max(reads.sum(), 1)).float())
        self.others, self.gain = others, gain

    def forward(self, x):
        light = (x.mean(1) * self.reads).sum((1, 2)) - 0.5
        z = 12 * ((self.gain * light).clamp(max=0.5) - 0.25)
        rest = torch.arange(self.others, device=x.device) * torch.ones_like(z)[:, None]
        return torch.cat([rest, z[:, None]], 1)


def reader(
    resize: str = "stretch",
    threshold: float | None = None,
    classes=("miss", "hit"),
    reads: np.ndarray | None = None,
    gain=1.0,
):
    """A model that reads the patch, but for its outermost pixels, which resizing mixes with what is beside it; or what
    is given."""
    settings = {"size": PREPROCESSING[resize], "resize": resize, "mean": (0.0,) * 3, "std": (1.0,) * 3}
    if reads is None:
        reads = binary_erosion(Preprocessing(**settings).placement(image()).to_input(INSIDE))
    positive = {"positive": "hit", "threshold": threshold} if threshold else {}
    return load_classifier(
        OnPatch(reads, len(classes) - 1, gain), class_names=classes, device="cpu", **positive, **settings
    )


def image(seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(112, 144, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    pixels[PATCH] = 255
    return Image.fromarray(pixels)


def overlap(found: np.ndarray, inside: np.ndarray = INSIDE) -> float:
    return float((found & inside).sum() / (found | inside).sum())


@pytest.mark.parametrize("resize", PREPROCESSING)
@pytest.mark.parametrize(("aim", "threshold"), [("flip", ALL_GONE), ("keep", ALL_THERE)])
@pytest.mark.parametrize("fill", ["grey", "inpaint", "mean"])
def test_the_region_is_the_patch(resize, aim, threshold, fill):
    found = smallest(reader(resize, threshold), image(), aim=aim, fill=fill, cells=CELLS)
    assert found.found
    assert overlap(found.inside) >= 0.8
    assert found.area == pytest.approx(found.inside.mean(), abs=1e-9)
    assert (found.before, found.after) == (("hit", "miss") if aim == "flip" else ("hit", "hit"))
    assert (found.random.count, found.random.support) == (0, minimal.RANDOM_REGIONS)
    assert found.random.high < 0.2


@pytest.mark.parametrize(("aim", "threshold"), [("flip", ALL_GONE), ("keep", ALL_THERE)])
def test_superpixels_find_the_patch_too(aim, threshold):
    found = smallest(reader(threshold=threshold), image(), aim=aim, segments=40)
    assert overlap(found.inside) >= 0.8


@pytest.mark.parametrize("aim", ["flip", "keep"])
@pytest.mark.parametrize("seed", range(3))
def test_no_superpixel_can_be_spared(aim, seed):
    rng = np.random.default_rng(seed)
    reads = np.kron(rng.random((8, 12)) ** 3, np.ones((6, 4)))  # each cell has a weight of its own
    model = reader(threshold=0.5, reads=reads)
    seen = Image.fromarray(np.full((HEIGHT, WIDTH, 3), 250, np.uint8))
    heat = rng.random((HEIGHT, WIDTH))
    found = smallest(model, seen, aim=aim, heatmap=heat, fill="grey", cells=CELLS)
    assert found.found
    assert found.chosen > 2
    pieces = Pieces(np.asarray(seen), square_cells((HEIGHT, WIDTH), CELLS), "grey")
    region = np.bincount(pieces.labels.ravel(), found.inside.ravel()) > 0
    flips = lambda sets: model.rule.decide(ask(model, [pieces.with_filled(one) for one in sets]))[0] == 0  # noqa: E731
    fewer = np.tile(region, (found.chosen, 1))
    fewer[np.arange(found.chosen), np.flatnonzero(region)] = False
    if aim == "flip":
        assert flips(region[None]).all()
        assert not flips(fewer).any()
    else:
        assert not flips(~region[None]).any()
        assert flips(~fewer).all()
    least = int((np.sort(reads[::6, ::4].ravel())[::-1].cumsum() < reads[::6, ::4].sum() / 2).sum()) + 1
    assert found.chosen <= least + 4  # as many as the heaviest cells that make up half


def test_the_path_leads_from_the_image_to_the_first_region_that_is_enough():
    model = reader(threshold=ALL_GONE)
    heat = attribute(model, image(), "input_x_gradient", "hit").on_image()
    gone = smallest(model, image(), aim="flip", heatmap=heat, fill="grey", cells=CELLS)
    assert gone.areas[0] == 0
    assert gone.scores[0] == pytest.approx(ask(model, [np.asarray(image())])[0, 1], abs=1e-6)
    assert gone.score == pytest.approx(gone.scores[0], abs=1e-6)
    assert (np.diff(gone.areas) > 0).all()
    assert (gone.scores[:-1] >= ALL_GONE).all()
    assert gone.scores[-1] < ALL_GONE
    assert len(gone.areas) == 7  # six cells, each the best of its step
    assert gone.score_after == pytest.approx(ask(model, [gone.image])[0, 1], abs=1e-6)
    kept = smallest(reader(threshold=ALL_THERE), image(), aim="keep", heatmap=heat, fill="grey", cells=CELLS)
    assert kept.areas[0] == 0
    assert (kept.scores[:-1] < ALL_THERE).all()
    assert kept.scores[-1] == pytest.approx(kept.score_after) == pytest.approx(kept.score, abs=0.01)


def test_a_map_leads_where_no_single_superpixel_matters():
    """The score saturates: with any of the cells there it is 1, so that no single filling takes anything away."""
    model = reader(threshold=0.5, gain=10)
    heat = np.where(INSIDE, 1.0, 0.0)
    led = smallest(model, image(), aim="flip", heatmap=heat, fill="grey", cells=CELLS)
    assert overlap(led.inside) == 1
    assert led.evaluations < smallest(model, image(), aim="flip", fill="grey", cells=CELLS).evaluations


def test_a_wrong_map_does_not_mislead():
    heat = np.where(INSIDE, 0.0, 1.0)
    found = smallest(reader(threshold=ALL_GONE), image(), aim="flip", heatmap=heat, fill="grey", cells=CELLS)
    assert overlap(found.inside) == 1
    same = smallest(reader(threshold=ALL_GONE), image(), aim="flip", heatmap=-heat, fill="grey", cells=CELLS)
    assert overlap(same.inside) == 1  # nothing of it is positive: each superpixel is measured


def test_the_threshold_is_that_of_the_rule():
    """Half of the patch turns the most probable class; with a low threshold all of it must go."""
    argmax = smallest(reader(), image(), aim="flip", fill="grey", cells=CELLS)
    low = smallest(reader(threshold=ALL_GONE), image(), aim="flip", fill="grey", cells=CELLS)
    assert argmax.score_after < 0.5 < argmax.scores[-2]
    assert argmax.chosen == 3
    assert low.chosen == 6


def test_nothing_is_found_where_nothing_matters():
    model = reader(reads=np.zeros((48, 48)))
    gone = smallest(model, image(), aim="flip", fill="grey", cells=6)
    assert (gone.found, gone.area, gone.chosen, gone.inside.any()) == (False, 0.0, 0, False)
    assert (gone.random.value, gone.random.support) == (None, 0)
    assert gone.areas[-1] == pytest.approx(1)
    assert len(gone.areas) == gone.parts + 1
    assert (gone.image == 128).all()
    assert "does not change" in gone.sentence
    kept = smallest(model, image(), aim="keep", fill="grey", cells=6)
    assert (kept.found, kept.area, kept.chosen) == (True, 0.0, 0)
    assert "Nothing needs to stay" in kept.sentence


def test_a_decision_may_be_about_several_classes():
    """Of three classes two are defects: what turns one into the other changes nothing."""
    names = ("good", "pit", "hit")
    model = reader(classes=names)  # the others are at 0 and 1: a fallen "hit" becomes "pit"
    one = smallest(model, image(), aim="flip", fill="grey", cells=CELLS)
    assert (one.before, one.after) == ("hit", "pit")
    both = smallest(model, image(), aim="flip", fill="grey", cells=CELLS, positive=("pit", "hit"))
    assert not both.found
    assert both.before == both.after == "pit or hit"
    whole = ask(model, [np.asarray(image())])[0]
    assert both.score == pytest.approx(whole[1] + whole[2], abs=1e-6)
    other = smallest(model, image(), aim="flip", fill="grey", cells=CELLS, positive=("good", "pit"))
    assert (other.before, other.after) == (minimal.OTHER, "good or pit")
    assert other.score == pytest.approx(whole[2], abs=1e-6)
    assert other.scores[-1] < other.scores[0]


def test_a_decision_may_be_anothers():
    """A band of review around a threshold on the sum of two classes, as on the Defects page."""
    model = reader(classes=("good", "pit", "hit"))
    band = Band(0.7, 0.8, 0.9)
    own = lambda p: band.verdicts(p[:, 1:].sum(1))  # noqa: E731
    first = smallest(model, image(), aim="flip", fill="grey", cells=CELLS, positive=("pit", "hit"), decide=own)
    assert (first.before, first.after) == ("reject", "review")
    assert (first.scores[:-1] >= first.score_after).all()
    dark = Image.fromarray(np.full((HEIGHT, WIDTH, 3), 100, np.uint8))
    passed = smallest(
        model,
        dark,
        aim="keep",
        fill="grey",
        cells=4,
        positive=("hit",),
        decide=lambda p: np.where(p[:, 2] > 0.5, "reject", "pass"),
    )
    assert passed.before == "pass"
    assert passed.score == pytest.approx(1 - ask(model, [np.asarray(dark)])[0, 2], abs=1e-6)


@pytest.mark.parametrize("fill", REGION_FILLS)
def test_every_fill_runs_and_gives_the_same_again(fill):
    model = reader(threshold=0.85)
    heat = INSIDE.astype(float)
    first, again = (smallest(model, image(), aim="flip", heatmap=heat, fill=fill, cells=6, seed=3) for _ in range(2))
    assert first.found
    assert (first.inside == again.inside).all()
    assert (first.image == again.image).all()
    assert first.score_after == pytest.approx(ask(model, [first.image])[0, 1], abs=1e-6)
    assert first.score_after < 0.85
    assert first.evaluations == again.evaluations


def test_a_large_image_is_looked_at_small_and_told_large(monkeypatch):
    monkeypatch.setattr(minimal, "CUT_EDGE", WIDTH)
    large = image().resize((3 * WIDTH, 3 * HEIGHT), Image.Resampling.NEAREST)
    heat = np.kron(INSIDE, np.ones((3, 3)))
    found = smallest(reader(threshold=ALL_GONE), large, aim="flip", heatmap=heat, fill="grey", cells=CELLS)
    assert found.inside.shape == (3 * HEIGHT, 3 * WIDTH)
    assert overlap(found.inside, heat > 0) == 1
    assert found.image.shape == (HEIGHT, WIDTH, 3)


def test_progress_is_told_and_may_stop_the_work():
    told: list[tuple[int, int]] = []
    model = reader(threshold=ALL_GONE)
    found = smallest(model, image(), aim="flip", fill="grey", cells=6, on_progress=lambda *step: told.append(step))
    assert all(done <= total for done, total in told)
    assert told[-1][0] == told[-1][1]
    assert len(told) <= found.evaluations

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    model.model.train()
    with pytest.raises(KeyboardInterrupt):
        smallest(model, image(), aim="flip", cells=6, on_progress=stop)
    assert model.model.training


def test_evaluations_are_counted_and_random_regions_are_as_large(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "workbench.models.classifier.answers",
        lambda model, shown: answers(model, (asked.append(one) or one for one in shown)),
    )
    found = smallest(reader(threshold=ALL_GONE), image(), aim="flip", fill="grey", cells=CELLS)
    assert found.evaluations == len(asked)
    drawn = [(one == 128).all(-1).mean() for one in asked[-minimal.RANDOM_REGIONS :]]
    assert min(drawn) >= found.area - 1e-9
    assert max(drawn) < found.area + 2 * 64 / (HEIGHT * WIDTH)
    assert len({one.tobytes() for one in asked[-minimal.RANDOM_REGIONS :]}) > minimal.RANDOM_REGIONS // 2


def test_a_region_that_is_nothing_special_is_told_as_such():
    """The model reads every pixel alike: any region of that size does it."""
    model = reader(threshold=0.7, reads=np.ones((48, 48)))
    white = Image.fromarray(np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
    found = smallest(model, white, aim="flip", fill="grey", cells=6)
    assert found.found
    assert found.random.value == 1
    assert (found.special, found.p) == (False, 1)
    assert "No region stands out" in found.sentence
    assert "39 of 39 regions" in found.sentence


@pytest.mark.parametrize(("aim", "does"), [("flip", "Filling"), ("keep", "alone keeps")])
@pytest.mark.parametrize("count", range(8))
def test_a_region_is_announced_only_where_random_ones_of_its_area_do_less(aim, does, count):
    """By the exact chance of so few hits, where the region found and the random ones are alike and any may come
    first."""
    found = smallest(
        reader(threshold=ALL_GONE if aim == "flip" else ALL_THERE), image(), aim=aim, fill="grey", cells=CELLS
    )
    found = dataclasses.replace(found, random=wilson(count, minimal.RANDOM_REGIONS))
    shuffles = np.random.default_rng(0).random((20_000, minimal.RANDOM_REGIONS + 1)).argsort(1)[:, 0]
    assert found.p == pytest.approx((shuffles <= count).mean(), abs=0.01)
    assert found.special == (count <= 1)
    assert found.sentence.startswith("No region stands out") == (count > 1)
    assert (does in found.sentence) == (count <= 1 or aim == "keep")
    assert f"{count} of {minimal.RANDOM_REGIONS} regions of that area chosen at random" in found.sentence


def test_settings_out_of_range_are_refused(refusal):
    model = reader()
    assert "exchange" in refusal(lambda: smallest(model, image(), aim="flip", fill="exchange"))
    assert "flop" in refusal(lambda: smallest(model, image(), aim="flop"))
    assert "superpixels" in refusal(lambda: smallest(model, image(), aim="flip", segments=1))
    assert "cells" in refusal(lambda: smallest(model, image(), aim="flip", cells=200))
    assert "no class 'pot'" in refusal(lambda: smallest(model, image(), aim="flip", positive=["pot"]))
    assert "All classes" in refusal(lambda: smallest(model, image(), aim="flip", positive=["miss", "hit"]))
    with pytest.raises(ValueError, match="map of shape"):
        smallest(model, image(), aim="flip", heatmap=np.ones((WIDTH, HEIGHT)))


def test_the_sentence_agrees_with_the_numbers():
    found = smallest(reader(threshold=ALL_GONE), image(), aim="flip", fill="grey", cells=CELLS)
    assert f"{found.chosen} of {found.parts} pieces" in found.sentence
    assert "flips hit to miss (0.95 to 0.05)" in found.sentence
    assert "None of them can be spared" in found.sentence
    assert "true of 0 of 39 regions of that area chosen at random (exact p = 0.025)" in found.sentence


# Nearest image with another decision.

VECTORS = np.array([[1, 0], [0.9, 0.1], [10, 2], [1, 1], [0, 1], [np.nan, 0]], np.float32)


def neighbours():
    """0 and 1 called good; 2, which is good, and 3, 4 and 5 called bad; of 5 no embedding is known."""
    return table(["good", "good", "good", "bad", "bad", "bad"], ["good", "good", "bad", "bad", "bad", "bad"])


def test_the_counterfactual_is_the_nearest_that_is_rightly_called_something_else():
    found = counterfactual(neighbours(), VECTORS, 0)
    assert (found.row, found.predicted, found.label, found.verdict) == (3, "bad", "bad", "right")
    assert found.distance == pytest.approx(1 - 1 / np.sqrt(2), abs=1e-6)
    row, alike = nearest(VECTORS, 0, np.array([False, False, False, True, True, True]))
    assert (row, 1 - alike) == (found.row, pytest.approx(found.distance, abs=1e-6))


def test_a_wrong_one_stands_in_where_there_is_no_other():
    only = np.array([True, True, True, False, False, True])
    found = counterfactual(neighbours(), VECTORS, 0, rows=only)
    assert (found.row, found.verdict) == (2, "wrong")
    assert counterfactual(neighbours(), VECTORS, 0, rows=np.array([True, True, False, False, False, False])) is None
    assert counterfactual(neighbours(), VECTORS, 0, to=["good"]) is None
    assert counterfactual(neighbours(), VECTORS, 3, to=["good"]).row == 1
    assert counterfactual(neighbours(), VECTORS, 5) is None


def test_an_image_without_an_answer_is_nobodys_counterfactual():
    known = neighbours()
    frame = known.frame.assign(error=[None, None, None, "broken", None, None])
    assert counterfactual(dataclasses.replace(known, frame=frame), VECTORS, 0).row == 4
    with pytest.raises(ValueError, match="6 embeddings"):
        counterfactual(known, VECTORS[:3], 0)
