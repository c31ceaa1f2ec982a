"""Endings and encodings as strangers have them: read right by value, or left out with what they are."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from laid import encoded, photo
from PIL import Image, features

from workbench.errors import InputError
from workbench.images import BytesSource, ImageItem, Raster
from workbench.models.preprocessing import Preprocessing
from workbench.sets import load_images

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (32, 48), np.uint8)
COLOUR = RNG.integers(0, 256, (32, 48, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (32, 48, 3), np.uint16)
SMOOTH = np.asarray(Image.fromarray(COLOUR[:5, :6]).resize((48, 32)))
PALETTE = Image.fromarray(COLOUR).quantize(16)


def tiff(values: np.ndarray, **how: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **how)
    return buffer.getvalue()


def pages(*written: tuple[np.ndarray, dict[str, object]]) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        for values, how in written:
            file.write(np.ascontiguousarray(values), **how)
    return buffer.getvalue()


def saved(image: Image.Image, kind: str = "TIFF", **how: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., None], 3, -1)


def bare(bits: int, photometric: int, data: bytes) -> bytes:
    """A TIFF of 48 x 32 packed values, written by the specification (TIFF 6.0, section 2)."""
    entries = [
        (256, 3, 1, 48), (257, 3, 1, 32), (258, 3, 1, bits), (259, 3, 1, 1), (262, 3, 1, photometric), (273, 4, 1, 8),
        (277, 3, 1, 1), (278, 4, 1, 32), (279, 4, 1, len(data)),
    ]  # fmt: skip
    table = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + table + struct.pack("<I", 0)


FOUR, TWELVE = GREY >> 4, RNG.integers(0, 4096, (32, 48))
PACKED_FOUR = (FOUR[:, ::2] << 4 | FOUR[:, 1::2]).tobytes()
LEFT, RIGHT = TWELVE[:, ::2], TWELVE[:, 1::2]
PACKED_TWELVE = np.stack([LEFT >> 4, (LEFT & 15) << 4 | RIGHT >> 8, RIGHT & 255], -1).astype(np.uint8).tobytes()
COLOURS = RNG.integers(0, 256, (3, 256)).astype(np.uint16)
RGB, PLANES, SMALL = {"photometric": "rgb"}, {"photometric": "rgb", "planarconfig": "separate"}, {"subfiletype": 1}
TIFFS = {
    "LZW (Pillow 3055)": (saved(Image.fromarray(COLOUR), compression="tiff_lzw"), COLOUR),
    "LZW, 16 bit": (saved(Image.fromarray(DEEP[..., 0]), compression="tiff_lzw"), DEEP[..., :1]),
    "PackBits": (saved(Image.fromarray(COLOUR), compression="packbits"), COLOUR),
    "fax, 1 bit": (saved(Image.fromarray(GREY > 127), compression="group4"), grey(np.uint8(255) * (GREY > 127))),
    "1 bit, white is zero": (tiff(GREY > 127, photometric="miniswhite"), grey(np.uint8(255) * (GREY <= 127))),
    "8 bit, white is zero (Pillow 2278)": (tiff(GREY, photometric="miniswhite"), grey(255 - GREY)),
    "palette": (saved(PALETTE), np.asarray(PALETTE.convert("RGB"))),
    "palette of 8 bits (Pillow 2157: black)": (
        tiff(GREY, photometric="palette", colormap=COLOURS),
        np.moveaxis(COLOURS[:, GREY], 0, -1),
    ),
    "4 bit": (bare(4, 1, PACKED_FOUR), grey(FOUR * 17)),
    "4 bit, white is zero": (bare(4, 0, PACKED_FOUR), grey(255 - FOUR * 17)),
    "12 bit, packed": (bare(12, 1, PACKED_TWELVE), TWELVE[..., None]),
    "CMYK": (saved(Image.fromarray(COLOUR).convert("CMYK")), COLOUR),
    "planes (Pillow 1888)": (tiff(np.moveaxis(COLOUR, -1, 0), **PLANES), COLOUR),
    "planes, tiled": (tiff(np.moveaxis(COLOUR, -1, 0), tile=(16, 16), **PLANES), COLOUR),
    "planes, deflate": (tiff(np.moveaxis(COLOUR, -1, 0), compression="deflate", **PLANES), COLOUR),
    "16 bit, big-endian, tiled": (tiff(DEEP, byteorder=">", tile=(16, 16), **RGB), DEEP),
    "BigTIFF": (tiff(COLOUR, bigtiff=True, **RGB), COLOUR),
    "BigTIFF, big-endian (Pillow does not know it)": (tiff(COLOUR, bigtiff=True, byteorder=">", **RGB), COLOUR),
    "16 bit, predictor": (tiff(DEEP, compression="deflate", predictor=2, **RGB), DEEP),
    "signed bytes (Pillow reads counts)": (tiff((GREY.astype(int) - 128).astype("i1")), GREY[..., None] - 128.0),
    "64-bit counts": (tiff(GREY.astype("i8") - 100), GREY[..., None] - 100.0),
    "pyramid": (pages((COLOUR, RGB | {"subifds": 1}), (COLOUR[::2, ::2], RGB | SMALL)), COLOUR),
    "thumbnail in page 2": (pages((COLOUR, RGB), (COLOUR[::4, ::4], RGB | SMALL)), COLOUR),
    "thumbnail in page 1": (pages((COLOUR[::4, ::4], RGB | SMALL), (COLOUR, RGB)), COLOUR),
    "thumbnail in page 1, 16 bit": (pages((DEEP[::4, ::4], RGB | SMALL), (DEEP, RGB)), DEEP),
}


@pytest.mark.parametrize("name", TIFFS)
def test_a_tiff_is_read_by_value_however_it_is_written(name: str) -> None:
    data, expected = TIFFS[name]
    item = ImageItem("x.tif", BytesSource(data))
    opened = item.load()
    values = opened.values if isinstance(opened, Raster) else np.asarray(opened)
    assert np.array_equal(values, expected)
    assert item.open().size == (48, 32)


def test_jpeg_in_a_tiff_has_the_right_colours() -> None:
    """YCbCr taken for RGB gives wrong colours in silence: here they are off by the rounding of JPEG alone."""
    opened = ImageItem("x.tif", BytesSource(saved(Image.fromarray(SMOOTH), compression="jpeg", quality=95))).load()
    assert np.abs(np.asarray(opened).astype(int) - SMOOTH).max() <= 4


def test_a_thumbnail_before_an_image_that_cannot_be_read_there_is_not_taken_for_it() -> None:
    small = Image.fromarray(COLOUR[::4, ::4])
    data = saved(small, save_all=True, append_images=[Image.fromarray(COLOUR)], compression="tiff_lzw")
    page = tifffile.TiffFile(io.BytesIO(data)).pages[0].aspage()
    assert 254 not in page.tags, "Pillow does not say which is the small one: the first is read, and that is told"
    opened = ImageItem("x.tif", BytesSource(data)).load()
    assert isinstance(opened, Image.Image)
    assert opened.size == (12, 8)
    assert opened.info["notes on reading"] == ("x.tif has more than one frame: the first is read.",)


def test_a_fourth_channel_that_is_not_named_is_told() -> None:
    """GDAL and Photoshop write near infrared so; Pillow drops it in silence."""
    four = np.concatenate([COLOUR, GREY[..., None]], -1)
    data = tiff(four, photometric="rgb", extrasamples=["unspecified"])
    item = ImageItem("x.tif", BytesSource(data))
    opened = item.load()
    assert isinstance(opened, Image.Image)
    assert np.array_equal(np.asarray(opened), COLOUR)
    assert opened.info["notes on reading"] == (
        "x.tif holds a fourth channel without saying what it is: it is left aside.",
    )
    bands = item.load(bands=True)
    assert isinstance(bands, Raster)
    assert np.array_equal(bands.values, four)


def test_a_packing_that_is_not_read_is_called_what_it_is() -> None:
    with pytest.raises(InputError, match="packed as NONE in 12 bits, which is not read"):
        ImageItem("x.tif", BytesSource(bare(12, 0, PACKED_TWELVE))).load()


def test_floats_of_seven_bands_are_called_what_they_are() -> None:
    data = tiff(RNG.normal(size=(32, 48, 7)), photometric="minisblack", planarconfig="contig")
    with pytest.raises(InputError) as caught:
        Preprocessing((8, 8)).pixels(ImageItem("x.tif", BytesSource(data)).load())
    assert "The image holds 64-bit floats in 7 channels from " in str(caught.value)
    assert "set range" in str(caught.value)


READ = {
    "a.JPG": photo(1, "jpg"),
    "b.jfif": photo(2, "jpg"),
    "c.jpe": photo(3, "jpg"),
    "d.TIFF": photo(4, "tiff"),
    "e.webp": photo(5, "webp"),
    "f.ppm": photo(6, "ppm"),
    "g.jp2": saved(Image.fromarray(COLOUR), "JPEG2000"),
    "h.pbm": saved(Image.fromarray(GREY > 127), "PPM"),
    "j.apng": photo(9, "png"),
    "k.jpg": photo(10, "png"),
    "l.j2c": saved(Image.fromarray(COLOUR), "JPEG2000", no_jp2=True),
}
"""By name: the content of k is PNG."""


def test_endings_of_images_are_known_in_any_case_and_whatever_the_content(tmp_path: Path) -> None:
    files = READ | ({"m.avif": saved(Image.fromarray(COLOUR), "AVIF")} if features.check("avif") else {})
    (tmp_path / "ok").mkdir()
    for name, data in files.items():
        (tmp_path / "ok" / name).write_bytes(data)
    images = load_images(tmp_path)
    assert [item.name for item in images] == [f"ok/{name}" for name in files]
    for item, data in zip(images, files.values(), strict=True):
        assert np.array_equal(np.asarray(item.open()), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_of_a_moving_image_the_first_frame_is_read_and_told(kind: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    opened = ImageItem("x", BytesSource(data)).load()
    assert isinstance(opened, Image.Image)
    assert opened.getpixel((0, 0)) == (255, 0, 0)
    assert opened.info["notes on reading"] == ("x has more than one frame: the first is read.",)


OTHERS = {
    "a.heic": "HEIC images",
    "b.CR2": "raw files of cameras",
    "c.nef": "raw files of cameras",
    "d.dng": "raw files of cameras",
    "e.svg": "drawings, not pixels",
    "f.pdf": "documents",
    "g.psd": "files of image editors",
    "h.mp4": "videos",
    "i.npz": "arrays or data sets in one file",
    "j.tga": "images of a kind that is not read",
    "k.nii": "volumes",
    "l.txt": "no image or table",
}


def test_what_is_left_out_is_called_what_it_is(tmp_path: Path) -> None:
    for name in ("ok/1.png", "ok/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(photo(1))
    for name in OTHERS:
        (tmp_path / "ok" / name).write_bytes(b"x")
    report = load_images(tmp_path).report
    assert report is not None
    reasons = {name: left.reason for left in report.left_out for name in left.names}
    assert reasons.keys() == {f"ok/{name}" for name in OTHERS}
    assert [name for name in OTHERS if not reasons[f"ok/{name}"].startswith(OTHERS[name])] == []


def test_a_set_of_one_kind_that_is_not_read_says_which(tmp_path: Path) -> None:
    (tmp_path / "ok").mkdir()
    for number in range(3):
        (tmp_path / "ok" / f"{number}.HEIC").write_bytes(b"x")
    with pytest.raises(InputError) as caught:
        load_images(tmp_path)
    assert "3 files left out, HEIC images, which are not read: save them as JPEG or PNG." in str(caught.value)


def test_images_without_an_ending_are_known_by_their_first_bytes(tmp_path: Path) -> None:
    """MNIST in PNG and sets of web crawls are stored so (torchvision's `has_file_allowed_extension` drops them)."""
    (tmp_path / "ok").mkdir()
    (tmp_path / "ok" / "1.png").write_bytes(photo(1))
    (tmp_path / "ok" / "0001").write_bytes(photo(2, "jpg"))
    (tmp_path / "ok" / "0002").write_bytes(encoded(Image.fromarray(GREY), "webp"))
    (tmp_path / "ok" / "README").write_text("BY hand")
    report = load_images(tmp_path).report
    assert report is not None
    reasons = {name: left.reason for left in report.left_out for name in left.names}
    assert reasons["ok/0001"].endswith("add one, such as .jpg")
    assert reasons["ok/0002"].endswith("add one, such as .webp")
    assert reasons["ok/README"] == "no image or table"
    (tmp_path / "ok" / "1.png").unlink()
    with pytest.raises(InputError, match="images without an ending"):
        load_images(tmp_path)
