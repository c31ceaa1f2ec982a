"""How much memory and time an image of 12,000 x 8,000 x 3 x 16 bit takes in tiles, by a small net on two cores.

    python tests/benchmarks/bench_tiles.py

Seconds are those of the clock, and in brackets the processor's over two cores: the clock's on an idle machine. The
image is written by another process, so that memory is that of reading, with the pages of the file that are mapped.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WIDTH, HEIGHT, TILE = 12_000, 8_000, 1024
WRITE = f"""
import numpy as np
values = np.lib.format.open_memmap("{{path}}", "w+", np.uint16, ({HEIGHT}, {WIDTH}, 3))
for top in range(0, {HEIGHT}, 500):
    rng = np.random.default_rng(top)
    values[top : top + 500] = rng.integers(0, 65536, values[top : top + 500].shape, dtype=np.uint16)
"""


def main() -> None:
    """Write the image, ask about it and explain it; print seconds and the most memory held."""
    import torch
    from torch import nn

    import workbench as wb
    from workbench.images import image_from_file

    torch.manual_seed(0)
    torch.set_num_threads(2)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 2),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.npy"
        subprocess.run([sys.executable, "-c", WRITE.format(path=path)], check=True)
        clf = wb.load_classifier(
            net, classes=["good", "bad"], positive="bad", size=(TILE, TILE), tiles={"overlap": 0.125}
        )
        item = image_from_file(path)
        tell("start", now())
        started = now()
        first = wb.attribute(clf.untiled, crop(item), "saliency", "bad")
        tell(f"first map, of one tile {first.values.shape}", started)
        started = now()
        wb.predict(clf, item)
        tell("decision", started)
        for method in ("saliency", "grad_cam"):
            started = now()
            result = wb.attribute(clf, item, method, "bad")
            tell(f"{method} of {result.params['tiles']} tiles {result.values.shape}", started)
        started = now()
        item.open()
        tell("8-bit copy to look at", started)


def crop(item: object) -> object:
    """One tile of the image, as it lies in the file."""
    raster = item.load()  # type: ignore[attr-defined]
    return raster.values[:TILE, :TILE].copy()


def now() -> tuple[float, float]:
    """The clock, and the processor's time."""
    return time.monotonic(), time.process_time()


def tell(what: str, started: tuple[float, float]) -> None:
    """Print the seconds since, and the most memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    clock, spent = (after - before for after, before in zip(now(), started, strict=True))
    print(f"{what}: {clock:.1f} s ({spent / 2:.1f}), peak {peak:.2f} GB", flush=True)


if __name__ == "__main__":
    main()
