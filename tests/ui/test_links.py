"""Links that hold nonsense or far too much: every page takes every key that a link can hold, in bounded time, and says
what it left out."""

import ast
import functools
import itertools
import time
from pathlib import Path

import pytest

from workbench.catalog import home
from workbench.ui.probe import edit

WIDGETS = {"select", "segments", "pills", "slider", "number", "pages"}
VIEWS = [
    *(("overview", {}), ("explain", {"method": "saliency"}), ("data", {}), ("bias", {}), ("journal", {}), ("help", {})),
    *(("defects", {"view": view}) for view in ("threshold", "decisions")),
    *(
        ("probe", {"view": view})
        for view in ("edit", "regions", "sweep", "contrast", "attack", "behind", "concepts", "compare")
    ),
]
ABSURD = {
    "digits": "9" * 5000,
    "infinity": "1e999",
    "below zero": "-1",
    "no number": "nan",
    "paths": "../../../../etc/passwd\0",
    "words": "\u202e![x](http://a) :material/bolt: ${7*7}",
    "many": ["saliency"] * 1000,
    "nothing": "",
}
FULL = "fill:0.01,0.01,0.99,0.99:inpaint"


@functools.cache
def keys():
    """What a link can hold, read from the source: the keys of widgets that stand in the address, and those that are
    read from it."""
    found = {"edit", "image", "layer"}
    for path in [*Path(home() / "workbench" / "ui").rglob("*.py"), *Path(home() / "pages").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WIDGETS:
                settings = {keyword.arg: keyword.value for keyword in node.keywords}
                if ast.unparse(node.func.value) == "url" and isinstance(settings["key"], ast.Constant):
                    found.add(settings["key"].value)
    return sorted(found - {"model", "set", "view"})


def test_the_keys_are_found():
    assert {"method", "opacity", "threshold", "page", "slider", "edit", "image", "grid", "review"} <= set(keys())


@pytest.mark.parametrize("turn", [0, 4, *(pytest.param(turn, marks=pytest.mark.slow) for turn in (1, 2, 3, 5, 6, 7))])
@pytest.mark.parametrize(("page", "view"), VIEWS, ids=lambda v: v if isinstance(v, str) else v.get("view", ""))
def test_a_page_takes_a_link_of_nonsense(visit, page, view, turn, caplog):
    """A value for each key; in eight turns each key of each page has each."""
    values = dict(zip(keys(), itertools.islice(itertools.cycle(ABSURD.values()), turn, None), strict=False))
    started = time.process_time()
    at = visit(page, **values | view)
    assert not at.exception
    assert not [text for text in at.said() if "went wrong" in text]
    assert not [record for record in caplog.records if record.name == "workbench"]
    assert time.process_time() - started < 60
    assert all(len(text) < 700 for text in at.said())


def test_a_link_of_too_many_edits_is_cut_and_says_so(visit, monkeypatch):
    monkeypatch.setattr(edit, "BUDGET", 0.01)
    started = time.process_time()
    at = visit("probe", view="edit", edit=[FULL] * 400)
    assert not at.exception
    assert time.process_time() - started < 60
    said = " ".join(at.said())
    assert "This link holds 400 edits: the first 40 are made." in said
    assert "These edits take more than 0.01 seconds: the last" in said
    assert len([b for b in at.button if str(b.key).startswith("drop ")]) == 40, "each can be removed"


def test_edits_that_are_quick_are_all_made(visit):
    at = visit("probe", view="edit", edit=["brightness:0.1", "contrast:1.2"]).sound()
    assert not [text for text in at.said() if "left out" in text]
