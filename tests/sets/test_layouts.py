from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from laid import disc, photo
from PIL import Image

from workbench.images.item import ImageSet
from workbench.sets.layouts import load_images

Refusal = Callable[[Callable[[], object]], str]
Write = Callable[..., Path]


def png(colour: str = "red", size: tuple[int, int] = (8, 6)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def facts(images: ImageSet) -> dict[str, tuple[str | None, str | None, bool]]:
    """Name to (label, split, whether there is a mask)."""
    return {item.name: (item.label, item.split, item.mask is not None) for item in images}


def lay(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png())
    return folder


# Class folders


def test_class_folders_without_splits(tmp_path: Path) -> None:
    images = load_images(
        lay(tmp_path / "tiles", "ok/b.png", "ok/a.png", "crack/deep/c.PNG", "notes.txt", ".hidden/d.png", "ok/._a.png")
    )
    assert facts(images) == {
        "crack/deep/c.PNG": ("crack", None, False),
        "ok/a.png": ("ok", None, False),
        "ok/b.png": ("ok", None, False),
    }
    assert [item.name for item in images] == sorted(item.name for item in images)
    assert images.class_names == ("crack", "ok")
    assert images.name == "tiles"
    assert images.by_name["ok/a.png"].open().size == (8, 6)


def test_class_folders_below_splits(tmp_path: Path) -> None:
    images = load_images(lay(tmp_path / "tiles", "Train/ok/a.png", "val/ok/b.png", "testing/crack/c.png", "test/d.png"))
    assert facts(images) == {
        "Train/ok/a.png": ("ok", "train", False),
        "val/ok/b.png": ("ok", "validation", False),
        "testing/crack/c.png": ("crack", "test", False),
        "test/d.png": (None, "test", False),
    }


def test_a_split_alone_is_no_wrapping_folder(tmp_path: Path) -> None:
    assert facts(load_images(lay(tmp_path, "Train/ok/a.png", "Train/bad/b.png")))["Train/ok/a.png"] == (
        "ok",
        "train",
        False,
    )


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    images = load_images(lay(tmp_path, "a.png", "b.png"))
    assert facts(images) == {"a.png": (None, None, False), "b.png": (None, None, False)}
    assert images.class_names == ()


def test_an_empty_folder_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "readme.txt").write_text("nothing here")
    message = refusal(lambda: load_images(tmp_path))
    assert "holds no images of a kind that is read" in message
    assert ".png" in message


def test_labels_that_name_no_class_are_refused(tmp_path: Path, refusal: Refusal) -> None:
    folder = lay(tmp_path, "ok/a.png", "scratch/b.png")
    assert len(load_images(folder, class_names=["ok", "scratch", "crack"])) == 2
    message = refusal(lambda: load_images(folder, class_names=["ok", "crack"]))
    assert "scratch" in message.partition("the model knows ")[0]
    assert "ok, crack" in message


def test_hostile_names_are_listed_as_they_are(tmp_path: Path) -> None:
    names = [
        "ok/a\nb.png",
        "ok/<b onclick=alert(1)>.png",
        "ok/" + "x" * 240 + ".png",
        "ok/Ünïcödé 電池.png",
        "-rf/a.png",
    ]
    assert sorted(facts(load_images(lay(tmp_path, *names)))) == sorted(names)


def test_a_name_that_is_no_text_is_shown_escaped_and_still_opens(tmp_path: Path) -> None:
    (tmp_path / "ok").mkdir()
    with open(os.path.join(os.fsencode(tmp_path), b"ok", b"\xff.png"), "wb") as file:
        file.write(png())
    (item,) = load_images(tmp_path)
    assert item.name.encode() == b"ok/\\xff.png"
    assert item.open().size == (8, 6)


def test_loops_of_links_end(tmp_path: Path, refusal: Refusal) -> None:
    lay(tmp_path, "ok/a.png")
    (tmp_path / "ok" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "ok" / "loop.png").symlink_to(tmp_path / "ok" / "loop.png")
    images = load_images(tmp_path)
    assert list(images.by_name) == ["ok/a.png"]
    assert len(images.key) == 64
    assert images.report is not None
    assert {group.reason: group.names for group in images.report.left_out} == {
        "links to a folder that they lie in": ("ok/again/",),
        "links to what is not there": ("ok/loop.png",),
    }
    assert "There is no folder" in refusal(lambda: load_images(tmp_path / "ok" / "loop.png"))


@pytest.mark.parametrize(
    "ref", ["", " ", "no-such-set", "x" * 5000, "~nobody-of-that-name/x", "a\0b", "package:no_such_package/x"]
)
def test_a_reference_to_nothing_is_refused(ref: str, refusal: Refusal) -> None:
    refusal(lambda: load_images(ref))


def test_another_kind_of_file_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    (tmp_path / "set.json").write_text("{}")
    (tmp_path / "set.pdf").write_text("{}")
    assert "set.pdf is not an image set" in refusal(lambda: load_images(tmp_path / "set.pdf"))
    assert "set.json lists no images" in refusal(lambda: load_images(tmp_path / "set.json"))


def test_a_visitor_reaches_the_catalog_only(tmp_path: Path, refusal: Refusal) -> None:
    lay(tmp_path, "ok/a.png")
    assert "solar-cells" in refusal(lambda: load_images(tmp_path, trusted=False))
    assert len(load_images("everyday", trusted=False)) > 3


def test_a_manifest_in_a_folder_may_name_files_of_any_ending(tmp_path: Path, refusal: Refusal) -> None:
    folder = lay(tmp_path / "box", "lot/a.jfif", "lot/deep/b", "lot/c.png")
    (folder / "lot" / "manifest.csv").write_text("image\na.jfif\ndeep/b\n")
    images = load_images(folder)
    assert list(images.by_name) == ["a.jfif", "deep/b"]
    assert images.by_name["deep/b"].open().size == (8, 6)
    lay(tmp_path, "secret.png")
    (folder / "lot" / "manifest.csv").write_text("image\n../../secret.png\n")
    assert "no such file lies in its folder" in refusal(lambda: load_images(folder))


# Masks


def test_mvtec_has_kinds_splits_and_masks(tmp_path: Path) -> None:
    names = [
        "train/good/0.png",
        "test/good/0.png",
        "test/crack/0.png",
        "test/crack/1.png",
        "ground_truth/crack/0_mask.png",
    ]
    images = load_images(lay(tmp_path / "bottle", *names))
    assert facts(images) == {
        "train/good/0.png": ("good", "train", False),
        "test/good/0.png": ("good", "test", False),
        "test/crack/0.png": ("crack", "test", True),
        "test/crack/1.png": ("crack", "test", False),
    }
    assert images.class_names == ("crack", "good")
    mask = images.by_name["test/crack/0.png"].open_mask()
    assert mask is not None
    assert mask.all()


def test_a_png_beside_a_jpeg_is_its_mask(tmp_path: Path) -> None:
    lay(tmp_path, "crack/a.jpg", "crack/a.png", "crack/B.JPG", "crack/B.PNG", "ok/c.jpg", "ok/lone.png")
    for name in ("a.png", "B.PNG"):
        (tmp_path / "crack" / name).write_bytes(disc(2, size=(8, 6)))
    assert facts(load_images(tmp_path)) == {
        "crack/a.jpg": ("crack", None, True),
        "crack/B.JPG": ("crack", None, True),
        "ok/c.jpg": ("ok", None, False),
        "ok/lone.png": ("ok", None, False),
    }


def test_a_photo_beside_a_tiff_stays_an_image_and_a_mask_does_not(tmp_path: Path) -> None:
    lay(tmp_path, "ok/a.tif", "ok/a.png", "ok/b.tif", "ok/b.png")
    for seed, name in enumerate(("a.tif", "a.png", "b.tif")):
        (tmp_path / "ok" / name).write_bytes(photo(seed))
    (tmp_path / "ok" / "b.png").write_bytes(disc())
    images = load_images(tmp_path)
    assert facts(images) == {
        "ok/a.tif": ("ok", None, False),
        "ok/a.png": ("ok", None, False),
        "ok/b.tif": ("ok", None, True),
    }
    assert images.report is not None
    findings = [(finding.kind, finding.images) for finding in images.report.findings]
    assert findings[0][1] == ("ok/a.tif", "ok/a.png")
    assert findings[1:] == [("mask of a good image", ("ok/b.tif",))]


def test_a_mask_of_another_size_is_refused(write_image: Write, tmp_path: Path, refusal: Refusal) -> None:
    write_image("crack/a.jpg", size=(8, 6))
    write_image("crack/a.png", "white", size=(6, 8))
    (item,) = load_images(tmp_path)
    assert "6 x 8 pixels but its image is 8 x 6" in refusal(item.open_mask)


# Manifests


def rows(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_csv_manifest_gives_everything(tmp_path: Path) -> None:
    lay(tmp_path, "pics/a.png", "pics/b.png", "masks/a.png")
    path = rows(
        tmp_path / "lot.csv",
        "# from line 3\n\nimage, label ,split,mask,camera,shift\n"
        '"pics/a.png",crack,Val,masks/a.png,"left, upper",night\npics/b.png,,,,right,\n\n',
    )
    images = load_images(path)
    assert facts(images) == {"pics/a.png": ("crack", "validation", True), "pics/b.png": (None, None, False)}
    first, second = images
    assert dict(first.attributes) == {"camera": "left, upper", "shift": "night"}
    assert dict(second.attributes) == {"camera": "right"}
    assert images.attribute_names == ("camera", "shift")
    assert images.name == "lot"


def test_a_parquet_manifest_keeps_types_and_leaves_out_what_is_missing(tmp_path: Path) -> None:
    lay(tmp_path, "a.png", "b.png", "c.png")
    table = pd.DataFrame(
        {
            "image": ["a.png", "b.png", "c.png"],
            "label": [3.0, float("nan"), 4.0],
            "line": [1, 2, 3],
            "gain": [0.5, float("nan"), 2.0],
        }
    )
    table.to_parquet(tmp_path / "manifest.parquet")
    images = load_images(tmp_path)
    assert facts(images) == {"a.png": ("3", None, False), "b.png": (None, None, False), "c.png": ("4", None, False)}
    assert [dict(item.attributes) for item in images] == [
        {"line": 1, "gain": 0.5},
        {"line": 2},
        {"line": 3, "gain": 2.0},
    ]


def test_a_nan_that_parquet_stores_as_such_is_no_label(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    lay(tmp_path, "a.png")
    pq.write_table(
        pa.table({"image": ["a.png"], "label": pa.array([float("nan")]), "x": pa.array([float("nan")])}),
        tmp_path / "m.parquet",
    )
    (item,) = load_images(tmp_path / "m.parquet")
    assert (item.label, dict(item.attributes)) == (None, {})
    (item,) = load_images(rows(tmp_path / "m.csv", "image,label\na.png,NaN\n"))
    assert item.label is None


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfimage,label\na.png,ok\n",
        b"image;label\na.png;ok\n",
        b"image\tlabel\r\na.png\tok\r\n",
        b"label,image\r\nok, a.png \r\n",
        b"image,label\n./a.png,ok",
    ],
    ids=["byte order mark", "semicolons", "tabs", "spaces", "dot"],
)
def test_csv_as_spreadsheets_write_it(tmp_path: Path, text: bytes) -> None:
    lay(tmp_path, "a.png")
    (item,) = load_images(rows(tmp_path / "m.csv", text))
    assert item.label == "ok"
    assert item.open().size == (8, 6)


def test_csv_names_with_signs_of_their_own(tmp_path: Path) -> None:
    names = ["#1.png", "a;b;c.png", "x\u2028y.png", "quoted\nline.png", "pics\\win.png"]
    lay(tmp_path, *names[:-1], "pics/win.png")
    text = "image,label\n" + "".join(f'"{name}",ok\n' for name in names)
    assert list(load_images(rows(tmp_path / "m.csv", text)).by_name) == names


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lists no images"),
        ("image,label\n", "lists no images"),
        ("part,label\nx,ok\n", "no column 'image', nor another that names files (it has part, label)"),
        ("image,label\nc.png,ok\nb.png,ok\n", "'c.png' in line 2"),
        ("image,label\n../secret.png,ok\n", "'../secret.png' in line 2"),
        ("image,label\n" + "x" * 5000 + ".png,ok\n", "in line 2"),
        ("image,label\n.,ok\n", "'.' in line 2"),
        ("image,label\n,ok\n", "names no image in line 2"),
        ("image,label\na.png,ok\na.png,bad\n", "lists no images that remain"),
        ("image,label\na.png," + "x" * 200_000 + "\n", "not a CSV this can read"),
        (b"image,label\na.png,\x81\x8d\x9f\n", "not text in UTF-8, and its encoding cannot be told"),
        ("# made by hand\r\n\r\nimage,label\r\na.png,ok\r\n\r\n,ok\r\n", "names no image in line 6"),
        ('image,label,note\na.png,ok,"two\nlines"\n,ok,\n', "no image in line 4"),
        ("image,label\ra.png,ok\r,ok\r", "no image in line 3"),
        ("image,label,split\na.png,a crack, deep,test\n", "4 cells in line 2, but its header names 3"),
        ("image,label, label \na.png,ok,bad\n", "the column 'label' more than once"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str | bytes, says: str, refusal: Refusal
) -> None:
    lay(tmp_path, "secret.png", "lot/a.png")
    message = refusal(lambda: load_images(rows(tmp_path / "lot" / "m.csv", text)))
    assert says in message
    assert "m.csv" in message


def test_a_manifest_may_use_whole_paths_within_its_folder_only(tmp_path: Path, refusal: Refusal) -> None:
    lay(tmp_path, "lot/a.png", "lottery/b.png")
    inside = rows(tmp_path / "lot" / "in.csv", f"image\n{tmp_path}/lot/a.png\n")
    assert len(load_images(inside)) == 1
    outside = rows(tmp_path / "lot" / "out.csv", f"image\n{tmp_path}/lottery/b.png\n")
    assert "no such file lies in its folder" in refusal(lambda: load_images(outside))


def test_a_parquet_file_that_is_none_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    lay(tmp_path, "a.png")
    assert "not a Parquet file" in refusal(lambda: load_images(rows(tmp_path / "m.parquet", b"PAR1 nonsense PAR1")))


def test_a_parquet_file_that_claims_too_many_rows_is_refused_unread(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "m.parquet"
    pd.DataFrame({"image": pd.Categorical(["a.png"]).repeat(200_001)}).to_parquet(path)
    assert path.stat().st_size < 10_000
    assert "200,001 images, over the limit" in refusal(lambda: load_images(path))


# Real image sets


def test_everyday_photos_open() -> None:
    images = load_images("everyday")
    assert images.by_name["chelsea.png"].open().size == (451, 300)
    assert all(item.open().mode == "RGB" for item in images)


@pytest.mark.skipif(
    "WORKBENCH_SAMPLE" not in os.environ, reason="WORKBENCH_SAMPLE names no folder with the magnetic-tile sample"
)
def test_magnetic_tiles_have_masks_of_their_own_size() -> None:
    images = load_images(os.environ["WORKBENCH_SAMPLE"])
    assert {"MT_Blowhole", "MT_Crack", "MT_Free"} <= set(images.class_names)
    for item in images:
        mask = item.open_mask()
        assert mask is not None
        assert mask.any() == (item.label != "MT_Free")
        assert mask.mean() < 0.5
