"""Every reader of what somebody hands in, with damaged copies of sound files: what it reads, or one sentence, and
nothing else."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from measured import cost
from PIL import Image
from safetensors.torch import save

from workbench.catalog import load_catalog
from workbench.errors import InputError
from workbench.models.folder import read_spec
from workbench.models.loading import load_folder
from workbench.sets.layouts import images_from_zip, load_images

torch.set_num_threads(1)
SPEC = (
    'title = "Weld"\narchitecture = "timm:test_resnet"\nweights = "w.safetensors"\nclasses = ["ok", "bad"]\npositive ='
    ' "bad"\nthreshold = 0.5\n[options]\ndrop_rate = 0.1\n[preprocessing]\nsize = [64, 64]\nmean = [0.5, 0.5, 0.5]\n'
)
CATALOG = (
    '[models.mine]\ntitle = "Mine"\nref = "timm:test_resnet"\n[images.lot]\ntitle = "Lot"\nref = "lot"\nlicence ='
    ' "CC0"\n'
)
WORDS = [
    b"\xff",
    b"\0",
    b"1e400",
    b"nan",
    b"-",
    b"\n",
    b'"',
    b"[",
    b"{",
    b"=",
    b"../",
    b"\xe2\x80\xae",
    b"9" * 4400,
    b"[" * 3000,
    b"x" * 300,
]


def mutated(good: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Copies with bytes changed, words put in, and ends cut off; what is text mostly stays text."""
    rng, top = np.random.default_rng(seed), 128 if good.isascii() else 256
    for _ in range(count):
        data = bytearray(good)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            if rng.random() < 0.7:
                data[at] = rng.integers(0, top)
            else:
                data[at:at] = WORDS[rng.integers(len(WORDS))]
        yield bytes(data[: rng.integers(len(data))] if rng.random() < 0.1 else data)


def refusals(turns: Iterator[bytes], read: Callable[[bytes], object]) -> tuple[int, int]:
    """How many of the turns were refused, and how many there were."""
    refused = count = 0
    for data in turns:
        count += 1
        try:
            read(data)
        except InputError as error:
            refused += 1
            if not str(error).endswith("."):
                raise
    return refused, count


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(buffer, "PNG")
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_damaged_descriptions_of_models(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"x")

    def read(data: bytes) -> None:
        (tmp_path / "model.toml").write_bytes(data)
        read_spec(tmp_path)

    refused, count = refusals(mutated(SPEC.encode(), 400, 1), read)
    assert 100 < refused < count


def test_damaged_catalogs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_CONFIG", str(tmp_path / "own.toml"))
    turns = iter(range(10**6))

    def read(data: bytes) -> None:
        (tmp_path / "own.toml").write_bytes(data)
        os.utime(tmp_path / "own.toml", ns=(1, next(turns)))
        load_catalog()

    refused, count = refusals(mutated(CATALOG.encode(), 200, 2), read)
    assert 50 < refused < count


@pytest.mark.parametrize("trusted", [True, False])
def test_damaged_models(tmp_path: Path, trusted: bool) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        weights = save(timm.create_model("test_resnet", num_classes=2).state_dict())
    header = weights[: 8 + int.from_bytes(weights[:8], "little")]

    def read(text: bytes, head: bytes = header) -> None:
        (tmp_path / "model.toml").write_bytes(text)
        (tmp_path / "w.safetensors").write_bytes(head + weights[len(header) :])
        load_folder(tmp_path, trusted=trusted)

    refused, count = refusals(mutated(SPEC.encode(), 60, 4), read)
    assert 10 < refused < count
    refused, _ = refusals(mutated(header, 40, 5), lambda head: read(SPEC.encode(), head))
    assert refused > 20


def test_damaged_sets(tmp_path: Path) -> None:
    manifest = b"image,label,split,mask,camera\nok/a.png,ok,train,,A\nbad/b.png,bad,test,ok/a.png,B\n"

    def whole(data: bytes) -> None:
        for item in images_from_zip(data, "x.zip"):
            item.open()
            item.open_mask()

    def folder(data: bytes) -> None:
        (tmp_path / "manifest.csv").write_bytes(data)
        whole(zipped({"manifest.csv": data, "ok/a.png": png(), "bad/b.png": png()}))
        load_images(tmp_path)

    for name in ("ok/a.png", "bad/b.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(png())
    refused, count = refusals(mutated(manifest, 300, 6), folder)
    assert 30 < refused < count
    refused, count = refusals(mutated(zipped({"ok/a.png": png(), "bad/b.png": png()}), 300, 7), whole)
    assert 50 < refused < count


@pytest.mark.parametrize(
    "name",
    [
        "n" * 300 + ".png",
        "n" * 7000 + "/a.png",
        "\udcff.png".encode("utf-8", "surrogatepass").decode("latin-1"),
        "\u202egnp.a.png",
        "a\n.png",
        "AUX.png",
    ],
    ids=[
        "300 letters",
        "7,000 letters",
        "bytes that are no UTF-8",
        "turned round",
        "a line end",
        "a device of Windows",
    ],
)
def test_odd_names_in_a_zip_are_read_or_one_sentence(name: str) -> None:
    data = zipped({f"ok/{name}": png(), "bad/b.png": png()})
    refused, _ = refusals(iter([data]), lambda data: [item.open() for item in images_from_zip(data, "x.zip")])
    assert refused == 0


def test_names_that_differ_in_case_are_two_images() -> None:
    images = images_from_zip(zipped({"ok/a.png": png(), "ok/A.png": png(), "OK/a.png": png()}), "x.zip")
    assert {item.name for item in images} == {"ok/a.png", "ok/A.png", "OK/a.png"}


FUZZ = """
import numpy as np
from workbench.errors import InputError
from workbench.predictions import Predictions
def damage(path):
    good, rng, refused = open(path, "rb").read(), np.random.default_rng(8), 0
    for _ in range(150):
        data = bytearray(good)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            data[at] = rng.integers(0, 256)
        open(path + ".x", "wb").write(data)
        try:
            Predictions.load(__import__("pathlib").Path(path + ".x"))
        except InputError:
            refused += 1
    assert 20 < refused, refused
"""


def test_damaged_predictions(tmp_path: Path) -> None:
    from workbench.images.item import BytesSource, ImageItem
    from workbench.predictions.table import DecisionRule, tabulate

    items = [ImageItem(f"{i}.png", BytesSource(png()), "ok", attributes={"camera": "A"}) for i in range(9)]
    logits = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
    odds = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    tabulate(items, logits, odds, {}, DecisionRule(("ok", "bad"), "bad", 0.5), "m").save(tmp_path / "p.parquet")
    found = cost(FUZZ, "damage(sys.argv[1])", tmp_path / "p.parquet", most=1500)
    assert found.kind == "", found
    assert found.megabytes < 600


def test_a_zip_whose_files_overlap_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("ok/0.png", png() + bytes(50_000))
        first = archive.infolist()[0]
        for number in range(1, 50):
            other = zipfile.ZipInfo(f"ok/{number}.png")
            other.header_offset, other.CRC = first.header_offset, first.CRC
            other.compress_size, other.file_size = first.compress_size, first.file_size
            archive.filelist.append(other)
    with pytest.raises(InputError, match="overlap"):
        images_from_zip(buffer.getvalue(), "x.zip")


def test_an_index_without_an_end_is_refused_unread() -> None:
    entry = b"PK\1\2" + bytes(42)
    end = (
        b"PK\5\6"
        + bytes(4)
        + (65535).to_bytes(2, "little") * 2
        + (len(entry) * 300_000).to_bytes(4, "little")
        + bytes(6)
    )
    data = entry * 300_000 + end
    with pytest.raises(InputError, match="over 200,000 files"):
        images_from_zip(data, "x.zip")
