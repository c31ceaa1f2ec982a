"""Tables in every form in which people hand them in: encodings, dividers, quotes, headers, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from workbench.files.tables import read_table

Refusal = Callable[[Callable[[], object]], str]
ROWS = [{"image": "a.png", "label": "good"}, {"image": "b.png", "label": "bad"}]
PLAIN = "image,label\na.png,good\nb.png,bad\n"

FORMS: dict[str, bytes] = {
    "sep line": b"sep=;\r\nimage;label\r\na.png;good\r\nb.png;bad\r\n",
    "quoted sep line": b'"sep=,"\nimage,label\na.png,good\nb.png,bad\n',
    "bars": PLAIN.replace(",", "|").encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "blanks after commas": b'image, label\n"a.png", "good"\n"b.png", "bad"\n',
    "UTF-16 with a mark": PLAIN.encode("utf-16"),
    "UTF-16 big-endian with a mark": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "UTF-16 without a mark": PLAIN.encode("utf-16-le"),
    "UTF-16 big-endian without a mark": PLAIN.encode("utf-16-be"),
    "UTF-32": PLAIN.encode("utf-32"),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "old Mac": PLAIN.replace("\n", "\r").encode(),
    "no last line end": PLAIN.rstrip().encode(),
    "trailing separators": PLAIN.replace("\n", ",,\n").encode(),
    "empty rows between": PLAIN.replace("\n", "\n,\n\n").encode(),
    "comments above": b"# exported by a tool\n\n" + PLAIN.encode(),
    "all quoted": b'"image","label"\n"a.png","good"\n"b.png","bad"\n',
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_rows_in_every_form(form: str) -> None:
    assert [row for _, row in read_table(FORMS[form], "m.csv").rows] == ROWS


ACCENTS = {
    "Western": ("cp1252", "déchiré", "größe"),
    "Chinese": ("gbk", "良好的零件没有缺陷可以使用", "表面有划痕需要返工"),
    "Japanese": ("cp932", "良品です", "キズあり"),
    "Korean": ("euc_kr", "양품", "불량"),
}


@pytest.mark.parametrize("language", ["Western", "Chinese", "Japanese"])
def test_older_encodings_are_known_by_their_bytes_and_told(language: str) -> None:
    encoding, good, bad = ACCENTS[language]
    table = read_table(f"image,label\na.png,{good}\nb.png,{bad}\n".encode(encoding), "m.csv")
    assert [row["label"] for _, row in table.rows] == [good, bad]
    assert language in table.notes[0] or "Western European" in table.notes[0]
    assert read_table(f"image,label\na.png,{good}\n".encode(), "m.csv").notes == ()


@pytest.mark.parametrize(
    "data",
    [
        "брак".encode("cp1251"),
        "Größe".encode("cp850"),
        "niño".encode("mac_roman"),
        "양품".encode("euc_kr"),  # its bytes are also two common Chinese characters
        b"\x81\x8d\x9d",
    ],
    ids=["Cyrillic", "DOS", "Mac", "Korean or Chinese", "nothing"],
)
def test_an_encoding_that_cannot_be_told_is_refused(data: bytes, refusal: Refusal) -> None:
    message = refusal(lambda: read_table(b"image,label\na.png," + data + b"\n", "m.csv"))
    assert "its encoding cannot be told" in message
    assert "UTF-8" in message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('image,label\na.png,"good\nb.png,bad\nc.png,bad\n', "line 2"),
        ('image,label\na.png,good\nb.png,"bad\nc.png,bad\nd.png,"x"\n', "line 3"),
        ('image,label,note\na.png,good,"5" disc"\n', "line 2"),
        ('# why\nimage,label\na.png,good\n"b.png,bad\nc.png",bad\n', "line 4"),
    ],
)
def test_a_quote_that_is_not_closed_swallows_no_rows(text: str, line: str, refusal: Refusal) -> None:
    message = refusal(lambda: read_table(text.encode(), "m.csv"))
    assert f"a quote in {line} that is not closed" in message


def test_quotes_that_hold_line_ends_separators_and_quotes_are_read() -> None:
    text = 'image,label,note\na.png,good,"two\nlines, and ""one"" more"\nb.png,bad,5" disc\n'
    table = read_table(text.encode(), "m.csv")
    assert [row["note"] for _, row in table.rows] == ['two\nlines, and "one" more', '5" disc']
    assert [where for where, _ in table.rows] == ["line 2", "line 4"]


def test_without_a_header_the_first_row_is_data() -> None:
    table = read_table(b"a.png,good\nb.png,bad\n", "m.csv")
    assert table.headless
    assert [row for _, row in table.rows] == [{"column 1": r["image"], "column 2": r["label"]} for r in ROWS]
    blanks = read_table(b"images/cell0001.png  1.0  mono\nimages/cell0002.png  0.0  poly\n", "labels.csv")
    assert [list(row.values()) for _, row in blanks.rows] == [
        ["images/cell0001.png", "1.0", "mono"],
        ["images/cell0002.png", "0.0", "poly"],
    ]


def test_blanks_within_a_path_divide_nothing() -> None:
    table = read_table(b"lot 1/a b.png good\nlot 12/c.png bad\n", "labels.txt")
    assert [list(row.values()) for _, row in table.rows] == [["lot 1/a b.png", "good"], ["lot 12/c.png", "bad"]]


def test_rows_with_fewer_cells_are_told_and_with_more_refused(refusal: Refusal) -> None:
    table = read_table(b"image,label,note\na.png,good,x\nb.png\n", "m.csv")
    assert table.rows[1][1] == {"image": "b.png", "label": None, "note": None}
    assert "1 rows with fewer cells" in table.notes[0]
    assert "line 3" in table.notes[0]
    assert "3 cells in line 2" in refusal(lambda: read_table(b"image,label\na.png,good,x\n", "m.csv"))


IN_JSON: dict[str, tuple[str, object]] = {
    "a list of objects": ("m.json", ROWS),
    "labels by name": ("m.json", {"a.png": "good", "b.png": "bad"}),
    "objects by name": ("m.json", {"a.png": {"label": "good"}, "b.png": {"label": "bad"}}),
    "pairs": ("dataset.json", {"labels": [["a.png", "good"], ["b.png", "bad"]]}),
}


@pytest.mark.parametrize("form", IN_JSON)
def test_json_in_every_form(form: str) -> None:
    name, document = IN_JSON[form]
    assert [row for _, row in read_table(json.dumps(document).encode(), name).rows] == ROWS


def test_lines_of_json_may_lack_keys_and_blank_lines_count() -> None:
    table = read_table(b'{"file_name": "a.png", "box": [1, 2]}\n\n{"file_name": "b.png", "label": ["x"]}\n', "m.jsonl")
    assert table.rows == [
        ("line 1", {"file_name": "a.png", "box": "[1, 2]", "label": None}),
        ("line 3", {"file_name": "b.png", "box": None, "label": "x"}),
    ]


def test_lists_by_split_and_tasks_of_label_studio() -> None:
    by_split = {"train": [{"img_path": "a.png"}], "test": [{"img_path": "b.png"}]}
    rows = [row for _, row in read_table(json.dumps(by_split).encode(), "meta.json").rows]
    assert rows == [{"split": "train", "img_path": "a.png"}, {"split": "test", "img_path": "b.png"}]
    choice = {"type": "choices", "value": {"choices": ["bad"]}}
    tasks = [
        {"id": 1, "data": {"image": "/data/upload/1/ab-a.png"}, "annotations": [{"result": [choice]}]},
        {"id": 2, "data": {"image": "/data/upload/1/cd-b.png"}, "annotations": []},
    ]
    table = read_table(json.dumps(tasks).encode(), "project.json")
    assert [row["label"] for _, row in table.rows] == ["bad", None]
    assert table.form == "label studio"


def test_coco_counts_the_categories_of_each_image(refusal: Refusal) -> None:
    document = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "categories": [{"id": 3, "name": "dent"}, {"id": 4, "name": "crack"}],
        "annotations": [{"image_id": 1, "category_id": c} for c in (3, 4, 4)] + [{"image_id": 9, "category_id": 3}],
    }
    table = read_table(json.dumps(document).encode(), "instances.json")
    assert [(row["file_name"], row["label"]) for _, row in table.rows] == [
        ("a.png", "crack"),
        ("a.png", "dent"),
        ("b.png", None),
    ]
    assert "1 annotations of instances.json belong to images that it does not list" in table.notes[0]
    document["annotations"] = [{"image_id": 1, "category_id": 5}]
    assert "the category 5, which it does not name" in refusal(
        lambda: read_table(json.dumps(document).encode(), "i.json")
    )


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("m.json", b"[" * 100_000, "nests its values too deeply"),
        ("m.json", b'{"a": ' * 50_000, "nests its values too deeply"),
        ("m.json", b"{", "not valid JSON"),
        ("m.json", b"3", "neither a list nor an object"),
        ("m.json", b'["a.png"]', "no object in entry 1"),
        ("m.json", b'{"a.png": "good", "a.png": "bad"}', "'a.png' twice"),
        ("m.json", b"[" + b"9" * 5000 + b"]", "not valid JSON"),
        ("m.jsonl", b'{"a": 1}\n{"a": ', "not valid JSON in line 2"),
        ("m.jsonl", b"[1]\n", "no object in line 1"),
    ],
)
def test_json_that_is_no_table_is_one_sentence(name: str, data: bytes, says: str, refusal: Refusal) -> None:
    assert says in refusal(lambda: read_table(data, name))
