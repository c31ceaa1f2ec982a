"""The Agreement page: a study is planned, inspected blind and told; nothing of the truth stands on the station."""

from __future__ import annotations

import re

import numpy as np
import pytest
from appraised import aiag_csv
from inspected import defects, image_set, mixed  # noqa: F401

from workbench.agreement import studies_in
from workbench.journal import journal_path
from workbench.ui import choice, runs, session
from workbench.ui.agreement import outcome, planning, station

HOSTILE = "<b>![x](https://attack.example/x.png)</b>"


@pytest.fixture
def agreement(visit, monkeypatch, tmp_path):
    """Opens the page on made-up scores and images; no map is made, which is quick."""
    monkeypatch.setenv("WORKBENCH_JOURNAL", str(tmp_path / "journal.sqlite"))
    monkeypatch.setattr(planning, "_mapped", lambda *_: True)
    monkeypatch.setattr(station, "_overlay", lambda *_: _image())
    monkeypatch.setattr(station, "LEAST_SECONDS", 0)
    made, known = image_set(mixed(240))

    def opened(**address):
        monkeypatch.setattr(choice, "images", lambda model: made)
        monkeypatch.setattr(runs, "known_predictions", lambda view: known)
        return visit("agreement", **address)

    return opened


def _image():
    from PIL import Image

    return Image.new("RGB", (24, 16), (0, 120, 0))


def planned(agreement, names="Ada\nBen", parts=4, **inputs):
    """The page after a plan was sealed."""
    at = agreement()
    at.text_area(key="study inspectors").set_value(names)
    at.number_input(key="study parts").set_value(parts)
    for name, value in {"trials": 1, "washout": 0, **inputs}.items():
        at.number_input(key=f"study {name}").set_value(value)
    return press(at.run(), "Seal the plan")


def press(at, label):
    return next(b for b in at.button if at.unescaped(b.label) == label).click().run()


def texts(at):
    kinds = (at.markdown, at.caption, at.info, at.warning, at.error, at.html, at.success)
    return "\n".join(at.unescaped(str(part.value)) for kind in kinds for part in kind)


def main_texts(at):
    kinds = (at.main.markdown, at.main.caption, at.main.info, at.main.html)
    return "\n".join(str(part.value) for kind in kinds for part in kind)


def test_a_plan_says_what_it_can_show_before_it_is_made(agreement):
    at = agreement().sound("Agreement")
    said = texts(at)
    assert "An effectiveness of 90% will be known to within 9 points" in said
    assert "this plan has 25. Fewer than 30 are not judged." in said
    at.number_input(key="study parts").set_value(200).run()
    assert "this plan has 100." in texts(at)


def test_a_study_goes_from_plan_to_result(agreement):
    at = planned(agreement)
    assert at.query_params["step"] in ("inspect", ["inspect"])
    (plan,) = studies_in(journal_path().parent / "studies", lambda _: True)
    assert plan.inspectors == ("Ada", "Ben")
    for name in plan.inspectors:
        at = agreement(step="inspect", study=plan.key, inspector=name)
        for _ in range(8):
            at = press(at, "Reject")
            assert not at.exception
        assert "All decisions are given" in texts(at)
    at = agreement(step="result", study=plan.key).sound("Agreement")
    said = texts(at)
    assert "16 of 16 decisions are given" in said
    assert "100.0%<div class='wb-small'>" in said, "every good part was rejected"
    assert "Do the maps help?" in [h.value for h in at.header]
    assert "+0.0<div" in said
    assert "Not judged on fewer than 30 parts" in said
    assert not re.search("wb-chip wb-good|wb-chip wb-bad", said), "no verdict on four parts"


def test_the_station_shows_nothing_that_tells(agreement):
    at = planned(agreement)
    (plan,) = studies_in(journal_path().parent / "studies", lambda _: True)
    at = agreement(step="inspect", study=plan.key, inspector="Ada")
    seen = ""
    for _ in range(8):
        seen += main_texts(at) + "".join(str(image.proto) for image in at.get("image"))
        at = press(at, "Pass")
    for word in [*(part.name for part in plan.parts), "bad", "good", "score"]:
        assert not re.search(rf"\b{re.escape(word)}\b", seen), word
    assert seen.count("Part 1") >= 2, "it looked at the images' own words"


def test_the_next_session_stays_shut_until_the_days_are_over(agreement):
    at = planned(agreement, washout=7)
    (plan,) = studies_in(journal_path().parent / "studies", lambda _: True)
    at = agreement(step="inspect", study=plan.key, inspector="Ada")
    for _ in range(4):
        at = press(at, "Pass")
    assert "The next one opens on" in texts(at)
    assert not [b for b in at.button if b.label in ("Pass", "Reject")]
    at = agreement(step="inspect", study=plan.key, inspector="Ben")
    assert [b for b in at.button if b.label == "Pass"]


def test_a_strange_name_is_shown_as_text(agreement):
    at = planned(agreement, names=HOSTILE)
    assert not at.exception
    raw = "\n".join(str(b.label) for b in at.button)
    assert HOSTILE not in raw
    assert HOSTILE in at.unescaped(raw).replace("\u2060", "")
    (plan,) = studies_in(journal_path().parent / "studies", lambda _: True)
    at = agreement(step="inspect", study=plan.key, inspector="Eve")
    assert "no inspector of that name" in texts(at)
    at = press(agreement(step="inspect", study=plan.key, inspector=HOSTILE), "Pass")
    at = agreement(step="result", study=plan.key)
    assert "<b>![x]" not in "".join(h.value for h in at.html)


def test_a_link_to_a_study_that_is_not_there_is_said(agreement):
    at = agreement(step="inspect", study="0" * 16).sound("Agreement")
    assert "There is no study of this model and image set yet" in texts(at)


def test_a_server_open_to_others_plans_nothing(agreement, monkeypatch):
    monkeypatch.setattr(session, "local", lambda: False)
    at = agreement().sound("Agreement")
    assert "a study is planned where only you can reach the app" in texts(at)
    assert not [b for b in at.button if b.label == "Seal the plan"]


def test_answers_given_elsewhere_are_told(agreement, monkeypatch):
    from workbench.agreement import read_ratings

    monkeypatch.setattr(outcome, "_uploaded", lambda: read_ratings(aiag_csv(), "aiag.csv", "0"))
    at = agreement(step="result").sound("Agreement")
    said = texts(at)
    assert "84.0%<div class='wb-small'>70.9% to 92.8%, 42 of 50</div>" in said
    assert "0.86<div class='wb-small'>" in said


def test_the_model_stands_beside_them(agreement, monkeypatch):
    monkeypatch.setattr(
        outcome, "model_decisions", lambda clf, images, plan, progress: [[p.defect] * 3 for p in plan.parts]
    )
    monkeypatch.setattr(choice, "classifier", lambda model: None)
    planned(agreement)
    (plan,) = studies_in(journal_path().parent / "studies", lambda _: True)
    press(agreement(step="inspect", study=plan.key, inspector="Ada"), "Pass")
    at = press(agreement(step="result", study=plan.key), "Put the model beside them")
    assert ">model</span>" in texts(at)
    assert "3 trials" in texts(at)
    assert np.mean([part.defect for part in plan.parts]) == 0.5
