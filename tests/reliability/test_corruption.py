"""Corrupted sets: decisions are those of a plain loop, stopped work goes on, and what cannot be asked about is said."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from reliability_nets import DarkSpot, classifier, parts

from workbench.errors import InputError
from workbench.images import BytesSource, ImageItem, ImageSet, corrupt
from workbench.models import ask, predict
from workbench.predictions import DecisionRule
from workbench.reliability import corrupted

torch.set_num_threads(1)
KINDS = ("underexposed", "vibration", "gain_noise", "camera_jpeg")
DEPTHS = (60, 70, 80, 90, 100, 110, 120, 130)


class Counting(DarkSpot):
    """The planted model, which counts the images that it is asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def forward(self, x):
        self.asked += len(x)
        return super().forward(x)


@pytest.fixture(scope="module")
def images():
    return parts(8, DEPTHS, a_unit=2)


@pytest.fixture(scope="module")
def clf():
    return classifier()


@pytest.fixture(scope="module")
def predictions(clf, images):
    return predict(clf, images)


@pytest.fixture(scope="module")
def result(clf, images, predictions):
    return corrupted(clf, images, predictions, KINDS)


def test_decisions_are_those_of_a_plain_loop(result, clf, images) -> None:
    """One image after the other, each corrupted by hand before the model's own preprocessing."""
    assert result.names == tuple(item.name for item in images)
    for place, item in enumerate(images):
        pixels = np.asarray(item.open().convert("RGB"))
        for kind_place, kind in enumerate(KINDS):
            for severity in (1, 3, 5):
                score = ask(clf, [corrupt(pixels, kind, severity)])[0, 1]
                assert result.decisions[place, kind_place, severity - 1] == int(np.float32(score) >= np.float32(0.5))
        assert result.clean[place] == int(ask(clf, [item])[0, 1] >= 0.5)
    assert 0 < (result.decisions != result.clean[:, None, None]).mean() < 1
    assert (result.unlike, result.shrunk, dict(result.left_out)) == (0, 0, {})


def test_one_image_at_a_time_or_many_give_the_same_decisions(result, clf, images, predictions) -> None:
    for batch in (1, 7):
        again = corrupted(clf, images, predictions, KINDS, batch=batch)
        assert (again.decisions == result.decisions).all()


def test_units_groups_and_labels_are_those_of_the_table(result, predictions) -> None:
    assert result.units is not None
    assert [len(np.unique(result.units)), len(result.names)] == [8, 16]
    assert list(result.attributes) == ["group", "camera"]
    assert (result.truth == (predictions.frame["label"] == "defective")).all()
    assert result.positive == ("defective",)
    assert result.where == "16 images of the test split"


def test_work_that_was_stopped_goes_on_and_another_threshold_costs_nothing(tmp_path, images) -> None:
    model = Counting()
    clf = classifier(model)
    predictions = predict(clf, images)
    whole = corrupted(clf, images, predictions, KINDS)

    class StoppedError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        assert total == 16 * 20
        if done >= 5 * 20 + 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        corrupted(clf, images, predictions, KINDS, folder=tmp_path, on_progress=stop)
    model.asked = 0
    told = []
    rest = corrupted(clf, images, predictions, KINDS, folder=tmp_path, on_progress=lambda *at: told.append(at))
    assert model.asked == 11 * 21
    assert told[-1] == (320, 320)
    assert (rest.decisions == whole.decisions).all()
    model.asked = 0
    strict = dataclasses.replace(predictions, rule=DecisionRule(predictions.class_names, "defective", 0.99))
    other = corrupted(clf, images, strict, KINDS, folder=tmp_path)
    assert model.asked == 0
    assert (other.decisions <= whole.decisions).all()
    assert other.decisions.sum() < whole.decisions.sum()
    warm = dataclasses.replace(predictions, rule=dataclasses.replace(predictions.rule, temperature=2.0, threshold=0.7))
    again = corrupted(dataclasses.replace(clf, rule=warm.rule), images, warm, KINDS)
    assert (corrupted(clf, images, warm, KINDS, folder=tmp_path).decisions == again.decisions).all()
    model.asked = 0
    corrupted(clf, images, predictions, (*KINDS, "dust"), folder=tmp_path)
    assert model.asked == 16 * 6  # of the kind that is new


def test_kept_answers_are_of_this_image_and_this_model(tmp_path, images, predictions, clf) -> None:
    first = corrupted(clf, images, predictions, KINDS[:1], folder=tmp_path)
    model = Counting()
    blind = classifier(model, std=(2.0,) * 3)
    model.asked = 0
    corrupted(blind, images, predictions, KINDS[:1], folder=tmp_path)
    assert model.asked == 16 * 6
    for path in tmp_path.iterdir():
        path.write_text("broken")
    assert (corrupted(clf, images, predictions, KINDS[:1], folder=tmp_path).decisions == first.decisions).all()


def test_the_sample_is_of_the_test_split_and_even_over_classes(clf) -> None:
    images = parts(30, (90,) * 10)
    mixed = ImageSet(
        "mixed",
        tuple(dataclasses.replace(item, split="train" if i % 2 else "test") for i, item in enumerate(images)),
    )
    result = corrupted(clf, mixed, predict(clf, mixed), ("shift",), most=10)
    assert all(mixed.by_name[name].split == "test" for name in result.names)
    assert np.bincount(result.truth).tolist() == [5, 5]
    assert result.sample == {"images": 40, "drawn": 10, "seed": 0, "split": "test"}


def test_what_cannot_be_asked_about_is_said(clf, images) -> None:
    broken = ImageItem("broken.png", BytesSource(b"no image"), "good", None, "test")
    mixed = ImageSet("mixed", (*images.items[:4], broken))
    predictions = predict(clf, mixed)
    assert len(corrupted(clf, mixed, predictions, ("saturate",)).names) == 4  # an unreadable one is not drawn
    lost = dataclasses.replace(predictions, frame=predictions.frame.assign(error=None))
    result = corrupted(clf, mixed, lost, ("saturate", "shift"))
    assert list(result.left_out) == ["broken.png"]
    assert (result.decisions[:, 0] == -1).all()
    assert "4 of the images cannot have it" in result.unsuited["saturate"]
    only = ImageSet("broken", (broken,))
    with pytest.raises(InputError, match=r"broken\.png"):
        corrupted(clf, only, dataclasses.replace(lost, **_row(lost, 4)), ("shift",))
    with pytest.raises(InputError, match="no corruption"):
        corrupted(clf, images, predictions, ("snow",))


def _row(predictions, place):
    return {
        "frame": predictions.frame.iloc[[place]].reset_index(drop=True),
        "probabilities": predictions.probabilities[[place]],
        "logits": predictions.logits[[place]],
    }


def test_large_images_are_shrunk_and_that_is_counted(clf) -> None:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (1500, 30), 150).save(buffer, "PNG")
    images = ImageSet("wide", (ImageItem("wide.png", BytesSource(buffer.getvalue()), "good"),))
    result = corrupted(clf, images, predict(clf, images), ("shift",))
    assert (result.shrunk, result.where) == (1, "1 image of the set")


def test_images_of_more_than_8_bits_keep_their_levels() -> None:
    import io

    from PIL import Image

    clf = classifier()
    deep = np.full((32, 32), 150 * 257, np.uint16)
    deep[10:12, 10:12] = 20 * 257
    buffer = io.BytesIO()
    Image.fromarray(deep).save(buffer, "PNG")
    images = ImageSet("deep", (ImageItem("deep.png", BytesSource(buffer.getvalue()), "defective"),))
    result = corrupted(clf, images, predict(clf, images), ("camera_jpeg", "underexposed"))
    assert (result.clean == 1).all()
    assert "8 bits" in result.unsuited["camera_jpeg"]
    assert (result.decisions[0, 1] >= 0).all()
