"""Which cue brings another about, on squares that make an image bright and light that makes no square."""

import dataclasses

import numpy as np
import pytest
from cornered import CORNER, Painted, turned

import workbench as wb
from workbench.cues import Cue, Transplant, study_of
from workbench.cues.cue_findings import judged
from workbench.cues.cue_precedence import explains

pytest_plugins = ["cornered"]
MEAN = 131.0
"""Of all pixels: the parts without a bright corner lie at 117, those with one at 133."""


@dataclasses.dataclass(frozen=True)
class Square(Painted):
    """Paints the corner bright."""

    def carries(self, image):
        return bool(image[CORNER, CORNER].mean() > 250)


@dataclasses.dataclass(frozen=True)
class Lit:
    """Brings all of an image to a mean."""

    to: float

    def put(self, host, rng, *, decoy):
        return (host + (self.to - host.mean())).clip(0, 255).astype(np.uint8)

    def take(self, carrier, rng, *, decoy):
        return None

    def carries(self, image):
        return bool(image.mean() > MEAN)


@pytest.fixture(scope="module")
def study(parts, classifier):
    return study_of(classifier, list(parts), wb.predict(classifier, parts))


def cues(to):
    return (
        Cue("place", "corner", "bright", Square(CORNER, slice(0, 8))),
        Cue("property", "brightness", "bright", Lit(to)),
    )


def test_a_square_brings_light_and_light_no_square(study):
    square, light = cues(140.0)
    assert explains(study, square, light)
    assert not explains(study, light, square)
    assert not explains(study, light, light)  # each brings the other, so that neither is the cause


def test_a_place_where_a_mark_lies_too_does_not_explain_the_mark(study):
    square, light = cues(140.0)
    mark = dataclasses.replace(light, kind="mark", name="a mark")
    assert not explains(study, square, mark)  # though it brings it
    proofs = [Transplant(square, turned(0.5, 0.0), None), Transplant(mark, turned(0.9, 0.0), None)]
    assert [finding.cue.name for finding in judged(study, proofs)] == ["a mark", "corner"]


def test_nothing_is_said_of_too_few_images(study):
    square, light = cues(140.0)
    few = dataclasses.replace(study, explore=study.explore & (np.cumsum(study.explore) <= 2))
    assert not explains(few, square, light)


def test_what_another_brings_about_is_named_after_it_though_it_turns_more(study):
    square, light = cues(140.0)
    proofs = [Transplant(light, turned(0.9, 0.0), None), Transplant(square, turned(0.5, 0.0), None)]
    assert [finding.cue.name for finding in judged(study, proofs)] == ["corner", "brightness"]
    apart = dataclasses.replace(square, exchange=dataclasses.replace(square.exchange, at=slice(0, 1)))
    proofs = [Transplant(light, turned(0.9, 0.0), None), Transplant(apart, turned(0.5, 0.0), None)]
    assert [finding.cue.name for finding in judged(study, proofs)] == ["brightness", "corner"]


def test_what_few_images_show_comes_after_what_many_do(study):
    few, many = (Cue("place", name, "bright", Square(slice(0, 1), slice(0, 8))) for name in ("few", "many"))
    proofs = [Transplant(few, None, turned(1.0, 0.0, 12)), Transplant(many, None, turned(0.8, 0.0, 36))]
    assert [finding.cue.name for finding in judged(study, proofs)] == ["many", "few"]
