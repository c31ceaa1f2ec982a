"""What is asked of sets of folders, and that each answer is obeyed."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import laid_everything
import laid_folders
import laid_pairs
import pytest
from laid import Case

from workbench.catalog import ReadOptions
from workbench.images.item import ImageSet
from workbench.images.masks import parts_of
from workbench.images.report import LoadReport
from workbench.sets.layouts import load_images
from workbench.sets.options import options_from, options_text

Refusal = Callable[[Callable[[], object]], str]
ASKING = [case for case in laid_everything.CASES if case.asks]


SAMPLE = os.environ.get("WORKBENCH_SAMPLE", "")


def read(folder: Path, **options: object) -> tuple[ImageSet, LoadReport]:
    images = load_images(folder, options=ReadOptions.model_validate(options))
    assert images.report is not None
    return images, images.report


def facts(images: ImageSet) -> set[tuple[object, ...]]:
    masks = [item.open_mask() for item in images]
    return {
        (item.source, item.label, item.split, None if mask is None else mask.tobytes())
        for item, mask in zip(images, masks, strict=True)
    }


@pytest.mark.parametrize("case", ASKING, ids=lambda case: case.name)
def test_each_answer_to_each_question_is_obeyed(case: Case, tmp_path: Path) -> None:
    folder = case.lay(tmp_path / "set")
    images, report = read(folder)
    for question in report.questions:
        answers = []
        for value, meaning in question.choices:
            text = options_text(case.options)
            answer = load_images(folder, options=options_from(f"{text}&{question.option}={value}".lstrip("&")))
            assert answer.report is not None
            assert question.option not in [other.option for other in answer.report.questions], (value, meaning)
            answers.append(facts(answer))
        assert answers[0] == facts(images), "the first choice is what was taken"
        assert all(answers.count(answer) == 1 for answer in answers) or question.option.startswith("split."), answers


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"labels": {"godo": "good"}}, "no label 'godo'"),
        ({"leave_out": ("figures/*",)}, "called as 'figures/*'"),
        ({"root": "nowhere"}, "no folder 'nowhere'"),
        ({"splits": {"goood": "train"}}, "no folder and no cell 'goood'"),
    ],
    ids=["label", "pattern", "root", "split"],
)
def test_options_that_speak_of_nothing_are_refused(
    options: dict[str, object], says: str, tmp_path: Path, refusal: Refusal
) -> None:
    folder = laid_folders.CASES[0].lay(tmp_path / "set")
    assert says in refusal(lambda: read(folder, **options))


def test_a_label_can_be_renamed_and_left_out(tmp_path: Path) -> None:
    folder = laid_folders.CASES[0].lay(tmp_path / "set")
    images, report = read(folder, labels={"good": "ok", "bad": ""})
    assert [(item.name, item.label) for item in images] == [("good/1.png", "ok"), ("good/2.png", "ok")]
    assert {group.reason: group.names for group in report.left_out}["their label is left out"] == ("bad/3.png",)


def test_a_folder_of_any_name_can_be_told_to_be_a_split(tmp_path: Path) -> None:
    folder = laid_folders.CASES[0].lay(tmp_path / "set")
    images, report = read(folder, splits={"good": "train", "bad": "test"})
    assert [(item.label, item.split) for item in images] == [(None, "test"), (None, "train"), (None, "train")]
    assert report.options == ReadOptions(splits={"good": "train", "bad": "test"})
    assert options_from(options_text(report.options)) == report.options


def test_words_of_a_table_count_as_met(tmp_path: Path, refusal: Refusal) -> None:
    folder = laid_folders.CASES[0].lay(tmp_path / "set")
    (folder / "manifest.csv").write_text("image,label,split\ngood/1.png,a,mine\nbad/3.png,b,yours\n")
    images, _ = read(folder, splits={"mine": "train", "yours": "none"})
    assert [(item.label, item.split) for item in images] == [("a", "train"), ("b", None)]
    assert "cell 'theirs'" in refusal(lambda: read(folder, splits={"mine": "train", "yours": "test", "theirs": "test"}))


@pytest.mark.skipif(not SAMPLE, reason="WORKBENCH_SAMPLE names no folder with the magnetic-tile sample")
def test_magnetic_tiles_are_read_with_three_classes_two_and_one(tmp_path: Path) -> None:
    for name in ("MT_Crack", "MT_Free"):
        shutil.copytree(Path(SAMPLE, name), tmp_path / "two" / name)
    shutil.copytree(Path(SAMPLE, "MT_Crack"), tmp_path / "one" / "MT_Crack")
    for folder in (Path(SAMPLE), tmp_path / "two", tmp_path / "one", tmp_path / "one" / "MT_Crack"):
        photographs = list(folder.rglob("*.jpg"))
        kinds = Counter(next(part for part in path.parts if part.startswith("MT_")) for path in photographs)
        images, report = read(folder)
        assert report.by("label") == dict(kinds)
        assert report.masks == len(images) == len(photographs)
        assert [q.option for q in report.questions] == (["layout"] if folder.name == "MT_Crack" else [])


WORDS = """
train test val dev eval images masks labels data good bad Good cat 0 1 lot1 lot2 original aug resized_224 gt Imgs
train_good test_good trainA testA setA setB custom predictions mask no_mask seg_pred
"""


@pytest.mark.parametrize("seed", range(12))
def test_any_tree_of_such_words_is_read_and_no_file_is_lost(seed: int, tmp_path: Path, refusal: Refusal) -> None:
    rng = random.Random(seed)
    files: dict[str, bytes | str] = {"a.png": "photo", "b.png": "photo"}
    for _ in range(rng.randint(2, 7)):
        folder = "/".join(rng.choice(WORDS.split()) for _ in range(rng.randint(1, 3)))
        content = rng.choice(["photo", "photo", "photo", "mask"])
        files |= {f"{folder}/{stem}.png": content for stem in rng.sample(["1", "2", "3", "cat.0", "1_mask"], 2)}
    folder = Case("", files, {}, {}).lay(tmp_path / "set")
    images, report = read(folder)
    left_out = [name for group in report.left_out for name in group.names]
    assert len(left_out) == len(set(left_out)) == len(files) - report.used
    assert len(images) + sum(len(parts_of(item.mask)) for item in images) <= report.used
    for question in report.questions:
        for value, _ in question.choices:
            answer = load_images(folder, options=options_from(f"{question.option}={value}")).report
            assert answer is not None
            assert question.option not in [other.option for other in answer.questions]


def test_what_is_read_by_its_form_alone_is_said(tmp_path: Path) -> None:
    _, report = read(Case("", laid_folders.photos("seg_train/a/1.png", "test/b/2.png"), {}, {}).lay(tmp_path))
    said = {(guess.value, guess.how, guess.option) for guess in report.guesses if guess.topic == "splits"}
    assert said == {("seg_train is read as train", "recognised", "splits"), ("test", "recognised", "splits")}


def test_folders_without_images_beside_classes_are_told(tmp_path: Path) -> None:
    folder = Case("", {**laid_folders.photos("good/1.png", "bad/2.png"), "scratch/x.heic": "-"}, {}, {}).lay(tmp_path)
    (folder / "dent").mkdir()
    _, report = read(folder)
    assert [f.sentence for f in report.findings] == [
        "2 folders without an image beside those of classes: dent, scratch."
    ]


def test_masks_that_are_not_wanted_do_not_become_images(tmp_path: Path) -> None:
    for name, case in (("beside", laid_folders.CASES), ("pairs", laid_pairs.CASES)):
        first = next(case for case in case if case.masks)
        images, report = read(first.lay(tmp_path / name), masks="none")
        assert len(images) == first.images
        assert report.masks == 0
        assert sum(len(group.names) for group in report.left_out) == first.masks + first.left_out
