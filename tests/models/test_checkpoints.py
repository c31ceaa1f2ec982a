"""Checkpoints as trainers leave them: each answers like plain torch with the weights that were meant."""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import workbench as wb
from workbench.models.classifier import Classifier

Refusal = Callable[[Callable[[], object]], str]
State = dict[str, Tensor]
NAME, SIZE = "resnet10t", (32, 32)


def net(seed: int, classes: int = 3, **options: object) -> nn.Module:
    torch.manual_seed(seed)
    model = timm.create_model(options.pop("name", NAME), num_classes=classes, **options).eval()
    for name, tensor in model.state_dict().items():
        if "running" in name:
            tensor.copy_(torch.rand(tensor.shape) + 0.5)
    return model


@pytest.fixture(scope="module")
def raw() -> nn.Module:
    return net(1)


@pytest.fixture(scope="module")
def mean() -> nn.Module:
    """The moving average beside `raw`."""
    return net(2)


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def opened(path: Path, checkpoint: object = None, classes: int | None = 3, **more: object) -> Classifier:
    if checkpoint is not None:
        torch.save(checkpoint, path)
    names = None if classes is None else [f"c{i}" for i in range(classes)]
    return wb.load_classifier(
        path, **{"architecture": f"timm:{NAME}", "classes": names, "size": SIZE, "device": "cpu"} | more
    )


def agree(classifier: Classifier, model: nn.Module, size: tuple[int, int] = SIZE) -> bool:
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        return torch.allclose(classifier.forward(x), model(x), atol=1e-6)


def told(classifier: Classifier) -> str:
    return " | ".join(f"{fact.value} ({fact.how})" for fact in classifier.facts if fact.topic == "weights")


AVERAGES: dict[str, Callable[[State, State], dict[str, object]]] = {
    "state_dict_ema": lambda raw, ema: {"state_dict": raw, "state_dict_ema": ema, "epoch": 3},
    "model_ema": lambda raw, ema: {"model_ema": ema, "model": raw},
    "ema": lambda raw, ema: {"net": raw, "ema": ema},
    "ema_state_dict": lambda raw, ema: {"ema_state_dict": prefixed(ema, "module."), "state_dict": raw},
    "teacher": lambda raw, ema: {"student": prefixed(raw, "module."), "teacher": prefixed(ema, "module.")},
    "averaged_model": lambda raw, ema: {
        "model": raw, "averaged_model": {"n_averaged": torch.tensor(4), **prefixed(ema, "module.")},
    },
    "state_dict.model_ema": lambda raw, ema: {
        "state_dict": prefixed(raw, "model.") | prefixed(ema, "model_ema."), "pytorch-lightning_version": "2.5",
    },
    "callbacks.EMA.ema_model": lambda raw, ema: {"state_dict": raw, "callbacks": {"EMA": {"ema_model": ema}}},
}  # fmt: skip


@pytest.mark.parametrize("title", AVERAGES)
def test_the_average_is_taken_told_and_may_be_declined(
    tmp_path: Path, raw: nn.Module, mean: nn.Module, title: str
) -> None:
    classifier = opened(tmp_path / "c.pth", AVERAGES[title](raw.state_dict(), mean.state_dict()))
    assert agree(classifier, mean)
    assert not agree(classifier, raw)
    fact = classifier.facts[0]
    assert (fact.topic, fact.how, fact.setting) == ("weights", "assumed", "state")
    assert f"taken from {title}" in fact.value
    assert "the moving average of training; the file also holds " in fact.value
    other = fact.value.rpartition("also holds ")[2]
    declined = opened(tmp_path / "c.pth", state=other)
    assert agree(declined, raw)
    assert declined.facts[0].how == "stated"
    assert declined.key != classifier.key


def test_what_lightning_and_mmengine_call_the_average_is_not_always_it(
    tmp_path: Path, raw: nn.Module, mean: nn.Module
) -> None:
    lightning = {"state_dict": mean.state_dict(), "current_model_state": raw.state_dict()}
    assert agree(opened(tmp_path / "c.ckpt", lightning), mean)
    swapped = {
        "state_dict": mean.state_dict(), "ema_state_dict": prefixed(raw.state_dict(), "module."),
        "message_hub": {"runtime_info": {"x": torch.ones(1)}},
    }  # fmt: skip
    assert agree(opened(tmp_path / "c.pth", swapped), mean)


def test_the_copy_is_chosen_in_model_toml_and_is_in_the_key(tmp_path: Path, raw: nn.Module, mean: nn.Module) -> None:
    torch.save({"state_dict": raw.state_dict(), "state_dict_ema": mean.state_dict()}, tmp_path / "c.pth")
    keys = set()
    for line, model in (("", mean), ('state = "state_dict"\n', raw), ('state = "state_dict_ema"\n', mean)):
        (tmp_path / "model.toml").write_text(
            f'architecture = "timm:{NAME}"\nweights = "c.pth"\nclasses = ["a", "b", "c"]\n{line}'
            "[preprocessing]\nsize = [32, 32]\n"
        )
        classifier = wb.load_classifier(tmp_path, device="cpu")
        assert agree(classifier, model)
        assert not [fact.value for fact in classifier.facts if "left out" in fact.value], "a copy is nothing left out"
        keys.add(classifier.key)
    assert len(keys) == 3
    assert agree(wb.load_classifier(tmp_path, device="cpu", state="state_dict"), raw)
    assert wb.load_classifier(tmp_path, device="cpu", state="state_dict").key in keys


def test_copies_that_nothing_tells_apart_are_refused_unless_equal(
    tmp_path: Path, raw: nn.Module, mean: nn.Module, refusal: Refusal
) -> None:
    path = tmp_path / "c.pth"
    message = refusal(lambda: opened(path, {"first": raw.state_dict(), "second": mean.state_dict()}))
    assert 'holds 2 copies of the weights that differ (first, second): say with state = "first"' in message
    assert agree(opened(path, state="second"), mean)
    assert agree(opened(path, {"first": raw.state_dict(), "second": raw.state_dict()}), raw)
    assert "holds no weights 'third': set state to one of first, second" in refusal(lambda: opened(path, state="third"))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"net": s},
        lambda s: {"weights": s},
        lambda s: {"params": s, "epoch": torch.tensor(3)},
        lambda s: {"model_state": {"network": s}},
        lambda s: {"checkpoint": {"epoch": 1, "model": prefixed(s, "module.")}},
        lambda s: prefixed(s, "module._orig_mod."),
        lambda s: prefixed(s, "_orig_mod.module.model.net."),
        lambda s: prefixed(s, "backbone."),
        lambda s: {"state_dict": prefixed(s, "encoder.")},
        lambda s: {k.replace("layer1.", "layer1._orig_mod."): v for k, v in s.items()},
        lambda s: {"models": [s]},
        lambda s: {k: v for k, v in s.items() if "num_batches" not in k},
        lambda s: {k: nn.Parameter(v, requires_grad=False) for k, v in s.items()},
        lambda s: {
            "model": s, "optimizer": {"state": {0: {"exp_avg": torch.zeros(9)}}, "param_groups": [{"lr": 0.1}]},
        },
        lambda s: {"backbone": {k: v for k, v in s.items() if "fc" not in k}, "head": {
            "weight": s["fc.weight"], "bias": s["fc.bias"]}},
        lambda s: {"backbone": {k: v for k, v in s.items() if "fc" not in k}, "fc": {
            "weight": s["fc.weight"], "bias": s["fc.bias"]}},
        lambda s: {k.replace("fc.", "fc.1."): v for k, v in s.items()},
        lambda s: {"state_dict": {k.replace("fc.", "head.0.") if "fc" in k else f"backbone.{k}": v
                                  for k, v in s.items()}},
        lambda s: {"model": s, "args": argparse.Namespace(lr=0.1, out=pathlib.Path("x")), "best": np.float64(0.5)},
    ],
)  # fmt: skip
def test_whatever_wraps_or_prefixes_the_weights_they_are_found(
    tmp_path: Path, raw: nn.Module, wrap: Callable[[State], object]
) -> None:
    classifier = opened(tmp_path / "c.pth.tar", wrap(raw.state_dict()))
    assert classifier.name == "c"
    assert agree(classifier, raw)
    assert classifier.facts[0].topic == "weights"


def test_a_head_that_stands_elsewhere_is_assumed_and_said(tmp_path: Path, raw: nn.Module, refusal: Refusal) -> None:
    state = raw.state_dict()
    moved = {k.replace("fc.", "classifier.1."): v for k, v in state.items()}
    assert "fc, is classifier.1 in the file" in told(opened(tmp_path / "c.pth", moved))
    assert "(assumed)" in told(opened(tmp_path / "c.pth"))
    deep = moved | {"classifier.0.weight": torch.ones(512, 512)}
    message = refusal(lambda: opened(tmp_path / "c.pth", deep))
    assert "its head is not the one layer fc but classifier.1.weight, classifier.1.bias, classifier.0.weight" in message
    wide = {k: v[:2] if "classifier" in k else v for k, v in moved.items()}
    assert "weights for 2 classes, and the model was to have 3" in refusal(lambda: opened(tmp_path / "c.pth", wide))


def test_what_a_trainer_adds_is_left_out_and_told(tmp_path: Path, raw: nn.Module, refusal: Refusal) -> None:
    state = prefixed(raw.state_dict(), "model.")
    lightning = {"state_dict": state | {"criterion.weight": torch.ones(3), "val_acc.tp": torch.ones(3)}}
    classifier = opened(tmp_path / "c.ckpt", lightning)
    assert agree(classifier, raw)
    assert "left out, as the architecture has none of that name: criterion.weight, val_acc.tp (assumed)" in told(
        classifier
    ).replace("state_dict.", "")
    assert not any("does not have" in note for note in classifier.notes)
    odd = opened(tmp_path / "c.ckpt", {"state_dict": state | {"temperature": torch.ones(1)}})
    assert "these are not the answers of the model that was saved" in odd.notes[0]
    inside = {"state_dict": state | {"model.extra.weight": torch.ones(3)}}
    assert "extra.weight is not part of the architecture" in refusal(lambda: opened(tmp_path / "c.ckpt", inside))
    del state["model.layer1.0.conv1.weight"]
    message = refusal(lambda: opened(tmp_path / "c.ckpt", {"state_dict": state}))
    assert "layer1.0.conv1.weight is missing" in message


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_computed_in_float32_and_told(tmp_path: Path, raw: nn.Module, kind: torch.dtype) -> None:
    state = {k: v.to(kind) if v.is_floating_point() else v for k, v in raw.state_dict().items()}
    classifier = opened(tmp_path / "c.pth", state)
    reference = net(1)
    reference.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    assert agree(classifier, reference)
    assert f"{str(kind).removeprefix('torch.')} in the file, computed in float32" in told(classifier)


def test_the_width_of_the_head_is_the_reason_or_the_number_of_classes(
    tmp_path: Path, raw: nn.Module, refusal: Refusal
) -> None:
    torch.save(net(3, 7).state_dict(), tmp_path / "c.pth")
    message = refusal(lambda: opened(tmp_path / "c.pth", classes=2))
    assert "c.pth holds weights for 7 classes, and the model was to have 2: correct the class list" in message
    counted = opened(tmp_path / "c.pth", classes=None)
    assert len(counted.class_names) == 7
    assert agree(counted, net(3, 7))


# Safetensors


def test_shards_are_joined_bounded_and_in_the_key(tmp_path: Path, raw: nn.Module, refusal: Refusal) -> None:
    state = raw.state_dict()
    names = list(state)
    index = tmp_path / "model.safetensors.index.json"
    parts = {"a.safetensors": names[:20], "b.safetensors": names[20:]}
    for file, part in parts.items():
        save_file({name: state[name] for name in part}, tmp_path / file)
    weight_map = {name: file for file, part in parts.items() for name in part}
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    assert agree(opened(index), raw)
    assert opened(index).name == "model"
    toml = f'architecture = "timm:{NAME}"\nweights = "{index.name}"\nclasses = ["a", "b", "c"]\n'
    (tmp_path / "model.toml").write_text(toml + "[preprocessing]\nsize = [32, 32]\n")
    first = wb.load_classifier(tmp_path, device="cpu")
    assert agree(first, raw)
    save_file({name: state[name] + 1 for name in parts["b.safetensors"]}, tmp_path / "b.safetensors")
    assert wb.load_classifier(tmp_path, device="cpu").key != first.key
    for bad, says in (
        ({"x": "../c.safetensors"}, "outside of its folder"),
        ({"x": "/etc/passwd"}, "outside of its folder"),
        ({"x": "none.safetensors"}, "which are not beside it"),
        ({"x": 3}, "outside of its folder"),
        ({}, "no index"),
        ({str(i): f"{i}.safetensors" for i in range(501)}, "no index"),
    ):
        index.write_text(json.dumps({"weight_map": bad}))
        assert says in refusal(lambda: opened(index))
    index.write_text("[" * 100_000)
    assert "no index" in refusal(lambda: opened(index))


def test_tensors_that_a_network_shares_are_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tied_factory.py").write_text(
        "from torch import nn\n"
        "class Tied(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)\n"
        "        self.two.weight = self.one.weight\n"
        "    def forward(self, x):\n"
        "        return self.two(self.one(x.mean((2, 3))).relu())\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import tied_factory

    model = tied_factory.Tied().eval()
    state = {name: tensor for name, tensor in model.state_dict().items() if name != "two.weight"}
    save_file(state, tmp_path / "w.safetensors")
    classifier = opened(tmp_path / "w.safetensors", architecture="python:tied_factory:Tied")
    assert agree(classifier, model)


# Inputs of another size


VIT = {"name": "test_vit", "img_size": 64}


def test_weights_of_a_transformer_are_built_for_their_own_size(tmp_path: Path) -> None:
    trained = net(4, **VIT)
    torch.save(trained.state_dict(), tmp_path / "c.pth")
    classifier = opened(tmp_path / "c.pth", architecture="timm:test_vit", size=(64, 64))
    assert agree(classifier, trained, (64, 64))
    alone = wb.load_classifier(tmp_path / "c.pth", architecture="timm:test_vit", classes=["a", "b", "c"], device="cpu")
    assert alone.preprocessing.size == (64, 64)
    assert agree(alone, trained, (64, 64))
    assert "position embeddings for inputs of (64, 64) pixels (stated)" in told(alone)


@pytest.mark.parametrize(("name", "size"), [("test_vit", (96, 96)), ("test_vit", (64, 96))])
def test_positions_are_interpolated_as_timm_does(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    trained = net(4, name=name, img_size=64)
    torch.save(trained.state_dict(), tmp_path / "c.pth")
    from timm.models.vision_transformer import checkpoint_filter_fn

    other = net(5, name=name, img_size=size)
    other.load_state_dict(checkpoint_filter_fn(trained.state_dict(), other))
    classifier = opened(tmp_path / "c.pth", architecture=f"timm:{name}", size=size)
    assert agree(classifier, other, size)
    assert "interpolated from those for 64 x 64 pixels (published)" in told(classifier)


def test_bias_tables_of_swin_are_interpolated_as_timm_does(tmp_path: Path) -> None:
    from timm.models.swin_transformer import checkpoint_filter_fn

    options = {"name": "swin_tiny_patch4_window7_224", "embed_dim": 24, "depths": (1, 1), "num_heads": (2, 2)}
    trained = net(4, **options, img_size=64, window_size=4)
    torch.save(trained.state_dict(), tmp_path / "c.pth")
    other = net(5, **options, img_size=112, window_size=7)
    other.load_state_dict(checkpoint_filter_fn(trained.state_dict(), other))
    from workbench.models.fitting import fit_weights
    from workbench.models.weights import read_weights

    model = net(6, **options, img_size=112, window_size=7)
    fit = fit_weights(model, read_weights(tmp_path / "c.pth"), "c.pth")
    x = torch.randn(1, 3, 112, 112)
    assert torch.allclose(model(x), other(x), atol=1e-6)
    assert "relative_position_bias_table" in fit.facts[-1].value


def test_torchvisions_positions_are_interpolated_as_it_does(tmp_path: Path) -> None:
    from torchvision.models.vision_transformer import VisionTransformer, interpolate_embeddings

    from workbench.models.fitting import fit_weights

    def made(size: int) -> VisionTransformer:
        model = VisionTransformer(size, 16, 1, 2, 32, 64, num_classes=3)
        nn.init.normal_(model.heads.head.weight)
        return model.eval()

    trained, model, other = made(64), made(96), made(96)
    other.load_state_dict(interpolate_embeddings(96, 16, dict(trained.state_dict())))
    fit_weights(model, trained.state_dict(), "c.pth")
    x = torch.randn(1, 3, 96, 96)
    assert torch.allclose(model(x), other(x), atol=1e-6)
