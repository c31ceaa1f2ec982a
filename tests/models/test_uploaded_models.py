"""Models from strangers: what their files may become in memory, on disk and in time, and what is said where it is too
much."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from measured import cost
from safetensors.torch import save, save_file
from torch import nn

from workbench.errors import InputError
from workbench.models import bounds, uploads
from workbench.models.fitting import matched
from workbench.models.folder import LONGEST_CLASS, MOST_CLASSES, read_spec
from workbench.models.loading import load_folder
from workbench.models.uploads import unpack, upload_model
from workbench.models.weights import read_weights

torch.set_num_threads(1)
Refusal = Callable[[Callable[[], object]], str]
SPEC = (
    'architecture = "timm:test_resnet"\nweights = "w.safetensors"\nclasses = ["ok", "bad"]\n[preprocessing]\nsize ='
    " [64, 64]\n"
)


def state(**changed: object) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return timm.create_model("test_resnet", **{"num_classes": 2} | changed).state_dict()


def zipped(members: dict[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def described(folder: Path, text: str, **files: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model.toml").write_text(text)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


# Class lists and descriptions


def test_a_class_list_without_an_end_takes_no_memory(tmp_path: Path) -> None:
    described(
        tmp_path,
        SPEC.replace('["ok", "bad"]', '"c.txt"'),
        **{"c.txt": b"".join(b"class %d\n" % i for i in range(2_000_000))},
    )
    found = cost(
        "from workbench.models.folder import read_spec; from pathlib import Path",
        "read_spec(Path(sys.argv[1]))",
        tmp_path,
    )
    assert (found.kind, "over 8 MB of text" in found.said) == ("InputError", True)
    assert found.megabytes < 50


@pytest.mark.parametrize("inline", [True, False])
def test_class_lists_are_bounded_in_number_and_length(tmp_path: Path, inline: bool, refusal: Refusal) -> None:
    def given(names: list[str]) -> Path:
        text = SPEC.replace('["ok", "bad"]', json.dumps(names) if inline else '"c.txt"')
        return described(tmp_path / "m", text, **{"c.txt": "\n".join(names).encode()})

    assert len(read_spec(given([f"class {i}" for i in range(MOST_CLASSES)])).classes) == MOST_CLASSES
    assert "25,001 classes" in refusal(lambda: read_spec(given([f"class {i}" for i in range(MOST_CLASSES + 1)])))
    assert read_spec(given(["a", "b" * LONGEST_CLASS])).classes[0] == "a"
    assert "up to 501 characters" in refusal(lambda: read_spec(given(["a", "b" * (LONGEST_CLASS + 1)])))


@pytest.mark.parametrize(
    "extra",
    [
        "threshold = 1e400",
        "threshold = nan",
        "threshold = " + "9" * 5000,
        "x = " + "[" * 100_000,
        "x = " + "{a=" * 50_000,
        "a." * 10_000 + "b = 1",
        "[" + "a." * 10_000 + "b]",
        "x = '\0'",
        "\xff",
        "[options]\nx = 1e400",
        "[options]\nx = -inf",
        "[options]\nx = [1]",
        "[preprocessing]\nmean = [nan, 0, 0]",
        "[preprocessing]\nstd = [inf, 1, 1]",
        "[preprocessing]\nstd = [0, 1, 1]",
        "[preprocessing]\ncrop = 1e400",
        "[preprocessing]\nsize = [1e400, 3]",
        "\n".join(f"k{i} = {i}" for i in range(60_000)),
    ],
    ids=lambda extra: extra[:20],
)
def test_odd_numbers_and_deep_nesting_in_a_description_are_one_sentence(
    tmp_path: Path, extra: str, refusal: Refusal
) -> None:
    text = SPEC.partition("[preprocessing]")[0] + extra
    (tmp_path / "model.toml").write_bytes(text.encode("latin-1"))
    assert "model.toml" in refusal(lambda: read_spec(tmp_path))


def test_what_is_no_file_is_one_sentence(tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "model.toml").mkdir()
    assert "cannot be read" in refusal(lambda: read_spec(tmp_path))
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop" / "model.toml").symlink_to("model.toml")
    assert "cannot be read" in refusal(lambda: read_spec(tmp_path / "loop"))


@pytest.mark.parametrize("kind", ["folder", "loop", "empty"])
def test_weights_that_are_no_file_are_one_sentence(tmp_path: Path, kind: str, refusal: Refusal) -> None:
    path = described(tmp_path / "m", SPEC) / "w.safetensors"
    {"folder": path.mkdir, "loop": lambda: path.symlink_to(path.name), "empty": path.touch}[kind]()
    assert "w.safetensors" in refusal(lambda: load_folder(tmp_path / "m"))


# Weights


def test_weights_that_are_packed_take_no_memory(tmp_path: Path) -> None:
    """A state dict whose records are deflated: 100 MB of zeros in a few hundred bytes."""
    whole, packed = io.BytesIO(), tmp_path / "w.pth"
    torch.save({"w": torch.zeros(10**8, dtype=torch.uint8)}, whole)
    with zipfile.ZipFile(whole) as given, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in given.infolist():
            archive.writestr(member.filename, given.read(member))
    assert packed.stat().st_size < 200_000
    found = cost(
        "from workbench.models.weights import read_weights; from pathlib import Path",
        "read_weights(Path(sys.argv[1]))",
        packed,
    )
    assert (found.kind, "holds records that are packed" in found.said) == ("InputError", True)
    assert found.megabytes < 30


def test_records_that_overlap_are_refused(tmp_path: Path, refusal: Refusal) -> None:
    """Many entries of the index that share the same bytes: each is stored plainly, and together they are more than the
    file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("w/data/0", bytes(100_000))
        archive.filelist += archive.filelist * 20
    (tmp_path / "w.pth").write_bytes(buffer.getvalue())
    assert "overlap" in refusal(lambda: read_weights(tmp_path / "w.pth"))


def saved(tensors: dict[str, torch.Tensor]) -> bytes:
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    return buffer.getvalue()


STRANGE: dict[str, tuple[Callable[[], torch.Tensor], str]] = {
    "meta": (lambda: torch.empty(3, device="meta"), "device meta"),
    "sparse": (lambda: torch.eye(3).to_sparse(), "is sparse"),
    "sparse rows": (lambda: torch.eye(3).to_sparse_csr(), "is sparse"),
    "quantised": (lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), "is quantised"),
    "by channels": (
        lambda: torch.quantize_per_channel(torch.ones(3, 2), torch.ones(3), torch.zeros(3), 0, torch.qint8),
        "is quantised",
    ),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_a_tensor_that_is_not_plain_numbers_is_one_sentence(tmp_path: Path, kind: str, refusal: Refusal) -> None:
    make, says = STRANGE[kind]
    (tmp_path / "w.pth").write_bytes(saved({"a": torch.ones(2), "w": make()}))
    message = refusal(lambda: read_weights(tmp_path / "w.pth"))
    assert message.startswith("w.pth holds w as a tensor that ")
    assert says in message


def test_whole_numbers_are_not_taken_for_weights(refusal: Refusal) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    given = model.state_dict()
    assert (
        matched(
            model, {k: v.double() if v.is_floating_point() else v for k, v in given.items()}, "w.pth"
        ).tensors.keys()
        == given.keys()
    )
    message = refusal(lambda: matched(model, given | {"0.weight": torch.ones(2, 2, dtype=torch.int8)}, "w.pth"))
    assert "holds 0.weight as int8 where the architecture has float32" in message


def test_only_what_holds_pickled_objects_is_said_to(tmp_path: Path, refusal: Refusal) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "w.pth")
    assert "it holds pickled objects, which could run code" in refusal(lambda: read_weights(tmp_path / "w.pth"))
    for data in (b"x", b"", b"some text", saved({"a": torch.ones(9)})[:-30], b"PK\3\4" + b"\0" * 99):
        (tmp_path / "w.pth").write_bytes(data)
        message = refusal(lambda: read_weights(tmp_path / "w.pth"))
        assert "pickled objects" not in message
        assert "w.pth is not" in message


def test_keys_that_are_no_names_are_refused_before_they_are_written_out(tmp_path: Path, refusal: Refusal) -> None:
    key: object = ()
    for _ in range(20):
        key = (key, key)
    (tmp_path / "w.pth").write_bytes(saved({key: torch.ones(2)}))  # type: ignore[dict-item]
    assert "holds no state dict" in refusal(lambda: read_weights(tmp_path / "w.pth"))


HEADERS = {
    "longer than the file": (2**40).to_bytes(8, "little") + b"{}",
    "negative": b"\xff" * 8 + b"{}",
    "nothing": b"",
    "no header": (0).to_bytes(8, "little"),
    "cut": save({"w": torch.ones(99)})[:-9],
    "nested": (lambda text: len(text).to_bytes(8, "little") + text)(b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "beyond the file": (lambda text: len(text).to_bytes(8, "little") + text)(
        b'{"w":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    ),
    "shape without end": (lambda text: len(text).to_bytes(8, "little") + text)(
        b'{"w":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,4]}}    '
    ),
    "unknown kind": (lambda text: len(text).to_bytes(8, "little") + text + b"\0" * 4)(
        b'{"w":{"dtype":"X9","shape":[1],"data_offsets":[0,4]}}'
    ),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_header_that_lies_is_one_sentence(tmp_path: Path, kind: str, refusal: Refusal) -> None:
    (tmp_path / "w.safetensors").write_bytes(HEADERS[kind])
    assert refusal(lambda: read_weights(tmp_path / "w.safetensors")).startswith("w.safetensors ")


def test_a_description_of_tensors_is_bounded_unread(tmp_path: Path) -> None:
    length = 17 * 2**20
    (tmp_path / "w.safetensors").write_bytes(length.to_bytes(8, "little") + b" " * length + b"\0" * 8)
    found = cost(
        "from workbench.models.weights import read_weights; from pathlib import Path",
        "read_weights(Path(sys.argv[1]))",
        tmp_path / "w.safetensors",
    )
    assert (found.kind, "17 MB, over the limit of 16 MB" in found.said) == ("InputError", True)
    assert found.megabytes < 10


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_damaged_weights_are_one_sentence(tmp_path: Path, suffix: str) -> None:
    """Mutated valid files: weights or one sentence, and nothing else."""
    rng = np.random.default_rng(7)
    tensors = {"a": torch.ones(3, 4), "b": torch.zeros(2)}
    good, refused = save(tensors) if suffix == "safetensors" else saved(tensors), 0
    head = 150 if suffix == "safetensors" else len(good)
    for _ in range(300):
        data = bytearray(good)
        for at in rng.integers(0, head, rng.integers(1, 4)):
            data[at] = rng.integers(0, 256)
        path = tmp_path / f"w.{suffix}"
        path.write_bytes(bytes(data[: rng.integers(1, len(data))] if rng.random() < 0.1 else data))
        try:
            read_weights(path)
        except InputError:
            refused += 1
    assert refused > 50


# What a pass takes


@pytest.mark.parametrize("options", [{"img_size": 1024, "patch_size": 8}, {"img_size": 512, "patch_size": 2}])
def test_many_tokens_are_refused_before_they_are_computed(
    tmp_path: Path, options: dict[str, int], refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = [options["img_size"]] * 2
    weights = timm.create_model("vit_tiny_patch16_224", num_classes=2, **options).state_dict()
    lines = "".join(f"{name} = {value}\n" for name, value in options.items())
    text = SPEC.replace("test_resnet", "vit_tiny_patch16_224").replace("[64, 64]", str(size)) + f"[options]\n{lines}"
    described(tmp_path, text, **{"w.safetensors": save(weights)})
    monkeypatch.setattr("workbench.models.settings.trial", lambda *_: pytest.fail("was computed"))
    message = refusal(lambda: load_folder(tmp_path, trusted=False))
    assert "billion operations an image, over the 500 billion" in message


@pytest.mark.parametrize(("name", "size", "known"), [("resnet18", 224, 3.63e9), ("vit_tiny_patch16_224", 224, 2.15e9)])
def test_the_cost_of_a_pass_is_what_is_published(
    name: str, size: int, known: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice the multiply-adds: 1.814 billion for ResNet-18, 1.08 billion for ViT-Ti/16 (with its attention)."""
    model = timm.create_model(name)
    model.train()
    monkeypatch.setattr(bounds, "MOST_STEPS", int(known * 1.2))
    bounds.check_cost(model, (3, size, size))
    assert model.training
    monkeypatch.setattr(bounds, "MOST_STEPS", int(known * 0.8))
    with pytest.raises(InputError):
        bounds.check_cost(model, (3, size, size))


# Zips


def test_only_what_the_description_names_takes_disk(tmp_path: Path) -> None:
    big = np.random.default_rng(0).bytes(2**20)
    members = {
        "m/model.toml": SPEC.replace('["ok", "bad"]', '"c.txt"'),
        "m/w.safetensors": save(state()),
        "m/c.txt": b"ok\nbad\n",
        "m/unused.safetensors": big,
        "m/more.txt": big,
        "other/model.toml": "x",
    }
    unpack(zipped(members), "x.zip", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.txt", "model.toml", "w.safetensors"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"weights": "n" * 300 + ".pth"}, "is not a"),
        ({"weights": "../w.safetensors"}, "outside of its folder"),
        ({"weights": "other.pth"}, "are not in"),
        ({"weights": "package:timm/x"}, "package"),
        ({"classes": "n" * 300}, "is not a"),
    ],
)
def test_odd_names_in_a_model_zip_are_one_sentence(
    changed: dict[str, str], says: str, refusal: Refusal, read_here: None
) -> None:
    fields = {"architecture": "timm:test_resnet", "weights": "w.safetensors", "classes": ["ok", "bad"]} | changed
    text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in fields.items())
    data = zipped(
        {
            "model.toml": text,
            "w.safetensors": save(state()),
            **{name: b"x" for name in changed.values() if len(name) > 250},
        }
    )
    assert says in refusal(lambda: upload_model(data, "x.zip"))


def test_a_model_is_loaded_as_from_a_folder_and_leaves_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    loaded, _ = upload_model(zipped({"m/model.toml": SPEC, "m/w.safetensors": save(state())}), "x.zip")
    assert loaded.class_names == ("ok", "bad")
    assert all(torch.equal(tensor, state()[name]) for name, tensor in loaded.model.state_dict().items())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("limit", "value", "says"), [("MEMORY", 30, "of memory to read"), ("SECONDS", 1, "takes over 1 s to read")]
)
def test_what_the_bounds_miss_ends_a_process_apart(
    limit: str, value: int, says: str, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, limit, value)
    data = zipped({"model.toml": SPEC, "w.safetensors": save(state())})
    assert says in refusal(lambda: upload_model(data, "x.zip"))


def test_weights_of_a_trusted_folder_stay_readable(tmp_path: Path) -> None:
    save_file(state(), tmp_path / "w.safetensors")
    torch.save({"state_dict": state()}, tmp_path / "w.pth")
    both = [read_weights(tmp_path / name) for name in ("w.safetensors", "w.pth")]
    assert all(torch.equal(both[0][name.removeprefix("state_dict/")], tensor) for name, tensor in both[1].items())
    assert len(both[0]) == len(both[1])
