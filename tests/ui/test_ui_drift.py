"""The section Drift: it computes nothing unasked, compares with another set, and says what it cannot tell."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from workbench.quality import look_for_families
from workbench.sets import load_images


@pytest.fixture
def folder(tmp_path):
    """Two sets of the everyday model, whose second is brighter, and of which the first has two lots."""
    rng = np.random.default_rng(0)
    for name, light in (("ours", 90), ("theirs", 150)):
        lines = ["image,camera"]
        for number in range(32):
            pixels = (light + 15 * rng.standard_normal((24, 24, 3))).clip(0, 255).astype(np.uint8)
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / name / f"{number:02}.png")
            lines.append(f"{number:02}.png,{'AB'[number % 2]}")
        (tmp_path / name / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def texts(at) -> str:
    return "\n".join(str(part.value) for part in [*at.markdown, *at.caption, *at.info, *at.error])


def press(at, start: str) -> None:
    next(button for button in at.button if button.label.startswith(start)).click().run()


def test_another_set_is_compared_on_request_and_kept(visit, folder, empty_shelves) -> None:
    ours, theirs = str(folder / "ours" / "list.csv"), str(folder / "theirs" / "list.csv")
    at = visit("reliability", model="everyday", set=ours)
    press(at, "Predict all")
    assert "Choose the images that are to be held against this set" in texts(at)
    address = {"model": "everyday", "set": ours, "against": f"set {theirs}", "drift_maps": "off"}
    at = visit("reliability", **address)
    assert "Not looked for yet" in texts(at)
    press(at, "Compare 32 reference and 32 new images")
    said = texts(at)
    assert not at.exception
    assert "drift in " in said
    assert "No lots are known" in said
    assert "No attribution maps were made" in said
    assert "0 decisions are in the journal" in said
    again = texts(visit("reliability", **address))
    assert "drift in " in again  # kept, with nothing pressed
    assert "Not looked for yet.** The model is asked" not in again
    empty_shelves.clear()  # as another process finds it
    assert "drift in " in texts(visit("reliability", **address))
    families = look_for_families(load_images(theirs))
    assert len(families.frame) == 32
    empty_shelves.clear()
    assert "Not looked for yet.** " in texts(visit("reliability", **address)), "now it is known which belong together"


def test_a_group_of_the_same_set_is_too_small_and_that_is_said(visit, folder, empty_shelves) -> None:
    ours = str(folder / "ours" / "list.csv")
    at = visit("reliability", model="everyday", set=ours)
    press(at, "Predict all")
    at = visit("reliability", model="everyday", set=ours, against="group camera: A", drift_maps="off")
    press(at, "Compare 16 reference and 16 new images")
    said = texts(at)
    assert "it cannot be told whether this is drift" in said
    assert "holds 16 images that can be compared" in said


def test_a_set_that_is_not_there_is_said_in_one_sentence(visit, folder) -> None:
    ours = str(folder / "ours" / "list.csv")
    at = visit("reliability", model="everyday", set=ours)
    press(at, "Predict all")
    at = visit("reliability", model="everyday", set=ours, against="set no/such/folder")
    assert not at.exception
    assert len(at.error) == 1
