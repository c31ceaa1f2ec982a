"""Which images belong together, on the Data page: found, shown in pairs, and told apart by a person."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy.ndimage import gaussian_filter

from workbench.journal import Journal


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Twenty-four textures in two classes; one is there again, lighter and under the other class."""
    monkeypatch.setenv("WORKBENCH_JOURNAL", str(tmp_path / "journal.sqlite"))
    rng = np.random.default_rng(11)
    for number in range(24):
        place = tmp_path / "set" / ("good", "bad")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        field = gaussian_filter(rng.normal(size=(64, 64)), 1.5)
        image = Image.fromarray(((field - field.min()) / np.ptp(field) * 200).astype(np.uint8))
        image.save(place / f"{number:02}.png")
        if number == 5:
            ImageEnhance.Brightness(image).enhance(1.2).save(tmp_path / "set" / "good" / "again.png")
    return tmp_path / "set"


def texts(at):
    return "\n".join(at.unescaped(element.value) for kind in ("markdown", "caption") for element in at.get(kind))


def press(at, label):
    return next(button for button in at.button if button.label == label).click().run().sound("Data")


def test_a_pair_is_found_and_told_apart_and_taken_back(visit, folder, empty_shelves):
    at = press(visit("data", model="everyday", set=str(folder)).sound("Data"), "Look for images of one part")
    assert "2 of 25 images show 1 part several times: 24 parts in all." in texts(at)
    assert "1 pair, those in two splits or with two labels first." in texts(at)
    assert "Not the same" not in [button.label for button in at.button]  # nobody said who it is
    next(box for box in at.text_input if box.label.startswith("Your name, to tell")).set_value("Ada").run()
    at = press(at, "Not the same")
    assert "Of 25 images none was found to show a part that another shows." in texts(at)
    (note,) = Journal(folder.parent / "journal.sqlite").records(notes=True)
    assert (note.about, note.said, note.user) == ("pair", "not the same", "Ada")
    assert {note.image_name, note.second_name} == {"bad/05.png", "good/again.png"}
    at = press(at, "Take back")
    assert "24 parts in all." in texts(at)


def test_what_is_found_of_an_upload_stays_in_the_session(visit, folder, tmp_path, monkeypatch, empty_shelves):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for path in sorted(folder.rglob("*.png")):
            file.write(path, path.relative_to(folder))
    at = visit("data", model="everyday").sound("Data")
    at.file_uploader(key="set upload").set_value(("lot.zip", packed.getvalue(), "application/zip")).run().sound()
    at = press(at, "Look for images of one part")
    assert "2 of 25 images show 1 part several times" in texts(at)
    empty_shelves.clear()  # as when others need the room
    assert "2 of 25 images show 1 part several times" in texts(at.run())
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.parent.name == "families"]
