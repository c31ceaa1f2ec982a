"""What the widgets of the pages show is about what the page shows: held on the syntax tree."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [*(ROOT / "workbench" / "ui").rglob("*.py"), *(ROOT / "pages").glob("*.py")]
OF_THE_IMAGE = {"item", "decided", "row", "image"}


def labelled_widgets():
    """(file, function around it, call) of each widget with labels of its own."""
    for path in SOURCES:
        for around in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(around, ast.FunctionDef):
                for call in ast.walk(around):
                    if isinstance(call, ast.Call) and any(k.arg == "format_func" for k in call.keywords):
                        yield path, around, call


def known_by(around, expression):
    """The names that an expression rests on, through the assignments of the function around it."""
    given = {}
    for node in ast.walk(around):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        given.setdefault(name.id, []).append(node.value)
    found, open_ = set(), [expression]
    while open_:
        for name in ast.walk(open_.pop()):
            if isinstance(name, ast.Name) and name.id not in found:
                found.add(name.id)
                open_ += given.get(name.id, [])
    return found


def test_no_label_of_a_widget_depends_on_the_image():
    """Where it did, the browser kept an earlier image's label beside the newer one's maps."""
    assert len(list(labelled_widgets())) > 20
    for path, around, call in labelled_widgets():
        label = next(k.value for k in call.keywords if k.arg == "format_func")
        assert not known_by(around, label) & OF_THE_IMAGE, f"{path.name}:{call.lineno} words an option by the image"


def test_labels_of_their_own_stand_only_in_widgets_that_tell_the_browser():
    for path, _, call in labelled_widgets():
        own = (
            isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id == "st"
        )
        assert path.name == "url.py" or not own, (
            f"{path.name}:{call.lineno}: take url.select, url.segments or url.pills"
        )
