"""Groups that a person reads out of names or of the order of files: obeyed, or refused with the true cause."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest
from PIL import Image

from workbench.errors import InputError
from workbench.sets import groups_by, load_images, options_from, options_read, options_text

LOTS = ["lot07_cam1_0031.png", "lot07_cam2_0032.png", "lot08_cam1_0033.png", "odd.png"]


@pytest.mark.parametrize(
    ("option", "names", "groups"),
    [
        ("name:lot{group}_*", LOTS, ["07", "07", "08", None]),
        ("name:lot*_cam{group}_*", LOTS, ["1", "2", "1", None]),
        ("name:lot{group}_cam{group}_*", LOTS, ["07_1", "07_2", "08_1", None]),
        ("name:LOT{group}_*", LOTS, ["07", "07", "08", None]),
        ("name:exp*_num_{group}", ["MT/exp1_num_110116.jpg", "MT/exp6_num_110116.jpg"], ["110116"] * 2),
        ("name:{group}/Part*", ["kos01/Part5.jpg", "kos02/Part5.jpg", "kos02/x.jpg"], ["kos01", "kos02", None]),
        ("name:part{group}cam*", ["part12cam3.png", "part1cam3.png"], ["12", "1"]),
        ("name:{group}(*)", ["a(1).png", "a(2).png", "b.png"], ["a", "a", None]),
        ("name:{group}-*", ["2024-05-01.png", "2024-05-02.png"], ["2024", "2024"]),
        ("order:2", ["img10.png", "img9.png", "img1.png"], ["3-3", "1-2", "1-2"]),
        ("order:2", ["b/2.png", "b/1.png", "a/1.png"], ["b/1-2", "b/1-2", "a/1-1"]),
    ],
)
def test_groups_by(option, names, groups) -> None:
    assert groups_by(names, option) == groups


@pytest.mark.parametrize(
    "option",
    ["", "lot", "name:", "name:lot*", "order:", "order:1", "order:-3", "order:2.5", "name:{group}{group}", "x:{group}"],
)
def test_what_cannot_be_understood_is_refused(option) -> None:
    with pytest.raises(InputError, match=r"write name:lot\{group\}_\*|follow each other"):
        groups_by(LOTS, option)


def test_a_hostile_pattern_takes_no_time() -> None:
    name = "a" * 250 + ".png"
    begin = time.process_time()
    for pattern in ("name:{group}a*", "name:*a{group}b", "name:*a*a*a*a*a*a{group}b", "name:" + "{group}_*" * 200):
        with contextlib.suppress(InputError):
            groups_by([name] * 50, pattern)
    assert time.process_time() - begin < 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("lots")
    for label in ("good", "bad"):
        (root / label).mkdir()
        for number in range(4):
            pixels = np.full((8, 8), 40 * number + (label == "bad"), np.uint8)
            Image.fromarray(pixels).save(root / label / f"lot{number // 2}_{number}.png")
    return root


def test_a_set_is_read_with_groups(folder) -> None:
    images = load_images(folder, options=options_read(["group=name:lot{group}_*"]))
    assert sorted(str(item.attributes["group"]) for item in images) == ["0"] * 4 + ["1"] * 4
    guess = next(guess for guess in images.report.guesses if guess.topic == "groups")
    assert (guess.value, guess.how, guess.option) == ("2 by name:lot{group}_*", "stated", "group")
    plain = load_images(folder)
    assert plain.key != images.key, "what is computed of one is not taken for the other"


def test_the_option_goes_through_a_link() -> None:
    options = options_read(["group=name:lot{group}_cam*_*"])
    assert options_from(options_text(options)) == options


@pytest.mark.parametrize(
    ("option", "cause"),
    [
        ("name:part{group}_*", "No image of lots0 is called as"),
        ("name:l{group}t*_*", "puts all images of lots0 into one group"),
        ("name:{group}/lot*_{group}", "joins no two images of lots0"),
    ],
)
def test_groups_that_say_nothing_are_refused(folder, option, cause) -> None:
    with pytest.raises(InputError, match=cause):
        load_images(folder, options=options_read([f"group={option}"]))
