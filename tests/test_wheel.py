"""A wheel, installed outside of the checkout, starts the app and explains an image."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT],
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `workbench` command of an environment that has the wheel, and the dependencies of this one, but not the
    checkout."""
    home = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    inside = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    (inside / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    subprocess.run(
        [home / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], check=True
    )
    return home / "bin/workbench"


@pytest.fixture
def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "WORKBENCH"))}


def test_the_wheel_carries_what_it_needs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for needed in ("pages/explain.py", "pages/overview.py", ".streamlit/config.toml"):
        assert f"workbench/_share/{needed}" in names
    assets = [path.relative_to(ROOT) for path in (ROOT / "assets").rglob("*") if path.is_file()]
    assert len(assets) > 40
    assert not [path for path in assets if f"workbench/_share/{path.as_posix()}" not in names]
    texts = [path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md")]
    assert len(texts) > 20
    assert not [path for path in texts if f"workbench/_share/{path.as_posix()}" not in names]
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {"workbench"}
    assert not [name for name in names if name.startswith("workbench/_share/docs/") and not name.endswith(".md")]


def test_it_explains(command: Path, clean: dict[str, str], tmp_path: Path) -> None:
    import elpv_dataset

    cell = next((Path(elpv_dataset.__file__).parent / "data/images").glob("*.png"))
    code = "import workbench; print(workbench.__file__)"
    where = subprocess.run(
        [command.with_name("python"), "-c", code], cwd=tmp_path, env=clean, check=True, capture_output=True, text=True
    ).stdout
    assert str(ROOT) not in where
    done = subprocess.run(
        [command, "explain", "--model", "solar-cells", "--image", cell, "--method", "grad_cam", "--out", "out"],
        cwd=tmp_path, env=clean, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    values = np.load(tmp_path / "out/attribution.npz")["values"]
    assert values.dtype == np.float32
    assert values.ndim == 3
    assert np.any(values)
    assert json.loads((tmp_path / "out/manifest.json").read_text())["target"] in ("functional", "defective")


@pytest.fixture
def address(command: Path, clean: dict[str, str], tmp_path: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen([command, "run", "--port", str(port), "--no-browser"], cwd=tmp_path, env=clean)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def test_it_starts(address: str) -> None:
    for _ in range(120):
        try:
            assert urllib.request.urlopen(f"{address}/_stcore/health").read() == b"ok"
            break
        except OSError:
            time.sleep(0.5)
    else:
        pytest.fail("the server never answered")
    assert b"<title>" in urllib.request.urlopen(f"{address}/explain").read()
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(f"{address}/explain", headers={"Host": "attack.example"}))
