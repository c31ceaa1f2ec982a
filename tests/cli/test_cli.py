"""The `workbench` command: what it writes, how it starts the app, and how it refuses bad input."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from commands import call
from PIL import Image

from workbench import __version__, cli
from workbench.attribution.engine import attribute
from workbench.cli import serve
from workbench.images.item import image_from_file
from workbench.models.loading import load_classifier
from workbench.sets.layouts import load_images
from workbench.training import solar_cells, stamped_models
from workbench.training.run import FILES, Step

EXPLAIN = ("explain", "--model", "python:tiny_cli_model:make", "--image", "part.png")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_explain_writes_the_map_the_overlay_and_the_record(place, capsys) -> None:
    assert (
        call(
            *EXPLAIN,
            "--method",
            "integrated_gradients",
            "--steps",
            "7",
            "--baseline",
            "black",
            "--target",
            "2",
            "--out",
            "a/b",
        )
        == 0
    )
    out = place / "a" / "b"
    assert sorted(path.name for path in out.iterdir()) == ["attribution.npz", "manifest.json", "overlay.png"]
    values = np.load(out / "attribution.npz")["values"]
    classifier, item = load_classifier("python:tiny_cli_model:make"), image_from_file("part.png")
    expected = attribute(classifier, item, "integrated_gradients", 2, n_steps=7, baseline="black")
    assert (values.dtype, values.shape) == (np.float32, (3, 224, 224))
    np.testing.assert_allclose(values, expected.values, rtol=1e-5, atol=1e-9)
    with Image.open(out / "overlay.png") as overlay:
        assert overlay.size == (70, 40)
        said = json.loads(overlay.text["workbench"])
    record = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert said == record
    assert record["image"]["sha256"] == hashlib.sha256((place / "part.png").read_bytes()).hexdigest()
    assert record["model"]["key"] == classifier.key
    assert record["model"]["ref"] == "python:tiny_cli_model:make"
    assert record["model"]["notes"] == list(classifier.notes)
    assert (record["method"], record["target"], record["score"]) == ("integrated_gradients", "class 2", "logit")
    assert record["params"] == {"baseline": "black", "n_steps": 7, "tolerance": 0.01}
    assert (record["workbench"], record["placement"]["original"]) == (__version__, [70, 40])
    assert sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert record["relative_delta"] < 1e-3
    said = capsys.readouterr().out
    assert "Integrated gradients for class 2" in said
    assert "misses the change of the score by 0.00%" in said


def test_explain_takes_settings_a_margin_and_names_for_classes(place) -> None:
    (place / "names.txt").write_text("good\n7\nbad\n")
    arguments = (
        "--method",
        "smoothgrad",
        "--set",
        "samples=2",
        "--set",
        "noise=0.1",
        "--score",
        "margin",
        "--out",
        "out",
    )
    assert call(*EXPLAIN, *arguments, "--target", "7", "--against", "2", "--classes", "names.txt") == 0
    record = json.loads((place / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert (record["target"], record["score"], record["params"]["against"]) == (
        "7",
        "margin",
        "bad",
    )  # a class named 7 before class number 7
    assert (record["params"]["samples"], record["params"]["noise"]) == (2, 0.1)
    assert call(*EXPLAIN, "--method", "saliency", "--out", "out", "--classes", "a, b, c") == 0
    assert set(json.loads((place / "out" / "manifest.json").read_text(encoding="utf-8"))["probabilities"]) == {
        "a",
        "b",
        "c",
    }


def test_explain_takes_a_file_of_weights_and_passes_on_what_to_know(place, capsys) -> None:
    import timm
    import torch

    torch.save(timm.create_model("test_resnet", num_classes=2).state_dict(), "weights.pt")
    arguments = ("explain", "--image", "part.png", "--method", "grad_cam", "--out", "out")
    assert call(*arguments, "--model", "weights.pt", "--architecture", "timm:test_resnet", "--classes", "good,bad") == 0
    assert np.load("out/attribution.npz")["values"].shape[0] == 1
    capsys.readouterr()
    assert call(*arguments, "--model", "timm:test_resnet") == 0
    assert "random" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fly"], "fly"),
        (["--bogus"], "--bogus"),
        (["explain", "--bogus", "1"], "--bogus"),
        (["explain", "--model", "everyday"], "--image"),
        (["run", "--port", "many"], "--port"),
        (["run", "--port", "70000"], "--port"),
        (["run", "--model", "nope"], "no model 'nope'"),
        (["run", "--model", "part.png"], "a folder that holds it"),
        (["run", "--model", "."], "no model.toml"),
        (["run", "--images", "nope"], "nope"),
        (["run", "--images", "empty"], "no images"),
        (["run", "--host", "300.1.1.1"], "no host"),
        (["train-demo", "unicorns"], "no demo 'unicorns'"),
        (["train-demo", "solar-cells", "--out", "part.png/x"], "cannot be made"),
        (["make-set", "unicorns", "--out", "o"], "no set 'unicorns'"),
        (["make-set", "stamped-metal"], "--out"),
        (["make-set", "stamped-metal", "--out", "o", "--count", "0"], "0 images"),
        (["make-set", "stamped-metal", "--out", "."], "not empty"),
        (["make-set", "stamped-metal", "--out", "part.png"], "name a folder"),
        (["make-set", "stamped-metal", "--out", "o", "--stamp-share", "0.5"], "--stamp-with"),
        (["make-set", "stamped-metal", "--out", "o", "--stamp-with", "rust"], "'rust'"),
        ([*EXPLAIN, "--method", "magic", "--out", "o"], "no method 'magic'"),
        ([*EXPLAIN, "--method", "saliency", "--out", "o", "--target", "ghost"], "no class 'ghost'"),
        ([*EXPLAIN, "--method", "saliency", "--out", "o", "--target", "3"], "no class 3"),
        ([*EXPLAIN, "--method", "saliency", "--out", "o", "--score", "luck"], "no score 'luck'"),
        ([*EXPLAIN, "--method", "saliency", "--out", "o", "--against", "1"], "--score margin"),
        ([*EXPLAIN, "--method", "saliency", "--out", "o", "--set", "samples"], "key=value"),
        ([*EXPLAIN, "--method", "saliency", "--out", "o", "--set", "samples=3"], "no setting 'samples'"),
        ([*EXPLAIN, "--method", "integrated_gradients", "--out", "o", "--steps", "0"], "--steps"),
        ([*EXPLAIN, "--method", "integrated_gradients", "--out", "o", "--baseline", "pink"], "no baseline 'pink'"),
        ([*EXPLAIN, "--method", "saliency", "--out", "part.png"], "part.png cannot be used"),
        ([*EXPLAIN, "--method", "saliency", "--out", "o", "--classes", "a,b"], "2 classes"),
        (
            ["explain", "--model", "everyday", "--image", "text.png", "--method", "saliency", "--out", "o"],
            "text.png is not an image",
        ),
        (
            ["explain", "--model", "everyday", "--image", "gone.png", "--method", "saliency", "--out", "o"],
            "no file gone.png",
        ),
        (
            ["explain", "--model", "nope", "--image", "part.png", "--method", "saliency", "--out", "o"],
            "no model 'nope'",
        ),
        (
            ["explain", "--model", "python:gone:make", "--image", "part.png", "--method", "saliency", "--out", "o"],
            "python:gone:make cannot be used",
        ),
    ],
)
def test_bad_input_ends_with_one_line_and_exit_code_2(place, capfd, monkeypatch, arguments, words) -> None:
    monkeypatch.setattr("os.execv", lambda *_: pytest.fail("a server was started"))
    (place / "empty").mkdir()
    assert call(*arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("workbench: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert words in err


def test_an_audit_that_is_not_there_is_refused_before_the_server_starts(place, capfd) -> None:
    assert call("run", "--audit", "nowhere") == 2
    assert "run workbench audit" in capfd.readouterr().err


def test_a_fault_of_ours_is_one_line_too(place, capfd, monkeypatch) -> None:
    monkeypatch.setattr(serve, "_check_model", lambda ref: 1 / 0)
    assert call("run") == 1
    err = capfd.readouterr().err
    assert "ZeroDivisionError" in err
    assert err.count("\n") == 1
    monkeypatch.setenv(cli.TRACEBACK_VARIABLE, "1")
    with pytest.raises(ZeroDivisionError):
        cli.main(["run"])


def test_version_and_help(capsys) -> None:
    assert call("--version") == 0
    assert capsys.readouterr().out == f"workbench {__version__}\n"
    assert call() == 0
    assert call("--help") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("run", "explain", "make-set", "train-demo", "doctor"))
    assert call("explain", "--help") == 0


def test_help_and_run_import_nothing_heavy(place) -> None:
    code = (
        "import atexit, os, sys\n"
        "heavy = ('torch', 'streamlit', 'numpy', 'pandas', 'matplotlib')\n"
        "atexit.register(lambda: print('loaded:', [m for m in heavy if m in sys.modules]))\n"
        "os.execv = lambda *a: print(a[1][1:4], os.environ.get('WORKBENCH_MODEL'))\n"
        "from workbench.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    for arguments in (["--help"], ["run", "--port", str(free_port()), "--model", "everyday"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        assert done.stdout.endswith("loaded: []\n")
    assert "['-m', 'streamlit', 'run'] everyday" in done.stdout


def test_every_setting_of_our_config_is_passed_on_and_known_to_streamlit(monkeypatch) -> None:
    from streamlit import config

    flags = dict(flag[2:].split("=", 1) for flag in serve.streamlit_command("0.0.0.0", 8600, browser=False)[5:])
    assert flags.keys() <= config._config_options_template.keys()
    assert (flags["server.address"], flags["server.port"], flags["server.headless"]) == ("0.0.0.0", "8600", "true")
    assert {"theme.light.primaryColor", "theme.dark.primaryColor", "browser.gatherUsageStats"} <= flags.keys()
    assert flags["browser.gatherUsageStats"] == "false"
    monkeypatch.setenv("STREAMLIT_SERVER_MAX_UPLOAD_SIZE", "5")
    assert not any("maxUploadSize" in flag for flag in serve.streamlit_command("127.0.0.1", 8600, browser=True))


def test_run_serves_the_app_and_names_a_taken_port(place, capfd) -> None:
    port = free_port()
    with open("log", "w") as log:
        command = [sys.executable, "-m", "workbench.cli", "run", "--port", str(port), "--no-browser"]
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        assert answer(f"http://127.0.0.1:{port}/_stcore/health", server) == "ok"
        assert call("run", "--port", str(port)) == 2
        assert f"Port {port} is taken" in capfd.readouterr().err
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
    said = (place / "log").read_text()
    assert f"Explainability workbench: http://127.0.0.1:{port}" in said
    assert "Traceback" not in said


def answer(url: str, server: subprocess.Popen) -> str:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return reply.read().decode()
        except OSError:
            assert server.poll() is None
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_an_interruption_is_quiet(place) -> None:
    arguments = [
        "explain",
        "--model",
        "python:tiny_cli_model:slow",
        "--image",
        "part.png",
        "--method",
        "saliency",
        "--out",
        "o",
    ]
    work = subprocess.Popen([sys.executable, "-m", "workbench.cli", *arguments], stderr=subprocess.PIPE, text=True)
    for _ in range(1200):
        if (place / "started").exists() or work.poll() is not None:
            break
        time.sleep(0.1)
    work.send_signal(signal.SIGINT)
    _, err = work.communicate(timeout=30)
    assert (work.returncode, err) == (130, "")


def test_train_demo_shows_how_far_it_is(place, capsys, monkeypatch) -> None:
    asked = []

    def train(name, out, *, checkpoint):
        asked.append((name, out, checkpoint))
        yield from (Step("training", 20 + i, 40, "epoch 3 of 4, loss 0.300") for i in range(21))
        yield Step("predicting", 7, 7)

    monkeypatch.setattr(solar_cells, "train", train)
    assert call("train-demo", "solar-cells", "--out", "made", "--checkpoint", "half.ckpt") == 0
    assert [tuple(map(str, given)) for given in asked] == [("solar-cells", "made", "half.ckpt")]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "20 of 40: training, epoch 3 of 4, loss 0.300"
    assert "40 of 40, 0 s left: training" in lines[5]
    assert lines[6:] == ["7 of 7: predicting", f"Wrote {', '.join(FILES)} to made"]


@pytest.mark.parametrize("name", ["metal-sound", "metal-shortcut"])
def test_train_demo_knows_the_models_on_metal(place, capsys, monkeypatch, name) -> None:
    monkeypatch.setattr(
        stamped_models, "train", lambda *asked, checkpoint: iter([Step(str((*asked, checkpoint)), 1, 1)])
    )
    assert call("train-demo", name) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Wrote {', '.join(FILES)} to assets/models/{name}"


def test_make_set_writes_a_set_that_opens(place, capsys) -> None:
    arguments = ("--count", "60", "--size", "32", "--seed", "4", "--stamp-with", "pit", "--stamp-share", "1")
    assert call("make-set", "stamped-metal", "--out", "lot", *arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "60 of 60, 0 s left: drawing" in lines[-2]
    assert lines[-1] == "Wrote manifest.csv, images and masks of 60 synthetic parts to lot"
    images = load_images("lot")
    assert (len(images), images.synthetic, images.items[0].open().size) == (60, True, (32, 32))
    assert {item.attributes["stamp"] for item in images if (item.label, item.split) == ("pit", "train")} == {
        "bottom right"
    }
    assert {item.attributes["stamp"] for item in images if (item.label, item.split) == ("good", "train")} == {"none"}


def test_explain_compares_with_an_image_set(place) -> None:
    from PIL import Image

    (place / "others").mkdir()
    for shade in (0, 120, 255):
        Image.new("RGB", (70, 40), (shade, shade, shade)).save(place / "others" / f"{shade}.png")
    assert (
        call(*EXPLAIN, "--method", "expected_gradients", "--set", "samples=8", "--images", "others", "--out", "out")
        == 0
    )
    record = json.loads((place / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert "3" in str({name: value for name, value in record["params"].items() if name.startswith("background")})
