"""The report as a file: nothing runs or loads, names are harmless, figures are right, and questions are answered."""

from __future__ import annotations

import base64
import csv
import dataclasses
import hashlib
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from appraised import plan
from reported import HOSTILE

from workbench.agreement import create_study
from workbench.errors import InputError
from workbench.report import Choices, GivenStudy, compiled, given_study, read_report, recheck, report_of, study_here
from workbench.report.html import seal_of
from workbench.report.report_study import study_of
from workbench.report.reviewer import REVIEWER

pytest_plugins = ["reported"]


class Elements(HTMLParser):
    """All elements, and the text of each named figure."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.name = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.name = dict(attrs).get("data-figure")

    def handle_data(self, data):
        if self.name:
            self.texts[self.name] = self.texts.get(self.name, "") + data

    def handle_endtag(self, tag):
        self.name = None


@pytest.fixture(scope="module")
def page(text):
    return Elements(text)


@pytest.fixture(scope="module")
def data(text):
    return json.loads(re.search(r'id="workbench-report">(.*?)</script>', text, re.DOTALL)[1])


def test_the_same_input_gives_the_same_bytes(known, choices, text) -> None:
    assert report_of(known, choices) == text
    assert report_of(compiled(known.subject), dataclasses.replace(choices)) == text


def test_nothing_runs_and_nothing_is_loaded(page, text) -> None:
    scripts = [attrs for tag, attrs in page.elements if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "workbench-report"}]
    assert not {"link", "iframe", "object", "embed", "form", "base", "audio", "video"} & {t for t, _ in page.elements}
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on") or name == "style"]
    assert all(attrs["src"].startswith("data:image/png;base64,") for _, attrs in page.elements if "src" in attrs)
    assert all(attrs["href"].startswith("#") for _, attrs in page.elements if "href" in attrs)
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "url(" not in style
    assert "@import" not in style


def test_names_of_others_stay_text(text, page) -> None:
    assert "<script>alert" not in text
    assert "\u202e" not in text
    assert "camera &lt;script&gt;alert(1)&lt;/script&gt; \\u202e5" in text
    assert HOSTILE.replace("\u202e", "\\u202e") in {page.texts[n] for n in page.texts if n.endswith("/camera")}
    assert "<strong>note</strong>" in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text


def test_each_of_the_twelve_questions_is_one_click_away(page) -> None:
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [attrs["href"].removeprefix("#") for tag, attrs in page.elements if tag == "a" and "href" in attrs]
    assert len(REVIEWER) == 12
    for question, _, anchor in REVIEWER:
        assert anchor in ids, question
        assert anchor in links, question
    assert set(links) <= set(ids)
    assert "questions" in links[: links.index(REVIEWER[0][2])]  # linked from the contents, above


def test_a_section_that_is_left_out_is_said_to_be(known, choices) -> None:
    few = Elements(report_of(known, dataclasses.replace(choices, sections=("cards",), decisions=(), notes={})))
    asked = {name: words for name, words in few.texts.items() if name.startswith("questions/asked/")}
    assert few.texts["unknown/left out"].startswith("Left out of this report: Purpose and limits, How good it is")
    ids = {attrs.get("id") for _, attrs in few.elements}
    assert all(attrs["href"].removeprefix("#") in ids for tag, attrs in few.elements if tag == "a")
    assert asked["questions/asked/3"].startswith("How good is it, with what uncertainty?")
    assert "operating" not in ids


def test_figures_are_those_of_a_plain_count(subject, page, data) -> None:
    with (subject.images.items[0].source.path.parent / "manifest.csv").open(encoding="utf-8") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    defects = good = escapes = overkill = 0
    for item in subject.images:
        number = int(item.name[4:6])
        bright = bool(number % 2) != (number % 9 == 0)
        if rows[item.name]["split"] == "test":
            defects, good = defects + number % 2, good + 1 - number % 2
            escapes += number % 2 and not bright
            overkill += bright and not number % 2
    figures = data["figures"]
    assert escapes
    assert overkill
    assert figures["operating/mistakes/escape rate"]["value"] == pytest.approx(escapes / defects)
    assert figures["operating/mistakes/overkill rate"]["value"] == pytest.approx(overkill / good)
    accuracy = 1 - (escapes + overkill) / (defects + good)
    assert figures["operating/figures/accuracy"]["value"] == pytest.approx(accuracy)
    assert page.texts["operating/figures/accuracy"].startswith(f"{accuracy:.1%} (")
    assert figures["operating/confusion/defective/called good"]["value"] == escapes
    assert figures["cards/set facts/Images"]["value"] == len(subject.images)


def test_what_is_not_known_is_said(page) -> None:
    assert page.texts["purpose/card"].startswith("There is no model card")
    assert page.texts["verdict/checks/Drift/status"] == "? not yet known"
    assert page.texts["unknown/checks not known/Drift/why"] == "Nobody looked yet."
    assert page.texts["cards/set facts/Licence"] == "not known"


def test_it_carries_digests_and_no_path(subject, text, data) -> None:
    assert seal_of(text)[0] == seal_of(text)[1]
    first = subject.images.items[0]
    assert data["images"]["files"][first.name] == hashlib.sha256(first.source.path.read_bytes()).hexdigest()
    weights = (subject.out / "the model" / "model.safetensors").read_bytes()
    assert data["model"]["files"]["model.safetensors"] == hashlib.sha256(weights).hexdigest()
    assert str(subject.out) not in text
    assert "--model &#39;the model&#39; --images parts" in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"sections": ("groups", "groups")},
        {"sections": ("no such",)},
        {"notes": {"nowhere": "x"}},
        {"notes": {"groups": "x" * 60_000}},
        {"decisions": tuple(map(str, range(30)))},
    ],
)
def test_choices_that_cannot_be_are_refused(wrong, refusal) -> None:
    refusal(lambda: Choices("m", "i", **wrong))


def test_a_chosen_image_that_is_not_there_is_named(known, choices) -> None:
    with pytest.raises(InputError, match=r"no image 'ghost\.png'"):
        report_of(known, dataclasses.replace(choices, sections=("decisions",), decisions=("ghost.png",)))


STUDY = "\n".join(
    ["inspector,part,trial,answer,reference"]
    + [f"{who},part{i:02}.png,{trial},{'nok' if i % 2 and (i, who) != (3, 'Ben') else 'ok'},{'nok' if i % 2 else 'ok'}"
       for who in ("Ada", "Ben") for trial in (1, 2) for i in range(24)]
)  # fmt: skip
"""Two inspectors who are always right, but that Ben passes one defective part in both trials."""


def test_a_study_stands_in_the_report_and_is_counted_again_from_its_answers(known, choices, tmp_path) -> None:
    (tmp_path / "answers.csv").write_text(STUDY)
    study = given_study(tmp_path / "answers.csv", "nok")
    asked = dataclasses.replace(choices, sections=("journal",), decisions=(), notes={}, study=study)
    told = report_of(known, asked)
    words = Elements(told).texts
    assert words["journal/study"].startswith("96 decisions by 2 appraisers, from answers.csv. 24 of its 24 parts")
    assert words["journal/appraisers/Ben/effectiveness"].startswith("95.8% (")
    assert words["journal/appraisers/Ben/effectiveness"].endswith("; 23 of 24)")
    assert words["journal/appraisers/Ben/miss rate"].startswith("8.3% (")  # 2 of 24 decisions
    path = tmp_path / "report.html"
    path.write_text(told, encoding="utf-8", newline="\n")
    stated = read_report(path)
    assert stated.choices == dataclasses.replace(asked, model=stated.choices.model)
    assert "--agreement answers.csv --rejects nok" in asked.command
    assert recheck(stated, report_of(known, dataclasses.replace(stated.choices, model=asked.model))).same
    path.write_text(told.replace("Ben,person,part03.png,,1,,pass", "Ben,person,part03.png,,1,,reject"))
    forged = read_report(path)
    assert not forged.sealed
    found = recheck(forged, report_of(known, dataclasses.replace(forged.choices, model=asked.model)))
    assert {"journal/appraisers/Ben/miss rate"} <= {each.name for each in found.differences}


def test_a_study_of_the_workbench_says_how_far_it_is_and_where_its_chain_ends(tmp_path) -> None:
    study = create_study(tmp_path, plan(parts=4, trials=1))
    assert study_here(study) is None
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for who in ("Ada", "Ben"):
        while (look := study.due(who, now).look) is not None:
            study.answer(who, look, look.part % 2 == 0, 1.5, now)
            if len(study.answers()) == 15:
                early = study_here(study)
    given = study_here(study)
    assert "15 of 16 decisions" in early.record
    assert early.record.endswith("It is not complete: decide nothing by it.")
    assert "16 of 16 decisions" in given.record
    assert f"end of the chain of answers {study.head()[:16]}." in given.record
    assert {one.effective.value for panel in given.outcomes.panels for one in panel.people} == {1.0}
    assert study_of(given.told) == given


def test_a_study_that_cannot_be_held_or_has_no_place_is_refused(choices, tmp_path) -> None:
    study = GivenStudy("a.csv", "inspector,part,trial,answer\nAda,1,1,ok\n")
    with pytest.raises(InputError, match="section journal"):
        dataclasses.replace(choices, sections=("cards",), study=study)
    with pytest.raises(InputError, match="more answers than a report"):
        GivenStudy("a.csv", "x" * 600_000)
    with pytest.raises(InputError, match="no column 'trial'"):
        GivenStudy("a.csv", "inspector,part,answer\nAda,1,ok\n")
