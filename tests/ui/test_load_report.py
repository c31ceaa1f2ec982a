"""The load report on the page: what it says, and that a correction of it moves every figure and stands in the link."""

from __future__ import annotations

import pytest
from laid import photo

from workbench.ui import session


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(session, "local", lambda: True)


@pytest.fixture
def parts(tmp_path):
    """Folders that no one can know to be splits: three good and two bad in foo, one each in bar."""
    names = ["foo/functional/1", "foo/functional/2", "foo/functional/3", "foo/odd/1", "foo/odd/2"]
    for seed, name in enumerate([*names, "bar/functional/1", "bar/odd/1"]):
        path = tmp_path / "parts" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(seed, "jpg"))
    (tmp_path / "parts" / "notes.txt").write_text("no image")
    return tmp_path / "parts"


def shown(at):
    return " ".join(element.proto.body for element in at.get("html"))


def field(at, label):
    return next(box for box in at.selectbox if at.unescaped(box.label).startswith(label))


def press(at, label):
    return next(button for button in at.button if button.label == label).click().run()


def test_the_report_stands_first_where_a_link_asks_for_it_and_says_what_was_read(visit, parts, here):
    at = visit("overview", set=str(parts), images_read="open").sound()
    assert at.expander[0].label == "How these images were read"
    assert at.expander[0].proto.expanded
    text = " ".join(at.unescaped(m.value) for m in at.markdown)
    assert "7 images · 2 classes" in text
    assert "notes.txt" in at.dataframe[0].value["file"].tolist()
    at = visit("overview", set=str(parts), read="split.bar=test&split.foo=train").sound()  # nothing is asked
    assert not next(e for e in at.expander if e.label == "How these images were read").proto.expanded


def test_a_corrected_guess_moves_the_figures_of_every_page_and_the_link_restores_it(visit, parts, here):
    at = visit("overview", set=str(parts), images_read="open").sound()
    field(at, "foo,").set_value("train")
    field(at, "bar,").set_value("test")
    press(at, "Read the images so").sound()
    said = " ".join(at.unescaped(s.value) for s in at.success)
    assert "Now:** 7 images" in said
    assert "train 5, test 2" in said
    link = at.query_params["read"]
    assert link == "split.bar=test&split.foo=train"
    again = visit("bias", set=str(parts), read=link)
    assert [i.split for i in session_images(again)].count("train") == 5
    press(at, "Read as before").sound()
    assert "read" not in at.query_params


def session_images(at):
    from workbench.ui import sets

    return sets._shared(at.session_state["set"], True, at.session_state["read"]).current()
