"""`workbench images`: what is read of an image set, and the corrections that every command takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.images import ImageSet

ImagesOption = Annotated[
    str, typer.Option(help="A catalog name, a folder, a .zip, or a table that lists the images (.csv, .parquet, ...).")
]
ReadOption = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        help="A correction of how the images are read, as layout=mvtec, split.dev=validation or label.0=good; may be"
        " repeated. workbench images shows what is read.",
    ),
]


def images(
    ref: Annotated[str, typer.Argument(help="A catalog name, a folder, a .zip, or a table that lists the images.")],
    read: ReadOption = None,
) -> None:
    """Show how an image set is read: its layout, classes, splits and masks, and which files are left out and why."""
    show(load(ref, read))


def load(ref: str, read: list[str] | None) -> ImageSet:
    """The set, read with the corrections of the command line, if any.

    Raises:
        InputError: As `load_images`, or a correction is none.
    """
    from workbench.sets import load_images, options_read

    return load_images(ref, options=options_read(read) if read else None)


def show(image_set: ImageSet) -> None:
    """Print the load report of a set that has one."""
    if image_set.report is not None:
        print("\n".join(map(visible, image_set.report.lines())), flush=True)


def visible(line: str) -> str:
    """A line whose signs of names cannot move the terminal's cursor or change its colours."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)


def check_answered(image_set: ImageSet) -> None:
    """Refuse a set of which the files allow several readings.

    Raises:
        InputError: The first question, and how to answer it.
    """
    if image_set.report is not None and image_set.report.questions:
        question, *others = image_set.report.questions
        more = f" ({len(others)} more after it)" if others else ""
        answers = " or ".join(f"--read {question.option}={value}" for value, _ in question.choices)
        raise InputError(f"{question.sentence.rstrip('.')}{more}: answer with {answers}.")
