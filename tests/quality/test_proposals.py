"""What is proposed stands in a table that is read back as the set it was, and what is accepted holds there."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workbench.catalog import ReadOptions
from workbench.errors import InputError
from workbench.images import ImageSet
from workbench.quality import Families, Proposal, manifest, write_manifest
from workbench.sets import images_from_zip, load_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six parts with masks, two lots and attributes of every kind, listed by a table."""
    root, rng = tmp_path / "parts", np.random.default_rng(0)
    (root / "pixels").mkdir(parents=True)
    (root / "masks").mkdir()
    rows = []
    for i in range(6):
        label = ("good", "scratch")[i % 2]
        Image.fromarray(rng.integers(0, 256, (12, 10), dtype=np.uint8)).save(root / "pixels" / f"part {i}.png")
        inside = np.zeros((12, 10), np.uint8)
        inside[2 : 2 + i, 3:5] = 255 * (i % 2)
        Image.fromarray(inside).save(root / "masks" / f"part {i}.png")
        rows.append({
            "image": f"pixels/part {i}.png", "label": label, "split": ("train", "train", "test")[i // 2],
            "mask": f"masks/part {i}.png", "group": f"lot {i // 3}", "camera": "=A1+1", "line": 7, "doubt": 1 / 3,
            "hot": bool(i % 2),
        })  # fmt: skip
    pd.DataFrame(rows).to_csv(root / "list.csv", index=False)
    return root


@pytest.fixture
def images(folder: Path) -> ImageSet:
    return load_images(folder / "list.csv")


def facts(images: ImageSet, *leaving: str) -> list[tuple[object, ...]]:
    """All that is known of each image."""
    return [
        (
            item.name,
            item.id,
            item.label,
            item.split,
            None if item.mask is None else item.open_mask().tolist(),
            {name: value for name, value in item.attributes.items() if name not in leaving},
        )
        for item in images
    ]


def test_a_table_beside_its_images_is_read_as_the_set_it_was(images, folder):
    write_manifest(folder / "manifest.csv", images, [Proposal("pixels/part 0.png", "label", "good", "scratch", "?")])
    again = load_images(folder / "manifest.csv")
    assert facts(again) == facts(images)
    assert any("propose" in note for note in again.notes), "the report says that these columns are left out"


@pytest.mark.parametrize("elsewhere", ["out/deeper", "other"])
def test_a_table_elsewhere_is_read_as_it_lies(images, folder, tmp_path, elsewhere):
    before = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    path = tmp_path / elsewhere / "manifest.csv"
    write_manifest(path, images)
    assert facts(load_images(path)) == facts(images)
    assert [p.name for p in path.parent.iterdir()] == ["manifest.csv"], "nothing is copied"
    assert {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()} == before


def test_a_table_that_a_visitor_names_leads_nowhere_else(images, tmp_path):
    path = tmp_path / "out" / "manifest.csv"
    write_manifest(path, images)
    with pytest.raises(InputError, match="no such file lies in its folder"):
        load_images(path, follow=False)


def test_what_is_accepted_holds_and_what_is_proposed_does_not(images, folder):
    moved = Proposal("pixels/part 4.png", "split", "test", "train", "shows the part of pixels/part 0.png")
    label = Proposal("pixels/part 0.png", "label", "good", "scratch", "the model is sure")
    out = Proposal("pixels/part 2.png", "leave out", None, None, "blank")
    text = manifest(images, [label, moved, dataclasses.replace(out, image="pixels/part 3.png")], [moved, out])
    (folder / "manifest.csv").write_text(text, encoding="utf-8", newline="")
    again = load_images(folder / "manifest.csv").by_name
    assert again.keys() == images.by_name.keys() - {"pixels/part 2.png"}
    assert (again["pixels/part 4.png"].split, again["pixels/part 0.png"].label) == ("train", "good")
    table = pd.read_csv(folder / "manifest.csv").set_index("image")
    assert table.loc["pixels/part 0.png", ["proposed label", "why"]].tolist() == ["scratch", "the model is sure"]
    assert table.loc["pixels/part 4.png", ["split", "proposed split"]].tolist() == ["train", "train"]
    assert table.loc["pixels/part 3.png", "proposed split"] == "leave out"


def test_families_stand_in_the_table_and_join_its_images(images, folder):
    frame = pd.DataFrame({"name": [item.name for item in images]})
    frame["family"] = frame["name"].replace("pixels/part 5.png", "pixels/part 0.png")
    frame["grade"] = frame["to"] = None
    write_manifest(folder / "manifest.csv", images, families=Families(frame, pd.DataFrame()))
    again = load_images(folder / "manifest.csv").by_name
    assert again["pixels/part 5.png"].attributes["family"] == "pixels/part 0.png"
    assert again["pixels/part 5.png"].attributes["group"] == "lot 1"


def test_a_set_without_labels_gets_none_from_what_is_proposed(tmp_path, write_image):
    for i in range(4):
        write_image(f"{i}.png")
    images = load_images(tmp_path)
    proposals = [Proposal(item.name, "label", None, ("a", "b")[i % 2], "looks so") for i, item in enumerate(images)]
    (tmp_path / "manifest.csv").write_text(manifest(images, proposals), encoding="utf-8", newline="")
    assert [item.label for item in load_images(tmp_path / "manifest.csv")] == [None] * 4


def test_attributes_called_like_columns_of_the_table_are_kept_apart(images, folder):
    items = tuple(
        dataclasses.replace(item, attributes={**item.attributes, "why": "x", "Root": 1, "mask": "m"}) for item in images
    )
    (folder / "manifest.csv").write_text(manifest(dataclasses.replace(images, items=items)), encoding="utf-8")
    item = load_images(folder / "manifest.csv").items[1]
    assert (item.attributes["why (attribute)"], item.attributes["Root (attribute)"]) == ("x", "1")
    np.testing.assert_array_equal(item.open_mask(), images.items[1].open_mask())


def test_images_of_a_zip_are_copied_beside_the_table(images, folder, tmp_path):
    path = tmp_path / "parts.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder))
    zipped = images_from_zip(path.read_bytes(), "parts.zip", ReadOptions(table="list.csv"))
    write_manifest(tmp_path / "out" / "manifest.csv", zipped)
    again = load_images(tmp_path / "out" / "manifest.csv")
    assert facts(again) == facts(zipped) == facts(images)


def test_generated_images_are_read_where_they_lie(tmp_path):
    images = load_images("stamped-metal")
    few = dataclasses.replace(images, items=images.items[::60])
    write_manifest(tmp_path / "manifest.csv", few)
    again = load_images(tmp_path / "manifest.csv")
    assert facts(again) == facts(few)
    assert again.synthetic


WRONG = {
    "of no image": (lambda: Proposal("gone.png", "label", "good", "scratch", ""), "no image 'gone.png'"),
    "out of date": (
        lambda: Proposal("pixels/part 0.png", "label", "scratch", "good", ""),
        "says that its label is 'scratch', but it is 'good'",
    ),
    "to no split": (lambda: Proposal("a", "split", "train", "holdout", ""), "'holdout' is no split"),
    "of nothing": (lambda: Proposal("a", "label", "good", "good", ""), "changes nothing"),
    "of both": (lambda: Proposal("a", "leave out", None, "good", ""), "leaves it out or names"),
    "of another kind": (lambda: Proposal("a", "mask", None, "m", ""), "not 'mask'"),
}


@pytest.mark.parametrize(("make", "says"), WRONG.values(), ids=WRONG)
def test_a_proposal_that_cannot_be_is_refused(images, make, says):
    with pytest.raises(InputError, match=says):
        manifest(images, [make()])


def test_two_accepted_proposals_that_contradict_each_other_are_refused(images):
    both = [Proposal("pixels/part 0.png", "label", "good", to, "") for to in ("scratch", "dent")]
    with pytest.raises(InputError, match="two labels, 'scratch' and 'dent'"):
        manifest(images, accepted=both)
    assert "scratch or dent" in manifest(images, both)


def test_nothing_is_overwritten_and_nothing_left_is_refused(images, folder):
    with pytest.raises(InputError, match="already there"):
        write_manifest(folder / "list.csv", images)
    with pytest.raises(InputError, match="Every image"):
        manifest(images, accepted=[Proposal(item.name, "leave out", None, None, "") for item in images])


def test_a_folder_that_is_gone_is_named(images, folder, tmp_path):
    path = tmp_path / "out" / "manifest.csv"
    write_manifest(path, images)
    folder.rename(tmp_path / "moved")
    with pytest.raises(InputError, match="column root, is not there"):
        load_images(path)
