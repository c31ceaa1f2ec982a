"""Readers in a process of their own: what ends that process is one sentence here, and who leaves ends it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.files.apart import read_apart, wanted

Refusal = Callable[[Callable[[], object]], str]
READERS = """
import os, time
from workbench.errors import InputError

def upper(data, suffix):
    print("what a library prints is no answer")
    os.write(1, b"nor is this")
    return data.upper() + suffix.encode()

def told(data): raise InputError("No good: try another.")
def hoard(data): return bytes(bytearray(2**30))[:1]
def spin(data):
    while True: pass
def sleep(data, path):
    with open(path, "w") as file: file.write(str(os.getpid()))
    time.sleep(60)
def abort(data): os.abort()
def stumble(data): return 1 / 0
"""


@pytest.fixture(autouse=True)
def _readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "readers.py").write_text(READERS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def apart(reader: str, data: bytes = b"", *arguments: str, megabytes: int = 100, seconds: int = 20) -> bytes:
    return read_apart(f"readers:{reader}", data, *arguments, name="it.csv", megabytes=megabytes, seconds=seconds)


def test_bytes_go_there_and_back_whatever_else_is_printed() -> None:
    data = bytes(range(97, 123)) * 200_000
    assert apart("upper", data, "!\n") == data.upper() + b"!\n"


def test_what_the_user_can_mend_comes_back_as_it_is(refusal: Refusal) -> None:
    assert refusal(lambda: apart("told")) == "No good: try another."


@pytest.mark.parametrize(
    ("reader", "says"),
    [
        ("hoard", "it.csv takes over 100 MB of memory to read: "),
        ("spin", "it.csv takes over 1 s to read: "),
        ("abort", "it.csv is damaged in a way that ends the program that reads it: "),
    ],
)
def test_what_ends_the_process_is_one_sentence_with_its_cause(reader: str, says: str, refusal: Refusal) -> None:
    assert refusal(lambda: apart(reader, seconds=1 if reader == "spin" else 20)).startswith(says)


def test_a_reader_that_waits_is_ended_too(tmp_path: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.files.apart.STARTING", 5)
    assert "takes over 1 s" in refusal(lambda: apart("sleep", b"", str(tmp_path / "pid"), seconds=1))
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_a_fault_of_ours_is_no_fault_of_the_file() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        apart("stumble")


def test_a_visitor_who_leaves_ends_what_is_read(tmp_path: Path) -> None:
    class LeftError(Exception):
        pass

    def check() -> None:
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            raise LeftError

    started = time.monotonic()
    with wanted(check), pytest.raises(LeftError):
        apart("sleep", b"", str(tmp_path / "pid"))
    assert time.monotonic() - started < 15
    assert is_gone(int((tmp_path / "pid").read_text()))


def is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("here", [True, False])
def test_a_page_reads_on_only_for_a_visitor_who_is_there(
    here: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from types import SimpleNamespace

    class LeftError(Exception):
        pass

    def stop() -> None:  # outside of a server Streamlit's own does nothing
        raise LeftError

    from workbench.ui import sidebar

    asked: list[str] = []
    server = SimpleNamespace(is_active_session=lambda session: asked.append(session) or here)
    monkeypatch.setattr(sidebar, "runtime", SimpleNamespace(exists=lambda: True, get_instance=lambda: server))
    monkeypatch.setattr(sidebar, "get_script_run_ctx", lambda **_: SimpleNamespace(session_id="s"))
    monkeypatch.setattr(sidebar.st, "stop", stop)
    read: list[bytes] = []
    with contextlib.suppress(LeftError):
        sidebar._trying(lambda: read.append(apart("upper", b"a", "b")))
    assert read == ([b"Ab"] if here else [])
    assert set(asked) == {"s"}
