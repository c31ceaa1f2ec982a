"""`workbench train`: a model of one's own from a folder of labelled images."""

from __future__ import annotations

import shlex
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.images import ReadOption, check_answered, load, show
from workbench.cli.meter import Meter


def train(
    images: Annotated[str, typer.Argument(help="A catalog name, a folder, a .zip, or a table that lists the images.")],
    out: Annotated[Path, typer.Option(help="The folder to write the model to.")],
    epochs: Annotated[
        int,
        typer.Option(
            min=1, max=1000, help="Maximum; training stops early when the validation split no longer improves."
        ),
    ] = 30,
    size: Annotated[
        int, typer.Option(min=32, max=1024, help="Edge length of the model's input in pixels; images are stretched.")
    ] = 224,
    positive: Annotated[
        str | None, typer.Option(help="The positive class (the defect), which the threshold is chosen for.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the training, and of the splits if the set has none.")] = 0,
    checkpoint: Annotated[Path | None, typer.Option(help="Written after each epoch; training resumes from it.")] = None,
    read: ReadOption = None,
    before: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="The folder of a model that train wrote, to go on from: its weights, classes, input size and splits.",
        ),
    ] = None,
) -> None:
    """Fine-tune the backbone that ships with the workbench on labelled images, and write a model with its model card.

    A folder for each class is enough. It can be interrupted, and goes on after its last finished epoch when it is run
    again.
    """
    image_set = load(images, read)
    show(image_set)
    check_answered(image_set)
    from workbench.training import finetune

    status, start = "nothing yet", time.monotonic()
    try:
        steps = finetune.train(
            image_set, out, epochs=epochs, size=size, positive=positive, seed=seed, checkpoint=checkpoint, before=before
        )
        with Meter(sys.stdout) as meter, closing(steps):
            for step in steps:
                status = f"{step.done:,} of {step.total:,} steps of {step.stage} done"
                meter(step.done, step.total, f"{step.stage}, {step.detail}" if step.detail else step.stage)
    except KeyboardInterrupt:
        print(
            f"Stopped with {status}: run the same command again, and it goes on after its last finished epoch.",
            file=sys.stderr,
        )
        raise
    if before is not None:
        _changed(out, before, images)
    _summary(out, (time.monotonic() - start) / 60)


def _changed(out: Path, before: Path, images: str) -> None:
    """What the card says of before and after, and where both are compared."""
    _, _, rest = (out / "MODEL_CARD.md").read_text(encoding="utf-8").partition("### Before and after\n\n")
    print(rest.partition("\n")[0])
    command = ("workbench", "run", "--model", str(out), "--beside", str(before), "--images", images)
    print(f"Compare both: {shlex.join(command)}")


def _summary(out: Path, minutes: float) -> None:
    from workbench.predictions import Predictions, headline
    from workbench.training import FILES

    print(f"Wrote {', '.join(FILES)} to {out} after {minutes:.1f} minutes")
    table = Predictions.load(out / "predictions.parquet")
    rate = headline(table, (table.frame["split"] == "test").to_numpy())["accuracy"]
    if rate.value is not None:
        print(
            f"{rate.value:.1%} of the {rate.support:,} test images are classified right (95 % interval {rate.low:.1%}"
            f" to {rate.high:.1%})"
        )
    print(f"Open it: workbench run --model {out}")
