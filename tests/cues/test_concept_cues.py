"""Concepts of the last feature layer, on networks whose channels are known because they were built so."""

import numpy as np
import pytest
import torch
from cornered import turned
from PIL import Image
from torch import nn

import workbench as wb
from workbench.cues import (
    RECORDED,
    Cue,
    Refit,
    Transplant,
    claim_of,
    cue_search,
    proposed_again,
    recorded,
    search,
    study_of,
    transplant,
    trials_table,
    tried_table,
)
from workbench.cues.concept_cues import around, concepts
from workbench.cues.cue_findings import judged
from workbench.files import read_value, write_value
from workbench.images import resized

SIDE, EDGE, MANY = 32, 6, 56
PLAIN = (120, 120, 120)
BLUE, RED = (40, 60, 220), (220, 60, 40)
CLASSES = ("good", "scratch")


def sees(channel):
    """A network with a feature layer of three channels (blue, red, grey) at every second pixel: "scratch" where one of
    the first two is somewhere."""
    first, second, head = nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 3, 3, 2, padding=1), nn.Linear(3, 2)
    with torch.no_grad():
        first.weight[:] = torch.eye(3)[..., None, None]
        second.weight[:], second.bias[:] = 0, torch.tensor([-0.1, -0.1, 0.0])
        second.weight[0, :, 1, 1] = torch.tensor([-0.5, -0.5, 1.0])
        second.weight[1, :, 1, 1] = torch.tensor([1.0, -0.5, -0.5])
        second.weight[2, :, 1, 1] = 0.2
        head.weight[:], head.bias[:] = 0, torch.tensor([3.6, -3.6])  # half of a mark is none
        head.weight[1, channel], head.weight[0, channel] = 8.0, -8.0
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), head)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Good parts, and scratches: a red square that a mask shows, and a blue one elsewhere."""
    folder, rng = tmp_path_factory.mktemp("concepts"), np.random.default_rng(0)
    lines, bare = ["image,label,split,mask"], ["image,label,split"]
    for number in range(2 * MANY):
        pixels = np.full((SIDE, SIDE, 3), PLAIN, np.uint8) + rng.integers(-9, 9, (SIDE, SIDE, 1)).astype(np.uint8)
        mask, label = np.zeros((SIDE, SIDE), bool), CLASSES[number % 2]
        if label == "scratch":
            top, left = (int(i) for i in rng.integers(2, SIDE // 2 - EDGE - 2, 2))
            mask[top : top + EDGE, left : left + EDGE] = True
            pixels[mask] = RED
            top, left = (int(i) for i in rng.integers(SIDE // 2 + 2, SIDE - EDGE, 2))
            pixels[top : top + EDGE, left : left + EDGE] = BLUE
        Image.fromarray(pixels).save(folder / f"{number}.png")
        Image.fromarray(mask).save(folder / f"{number}-mask.png")
        lines.append(f"{number}.png,{label},test,{f'{number}-mask.png' if mask.any() else ''}")
        bare.append(f"{number}.png,{label},test")
    (folder / "set.csv").write_text("\n".join(lines))
    (folder / "bare.csv").write_text("\n".join(bare))
    return folder


def study(folder, channel, table="set.csv"):
    images = wb.load_images(folder / table)
    classifier = wb.load_classifier(
        sees(channel), class_names=CLASSES, size=(SIDE, SIDE), mean=(0, 0, 0), std=(1, 1, 1)
    )
    predictions = wb.predict(classifier, images)
    assert (predictions.frame["predicted"] == predictions.frame["label"]).all()
    return study_of(classifier, list(images), predictions)


@pytest.fixture(scope="module")
def by_mark(folder):
    return study(folder, 0)


@pytest.fixture(scope="module")
def tried(by_mark):
    (cue,) = concepts(by_mark, "scratch")
    return transplant(by_mark, cue)


def test_the_channel_that_decides_is_proposed_by_crops_of_what_it_sees(by_mark, tried):
    exchange = tried.cue.exchange
    assert tried.cue.kind == "concept"
    assert abs(exchange.parts.directions[exchange.number]).argmax() == 0
    for crop in exchange.crops:
        assert (np.abs(crop.pixels.astype(int) - BLUE).max(2) < 20).mean() > 0.3
        assert crop.box[0] >= 0.4  # the marks lie below, the scratches above
    rows = [
        np.concatenate([resized(c.pixels.astype(np.float32), (96, 96)) for c in exchange.crops[i : i + 4]], 1)
        for i in (0, 4)
    ]
    assert tried.cue.crop == pytest.approx(np.concatenate(rows), abs=1)
    assert not list(concepts(by_mark, "good"))  # nothing speaks for it but that nothing speaks against it


def test_it_is_proven_in_the_layer_and_in_the_image(by_mark, tried):
    for way in (tried.put, tried.taken, tried.suppressed):
        assert way.enough
        assert way.flips.value >= 0.9
        assert way.decoys.value <= 0.1
    (finding,) = judged(by_mark, [tried])
    assert finding.verdict == "shortcut"
    assert "suppressing it in the layer turns 100 %" in claim_of(finding)


def test_shares_in_the_layer_are_those_of_a_plain_loop(by_mark, tried):
    model = by_mark.classifier.model
    for line in list(tried.suppressed.frame.itertuples())[:6]:
        item = next(item for item in by_mark.items if item.name == line.name)
        x = torch.from_numpy(np.array(item.open())).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            features = model[:4](x)
            features[:, 0] = 0
            assert (model[4:](features).argmax() == 0) == bool(line.turned)


def test_a_search_tells_and_keeps_what_it_turns_in_the_layer(by_mark, tried, tmp_path, monkeypatch):
    monkeypatch.setattr(cue_search, "PROPOSERS", {"concept": concepts})
    whole = search(by_mark)
    write_value(tmp_path / "search.json", recorded(whole))
    again = read_value(tmp_path / "search.json", *RECORDED)
    own = again.findings[0].transplant
    assert own.cue.inside is None
    assert own.suppressed.frame.to_dict() == whole.findings[0].transplant.suppressed.frame.to_dict()
    np.testing.assert_array_equal(own.cue.crop, tried.cue.crop)
    row = tried_table(again).iloc[0]
    assert row["suppressed in the layer: flips"] == own.suppressed.flips.value == 1
    assert row["suppressed in the layer: images"] == len(own.suppressed.frame)
    assert "suppressed in the layer" in set(trials_table(again)["edit"])
    cue = proposed_again(by_mark, own.cue)  # to fit the last layer anew, from the record alone
    assert cue.exchange.carries(np.asarray(by_mark.decoded(by_mark.items[by_mark.confirmed("scratch")[0]])[0]))
    write_value(tmp_path / "refit.json", Refit(cue, 1, own.put.frame).record)


def test_a_concept_that_lies_on_masked_defects_alone_is_not_proposed(folder):
    assert not list(concepts(study(folder, 1), "scratch"))


def test_without_masks_a_concept_is_never_accused_for_it_may_be_the_defect(folder):
    bare = study(folder, 1, "bare.csv")
    (cue,) = concepts(bare, "scratch")
    result = transplant(bare, cue)
    assert result.put.flips.value >= 0.9
    (finding,) = judged(bare, [result])
    assert finding.verdict == "looks"
    assert not finding.accused


@pytest.mark.parametrize(
    ("inside", "verdict"),
    [((0.9, 0.0), "shortcut"), ((0.1, 0.0), "looks"), ((0.9, 0.8), "looks"), (None, "looks")],
)
def test_what_the_image_proves_must_hold_in_the_layer_too(by_mark, tried, inside, verdict):
    ways = turned(0.9, 0.0), turned(0.9, 0.0)
    suppressed = None if inside is None else turned(*inside)
    (finding,) = judged(by_mark, [Transplant(tried.cue, *ways, suppressed=suppressed)])
    assert finding.verdict == verdict


def test_what_turns_decisions_in_the_layer_alone_is_not_accused(by_mark):
    cue = Cue("concept", "what it sees", "scratch", None)
    ways = turned(0.05, 0.0), turned(0.1, 0.05)
    (finding,) = judged(by_mark, [Transplant(cue, *ways, suppressed=turned(0.9, 0.0))])
    assert finding.verdict == "clear"


def test_a_model_without_a_feature_layer_says_that_none_was_looked_for(folder, monkeypatch):
    monkeypatch.setattr(cue_search, "PROPOSERS", {"concept": concepts})
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 2))
    with torch.no_grad():
        flat[1].weight[:] = torch.tensor([-1.0, 1.0])[:, None] * (torch.arange(3 * SIDE * SIDE) < SIDE * SIDE)
        flat[1].bias[:] = torch.tensor([1.0, -1.0]) * 480
    classifier = wb.load_classifier(flat, class_names=CLASSES, size=(SIDE, SIDE), mean=(0, 0, 0), std=(1, 1, 1))
    images = wb.load_images(folder / "set.csv")
    result = search(study_of(classifier, list(images), wb.predict(classifier, images)))
    assert "concept" not in result.kinds
    assert {"a concept of the last feature layer"} <= {line.what for line in result.unsearched}


def test_the_box_lies_around_the_peak_in_the_pixels_of_the_image(by_mark):
    amount = np.zeros((8, 8), np.float32)
    amount[2:4, 5], amount[2, 6], amount[7, 0] = 1.0, 0.6, 0.9
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    assert around(by_mark.classifier, image, amount) == pytest.approx((2 / 8, 5 / 8, 4 / 8, 7 / 8))
    assert around(by_mark.classifier, image, np.ones((8, 8), np.float32)) == pytest.approx((0, 0, 1 / 2, 1 / 2))
