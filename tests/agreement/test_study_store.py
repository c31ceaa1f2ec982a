"""Studies on disk: one decision after the other, none twice, and nothing changed without a word."""

import datetime
import json

import pytest
from appraised import plan

from workbench.agreement.ratings import ratings_of
from workbench.agreement.study_store import ANSWERS_FILE, PLAN_FILE, Study, create_study, open_study, studies_in

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


@pytest.fixture
def study(tmp_path):
    return create_study(tmp_path, plan(parts=4, trials=1))


def give(study, inspector, many, now=NOW):
    for _ in range(many):
        look = study.due(inspector, now).look
        study.answer(inspector, look, look.part % 2 == 0, 1.5, now)


def test_a_study_is_gone_through_and_taken_up_again(study, tmp_path):
    give(study, "Ada", 3)
    give(open_study([tmp_path], study.plan.key), "Ben", 8)
    give(Study(study.path), "Ada", 5)
    assert study.due("Ada", NOW).look is None
    ratings = ratings_of(study.plan, study.answers())
    assert len(ratings.frame) == 16
    assert (ratings.frame["rejects"] == ratings.frame["defect"]).all()
    assert ratings.arms == ("without", "with")
    assert set(ratings.frame["seconds"]) == {1.5}


def test_a_decision_counts_once(study, refusal):
    look = study.due("Ada", NOW).look
    study.answer("Ada", look, True, 1.0, NOW)
    assert "given already" in refusal(lambda: study.answer("Ada", look, False, 1.0, NOW))
    assert "no inspector of that name" in refusal(lambda: study.answer("Eve", look, True, 1.0, NOW))
    assert len(study.answers()) == 1


def test_the_next_session_waits(tmp_path, refusal):
    study = create_study(tmp_path, plan(parts=4, trials=1, washout=3))
    give(study, "Ada", 4)
    due = study.due("Ada", NOW)
    assert due.opens == NOW + datetime.timedelta(days=3)
    assert "given already" in refusal(lambda: study.answer("Ada", due.look, True, 1.0, NOW))
    assert study.due("Ada", due.opens).opens is None
    assert study.due("Ben", NOW).opens is None


@pytest.mark.parametrize("harm", ["answer", "removed", "swapped", "hash", "rubbish"])
def test_a_change_of_the_answers_is_found(study, refusal, harm):
    give(study, "Ada", 4)
    path = study.path / ANSWERS_FILE
    lines = path.read_text().splitlines()
    if harm == "answer":
        document = json.loads(lines[1])
        document["answer"]["rejects"] = not document["answer"]["rejects"]
        lines[1] = json.dumps(document, sort_keys=True)
    elif harm == "removed":
        del lines[1]
    elif harm == "swapped":
        lines[1], lines[2] = lines[2], lines[1]
    elif harm == "hash":
        lines[1] = lines[1].replace(json.loads(lines[1])["hash"], "0" * 64)
    else:
        lines[1] = "{"
    path.write_text("\n".join(lines) + "\n")
    message = refusal(study.answers)
    assert "Answer 2 of this study is not as it was given" in message
    assert "not as it was given" in refusal(lambda: study.due("Ada", NOW))


def test_a_change_of_the_plan_is_found(study, tmp_path, refusal):
    path = study.path / PLAN_FILE
    path.write_text(path.read_text().replace('"trials":1', '"trials":2'))
    assert "changed after it was sealed" in refusal(lambda: Study(study.path))
    assert studies_in(tmp_path, lambda _: True) == []


def test_a_name_from_a_link_leaves_no_folder(tmp_path, study, refusal):
    for key in ("", "../x", "..", "/etc", study.plan.key.upper() + "/", "0" * 16):
        assert "There is no study of that name here" in refusal(lambda key=key: open_study([tmp_path], key))
    assert [found.key for found in studies_in(tmp_path, lambda _: True)] == [study.plan.key]
