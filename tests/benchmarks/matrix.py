"""Which method suits which architecture: each is tried with random weights, and the table is written in Markdown.

    python tests/benchmarks/matrix.py            # prints the table python tests/benchmarks/matrix.py --write    # and
    puts it into docs/methods.md, between <!-- matrix --> and <!-- /matrix -->

A method works, or it is refused with a reason; the reasons stand below the table, each once.
"""

import argparse
import re
import sys
from pathlib import Path

import torch

from workbench import load_classifier
from workbench.attribution.matrix import suits
from workbench.attribution.methods import METHODS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "methods.md"
WORKS, REFUSED = "works", "no"
LEGEND = (
    f"Tried on untrained networks, with no configuration: **{WORKS}**, or **{REFUSED}** with the number of the reason"
    " below the table."
)
SECTION = re.compile(r"(<!-- matrix -->\n).*?(<!-- /matrix -->)", re.DOTALL)
MODELS = (
    "timm:resnet18",
    "timm:convnext_atto",
    "timm:mobilenetv3_small_100",
    "timm:efficientnet_b0",
    "timm:densenet121",
    "timm:regnety_002",
    "timm:vit_tiny_patch16_224",
    "timm:deit_tiny_patch16_224",
    "timm:swin_tiny_patch4_window7_224",
    "timm:mixer_s32_224",
    "torchvision:resnet18",
    "torchvision:vgg11",
    "torchvision:mobilenet_v3_small",
    "torchvision:vit_b_32",
)


def subject(ref, **settings):
    """The classifier with random weights that behaves like a trained one.

    What architectures start with zeros (heads, biases, the last norm of a block) is random too, and batch norms know
    the statistics of noise: as made, some of these networks answer the same for every image.
    """
    classifier = load_classifier(ref, device="cpu", **settings)
    model, generator = classifier.model, torch.Generator().manual_seed(0)
    with torch.no_grad(), torch.random.fork_rng():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05, generator=generator)
        for module in model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = None  # the plain mean of what it sees
        torch.manual_seed(0)
        model.train()(torch.randn(4, 3, *classifier.preprocessing.size, generator=generator))
    model.eval()
    return classifier


def reasons(ref):
    """For each method: None, or why it is refused."""
    classifier = subject(ref)
    return {name: suits(classifier, name) for name in METHODS}


def clause(method, reason):
    """A reason without the part that is the same in every one."""
    return reason.removeprefix(f"{METHODS[method].title} does not suit this model: ").rstrip(".")


def table(found):
    """The matrix in Markdown: what its cells mean, a row a method and a column a model, and numbered reasons below.

    Args:
        found: For each model, what `reasons` says.
    """
    notes = {}
    lines = ["| Method | " + " | ".join(ref.replace(":", " ") for ref in found) + " |", "|---" * (len(found) + 1) + "|"]
    for name in next(iter(found.values())):
        cells = []
        for answers in found.values():
            why = answers[name]
            cells.append(WORKS if why is None else f"{REFUSED} ({notes.setdefault(clause(name, why), len(notes) + 1)})")
        lines.append(f"| {METHODS[name].title} | " + " | ".join(cells) + " |")
    return "\n".join(
        [LEGEND, "", *lines, "", *(f"{number}. {text[0].upper()}{text[1:]}." for text, number in notes.items()), ""]
    )


def write(text, path):
    """Put the table between its two marks.

    Raises:
        SystemExit: The marks are not there.
    """
    page = path.read_text(encoding="utf-8")
    if not SECTION.search(page):
        sys.exit(f"{path.name} has no section between <!-- matrix --> and <!-- /matrix -->: add the two marks.")
    path.write_text(SECTION.sub(lambda marks: marks[1] + text + marks[2], page), encoding="utf-8")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--write", action="store_true", help="put the table into docs/methods.md")
    options.add_argument("models", nargs="*", default=MODELS, help="other models than the usual ones")
    given = options.parse_args()
    torch.set_num_threads(1)
    found = {}
    for ref in given.models:
        print(ref, file=sys.stderr, flush=True)
        found[ref] = reasons(ref)
    print(table(found))
    if given.write:
        write(table(found), PAGE)


if __name__ == "__main__":
    main()
