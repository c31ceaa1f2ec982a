"""`workbench gate`: whether a new model may follow an old one, with an exit code for a job."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.data import answers_of
from workbench.cli.images import ImagesOption, ReadOption, check_answered, load, show
from workbench.cli.meter import Meter

if TYPE_CHECKING:
    from workbench.images import ImageSet
    from workbench.models import Classifier
    from workbench.reliability import TrainingRecord
    from workbench.report import Eligible, Gate, GateRules, GateSide

GATE_FILE = "gate.json"


def gate(
    old: Annotated[str, typer.Option(help="The model of before: as --model for run.")],
    new: Annotated[str, typer.Option(help="The model that is to follow it.")],
    images: ImagesOption,
    rules: Annotated[Path, typer.Option(help="The rules, a .toml file.")],
    junit: Annotated[Path | None, typer.Option(help="A JUnit .xml to write.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="A .md to write, for a pull request.")] = None,
    out: Annotated[
        Path, typer.Option(help="The folder to write gate.json to, and to go on from when it is run again.")
    ] = Path("workbench-gate"),
    read: ReadOption = None,
) -> None:
    """Ask whether a new model may follow an old one: rules on bounds, on shortcuts, on evidence and on reasons.

    Exit code 0: every rule is shown to hold; 1: at least one is shown to be broken; 2: bad input; 3: neither, for want
    of images or of what a rule needs. It can be stopped, and goes on where it was when it is run again. What an earlier
    run wrote is removed first.
    """
    from workbench.report import gate_json, gate_junit, gate_lines, gate_markdown, read_rules

    written = {out / GATE_FILE: gate_json, junit: gate_junit, markdown: gate_markdown}
    for path in written:
        if path is not None:  # a job takes home what it finds, also where this run ends with bad input
            path.unlink(missing_ok=True)
    asked = read_rules(rules)
    image_set = load(images, read)
    show(image_set)
    check_answered(image_set)
    out.mkdir(parents=True, exist_ok=True)
    with Meter() as meter:
        result = _held((old, new), image_set, asked, rules.parent, out, meter)
    for path, text in written.items():
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text(result), encoding="utf-8", newline="\n")
    print("\n".join(gate_lines(result)))
    if result.code:
        raise typer.Exit(result.code)


def _held(names: tuple[str, str], image_set: ImageSet, rules: GateRules, base: Path, out: Path, meter: Meter) -> Gate:
    """The gate, with the models asked about the images that count."""
    from workbench.journal import told_apart_here
    from workbench.predictions import named_units
    from workbench.quality import look_for_families
    from workbench.report import eligible, gate, no_gate

    families = look_for_families(
        image_set, told_apart_here(image_set), on_progress=lambda *at: meter.report("comparing images", *at)
    )
    units = named_units(image_set.items, families.by_name)
    roles = ("old", "new")
    records = {role: _record(name) for role, name in zip(roles, names, strict=True)}
    counted = eligible(image_set, rules.split, records, units)
    if not counted.items:
        return no_gate(*names, image_set, counted, rules)
    said = partial(_side, image_set=image_set, counted=counted, families=families.by_name, out=out, meter=meter)
    old, new = (said(name, role) for name, role in zip(names, roles, strict=True))
    null = [_null(ref, base) for ref in (rules.reasons.null if rules.reasons else ())]
    return gate(old, new, image_set, counted, rules, null=null, folder=out, on_progress=meter.report)


def _side(
    name: str,
    role: str,
    *,
    image_set: ImageSet,
    counted: Eligible,
    families: Mapping[str, str],
    out: Path,
    meter: Meter,
) -> GateSide:
    from workbench.predictions import with_families
    from workbench.report import GateSide

    part = dataclasses.replace(image_set, items=counted.items)
    (out / role).mkdir(exist_ok=True)
    said = partial(_told, meter, role)
    classifier, answers = answers_of(name, part, out / role, said, "a gate asks about one of several classes")
    return GateSide(name, classifier, with_families(answers.predictions, families), _record(name))


def _told(meter: Meter, role: str, stage: str, done: int, total: int) -> None:
    meter.report(f"{role} model: {stage}", done, total)


def _record(model: str) -> TrainingRecord | None:
    """What the folder of a model says of its training, where its name stands for one."""
    from workbench.reliability import read_record
    from workbench.report import model_folder

    return read_record(model_folder(model))


def _null(ref: str, base: Path) -> Classifier:
    """A training of the recipe, whose path starts at the rules file."""
    from workbench.catalog import load_catalog
    from workbench.models import load_classifier

    below = base / ref
    return load_classifier(str(below) if ref not in load_catalog().models and below.exists() else ref)
