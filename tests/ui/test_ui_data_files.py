"""The Data page on files: nothing is claimed before it is measured, every count has its images, links restore it."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path):
    """Two classes of 20, one of them always brighter on the left; an image cut off, one that is no image, one dark."""
    rng = np.random.default_rng(8)
    for label in ("good", "bad"):
        (tmp_path / label).mkdir()
        for number in range(20):
            pixels = rng.integers(90, 160, (32, 32), np.uint8)
            pixels[:8, :8] = 240 if label == "bad" else pixels[:8, :8]
            Image.fromarray(pixels).save(tmp_path / label / f"{number * 7919 % 40:02d}.png")
    whole = (tmp_path / "good" / "00.png").read_bytes()
    (tmp_path / "good" / "half.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "bad" / "page.png").write_bytes(b"<html>")
    (tmp_path / "bad" / "nothing.png").write_bytes(b"")
    Image.fromarray(rng.integers(2, 8, (32, 32), np.uint8)).save(tmp_path / "bad" / "night.png")
    return tmp_path


def texts(at):
    return "\n".join(element.value for kind in ("markdown", "caption") for element in at.get(kind))


def labels_of(at):
    return [button.label for button in at.button]


def table(at, column):
    return next(frame.value for frame in at.dataframe if column in frame.value.columns)


def test_faults_are_measured_on_request_and_shown_with_their_images(visit, folder):
    at = visit("data", model="everyday", set=str(folder)).sound("Data")
    assert "Measure 43 images" in labels_of(at)
    assert "of 43 images" not in texts(at)
    next(button for button in at.button if button.label == "Measure 43 images").click().run()
    counts = table(at.sound("Data"), "Fault").set_index("Fault")["Images"].to_dict()
    assert counts["cannot be decoded"] == 2
    assert counts["empty file"] == 1  # no image of the set, and a fault all the same
    assert counts["cut off"] == counts["dark"] == 1
    assert "**3 of 43 images** cannot be read" in texts(at)

    again = visit("data", model="everyday", set=str(folder), fault="dark", fine=["low contrast", "cut off"])
    assert again.sound("Data").selectbox(key="fault").value == "dark"
    assert again.selectbox(key="faulty").value == "bad/night.png"
    assert "images of its kind" in texts(again)
    rows = table(again, "Fault").set_index("Fault")
    assert rows.loc["cut off", "Severity"] == "seen and fine"
    assert "not as they were saved" not in texts(again)
    patterns = [code.value for code in again.code]
    assert any("bad/night.png" in text for text in patterns)


def test_what_gives_the_label_away_is_tested_on_request(visit, folder):
    from workbench.quality import measure
    from workbench.sets import load_images

    measure(load_images(str(folder)))
    at = visit("data", model="everyday", set=str(folder)).sound("Data")
    assert "gives away" not in texts(at)
    next(button for button in at.button if button.label == "Look for what tells the label").click().run()
    assert "top left corner gives away the class" in texts(at.sound("Data"))
    rows = table(at, "Property").set_index("Property")
    assert rows.loc["top left corner", "Verdict"] == "gives it away"

    split = visit("data", model="everyday", set=str(folder), told="split").sound("Data")
    next(button for button in split.button if button.label == "Look for what tells the split").click().run()
    assert "no two splits have 10 independent images each" in texts(split.sound("Data"))


def test_an_image_that_is_softer_than_its_twin_is_shown_against_it(visit, folder):
    import pandas as pd

    from workbench.quality import Families, keep_families, measure, store_key
    from workbench.sets import load_images

    twin = Image.open(folder / "good" / "00.png").resize((30, 30)).resize((32, 32))
    twin.save(folder / "good" / "twin.png")
    images = load_images(str(folder))
    measure(images)
    names = [item.name for item in images]
    family = ["good/00.png" if name == "good/twin.png" else name for name in names]
    frame = pd.DataFrame({"name": names, "family": family, "grade": None, "to": None}, dtype=object)
    columns = ["first", "second", "grade", "score", "turn"]
    pairs = pd.DataFrame([("good/00.png", "good/twin.png", "same part", 0.9, "")], columns=columns)
    keep_families(store_key(images), Families(frame, pairs))
    at = visit("data", model="everyday", set=str(folder), fault="blurred against its twin").sound("Data")
    assert at.selectbox(key="faulty").value == "good/twin.png"
    assert "images of one part" in texts(at)


def test_everything_is_looked_for_by_one_button(visit, folder, empty_shelves):
    at = visit("data", model="everyday", set=str(folder)).sound("Data")
    line = next(line for line in texts(at).splitlines() if "**Not looked for yet**: " in line)
    asked = (
        "images of one part, groups that the order of the files hides, wrong labels, what the training split does not"
    )
    assert f"{asked} reach" in line
    next(button for button in at.button if button.label == "Look for all of it").click().run()
    assert {
        "Look for all of it",
        "Measure 43 images",
        "Look for images of one part",
        "Look for wrong labels",
    }.isdisjoint(labels_of(at.sound("Data")))
    assert "Test the order of the files" not in labels_of(at)
    assert "**Not looked for yet**: " not in texts(at)
