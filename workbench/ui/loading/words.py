"""The counts of a load report in words."""

from __future__ import annotations

from workbench.images import SPLITS, LoadReport


def many(count: int, noun: str, rest: str = "") -> str:
    """A count with its noun, as in "1 class" and "2 files left out"."""
    plural = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{plural} {rest}".strip()


def splits_of(report: LoadReport) -> list[str | None]:
    """The splits that hold images, in their usual order; None for images in none."""
    there = report.by("split")
    return [split for split in (*SPLITS, None) if split in there]


def summary(report: LoadReport) -> list[str]:
    """Images, classes, masks and splits, as far as there are any."""
    count = report.by("split")
    classes = sum(label is not None for label in report.by("label"))
    parts = [many(report.total, "image"), many(classes, "class"), f"{report.masks:,} with a mask"]
    if set(count) != {None}:
        parts.append(", ".join(f"{split or 'no split'} {count[split]:,}" for split in splits_of(report)))
    return parts
