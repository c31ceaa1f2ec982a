"""Sets of other people and exports of their tools: what is read of each, or what is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from laid import SIDE, encoded, facts, finding, read
from laid_tools import coloured, objects, shapes
from PIL import Image

from workbench.errors import InputError

P, M = "photo", "mask"
Files = dict[str, bytes | str]

# Strangers' folders


def test_dir_at_the_end_of_each_folder_and_masks_called_by_number(tmp_path: Path) -> None:
    images, report = read(
        tmp_path,
        {
            "normal_dir/image1.png": P,
            "normal_dir/image2.png": P,
            "abnormal_dir/image3.png": P,
            "abnormal_dir/image4.png": P,
            "mask_dir/mask3.png": M,
            "mask_dir/mask4.png": M,
        },
    )
    assert report.layout == "anomalib"
    assert images.class_names == ("abnormal_dir", "normal_dir")
    assert [name for name, (_, _, mask) in facts(images).items() if mask] == [
        "abnormal_dir/image3.png",
        "abnormal_dir/image4.png",
    ]


def test_kinds_below_one_folder_of_defects(tmp_path: Path) -> None:
    images, _ = read(
        tmp_path,
        {
            "NG/colour/00.jpg": P,
            "NG/crack/00.jpg": P,
            "good/00.jpg": P,
            "mask/colour/00.jpg": M,
            "mask/crack/00.jpg": M,
        },
    )
    assert facts(images) == {
        "NG/colour/00.jpg": ("NG", None, True),
        "NG/crack/00.jpg": ("NG", None, True),
        "good/00.jpg": ("good", None, False),
    }
    assert {item.name[:5]: item.attributes.get("folder") for item in images} == {
        "NG/co": "colour",
        "NG/cr": "crack",
        "good/": None,
    }


def test_folders_of_masks_that_are_called_as_their_kind_and_mask(tmp_path: Path) -> None:
    images, report = read(
        tmp_path,
        {
            "train/good/1.png": P,
            "test/good/1.png": P,
            "test/defect/bent/1.png": P,
            "test/defect/torn/1.png": P,
            "ground_truth/defect/bent_mask/1.png": M,
            "ground_truth/defect/torn_mask/1.png": M,
        },
    )
    assert (report.total, report.masks) == (4, 2)
    assert facts(images)["test/defect/torn/1.png"] == ("defect", "test", True)


@pytest.mark.parametrize("value", [1, 200, 236, 255])
def test_masks_of_loco_hold_a_value_a_kind(tmp_path: Path, value: int) -> None:
    values = np.zeros((SIDE, SIDE), np.uint8)
    values[2:6, 3:8] = value
    other = np.zeros((SIDE, SIDE), np.uint8)
    other[10:12, 10:12] = 255
    folder = "ground_truth/logical_anomalies/000"
    files: Files = {"train/good/0.png": P, "test/logical_anomalies/000.png": P, "test/good/0.png": P}
    masks: Files = {f"{folder}/000.png": encoded(Image.fromarray(values), "png")}
    masks[f"{folder}/001.png"] = encoded(Image.fromarray(other), "png")
    images, _ = read(tmp_path, {**files, **masks})
    mask = images.by_name["test/logical_anomalies/000.png"].open_mask()
    assert mask is not None
    assert mask.sum() == 4 * 5 + 2 * 2
    assert (mask == ((values > 0) | (other > 0))).all()


# Annotation tools


def test_what_labelme_converts_to_voc(tmp_path: Path) -> None:
    index = np.zeros((SIDE, SIDE), np.uint8)
    index[4:8] = 2
    mask = Image.fromarray(index).convert("P")
    mask.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    images, report = read(
        tmp_path,
        {
            "JPEGImages/a.jpg": P,
            "JPEGImages/b.jpg": P,
            "SegmentationClassPNG/a.png": encoded(mask, "png"),
            "SegmentationClassVisualization/a.jpg": P,
            "class_names.txt": "_background_\ncrack\nrust\n",
        },
    )
    assert facts(images) == {"JPEGImages/a.jpg": ("rust", None, True), "JPEGImages/b.jpg": (None, None, False)}
    assert (images.items[0].open_mask() == (index > 0)).all()  # type: ignore[attr-defined]
    assert [left.names for left in report.left_out] == [("SegmentationClassVisualization/a.jpg",)]


def test_an_export_without_its_images_is_refused(tmp_path: Path) -> None:
    files: Files = {"labelmap.txt": "background:0,0,0::\n", "SegmentationClass/a.png": coloured("dent")}
    with pytest.raises(InputError, match="no images: export it with its images"):
        read(tmp_path, {**files, "SegmentationObject/a.png": coloured("dent")})


def test_an_export_without_annotations_says_so(tmp_path: Path) -> None:
    lists: Files = {"ImageSets/Segmentation/default.txt": "a\n", "labelmap.txt": "background:0,0,0::\ndent:1,2,3::\n"}
    images, report = read(tmp_path / "masks", {**lists, "JPEGImages/a.jpg": P})
    assert (images.items[0].label, report.layout) == (None, "voc")
    assert finding(report, "label missing").images == ("JPEGImages/a.jpg",)
    _, report = read(tmp_path / "xml", {"JPEGImages/a.jpg": P, "Annotations/a.xml": objects()})
    assert finding(report, "no class").sentence.startswith("No annotation names a class")


def test_a_colour_that_has_no_name_is_told_of(tmp_path: Path) -> None:
    files: Files = {
        "labelmap.txt": "background:0,0,0::\ndent:51,221,255::\n",
        "JPEGImages/a.jpg": P,
        "JPEGImages/b.jpg": P,
    }
    masks: Files = {"SegmentationClass/a.png": coloured("dent"), "SegmentationClass/b.png": coloured("scratch")}
    images, report = read(tmp_path, {**files, **masks})
    assert [item.label for item in images] == ["dent", None]
    assert "SegmentationClass/b.png" in finding(report, "colour without a name").sentence


def test_an_image_in_two_lists_is_told_of(tmp_path: Path) -> None:
    lists: Files = {
        "ImageSets/Main/train.txt": "a\nb\n",
        "ImageSets/Main/val.txt": "b\n",
        "ImageSets/Main/trainval.txt": "a\nb\n",
    }
    files: Files = {f"JPEGImages/{name}.jpg": P for name in "ab"} | {
        f"Annotations/{name}.xml": objects("x") for name in "ab"
    }
    _, report = read(tmp_path, {**files, **lists})
    assert finding(report, "in two splits").images == ("JPEGImages/b.jpg",)


def test_objects_that_are_hard_to_see_do_not_count(tmp_path: Path) -> None:
    lists: Files = {"ImageSets/Main/cat_train.txt": "a  1\nb  0\nc -1\n"}
    images, report = read(tmp_path, {**{f"JPEGImages/{name}.jpg": P for name in "abc"}, **lists})
    assert [item.label for item in images] == ["cat", "none", "none"]
    assert finding(report, "hard to see").images == ("JPEGImages/b.jpg",)


def test_several_years_of_voc_are_one_set(tmp_path: Path) -> None:
    files: Files = {}
    for year, kind in ((2007, "cat"), (2012, "dog")):
        files |= {f"VOC{year}/JPEGImages/1.jpg": P, f"VOC{year}/Annotations/1.xml": objects(kind)}
        files |= {f"VOC{year}/ImageSets/Main/{'train' if year == 2007 else 'test'}.txt": "1\n"}
    images, _ = read(tmp_path, {f"VOCdevkit/{name}": content for name, content in files.items()})
    assert [(item.label, item.split, item.attributes["category"]) for item in images] == [
        ("cat", "train", "VOC2007"),
        ("dog", "test", "VOC2012"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY x "xx">]><annotation><object><name>&x;</name></object></annotation>',
        "<annotation><object><name>crack</name>",
        "<html><object><name>crack</name></object></html>",
        "",
    ],
    ids=["entities", "cut off", "another root", "empty"],
)
def test_xml_that_cannot_be_used_gives_no_label(tmp_path: Path, text: str) -> None:
    images, report = read(
        tmp_path,
        {"JPEGImages/a.jpg": P, "JPEGImages/b.jpg": P, "Annotations/a.xml": text, "Annotations/b.xml": objects("x")},
    )
    assert [item.label for item in images] == [None, "x"]
    assert finding(report, "label missing").images == ("JPEGImages/a.jpg",)
    assert [left.names for left in report.left_out] == [("Annotations/a.xml",)]


@pytest.mark.parametrize(
    ("names", "label"),
    [
        ("names: ['good', \"bad part\"]\n", "bad part"),
        ("names:\n  0: good\n  1: bad part # worn\nnc: 2\n", "bad part"),
        ("nc: 2\nnames:\n- good\n- bad part\n", "bad part"),
        ("nc: 2\n", "class 1"),
        ("names: &a [*a]\n", "class 1"),
        ("names: {" * 3000, "class 1"),
    ],
    ids=["list", "mapping", "lines", "none", "circle", "deep"],
)
def test_names_of_yolo_in_every_form(tmp_path: Path, names: str, label: str) -> None:
    images, _ = read(tmp_path, {"train/images/a.jpg": P, "train/labels/a.txt": "1 .5 .5 .1 .1\n", "data.yaml": names})
    assert [(item.label, item.split) for item in images] == [(label, "train")]


def test_text_files_that_are_no_boxes_are_left_alone(tmp_path: Path) -> None:
    images, report = read(tmp_path, {"a.jpg": P, "a.txt": "taken by Anna on the 3rd of May", "b.jpg": P})
    assert report.layout == "folders"
    assert [item.label for item in images] == [None, None]


def test_json_that_is_not_of_labelme_is_left_alone(tmp_path: Path) -> None:
    images, report = read(tmp_path, {"a.jpg": P, "a.json": '{"exposure": 3}', "b.jpg": P, "b.json": "[" * 5000})
    assert report.layout == "folders"
    assert [item.label for item in images] == [None, None]
    assert sum(len(left.names) for left in report.left_out) == 2


def test_class_folders_outweigh_shapes_beside_their_images(tmp_path: Path) -> None:
    images, report = read(
        tmp_path, {"good/1.jpg": P, "good/1.json": shapes(), "bad/2.jpg": P, "bad/2.json": shapes("x")}
    )
    assert report.layout == "folders"
    assert images.class_names == ("bad", "good")
    (left,) = report.left_out
    assert sorted(left.names) == ["bad/2.json", "good/1.json"]
    assert "boxes or polygons, that are not read" in left.reason


def test_images_that_cvat_names_and_that_are_not_there_are_counted(tmp_path: Path) -> None:
    listed = '<image name="a.jpg"><box label="dent"/></image><image name="b.jpg"><tag label="x"/></image>'
    text = f"<annotations>{listed}</annotations>"
    images, report = read(tmp_path, {"annotations.xml": text, "images/a.jpg": P, "images/c.jpg": P})
    assert [item.label for item in images] == ["dent", None]
    assert "names 1 images that are not there, the first 'b.jpg'" in finding(report, "image missing").sentence
