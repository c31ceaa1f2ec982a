"""The maps of a sample of an image set, summed up: which images, what is kept, what is computed again."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from corner import Corner
from PIL import Image

import workbench as wb
from workbench import attribution
from workbench.audit.reader import open_audit
from workbench.audit.runner import Progress, run
from workbench.images.item import FileSource, ImageItem, ImageSet
from workbench.images.samples import stratify as draw

CLASSES = ("good", "bad")


@pytest.fixture
def classifier():
    return wb.load_classifier(Corner(), size=(16, 16), classes=CLASSES, mean=(0, 0, 0), std=(1, 1, 1), device="cpu")


@pytest.fixture
def images(tmp_path):
    """Twelve images of 40 x 64 pixels; every third has a mask over the left half."""
    noise = np.random.default_rng(0)
    mask = np.zeros((40, 64), np.uint8)
    mask[:, :32] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    items = []
    for i in range(12):
        path = tmp_path / f"{i}.png"
        Image.fromarray(noise.integers(1, 256, (40, 64, 3), np.uint8)).save(path)
        items.append(
            ImageItem(path.name, FileSource(path), CLASSES[i % 2], None if i % 3 else FileSource(tmp_path / "mask.png"))
        )
    return ImageSet("set", tuple(items), CLASSES)


@pytest.fixture
def explained(monkeypatch):
    """The names of the images that are explained from now on."""
    names, real = [], attribution.attribute

    def noted(classifier, item, *rest, **settings):
        names.append(item.name)
        return real(classifier, item, *rest, **settings)

    monkeypatch.setattr(attribution, "attribute", noted)
    return names


def frame(*groups):
    """A table with `count` images for each (count, label, split)."""
    rows = [(label, split) for count, label, split in groups for _ in range(count)]
    found = pd.DataFrame(rows, columns=["label", "split"], dtype=object)
    return found.assign(
        id=[f"id {i}" for i in range(len(rows))], name=[f"{i}.png" for i in range(len(rows))], error=None
    )


def strata(said):
    """How many were drawn of each (label, split)."""
    return {(one["label"], one["split"]): one["drawn"] for one in said["strata"]}


def steps_of(classifier, images, folder, method="saliency", **settings):
    return [
        step
        for step in run(classifier, images, folder, attributions=method, **settings)
        if step.stage == "attributions"
    ]


# The sample


def test_classes_and_splits_give_equally_many_and_small_ones_all_they_have() -> None:
    table = frame((100, "good", "train"), (100, "bad", "train"), (5, "bad", "validation"), (50, None, None))
    chosen, said = draw(table, 65, 0)
    assert Counter(zip(table["label"][chosen].fillna("none"), table["split"][chosen].fillna("none"), strict=True)) == {
        ("good", "train"): 20,
        ("bad", "train"): 20,
        ("bad", "validation"): 5,
        ("none", "none"): 20,
    }
    assert strata(said) == {("bad", "validation"): 5, (None, None): 20, ("bad", "train"): 20, ("good", "train"): 20}
    assert (said["asked"], said["drawn"], said["seed"], said["split"]) == (65, 65, 0, None)
    assert chosen == sorted(chosen)


def test_a_class_named_like_what_has_no_label_is_another_stratum() -> None:
    table = frame((30, "unlabelled", None), (30, None, None), (30, "a / b", "train"), (30, "a", "train"))
    _, said = draw(table, 40, 0)
    assert strata(said) == {("unlabelled", None): 10, (None, None): 10, ("a / b", "train"): 10, ("a", "train"): 10}


def test_only_the_test_split_is_drawn_from_where_there_is_one() -> None:
    table = frame((50, "good", "train"), (30, "good", "test"), (30, "bad", "test"))
    chosen, said = draw(table, 20, 0)
    assert (set(table["split"][chosen]), said["split"], len(chosen)) == ({"test"}, "test", 20)
    assert len(draw(table, 500, 0)[0]) == 60


def test_an_image_that_cannot_be_read_is_not_drawn() -> None:
    table = frame((4, "good", "test"))
    table.loc[1, "error"] = "gone"
    assert draw(table, 9, 0)[0] == [0, 2, 3]


def test_a_seed_draws_the_same_again_and_a_larger_sample_holds_the_smaller_one() -> None:
    table = frame((100, "good", "test"), (100, "bad", "test"))
    first, larger, other = (set(draw(table, *how)[0]) for how in ((40, 1), (60, 1), (40, 2)))
    assert set(draw(table, 40, 1)[0]) == first
    assert first < larger
    assert len(first & other) < 25


# The maps


def test_a_row_says_where_the_model_looks(classifier, images, tmp_path) -> None:
    steps = steps_of(classifier, images, tmp_path / "out", sample=6)
    assert steps[-1] == Progress("attributions", 6, 6, 0, 6)
    audit = open_audit(tmp_path / "out")
    found, said = audit.summaries("saliency"), audit.predictions.frame.set_index("name")
    rows = found.frame.set_index("name")
    assert rows["target"].tolist() == said.loc[rows.index, "predicted"].tolist()
    assert rows["id"].tolist() == said.loc[rows.index, "id"].tolist()
    assert set(rows["method"]) == {"saliency"}
    assert (rows["top left"] > 0.93).all()
    assert (rows["peak row"] < 0.5).all()
    assert (rows["peak column"] < 0.5).all()
    masked = [item.name for item in images if item.mask is not None and item.name in rows.index]
    assert (rows.loc[masked, "mask"] > 0.95).all()
    assert rows.drop(index=masked)["mask"].isna().all()
    assert found.heatmaps.sum(axis=(1, 2)) == pytest.approx(np.ones(6), abs=1e-5)
    assert found.heatmaps[:, :16, :16].sum(axis=(1, 2)) == pytest.approx(rows["top left"].to_numpy(), abs=1e-5)
    assert strata(found.facts["sample"]) == {("bad", None): 3, ("good", None): 3}
    assert (found.facts["method"], found.facts["score"], found.facts["model"]) == ("saliency", "logit", classifier.key)


def test_it_sums_up_the_map_over_the_images_own_pixels(classifier, images, tmp_path) -> None:
    from workbench.audit.summary import summarise

    steps_of(classifier, images, tmp_path / "out", "input_x_gradient", sample=1)
    found = open_audit(tmp_path / "out").summaries("input_x_gradient")
    row = found.frame.iloc[0]
    item = images.by_name[row["name"]]
    expected = summarise(wb.attribute(classifier, item, row["method"], row["target"]).on_image(), item.open_mask())
    assert row[list(expected.shares)].astype(float).to_dict() == pytest.approx(dict(expected.shares), nan_ok=True)
    assert found.heatmaps[0] == pytest.approx(expected.heatmap)


def test_what_is_explained_is_not_explained_again(classifier, images, tmp_path, explained) -> None:
    steps = run(classifier, images, tmp_path / "out", attributions="saliency", sample=6)
    while (step := next(steps)).stage == "images" or step.done < 4:
        pass
    steps.close()
    before = list(explained)
    assert len(before) == 4
    assert steps_of(classifier, images, tmp_path / "out", sample=6)[-1].computed == 2
    assert steps_of(classifier, images, tmp_path / "out", sample=8)[-1].computed == 2
    assert len(set(explained)) == len(explained) == 8
    assert len(open_audit(tmp_path / "out").summaries("saliency").frame) == 8
    written = (tmp_path / "out" / "attributions" / "saliency.parquet").stat().st_mtime_ns
    assert steps_of(classifier, images, tmp_path / "out", sample=8)[-1].computed == 0
    assert (tmp_path / "out" / "attributions" / "saliency.parquet").stat().st_mtime_ns == written


def test_another_mask_or_decision_is_explained_again(classifier, images, tmp_path, explained) -> None:
    steps_of(classifier, images, tmp_path / "out", sample=12)
    items = [dataclasses.replace(item, mask=None) if item.name == "3.png" else item for item in images]
    explained.clear()
    steps_of(classifier, dataclasses.replace(images, items=tuple(items)), tmp_path / "out", sample=12)
    assert explained == ["3.png"]
    frame = open_audit(tmp_path / "out").predictions.frame
    turned = dataclasses.replace(classifier, rule=dataclasses.replace(classifier.rule, positive="bad", threshold=0.0))
    explained.clear()
    steps_of(turned, dataclasses.replace(images, items=tuple(items)), tmp_path / "out", sample=12)
    assert explained == frame["name"][frame["predicted"] != "bad"].tolist()
    assert set(open_audit(tmp_path / "out").summaries("saliency").frame["target"]) == {"bad"}


def test_a_map_that_cannot_be_is_a_row_with_its_reason(classifier, images, tmp_path) -> None:
    Image.new("RGB", (40, 64)).save(tmp_path / "0.png")
    (tmp_path / "small.png").write_bytes((tmp_path / "0.png").read_bytes())
    items = [
        dataclasses.replace(item, mask=FileSource(tmp_path / "small.png")) if item.name == "4.png" else item
        for item in images
    ]
    steps = steps_of(classifier, dataclasses.replace(images, items=tuple(items)), tmp_path / "out", sample=12)
    assert steps[-1].errors == 2
    found = open_audit(tmp_path / "out").summaries("saliency")
    errors = found.frame.set_index("name")["error"].dropna()
    assert "map of 0.png is zero everywhere" in errors["0.png"]
    assert "mask of 4.png is 40 x 64" in errors["4.png"]
    assert np.isnan(found.heatmaps).any(axis=(1, 2)).sum() == 2
    assert found.frame["top left"].isna().sum() == 2


def test_a_method_that_does_not_suit_the_model_is_refused_and_the_predictions_stay(
    classifier, images, tmp_path, refusal
) -> None:
    assert "Attention" in refusal(lambda: steps_of(classifier, images, tmp_path / "out", "attention_rollout"))
    audit = open_audit(tmp_path / "out")
    assert len(audit.predictions) == 12
    assert audit.methods == ()
    assert "run it again with --attributions occlusion" in refusal(lambda: audit.summaries("occlusion"))
