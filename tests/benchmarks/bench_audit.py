"""The audit beside a bare forward loop, its memory at two sizes, and how fast a large store opens.

    python tests/benchmarks/bench_audit.py [--quick] [--threads N] [--only opening|memory|throughput]

Throughput is taken in rounds, one run of each competitor a round, so that a busy moment hits both; the ratio is taken
within a round. The bare loop gets its inputs decoded and stacked beforehand. Memory is the peak of a process that does
nothing else. The figures go to RESULTS.md by hand.
"""

import argparse
import dataclasses
import io
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import workbench as wb
from workbench.audit import outputs, parts
from workbench.audit.reader import open_audit
from workbench.audit.runner import run
from workbench.images.item import BytesSource, ImageItem, ImageSet
from workbench.models.preprocessing import BATCH


def distinct(data, count, name="repeated", labels=("good", "bad")):
    """A set of `count` images made by repeating these, each with bytes of its own after the image's end."""
    items = tuple(
        ImageItem(
            f"{i}.png",
            BytesSource(data[i % len(data)] + i.to_bytes(4, "big")),
            labels[i % len(labels)],
            attributes={"line": i % 7},
        )
        for i in range(count)
    )
    return ImageSet(name, items, tuple(labels))


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def throughput(ref, count, rounds):
    """Images a second of the audit over those of the model alone, on photographs."""
    classifier = wb.load_classifier(ref, device="cpu")
    photographs = [item.source.read() for item in wb.load_images(ref).items[:64]]
    images = distinct(photographs, count)
    inputs = torch.stack([classifier.prepare(item) for item in images.items[: min(count, 256)]])
    model = classifier.model.eval()

    def bare():
        with torch.inference_mode():
            for start in range(0, count, BATCH):
                model(inputs[start % len(inputs) : start % len(inputs) + BATCH])

    def ours():
        with tempfile.TemporaryDirectory() as folder:
            for _ in run(classifier, images, folder):
                pass

    times = [(seconds(bare), seconds(ours)) for _ in range(rounds + 1)][1:]
    ratios = [a / b for a, b in times]
    loop, audit = (count / statistics.median(t) for t in zip(*times, strict=True))
    print(
        f"| throughput, {ref}, {count} photographs, {torch.get_num_threads()} threads | {audit:.1f} a second | bare"
        f" loop {loop:.1f} | {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}) |",
        flush=True,
    )


def tiny():
    """A model so small that reading, bookkeeping and writing are what counts."""
    torch.manual_seed(0)
    layers = (torch.nn.Conv2d(3, 64, 3, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    return wb.load_classifier(
        torch.nn.Sequential(*layers, torch.nn.Linear(64, 2)), size=(64, 64), classes=("good", "bad"), device="cpu"
    )


def images_on_disk(folder, count):
    noise = np.random.default_rng(0)
    base = [Image.fromarray(noise.integers(0, 256, (64, 64, 3), np.uint8)) for _ in range(50)]
    encoded = []
    for image in base:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        encoded.append(buffer.getvalue())
    for i in range(count):
        path = folder / ("good", "bad")[i % 2] / f"{i:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded[i % 50] + i.to_bytes(4, "big"))


def audit_alone(folder, out):
    """What the memory benchmark runs in a process of its own: prints its peak in MiB."""
    classifier, start = tiny(), time.perf_counter()
    images = wb.load_images(folder)
    for step in run(classifier, images, out):
        done = step.done
    rate = done / (time.perf_counter() - start)
    status = Path(
        "/proc/self/status"
    ).read_text()  # what getrusage says holds the peak of the process that started this one
    print(int(status.partition("VmHWM:")[2].split()[0]) / 2**10, rate)


def memory(counts):
    """Peak memory at the larger number of images over that at the smaller one."""
    peaks = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            images_on_disk(Path(folder, "set"), count)
            command = [sys.executable, __file__, "--alone", str(Path(folder, "set")), str(Path(folder, "out"))]
            said = subprocess.run(
                command, check=True, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
            )
            peak, rate = map(float, said.stdout.split())
            peaks.append(peak)
            print(f"| memory, {count:,} images | {peak:.0f} MiB | {rate:.0f} images a second | |", flush=True)
    print(f"| memory, ratio | | | {peaks[1] / peaks[0]:.3f} |", flush=True)


def stored(folder, count, classes, width):
    """An audit of `count` rows over random outputs, without an image."""
    draw = np.random.default_rng(0)
    ids = [f"{i:064x}" for i in range(count)]
    written = parts.Parts(folder / outputs.PARTS)
    for start in range(0, count, 4096):
        some = ids[start : start + 4096]
        logits = draw.normal(size=(len(some), classes)).astype(np.float32)
        probabilities = torch.from_numpy(logits).softmax(1).numpy()
        embedding = draw.normal(size=(len(some), width)).astype(np.float32)
        columns = {"logits": logits, "probabilities": probabilities, "embedding": embedding}
        written.put(parts.pa.table({"id": some, **{name: parts.lists(values) for name, values in columns.items()}}))
    written.flush()
    names = tuple(f"class {i}" for i in range(classes))
    images = distinct([b""], count, labels=names)
    rule = dataclasses.replace(tiny().rule, class_names=names)
    outputs.write_predictions(folder, images, ids, {}, rule, {"model": "none"})


def opening(count, classes, width):
    folder = Path(tempfile.mkdtemp())
    try:
        wrote = seconds(lambda: stored(folder, count, classes, width))
        times = [seconds(lambda: open_audit(folder).predictions) for _ in range(4)]
        vectors = seconds(lambda: open_audit(folder).embeddings())
        print(
            f"| opening {count:,} rows, {classes} classes | {statistics.median(times[1:]):.2f} s (first {times[0]:.2f}"
            f" s) | embeddings of {width}: {vectors:.2f} s; written in {wrote:.1f} s | |",
            flush=True,
        )
    finally:
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=("opening", "memory", "throughput"))
    parser.add_argument("--alone", nargs=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.alone:
        audit_alone(*chosen.alone)
        return
    print("| what | audit | other | ratio |\n|---|---|---|---|", flush=True)
    if chosen.only in (None, "opening"):
        opening(20_000 if chosen.quick else 200_000, 5, 128)
    if chosen.only in (None, "memory"):
        memory((200, 2_000) if chosen.quick else (2_000, 20_000))
    if chosen.only in (None, "throughput"):
        for ref in ("solar-cells",) if chosen.quick else ("solar-cells", "everyday"):
            throughput(ref, 64 if chosen.quick else 256, 2 if chosen.quick else 5)


if __name__ == "__main__":
    main()
