"""Images of more than 8 bits and of other channels, held against arrays that were written by independent means."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from workbench.errors import InputError
from workbench.images import BytesSource, FileSource, ImageItem, Raster, raster, tiffs
from workbench.images.deep import decode, decode_mask, read_raster, upright_size

RNG = np.random.default_rng(0)


def counts(channels: int, most: int = 65536, shape: tuple[int, int] = (20, 31)) -> np.ndarray:
    return RNG.integers(0, most, (*shape, channels), dtype=np.uint16)


def png(values: np.ndarray, colour: int, filtering: int) -> bytes:
    """A 16-bit PNG, filtered by the specification's own formulas (W3C PNG, 9.2); 5 takes each filter in turn."""
    height, width, channels = values.shape
    rows, step = values.astype(">u2").reshape(height, -1).view(np.uint8).astype(int), 2 * channels
    lines, above = [], np.zeros(rows.shape[1], int)
    for y, row in enumerate(rows):
        kind = y % 5 if filtering == 5 else filtering
        left, corner = (np.concatenate([np.zeros(step, int), line[:-step]]) for line in (row, above))
        estimate = left + above - corner
        to_left, to_above, to_corner = abs(estimate - left), abs(estimate - above), abs(estimate - corner)
        paeth = np.where(
            (to_left <= to_above) & (to_left <= to_corner), left, np.where(to_above <= to_corner, above, corner)
        )
        guess = (0 * row, left, above, (left + above) // 2, paeth)[kind]
        lines.append(bytes([kind]) + ((row - guess) % 256).astype(np.uint8).tobytes())
        above = row

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    data = zlib.compress(b"".join(lines))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def tiff(values: np.ndarray, **how: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **how)
    return buffer.getvalue()


def npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def refusal(data: bytes, name: str, **how: bool) -> str:
    with pytest.raises(InputError) as caught:
        read_raster(data, name, **how)
    return str(caught.value)


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)], ids=["grey", "rgb", "la", "rgba"])
@pytest.mark.parametrize("filtering", range(6))
def test_all_16_bits_of_a_png_are_read(colour: int, channels: int, filtering: int) -> None:
    """Pillow keeps the upper byte of 16-bit colour (its issue 880); here no bit is lost."""
    values = counts(channels)
    result = read_raster(png(values, colour, filtering), "x.png")
    assert result is not None
    assert np.array_equal(result.values, values)
    assert (result.low, result.high, result.alpha) == (0, 65535, channels in (2, 4))


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"compression": "deflate", "predictor": True},
        {"byteorder": ">"},
        {"tile": (16, 16)},
        {"bigtiff": True},
        {"planarconfig": "separate"},
    ],
    ids=lambda how: "-".join(map(str, how)) or "plain",
)
def test_16_bit_colour_of_a_tiff_is_read_however_it_lies(how: dict[str, object]) -> None:
    values = counts(3)
    given = np.moveaxis(values, -1, 0).copy() if "planarconfig" in how else values
    result = read_raster(tiff(given, photometric="rgb", **how), "x.tif")
    assert result is not None
    assert np.array_equal(result.values, values)


def lzw_tiff(values: np.ndarray) -> bytes:
    """A 16-bit RGB TIFF in LZW of codes that never look back (TIFF 6.0, section 13): clear, then up to 200 bytes."""
    bits, raw = [], values.astype("<u2").tobytes()
    for start in range(0, len(raw), 200):
        bits += [256, *raw[start : start + 200]]
    text = "".join(f"{code:09b}" for code in [*bits, 257])
    packed = int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")
    height, width = values.shape[:2]
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, 8), (259, 3, 1, 5), (262, 3, 1, 2), (273, 4, 1, 14),
        (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, len(packed)),
    ]  # fmt: skip
    head = struct.pack("<2sHI", b"II", 42, 14 + len(packed)) + struct.pack("<3H", 16, 16, 16)
    table = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return head + packed + table + struct.pack("<I", 0)


def test_16_bit_colour_in_lzw_is_read_though_tifffile_cannot() -> None:
    values = counts(3)
    result = read_raster(lzw_tiff(values), "x.tif")
    assert result is not None
    assert np.array_equal(result.values, values)


def test_five_channels_are_read_side_by_side_and_from_pages() -> None:
    """torchvision's issue 514, ultralytics' 1326: a stack of pages was read as its first one, three times."""
    values = counts(5)
    beside = read_raster(tiff(values, photometric="minisblack", planarconfig="contig"), "x.tif")
    pages = tiff(np.moveaxis(values, -1, 0).copy(), photometric="minisblack")
    stacked, first = read_raster(pages, "x.tif", bands=True), read_raster(pages, "x.tif")
    assert beside is not None
    assert stacked is not None
    assert first is not None
    assert np.array_equal(beside.values, values)
    assert np.array_equal(stacked.values, values)
    assert stacked.notes == ("x.tif has 5 pages alike: they are read as channels.",)
    assert np.array_equal(first.values, values[..., :1])
    assert first.notes == ("x.tif has more than one page: the first is read.",)


def test_pages_beyond_the_limit_are_refused_and_thumbnails_are_no_channels() -> None:
    pages = tiff(np.zeros((33, 8, 8), np.uint16), photometric="minisblack")
    assert "33 channels" in refusal(pages, "x.tif", bands=True)
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(np.zeros((20, 20), np.uint16))
        file.write(np.zeros((5, 5), np.uint16), subfiletype=1)
    result = read_raster(buffer.getvalue(), "x.tif", bands=True)
    assert result is not None
    assert result.channels == 1


def test_white_as_zero_is_turned_round_at_16_bits_too() -> None:
    """Pillow does so for 8 bits alone."""
    values = counts(1)
    result = read_raster(tiff(values[..., 0], photometric="miniswhite"), "x.tif")
    assert result is not None
    assert np.array_equal(result.values, 65535 - values)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_deep_tiff_stands_upright(orientation: int) -> None:
    """Against Pillow's own turning of the 8-bit copy."""
    values = counts(1)[..., 0]
    tags = [(274, 3, 1, orientation, True)]
    result = read_raster(tiff(values, extratags=tags), "x.tif")
    reference = Image.open(io.BytesIO(tiff((values >> 8).astype(np.uint8), extratags=tags)))
    reference.load()
    assert result is not None
    assert np.array_equal(result.values[..., 0] >> 8, np.asarray(reference))


@pytest.mark.parametrize(
    ("kind", "limits"),
    [("f4", (0, 1)), ("f2", (0, 1)), ("f8", (0, 1)), ("i2", (None, None)), ("u4", (None, None)), ("i4", (None, None))],
)
def test_other_types_state_a_range_only_where_it_is_sure(kind: str, limits: tuple[float | None, float | None]) -> None:
    values = (counts(1)[..., 0] / 65536).astype(kind) if kind[0] == "f" else counts(1)[..., 0].astype(kind)
    result = read_raster(tiff(values), "x.tif")
    assert result is not None
    assert result.values.dtype == np.dtype(kind)
    assert (result.low, result.high) == limits
    assert read_raster(tiff(values * 2), "x.tif").high != 1  # type: ignore[union-attr]


def test_twelve_bits_in_sixteen_are_told() -> None:
    result = read_raster(tiff(counts(1, 4000)[..., 0]), "x.tif")
    assert result is not None
    assert "set range = [0, 1023] or [0, 4095]" in result.notes[0]


def test_a_netpbm_states_its_white() -> None:
    values = counts(3, 4096)
    result = read_raster(b"P6\n# camera\n31 20\n4095\n" + values.astype(">u2").tobytes(), "x.ppm")
    assert result is not None
    assert np.array_equal(result.values, values)
    assert result.high == 4095
    assert "cut off" in refusal(b"P5 31 20 4095\n" + bytes(9), "x.pgm")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("first", "told"), [(False, "last axis"), (True, "first axis")])
def test_channels_of_an_array_are_its_shorter_end(order: str, first: bool, told: str, tmp_path: Path) -> None:
    values = counts(5)
    given = np.asarray(np.moveaxis(values, -1, 0) if first else values, order=order)  # type: ignore[call-overload]
    path = tmp_path / "x.npy"
    path.write_bytes(npy(given))
    for source in (path.read_bytes(), path):
        result = read_raster(source, "x.npy")
        assert result is not None
        assert np.array_equal(result.values, values)
        assert told in result.notes[0]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.array([[{}]], object), "Python objects"),
        (np.zeros((4, 4), complex), "type complex128"),
        (np.zeros((4, 4), [("a", "u1")]), "save an array of counts"),
        (np.zeros(9), "shape 9"),
        (np.zeros((40, 40, 40)), "shape 40 x 40 x 40"),
        (np.zeros((0, 5)), "no pixels"),
    ],
    ids=str,
)
def test_arrays_that_are_no_images_are_refused(values: np.ndarray, reason: str) -> None:
    assert reason in refusal(npy(values), "x.npy")


def test_damaged_and_boastful_arrays_are_refused_before_anything_is_held() -> None:
    data = npy(counts(3))
    assert "cut off" in refusal(data[:-1], "x.npy")
    assert "header" in refusal(data[:20], "x.npy")
    assert "header" in refusal(data.replace(b"{'descr'", b"{\\escr'(("), "x.npy")  # no Python, found by fuzzing
    huge = data.replace(b"(20, 31, 3)", b"(99999, 9999, 3)")
    huge = huge.replace(b"                 \n", b"            \n")
    assert "over the limit" in refusal(huge, "x.npy") or "header" in refusal(huge, "x.npy")


def test_a_tiff_that_inflates_to_far_more_than_its_pixels_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiffs, "INFLATED", 2**16)
    data = tiff(np.zeros((64, 64), np.uint16), compression="deflate", rowsperstrip=64)
    bomb = zlib.compress(bytes(2**24))
    page = tifffile.TiffFile(io.BytesIO(data)).pages[0].aspage()
    offset = page.tags[273].valueoffset, page.tags[279].valueoffset
    forged = bytearray(data + bomb)
    struct.pack_into("<I", forged, offset[0], len(data))
    struct.pack_into("<I", forged, offset[1], len(bomb))
    assert "far more pixels" in refusal(bytes(forged), "x.tif")


def test_a_tiff_of_too_many_values_is_refused_on_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiff(counts(5), photometric="minisblack", planarconfig="contig")
    monkeypatch.setattr(raster, "MOST_VALUES", 1000)
    assert "MB of values, over the limit" in refusal(data, "x.tif")
    monkeypatch.setattr(raster, "MAX_PIXELS", 600)
    assert "31 x 20 pixels" in refusal(data, "x.tif")


@pytest.mark.parametrize("end", [60, 200, -30])
def test_a_tiff_cut_off_is_refused_in_a_sentence(end: int) -> None:
    message = refusal(tiff(counts(3), photometric="rgb")[:end], "x.tif")
    assert message.startswith("x.tif ")
    assert "\n" not in message


def test_looking_at_an_image_of_any_depth_takes_its_first_three_channels_in_8_bits() -> None:
    values = counts(5)
    data = tiff(values, photometric="minisblack", planarconfig="contig")
    reference = np.round(values[..., :3] / 257).astype(np.uint8)
    assert np.array_equal(np.asarray(decode(data, "x.tif")), reference)
    item = ImageItem("x.tif", BytesSource(data))
    assert np.array_equal(np.asarray(item.open()), reference)
    assert upright_size(data, "x.tif") == (31, 20)
    window = Raster(values, 0, 65535).rgb((4, 1, 0), (1000, 3000))
    exact = ((values[..., [4, 1, 0]].astype(float) - 1000) / 2000 * 255).round().clip(0, 255)
    assert np.array_equal(np.asarray(window), exact)


def test_an_array_can_be_a_mask_and_an_image_of_8_bits() -> None:
    inside = RNG.random((20, 31)) < 0.5
    assert np.array_equal(decode_mask(npy(inside), "m.npy"), inside)
    values = RNG.integers(0, 256, (20, 31, 3), np.uint8)
    opened = ImageItem("x.npy", BytesSource(npy(values))).load()
    assert isinstance(opened, Image.Image)
    assert np.array_equal(np.asarray(opened), values)


def test_large_files_are_mapped_and_have_a_limit_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.images import item as module

    values, path = counts(3), tmp_path / "x.tif"
    path.write_bytes(tiff(values, photometric="rgb"))
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    monkeypatch.setattr(module, "MAPPED", 500)
    opened = ImageItem("x.tif", FileSource(path)).load()
    assert isinstance(opened, Raster)
    assert np.array_equal(opened.values, values)
    assert isinstance(opened.values.base, np.memmap | type(opened.values.base))
    with pytest.raises(InputError, match="over the limit"):
        ImageItem("x.tif", BytesSource(path.read_bytes())).load()


def test_more_frames_than_one_are_told() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    opened = ImageItem("x.gif", BytesSource(buffer.getvalue())).load()
    assert isinstance(opened, Image.Image)
    assert opened.info["notes on reading"] == ("x.gif has more than one frame: the first is read.",)


def dicom(values: np.ndarray, syntax: str = "1.2.840.10008.1.2.1", **facts: object) -> bytes:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = UID(syntax)
    data = FileDataset("x", {}, file_meta=meta, preamble=bytes(128))
    data.Rows, data.Columns = values.shape[:2]
    data.SamplesPerPixel, data.BitsAllocated, data.BitsStored, data.HighBit = 1, 16, 12, 11
    data.PixelRepresentation, data.PhotometricInterpretation = 0, "MONOCHROME2"
    for name, value in facts.items():
        setattr(data, name, value)
    data.PixelData = encapsulate([values.tobytes()]) if UID(syntax).is_compressed else values.tobytes()
    buffer = io.BytesIO()
    data.save_as(buffer)
    return buffer.getvalue()


def test_dicom_is_rescaled_windowed_and_inverted() -> None:
    values = counts(1, 4096)[..., 0]
    plain = read_raster(dicom(values), "x.dcm")
    assert plain is not None
    assert np.array_equal(plain.values[..., 0], values)
    assert (plain.low, plain.high) == (0, 4095)
    facts = {"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": 40, "WindowWidth": 400}
    ct = read_raster(dicom(values, **facts), "x.dcm")
    assert ct is not None
    assert np.array_equal(ct.values[..., 0], values * 2.0 - 1000)
    assert (ct.low, ct.high) == (-160, 240)
    assert "window from -160 to 240" in ct.notes[0]
    inverted = read_raster(dicom(values, PhotometricInterpretation="MONOCHROME1"), "x.dcm")
    assert inverted is not None
    assert np.array_equal(inverted.values[..., 0], 4095.0 - values)


def test_dicom_that_cannot_be_read_says_why() -> None:
    values = counts(1, 4096)[..., 0]
    broken = dicom(values, "1.2.840.10008.1.2.4.80")
    assert "compressed as JPEG-LS" in refusal(broken, "x.dcm")
    assert "cut off" in refusal(dicom(values)[:-50], "x.dcm")
    assert "holds no image" in refusal(b"abc", "x.dcm")
    assert "over the limit" in refusal(dicom(values, Rows=60000, Columns=60000), "x.dcm")
