"""The house's rules, held on every file's syntax tree: who may import whom, what stays light, how long things get."""

import ast
import functools
import importlib
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import workbench

ROOT = Path(__file__).resolve().parents[1]

# From the roof to the cellar: a folder imports only what stands in a line below its own.
ORDER = (
    ("pages",),
    ("app", "cli"),
    ("ui",),
    ("report",),
    ("training",),
    ("cues",),
    ("bias", "defects", "probe", "quality", "reliability", "agreement"),
    ("evidence", "audit"),
    ("attribution",),
    ("models",),
    ("journal",),
    ("predictions",),
    ("sets",),
    ("images",),
    ("catalog",),
    ("stats", "drawing"),
    ("files",),
    ("texts",),
    ("errors", "version"),
)
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}
OPEN = {"ui"}  # folders whose modules others import directly
STREAMLIT = {"app", "ui", "pages"}
CAPTUM = {"attribution", "evidence", "probe"}
WITH_TORCH = {"models", "attribution", "evidence", "training"}
TORCH = {"torch", "torchvision", "timm", "transformers"}
HEAVY = TORCH | {"captum", "matplotlib", "onnx", "onnxruntime", "scipy", "skimage", "sklearn"}
LIGHT = {
    "models",
    "models.folder",
    "models.hub",
    "models.preprocessing",
    "attribution",
    "attribution.methods",
    "attribution.record",
    "evidence",
    "training",
}
"""What has no torch although its folder's modules may have it; of a folder's own name: its front door."""
RUNS_CODE = {"pickle.load", "pickle.loads", "pickle.Unpickler", "eval", "exec"}


PRODUCT = [path for name in ("workbench", "pages") for path in sorted((ROOT / name).rglob("*.py"))]
EVERYTHING = [*PRODUCT, *sorted((ROOT / "tests").rglob("*.py"))]


def module(path):
    """The dotted name of a file without the package's: "images.item", "images" for a front door, "" for the package's
    own."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in (parts if parts[0] == "pages" else parts[1:]) if part != "__init__")


MODULES = {module(path): path for path in PRODUCT}


def folder(name):
    """The name in `ORDER` that a module belongs to."""
    return name.split(".")[0]


def is_type_checking(node):
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


def imports(tree, *, types=True, lazy=True):
    """(module, name) of each import of a tree: with those for types only, and with those inside of functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (("." * node.level + (node.module or ""), alias.name) for alias in node.names)
        elif is_type_checking(node) and not types:
            yield from imports(ast.Module(node.orelse, []), types=types, lazy=lazy)
        elif lazy or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imports(node, types=types, lazy=lazy)


def packages(tree, **which):
    return {name.split(".")[0] for name, _ in imports(tree, **which)}


def own(tree, **which):
    """(module, name) of each import out of this package, without the package's name."""
    for name, what in imports(tree, **which):
        if name == "workbench":
            yield (what, None) if what in LEVEL else (home(what), what)
        elif name.startswith("workbench."):
            yield name.removeprefix("workbench."), what
    aliases = {
        a.asname or a.name
        for n in ast.walk(tree)
        if isinstance(n, ast.Import)
        for a in n.names
        if a.name == "workbench"
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in aliases
        ):  # `import workbench as wb`, then `wb.attribute`
            yield home(node.attr), node.attr


def home(name):
    """The folder that `workbench.NAME` leads to; "" for what lies in the front door itself."""
    return next((part for part, names in workbench.HOMES.items() if name in names.split()), "")


def reached(name, what):
    """The file that `from workbench.NAME import WHAT` ends in: a module's own, or that which a front door hands the
    name on from."""
    if what and f"{name}.{what}" in MODULES:
        return f"{name}.{what}"
    if what and name in MODULES and MODULES[name].name == "__init__.py" and name:
        for source, given in own(parsed(MODULES[name])):
            if given == what:
                return source
    return name


def layering_faults(name, tree):
    """Sentences on what the module `name` may not import."""
    here = folder(name)
    if any(imported.startswith(".") for imported, _ in imports(tree)):
        return [f"{name} imports relatively: write the name in full"]
    others = [(target, what) for target, what in own(tree) if target and folder(target) != here]
    unknown = ({folder(target) for target, _ in others} | {here}) - LEVEL.keys()
    if unknown:
        return [f"{', '.join(sorted(unknown))} has no place in ORDER: give it one"]
    faults = [f"{name} may not import {target}" for target, _ in others if LEVEL[folder(target)] <= LEVEL[here]]
    faults += [
        f"{name} reaches into {target}: import from {folder(target)}"
        for target, _ in others
        if "." in target and folder(target) not in OPEN
    ]
    return sorted(set(faults))


def circles(edges):
    """The groups of modules that import one another, directly or by way of others."""
    reach = {name: set(targets) for name, targets in edges.items()}
    while True:
        wider = {
            name: targets | {far for near in targets for far in reach.get(near, ())} for name, targets in reach.items()
        }
        if wider == reach:
            break
        reach = wider
    return {
        tuple(sorted(n for n in targets if name in reach.get(n, ())))
        for name, targets in reach.items()
        if name in targets
    }


def package_faults(name, tree):
    """Sentences on packages that a module may not use, or not at import time."""
    faults = []
    used = packages(tree)
    if "streamlit" in used and folder(name) not in STREAMLIT:
        faults.append("streamlit belongs to app, ui and pages")
    if "captum" in used and folder(name) not in CAPTUM:
        faults.append("captum belongs to attribution, evidence and probe")
    if any(re.search(r"\b(pyplot|pylab)\b", f"{imported}.{what}") for imported, what in imports(tree)):
        faults.append("pyplot is global: use matplotlib.figure.Figure")
    at_once = packages(tree, types=False, lazy=False)
    with_torch = folder(name) in WITH_TORCH and name not in LIGHT
    faults += [
        f"{heavy} is imported before it is needed"
        for heavy in sorted(HEAVY & at_once)
        if not (with_torch and heavy in TORCH)
    ]
    return faults


def unsafe_calls(tree):
    """Calls that can run code out of a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            settings = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            wild = called == "torch.load" and settings.get("weights_only") != "True"
            if wild or called in RUNS_CODE or settings.get("allow_pickle") == "True":
                yield f"line {node.lineno}: {called}"


def long_functions(tree, most=40):
    """Functions whose body, without its docstring, is longer than `most` lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            length = node.end_lineno - body[0].lineno + 1
            if length > most:
                yield f"{node.name} has {length} lines"


@functools.cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def faults_of(paths, rule):
    """What a rule finds fault with, by file; a test for each file would cost more than the rules."""
    assert len(paths) > 300  # else it looked at nothing
    found = {str(path.relative_to(ROOT)): list(rule(path)) for path in paths}
    return {name: faults for name, faults in found.items() if faults}


def test_imports_go_downward():
    assert faults_of(PRODUCT, lambda path: layering_faults(module(path), parsed(path)) if module(path) else []) == {}


def test_no_files_import_one_another():
    edges = {}
    for name, path in MODULES.items():
        if path.name != "__init__.py":
            edges[name] = {
                reached(target, what) for target, what in own(parsed(path)) if folder(target) == folder(name)
            }
    assert sum(map(len, edges.values())) > 200  # else it looked at nothing
    assert circles(edges) == set()


def test_a_newcomer_finds_a_file_by_its_name():
    names = Counter(
        path.name for name, path in MODULES.items() if folder(name) not in ("ui", "pages") and path.stem != "__init__"
    )
    assert [name for name, count in names.items() if count > 1] == []
    top = [path for path in (ROOT / "workbench").iterdir() if not path.name.startswith("__pycache__")]
    modules = sorted(path.stem for path in top if path.suffix == ".py")
    assert modules == ["__init__", "app", "catalog", "errors", "version"]
    assert {path.name for path in top if path.is_dir()} <= LEVEL.keys()
    for path in PRODUCT:
        for parent in path.relative_to(ROOT).parents:
            assert str(parent) in (".", "workbench", "pages") or (ROOT / parent / "__init__.py").is_file()


def test_the_front_door_imports_nothing_by_itself():
    tree = parsed(ROOT / "workbench" / "__init__.py")
    assert {target for target, _ in own(tree, types=False)} == {"version"}
    assert packages(tree, types=False) <= {"__future__", "collections", "importlib", "typing", "workbench"}


FRONT_DOORS = sorted({folder(name) for name in MODULES if "." in name} - {"pages", "cli", "ui"})


def test_the_public_names_are_there():
    assert sorted(workbench.__all__) == sorted(name for names in workbench.HOMES.values() for name in names.split())
    for name in workbench.__all__:
        assert getattr(workbench, name) is not None


@pytest.mark.parametrize("name", FRONT_DOORS)
def test_front_doors_hand_on_what_they_say(name):
    door = importlib.import_module(f"workbench.{name}")
    names = {what for source, what in own(parsed(MODULES[name])) if what and source.startswith(name)}
    assert names
    for each in names:
        assert getattr(door, each) is not None
    files = {path.stem for path in (ROOT / "workbench" / name).glob("*.py")}
    if "handed_on" in vars(
        door
    ):  # a module that is called as a name would be handed on in its place, once it is imported
        assert not files & names


def test_packages_are_imported_where_they_belong():
    assert faults_of(PRODUCT, lambda path: package_faults(module(path), parsed(path))) == {}


def test_no_file_can_run_code():
    assert faults_of(PRODUCT, lambda path: unsafe_calls(parsed(path))) == {}


def too_long(path):
    """What is longer in a file than the house allows."""
    lines = path.read_text(encoding="utf-8").count("\n")
    if lines > (60 if path.is_relative_to(ROOT / "pages") else 400):
        yield f"{lines} lines"
    yield from long_functions(parsed(path))


def test_nothing_gets_long():
    assert faults_of(EVERYTHING, too_long) == {}


def test_nothing_is_left_for_later():
    later = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert faults_of(EVERYTHING, lambda path: later.findall(path.read_text(encoding="utf-8"))) == {}


def test_no_module_shadows_the_standard_library():
    """Streamlit puts the entry's folder first on the path, and there every file and folder is a top-level module."""
    for name in {folder(name) for name in MODULES}:
        assert name not in sys.stdlib_module_names
        assert name not in HEAVY | {"streamlit", "numpy", "pandas", "typer"}


def test_light_modules_load_without_the_heavy_packages():
    light = [name for name in MODULES if name and (folder(name) not in WITH_TORCH | {"app", "pages"} or name in LIGHT)]
    assert {"catalog", "images.item", "predictions.table", "attribution.methods"} <= set(light)
    names = [f"workbench.{name}" for name in light]
    code = f"import sys, importlib\nfor n in {names!r}: importlib.import_module(n)\n"
    code += f"print(sorted({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


# The rules themselves, on offenders: a rule that sees nothing would pass for ever.

UPWARD = {
    ("images.item", "from workbench.models import Classifier"): "may not import models",
    ("images.item", "def f():\n    import workbench.attribution"): "may not import attribution",
    ("models.classifier", "from workbench import attribute"): "may not import attribution",
    ("models.classifier", "import workbench as wb\nwb.attribute(1)"): "may not import attribution",
    ("ui.cache", "from workbench import app"): "may not import app",
    ("stats.auc", "from workbench.drawing import interval_bars"): "may not import drawing",
    ("stats.auc", "if TYPE_CHECKING:\n    from workbench.images import ImageItem"): "may not import images",
    ("bias.groups", "from workbench.images.item import ImageItem"): "reaches into images.item",
    ("newcomer.file", "import os"): "has no place in ORDER",
    ("ui.cache", "from workbench.newcomer import x"): "has no place in ORDER",
    ("ui.cache", "from . import choice"): "imports relatively",
}
MISPLACED = {
    ("attribution.engine", "import streamlit as st"): "streamlit belongs",
    ("images.item", "def f():\n    from streamlit.runtime import x"): "streamlit belongs",
    ("ui.cache", "def f():\n    from captum.attr import Saliency"): "captum belongs",
    ("attribution.engine", "import captum"): "before it is needed",
    ("attribution.methods", "import torch"): "before it is needed",
    ("stats.gaps", "from scipy.stats import norm"): "before it is needed",
    ("drawing.render", "def f():\n    import matplotlib.pyplot as plt"): "pyplot is global",
    ("drawing.render", "def f():\n    from matplotlib import pyplot"): "pyplot is global",
    ("predictions.table", "try:\n    import torch\nexcept ImportError:\n    pass"): "before it is needed",
    ("ui.cache", "class A:\n    from torch import nn"): "before it is needed",
    ("pages.bias", "if TYPE_CHECKING:\n    pass\nelse:\n    import timm"): "before it is needed",
}


@pytest.mark.parametrize(("case", "says"), UPWARD.items(), ids=str)
def test_the_rule_sees_an_import_that_goes_up(case, says):
    assert any(says in fault for fault in layering_faults(case[0], ast.parse(case[1])))


@pytest.mark.parametrize(("case", "says"), MISPLACED.items(), ids=str)
def test_the_rule_sees_a_package_out_of_place(case, says):
    assert any(says in fault for fault in package_faults(case[0], ast.parse(case[1])))


def test_the_rules_let_through_what_is_right():
    right = (
        "if TYPE_CHECKING:\n    import torch\n    from workbench.attribution import Attribution\ndef f():\n    import"
        " torch"
    )
    assert layering_faults("ui.draw", ast.parse(right)) == package_faults("ui.draw", ast.parse(right)) == []
    assert (
        layering_faults("ui.draw", ast.parse("from workbench.ui import cache\nfrom workbench import __version__")) == []
    )
    assert list(unsafe_calls(ast.parse("torch.load(p, weights_only=True)\njson.load(p)"))) == []


def test_the_rule_sees_a_circle():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == {("a", "b", "c")}
    assert circles({"a": {"b", "c"}, "b": {"c"}}) == set()


UNSAFE = "torch.load(p)|torch.load(p, weights_only=False)|pickle.load(f)|np.load(p, allow_pickle=True)|eval(s)"


@pytest.mark.parametrize("call", UNSAFE.split("|"))
def test_the_rule_sees_an_unsafe_call(call):
    assert list(unsafe_calls(ast.parse(f"def f():\n    return {call}")))


def test_the_rule_sees_a_long_function():
    body = "\n".join("    x = 1" for _ in range(41))
    assert list(long_functions(ast.parse(f"def f():\n{body}"))) == ["f has 41 lines"]
    assert list(long_functions(ast.parse(f'def f():\n    """Words."""\n{body[:-10]}'))) == []
