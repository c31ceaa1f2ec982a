"""Names in zips that do not say how they are encoded, and zips of every form that tools write."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from laid import photo

from workbench.catalog import ReadOptions
from workbench.images.item import ImageSet
from workbench.images.report import Guess
from workbench.sets.layouts import images_from_zip, load_images
from workbench.sets.zip_names import ENCODINGS, member_names

Refusal = Callable[[Callable[[], object]], str]
IMAGE = photo(0, size=(4, 4))


def zipped(
    names: Mapping[bytes, bytes] | list[bytes], *, flag: int = 0, extra: Mapping[bytes, bytes] | None = None
) -> bytes:
    """A zip as tools write it that know of no UTF-8: names as bytes."""
    members = names if isinstance(names, Mapping) else dict.fromkeys(names, IMAGE)
    body, index = b"", b""
    for name, data in members.items():
        more = (extra or {}).get(name, b"")
        about = (20, flag, 0, 0, 0x21, zlib.crc32(data), len(data), len(data), len(name), len(more))
        index += b"PK\1\2" + struct.pack("<6H3I5H2I", 20, *about, 0, 0, 0, 0, len(body))[:42] + name + more
        body += b"PK\3\4" + struct.pack("<5H3I2H", *about) + name + more + data
    return body + index + b"PK\5\6" + struct.pack("<4H2IH", 0, 0, len(members), len(members), len(index), len(body), 0)


def of_names(images: ImageSet) -> list[Guess]:
    """What was understood of how names are encoded."""
    assert images.report is not None
    return [guess for guess in images.report.guesses if guess.option == "names"]


SETS = {
    "gbk": ["良品/图1.png", "缺陷/图2.png"],
    "cp932": ["良品/画像1.png", "ソース不良/表2.png"],  # whose second bytes are backslashes
    "cp949": ["정상/1.png", "불량/2.png"],
    "big5": ["良品/a.png", "瑕疵/b.png", "測試/c.png"],
    "cp437": ["Größe/a.png", "Kratzer/über.png"],
    "cp850": ["São Paulo/ação.png", "mão/b.png"],
    "cp1252": ["Größe/a.png", "café/ñandú.png"],
    "cp866": ["дефект/обучение.png", "Хорошо/1.png"],
    "cp1251": ["дефект/обучение.png", "Хорошо/1.png"],
    "utf-8": ["Größe/a.png", "良品/b.png", "정상/c.png"],
}


@pytest.mark.parametrize("encoding", SETS)
def test_names_are_told_by_the_text_that_they_make(encoding: str) -> None:
    names = [*SETS[encoding], "plain/1.png"]
    images = images_from_zip(zipped([name.encode(encoding) for name in names]), "x.zip")
    assert set(images.by_name) == set(names)
    assert {item.label for item in images} == {name.split("/")[0] for name in names}
    (guess,) = of_names(images)
    assert (guess.value, guess.how, guess.option) == (
        f"{len(names) - 1} names read as {ENCODINGS[encoding]}", "recognised", "names"
    )  # fmt: skip
    assert images.report is not None
    assert images.report.questions == ()
    assert all(item.open().size == (4, 4) for item in images)


def test_where_two_encodings_are_as_likely_it_is_asked_and_the_answer_obeyed(refusal: Refusal) -> None:
    name = next(text for text in ("辊笼/1.png", "辐条/1.png", "芯片/1.png") if asked(zipped([text.encode("gbk")])))
    data = zipped([name.encode("gbk")])
    images = images_from_zip(data, "x.zip")
    assert images.report is not None
    (question,) = images.report.questions
    assert question.option == "names"
    choices = dict(question.choices)
    assert name in choices["gbk"]
    assert images.items[0].name in question.choices[0][1], "the first choice is what was taken"
    for encoding, meaning in choices.items():
        answered = images_from_zip(data, "x.zip", ReadOptions(names=encoding))
        assert answered.items[0].name in meaning
        assert answered.report is not None
        assert answered.report.questions == ()
        assert [guess.how for guess in of_names(answered)] == ["stated"]
    assert "no text in utf-8" in refusal(lambda: images_from_zip(data, "x.zip", ReadOptions(names="utf-8")))
    assert "choose one of utf-8, gbk" in refusal(lambda: images_from_zip(data, "x.zip", ReadOptions(names="rot13")))


def asked(data: bytes) -> bool:
    report = images_from_zip(data, "x.zip").report
    return report is not None and bool(report.questions)


def test_an_encoding_that_nothing_asks_for_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "a.png").write_bytes(IMAGE)
    options = ReadOptions(names="gbk")
    assert "states how its names are encoded" in refusal(lambda: images_from_zip(zipped([b"a.png"]), "x.zip", options))
    assert "is no zip, so the option 'names'" in refusal(lambda: load_images(tmp_path, options=options))


def test_names_are_sure_where_the_zip_states_them() -> None:
    raw, name = "良品/1.png".encode("gbk"), "良品/1.png"
    path = struct.pack("<BI", 1, zlib.crc32(raw)) + name.encode()
    stale = struct.pack("<BI", 1, zlib.crc32(b"renamed since")) + b"old/1.png"
    for content, guesses in ((path, 0), (stale, 1)):
        extra = b"UT\5\0" + bytes(5) + struct.pack("<HH", 0x7075, len(content)) + content
        images = images_from_zip(zipped([raw], extra={raw: extra}), "x.zip")
        assert list(images.by_name) == [name]
        assert len(of_names(images)) == guesses
    images = images_from_zip(zipped([name.encode()], flag=0x800), "x.zip")
    assert list(images.by_name) == [name]
    assert of_names(images) == []


def test_any_bytes_are_names_of_some_kind_and_never_trip_the_reader() -> None:
    rng = random.Random(0)
    for _ in range(400):
        info = zipfile.ZipInfo("a")
        info.orig_filename = bytes(rng.choice([rng.randrange(128, 256), 65]) for _ in range(8)).decode("cp437")
        info.extra = bytes(rng.randrange(256) for _ in range(rng.randrange(12)))
        names = member_names([info], "x.zip")
        assert len(names.texts) == 1
        assert names.guesses or info.orig_filename.isascii()


@pytest.mark.parametrize(("form", "written"), [("e\u0301", "\u00e9"), ("\u00e9", "e\u0301")])
def test_a_table_finds_names_whose_accents_are_written_otherwise(tmp_path: Path, form: str, written: str) -> None:
    table = f"image,label\nd{written}faut/1.png,bad\n".encode()
    images = images_from_zip(zipped({f"d{form}faut/1.png".encode(): IMAGE, b"manifest.csv": table}), "x.zip")
    (tmp_path / f"d{form}faut").mkdir()
    (tmp_path / f"d{form}faut" / "1.png").write_bytes(IMAGE)
    (tmp_path / "manifest.csv").write_bytes(table)
    for found in (images, load_images(tmp_path), load_images(tmp_path / "manifest.csv")):
        assert {item.name: item.label for item in found} == {f"d{written}faut/1.png": "bad"}
        assert found.report is not None
        assert found.report.left_out == ()
        assert "1 files found under names in accents written as signs of their own, or not" in str(found.report.guesses)


def test_a_table_finds_names_in_other_capitals_where_one_file_alone_can_be_meant(tmp_path: Path) -> None:
    (tmp_path / "Images").mkdir()
    for name in ("A.JPG", "b.png", "c.png", "C.png"):
        (tmp_path / "Images" / name).write_bytes(IMAGE)
    table = tmp_path / "manifest.csv"
    table.write_text("image,label\nimages\\a.jpg,x\n./IMAGES/b.png,y\nImages/C.png,z\n")
    for ref in (tmp_path, table):
        images = load_images(ref)
        assert [item.source.path.name for item in images] == ["A.JPG", "b.png", "C.png"]  # type: ignore[attr-defined]
        assert images.report is not None
        assert "2 files found under names in other capitals" in [guess.value for guess in images.report.guesses]
    assert {name for group in load_images(tmp_path).report.left_out for name in group.names} == {"Images/c.png"}  # type: ignore[union-attr]
    table.write_text("image,label\nImages/A.JPG,x\nimages/c.PNG,z\n")
    for ref in (tmp_path, table):
        images = load_images(ref)
        assert list(images.by_name) == ["Images/A.JPG"]
        assert images.report is not None
        assert "line 3 (images/c.PNG)" in next(f.sentence for f in images.report.findings if f.kind == "missing")


def test_decomposed_and_composed_class_folders_are_one_class() -> None:
    names = ["O\u0308l/1.png".encode(), "\u00d6l/2.png".encode()]
    assert images_from_zip(zipped(names, flag=0x800), "x.zip").class_names == ("\u00d6l",)


def test_members_that_are_no_files_of_the_set_are_told() -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in ("good\\1.png", "bad/2.png", "__MACOSX/bad/._2.png", "bad/.DS_Store", "inner.zip", "bad/Thumbs.db"):
            archive.writestr(name, IMAGE)
        archive.writestr("good\\", b"")
        archive.writestr("bad/empty.png", b"")
        link = zipfile.ZipInfo("bad/link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "2.png")
    images = images_from_zip(data.getvalue(), "x.zip")
    assert {item.name: item.label for item in images} == {"good/1.png": "good", "bad/2.png": "bad"}
    report = images.report
    assert report is not None
    assert sorted((group.reason.split(",")[0].split(":")[0], group.names) for group in report.left_out) == [
        ("archives", ("inner.zip",)),
        ("companions of files", ("__MACOSX/bad/._2.png",)),
        ("empty files of 0 bytes", ("bad/empty.png",)),
        ("links", ("bad/link.png",)),
        ("settings of a folder in macOS", ("bad/.DS_Store",)),
        ("thumbnails of Windows", ("bad/Thumbs.db",)),
    ]
    assert (report.listed, report.used) == (8, 2)


class Pipe(io.RawIOBase):
    """Where a zip is written to without going back, so that sizes stand behind each member."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += bytes(data)  # type: ignore[call-overload]
        return len(data)  # type: ignore[arg-type]


@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zips_of_64_bits_and_of_streams_are_read(zip64: bool, kind: int) -> None:
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", kind) as archive, archive.open("a/1.png", "w", force_zip64=zip64) as member:
        member.write(IMAGE)
    images = images_from_zip(b"a program that unpacks itself" + pipe.data, "x.zip")
    assert np.array_equal(
        images.by_name["a/1.png"].open(), images_from_zip(zipped([b"a/1.png"]), "x.zip").items[0].open()
    )


def split_last() -> bytes:
    data = bytearray(zipped([b"a/1.png"]))
    data[data.rindex(b"PK\5\6") + 4] = 1
    return bytes(data[40:])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"7z\xbc\xaf\x27\x1c\0\4", "not a zip but a 7z archive: unpack it and give the folder, or zip that"),
        (b"Rar!\x1a\x07\1\0", "not a zip but a RAR archive"),
        (b"\x1f\x8b\x08\0", "not a zip but a gzip archive"),
        (b"a.png".ljust(257, b"\0") + b"ustar\x0000", "not a zip but a tar archive"),
        (b"\n<!DOCTYPE html><html>", "not a zip but a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not a zip but the pointer of Git LFS to it"),
        (zipped([b"a/1.png"])[:60], "not a zip this can read, for its end is missing"),
        (split_last(), "the last of several parts, not a zip of its own"),
        (b"", "not a zip this can read: zip the folder again"),
        (b"nothing", "not a zip this can read: zip the folder again"),
    ],
)
def test_what_is_no_zip_is_called_what_it_is(tmp_path: Path, refusal: Refusal, data: bytes, says: str) -> None:
    (tmp_path / "x.zip").write_bytes(data)
    assert refusal(lambda: images_from_zip(data, "x.zip")).startswith(f"x.zip is {says}")
    assert refusal(lambda: load_images(tmp_path / "x.zip")).startswith(f"x.zip is {says}")
