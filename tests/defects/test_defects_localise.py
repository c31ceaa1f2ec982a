"""Localisation by kind of defect: figures as made elsewhere, images that cannot count said so, work that can be
stopped."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import t
from sklearn.metrics import roc_auc_score
from torch import nn

from workbench.attribution.engine import attribute
from workbench.defects.curves import aupro, pixel_auroc
from workbench.defects.localise import (
    ALL_DEFECTS,
    FEW,
    LONG_EDGE,
    LeftOut,
    Row,
    localise,
    measure,
    summarise,
)
from workbench.errors import InputError
from workbench.evidence.card import assess
from workbench.images.item import BytesSource, ImageItem
from workbench.models.loading import load_classifier
from workbench.stats.rates import wilson

torch.set_num_threads(1)
Box = tuple[slice, slice]
SIZE = (40, 60)


class Bright(nn.Module):
    """Class "hole" is what an image has above middle grey, weighed by place so that no two pixels are alike."""

    def forward(self, x):
        rows, columns = torch.arange(x.shape[2]).float(), torch.arange(x.shape[3]).float()
        weights = 1 + rows[:, None] / 100 + columns / 1000
        hole = (x.relu().mean(1) * weights).sum((1, 2)) / 100
        return torch.stack([1 - hole, hole], 1)


def png(values: NDArray) -> BytesSource:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return BytesSource(buffer.getvalue())


def item(
    name: str, label: str | None = "hole", boxes: Sequence[Box] | None = (), lit: Sequence[Box] | None = None, size=SIZE
) -> ImageItem:
    """A dark image with bright boxes, by default where its mask has them; no mask where there are none to be named."""
    values, mask = np.full((*size, 3), 60, np.uint8), np.zeros(size, np.uint8)
    for box in lit if lit is not None else boxes or ():
        values[box] = 250
    for box in boxes or ():
        mask[box] = 255
    return ImageItem(name, png(values), label, None if boxes is None else png(mask))


HOLE, FAR = np.s_[20:30, 30:40], np.s_[2:6, 2:6]
SET = [
    *(
        item(
            f"hole {i}",
            "hole",
            [np.s_[5 + i : 12 + i, 8 * i : 8 * i + 7]],
            lit=[np.s_[5 + i : 12 + i, 7 * i : 8 * i + 7]],
        )
        for i in range(6)
    ),
    *(item(f"stain {i}", "stain", [HOLE], lit=[FAR]) for i in range(3)),
    *(item(f"good {i}", "good", None) for i in range(4)),
]
SCORES = {one.name: number / 13 for number, one in enumerate(reversed(SET))}


def loaded(**settings):
    return load_classifier(Bright().eval(), size=SIZE, class_names=["good", "hole"], device="cpu", **settings)


@pytest.fixture(scope="module")
def clf():
    return loaded()


@pytest.fixture(scope="module")
def found(clf):
    return localise(clf, SET, "input_x_gradient", target="hole", scores=SCORES)


@pytest.fixture(scope="module")
def maps(clf) -> list[NDArray[np.float32]]:
    return [attribute(clf, one, "input_x_gradient", "hole").on_image().clip(0) for one in SET]


def line(frame, kind):
    return frame.set_index("kind").loc[kind]


def test_a_map_of_known_values_is_measured_by_hand() -> None:
    values = np.zeros(SIZE)
    values[HOLE] = 1
    values[FAR] = 2
    values[0, 0] = -50  # speaks against, and adds nothing
    row = measure(item("a", boxes=[HOLE, FAR]), values, score=0.7)
    assert (row.name, row.kind, row.score, row.mass, row.hit) == ("a", "hole", 0.7, 1, True)
    assert row.chance == pytest.approx((100 + 16) / 2400)
    assert (row.pixels.regions, row.pixels.marked.size, row.pixels.sound.size) == (2, 116, 2284)
    assert row.pixels.sound[0] == -50
    only = measure(item("a", boxes=[HOLE]), values)
    assert (only.mass, only.hit) == (pytest.approx(100 / 132), False)
    empty = measure(item("a", boxes=[np.s_[:5, :5]]), np.zeros(SIZE))
    assert (empty.mass, empty.hit) == (0, False)


@pytest.mark.parametrize(
    ("method", "target"),
    [("input_x_gradient", "hole"), ("saliency", "hole"), ("smoothgrad", "good"), ("occlusion", "hole")],
)
@pytest.mark.parametrize("settings", [{}, {"resize": "crop"}, {"resize": "pad"}])
def test_an_image_has_the_figures_of_its_evidence_card(method, target, settings, cheap) -> None:
    """Whatever the sign of the method means, and however much of the image the model saw."""
    clf = loaded(**settings)
    one = item("a", boxes=[np.s_[20:44, 30:46]], lit=[np.s_[24:52, 40:60]], size=(50, 90))
    made = attribute(clf, one, method, target, **cheap(method))
    row, card = measure(one, made), assess(clf, one.open(), made, one.open_mask())
    assert row.mass == pytest.approx(card["relevance_mass"].value, abs=1e-6)
    assert row.hit == (card["pointing"].value >= 0.5)
    assert row.chance == pytest.approx(card["pointing"].chance, abs=1e-6)
    assert 0 < row.mass < 1


def test_an_anomaly_map_is_ranked_as_it_is(clf) -> None:
    """Some models give maps that are below zero all over; where they did not look they found nothing."""
    narrow = loaded(resize="crop")
    one = item("a", boxes=[np.s_[20:44, 30:46]], size=(50, 90))
    made = dataclasses.replace(attribute(narrow, one, "saliency", "hole"), method="anomaly_map")
    made = dataclasses.replace(made, values=-1 - np.abs(made.values))
    row = measure(one, made)
    seen = made.placement.to_original(np.ones(SIZE, np.float32)) > 0
    values = made.on_image()
    ranked = np.where(seen, values, values[seen].min())
    assert 0 < (~seen).mean() < 0.5
    assert row.pixels.sound == pytest.approx(np.sort(ranked[~one.open_mask()]))
    assert (row.mass, row.pixels.sound.max() < 0) == (0, True)
    assert measure(item("b", boxes=[HOLE]), np.arange(2400.0).reshape(SIZE) - 9000).pixels.sound[0] == -9000


def test_each_kind_is_held_against_all_good_images(found, maps) -> None:
    masks = [one.open_mask() if one.mask else np.zeros(SIZE, bool) for one in SET]
    rows = {"hole": [*range(6), *range(9, 13)], "stain": range(6, 13), ALL_DEFECTS: range(13)}
    for kind, members in rows.items():
        some, marks = [maps[i] for i in members], [masks[i] for i in members]
        told = line(found.frame, kind)
        assert told["AUPRO"] == pytest.approx(aupro(some, marks), abs=1e-9)
        assert told["pixel AUROC"] == pytest.approx(pixel_auroc(some, marks), abs=1e-9)
        scores, truth = [SCORES[SET[i].name] for i in members], [SET[i].label != "good" for i in members]
        assert told["image AUROC"] == pytest.approx(roc_auc_score(truth, scores))
        assert told["support"] == told["regions"] == sum(truth)
        assert told["enough"] == (sum(truth) >= FEW)
    assert found.frame["kind"].tolist() == ["hole", "stain", ALL_DEFECTS]
    assert found.good == 4
    assert line(found.frame, "hole")["AUPRO"] > 0.98 > 0.3 > line(found.frame, "stain")["AUPRO"]


def test_shares_have_their_intervals_beside_chance(found, clf) -> None:
    kind = line(found.frame, "hole")
    masses = np.array([measure(one, attribute(clf, one, "input_x_gradient", "hole")).mass for one in SET[:6]])
    half = t.ppf(0.975, 5) * masses.std(ddof=1) / 6**0.5
    assert masses.std() > 0
    assert kind[["mass accuracy", "mass accuracy low"]].tolist() == pytest.approx(
        [masses.mean(), masses.mean() - half], abs=1e-9
    )
    assert kind["mass accuracy high"] == min(masses.mean() + half, 1)
    told = wilson(6, 6)
    assert kind[["pointing", "pointing low", "pointing high"]].tolist() == [told.value, told.low, told.high]
    assert line(found.frame, "stain")["pointing"] == line(found.frame, "stain")["mass accuracy"] == 0
    assert kind["mass accuracy chance"] == kind["pointing chance"] == pytest.approx(49 / 2400)
    assert (kind["AUPRO chance"], kind["pixel AUROC chance"]) == (0.15, 0.5)


def test_a_large_image_is_measured_on_a_smaller_copy_with_every_region(clf) -> None:
    """Specks of one pixel, of which the nearest pixels of the copy hit few, and one region in two parts of the copy."""
    shape = (900, 1800)
    rng = np.random.default_rng(0)
    specks = [
        np.s_[y : y + 1, x : x + 1]
        for y, x in zip(rng.permutation(90)[:30] * 10, rng.permutation(180)[:30] * 10, strict=True)
    ]
    large = item("large", boxes=[np.s_[401:640, 901:1200], *specks], lit=[np.s_[401:640, 901:1200]], size=shape)
    row = measure(large, attribute(clf, large, "input_x_gradient", "hole"))
    assert row.pixels.sound.size + row.pixels.marked.size == LONG_EDGE * LONG_EDGE // 2
    assert row.pixels.regions >= 29  # one may lie in the large one
    assert row.pixels.marked.size / (LONG_EDGE * LONG_EDGE / 2) == pytest.approx(239 * 299 / (900 * 1800), rel=0.02)
    assert (row.mass, row.hit) == (pytest.approx(0.96, abs=0.03), True)
    own = np.zeros(shape, np.float32)
    own[401:640, 901:1200] = 1
    assert measure(large, own).mass > 0.98


def test_images_that_cannot_count_are_told_with_their_reason(clf) -> None:
    broken = ImageItem("broken", BytesSource(b"no image"), "hole", png(np.ones(SIZE, np.uint8)))
    small = ImageItem("small", SET[0].source, "stain", png(np.ones((4, 4), np.uint8)))
    odd = [
        broken,
        small,
        item("bare", "hole", None),
        item("blank", "hole"),
        item("spoilt", "good", [HOLE]),
        item("who", None),
    ]

    def target(one: ImageItem) -> str:
        return "spot" if one.name == "stain 0" else "hole"

    found = localise(clf, [*SET, *odd], "saliency", target=target)
    reasons = {one.name: (one.kind, one.reason) for one in found.left_out}
    assert reasons == {
        "broken": ("hole", "unreadable"),
        "small": ("stain", "unreadable"),
        "bare": ("hole", "no mask"),
        "blank": ("hole", "empty mask"),
        "spoilt": (None, "good with a mask"),
        "stain 0": ("stain", "no map"),
    }
    assert all(one.message.endswith(".") for one in found.left_out)
    assert "'spot'" in next(one.message for one in found.left_out if one.reason == "no map")
    frame = found.frame.set_index("kind")
    assert frame["left out"].to_dict() == {"hole": 3, "stain": 2, ALL_DEFECTS: 5}
    assert frame["support"].to_dict() == {"hole": 6, "stain": 2, ALL_DEFECTS: 8}
    assert set(frame.loc["stain", "why"].split(", ")) == {"1 unreadable", "1 no map"}
    assert found.good == 5  # "who" has no label, and an empty mask


def test_a_kind_of_which_nothing_is_left_still_stands_there() -> None:
    rows = [measure(one, np.random.default_rng(0).random(SIZE)) for one in (SET[0], SET[9])]
    frame = summarise(rows, [LeftOut("x", "crack", "no map", "It has none.")])
    crack = line(frame, "crack")
    assert (crack["support"], crack["enough"], crack["why"]) == (0, False, "1 no map")
    assert crack[["mass accuracy", "pointing", "AUPRO", "image AUROC"]].isna().all()
    hole = line(frame, "hole")
    assert (hole["support"], hole["enough"]) == (1, False)
    assert hole[["mass accuracy low", "AUPRO low"]].isna().all()
    assert 0 < hole["AUPRO"] < 1


def test_a_sample_is_even_over_labels_and_the_same_again(clf) -> None:
    found = localise(clf, SET, "saliency", target="hole", most=7)
    frame = found.frame.set_index("kind")
    assert (found.sample["images"], found.sample["drawn"], found.sample["seed"]) == (13, 7, 0)
    assert sorted([found.good, frame["support"]["hole"], frame["support"]["stain"]]) == [2, 2, 3]
    again = localise(clf, SET, "saliency", target="hole", most=7)
    assert again.frame.equals(found.frame)


def test_stopped_work_goes_on_where_it_was(clf) -> None:
    rows: dict[str, Row] = {}
    explained, ticks = [], []

    def target(one: ImageItem) -> str:
        explained.append(one.name)
        return "hole"

    def stop(done: int, total: int) -> None:
        ticks.append((done, total))
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        localise(clf, SET, "saliency", target=target, rows=rows, on_progress=stop)
    assert ticks == [(done, 13) for done in range(6)]
    assert len(rows) == len(explained) == 5
    first = localise(clf, SET, "saliency", target=target, rows=rows)
    assert sorted(explained) == sorted(one.name for one in SET)
    again = localise(clf, SET, "saliency", target=target, rows=rows, scores=SCORES)
    assert len(explained) == 13
    assert first.frame["image AUROC"].isna().all()
    assert again.frame["image AUROC"].notna().all()
    assert again.frame["AUPRO"].equals(localise(clf, SET, "saliency", target="hole").frame["AUPRO"])


def test_what_cannot_be_done_is_refused(clf, refusal) -> None:
    assert "no method" in refusal(lambda: localise(clf, SET, "guesswork"))
    assert "Attention rollout" in refusal(lambda: localise(clf, SET, "attention_rollout"))
    assert "no setting" in refusal(lambda: localise(clf, SET, "saliency", params={"steps": 3}))
    assert "mask" in refusal(lambda: localise(clf, SET[9:], "saliency"))
    assert "mask" in refusal(lambda: localise(clf, SET, "saliency", good=("good", "hole", "stain")))
    assert "mask" in refusal(lambda: summarise([]))
    assert "8 x 9" in refusal(lambda: measure(SET[0], np.zeros((9, 8))))
    with pytest.raises(InputError):
        localise(clf, [SET[0]], "saliency", target="spot")
