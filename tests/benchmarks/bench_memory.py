"""Our attributions beside direct calls of Captum, in one run on the everyday model.

    python tests/benchmarks/bench_attribution.py

Integrated gradients runs twice for each number of steps: ours in chunks, and Captum's with all steps in one forward pass as
in its tutorials. Each runs in a process of its own, so that its peak of memory is its own. Times are CPU seconds of one thread,
which say the same on a busy machine. Where all steps at once would fill half of the memory, Captum's side is left out.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from captum.attr import IntegratedGradients

from workbench import METHODS, attribute, load_classifier, load_images

STEPS = (20, 50, 200)


def subject():
    """The classifier, a picture, and its input, warmed up."""
    torch.set_num_threads(1)
    classifier = load_classifier("everyday", device="cpu")
    item = next(iter(load_images("everyday")))
    classifier.model.eval()
    attribute(classifier, item, "saliency")
    return classifier, item, classifier.prepare(item)[None]


def peak():
    """The highest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def timed(work, repeats):
    """The result of `work` and the shortest of its run times, in CPU seconds."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        best = min(best, time.process_time() - start)
    return result, best


def one(who, steps, out):
    """Run integrated gradients once in this process and write down what it took."""
    classifier, item, x = subject()
    target = int(classifier.logits(x).argmax())
    works = {
        "ours": lambda: attribute(classifier, item, "integrated_gradients", target, n_steps=steps).values,
        "captum": lambda: IntegratedGradients(classifier.model).attribute(x, target=target, n_steps=steps).detach().numpy()[0],
    }
    before = peak()
    values, seconds = timed(works[who], 1 if steps > 100 else 2)
    np.save(out, values)
    print(json.dumps({"seconds": seconds, "memory": peak() - before}))


def measured(who, steps, folder):
    """What `one` says in a fresh process, with its map."""
    out = folder / f"{who}-{steps}.npy"
    done = subprocess.run([sys.executable, __file__, who, str(steps), str(out)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{who} with {steps} steps failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1]) | {"map": np.load(out)}


def compare_integrated_gradients():
    half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**21
    print("Integrated gradients: ours in chunks, beside Captum with all steps at once (CPU seconds, MiB on top of the loaded model)")
    print(" steps   ours_s  captum_s  ratio  ours_MiB  captum_MiB  ratio  largest_gap")
    memory_a_step = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for steps in STEPS:
            ours = measured("ours", steps, Path(folder))
            if memory_a_step * steps > half:
                says = f"(about {memory_a_step * steps:.0f} MiB: left out)"
                print(f"{steps:>6} {ours['seconds']:>8.2f} {'-':>9} {'-':>6} {ours['memory']:>9.0f} {says}")
                continue
            captum = measured("captum", steps, Path(folder))
            memory_a_step = captum["memory"] / steps
            gap = np.abs(ours["map"] - captum["map"]).max() / np.abs(captum["map"]).max()
            print(
                f"{steps:>6} {ours['seconds']:>8.2f} {captum['seconds']:>9.2f} {ours['seconds'] / captum['seconds']:>6.2f} "
                f"{ours['memory']:>9.0f} {captum['memory']:>11.0f} {ours['memory'] / captum['memory']:>6.2f} {gap:>12.1e}",
                flush=True,
            )
            assert gap < 1e-3, "the two maps differ"


def price_methods():
    classifier, item, x = subject()
    with torch.inference_mode():
        _, unit = timed(lambda: classifier.logits(x), 20)
    print(f"\nEach method at its defaults, in units of one forward pass ({1000 * unit:.0f} ms of CPU)")
    print(f"{'method':<22} {'evaluations':>12} {'measured':>9}")
    for method in METHODS.values():
        _, seconds = timed(lambda name=method.name: attribute(classifier, item, name), 3 if method.cost == 1 else 1)
        print(f"{method.name:<22} {method.cost:>12} {seconds / unit:>9.1f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        one(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    else:
        compare_integrated_gradients()
        price_methods()
