"""Covering regions: it changes the answer where the model looks and nowhere else, and chance alone is not called an
effect."""

from __future__ import annotations

import dataclasses
import importlib
import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import binom
from torch import nn

import workbench as wb
from workbench.bias.intervene import COVERED_EDGE, COVERINGS, intervene
from workbench.bias.places import BACKGROUND, BORDER, CENTRE, CORNERS, REGIONS, Region
from workbench.images.fills import FILLS, elsewhere
from workbench.images.item import BytesSource, ImageItem
from workbench.stats.rates import wilson

CORNER = REGIONS["bottom right corner"]
CLASSES = ("good", "bad")


class Corner(nn.Module):
    """Calls bad what is bright in the last quarter of height and width."""

    def forward(self, x):
        z = 20 * (x[..., 24:, 24:].mean((1, 2, 3)) - 0.6)
        return torch.stack([torch.zeros_like(z), z], 1)


class Everywhere(nn.Module):
    """Calls bad what is bright, wherever."""

    def forward(self, x):
        z = 30 * (x.mean((1, 2, 3)) - 0.5)
        return torch.stack([torch.zeros_like(z), z], 1)


class Rough(nn.Module):
    """Calls bad what changes sharply from pixel to pixel, wherever."""

    def forward(self, x):
        z = torch.log(x.diff(dim=2).square().mean((1, 2, 3)) + x.diff(dim=3).square().mean((1, 2, 3))) * 3 + 18
        return torch.stack([torch.zeros_like(z), z], 1)


class Spotted(nn.Module):
    """Calls bad what has a bright spot anywhere."""

    def forward(self, x):
        z = 20 * (nn.functional.avg_pool2d(x, 4).mean(1).amax((1, 2)) - 0.7)
        return torch.stack([torch.zeros_like(z), z], 1)


def loaded(model: nn.Module, size=(32, 32), **more):
    return wb.load_classifier(
        model, size=size, classes=CLASSES, **({"mean": (0, 0, 0), "std": (1, 1, 1)} | more), device="cpu"
    )


def png(pixels: np.ndarray) -> BytesSource:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return BytesSource(buffer.getvalue())


def images(
    count: int = 12, shape=(32, 32, 3), seed: int = 0, box=None, mask=None, levels=(60, 121), name=""
) -> list[ImageItem]:
    """Noise, white within `box` (top, bottom, left, right in pixels), with a mask over the pixels `mask`; `name` begins
    their names."""
    rng, items = np.random.default_rng(seed), []
    for i in range(count):
        pixels = rng.integers(*levels, shape, np.uint8)
        if box:
            pixels[box[0] : box[1], box[2] : box[3]] = 255
        over = np.zeros(shape[:2], bool)
        if mask:
            over[mask[0] : mask[1], mask[2] : mask[3]] = True
        items.append(ImageItem(f"{name}{i}.png", png(pixels), "bad", png(over) if mask else None))
    return items


STAMP = (24, 32, 24, 32)
DEFECT = (4, 9, 6, 11)


@pytest.fixture(scope="module")
def corner():
    return loaded(Corner())


@pytest.mark.parametrize("fill", ["patch", "exchange", "mean"])
def test_covering_what_decides_changes_the_answer(corner, fill) -> None:
    bare = images(1, seed=9, name="bare ")  # all are stamped alike, so that exchange is with one that is not
    found = intervene(corner, images(box=STAMP), CORNER, target="bad", fill=fill, others=bare)
    assert (found.frame["before"] > 0.99).all()
    assert found.effect.high < -0.3
    assert found.change.value == pytest.approx((found.frame["after"] - found.frame["before"]).mean())
    assert found.elsewhere.value == pytest.approx((found.frame["elsewhere"] - found.frame["before"]).mean())
    assert found.effect.value == pytest.approx(found.change.value - found.elsewhere.value)
    assert found.p < 0.01
    assert found.turned.value > 0.9
    assert found.turned_elsewhere.value < 0.3
    assert found.frame["called"].eq("bad").all()


@pytest.mark.parametrize("region", CORNERS[:3], ids=lambda region: region.name)
@pytest.mark.parametrize("fill", FILLS)
def test_covering_other_corners_changes_nothing(corner, region, fill) -> None:
    found = intervene(corner, images(box=STAMP), region, target="bad", fill=fill)
    assert (found.frame["after"] == found.frame["before"]).all()
    assert found.change.value == found.turned.value == 0
    assert found.effect.value >= 0  # elsewhere may hit what decides


def test_without_a_target_each_images_own_class_is_watched(corner) -> None:
    items = [*images(4, box=STAMP), *images(4, name="bare ")]
    frame = intervene(corner, items, CORNERS[0]).frame
    assert frame["target"].tolist() == frame["called"].tolist() == ["bad"] * 4 + ["good"] * 4
    assert (frame["before"] > 0.9).all()
    assert frame["name"].tolist() == [item.name for item in items]
    bad = intervene(corner, items, CORNERS[0], target="bad").frame
    assert (bad["before"][4:] < 0.1).all()


def test_turned_is_the_share_of_covers_that_turn_the_verdict(corner) -> None:
    found = intervene(corner, images(30, box=STAMP), Region("meets its mirror image", (0.45, 0.3, 1, 1)), target="bad")
    for rate, name in ((found.turned, "turned"), (found.turned_elsewhere, "turned elsewhere")):
        shares = found.frame[name]
        assert set(shares * COVERINGS) <= set(range(COVERINGS + 1))
        assert rate.value == pytest.approx(shares.mean())
        assert (rate.low, rate.high) == dataclasses.astuple(wilson(round(shares.sum()), 30))[1:3]
    assert (
        0.1 < found.turned_elsewhere.value < 0.9
    )  # such a region is shifted at random, and hits the corner now and then
    assert found.turned.value == 1


def test_elsewhere_spares_the_defect_where_the_region_does() -> None:
    spotted, (top, bottom, left, right) = loaded(Spotted()), DEFECT
    marked = images(16, box=DEFECT, mask=(top - 1, bottom + 1, left - 1, right + 1))
    spared = intervene(spotted, marked, CORNER, target="bad")
    assert spared.elsewhere.value > -0.05
    assert abs(spared.effect.value) < 0.05
    unmarked = [dataclasses.replace(item, mask=None) for item in marked]
    assert intervene(spotted, unmarked, CORNER, target="bad").elsewhere.value < -0.05
    on_it = intervene(spotted, marked, Region("on it", (0.1, 0.1, 0.6, 0.6)), target="bad")
    assert on_it.effect.high < -0.2
    assert on_it.elsewhere.value < -0.1  # the region covers the defect, and so may places elsewhere


def test_elsewhere_is_mirrored_where_it_can_be() -> None:
    rng, corners = np.random.default_rng(0), [region.on(24, 40) for region in CORNERS]
    taken = np.array([elsewhere(corners[3], None, rng) for _ in range(60)])
    assert {str(place) for place in taken} == {str(corner) for corner in corners[:3]}
    assert all((elsewhere(corners[3], corners[0] | corners[1], rng) == corners[2]).all() for _ in range(20))
    shifted = np.array([elsewhere(corners[3], corners[0] | corners[1] | corners[2], rng) for _ in range(60)])
    assert (shifted.sum((1, 2)) == corners[3].sum()).all()
    assert (shifted & (corners[0] | corners[1] | corners[2])).any((1, 2)).mean() < 0.1
    for region in (BORDER, CENTRE):  # they meet their mirror images
        taken = np.array([elsewhere(region.on(24, 40), None, rng) for _ in range(60)])
        assert (taken.sum((1, 2)) == region.on(24, 40).sum()).all()
        assert len({place.tobytes() for place in taken}) > 40


def test_covering_matters_if_it_lowers_the_answer_more_thanelsewhere(corner) -> None:
    real = intervene(corner, images(box=STAMP), CORNER, target="bad")
    assert real.matters
    assert not intervene(corner, images(box=STAMP), CORNERS[0], target="bad").matters
    for weak in (
        {"p": 0.06},
        {"effect": dataclasses.replace(real.effect, high=0.01)},
        {"effect": dataclasses.replace(real.effect, value=-0.04)},  # less than the rim of a cover may bring
        {"change": dataclasses.replace(real.change, high=0.01)},  # elsewhere merely raises it more
    ):
        assert not dataclasses.replace(real, **weak).matters


@pytest.mark.parametrize("fill", FILLS)
def test_covering_all_but_the_defect_keeps_it_and_brings_no_other(fill) -> None:
    spotted = loaded(Spotted())
    marked = images(12, shape=(64, 64, 3), box=(20, 32, 8, 20), mask=(20, 32, 8, 20), levels=(20, 80))
    found = intervene(
        spotted, marked, BACKGROUND, target="bad", fill=fill, others=images(3, (64, 64, 3), 5, name="bare ")
    )
    assert (found.frame["after"] > 0.9).all()
    # With the hole elsewhere the defect is covered, and no patch carries it along.
    assert found.frame["elsewhere"].mean() < 0.6
    assert found.effect.low > 0.3


def test_a_model_that_ignores_the_place_is_accused_in_a_twentieth_of_runs() -> None:
    model, runs = loaded(Everywhere(), size=(16, 16)), 120
    accused = 0
    for seed in range(runs):
        items = images(12, shape=(16, 16, 3), seed=seed, levels=(0, 256))
        accused += intervene(model, items, CORNERS[seed % 4], target="bad", seed=seed).p <= 0.05
    assert binom.ppf(0.005, runs, 0.05) <= accused <= binom.ppf(0.995, runs, 0.05)


@pytest.mark.parametrize("fill", ["patch", "exchange", "mean"])
def test_a_model_that_stumbles_over_the_rim_of_a_cover_does_not_accuse_a_corner(fill) -> None:
    model, runs, accused = loaded(Rough()), 50, 0
    for seed in range(runs):
        rng, items = np.random.default_rng(seed), []
        for i in range(12):
            smooth = gaussian_filter(rng.normal(size=(32, 32)), 3)
            items.append(ImageItem(f"{i}.png", png((smooth / smooth.std() * 30 + 128).clip(0, 255).astype(np.uint8))))
        accused += intervene(model, items, CORNER, target="bad", fill=fill, seed=seed).p <= 0.05
    assert accused <= binom.ppf(0.995, runs, 0.05)


def test_the_chance_is_that_of_flipping_signs(corner) -> None:
    found = intervene(corner, images(10, box=STAMP), CORNERS[0], target="bad")
    effect = (found.frame["after"] - found.frame["elsewhere"]).to_numpy()
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(effect))).reshape(len(effect), -1)
    exact = (np.abs(effect @ signs) >= abs(effect.sum()) - 1e-12).mean()
    assert found.p == pytest.approx(exact, abs=0.02)


def test_exchange_is_with_other_images_that_can_be_read(corner) -> None:
    stamped, bare = images(6, box=STAMP), images(1, seed=7, name="bare ")
    broken = [dataclasses.replace(bare[0], name=f"broken {i}", source=BytesSource(b"no image")) for i in range(5)]
    found = intervene(corner, stamped, CORNER, target="bad", fill="exchange", others=[*stamped[:1], *broken, bare[0]])
    assert len(found.frame) == 6
    assert found.frame["after"][0] < 0.1  # with itself nothing would change
    alike = intervene(corner, stamped, CORNER, target="bad", fill="exchange")
    assert alike.frame["after"].min() > 0.9  # all of them carry the stamp
    with pytest.raises(wb.InputError):
        intervene(corner, stamped, CORNER, fill="exchange", others=broken)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("shape", [(20, 50, 3), (50, 20, 3), (8, 8, 3), (30, 24), (3, 40, 3)], ids=str)
def test_any_shape_can_be_covered(corner, fill, shape) -> None:
    for region in (CORNER, BORDER, CENTRE):
        frame = intervene(corner, images(3, shape=shape), region, fill=fill).frame
        assert len(frame) == 3
        assert np.isfinite(frame[["before", "after", "elsewhere"]].to_numpy()).all()


def test_large_images_are_shrunk_first(corner, monkeypatch) -> None:
    module = importlib.import_module("workbench.bias.intervene")

    seen, real = [], module.cover_region
    monkeypatch.setattr(module, "cover_region", lambda image, *rest: seen.append(image.shape) or real(image, *rest))
    side, box, mask = (1500, 2000, 3), (1100, 1500, 1450, 2000), (300, 500, 300, 600)
    found = intervene(corner, images(2, shape=side, box=box, mask=mask), CORNER, target="bad", fill="mean")
    assert set(seen) == {(768, COVERED_EDGE, 3)}
    assert found.effect.value < -0.5
    assert found.elsewhere.value > -0.5


def test_models_of_one_channel_are_asked_alike(corner) -> None:
    grey = loaded(Corner(), mean=(0,), std=(1,))
    items = images(4, shape=(32, 32), box=STAMP)
    ours, theirs = (intervene(model, items, CORNER, target="bad") for model in (grey, corner))
    assert ours.frame["after"].to_numpy() == pytest.approx(theirs.frame["after"].to_numpy(), abs=1e-4)
    assert ours.effect.high < -0.3


def test_the_same_seed_gives_the_same_answer(corner) -> None:
    items, region = images(5, box=STAMP), Region("meets its mirror image", (0.3, 0.3, 1, 1))
    for fill in FILLS:
        one, again, other = (intervene(corner, items, region, fill=fill, seed=seed) for seed in (3, 3, 4))
        assert one.frame.equals(again.frame)
        assert one.p == again.p
        assert not one.frame["elsewhere"].equals(other.frame["elsewhere"])


def test_images_that_cannot_be_judged_are_left_out(corner, refusal) -> None:
    good = images(4, box=STAMP, mask=DEFECT)
    broken = dataclasses.replace(good[0], name="broken", source=BytesSource(b"no image"))
    damaged = dataclasses.replace(good[0], name="damaged", mask=BytesSource(b"no mask"))
    full = dataclasses.replace(good[0], name="full", mask=png(np.full((32, 32), 255, np.uint8)))
    bare = dataclasses.replace(good[0], name="bare", mask=None)
    found = intervene(corner, [broken, *good, damaged], CORNER)
    assert found.frame["name"].tolist() == [item.name for item in good]
    assert found.effect.support == found.turned.support == 4
    outside = intervene(corner, [bare, full, *good], BACKGROUND)
    assert outside.frame["name"].tolist() == [item.name for item in good]
    for items in ([], [good[0]], [good[0], broken], [good[0], damaged]):
        assert "two" in refusal(lambda items=items: intervene(corner, items, CORNER))
    assert "region" in refusal(lambda: intervene(corner, good, Region("thin", (0, 0.5, 1, 0.501))))
    assert "region" in refusal(lambda: intervene(corner, good, Region("all", (0, 0, 1, 1))))


def test_an_answer_that_is_not_a_number_is_no_effect(refusal) -> None:
    class Mute(Corner):
        def forward(self, x):
            return super().forward(x) / (x.mean((1, 2, 3)) > 0.3)[:, None]

    items = [*images(3, levels=(120, 200)), *images(2, levels=(0, 9), name="dark ")]
    assert intervene(loaded(Mute()), items, CORNER).frame["name"].tolist() == ["0.png", "1.png", "2.png"]


def test_what_is_unknown_is_refused_before_any_work(corner, refusal) -> None:
    def never(done: int, total: int) -> None:
        raise AssertionError

    items = images(2)
    assert "'paint'" in refusal(lambda: intervene(corner, items, CORNER, fill="paint", on_progress=never))
    assert "'rust'" in refusal(lambda: intervene(corner, items, CORNER, target="rust", on_progress=never))


def test_progress_is_told_and_may_stop_the_work(corner) -> None:
    told = []
    intervene(corner, images(5), CORNER, on_progress=lambda *step: told.append(step))
    assert told == [(i, 5) for i in range(6)]

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        intervene(corner, images(5), CORNER, on_progress=stop)


def test_the_model_is_left_as_it_was(tiny_net) -> None:
    model = loaded(tiny_net())
    model.model.train()
    before = {name: value.clone() for name, value in model.model.state_dict().items()}
    found = intervene(model, images(4), CORNER)
    assert all(module.training for module in model.model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.model.state_dict().items())
    assert not any(module._forward_hooks for module in model.model.modules())
    model.model.eval()
    assert intervene(model, images(4), CORNER).frame.equals(found.frame)
