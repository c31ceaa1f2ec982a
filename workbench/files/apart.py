"""Read an upload in a separate process with limits on memory and time: an attack ends that process alone."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from workbench.errors import InputError

GLANCE = 0.1
"""Seconds between two looks at whether the answer is still wanted."""
STARTING = 20
"""Seconds beyond a reader's own that starting Python may take on a busy machine."""
_wanted: ContextVar[Callable[[], None]] = ContextVar("wanted", default=lambda: None)


@contextlib.contextmanager
def wanted(check: Callable[[], None]) -> Iterator[None]:
    """Call `check` again and again while something is read apart: what it raises ends the reading."""
    token = _wanted.set(check)
    try:
        yield
    finally:
        _wanted.reset(token)


def read_apart(reader: str, data: bytes, *arguments: str, name: str, megabytes: int, seconds: int) -> bytes:
    """What a reader of this package makes of `data`, computed in a process of its own.

    Args:
        reader: "workbench.module:function", a function of bytes and `arguments` that returns bytes.
        data: What somebody handed in.
        arguments: More of the reader's arguments.
        name: What is read, for sentences.
        megabytes: Of memory that reading may take; not enforced by every system.
        seconds: That reading may take.

    Raises:
        InputError: The reader's own, or that a limit was reached, or that the data ended the process.
    """
    command = [sys.executable, "-m", "workbench.files.apart", reader, str(megabytes), str(seconds), *arguments]
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    # The other memory pools reserve a gigabyte at once
    own = {**os.environ, "PYTHONPATH": paths, "ARROW_DEFAULT_MEMORY_POOL": "system"}
    with tempfile.TemporaryFile() as handed:
        handed.write(data)
        handed.seek(0)
        process = subprocess.Popen(command, stdin=handed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=own)
    try:
        out, trace = _answer(process, time.monotonic() + seconds + STARTING)
    except subprocess.TimeoutExpired:
        raise _too_long(name, seconds) from None
    finally:
        process.kill()
        process.wait()
    if process.returncode == -getattr(signal, "SIGXCPU", 0) != 0:
        raise _too_long(name, seconds)
    head, _, body = out.partition(b"\n")
    killed = process.returncode == -getattr(signal, "SIGKILL", 0)
    report: dict[str, Any] = {"memory": killed} if process.returncode else json.loads(head)
    if report.get("memory"):
        raise InputError(f"{name} takes over {megabytes:,} MB of memory to read: split it, or hand in less at once.")
    if "error" in report:
        raise InputError(report["error"])
    if process.returncode < 0:
        raise InputError(f"{name} is damaged in a way that ends the program that reads it: write it again.")
    if process.returncode:
        raise RuntimeError(f"{reader} failed on {name}:\n{trace.decode(errors='replace')[-4000:]}")
    return body


def _answer(process: subprocess.Popen[bytes], end: float) -> tuple[bytes, bytes]:
    while True:
        _wanted.get()()
        try:
            return process.communicate(timeout=GLANCE)
        except subprocess.TimeoutExpired:
            if time.monotonic() > end:
                raise


def _too_long(name: str, seconds: int) -> InputError:
    return InputError(f"{name} takes over {seconds} s to read: split it, or hand in less at once.")


def _limit(megabytes: int, seconds: int) -> None:
    """Bound what this process may take from here on, as far as the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    status = Path("/proc/self/status")
    kilobytes = (
        next((int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmData")), 0)
        if status.exists()
        else 0
    )
    usage = resource.getrusage(resource.RUSAGE_SELF)
    for kind, most, grace in (
        (resource.RLIMIT_DATA, kilobytes * 1024 + megabytes * 2**20, 0),
        (resource.RLIMIT_CPU, int(usage.ru_utime + usage.ru_stime) + seconds, 2),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        with contextlib.suppress(OSError, ValueError):  # a lower limit stands already
            resource.setrlimit(kind, (most, most + grace))


def _is_for_memory(error: BaseException | None) -> bool:
    """Whether an error, or what it came of, is a lack of memory: each library says so in words of its own."""
    words = ("allocate memory", "enough memory", "failed to map segment", "error return without exception set")
    while error is not None:
        if isinstance(error, MemoryError) or any(word in str(error) for word in words):
            return True
        error = error.__context__
    return False


def _main(reader: str, megabytes: str, seconds: str, *arguments: str) -> None:
    """Be the process apart."""
    module, _, function = reader.partition(":")
    read = getattr(importlib.import_module(module), function)
    data = sys.stdin.buffer.read()
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    _limit(int(megabytes), int(seconds))
    report: dict[str, object] = {}
    body = b""
    try:
        body = read(data, *arguments)
    except Exception as error:
        report["memory"] = _is_for_memory(error)
        if isinstance(error, InputError):
            report["error"] = str(error)
        elif not report["memory"]:
            raise
    answer.write(json.dumps(report).encode() + b"\n" + body)
    answer.close()


if __name__ == "__main__":
    _main(*sys.argv[1:])
