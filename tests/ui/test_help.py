"""The texts behind "What does this mean?": each one that is asked for exists, each one is used, and every field is
filled."""

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Template

import pytest

from workbench.defects.localise import MAP_FIGURES
from workbench.ui import terms
from workbench.ui.bias.words import CLASS_FIGURES, GROUP_FIGURES

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "assets/help").iterdir()}
TAKERS = {"draw.meaning", "terms.text", "terms.entry", "terms.entries"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path in [*(ROOT / "workbench").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in TAKERS and path.name != "draw.py":
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def key_of(node: ast.Call) -> str:
    key = node.args[0]
    assert isinstance(key, ast.Constant), f"write the name of the text out: {ast.unparse(node)}"
    return str(key.value)


def test_every_text_exists_and_is_used() -> None:
    assert {key_of(node) for _, node in calls()} == set(TEXTS)
    assert all(path.suffix == ".md" for path in (ROOT / "assets/help").iterdir())


def test_callers_fill_the_fields_of_the_text() -> None:
    for where, node in calls():
        if ast.unparse(node.func) in ("draw.meaning", "terms.text"):
            assert {keyword.arg for keyword in node.keywords} == set(Template(TEXTS[key_of(node)]).get_identifiers()), (
                where
            )


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_a_text_opens_with_its_term(key: str) -> None:
    lines = TEXTS[key].splitlines()
    assert lines[0].startswith("# ")
    assert lines[1] == ""
    assert Template(TEXTS[key]).is_valid()
    assert not [line for line in lines[1:] if line.startswith("# ")]


def test_a_field_is_filled_and_a_missing_one_is_told() -> None:
    assert "fewer than 30 images" in terms.text("confusion-matrix", enough=30)
    assert terms.text("gap").startswith("#### Gap between groups\n")
    with pytest.raises(KeyError):
        terms.text("confusion-matrix")


def test_every_figure_of_a_table_is_explained() -> None:
    for name in {*CLASS_FIGURES, *GROUP_FIGURES, "precision", "AUC"}:
        assert terms.entry("metrics", name) in terms.entries("metrics", [name])
    assert all(terms.entry("localisation-metrics", name) for name in MAP_FIGURES)
