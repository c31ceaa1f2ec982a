"""Folders of any size that change while they are looked at, and what links may not do in them."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from workbench.images.item import image_from_file
from workbench.sets import walks
from workbench.sets.layouts import load_images, stamp

Refusal = Callable[[Callable[[], object]], str]


def png(colour: str = "red", size: tuple[int, int] = (8, 6)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def lay(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png())
    return folder


def test_a_folder_of_too_many_files_is_refused_before_the_walk_ends(
    tmp_path: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path, *(f"{kind}/{n}.{end}" for kind in "abcdef" for n in range(3) for end in ("png", "txt")))
    monkeypatch.setattr(walks, "MAX_FILES", 50)
    assert len(load_images(tmp_path)) == 18
    monkeypatch.setattr(walks, "MAX_FILES", 20)
    walked = []
    scandir = os.scandir
    monkeypatch.setattr(walks.os, "scandir", lambda folder: walked.append(folder) or scandir(folder))
    assert "over 20 files and folders" in refusal(lambda: load_images(tmp_path))
    assert len(walked) < 5


def test_a_link_out_of_the_folder_that_a_visitor_typed_is_told_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png())
    folder = lay(tmp_path / "tiles", "ok/a.png", "ok/b.png")
    (folder / "ok" / "within.png").symlink_to(folder / "ok" / "a.png")
    (folder / "elsewhere").symlink_to(tmp_path, target_is_directory=True)
    (folder / "notes.txt").symlink_to(tmp_path / "secret.png")
    (folder / "ok" / "out.png").symlink_to(tmp_path / "secret.png")
    images = load_images(folder, follow=False)
    assert list(images.by_name) == ["ok/a.png", "ok/b.png", "ok/within.png"]
    assert images.report is not None
    assert {group.reason.split(":")[0]: group.names for group in images.report.left_out} == {
        "links that lead out of the set": ("notes.txt", "ok/out.png"),
        "links to folders": ("elsewhere/",),
    }
    assert all("name the set with --images" in group.reason for group in images.report.left_out)


def change(path: Path, seconds: int) -> None:
    """Set the time of change, which a file system may keep too coarsely for a test."""
    os.utime(path, (path.stat().st_mtime + seconds,) * 2)


@pytest.mark.parametrize("wrapped", ["", "train/", "train/deep/"])
def test_the_stamp_of_a_folder_follows_images_that_come_and_go(tmp_path: Path, wrapped: str) -> None:
    folder = lay(tmp_path, f"{wrapped}a.png", f"{wrapped}b.png", "other/c.png")
    before = stamp(str(folder))
    assert stamp(str(folder)) == before
    (folder / f"{wrapped}d.png").write_bytes(png())
    assert stamp(str(folder)) != before
    (folder / f"{wrapped}d.png").unlink()
    assert stamp(str(folder)) == before


def test_the_stamp_sees_an_image_that_is_written_over_at_the_same_size_and_time(tmp_path: Path) -> None:
    folder = lay(tmp_path, "ok/deep/deeper/a.png")
    path = folder / "ok/deep/deeper/a.png"
    before, was = stamp(str(folder)), path.stat()
    path.write_bytes(bytes(len(path.read_bytes())))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)
    assert stamp(str(folder)) != before


def test_the_stamp_of_a_manifest_follows_the_images_and_masks_that_it_names(tmp_path: Path) -> None:
    lay(tmp_path, "in/a.png", "in/m.png")
    (tmp_path / "set.csv").write_text("image,mask\nin/a.png,in/m.png\n")
    ref = str(tmp_path / "set.csv")
    images = load_images(ref)
    seen = {stamp(ref, images)}
    for name in ("in/a.png", "in/m.png"):
        (tmp_path / name).write_bytes(b"another")
        seen.add(stamp(ref, images))
    assert len(seen) == 3


def test_the_stamp_sees_a_new_folder_and_what_comes_into_it(tmp_path: Path) -> None:
    before = stamp(str(lay(tmp_path, "ok/a.png")))
    lay(tmp_path, "bad/b.png")
    change(tmp_path, 5)
    more = stamp(str(tmp_path))
    lay(tmp_path, "bad/c.png")
    change(tmp_path / "bad", 5)
    assert len({before, more, stamp(str(tmp_path))}) == 3


@pytest.mark.parametrize("name", ["set.zip", "set.csv", "folder/manifest.csv", "folder/lot/manifest.csv"])
def test_the_stamp_of_a_zip_or_manifest_follows_its_bytes(tmp_path: Path, name: str) -> None:
    path = lay(tmp_path, name) / name
    ref = tmp_path / name.split("/")[0]
    before = stamp(str(ref))
    path.write_bytes(b"other and longer" * 50)
    longer = stamp(str(ref))
    change(path, 5)
    assert len({before, longer, stamp(str(ref))}) == 3


def test_the_stamp_of_a_catalog_entry_is_that_of_its_folder() -> None:
    assert stamp("everyday") == stamp("everyday") != stamp("no such folder")


@pytest.mark.parametrize("ref", ["", "no-such-set", "a\0b", "elpv"])
def test_what_lies_nowhere_has_a_stamp_that_stays(ref: str) -> None:
    assert stamp(ref) == stamp(ref)


def test_what_is_no_set_is_told_by_its_true_cause(tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / "x.heic").write_bytes(b"ftypheic")
    assert "1 file left out, HEIC images, which are not read: save them as JPEG or PNG" in refusal(
        lambda: load_images(tmp_path / "phone")
    )
    assert "address of the network" in refusal(lambda: load_images("https://example.com/parts.zip"))
    assert "is a folder: name one image in it" in refusal(lambda: image_from_file(tmp_path))
