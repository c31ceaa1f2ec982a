"""Sweeps: planted models flip where they must, a set's shares are those of a loop, and stopped work goes on."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from workbench.images.item import BytesSource, ImageItem
from workbench.images.samples import SAMPLE, draw_sample
from workbench.models.classifier import ask
from workbench.models.loading import load_classifier
from workbench.models.preprocessing import BATCH
from workbench.probe.edits import Edit, apply
from workbench.probe.sliders import SLIDERS
from workbench.probe.sweep import ALL_IMAGES, POINTS, Flip, outward, spread, sweep, sweep_set
from workbench.stats.rates import wilson

torch.set_num_threads(1)
SIZE = (16, 24)


class Bands(nn.Module):
    """A class for each band of mean brightness; counts the images that it was asked about."""

    def __init__(self, *edges: float) -> None:
        super().__init__()
        self.edges = torch.tensor([-1.0, *edges])
        self.sharp = nn.Parameter(torch.tensor(5.0))
        self.batches: list[int] = []
        self.last: list[torch.Tensor] = []

    def forward(self, x):
        assert not self.training
        self.batches.append(len(x))
        self.last.append(x[-1])
        mean, bands = x.mean((1, 2, 3))[:, None], torch.arange(len(self.edges))
        return self.sharp * bands * ((mean > self.edges).float() - 0.5 + mean / 100)


class LeftMinusRight(nn.Module):
    """Log-odds of "left": where the image is brighter."""

    def forward(self, x):
        half = x.shape[3] // 2
        return 20 * (x[..., :half].mean((1, 2, 3)) - x[..., half:].mean((1, 2, 3)))[:, None]


def loaded(model, names, **settings):
    flat = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "size": SIZE, "interpolation": "nearest"}
    return load_classifier(model, class_names=names, device="cpu", **flat, **settings)


def grey(level: int) -> Image.Image:
    return Image.new("RGB", SIZE[::-1], (level,) * 3)


def item(name: str, image: Image.Image, label: str | None = None, **attributes) -> ImageItem:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return ImageItem(name, BytesSource(buffer.getvalue()), label, attributes=attributes)


@pytest.fixture
def two():
    return loaded(Bands(0.61), ["dark", "light"])


@pytest.fixture
def three():
    return loaded(Bands(0.35, 0.61), ["dark", "middle", "light"])


def test_a_known_flip_is_found_within_one_step(two) -> None:
    """Grey of 102 plus 0.2 of white is 0.600 of white, plus 0.22 it is 0.620."""
    for values in (None, [-0.5, 0.5], [-0.5, 0.1, 0.11, 0.5]):
        found = sweep(two, grey(102), "brightness", values=values)
        assert found.flips == (Flip(0.2, 0.22, "dark", "light"),)
        expected = sorted(spread("brightness")) if values is None else values
        assert found.values.tolist() == expected
        assert found.probabilities.shape == (len(expected), 2)
        assert (found.decisions == (np.array(expected) > 0.21)).all()
        assert (found.probabilities.argmax(1) == found.decisions).all()


def test_a_class_that_lies_between_two_values_is_found_too(three) -> None:
    found = sweep(three, grey(102), "brightness", values=[-0.5, 0.5])
    assert found.flips == (Flip(-0.06, -0.04, "dark", "middle"), Flip(0.2, 0.22, "middle", "light"))
    assert found.decisions.tolist() == [0, 2]
    assert sweep(three, grey(102), "brightness", values=[0.0, 0.1]).flips == ()


def walked(classifier, image, kind, way):
    """The first step of a slider on the way from its neutral value at which the decision differs; None without one."""
    slider, decisions = SLIDERS[kind], []
    end = slider.high if way > 0 else slider.low
    for number in range(round(abs(end - slider.neutral) / slider.step) + 1):
        value = round(slider.neutral + way * number * slider.step, 6)
        pixels = apply(image, [Edit(kind, value)] if number else []).pixels
        decisions.append(int(classifier.rule.decide(ask(classifier, [pixels]))[0][0]))
        if decisions[-1] != decisions[0]:
            return value, classifier.class_names[decisions[0]], classifier.class_names[decisions[-1]]
    return None


@pytest.mark.parametrize("kind", ["brightness", "contrast", "gamma", "rotate", "right"])
def test_the_nearest_flips_are_those_of_a_walk_in_single_steps(three, kind) -> None:
    half = grey(102)
    half.paste((190,) * 3, (0, 0, 7, 16))
    sides = loaded(LeftMinusRight(), ["right", "left"])
    classifier = sides if kind in ("rotate", "right") else three
    result = sweep(classifier, half, kind)
    for flip, way in zip(result.nearest, (-1, 1), strict=True):
        assert (flip and (flip.high, flip.before, flip.after)) == walked(classifier, half, kind, way)
    assert result.flipping == (kind != "contrast")


def test_the_nearest_flips_are_told_in_the_words_of_the_slider(two, three) -> None:
    assert sweep(three, grey(102), "brightness").sentences == (
        "Darker by 0.06: middle flips to dark (not yet by 0.04)",
        "Brighter by 0.22: middle flips to light (not yet by 0.2)",
    )
    assert sweep(three, grey(156), "brightness", values=[-0.5, 0, 0.1, 0.5]).sentences == (
        "Darker by 0.02: light flips to middle (the first value tried)",
        "Brighter by 0.5: no flip on the way (2 values tried)",
    )
    assert sweep(two, grey(130), "brightness").sentences[0].startswith("Brighter"), "what flips comes first"
    (none,) = sweep(three, grey(102), "jpeg", values=[50, 60, 100]).sentences
    assert none == "JPEG quality down to 50: no flip on the way (2 values tried)"
    with pytest.raises(ValueError, match="among the values"):
        _ = sweep(three, grey(102), "brightness", values=[-0.5, 0.5]).nearest


def test_the_smallest_change_of_a_set_is_told_with_its_interval(two) -> None:
    items = [item(f"{level}.png", grey(level)) for level in (102, 140, 145, 153)]  # 153 is 0.6 of white
    result = sweep_set(two, items, "brightness")
    low, high = (f"{100 * end:.1f}" for end in (wilson(1, 4).low, wilson(1, 4).high))
    assert result.sentences == (
        f"Darker by 0.04: none of 4 decisions flips (95 % interval 0.0 to {100 * wilson(0, 4).high:.1f} %)",
        f"Brighter by 0.04: 1 of 4 decisions flips (95 % interval {low} to {high} %)",
    )
    assert result.flipping


def test_values_off_the_slider_are_narrowed_too(two) -> None:
    found = sweep(two, grey(102), "brightness", values=[0.195, 0.2299])
    (flip,) = found.flips
    assert 0.195 <= flip.low < 0.21 < flip.high <= 0.2299
    assert flip.high - flip.low <= 0.02 + 1e-9


def test_a_rotation_turns_left_into_right() -> None:
    image = Image.new("RGB", SIZE[::-1], "black")
    image.paste((255, 255, 255), (0, 0, 8, 16))
    found = sweep(loaded(LeftMinusRight(), ["right", "left"]), image, "rotate")
    assert found.values[[0, -1]].tolist() == [-180, 180]
    decided = dict(zip(found.values.tolist(), found.decisions.tolist(), strict=True))
    assert (decided[-180], decided[0], decided[180]) == (0, 1, 0)
    assert len(found.flips) >= 2
    for flip in found.flips:
        sides = [LeftMinusRight()(torch.from_numpy(turned(image, at)))[0, 0] > 0 for at in (flip.low, flip.high)]
        assert [("right", "left")[side] for side in sides] == [flip.before, flip.after]
        assert flip.high - flip.low == 1


def turned(image, value):
    return (apply(image, [Edit("rotate", value)]).pixels / np.float32(255)).astype(np.float32).transpose(2, 0, 1)[None]


def test_a_sweep_goes_on_from_what_was_done_before(two) -> None:
    before = [
        Edit("noise", 0.05),
        Edit("fill", boxes=((0, 0, 0.5, 1),), fill="paste", other="white"),
        Edit("noise", 0.02),
    ]
    others, values = {"white": grey(255)}, [0.0, 0.05, 0.3]
    found = sweep(two, grey(60), "noise", values=values, edits_before=before, others=others)
    images = [apply(grey(60), [*before, Edit("noise", value)], others).pixels for value in values]
    assert (found.probabilities == ask(two, images)).all()
    assert np.ptp(found.probabilities) > 0


def test_progress_counts_every_evaluation_and_stops_the_work(two) -> None:
    told: list[tuple[int, int]] = []
    two.model.batches.clear()
    sweep(two, grey(102), "brightness", on_progress=lambda *at: told.append(at))
    assert told[0] == (0, POINTS)
    assert told[-1] == (sum(two.model.batches),) * 2
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    two.model.train()
    parameter = next(two.model.parameters())

    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(two, grey(102), "rotate", on_progress=stop)
    assert two.model.training
    assert parameter.requires_grad


@pytest.mark.parametrize("kind", SLIDERS)
def test_the_values_of_a_slider_are_its_own(kind) -> None:
    chosen = SLIDERS[kind]
    values = spread(kind)
    assert (values[0], values[-1]) == (chosen.low, chosen.high)
    assert chosen.neutral in values
    assert chosen.neutral in spread(kind, 4)
    assert 20 <= len(values) <= POINTS + 1
    steps = (np.array(values) - chosen.low) / chosen.step
    assert np.abs(steps - steps.round()).max() < 1e-4
    assert len(spread(kind, 10_000)) == round((chosen.high - chosen.low) / chosen.step) + 1


def test_a_set_is_asked_about_small_changes_too(two) -> None:
    assert outward("rotate") == [-180, -90, -45, -22, -11, 0, 11, 22, 45, 90, 180]
    assert outward("noise") == [0, 0.02, 0.05, 0.1, 0.2, 0.4]
    assert outward("jpeg") == [5, 52, 76, 88, 94, 100]
    assert sweep_set(two, ITEMS[:1], "rotate").values.tolist() == outward("rotate")
    for kind, chosen in SLIDERS.items():
        values = outward(kind)
        assert {chosen.low, chosen.neutral, chosen.high} <= set(values)
        assert all(Edit(kind, value).value == value for value in values)
        assert len(values) in (6, 10, 11)  # the small steps of one end fall together for the scale


LEVELS = {"a": 10, "b": 60, "c": 100, "d": 140, "e": 160, "f": 200, "g": 250}
LABELS = {"a": "dark", "b": "dark", "c": "light", "d": "dark", "e": "light", "f": "light", "g": "strange"}
ITEMS = [item(name, grey(level), LABELS[name], camera=i % 2) for i, (name, level) in enumerate(LEVELS.items())]
VALUES = [-0.3, -0.1, 0.1, 0.4]


def test_shares_of_a_set_are_those_of_a_loop(two) -> None:
    items = [
        *ITEMS,
        item("h", grey(90)),
        ImageItem("broken", BytesSource(b"no image"), "dark", attributes={"camera": 0}),
    ]
    found = sweep_set(two, items, "brightness", VALUES, attributes=["camera"])
    assert found.values.tolist() == sorted([*VALUES, 0.0])
    assert found.values[found.neutral] == 0
    assert list(found.left_out) == ["broken"]
    assert found.left_out["broken"].endswith(".")
    assert found.names == (*LEVELS, "h")
    assert found.sample == {"images": 9, "drawn": 9, "seed": 0}
    levels = np.array([*LEVELS.values(), 90])
    called = ((levels[:, None] + 255 * found.values).round().clip(0, 255) / 255 > 0.61).astype(int)
    assert (found.decisions == called).all()
    groups = {
        ("all", ALL_IMAGES): range(8), ("label", "dark"): [0, 1, 3], ("label", "light"): [2, 4, 5],
        ("label", "strange"): [6],
        ("camera", "0"): [0, 2, 4, 6], ("camera", "1"): [1, 3, 5],
    }  # fmt: skip
    table = found.frame.set_index(["by", "group", "value"])
    assert len(table) == len(groups) * 5
    labels = [*LABELS.values(), None]
    for group, rows in groups.items():
        for i, value in enumerate(found.values.tolist()):
            line = table.loc[(*group, value)]
            changed = wilson(sum(called[row, i] != called[row, found.neutral] for row in rows), len(rows))
            assert line["changed"] == changed.value
            assert (line["changed low"], line["changed high"]) == (changed.low, changed.high)
            usable = [row for row in rows if labels[row] in ("dark", "light")]
            right = wilson(sum(("dark", "light")[called[row, i]] == labels[row] for row in usable), len(usable))
            assert (line["support"], line["labelled"]) == (len(rows), len(usable))
            if usable:
                assert line["accuracy"] == right.value
                assert (line["accuracy low"], line["accuracy high"]) == (right.low, right.high)
            else:
                assert np.isnan(line["accuracy"])
    assert table.loc[("all", ALL_IMAGES, 0.4), "changed"] == 0.5
    assert (table.xs(0.0, level="value")["changed"] == 0).all()


def test_stopped_work_goes_on_where_it_was(two) -> None:
    known: dict[str, np.ndarray] = {}
    whole = sweep_set(two, ITEMS, "noise", [0.1, 0.4])

    def stop(done: int, total: int) -> None:
        assert total == 7
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep_set(two, ITEMS, "noise", [0.1, 0.4], known=known, on_progress=stop)
    assert list(known) == ["a", "b", "c"]
    two.model.batches.clear()
    told: list[tuple[int, int]] = []
    found = sweep_set(two, ITEMS, "noise", [0.1, 0.4], known=known, on_progress=lambda *at: told.append(at))
    assert two.model.batches == [3] * 4
    assert told == [(i, 7) for i in range(8)]
    assert (found.decisions == whole.decisions).all()
    assert found.frame.equals(whole.frame)
    two.model.batches.clear()
    sweep_set(two, ITEMS, "noise", [0.1, 0.2, 0.4], known=known)  # other values: what is known does not fit
    assert sum(two.model.batches) == 28


def test_an_image_is_asked_about_in_batches(two) -> None:
    two.model.batches.clear()
    found = sweep_set(two, ITEMS[:1], "brightness", spread("brightness", 99))
    assert found.decisions.shape == (1, 51)
    assert two.model.batches == [BATCH] * 3 + [3]


def test_noise_differs_from_image_to_image_and_not_from_run_to_run(two) -> None:
    same = [item(name, grey(100)) for name in "ab"]
    for _ in range(2):
        sweep_set(two, same, "noise", [0.4])
    first, second, again, _ = two.model.last[-4:]
    assert (first == again).all()
    assert (first != second).any()


def test_a_large_set_is_drawn_from_with_equal_chances() -> None:
    items = [ImageItem(f"{i}.png", BytesSource(b"")) for i in range(1000)]
    some = draw_sample(items, SAMPLE, 0)
    assert len(some) == SAMPLE == len({one.name for one in some})
    places = [int(one.name[:-4]) for one in some]
    assert places == sorted(places)
    assert 430 < np.mean(places) < 570
    assert {one.name for one in draw_sample(items, 50, 0)} < {one.name for one in some}
    assert draw_sample(items, SAMPLE, 1) != some
    assert draw_sample(items[:5], SAMPLE, 0) == items[:5]


def test_what_cannot_be_swept_is_refused(two, refusal) -> None:
    assert "crop" in refusal(lambda: sweep(two, grey(1), "crop"))
    assert "Brightness" in refusal(lambda: sweep(two, grey(1), "brightness", values=[0, 9]))
    assert "at least one" in refusal(lambda: sweep(two, grey(1), "brightness", values=[]))
    assert "'lava'" in refusal(lambda: sweep_set(two, ITEMS, "lava"))
    assert "line" in refusal(lambda: sweep_set(two, ITEMS, "noise", attributes=["camera", "line"]))
    assert "holds some" in refusal(lambda: sweep_set(two, [], "noise"))
    assert "broken" in refusal(lambda: sweep_set(two, [ImageItem("broken", BytesSource(b"x"))], "noise"))
    with torch.no_grad():
        two.model.sharp.fill_(float("nan"))
    assert "not a number" in refusal(lambda: sweep(two, grey(200), "noise"))
    assert "not a number" in refusal(lambda: sweep_set(two, ITEMS, "noise"))
