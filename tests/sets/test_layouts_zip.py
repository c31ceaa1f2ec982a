from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import workbench as wb
from workbench.images.item import ImageSet
from workbench.sets.layouts import images_from_zip, load_images

Refusal = Callable[[Callable[[], object]], str]


def png(colour: str = "red", size: tuple[int, int] = (8, 6)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def facts(images: ImageSet) -> dict[str, tuple[str | None, str | None, bool]]:
    """Name to (label, split, whether there is a mask)."""
    return {item.name: (item.label, item.split, item.mask is not None) for item in images}


def test_a_zip_is_read_in_place(tmp_path: Path) -> None:
    path = tmp_path / "tiles.zip"
    path.write_bytes(
        zipped({"ok/a.png": png("red"), "crack/b.png": png("blue"), "__MACOSX/ok/._a.png": b"x", "ok/.DS_Store": b"x"})
    )
    images = load_images(path)
    assert facts(images) == {"ok/a.png": ("ok", None, False), "crack/b.png": ("crack", None, False)}
    assert images.name == "tiles"
    assert images.by_name["crack/b.png"].open().getpixel((0, 0)) == (0, 0, 255)
    assert list(tmp_path.iterdir()) == [path]
    assert facts(images_from_zip(path.read_bytes(), "tiles.zip")) == facts(images)


@pytest.mark.parametrize("top", ["data/tiles/", "other/", "tiles/"])
def test_a_zip_may_wrap_its_set_in_folders(top: str) -> None:
    images = images_from_zip(
        zipped({f"{top}train/ok/a.png": png(), f"{top}test/bad/b.png": png(), f"{top}readme.md": b"#"}), "tiles.zip"
    )
    assert facts(images) == {"train/ok/a.png": ("ok", "train", False), "test/bad/b.png": ("bad", "test", False)}
    assert images.name == "tiles"


def test_a_zip_of_a_folder_keeps_that_folders_manifest() -> None:
    images = images_from_zip(
        zipped({"lot/manifest.csv": b"image,label\na.png,bad\n", "lot/a.png": png(), "lot/b.png": png()}), "x.zip"
    )
    assert facts(images) == {"a.png": ("bad", None, False)}


def test_a_zip_of_a_flat_folder_gives_no_labels_but_one_class_folder_does() -> None:
    assert facts(images_from_zip(zipped({"lot7/a.png": png()}), "lot7.zip")) == {"a.png": (None, None, False)}
    assert facts(images_from_zip(zipped({"ok/a.png": png()}), "lot7.zip")) == {"ok/a.png": ("ok", None, False)}


def test_a_folder_nested_very_deeply_is_still_a_set() -> None:
    assert len(images_from_zip(zipped({"d/" * 3000 + "a.png": png()}), "x.zip")) == 1


@pytest.mark.parametrize("name", ["../x.png", "ok/../../x.png", "/etc/x.png", "..\\x.png", "\\\\server\\x.png"])
def test_a_zip_that_climbs_out_is_refused(name: str, refusal: Refusal) -> None:
    data = zipped({"ok/a.png": png(), name: png()})
    assert "points outside of the zip" in refusal(lambda: images_from_zip(data, "x.zip"))


@pytest.mark.parametrize("name", ["C:\\x.png", "c:x.png", "ok/c:x.png"])
def test_a_zip_with_a_name_that_windows_takes_for_a_drive_says_so(name: str, refusal: Refusal) -> None:
    message = refusal(lambda: images_from_zip(zipped({"ok/a.png": png(), name: png()}), "x.zip"))
    assert "names a drive of Windows" in message


def test_a_colon_that_names_no_drive_is_a_sign_like_any_other() -> None:
    images = images_from_zip(zipped({"lot 12:30/ab:c.png": png(), "lot 14:00/c.png": png()}), "x.zip")
    assert facts(images) == {
        "lot 12:30/ab:c.png": ("lot 12:30", None, False),
        "lot 14:00/c.png": ("lot 14:00", None, False),
    }


def test_a_large_file_that_a_zip_stores_is_no_bomb_and_only_it_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "line.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("ok/a.png", png())
        for name in ("ok/line.mp4", "ok/line.tif"):
            with archive.open(name, "w") as member:
                for _ in range(201):
                    member.write(b"\x07" * 2**20)
    images = load_images(path)
    assert images.report is not None
    assert [group.names for group in images.report.left_out] == [("ok/line.mp4",)]
    assert images.by_name["ok/a.png"].open().size == (8, 6)
    message = "ok/line.tif is 201 MB, over the limit of 200 MB: compress or crop it first."
    assert refusal(images.by_name["ok/line.tif"].open) == refusal(lambda: images.by_name["ok/line.tif"].id) == message


def test_a_zip_too_large_as_a_whole_is_no_bomb(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.sets.archives.MAX_UNPACKED", 2**20)
    noise = np.random.default_rng(0).bytes(2**20)
    message = refusal(lambda: images_from_zip(zipped({"ok/a.png": noise, "ok/b.png": noise}), "x.zip"))
    assert "over the limit of" in message
    assert "bomb" not in message


@pytest.mark.parametrize("name", ["manifest.csv", "Manifest.CSV", "MANIFEST.csv"])
def test_a_manifest_counts_in_whatever_case_its_name_is_written(tmp_path: Path, name: str) -> None:
    members = {f"lot/{name}": b"image,label\nok/a.png,bad\n", "lot/ok/a.png": png()}
    assert facts(images_from_zip(zipped(members), "x.zip")) == {"ok/a.png": ("bad", None, False)}
    for member, data in members.items():
        (tmp_path / member).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / member).write_bytes(data)
    assert facts(load_images(tmp_path / "lot")) == {"ok/a.png": ("bad", None, False)}


def test_a_zip_bomb_is_refused(refusal: Refusal) -> None:
    data = zipped({f"ok/{i}.png": b"\0" * 2**24 for i in range(2)})
    assert len(data) < 40_000
    assert "zip bomb" in refusal(lambda: images_from_zip(data, "bomb.zip"))


def test_a_zip_that_lies_about_a_size_is_not_unpacked_beyond_it(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray(zipped({"ok/a.png": b"\0" * 2**26}))
    for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        at = data.index(signature) + offset
        assert data[at : at + 4] == struct.pack("<I", 2**26)
        data[at : at + 4] = struct.pack("<I", 100)
    (item,) = images_from_zip(bytes(data), "lie.zip")
    unpacked = []
    read1 = zipfile.ZipExtFile._read1  # type: ignore[attr-defined]

    def counted(self: zipfile.ZipExtFile, n: int) -> bytes:
        unpacked.append(n)
        return read1(self, n)

    monkeypatch.setattr(zipfile.ZipExtFile, "_read1", counted)
    assert "cannot be unpacked" in refusal(item.open)
    assert unpacked
    assert max(unpacked) < 2**16  # zipfile asks its decompressor for at most this much


def test_a_zip_with_a_password_is_refused(refusal: Refusal) -> None:
    data = bytearray(zipped({"ok/a.png": png()}))
    data[data.index(b"PK\3\4") + 6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    assert "password" in refusal(lambda: images_from_zip(bytes(data), "secret.zip"))


def test_a_zip_with_an_unusual_packing_is_refused(refusal: Refusal) -> None:
    assert "deflate" in refusal(lambda: images_from_zip(zipped({"ok/a.png": png()}, zipfile.ZIP_BZIP2), "x.zip"))


def test_a_zip_that_lists_a_file_twice_is_refused(refusal: Refusal) -> None:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("ok/a.png", png("red"))
        archive.writestr("ok/a.png", png("blue"))
    assert "twice" in refusal(lambda: images_from_zip(buffer.getvalue(), "x.zip"))


def test_a_damaged_zip_is_refused_or_its_images_are(refusal: Refusal) -> None:
    assert "not a zip" in refusal(lambda: images_from_zip(b"PK not really", "x.zip"))
    good = zipped({"ok/a.png": png(size=(50, 50)), "bad/b.png": png("blue"), "manifest.csv": b"image\nok/a.png\n"})
    assert "not a zip" in refusal(lambda: images_from_zip(good[: len(good) // 2], "x.zip"))
    rng, refused = np.random.default_rng(0), 0
    for _ in range(1500):
        data = bytearray(good)
        for at in rng.integers(0, len(data), 2):
            data[at] = rng.integers(0, 256)
        try:
            for item in images_from_zip(bytes(data), "x.zip"):
                item.open()
        except wb.InputError:
            refused += 1
    assert 300 < refused < 1500


def test_a_manifest_within_a_zip_stays_in_the_zip(tmp_path: Path, refusal: Refusal) -> None:
    outside = tmp_path / "secret.png"
    outside.write_bytes(png())
    data = zipped({"manifest.csv": f"image\n{outside}\n".encode(), "a.png": png()})
    assert "line 2" in refusal(lambda: images_from_zip(data, "x.zip"))
