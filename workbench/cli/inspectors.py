"""`workbench agreement`: whether inspectors agree, with themselves, one another and a reference, and maps help them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.written import tell, write_findings
from workbench.files import FINDINGS

AGREEMENT_TABLES = ("agreement-*",)
"""The names of all tables of the command."""


def agreement(
    answers: Annotated[
        Path,
        typer.Option(
            help="A CSV with a row a decision: inspector, part, trial, answer, and where known reference, arm (without"
            " or with), session, seconds."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder to write findings.json and tables/ to.")],
    rejects: Annotated[
        str, typer.Option(help="The answer that rejects a part, where answers are other words than reject and pass.")
    ] = "",
) -> None:
    """Ask whether inspectors agree: repeatability, effectiveness, misses, false alarms, kappa, and whether maps help.

    The answers are those of a study on the page Agreement, or given elsewhere.
    """
    from workbench.agreement import outcomes_of, read_ratings

    outcomes = outcomes_of(read_ratings(answers, answers.name, rejects))
    out.mkdir(parents=True, exist_ok=True)
    write_findings(out, outcomes.results, outcomes.tables, AGREEMENT_TABLES)
    tell(outcomes.results)
    print(f"Wrote {FINDINGS} and {len(outcomes.tables)} tables to {out}")
