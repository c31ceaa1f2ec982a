"""Only files are read: a pipe, a socket or a device under a file's name is told of at once, and no folder is looked
through for ever."""

import os
import socket
import threading

import numpy as np
import pytest
from PIL import Image

import workbench as wb
from workbench.catalog import load_catalog, read_toml
from workbench.files.disk import open_file, read_file
from workbench.images.item import FileSource, ImageItem, image_from_file
from workbench.models.folder import read_spec
from workbench.sets import walks
from workbench.sets.layouts import load_images, stamp

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names"),
]
KINDS = ("pipe", "socket", "device", "folder")


def special(path, kind):
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's own name is short
        socket.socket(socket.AF_UNIX).bind(path.name)
        os.chdir(here)
    elif kind == "folder":
        path.mkdir()
    else:
        try:
            os.mknod(path, 0o20666, os.makedev(1, 5))  # zeros without end
        except OSError:
            pytest.skip("only root makes devices")
    return path


def image(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(path)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_a_file_is_opened(tmp_path, kind):
    with pytest.raises(OSError, match=r"."):
        open_file(special(tmp_path / "x.png", kind))


def test_a_file_that_is_longer_than_it_says_is_cut_off(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    assert read_file(tmp_path / "x", 5) == b"12345"
    with pytest.raises(OSError, match="longer than it says"):
        read_file(tmp_path / "x", 4)


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_an_image_or_a_mask_that_is_no_file_is_one_sentence(tmp_path, refusal, kind):
    for name in ("good/1.png", "bad/2.png", "bad/mask.jpg"):
        image(tmp_path / "set" / name)
    special(tmp_path / "set" / "good" / "3.png", kind)
    special(tmp_path / "set" / "bad" / "mask.png", kind)
    found = load_images(tmp_path / "set")
    assert stamp(str(tmp_path / "set"), found)
    assert [(group.reason, group.names) for group in found.report.left_out] == [
        ("pipes, sockets or devices, not files", ("bad/mask.png", "good/3.png"))
    ]
    pipe, mask = (FileSource(tmp_path / "set" / name) for name in ("good/3.png", "bad/mask.png"))
    assert "cannot be read" in refusal(lambda: ImageItem("3.png", pipe).open())
    refusal(lambda: ImageItem("3.png", pipe).id)
    photo = FileSource(tmp_path / "set" / "bad" / "mask.jpg")
    assert "cannot be read" in refusal(lambda: ImageItem("mask.jpg", photo, mask=mask).open_mask())
    assert found.key
    assert found.by_name["good/1.png"].open().size == (20, 20)
    refusal(lambda: image_from_file(tmp_path / "set" / "good" / "3.png"))


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_describes_a_set_or_a_model_must_be_a_file(tmp_path, refusal, monkeypatch, kind):
    for name in ("manifest.csv", "manifest.parquet", "set.zip", "other.csv"):
        path = special(tmp_path / name.replace(".", "-") / name, kind)
        refusal(lambda path=path: load_images(path))
        refusal(lambda path=path: load_images(path.parent))
    refusal(lambda: read_toml(special(tmp_path / "a" / "model.toml", kind)))
    refusal(lambda: wb.load_classifier(tmp_path / "a"))
    folder = tmp_path / "b"
    special(folder / "names.txt", kind)
    (folder / "model.toml").write_text('architecture = "timm:resnet10t"\nweights = "w.pth"\nclasses = "names.txt"\n')
    refusal(lambda: read_spec(folder))
    (folder / "model.toml").write_text('architecture = "timm:resnet10t"\nweights = "w.pth"\nclasses = ["a", "b"]\n')
    special(folder / "w.pth", kind)
    refusal(lambda: wb.load_classifier(folder))
    monkeypatch.chdir(special(tmp_path / "c" / "workbench.toml", kind).parent)
    assert load_catalog().models, "it is none"


def test_looking_through_a_folder_ends(tmp_path, refusal, monkeypatch):
    for number in range(3):
        image(tmp_path / "set" / str(number) / "x.png")
    monkeypatch.setattr(walks, "LISTING", -1.0)
    assert "takes over" in refusal(lambda: load_images(tmp_path / "set"))


@pytest.mark.parametrize("ref", ["/", "////", "/proc", "/dev", "~"])
def test_a_whole_disk_is_refused_or_read_in_bounded_time(ref, refusal, monkeypatch):
    monkeypatch.setattr(walks, "LISTING", 2.0)
    monkeypatch.setattr(walks, "MAX_FILES", 20_000)
    ended = []

    def asked():
        try:
            load_images(ref)
        except wb.InputError as error:
            ended.append(str(error))
        else:
            ended.append("")

    thread = threading.Thread(target=asked, daemon=True)
    thread.start()
    thread.join(30)
    assert ended
    assert "Errno" not in ended[0]
