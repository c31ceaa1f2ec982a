"""`workbench audit`: a model over a whole image set, into a folder that the app reads."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.images import ImagesOption, ReadOption, load, show
from workbench.cli.meter import Meter


def audit(
    model: Annotated[str, typer.Option(help="As for run, or python:package.module:function.")],
    images: ImagesOption,
    out: Annotated[Path, typer.Option(help="The folder to write predictions.parquet and attributions/ to.")],
    engine: Annotated[
        str, typer.Option(help="local, or ray: the cluster at RAY_ADDRESS, else one on this machine.")
    ] = "local",
    attributions: Annotated[
        str | None, typer.Option(help="The method whose maps are summarised for a sample: grad_cam, ...")
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="Number of images in that sample.")] = 200,
    seed: Annotated[int, typer.Option(help="Random seed of that sample.")] = 0,
    label: Annotated[str | None, typer.Option(help="Of a model of several labels, the one to ask about.")] = None,
    read: ReadOption = None,
) -> None:
    """Run a model over every image of a set. It can be stopped at any time and resumes when run again."""
    from workbench.audit import open_audit, run

    image_set = load(images, read)
    show(image_set)
    from workbench.models import load_classifier
    from workbench.predictions import one_against_rest

    classifier = load_classifier(model)
    if label is not None:
        image_set = one_against_rest(image_set, label, classifier.class_names)
        classifier = classifier.label(label)
    status = "nothing yet"
    try:
        steps = run(classifier, image_set, out, attributions=attributions, sample=sample, seed=seed, engine=engine)
        with Meter() as meter, closing(steps):
            for step in steps:
                status = f"{step.done:,} of {step.total:,} {step.stage}"
                meter(step.done, step.total, f"{step.stage}, {step.errors} failed" if step.errors else step.stage)
    except KeyboardInterrupt:
        print(f"Stopped with {status}: run the same command again, and it resumes.", file=sys.stderr)
        raise
    print(f"Wrote {len(image_set):,} images to {out / 'predictions.parquet'}")
    frame = open_audit(out).predictions.frame
    if count := int(frame["verdict"].notna().sum()):
        print(f"{(frame['verdict'] == 'right').sum() / count:.1%} of {count:,} labelled images are classified right")
    if failed := int(frame["error"].notna().sum()):
        print(f"{failed:,} could not be read; the column error says why")
    if attributions is not None:
        maps = open_audit(out).summaries(attributions).frame
        print(f"Wrote {len(maps):,} maps, summed up, to {out / 'attributions'}")
