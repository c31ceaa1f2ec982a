"""`workbench train-demo` and `workbench doctor`: make what ships, and check what is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.meter import Meter
from workbench.errors import InputError

DEMOS = ("solar-cells", "solar-cells-random", "metal-sound", "metal-shortcut")


def train_demo(
    name: Annotated[str, typer.Argument(help="solar-cells, solar-cells-random, metal-sound or metal-shortcut")],
    out: Annotated[
        Path | None, typer.Option(help="The folder to write the model to; default: its place in assets/models.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Written after each epoch; training resumes from it.")] = None,
) -> None:
    """Retrain a model that ships with the workbench, and write its model card.

    On a CPU the solar cells take hours, the drawn metal parts minutes. It can be interrupted and goes on after its last
    finished epoch.
    """
    if name not in DEMOS:
        raise InputError(f"There is no demo {name!r} to train: choose one of {', '.join(DEMOS)}.")
    from workbench.training import FILES, solar_cells, stamped_models

    if name in solar_cells.SOLAR_MODELS:
        steps = solar_cells.train(name, out, checkpoint=checkpoint)
    else:
        steps = stamped_models.train(name, out, checkpoint=checkpoint)
    with Meter(sys.stdout) as meter:
        for step in steps:
            meter(step.done, step.total, f"{step.stage}, {step.detail}" if step.detail else step.stage)
    print(f"Wrote {', '.join(FILES)} to {out or f'assets/models/{name}'}")


def doctor() -> None:
    """Look at packages, files, models and image sets, and make one real prediction."""
    from workbench.cli.doctor import examine

    failed = 0
    for check in examine():
        failed += not check.passed
        print(f"{'ok  ' if check.passed else 'FAIL'} {check.name}: {check.text}", flush=True)
    if failed:
        checks = "check" if failed == 1 else "checks"
        print(f"{failed} {checks} failed; each line above says what to do.", file=sys.stderr)
        raise typer.Exit(1)
