"""Families: what few images share besides their part joins nobody, and no such mark hides a copy."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps
from scipy.ndimage import gaussian_filter, shift

import workbench as wb
from workbench.images import BytesSource, ImageItem
from workbench.quality import agreement, warps
from workbench.quality.frames import without_frame

EDGE, FEW = 64, 6


def item(name, image, kind="PNG", **settings):
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return ImageItem(name, BytesSource(buffer.getvalue()))


def texture(seed, size=EDGE, scale=1.5):
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(size, size, 3)), (scale, scale, 0))
    return Image.fromarray(((field - field.min()) / np.ptp(field) * 255).astype(np.uint8))


def drawn(image, *boxes):
    image = image.copy()
    pen = ImageDraw.Draw(image)
    for box, colour in boxes:
        pen.rectangle(box, fill=colour)
    return image


def boxed(image):
    """With bars of black left and right, as a film of an upright telephone has."""
    return ImageOps.expand(image.crop((16, 0, 48, 64)), (16, 0), "black")


STAMP = [((40 + 3 * n, 3, 41 + 3 * n, 3 + n % 5), "white") for n in range(7)]
RULER = [((2 + 4 * n, 56, 3 + 4 * n, 60 + n % 3), "yellow") for n in range(14)]
MARKS = {
    "black frame": lambda image: ImageOps.expand(image, 4, "black"),
    "thick coloured frame": lambda image: ImageOps.expand(image, 14, (200, 30, 40)),
    "drawn border": lambda image: ImageOps.expand(ImageOps.expand(image, 2, "white"), 3, "blue"),
    "logo": lambda image: drawn(image, ((2, 2, 20, 9), "red"), ((6, 4, 15, 7), "white")),
    "time stamp": lambda image: drawn(image, ((38, 1, 62, 9), "black"), *STAMP),
    "scale bar": lambda image: drawn(image, ((0, 54, 63, 63), "black"), ((4, 57, 30, 59), "white")),
    "ruler": lambda image: drawn(image, *RULER),
    "bars": boxed,
}


@pytest.fixture(scope="module")
def marked():
    """Forty strangers and, for each mark, a few more that alone carry it."""
    plain = [item(f"{number}", texture(number)) for number in range(40)]
    return plain + [
        item(f"{mark} {number}", change(texture(1000 * (place + 1) + number)))
        for place, (mark, change) in enumerate(MARKS.items())
        for number in range(FEW)
    ]


def test_a_mark_that_few_images_share_joins_nobody(marked):
    found = wb.families(marked)
    assert found.frame["family"].nunique() == len(marked) == 40 + FEW * len(MARKS)


@pytest.mark.parametrize("mark", MARKS)
def test_a_small_set_of_marked_images_is_not_joined(marked, mark):
    few = [image for image in marked if image.name.startswith(mark)]
    assert wb.families([*few, *marked[:6]]).frame["family"].nunique() == FEW + 6


CHANGES = {
    "logo": MARKS["logo"],
    "black frame": MARKS["black frame"],
    "cropped": lambda image: image.crop((3, 3, 61, 61)).resize((EDGE, EDGE), Image.Resampling.BICUBIC),
    "turned": lambda image: image.rotate(3, Image.Resampling.BICUBIC),
    "turned less": lambda image: image.rotate(2, Image.Resampling.BICUBIC),
    "shifted": lambda image: Image.fromarray(np.roll(np.asarray(image), (3, -4), (0, 1))),
    "compressed": lambda image: image.resize((48, 48), Image.Resampling.LANCZOS),
}


def test_a_mark_a_crop_a_turn_or_a_shift_hides_no_copy(marked):
    parts = [texture(50_000 + place, scale=2.5) for place in range(len(CHANGES))]
    originals = [item(f"of {place}", part) for place, part in enumerate(parts)]
    copies = [item(f"{name}", change(parts[place])) for place, (name, change) in enumerate(CHANGES.items())]
    found = wb.families([*marked, *originals, *copies])
    assert {name: found.by_name[name] for name in CHANGES} == {n: f"of {place}" for place, n in enumerate(CHANGES)}
    assert found.frame["family"].nunique() == len(marked) + len(CHANGES)


def test_parts_before_one_background_are_not_one_part(marked):
    rng = np.random.default_rng(8)
    ground = np.asarray(texture(77)).astype(float)

    def photograph(seed):
        scene = ground.copy()
        scene[20:44, 20:44] = np.asarray(texture(seed, 24))
        return Image.fromarray((scene + rng.normal(0, 3, scene.shape)).clip(0, 255).astype(np.uint8))

    parts = [item(f"part {seed}", photograph(9000 + seed)) for seed in range(5)]
    again = item("again", photograph(9000))
    found = wb.families([*marked[:40], *parts, again])
    assert found.frame["family"].nunique() == 45
    assert found.by_name["again"] == "part 0"


@pytest.mark.parametrize("colour", ["black", "white", (90, 20, 160)])
def test_a_frame_is_cut_off_to_the_pixel_and_nothing_else_is(colour):
    image = texture(3)
    for border in (3, (10, 0, 0, 5), (0, 12)):
        framed = ImageOps.expand(image, border, colour)
        assert np.array_equal(np.asarray(without_frame(framed)), np.asarray(image))
    ground = ImageOps.expand(Image.new("RGB", (9, 9), "red"), 20, "white")  # an object on a plain ground
    assert without_frame(ground).size == ground.size
    assert without_frame(image) is image
    assert without_frame(Image.new("RGB", (40, 40), colour)).size == (40, 40)


def test_the_agreement_of_tiles_is_what_a_plain_loop_finds():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 3, 96, 96)).astype(np.float32)
    second += first
    second[1, :40] = first[1, :40] = 0  # plain: no vote
    second[2, 32:64, 32:64] = rng.normal(size=(32, 32))  # another thing in the middle
    tiles = agreement.correlations(first, second, agreement.NOTHING)
    expected = np.full((3, 36), np.nan)
    for image in range(3):
        energy = [[], []]
        for down in range(6):
            for right in range(6):
                pair = [x[image, 16 * down : 16 * down + 16, 16 * right : 16 * right + 16] for x in (first, second)]
                for which in (0, 1):
                    energy[which].append((pair[which] ** 2).sum())
                if all(part.any() for part in pair):
                    expected[image, 6 * down + right] = (pair[0] * pair[1]).sum() / np.sqrt(
                        (pair[0] ** 2).sum() * (pair[1] ** 2).sum()
                    )
        for values in energy:
            plain = np.array(values) <= max(0.1 * np.median(values), 0.02 * np.mean(values))
            expected[image, plain] = np.nan
    np.testing.assert_allclose(tiles, expected, rtol=1e-4)
    grid = expected[0].reshape(6, 6)
    regions = [grid[:3, :3], grid[:3, 3:], grid[3:, :3], grid[3:, 3:], grid[1:5, 1:5]]
    assert agreement.agreement_of(tiles)[0] == pytest.approx(min(np.median(part) for part in regions), rel=1e-4)
    assert agreement.contradicted(tiles).tolist() == [False, False, True]


def test_motions_are_recovered():
    field = gaussian_filter(np.random.default_rng(4).normal(size=(96, 96)), 2.5).astype(np.float32)
    field /= field.std()
    moved = shift(field, (2.5, -3.25), order=3, mode="nearest")
    turned = np.asarray(Image.fromarray(field).rotate(3, Image.Resampling.BICUBIC))
    motions, small = warps.aligned(np.stack([field, field]), np.stack([moved, turned]))
    assert small.all()
    assert motions[0, 1] == pytest.approx(-3.25 + 2.5j, abs=0.1)
    assert np.degrees(np.angle(1 + motions[1, 0])) == pytest.approx(-3, abs=0.15)
    back = warps.warped(np.stack([moved, turned]), motions)[:, 12:-12, 12:-12].reshape(2, -1)
    assert min(np.corrcoef(field[12:-12, 12:-12].ravel(), row)[0, 1] for row in back) > 0.97


def boards(count, seed, grain):
    """Boards of one layout that lie elsewhere in each shot; the first ten twice, where each has a grain of its own."""
    rng = np.random.default_rng(seed)
    layout = np.full((96, 96), 60.0)
    for row, column, height, width, level in rng.integers((0, 0, 3, 3, 90), (88, 88, 20, 20, 230), (40, 5)):
        layout[row : row + height, column : column + width] = level
    shots = []
    for number in [*range(count), *range(10 if grain else 0)]:
        own = gaussian_filter(np.random.default_rng(number).normal(size=layout.shape), 1.2) * 22 * grain
        scene = np.roll(layout + own, rng.integers(-2, 3, 2), (0, 1)) * rng.uniform(0.95, 1.05)
        shots.append(Image.fromarray((scene + rng.normal(0, 3, layout.shape)).clip(0, 255).astype(np.uint8)))
    return [item(f"{number}", shot) for number, shot in enumerate(shots)]


def test_second_shots_of_boards_of_one_layout_are_found_by_the_grain_of_each():
    found = wb.families(boards(60, 3, 1.0))
    joined = {name: int(family) for name, family in found.by_name.items() if name != family}
    assert all(int(name) - family == 60 for name, family in joined.items())
    assert len(joined) >= 8
    assert len(found.untold) >= 40
