"""What a report costs and what `--verify` finds: 100 changes of a single digit, with the file's own digest mended.

    python tests/benchmarks/bench_report.py [--model solar-cells] [--images solar-cells] [--changes 100]

The answers, and what the checks have computed, are kept in the cache: the second run is that from a finished audit.
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


def resealed(text: str) -> str:
    """The text with the digest that it has."""
    blank = re.sub(r'(report-sha256" content=")[^"]*', rf"\g<1>{UNSEALED}", text)
    return blank.replace(UNSEALED, seal_of(blank)[1], 1)


def made(choices: Choices) -> str:
    """A report, from its model and images on."""
    folder = cache_folder() / "bench-report"
    folder.mkdir(parents=True, exist_ok=True)
    subject = subject_of(choices.model, load_images(choices.images), folder, lambda *_: None)
    return report_of(compiled(subject), choices, journal_here())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="solar-cells")
    parser.add_argument("--images", default="solar-cells")
    parser.add_argument("--changes", type=int, default=100)
    given = parser.parse_args()
    choices, texts = Choices(given.model, given.images), []
    for which in ("made", "made again"):
        start = time.monotonic()
        texts.append(made(choices))
        print(f"{which} in {time.monotonic() - start:.0f} s, {len(texts[-1].encode()) / 2**20:.2f} MB")
    text, again = texts
    print(f"byte-equal twice: {text == again}")
    path, rng = Path(tempfile.mkdtemp()) / "report.html", random.Random(0)
    releases = (text.index('"versions": {'), text.index('id="made-title"'))
    places = [m.start() for m in re.finditer("[0-9]", text) if m.start() < releases[1]]
    found = named = 0
    for at in rng.sample(places, given.changes):
        other = text[:at] + rng.choice([d for d in "0123456789" if d != text[at]]) + text[at + 1 :]
        path.write_text(other, encoding="utf-8", newline="\n")
        found += not recheck(read_report(path), again).same
        path.write_text(resealed(other), encoding="utf-8", newline="\n")
        result = recheck(read_report(path), again)
        named += bool(result.differences)
    print(f"{found} of {given.changes} changes found; {named} named though the file's own digest was mended")
    sys.exit(0 if found == given.changes and text == again else 1)


if __name__ == "__main__":
    main()
