"""Every cached or stored result is named after all that it depends on, and nothing is cached in another way."""

import ast
import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from workbench.files.keys import KINDS, key, unique_text
from workbench.images.item import BytesSource, ImageItem, ImageSet
from workbench.predictions.table import DecisionRule

ROOT = Path(__file__).resolve().parents[2]
RULE = DecisionRule(("good", "bad"), "bad", 0.5)
ITEM = ImageItem("a.png", BytesSource(b"pixels"), "good", BytesSource(b"mask"), "test", {"camera": "left"})
VALUES = {"rule": (RULE, dataclasses.replace(RULE, threshold=0.6), dataclasses.replace(RULE, positive="good"))}
"""Of an ingredient by its name, each different from the others; text stands for whatever else."""


def values(name):
    return VALUES.get(name, ("one", "another"))


@pytest.mark.parametrize("kind", KINDS)
def test_each_ingredient_changes_the_key(kind):
    base = {name: values(name)[0] for name in KINDS[kind].needs}
    keys = {key(kind, **base)}
    for name in base:
        for value in values(name)[1:]:
            keys.add(key(kind, **base | {name: value}))
    assert len(keys) == 1 + sum(len(values(name)) - 1 for name in base)
    for name in base:
        with pytest.raises(TypeError, match="depends on"):
            key(kind, **{other: value for other, value in base.items() if other != name})
    with pytest.raises(TypeError, match="depends on"):
        key(kind, **base, another="one")


def test_kinds_and_versions_of_a_computation_are_told_apart(monkeypatch):
    facts = {"image": "a", "edge": 1}
    before = key("thumbnail", **facts)
    assert key("fitted image", **facts) != before
    monkeypatch.setattr(
        "workbench.files.keys.KINDS", {**KINDS, "thumbnail": dataclasses.replace(KINDS["thumbnail"], version=2)}
    )
    assert key("thumbnail", **facts) != before


def test_what_differs_is_written_differently():
    parts = [
        None, True, 1, 1.0, "1", "None", b"1", np.float32(1), np.float64(1), (), ("a", "b"), ("ab",), ("a,b",),
        (("a",), "b"),
        ("a", ("b",)),
        {"a": "b"}, {"a": None}, {"b": "a"}, {"a", "b"}, np.zeros(2), np.zeros((2, 1)), np.zeros(2, np.float32),
        np.ones(2), Path("a"), "a",
        RULE, dataclasses.replace(RULE, threshold=None), float("nan"), float("inf"), "sequence[3:str:'a']", "a\0b",
        ("a\0b",), ("a", "\0b"),
    ]  # fmt: skip
    for one, other in itertools.combinations(parts, 2):
        assert unique_text(one) != unique_text(other), (one, other)
    assert unique_text({"a": 1, "b": 2}) == unique_text({"b": 2, "a": 1})
    assert unique_text(["a", 1]) == unique_text(("a", 1))
    for strange in (object(), lambda: None, np.array([object()]), iter(())):
        with pytest.raises(TypeError, match="no one way"):
            unique_text(strange)


ITEMS = {
    "name": dataclasses.replace(ITEM, name="b.png"),
    "bytes": dataclasses.replace(ITEM, source=BytesSource(b"Pixels")),
    "label": dataclasses.replace(ITEM, label="bad"),
    "no label": dataclasses.replace(ITEM, label=None),
    "mask": dataclasses.replace(ITEM, mask=BytesSource(b"Mask")),
    "no mask": dataclasses.replace(ITEM, mask=None),
    "split": dataclasses.replace(ITEM, split="train"),
    "attribute": dataclasses.replace(ITEM, attributes={"camera": "right"}),
    "kind of attribute": dataclasses.replace(ITEM, attributes={"camera": 1}),
    "text for a number": dataclasses.replace(ITEM, attributes={"camera": "1"}),
    "more attributes": dataclasses.replace(ITEM, attributes={"camera": "left", "line": "1"}),
}


@pytest.mark.parametrize("what", ITEMS)
def test_all_that_is_known_of_an_image_is_in_its_key_and_in_that_of_its_set(what):
    assert ITEMS[what].key != ITEM.key
    assert ImageSet("set", (ITEMS[what],)).key != ImageSet("set", (ITEM,)).key
    others = [other.key for name, other in ITEMS.items() if name != what]
    assert ITEMS[what].key not in others


def decorated(tree):
    """Functions that keep what they return, by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                text = ast.unparse(decorator)
                if any(name in text for name in ("lru_cache", "functools.cache", "cache_resource", "cache_data")):
                    yield node.name, text


def sources():
    return [
        (path, ast.parse(path.read_text(encoding="utf-8")))
        for part in ("workbench", "pages")
        for path in sorted((ROOT / part).rglob("*.py"))
    ]


def test_nothing_keeps_a_result_beside_the_shelves():
    """A new cache belongs on a shelf, where its key is checked; those here hold no results of an image, a set or a
    model."""
    allowed = {
        "workbench/catalog.py": {"_merged"},
        "workbench/sets/words.py": {"tokens", "usual_split"},
        "workbench/models/folder.py": {"_code_digest"},
        "workbench/quality/frozen.py": {"_backbone"},
        "workbench/report/html.py": {"_environment", "_markdown"},
        "workbench/ui/audits.py": {"_summaries"},
        "workbench/ui/cache.py": {"shelf"},
        "workbench/ui/choice.py": {"_load"},
        "workbench/ui/ahead.py": {"ahead"},
        "workbench/ui/defects/histogram.py": None,
        "workbench/ui/data/plane.py": None,
        "workbench/ui/data/wipe.py": None,
        "workbench/ui/defects/rules.py": None,
        "workbench/ui/probe/canvas.py": None,
        "workbench/ui/sets.py": {"_shared"},
        "workbench/ui/tour/band.py": {"_component"},
        "workbench/ui/warm.py": {"warm_up"},
    }
    found = {str(path.relative_to(ROOT)): {name for name, _ in decorated(tree)} for path, tree in sources()}
    found = {path: names for path, names in found.items() if names}
    assert found.keys() <= allowed.keys()
    for path, names in found.items():
        assert allowed[path] is None or names <= allowed[path], path


def test_every_place_on_a_shelf_is_named_by_the_one_helper():
    kinds = set()
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in (
                "slot",
                "key",
                "result_key",
                "_place",
            ):
                kinds |= {arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)}
            made = isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Slot", "Shelf")
            assert not made or path.name == "cache.py", f"{path} makes a place of its own: use slot()"
    assert kinds >= set(KINDS), f"no code uses {sorted(set(KINDS) - kinds)}"
