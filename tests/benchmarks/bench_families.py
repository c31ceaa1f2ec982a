"""How long it takes to find the images of one part, how much memory that holds, and what a stopped run costs.

    python tests/benchmarks/bench_families.py [IMAGES ...]

The images are drawn textures of 96 x 96 pixels, of which one in fifty is a copy as JPEG at 60, turned or mirrored for
half of them. Each size runs in a process of its own; "again" is a second run that finds what the first has read, as a
run does that was stopped after reading.
"""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIZES = (2_500, 5_000, 20_000)
EDGE, EVERY = 96, 50


def main(*sizes: int) -> None:
    """Run each size in a child process; print its figures, and the memory as a ratio to that of the smallest."""
    least = None
    for size in sizes or SIZES:
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(size)], capture_output=True, text=True, check=True
        )
        figures = json.loads(done.stdout.splitlines()[-1])
        least = least or figures["peak"]
        print(
            f"{size:,} images: {figures['wall']:.0f} s ({figures['cpu']:.0f} s of processor),"
            f" again {figures['again']:.0f} s; peak {figures['peak']:.2f} GB (x {figures['peak'] / least:.2f});"
            f" {figures['found']} of {figures['planted']} copies, {figures['invented']} invented",
            flush=True,
        )


def one(size: int) -> dict[str, float]:
    """Draw so many images and find their families, twice."""
    import workbench as wb

    with tempfile.TemporaryDirectory() as place:
        truth = lay(Path(place) / "images", size)
        items = list(wb.load_images(str(Path(place) / "images")))
        clocks = time.time(), time.process_time()
        found = wb.families(items, folder=Path(place) / "records")
        wall, cpu = time.time() - clocks[0], time.process_time() - clocks[1]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        started = time.time()
        again = wb.families(items, folder=Path(place) / "records")
        assert again.frame.equals(found.frame)
    firm = found.pairs[found.pairs["grade"] != "very similar"]
    pairs = {frozenset((Path(a).stem, Path(b).stem)) for a, b in zip(firm["first"], firm["second"], strict=True)}
    return {
        "wall": wall,
        "cpu": cpu,
        "again": time.time() - started,
        "peak": peak,
        "planted": len(truth),
        "found": len(pairs & truth),
        "invented": len(pairs - truth),
    }


def lay(folder: Path, size: int) -> set[frozenset[str]]:
    """Write so many images; which are a copy of which."""
    folder.mkdir(parents=True)
    truth: set[frozenset[str]] = set()
    image = Image.new("RGB", (EDGE, EDGE))
    rng = np.random.default_rng(0)
    for number in range(size):
        name, kind = f"{number:05d}", "PNG"
        if number % EVERY == EVERY - 1:
            kind = "JPEG"
            image = image.transpose(Image.Transpose(number // EVERY % 7)) if number // EVERY % 2 else image
            truth.add(frozenset((f"{number - 1:05d}", name)))
        else:
            coarse = rng.integers(0, 256, (EDGE // 4, EDGE // 4, 3), dtype=np.uint8)
            image = Image.fromarray(coarse).resize((EDGE, EDGE), Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        image.save(buffer, kind, quality=60)
        (folder / f"{name}.{kind.lower()}").write_bytes(buffer.getvalue())
    return truth


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(int(sys.argv[2]))))
    else:
        main(*map(int, sys.argv[1:]))
