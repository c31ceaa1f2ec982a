"""`workbench league`: which method suits a model that reads one corner, in files that others read; its errors."""

from __future__ import annotations

import csv
import json

import pytest
from commands import call
from cornered import ReadsCorner
from PIL import Image
from safetensors.torch import save_file

pytest_plugins = ["cornered"]
METHODS_ASKED = ["--method", "saliency", "--method", "integrated_gradients", "--method", "attention_rollout"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Arguments that name a model which reads a corner, and a set of images whose corner is dark or bright."""
    import numpy as np

    folder = tmp_path_factory.mktemp("model")
    save_file(ReadsCorner().state_dict(), folder / "model.safetensors")
    (folder / "model.toml").write_text(
        'title = "Reads a corner"\narchitecture = "python:cornered:ReadsCorner"\nweights = "model.safetensors"\n'
        'classes = ["dark", "bright"]\n'
        "[preprocessing]\nsize = [32, 32]\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n"
    )
    parts, rng = tmp_path_factory.mktemp("parts"), np.random.default_rng(0)
    for number in range(28):
        label = "bright" if number % 2 else "dark"
        pixels = rng.integers(60, 120, (32, 32, 3)).astype(np.uint8)
        pixels[-8:, -8:] = 250 if number % 2 else 5
        (parts / label).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(parts / label / f"{number:02}.png")
    return ["--model", str(folder), "--images", str(parts)]


def test_the_files_name_the_winner_and_who_did_not_enter(asked, tmp_path, capsys) -> None:
    assert call("league", *asked, "--out", str(tmp_path), *METHODS_ASKED, "--decisions", "14") == 0
    printed = capsys.readouterr().out
    (finding,) = json.loads((tmp_path / "findings.json").read_text(encoding="utf-8"))
    assert finding["check"] == "league of methods"
    assert finding["sentence"] in printed
    assert "How often a league is right" in printed
    with (tmp_path / "tables" / "league.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["entrant"]: row for row in csv.DictReader(file)}
    assert rows["Attention rollout"]["not_ranked"].startswith("no map of 14 of 14")
    assert rows["Occlusion"]["not_ranked"] == "did not enter"
    winner = next(row for row in rows.values() if row["rank"] == "1.0")
    assert float(winner["lead"]) == pytest.approx(finding["figure"])
    assert finding["support"] == 14
    assert len(list((tmp_path / "maps").iterdir())) == 14 * 4
    with (tmp_path / "tables" / "league-maps.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 14 * 4


def test_two_decisions_are_too_few(asked, tmp_path) -> None:
    assert call("league", *asked, "--out", str(tmp_path), "--method", "saliency", "--decisions", "2") == 0
    (finding,) = json.loads((tmp_path / "findings.json").read_text(encoding="utf-8"))
    assert finding["verdict"] == "unknown"


@pytest.mark.parametrize("wrong", [["--decisions", "1"], ["--method", "guess"], ["--target", "grey"]])
def test_bad_input_ends_with_one_line(asked, tmp_path, capsys, wrong) -> None:
    assert call("league", *asked, "--out", str(tmp_path), *wrong) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
