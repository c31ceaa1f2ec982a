"""A place to call the command line from."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from workbench import cli
from workbench.catalog import AUDIT_VARIABLE, IMAGES_VARIABLE, MODEL_VARIABLE

TINY = """
import pathlib, time, torch

def make():
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(192, 3))

class Slow(torch.nn.Module):
    def forward(self, x):
        if x.any():
            pathlib.Path("started").touch()
            time.sleep(60)
        return x.mean((2, 3))

def slow():
    return Slow()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with an image that is not square and a module with factories."""
    pixels = np.random.default_rng(0).integers(0, 255, (40, 70, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "part.png")
    (tmp_path / "tiny_cli_model.py").write_text(TINY)
    (tmp_path / "text.png").write_text("no image")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in (MODEL_VARIABLE, IMAGES_VARIABLE, AUDIT_VARIABLE, cli.TRACEBACK_VARIABLE, "WORKBENCH_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    sys.modules.pop("tiny_cli_model", None)
