"""A model over a whole image set: the same numbers as `predict`, nothing lost by a kill, nothing computed twice."""

from __future__ import annotations

import dataclasses
import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import scipy.stats
import torch
from PIL import Image

import workbench as wb
from workbench.audit import outputs, parts
from workbench.audit.reader import open_audit
from workbench.audit.runner import Progress, run
from workbench.images.item import FileSource, ImageItem, ImageSet
from workbench.models.preprocessing import BATCH
from workbench.predictions.table import COLUMNS

CLASSES = ("good", "bad", "odd")
MODEL = """
import hashlib, os, time, torch

class Logged(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.head = torch.nn.Linear(48, 3)

    def forward(self, x):
        with open(os.environ["FORWARDS"], "a") as file:
            file.writelines(hashlib.sha256(row.numpy().tobytes()).hexdigest() + chr(10) for row in x)
        time.sleep(0.01)
        return self.head(torch.nn.functional.adaptive_avg_pool2d(x, 4).flatten(1))
"""
KILLED = """
import os, sys, torch
torch.set_num_threads(1)
sys.path.insert(0, ".")
import logged_model
import workbench as wb
from workbench.audit import parts, run
parts.ROWS = 32
settings = {"size": (8, 8), "classes": ("good", "bad", "odd"), "device": "cpu"}
for asked in sys.stdin:  # each run is a process of its own, in which all is imported
    if not (child := os.fork()):
        list(run(wb.load_classifier(logged_model.Logged(), **settings), wb.load_images("set"), "out"))
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def classifier(tiny_net):
    return wb.load_classifier(tiny_net(3), size=(8, 8), classes=CLASSES, positive="bad", device="cpu")


@pytest.fixture
def asked(classifier):
    """How many images each forward pass took."""
    sizes = []
    classifier.model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    return sizes


@pytest.fixture
def folder(tmp_path):
    """Makes a set of seeded noise, half of it not square, below tmp_path."""

    def make(count, name="set", **facts):
        folder, noise = tmp_path / name, np.random.default_rng(0)
        folder.mkdir(exist_ok=True)
        items = []
        for i in range(count):
            path = folder / f"{i:04d}.png"
            Image.fromarray(noise.integers(0, 256, (9, 9 + i % 2 * 4, 3), np.uint8)).save(path)
            items.append(
                ImageItem(
                    path.name,
                    FileSource(path),
                    CLASSES[i % 3],
                    split=("train", "test")[i % 2],
                    attributes={"line": i % 4},
                )
            )
        return ImageSet(name, tuple(items), CLASSES)

    return make


def finished(*arguments, **settings) -> Progress:
    return list(run(*arguments, **settings))[-1]


def changed(images: ImageSet, position: int, **facts) -> ImageSet:
    items = list(images.items)
    items[position] = dataclasses.replace(items[position], **facts)
    return dataclasses.replace(images, items=tuple(items))


# What is written


def test_the_numbers_are_those_of_predict_to_the_last_bit(classifier, folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(outputs, "ROWS", 7)  # so that the table is put together from several pieces
    images = folder(3 * BATCH + 5)
    images.items[4].source.path.write_bytes(b"no image")
    images.items[20].source.path.unlink()
    images = changed(changed(images, 1, attributes={"line": "x", "late": 2.5}), 2, label=None)
    expected = wb.predict(classifier, images)
    assert finished(classifier, images, tmp_path / "out") == Progress("images", 53, 53, 2, 51)
    found = open_audit(tmp_path / "out").predictions
    pd.testing.assert_frame_equal(found.frame.drop(columns=["margin", "entropy"]), expected.frame)
    assert np.array_equal(found.logits, expected.logits, equal_nan=True)
    assert np.array_equal(found.probabilities, expected.probabilities, equal_nan=True)
    assert (found.rule, found.model) == (expected.rule, expected.model)
    assert "0004.png is not an image" in found.frame["error"][4]
    assert "0020.png is no longer there" in found.frame["error"][20]
    stored = pq.read_table(tmp_path / "out" / "predictions.parquet")
    assert set(stored.column_names) == COLUMNS | {"line", "late"}


def test_margin_is_that_of_the_logits_and_entropy_is_in_nats(classifier, folder, tmp_path) -> None:
    finished(classifier, folder(5), tmp_path / "out")
    found = open_audit(tmp_path / "out").predictions
    ranked = np.sort(found.logits, axis=1)
    assert found.frame["margin"].to_numpy() == pytest.approx(ranked[:, 2] - ranked[:, 1])
    assert found.frame["entropy"].to_numpy() == pytest.approx(
        scipy.stats.entropy(found.probabilities, axis=1), rel=1e-5
    )


def test_the_file_says_what_it_belongs_to(classifier, folder, tmp_path) -> None:
    images = folder(3)
    finished(classifier, images, tmp_path / "out")
    facts = open_audit(tmp_path / "out").facts
    assert (facts["model"], facts["set"], facts["set name"]) == (classifier.key, images.key, "set")
    assert facts["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert facts["created"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if p.suffix != ".lock") == [
        "audit.json",
        "predictions.parquet",
    ]


def test_what_is_finished_is_not_written_again(classifier, folder, tmp_path, asked) -> None:
    images = folder(5)
    finished(classifier, images, tmp_path / "out")
    before = (tmp_path / "out" / "predictions.parquet").stat()
    asked.clear()
    assert finished(classifier, images, tmp_path / "out").computed == 0
    after = (tmp_path / "out" / "predictions.parquet").stat()
    assert (after.st_ino, after.st_mtime_ns, asked) == (before.st_ino, before.st_mtime_ns, [])


# What is not computed twice


def test_facts_of_the_set_and_the_threshold_are_no_reason_to_compute(classifier, folder, tmp_path, asked) -> None:
    images = folder(20)
    finished(classifier, images, tmp_path / "out")
    asked.clear()
    images = changed(images, 3, label="odd", split="validation", attributes={"camera": "B"})
    rule = dataclasses.replace(classifier.rule, threshold=0.0)
    assert finished(dataclasses.replace(classifier, rule=rule), images, tmp_path / "out").computed == 0
    frame = open_audit(tmp_path / "out").predictions.frame
    assert asked == []
    assert frame.loc[3, ["label", "split", "camera"]].tolist() == ["odd", "validation", "B"]
    assert set(frame["predicted"]) == {"bad"}


def test_only_what_is_new_is_computed_and_what_is_gone_leaves_the_table(classifier, folder, tmp_path, asked) -> None:
    images = folder(20)
    most = dataclasses.replace(images, items=images.items[1:])
    finished(classifier, most, tmp_path / "out")
    before = open_audit(tmp_path / "out").predictions
    asked.clear()
    finished(classifier, dataclasses.replace(images, items=images.items[:10]), tmp_path / "out")
    after = open_audit(tmp_path / "out").predictions
    assert asked == [1]
    assert after.frame["name"].tolist() == [item.name for item in images.items[:10]]
    assert np.array_equal(after.logits[1:], before.logits[:9])


def test_an_image_that_comes_twice_is_computed_once(classifier, folder, tmp_path, asked) -> None:
    images = folder(40)
    for copy in (1, 39):
        images.items[copy].source.path.write_bytes(images.items[0].source.path.read_bytes())
    finished(classifier, images, tmp_path / "out")
    found = open_audit(tmp_path / "out").predictions
    assert sum(asked) == 38
    assert (found.logits[[1, 39]] == found.logits[0]).all()


def test_a_change_of_the_bytes_under_the_same_name_and_size_is_seen(classifier, folder, tmp_path, asked) -> None:
    images = folder(3)
    finished(classifier, images, tmp_path / "out")
    path = images.items[0].source.path
    path.write_bytes(images.items[2].source.path.read_bytes())
    asked.clear()
    finished(classifier, images, tmp_path / "out")
    found = open_audit(tmp_path / "out").predictions
    assert asked == []
    assert (found.logits[0] == found.logits[2]).all()


# Stopping


def test_closing_keeps_what_is_computed_and_ends_the_threads(classifier, folder, tmp_path, asked) -> None:
    images = folder(100)
    steps = run(classifier, images, tmp_path / "out")
    assert [next(steps).done for _ in range(3)] == [16, 32, 48]
    steps.close()
    assert [t for t in threading.enumerate() if t.name.startswith("audit")] == []
    with pytest.raises(wb.InputError, match="is not finished"):
        open_audit(tmp_path / "out")
    asked.clear()
    assert finished(classifier, images, tmp_path / "out") == Progress("images", 100, 100, 0, 52)
    assert sum(asked) == 52


def test_images_are_read_a_little_ahead_and_no_further(classifier, folder, tmp_path, monkeypatch) -> None:
    from workbench.audit import local

    begun, real = [], local.read
    monkeypatch.setattr(local, "read", lambda *a: begun.append(1) or real(*a))
    steps = run(classifier, folder(120), tmp_path / "out")
    next(steps)
    time.sleep(0.3)
    assert BATCH + 8 <= len(begun) <= BATCH + local.AHEAD + 1
    steps.close()


def test_an_error_of_the_model_keeps_what_was_computed_before(classifier, folder, tmp_path) -> None:
    images, count = folder(40), iter(range(9))

    def fail(*_):
        if next(count) == 1:
            raise RuntimeError("out of memory")

    handle = classifier.model.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        finished(classifier, images, tmp_path / "out")
    handle.remove()
    assert finished(classifier, images, tmp_path / "out").computed == 24


def test_killed_at_any_moment_nothing_is_lost_and_nothing_computed_twice(folder, tmp_path) -> None:
    images, log = folder(400), tmp_path / "forwards"
    (tmp_path / "logged_model.py").write_text(MODEL)
    (tmp_path / "killed.py").write_text(KILLED)
    environment = os.environ | {"FORWARDS": str(log)}
    draw, kept, computed = random.Random(time.time_ns()), set(), []
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "killed.py"], cwd=tmp_path, env=environment, **pipes)
    for kill in (True, True, True, False):
        log.write_text("")
        child, limit = int(_asked(process)), draw.randrange(2, 120)
        while kill and log.read_text().count("\n") < limit:
            os.kill(child, 0)  # it runs
            time.sleep(0.001)
        time.sleep(draw.random() * 0.02)
        os.kill(child, signal.SIGKILL) if kill else None
        assert int(process.stdout.readline()) == (-signal.SIGKILL if kill else 0)
        now = log.read_text().split()[1:]  # without the blank image of loading
        assert not kept & set(now), "computed although it was written"
        found = set(outputs.Index(outputs.files(tmp_path / "out")).rows)
        assert _inputs(images, found) >= kept, "lost although it was written"
        kept = _inputs(images, found)
        computed.append(len(now))
    assert len(kept) == 400
    assert computed[-1] < 400, "no kill came after a part was written"
    os.rename(tmp_path / "out", tmp_path / "killed")
    _asked(process)
    assert process.communicate(timeout=120)[0] == "0\n"
    _as_never_stopped(tmp_path)


def _asked(process):
    """Have a run started; the number of its process."""
    print(file=process.stdin, flush=True)
    return process.stdout.readline()


def _inputs(images, ids):
    """What the model's log calls the images with these digests."""
    import hashlib

    plain = wb.load_classifier(torch.nn.Flatten(), size=(8, 8), device="cpu")
    return {hashlib.sha256(plain.prepare(item).numpy().tobytes()).hexdigest() for item in images if item.id in ids}


def _as_never_stopped(folder):
    one, other = (folder / name / "predictions.parquet" for name in ("killed", "out"))
    assert pq.read_table(one).equals(pq.read_table(other))
    assert pq.ParquetFile(one).num_row_groups == pq.ParquetFile(other).num_row_groups
    facts = [parts.read_facts(path) for path in (one, other)]
    assert [f.pop("created") for f in facts]
    assert facts[0] == facts[1]


def test_a_half_written_or_damaged_part_counts_as_not_there(classifier, folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(parts, "ROWS", 16)
    images, folder = folder(64), tmp_path / "out" / "parts"
    steps = run(classifier, images, tmp_path / "out")
    [next(steps) for _ in range(3)]
    steps.close()
    first, *others = sorted(folder.iterdir())
    assert len(others) == 2
    first.write_bytes(first.read_bytes()[:100])
    (folder / f"00000009.parquet{parts.UNFINISHED}").write_bytes(b"half")
    assert finished(classifier, images, tmp_path / "out").computed == 32
    assert not folder.exists()


# Refusals


def test_two_at_once_are_refused(classifier, folder, tmp_path, refusal) -> None:
    images = folder(40)
    steps = run(classifier, images, tmp_path / "out")
    next(steps)
    assert "Another audit is writing" in refusal(lambda: finished(classifier, images, tmp_path / "out"))
    steps.close()
    assert finished(classifier, images, tmp_path / "out").done == 40


def test_the_folder_of_another_model_or_set_is_refused(classifier, folder, tmp_path, tiny_net, refusal) -> None:
    images = folder(3)
    finished(classifier, images, tmp_path / "out")
    other = wb.load_classifier(tiny_net(3, seed=1), size=(8, 8), classes=CLASSES, positive="bad", device="cpu")
    assert "another model" in refusal(lambda: finished(other, images, tmp_path / "out"))
    assert "another image set (set)" in refusal(lambda: finished(classifier, folder(3, "elsewhere"), tmp_path / "out"))


def test_a_full_disk_is_one_sentence_and_loses_nothing(classifier, folder, tmp_path, monkeypatch, refusal) -> None:
    images = folder(64)
    monkeypatch.setattr(parts, "ROWS", 16)
    steps = run(classifier, images, tmp_path / "out")
    next(steps)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert "No space left on device" in refusal(lambda: list(steps))
    assert [p.name for p in (tmp_path / "out" / "parts").iterdir()] == ["00000000.parquet"]
    assert finished(classifier, images, tmp_path / "out").computed == 48


def test_a_folder_that_cannot_be_made_is_refused(classifier, folder, tmp_path, refusal) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written to" in refusal(lambda: finished(classifier, folder(1), tmp_path / "file" / "out"))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"engine": "dask"}, "no engine 'dask'"),
        ({"attributions": "magic"}, "no method 'magic'"),
        ({"sample": 0}, "sample of 0"),
    ],
    ids=str,
)
def test_settings_that_mean_nothing_are_refused(classifier, folder, tmp_path, refusal, settings, says) -> None:
    assert says in refusal(lambda: finished(classifier, folder(1), tmp_path / "out", **settings))
    assert not (tmp_path / "out").exists()


def test_a_folder_without_an_audit_is_refused(tmp_path, refusal) -> None:
    assert "is not there" in refusal(lambda: open_audit(tmp_path))
    (tmp_path / "predictions.parquet").write_bytes(b"PAR1 or so")
    assert "is not there" in refusal(lambda: open_audit(tmp_path))


def test_the_store_opens_without_torch_and_without_embeddings(classifier, folder, tmp_path) -> None:
    finished(classifier, folder(20), tmp_path / "out")
    assert "embedding" not in open_audit(tmp_path / "out").predictions.frame
    code = (
        "import sys; from workbench.audit import open_audit as o; print(len(o('out').predictions), 'torch' in"
        " sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["20", "False"]
