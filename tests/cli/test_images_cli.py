"""`workbench images` and the corrections that the commands take: what is printed equals what a count by hand says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import call
from laid import Case

import workbench as wb
from workbench.catalog import IMAGES_VARIABLE, READ_VARIABLE
from workbench.cli.images import check_answered
from workbench.images import Question
from workbench.sets import options_flags, options_from, options_read, options_text

Refusal = Callable[[Callable[[], object]], str]
SET = Case(
    "two folders and a note",
    {"ok/1.png": "photo", "ok/2.png": "photo", "ko/3.png": "photo", "extra/4.png": "photo", "note.txt": "by Anna"},
    labels={"ok": 2, "ko": 1, "extra": 1},
    splits={"": 4},
)
READ = ("--read", "label.ko=bad", "--read", "label.ok=good", "--read", "leave_out=extra/*")
EVERYTHING = wb.ReadOptions(
    layout="folders",
    root="a b/c",
    splits={"dev": "validation", "x.y": "none"},
    labels={"0": "good", "a & b": "", "ü.x": "ö"},
    columns={"image": "path"},
    table="lists/*.csv",
    several="first",
    names="gbk",
    masks="gt/{stem}.png",
    mask_rule="128",
    leave_out=("x/*", "y/*"),
    window=(0.0, 4095.0),
    group="order:60",
)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    return SET.lay(tmp_path / "parts")


def test_what_is_read_is_printed_with_what_is_left_out(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("images", str(parts)) == 0
    lines = capsys.readouterr().out
    assert "4 images of 3 classes, 0 with a mask; layout: folders" in lines
    assert "ok: 2" in lines
    assert "ko: 1" in lines
    assert "1 (note.txt)" in lines


def test_names_cannot_steer_the_terminal(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (parts / "note\x1b[2J\u202e.txt").write_text("")
    assert call("images", str(parts)) == 0
    assert r"note\x1b[2J\u202e.txt" in capsys.readouterr().out


def test_corrections_are_obeyed(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("images", str(parts), *READ) == 0
    lines = capsys.readouterr().out
    assert "3 images of 2 classes" in lines
    assert "good: 2" in lines
    assert "bad: 1" in lines
    assert "1 (extra/4.png)" in lines


@pytest.mark.parametrize(
    ("correction", "why"),
    [
        ("layout", "--read layout has no value"),
        ("layout=nothing", "There is no layout 'nothing'"),
        ("split.dev=sometimes", "splits.dev"),
        ("colour=red", "colour"),
        ("root=../parts", "root"),
        ("root=/etc", "root"),
    ],
)
def test_a_correction_that_is_none_is_refused(
    parts: Path, correction: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("images", str(parts), "--read", correction) == 2
    captured = capsys.readouterr()
    assert why in captured.err
    assert not captured.out


def test_training_prints_the_report_and_does_not_begin_before_a_question_is_answered(
    parts: Path, refusal: Refusal
) -> None:
    images = wb.load_images(parts)
    assert images.report is not None
    question = Question("layout", "Is extra a class?", (("folders", "yes"), ("manifest", "no")))
    asking = dataclasses.replace(images, report=dataclasses.replace(images.report, questions=(question, question)))
    check_answered(images)
    sentence = refusal(lambda: check_answered(asking))
    assert "Is extra a class? (1 more after it): answer with --read layout=folders or --read" in sentence


def test_every_option_survives_links_and_flags() -> None:
    assert options_from(options_text(EVERYTHING)) == EVERYTHING
    assert set(EVERYTHING.model_dump(exclude_defaults=True)) == set(wb.ReadOptions.model_fields)
    assert options_text(wb.ReadOptions()) == options_flags(wb.ReadOptions()) == ""


def test_flags_are_what_the_shell_hands_on() -> None:
    import shlex

    words = shlex.split(options_flags(EVERYTHING))
    assert words[::2] == ["--read"] * (len(words) // 2)
    assert options_read(words[1::2]) == EVERYTHING


def test_a_server_reads_its_own_set_as_its_command_line_said(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IMAGES_VARIABLE, str(parts))
    monkeypatch.setenv(READ_VARIABLE, "label.ko=bad")
    assert set(wb.load_images(str(parts)).class_names) == {"bad", "extra", "ok"}
    assert set(wb.load_images(str(parts / "..") + "/parts").class_names) == {"ko", "extra", "ok"}
    assert set(wb.load_images(str(parts), options=wb.ReadOptions(labels={"ok": "good"})).class_names) == {
        *("ko", "extra", "good")
    }


def test_a_catalog_entry_says_how_it_is_read(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = parts.parent / "workbench.toml"
    catalog.write_text(
        '[images.parts]\ntitle = "Parts"\nref = "parts"\nread = { labels = { ok = "good", extra = "" } }\n'
    )
    monkeypatch.setenv("WORKBENCH_CONFIG", str(catalog))
    images = wb.load_images("parts")
    assert images.class_names == ("good", "ko")
    assert len(images) == 3
    assert images.report is not None
    assert ("extra/4.png",) in [group.names for group in images.report.left_out]
