"""Results on disk: what is read is what was written, and a file that is damaged or says something else is no result."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from workbench.files import read_value, write_value
from workbench.files.keys import KINDS, key
from workbench.quality import (
    Coverage,
    FileOrder,
    Giveaway,
    Giveaways,
    HeadFigures,
    HeadPrice,
    LabelIssues,
    Property,
    Proposed,
    measures_version,
)
from workbench.stats import Rate


def giveaways() -> Giveaways:
    about = Property("camera", "attribute", np.array([0, 1, 1]), ("left", "right"), np.zeros((0, 0)))
    line = Giveaway(about, 0.9, 0.7, 1.0, 0.5, 0.001, 0.01, np.array([[3, 0], [0, 4]]), True)
    return Giveaways(
        "label", (line,), ("a", "b"), ("1.png", "2.png", "ü\n3.png"), np.array([0, 1, 1]), {"c": 2}, 3, True
    )


def coverage() -> Coverage:
    columns = {
        "name": ["1.png", "2.png"],
        "split": [None, "test"],
        "distance": [np.nan, 0.25],
        "outside": [False, True],
    }
    frame = pd.DataFrame({**columns, "nearest": [None, "1.png"], "untested": [False, False]})
    return Coverage(frame, "test", float("nan"), Rate(0.5, 0.1, 0.9, 1, 2, 2), 0.5, reason="")


def label_issues() -> LabelIssues:
    rows = [("1.png", True, None, np.nan, "model"), ("2.png", False, "bad", 0.25, None)]
    frame = pd.DataFrame(rows, columns=["name", "flagged", "suggestion", "score", "source"], dtype=object)
    frame = frame.astype({"flagged": bool, "score": float})
    return LabelIssues(frame, 2, {"bad": 7}, "doubt", {"2.png": 1 / 3}, 0, (("1.png", "2.png"),), ("a note",), None)


PRICE = HeadFigures(Rate(0.5, 0.1, 0.9, 1, 2, 5), Rate(None, None, None, 0, 0), Rate(0.5, 0.1, 0.9, 1, 2, 5))
ORDER = FileOrder(40, 3.0, 20.5, 0.002, (Proposed("order:6", 7, 40, 0.8, 0.1, ("1.png", "0")),))
RESULTS = {
    "giveaways": (giveaways(), (Giveaways, Giveaway, Property)),
    "coverage": (coverage(), (Coverage, Rate)),
    "file order": (ORDER, (FileOrder, Proposed)),
    "label issues": (label_issues(), (LabelIssues,)),
    "head price": (HeadPrice(PRICE, PRICE, 40, 20, ("rare",)), (HeadPrice, HeadFigures, Rate)),
    "repeated maps": ({"ü\n3.png": np.eye(3, dtype=np.float32)}, (dict,)),
    "projection": (np.array([[0.5, np.nan]], np.float32), (np.ndarray,)),
}


def same(one: object, other: object) -> bool:
    if dataclasses.is_dataclass(one):
        fields = dataclasses.fields(one)
        return type(one) is type(other) and all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields)
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other)
        return True
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, dict):
        return type(other) is dict and list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, tuple):
        return type(other) is tuple and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or one != one)


@pytest.mark.parametrize("what", RESULTS)
def test_what_is_read_is_what_was_written(what, tmp_path) -> None:
    value, types = RESULTS[what]
    path = tmp_path / "new folder" / "a.json"
    assert read_value(path, *types) is None
    write_value(path, value)
    assert same(value, read_value(path, *types))
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


def test_a_damaged_file_is_no_result(tmp_path) -> None:
    path = tmp_path / "a.json"
    write_value(path, ORDER)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(bytes(changed))
        assert read_value(path, FileOrder, Proposed) is None, place
    for part in (b"", whole[:-1], whole[:70], b"\xff\xfe", b"[" * 100_000):
        path.write_bytes(part)
        assert read_value(path, FileOrder, Proposed) is None


@pytest.mark.parametrize(
    "content",
    [
        {"record": "Popen", "fields": {"args": "true"}},
        {"record": "FileOrder", "fields": {"images": 1}},
        {"record": "FileOrder", "fields": {"images": 1, "gap": 1.0, "by_chance": 1.0, "p": 1.0, "more": 1}},
        {"record": "Proposed", "fields": dataclasses.asdict(ORDER.proposed[0]) | {"example": None}},
        {"array": {"dtype": "|O", "shape": [1], "packed": "eJxjYAAAAAEAAQ=="}},
        {"array": {"dtype": "<f8", "shape": [9], "packed": "eJxjYAAAAAEAAQ=="}},
        {"array": {"dtype": "<f8", "shape": [9], "packed": "no"}},
        {"tuple": 5}, {"nothing": []}, {}, [], 5, "text", None,
    ],
)  # fmt: skip
def test_a_file_that_says_something_else_is_no_result(content, tmp_path) -> None:
    text, path = json.dumps(content), tmp_path / "a.json"
    path.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")
    assert read_value(path, FileOrder, Proposed) is None


def test_what_cannot_be_written_is_refused_and_a_full_disk_costs_only_the_file(tmp_path) -> None:
    with pytest.raises(TypeError, match="cannot be kept"):
        write_value(tmp_path / "a.json", object())
    (tmp_path / "file").write_text("")
    write_value(tmp_path / "file" / "a.json", ORDER)  # no folder can be made there
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_giveaways_on_disk_depend_on_the_version_of_the_measures(monkeypatch) -> None:
    facts = {"images": "a", "families": None, "target": "label"}
    before = key("giveaways", measures=measures_version(), **facts)
    other = dataclasses.replace(KINDS["image facts"], version=KINDS["image facts"].version + 1)
    monkeypatch.setattr("workbench.files.keys.KINDS", {**KINDS, "image facts": other})
    assert key("giveaways", measures=measures_version(), **facts) != before
