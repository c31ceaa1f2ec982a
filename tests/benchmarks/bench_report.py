"""What a report costs and what `--verify` finds: 100 changes of a single digit, with the file's own digest mended.

    python tests/benchmarks/bench_report.py [--model solar-cells] [--images solar-cells] [--changes 100]
        [--work FOLDER] [--file REPORT.html] [--write]

The answers, and what the checks have computed, are kept in the cache, or taken from the folder of an earlier
`workbench check`: the second run is that from a finished audit. With a file none is made: its changed copies are held
against itself. `--write` keeps the table in RESULTS-report.md.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from pathlib import Path

from workbench.cli.reliability import subject_of
from workbench.files import cache_folder
from workbench.report import Choices, compiled, journal_here, read_report, recheck, report_of
from workbench.report.html import UNSEALED, seal_of
from workbench.sets import load_images

RESULTS = Path(__file__).with_name("RESULTS-report.md")
HEAD = """# What a report costs, and what a check of it finds

By `tests/benchmarks/bench_report.py --write`: single digits changed anywhere in the file but in its last section, in
which releases stand.

| what | measured |
|---|---|
"""


def resealed(text: str) -> str:
    """The text with the digest that it has."""
    blank = re.sub(r'(report-sha256" content=")[^"]*', rf"\g<1>{UNSEALED}", text)
    return blank.replace(UNSEALED, seal_of(blank)[1], 1)


def made(choices: Choices, work: Path | None) -> str:
    """A report, from its model and images on."""
    folder = work or cache_folder() / "bench-report"
    folder.mkdir(parents=True, exist_ok=True)
    subject = subject_of(choices.model, load_images(choices.images), folder, lambda *_: None)
    return report_of(compiled(subject), choices, journal_here())


def made_twice(given: argparse.Namespace) -> tuple[str, list[str]]:
    """A report made twice, and rows of what that took."""
    choices, texts, rows = Choices(given.model, given.images), [], []
    for which in ("made", "made again"):
        start, spent = time.monotonic(), time.process_time()
        texts.append(made(choices, given.work))
        size = len(texts[-1].encode()) / 2**20
        took = f"{time.process_time() - spent:.0f} s of processor, {time.monotonic() - start:.0f} s"
        rows.append(f"| {given.model}: {which} | {took}, {size:.2f} MB |")
    rows.append(f"| {given.model}: byte-equal twice | {'yes' if texts[0] == texts[1] else 'no'} |")
    return texts[1], rows


def tried(text: str, changes: int) -> tuple[int, int]:
    """How many changes of a digit are found, and how many are named though the file's own digest was mended."""
    path, rng = Path(tempfile.mkdtemp()) / "report.html", random.Random(0)
    end = text.index('id="made-title"')
    places = [m.start() for m in re.finditer("[0-9]", text) if m.start() < end]
    found = named = 0
    for at in rng.sample(places, changes):
        other = text[:at] + rng.choice([d for d in "0123456789" if d != text[at]]) + text[at + 1 :]
        path.write_text(other, encoding="utf-8", newline="\n")
        found += not recheck(read_report(path), text).same
        path.write_text(resealed(other), encoding="utf-8", newline="\n")
        named += bool(recheck(read_report(path), text).differences)
    return found, named


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="solar-cells")
    parser.add_argument("--images", default="solar-cells")
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    name = given.file.name if given.file else given.model
    text, rows = (given.file.read_text(encoding="utf-8"), []) if given.file else made_twice(given)
    found, named = tried(text, given.changes)
    rows.append(f"| {name}: changes of one digit found | {found} of {given.changes} |")
    rows.append(f"| {name}: named though the file's digest was mended | {named} of {given.changes} |")
    print("\n".join(rows))
    if given.write:
        RESULTS.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    sys.exit(0 if found == given.changes else 1)


if __name__ == "__main__":
    main()
