"""Inspection sets in the forms in which they break: what is read of each, or what is said."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from laid import Case, blank, disc, encoded, facts, finding, read
from laid_industrial import category
from PIL import Image

from workbench.errors import InputError
from workbench.images import BytesSource
from workbench.images.deep import decode_mask
from workbench.predictions.labels import good_class
from workbench.sets.layouts import load_images
from workbench.sets.mask_pairs import LOOKED_AT, is_empty

# Splits, roots and what is no part of the set


def test_a_mask_without_a_split_belongs_to_the_test_image_of_its_name(tmp_path: Path) -> None:
    images, _ = read(tmp_path, {**category(), "train/crack/000.png": "photo"})
    assert facts(images)["test/crack/000.png"] == ("crack", "test", True)
    assert facts(images)["train/crack/000.png"] == ("crack", "train", False)


def test_masks_of_a_split_belong_to_images_of_that_split(tmp_path: Path) -> None:
    files = {f"{split}/{part}bad/1.png": kind for split in ("train", "test") for part, kind in _parts()}
    images, report = read(tmp_path, files)
    assert facts(images) == {
        "test/bad/1.png": ("bad", "test", True),
        "train/bad/1.png": ("bad", "train", True),
    }
    assert report.layout == "mvtec"


def _parts() -> tuple[tuple[str, str], ...]:
    return ("", "photo"), ("ground_truth/", "mask")


def test_a_set_without_training_images_is_read(tmp_path: Path) -> None:
    files = {name: kind for name, kind in category().items() if not name.startswith("train")}
    images, report = read(tmp_path, files)
    assert report.layout == "mvtec"
    assert facts(images) == {
        "test/crack/000.png": ("crack", "test", True),
        "test/good/000.png": ("good", "test", False),
    }


def test_results_beside_the_splits_are_left_out_and_told_of(tmp_path: Path) -> None:
    _, report = read(tmp_path, {**category(), "__results__/map.png": "photo", "results/run/000.png": "photo"})
    (left,) = report.left_out
    assert sorted(left.names) == ["__results__/map.png", "results/run/000.png"]
    assert left.reason == "in no folder of a split"
    assert report.total == 3


def test_one_product_is_asked_for_below_a_nested_root(tmp_path: Path) -> None:
    files = {f"data/{name}": kind for part in ("bottle/", "cable/") for name, kind in category(part).items()}
    images, report = read(tmp_path, files)
    assert {item.attributes["category"] for item in images} == {"bottle", "cable"}
    (question,) = report.questions
    assert [value for value, _ in question.choices] == ["data", "data/bottle", "data/cable"]
    assert question.choices[1][1] == "bottle alone: 3 images"
    for value, count in (("data", 6), ("data/bottle", 3)):
        images, report = read(tmp_path, files, root=value)
        assert (len(images), report.questions) == (count, ())


def test_a_product_without_masks_does_not_hide_that_there_are_several(tmp_path: Path) -> None:
    images, _ = read(
        tmp_path, {**category("bottle/"), "cable/train/good/0.png": "photo", "cable/test/bent/0.png": "photo"}
    )
    assert facts(images)["cable/test/bent/0.png"] == ("bent", "test", False)
    files = {
        name: kind for part in ("bottle/", "cable/") for name, kind in category(part).items() if "truth" not in name
    }
    images, report = read(tmp_path / "bare", files)
    assert (report.layout, images.class_names) == ("mvtec", ("crack", "good"))


def test_a_zip_of_a_folder_is_read_as_the_folder(tmp_path: Path) -> None:
    folder = Case("set", category("bottle/"), {}, {}).lay(tmp_path / "set")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in folder.rglob("*.png"):
            archive.write(path, path.relative_to(folder))
    zipped, plain = load_images(tmp_path / "set.zip"), load_images(folder)
    assert facts(zipped) == facts(plain)
    assert [item.id for item in zipped] == [item.id for item in plain]


def test_names_in_chinese(tmp_path: Path) -> None:
    images, report = read(
        tmp_path,
        {
            "瓶子/训练/良品/0.png": "photo",
            "瓶子/测试/良品/1.png": "photo",
            "瓶子/测试/破损/2.png": "photo",
            "瓶子/ground_truth/破损/2_mask.png": "mask",
        },
    )
    assert facts(images) == {
        "测试/破损/2.png": ("破损", "test", True),
        "测试/良品/1.png": ("良品", "test", False),
        "训练/良品/0.png": ("良品", "train", False),
    }
    assert good_class(images.class_names) == "良品"
    assert report.findings == ()


@pytest.mark.parametrize("good", ["good", "GOOD", "ok", "Normal", "良品", "defect-free"])
def test_the_class_of_good_parts_is_found(tmp_path: Path, good: str) -> None:
    files = {name.replace("good", good): kind for name, kind in category().items()}
    images, report = read(tmp_path, files)
    assert good_class(images.class_names) == good
    assert f"of good parts: {good}" in next(guess.value for guess in report.guesses if guess.topic == "labels")


# Masks that do not come out even


def test_masks_that_are_missing_and_masks_without_an_image_are_counted(tmp_path: Path) -> None:
    extra = {f"test/crack/00{n}.png": "photo" for n in (1, 2)}
    images, report = read(tmp_path, {**category(), **extra, "ground_truth/crack/007_mask.png": "mask"})
    assert (report.total, report.masks) == (5, 1)
    missing = finding(report, "mask missing")
    assert missing.images == ("test/crack/001.png", "test/crack/002.png")
    assert "2 of 3" in missing.sentence
    assert "ground_truth/crack/007_mask.png" in finding(report, "mask without image").sentence
    assert [left.names for left in report.left_out] == [("ground_truth/crack/007_mask.png",)]
    assert images.by_name["test/crack/001.png"].open_mask() is None


def test_a_kind_of_defect_without_any_mask_is_told_apart(tmp_path: Path) -> None:
    _, report = read(tmp_path, {**category(), "test/dent/0.png": "photo", "test/dent/1.png": "photo"})
    assert finding(report, "class without masks").images == ("test/dent/0.png", "test/dent/1.png")


def test_masks_of_good_images_are_looked_into(tmp_path: Path) -> None:
    files = {**category(), "test/good/001.png": "photo", "ground_truth/good/001_mask.png": blank()}
    _, report = read(tmp_path / "blank", files)
    assert report.findings == ()
    _, report = read(tmp_path / "drawn", {**files, "ground_truth/good/000_mask.png": "mask"})
    assert finding(report, "mask of a good image").images == ("test/good/000.png",)
    assert "1 of 2" in finding(report, "mask of a good image").sentence


def test_a_mask_of_another_size_is_told_of_and_refused(tmp_path: Path) -> None:
    images, report = read(tmp_path, {**category(), "ground_truth/crack/000_mask.png": disc(3, size=(40, 12))})
    assert any("40 x 12" in found.sentence for found in report.findings)
    with pytest.raises(InputError, match="40 x 12 pixels but its image is 16 x 16"):
        images.by_name["test/crack/000.png"].open_mask()


def test_masks_of_one_image_are_joined(tmp_path: Path) -> None:
    left, right = disc(2), disc(5)
    files = {**category(), "ground_truth/crack/000_mask.png": left, "ground_truth/crack/000_mask_2.png": right}
    images, _ = read(tmp_path, files)
    mask = images.by_name["test/crack/000.png"].open_mask()
    rows, columns = np.mgrid[:16, :16]
    assert mask is not None
    assert (mask == ((rows - 8) ** 2 + (columns - 8) ** 2 <= 25)).all()


@pytest.mark.parametrize(
    "name", ["2.png", "2_mask.png", "2_GT.bmp", "2-label.tif", "2.jpg.png", "mask_2.png", "2_MASK.PNG"]
)
def test_masks_in_every_usual_name(tmp_path: Path, name: str) -> None:
    images, _ = read(tmp_path, {"good/1.jpg": "photo", "crack/2.jpg": "photo", f"ground_truth/crack/{name}": "mask"})
    assert facts(images) == {"crack/2.jpg": ("crack", None, True), "good/1.jpg": ("good", None, False)}


def test_a_mask_of_a_name_that_two_images_share_is_given_to_neither(tmp_path: Path) -> None:
    files = {"good/1.png": "photo", "crack/2.jpg": "photo", "crack/2.bmp": "photo", "crack/3.jpg": "photo"}
    masks = {"ground_truth/crack/2.png": "mask", "ground_truth/crack/3.png": "mask"}
    images, report = read(tmp_path, {**files, **masks})
    assert [name for name, (_, _, mask) in facts(images).items() if mask] == ["crack/3.jpg"]
    assert "ground_truth/crack/2.png" in finding(report, "mask without image").sentence


@pytest.mark.parametrize("word", ["mask", "Mask", "label"])
def test_a_class_that_is_called_as_masks_are_stays_one(tmp_path: Path, word: str) -> None:
    files = {
        f"{split}/{kind}/{n}.jpg": "photo" for split in ("train", "test") for kind in (word, "none") for n in (1, 2)
    }
    images, report = read(tmp_path, files)
    assert report.layout == "folders"
    assert {label for label, _, _ in facts(images).values()} == {word, "none"}


def test_no_masks_where_none_are_wanted(tmp_path: Path) -> None:
    _, report = read(tmp_path, {**category(), "test/crack/001.png": "photo"}, masks="none")
    assert (report.total, report.masks, report.findings) == (4, 0, ())


# Attributes


def test_lighting_and_scene_of_mvtec_ad_2(tmp_path: Path) -> None:
    names = ("000_regular", "000_shift_1", "001_overexposed")
    files = {f"test_public/bad/{name}.png": "photo" for name in names}
    masks = {f"test_public/ground_truth/bad/{name}_mask.png": "mask" for name in names}
    images, _ = read(tmp_path, {**files, **masks, "test_private/000_regular.png": "photo", "train/good/0.png": "photo"})
    public = [dict(item.attributes) for item in images if item.label == "bad"]
    assert [about["lighting"] for about in public] == ["regular", "shift_1", "overexposed"]
    assert [about["group"] for about in public] == ["test_public/bad/000"] * 2 + ["test_public/bad/001"]
    assert {about["test set"] for about in public} == {"public"}
    private = images.by_name["test_private/000_regular.png"]
    assert (private.label, private.split, private.attributes["test set"]) == (None, "test", "private")


def test_parts_of_kolektor_are_groups_not_classes(tmp_path: Path) -> None:
    files = {"kos01/Part0.jpg": "photo", "kos01/Part0_label.bmp": blank("bmp"), "kos02/Part0.jpg": "photo"}
    images, report = read(tmp_path, {**files, "kos02/Part0_label.bmp": "mask"})
    assert [item.attributes["group"] for item in images] == ["kos01", "kos02"]
    assert report.questions == ()
    renamed = {name.replace("kos", "item"): kind for name, kind in {**files, "kos02/Part0_label.bmp": "mask"}.items()}
    images, report = read(tmp_path / "renamed", renamed)
    assert [question.option for question in report.questions] == ["layout"]
    images, _ = read(tmp_path / "renamed", renamed, layout="folders")
    assert images.class_names == ("item01", "item02")


def test_an_image_without_a_mask_has_no_label_where_masks_say_it(tmp_path: Path) -> None:
    files = {"train/1.png": "photo", "train/1_GT.png": "mask", "train/2.png": "photo"}
    images, report = read(tmp_path, files)
    assert [item.label for item in images] == ["defective", None]
    assert finding(report, "label missing").images == ("train/2.png",)


def test_a_product_of_visa_alone_keeps_labels_and_kinds(tmp_path: Path) -> None:
    table = "image,label,mask\ncandle/Data/Images/Anomaly/0.JPG,burnt,candle/Data/Masks/Anomaly/0.png\n"
    files = {
        "Data/Images/Normal/0.JPG": "photo",
        "Data/Images/Anomaly/0.JPG": "photo",
        "Data/Masks/Anomaly/0.png": "mask",
        "image_anno.csv": table,
    }
    images, report = read(tmp_path, files)
    assert report.layout == "visa"
    assert facts(images)["Data/Images/Anomaly/0.JPG"] == ("Anomaly", None, True)
    assert images.by_name["Data/Images/Anomaly/0.JPG"].attributes == {"defect": "burnt"}
    assert good_class(images.class_names) == "Normal"


def test_one_product_of_visa_keeps_the_splits_of_the_whole(tmp_path: Path) -> None:
    rows = "object,split,label,image,mask\ncandle,train,normal,candle/Data/Images/Normal/0.JPG,\n"
    files = {f"{name}/Data/Images/Normal/{n}.JPG": "photo" for name in ("candle", "pcb1") for n in (0, 1)}
    table = f"{rows}candle,test,normal,candle/Data/Images/Normal/1.JPG,\n"
    images, report = read(tmp_path, {**files, "split_csv/1cls.csv": table}, root="candle")
    assert facts(images) == {
        "Data/Images/Normal/0.JPG": ("Normal", "train", False),
        "Data/Images/Normal/1.JPG": ("Normal", "test", False),
    }
    assert {name for left in report.left_out for name in left.names} == {
        "pcb1/Data/Images/Normal/0.JPG",
        "pcb1/Data/Images/Normal/1.JPG",
        "split_csv/1cls.csv",
    }


def test_a_class_called_gt_stays_a_class(tmp_path: Path) -> None:
    files = {f"{split}/{kind}/{n}.jpg": "photo" for split in ("train", "test") for kind in ("GT", "M3") for n in (1, 2)}
    images, _ = read(tmp_path, files)
    assert images.class_names == ("GT", "M3")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("ending", ["png", "bmp", "jpg", "tif"])
@pytest.mark.parametrize("level", [0, 1, 255])
def test_a_mask_is_empty_where_its_decoded_values_are(mode: str, ending: str, level: int) -> None:
    values = np.zeros((16, 16), np.uint8)
    values[4:9, 4:9] = level
    image = Image.fromarray(values.astype(np.uint16)) if mode == "I;16" else Image.fromarray(values).convert(mode)
    try:
        data = encoded(image, ending)
    except (OSError, KeyError):
        pytest.skip("no such file")
    try:
        decoded = decode_mask(data, "a mask")
    except InputError:
        assert is_empty(BytesSource(data)) is None
    else:
        assert is_empty(BytesSource(data)) == (not decoded.any())


def test_a_mask_in_an_array_is_looked_into() -> None:
    for level in (0, 1):
        buffer = io.BytesIO()
        np.save(buffer, np.full((4, 4), level, np.uint8))
        assert is_empty(BytesSource(buffer.getvalue())) is (level == 0)


# Speed


def test_reading_many_files_decodes_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.sets import mask_pairs

    looked: list[object] = []
    monkeypatch.setattr(mask_pairs, "is_empty", lambda mask: looked.append(mask) or is_empty(mask))
    mask, photo = disc(3), disc(1)
    files: dict[str, bytes | str] = {f"test/good/{n:04}.png": photo for n in range(1000)}
    files |= {f"ground_truth/good/{n:04}_mask.png": mask for n in range(1000)}
    start = time.process_time()
    _, report = read(tmp_path, files)
    assert report.total == report.masks == 1000
    assert 0 < len(looked) <= LOOKED_AT
    assert time.process_time() - start < 3
