"""The `workbench` command: run, images, explain, audit, data, drift, agreement, shortcuts, league, reliability, check,
report, gate, make-set, train, journal, train-demo, doctor.

Bad input ends with one line on stderr and exit code 2, an interruption with 130. Nothing heavy is imported before a
command needs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from workbench.cli import (
    audit,
    check,
    data,
    drift,
    explain,
    gate,
    images,
    inspectors,
    journal,
    league,
    reliability,
    reports,
    serve,
    sets,
    shortcuts,
    train,
    upkeep,
)
from workbench.errors import InputError
from workbench.version import __version__

TRACEBACK_VARIABLE = "WORKBENCH_TRACEBACK"
INPUT_ERROR, INTERRUPTED = 2, 130

app = typer.Typer(
    name="workbench",
    help="Why an image classifier decides as it does, and whether that can be trusted.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0, 1 (a check failed), 2 (bad input) or 130 (interrupted)."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # so that python:package.module:function finds what lies in the working folder
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = app(args=arguments, prog_name="workbench", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away, as in `workbench doctor | head -1`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return 1
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        message, code = _verdict(error)
        print(f"workbench: {' '.join(message.split())}", file=sys.stderr)
        return code


def _verdict(error: Exception) -> tuple[str, int]:
    """What to say of an error, and the exit code."""
    if isinstance(error, InputError):
        return str(error), INPUT_ERROR
    # Typer's usage errors have it; their class has moved between its releases
    usage = getattr(error, "format_message", None)
    if callable(usage):
        return f"{usage().rstrip('. ')}. See workbench --help, or --help after a command.", INPUT_ERROR
    if isinstance(error, OSError):
        fault = f"{error.filename or 'A file'} cannot be used ({error.strerror or error})"
        return f"{fault}: check the path, its permissions and the disk.", INPUT_ERROR
    hint = f"set {TRACEBACK_VARIABLE}=1 to see where, and please report it"
    return f"Unexpected error ({type(error).__name__}: {error}): {hint}.", 1


def _version(flag: bool) -> None:
    if flag:
        print(f"workbench {__version__}")
        raise typer.Exit()


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


app.command()(serve.run)
app.command(short_help="Show how an image set is read.")(images.images)
app.command(short_help="Explain one decision, into files.")(explain.explain)
app.command("make-set", short_help="Draw a synthetic image set.")(sets.make_set)
app.command(short_help="Run a model over a whole image set, resumable.")(audit.audit)
app.command(short_help="Look at an image set before figures.")(data.data)
app.command(short_help="Find what a model really goes by.")(shortcuts.shortcuts)
app.command(short_help="Find which method explains a model best.")(league.league)
app.command(short_help="Ask whether a model will hold.")(reliability.reliability)
app.command(short_help="Ask whether a model is fit for use.")(check.check)
app.command(short_help="Hold new images against a reference: drift.")(drift.drift)
app.command(short_help="Write a report to hand on, or check one.")(reports.report)
app.command(short_help="Ask whether inspectors agree.")(inspectors.agreement)
app.command(short_help="Whether a new model may follow an old one.")(gate.gate)
app.command(short_help="Train a model on your own images.")(train.train)
app.add_typer(journal.app, name="journal")
app.command("train-demo", short_help="Retrain a model that ships.")(upkeep.train_demo)
app.command(short_help="Check the installation.")(upkeep.doctor)
