"""A model that gives an anomaly map itself is explained, audited and assessed like any other: shown on planted
defects."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pyarrow.parquet
import pytest
import torch
from PIL import Image
from torch import nn
from torch.export import Dim

from workbench.attribution.engine import attribute
from workbench.attribution.matrix import suits
from workbench.audit.reader import open_audit
from workbench.audit.runner import run
from workbench.evidence.card import assess
from workbench.images.item import ImageSet
from workbench.images.stamped_metal import make_set
from workbench.models.classifier import predict
from workbench.models.loading import load_classifier
from workbench.sets.layouts import load_images
from workbench.training.pretrained import backbone

torch.set_num_threads(1)
SIZE = 128


class Patches(nn.Module):
    """How far each patch's features lie from the nearest of good parts, as PatchCore has it, on two stages of the
    shipped backbone.

    `low` and `high` scale the distances as anomalib's post-processor does: half way lies what one good part in ten
    passes.
    """

    def __init__(self):
        super().__init__()
        whole = backbone(2).eval()
        self.stem, self.deep = nn.Sequential(whole.conv_stem, whole.bn1, *whole.blocks[:3]), whole.blocks[3:5]
        for name, shape in {"mean": (152,), "spread": (152,), "bank": (3000, 152), "low": (), "high": ()}.items():
            self.register_buffer(name, torch.ones(shape))

    def features(self, x):
        fine = self.stem(x)
        coarse = nn.functional.interpolate(self.deep(fine), fine.shape[2:], mode="bilinear")
        pooled = nn.functional.avg_pool2d(torch.cat([fine, coarse], 1), 3, 1, 1).permute(0, 2, 3, 1)
        return (pooled - self.mean) / self.spread

    def distances(self, x):
        features = self.features(x)
        return torch.cdist(features.flatten(0, 2), self.bank).amin(1).reshape(features.shape[:3])

    @torch.no_grad()
    def learn(self, good):
        raw = (self.features(good[::2]) * self.spread + self.mean).flatten(0, 2)
        self.mean.copy_(raw.mean(0))
        self.spread.copy_(raw.std(0))
        chosen = torch.randperm(len(raw), generator=torch.Generator().manual_seed(0))[:3000]
        self.bank.copy_((raw[chosen] - self.mean) / self.spread)
        others = self.distances(good[1::2]).flatten(1)
        self.low.copy_(others.median())
        self.high.copy_(2 * others.amax(1).quantile(0.9) - self.low)
        return self

    def forward(self, x):
        found = ((self.distances(x) - self.low) / (self.high - self.low)).clamp(0, 1)
        return {"pred_score": found.amax((1, 2)), "anomaly_map": found[:, None]}


class Small(nn.Module):
    """The mean brightness as score, squeezed or not, and the brightness as map, in the make that is asked for."""

    def __init__(self, make="dict", gain=1.0, shift=0.0):
        super().__init__()
        self.grey, self.make, self.gain, self.shift = nn.Conv2d(3, 1, 1), make, gain, shift
        nn.init.constant_(self.grey.weight, 1 / 3)
        nn.init.zeros_(self.grey.bias)

    def forward(self, x):
        grey = self.grey(x)
        score, found = self.gain * grey.mean((1, 2, 3)).sigmoid(), grey.sigmoid() - self.shift
        makes = {"dict": {"score": score, "map": found}, "pair": (score, found)}
        return makes[self.make]


@pytest.fixture(scope="module")
def lot(tmp_path_factory):
    """Stamped metal with exact masks."""
    folder = tmp_path_factory.mktemp("metal") / "lot"
    list(make_set(folder, count=300, size=SIZE, seed=5))
    return load_images(folder)


@pytest.fixture(scope="module")
def patches(lot):
    good = [np.asarray(item.open()) for item in lot if item.label == "good" and item.split != "test"]
    return Patches().learn(torch.from_numpy(np.stack(good)).permute(0, 3, 1, 2) / 127.5 - 1)


@pytest.fixture(scope="module")
def archive(patches, tmp_path_factory):
    """The model in an archive of torch.export beside a model.toml."""
    folder = tmp_path_factory.mktemp("exported")
    program = torch.export.export(patches, (torch.rand(2, 3, SIZE, SIZE),), dynamic_shapes=({0: Dim.AUTO},))
    torch.export.save(program, folder / "model.pt2")
    (folder / "model.toml").write_text(
        'architecture = "exported"\nweights = "model.pt2"\nclasses = ["normal", "anomalous"]\npositive = "anomalous"\n'
    )
    return folder


@pytest.fixture(scope="module")
def clf(archive):
    return load_classifier(archive, device="cpu")


def test_its_classes_are_named_and_the_second_is_positive(archive, clf) -> None:
    plain = load_classifier(archive / "model.pt2", device="cpu")
    for one in (plain, clf):
        assert (one.class_names, one.positive, one.rule.threshold) == (("normal", "anomalous"), "anomalous", None)
        assert (one.single, one.scored) == (True, True)
    named = load_classifier(archive / "model.pt2", classes=["ok", "odd"], positive="ok", threshold=0.3, device="cpu")
    assert (named.class_names, named.positive, named.rule.threshold) == (("ok", "odd"), "ok", 0.3)
    assert load_classifier(archive / "model.pt2", classes=["ok", "odd"], device="cpu").positive is None, (
        "as model.toml says, or does not"
    )


def test_its_probability_is_the_score_and_its_map_the_models(patches, clf, lot) -> None:
    x = torch.stack([clf.prepare(item) for item in lot.items[:5]])
    with torch.inference_mode():
        out = patches(x)
    inner = (out["pred_score"] > 1e-5) & (out["pred_score"] < 1 - 1e-5)
    torch.testing.assert_close(clf.logits(x).softmax(1)[inner, 1], out["pred_score"][inner], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(clf.answer(x).map, out["anomaly_map"][:, 0], atol=1e-4, rtol=1e-3)
    found = attribute(clf, lot.items[3], "anomaly_map", "anomalous")
    laid = nn.functional.interpolate(out["anomaly_map"][3:4], (SIZE, SIZE), mode="bilinear")[0]
    np.testing.assert_allclose(found.values, laid.numpy(), atol=1e-4)
    same = attribute(clf, lot.items[3], "anomaly_map", "normal", score="probability")
    assert np.array_equal(same.values, found.values)
    assert found.output == pytest.approx(torch.logit(out["pred_score"][3], eps=1e-6).item(), rel=1e-2)


def test_the_maps_peak_lies_in_the_planted_defect(clf, lot) -> None:
    chosen = [item for item in lot if item.split == "test"]
    called = (predict(clf, chosen).frame["predicted"] == "anomalous").to_numpy()
    bad = np.array([item.label != "good" for item in chosen])
    assert called[bad].mean() > 0.6
    assert called[~bad].mean() < 0.3
    hits = []
    for item in (item for item, odd in zip(chosen, called & bad, strict=True) if odd):
        heat = attribute(clf, item, "anomaly_map").on_image()
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        hits.append(
            item.open_mask()[max(row - 4, 0) : row + 5, max(column - 4, 0) : column + 5].any()
        )  # a patch has 8 pixels
    assert len(hits) >= 20
    assert np.mean(hits) >= 0.9


def test_other_methods_suit_it_or_say_why_not(clf) -> None:
    assert suits(clf, "anomaly_map") is None
    assert suits(clf, "occlusion") is None


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_the_map_lies_on_the_patch_that_the_model_finds_odd(resize) -> None:
    image = Image.new("RGB", (120, 60), (90, 90, 90))
    image.paste((255, 255, 255), (62, 8, 80, 22))
    clf = load_classifier(Small().eval(), size=(32, 48), resize=resize, device="cpu")
    seen = attribute(clf, image, "anomaly_map").on_image()
    rows, columns = np.nonzero(seen > 0.65)
    assert (columns.mean(), rows.mean()) == pytest.approx((70.5, 14.5), abs=1)
    assert (np.ptp(columns), np.ptp(rows)) == pytest.approx((18, 14), abs=3)


def test_a_model_without_a_map_is_refused_with_the_reason(tiny_net, refusal) -> None:
    plain = load_classifier(tiny_net().eval(), size=(16, 16), device="cpu")
    said = refusal(lambda: attribute(plain, Image.new("RGB", (20, 20)), "anomaly_map"))
    assert said == suits(plain, "anomaly_map")
    assert "gives no anomaly map" in said


@pytest.mark.parametrize("make", ["dict", "pair"])
@pytest.mark.parametrize("batch", ["one", "any"])
def test_archives_may_answer_with_a_dict_or_a_pair(make, batch, tmp_path) -> None:
    dynamic = {"one": None, "any": ({0: Dim.AUTO},)}[batch]
    count = 1 if batch == "one" else 2
    torch.export.save(
        torch.export.export(Small(make).eval(), (torch.rand(count, 3, 16, 16),), dynamic_shapes=dynamic),
        tmp_path / "m.pt2",
    )
    clf, source = (
        load_classifier(tmp_path / "m.pt2", device="cpu"),
        load_classifier(Small(make).eval(), size=(16, 16), device="cpu"),
    )
    x = torch.randn(5, 3, 16, 16)
    torch.testing.assert_close(clf.logits(x), source.logits(x))
    torch.testing.assert_close(clf.answer(x).map, source.answer(x).map)
    assert clf.answer(x).map.shape == (5, 16, 16)
    assert clf.class_names == source.class_names == ("normal", "anomalous")


def test_a_score_that_is_not_normalised_is_refused_and_so_is_a_map_below_zero(refusal) -> None:
    assert "export the model with its normalisation on" in refusal(
        lambda: load_classifier(Small(gain=9), size=(16, 16), device="cpu")
    )
    below = load_classifier(Small(shift=0.9).eval(), size=(16, 16), device="cpu")
    assert "below 0" in refusal(lambda: attribute(below, Image.new("RGB", (20, 20)), "anomaly_map"))


def test_a_factory_may_make_one(tmp_path, monkeypatch) -> None:
    (tmp_path / "odd_factory.py").write_text(
        "import torch\nclass Odd(torch.nn.Module):\n    def forward(self, x):\n"
        "        return {'pred_score': x.mean((1, 2, 3)).sigmoid(), 'anomaly_map': x.mean(1).sigmoid()}\nmake = Odd\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    clf = load_classifier("python:odd_factory:make", size=(16, 16), device="cpu")
    sys.modules.pop("odd_factory")
    found = attribute(clf, Image.fromarray(np.full((20, 30, 3), 200, np.uint8)), "anomaly_map", "normal")
    assert found.values.shape == (1, 16, 16)
    assert found.on_image().shape == (20, 30)
    assert (found.values > 0.5).all()
    assert suits(clf, "saliency") is None


def test_it_is_audited_with_its_maps_and_without_embeddings(clf, lot, tmp_path) -> None:
    few = ImageSet(
        "few",
        tuple(
            dataclasses.replace(item, label="normal" if item.label == "good" else "anomalous")
            for item in lot.items[:20]
        ),
    )
    list(run(clf, few, tmp_path / "audit", attributions="anomaly_map", sample=6))
    audit = open_audit(tmp_path / "audit")
    assert audit.predictions.rule.positive == "anomalous"
    assert len(audit.predictions) == 20
    assert audit.predictions.frame["verdict"].notna().all()
    assert 1 <= len(audit.summaries("anomaly_map").frame) <= 6
    np.testing.assert_allclose(audit.predictions.probabilities, predict(clf, few).probabilities, atol=1e-4)
    list(run(load_classifier(Small().eval(), size=(16, 16), device="cpu"), few, tmp_path / "small"))
    for name in ("audit", "small"):  # the second has a layer of one channel, which is no head
        assert "embedding" not in pyarrow.parquet.read_schema(tmp_path / name / "predictions.parquet").names


def test_its_map_can_be_assessed(clf, lot) -> None:
    item = max(
        (item for item in lot if item.mask and item.split == "test"), key=lambda item: item.open_mask().sum()
    )  # the largest defect
    found = attribute(clf, item, "anomaly_map", "anomalous")
    card = assess(clf, item, found, mask=item.open_mask())
    assert [card[name].verdict for name in ("randomisation", "sensitivity")] == ["holds"] * 2
    assert card["relevance_rank"].value > 3 * card["relevance_rank"].chance
    assert [card[name].verdict for name in ("completeness", "infidelity")] == ["not applicable"] * 2
