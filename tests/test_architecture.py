"""The house's rules, held on the syntax tree: who may import whom, what stays light, how long things get."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import workbench

ROOT = Path(__file__).resolve().parents[1]

# Every import goes downward, to a smaller number; inside `ui` and among names of equal rank there is none.
RANK = {
    "errors": 0,
    "apart": 1,
    "disk": 0,
    "folders": 0,
    "texts": 0,
    "keys": 0,
    "decoding": 1,
    "digests": 1,
    "cases": 4,
    "catalog": 2,
    "charts": 1,
    "doors": 1,
    "parquet": 1,
    "parts": 1,
    "sheets": 1,
    "stats": 1,
    "values": 1,
    "zips": 1,
    "grids": 2,
    "images": 2,
    "metal": 2,
    "methods": 2,
    "modelfolder": 4,
    "wording": 1,
    "preprocessing": 2,
    "tables": 2,
    "answers": 3,
    "bounds": 3,
    "exported": 3,
    "fills": 3,
    "manifests": 3,
    "predictions": 3,
    "samples": 3,
    "weights": 3,
    "metrics": 4,
    "classifier": 4,
    "dealing": 3,
    "journal": 4,
    "layouts": 4,
    "loading": 5,
    "training": 9,
    "uploads": 6,
    "attribution": 6,
    "audit": 7,
    "bias": 8,
    "evidence": 7,
    "render": 7,
    "record": 7,
    "defects": 8,
    "doctor": 8,
    "probe": 8,
    "ui": 11,
    "app": 12,
    "cli": 12,
    "pages": 12,
}
ONLY = {  # what some may know at all, beside types
    "metrics": {"errors", "predictions", "stats"},
    "render": {"errors", "images", "methods", "preprocessing"},
}
STREAMLIT = {"app", "ui", "pages"}
CAPTUM = {"attribution", "evidence", "probe"}
HEAVY = {"torch", "torchvision", "timm", "captum", "matplotlib"}
MAY_BE_HEAVY = {
    "answers",
    "attribution",
    "bounds",
    "classifier",
    "exported",
    "evidence",
    "grids",
    "loading",
    "training",
    "weights",
}
RUNS_CODE = {"pickle.load", "pickle.loads", "pickle.Unpickler", "eval", "exec"}


def sources(*folders):
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in found]


PRODUCT = sources("workbench", "pages")
EVERYTHING = sources("workbench", "pages", "tests")


def component(path):
    """The name in `RANK` that a file belongs to; "" for the package's own front door."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "pages" if parts[0] == "pages" else parts[1].replace("__init__", "")


def home(name):
    """The module that `workbench.NAME` leads to; "" for what lies in the front door itself."""
    return "" if name.startswith("__") else workbench._HOMES.get(name, name)


def is_type_checking(node):
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


def imports(tree, *, types=True, lazy=True):
    """Dotted names that a tree imports: with those for types only, and with those inside of functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)
        elif is_type_checking(node) and not types:
            yield from imports(ast.Module(node.orelse, []), types=types, lazy=lazy)
        elif lazy or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imports(node, types=types, lazy=lazy)


def packages(tree, **which):
    return {name.split(".")[0] for name in imports(tree, **which)}


def neighbours(tree, **which):
    """Components of this package that a tree imports."""
    found = {home(name.split(".")[1]) for name in imports(tree, **which) if name.startswith("workbench.")}
    if any(name == "workbench" for name in imports(tree, **which)):  # `import workbench as wb`, then `wb.attribute`
        aliases = {a.asname or a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names if a.name == "workbench"}
        used = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") in aliases]
        found |= {home(node.attr) for node in used}
    return found - {""}


def layering_faults(name, tree):
    """Sentences on what `name` may not import."""
    if any(imported.startswith(".") for imported in imports(tree)):
        return [f"{name} imports relatively: write the name in full"]
    unknown = (neighbours(tree) | {name}) - RANK.keys()
    if unknown:
        return [f"{', '.join(sorted(unknown))} has no place in RANK: give it one"]
    others = neighbours(tree) - {name}
    upward = [f"{name} may not import {other}" for other in sorted(others) if RANK[other] >= RANK[name]]
    beyond = neighbours(tree, types=False) - ONLY.get(name, RANK.keys())
    return upward + [f"{name} may know {other} only as a type" for other in sorted(beyond - {name})]


def package_faults(name, tree):
    """Sentences on packages that `name` may not use, or not at import time."""
    faults = []
    used = packages(tree)
    if "streamlit" in used and name not in STREAMLIT:
        faults.append("streamlit belongs to app, ui and pages")
    if "captum" in used and name not in CAPTUM:
        faults.append("captum belongs to attribution, evidence and probe")
    if any(re.search(r"\b(pyplot|pylab)\b", imported) for imported in imports(tree)):
        faults.append("pyplot is global: use matplotlib.figure.Figure")
    if name not in MAY_BE_HEAVY:
        faults += [f"{heavy} is imported before it is needed" for heavy in sorted(HEAVY & packages(tree, types=False, lazy=False))]
    if {"captum", "matplotlib"} & packages(tree, types=False, lazy=False):
        faults.append("captum and matplotlib are imported where they are used")
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


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", PRODUCT)
def test_imports_go_downward(path):
    if component(path):
        assert layering_faults(component(path), parsed(path)) == []


def test_the_front_door_imports_nothing_by_itself():
    tree = parsed(ROOT / "workbench" / "__init__.py")
    assert neighbours(tree, types=False) == set()
    assert packages(tree, types=False) <= {"__future__", "importlib", "typing"}
    for name in workbench.__all__:
        assert getattr(workbench, name) is not None


@pytest.mark.parametrize("path", PRODUCT)
def test_packages_are_imported_where_they_belong(path):
    assert package_faults(component(path), parsed(path)) == []


@pytest.mark.parametrize("path", PRODUCT)
def test_no_file_can_run_code(path):
    assert list(unsafe_calls(parsed(path))) == []


@pytest.mark.parametrize("path", EVERYTHING)
def test_nothing_gets_long(path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= (120 if component(path) == "pages" else 400)
    assert list(long_functions(parsed(path))) == []


@pytest.mark.parametrize("path", EVERYTHING)
def test_nothing_is_left_for_later(path):
    assert re.findall(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b", path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", sources("workbench"))
def test_no_module_shadows_the_standard_library(path):
    """Streamlit puts the entry's folder first on the path, and there every module is a top-level one."""
    if path.parent == ROOT / "workbench" or path.name == "__init__.py":
        name = component(path)
        assert name not in sys.stdlib_module_names
        assert name not in HEAVY | {"streamlit", "numpy", "pandas", "typer"}


def test_light_modules_load_without_the_heavy_packages():
    light = sorted(path.relative_to(ROOT).with_suffix("") for path in (ROOT / "workbench").rglob("*.py"))
    names = [".".join(p.parts) for p in light if p.parts[1] not in MAY_BE_HEAVY | {"app", "__init__"}]
    assert {"workbench.catalog", "workbench.images", "workbench.layouts", "workbench.predictions", "workbench.methods"} <= set(names)
    code = f"import sys, importlib\nfor n in {names!r}: importlib.import_module(n)\nprint(sorted({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


# The rules themselves, on offenders: a rule that sees nothing would pass for ever.

UPWARD = {
    ("images", "from workbench.classifier import Classifier"): "may not import classifier",
    ("images", "def f():\n    import workbench.attribution"): "may not import attribution",
    ("classifier", "from workbench.loading import build"): "may not import loading",
    ("classifier", "from workbench import attribute"): "may not import attribution",
    ("classifier", "import workbench as wb\nwb.attribute(1)"): "may not import attribution",
    ("ui", "from workbench import app"): "may not import app",
    ("loading", "from workbench.training import fit"): "may not import training",
    ("render", "from workbench.classifier import Classifier"): "only as a type",
    ("metrics", "def f():\n    from workbench.catalog import home"): "only as a type",
    ("newcomer", "import os"): "has no place in RANK",
    ("ui", "from workbench.newcomer import x"): "has no place in RANK",
    ("ui", "from . import choice"): "imports relatively",
}
MISPLACED = {
    ("attribution", "import streamlit as st"): "streamlit belongs",
    ("images", "def f():\n    from streamlit.runtime import x"): "streamlit belongs",
    ("ui", "def f():\n    from captum.attr import Saliency"): "captum belongs",
    ("attribution", "import captum"): "where they are used",
    ("render", "def f():\n    import matplotlib.pyplot as plt"): "pyplot is global",
    ("render", "def f():\n    from matplotlib import pyplot"): "pyplot is global",
    ("predictions", "try:\n    import torch\nexcept ImportError:\n    pass"): "before it is needed",
    ("ui", "class A:\n    from torch import nn"): "before it is needed",
    ("pages", "if TYPE_CHECKING:\n    pass\nelse:\n    import timm"): "before it is needed",
}


@pytest.mark.parametrize(("case", "says"), UPWARD.items(), ids=str)
def test_the_rule_sees_an_import_that_goes_up(case, says):
    assert any(says in fault for fault in layering_faults(case[0], ast.parse(case[1])))


@pytest.mark.parametrize(("case", "says"), MISPLACED.items(), ids=str)
def test_the_rule_sees_a_package_out_of_place(case, says):
    assert any(says in fault for fault in package_faults(case[0], ast.parse(case[1])))


def test_the_rules_let_through_what_is_right():
    right = "if TYPE_CHECKING:\n    import torch\n    from workbench.attribution import Attribution\ndef f():\n    import torch"
    assert layering_faults("render", ast.parse(right)) == package_faults("render", ast.parse(right)) == []
    assert layering_faults("ui", ast.parse("from workbench.ui import work\nfrom workbench import __version__")) == []
    assert list(unsafe_calls(ast.parse("torch.load(p, weights_only=True)\njson.load(p)"))) == []


@pytest.mark.parametrize(
    "call", ["torch.load(p)", "torch.load(p, weights_only=False)", "pickle.load(f)", "np.load(p, allow_pickle=True)", "eval(s)"]
)
def test_the_rule_sees_an_unsafe_call(call):
    assert list(unsafe_calls(ast.parse(f"def f():\n    return {call}")))


def test_the_rule_sees_a_long_function():
    body = "\n".join("    x = 1" for _ in range(41))
    assert list(long_functions(ast.parse(f"def f():\n{body}"))) == ["f has 41 lines"]
    assert list(long_functions(ast.parse(f'def f():\n    """Words."""\n{body[:-10]}'))) == []
