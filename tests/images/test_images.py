from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import workbench as wb
from workbench.images import decoding
from workbench.images.decoding import decode
from workbench.images.item import BytesSource, FileSource, ImageItem, ImageSet, image_from_bytes, image_from_file

Refusal = Callable[[Callable[[], object]], str]
RED, WHITE = (255, 0, 0), (255, 255, 255)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def item(data: bytes, name: str = "part.png", mask: bytes | None = None) -> ImageItem:
    return ImageItem(name, BytesSource(data), mask=None if mask is None else BytesSource(mask))


def quarters() -> Image.Image:
    """16 x 8 pixels: red, green over blue, white, so that any turn or flip shows."""
    image = Image.new("RGB", (16, 8))
    for box, colour in (((0, 0), "red"), ((8, 0), "lime"), ((0, 4), "blue"), ((8, 4), "white")):
        image.paste(colour, (*box, box[0] + 8, box[1] + 4))
    return image


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty (0 bytes)"),
        (b"this is no image\n" * 20, "not an image"),
        (encoded(quarters().resize((400, 300)), "JPEG")[:1500], "damaged or cut off"),
        (encoded(quarters().resize((400, 300)))[:200], "damaged or cut off"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),  # Pillow would hand this to Ghostscript
    ],
    ids=["empty", "text", "cut JPEG", "cut PNG", "EPS"],
)
def test_what_is_no_image_is_refused_in_one_sentence(data: bytes, says: str, refusal: Refusal) -> None:
    message = refusal(lambda: image_from_bytes(data, "part.png"))
    assert says in message
    assert "part.png" in message


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (10_001, 10_000), (2**31 - 1, 1)])
def test_a_header_that_claims_too_many_pixels_is_refused_without_allocating(
    width: int, height: int, refusal: Refusal
) -> None:
    tracemalloc.start()
    try:
        message = refusal(lambda: decode(png_header(width, height), "huge.png"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "over the limit of 100 million" in message
    assert peak < 5 * 2**20


def test_a_file_over_the_byte_limit_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Refusal
) -> None:
    path = tmp_path / "long.png"
    with path.open("wb") as file:
        file.truncate(200 * 2**20 + 1)
    monkeypatch.setattr(FileSource, "read", lambda self: pytest.fail("was read"))
    assert "over the limit of 200 MB" in refusal(lambda: image_from_file(path).open())


def test_cmyk_jpeg_keeps_its_colours() -> None:
    data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert np.abs(np.asarray(decode(data, "x.jpg"), int)[8, 8] - RED).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    counts = np.array([[0, 257, 128 * 257, 65535]], dtype=np.uint16)
    shown = np.asarray(decode(encoded(Image.fromarray(counts), kind), "x"))
    assert shown[0, :, 0].tolist() == [0, 1, 128, 255]
    assert (shown == shown[..., :1]).all()


def test_dark_16_bit_grey_stays_dark_in_either_byte_order() -> None:
    little = encoded(Image.fromarray(np.full((4, 4), 200, np.uint16)), "TIFF")
    big = io.BytesIO()
    Image.frombytes("I;16B", (4, 4), struct.pack(">16H", *[200] * 16)).save(big, "TIFF")
    assert np.asarray(decode(little, "x")).max() == 1
    assert np.asarray(decode(big.getvalue(), "x")).max() == 1


def test_palette_png_lays_its_transparent_colour_over_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    shown = np.asarray(decode(encoded(image, transparency=1), "x.png"))
    assert shown[0].tolist() == [list(RED), list(WHITE)]


def test_alpha_is_laid_over_white() -> None:
    half = np.asarray(decode(encoded(Image.new("RGBA", (2, 2), (255, 0, 0, 128))), "x"))[0, 0]
    assert np.abs(half.astype(int) - (255, 127, 127)).max() <= 1
    grey = np.asarray(decode(encoded(Image.new("LA", (2, 2), (0, 0))), "x"))[0, 0]
    assert tuple(grey) == WHITE


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    upright = quarters().resize((64, 32), Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(
        upright if stored is None else upright.transpose(stored), "JPEG", quality=95, subsampling=0, exif=exif
    )
    shown = np.asarray(decode(data, "x.jpg"), int)
    assert shown.shape == (32, 64, 3)
    assert np.abs(shown - np.asarray(upright, int))[4::8, 4::8].max() < 30


def test_float_tiff_is_scaled_and_its_holes_do_not_darken_the_rest() -> None:
    values = np.array([[0.0, 0.5, 1.0, np.nan, np.inf]], np.float32)
    assert np.asarray(decode(encoded(Image.fromarray(values), "TIFF"), "x.tif"))[0, :, 0].tolist() == [
        0,
        128,
        255,
        0,
        0,
    ]
    wide = np.array([[-100.0, 0.0, 100.0]], np.float32)
    assert np.asarray(decode(encoded(Image.fromarray(wide), "TIFF"), "x.tif"))[0, :, 0].tolist() == [0, 128, 255]


def reference_levels(values: np.ndarray) -> np.ndarray:
    """What 8-bit levels mean, in one go and without regard for memory."""
    exact = np.where(np.isfinite(values), values, 0).astype(np.float64)
    if np.issubdtype(values.dtype, np.integer):
        exact = exact / 257 if exact.max() > 255 or values.dtype.itemsize == 2 else exact
    else:
        low, high = min(0.0, exact.min()), max(1.0, exact.max())
        exact = (exact - low) / (high - low) * 255
    return exact.round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(65536, dtype=np.uint16),
        np.arange(65536, dtype=">u2"),
        np.array([-(2**31), -300, -1, 0, 1, 128, 129, 255, 256, 65535, 65536, 2**31 - 1], np.int32),
        np.array([-5, 0, 7, 255], np.int32),
        np.array([np.nan, np.inf, -np.inf, 0, 0.25, 1.5, -3e38, 7], np.float32),
        np.linspace(0, 1, 1001, dtype=np.float32),
    ],
    ids=str,
)
def test_levels_are_the_exact_ones_however_the_image_is_cut_into_parts(
    values: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = decoding.eight_bit(values[None])
    monkeypatch.setattr(decoding, "PART", 3 if len(values) < 2000 else 5000)
    assert np.array_equal(whole, reference_levels(values[None]))
    assert np.array_equal(decoding.eight_bit(values[:, None]), reference_levels(values[:, None]))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_large_image_of_many_bits_takes_little_more_memory_than_its_pixels(dtype: type) -> None:
    values = np.ones((4000, 4000), dtype)
    tracemalloc.start()
    try:
        decoding.eight_bit(values)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * values.size


def test_an_animation_shows_its_first_frame() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "lime")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert tuple(np.asarray(decode(data, "x.gif"))[0, 0]) == RED


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1)])
def test_the_smallest_images_open(size: tuple[int, int]) -> None:
    assert decode(encoded(Image.new("RGB", size, "red")), "x").size == size


def test_damaged_files_of_every_format_open_or_are_refused_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (20, 24, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    seeds = [encoded(noise, kind) for kind in ("PNG", "TIFF", "BMP", "WEBP", "GIF", "PPM")]
    seeds += [encoded(noise, "JPEG", exif=exif), encoded(noise, "TIFF", compression="tiff_deflate")]
    refused = 0
    for round_ in range(800):
        data = bytearray(seeds[round_ % len(seeds)])
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(0, min(len(data), 80 if round_ % 2 else len(data)))] = rng.integers(0, 256)
        try:
            assert decode(bytes(data), "x").mode == "RGB"
        except wb.InputError:
            refused += 1
    assert 100 < refused < 800


def test_the_id_is_the_digest_of_the_bytes() -> None:
    assert item(b"abc").id == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_missing_file_and_a_loop_of_links_are_refused(tmp_path: Path, refusal: Refusal) -> None:
    assert "check the path" in refusal(lambda: image_from_file(tmp_path / "none.png"))
    assert "check the path" in refusal(lambda: image_from_file(tmp_path / ("x" * 5000)))
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    looped = ImageItem("loop.png", FileSource(loop))
    assert "cannot be read" in refusal(looped.open)
    gone = ImageItem("gone.png", FileSource(tmp_path / "gone.png"))
    assert "no longer there" in refusal(gone.open)
    assert len(ImageSet("set", (looped, gone)).key) == 64


@pytest.mark.parametrize(
    "name", ["a\nb.png", "\x1b[31mred.png", "x\u202egnp.exe", "y" * 4000, "\udcff.png", "line\u2028end.png"]
)
def test_a_hostile_name_leaves_a_message_of_one_short_line(name: str, refusal: Refusal) -> None:
    message = refusal(lambda: decode(b"", name))
    assert len(message) < 700
    assert message.endswith("export or copy it again.")


def test_a_mask_is_true_where_it_is_not_zero() -> None:
    counts = np.zeros((8, 16), np.uint8)
    counts[2:4, 5:9] = 1  # a mask of 0 and 1, as label tools write it
    palette = Image.fromarray(counts).convert("P")
    palette.putpalette([0, 0, 0, 0, 0, 1])  # a colour too dark to survive a conversion to grey
    drawn = np.zeros((8, 16, 4), np.uint8)
    drawn[..., 3] = counts * 255  # black on transparent
    stored = [Image.fromarray(values) for values in (counts, counts.astype(np.uint16), counts * 255, drawn)]
    for image in [*stored, palette, Image.fromarray(counts * 255).convert("RGBA")]:
        mask = item(encoded(quarters()), mask=encoded(image)).open_mask()
        assert mask is not None
        assert (mask == (counts > 0)).all()
    assert item(encoded(quarters())).open_mask() is None


def test_a_mask_of_another_size_is_refused(refusal: Refusal) -> None:
    message = refusal(item(encoded(quarters()), "tile.png", mask=encoded(Image.new("L", (8, 16)))).open_mask)
    assert "mask of tile.png is 8 x 16" in message
    assert "16 x 8" in message
    assert "mask of tile.png" in refusal(item(encoded(quarters()), "tile.png", mask=b"no").open_mask)


def test_a_set_without_images_or_with_a_name_twice_is_refused(refusal: Refusal) -> None:
    assert "holds no images of a kind that is read" in refusal(lambda: ImageSet("tiles", ()))
    assert "names a.png 2 times" in refusal(lambda: ImageSet("tiles", (item(b"1", "a.png"), item(b"2", "a.png"))))


def test_the_key_of_a_set_follows_what_it_lists() -> None:
    base = ImageItem("a.png", BytesSource(b"123"), label="ok", attributes={"line": 1})
    key = ImageSet("one", (base,)).key
    assert (
        ImageSet("other title", (ImageItem("a.png", BytesSource(b"123"), label="ok", attributes={"line": 1}),)).key
        == key
    )
    assert ImageSet("one", (ImageItem("a.png", BytesSource(b"456"), label="ok", attributes={"line": 1}),)).key != key
    changed = [
        ImageItem("b.png", BytesSource(b"123"), label="ok", attributes={"line": 1}),
        ImageItem("a.png", BytesSource(b"1234"), label="ok", attributes={"line": 1}),
        ImageItem("a.png", BytesSource(b"123"), label="bad", attributes={"line": 1}),
        ImageItem("a.png", BytesSource(b"123"), label="ok", split="test", attributes={"line": 1}),
        ImageItem("a.png", BytesSource(b"123"), label="ok", attributes={"line": 2}),
    ]
    assert len({ImageSet("one", (other,)).key for other in changed} | {key}) == 6


def test_decoding_in_threads_leaves_the_filters_of_warnings_as_they_were(write_image, monkeypatch) -> None:
    import threading
    import warnings

    data, inside, leave = (
        write_image("a.png").read_bytes(),
        threading.Barrier(3),
        [threading.Event(), threading.Event()],
    )

    def hold(image: Image.Image) -> Image.Image:
        inside.wait(10)
        leave[int(threading.current_thread().name)].wait(10)
        return image

    monkeypatch.setattr(decoding, "_to_rgb", hold)
    before = list(warnings.filters)
    threads = [threading.Thread(target=decode, args=(data, "a.png"), name=str(i)) for i in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)  # so that the first is in before the second
    inside.wait(10)
    for thread, event in zip(threads, leave, strict=True):
        event.set()
        thread.join()
    assert list(warnings.filters) == before
