"""Fixed places, on networks that read one, and on a trained one whose shortcut was planted."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import workbench as wb
from workbench.cues import search, study_of, transplant
from workbench.cues.cuts import Seen, cut, seen
from workbench.cues.exchanged import agreement, likeness_of, named, places, whole

SIDE = 32


class ReadsPlace(nn.Module):
    """Two classes, each by whether a square at the middle left is bright or dark, and by nothing else."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        light = x[:, :, 14:20, 1:7].mean((1, 2, 3))
        return torch.stack([0.5 - light, light - 0.5], 1) * 20


def saved(folder, number, pixels, label, mask=None):
    (folder / label).mkdir(exist_ok=True)
    Image.fromarray(pixels).save(folder / label / f"{number}.png")
    if mask is not None:
        Image.fromarray(mask).save(folder / label / f"{number}_mask.png")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("both"), np.random.default_rng(0)
    for label, value in (("dark", 30), ("bright", 225)):
        for number in range(60):
            pixels = rng.integers(60, 190, (SIDE, SIDE, 3)).astype(np.uint8)
            pixels[14:20, 1:7] = value
            saved(folder, number, pixels, label)
    images = wb.load_images(folder)
    classifier = wb.load_classifier(
        ReadsPlace(), class_names=("dark", "bright"), size=(SIDE, SIDE), mean=(0, 0, 0), std=(1, 1, 1)
    )
    return study_of(classifier, list(images), wb.predict(classifier, images))


@pytest.mark.parametrize("target", ["dark", "bright"])
def test_a_place_that_both_classes_go_by_alike_is_named_for_either(both, target):
    cue = next(places(both, target))
    top, left, bottom, right = cue.box
    assert top <= 17 / SIDE <= bottom
    assert left <= 4 / SIDE <= right
    assert "middle left" in cue.name
    result = transplant(both, cue)
    for way in (result.put, result.taken):
        assert way.flips.value >= 0.95
        assert way.decoys.value <= 0.05
        assert len(way.frame) >= 35


def test_only_images_that_show_the_content_are_taken_it_from(both):
    exchange, rng = next(places(both, "bright")).exchange, np.random.default_rng(0)
    for place in both.confirmed("dark")[:10]:
        assert exchange.take(both.decoded(both.items[place])[0], rng, decoy=False) is None
    for place in both.confirmed("bright")[:10]:
        assert exchange.take(both.decoded(both.items[place])[0], rng, decoy=False) is not None


def test_the_same_mark_in_light_and_in_dark_ink_is_seen_in_both():
    rng = np.random.default_rng(0)
    box, cross = (0, 0, 0.5, 0.5), np.zeros((SIDE, SIDE, 1))
    cross[8, 3:13] = cross[3:13, 8] = 1
    plain, dark, light = (
        [Seen((rng.normal(120, 4, (SIDE, SIDE, 3)) + ink * cross).clip(0, 255).astype(np.uint8)) for _ in range(8)]
        for ink in (0, -70, 70)
    )
    line = likeness_of([cut(image, box) for image in dark], [cut(image, box) for image in plain])
    assert all(line.shown(cut(image, box)) for image in (*dark, *light))
    assert not any(line.shown(cut(image, box)) for image in plain)


class ReadsAcross(nn.Module):
    """Two classes, by whether nearly all of a strip is bright that no window of a quarter holds whole."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        light = x[:, :, 13:17, 9:19].mean((1, 2, 3))
        return torch.stack([0.74 - light, light - 0.74], 1) * 20


def test_a_window_that_cuts_its_cue_grows_until_it_holds_it(tmp_path):
    rng = np.random.default_rng(0)
    for label, value in (("dark", 40), ("bright", 215)):
        for number in range(60):
            pixels = rng.integers(100, 150, (SIDE, SIDE, 3)).astype(np.uint8)
            pixels[13:17, 9:19] = value
            saved(tmp_path, number, pixels, label)
    images = wb.load_images(tmp_path)
    classifier = wb.load_classifier(
        ReadsAcross(), class_names=("dark", "bright"), size=(SIDE, SIDE), mean=(0, 0, 0), std=(1, 1, 1)
    )
    study = study_of(classifier, list(images), wb.predict(classifier, images))
    best = max(places(study, "bright"), key=lambda cue: transplant(study, cue).put.flips.value)
    assert transplant(study, best).put.flips.value >= 0.9
    top, left, bottom, right = best.box
    assert top <= 13 / SIDE
    assert bottom >= 17 / SIDE
    assert left <= 9 / SIDE
    assert right >= 19 / SIDE
    assert (bottom - top) * (right - left) <= 0.15


def stamps(rng, light, rows=slice(12, 20), columns=slice(8, 16), many=8):
    """Noisy images that show a bright rectangle."""
    images = rng.normal(120, 4, (many, SIDE, SIDE, 3))
    images[:, rows, columns] += light
    return [Seen(image.clip(0, 255).astype(np.uint8)) for image in images]


def test_a_place_that_cuts_a_stamp_is_grown_until_it_holds_it():
    rng = np.random.default_rng(0)
    own, others = stamps(rng, 80), stamps(rng, 0)
    box, likeness = whole((0, 0, 0.5, 0.5), own, others)
    assert box[2] >= 20 / SIDE
    assert box[:2] == (0, 0)
    assert box[3] <= 0.75
    assert likeness.of(cut(own[0], box)) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("box", [(0.25, 0.125, 0.75, 0.625), (0.5, 0.5, 1, 1)])
def test_a_place_that_holds_a_stamp_or_none_stays_as_it_is(box):
    rng = np.random.default_rng(1)
    assert whole(box, stamps(rng, 80), stamps(rng, 0))[0] == box


def test_what_surrounds_a_place_as_well_does_not_make_it_grow():
    rng = np.random.default_rng(2)
    everywhere = stamps(rng, 80, slice(None), slice(None, None, 2))
    assert whole((0.25, 0.25, 0.5, 0.5), everywhere, stamps(rng, 0))[0] == (0.25, 0.25, 0.5, 0.5)


def test_a_defect_is_in_the_way_of_growth():
    rng = np.random.default_rng(3)
    spared = np.zeros((SIDE, SIDE), bool)
    spared[17:20, 8:16] = True
    own = [Seen(image.image, spared) for image in stamps(rng, 80)]
    assert whole((0, 0, 0.5, 0.5), own, stamps(rng, 0))[0] == (0, 0, 0.5, 0.5)


def test_contents_agree_where_they_show_the_same():
    rng = np.random.default_rng(0)
    box, start = (0, 0, 0.5, 0.5), np.zeros((12, 12, 3), np.float32)
    noise = [cut(Seen(rng.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)), box) for _ in range(8)]
    assert abs(agreement(noise, start)) <= 0.2
    assert agreement([noise[0]] * 4, start) == pytest.approx(1)


def test_likeness_runs_from_the_others_to_those_of_the_class():
    rng = np.random.default_rng(0)
    grey = [Seen(rng.integers(90, 110, (SIDE, SIDE, 3)).astype(np.uint8)) for _ in range(8)]
    light = [Seen(np.pad(np.full((8, 8, 3), 200, np.uint8), ((0, 24), (0, 24), (0, 0)), constant_values=100))] * 3
    box = (0, 0, 0.25, 0.25)
    line = likeness_of([cut(image, box) for image in light], [cut(image, box) for image in grey])
    assert line.of(cut(light[0], box)) == pytest.approx(1)
    assert abs(np.median([line.of(cut(image, box)) for image in grey])) <= 0.05
    half = Seen(((light[0].image.astype(int) + 100) // 2).astype(np.uint8))
    assert line.of(cut(half, box)) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((0.75, 0.75, 1, 1), "what lies at the bottom right (75 % to 100 % across, 75 % to 100 % down)"),
        ((0.25, 0.25, 0.75, 0.75), "what lies at the centre (25 % to 75 % across, 25 % to 75 % down)"),
        ((0, 0.375, 0.25, 0.625), "what lies at the top (38 % to 62 % across, 0 % to 25 % down)"),
    ],
)
def test_places_have_names(box, words):
    assert named(box) == words


def spotted(rng, label, crossed, light=25):
    """A noisy surface; a "spot" has a bright disc somewhere, which its mask shows; a cross lies at the bottom right."""
    pixels, mask = rng.normal(120, 12, (SIDE, SIDE, 3)), np.zeros((SIDE, SIDE), bool)
    if label == "spot":
        y, x = rng.integers(4, 18, 2)
        mask = np.hypot(*(np.mgrid[:SIDE, :SIDE] - np.array([y, x])[:, None, None])) < 2.5
        pixels[mask] += light
    if crossed:
        pixels[26, 22:31] -= 80
        pixels[22:31, 26] -= 80
    return pixels.clip(0, 255).astype(np.uint8), mask


def trained(rng, share):
    """A small network that learned spots while a cross stood on a share of them, where it shows and the spot does not,
    and on 1 - share of the good parts: on half of all with a share of a half, where spots always show."""
    torch.manual_seed(0)
    labels = rng.integers(0, 2, 600)
    crossed = rng.random(600) < np.where(labels == 1, share, 1 - share)
    hidden = crossed & (share > 0.5)
    x = [
        spotted(rng, ("good", "spot")[n], c, 0 if h else 25)[0] for n, c, h in zip(labels, crossed, hidden, strict=True)
    ]
    x = np.stack(x)
    x = torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255
    net = nn.Sequential(
        nn.Conv2d(3, 12, 5, padding=2), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 24, 3),
        nn.BatchNorm2d(24), nn.ReLU(), nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(96, 2),
    )  # fmt: skip
    adam = torch.optim.Adam(net.parameters(), 3e-3)
    for step in range(200):
        batch = torch.randint(600, (32,), generator=torch.Generator().manual_seed(step))
        loss = nn.functional.cross_entropy(net(x[batch]), torch.from_numpy(labels)[batch])
        adam.zero_grad()
        loss.backward()
        adam.step()
    return wb.load_classifier(
        net.eval(), class_names=("good", "spot"), size=(SIDE, SIDE), mean=(0, 0, 0), std=(1, 1, 1)
    )


@pytest.fixture(scope="module")
def spots(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("spots"), np.random.default_rng(1)
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    lines = ["image,label,mask"]
    for number in range(160):
        label = ("good", "spot")[number % 2]
        pixels, mask = spotted(rng, label, number % 4 < 2)
        Image.fromarray(pixels).save(folder / f"images/{number}.png")
        Image.fromarray(mask).save(folder / f"masks/{number}.png")
        lines.append(f"images/{number}.png,{label},{f'masks/{number}.png' if mask.any() else ''}")
    (folder / "manifest.csv").write_text("\n".join(lines))
    return wb.load_images(folder)


@pytest.mark.slow
def test_a_cross_that_a_network_learned_is_named_and_a_sound_one_is_not_accused(spots):
    planted, sound = trained(np.random.default_rng(2), 0.97), trained(np.random.default_rng(2), 0.5)
    found = search(study_of(planted, list(spots), wb.predict(planted, spots)))
    named_places = [finding for finding in found.accused if finding.cue.kind == "place"]
    assert named_places
    first = {finding.cue.target: finding.cue.name for finding in reversed(named_places)}  # the gravest of each class
    assert all("bottom right" in name for name in first.values())
    assert all(finding.verdict == "shortcut" for finding in named_places)  # masks show that the spots were left alone
    assert not search(study_of(sound, list(spots), wb.predict(sound, spots))).accused


def test_images_whose_defect_no_mask_shows_are_not_cut_from(spots, both):
    classifier = both.classifier
    study = study_of(classifier, list(spots), wb.predict(classifier, spots))
    places_of_spots = [n for n, item in enumerate(study.items) if item.label == "spot"]
    for image in seen(study, places_of_spots):
        mask = study.items[image.place].open_mask()
        assert image.spared[mask].all()
        assert image.spared.sum() > mask.sum()
