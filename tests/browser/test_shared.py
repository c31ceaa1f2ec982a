"""On an address that others reach, visitors see names and no folder of the server: on every page, and of whatever goes
wrong."""

import contextlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from plain_nets import model_folder
from visiting import Visitor, launched

from workbench.catalog import home

PAGES = ("", "explain", "bias", "defects", "journal", "probe")


def image_set(folder):
    for number in range(12):
        path = folder / ("test", "train")[number % 2] / ("good", "bad")[number // 2 % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)


class Shared:
    """A server for everybody, whose model, set, catalog, journal and cache lie in folders with spaces in their
    names."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port

    def seen(self, page="", query="", seconds=20):
        """All that the server sends to draw a page, as bytes."""
        visitor = Visitor(self.port, page, query)
        drawn = []
        for message in visitor.messages(seconds):
            if message.HasField("delta"):
                drawn.append(message.SerializeToString())
            if message.HasField("script_finished"):
                break
        visitor.socket.close()
        assert drawn
        return b"\n".join(drawn)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a server") / "its own"
    model_folder(folder / "models" / "one")
    image_set(folder / "sets" / "parts")
    (folder / "config").mkdir()
    (folder / "config" / "workbench.toml").write_text('[images.other]\ntitle = "Other"\nref = "../sets/gone"\n')
    settings = {
        "WORKBENCH_MODEL": str(folder / "models" / "one"),
        "WORKBENCH_IMAGES": str(folder / "sets" / "parts"),
        "WORKBENCH_CONFIG": str(folder / "config" / "workbench.toml"),
        "WORKBENCH_CACHE": str(folder / "cache"),
        "WORKBENCH_JOURNAL": str(folder / "journal.sqlite"),
    }
    with launched(folder, host="0.0.0.0", OMP_NUM_THREADS="1", **settings) as (port, _):
        yield Shared(folder, port)


def betrayed(shared, drawn):
    """The folders of this machine that stand in what was drawn."""
    places = {shared.folder, shared.folder.parent, home(), Path(sys.prefix), Path.home() / ".cache"}
    return [str(place) for place in places if str(place).encode() in drawn]


@contextlib.contextmanager
def broken(path, data):
    """A file with other contents for a while; a folder in its place where `data` is None."""
    kept = path.with_name(f"{path.name} kept")
    there = path.exists()
    if there:
        shutil.move(path, kept)
    path.mkdir() if data is None else path.write_bytes(data)
    try:
        yield
    finally:
        shutil.rmtree(path) if data is None else path.unlink()
        if there:
            shutil.move(kept, path)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_no_folder_of_the_server(shared, page):
    drawn = shared.seen(page)
    assert betrayed(shared, drawn) == []
    assert b"one" in drawn


@pytest.mark.parametrize(
    "query", ["model=/etc/passwd&set=/etc", "set=other", "model=package:skimage/data", "image=/etc/passwd"]
)
def test_a_link_is_answered_without_a_folder(shared, query):
    assert betrayed(shared, shared.seen("", query)) == []


TROUBLES = {
    "a model description that is none": ("", "models/one/model.toml", b"this is = = no toml"),
    "no model description": ("", "models/one/model.toml", None),
    "weights that are none": ("explain", "models/one/model.safetensors", b"no weights"),
    "predictions that are none": ("", "models/one/predictions.parquet", b"no table"),
    "a manifest of what is not there": ("", "sets/parts/manifest.csv", b"image,label\ngone.png,good\n"),
    "a catalog that is none": ("", "config/workbench.toml", b"[images.x]\nnothing = 1\n"),
    "no catalog": ("", "config/workbench.toml", None),
    "a journal that is none": ("journal", "journal.sqlite", b"this is no database, whatever it is called" * 100),
    "a journal that is a folder": ("journal", "journal.sqlite", None),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_goes_wrong_is_told_without_a_folder(shared, trouble):
    page, name, data = TROUBLES[trouble]
    with broken(shared.folder / name, data):
        drawn = shared.seen(page)
    assert betrayed(shared, drawn) == []
    assert b"Unexpected error" not in drawn
