"""How long it takes to read a set of so many small files with its load report, and to see whether any of them changed.

    python tests/benchmarks/bench_sets.py [FILES]

The files are PNG images of 8 x 8 pixels in 2 splits of 10 classes; seconds are the processor's, of the second of two
turns. Measured on 2026-11-26 (x86_64, Python 3.11): 20,000 files 2.2 s and 0.2 s; 199,000 files 22 s and 1.9 s, with
0.5 GB of memory at most. Comparing bytes ends after 3 seconds, and the report says at how many images it looked.
"""

from __future__ import annotations

import io
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SPLIT_NAMES, CLASSES = ("train", "test"), 10


def main(files: int = 20_000) -> None:
    """Lay the files, read them twice; print seconds and the most memory held."""
    from workbench.sets import load_images, stamp

    with tempfile.TemporaryDirectory() as place:
        lay(Path(place), files)
        for turn in ("first", "second"):
            started = time.process_time()
            images = load_images(place)
            read = time.process_time()
            stamp(place, images)
            ended = time.process_time()
            assert images.report is not None
            assert images.report.total == files
            print(f"{turn}: {files:,} files read in {read - started:.1f} s, looked at in {ended - read:.1f} s")
        looked = [guess.value for guess in images.report.guesses if "looked at" in guess.value]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"peak {peak:.2f} GB", *looked, sep="; ")


def lay(folder: Path, files: int) -> None:
    """Write images of random pixels, as many in each class of each split."""
    folders = [folder / split / f"class{number}" for split in SPLIT_NAMES for number in range(CLASSES)]
    for path in folders:
        path.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(files):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(buffer, "PNG")
        (folders[number % len(folders)] / f"img{number // len(folders)}.png").write_bytes(buffer.getvalue())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
