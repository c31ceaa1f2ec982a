"""`workbench league`: which attribution method suits a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.data import answers_of
from workbench.cli.images import ImagesOption, ReadOption, load, show
from workbench.cli.meter import Meter
from workbench.cli.written import tell, write_findings
from workbench.errors import InputError
from workbench.evidence import LEAGUE_DECISIONS
from workbench.files import FINDINGS, TABLES_IN

ROUNDS_IN = "maps"
FEWEST_EXPLAINED, MOST_EXPLAINED = 2, 200


def league(
    model: Annotated[str, typer.Option(help="As for run.")],
    images: ImagesOption,
    out: Annotated[Path, typer.Option(help="The folder to write findings.json and tables/ to.")],
    read: ReadOption = None,
    decisions: Annotated[int, typer.Option(help="How many decisions each method explains.")] = LEAGUE_DECISIONS,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="A method that enters, as for explain; may be repeated. All but expected gradients, LIME and"
            " KernelSHAP if missing."
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="The class that is explained: the defect, or else the predicted one.")
    ] = None,
) -> None:
    """Find which attribution method suits a model: each explains the same decisions.

    Each map is held against the model and against itself moved elsewhere. The images of the test split are looked at,
    or all where there is none. It can be stopped, and goes on where it was when it is run again.
    """
    if not FEWEST_EXPLAINED <= decisions <= MOST_EXPLAINED:
        raise InputError(
            f"A league of {decisions} decisions cannot be held: give {FEWEST_EXPLAINED} to {MOST_EXPLAINED}."
        )
    image_set = load(images, read)
    show(image_set)
    out.mkdir(parents=True, exist_ok=True)
    with Meter() as meter:
        classifier, answers = answers_of(
            model, image_set, out, meter.report, "a league asks about one of several classes"
        )
        from workbench.evidence import errors_sentence, league_errors, league_result, league_rows, standings
        from workbench.evidence import league as held

        result = held(
            classifier,
            image_set,
            answers.predictions,
            target=target,
            many=decisions,
            methods=method or None,
            folder=out / ROUNDS_IN,
            on_progress=lambda *at: meter.report("holding maps", *at),
        )
    table = standings(result)
    finding = league_result(result, table)
    write_findings(out, [finding], {"league": league_rows(result, table), "league-maps": result.frame}, ["league*"])
    tell([finding])
    print(errors_sentence(league_errors()))
    print(f"Wrote {FINDINGS} and {TABLES_IN} to {out}")
