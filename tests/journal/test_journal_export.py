"""What is handed on: a table without formulas, a chain that checks itself, and labels to train with."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile

import pandas as pd
import pytest
from decisions import digest, draft, overruled

from workbench.journal.entries import GENESIS
from workbench.journal.export import folder_of, relabel, to_csv, to_json
from workbench.journal.notes import NoteEntry, RulingEntry
from workbench.journal.store import Journal
from workbench.sets.layouts import images_from_zip, load_images


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "kept" / "journal.sqlite")


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_table_has_a_row_an_entry_and_exact_numbers(journal):
    journal.append(draft(score=1e-07, threshold=0.1 + 0.2, positive=("crack", "hole")))
    journal.append(overruled(reason='a "quoted", long\nreason; with\r\nall'))
    entries = journal.entries()
    rows = rows_of(to_csv(entries))
    assert [int(row["number"]) for row in rows] == [1, 2]
    assert (float(rows[0]["score"]), float(rows[0]["threshold"])) == (1e-07, 0.1 + 0.2)
    assert (rows[0]["positive"], rows[0]["overruled"], rows[0]["reason"]) == ("crack; hole", "", "")
    assert rows[1]["reason"] == 'a "quoted", long\nreason; with\r\nall'
    assert rows[0].keys() == (
        entries[0].__dataclass_fields__.keys()
        | NoteEntry.__dataclass_fields__.keys()
        | RulingEntry.__dataclass_fields__.keys()
    )
    assert [row["hash"] for row in rows] == [entry.hash for entry in entries]
    assert pd.read_csv(io.StringIO(to_csv(entries)))["score"].tolist() == [1e-07, 0.93]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"], ids=repr)
def test_a_text_is_no_formula(journal, start):
    text = f"{start}cmd|' /C calc'!A0"
    journal.append(overruled(to=text, reason=text, user=text, image_name=text, positive=(text,), label=text))
    (row,) = rows_of(to_csv(journal.entries()))
    for name in ("overruled", "reason", "user", "image_name", "positive", "label"):
        assert row[name] == f"'{text}"
    assert (row["number"], row["score"]) == ("1", "0.93")


def test_a_table_can_always_be_written_to_a_file(journal):
    journal.append(overruled(reason="half \ud800 a pair, and \ud83d\ude00 a whole one"))
    assert rows_of(to_csv(journal.entries()).encode().decode())[0]["reason"] == "half � a pair, and 😀 a whole one"


def test_the_chain_checks_itself_from_json_alone(journal):
    for text in ("plain", "日本 😀", "half \ud800", 'quote " and \\ and \n'):
        journal.append(overruled(reason=text, score=1 / 3))
    text = to_json(journal.entries())
    before = GENESIS
    for row in json.loads(text)["entries"]:  # as the docstring tells
        body = json.dumps(row["entry"], sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(body.encode()).hexdigest() == row["hash"]
        assert row["entry"]["previous"] == before
        before = row["hash"]
    assert before == journal.head().hash
    lines = text.encode("ascii").splitlines()[1:-1]
    assert len(lines) == 4
    for line, entry in zip(lines, journal.entries(), strict=True):  # and without knowing JSON
        body = line.partition(b'"entry":')[2].rstrip(b",")[:-1]
        assert hashlib.sha256(body).hexdigest() == entry.hash


def test_nothing_to_hand_on_is_still_a_file(journal):
    assert rows_of(to_csv(())) == []
    assert json.loads(to_json(())) == {"format": "workbench journal 1", "entries": []}


@pytest.fixture
def folder(tmp_path, write_image):
    """A set on disk: six images of two classes in three splits, two attributes, one mask."""
    lines = ["image,label,split,mask,camera,synthetic"]
    for i in range(6):
        write_image(f"set/images/{i}.png", colour=(i * 40, 0, 0))
        label, split, mask = (
            "bad" if i % 2 else "good",
            ("train", "val", "test")[i // 2],
            "masks/1.png" if i == 1 else "",
        )
        lines.append(f"images/{i}.png,{label},{split},{mask},c{i},yes")
    write_image("set/masks/1.png", colour="white")
    (tmp_path / "set" / "manifest.csv").write_text("\n".join(lines))
    return tmp_path / "set"


def decided(journal, images, name, *, to=None, **changes):
    """A decision on the image of a set: overruled to a class, or agreed with."""
    item = images.by_name[name]
    make = draft if to is None else overruled
    changes = {"positive": ("bad",), "image": item.id, "image_name": name, "label": item.label} | changes
    return journal.append(make(**changes) if to is None else make(to=to, **changes))


def loaded(folder, images, journal):
    """The set again, with the labels of the journal."""
    (folder / "relabelled.csv").write_text(relabel(images, journal.entries()), newline="")
    return load_images(str(folder / "relabelled.csv"))


def test_overruled_labels_load_again_with_everything_else_as_it_was(journal, folder):
    images = load_images(str(folder))
    decided(journal, images, "images/1.png", to="good", reason="=a reflection, no crack")
    decided(journal, images, "images/2.png", to="bad", reason="seen\nlate; too late")
    journal.append(overruled(image=digest("an image of another set")))
    again = loaded(folder, images, journal)
    assert [item.name for item in again] == [item.name for item in images]
    assert [item.label for item in again] == ["good", "good", "bad", "bad", "good", "bad"]
    assert (
        [item.split for item in again]
        == [item.split for item in images]
        == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2
    )
    assert [item.id for item in again] == [item.id for item in images]
    assert [item.attributes["camera"] for item in again] == [f"c{i}" for i in range(6)]
    assert [item.attributes["overruled"] for item in again] == ["no", "yes", "yes", "no", "no", "no"]
    assert [item.attributes.get("reason") for item in again][1:3] == ["=a reflection, no crack", "seen\nlate; too late"]
    assert again.items[1].open_mask().all()
    assert (again.synthetic, again.class_names) == (True, ("bad", "good"))


def test_a_set_made_of_class_folders_can_be_relabelled_too(journal, tmp_path, write_image):
    for i in range(3):
        write_image(f"folders/train/good/{i}.jpg", colour=(i * 40, 0, 0))
        write_image(f"folders/train/good/{i}.png", colour="white")
    images = load_images(str(tmp_path / "folders"))
    assert folder_of(images) == tmp_path / "folders"
    decided(journal, images, "train/good/2.jpg", to="hole")
    again = loaded(tmp_path / "folders", images, journal)
    assert [(item.label, item.split, item.mask is not None) for item in again] == [("good", "train", True)] * 2 + [
        ("hole", "train", True)
    ]
    assert not again.synthetic


def test_the_newest_overruling_counts_whatever_the_order_and_the_model(journal, folder):
    images = load_images(str(folder))
    decided(journal, images, "images/1.png", to="good")
    decided(journal, images, "images/1.png", to="scratched", model=digest("another model"))
    entries = journal.entries()
    for order in (entries, entries[::-1]):
        assert rows_of(relabel(images, order))[1]["label"] == "scratched"


LATER = {
    "agreed that it is rejected": ({"verdict": "reject"}, "bad"),
    "another model": ({"verdict": "reject", "model": digest("another")}, "bad"),
    "agreed that it passes": ({"verdict": "pass"}, "good"),
    "left for review": ({"verdict": "review"}, "good"),
    "another image": ({"verdict": "reject", "image": digest("another")}, "good"),
}


@pytest.mark.parametrize(("later", "label"), LATER.values(), ids=LATER)
def test_an_overruling_is_taken_back_by_a_later_decision_that_contradicts_it(journal, folder, later, label):
    images = load_images(str(folder))
    decided(journal, images, "images/1.png", to="good")
    decided(journal, images, "images/1.png", **later)
    row = rows_of(relabel(images, journal.entries()))[1]
    assert (row["label"], row["overruled"]) == (label, "yes" if label == "good" else "no")


def test_an_overruled_pass_is_taken_back_when_it_later_passes(journal, folder):
    images = load_images(str(folder))
    decided(journal, images, "images/0.png", to="bad", verdict="pass")
    assert rows_of(relabel(images, journal.entries()))[0]["label"] == "bad"
    decided(journal, images, "images/0.png", verdict="pass")
    assert rows_of(relabel(images, journal.entries()))[0]["label"] == "good"


def test_marks_of_an_earlier_round_stay(journal, folder):
    images = load_images(str(folder))
    decided(journal, images, "images/1.png", to="good", reason="first round")
    again = loaded(folder, images, journal)
    rows = rows_of(relabel(again, ()))
    assert [row["overruled"] for row in rows] == ["no", "yes", "no", "no", "no", "no"]
    assert (rows[1]["label"], rows[1]["reason"]) == ("good", "first round")
    assert rows[0].keys() == {"image", "label", "split", "mask", "synthetic", "camera", "overruled", "reason"}


def test_a_zip_has_no_folder_but_its_labels_fit_where_it_is_unpacked(journal, folder, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("images/*.png")):
            archive.write(path, path.relative_to(folder).as_posix())
    images = images_from_zip(buffer.getvalue(), "parts.zip")
    assert folder_of(images) is None
    decided(journal, images, images.items[3].name, to="odd")
    again = loaded(folder if images.items[0].name.startswith("images") else folder / "images", images, journal)
    assert again.items[3].label == "odd"


def test_a_name_that_no_file_can_hold_is_refused(journal, tmp_path, write_image, refusal):
    write_image("odd/whole.png")
    write_image("odd/part.png").rename(tmp_path / "odd" / "part \udcff.png")
    images = load_images(str(tmp_path / "odd"))
    assert "rename it" in refusal(lambda: relabel(images, ()))


def test_an_image_is_not_read_where_nothing_was_overruled(journal, tmp_path, write_image):
    path = write_image("gone/part.png")
    images = load_images(str(tmp_path / "gone"))
    path.unlink()
    assert rows_of(relabel(images, [journal.append(draft())]))[0]["overruled"] == "no"


def test_several_masks_of_an_image_load_again_as_one(journal, folder, write_image):
    write_image("set/masks/2.png", colour="white")
    text = (folder / "manifest.csv").read_text().replace("masks/1.png", "masks/1.png;masks/2.png")
    (folder / "manifest.csv").write_text(text)
    images = load_images(str(folder))
    decided(journal, images, "images/1.png", to="good")
    again = loaded(folder, images, journal)
    for item in (images.items[1], again.items[1]):
        assert [part.path.name for part in item.mask.parts] == ["1.png", "2.png"]
    assert "masks/1.png;masks/2.png" in (folder / "relabelled.csv").read_text()
    assert [item.mask_id for item in again] == [item.mask_id for item in images]
