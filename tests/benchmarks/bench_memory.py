"""Peak memory of integrated gradients at 50 and at 400 steps, ours and Captum's, each in a process of its own.

    python tests/benchmarks/bench_memory.py

What is told is resident memory on top of the loaded model after one saliency map, in MiB. Where all steps in one
forward pass would fill half of the machine, Captum's default call is left out.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

WAYS = ("ours", "ours as it comes", "Captum default", "Captum, internal_batch_size=8")
STEPS = (50, 400)


def peak():
    """The highest resident memory of this process so far, in MiB."""
    if sys.platform == "linux":  # where ru_maxrss starts from that of the process that started this one
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def one(way, steps):
    """Run integrated gradients once in this process and print what it took."""
    import torch
    from captum.attr import IntegratedGradients

    from workbench import attribute, load_classifier, load_images

    torch.set_num_threads(1)
    classifier, item = load_classifier("everyday", device="cpu"), next(iter(load_images("everyday")))
    x = classifier.prepare(item)[None]
    target = int(classifier.logits(x).argmax())
    attribute(classifier, item, "saliency", target)
    works = {
        "ours": lambda: attribute(classifier, item, "integrated_gradients", target, n_steps=steps),
        "ours as it comes": lambda: attribute(classifier, item, "integrated_gradients", target, tolerance=0),
        "Captum default": lambda: IntegratedGradients(classifier.model.eval()).attribute(
            x, target=target, n_steps=steps
        ),
        "Captum, internal_batch_size=8": lambda: IntegratedGradients(classifier.model.eval()).attribute(
            x, target=target, n_steps=steps, internal_batch_size=8
        ),
    }
    before = peak()
    works[way]()
    print(json.dumps(peak() - before))


def measured(way, steps):
    """What `one` says in a fresh process, in MiB."""
    done = subprocess.run([sys.executable, __file__, way, str(steps)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{way} with {steps} steps failed:\n{done.stderr}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def table():
    """Lines of a Markdown table."""
    half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**21
    lines = [
        "| peak memory of integrated gradients | 50 steps | 400 steps | 400 / 50 | ours / this, 50 steps |",
        "|---|---:|---:|---:|---:|",
    ]
    print("\n".join(lines))
    ours = 0.0
    for way in WAYS:
        few = measured(way, STEPS[0])
        ours = ours or few
        many = measured(way, STEPS[1]) if few * STEPS[1] / STEPS[0] < half or way != "Captum default" else None
        growth = ["left out: over half of the memory", ""] if many is None else [f"{many:.0f} MiB", f"{many / few:.2f}"]
        cells = [way, f"{few:.0f} MiB", *growth, f"{ours / few:.2f}"]
        if way == "ours as it comes":  # its number of steps is its own: here it goes to the end
            cells[1:4] = ["", f"{few:.0f} MiB", ""]
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    return lines


if __name__ == "__main__":
    if len(sys.argv) > 1:
        one(sys.argv[1], int(sys.argv[2]))
    else:
        table()
