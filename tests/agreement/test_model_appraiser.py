"""The model as one appraiser: what it decides on images that are made here one by one."""

import dataclasses

import numpy as np
import pytest
from appraised import plan
from reliability_nets import classifier, parts

from workbench.agreement.appraisal import panel
from workbench.agreement.model_appraiser import REIMAGED, model_decisions
from workbench.agreement.ratings import model_ratings, ratings_of
from workbench.agreement.study_plan import Part
from workbench.images import corrupt


@pytest.fixture(scope="module")
def study():
    images = parts(4, (60, 75, 90, 120))
    own = tuple(Part(item.name, item.id, item.label == "defective", False, 0.5) for item in images)
    return images, plan(parts=8, own=own, positive=("defective",))


def test_it_decides_as_a_plain_loop_does(study):
    images, planned = study
    model = classifier()
    found = model_decisions(model, images, planned)
    for part, decisions in zip(planned.parts, found, strict=True):
        for (kind, severity), rejected in zip(REIMAGED, decisions, strict=True):
            pixels = corrupt(np.asarray(images.by_name[part.name].open()), kind, severity)
            x = pixels.astype(np.float64).transpose(2, 0, 1) / 255
            depth = x.mean() - x.mean(0).min()
            assert rejected == (60 * (depth - 0.3) >= 0), (part.name, kind)
    assert {tuple(decisions) for decisions in found} >= {(True,) * 3, (False,) * 3}


def test_it_stands_beside_people_in_either_arm(study):
    images, planned = study
    rows = model_ratings(planned, "Net", model_decisions(classifier(), images, planned))
    beside = ratings_of(planned, ()).with_model(rows)
    for arm in ("without", "with"):
        (one,) = panel(beside, arm).models
        assert (one.parts, one.trials, one.false_alarm.count) == (8, 3, 0)


def test_an_image_that_changed_since_is_not_decided_on(study, refusal):
    images, planned = study
    other = dataclasses.replace(planned.parts[0], image="0" * 64)
    changed = dataclasses.replace(planned, parts=(other, *planned.parts[1:]))
    assert "no longer in this set as it was planned" in refusal(lambda: model_decisions(classifier(), images, changed))
