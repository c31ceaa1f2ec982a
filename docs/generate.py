"""Write the parts of the documentation that follow from the code, each between two markers of its page: `make docs`.

A marker is `<!-- generated: NAME -->`; the part ends at `<!-- /generated: NAME -->`.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.testing import CliRunner

import workbench
from workbench.attribution import METHODS, Method
from workbench.catalog import Criteria, ImagesEntry, ModelEntry, ReadOptions
from workbench.cli import app
from workbench.evidence import CHECKS
from workbench.models.folder import LimitsSpec, ModelSpec, PreprocessingSpec, TilesSpec
from workbench.report.gate_rules import GateRules
from workbench.sets import options_text

DOCS = Path(__file__).resolve().parent
sys.path.append(str(DOCS.parent / "tests"))
FUNCTIONS = (
    "load_classifier",
    "load_images",
    "predict",
    "attribute",
    "assess",
    "breakdown",
    "operating_points",
    "families",
)
RESULTS = (
    *("METHODS", "InputError", "Classifier", "ImageSet", "ImageItem", "ReadOptions"),
    *("Predictions", "Attribution", "Evidence", "Breakdown", "Families"),
)
PART = re.compile(r"<!-- generated: (?P<name>[^>]+) -->\n.*?<!-- /generated: (?P=name) -->", re.DOTALL)
SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Example):\n((?:    .*\n?|\n)*)", re.MULTILINE)
ENTRY = re.compile(r"^ {4}(\*{0,2}\w+): ((?:.|\n(?! {4}\S))*)", re.MULTILINE)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def section(document: str, name: str) -> str:
    """A section of a docstring, without its heading; empty where it has none."""
    return next((body for title, body in SECTION.findall(f"{document}\n") if title == name), "")


def entries(document: str, name: str) -> dict[str, str]:
    """The entries of a section of a docstring, by name, each on one line."""
    return {key: " ".join(text.split()) for key, text in ENTRY.findall(section(document, name))}


def methods() -> str:
    """Two tables of the attribution methods: what each shows, and what it takes and gives."""
    titles = {name: f"{row.title}<br>`{name}`" for name, row in METHODS.items()}
    shows = ((titles[name], row.plain, row.paper) for name, row in METHODS.items())
    takes = (
        (
            titles[name],
            row.family,
            ", ".join(f"`{key}`" + ("" if value is None else f" = {value}") for key, value in row.params.items())
            or "none",
            row.unit,
            "yes" if row.signed else "no",
            "yes" if row.complete else "no",
            row.cost,
        )
        for name, row in METHODS.items()
    )
    head = ("Method", "Family", "Settings", "Unit of the map", "Signed", "Sum", "Cost")
    return f"{table(('Method', 'What it shows', 'Source'), shows)}\n{table(head, takes)}"


def checks() -> str:
    """The table of checks."""
    rows = (
        (
            f"{check.title}<br>`{check.name}`",
            check.question,
            "<br>".join(f"**{verdict}**: {text}" for verdict, text in check.meaning.items())
            or "a figure, without a verdict",
            check.source,
        )
        for check in CHECKS.values()
    )
    return table(("Check", "Question", "Verdicts", "Source"), rows)


def formats() -> str:
    """How far each format goes, as the slow test of the forty files measured it."""
    rows = json.loads((DOCS / "models" / "formats.json").read_text(encoding="utf-8"))
    kinds = ("perturbation", "gradient", "layer", "attention")
    return table(
        ("Format", "Model", "Predictions", *(kind.capitalize() for kind in kinds)),
        ((row["form"], row["family"], "yes", *(f"{n} of {of}" for n, of in map(row.get, kinds))) for row in rows),
    )


def layouts() -> str:
    """Every set that the tests lay out, with what must be read of it."""
    from laid_everything import CASES

    def counts(numbers: Mapping[str, int]) -> str:
        return ", ".join(f"{name or 'none'} {count}" for name, count in numbers.items())

    rows = (
        (
            case.name,
            str(case.images),
            counts(case.labels),
            counts(case.splits),
            str(case.masks),
            str(case.left_out),
            ", ".join(case.asks) or ("`" + options_text(case.options) + "`" if options_text(case.options) else "-"),
        )
        for case in CASES
    )
    return table(("Set", "Images", "Classes", "Splits", "Masks", "Left out", "Asked or told"), rows)


def command_names(command: object, name: str = "workbench") -> list[str]:
    """A command line's commands by their whole names, groups first."""
    below: Mapping[str, object] = getattr(command, "commands", {})
    return [name, *(deeper for key, one in below.items() for deeper in command_names(one, f"{name} {key}"))]


def commands() -> str:
    """The help of every command."""
    text = []
    for name in command_names(typer.main.get_command(app)):
        words = [*name.split()[1:], "--help"]
        result = CliRunner().invoke(
            app, words, prog_name="workbench", env={"COLUMNS": "80", "TERMINAL_WIDTH": "80", "NO_COLOR": "1"}
        )
        help_text = "\n".join(line.rstrip() for line in result.output.strip().splitlines())
        text.append(f"### {name}\n\n```text\n{help_text}\n```\n")
    return "\n".join(text)


def keys(kind: type[BaseModel], prefix: str = "") -> str:
    """The keys of a table in a TOML file, with what their docstring says of each."""
    meanings = entries(inspect.getdoc(kind) or "", "Attributes")
    fields = ((name, field) for name, field in kind.model_fields.items() if not _is_table(field.annotation))
    rows = ((f"`{prefix}{name}`", _kind(field), _default(field), meanings[name]) for name, field in fields)
    return table(("Key", "Type", "Default", "Meaning"), rows)


def gate_rules() -> str:
    """The keys of the rules of a gate, those of the whole first, then table by table."""
    parts = {name: _table_in(field.annotation) for name, field in GateRules.model_fields.items()}
    tables = {name: kind for name, kind in parts.items() if kind is not None}
    text = keys(GateRules)
    return text + "".join(f"\n### [{name}]\n\n{keys(kind, f'{name}.')}" for name, kind in tables.items())


def _table_in(kind: object) -> type[BaseModel] | None:
    """The table that a key which may be missing holds; None for other keys."""
    return next((part for part in get_args(kind) if _is_table(part)), None)


def _is_table(kind: object) -> bool:
    """Whether a key is a table of keys of its own, with a place of its own in the documentation."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _kind(field: FieldInfo) -> str:
    """What may stand behind a key, in words, with its bounds."""
    limits = [
        f"{getattr(limit, at):g}" for limit in field.metadata for at in ("gt", "ge", "le", "lt") if hasattr(limit, at)
    ]
    return _words(field.annotation) + (f" from {' to '.join(limits)}" if limits else "")


def _words(kind: Any) -> str:
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _words(inside[0])
    if origin is Literal:
        return " or ".join(f"`{json.dumps(choice)}`" for choice in inside)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_words(part) for part in inside if part is not NoneType))
    if _is_table(kind):
        return "table"
    if origin in (list, tuple):
        return f"list of {_words(inside[0])}s"
    return (
        "table"
        if origin in (dict, Mapping)
        else {str: "text", int: "whole number", float: "number", bool: "true or false"}[kind]
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default if field.default is not PydanticUndefined else {}
    value = list(value) if isinstance(value, tuple) else {} if _is_table(type(value)) else value
    return (
        "none"
        if value is None or value in ("", {})
        else f"`{str(value).lower() if isinstance(value, bool) else value}`"
    )


def document_of(name: str) -> str:
    """The docstring of a public name; of METHODS that of its values."""
    return inspect.getdoc(Method if name == "METHODS" else getattr(workbench, name)) or ""


def example(document: str) -> str:
    """The example of a docstring as a block of code."""
    return f"```pycon\n{inspect.cleandoc(section(document, 'Example'))}\n```\n"


def function(name: str) -> str:
    """How a function is called, what its arguments mean, what it returns and raises, with an example."""
    call, document = getattr(workbench, name), document_of(name)
    signature = inspect.Signature(
        [
            parameter.replace(annotation=inspect.Parameter.empty)
            for parameter in inspect.signature(call).parameters.values()
        ]
    )
    rows = [(f"`{argument}`", meaning) for argument, meaning in entries(document, "Args").items()]
    ends = [
        f"**{title}**: {' '.join(body.split())}\n"
        for title in ("Returns", "Raises")
        if (body := section(document, title))
    ]
    first = " ".join(document.split("\n\n")[0].split())
    return "\n".join(
        [
            f"```text\nworkbench.{name}{signature}\n```\n",
            f"{first}\n",
            table(("Argument", "Meaning"), rows),
            *ends,
            example(document),
        ]
    )


def record(name: str) -> str:
    """What a class holds, with an example."""
    document = document_of(name)
    rows = [(f"`{attribute}`", meaning) for attribute, meaning in entries(document, "Attributes").items()]
    first = " ".join(document.split("\n\n")[0].split())
    return "\n".join([f"{first}\n", *([table(("Attribute", "Meaning"), rows)] if rows else []), example(document)])


PARTS: Mapping[str, Callable[[], str]] = {
    "methods": methods,
    "checks": checks,
    "formats": formats,
    "layouts": layouts,
    "commands": commands,
    "model.toml": lambda: (
        f"{keys(ModelSpec)}\n## [preprocessing]\n\n{keys(PreprocessingSpec, 'preprocessing.')}"
        f"\n## [preprocessing.tiles]\n\n{keys(TilesSpec, 'preprocessing.tiles.')}"
        f"\n## [limits]\n\n{keys(LimitsSpec, 'limits.')}"
    ),
    "workbench.toml": lambda: (
        f"## [models.NAME]\n\n{keys(ModelEntry, 'models.NAME.')}\n##"
        f" [images.NAME]\n\n{keys(ImagesEntry, 'images.NAME.')}"
        f"\n## [images.NAME.read]\n\n{keys(ReadOptions, 'images.NAME.read.')}"
        f"\n## [criteria]\n\n{keys(Criteria, 'criteria.')}"
    ),
    "gate.toml": gate_rules,
    **{name: partial(function, name) for name in FUNCTIONS},
    **{name: partial(record, name) for name in RESULTS},
}
"""What makes each generated part, by its name."""


def regenerated(text: str) -> str:
    """A page with its generated parts as the code says today."""
    return PART.sub(
        lambda found: (
            f"<!-- generated: {found['name']} -->\n{PARTS[found['name']]()}<!-- /generated: {found['name']} -->"
        ),
        text,
    )


def main() -> None:
    """Write every page again."""
    for path in sorted(DOCS.rglob("*.md")):
        path.write_text(regenerated(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
