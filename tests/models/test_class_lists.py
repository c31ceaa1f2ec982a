from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch

import workbench as wb
from workbench.errors import InputError
from workbench.models.class_lists import classes_of, read_class_list
from workbench.models.folder import read_spec

Refusal = Callable[[Callable[[], object]], str]
NAMES = ["scratch", "deep dent", "ok"]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("scratch\ndeep dent\nok", "one name a line"),
        ("  scratch \n\n# a comment\ndeep dent\t\n\nok\n\n", "blank lines and comments passed over"),
        ("0 scratch\n1 deep dent\n2 ok", "numbers before"),
        ("2: ok\n0: scratch\n1: deep dent\n", "numbers before"),
        ("0,scratch\n1,deep dent\n2,ok", "numbers before"),
        ("0\tscratch\n1\tdeep dent\n2\tok", "numbers before"),
        ("index,label\n0,scratch\n1,deep dent\n2,ok", "numbers before"),
        ("class_name;id\nscratch;0\ndeep dent;1\nok;2", "numbers after"),
        ("scratch = 0\nok = 2\ndeep dent = 1", "numbers after"),
        ("names:\n  0: scratch\n  1: 'deep dent'\n  2: ok\n", "numbers before"),
        ('---\nnames:\n  - scratch\n  - deep dent\n  - "ok"\n', "a list with dashes"),
        (json.dumps(NAMES), "a list"),
        (json.dumps({"2": "ok", "0": "scratch", "1": "deep dent"}), "a dict of numbers to names"),
        (json.dumps({"ok": 2, "scratch": 0, "deep dent": 1}), "a dict of names to numbers"),
        (json.dumps({"model": 3, "id2label": {"0": "scratch", "1": "deep dent", "2": "ok"}}), "id2label of a dict"),
        (json.dumps({"label2id": {"ok": 2, "scratch": 0, "deep dent": "1"}}), "label2id of a dict"),
        (json.dumps({"class_to_idx": {"ok": 2, "scratch": 0, "deep dent": 1}}), "class_to_idx of a dict"),
        (json.dumps({"0": ["n1", "scratch"], "1": ["n2", "deep dent"], "2": ["n3", "ok"]}), "numbers to names"),
        (json.dumps([{"id": i, "name": name} for i, name in enumerate(NAMES)]), "a list"),
        ("{0: 'scratch',\n 1: 'deep dent', 2: 'ok'}", "a dict of numbers to names"),
    ],
)
def test_a_class_list_is_read_as_people_write_it(text: str, form: str, tmp_path: Path) -> None:
    result = read_class_list(text, "c.txt")
    assert result.names == NAMES
    assert form in result.form
    (tmp_path / "c.txt").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    (tmp_path / "model.toml").write_text('architecture = "timm:resnet10t"\nweights = "w.pth"\nclasses = "c.txt"\n')
    assert read_spec(tmp_path).classes == NAMES


@pytest.mark.parametrize(
    "lines",
    [
        ["3 mm hole", "5 mm hole", "ok"],
        ["0", "1", "2"],
        ["tench, Tinca tinca", "goldfish, Carassius auratus"],
        ["#1 grade", "#2 grade"],
        ["a: b", "c: d"],
        ["2 scratches", "7 scratches"],
    ],
)
def test_names_with_numbers_and_signs_of_their_own_stay_whole(lines: list[str]) -> None:
    assert read_class_list("\n".join(lines), "c.txt").names == lines


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 scratch\n1 dent\n3 ok", "c.txt has no class for output 2 but goes up to 3"),
        ("0: scratch\n1: dent\n1: ok", "c.txt gives the number 1 to two classes"),
        ("1: scratch\n2: dent\n3: ok", "c.txt counts the classes from 1, and outputs are counted from 0"),
        (json.dumps({"scratch": 0, "dent": 0}), "c.txt gives the number 0 to two classes"),
        (json.dumps({"0": "scratch", "2": "dent"}), "c.txt has no class for output 1"),
        (json.dumps({"a": "b"}), "c.txt is no class list"),
        (json.dumps([[1.5]]), "c.txt is no class list"),
        ("{}", "c.txt is no class list"),
    ],
)
def test_what_numbers_do_not_agree_on_is_refused(text: str, says: str, refusal: Refusal) -> None:
    assert says in refusal(lambda: read_class_list(text, "c.txt"))


def test_hostile_lists_take_no_time() -> None:
    for text in (
        "a" + " " * 10**6 + "b,1",
        "[" * 10**5,
        "{" * 10**5,
        "1" * 10**6 + ":",
        "0 a\n" * 10**5,
        "9" * 10**5 + ": a",
    ):
        with contextlib.suppress(InputError):
            read_class_list(text, "c.txt")


def test_a_loaded_model_takes_a_dict_and_says_where_its_classes_are_from(tmp_path: Path) -> None:
    torch.save(timm.create_model("resnet10t", num_classes=3).state_dict(), tmp_path / "w.pth")
    (tmp_path / "model.toml").write_text(
        'architecture = "timm:resnet10t"\nweights = "w.pth"\nclasses = "c.csv"\n[preprocessing]\nsize = [32, 32]\n'
    )
    (tmp_path / "c.csv").write_text("id,name\n2,ok\n0,scratch\n1,deep dent\n")

    def told(**more: object) -> tuple[str, str, str]:
        classifier = wb.load_classifier(tmp_path, device="cpu", **more)
        facts = [fact for fact in classifier.facts if fact.topic == "classes"]
        assert len(facts) == 1
        return facts[0].value, facts[0].source, facts[0].how

    assert told() == ("3: scratch, deep dent, ok", "c.csv, names with their numbers before them", "stated")
    assert told(classes={"b": 1, "a": 0, "c": 2}) == ("3: a, b, c", "as it was loaded", "stated")
    assert classes_of({1: "b", 0: "a"}, "x").names == ["a", "b"]
    counted = wb.load_classifier(tmp_path / "w.pth", architecture="timm:resnet10t", size=(32, 32), device="cpu")
    assert [fact.how for fact in counted.facts if fact.topic == "classes"] == ["assumed"]
