"""One image under two labels, in two splits, under two names, or as its own mask: against a comparison of all bytes."""

from __future__ import annotations

import io
import itertools
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from laid import disc, photo

from workbench.catalog import ReadOptions
from workbench.images.item import BytesSource, FileSource, ImageItem, ImageSet, Source
from workbench.sets import contradictions as module
from workbench.sets.contradictions import contradictions
from workbench.sets.layouts import images_from_zip, load_images

A, B = photo(1), photo(2)
KINDS = {"label", "split", "twice", "form", "case", "mask"}


def lay(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def found(images: ImageSet) -> dict[str, tuple[str, ...]]:
    assert images.report is not None
    return {finding.kind: finding.images for finding in images.report.findings if finding.kind in KINDS}


@pytest.mark.parametrize("zip_it", [False, True])
def test_the_same_bytes_under_two_labels_and_in_two_splits(tmp_path: Path, zip_it: bool) -> None:
    files = {
        "train/good/1.png": A, "train/bad/2.png": A, "train/bad/3.png": B, "test/bad/4.png": B, "test/bad/5.png": B,
        "train/good/6.png": photo(3), "test/good/7.png": photo(4), "train/bad/copy of 3.png": B,
    }  # fmt: skip
    images = images_from_zip(zipped(files), "x.zip") if zip_it else load_images(lay(tmp_path, files))
    assert found(images) == {
        "label": ("train/bad/2.png", "train/good/1.png"),
        "split": tuple(
            name
            for other in ("test/bad/5.png", "train/bad/3.png", "train/bad/copy of 3.png")
            for name in ("test/bad/4.png", other)
        ),
    }
    assert images.report is not None
    assert [finding.sentence for finding in images.report.findings if finding.kind in KINDS] == [
        "2 images hold the same bytes under several labels: train/bad/2.png (bad, train) = train/good/1.png"
        " (good, train).",
        "4 images hold the same bytes in several splits: test/bad/4.png (bad, test) = test/bad/5.png (bad, test) ="
        " train/bad/3.png (bad, train) = train/bad/copy of 3.png (bad, train).",
    ]


def test_a_label_that_is_corrected_contradicts_nothing(tmp_path: Path) -> None:
    folder = lay(tmp_path, {"good/1.png": A, "ok/2.png": A, "bad/3.png": B})
    assert set(found(load_images(folder))) == {"label"}
    assert found(load_images(folder, options=ReadOptions(labels={"ok": "good"}))) == {}
    assert found(load_images(folder, options=ReadOptions(labels={"ok": ""}))) == {}


def test_one_file_under_two_names_of_a_table(tmp_path: Path) -> None:
    lay(tmp_path, {"a.png": A, "b.png": B, "deep/c.png": photo(3)})
    (tmp_path / "deep" / "d.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "m.csv").write_text("image,label,split\ndeep/../b.png,x,\ndeep/d.png,y,\n")
    assert found(load_images(tmp_path / "m.csv")) == {"label": ("deep/../b.png", "deep/d.png")}
    rows = (("a.png", "x", "train"), ("./a.png", "y", "test"))
    findings, _ = contradictions([ImageItem(n, FileSource(tmp_path / n), label=k, split=s) for n, k, s in rows])
    pair = ("a.png", "./a.png")
    assert {finding.kind: finding.images for finding in findings} == {"label": pair, "split": pair, "twice": pair}


def test_names_that_differ_in_capitals_or_accents_alone(tmp_path: Path) -> None:
    files = {
        "x/a.PNG": A,
        "x/a.png": A,
        "x/b.png": B,
        "x/B.png": photo(3),
        "x/\u00e9.png": photo(4),
        "x/e\u0301.png": photo(5),
    }
    images = load_images(lay(tmp_path, files))
    assert found(images) == {"case": ("x/a.PNG", "x/a.png"), "form": ("x/e\u0301.png", "x/\u00e9.png")}


def test_an_image_that_is_its_own_mask(tmp_path: Path) -> None:
    lay(tmp_path, {"a.png": A, "b.png": B, "ma.png": A, "mb.png": disc(3), "mc.png": disc(3), "c.png": photo(3)})
    (tmp_path / "m.csv").write_text("image,mask\na.png,ma.png\nb.png,mb.png\nc.png,mc.png\n")
    assert found(load_images(tmp_path / "m.csv")) == {"mask": ("a.png", "a.png")}


def same(items: list[ImageItem]) -> set[frozenset[str]]:
    """Pairs of names by a plain comparison of all bytes."""
    pairs = itertools.combinations(items, 2)
    return {frozenset((a.name, b.name)) for a, b in pairs if a.source.read() == b.source.read() and a.label != b.label}


def test_files_of_one_size_that_differ_in_one_byte_anywhere_are_told_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for size in (1, 100, 4096, 8192, 8193, 50_000):
        whole = rng.bytes(size)
        places = {0, size // 2, size - 1, min(4096, size - 1), max(size - 4097, 0)}
        datas = [whole, whole, *(bytes(b ^ (n == place) for n, b in enumerate(whole)) for place in sorted(places))]
        items = []
        for number, data in enumerate([*datas, datas[-1]]):
            path = tmp_path / f"{size}-{number}.png"
            path.write_bytes(data)
            source: Source = FileSource(path) if size > 1 else BytesSource(data)
            items.append(ImageItem(path.name, source, label=f"label {number}"))
        (finding,), _ = contradictions(items)
        pairs = {frozenset(finding.images[at : at + 2]) for at in range(0, len(finding.images), 2)}
        assert pairs <= same(items)
        assert {name for pair in pairs for name in pair} == {name for pair in same(items) for name in pair}


def test_only_files_of_one_size_and_like_ends_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    big, read = bytes(range(256)) * 100, []
    files = {
        "x/a.png": big,
        "y/b.png": big,
        "x/c.png": b"1" + big[1:],
        "y/d.png": big[:-1] + b"1",
        "y/e.png": big + b"1",
    }
    lay(tmp_path, files)
    digest = FileSource.digest.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(FileSource, "digest", property(lambda source: read.append(source.path.name) or digest(source)))
    opened = []
    open_file = module.open_file
    monkeypatch.setattr(module, "open_file", lambda path: opened.append(path.name) or open_file(path))
    assert found(load_images(tmp_path)) == {"label": ("x/a.png", "y/b.png")}
    assert sorted(read) == ["a.png", "b.png"]
    assert sorted(opened) == ["a.png", "b.png", "c.png", "d.png"]


def test_where_time_runs_out_the_report_says_at_how_many_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lay(tmp_path, {"x/a.png": A, "y/b.png": A, "x/c.png": photo(3, size=(9, 9))})
    monkeypatch.setattr(module, "LOOKING", -1.0)
    images = load_images(folder)
    assert found(images) == {}
    assert images.report is not None
    (guess,) = [guess for guess in images.report.guesses if "bytes that are there twice" in guess.value]
    assert guess.value == "1 of 3 images were looked at for bytes that are there twice"


def test_files_that_change_or_go_while_they_are_compared_trip_nothing(tmp_path: Path) -> None:
    lay(tmp_path, {"a.png": A, "b.png": A, "c.png": A})
    items = [ImageItem(name, FileSource(tmp_path / name), label=name) for name in ("a.png", "b.png", "c.png", "d.png")]
    os.remove(tmp_path / "b.png")
    (finding,), _ = contradictions(items)
    assert finding.images == ("a.png", "c.png")

    class Growing(FileSource):
        @property
        def size(self) -> int:
            with open(self.path, "ab") as file:
                file.write(self.path.name.encode())
            return len(A)

    growing = [ImageItem(name, Growing(tmp_path / name), label=name) for name in ("a.png", "c.png")]
    assert contradictions(growing) == ([], [])


def test_images_whose_label_is_left_out_are_left_out_once_with_their_masks(tmp_path: Path) -> None:
    files = {"set/good/1.png": A, "set/bad/2.jpg": photo(2, "jpg"), "set/bad/2.png": disc(3), "set/ok/3.png": photo(3)}
    report = load_images(lay(tmp_path, files), options=ReadOptions(labels={"bad": ""})).report
    assert report is not None
    assert [group.names for group in report.left_out] == [("set/bad/2.jpg", "set/bad/2.png")]
    assert (report.used, report.listed) == (2, 4)
