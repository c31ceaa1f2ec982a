"""Faults of files: each kind of corruption is named with its true cause, and sound files are left alone."""

import io
import sqlite3
import struct
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageCms
from skimage import data as photographs

from workbench.images import BytesSource, ImageItem
from workbench.quality import fault_results, faults, faults_of, looked_up, measure
from workbench.quality.file_ends import READERS, wholeness
from workbench.quality.profiles import jpeg_quality, profile_name

RNG = np.random.default_rng(5)
SCENES = [Image.fromarray(RNG.integers(40, 200, (12, 16, 3), np.uint8)).resize((64, 48)) for _ in range(40)]


def saved(image, format="PNG", **settings):
    stream = io.BytesIO()
    image.save(stream, format, **settings)
    return stream.getvalue()


def named(**files):
    return [ImageItem(name, BytesSource(content)) for name, content in files.items()]


def sound(format="PNG", ending=".png", **settings):
    return named(**{f"s{number}{ending}": saved(scene, format, **settings) for number, scene in enumerate(SCENES)})


def kinds_of(items):
    """Faults by image, of those that only look at files."""
    rows = faults(items).frame
    return {name: set(rows["fault"][rows["image"] == name]) for name in rows["image"].unique()}


def exif(**tags):
    values = Image.Exif()
    for name, value in tags.items():
        values[{"orientation": 0x0112, "make": 271, "model": 272}[name]] = value
    return values.tobytes()


def other_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def holed(content):
    """As a copy that was broken off leaves it: the room is there, and zeros in it."""
    return content[: len(content) // 2] + bytes(len(content) - len(content) // 2)


def changed(content):
    """A changed byte in the check sum of the pixels of a PNG."""
    at = content.index(b"IEND") - 5
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


PNG, JPEG = saved(SCENES[0]), saved(SCENES[0], "JPEG")
SIXTEEN = Image.fromarray(np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 20)
CORRUPT = {
    "truncated": (PNG[: len(PNG) // 2], {"cut off", "cannot be decoded"}),
    "ending": (JPEG, {"wrong ending"}),
    "zero": (b"", {"empty file"}),
    "garbage": (PNG + b"<html>not found</html>", {"bytes after the end"}),
    "warning": (saved(SCENES[0], exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12"), {"warning"}),
    "animated": (saved(SCENES[0], save_all=True, append_images=SCENES[1:3]), {"several frames"}),
    "palette": (saved(SCENES[0].convert("P")), {"odd colours"}),
    "alpha": (saved(SCENES[0].convert("RGBA")), {"odd colours"}),
    "turned": (saved(SCENES[0].transpose(Image.Transpose.ROTATE_90), exif=exif(orientation=6)), {"turned by EXIF"}),
    "sixteen": (saved(SIXTEEN), {"odd bits"}),
    "profile": (saved(SCENES[0], icc_profile=other_profile()), {"colour profile"}),
}


@pytest.mark.parametrize("kind", CORRUPT)
def test_each_kind_of_corruption_is_named(kind):
    content, expected = CORRUPT[kind]
    found = kinds_of([*sound(), *named(**{f"{kind}.png": content})])
    assert expected <= found[f"{kind}.png"]
    assert set(found) == {f"{kind}.png"}


def test_cmyk_is_named_among_colour_photographs():
    found = kinds_of([*sound("JPEG", ".jpg"), *named(**{"inks.jpg": saved(SCENES[0].convert("CMYK"), "JPEG")})])
    assert found == {"inks.jpg": {"odd colours"}}


@pytest.mark.parametrize(
    ("format", "ending", "settings"),
    [
        ("JPEG", ".jpg", {"progressive": True}),
        ("JPEG", ".JPG", {"comment": b"a marker in a comment: \xff\xd9 and text"}),
        ("JPEG", ".jpeg", {"restart_marker_blocks": 1}),
        ("JPEG", ".jfif", {"exif": exif(orientation=6)}),  # all of them: then that is how the set stands
        ("PNG", ".png", {"optimize": True}),
        ("GIF", ".gif", {}),
        ("BMP", ".bmp", {}),
        ("WEBP", ".webp", {}),
        ("TIFF", ".tif", {"compression": "tiff_lzw"}),
        ("AVIF", ".avif", {}),
        ("PPM", ".ppm", {}),
    ],
)
def test_sound_files_of_every_format_have_no_fault(format, ending, settings):
    assert not kinds_of(sound(format, ending, **settings))


def test_grey_images_are_not_odd_where_all_are_grey():
    """CleanVision calls 2,624 of 2,624 solar cells grey."""
    grey = named(**{f"g{number}.png": saved(scene.convert("L")) for number, scene in enumerate(SCENES)})
    assert not kinds_of(grey)
    assert kinds_of([*grey, *named(**{"colour.png": PNG})]) == {"colour.png": {"odd colours"}}


def test_a_jpeg_of_which_half_was_never_copied_is_told_though_decoders_draw_it():
    """Pillow 123 and 3022, libvips 1946: grey or black below, and no error."""
    big = saved(Image.fromarray(photographs.astronaut()).resize((128, 128)), "JPEG")
    for content in (holed(big), big[:-2] + b"\0\0", big[:-2]):
        whole, extra = wholeness(content, "JPEG")
        assert (whole, extra) == ("its end is missing", 0)
        assert "cut off" in kinds_of([*sound("JPEG", ".jpg"), *named(**{"half.jpg": content})])["half.jpg"]


def test_a_wrong_sum_in_a_png_is_told_though_pillow_compares_none():
    content = changed(PNG)
    Image.open(io.BytesIO(content)).load()
    assert "check sum" in kinds_of([*sound(), *named(**{"changed.png": content})])["changed.png"]


def test_a_gif_called_jpg_is_read_and_told():
    """The Oxford pets hold some (fastdup 322), on which OpenCV fails."""
    found = kinds_of([*sound("JPEG", ".jpg"), *named(**{"Egyptian_Mau_191.jpg": saved(SCENES[0], "GIF")})])
    assert found["Egyptian_Mau_191.jpg"] == {"wrong ending", "odd format", "odd colours"}


def test_what_is_no_image_is_broken_with_its_cause():
    files = {"page.jpg": b"<!DOCTYPE html><title>404</title>", "empty.png": b"", "text.png": b"version https://git-lfs"}
    result = faults([*sound(), *named(**files)])
    broken = result.frame[result.frame["severity"] == "broken"].set_index("image")
    assert broken["fault"].to_dict() == {
        "page.jpg": "cannot be decoded", "text.png": "cannot be decoded", "empty.png": "empty file"
    }  # fmt: skip
    assert "not an image" in broken["note"]["page.jpg"]
    lines = {line.check: line for line in fault_results(result)}
    assert (lines["faults: empty file"].verdict, lines["faults: empty file"].images) == ("fail", ("empty.png",))
    assert lines["faults: cannot be decoded"].figure == 2 / 43


def test_padding_behind_an_image_is_no_second_file():
    """Cameras and disks fill their blocks with zeros."""
    assert not kinds_of(named(**{f"p{n}.png": saved(scene) + bytes(512) for n, scene in enumerate(SCENES)}))


def test_an_image_of_one_colour_is_blank_and_not_blurred():
    """CleanVision 120: a uniform image was called blurred; a low contrast is no blur either (119)."""
    flat = {"flat.jpg": saved(Image.new("RGB", (64, 48), (10, 20, 30)), "JPEG")}
    faint = {"faint.jpg": saved(SCENES[0].point(lambda level: 100 + level // 8), "JPEG", quality=100)}
    found = kinds_of([*sound("JPEG", ".jpg", quality=100), *named(**flat, **faint)])
    assert found["flat.jpg"] == {"blank"}
    assert "blurred" not in found["faint.jpg"]


def test_photographs_of_many_sizes_are_not_odd_and_one_strip_is():
    """Deepchecks and CleanVision call whatever lies outside of fixed bounds odd."""
    scenes = {
        f"p{number}.jpg": saved(scene.resize((60 + 3 * number, 50 + 2 * number)), "JPEG")
        for number, scene in enumerate(SCENES)
    }
    strip = {"strip.jpg": saved(SCENES[0].resize((400, 8)), "JPEG")}
    found = kinds_of(named(**scenes, **strip))
    assert "odd shape" in found["strip.jpg"]
    assert not {name for name, own in found.items() if own & {"odd size", "odd shape"}} - {"strip.jpg"}


def test_deep_images_are_measured_on_their_own_scale():
    """A 12-bit camera in a 16-bit file: all 0 or 1 of 255, and neither blank nor clipped."""
    rng = np.random.default_rng(0)
    values = [rng.integers(200, 900, (32, 32), np.uint16) for _ in range(40)]
    values.append(np.full((32, 32), 300, np.uint16))
    values.append(np.minimum(values[0].astype(np.int64) * 3, 1023).astype(np.uint16))
    deep = named(**{f"d{number}.png": saved(Image.fromarray(each)) for number, each in enumerate(values)})
    found = kinds_of(deep)
    assert found["d40.png"] == {"blank"}
    assert "clipped to white" in found["d41.png"]
    assert set(found) == {"d40.png", "d41.png"}


def test_the_quality_of_a_jpeg_and_the_name_of_a_profile_are_those_of_their_writers():
    for quality in (25, 50, 75, 85, 92, 95):
        image = Image.open(io.BytesIO(saved(SCENES[0], "JPEG", quality=quality)))
        assert abs(jpeg_quality(image.quantization) - quality) <= 1
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    assert profile_name(srgb.tobytes()) == profile_name(None) == "sRGB"
    lab = ImageCms.ImageCmsProfile(io.BytesIO(other_profile()))
    assert profile_name(other_profile()) == ImageCms.getProfileDescription(lab).strip()
    assert profile_name(b"\xff" * 500) == profile_name(b"x") == "without a name"


def test_hostile_bytes_end_and_are_never_invented_to_be_whole():
    for format, head in (("PNG", b"\x89PNG\r\n\x1a\n"), ("JPEG", b"\xff\xd8"), ("GIF", b"GIF89a"), ("BMP", b"BM")):
        for tail in (b"", b"\0" * 40, b"\xff" * 40, RNG.bytes(500), struct.pack(">I", 2**31) + b"IDAT"):
            wholeness(head + tail, format)
    assert set(READERS) == {"PNG", "JPEG", "GIF", "BMP", "WEBP"}
    chunk = b"\0\0\0\0tEXt" + struct.pack(">I", zlib.crc32(b"tEXt"))
    assert wholeness(PNG[:33] + chunk * 3 + PNG[33:], "PNG") == (None, 0)


def test_what_a_camera_wrote_is_kept_as_text_that_a_screen_can_show():
    tagged = saved(SCENES[0], "JPEG", exif=exif(make="Acme\x1b[31m", model="<b>X1</b>"))
    row = measure(named(**{"a.jpg": tagged})).iloc[0]
    assert row["camera"] == "Acme[31m <b>X1</b>"


def test_measuring_goes_on_where_it_was_stopped(monkeypatch):
    from workbench.quality import measured

    class StopError(Exception):
        pass

    def stop(done, total):
        assert total == 41
        if done == 25:
            raise StopError

    scenes = {f"r{number}.png": saved(scene.rotate(90)) for number, scene in enumerate(SCENES)}
    items = named(**scenes, **{"none.png": b"no image"})
    with pytest.raises(StopError):
        measure(items, stop)
    left = looked_up(items)[1]
    assert left == 16
    calls = []
    monkeypatch.setattr(
        measured, "facts_of_image", lambda each, own=measured.facts_of_image: calls.append(1) or own(each)
    )
    table = measure(items)
    assert len(calls) == left
    assert table["error"].notna().tolist() == [False] * 40 + [True]
    pd.testing.assert_frame_equal(table, measure(items))
    assert len(calls) == left


def test_a_broken_cache_is_measured_again(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    items = sound()[:3]
    measure(items)
    with sqlite3.connect(tmp_path / "image-facts.sqlite") as base:
        base.execute("UPDATE images SET facts = 'no json' WHERE rowid = 1")
        base.execute("UPDATE images SET facts = '[1]' WHERE rowid = 2")
    assert looked_up(items)[1] == 2
    assert measure(items)["width"].tolist() == [64, 64, 64]
    (tmp_path / "image-facts.sqlite").write_bytes(b"no database")
    assert measure(items)["width"].tolist() == [64, 64, 64]


def test_everyday_photographs_have_no_broken_files():
    import workbench as wb

    images = wb.load_images("everyday")
    result = faults_of(images.items, measure(images))
    assert not (result.frame["severity"] == "broken").any()
