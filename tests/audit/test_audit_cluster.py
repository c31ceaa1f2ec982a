"""The same audit on a real Ray, started on this machine for the test."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

import workbench as wb
from workbench.audit import parts
from workbench.audit.reader import open_audit
from workbench.audit.runner import run

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray is not installed: pip install 'explainability-workbench[cluster]'",
)
CLASSES = ("good", "bad")


@pytest.fixture
def classifier():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 2))
    return wb.load_classifier(model, size=(32, 32), classes=CLASSES, device="cpu")


@pytest.fixture
def images(tmp_path):
    """A zip of 150 images: two are copies, one of them of an image that comes later in another task, and three cannot
    be read."""
    noise = np.random.default_rng(0)
    folder = tmp_path / "set"
    for i in range(150):
        path = folder / CLASSES[i % 2] / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (20, 24, 3), np.uint8)).save(path)
    found = sorted(folder.rglob("*.png"))
    found[3].write_bytes(found[100].read_bytes())
    found[21].write_bytes(found[20].read_bytes())
    for broken in (10, 11, 140):
        found[broken].write_bytes(b"no image")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in found:
            archive.write(path, path.relative_to(folder))
    return wb.load_images(tmp_path / "set.zip"), wb.load_images(folder)


@needs_ray
@pytest.mark.timeout(280)
def test_ray_finds_the_same_rows_and_takes_over_where_one_machine_stopped(
    classifier, images, tmp_path, monkeypatch
) -> None:
    import ray

    zipped, unpacked = images
    list(run(classifier, zipped, tmp_path / "local"))
    expected = pq.read_table(tmp_path / "local" / "predictions.parquet")
    monkeypatch.setattr(parts, "ROWS", 16)
    steps = run(classifier, unpacked, tmp_path / "ray")
    [next(steps) for _ in range(3)]
    steps.close()
    with monkeypatch.context() as patch:
        patch.setenv("HOME", str(tmp_path))  # Ray leaves a token there
        patch.delenv("RAY_ADDRESS", raising=False)
        last = list(run(classifier, unpacked, tmp_path / "ray", engine="ray"))[-1]
        assert not ray.is_initialized()
    assert (last.done, last.errors, last.computed) == (150, 3, 145 - 45)
    found = pq.read_table(tmp_path / "ray" / "predictions.parquet")
    numbers = ["probabilities", "logits", "embedding"]
    assert found.drop_columns(numbers).equals(expected.drop_columns(numbers))
    for name in numbers:
        assert np.array_equal(parts.matrix(found.column(name)), parts.matrix(expected.column(name)), equal_nan=True), (
            name
        )
    assert open_audit(tmp_path / "ray").predictions.frame["error"].notna().sum() == 3
    assert not (tmp_path / "ray" / "parts").exists()


@needs_ray
@pytest.mark.slow  # to start Ray takes a quarter of a minute
def test_closing_a_run_ends_ray(classifier, images, tmp_path, monkeypatch) -> None:
    import ray

    monkeypatch.setenv("HOME", str(tmp_path))  # Ray leaves a token there
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    steps = run(classifier, images[0], tmp_path / "zipped", engine="ray")
    assert next(steps).total == 150
    steps.close()
    assert not ray.is_initialized()


def test_without_ray_it_says_what_to_install(classifier, images, tmp_path, monkeypatch, refusal) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "explainability-workbench[cluster]" in refusal(
        lambda: list(run(classifier, images[0], tmp_path / "out", engine="ray"))
    )


@needs_ray
def test_usage_is_never_reported(monkeypatch) -> None:
    import os

    from workbench.audit import cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    from ray._common.usage.usage_lib import usage_stats_enabled

    cluster._ray()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert not usage_stats_enabled()


def test_a_model_that_cannot_leave_its_process_is_refused(classifier, images, tmp_path, monkeypatch, refusal) -> None:
    from workbench.audit import cluster

    class Ray:
        def put(self, fields):
            raise TypeError("cannot pickle 'generator' object")

    with (
        pytest.raises(wb.InputError, match="cannot be sent to other processes"),
        cluster._workers(Ray(), classifier, 1),
    ):
        pass


def test_an_image_that_is_not_a_file_is_sent_with_its_bytes_and_a_broken_one_with_its_reason(images) -> None:
    from workbench.audit import cluster

    zipped, unpacked = images
    sent = cluster._sendable(zipped.items[0])
    assert sent.id == zipped.items[0].id == cluster._sendable(unpacked.items[0]).id
    assert cluster._sendable(unpacked.items[0]).source.path.is_absolute()
    gone = dataclasses.replace(
        zipped.items[0], source=dataclasses.replace(zipped.items[0].source, member=zipfile.ZipInfo("gone.png"))
    )
    assert "cannot be unpacked" in cluster._sendable(gone)
    assert cluster._digests([sent, "why"]) == [sent.id, None]
