"""Families: copies and other shots are found, and nothing is invented."""

import dataclasses
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageEnhance
from scipy.ndimage import gaussian_filter

import workbench as wb
from workbench.errors import InputError
from workbench.images import BytesSource, ImageItem, ImageSet, stamped_part
from workbench.images.stamped_metal import Plan
from workbench.quality import (
    Families,
    families_of_set,
    family_results,
    family_store,
    keep_families,
    known_families,
    look_for_families,
    store_key,
    told_apart,
)
from workbench.quality.grading import holds_sisters, joined


def item(name, image, kind="PNG", **settings):
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return ImageItem(name, BytesSource(buffer.getvalue()))


def texture(seed, size=64):
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(size, size, 3)), (1.5, 1.5, 0))
    return Image.fromarray(((field - field.min()) / np.ptp(field) * 255).astype(np.uint8))


@pytest.fixture(scope="module")
def textures():
    return [texture(seed) for seed in range(40)]


@pytest.fixture(scope="module")
def strangers(textures):
    return [item(f"{number}.png", image) for number, image in enumerate(textures)]


@pytest.fixture(scope="module")
def parts():
    """Sixty metal parts, each in two shots: with its own lamp, gain and noise."""
    shots = []
    for number, (_, part) in enumerate(Plan(60, 64, 3).parts()):
        for shot in range(2):
            scene = stamped_part._scene(part, 64)
            other = stamped_part._scene(dataclasses.replace(part, seed=(9, 10 * number + shot)), 64)
            lit = {name: getattr(other, name) for name in ("spot", "angle", "gain", "grain")}
            pixels = dataclasses.replace(scene, **lit).photograph(stamped_part._no_defect(64))
            shots.append(item(f"{number}-{shot}.png", Image.fromarray(pixels)))
    return shots


def count_of(images):
    return wb.families(images).frame["family"].nunique()


def test_strangers_stay_alone(strangers):
    found = wb.families(strangers)
    assert found.frame["family"].tolist() == [image.name for image in strangers]
    assert not len(found.pairs)
    assert 0.2 < found.threshold < 0.6
    assert [result.verdict for result in family_results(found)] == ["ok"]


COPIES = {
    "same bytes": ("same file", lambda image: image),
    "lighter": ("same image", lambda image: ImageEnhance.Brightness(image).enhance(1.15)),
    "turned": ("same image", lambda image: image.transpose(Image.Transpose.ROTATE_90)),
    "turned back": ("same image", lambda image: image.transpose(Image.Transpose.ROTATE_270)),
    "mirrored": ("same image", lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "transposed": ("same image", lambda image: image.transpose(Image.Transpose.TRANSPOSE)),
    "larger": ("same image", lambda image: image.resize((160, 160), Image.Resampling.BICUBIC)),
}


def test_copies_are_found_and_graded_and_join_nobody_else(textures, strangers):
    copies = [item(f"{name}.png", change(textures[place])) for place, (name, (_, change)) in enumerate(COPIES.items())]
    found = wb.families([*strangers, *copies])
    rows = found.frame.set_index("name")
    assert {name: (rows.loc[f"{name}.png", "grade"], rows.loc[f"{name}.png", "to"]) for name in COPIES} == {
        name: (grade, f"{place}.png") for place, (name, (grade, _)) in enumerate(COPIES.items())
    }
    assert found.frame["family"].nunique() == len(strangers)


def test_two_shots_of_each_part_are_found_and_no_two_parts_are_joined(parts):
    found = wb.families(parts)
    of = {name: {row.split("-")[0] for row in group} for name, group in found.frame.groupby("family")["name"]}
    assert all(len(numbers) == 1 for numbers in of.values())
    assert len(of) <= 66  # at least nine of ten twins
    assert family_results(found)[0].verdict == "warn"


def test_what_strangers_share_joins_nobody(textures):
    def marked(image):
        image = image.copy()
        pen = ImageDraw.Draw(image)
        pen.rectangle([4, 54, 40, 60], fill="white")
        pen.rectangle([0, 0, 63, 2], fill="black")
        return image

    assert count_of([item(f"{n}", marked(image)) for n, image in enumerate(textures)]) == 40
    some = [item(f"{n}", marked(image) if n < 8 else image) for n, image in enumerate(textures)]
    assert count_of(some) == 40


def test_images_without_texture_cannot_be_told_apart():
    flat = [item(f"{n}", Image.new("RGB", (32, 32), (5 * n, 90, 50))) for n in range(24)]
    found = wb.families(flat)
    assert found.frame["family"].nunique() == len(found.untold) == 24
    assert family_results(found)[0].verdict == "unknown"
    again = [item(f"{n}", Image.new("L", (9, 9), 7), compress_level=n) for n in range(3)]  # equal pixels say nothing
    assert count_of(again) == 3


def test_a_set_too_small_for_a_null_tells_copies_alone(textures):
    copies = [item("a", textures[0]), item("b", textures[1]), item("c", textures[0], "JPEG", quality=92)]
    found = wb.families(copies)
    assert found.threshold is None
    assert found.frame["family"].tolist() == ["a", "b", "a"]


def test_colour_alpha_and_the_low_bits_of_deep_images_count(textures):
    hues = np.asarray(textures[0])[..., [2, 0, 1]]
    other_colours = [*(item(f"{n}", image) for n, image in enumerate(textures)), item("hues", Image.fromarray(hues))]
    assert count_of(other_colours) == 41
    nothing = [Image.new("L", (64, 64), 0)] * 3
    clear = [item(f"{n}", Image.merge("RGBA", [*nothing, textures[n].convert("L")])) for n in range(2)]
    assert count_of(clear) == 2
    deep = np.asarray(textures[0].convert("L")).astype(np.uint16)
    assert count_of([item(f"{n}", Image.fromarray(deep + n)) for n in range(2)]) == 2


def test_what_cannot_be_read_resembles_nothing():
    broken = [ImageItem(f"{n}", BytesSource(b"nothing %d" % n)) for n in range(3)]
    found = wb.families(broken)
    assert found.unread == ("0", "1", "2")
    assert found.frame["family"].nunique() == 3
    with pytest.raises(InputError, match="no images"):
        wb.families([])


def test_who_is_told_apart_is_joined_neither_directly_nor_by_a_third(textures):
    images = [item(name, textures[0], compress_level=level) for name, level in (("a", 0), ("b", 1), ("c", 6))]
    assert len({image.id for image in images}) == 3
    assert wb.families(images).frame["family"].tolist() == ["a", "a", "a"]
    pairs = [(images[1].id, images[2].id)]
    found = wb.families(images, apart=pairs)
    assert found.frame["family"].tolist() == ["a", "a", "c"]
    assert told_apart(found, images, []).frame["family"].tolist() == ["a", "a", "a"]


def test_a_chain_joins_no_strangers():
    assert joined(4, [(0, 1), (1, 2), (2, 3)], []) == [0, 0, 2, 2]
    assert joined(3, [(0, 1), (1, 2), (0, 2)], []) == [0, 0, 0]
    assert joined(3, [(0, 1), (1, 2), (0, 2)], [(0, 2)]) == [0, 0, 2]
    chain = np.array([(n, n + 1, 0) for n in range(20)])
    assert holds_sisters(chain, 21)
    assert not holds_sisters(np.array([(0, 1, 0), (1, 2, 0), (0, 2, 0)]), 3)


def test_a_stopped_run_goes_on_and_a_damaged_record_is_read_again(textures, tmp_path):
    images = [item(f"{n}", textures[n % 40].rotate(3 * (n // 40)), "BMP") for n in range(70)]

    class StoppedError(Exception):
        pass

    def stop(done, total):
        if done > 20:
            raise StoppedError

    with pytest.raises(StoppedError):
        wb.families(images, folder=tmp_path, on_progress=stop)
    (kept,) = tmp_path.iterdir()
    size = kept.stat().st_size
    assert size > 0
    kept.write_bytes(kept.read_bytes()[:-100])
    data = bytearray(kept.read_bytes())
    data[500] ^= 255
    kept.write_bytes(bytes(data))
    steps = []
    found = wb.families(images[:30], folder=tmp_path, on_progress=lambda done, total: steps.append(done))
    assert steps == sorted(steps)
    assert steps[-1] == 30
    assert found.frame.equals(wb.families(images[:30]).frame)


def test_families_are_kept_and_a_damaged_file_is_none(parts, tmp_path):
    chain = np.array([(n, n + 1, 0) for n in range(20)])
    found = dataclasses.replace(wb.families(parts[:50]), sisters=holds_sisters(chain, 21))
    path = keep_families("name", found, tmp_path)
    again = known_families("name", [tmp_path])
    assert again.frame.equals(found.frame)
    assert again.pairs.equals(found.pairs)
    for name in ("threshold", "untold", "unread", "sisters", "strangers", "compared"):
        assert getattr(again, name) == getattr(found, name)
    path.write_bytes(path.read_bytes()[:200])
    assert known_families("name", [tmp_path]) is None


def test_a_set_is_compared_once_whoever_is_told_apart(textures, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    images = ImageSet("set", tuple(item(name, textures[0], compress_level=n) for n, name in enumerate("abc")))
    apart, steps = [(images.items[1].id, images.items[2].id)], []
    assert families_of_set(images, apart) is None
    for pairs in (apart, [], apart):
        found = look_for_families(images, pairs, on_progress=lambda done, total: steps.append(done))
        assert found.frame.equals(wb.families(images, apart=pairs).frame)
        assert families_of_set(images, pairs).frame.equals(found.frame)
    assert steps == sorted(steps)
    assert steps.count(len(images)) == 1


def test_parts_of_one_layout_without_a_grain_of_their_own_cannot_be_told_apart():
    rng = np.random.default_rng(3)
    layout = np.full((96, 96), 60.0)
    for row, column, height, width, level in rng.integers((0, 0, 3, 3, 90), (88, 88, 20, 20, 230), (40, 5)):
        layout[row : row + height, column : column + width] = level
    boards = [np.roll(layout, rng.integers(-2, 3, 2), (0, 1)) + rng.normal(0, 4, layout.shape) for _ in range(24)]
    found = wb.families(
        [item(f"{n}.png", Image.fromarray(board.clip(0, 255).astype(np.uint8))) for n, board in enumerate(boards)]
    )
    assert found.frame["family"].nunique() == 24
    assert (len(found.untold), found.threshold) == (24, None)
    assert set(found.pairs["grade"]) <= {"very similar"}
    assert family_results(found)[0].verdict == "unknown"


def test_families_that_come_with_the_package_are_found_last_and_for_the_same_images_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(family_store, "shipped", lambda name: tmp_path / "shipped" / name)
    images = ImageSet("set", tuple(ImageItem(f"{n}.png", BytesSource(bytes([n]))) for n in range(3)))

    def of(family):
        frame = pd.DataFrame({"name": ["0.png", "1.png", "2.png"], "family": family, "grade": None, "to": None})
        return Families(frame.astype(object), pd.DataFrame([], columns=["first", "second", "grade", "score", "turn"]))

    shipped = keep_families(store_key(images), of(["0.png", "0.png", "2.png"]), tmp_path / "shipped" / "families")
    before = shipped.read_bytes()
    assert families_of_set(images).by_name == {"0.png": "0.png", "1.png": "0.png", "2.png": "2.png"}
    assert look_for_families(images, folder=tmp_path / "own").by_name["1.png"] == "0.png"  # nothing is compared again
    for other in (images.items[::-1], images.items[:2], (*images.items[:2], ImageItem("2.png", BytesSource(b"other")))):
        assert families_of_set(ImageSet("set", other)) is None
    keep_families(store_key(images), of(["0.png", "1.png", "1.png"]))
    assert families_of_set(images).by_name["2.png"] == "1.png"
    assert shipped.read_bytes() == before
