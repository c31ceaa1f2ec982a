"""Images that are small as files: what decoding takes in memory, by every way that pixels are stored, and that it
changes no pixel."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from measured import cost
from PIL import Image, ImageCms

from workbench.errors import InputError
from workbench.images import decoding
from workbench.images.decoding import decode
from workbench.images.deep import decode_mask
from workbench.images.mask_rules import NONZERO

Refusal = Callable[[Callable[[], object]], str]
EDGE = 4000
LAID_OUT = {  # bytes a pixel that decoding to RGB may take, and a mask
    "1": ("PNG", {}, 6, 3),
    "L": ("PNG", {}, 6, 3),
    "P": ("PNG", {"transparency": 0}, 9, 6),
    "LA": ("PNG", {}, 11, 8),
    "RGB": ("PNG", {}, 6, 8),
    "RGBA": ("PNG", {}, 11, 8),
    "I;16": ("PNG", {}, 9, 5),
    "I": ("TIFF", {"compression": "tiff_lzw"}, 12, 8),
    "F": ("TIFF", {"compression": "tiff_lzw"}, 12, 8),
    "CMYK": ("TIFF", {"compression": "tiff_lzw"}, 10, 8),
}


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def bytes_a_pixel(path: Path, function: str) -> float:
    found = cost(
        f"from workbench.images.{'deep' if function == 'decode_mask' else 'decoding'} import {function}",
        f"{function}(open(sys.argv[1], 'rb').read(), 'part')",
        path,
    )
    assert found.kind == "", found
    return found.megabytes * 2**20 / EDGE**2


@pytest.mark.parametrize("mode", LAID_OUT)
def test_a_blank_image_takes_little_more_than_its_pixels(tmp_path: Path, mode: str) -> None:
    kind, options, colours, mask = LAID_OUT[mode]
    path = tmp_path / "blank"
    path.write_bytes(encoded(Image.new(mode, (EDGE, EDGE)), kind, **options))
    assert path.stat().st_size < 600_000
    assert bytes_a_pixel(path, "decode") < colours
    assert bytes_a_pixel(path, "decode_mask") < mask


def frames(kind: str) -> bytes:
    first, *more = (Image.new("P", (EDGE, EDGE), number) for number in range(5))
    packed = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    return encoded(first, kind, **packed, save_all=True, append_images=more)


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda: encoded(Image.new("RGB", (EDGE, EDGE)), "JPEG", progressive=True, subsampling=0), 14),
        (lambda: encoded(Image.new("RGB", (EDGE, EDGE)), "WEBP"), 17),
        (lambda: frames("GIF"), 9),
        (lambda: frames("TIFF"), 9),
        (lambda: frames("PNG"), 11),
    ],
    ids=["progressive JPEG", "WebP", "GIF of five frames", "TIFF of five pages", "PNG of five frames"],
)
def test_only_the_first_of_many_frames_takes_memory(tmp_path: Path, make: Callable[[], bytes], most: float) -> None:
    path = tmp_path / "part"
    path.write_bytes(make())
    assert bytes_a_pixel(path, "decode") < most


def test_a_format_whose_decoder_takes_more_may_have_fewer_pixels(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal
) -> None:
    monkeypatch.setitem(decoding.HUNGRY, "WEBP", 1_000_000)
    assert decode(encoded(Image.new("RGB", (1000, 1000)), "WEBP"), "a").size == (1000, 1000)
    assert decode(encoded(Image.new("RGB", (1000, 1001)), "PNG"), "a").size == (1000, 1001)
    assert "over the limit of 1 million" in refusal(
        lambda: decode(encoded(Image.new("RGB", (1000, 1001)), "WEBP"), "a")
    )


@pytest.mark.parametrize("mode", LAID_OUT)
def test_tiles_change_no_pixel(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    kind, _, _, _ = LAID_OUT[mode]
    height, width = 23, 31
    if mode in ("I", "F"):
        values = (
            rng.integers(0, 60_000, (height, width)).astype(np.int32)
            if mode == "I"
            else rng.normal(size=(height, width)).astype(np.float32)
        )
        image = Image.fromarray(values)
    elif mode == "I;16":
        image = Image.fromarray(rng.integers(0, 65536, (height, width), dtype=np.uint16))
    else:
        bands = 4 if mode in ("RGBA", "CMYK") else {"RGB": 3, "LA": 2}.get(mode, 1)
        parts = [
            Image.fromarray(rng.integers(0, 256, (height, width), dtype=np.uint8) * (rng.random((height, width)) < 0.8))
            for _ in range(bands)
        ]
        image = parts[0].convert(mode) if bands == 1 else Image.merge(mode, parts)
    data = encoded(image, kind, **({"transparency": 7} if mode == "P" else {}))
    whole = decode(data, "x"), decode_mask(data, "x", NONZERO)
    monkeypatch.setattr(decoding, "TILE", 7)
    assert np.array_equal(np.asarray(decode(data, "x")), np.asarray(whole[0]))
    assert np.array_equal(decode_mask(data, "x", NONZERO), whole[1])
    if mode in ("LA", "RGBA", "P"):
        rgba = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"), float)
        alpha = rgba[..., 3:] / 255
        assert np.abs(rgba[..., :3] * alpha + 255 * (1 - alpha) - np.asarray(whole[0])).max() <= 1
        assert np.array_equal(whole[1], (rgba[..., 3] >= 128) & rgba[..., :3].any(axis=-1))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(*chunks: bytes) -> bytes:
    data = encoded(Image.new("RGB", (8, 6), "red"))
    return data[:33] + b"".join(chunks) + data[33:]


LONG = zlib.compress(b"x" * 2**26)
EXTRAS = {
    "one text that unpacks to 64 MB": with_chunks(chunk(b"zTXt", b"k\0\0" + LONG)),
    "many texts": with_chunks(*[chunk(b"zTXt", b"k\0\0" + zlib.compress(b"x" * 1_000_000)) for _ in range(200)]),
    "international text": with_chunks(chunk(b"iTXt", b"k\0\1\0\0\0" + LONG)),
    "a profile that unpacks to 64 MB": with_chunks(chunk(b"iCCP", b"k\0\0" + LONG)),
    "EXIF of 8 MB": encoded(
        Image.new("RGB", (8, 6), "red"), "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0" + b"\0" * 2**23
    ),
    "a profile": encoded(
        Image.new("RGB", (8, 6), "red"), icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    ),
}


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_comes_beside_the_pixels_takes_little_memory(tmp_path: Path, extra: str) -> None:
    path = tmp_path / "part.png"
    path.write_bytes(EXTRAS[extra])
    found = cost(
        "from workbench.images.decoding import decode", "decode(open(sys.argv[1], 'rb').read(), 'part.png')", path
    )
    assert found.megabytes < 120
    assert found.kind in ("", "InputError")
    if found.kind:
        assert found.said == "part.png holds more text than an image should: export it again without."


def test_damaged_images_of_every_format_are_one_sentence() -> None:
    """Mutated valid files: an image or one sentence, and nothing else."""
    rng = np.random.default_rng(11)
    image = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    kinds = [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ]
    kinds += [
        ("TIFF", {"compression": "jpeg"}),
        ("BMP", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("PPM", {}),
    ]
    refused = 0
    for kind, options in kinds:
        good = encoded(image, kind, **options)
        for turn in range(120):
            data = bytearray(good)
            for at in rng.integers(0, len(data) if turn % 2 else 200, rng.integers(1, 4)):
                data[at] = rng.integers(0, 256)
            for read in (decode, decode_mask):
                try:
                    read(bytes(data[: rng.integers(1, len(data))] if rng.random() < 0.1 else data), "part")
                except InputError:
                    refused += 1
    assert 300 < refused < 2640
