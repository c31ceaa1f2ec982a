"""Faults of images, planted in stamped metal: found where they are, and invented nowhere."""

import dataclasses
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from workbench.images import BytesSource, ImageItem
from workbench.images.stamped_metal import Plan, draw_parts
from workbench.quality import fault_proposals, fault_results, faults_of, measure
from workbench.quality.kinds import LEAST_OF_KIND


def png(image, **settings):
    stream = io.BytesIO()
    image.save(stream, "PNG", **settings)
    return stream.getvalue()


def item(image, name, label=None, **attributes):
    return ImageItem(name, BytesSource(png(image)), label, attributes=attributes)


def times(factor):
    return lambda image: image.point(lambda level: min(255, round(level * factor)))


def lined(image):
    pixels = np.array(image)
    pixels[40] = pixels.max()
    return Image.fromarray(pixels)


def framed(image):
    pixels = np.array(image)
    pixels[:10] = 0
    return Image.fromarray(pixels)


PLANTED = {
    "blank": lambda image: Image.new("RGB", image.size, (90, 90, 90)),
    "dark": times(0.15),
    "bright": lambda image: image.point(lambda level: 190 + level // 4),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "clipped to white": times(2.2),
    "clipped to black": lambda image: image.point(lambda level: max(0, (level - 130) * 2)),
    "low contrast": lambda image: image.point(lambda level: 100 + level // 20),
    "dead line": lined,
    "uniform border": framed,
}


@pytest.fixture(scope="module")
def parts():
    return [
        item(Image.fromarray(pixels), f"part{number}.png", part.label, camera=part.camera, lighting=part.lighting)
        for number, (_, part, pixels, _) in enumerate(draw_parts(Plan(600, 64, 3)))
    ]


@pytest.fixture(scope="module")
def table(parts):
    return measure(parts)


def planted(parts, fault, count=10):
    spoilt = [
        dataclasses.replace(part, name=f"{fault} {part.name}", source=BytesSource(png(PLANTED[fault](part.open()))))
        for part in parts[7 : 7 + 31 * count : 31]
    ]
    return spoilt, measure(spoilt)


def test_nothing_is_invented_among_sound_parts(parts, table):
    result = faults_of(parts, table)
    assert result.readable == 600
    assert (result.frame["severity"] == "odd").all()  # 0 of 600 corrupt
    assert sum(result.counts.values()) <= 6
    assert not result.split


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_faults_are_found_within_their_kind(parts, table, fault):
    spoilt, own = planted(parts, fault)
    result = faults_of([*parts, *spoilt], pd.concat([table, own], ignore_index=True))
    named = result.frame[result.frame["fault"] == fault]
    assert named["image"].str.startswith(fault).sum() >= 9
    assert (~named["image"].str.startswith(fault)).sum() <= 6


def test_a_figure_is_held_against_its_own_kind(parts, table):
    """By hand: the robust z-score of a brightness among images of the same light and camera."""
    spoilt, own = planted(parts, "dark", 1)
    whole = pd.concat([table, own], ignore_index=True)
    result = faults_of([*parts, *spoilt], whole)
    row = result.frame[(result.frame["fault"] == "dark") & (result.frame["image"] == spoilt[0].name)].iloc[0]
    assert result.kinds["brightness"].by in {("lighting", "camera"), ("camera", "lighting"), ("lighting",)}
    alike = [
        place
        for place, other in enumerate([*parts, *spoilt])
        if all(other.attributes[name] == spoilt[0].attributes[name] for name in result.kinds["brightness"].by)
    ]
    level = whole["brightness"].to_numpy()
    logits = np.log(level / (1 - level))
    middle = np.median(logits[alike])
    spread = np.median(np.abs(logits[alike] - middle))
    assert row["support"] == len(alike)
    assert row["z"] == pytest.approx(0.6745 * (logits[-1] - middle) / spread)
    assert row["usual"] == pytest.approx(np.median(level[alike]))
    assert row["figure"] == pytest.approx(np.asarray(spoilt[0].open().convert("L")).mean() / 255)
    assert row["low"] > row["figure"]


def test_a_kind_that_falls_into_two_is_no_fault(parts, table):
    """A second camera that nobody stated is a fifth of the images: nobody knows which are the sound ones."""
    spoilt, own = planted(parts, "dark", 18)
    few = [dataclasses.replace(part, attributes={}) for part in [*parts[:60], *spoilt[:12]]]
    result = faults_of(few, pd.concat([table[:60], own[:12]], ignore_index=True))
    assert "dark" not in result.counts
    assert not result.split or len(result.split["dark", "all images"]) >= 8


def test_small_kinds_are_judged_in_wider_ones_and_that_is_said(parts, table):
    spoilt, own = planted(parts, "blurred", 1)
    rare = [dataclasses.replace(part, label="rare") for part in (*parts[:5], *spoilt)]
    result = faults_of([*rare[:5], *parts[5:], rare[5]], pd.concat([table, own], ignore_index=True))
    row = result.frame[result.frame["image"] == spoilt[0].name].iloc[0]
    assert row["fault"] == "blurred"
    assert row["support"] >= LEAST_OF_KIND
    assert "rare" not in row["kind"]


def test_too_few_images_say_nothing_of_what_is_usual(parts, table):
    spoilt, own = planted(parts, "dark", 1)
    result = faults_of([*parts[:20], *spoilt], pd.concat([table[:20], own], ignore_index=True))
    assert not result.counts
    verdicts = {line.check: line.verdict for line in fault_results(result)}
    assert verdicts["faults: dark"] == verdicts["faults: blurred"] == "unknown"
    assert verdicts["faults: cut off"] == verdicts["faults: blank"] == "ok"


def test_an_image_of_the_same_part_shows_what_no_kind_can(parts, table):
    soft = parts[0].open().filter(ImageFilter.GaussianBlur(0.4))
    pair = [parts[0], item(soft, "soft.png", parts[0].label, **parts[0].attributes)]
    images, whole = [*parts, pair[1]], pd.concat([table, measure(pair[1:])], ignore_index=True)
    assert "soft.png" not in set(faults_of(images, whole).frame["image"])
    row = faults_of(images, whole, {parts[0].name: "f", "soft.png": "f"}).frame.set_index("image").loc["soft.png"]
    assert row["fault"] == "blurred against its twin"
    assert row["usual"] > row["figure"]


def test_a_lot_that_is_dark_as_a_whole_is_told_though_it_is_usual_within_itself(parts, table):
    dark = [dataclasses.replace(part, source=BytesSource(png(times(0.3)(part.open())))) for part in parts[:40]]
    items = [
        dataclasses.replace(part, attributes={"group": f"lot {number // 40}"})
        for number, part in enumerate([*dark, *parts[40:]])
    ]
    whole = pd.concat([measure(dark), table[40:]], ignore_index=True)
    result = faults_of(items, whole)
    rows = result.frame[result.frame["fault"] == "dark"]
    assert set(rows["image"]) >= {item.name for item in items[:40]}
    assert rows["note"].str.contains("the whole group lot 0 lies apart").sum() >= 30
    assert not rows["note"].str.contains("lot [1-9]").any()
    ends = [item.attributes["group"] for item in items]
    level = np.log(whole["brightness"] / (1 - whole["brightness"])).groupby(ends).median()
    z = 0.6745 * (level["lot 0"] - level.median()) / max((level - level.median()).abs().median(), 0.05)
    own = rows[rows["note"] != ""]["z"].unique()
    assert own == pytest.approx([z])


def test_broken_files_are_proposed_to_be_left_out(parts, table):
    broken = [ImageItem("broken.png", BytesSource(b"no image"))]
    result = faults_of([*parts[:50], *broken], pd.concat([table[:50], measure(broken)], ignore_index=True))
    (proposal,) = fault_proposals(result)
    assert (proposal.image, proposal.what, proposal.after) == ("broken.png", "leave out", None)
    assert "no image" in proposal.why
