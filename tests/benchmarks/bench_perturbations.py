"""Occlusion and SmoothGrad beside Captum's default call and its best setting, in turn in one process.

    python tests/benchmarks/bench_perturbations.py [--quick] [--clock]

Ratios are Captum's time over ours, the median of the rounds and their range: of CPU seconds of one thread, which say the same on a
busy machine, and with --clock also of seconds on the clock with two threads, which say nothing there. For the transformer, whose
work is matrix products, the last column says how many times faster than Captum's default any program could be that asks about
every changed picture as a whole: its multiplications at the best rate that this machine reaches on large matrices.
"""

import argparse
import statistics
import time

import numpy as np
import torch
from captum.attr import NoiseTunnel, Occlusion, Saliency
from torch.utils.flop_counter import FlopCounterMode

from workbench import METHODS, attribute, load_classifier, load_images

MODELS = ("everyday", "timm:resnet18", "timm:vit_tiny_patch16_224")
SAMPLES = 25


def subject(name):
    """A classifier, a picture and its input, with everything loaded that loads once."""
    classifier = load_classifier(name, device="cpu")
    classifier.model.eval()
    item = next(iter(load_images("everyday")))
    x = classifier.prepare(item)[None]
    return classifier, item, x, int(classifier.logits(x).argmax())


def seconds(work, clock):
    start = clock()
    result = work()
    return clock() - start, result


def best_batch(model, x):
    """The batch size at which the model takes least for each input."""
    with torch.inference_mode():
        return min(
            (1, 4, 8, 16), key=lambda n: min(seconds(lambda: model(x.repeat(n, 1, 1, 1)), time.process_time)[0] / n for _ in range(3))
        )


def occlusion(classifier, item, x, target, share, batch):
    """Our call, Captum's default, Captum's best, and the number of evaluations."""
    window = tuple(round(n * share) for n in x.shape[2:])
    settings = {"target": target, "sliding_window_shapes": (3, *window), "strides": (3, *(n // 2 for n in window)), "baselines": x * 0}
    captum = Occlusion(classifier.model)
    works = {
        "ours": lambda: attribute(classifier, item, "occlusion", target, window=share).values,
        "default": lambda: captum.attribute(x, **settings)[0].numpy(),
        "best": lambda: captum.attribute(x, **settings, perturbations_per_eval=batch)[0].numpy(),
    }
    steps = [-(-(n - w) // (w // 2)) + 1 for n, w in zip(x.shape[2:], window, strict=True)]
    return works, 1 + steps[0] * steps[1]


def smoothgrad(classifier, item, x, target, share, batch):
    """Likewise; a gradient counts as three evaluations."""
    noise = METHODS["smoothgrad"].params["noise"]
    settings = {"target": target, "nt_samples": SAMPLES, "stdevs": noise * (x.max() - x.min()).item(), "abs": False}
    tunnel = NoiseTunnel(Saliency(classifier.model))

    def call(**more):
        torch.manual_seed(0)
        return tunnel.attribute(x, **settings, **more)[0].detach().numpy()

    works = {
        "ours": lambda: attribute(classifier, item, "smoothgrad", target, samples=SAMPLES).values,
        "default": call,
        "best": lambda: call(nt_samples_batch_size=batch),
    }
    return works, 3 * SAMPLES


def compared(works, rounds, clock):
    """Median seconds of ours, the ratios to it as text, Captum's default in seconds, and the largest gap between the maps."""
    times = {name: [] for name in works}
    for _ in range(rounds):
        maps = {}
        for name, work in works.items():
            taken, maps[name] = seconds(work, clock)
            times[name].append(taken)
    texts = []
    for name in ("default", "best"):
        ratios = [theirs / ours for theirs, ours in zip(times[name], times["ours"], strict=True)]
        texts.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
    gap = np.abs(maps["ours"] - maps["default"]).max()
    return statistics.median(times["ours"]), texts, statistics.median(times["default"]), gap


def matrix_rate():
    """Floating-point operations a second on large matrices, on one thread."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    return 2 * 1024**3 / min(seconds(lambda: a @ b, time.process_time)[0] for _ in range(10))


def main(quick, clocked):
    torch.set_num_threads(1)
    rate, share = matrix_rate(), 0.25 if quick else METHODS["occlusion"].params["window"]
    print(f"{'model':<26}{'method':<12}{'measured':<10}{'ours_s':>7}  {'default/ours':<19}{'best/ours':<19}{'gap':>8}  {'at most':>8}")
    for name in MODELS:
        torch.set_num_threads(1)
        classifier, item, x, target = subject(name)
        batch = best_batch(classifier.model, x)
        with FlopCounterMode(display=False) as work, torch.no_grad():
            classifier.model(x)
        for make in (occlusion, smoothgrad):
            works, evaluations = make(classifier, item, x, target, share, batch)
            works["ours"]()
            for threads, clock, label in ((1, time.process_time, "cpu, 1"), (2, time.perf_counter, "clock, 2"))[: 2 if clocked else 1]:
                torch.set_num_threads(threads)
                rounds = 1 if quick else 3 if threads == 1 and "vit" not in name else 2
                ours, ratios, default, gap = compared(works, rounds, clock)
                most = f"{default * rate / (evaluations * work.get_total_flops()):>7.1f}x" if threads == 1 and "vit" in name else ""
                print(
                    f"{name:<26}{make.__name__:<12}{label:<10}{ours:>7.2f}  {ratios[0]:<19}{ratios[1]:<19}{gap:>8.0e}  {most:>8}",
                    flush=True,
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round with wide windows, on one thread")
    parser.add_argument("--clock", action="store_true", help="also measure seconds on the clock with two threads")
    chosen = parser.parse_args()
    main(chosen.quick, chosen.clock)
