"""No CSV that leaves the workbench holds a formula, numbers stay numbers, and no way leads round the one place that
sees to it."""

from __future__ import annotations

import ast
import csv
import io
import math

import numpy as np
import pandas as pd
import pytest
from test_architecture import MODULES, PRODUCT, ROOT, parsed

from workbench.catalog import read_toml
from workbench.files.sheets import frame_csv, guarded, to_csv, unguarded
from workbench.sets.layouts import load_images
from workbench.ui import draw

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
FORMULAS = [f"{start}HYPERLINK(A1)" for start in STARTS] + [
    "=1+1",
    "-2+3",
    "+1-1",
    "@SUM(A1)",
    "-5 °C",
    "--1",
    "1=1",
    "-inf",
]


def rows_of(text):
    return list(csv.reader(io.StringIO(text, newline="")))


def computes(cell):
    """Whether a spreadsheet would compute a cell: it begins as a formula does and is no plain number."""
    try:
        plain = math.isfinite(float(cell)) and cell[0] in "+-" and cell.isascii() and "_" not in cell
    except ValueError:
        plain = False
    return cell.startswith(STARTS) and not plain


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
def test_no_text_is_computed_wherever_it_stands_in_a_table(text):
    frame = pd.DataFrame(
        {text: [text, "plain"], "list": [(text, "b"), []], "kind": pd.Categorical([text, None])}, index=[text, "row"]
    )
    cells = [cell for row in rows_of(frame_csv(frame, index=text)) for cell in row]
    assert not [cell for cell in cells if computes(cell)]
    assert {unguarded(cell) for cell in cells} == {text, "list", "kind", "plain", "row", "", f"{text}; b"}


@pytest.mark.parametrize(
    "text", [*FORMULAS, "'=x", "''=x", "'", "''", "'quoted'", "plain", "", "-5", "+1e3", "'-5", "x=1"], ids=ascii
)
def test_a_guarded_text_reads_back_as_it_was(text):
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (-5, "-5"), (-0.25, "-0.25"), (1e-07, "1e-07"), (0.1 + 0.2, "0.30000000000000004"), (np.float32(0.1), "0.1"),
        (np.int64(-3), "-3"),
        (True, "True"), (np.bool_(False), "False"), ("-5", "-5"), ("-1.5e-3", "-1.5e-3"), (None, ""), (math.nan, ""),
        (np.float32("nan"), ""), (pd.NA, ""), (pd.NaT, ""), (-math.inf, "-inf"),
    ],
)  # fmt: skip
def test_numbers_stay_numbers_and_nothing_stays_empty(value, cell):
    assert rows_of(to_csv(["x", "y"], [[value, "end"]])) == [["x", "y"], [cell, "end"]]
    assert rows_of(frame_csv(pd.DataFrame({"x": [value]}, dtype=object))) == [["x"], [cell]] or cell == ""


def test_a_table_reads_back_as_pandas_would_have_written_it():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=50),
            "b": rng.normal(size=50).astype(np.float32),
            "c": rng.integers(-9, 9, 50),
            "d": "x,y",
        }
    )
    frame.loc[3, "a"] = math.nan
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(frame_csv(frame))), pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    )


def test_a_set_whose_names_begin_like_formulas_loads_from_a_guarded_manifest(tmp_path, write_image):
    for name in ("=a.png", "-b.png"):
        write_image(f"set/{name}")
    text = to_csv(["image", "label", "@camera"], [["=a.png", "=1+1", "-5 °C"], ["-b.png", "'=1", -5]])
    (tmp_path / "set" / "manifest.csv").write_text(text, encoding="utf-8", newline="")
    assert not any(computes(cell) for row in rows_of(text) for cell in row)
    first, second = load_images(str(tmp_path / "set"))
    assert (first.name, first.label, dict(first.attributes)) == ("=a.png", "=1+1", {"@camera": "-5 °C"})
    assert (second.name, second.label, dict(second.attributes)) == ("-b.png", "'=1", {"@camera": "-5"})


def test_what_a_page_hands_out_is_guarded(monkeypatch):
    made = []
    monkeypatch.setattr(
        draw.st, "download_button", lambda label, make, name, mime, **_: made.append((make(), name, mime))
    )
    draw.table("Figures (CSV)", lambda: pd.DataFrame({"group": ["=cmd"], "gap": [-0.5]}), "gaps.csv", "csv gaps")
    assert made == [("group,gap\r\n'=cmd,-0.5\r\n", "gaps.csv", "text/csv")]


CALLS = ("csv.writer", "csv.DictWriter")
METHODS = ("to_csv", "write_csv", "to_clipboard")
WRITERS = {"writer", "DictWriter", "write_csv", "CSVWriter", "*"}


def ways_round(name, tree):
    """Calls and texts by which a module writes a CSV past `workbench.files.sheets`."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and name != "sheets"
            and (node.attr in METHODS or ast.unparse(node) in CALLS)
        ):
            yield f"line {node.lineno}: {ast.unparse(node)}"
        elif (
            isinstance(node, ast.ImportFrom)
            and node.module in ("csv", "pyarrow.csv")
            and {a.name for a in node.names} & WRITERS
        ):
            yield f"line {node.lineno}: imports a writer"
        elif isinstance(node, ast.Constant) and node.value == "text/csv" and name not in ("draw", "journal", "cards"):
            yield f"line {node.lineno}: text/csv"


@pytest.mark.parametrize("path", PRODUCT)
def test_no_csv_is_written_past_the_guard(path):
    assert list(ways_round(path.stem, parsed(path))) == []


@pytest.mark.parametrize(
    "code",
    [
        "frame.to_csv(path)",
        "csv.writer(file)",
        "csv.DictWriter(file, names)",
        "from csv import writer",
        'download(x, y, z, "text/csv", k)',
    ],
)
def test_the_rule_sees_a_way_round(code):
    assert list(ways_round("tables", ast.parse(code)))


def test_the_browsers_own_export_of_a_table_is_off():
    """It writes the cells as they are."""
    assert read_toml(ROOT / ".streamlit" / "config.toml")["client"]["disableDataExport"] is True
    assert "files.sheets" in MODULES
