"""`workbench make-set`: draw a synthetic image set into a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.meter import Meter
from workbench.errors import InputError


def make_set(
    name: Annotated[str, typer.Argument(help="stamped-metal")],
    out: Annotated[Path, typer.Option(help="The folder to write to: a new or an empty one.")],
    count: Annotated[int, typer.Option(help="Number of images.")] = 1200,
    size: Annotated[int, typer.Option(help="Edge length in pixels.")] = 128,
    seed: Annotated[int, typer.Option(help="The same seed gives the same images.")] = 0,
    stamp_with: Annotated[
        str | None,
        typer.Option(help="Class that the stamp goes with in the splits train and validation; default: none."),
    ] = None,
    stamp_share: Annotated[
        float | None,
        typer.Option(help="Share of that class's parts with a stamp, default 0.95; of the other parts, the rest to 1."),
    ] = None,
) -> None:
    """Draw a synthetic image set with exact masks: a folder with manifest.csv, images and masks."""
    from workbench.images import stamped_metal

    if name != stamped_metal.NAME:
        raise InputError(f"There is no set {name!r} to make: the one there is is {stamped_metal.NAME}.")
    if stamp_share is not None and stamp_with is None:
        raise InputError("--stamp-share says how often a class carries the stamp: name the class with --stamp-with.")
    share = 0.95 if stamp_share is None else stamp_share
    with Meter(sys.stdout) as meter:
        plan = {"count": count, "size": size, "seed": seed}
        for done, total in stamped_metal.make_set(out, **plan, stamp_with=stamp_with, stamp_share=share):
            meter(done, total, "drawing")
    print(f"Wrote manifest.csv, images and masks of {count:,} synthetic parts to {out}")
