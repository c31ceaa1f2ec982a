"""What a few masks say of a set, and masks of images that EXIF turns."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from laid import disc, photo
from PIL import Image, ImageOps

from workbench.catalog import ReadOptions
from workbench.images import BytesSource, FileSource, ImageItem, ImageSet, LoadReport
from workbench.images.masks import MaskSource
from workbench.sets.layouts import load_images, stamp

Refusal = Callable[[Callable[[], object]], str]
SHAPE = (32, 48)


def encoded(values: np.ndarray, kind: str = "PNG", orientation: int = 1) -> bytes:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(values).save(buffer, kind, exif=exif)
    return buffer.getvalue()


def spot(row: int, column: int, size: int = 6) -> np.ndarray:
    values = np.zeros(SHAPE, np.uint8)
    values[row : row + size, column : column + size] = 255
    return values


def read(folder: Path, masks: list[np.ndarray | bytes], **options: str) -> ImageSet:
    """A set of class folders, each image with its mask beside it."""
    (folder / "bad").mkdir(parents=True)
    (folder / "good").mkdir()
    (folder / "good" / "x.jpg").write_bytes(photo(99, "jpg"))
    for number, mask in enumerate(masks):
        image = photo(number, "jpg", SHAPE[::-1])
        (folder / "bad" / f"{number}.jpg").write_bytes(image)
        data = mask if isinstance(mask, bytes) else encoded(mask)
        (folder / "bad" / f"{number}.png").write_bytes(data)
    return load_images(folder, options=ReadOptions(**options))


def report_of(images: ImageSet) -> LoadReport:
    assert images.report is not None
    return images.report


def rule(images: ImageSet) -> tuple[str, str]:
    guess = next(guess for guess in report_of(images).guesses if guess.option == "mask_rule")
    return guess.value, guess.why


def masks_of(images: ImageSet) -> list[np.ndarray]:
    return [mask for item in images if (mask := item.open_mask()) is not None]


def test_the_rule_and_what_it_was_seen_in_are_told(tmp_path: Path) -> None:
    images = read(tmp_path, [spot(4, 4), spot(9, 9), spot(0, 0) * np.uint8(0)])
    assert rule(images) == ("what is over 0 is inside", "3 of 3 masks were looked at: 2 of two values, 1 empty")
    finding = next(finding for finding in report_of(images).findings if finding.kind == "empty mask")
    assert "Of 3 masks of 'bad' that were looked at 1 have nothing inside" in finding.sentence
    assert finding.images == ("bad/2.jpg",)
    assert report_of(images).questions == ()


def test_white_around_black_is_asked_and_until_then_turned_over(tmp_path: Path) -> None:
    places = [spot(4, 4), spot(9, 20)]
    images = read(tmp_path / "a", [255 - place for place in places])
    (question,) = report_of(images).questions
    assert question.option == "mask_rule"
    assert [value for value, _ in question.choices] == ["inverted", "nonzero"]
    assert all(np.array_equal(mask, place > 0) for mask, place in zip(masks_of(images), places, strict=True))
    for value, inside in (("inverted", True), ("nonzero", False)):
        answered = read(tmp_path / value, [255 - place for place in places], mask_rule=value)
        assert report_of(answered).questions == ()
        assert all(np.array_equal(m, (p > 0) == inside) for m, p in zip(masks_of(answered), places, strict=True))


def test_one_mask_that_reaches_the_border_turns_nothing_over(tmp_path: Path) -> None:
    whole = np.full(SHAPE, 255, np.uint8)
    images = read(tmp_path, [spot(4, 4), spot(9, 9), 255 - spot(9, 9), whole])
    assert report_of(images).questions == ()
    assert [int(mask.sum()) for mask in masks_of(images)] == [36, 36, 48 * 32 - 36, 48 * 32]


def test_the_background_of_the_set_is_that_of_a_mask_of_one_value(tmp_path: Path) -> None:
    images = read(tmp_path, [spot(4, 4) // 255 + 254, np.full(SHAPE, 254, np.uint8), np.full(SHAPE, 255, np.uint8)])
    assert [int(mask.sum()) for mask in masks_of(images)] == [36, 0, 48 * 32]
    assert "lowest value" in rule(images)[0]


def test_void_is_known_from_the_masks_that_hold_classes(tmp_path: Path, refusal: Refusal) -> None:
    classes = spot(4, 4) // 255 + spot(20, 20)
    images = read(tmp_path, [classes, spot(9, 9), spot(9, 9) // 255 * 2])
    assert [int(mask.sum()) for mask in masks_of(images)] == [36, 0, 36]
    assert "not 255" in rule(images)[0]
    item = images.by_name["bad/0.jpg"]
    noise = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
    (tmp_path / "bad" / "0.png").write_bytes(encoded(noise))
    assert "looks like a photo" in refusal(item.open_mask)


def test_a_faint_mask_among_soft_ones_is_refused_and_does_not_count(tmp_path: Path, refusal: Refusal) -> None:
    def soft(high: int) -> np.ndarray:
        rows, columns = np.mgrid[:32, :48]
        return np.uint8(np.clip(high * (1.5 - np.hypot(rows - 16, columns - 24) / 8), 0, high))

    images = read(tmp_path, [soft(255), soft(200), soft(250), spot(4, 4) // 255])
    for number, high in enumerate((255, 200, 250)):
        mask = images.by_name[f"bad/{number}.jpg"].open_mask()
        assert np.array_equal(mask, soft(high) >= np.ceil(high / 2))
    assert images.by_name["bad/3.jpg"].open_mask().sum() == 36
    (tmp_path / "bad" / "1.png").write_bytes(encoded(soft(60)))
    assert "reaches 60 only, and other masks of its set 255" in refusal(images.by_name["bad/1.jpg"].open_mask)
    findings = report_of(load_images(tmp_path)).findings
    assert [(finding.kind, finding.images) for finding in findings] == [("faint mask", ("bad/1.jpg",))]


def test_masks_of_good_images_and_masks_that_are_all_inside_are_found(tmp_path: Path) -> None:
    def found(folder: Path, masks: list[np.ndarray], good: np.ndarray) -> list[tuple[str, tuple[str, ...]]]:
        read(folder, masks)
        (folder / "good" / "x.png").write_bytes(encoded(good))
        (folder / "good" / "x.jpg").write_bytes(photo(99, "jpg", SHAPE[::-1]))
        return [(finding.kind, finding.images) for finding in report_of(load_images(folder)).findings]

    whole = np.full(SHAPE, 255, np.uint8)
    assert found(tmp_path / "a", [spot(4, 4)], spot(9, 9)) == [("mask of a good image", ("good/x.jpg",))]
    assert found(tmp_path / "b", [spot(4, 4)], whole * 0) == []
    assert found(tmp_path / "c", [whole, whole], whole)[0] == ("full masks", ())


def test_masks_that_cannot_be_used_are_found_before_any_figure(tmp_path: Path, refusal: Refusal) -> None:
    files = {"a/1.jpg": photo(1, "jpg"), "a/2.jpg": photo(2, "jpg"), "m/1.png": photo(3), "m/2.png": disc(size=(9, 9))}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    images = load_images(tmp_path, options=ReadOptions(masks="m/{stem}.png"))
    (finding,) = report_of(images).findings
    assert finding.images == ("a/1.jpg", "a/2.jpg")
    assert "2 of the 2 masks that were looked at" in finding.sentence
    assert "3 channels of different values" in finding.sentence
    assert "mask of a/2.jpg is 9 x 9 pixels but its image is 16 x 16" in refusal(
        images.by_name["a/2.jpg"].open_mask
    ).replace("The", "the")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", [SHAPE, (40, 40)])
def test_a_mask_lands_on_its_image_as_exif_turns_it(orientation: int, shape: tuple[int, int], refusal: Refusal) -> None:
    stored = np.zeros((*shape, 3), np.uint8)
    stored[3:9, 5:15] = (255, 90, 90)  # a known place, off the middle
    image = encoded(stored, "TIFF" if orientation == 5 else "PNG", orientation)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(image))))[..., 0] > 200
    drawn = {
        "upright": encoded(upright * np.uint8(255)),
        "with the image's own tag": encoded((stored[..., 0] > 200) * np.uint8(255), orientation=orientation),
    }
    if orientation >= 5 and shape[0] != shape[1]:
        drawn["on the stored pixels"] = encoded((stored[..., 0] > 200) * np.uint8(255))
        drawn["upright, with a tag left over"] = encoded(upright * np.uint8(255), orientation=orientation)
    for way, data in drawn.items():
        mask = ImageItem("a.png", BytesSource(image), mask=BytesSource(data)).open_mask()
        assert np.array_equal(mask, upright), way
    if orientation < 5 and shape[0] != shape[1]:
        lying = ImageItem("a.png", BytesSource(image), mask=BytesSource(encoded(np.zeros(shape[::-1], np.uint8))))
        assert "export the mask at the image's size" in refusal(lying.open_mask)


def test_what_sizes_cannot_tell_of_turned_images_is_stated(tmp_path: Path) -> None:
    for number, orientation in enumerate((3, 6, 1)):
        values = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        (tmp_path / f"{number}.jpg").write_bytes(encoded(values, "JPEG", orientation))
        (tmp_path / f"{number}.png").write_bytes(disc(size=(40, 40)))
    guess = next(g for g in report_of(load_images(tmp_path)).guesses if g.how == "assumed" and g.topic == "masks")
    assert guess.why.startswith("2 of them belong to images that EXIF turns")
    assert "upright" in guess.value


def test_several_files_are_one_mask_each_held_against_the_image(tmp_path: Path, refusal: Refusal) -> None:
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(encoded(spot(4 * number, 10 * number)))
    image = BytesSource(photo(1, "png", SHAPE[::-1]))
    source = MaskSource(tuple(map(FileSource, files)))
    item = ImageItem("a.png", image, mask=source)
    wanted = np.any([spot(4 * number, 10 * number) > 0 for number in range(3)], axis=0)
    assert np.array_equal(item.open_mask(), wanted)
    assert np.array_equal(pickle.loads(pickle.dumps(item)).open_mask(), wanted)
    assert np.array_equal(item.held().open_mask(), wanted)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(source.read()))) > 0, wanted)
    before = item.mask_id
    assert len({MaskSource(source.parts, rule).digest for rule in ("auto", "inverted", "128")}) == 3
    files[1].write_bytes(encoded(spot(0, 0)))
    fresh = ImageItem("a.png", image, mask=MaskSource(source.parts))
    assert fresh.mask_id != before
    assert item.open_mask().sum() == 2 * 36
    files[2].write_bytes(disc(size=(9, 9)))
    assert "mask of a.png (2.png) is 9 x 9" in refusal(item.open_mask)


def test_the_stamp_of_a_set_follows_every_file_of_a_mask(tmp_path: Path) -> None:
    for name, data in {"s/a/1.png": photo(1), "s/b/2.png": photo(2), "m/1x.png": disc(2), "m/1y.png": disc(3)}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    images = load_images(tmp_path / "s")
    item = ImageItem(
        "a/1.png",
        images.items[0].source,
        mask=MaskSource((FileSource(tmp_path / "m/1x.png"), FileSource(tmp_path / "m/1y.png"))),
    )
    masked = ImageSet("s", (item,))
    before = stamp(str(tmp_path / "s"), masked)
    (tmp_path / "m/1y.png").write_bytes(disc(5, size=(16, 16)) + b" ")
    assert stamp(str(tmp_path / "s"), masked) != before
