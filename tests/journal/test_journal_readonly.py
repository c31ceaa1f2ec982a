"""A journal can be read where nothing can be written: on a read-only disk, on a full one, and after a writer was
killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from decisions import draft

from workbench.journal.export import to_csv
from workbench.journal.store import Journal

KILLED = """
import os, sqlite3, sys
from decisions import draft
from workbench.journal import Journal

journal = Journal(sys.argv[1])
held = sqlite3.connect(sys.argv[1])
held.execute("SELECT count(*) FROM entries").fetchone()  # so that the last entry stays in the file beside the journal
journal.append(draft(reason="the last words"))
os._exit(0)
"""
READS = """
import pathlib, sys
from decisions import draft
from workbench.errors import InputError
from workbench.journal import Journal, to_csv

path = pathlib.Path(sys.argv[1])
journal = Journal(path)  # as the app opens it
found = journal.verify()
rows, overruled = len(journal.entries()), journal.count(overruled=True)
print(found.count, found.sound, rows, overruled, journal.head().hash == found.head, *found.problems)
print(len(to_csv(journal.entries())))
try:
    journal.append(draft())
    print("written")
except InputError as error:
    print(error)
"""
FULL = (
    'mount -t tmpfs -o size=300k none "{1}" && cp -a "{0}/." "{1}" && mount --move "{1}" "{0}" && (cat /dev/zero'
    ' >"{0}/ballast"; true)'
)
MOUNTS = {"a read-only disk": 'mount --bind "{0}" "{0}" && mount -o remount,ro,bind "{0}"', "a full disk": FULL}
SAYS = {"a read-only disk": "cannot be written to", "a full disk": "The disk is full"}
ALONE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]


def run(code, *arguments, before=()):
    paths = os.pathsep.join(filter(None, (os.path.dirname(os.path.dirname(__file__)), os.environ.get("PYTHONPATH"))))
    command = [*before, sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, text=True, capture_output=True, timeout=120)


@pytest.fixture(params=[False, True], ids=["closed", "its writer was killed"])
def place(request, tmp_path):
    """A folder with a journal of three entries, and how many it holds with the one of a writer that was killed."""
    folder = tmp_path / "kept"
    journal = Journal(folder / "journal.sqlite")
    for _ in range(3):
        journal.append(draft())
    if request.param:
        assert run(KILLED, journal.path).returncode == 0
        (folder / "journal.sqlite-shm").unlink()
        assert (folder / "journal.sqlite-wal").stat().st_size > 0
    return folder, 3 + request.param


@pytest.fixture(params=list(MOUNTS))
def disk(request, place, tmp_path):
    """How a command is started that sees the folder on a disk where nothing can be written, and what it says of
    writing."""
    if (
        shutil.which("unshare") is None
        or subprocess.run([*ALONE, "mount -t tmpfs none /mnt"], capture_output=True).returncode
    ):
        pytest.skip("this user may not mount a disk")
    (tmp_path / "spare").mkdir()
    mounted = MOUNTS[request.param].format(place[0], tmp_path / "spare")
    return [*ALONE, f'({mounted}) 2>/dev/null; exec "$@"', "sh"], SAYS[request.param]


def test_a_journal_is_read_where_nothing_can_be_written(place, disk):
    folder, count = place
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = run(READS, folder / "journal.sqlite", before=disk[0])
    verdict, size, writing = done.stdout.splitlines()
    assert verdict == f"{count} True {count} 0 True", done.stderr
    assert disk[1] in writing
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    entries = Journal(folder / "journal.sqlite").entries()
    assert len(entries) == count
    assert int(size) == len(to_csv(entries))


def test_the_command_line_verifies_where_nothing_can_be_written(place, disk):
    folder, count = place
    code = "import sys; from workbench import cli; cli.main(sys.argv[1:])"
    done = run(code, "journal", "verify", "--journal", folder / "journal.sqlite", before=disk[0])
    assert (done.returncode, done.stdout.split(",")[0]) == (0, f"{count} entries"), done.stdout + done.stderr
    refused = run(
        code, "journal", "export", "--journal", folder / "journal.sqlite", "--out", folder / "out.csv", before=disk[0]
    )
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1


def test_a_file_that_may_not_be_read_is_one_sentence(place):
    folder, _ = place
    path = folder / "journal.sqlite"
    path.chmod(0)
    try:
        if os.access(path, os.R_OK):
            pytest.skip("this user may read anything")
        done = run(
            "import sys; from workbench import cli; cli.main(sys.argv[1:])", "journal", "verify", "--journal", path
        )
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "cannot be read" in done.stderr
    finally:
        path.chmod(0o600)
