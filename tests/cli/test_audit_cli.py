"""`workbench audit`: what it writes and says, how it stops, and how it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from commands import call
from PIL import Image

from workbench import cli
from workbench.audit.reader import open_audit

MODEL = """
import os, time, torch

class Slow(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.head = torch.nn.Linear(192, 2)

    def forward(self, x):
        time.sleep(float(os.environ.get("SLOWLY", "0")))
        return self.head(torch.nn.functional.adaptive_avg_pool2d(x, 8).flatten(1))

def make():
    return Slow()
"""
AUDIT = ("audit", "--model", "python:tiny_audited_model:make", "--images", "set", "--out", "out")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with forty images in two classes, one of them broken, and a module with a factory."""
    noise = np.random.default_rng(0)
    for i in range(40):
        path = tmp_path / "set" / f"class {i % 2}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.integers(0, 255, (10, 14, 3), np.uint8)).save(path)
    path.write_text("no image")
    (tmp_path / "tiny_audited_model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv(cli.TRACEBACK_VARIABLE, raising=False)
    yield tmp_path
    sys.modules.pop("tiny_audited_model", None)


def test_it_writes_the_tables_and_says_what_is_in_them(place, capsys) -> None:
    assert call(*AUDIT, "--attributions", "saliency", "--sample", "4", "--seed", "5") == 0
    audit = open_audit("out")
    said = capsys.readouterr().out
    right = (audit.predictions.frame["verdict"] == "right").sum() / 39
    assert "Wrote 40 images to" in said
    assert f"{right:.1%} of 39 labelled images" in said
    assert "1 could not be read" in said
    assert "Wrote 4 maps" in said
    assert audit.summaries("saliency").facts["sample"]["seed"] == 5


BAD = {
    ("--model", "nothing"): "There is no model 'nothing'",
    ("--images", "nowhere"): "'nowhere'",
    ("--attributions", "magic"): "There is no method 'magic'",
    ("--engine", "dask"): "There is no engine 'dask'",
    ("--sample", "0"): "'--sample'",
    ("--out", "tiny_audited_model.py"): "cannot be written to",
}


@pytest.mark.parametrize(("bad", "says"), BAD.items(), ids=str)
def test_bad_input_is_one_line_and_exit_code_2(place, capsys, bad, says) -> None:
    assert call(*AUDIT, *bad) == cli.INPUT_ERROR
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1


def test_an_interruption_says_that_it_resumes_and_it_does(place, capsys) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench.cli", *AUDIT],
        env=os.environ | {"SLOWLY": "3", "PYTHONPATH": str(place)},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 90
    while not (place / "out" / "parts" / "00000000.parquet").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == cli.INTERRUPTED
    assert "run the same command again, and it resumes" in said
    assert "Traceback" not in said
    kept = sum(1 for _ in (place / "out" / "parts").iterdir())
    assert kept >= 1
    assert call(*AUDIT) == 0
    assert len(open_audit("out").predictions) == 40
