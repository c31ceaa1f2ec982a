"""Shortcuts: the planted one is named over five seeds and the sound model accused of nothing; verdicts follow from both
kinds of proof."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from heatmaps import lit, maps
from PIL import Image
from torch import nn

import workbench as wb
from workbench.audit.reader import open_audit
from workbench.audit.runner import run
from workbench.bias.conclusions import of_shortcuts
from workbench.bias.intervene import intervene
from workbench.bias.places import CENTRE, CORNERS, REGIONS
from workbench.bias.shortcut import LEAST, MOST_COVERED, PLACES, shortcuts
from workbench.bias.where import maps_of
from workbench.images.item import FileSource, ImageItem, ImageSet

CORNER = REGIONS["bottom right corner"]
CLASSES = ("good", "bad")
EACH = 24


class Corner(nn.Module):
    """Calls bad what is bright in the last quarter of height and width."""

    def forward(self, x):
        z = 20 * (x[..., 24:, 24:].mean((1, 2, 3)) - 0.6)
        return torch.stack([torch.zeros_like(z), z], 1)


class Spotted(nn.Module):
    """Calls bad what has a bright spot within its first half of height and width."""

    def forward(self, x):
        z = 20 * (nn.functional.avg_pool2d(x, 4)[..., :4, :4].mean(1).amax((1, 2)) - 0.7)
        return torch.stack([torch.zeros_like(z), z], 1)


def loaded(model: nn.Module, classes=CLASSES):
    return wb.load_classifier(model, size=(32, 32), classes=classes, mean=(0, 0, 0), std=(1, 1, 1), device="cpu")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Images with a bright defect at the top left; the first half carry a stamp at the bottom right and are the bad
    ones."""
    folder, rng = tmp_path_factory.mktemp("parts"), np.random.default_rng(0)
    over = np.zeros((32, 32), bool)
    for name, (top, bottom, left, right) in {"apart": (4, 9, 6, 11), "there": (25, 29, 25, 29)}.items():
        mask = over.copy()
        mask[top:bottom, left:right] = True
        Image.fromarray(mask).save(folder / f"{name}.mask.png")
    items = []
    for i in range(2 * EACH):
        pixels = rng.integers(60, 121, (32, 32, 3), np.uint8)
        pixels[4:9, 6:11] = 250
        if i < EACH:
            pixels[24:, 24:] = 255
        path = folder / f"{i}.png"
        Image.fromarray(pixels).save(path)
        items.append(ImageItem(path.name, FileSource(path), None, FileSource(folder / "apart.mask.png")))
    return ImageSet("parts", tuple(items), CLASSES)


def masked(images: ImageSet, mask: str | None, count: int) -> ImageSet:
    """The first `count` with another mask, or with none."""

    def other(item: ImageItem) -> ImageItem:
        return dataclasses.replace(
            item, mask=None if mask is None else FileSource(item.source.path.with_name(f"{mask}.mask.png"))
        )

    return dataclasses.replace(images, items=(*map(other, images.items[:count]), *images.items[count:]))


def looking(*regions, bad: float = 0.5, good: float = 0.05):
    """Maps of the parts: of those called bad about so much lies in the corner, or shared out over some regions, the
    rest in the middle."""
    rng, regions = np.random.default_rng(1), regions or (CORNER,)
    shares = np.concatenate([rng.normal(bad, 0.02, EACH), rng.normal(good, 0.01, EACH)])
    return maps(
        sum(lit(region, shares, CENTRE) for region in regions) / len(regions), np.repeat(["bad", "good"], EACH), 0.2
    )


def grave(found):
    return {(f.target, f.region.name): f.verdict for f in found if f.verdict != "clear"}


# The planted truth


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3, 4, 5))])
def test_the_planted_shortcut_is_named_and_the_sound_model_is_not_accused(seed, tmp_path) -> None:
    images = wb.load_images(f"stamped-metal:{seed}")
    for name in ("metal-shortcut", "metal-sound"):
        classifier, folder = wb.load_classifier(name), tmp_path / name
        for _ in run(classifier, images, folder, attributions="grad_cam", sample=200):
            pass
        audit = open_audit(folder)
        found = shortcuts(classifier, images, maps_of(audit.summaries("grad_cam"), audit.predictions))
        accused = [f for f in found if f.verdict in ("shortcut", "leans")]
        if name == "metal-sound":
            assert not accused
            assert of_shortcuts(found, 150)[-1].verdict == "none"
            continue
        (one,) = accused
        assert (one.target, one.region.name, one.verdict) == ("scratch", "bottom right corner", "shortcut")
        assert found[0] is one
        assert one.tried.effect.high < 0
        assert one.p_effect <= 0.05
        assert one.masks
        assert "“scratch”" in one.sentence
        assert "bottom right corner" in one.sentence
        flips, elsewhere = (f"{100 * rate.value:.0f} % (" for rate in (one.tried.turned, one.tried.turned_elsewhere))
        (line,) = of_shortcuts(found, 150)
        assert (line.verdict, line.lead, line.about) == ("proven", "Shortcut found", "scratch")
        assert line.sentence.startswith(
            f"the model calls an image “scratch” because of the bottom right corner: covering it flips {flips}"
        )
        assert f"of these decisions, {elsewhere}" in line.sentence
        assert line.sentence.endswith(f"when as much is covered elsewhere, in {one.tried.turned.support} images.")


# Verdicts


def test_a_shortcut_is_claimed_where_both_agree_and_masks_clear_the_part(parts) -> None:
    found = shortcuts(loaded(Corner()), parts, looking())
    assert grave(found) == {("bad", CORNER.name): "shortcut"}
    one = found[0]
    assert one.masks
    assert one.share.value == pytest.approx(0.5, abs=0.04)
    assert one.others == pytest.approx(0.05, abs=0.01)
    assert one.p_where < 1e-6
    assert one.tried.effect.high < -0.5
    assert one.tried.effect.support == EACH
    assert {f.target for f in found} == set(CLASSES)
    assert len(found) == 2 * len(PLACES)


def test_without_most_masks_it_leans(parts) -> None:
    for count, verdict in ((EACH, "leans"), (EACH // 2, "leans"), (EACH // 2 - 1, "shortcut")):
        found = shortcuts(loaded(Corner()), masked(parts, None, count), looking())
        assert grave(found) == {("bad", CORNER.name): verdict}
        assert found[0].masks == (verdict == "shortcut")
        assert ("marked defects" in found[0].sentence) == (verdict == "shortcut")


def test_what_is_looked_at_and_does_not_matter_is_no_shortcut(parts) -> None:
    found = shortcuts(loaded(Spotted()), parts, looking())
    assert grave(found) == {("bad", CORNER.name): "looks"}
    assert found[0].tried.effect.high >= 0
    assert "that covering it does more than covering as much elsewhere is not proven" in found[0].sentence


def test_what_matters_and_is_not_looked_at_is_not_tried(parts) -> None:
    for bad, good in ((0.07, 0.05), (0.3, 0.6)):  # more than others but less than an even map has, and less than others
        found = shortcuts(loaded(Corner()), parts, looking(bad=bad, good=good))
        assert ("bad", CORNER.name) not in grave(found)
    one = next(f for f in found if (f.target, f.region) == ("bad", CORNER))
    assert one.tried is None
    assert one.p_effect is None
    assert "does not stand out" in one.sentence


def test_images_whose_defect_lies_there_are_left_out(parts) -> None:
    few = EACH - LEAST + 1
    assert grave(shortcuts(loaded(Corner()), masked(parts, "there", few - 1), looking())) == {
        ("bad", CORNER.name): "shortcut"
    }
    found = shortcuts(loaded(Corner()), masked(parts, "there", few), looking())
    assert grave(found) == {("bad", CORNER.name): "too few"}
    assert found[0].tried is None
    assert str(LEAST) in found[0].sentence
    assert "chance" not in found[0].sentence


def test_classes_with_few_verdicts_are_not_judged(parts) -> None:
    called = np.array(["bad"] * (LEAST - 1) + ["good"] * (2 * EACH - LEAST + 1))
    found = looking()
    assert (
        shortcuts(loaded(Corner()), parts, dataclasses.replace(found, frame=found.frame.assign(predicted=called))) == []
    )


def test_no_number_of_classes_hides_a_shortcut() -> None:
    from workbench.bias.shortcut import _looked_at

    rng, classes = np.random.default_rng(0), 150
    called = np.repeat([f"{i:03}" for i in range(classes)], LEAST)
    share = rng.normal(0.05, 0.02, len(called)).clip(0.001)
    share[called == "077"] = rng.normal(0.3, 0.05, LEAST)
    found = _looked_at(maps(lit(CORNER, share, CENTRE), called), PLACES)
    assert len(found) == classes * len(PLACES)
    assert grave(found) == {("077", CORNER.name): "looks"}


def test_among_images_that_were_dealt_out_no_place_stands_out() -> None:
    from workbench.bias.shortcut import _chance, _looked_at

    rng = np.random.default_rng(2)
    pool = rng.gamma(0.5, size=(120, 8, 8)).repeat(4, 1).repeat(4, 2)
    pool /= pool.sum((1, 2), keepdims=True)
    values = rng.beta(2, 8, size=(2000, 120))
    assert 0.04 <= np.mean([_chance(row, np.arange(len(row)) < 40, None) <= 0.05 for row in values]) <= 0.06
    accused = 0
    for _ in range(200):
        accused += bool(grave(_looked_at(maps(rng.permutation(pool), np.repeat(["a", "b", "c"], 40)), PLACES)))
    assert accused <= 19  # the binomial 99 % bound of 5 in 100


# Interventions


def test_many_effects_are_corrected_for_their_number(parts) -> None:
    alone = shortcuts(loaded(Corner()), parts, looking(), places=CORNERS[3:])[0]
    assert alone.p_effect == alone.tried.p
    found = shortcuts(loaded(Corner()), parts, looking(*CORNERS[1:], bad=0.9), places=CORNERS)
    assert grave(found) == {("bad", corner.name): "shortcut" if corner is CORNER else "looks" for corner in CORNERS[1:]}
    assert found[0].p_effect == pytest.approx(3 * found[0].tried.p)


def test_exchange_is_with_images_of_all_classes(parts) -> None:
    found = shortcuts(loaded(Corner()), parts, looking(), fill="exchange")
    assert grave(found) == {("bad", CORNER.name): "shortcut"}
    stamped = parts.items[:EACH]  # among themselves they would exchange one stamp for another
    assert intervene(loaded(Corner()), stamped, CORNER, target="bad", fill="exchange").effect.value > -0.05


def test_at_most_so_many_images_are_covered(parts, monkeypatch) -> None:
    from workbench.bias import shortcut

    monkeypatch.setattr(shortcut, "MOST_COVERED", LEAST)
    assert MOST_COVERED > EACH
    one, again = (shortcuts(loaded(Corner()), parts, looking(), seed=3)[0].tried for _ in range(2))
    assert one.effect.support == LEAST
    assert one.frame.equals(again.frame)
    assert set(one.frame["name"]) != set(shortcuts(loaded(Corner()), parts, looking(), seed=4)[0].tried.frame["name"])


def test_images_that_are_gone_or_damaged_are_passed_over(parts) -> None:
    gone = dataclasses.replace(parts, items=parts.items[2:])
    assert shortcuts(loaded(Corner()), gone, looking())[0].tried.effect.support == EACH - 2
    torn = dataclasses.replace(parts.items[0], mask=FileSource(parts.items[0].source.path.with_name("nowhere.png")))
    found = shortcuts(loaded(Corner()), dataclasses.replace(parts, items=(torn, *parts.items[1:])), looking())
    assert found[0].tried.effect.support == EACH - 1


def test_it_is_the_class_that_the_maps_are_of_that_is_watched(parts) -> None:
    # The maps are of a model that called bad what this one calls good: covering the corner then raises P(bad), for no
    # reason to accuse.
    class Inverted(Corner):
        def forward(self, x):
            return -super().forward(x)

    one = shortcuts(loaded(Inverted()), parts, looking())[0]
    assert one.verdict == "looks"
    assert set(one.tried.frame["target"]) == {"bad"}
    assert one.tried.effect.low > 0.5


def test_progress_ends_at_its_total_and_may_stop_the_work(parts) -> None:
    told = []
    shortcuts(
        loaded(Corner()), masked(parts, "there", EACH - LEAST), looking(), on_progress=lambda *step: told.append(step)
    )
    assert told[0] == (0, LEAST)
    assert told[-1] == (LEAST, LEAST)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    told.clear()
    three = CORNERS[1:]  # in the last of them, the defect of too many images lies
    images, some = masked(parts, "there", EACH - LEAST + 1), looking(*three, bad=0.9)
    shortcuts(loaded(Corner()), images, some, places=three, on_progress=lambda *step: told.append(step))
    assert told == [(done, 2 * EACH) for done in (*range(EACH + 1), *range(EACH, 2 * EACH + 1))]
    told.clear()
    shortcuts(loaded(Corner()), masked(parts, "there", EACH), looking(), on_progress=lambda *step: told.append(step))
    assert told == []  # nothing is left to try

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shortcuts(loaded(Corner()), parts, looking(), on_progress=stop)


# Words


def test_a_sentence_says_share_effect_and_verdicts(parts) -> None:
    one = shortcuts(loaded(Corner()), parts, looking())[0]
    effect, tried = one.tried.effect, one.tried
    for part in (
        f"{one.share.value:.0%} of its attribution on 9% of the image",
        f"{one.others:.0%} for other verdicts",
        f"P(bad) by {-effect.value:.2f} ({-effect.high:.2f} to {-effect.low:.2f})",
        f"in {EACH} images {tried.turned.value:.0%} of decisions flip, {tried.turned_elsewhere.value:.0%} elsewhere",
    ):
        assert part in one.sentence
    assert one.sentence.endswith(".")


def test_a_class_may_be_called_anything(parts) -> None:
    name = '<b>"bad"</b> *x* {0} 100 %'
    found = looking()
    called = found.frame["predicted"].replace("bad", name)
    judged = shortcuts(
        loaded(Corner(), ("good", name)), parts, dataclasses.replace(found, frame=found.frame.assign(predicted=called))
    )
    assert judged[0].verdict == "shortcut"
    assert judged[0].sentence.count(name) == 2
