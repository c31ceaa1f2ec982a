"""The proof by transplant, on networks whose reason is known because they were built so."""

import numpy as np
import pandas as pd
import pytest
import torch
from cornered import CORNER, Painted, ReadsCorner, turned

import workbench as wb
from workbench.cues import Cue, Transplant, search, study_of, transplant
from workbench.cues.cue_findings import judged

pytest_plugins = ["cornered"]


def test_the_square_that_decides_turns_all_and_another_turns_none(parts, classifier):
    study = study_of(classifier, list(parts), wb.predict(classifier, parts))
    decides = transplant(study, Cue("place", "corner", "bright", Painted(CORNER, slice(0, 8))))
    for way in (decides.put, decides.taken):
        assert (way.flips.value, way.decoys.value) == (1, 0)
        assert len(way.frame) >= 35
        assert way.p <= 0.001
    idle = transplant(study, Cue("place", "elsewhere", "bright", Painted(slice(0, 8), CORNER)))
    assert (idle.put.flips.value, idle.put.decoys.value) == (0, 1)
    assert idle.put.p == 1
    verdicts = {finding.cue.name: finding.verdict for finding in judged(study, [decides, idle])}
    assert verdicts == {"corner": "leans", "elsewhere": "clear"}  # no mask says that the corner is no part of a defect


def test_before_is_an_image_that_does_not_show_the_cue_already(parts, classifier):
    class Light(Painted):
        def carries(self, image):
            return bool(image.mean() > middle)

    study = study_of(classifier, list(parts), wb.predict(classifier, parts))
    hosts = [study.decoded(study.items[place])[0] for place in study.confirmed("bright", others=True)]
    middle = np.mean(hosts[0])  # the first of those that turn shows it, by this measure, and so do many
    middle -= 1e-6
    tried = transplant(study, Cue("place", "corner", "bright", Light(CORNER, slice(0, 8))))
    assert tried.put.flips.value == 1
    assert tried.before.mean() <= middle < max(host.mean() for host in hosts)
    assert (tried.after[CORNER, CORNER] == 255).all()


def test_shares_of_turned_decisions_are_those_of_a_plain_loop(parts, classifier):
    study = study_of(classifier, list(parts), wb.predict(classifier, parts))
    cue = Cue("place", "corner", "bright", Painted(CORNER, slice(0, 8)))
    way = transplant(study, cue).taken
    for line in way.frame.itertuples():
        pixels = np.asarray(parts.by_name[line.name].open()).copy()
        pixels[CORNER, CORNER] = 0
        logits = ReadsCorner()(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)
        assert line.turned == float(logits.argmax() == 0)


def test_halves_share_no_unit_and_hold_each_verdict(parts, classifier):
    units = {item.name: number // 4 for number, item in enumerate(parts)}
    study = study_of(classifier, list(parts), wb.predict(classifier, parts), units=units)
    assert not set(study.units[study.explore]) & set(study.units[~study.explore])
    table = pd.crosstab(study.called, study.explore)
    assert (table.to_numpy() >= 16).all()


def test_a_class_of_too_few_verdicts_is_named_as_not_looked_for(parts, classifier):
    few = [*[item for item in parts if item.label == "dark"], *[i for i in parts if i.label == "bright"][:8]]
    study = study_of(classifier, few, wb.predict(classifier, few))
    result = search(study)
    assert not result.classes
    assert not result.findings
    assert result.power is None
    reasons = {line.what: line.why for line in result.unsearched}
    assert {"the class “dark”", "the class “bright”"} <= reasons.keys()
    assert "Here it calls 8 images of 8 units so, and 60 images of 60 units otherwise." in reasons["the class “bright”"]


@pytest.mark.parametrize(
    ("put", "taken", "accused"),
    [
        ((0.9, 0.0), (0.9, 0.0), True),
        ((0.1, 0.1), (0.6, 0.1), True),  # one way alone proves, where the other says nothing
        ((0.1, 0.0), (0.78, 0.5), False),  # half as many turn by a change of that size alone
        ((0.0, 0.4), (0.7, 0.1), False),  # to put it on turns fewer than its decoy: taken away, it was not the cue
        (None, (0.7, 0.1), True),
        ((0.15, 0.0), None, False),
        ((0.25, 0.0), None, False),  # of 80 images: 15 to 35 %, so that a fifth is not shown
        ((0.35, 0.0), None, True),  # 24 to 46 %
    ],
)
def test_a_cue_is_accused_only_where_it_is_the_cue_that_turns(parts, classifier, put, taken, accused):
    study = study_of(classifier, list(parts), wb.predict(classifier, parts))
    cue = Cue("place", "corner", "bright", Painted(CORNER, slice(0, 8)))
    ways = [None if way is None else turned(*way) for way in (put, taken)]
    (finding,) = judged(study, [Transplant(cue, *ways)])
    assert finding.accused == accused
    assert accused or finding.verdict in ("looks", "clear")


@pytest.mark.parametrize("kind", ["property", "place", "mark"])
@pytest.mark.parametrize(
    ("put", "taken", "accused"),
    [
        ((0.33, 0.05), (0.05, 0.05), False),  # as a window that looks like a scratch makes one, and hides none
        ((0.7, 0.0), (0.5, 0.0), True),
        ((0.1, 0.0), (0.5, 0.0), True),
        ((0.7, 0.0), None, True),  # blur cannot be taken away
    ],
)
def test_decisions_must_hang_on_a_cue_that_can_be_taken_away(parts, classifier, kind, put, taken, accused):
    study = study_of(classifier, list(parts), wb.predict(classifier, parts))
    ways = [None if way is None else turned(*way) for way in (put, taken)]
    (finding,) = judged(study, [Transplant(Cue(kind, "strong colours", "bright", None), *ways)])
    assert finding.accused == accused


@pytest.mark.parametrize("kind", ["property", "place", "mark"])
def test_a_place_that_always_comes_with_the_defect_is_enough_alone_and_a_colour_is_not(parts, classifier, kind):
    study = study_of(classifier, list(parts), wb.predict(classifier, parts))
    ways = turned(0.7, 0.0), turned(0.02, 0.02)  # strong colours all over an image are a stain, a mark is no scratch
    (finding,) = judged(study, [Transplant(Cue(kind, "strong colours", "bright", None), *ways)])
    assert finding.accused == (kind != "property")


@pytest.mark.parametrize(
    ("adds", "put", "taken", "accused"),
    [
        (False, (0.04, 0.0), (0.62, 0.03), False),  # detail brought to good parts makes defects of them, the lack of it
        (True, (0.6, 0.0), (0.3, 0.15), False),  # as it hides them; less of it turns half as many as its decoy
        (True, (0.04, 0.0), (0.62, 0.03), True),  # less detail brings no defect
        (False, (0.5, 0.0), (0.9, 0.0), True),
        (True, (0.36, 0.0), None, False),  # noise cannot be taken away
        (True, (0.7, 0.0), None, True),
        (None, (0.6, 0.0), (0.3, 0.15), True),
    ],
)
def test_added_detail_is_no_proof_alone(parts, classifier, adds, put, taken, accused):
    study = study_of(classifier, list(parts), wb.predict(classifier, parts))
    ways = [None if way is None else turned(*way) for way in (put, taken)]
    (finding,) = judged(study, [Transplant(Cue("property", "texture", "bright", None, adds=adds), *ways)])
    assert finding.accused == accused
