"""The command `workbench train`: its options, its last words, and an interruption."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from commands import call
from PIL import Image

from workbench.predictions.table import DecisionRule, Predictions
from workbench.training import finetune
from workbench.training.run import FILES, Step


def test_train_passes_its_options_on_and_says_what_came_of_it(tmp_path, capsys, monkeypatch) -> None:
    asked = []
    monkeypatch.chdir(tmp_path)

    def train(images, out, **settings):
        asked.append((len(images), str(out), settings))
        yield Step("training", 1, 1, "epoch 1 of 1 at most, loss 0.300")
        names, frame = ("good", "bad"), {"name": list("abcd"), "split": ["test"] * 3 + ["train"]}
        frame |= {"label": ["good", "bad", "bad", "bad"], "predicted": ["good", "bad", "good", "good"]}
        table = pd.DataFrame(frame | {"verdict": ["right", "right", "wrong", "wrong"]})
        zeros = np.zeros((4, 2), np.float32)
        out.mkdir()
        Predictions(table, zeros, zeros, DecisionRule(names), "key").save(out / "predictions.parquet")

    monkeypatch.setattr(finetune, "train", train)
    for kind in ("good", "bad"):
        (tmp_path / "lot" / kind).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "lot" / kind / "1.png")
    settings = ("--epochs", "5", "--size", "64", "--positive", "bad", "--seed", "3", "--checkpoint", "half.ckpt")
    assert call("train", "lot", "--out", "made", *settings) == 0
    wanted = {"epochs": 5, "size": 64, "positive": "bad", "seed": 3, "checkpoint": Path("half.ckpt"), "before": None}
    assert asked == [(2, "made", wanted)]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 images of 2 classes, 0 with a mask; layout: folders"
    assert lines[4].startswith("  labels: 2 classes: bad, good (assumed: ")
    assert lines[5].startswith("  contradiction: 2 images hold the same bytes under several labels")
    lines = lines[6:]
    assert lines[0] == "1 of 1: training, epoch 1 of 1 at most, loss 0.300"
    assert lines[1].startswith(f"Wrote {', '.join(FILES)} to made after 0.0 min")
    assert lines[2].startswith("66.7% of the 3 test images are classified right (95 % interval 20.8% to 93.9%)")
    assert lines[3] == "Open it: workbench run --model made"


def test_train_says_how_to_go_on_after_an_interruption(tmp_path, capsys, monkeypatch) -> None:
    def train(images, out, **settings):
        yield Step("training", 3, 9)
        raise KeyboardInterrupt

    monkeypatch.setattr(finetune, "train", train)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lot").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "lot" / "1.png")
    assert call("train", "lot", "--out", "made") == 130
    assert "Stopped with 3 of 9 steps of training done: run the same command again" in capsys.readouterr().err
