"""`workbench shortcuts`: the cue of a model that goes by a corner, in files that others read; resumable; its errors."""

from __future__ import annotations

import contextlib
import csv
import io
import json

import pytest
from commands import call
from cornered import ReadsCorner
from one_cue import corners
from PIL import Image
from safetensors.torch import save_file

from workbench.cues import cue_search, errors_results, transplant_store
from workbench.cues.exchanged import places
from workbench.sets.layouts import load_images

pytest_plugins = ["cornered", "one_cue"]
FIELDS = {"check", "verdict", "sentence", "figure", "low", "high", "threshold", "support", "images"}
PLACE = "the bottom right corner"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save_file(ReadsCorner().state_dict(), folder / "model.safetensors")
    size, mean, std = "[32, 32]", "[0, 0, 0]", "[1, 1, 1]"
    (folder / "model.toml").write_text(
        'title = "Reads a corner"\narchitecture = "python:cornered:ReadsCorner"\nweights = "model.safetensors"\n'
        'classes = ["dark", "bright"]\n'
        f"[preprocessing]\nsize = {size}\nmean = {mean}\nstd = {std}\n"
    )
    return folder


@pytest.fixture(scope="module")
def run(model, parts, tmp_path_factory):
    """The folder that was written for a model that goes by the corner, and what was printed."""
    out, printed = tmp_path_factory.mktemp("out"), io.StringIO()
    folder = parts.items[0].source.path.parents[1]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(cue_search, "PROPOSERS", {"place": corners})
        assert call("shortcuts", "--model", str(model), "--images", str(folder), "--out", str(out), "--refit") == 0
    return out, printed.getvalue(), folder


def findings(out):
    return {row["check"]: row for row in json.loads((out / "findings.json").read_text(encoding="utf-8"))}


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_corner_is_named_for_either_class_with_its_proof(run) -> None:
    out, printed, _ = run
    found = findings(out)
    assert all(row.keys() == FIELDS for row in found.values())
    for name in ("bright", "dark"):
        corner = found[f"{name}: {PLACE}"]
        assert (corner["verdict"], corner["figure"], corner["threshold"]) == ("warn", 1.0, 0.2), (
            "no mask: a person says"
        )
        assert f"the model calls an image “{name}” by {PLACE}".casefold() in corner["sentence"].casefold()
        assert "turns 100 % (" in corner["sentence"]
        assert all(image.startswith(f"{name}/") for image in corner["images"])
    assert not any("top left" in check or "centre" in check for check in found)
    assert found["images looked at"]["verdict"] == "unknown", "no split says what trained the model"
    assert "not looked for: a mark that may lie anywhere" in found
    assert found["how often this search errs"]["sentence"] == errors_results()[0].sentence
    for row in found.values():
        assert row["sentence"] in printed
    fitted = found[f"bright: {PLACE}, last layer fitted anew"]
    assert (fitted["verdict"], fitted["figure"]) == ("unknown", None)
    assert "The last layer of this model cannot be fitted anew" in fitted["sentence"]


def test_tables_hold_each_image_and_agree_with_the_findings(run) -> None:
    out, _, _ = run
    cues = {(row["class"], row["cue"]): row for row in rows(out / "tables" / "cues.csv")}
    trials = rows(out / "tables" / "images.csv")
    for name, other in (("bright", "dark"), ("dark", "bright")):
        own = [r for r in trials if (r["class"], r["cue"], r["edit"]) == (name, PLACE, "put on")]
        assert {(r["called"], r["to"], r["decoy to"], r["turned"], r["decoy"]) for r in own} == {
            (other, name, other, "1.0", "0.0")
        }
        assert int(cues[name, PLACE]["put on: images"]) == len(own)
        assert float(cues[name, PLACE]["put on: flips"]) == 1
    assert len(cues) == len({(r["class"], r["cue"]) for r in trials})


def test_before_and_after_are_shown_and_the_carriers_read_as_a_set(run) -> None:
    out, _, folder = run
    accused = [check for check in findings(out) if check in {f"{name}: {PLACE}" for name in ("bright", "dark")}]
    assert len(list((out / "before-after").glob("*-before.png"))) == len(accused)
    before, after = (Image.open(out / "before-after" / f"01-{name}.png") for name in ("before", "after"))
    changed = [abs(a - b) for a, b in zip(before.getpixel((29, 29)), after.getpixel((29, 29)), strict=True)]
    assert min(changed) > 100
    assert before.getpixel((3, 3)) == after.getpixel((3, 3))
    carriers = load_images(out / "manifest.csv")
    whole = load_images(folder).by_name
    assert len(carriers) == len({image for check in accused for image in findings(out)[check]["images"]})
    assert all(PLACE in item.attributes["cue"] for item in carriers)
    assert all(item.label == whole[f"{item.label}/{item.name.rsplit('/')[-1]}"].label for item in carriers)


def test_a_second_run_tries_nothing_again_and_writes_the_same(run, model, monkeypatch, capsys) -> None:
    out, printed, folder = run
    before = {path.name: path.read_bytes() for path in out.rglob("*") if path.suffix in (".json", ".csv", ".png")}
    monkeypatch.setattr(cue_search, "PROPOSERS", {"place": corners})
    monkeypatch.setattr(transplant_store, "transplant", lambda *_: pytest.fail("it was tried before"))
    assert call("shortcuts", "--model", str(model), "--images", str(folder), "--out", str(out), "--refit") == 0
    assert capsys.readouterr().out == printed
    assert {path.name: path.read_bytes() for path in out.rglob("*") if path.name in before} == before


def test_without_enough_images_nothing_is_cleared(model, run, tmp_path, capsys) -> None:
    for item in list(load_images(run[2]))[:12]:
        path = tmp_path / "few" / item.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(item.source.read())
    out = tmp_path / "out"
    assert call("shortcuts", "--model", str(model), "--images", str(tmp_path / "few"), "--out", str(out)) == 0
    found = {name: row for name, row in findings(out).items() if not name.startswith("how often this search errs")}
    assert {row["verdict"] for row in found.values()} == {"unknown"}
    assert "not looked for: the class “bright”" in found
    assert not (out / "manifest.csv").exists()
    assert "manifest.csv" not in capsys.readouterr().out


def test_bad_input_ends_with_one_line(model, run, tmp_path, capsys) -> None:
    assert call("shortcuts", "--model", "no-such", "--images", str(run[2]), "--out", str(tmp_path)) == 2
    assert capsys.readouterr().err.startswith("workbench: There is no model")
    assert call("shortcuts", "--model", str(model), "--images", str(tmp_path / "none"), "--out", str(tmp_path)) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.slow
def test_the_planted_corner_of_stamped_metal_is_named_for_scratches(tmp_path, monkeypatch) -> None:
    """Of the model that was trained on stamped scratches, with masks: then the defects were left alone."""
    monkeypatch.setattr(cue_search, "PROPOSERS", {"place": places})
    metal = ("--model", "metal-shortcut", "--images", "stamped-metal")
    assert call("shortcuts", *metal, "--out", str(tmp_path), "--split", "all") == 0
    found = findings(tmp_path)
    accused = [row for check, row in found.items() if check.startswith("scratch: what lies at")]
    (scratch,) = [row for row in accused if row["verdict"] == "fail"]
    assert "bottom right" in scratch["check"]
    assert scratch["low"] > 0
    assert found["images looked at"]["verdict"] == "unknown", "of all images, no split says which trained the model"
    assert "of 600 images of the set" in found["images looked at"]["sentence"]
    costs = rows(tmp_path / "tables" / "costs.csv")
    assert {row["mistake"] for row in costs} == {"escape", "overkill"}
    trials = [
        r
        for r in rows(tmp_path / "tables" / "images.csv")
        if (r["edit"], r["label"]) == ("put on", "good") and scratch["check"] == f"scratch: {r['cue']}"
    ]
    overkill = next(row for row in costs if (row["mistake"], row["edit"]) == ("overkill", "put on"))
    assert int(overkill["images"]) == len(trials)
    assert float(overkill["edited"]) == pytest.approx(sum(r["to"] != "good" for r in trials) / len(trials))
