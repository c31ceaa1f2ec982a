"""Tables as strangers hand them in, each after a public report of what other readers make of it: read right by a count
by hand, refused with the cause, or asked."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import pytest
from laid import Case

from workbench.catalog import ReadOptions
from workbench.images.item import BytesSource, ImageSet, Source
from workbench.images.report import LoadReport
from workbench.sets.layouts import load_images
from workbench.sets.manifests import look_for_tables
from workbench.sets.trees import Tree

Refusal = Callable[[Callable[[], object]], str]
DEFAULT = ReadOptions()


def read(folder: Path, files: Mapping[str, str | bytes], options: ReadOptions = DEFAULT) -> ImageSet:
    Case("", files, {}, {}).lay(folder)
    return load_images(folder, options=options)


def labels(images: ImageSet) -> dict[str, str | None]:
    return {item.name: item.label for item in images}


def report_of(images: ImageSet) -> LoadReport:
    assert images.report is not None
    return images.report


def photos(*names: str) -> dict[str, str | bytes]:
    return dict.fromkeys(names, "photo")


def test_names_below_a_folder_that_the_table_does_not_name(tmp_path: Path) -> None:
    """fastai 1169, 1126: `train.csv` beside `train/`, with a column of numbers."""
    images = read(
        tmp_path,
        {
            "train.csv": "filenames,cats\nn1/a.JPEG,352\nn2/b.JPEG,7\n",
            **photos("train/n1/a.jpeg", "train/n2/b.jpeg"),
        },
    )
    assert [item.split for item in images] == ["train", "train"]
    assert {item.label for item in images} <= {"352", "7", "n1", "n2"}
    guesses = {guess.topic for guess in report_of(images).guesses}
    assert {"root", "labels", "splits"} <= guesses


def test_one_table_for_images_that_somebody_sorted_into_splits(tmp_path: Path) -> None:
    """fastai 894: some images were moved into test/ and the table still lists all of them."""
    images = read(
        tmp_path,
        {"labels.csv": "file,label\na.png,x\nb.png,y\nc.png,x\n", **photos("train/a.png", "train/b.png", "test/c.png")},
    )
    assert labels(images) == {"train/a.png": "x", "train/b.png": "y", "test/c.png": "x"}
    assert [item.split for item in images] == ["train", "train", "test"]


def test_names_without_endings_beside_images_that_are_not_listed(tmp_path: Path) -> None:
    """covid-chestxray 96, derm7pt 11: names lack their ending, and the folder holds more than the table."""
    images = read(
        tmp_path,
        {
            "metadata.csv": "filename,diagnosis\nRA-1,ok\nRA-2.png,ill\n",
            **photos("images/RA-1.jpg", "images/RA-2.png", "images/RA-3.png"),
        },
    )
    assert labels(images) == {"images/RA-1.jpg": "ok", "images/RA-2.png": "ill"}
    (left,) = report_of(images).left_out
    assert (left.reason, left.names) == ("images that metadata.csv does not list", ("images/RA-3.png",))


def test_rows_without_a_file_are_counted_and_named(tmp_path: Path) -> None:
    """autowebcompat 140: labels.csv lists files that were never written."""
    rows = "".join(f"{n}.png,ok\n" for n in range(20))
    images = read(tmp_path, {"labels.csv": f"image,label\n{rows}", **photos("3.png", "7.png")})
    assert set(labels(images)) == {"3.png", "7.png"}
    (finding,) = report_of(images).findings
    assert "names 18 images in its 20 rows that are not there" in finding.sentence
    assert "line 2 (0.png); line 3 (1.png)" in finding.sentence
    assert "and 13 more" in finding.sentence


def test_metadata_without_labels_leaves_them_to_the_folders_and_says_so(tmp_path: Path) -> None:
    """datasets 4621, 4622: labels vanish where a metadata file lies beside class folders."""
    files = {"metadata.csv": "file_name,camera\ncat/1.png,A\ndog/2.png,B\n", **photos("cat/1.png", "dog/2.png")}
    images = read(tmp_path, files)
    assert labels(images) == {"cat/1.png": "cat", "dog/2.png": "dog"}
    assert [dict(item.attributes) for item in images] == [{"camera": "A"}, {"camera": "B"}]
    (guess,) = [guess for guess in report_of(images).guesses if guess.topic == "labels"]
    assert (guess.how, guess.option) == ("assumed", "column.label")


def test_paths_of_another_machine_with_an_index_and_attributes(tmp_path: Path) -> None:
    """faimed3d 69: absolute paths, an index column without a name, and figures."""
    images = read(
        tmp_path,
        {
            "data.csv": ",file,label,loss\n0,/home/anna/set/lot 1/a.png,ok,0.1\n1,/home/anna/set/lot 2/a.png,bad,0.2\n",
            **photos("lot 1/a.png", "lot 2/a.png"),
        },
    )
    assert labels(images) == {"lot 1/a.png": "ok", "lot 2/a.png": "bad"}
    assert any("has no name and is left out" in guess.value for guess in report_of(images).guesses)


def test_the_same_name_in_two_folders_is_asked_for(tmp_path: Path) -> None:
    """fastai 1408: the files of several folders have the same names, and the table gives names alone."""
    files = {
        "labels.csv": "image,label\n1.png,x\n2.png,y\n",
        **photos("left/1.png", "left/2.png", "right/1.png", "right/2.png"),
    }
    images = read(tmp_path, files)
    (question,) = report_of(images).questions
    assert question.option == "root"
    assert [value for value, _ in question.choices] == ["left", "right"]
    answered = load_images(tmp_path, options=ReadOptions(root="right"))
    assert report_of(answered).questions == ()
    assert labels(answered) == {"right/1.png": "x", "right/2.png": "y"}


def test_a_file_of_another_folder_is_no_match_for_a_missing_one(tmp_path: Path) -> None:
    images = read(
        tmp_path,
        {
            "labels.csv": "image,label\nimg/x/a.png,x\nimg/x/b.png,x\nimg/y/c.png,y\n",
            **photos("set/img/x/a.png", "set/img/z/c.png", "set/img/x/b.png"),
        },
    )
    assert labels(images) == {"set/img/x/a.png": "x", "set/img/x/b.png": "x"}
    assert "line 4 (img/y/c.png)" in report_of(images).findings[0].sentence


def test_masks_by_the_names_of_their_images_are_no_images(tmp_path: Path) -> None:
    files = {
        "labels.csv": "image,label,mask\n1.png,ok,\n2.png,bad,2.png\n",
        **photos("images/1.png", "images/2.png"),
        "masks/2.png": "mask",
    }
    images = read(tmp_path, files)
    assert [item.mask is not None for item in images] == [False, True]
    mask = images.items[1].open_mask()
    assert mask is not None
    assert 0.05 < mask.mean() < 0.3
    assert report_of(images).questions == ()


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("1.0 0.0 1.0", ["1", "0", "1"]),
        ("01 02 01", ["01", "02", "01"]),
        ("n01440764 n01443537 n01440764", ["tench", "goldfish", "tench"]),
    ],
)
def test_labels_in_numbers_and_codes(tmp_path: Path, column: str, expected: list[str]) -> None:
    rows = "".join(f"{n}.png,{label}\n" for n, label in enumerate(column.split()))
    files = {
        "labels.csv": f"image,label\n{rows}",
        "synset_words.txt": "n01440764 tench\nn01443537 goldfish\n",
        **photos("0.png", "1.png", "2.png"),
    }
    assert [item.label for item in read(tmp_path, files)] == expected


def test_numbers_are_named_by_options_before_files(tmp_path: Path) -> None:
    files = {"labels.csv": "image,label\na.png,0\nb.png,1\n", "classes.txt": "cat\ndog\n", **photos("a.png", "b.png")}
    assert [item.label for item in read(tmp_path, files)] == ["cat", "dog"]
    options = ReadOptions(labels={"0": "good", "1": "bad"})
    assert [item.label for item in load_images(tmp_path, options=options)] == ["good", "bad"]


def test_words_beside_their_numbers_are_the_label(tmp_path: Path) -> None:
    files = {"labels.csv": "image,label,label_name\na.png,0,ok\nb.png,1,bad\n", **photos("a.png", "b.png")}
    images = read(tmp_path, files)
    assert [item.label for item in images] == ["ok", "bad"]
    assert report_of(images).questions == ()


def test_two_columns_of_labels_are_asked_for_and_obeyed(tmp_path: Path) -> None:
    files = {"data.csv": "path,class,target\na.png,x,p\nb.png,x,q\nc.png,y,q\n", **photos("a.png", "b.png", "c.png")}
    (question,) = report_of(read(tmp_path, files)).questions
    assert question.option == "column.label"
    answered = load_images(tmp_path, options=ReadOptions(columns={"label": "target"}))
    assert [item.label for item in answered] == ["p", "q", "q"]
    assert report_of(answered).questions == ()


def test_a_row_a_box_with_several_classes(tmp_path: Path) -> None:
    """Exports of detection: the same image in several rows."""
    text = "filename,class,xmin\na.png,dent,1\na.png,dent,2\nb.png,dent,1\nb.png,crack,9\nc.png,crack,4\n"
    files = {"_annotations.csv": text, **photos("a.png", "b.png", "c.png")}
    images = read(tmp_path, files)
    report = report_of(images)
    assert labels(images) == {"a.png": "dent", "c.png": "crack"}
    assert [question.option for question in report.questions] == ["several"]
    assert report.used + sum(len(group.names) for group in report.left_out) == report.listed == 4
    first = load_images(tmp_path, options=ReadOptions(several="first"))
    assert labels(first) == {"a.png": "dent", "b.png": "dent", "c.png": "crack"}
    assert labels(load_images(tmp_path, options=ReadOptions(several="none")))["b.png"] is None


def test_the_same_file_under_two_spellings_counts_once(tmp_path: Path) -> None:
    files = {"manifest.csv": "image,label\na.png,ok\n./a.png,ok\nb.png,Ok\n", **photos("a.png", "b.png")}
    images = read(tmp_path, files)
    assert labels(images) == {"a.png": "ok", "b.png": "Ok"}
    again, spelling = report_of(images).findings
    assert "lists a.png in line 2 and again in line 3" in again.sentence
    assert "'ok' (1) and 'Ok' (1)" in spelling.sentence


def test_a_split_that_is_none_is_asked_for(tmp_path: Path) -> None:
    files = {"manifest.csv": "image,split\na.png,train\nb.png,quarter\n", **photos("a.png", "b.png")}
    images = read(tmp_path, files)
    assert [question.option for question in report_of(images).questions] == ["split.quarter"]
    assert [item.split for item in images] == ["train", None]
    answered = load_images(tmp_path, options=ReadOptions(splits={"quarter": "test"}))
    assert report_of(answered).questions == ()
    assert [item.split for item in answered] == ["train", "test"]


def test_addresses_and_paths_above_the_set_are_never_followed(tmp_path: Path, refusal: Refusal) -> None:
    files = {
        "set/labels.csv": "image,label\nhttps://host/a.png,x\n../secret.png,y\n/etc/hostname,z\nb.png,w\n",
        **photos("set/a.png", "set/b.png", "secret.png"),
    }
    Case("", files, {}, {}).lay(tmp_path)
    images = load_images(tmp_path / "set")
    assert labels(images) == {"b.png": "w"}
    assert "names 3 images in its 4 rows" in report_of(images).findings[0].sentence
    (tmp_path / "set" / "labels.csv").write_text("image,label\n../secret.png,y\n")
    assert "no such file" in refusal(lambda: load_images(tmp_path / "set" / "labels.csv"))


def test_a_table_of_few_images_beside_class_folders_is_asked_for(tmp_path: Path) -> None:
    names = [f"{kind}/{n}.png" for kind in ("ok", "bad") for n in range(5)]
    files = {"blurred.csv": "image,label\nok/1.png,blurred\n", **photos(*names)}
    images = read(tmp_path, files)
    assert len(images) == 10
    assert [question.option for question in report_of(images).questions] == ["table"]
    assert len(load_images(tmp_path, options=ReadOptions(table="blurred.csv"))) == 1
    settled = load_images(tmp_path, options=ReadOptions(table="none"))
    assert (len(settled), report_of(settled).questions) == (10, ())


def test_a_table_of_unlabelled_test_images_is_not_the_set(tmp_path: Path) -> None:
    files = {"test.csv": "id\n9\n", **photos("train/cat/1.png", "train/dog/2.png", "test/9.png")}
    images = read(tmp_path, files)
    assert labels(images) == {"test/9.png": None, "train/cat/1.png": "cat", "train/dog/2.png": "dog"}
    assert any("may name (1 of 3)" in group.reason for group in report_of(images).left_out)


def test_captions_of_coco_list_images_without_labels(tmp_path: Path) -> None:
    document = {
        "info": {"year": 2017},
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"image_id": 1, "caption": "a cat"}],
    }
    files = {"annotations/captions_val2017.json": json.dumps(document), **photos("val2017/a.jpg", "val2017/b.jpg")}
    images = read(tmp_path, files)
    assert labels(images)["val2017/a.jpg"] is None


def test_two_tables_that_say_the_same_are_not_asked_for(tmp_path: Path) -> None:
    files = {
        "labels.csv": "image,label\nimg/a.png,x\nimg/b.png,y\n",
        "meta/labels.json": json.dumps({"a.png": "x", "b.png": "y"}),
        **photos("img/a.png", "img/b.png"),
    }
    report = report_of(read(tmp_path, files))
    assert report.questions == ()
    assert ("another table of images; labels.csv is read", ("meta/labels.json",)) in [
        (group.reason, group.names) for group in report.left_out
    ]


def test_a_table_of_predictions_is_no_list_of_the_set(tmp_path: Path) -> None:
    text = "image,label,score\nok/a.png,bad,0.9\nbad/b.png,bad,0.8\n"
    images = read(tmp_path, {"predictions.csv": text, **photos("ok/a.png", "bad/b.png")})
    assert labels(images) == {"bad/b.png": "bad", "ok/a.png": "ok"}
    assert any("results" in group.reason for group in report_of(images).left_out)
    assert labels(load_images(tmp_path, options=ReadOptions(table="predictions.csv")))["ok/a.png"] == "bad"


def test_a_column_of_groups_that_is_named_stands_under_that_name(tmp_path: Path) -> None:
    files = {"manifest.csv": "image,wafer,board\na.png,1,x\nb.png,2,x\n", **photos("a.png", "b.png")}
    assert dict(read(tmp_path, files).items[0].attributes) == {"wafer": "1", "board": "x"}
    images = load_images(tmp_path, options=ReadOptions(columns={"group": "board"}))
    assert [item.attributes["group"] for item in images] == ["x", "x"]


def test_one_hot_rows_with_two_ones_or_none_are_told(tmp_path: Path) -> None:
    rows = "a,1,0\nb,0,1\nc,1,1\nd,0,0\ne,1,0\n"
    images = read(tmp_path, {"data.csv": f"image_id,rust,scab\n{rows}", **photos(*(f"img/{n}.jpg" for n in "abcde"))})
    assert labels(images) == {"img/a.jpg": "rust", "img/b.jpg": "scab", "img/d.jpg": None, "img/e.jpg": "rust"}
    assert [question.option for question in report_of(images).questions] == ["several"]


def test_options_of_a_table_are_refused_where_there_is_none(tmp_path: Path, refusal: Refusal) -> None:
    Case("", photos("ok/a.png", "bad/b.png"), {}, {}).lay(tmp_path)
    message = refusal(lambda: load_images(tmp_path, options=ReadOptions(columns={"label": "x"})))
    assert "not read from a table, of which the option columns tells" in message
    assert "no table 'x.csv'" in refusal(lambda: load_images(tmp_path, options=ReadOptions(table="x.csv")))
    (tmp_path / "labels.csv").write_text("image,label\nok/a.png,ok\nbad/b.png,bad\n")
    message = refusal(lambda: load_images(tmp_path, options=ReadOptions(columns={"label": "kind"})))
    assert "labels.csv has no column 'kind' for label (it has image, label)" in message


def test_composed_and_decomposed_names_are_one(tmp_path: Path) -> None:
    files = {
        "labels.csv": "image,label\ntu\u0308r.png,x\nG%C3%A4ste%201.png,y\n",
        **photos("t\u00fcr.png", "Gäste 1.png"),
    }
    images = read(tmp_path, files)
    assert [item.label for item in images] == ["x", "y"]
    assert report_of(images).findings == ()


def test_what_a_person_leaves_out_stays_out_though_a_table_names_it(tmp_path: Path) -> None:
    files = {"labels.csv": "image,label\na.png,x\nb.png,y\nc.png,y\n", **photos("a.png", "b.png", "c.png")}
    images = read(tmp_path, files, ReadOptions(leave_out=("b*",)))
    assert labels(images) == {"a.png": "x", "c.png": "y"}
    assert report_of(images).findings == ()
    assert [group.names for group in report_of(images).left_out] == [("b.png",)]


def test_accents_and_escapes_below_another_root(tmp_path: Path) -> None:
    files = {
        "labels.csv": "image,label\n/data/u\u0308/tu\u0308r.png,x\n/data/u\u0308/G%C3%A4ste%201.png,y\n",
        **photos("img/t\u00fcr.png", "img/G\u00e4ste 1.png"),
    }
    assert [item.label for item in read(tmp_path, files)] == ["x", "y"]


def test_twenty_thousand_rows_are_read_in_seconds() -> None:
    count = 20_000
    rows = "".join(f"{n},{n % 7}\n" for n in range(count))
    files: dict[PurePosixPath, Source] = {PurePosixPath(f"img/{n}.png"): BytesSource(b"x") for n in range(count)}
    files[PurePosixPath("train.csv")] = BytesSource(f"id,breed\n{rows}".encode())
    started = time.process_time()
    reading = look_for_tables(Tree("parts", files), DEFAULT, asked=False).reading
    assert reading is not None
    assert time.process_time() - started < 4
    assert Counter(item.label for item in reading.items)["0"] == 2858


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("dent|pit", "pit", "dent"), [["dent", "pit"], ["pit"], ["dent"]]),
        (("dent; pit", "pit", "rust"), [["dent", "pit"], ["pit"], ["rust"]]),
        (('"dent,pit"', "pit", "dent"), [["dent", "pit"], ["pit"], ["dent"]]),
        (("dent pit", "pit", "dent"), [["dent", "pit"], ["pit"], ["dent"]]),
        (("good part", "bad part", "good part"), [["good part"], ["bad part"], ["good part"]]),
        (('"Smith, Anna"', '"Smith, Bert"', "Carl"), [["Smith, Anna"], ["Smith, Bert"], ["Carl"]]),
    ],
)
def test_several_labels_in_a_cell_are_kept_and_asked_about(
    tmp_path: Path, cells: tuple[str, ...], expected: list[list[str]]
) -> None:
    """All are kept at first, in the form that models of several labels take: `dent;pit`."""
    lines = [f"{number}.png,{cell}" for number, cell in enumerate(cells)]
    images = read(tmp_path, {"labels.csv": "\n".join(("image,labels", *lines)), **photos("0.png", "1.png", "2.png")})
    assert labels(images) == {f"{number}.png": ";".join(words) for number, words in enumerate(expected)}
    questions = report_of(images).questions
    several = [f"{number}.png" for number, words in enumerate(expected) if len(words) > 1]
    assert [question.option for question in questions] == (["several"] if several else [])
    assert all(question.choices[0][0] == "all" for question in questions)
    for question in questions:
        left = load_images(tmp_path, options=ReadOptions(several="leave_out"))
        assert {item.name for item in left} == {"0.png", "1.png", "2.png"} - {*several}
        first = load_images(tmp_path, options=ReadOptions(several="first"))
        assert labels(first) == {f"{number}.png": words[0] for number, words in enumerate(expected)}
        assert question.choices
