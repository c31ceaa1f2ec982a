"""Folders as people have them: order, clutter, links, and names and files that are made to trip a reader."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from laid import photo

from workbench.images.report import LoadReport
from workbench.sets import walks
from workbench.sets.layouts import load_images, stamp
from workbench.sets.trees import natural

Refusal = Callable[[Callable[[], object]], str]
IMAGE = photo(0, size=(4, 4))


def lay(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(IMAGE)
    return folder


def report_of(folder: Path, *, follow: bool = True) -> LoadReport:
    """The report, with as many files as a count by hand: each used or left out once."""
    report = load_images(folder, follow=follow).report
    assert report is not None
    names = [name for group in report.left_out for name in group.names]
    assert len(names) == len(set(names)) == report.listed - report.used
    return report


def left_out(report: LoadReport) -> dict[str, tuple[str, ...]]:
    return {group.reason: group.names for group in report.left_out}


def test_numbers_in_names_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    names = ["a/img1.png", "a/IMG2.png", "a/img02b.png", "a/img10.png", "a/img010x.png", "a2/x.png", "a10/x.png"]
    names += ["a10/y-1.png", "b/9.png", "b/99999999999999999999.png", "b/100000000000000000000.png"]
    images = load_images(lay(tmp_path, *reversed(names)))
    assert list(images.by_name) == names
    assert images.report is not None
    assert images.report.total == len(names)


def test_order_is_total_and_compares_folder_by_folder() -> None:
    names = ["a/1", "A/1", "a-b/1", "a/b", "a1/1", "a01/1", "a001/1", "a/1/2", "", "1", "a²/1", "٣/1", "a b/1"]
    assert sorted(names, key=natural) == sorted(names[1::2] + names[::2], key=natural)
    assert len({natural(name) for name in names}) == len(names)
    assert sorted(["a-b/1", "a/2", "a/10", "a b/1"], key=natural) == ["a/2", "a/10", "a b/1", "a-b/1"]


def test_what_systems_and_programs_leave_is_told_and_no_class(tmp_path: Path) -> None:
    folders = {
        "@eaDir/": "thumbnails of a Synology server",
        "#recycle/": "the bin of a Synology server",
        "$RECYCLE.BIN/": "the bin of Windows",
        "System Volume Information/": "kept by Windows for itself",
        "lost+found/": "kept by the file system for itself",
        "__MACOSX/": "companions of files, which macOS writes",
        ".ipynb_checkpoints/": "copies that Jupyter keeps",
        ".git/": "the store of Git",
        ".thumbnails/": "thumbnails",
        ".cache/": "hidden",
        "good/@eaDir/": "thumbnails of a Synology server",
    }
    files = {
        "good/Thumbs.db": "thumbnails of Windows",
        "good/desktop.ini": "settings of a folder in Windows",
        "good/.DS_Store": "settings of a folder in macOS",
        "good/._1.png": "companions of files, which macOS writes",
        "good/~$notes.docx": "locks of open Office documents",
        "good/.hidden.png": "hidden",
    }
    lay(tmp_path, "good/1.png", "bad/2.png", *files, *(f"{name}{n}.png" for name in folders for n in range(3)))
    (tmp_path / "good" / "empty.png").touch()
    (tmp_path / "good" / "empty.txt").touch()  # may say something: that nothing is in the image of this name
    report = report_of(tmp_path)
    assert {count.label: count.images for count in report.counts} == {"good": 1, "bad": 1}
    reasons = {name: reason for group in report.left_out for name, reason in [(n, group.reason) for n in group.names]}
    assert reasons == {
        **{name: f"{reason}, not looked into" for name, reason in folders.items()},
        **files,
        "good/empty.png": "empty files of 0 bytes",
        "good/empty.txt": "no image or table",
    }


def test_a_hidden_file_that_a_table_names_is_used_and_not_left_out(tmp_path: Path) -> None:
    lay(tmp_path, ".cache/a.png", "b.png", ".c.png")
    (tmp_path / "manifest.csv").write_text("image,label\n.cache/a.png,x\n.c.png,y\n")
    report = report_of(tmp_path)
    assert left_out(report) == {
        "hidden, not looked into": (".cache/",),
        "images that manifest.csv does not list": ("b.png",),
    }
    assert (report.total, report.used) == (2, 3)


def test_links_are_followed_where_the_caller_named_the_set(tmp_path: Path) -> None:
    lay(tmp_path / "far", "deep/1.png", "2.png")
    lay(tmp_path / "store", "blob")
    folder = lay(tmp_path / "set", "good/0.png")
    (folder / "bad").symlink_to(tmp_path / "far", target_is_directory=True)
    (folder / "good" / "3.png").symlink_to(tmp_path / "store" / "blob")
    (folder / "good" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    images = load_images(folder)
    assert {item.name: item.label for item in images} == {
        "bad/2.png": "bad", "bad/deep/1.png": "bad", "good/0.png": "good", "good/3.png": "good",
    }  # fmt: skip
    assert images.by_name["good/3.png"].open().size == (4, 4)
    assert left_out(report_of(folder)) == {"links to what is not there": ("good/gone.png",)}
    typed = left_out(report_of(folder, follow=False))
    assert [names for _, names in sorted(typed.items())] == [("good/3.png",), ("bad/",), ("good/gone.png",)]


def test_where_all_images_lie_behind_links_the_refusal_says_so(tmp_path: Path, refusal: Refusal) -> None:
    lay(tmp_path / "far", "1.png")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "bad").symlink_to(tmp_path / "far", target_is_directory=True)
    assert "links to folders: copy the files there, or name the set with --images" in refusal(
        lambda: load_images(tmp_path / "set", follow=False)
    )


def test_loops_and_folders_under_two_names_are_read_once_under_their_own(tmp_path: Path) -> None:
    folder = lay(tmp_path / "set", "train/a/1.png", "zoo/b/2.png")
    (folder / "again").symlink_to(folder / "zoo", target_is_directory=True)
    (folder / "train" / "a" / "up").symlink_to(folder / "train", target_is_directory=True)
    (folder / "around").symlink_to(tmp_path, target_is_directory=True)
    lay(tmp_path, "beside/3.png")
    report = report_of(folder)
    assert list(load_images(folder).by_name) == ["around/beside/3.png", "train/a/1.png", "zoo/b/2.png"]
    assert left_out(report) == {
        walks.LOOP: ("around/set/", "train/a/up/"),
        walks.TWICE: ("again/",),
    }


def test_a_table_reaches_through_links_only_where_the_caller_named_the_set(tmp_path: Path, refusal: Refusal) -> None:
    lay(tmp_path / "far", "1.png")
    folder = lay(tmp_path / "set", "0.png")
    (folder / "link").symlink_to(tmp_path / "far", target_is_directory=True)
    (folder / "manifest.csv").write_text("image,label\nlink/1.png,x\n")
    for ref in (folder, folder / "manifest.csv"):
        assert list(load_images(ref).by_name) == ["link/1.png"]
        assert "no such file" in refusal(lambda ref=ref: load_images(ref, follow=False))


def test_the_stamp_sees_what_changes_behind_links_that_are_followed(tmp_path: Path) -> None:
    lay(tmp_path / "far", "1.png")
    folder = lay(tmp_path / "set", "good/0.png")
    (folder / "bad").symlink_to(tmp_path / "far", target_is_directory=True)
    (folder / "good" / "3.png").symlink_to(tmp_path / "far" / "1.png")
    seen, kept = {stamp(str(folder))}, {stamp(str(folder), follow=False)}
    for change in (lambda: lay(tmp_path / "far", "2.png"), lambda: (tmp_path / "far" / "1.png").write_bytes(b"other")):
        change()
        seen.add(stamp(str(folder)))
        kept.add(stamp(str(folder), follow=False))
    assert (len(seen), len(kept)) == (3, 1)
    lay(tmp_path / "set", "@eaDir/x.png")
    assert stamp(str(folder)) not in seen, "the report names what is left out"


def test_names_that_trip_readers(tmp_path: Path) -> None:
    names = [
        "line\nbreak/1.png",
        "a\tb/2\x1b[31m.png",
        "\u202ecba/3.png",
        "x" * 255 + "/" + "y" * 251 + ".png",
        "c:\\d/5.png",
    ]
    lay(tmp_path, *names)
    for raw in (b"caf\xe9", b"\\xe9"):
        os.mkdir(os.path.join(os.fsencode(tmp_path), raw))
        with open(os.path.join(os.fsencode(tmp_path), raw, b"6.png"), "wb") as file:
            file.write(IMAGE)
    images = load_images(tmp_path)
    assert {item.label for item in images} == {name.split("/")[0] for name in names} | {"caf\\xe9", "\\xe9"}
    assert all(item.open().size == (4, 4) for item in images)
    assert report_of(tmp_path).total == 7
    with open(os.path.join(os.fsencode(tmp_path), b"\\xe9", b"\xe9.png"), "wb") as file:
        file.write(IMAGE)
    lay(tmp_path, "\\xe9/\\xe9.png")
    assert left_out(report_of(tmp_path)) == {"names that read like another's": ("\\xe9/\\xe9.png (another)",)}


def test_a_folder_that_may_not_be_read_or_goes_away_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Refusal
) -> None:
    lay(tmp_path, "good/1.png", "shut/2.png", "away/3.png", "last/4.png")
    scandir = os.scandir
    errors = {"shut": PermissionError(13, "Permission denied"), "away": FileNotFoundError(2, "No such file")}

    def scanned(path: str) -> object:
        if (error := errors.get(os.path.basename(path))) is not None:
            raise error
        return scandir(path)

    monkeypatch.setattr(walks.os, "scandir", scanned)
    assert left_out(report_of(tmp_path)) == {walks.DENIED: ("shut/",), walks.GONE: ("away/",)}
    errors[tmp_path.name] = errors["shut"]
    assert "cannot be read (Permission denied): check the folder" in refusal(lambda: load_images(tmp_path))
