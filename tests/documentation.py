"""What the documentation says, read from its pages, and what the code has that must stand in them.

Each check takes texts and gives the problems as sentences, so that it can be tried on texts that are wrong.
"""

from __future__ import annotations

import ast
import doctest
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import typer
from typer.main import get_command

from workbench.cli import app
from workbench.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
CODE = [*sorted((ROOT / "workbench").rglob("*.py")), *sorted((ROOT / "pages").glob("*.py"))]
KINDS = ("added", "changed", "fixed", "removed", "security")
NEEDS = "# needs: "
"""How a block of Python begins that takes what only its reader has."""
LEAST = 15
"""Letters that a message must have besides what is filled in, to be known by them."""
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"(?:[\w.-]+/)+(?:[\w-]+\.(?:py|md|toml|css|js))?(?::\w+)?")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def generator():
    """The script that writes the generated parts."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def order() -> tuple[tuple[str, ...], ...]:
    """The folders from the roof to the cellar, as the architecture test has them."""
    tree = ast.parse((ROOT / "tests" / "test_architecture.py").read_text(encoding="utf-8"))
    return next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ORDER"
    )


def pages() -> dict[Path, str]:
    """The text of every page for people: those of docs/, and those at the top."""
    return {
        path: path.read_text(encoding="utf-8") for path in (*sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("*.md")))
    }


def blocks(text: str, language: str) -> list[str]:
    """The blocks of code of one language in a page."""
    return [body for name, body in _BLOCK.findall(text) if name == language]


def missing(names: Iterable[str], text: str) -> list[str]:
    """The names that stand nowhere in a page as code or as a heading."""
    there = {*_SPAN.findall(text), *_HEADING.findall(text)}
    return sorted(set(names) - there)


def gone_paths(text: str) -> list[str]:
    """The files and folders of the repository that a page names and that are not there.

    `workbench/` may be left out before a path. `path.py:name` names something in a file. NAME stands for what a reader
    puts there.
    """
    spans = [span for span in _SPAN.findall(_BLOCK.sub("", text)) if _PATH.fullmatch(span) and "NAME" not in span]
    problems = []
    for span in spans:
        path, _, name = span.partition(":")
        file = next((base / path for base in (ROOT, ROOT / "workbench") if (base / path).exists()), None)
        if file is None:
            problems.append(f"{path} is not there")
        elif name and not re.search(rf"^(def|class) {name}\b", file.read_text(encoding="utf-8"), re.MULTILINE):
            problems.append(f"{path} has no {name}")
    return problems


# Links


def anchor(heading: str) -> str:
    """What a heading is called in a link, as GitHub and MkDocs do it."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.replace("`", "").lower()).strip())


def broken_links(path: Path, text: str) -> list[str]:
    """The links of a page within the repository that lead nowhere."""
    problems = []
    for plain, image in _LINK.findall(_BLOCK.sub("", text)):
        target, _, place = (plain or image).partition("#")
        if re.match(r"\w+:", target):
            continue
        file = (path.parent / target).resolve() if target else path
        if not file.exists():
            problems.append(f"{path.name} leads to {target}, which is not there")
        elif place and place not in map(anchor, _HEADING.findall(file.read_text(encoding="utf-8"))):
            problems.append(f"{path.name} leads to the heading {place} of {file.name}, which is not there")
    return problems


# Code blocks


def runnable(text: str) -> list[str]:
    """The blocks of Python that run as they stand, in order."""
    return [body for body in blocks(text, "python") if not body.startswith(NEEDS)]


def failed_examples(document: str, names: Mapping[str, object]) -> str:
    """What went wrong with the examples of a docstring, or that it has none."""
    test = doctest.DocTestParser().get_doctest(document, dict(names), "example", None, None)
    if not test.examples:
        return "there is no example"
    report: list[str] = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    doctest.DocTestRunner(verbose=False, optionflags=flags).run(test, out=report.append)
    return "".join(report)


def strange_shell(text: str) -> list[str]:
    """What in a page's commands does not exist: in blocks whole commands are read, in the text names and options."""
    lines = [line.split("  #")[0] for body in blocks(text, "sh") for line in body.splitlines() if line.strip()]
    problems = [problem for line in lines if (problem := _strange_line(line))]
    spans = [span for span in _SPAN.findall(_BLOCK.sub("", text)) if span.startswith(("workbench ", "make "))]
    return problems + [problem for span in spans if (problem := _strange_span(span))]


def _strange_line(line: str) -> str | None:
    words = shlex.split(line)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    program, *rest = words
    if program == "workbench":
        return _strange_call(rest, line)
    if program == "make":
        return next((f"make has no {word}" for word in rest if "=" not in word and word not in targets()), None)
    if program.startswith(".venv/bin/"):
        files = [word for word in rest if word.startswith("tests/")]
        return next((f"there is no {file}" for file in files if not (ROOT / file).exists()), None)
    return f"{program} is no command that the documentation may use" if program not in ("pip", "pytest") else None


def _strange_call(words: list[str], line: str) -> str | None:
    command, name = get_command(app), "workbench"
    while hasattr(command, "commands"):
        if not words or words[0] not in command.commands:
            return f"there is no command in: {line}"
        name, words = f"{name} {words[0]}", words[1:]
        command = command.commands[name.split()[-1]]
    try:
        command.make_context(name, list(words))
    except (typer.Exit, InputError):
        return None
    except Exception as error:
        return f"{line}: {error.format_message() if hasattr(error, 'format_message') else error}"
    return None


def _strange_span(span: str) -> str | None:
    words = span.split()
    if words[0] == "make":
        return None if "=" in words[1] or words[1] in targets() else f"make has no {words[1]}"
    command = get_command(app)
    for word in words[1:]:
        if word.startswith("--"):
            options = {option for parameter in command.params for option in parameter.opts}
            if word.partition("=")[0] not in {*options, "--help"}:
                return f"`{span}`: there is no option {word}"
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return f"`{span}`: there is no command {word}"
            command = command.commands[word]
    return None


def targets() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def wrong_toml(text: str, kinds: Mapping[str, type]) -> list[str]:
    """The blocks of TOML that are not valid; `kinds` says by one of its keys what a block is."""
    problems = []
    for body in blocks(text, "toml"):
        table = tomllib.loads(body)
        kind = next((kind for key, kind in kinds.items() if key in table), None)
        try:
            if kind is None:
                raise ValueError("it is no file of ours")
            kind.model_validate(table)
        except ValueError as error:
            problems.append(f"{body.splitlines()[0]} ...: {error}")
    return problems


# What the code has


def variables(sources: Iterable[str]) -> set[str]:
    """The environment variables of the workbench that sources name."""
    return {text for source in sources for text in _texts(source) if re.fullmatch(r"WORKBENCH_[A-Z]+", text)}


def link_keys(sources: Iterable[str]) -> set[str]:
    """The keys of links: what widgets of `url` are bound to, and what else is read from the address.

    A key that a function is given is looked for where it is called, and one in a constant where that is set.
    """
    found: set[str] = set()
    for source in sources:
        tree = ast.parse(source)
        constants = _constants(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (key := _bound(node)) is not None:
                found |= _values(key, tree, constants)
            elif isinstance(node, ast.Call) and _is_address(node.func) and node.args:
                found |= _values(node.args[0], tree, constants)
            elif isinstance(node, ast.Subscript) and _is_address(node):
                found |= _values(node.slice, tree, constants)
    return {key for key in found if isinstance(key, str)}


def _constants(tree: ast.Module) -> dict[str, object]:
    """The texts that a module gives names to, also several in one line."""
    found: dict[str, object] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign):
            continue
        target, value = node.targets[0], node.value
        both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
        pairs = zip(target.elts, value.elts, strict=True) if both else [(target, value)]
        found |= {
            name.id: text.value for name, text in pairs if isinstance(name, ast.Name) and isinstance(text, ast.Constant)
        }
    return found


def _bound(call: ast.Call) -> ast.expr | None:
    """The key of a widget of `url`."""
    of_url = (
        isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "url"
    )
    return next((word.value for word in call.keywords if word.arg == "key"), None) if of_url else None


def _is_address(node: ast.expr) -> bool:
    """Whether something is taken from, or put into, the query parameters."""
    inner = node.value if isinstance(node, ast.Attribute | ast.Subscript) else None
    if isinstance(node, ast.Attribute) and node.attr not in ("get", "get_all"):
        return False
    return isinstance(inner, ast.Attribute) and inner.attr == "query_params"


def _values(key: ast.expr, tree: ast.Module, constants: Mapping[str, object]) -> set[object]:
    if isinstance(key, ast.Constant):
        return {key.value}
    if isinstance(key, ast.Name) and key.id in constants:
        return {constants[key.id]}
    if (
        isinstance(key, ast.Call) and isinstance(key.func, ast.Attribute) and key.func.attr == "lower"
    ):  # labels, as `name.lower()`
        pairs = [node for node in ast.walk(tree) if isinstance(node, ast.Tuple) and len(node.elts) == 2]
        first = [
            pair.elts[0]
            for pair in pairs
            if isinstance(pair.elts[1], ast.Constant) and isinstance(pair.elts[1].value, int)
        ]
        return {text.value.lower() for text in first if isinstance(text, ast.Constant) and isinstance(text.value, str)}
    if isinstance(key, ast.Name):
        return _given(key.id, tree)
    return set()


def _given(name: str, tree: ast.Module) -> set[object]:
    """The constants that the functions with a parameter `name` are called with."""
    found: set[object] = set()
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        names = [argument.arg for argument in function.args.args]
        if name not in names:
            continue
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == function.name:
                at = names.index(name)
                given = call.args[at] if at < len(call.args) else None
                found |= {given.value} if isinstance(given, ast.Constant) else set()
    return found


def messages(sources: Iterable[str]) -> list[str]:
    """Every text in sources; what is filled in is a "…"."""
    return [text for source in sources for text in _texts(source)]


def _texts(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)


def unknown_messages(text: str, known: Iterable[str]) -> list[str]:
    """The headings of the third level that are no message of ours, nor say below them that there is none."""
    headings = []
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        heading, _, below = part.partition("\n")
        if not below.strip().startswith("No message"):
            headings.append(heading)
    patterns = [
        ".*".join(map(re.escape, message.split("…"))) for message in known if len(message.replace("…", "")) >= LEAST
    ]
    every = re.compile("|".join(patterns))
    return [heading for heading in headings if not every.fullmatch(heading)]


def wrong_fragment(path: Path, text: str) -> list[str]:
    """What is wrong with a news fragment."""
    name = path.name.split(".")
    if len(name) != 3 or name[1] not in KINDS or name[2] != "md" or not re.fullmatch(r"[a-z0-9-]+", name[0]):
        return [f"{path.name} is not called NAME.KIND.md, with a kind of {', '.join(KINDS)}"]
    problems = {
        "is empty": not text.strip(),
        "does not end in a full stop": not text.rstrip().endswith("."),
        "begins with a heading or a bullet": text.lstrip().startswith(("#", "-", "*")),
        "has more than one paragraph": "\n\n" in text.strip(),
    }
    return [f"{path.name} {problem}" for problem, is_so in problems.items() if is_so]
