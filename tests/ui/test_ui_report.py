"""The page Report: it says what it will hold, makes the file on request, and a link restores the choice."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from appraised import plan
from reported import written_set

from workbench.agreement import create_study
from workbench.catalog import Criteria
from workbench.models import load_classifier
from workbench.report import dossier, read_report
from workbench.report.check_parts import CHECK_PARTS
from workbench.sets import load_images
from workbench.ui.report import made


@pytest.fixture
def places(tmp_path, monkeypatch, empty_shelves):
    monkeypatch.setattr(dossier, "CHECK_PARTS", {"calibration": CHECK_PARTS["calibration"]})
    return {"model": "metal-sound", "set": str(written_set(tmp_path / "parts", 16, "scratch"))}


def texts(at) -> str:
    return "\n".join(str(part.value) for part in [*at.markdown, *at.caption, *at.info, *at.code])


def studied(place, model, images):
    """A study of the page's model and set, in which one of two has decided on all parts; its key."""
    sealed = plan(parts=4, trials=1, model=model, set_name=images)
    study, now = create_study(place, sealed), datetime(2026, 1, 1, tzinfo=UTC)
    while (look := study.due("Ada", now).look) is not None:
        study.answer("Ada", look, look.part % 2 == 0, 1.5, now)
    return sealed.key


def press(at, start: str):
    next(button for button in at.button if button.label.startswith(start)).click().run()
    return at.sound()


def test_a_report_is_made_from_the_page_as_it_is_chosen(visit, places, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("WORKBENCH_JOURNAL", str(tmp_path / "journal.sqlite"))
    key = studied(tmp_path / "studies", load_classifier("metal-sound").key, load_images(places["set"]).name)
    files, shown = {}, made._handed_on
    monkeypatch.setattr(made, "_handed_on", lambda made_now: (files.update(made_now), shown(made_now)))
    at = visit("report", **places, sections=["groups", "cards", "journal"]).sound("Report")
    assert "No predictions of this model" in texts(at)
    press(at, "Predict all")
    assert "Not made yet" in texts(at)
    assert "Always in it: Is it fit for use?" in texts(at)
    at.text_area(key="note groups").set_value("Lot 7 is *new*.").run()
    assert "--sections groups,cards,journal" in texts(at)
    assert "--agreement" not in texts(at)
    assert "This command makes the same file." in texts(at)
    at.selectbox(key="study").select(key).run()
    assert "--agreement answers.csv" in texts(at)
    assert "This command makes the same file." not in texts(at)
    press(at, "Make the report")
    text = files["report.html"]
    assert text.index('id="groups"') < text.index('id="cards"')
    assert "Lot 7 is <em>new</em>." in text
    assert 'id="looks"' not in text
    assert "8 of 16 decisions are given" in text
    assert "It is not complete: decide nothing by it." in text
    assert {"README.md", "croissant.json", "verify_report.py"} <= files.keys()
    labels = {each.proto.label for each in at.get("download_button")}
    assert labels == {"Report (HTML)", "Verifier (Python)", "For other programs (zip)"}
    assert "12 checks" in texts(at)
    assert "named parts" in texts(at)
    (tmp_path / "report.html").write_text(text, encoding="utf-8", newline="\n")
    assert read_report(tmp_path / "report.html").choices.sections == ("groups", "cards", "journal")
    config = tmp_path / "workbench.toml"
    for criteria, made_anew in (("[criteria]\nfit = 0.5\n", True), ("", False)):
        config.write_text(criteria)
        monkeypatch.setenv("WORKBENCH_CONFIG", str(config))
        at.run()
        assert ("Not made yet" in texts(at)) == made_anew, "criteria are among what it is named after"


def test_a_kept_report_is_named_after_what_it_tells(monkeypatch, tmp_path) -> None:
    """Each ingredient is changed alone."""
    facts = {
        "head": "a",
        "told": {"sections": []},
        "day": "2030-01-01",
        "criteria": Criteria(),
        "images": "i",
        "families": "f",
        "table": "t",
    }
    (tmp_path / "training.json").write_text("{}")

    def place(**changes: object) -> str:
        now = SimpleNamespace(**{**facts, **changes})
        book = SimpleNamespace(head=lambda: SimpleNamespace(hash=now.head))
        stored = {"images": now.images, "families": now.families, "table": now.table}
        clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda _: datetime.fromisoformat(now.day)), UTC=UTC)
        monkeypatch.setattr(made, "datetime", clock)
        monkeypatch.setattr(made.logbook, "journal", lambda _: book)
        monkeypatch.setattr(made, "load_catalog", lambda: SimpleNamespace(criteria=now.criteria))
        monkeypatch.setattr(made, "Scope", lambda *_: SimpleNamespace(stored=stored))
        view = SimpleNamespace(model=SimpleNamespace(identity={"model": "m", "rule": 1}, folder=tmp_path), images=None)
        return made._place(view, None, SimpleNamespace(told=now.told)).key

    changed = {
        "head": "b",
        "told": {"sections": ["cards"]},
        "day": "2030-01-02",
        "criteria": Criteria(fit=0.5),
        "images": "j",
        "families": "g",
        "table": "u",
    }
    keys = [place(), *(place(**{name: value}) for name, value in changed.items())]
    assert place() == keys[0]
    (tmp_path / "training.json").write_text("{ }")
    assert len({*keys, place()}) == 2 + len(changed)


def test_a_model_of_several_labels_is_refused_in_one_sentence() -> None:
    class Several:
        ref, label = "x", "scratch"

    class View:
        model = Several()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made.logbook, "own", lambda model: False)
        assert "several labels" in made.refused(View())
        patch.setattr(made.logbook, "own", lambda model: True)
        assert "upload" in made.refused(View())
