"""Each method beside Captum's default, Captum's best setting, two CAM libraries and a bare torch loop, in one process,
in turn.

    python tests/benchmarks/bench_engine.py [--quick] [--write]

Every row is measured in rounds, one call of each competitor a round, so that a busy moment hits all of them; the ratio
is taken within a round, and its median and range over the rounds are what the table shows. Others get the model as its
library makes it. `--write` puts the table into RESULTS.md, with peak memory. Needs the packages of the `bench` extra.
"""

import argparse
import copy
import os
import platform
import statistics
import time
from pathlib import Path

import captum.attr as captum
import numpy as np
import torch
from bench_memory import table as memory

import workbench as wb
from workbench.models.classifier import untouched

RESULTS = Path(__file__).with_name("RESULTS.md")
STEPS = (50, 100, 200, 400)
TOLERANCE, COSINE = 0.01, 0.99
MODELS = ("everyday", "timm:resnet18", "timm:vit_tiny_patch16_224")


class Table:
    """Rows of a Markdown table, printed as they come."""

    def __init__(self):
        self.lines = [
            "| method | model | ours s | other | other s | ratio: median (range) | agreement | note |",
            "|---|---|---:|---|---:|---|---|---|",
        ]
        print("\n".join(self.lines), flush=True)

    def add(self, method, model, ours, name, other, agreement, note=""):
        ratios = [b / a for a, b in zip(ours, other, strict=True)]
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        cells = [
            method,
            model,
            f"{statistics.median(ours):.3f}",
            name,
            f"{statistics.median(other):.3f}",
            ratio,
            agreement,
            note,
        ]
        self.lines.append("| " + " | ".join(cells) + " |")
        print(self.lines[-1], flush=True)


def rounds(count, *works):
    """For each work its times, one a round, and its last result."""
    times, results = [[] for _ in works], [None] * len(works)
    for _ in range(count):
        for i, work in enumerate(works):
            start = time.perf_counter()
            results[i] = work()
            times[i].append(time.perf_counter() - start)
    return times, results


def array(values):
    return values.detach().numpy()[0] if torch.is_tensor(values) else np.asarray(values)


def cosine(a, b):
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


def gap(a, b):
    return f"largest gap {np.abs(a - b).max() / np.abs(b).max():.1e} of the peak"


class Subject:
    """A model, an image and its prediction, ready to be asked."""

    def __init__(self, ref, name="chelsea.png"):
        self.ref = ref.removeprefix("timm:")
        self.classifier = wb.load_classifier(ref, device="cpu")
        self.item = wb.load_images("everyday").by_name[name]
        # what others are given: the model as its library makes it, which lays the weights of convolutions out otherwise
        self.model = copy.deepcopy(self.classifier.model).to(memory_format=torch.contiguous_format).eval()
        self.x = self.classifier.prepare(self.item)[None]
        with torch.inference_mode():
            logits, blank = self.model(self.x)[0], self.model(torch.zeros_like(self.x))[0]
        self.target = int(logits.argmax())
        self.change = float(logits[self.target] - blank[self.target])

    def ours(self, method, **settings):
        return lambda: wb.attribute(self.classifier, self.item, method, self.target, **settings)

    def bound(self, count, gradient=False):
        """The least that `count` evaluations of whole images take: each at the least cost that any batch size showed
        here."""
        model, best = self.classifier.model.eval(), float("inf")
        for n in (1, 4, 8, 16):
            for _ in range(5):
                x = self.x.repeat(n, 1, 1, 1).requires_grad_(gradient)
                start = time.perf_counter()
                if gradient:
                    torch.autograd.grad(model(x)[:, self.target].sum(), x)
                else:
                    with torch.inference_mode():
                        model(x)
                best = min(best, (time.perf_counter() - start) / n)
        return count * best, f"{count} evaluations at {1000 * best:.1f} ms"

    def fits(self, steps):
        """Whether Captum's default call with all steps in one batch stays within half of the memory, from one step's
        share."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        share = sum(t.numel() for t in self.saved()) * 4
        return steps * share < memory / 2

    def saved(self):
        kept = []

        def keep(tensor):
            kept.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            self.model(self.x.clone().requires_grad_())
        return kept


def at_most(bound, other):
    """What no program can beat that makes the same evaluations."""
    seconds, what = bound
    return f"{what}: at most {statistics.median(other) / seconds:.2f}x"


def integrated_gradients(table, subject, count):
    """Ours as it comes, and Captum's default call with the fewest steps that reach the same."""
    reference = captum.IntegratedGradients(subject.model).attribute(
        subject.x, target=subject.target, n_steps=1000, internal_batch_size=8
    )
    reference = array(reference)
    found = subject.ours("integrated_gradients")()
    said = (
        f"{found.params['evaluations']} steps, error {found.relative_delta:.2%}, cosine"
        f" {cosine(found.values, reference):.4f}"
    )
    for steps in STEPS:

        def default(steps=steps):
            return captum.IntegratedGradients(subject.model).attribute(subject.x, target=subject.target, n_steps=steps)

        def best(steps=steps):
            return captum.IntegratedGradients(subject.model).attribute(
                subject.x, target=subject.target, n_steps=steps, internal_batch_size=8
            )

        values = array(best())
        error, similar = abs(values.sum(dtype=float) - subject.change) / abs(subject.change), cosine(values, reference)
        if (error <= TOLERANCE and similar >= COSINE) or steps == STEPS[-1]:
            break
    reached = f"{steps} steps, error {error:.2%}, cosine {similar:.4f}"
    reached += "" if error <= TOLERANCE else ": never reached"
    if subject.fits(steps):
        (a, b, c), _ = rounds(count, subject.ours("integrated_gradients"), default, best)
        table.add("integrated gradients", subject.ref, a, "Captum default", b, said, reached)
    else:
        (a, c), _ = rounds(count, subject.ours("integrated_gradients"), best)
        table.add(
            "integrated gradients",
            subject.ref,
            a,
            "Captum default",
            c,
            said,
            f"{reached}; does not fit into memory, so timed in chunks of 8",
        )
    table.add("integrated gradients", subject.ref, a, "Captum, internal_batch_size=8", c, said, reached)


def occlusion(table, subject, count):
    size = round(subject.x.shape[-1] / 8)
    shape, stride = (3, size, size), (3, size // 2, size // 2)

    def call(**settings):
        with torch.inference_mode():
            return captum.Occlusion(subject.model).attribute(
                subject.x, target=subject.target, sliding_window_shapes=shape, strides=stride, baselines=0, **settings
            )

    (a, b, c), (found, default, _) = rounds(
        count, subject.ours("occlusion"), call, lambda: call(perturbations_per_eval=8)
    )
    same = gap(found.values, array(default))
    whole = (
        at_most(subject.bound(1 + (1 - (size - subject.x.shape[-1]) // (size // 2)) ** 2), b)
        if "vit" in subject.ref
        else ""
    )
    table.add("occlusion", subject.ref, a, "Captum default", b, same, whole)
    table.add("occlusion", subject.ref, a, "Captum, perturbations_per_eval=8", c, same)


def smoothgrad(table, subject, count):
    spread = 0.15 * (subject.x.max() - subject.x.min()).item()

    def call(**settings):
        torch.manual_seed(0)
        return captum.NoiseTunnel(captum.Saliency(subject.model)).attribute(
            subject.x, nt_type="smoothgrad", nt_samples=25, stdevs=spread, target=subject.target, abs=False, **settings
        )

    (a, b, c), (found, _, best) = rounds(
        count, subject.ours("smoothgrad", samples=25), call, lambda: call(nt_samples_batch_size=8)
    )
    same = f"cosine {cosine(found.values, array(best)):.3f}"
    table.add("SmoothGrad 25", subject.ref, a, "Captum default", b, same, at_most(subject.bound(25, gradient=True), b))
    table.add("SmoothGrad 25", subject.ref, a, "Captum, nt_samples_batch_size=8", c, same)


def bookkeeping(table, subject, count):
    """The same evaluations of the same model without anything around them."""
    model = subject.classifier.model
    steps = subject.ours("integrated_gradients")().params["evaluations"]

    def one():
        with untouched(subject.classifier):
            x = subject.classifier.prepare(subject.item)[None].requires_grad_()
            return torch.autograd.grad(model(x)[0, subject.target], x)[0].abs()

    def many():
        with untouched(subject.classifier):
            x = subject.classifier.prepare(subject.item)[None]
            total = torch.zeros_like(x)
            with torch.inference_mode():
                model(torch.zeros_like(x))
            for start in range(0, steps, 8):
                points = ((torch.arange(start, start + 8) + 0.5).view(-1, 1, 1, 1) / steps * x).requires_grad_()
                total += torch.autograd.grad(model(points)[:, subject.target].sum(), points)[0].sum(0, keepdim=True)
            return total / steps * x

    (a, b), _ = rounds(10 * count, subject.ours("saliency"), one)
    table.add("saliency", subject.ref, a, "bare torch loop", b, "", "0.95 or more: bookkeeping costs 5 % or less")
    (a, b), _ = rounds(2 * count, subject.ours("integrated_gradients"), many)
    table.add("integrated gradients", subject.ref, a, "bare torch loop", b, "", f"likewise, {steps} gradients")


class Cams:
    """Four ways to the same layer's map, and the least work that is possible."""

    def __init__(self, subject):
        self.subject, self.x, self.target = subject, subject.x, subject.target
        self.name = subject.ours("grad_cam")().params["layer"]
        self.layer = subject.model.get_submodule(self.name)
        self.own = subject.classifier.model.get_submodule(self.name)
        for parameter in subject.model.parameters():  # all competitors alike
            parameter.requires_grad_(True)

    def read(self):
        """The image as input: every way starts from the file."""
        return self.subject.classifier.prepare(self.subject.item)[None]

    def captum(self):
        x = self.read()
        values = captum.LayerGradCam(self.subject.model, self.layer).attribute(x, self.target)
        return captum.LayerAttribution.interpolate(values, x.shape[2:], "bilinear")

    def pytorch_grad_cam(self, kind):
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        with kind(model=self.subject.model, target_layers=[self.layer]) as cam:
            return cam(input_tensor=self.read(), targets=[ClassifierOutputTarget(self.target)])

    def torchcam(self, kind):
        with kind(self.subject.model, target_layer=self.name, input_shape=tuple(self.x.shape[1:])) as cam:
            return cam(self.target, self.subject.model(self.read().requires_grad_()))[0]

    def bare(self):
        """Forward, backward to the layer alone, weigh, enlarge: with the model as ours has it."""
        kept = {}

        def cut(module, inputs, output):
            kept["out"] = output.detach().requires_grad_()
            return kept["out"]

        x = self.read()
        handle = self.own.register_forward_hook(cut)
        try:
            score = self.subject.classifier.model(x)[0, self.target]
        finally:
            handle.remove()
        (gradient,) = torch.autograd.grad(score, kept["out"])
        cam = (gradient.mean((2, 3), keepdim=True) * kept["out"]).sum(1, keepdim=True)
        return torch.nn.functional.interpolate(cam, x.shape[2:], mode="bilinear")


def grad_cam(table, subject, count):
    from pytorch_grad_cam import GradCAM
    from torchcam.methods import GradCAM as TorchGradCAM

    cams = Cams(subject)
    works = [
        subject.ours("grad_cam"),
        cams.captum,
        lambda: cams.pytorch_grad_cam(GradCAM),
        lambda: cams.torchcam(TorchGradCAM),
        cams.bare,
    ]
    times, results = rounds(5 * count, *works)
    same = gap(results[0].values, array(results[1]))
    for other, taken in zip(
        ("Captum", "pytorch-grad-cam", "TorchCAM", "bare forward and tail"), times[1:], strict=True
    ):
        table.add("Grad-CAM", subject.ref, times[0], other, taken, same, f"layer {cams.name}")


def score_cam(table, subject, count):
    from pytorch_grad_cam import ScoreCAM
    from torchcam.methods import ScoreCAM as TorchScoreCAM

    cams = Cams(subject)
    works = [
        subject.ours("score_cam", channels=0),
        lambda: cams.pytorch_grad_cam(ScoreCAM),
        lambda: cams.torchcam(TorchScoreCAM),
    ]
    times, results = rounds(count, *works)
    bound = subject.bound(1 + results[0].params["channels"])
    for other, taken in zip(("pytorch-grad-cam", "TorchCAM"), times[1:], strict=True):
        table.add(
            "Score-CAM",
            subject.ref,
            times[0],
            other,
            taken,
            "",
            f"layer {cams.name}, all channels; {at_most(bound, taken)}",
        )


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true", help="one round, one model")
    options.add_argument("--write", action="store_true", help="write RESULTS.md")
    chosen = options.parse_args()
    count = 1 if chosen.quick else 3
    table = Table()
    for ref in MODELS[: 1 if chosen.quick else None]:
        subject = Subject(ref)
        subject.ours("saliency")()
        for measure in (bookkeeping, smoothgrad, occlusion, integrated_gradients):
            measure(table, subject, count)
        if "vit" not in ref:
            grad_cam(table, subject, count)
        if "resnet" in ref:
            score_cam(table, subject, count)
    if chosen.write:
        write(table.lines)


def write(lines):
    """Put the table, and that of memory, into RESULTS.md."""
    cores = f"{torch.get_num_threads()} of {os.cpu_count()} cores"
    machine = f"{platform.processor() or platform.machine()}, {cores}, torch {torch.__version__}"
    head = (
        f"# Attribution beside other tools\n\nMeasured on {time.strftime('%Y-%m-%d')} ({machine})."
        f" {__doc__.split(chr(10) * 2)[2]}\n\n"
    )
    RESULTS.write_text(head + "\n".join([*lines, "", *memory()]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
