"""Edits: exact on arrays that were worked out by hand, read back as they were written, and traced back to the
original's pixels."""

from __future__ import annotations

import io
import math
import random

import numpy as np
import pytest
from PIL import Image

from workbench.errors import InputError
from workbench.probe.edits import (
    EDIT_FILLS,
    MOST_BOXES,
    MOST_EDITS,
    SLIDERS,
    Edit,
    Edited,
    apply,
    further,
    inside,
    read,
)

WHOLE = ((0.0, 0.0, 1.0, 1.0),)


def grey(values) -> Image.Image:
    return Image.fromarray(np.asarray(values, np.uint8)[..., None].repeat(3, 2))


def noisy(height: int, width: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def plane(image, *done, **more):
    """What edits make of an image, its red channel."""
    return apply(image, done, **more).pixels[..., 0]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (Edit("brightness", 0.2), [51, 61, 151, 255, 255]),
        (Edit("brightness", -0.2), [0, 0, 49, 179, 204]),
        (Edit("contrast", 3), [0, 0, 45, 255, 255]),  # 127.5 + 3 * (100 - 127.5)
        (Edit("contrast", 0.2), [102, 104, 122, 148, 153]),
        (Edit("gamma", 2), [0, 0, 39, 207, 255]),  # 255 * (100 / 255) ** 2 = 39.2
        (Edit("gamma", 0.5), [0, 50, 160, 242, 255]),
    ],
    ids=lambda case: case.said if isinstance(case, Edit) else "",
)
def test_tones_are_as_worked_out_by_hand(edit, expected) -> None:
    assert plane(grey([[0, 10, 100, 230, 255]]), edit).tolist() == [expected]


@pytest.mark.parametrize("kind", SLIDERS)
@pytest.mark.parametrize("size", [(13, 20), (1, 1)])
def test_a_neutral_value_changes_no_byte(kind, size) -> None:
    image = noisy(*size)
    edited = apply(image, [Edit(kind, SLIDERS[kind].neutral)])
    assert (edited.pixels == np.asarray(image)).all()
    assert np.allclose(edited.back, np.eye(3))


@pytest.mark.parametrize("kind", SLIDERS)
def test_an_edit_at_either_end_changes_the_image_and_keeps_its_size(kind) -> None:
    image = noisy(40, 60)
    for end in {SLIDERS[kind].low, SLIDERS[kind].high} - {SLIDERS[kind].neutral}:
        found = apply(image, [Edit(kind, end)]).pixels
        assert (found.shape, found.dtype) == ((40, 60, 3), np.uint8)
        assert (found != np.asarray(image)).mean() > 0.5


def test_shifts_by_whole_pixels_move_and_go_on_mirrored() -> None:
    values = np.random.default_rng(0).integers(0, 256, (10, 20))
    right = plane(grey(values), Edit("right", 10))
    assert (right[:, 2:] == values[:, :-2]).all()
    assert (right[:, :2] == values[:, 1::-1]).all()
    up = plane(grey(values), Edit("down", -30))
    assert (up[:-3] == values[3:]).all()
    assert (up[-3:] == values[:-4:-1]).all()


def test_quarter_and_half_turns_are_exact() -> None:
    square, wide = (np.random.default_rng(0).integers(0, 256, shape) for shape in ((7, 7), (4, 8)))
    assert (plane(grey(square), Edit("rotate", 90)) == np.rot90(square)).all()
    assert (plane(grey(square), Edit("rotate", -90)) == np.rot90(square, -1)).all()
    for turned in (square, wide):
        assert (plane(grey(turned), Edit("rotate", 180)) == turned[::-1, ::-1]).all()
    found = plane(grey(wide), Edit("rotate", 90))
    assert found.shape == (4, 8)
    assert (found[:, 2:6] == np.rot90(wide[:, 2:6])).all()  # the middle square turns in itself, ...
    assert (found[:, 6:] == np.rot90(wide[::-1][:2, 2:6])).all()  # ... and beyond it the image goes on mirrored below


def test_scaling_is_about_the_centre_and_bilinear() -> None:
    board = np.indices((4, 4)).sum(0) % 2 * 160
    found = plane(grey(board), Edit("scale", 2)).astype(int)
    # the places 1.25, 1.75, 2.25, 2.75 lie 1/4 and 3/4 of the way between the centres of the pixels 0 to 3
    weights = np.array([[0.25, 0.75, 0, 0], [0, 0.75, 0.25, 0], [0, 0.25, 0.75, 0], [0, 0, 0.75, 0.25]])
    assert (found == (weights @ board @ weights.T).round()).all()
    assert set(found.ravel().tolist()) == {60, 100}
    half = plane(grey(np.full((8, 8), 77)), Edit("scale", 0.5))
    assert (half == 77).all()


def test_a_crop_is_what_lies_in_its_box() -> None:
    image = noisy(20, 40)
    edited = apply(image, [Edit("crop", boxes=((0.25, 0.1, 0.75, 0.6),))])
    assert (edited.pixels == np.asarray(image)[2:12, 10:30]).all()
    assert edited.original == (20, 40)
    assert apply(image, [Edit("crop", boxes=((0.5, 0.5, 0.5001, 0.5001),))]).pixels.shape == (1, 1, 3)
    assert (inside([(0.25, 0.1, 0.75, 0.6), (0, 0, 0.001, 0.001)], (20, 40)).sum()) == 201


def test_noise_has_the_standard_deviation_that_was_asked_for() -> None:
    flat = grey(np.full((200, 300), 128))
    found = apply(flat, [Edit("noise", 0.1)]).pixels.astype(float)
    assert found.std() == pytest.approx(25.5, rel=0.01)
    assert found.mean() == pytest.approx(128, abs=0.3)
    assert abs(np.corrcoef(found[..., 0].ravel(), found[..., 1].ravel())[0, 1]) < 0.02
    assert (apply(flat, [Edit("noise", 0.1)], seed=1).pixels != found).any()
    twice = apply(flat, [Edit("noise", 0.1)] * 2).pixels.astype(float)
    assert twice.std() == pytest.approx(25.5 * 2**0.5, rel=0.01)  # the second draws anew


def delta(size: int = 41) -> Image.Image:
    values = np.zeros((size, size))
    values[size // 2, size // 2] = 255
    return grey(values)


def test_a_blurred_point_is_a_gaussian() -> None:
    found = plane(delta(), Edit("blur", 4)).astype(float)
    y, x = np.mgrid[-20:21, -20:21]
    gaussian = np.exp(-(x**2 + y**2) / (2 * (0.04 * 41) ** 2))
    assert np.abs(found - 255 * gaussian / gaussian.sum()).max() <= 0.51
    assert found.max() > 10


def test_a_defocussed_point_is_a_disc_that_loses_no_light() -> None:
    found = plane(delta(101), Edit("defocus", 4)).astype(float)  # a radius of 4.04 pixels
    y, x = np.mgrid[-50:51, -50:51]
    distance = np.hypot(x, y)
    level = 255 / (math.pi * 4.04**2)
    assert (np.abs(found[distance < 3.5] - level) < 0.8).all()
    assert (found[distance > 4.55] == 0).all()
    flat = grey(np.full((30, 50), 200))
    assert (plane(flat, Edit("defocus", 4)) == 200).all()  # also at the edges
    assert (plane(delta(), Edit("defocus", 0.5)) == np.asarray(delta())[..., 0]).all()  # less than half a pixel


def test_jpeg_is_what_its_decoder_gives() -> None:
    image, buffer = noisy(24, 40), io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    assert (apply(image, [Edit("jpeg", 30)]).pixels == np.asarray(Image.open(buffer))).all()


@pytest.mark.parametrize("fill", EDIT_FILLS)
def test_a_fill_changes_its_regions_and_nothing_else(fill) -> None:
    image, other = noisy(60, 90), noisy(30, 45, 1)
    boxes = ((0.2, 0.2, 0.4, 0.5), (0.6, 0.5, 0.8, 0.9))
    edited = apply(image, [Edit("fill", boxes=boxes, fill=fill, other="o" * (fill == "paste"))], {"o": other})
    where = np.zeros((60, 90), bool)
    where[12:30, 18:36] = where[30:54, 54:72] = True
    assert (inside(boxes, (60, 90)) == where).all()
    changed = (edited.pixels != np.asarray(image)).any(2)
    if fill == "keep":
        assert (edited.pixels[~where] == 128).all()
        assert not changed[where].any()
        return
    assert changed[where].mean() > 0.9
    reach = 0 if fill in ("noise", "paste") else 6  # the others are feathered
    near = inside(
        [(x0 - reach / 90, y0 - reach / 60, x1 + reach / 90, y1 + reach / 60) for x0, y0, x1, y1 in boxes], (60, 90)
    )
    assert not changed[~near].any()
    if fill == "paste":
        pasted = np.asarray(other.resize((90, 60), Image.Resampling.BILINEAR))
        assert (edited.pixels[where] == pasted[where]).all()


def test_random_edits_draw_alike_whatever_comes_before_them() -> None:
    """So that undoing or moving an edit changes nothing in another one."""
    image, noise = grey(np.full((30, 30), 100)), Edit("noise", 0.05)
    bright = apply(image, [Edit("brightness", 0.2), noise]).pixels.astype(int)
    assert (bright - 51 == apply(image, [noise]).pixels).all()
    region = Edit("fill", boxes=((0.1, 0.1, 0.4, 0.4),), fill="noise")
    assert (apply(image, [noise, region]).pixels[4:11, 4:11] == apply(image, [region]).pixels[4:11, 4:11]).all()


def test_order_matters_and_undoing_the_last_is_never_having_done_it() -> None:
    image = noisy(24, 30)
    bright, hard, turned = Edit("brightness", 0.3), Edit("contrast", 2), Edit("rotate", 30)
    assert (apply(image, [bright, hard]).pixels != apply(image, [hard, bright]).pixels).any()
    done = [hard, Edit("noise", 0.1), turned, Edit("fill", boxes=((0.1, 0.1, 0.5, 0.5),), fill="patch"), bright]
    for count in range(len(done)):
        again, short = apply(image, done[: count + 1][:-1]), apply(image, done[:count])
        assert (again.pixels == short.pixels).all()
        longer, stepped = apply(image, done[: count + 1]), further(short, done[:count], done[count])
        assert (longer.pixels == stepped.pixels).all()
        assert (longer.back == stepped.back).all()
    assert apply(image, []).pixels.tolist() == np.asarray(image).tolist()


def movement(rng: random.Random) -> Edit:
    kind = rng.choice(["rotate", "right", "down", "scale", "crop"])
    if kind == "crop":
        left, top = rng.uniform(0, 0.3), rng.uniform(0, 0.3)
        return Edit("crop", boxes=((left, top, left + rng.uniform(0.5, 0.7), top + rng.uniform(0.5, 0.7)),))
    low, high = {"rotate": (-180, 180), "scale": (0.7, 1.6)}.get(kind, (-25, 25))
    return Edit(kind, rng.uniform(low, high))


@pytest.mark.parametrize("seed", range(20))
def test_a_spot_is_traced_back_to_its_pixels(seed) -> None:
    """After any movements of an image that is not square; one that was lost on the way is not found anywhere."""
    rng = random.Random(seed)
    found = 0
    while found < 4:
        done = [movement(rng) for _ in range(rng.randint(1, 5))]
        y, x = rng.randint(5, 84), rng.randint(5, 144)
        values = np.zeros((90, 150), np.uint8)
        values[y - 2 : y + 3, x - 2 : x + 3] = 255
        edited = apply(grey(values), done)
        back = edited.to_original(edited.pixels[..., 0].astype(np.float32))
        assert back.shape == (90, 150)
        shown = edited.to_original(np.ones(edited.pixels.shape[:2]))[y - 3 : y + 4, x - 3 : x + 4]
        if not shown.any():
            assert back.max() < 128, done
        if not shown.all():
            continue
        rows, columns = np.nonzero(back > 0.5 * back.max())
        assert abs(rows.mean() - y) <= 1, done
        assert abs(columns.mean() - x) <= 1, done
        found += 1


def test_what_was_pushed_over_an_edge_is_not_brought_back() -> None:
    """Its place shows the mirrored image then, whose bright spot lies elsewhere in the original."""
    values = np.zeros((20, 40))
    values[10, 22] = 255
    edited = apply(grey(values), [Edit("right", 50), Edit("right", -50)])
    assert edited.pixels.max() == 0
    edited = apply(grey(values), [Edit("right", -50), Edit("right", 50)])
    assert edited.pixels[10, 17, 0] == edited.pixels[10, 22, 0] == 255
    back = edited.to_original(edited.pixels[..., 0].astype(np.float32))
    assert np.argwhere(back > 0).tolist() == [[10, 22]]


def test_a_crop_leaves_zeros_where_it_does_not_show_the_image() -> None:
    edited = apply(noisy(20, 40), [Edit("crop", boxes=((0.25, 0.5, 0.75, 1.0),))])
    back = edited.to_original(np.ones((10, 20)))
    assert back.sum() == 200
    assert (back[10:, 10:30] == 1).all()
    with pytest.raises(ValueError, match=r"\(10, 20\)"):
        edited.to_original(np.ones((20, 40)))


def random_edit(rng: random.Random) -> Edit:
    kind = rng.choice([*SLIDERS, "fill", "crop"])
    if kind in SLIDERS:
        return Edit(kind, rng.uniform(SLIDERS[kind].low, SLIDERS[kind].high))
    count = 1 if kind == "crop" else rng.randint(1, MOST_BOXES)
    corners = [(rng.random() * 0.9, rng.random() * 0.9) for _ in range(count)]
    boxes = tuple((x, y, x + rng.uniform(0.001, 1 - x), y + rng.uniform(0.001, 1 - y)) for x, y in corners)
    fill = rng.choice(tuple(EDIT_FILLS)) if kind == "fill" else ""
    names = ["a:b::c", "grün/ß 漢字.png", "50%&x=1;,#?", "line\nbreak\ttab", "", ":", "\u202e\x00"]
    return Edit(kind, boxes=boxes, fill=fill, other=rng.choice(names) if fill == "paste" else "")


def test_edits_are_read_as_they_were_written() -> None:
    rng = random.Random(0)
    image = noisy(300, 500)
    for _ in range(400):
        edit = random_edit(rng)
        again = read(edit.written())
        assert again == edit
        assert again.written() == edit.written()
        hash(edit)
        if edit.kind == "crop":
            assert (apply(image, [again]).back == apply(image, [edit]).back).all()
    assert Edit("brightness", 1 / 3).written() == "brightness:0.333333"
    assert read("fill:0.1,0.2,0.5,1;0,0,0.1,0.1:paste:a:b").other == "a:b"


HOSTILE = [
    "", ":", "fill", "fill:", "crop", "crop:0,0,1,1:mean", "crop:0,0,1,1;0,0,1,1", "crop:1,1,0,0", "crop:0,0,1",
    "crop:0,0,1,1,1",
    "fill:0,0,1,1", "fill:0,0,1,1:lava", "fill:nan,0,1,1:mean", "fill:0,0,inf,1:mean", "fill:-1,0,1,1:mean",
    "fill:a,b,c,d:mean",
    "fill:0.00001,0,0.00002,1:mean", "fill:" + "0,0,1,1;" * 41 + ":mean", "brightness", "brightness:", "brightness:nan",
    "brightness:inf", "brightness:1e999", "brightness:9", "rotate:1:2", "jpeg:x", "BLUR:1", "x" * 10_000, "\ud800:1",
    "\x00:\x00",
    "fill:0,0,1,1:" + "m" * 10_000, "__class__:0", "brightness:0.1\n;rm",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])
def test_hostile_texts_are_refused_in_a_sentence(text, refusal) -> None:
    message = refusal(lambda: read(text))
    assert len(message) < 300


def test_what_is_too_much_is_refused(refusal) -> None:
    image = noisy(4, 4)
    assert len(apply(image, [Edit("brightness", 0.1)] * MOST_EDITS).frames) == 0
    assert "undo" in refusal(lambda: apply(image, [Edit("brightness", 0.1)] * (MOST_EDITS + 1)))
    assert "41 boxes" in refusal(lambda: Edit("fill", boxes=WHOLE * (MOST_BOXES + 1), fill="mean"))
    assert "'gone'" in refusal(
        lambda: apply(image, [Edit("fill", boxes=WHOLE, fill="paste", other="gone")], {"here": image})
    )
    assert "65,535" in refusal(lambda: apply(Image.new("RGB", (65_536, 1)), [Edit("jpeg", 50)]))


def test_an_edit_says_what_it_does() -> None:
    assert Edit("rotate", -12).said == "Rotation -12"
    assert Edit("crop", boxes=WHOLE).said == "Crop to the region"
    assert Edit("fill", boxes=WHOLE, fill="mean").said == EDIT_FILLS["mean"]
    assert Edit("fill", boxes=WHOLE * 2, fill="keep").said == f"{EDIT_FILLS['keep']}, 2 boxes"
    assert Edit("fill", boxes=WHOLE, fill="paste", other="a.png").said.endswith("another image (a.png)")
    with pytest.raises(InputError):
        Edit("fill", boxes=WHOLE)
    assert isinstance(apply(noisy(2, 2), []), Edited)
