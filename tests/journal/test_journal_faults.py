"""What was accepted stays: two writers at once, kill -9 at any moment, a disk that is full."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from decisions import draft, overruled

from workbench.errors import InputError
from workbench.journal import store as inner
from workbench.journal.store import Journal

TESTS = Path(__file__).parents[1]
WRITER = """
import random, sys, time
from decisions import draft
from workbench.journal import Journal

print("ready", flush=True)
sys.stdin.readline()
journal = Journal(sys.argv[1])
for _ in range(int(sys.argv[2])):
    entry = journal.append(draft())
    print(entry.number, entry.hash, flush=True)
    time.sleep(random.uniform(0, 0.002))  # else the first one in leaves the other no moment
"""
DIES = """
import os, pathlib, signal, sqlite3, sys
from decisions import draft
from workbench.journal import Journal

path, moment, entries = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

class Watched(sqlite3.Connection):
    def execute(self, sql, *rest):
        if sql.startswith(moment):
            die()
        found = super().execute(sql, *rest)
        if moment.startswith("after ") and sql.startswith(moment.removeprefix("after ")):
            die()
        return found

def armed():
    connect = sqlite3.connect
    sqlite3.connect = lambda *a, **k: connect(*a, **k, factory=Watched)
    if moment == "the head file":
        pathlib.Path.replace = die

if entries == "0":
    armed()
journal = Journal(path)
for _ in range(int(entries)):
    print(journal.append(draft()).number, flush=True)
armed()
journal.append(draft())
"""
FILLS = """
import json, pathlib, resource, signal, sys
from decisions import draft
from workbench.errors import InputError
from workbench.journal import Journal

folder, kind = pathlib.Path(sys.argv[1]), sys.argv[2]
journal, accepted = Journal(folder / "journal.sqlite"), []
journal.append(draft())
if kind == "limit":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
else:
    (folder / "ballast").write_bytes(bytes(200_000))
try:
    for _ in range(2000):
        accepted.append(journal.append(draft()).number)
    said = None
except InputError as error:
    said = str(error)
again = []
for _ in range(3):
    try:
        again.append(journal.append(draft(reason="x" * 9000)).number)
    except InputError as error:
        again.append(str(error))
if kind == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
else:
    (folder / "ballast").unlink()
journal.append(draft())
found = journal.verify()
chain = {"count": found.count, "problems": found.problems}
print(json.dumps({"accepted": accepted, "said": said, "again": again} | chain))
"""
SAYS = "The disk is full"


def script(code, *arguments, before=(), **settings):
    """A process of its own that runs `code`."""
    paths = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))
    command = [*before, sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": paths}, text=True, stdout=subprocess.PIPE, **settings
    )


def writer(path, count):
    """A process that imports everything, and waits for a line before it opens the journal and writes."""
    process = script(WRITER, path, count, stdin=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    return process


def go(*writers):
    for process in writers:
        process.stdin.write("\n")
        process.stdin.flush()


def test_two_processes_at_once_both_get_in_and_nothing_is_lost(tmp_path):
    path = tmp_path / "new" / "journal.sqlite"
    both = [writer(path, 300), writer(path, 300)]
    go(*both)
    said = [dict(line.split() for line in process.communicate(timeout=120)[0].splitlines()) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert [len(accepted) for accepted in said] == [300, 300]
    numbers = [sorted(map(int, accepted)) for accepted in said]
    assert max(n[0] for n in numbers) < min(n[-1] for n in numbers), "they did not write at the same time"
    journal = Journal(path)
    assert {str(entry.number): entry.hash for entry in journal.entries()} == said[0] | said[1]
    found = journal.verify()
    assert (found.problems, found.count) == ((), 600)
    assert json.loads(path.with_name("journal.sqlite.head").read_text()) == {"count": 600, "hash": found.head}


def test_a_journal_laid_out_by_another_at_the_same_moment_is_a_journal(tmp_path, monkeypatch):
    path, connect, others = tmp_path / "journal.sqlite", sqlite3.connect, []

    class Overtaken(sqlite3.Connection):
        def execute(self, sql, *rest):
            if "sqlite_master" in sql and not others:
                others.append(connect)
                with contextlib.suppress(InputError):
                    Journal(path)
            return super().execute(sql, *rest)

    monkeypatch.setattr(inner, "WAIT", 0.1)
    monkeypatch.setattr(inner.sqlite3, "connect", partial(connect, factory=Overtaken))
    assert Journal(path).append(draft()).number == 1
    assert others
    assert Journal(path).verify().sound


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_killed_while_it_writes_a_thousand_nothing_accepted_is_lost(tmp_path):
    path, chance, accepted, kills = tmp_path / "journal.sqlite", random.Random(5), {}, 0
    while len(accepted) < 1000:
        process = writer(path, 1000 - len(accepted))
        go(process)
        lines = []
        for _ in range(chance.randrange(1, 250)):
            if line := process.stdout.readline():
                lines.append(line)
        time.sleep(chance.uniform(0, 0.004))
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=60)
        kills += process.returncode == -signal.SIGKILL
        accepted |= dict(line.split() for line in [*lines, *rest.splitlines(keepends=True)] if line.endswith("\n"))
        journal = Journal(path)
        found = journal.verify()
        assert found.problems == ()
        assert accepted.items() <= {str(entry.number): entry.hash for entry in journal.entries()}.items()
        entry = journal.append(overruled())
        assert entry.number == found.count + 1
        accepted[str(entry.number)] = entry.hash
    assert kills >= 4


MOMENTS = [
    ("BEGIN", 0), ("PRAGMA journal_mode", 0), ("after PRAGMA journal_mode", 0), ("CREATE TABLE", 0),
    ("PRAGMA user_version=", 0),
    ("the head file", 0), ("COMMIT", 0), ("after COMMIT", 0), ("BEGIN", 3), ("INSERT", 3), ("COMMIT", 3),
    ("after COMMIT", 3),
    ("the head file", 3), ("ROLLBACK", 3),
]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
@pytest.mark.parametrize(("moment", "entries"), MOMENTS, ids=str)
def test_killed_at_the_worst_moments_the_next_one_goes_on(tmp_path, moment, entries):
    process = script(DIES, tmp_path / "journal.sqlite", moment, entries)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert said.split() == [str(n + 1) for n in range(entries)]
    journal = Journal(tmp_path / "journal.sqlite")
    found = journal.verify()
    committed = entries and moment in ("after COMMIT", "the head file", "ROLLBACK")
    assert (found.problems, found.count) == ((), entries + bool(committed))
    assert journal.append(draft()).number == found.count + 1
    assert journal.verify().sound
    assert json.loads((tmp_path / "journal.sqlite.head").read_text())["count"] == found.count + 1


def test_a_file_that_may_hold_no_more_pages(tmp_path, monkeypatch, refusal):
    journal, connect = Journal(tmp_path / "journal.sqlite"), sqlite3.connect

    def small(*arguments, **settings):
        db = connect(*arguments, **settings)
        db.execute("PRAGMA max_page_count=20")
        return db

    monkeypatch.setattr(inner.sqlite3, "connect", small)
    accepted = []

    def fill():
        for _ in range(200):
            accepted.append(journal.append(overruled(reason="long " * 200)))

    assert SAYS in refusal(fill)
    assert len(accepted) > 5
    assert SAYS in refusal(partial(journal.append, overruled(reason="long " * 200)))
    assert list(journal.entries()) == accepted
    assert journal.verify().problems == ()
    monkeypatch.setattr(inner.sqlite3, "connect", connect)
    assert journal.append(draft()).number == len(accepted) + 1
    assert journal.verify().problems == ()


def check_filled(process):
    """What a process says that filled its disk, was refused, got space and went on."""
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    found = json.loads(said)
    accepted, again = found["accepted"], [number for number in found["again"] if isinstance(number, int)]
    assert len(accepted) > 5
    assert accepted == list(range(2, len(accepted) + 2))
    assert [found["said"][: len(SAYS)]] + [text[: len(SAYS)] for text in found["again"] if isinstance(text, str)] == [
        SAYS
    ] * (4 - len(again))
    assert found["count"] == 1 + len(accepted) + len(again) + 1
    assert found["problems"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_file_that_may_not_grow(tmp_path):
    check_filled(script(FILLS, tmp_path, "limit"))


def test_a_disk_that_is_really_full(tmp_path):
    """A small disk in memory, mounted for this one process, where the system lets a user do that."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        f'mount -t tmpfs -o size=600k none "{disk}" && exec "$@"',
        "sh",
    ]
    if shutil.which("unshare") is None or subprocess.run([*mounted, "true"], capture_output=True).returncode:
        pytest.skip("this user may not mount a disk")
    check_filled(script(FILLS, disk, "disk", before=mounted))


def test_a_head_file_that_cannot_be_written_costs_no_entry(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "journal.sqlite")
    journal.append(draft())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inner, "write_head", full)
    assert journal.append(draft()).number == 2
    assert journal.verify().sound
    monkeypatch.undo()
    assert journal.append(draft()).number == 3
    assert json.loads((tmp_path / "journal.sqlite.head").read_text())["count"] == 3


def test_a_disk_that_is_full_when_the_journal_is_made(tmp_path, monkeypatch, refusal):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inner, "write_head", full)
    assert SAYS in refusal(partial(Journal, tmp_path / "journal.sqlite"))
    monkeypatch.undo()
    assert Journal(tmp_path / "journal.sqlite").append(draft()).number == 1
    assert Journal(tmp_path / "journal.sqlite").verify().sound
