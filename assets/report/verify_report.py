"""Check a report of the explainability workbench without the workbench: Python's standard library is all it takes.

    python verify_report.py report.html [--images FOLDER] [--weights FILE] [--journal journal.json]

It checks the digest that the report states of itself, and against what you have: the bytes of images and of the model's
files, and the chain of an exported journal up to the head that the report names. It computes no figure again:
`workbench report --verify` does. Who can write a false report can also compute its digest: keep that digest elsewhere.
"""

import argparse
import hashlib
import json
import pathlib
import re
import sys

SEAL = re.compile(r'(<meta name="workbench-report-sha256" content=")([^"]*)(">)')
DATA = re.compile(r'<script type="application/json" id="workbench-report">(.*?)</script>', re.DOTALL)
LARGEST = 32 * 2**20


def sha256(data):
    """The digest of some bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def sealed(row):
    """Whether an entry of a journal has the hash that stands beside it."""
    return sha256(json.dumps(row["entry"], sort_keys=True, separators=(",", ":")).encode()) == row["hash"]


def files_checked(stated, paths):
    """Which files differ from what the report states, and how many were there."""
    found = {name: path for name, path in paths.items() if name in stated}
    for name, path in sorted(found.items()):
        if sha256(path.read_bytes()) != stated[name]:
            yield False, f"{name!a} is not the file that the report is about"
    yield bool(found), f"{len(found):,} of {len(stated):,} files of the report were there and were compared"


def chain_checked(rows, head):
    """Whether each entry of an exported journal has its hash and follows on the one before, and the head is there."""
    before, reached = "0" * 64, head["count"] == 0
    for row in rows:
        number = row["entry"]["number"]
        if not sealed(row) or row["entry"]["previous"] != before:
            yield False, f"entry {number} was changed, or does not follow on the one before it"
        before = row["hash"]
        reached = reached or (number, before) == (head["count"], head["hash"])
    yield reached, f"the journal {'holds' if reached else 'does not hold'} the head that the report names"


def checked(given):
    """Each thing that was checked: whether it holds, and a sentence."""
    with open(given.report, "rb") as file:
        text = file.read(LARGEST).decode("utf-8")
    seal = SEAL.search(text)
    own = sha256((text[: seal.start(2)] + "0" * 64 + text[seal.end(2) :]).encode()) if seal else ""
    yield bool(seal) and own == seal[2], f"the report's own digest: stated {seal[2] if seal else 'none'}, found {own}"
    data = json.loads(DATA.search(text)[1])
    changed = [row["entry"]["number"] for row in (data["journal"] or {}).get("entries", ()) if not sealed(row)]
    yield not changed, f"entries of the journal in the report that were changed: {changed or 'none'}"
    if given.images:
        folder = pathlib.Path(given.images)
        paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        yield from files_checked(data["images"]["files"], paths)
    if given.weights:
        path = pathlib.Path(given.weights)
        yield from files_checked(data["model"]["files"], {path.name: path})
    if given.journal:
        rows = json.loads(pathlib.Path(given.journal).read_text(encoding="ascii"))["entries"]
        yield from chain_checked(rows, data["journal"] or {"count": 0, "hash": "0" * 64})


def main():
    """Check what the command line names; exit code 0 where all of it holds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("report")
    for name in ("--images", "--weights", "--journal"):
        parser.add_argument(name)
    try:
        results = list(checked(parser.parse_args()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        sys.exit(f"This cannot be read as a report, or as what belongs to it: {type(error).__name__}: {error}")
    for good, sentence in results:
        print("ok     " if good else "DIFFERS", sentence)
    sys.exit(0 if all(good for good, _ in results) else 1)


if __name__ == "__main__":
    main()
