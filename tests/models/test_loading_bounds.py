"""What a model from a page may take: nothing is built before it is known to be modest and to fit its weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import workbench as wb
from workbench.models import bounds
from workbench.models.architectures import build
from workbench.models.loading import load_folder

torch.set_num_threads(1)
Refusal = Callable[[Callable[[], object]], str]


def describe(
    folder: Path, state: dict[str, Tensor], extra: str = "", suffix: str = "safetensors", **fields: object
) -> Path:
    chosen = {"architecture": "timm:test_resnet", "weights": f"w.{suffix}", "classes": ["ok", "bad"]} | fields
    folder.mkdir(exist_ok=True)
    lines = [f"{key} = {json.dumps(value)}" for key, value in chosen.items()]
    (folder / "model.toml").write_text("\n".join([*lines, extra or "[preprocessing]\nsize = [64, 64]\n"]))
    save_file(state, folder / "w.safetensors") if suffix == "safetensors" else torch.save(state, folder / f"w.{suffix}")
    return folder


def weights(outputs: int = 2) -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return timm.create_model("test_resnet", num_classes=outputs).state_dict()


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the parameters that are given memory."""
    sizes: list[int] = []
    new = nn.Parameter.__new__

    def counted(cls: type, data: Tensor | None = None, requires_grad: bool = True) -> nn.Parameter:
        if data is not None and data.device.type != "meta":
            sizes.append(data.numel())
        return new(cls, data, requires_grad)

    monkeypatch.setattr(nn.Parameter, "__new__", counted)
    return sizes


@pytest.mark.parametrize(
    ("fields", "extra", "says"),
    [
        ({"architecture": "timm:vit_giant_patch14_224"}, "", "million parameters, over the 350 million"),
        ({"architecture": "torchvision:vit_h_14"}, "", "631 million parameters"),
        ({"architecture": "torchvision:regnet_y_128gf"}, "", "638 million parameters"),
        ({"architecture": "timm:vit_tiny_patch16_224"}, "[options]\nembed_dim = 2046\n", "million parameters"),
        ({"architecture": "timm:vit_tiny_patch16_224"}, "", "does not fit the architecture"),
        ({"architecture": "timm:vit_tiny_patch16_224"}, "[options]\ndepth = 100000\n", "may not set 'depth' to 100000"),
        ({"architecture": "timm:vit_tiny_patch16_224"}, "[options]\nmlp_ratio = 1e12\n", "may not set 'mlp_ratio'"),
        ({"architecture": "timm:vit_giant_patch14_224"}, '[options]\ndevice = "cpu"\n', "may not set 'device' to cpu"),
    ],
)
def test_an_upload_takes_no_memory_before_it_is_known_to_fit(
    tmp_path: Path, refusal: Refusal, real: list[int], fields: dict[str, object], extra: str, says: str
) -> None:
    folder = describe(tmp_path / "m", weights(), extra, **fields)
    real.clear()
    assert says in refusal(lambda: load_folder(folder, trusted=False))
    assert not real


@pytest.mark.parametrize("ref", ["timm:vit_7b_patch16_dinov3", "timm:vit_giant_patch14_224", "torchvision:vit_h_14"])
def test_a_typed_name_of_a_huge_network_is_refused_unbuilt(ref: str, refusal: Refusal, real: list[int]) -> None:
    message = refusal(lambda: wb.load_classifier(ref, trusted=False))
    assert f"{ref} would have" in message
    assert "--model" in message
    assert not real


def test_who_starts_the_workbench_has_no_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_PARAMETERS", 1000)
    monkeypatch.setattr(bounds, "MOST_PIXELS", 1000)
    monkeypatch.setattr(bounds, "LARGEST_OPTION", 0.5)
    folder = describe(tmp_path / "m", weights(), "[options]\ndrop_rate = 0.7\n[preprocessing]\nsize = [64, 64]\n")
    assert wb.load_classifier(folder).parameters > 1000
    assert wb.load_classifier("timm:test_resnet", size=(40, 40)).parameters > 1000
    (tmp_path / "own.toml").write_text('[models.mine]\ntitle = "Mine"\nref = "timm:test_resnet"\n')
    monkeypatch.setenv("WORKBENCH_CONFIG", str(tmp_path / "own.toml"))
    for name in ("mine", "solar-cells"):
        assert wb.load_classifier(name, trusted=False).parameters > 1000


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_modest_upload_loads_as_for_the_trusted(tmp_path: Path, outputs: int, real: list[int]) -> None:
    folder = describe(tmp_path / "m", weights(outputs))
    loaded = load_folder(folder, trusted=False)
    assert loaded.single == (outputs == 1)
    assert loaded.key == load_folder(folder).key
    assert all(torch.equal(tensor, weights(outputs)[name]) for name, tensor in loaded.model.state_dict().items())
    assert not [name for name, tensor in loaded.model.state_dict().items() if tensor.is_meta]
    assert real


def test_weights_by_order_are_compared_in_order_before_anything_is_built(
    tmp_path: Path, refusal: Refusal, real: list[int]
) -> None:
    state = {f"t{n:03}": tensor for n, tensor in enumerate(weights().values())}
    folder = describe(tmp_path / "m", state, suffix="pth", order=True)
    assert load_folder(folder, trusted=False).class_names == ("ok", "bad")
    describe(folder, dict(reversed(state.items())), suffix="pth", order=True)
    real.clear()
    assert "has another shape" in refusal(lambda: load_folder(folder, trusted=False))
    assert not real


@pytest.mark.parametrize(
    ("size", "passes"), [([1024, 1024], True), ([1025, 1024], False), ([4096, 256], True), ([4096, 4096], False)]
)
def test_the_input_of_an_upload_is_bounded(tmp_path: Path, refusal: Refusal, size: list[int], passes: bool) -> None:
    folder = describe(tmp_path / "m", weights(), f"[preprocessing]\nsize = {size}\n")
    if passes:
        assert load_folder(folder, trusted=False).preprocessing.size == tuple(size)
    else:
        assert "1,048,576 pixels at most" in refusal(lambda: load_folder(folder, trusted=False))


@pytest.mark.parametrize(
    "ref", ["timm:test_vit", "timm:swin_tiny_patch4_window7_224", "torchvision:regnet_y_400mf", "torchvision:swin_t"]
)
def test_a_typed_name_gives_the_same_network_to_everybody(ref: str) -> None:
    page, command_line = (build(ref, trusted=trusted)[0] for trusted in (False, True))
    tensors = [*page.state_dict().values(), *page.buffers()]
    assert all(
        torch.equal(a, b)
        for a, b in zip(tensors, [*command_line.state_dict().values(), *command_line.buffers()], strict=True)
    )
