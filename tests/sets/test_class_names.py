"""Files that name the classes of folders, in the forms in which tools write them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from laid import Case
from laid_folders import photos

from workbench.sets.layouts import load_images

NAMES = ["crack", "good", "scratch"]
FORMS = {
    "a line a class": ("classes.txt", "crack\ngood\nscratch\n"),
    "number and name": ("labels.txt", "0 crack\n1 good\n2 scratch\n"),
    "name and number": ("labels.txt", "good 1\ncrack 0\nscratch 2\n"),
    "number: name": ("class_names.txt", "\ufeff# kinds\n0: crack\n1: good\n2: scratch"),
    "a list in JSON": ("class_names.json", json.dumps(NAMES)),
    "names by number in JSON": ("idx_to_class.json", json.dumps(dict(enumerate(NAMES)))),
    "numbers by name in JSON": ("class_to_idx.json", json.dumps({name: place for place, name in enumerate(NAMES)})),
}


def labels_of(folder: Path, files: dict[str, bytes | str]) -> tuple[Counter[str | None], tuple[str, ...], list[str]]:
    images = load_images(Case("", files, {}, {}).lay(folder))
    assert images.report is not None
    assert images.report.used == len(images) + len(files.keys() - {item.name for item in images}), "the file is used"
    return Counter(item.label for item in images), images.class_names, [f.sentence for f in images.report.findings]


@pytest.mark.parametrize("form", FORMS)
def test_names_of_numbers_in_every_form(form: str, tmp_path: Path) -> None:
    name, text = FORMS[form]
    labels, order, findings = labels_of(tmp_path, {**photos("0/1-2.png", "1/3.png", "2/4.png"), name: text})
    assert labels == {"crack": 2, "good": 1, "scratch": 1}
    assert sorted(order) == NAMES
    assert not findings


def test_a_list_for_folders_that_count_from_one(tmp_path: Path) -> None:
    files = {**photos("1/1.png", "2/2.png", "03/3.png"), "classes.txt": "crack\ngood\nscratch\n"}
    assert labels_of(tmp_path, files)[0] == {"crack": 1, "good": 1, "scratch": 1}


def test_codes_by_the_index_that_torchvision_ships(tmp_path: Path) -> None:
    table = {"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}
    files = {**photos("n01440764/1.png", "n01443537/2.png"), "imagenet_class_index.json": json.dumps(table)}
    assert labels_of(tmp_path, files)[0] == {"tench": 1, "goldfish": 1}


def test_a_folder_without_a_name_is_told(tmp_path: Path) -> None:
    files = {**photos("0/1.png", "1/2.png", "7/3.png"), "classes.txt": "crack\ngood\n"}
    labels, _, findings = labels_of(tmp_path, files)
    assert labels == {"crack": 1, "good": 1, "7": 1}
    assert findings == ["classes.txt has no name for 1 folders: 7."]


def test_a_list_of_the_folders_own_names_gives_their_order(tmp_path: Path) -> None:
    files = {**photos("good/1.png", "bad/2.png"), "classes.txt": "good\nbad\n"}
    assert labels_of(tmp_path, files)[1] == ("good", "bad")


@pytest.mark.parametrize("text", ["1.png 0\n2.png 1\n", "{", "\xff\xfe", ""])
def test_a_file_that_speaks_of_something_else_changes_nothing(text: str, tmp_path: Path) -> None:
    folder = Case("", {**photos("0/1.png", "1/2.png"), "labels.txt": text}, {}, {}).lay(tmp_path)
    assert Counter(item.label for item in load_images(folder)) == {"0": 1, "1": 1}
