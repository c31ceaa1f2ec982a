"""The values of whole sets: how deep, in which window a person sees them, and what a model reads all the same."""

import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from laid import encoded, photo
from PIL import Image

from workbench.catalog import ReadOptions
from workbench.errors import InputError
from workbench.images import ImageSet, Raster, image_from_file
from workbench.sets import depths, images_from_zip, load_images
from workbench.sets.options import options_from, options_text

RNG = np.random.default_rng(0)
SHAPE = (12, 17)


def lay(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    """TIFF, PNG or NumPy files, written by tifffile, Pillow and NumPy."""
    for name, values in arrays.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npy":
            np.save(path, values)
        elif path.suffix == ".png":
            Image.fromarray(values).save(path)
        else:
            tifffile.imwrite(path, values, photometric="minisblack")
    return folder


def counts(most: int, kind: str = "u2", least: int = 0) -> np.ndarray:
    values = RNG.integers(least, most + 1, SHAPE).astype(kind)
    values[0, :2] = least, most
    return values


def values_of(images: ImageSet) -> list[tuple[str, str, str]]:
    assert images.report is not None
    return [(g.value, g.how, g.option) for g in images.report.guesses if g.topic == "values"]


def window(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """What a person must see, in plain NumPy."""
    return ((values.astype(float) - low) / (high - low) * 255).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("most", "bits"), [(200, 8), (1023, 10), (1024, 12), (4093, 12), (16383, 14)])
@pytest.mark.parametrize("ending", ["tif", "png"])
def test_a_camera_of_fewer_bits_is_shown_by_what_the_set_reaches(
    tmp_path: Path, most: int, bits: int, ending: str
) -> None:
    """Half of the images are darker than the set's brightest: each is shown on the scale of all, none brightened."""
    arrays = {f"ok/{n}.{ending}": counts(most if n else most // 3) for n in range(4)}
    images = load_images(lay(tmp_path / "set", arrays))
    assert values_of(images) == [(f"16 bit, shown as {bits} bit (0 to {2**bits - 1:,})", "assumed", "window")]
    for item in images:
        shown = np.asarray(item.open())
        assert np.array_equal(shown[..., 0], window(arrays[item.name], 0, 2**bits - 1))
        opened = item.load()
        assert isinstance(opened, Raster)
        assert np.array_equal(opened.values[..., 0], arrays[item.name]), "a model reads the counts"
        assert (opened.low, opened.high) == (0, 65535), "on the scale of the file"


def test_sixteen_bits_that_are_used_stay_on_their_scale(tmp_path: Path) -> None:
    images = load_images(lay(tmp_path / "set", {f"ok/{n}.tif": counts(65000) for n in range(3)}))
    assert values_of(images) == [("16 bit", "recognised", "window")]
    assert {item.window for item in images} == {None}


@pytest.mark.parametrize(
    ("kind", "low", "high", "words"),
    [
        ("i2", -1000, 3000, "signed 16 bit, shown from -1,000 to 3,000"),
        ("i4", -5, 90000, "signed 32 bit, shown from -5 to 90,000"),
        ("u4", 0, 900, "32 bit, shown from 0 to 900"),
        ("f4", -2, 7, "32-bit floats, shown from -2 to 7"),
        ("f8", 0, 255, "64-bit floats, shown from 0 to 255"),
    ],
)
def test_values_without_a_scale_are_shown_by_the_range_of_the_set_and_refused_by_a_model(
    tmp_path: Path, kind: str, low: int, high: int, words: str
) -> None:
    from workbench.models import Preprocessing

    arrays = {f"ok/{n}.tif": counts(high, kind, low) for n in range(2)}
    images = load_images(lay(tmp_path / "set", arrays))
    assert values_of(images) == [(words, "assumed", "window")]
    for item in images:
        assert np.array_equal(np.asarray(item.open())[..., 0], window(arrays[item.name], low, high))
        with pytest.raises(InputError, match="range"):
            Preprocessing((8, 8), mean=(0.5,), std=(0.5,)).pixels(item.load())


def test_a_single_image_without_a_scale_is_not_black(tmp_path: Path) -> None:
    values = counts(900, "u4")
    item = image_from_file(lay(tmp_path, {"a.tif": values}) / "a.tif")
    assert np.array_equal(np.asarray(item.open())[..., 0], window(values, 0, 900))


def test_a_stated_window_is_obeyed_for_the_whole_set_and_leaves_the_key_as_it_is(tmp_path: Path) -> None:
    arrays = {"ok/a.tif": counts(4000), "ok/b.npy": counts(4000)}
    folder = lay(tmp_path / "set", arrays)
    (folder / "ok/c.png").write_bytes(photo(1))
    options = ReadOptions(window=(100, 900))
    images, plain = load_images(folder, options=options), load_images(folder)
    assert options_from(options_text(options)) == options
    assert ("shown from 100 to 900", "stated", "window") in values_of(images)
    for item in images:
        expected = photo(1) if item.name.endswith("c.png") else None
        if expected is None:
            assert np.array_equal(np.asarray(item.open())[..., 0], window(arrays[item.name], 100, 900))
        else:
            assert item.open().tobytes() == Image.open(folder / item.name).tobytes(), "8 bits have no window"
    assert images.key == plain.key, "no model reads anything else"
    looks = [(item.name, item.look) for item in (*images, *plain)]
    assert len(set(looks)) == 6, "but what is kept of what is seen differs"


@pytest.mark.parametrize("bad", [(5, 5), (9, 1), (-1, -2)])
def test_a_window_that_is_none_is_refused(tmp_path: Path, bad: tuple[float, float]) -> None:
    folder = lay(tmp_path / "set", {"ok/a.tif": counts(4000)})
    with pytest.raises(InputError, match="window"):
        load_images(folder, options=ReadOptions(window=bad))


def test_a_window_where_nothing_is_deep_is_refused_and_not_ignored(tmp_path: Path) -> None:
    folder = lay(tmp_path / "set", {"ok/a.png": counts(200, "u1")})
    with pytest.raises(InputError, match="no image that was looked at holds more than 8 bits"):
        load_images(folder, options=ReadOptions(window=(0, 10)))


def test_eight_and_sixteen_bits_in_one_set_are_told(tmp_path: Path) -> None:
    arrays = {f"ok/{n}.png": counts(255, "u1") for n in range(3)} | {"bad/x.png": counts(60000)}
    report = load_images(lay(tmp_path / "set", arrays)).report
    assert report is not None
    (finding,) = report.findings
    assert (finding.kind, finding.images) == ("depths", ("bad/x.png",))
    assert finding.sentence.startswith("Of the 4 images looked at, 3 hold 8 bit and 1 hold 16 bit: a model reads each")


def test_a_set_that_looks_black_is_told_in_the_report_and_on_the_image(tmp_path: Path) -> None:
    """A hot pixel hides that all else is dark."""
    arrays = {f"ok/{n}.tif": np.kron(counts(900), np.ones((30, 30), np.uint16)) for n in range(2)}
    arrays["ok/0.tif"][0, 0] = 65535
    report = load_images(lay(tmp_path / "set", arrays)).report
    assert report is not None
    (finding,) = report.findings
    assert finding.kind == "dark"
    assert "99.9 % of their values lie below 900 of 65,535" in finding.sentence
    plain = load_images(lay(tmp_path / "twelve", {"ok/a.tif": counts(4095)}))
    assert plain.report is not None
    assert [finding.kind for finding in plain.report.findings] == ["dark"]
    assert any("brightest count is 4,095 of 65,535" in note for note in plain.items[0].open().info["notes on reading"])


def test_pages_of_a_stack_are_told_once_with_their_number(tmp_path: Path) -> None:
    stack = np.stack([counts(60000) for _ in range(5)])
    folder = lay(tmp_path / "set", {"ok/a.tif": stack, "ok/b.tif": stack[:3], "ok/c.tif": stack[0]})
    images = load_images(folder)
    assert images.report is not None
    (guess,) = (g for g in images.report.guesses if "pages" in g.value)
    assert guess.why.startswith("2 of the 3 images looked at have several pages alike, up to 5")
    assert np.array_equal(images.items[0].load().values[..., 0], stack[0])  # type: ignore[union-attr]


def test_a_zip_is_read_the_same(tmp_path: Path) -> None:
    import shutil

    values = counts(4000)
    lay(tmp_path / "set", {"ok/a.tif": values})
    data = Path(shutil.make_archive(str(tmp_path / "x"), "zip", tmp_path / "set")).read_bytes()
    images = images_from_zip(data, "x.zip")
    assert values_of(images) == [("16 bit, shown as 12 bit (0 to 4,095)", "assumed", "window")]
    assert np.array_equal(np.asarray(images.items[0].open())[..., 0], window(values, 0, 4095))


def test_few_images_are_looked_at_and_damaged_ones_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = lay(tmp_path / "set", {f"ok/{n:04d}.npy": counts(4000) for n in range(300)})
    (folder / "ok/0000.npy").write_bytes(b"\x93NUMPY\x01\x00")
    read = []
    real = depths._read_reach
    monkeypatch.setattr(depths, "_read_reach", lambda item: read.append(item.name) or real(item))
    depths._kept.clear()
    start = time.process_time()
    images = load_images(folder)
    assert len(read) <= depths.OPENED
    assert time.process_time() - start < 5
    assert images.items[1].window == (0, 4095)
    load_images(folder)
    assert len(read) <= depths.OPENED, "kept by digest"


def test_no_header_is_read_of_what_cannot_be_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ok").mkdir()
    (tmp_path / "ok/a.jpg").write_bytes(photo(1, "jpg"))
    monkeypatch.setattr(depths, "_head", lambda source: pytest.fail("nothing need be read"))
    assert values_of(load_images(tmp_path)) == []


def test_a_mask_and_a_grey_image_of_eight_bits_are_left_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "ok").mkdir()
    (tmp_path / "ok/a.png").write_bytes(encoded(Image.fromarray(counts(40, "u1")), "png"))
    images = load_images(tmp_path)
    assert images.report is not None
    assert not images.report.findings
    assert images.items[0].window is None
