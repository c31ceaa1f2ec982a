"""Two models side by side: a known table, intervals and tests as published, and maps that moved or did not."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr
from torch import nn

from workbench.attribution.engine import attribute
from workbench.images.item import BytesSource, ImageItem
from workbench.models.classifier import predict
from workbench.models.compressed import cheaper
from workbench.models.loading import load_classifier
from workbench.predictions.table import DecisionRule, Predictions, tabulate
from workbench.probe.versus import Pair, compare_models, likeness, maps_moved
from workbench.stats.rates import mean_of, wilson

torch.set_num_threads(1)
NAMES = ("good", "bad")


def item(name: str, label: str | None = None, seed: int = 0, size=(20, 30)) -> ImageItem:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)).save(buffer, "PNG")
    return ImageItem(name, BytesSource(buffer.getvalue()), label)


def said(rows, names=NAMES, model="m", rule=None) -> Predictions:
    """Predictions from (name, label, probability of the second class); NaN stands for an image that cannot be read."""
    items = [item(name, label) for name, label, _ in rows]
    p = np.array([[1 - q, q] for *_, q in rows], np.float32)
    errors = {i: "It is broken." for i, (*_, q) in enumerate(rows) if np.isnan(q)}
    return tabulate(items, p, p, errors, rule or DecisionRule(names), model)


FIRST = said([
    ("a", "good", 0.1), ("b", "good", 0.2), ("c", "bad", 0.9), ("d", "bad", 0.3), ("e", "good", 0.6),
    ("f", "bad", 0.7), ("g", None, 0.8),
    ("h", "odd", 0.4), ("i", "good", np.nan), ("j", "good", 0.1),
])  # fmt: skip
SECOND = said([
    ("j", "good", np.nan), ("h", "odd", 0.9), ("g", None, 0.45), ("f", "bad", 0.2), ("e", "good", 0.4),
    ("d", "bad", 0.1),
    ("c", "bad", 0.8), ("b", "good", 0.9), ("a", "good", 0.3), ("i", "good", 0.1), ("k", "good", 0.1),
])  # fmt: skip


def test_a_known_table_of_disagreements() -> None:
    found = compare_models(FIRST, SECOND)
    assert (found.both_right, found.only_first, found.only_second, found.both_wrong) == (2, 2, 1, 1)
    assert found.frame["name"].tolist() == [
        "b",
        "f",
        "h",
        "g",
        "e",
    ]  # by what both are sure of: 1.7, 1.5, 1.5, 1.35, 1.2
    table = found.frame.set_index("name")
    assert table.loc["b", ["label", "first", "second", "right"]].tolist() == ["good", "good", "bad", "first"]
    assert table.loc["b", ["first confidence", "second confidence"]].tolist() == pytest.approx([0.8, 0.9])
    assert table["right"].to_dict() == {"b": "first", "f": "first", "e": "second", "g": None, "h": None}
    assert found.first == wilson(4, 6)
    assert found.second == wilson(3, 6)
    assert found.agree == wilson(3, 8)
    assert found.left_out == 3  # i and j, which one of them could not read, and k
    assert found.p == 1
    assert found.difference.value == pytest.approx(1 / 6)
    other = compare_models(SECOND, FIRST)
    assert other.difference.value == pytest.approx(-1 / 6)
    assert (other.only_first, other.only_second) == (1, 2)


def test_only_the_chosen_images_count() -> None:
    rows = FIRST.frame["name"].isin(["a", "b", "g"]).to_numpy()
    found = compare_models(FIRST, SECOND, rows)
    assert (found.both_right, found.only_first, found.only_second, found.both_wrong) == (1, 1, 0, 0)
    assert (found.agree.support, found.left_out) == (3, 0)


def test_classes_are_matched_by_name_and_each_decides_by_its_own_rule() -> None:
    swapped = said([("a", "good", 0.9), ("b", "good", 0.8), ("c", "bad", 0.1)], names=NAMES[::-1])
    found = compare_models(FIRST, swapped)
    assert (found.both_right, len(found.frame)) == (3, 0)
    strict = said([("a", "good", 0.3), ("b", "good", 0.1)], rule=DecisionRule(NAMES, "bad", 0.25))
    assert compare_models(FIRST, strict).frame["name"].tolist() == ["a"]


def test_what_cannot_be_compared_is_refused(refusal, tiny_net) -> None:
    assert "'ugly'" in refusal(lambda: compare_models(FIRST, said([("a", "good", 0.1)], names=("good", "ugly"))))
    assert "same image set" in refusal(lambda: compare_models(FIRST, said([("z", "good", 0.1)])))
    frame = SECOND.frame.assign(id="another")
    assert "same image set" in refusal(lambda: compare_models(FIRST, dataclasses.replace(SECOND, frame=frame)))
    one = net(tiny_net)
    other = load_classifier(tiny_net(), size=(20, 30), class_names=["x", "y"], device="cpu")
    assert "'bad', 'good', 'x', 'y'" in refusal(lambda: maps_moved(one, other, [item("a")], "saliency"))
    assert "holds some" in refusal(lambda: maps_moved(one, one, [], "saliency"))
    assert "attention" in refusal(lambda: maps_moved(one, one, [item("a")], "attention_rollout")).lower()
    assert "broken" in refusal(lambda: maps_moved(one, one, [ImageItem("broken", BytesSource(b"x"))], "saliency"))


def test_without_labels_only_the_agreement_is_known() -> None:
    bare = [said([(name, None, p) for name, p in zip("ab", ps, strict=True)]) for ps in ([0.1, 0.9], [0.2, 0.2])]
    found = compare_models(*bare)
    assert (found.first.value, found.difference.value, found.p) == (None, None, 1)
    assert (found.agree.value, found.frame["name"].tolist()) == (0.5, ["b"])


def net(make, seed=0, size=(20, 30), **settings):
    return load_classifier(make(seed=seed), size=size, class_names=NAMES, device="cpu", **settings)


class Corner(nn.Module):
    """The log-odds of "bad" are the brightness of one corner."""

    def __init__(self, left: bool) -> None:
        super().__init__()
        ramp = torch.arange(1, 51).reshape(5, 10) / 100
        self.weight = nn.Parameter(torch.zeros(20, 30))
        with torch.no_grad():
            self.weight[:5, :10] = ramp
            if not left:
                self.weight.copy_(self.weight.flip(0, 1))

    def forward(self, x):
        z = (x.mean(1) * self.weight).sum((1, 2))
        return torch.stack([-z, z], 1)


ITEMS = [item(f"{i}", seed=i) for i in range(6)]


def corner(left: bool):
    return load_classifier(Corner(left), size=(20, 30), class_names=NAMES, device="cpu", interpolation="nearest")


def test_a_model_has_the_maps_of_its_twin_and_not_those_of_another_reason() -> None:
    same = maps_moved(corner(True), corner(True), ITEMS, "saliency")
    assert same.frame[["correlation", "overlap", "own_correlation", "own_overlap"]].to_numpy() == pytest.approx(1)
    assert same.figures["same"] == wilson(6, 6)
    other = maps_moved(corner(True), corner(False), ITEMS, "saliency")
    assert (other.frame["overlap"] == 0).all()
    assert other.frame["correlation"].to_numpy() == pytest.approx(-50 / 550, abs=0.02)  # only where one of them is zero
    assert other.figures["own_overlap"].value == 1
    assert other.figures["same"].value < 1
    assert (other.frame["same"] == (other.frame["first"] == other.frame["second"])).all()


def test_figures_are_those_of_the_maps(tiny_net) -> None:
    first = net(tiny_net)
    usual = predict(first, ITEMS[0]).frame["predicted"][0]
    second = net(
        tiny_net, seed=4, positive=next(name for name in NAMES if name != usual), threshold=0.0
    )  # which always decides so
    found = maps_moved(first, second, ITEMS, "input_x_gradient")
    for one, row in zip(ITEMS, found.frame.itertuples(), strict=True):
        target = predict(first, one).frame["predicted"][0]
        a, b = (attribute(model, one, "input_x_gradient", target).heatmap() for model in (first, second))
        assert (row.name, row.first) == (one.name, target)
        assert row.second == predict(second, one).frame["predicted"][0]
        assert row.correlation == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic)
        tops = [set(np.argsort(values.ravel())[-60:].tolist()) for values in (a, b)]
        assert row.overlap == pytest.approx(len(tops[0] & tops[1]) / 60)
        assert row.correlation < 0.9 < row.own_correlation < 1
    assert not found.frame["same"][0]
    assert found.figures["correlation"] == mean_of(found.frame["correlation"].to_numpy())
    assert found.figures["own_same"] == wilson(int(found.frame["own_same"].sum()), 6)
    assert (found.method, found.sample) == ("input_x_gradient", {"images": 6, "drawn": 6, "seed": 0})


def test_a_gentle_saving_moves_the_maps_less_than_a_harsh_one(tiny_net) -> None:
    first = net(tiny_net)
    gentle, harsh = (
        maps_moved(first, cheaper(first, how), ITEMS, "input_x_gradient").figures for how in ("int8", "pruned 80 %")
    )
    assert gentle["correlation"].value > 0.98 > 0.9 > harsh["correlation"].value
    assert gentle["overlap"].value > harsh["overlap"].value
    assert gentle["own_correlation"] == harsh["own_correlation"]


def test_models_with_other_inputs_are_compared_on_the_image() -> None:
    """One looks at the middle of a wide image, the other at all of it."""
    wide = item("wide", size=(300, 900))
    models = [
        load_classifier(
            Corner(True), size=(20, 30), class_names=NAMES, device="cpu", resize=resize, interpolation="nearest"
        )
        for resize in ("stretch", "crop")
    ]
    maps = [attribute(model, wide, "saliency", "bad") for model in models]
    correlation, overlap = likeness(*maps)
    laid = [one.placement.scaled(Image.new("1", (256, 85))).to_original(one.heatmap()) for one in maps]
    seen = np.s_[:, 64:192]  # what the crop shows
    assert correlation == pytest.approx(spearmanr(laid[0][seen].ravel(), laid[1][seen].ravel()).statistic, abs=0.02)
    assert 0 < overlap < 0.7
    assert likeness(maps[0], maps[0]) == (pytest.approx(1), 1)


def test_a_map_of_zeros_is_like_no_other() -> None:
    some = attribute(corner(True), ITEMS[0], "saliency", "bad")
    none = dataclasses.replace(some, values=np.zeros_like(some.values))
    assert likeness(some, none) == likeness(none, some) == likeness(none, none) == (0, 0)


def test_stopped_work_goes_on_and_what_cannot_be_read_is_told(tiny_net) -> None:
    first, second, known = net(tiny_net), net(tiny_net, seed=4), {}
    items = [*ITEMS[:3], ImageItem("broken", BytesSource(b"no image")), *ITEMS[3:]]
    whole = maps_moved(first, second, items, "saliency")

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        maps_moved(first, second, items, "saliency", known=known, on_progress=stop)
    assert list(known) == ["0", "1"]
    known["0"] = dataclasses.replace(known["0"], correlation=-1.0)  # so that it shows whether it was made again
    told: list[tuple[int, int]] = []
    found = maps_moved(first, second, items, "saliency", known=known, on_progress=lambda *at: told.append(at))
    assert told == [(i, 7) for i in range(8)]
    assert found.frame["correlation"].tolist() == [-1.0, *whole.frame["correlation"][1:]]
    assert isinstance(known["5"], Pair)
    assert list(found.left_out) == ["broken"]
    assert found.left_out["broken"].endswith(".")
    assert len(maps_moved(first, second, items, "saliency", most=2).frame) == 2


def test_methods_that_compare_with_other_images_have_them(tiny_net, cheap) -> None:
    first = net(tiny_net)
    params = {name: value for name, value in cheap("expected_gradients").items() if name != "background"}
    found = maps_moved(first, cheaper(first, "int8"), ITEMS[:3], "expected_gradients", params=params)
    assert found.figures["correlation"].value > 0.9


@pytest.mark.parametrize("model", [0, 1])
def test_the_models_are_left_as_they_were(model, tiny_net) -> None:
    models = [net(tiny_net), net(tiny_net, seed=4)]
    models[model].model.train()
    before = {name: tensor.clone() for name, tensor in models[model].model.state_dict().items()}
    maps_moved(*models, ITEMS[:2], "saliency")
    assert models[model].model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in models[model].model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in models[model].model.parameters())
