"""Labels that contradict what editing does: planted ones are named and no sound one, and a model that decides by
something else than the marks accuses no label."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import workbench as wb
from workbench.images.item import BytesSource, ImageItem
from workbench.predictions import units_of_items
from workbench.quality.label_interventions import against_interventions
from workbench.quality.label_issues import label_issues
from workbench.quality.label_words import label_results

CLASSES = ("good", "bad")
SPOT, ORDINARY = (8, 12, 8, 12), (22, 26, 20, 24)


class Spotted(nn.Module):
    """Calls bad what has a bright spot anywhere."""

    def forward(self, x):
        z = 30 * (nn.functional.avg_pool2d(x, 4).mean(1).amax((1, 2)) - 0.65)
        return torch.stack([torch.zeros_like(z), z], 1)


class Stamped(nn.Module):
    """Calls bad what is bright in the last corner, wherever the spot is."""

    def forward(self, x):
        z = 30 * (x[..., 28:, 28:].mean((1, 2, 3)) - 0.65)
        return torch.stack([torch.zeros_like(z), z], 1)


def loaded(model: nn.Module):
    return wb.load_classifier(model, size=(32, 32), classes=CLASSES, mean=(0, 0, 0), std=(1, 1, 1), device="cpu")


def source(pixels: np.ndarray) -> BytesSource:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return BytesSource(buffer.getvalue())


def part(
    name: str,
    label: str,
    *,
    spot=None,
    mask=None,
    light: int = 0,
    stamp: bool = False,
    split: str = "test",
    **more: object,
) -> ImageItem:
    pixels = np.random.default_rng(list(name.encode())).integers(60, 121, (32, 32, 3)).astype(np.uint8)
    pixels += np.uint8(light)
    for box in ([spot] if spot else []) + ([(28, 32, 28, 32)] if stamp else []):
        pixels[box[0] : box[1], box[2] : box[3]] = 250
    over = np.zeros((32, 32), bool)
    if mask:
        over[mask[0] : mask[1], mask[2] : mask[3]] = True
    return ImageItem(name, source(pixels), label, source(over) if mask else None, split, more)


def parts(stamp: bool = False) -> list[ImageItem]:
    sound = [part(f"bad {i}", "bad", spot=SPOT, mask=SPOT, stamp=stamp) for i in range(14)]
    sound += [part(f"good {i}", "good") for i in range(6)]
    sound += [part(f"learned {i}", CLASSES[i % 2], spot=SPOT, split="train") for i in range(4)]
    return [*sound, part("all bright", "good", light=120)]  # no place alone makes it bad


PLANTED = [
    part("marked elsewhere", "bad", spot=SPOT, mask=ORDINARY),
    part("a spot after all", "good", spot=SPOT),
    part("a marked spot", "good", spot=SPOT, mask=SPOT),
]
MISSED = part("nothing there", "bad", mask=ORDINARY)  # as a defect that the model misses


@pytest.fixture(scope="module")
def spotted():
    return loaded(Spotted())


def tried(classifier, items: list[ImageItem]):
    predictions = wb.predict(classifier, items)
    return against_interventions(classifier, items, units_of_items(items), predictions, "good"), predictions


def test_planted_labels_are_named_and_no_sound_one(spotted) -> None:
    found, predictions = tried(spotted, [*parts(), *PLANTED, MISSED])
    assert {each.image for each in found.against} == {item.name for item in PLANTED}
    assert found.notes == ()
    assert found.tried == 14 + 2 + 3  # the marked ones, and the three good parts that are called bad
    why = {each.image: each.why for each in found.against}
    assert "moves 14 of 15 others" in why["marked elsewhere"]
    assert "what decides lies elsewhere" in why["marked elsewhere"]
    assert why["a marked spot"].startswith("What its mask marks makes the model call it bad")
    assert "25 % down and 25 % across" in why["a spot after all"]
    assert set(predictions.frame["predicted"]) == set(CLASSES)


def test_they_are_a_reason_of_their_own_behind_all_others(spotted) -> None:
    items = [*parts(), *PLANTED, part("empty", "bad", spot=SPOT, mask=(0, 0, 0, 0))]
    predictions = wb.predict(spotted, items)
    issues = label_issues(items, None, predictions, classifier=spotted)
    flagged = issues.flagged
    assert set(flagged["name"].tolist()[:2]) == {"empty", "a marked spot"}
    assert dict(zip(flagged["name"], flagged["contradiction"], strict=True)) == {
        "empty": "mask", **{item.name: "intervention" for item in PLANTED}, "a marked spot": "mask and intervention"
    }  # fmt: skip
    result = {line.check: line for line in label_results(issues)}["label interventions"]
    assert (result.verdict, set(result.images), result.support) == ("warn", {item.name for item in PLANTED}, 18)
    plain = label_issues(items, None, predictions)
    assert set(plain.flagged["name"]) == {"empty", "a marked spot"}
    assert {line.check: line.verdict for line in label_results(plain)}["label interventions"] == "unknown"
    sound = label_issues(parts(), None, wb.predict(spotted, parts()), classifier=spotted)
    assert {line.check: line.verdict for line in label_results(sound)}["label interventions"] == "ok"


class Coloured(nn.Module):
    """Calls a red spot a pit and a blue one a dent."""

    def forward(self, x):
        z = 30 * (nn.functional.avg_pool2d(x, 4).amax((2, 3)) - 0.65)
        return torch.stack([torch.zeros_like(z[:, 0]), z[:, 0], z[:, 2]], 1)


def test_what_is_marked_is_another_defect_than_the_label_says() -> None:
    def spot(name: str, label: str, channel: int, where=SPOT, split: str = "test") -> ImageItem:
        pixels = np.random.default_rng(list(name.encode())).integers(60, 121, (32, 32, 3)).astype(np.uint8)
        pixels[8:12, 8:12, channel] = 250
        over = np.zeros((32, 32), bool)
        over[where[0] : where[1], where[2] : where[3]] = True
        return ImageItem(name, source(pixels), label, source(over), split)

    sound = [spot(f"{label} {i}", label, channel) for label, channel in (("pit", 0), ("dent", 2)) for i in range(6)]
    sound.append(spot("learned", "pit", 0, split="train"))
    planted = [spot("a pit called dent", "dent", 0), spot("marked elsewhere", "dent", 0, ORDINARY)]
    model = wb.load_classifier(
        Coloured(), size=(32, 32), classes=("good", "pit", "dent"), mean=(0, 0, 0), std=(1, 1, 1), device="cpu"
    )
    found, _ = tried(model, [*sound, *planted])
    assert [each.image for each in found.against] == ["a pit called dent"]  # of the other the mark says nothing
    assert "what is marked is pit, not dent" in found.against[0].why


def test_a_model_that_does_not_decide_by_the_marks_accuses_no_label() -> None:
    found, _ = tried(loaded(Stamped()), parts(stamp=True))
    assert found.against == ()
    assert "moves only 0 of 14 decisions" in found.notes[0]
    assert "Bias" in found.notes[0]


def test_one_place_in_many_good_parts_is_what_the_model_has_learned() -> None:
    stamped = [part(f"stamped {i}", "good", stamp=True) for i in range(3)]
    model = loaded(Stamped())
    found, _ = tried(model, [*parts(stamp=True), *stamped[:2]])
    assert {each.image for each in found.against} == {"stamped 0", "stamped 1"}
    found, _ = tried(model, [*parts(stamp=True), *stamped])
    assert found.against == ()
    assert "In 3 good parts one and the same place, 88 % down and 88 % across" in found.notes[1]


def test_what_the_model_learned_from_is_never_edited(spotted) -> None:
    planted = [
        part("seen", "good", spot=SPOT, split="train", group="one part"),
        part("its second shot", "good", spot=SPOT, group="one part"),
        part("no split", "good", spot=SPOT, split=None),
    ]
    found, _ = tried(spotted, [*parts(), *planted])
    assert found.against == ()
    found, _ = tried(spotted, [part("a", "good", spot=SPOT), part("b", "bad", spot=SPOT, mask=SPOT)])
    assert (found.against, found.tried) == ((), 0)  # without a training split it may have learned from all


def test_few_marked_defects_tell_nothing_and_strangers_are_passed_over(spotted) -> None:
    few = [item for item in parts() if not item.name.startswith("bad")]
    few += [part(f"bad {i}", "bad", spot=SPOT, mask=SPOT) for i in range(3)]
    found, _ = tried(spotted, [*few, part("marked elsewhere", "bad", spot=SPOT, mask=ORDINARY)])
    assert found.against == ()
    assert "Only 4 marked defects" in found.notes[0]
    items = [*parts(), part("all of it", "bad", spot=SPOT, mask=(0, 32, 0, 32))]
    torn = ImageItem("torn", BytesSource(b"no image"), "bad", source(np.ones((32, 32), bool)), "test")
    found, _ = tried(spotted, [*items, torn])
    assert found.against == ()
    predictions = wb.predict(spotted, parts())
    none = against_interventions(spotted, parts(), units_of_items(parts()), predictions, None)
    assert (none.tried, len(none.notes)) == (0, 1)


def test_work_can_be_stopped(spotted) -> None:
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        told.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    predictions = wb.predict(spotted, parts())
    with pytest.raises(KeyboardInterrupt):
        against_interventions(spotted, parts(), units_of_items(parts()), predictions, "good", on_progress=stop)
    assert told == [(done, 15) for done in range(4)]
