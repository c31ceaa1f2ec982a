"""Which files are masks, and masks by a pattern of their paths."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from laid import disc, encoded, photo
from PIL import Image, ImageOps

import workbench as wb
from workbench.catalog import ReadOptions
from workbench.images import BytesSource, FileSource, ImageSet
from workbench.images.masks import doubtful, evenly_spread
from workbench.sets import mask_paths
from workbench.sets.layouts import load_images

Refusal = Callable[[Callable[[], object]], str]
MVTEC = {
    "train/good/0.png": photo(1),
    "test/good/0.png": photo(2),
    "test/crack/0.png": photo(3),
    "test/crack/1.png": photo(4),
    "ground_truth/crack/0_mask.png": disc(3),
    "ground_truth/crack/1_mask.png": disc(4),
}


def laid(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def masked(images: ImageSet) -> dict[str, int]:
    """Pixels inside by the image's name, of images with a mask."""
    return {item.name: int(mask.sum()) for item in images if (mask := item.open_mask()) is not None}


def pixels(radius: float) -> int:
    return sum((r - 8) ** 2 + (c - 8) ** 2 <= radius**2 for r in range(16) for c in range(16))


def pair(name: str, mask: bytes, image: bytes) -> tuple[str, BytesSource, BytesSource]:
    return name, BytesSource(mask), BytesSource(image)


def test_a_photo_that_shares_a_stem_is_no_mask_and_a_mask_is() -> None:
    found = doubtful([pair("a", photo(1), photo(2)), pair("b", disc(), photo(3)), pair("c", photo(4, "jpg"), photo(5))])
    assert set(found) == {"a", "c"}
    assert found["a"].startswith("is 3 channels of different values: 256 colours")
    assert found["c"].startswith("looks like a photo: ")


def test_a_copy_of_the_image_is_no_mask_and_a_file_may_be_held_against_itself(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.png", "A.png")]
    for path in paths:
        path.write_bytes(disc(2))
    image, copy = map(FileSource, paths)
    assert doubtful([("a", copy, image)]) == {"a": "is the same file as its image"}
    assert doubtful([("a", image, image)]) == {}


def test_a_file_of_another_size_and_aspect_is_no_mask_and_one_that_lies_or_is_smaller_is() -> None:
    image = photo(1, size=(40, 30))
    sizes = {"same": (40, 30), "lying": (30, 40), "half": (20, 15), "square": (30, 30), "logo": (40, 10)}
    found = doubtful([pair(name, disc(size=size), image) for name, size in sizes.items()])
    assert found == dict.fromkeys(("square", "logo"), "has another size and aspect than its image")


def test_few_files_are_decoded_unless_some_are_masks_and_others_not(monkeypatch: pytest.MonkeyPatch) -> None:
    image, reads = photo(0), []
    for good in (True, False):
        reads.clear()
        pairs = []
        for number in range(1000):
            source = BytesSource(disc(3) if good else photo(1))
            pairs.append((str(number), source, BytesSource(image)))
        real = BytesSource.read
        monkeypatch.setattr(BytesSource, "read", lambda self: reads.append(1) or real(self))  # noqa: B023
        assert len(doubtful(pairs)) == (0 if good else 1000)
        monkeypatch.undo()
        assert len(reads) <= 32
    mixed = [pair(str(n), photo(1) if n % 2 else disc(3), image) for n in range(100)]
    assert set(doubtful(mixed)) == {str(n) for n in range(100) if n % 2}
    many = doubtful([pair(str(n), photo(1) if n % 2 else disc(3), image) for n in range(600)])
    assert "599" in many
    assert "was not looked at" in many["598"]


def test_a_sample_runs_from_the_first_to_the_last() -> None:
    assert evenly_spread(range(3), 5) == [0, 1, 2]
    assert evenly_spread(range(101), 5) == [0, 25, 50, 75, 100]


@pytest.mark.parametrize(
    "pattern",
    [
        "truth/{label}/{stem}_m.png",
        "truth/{label}/{stem}_*.png",
        "tr*/{label}/{stem}_m.png",
        "truth\\{label}\\{stem}_m.*",
    ],
)
def test_a_pattern_names_the_masks_in_place_of_the_layout(tmp_path: Path, pattern: str) -> None:
    files = MVTEC | {"truth/crack/0_m.png": disc(2), "truth/crack/11_m.png": disc(1)}
    images = load_images(laid(tmp_path, files), options=ReadOptions(masks=pattern))
    assert masked(images) == {"test/crack/0.png": pixels(2)}
    report = images.report
    assert report is not None
    assert report.masks == 1
    left = {name for group in report.left_out for name in group.names}
    assert left == {"ground_truth/crack/0_mask.png", "ground_truth/crack/1_mask.png", "truth/crack/11_m.png"}
    assert report.used + len(left) == report.listed == len(files)
    assert [(guess.how, guess.option) for guess in report.guesses if guess.topic == "masks"] == [
        ("stated", "masks"),
        ("recognised", "mask_rule"),
    ]


def test_several_masks_of_an_image_are_joined_and_never_the_image_itself(tmp_path: Path) -> None:
    files = {"a/1.png": photo(1), "a/1_x.png": disc(2), "a/1_y.png": disc(4), "b/2.png": photo(2)}
    images = load_images(laid(tmp_path, files), options=ReadOptions(masks="{folder}/{stem}*.png"))
    assert masked(images) == {"a/1.png": pixels(4)}
    assert [item.name for item in images] == ["a/1.png", "b/2.png"]
    assert "mask kinds" not in images.attribute_names  # "_x" is no word


def test_what_stands_for_the_star_names_the_kinds_of_masks(tmp_path: Path) -> None:
    masks = {"m/1_bent.png": disc(2), "m/1_broken.png": disc(4), "m/2_bent.png": disc(3)}
    photos = {f"bad/{number}.png": photo(number) for number in (1, 2, 3)}
    images = load_images(laid(tmp_path, masks | photos), options=ReadOptions(masks="m/{stem}_*.png"))
    assert [item.attributes.get("mask kinds") for item in images] == ["bent; broken", "bent", None]


def test_a_pattern_that_fits_too_much_is_refused_in_time(
    tmp_path: Path, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mask_paths, "MOST_STEPS", 20)
    folder = laid(tmp_path, {f"bad/{number}.png": photo(number) for number in range(9)})
    message = refusal(lambda: load_images(folder, options=ReadOptions(masks="*{stem}*.png")))
    assert "fits too many files" in message
    assert "looks for" in refusal(lambda: load_images(folder, options=ReadOptions(masks="m/*{stem}.png")))


def test_none_leaves_masks_out_and_says_so(tmp_path: Path) -> None:
    images = load_images(laid(tmp_path, MVTEC), options=ReadOptions(masks="none"))
    assert masked(images) == {}
    report = images.report
    assert report is not None
    assert [group.names for group in report.left_out if "mask" in group.reason] == [
        ("ground_truth/crack/0_mask.png", "ground_truth/crack/1_mask.png")
    ]
    assert report.used + 2 == report.listed == 6


def test_a_pattern_that_names_nothing_is_refused_with_what_it_looked_for(tmp_path: Path, refusal: Refusal) -> None:
    folder = laid(tmp_path, MVTEC)

    def message(pattern: str) -> str:
        return refusal(lambda: load_images(folder, options=ReadOptions(masks=pattern)))

    assert "for test/crack/0.png it looks for gt/crack/0.tif" in message("gt/{label}/{stem}.tif")
    assert "for test/crack/0.png it looks for gt/test/crack/*.png" in message("gt/{folder}/*.png")
    for wrong in ("{stem", "{where}.png", "", " "):
        assert "is no pattern of masks" in message(wrong)


def test_a_table_takes_its_masks_by_a_pattern_too(tmp_path: Path) -> None:
    files = {"manifest.csv": b"image,label,mask\nx/1.png,bad,m/1.png\n", "x/1.png": photo(1)}
    folder = laid(tmp_path, files | {"m/1.png": disc(2), "n/1.png": disc(4)})
    for ref in (folder, folder / "manifest.csv"):
        images = load_images(ref, options=ReadOptions(masks="n/{name}"))
        assert masked(images) == {"x/1.png": pixels(4)}
        report = images.report
        assert report is not None
        assert report.used + sum(len(group.names) for group in report.left_out) == report.listed


def test_a_rule_of_masks_is_obeyed_and_one_that_is_none_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    folder = laid(tmp_path, MVTEC)
    images = load_images(folder, options=ReadOptions(mask_rule="inverted"))
    assert masked(images) == {"test/crack/0.png": 256 - pixels(3), "test/crack/1.png": 256 - pixels(4)}
    for wrong in ("white", "auto 128"):
        assert "no rule of masks" in refusal(
            lambda wrong=wrong: load_images(folder, options=ReadOptions(mask_rule=wrong))
        )
    assert "the set has no masks" in refusal(
        lambda: load_images(folder, options=ReadOptions(masks="none", mask_rule="128"))
    )
    plain = wb.load_images(folder).by_name["test/crack/0.png"]
    ruled = images.by_name["test/crack/0.png"]
    assert plain.mask_id != ruled.mask_id
    assert plain.key != ruled.key
    assert plain.key == load_images(folder, options=ReadOptions(mask_rule="auto")).by_name["test/crack/0.png"].key


def test_labels_by_masks_follow_the_rule_and_the_pattern(tmp_path: Path) -> None:
    white = encoded(Image.new("L", (16, 16), 255), "png")
    spot = encoded(ImageOps.invert(Image.open(io.BytesIO(disc(3)))), "png")
    files = {f"images/{number}.png": photo(number) for number in (1, 2)}
    files |= {"masks/1.png": white, "masks/2.png": spot, "other/2.png": white, "other/1.png": spot}
    folder = laid(tmp_path, files)
    ruled = load_images(folder, options=ReadOptions(layout="defects", mask_rule="inverted", leave_out=("other/*",)))
    assert [item.label for item in ruled] == ["good", "defective"]
    options = ReadOptions(layout="defects", mask_rule="inverted", masks="other/{name}", leave_out=("masks/*",))
    assert [item.label for item in load_images(folder, options=options)] == ["defective", "good"]


def test_rows_that_name_a_mask_each_of_one_image_are_joined(tmp_path: Path) -> None:
    rows = b"image,label,mask\n1.png,bad,a.png\n1.png,bad,b.png\n2.png,good,\n3.png,bad,a.png;gone.png\n"
    photos = {f"{number}.png": photo(number) for number in (1, 2, 3)}
    images = load_images(laid(tmp_path, {"t.csv": rows, "a.png": disc(2), "b.png": disc(5), **photos}))
    assert masked(images) == {"1.png": pixels(5)}
    report = images.report
    assert report is not None
    assert any("a.png;gone.png" in finding.sentence for finding in report.findings)
