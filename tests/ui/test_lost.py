"""A model or an image set that is not where a link or the visitor says: one clear sentence, and a way back."""

import pytest
from PIL import Image

from workbench.ui import session


@pytest.fixture
def parts(tmp_path):
    for label in ("good", "bad"):
        (tmp_path / "parts" / label).mkdir(parents=True)
        Image.new("RGB", (9, 7)).save(tmp_path / "parts" / label / "1.png")
    return tmp_path / "parts"


@pytest.mark.parametrize(("key", "noun"), [("model", "model"), ("set", "image set")])
def test_a_link_to_a_folder_that_is_not_here_says_so_and_leads_back(visit, monkeypatch, tmp_path, key, noun):
    monkeypatch.setattr(session, "local", lambda: True)
    at = visit("overview", **{key: str(tmp_path / "gone")})
    assert [text for text in at.said() if f"The {noun} “{tmp_path / 'gone'}” is not on this machine." in text]
    assert len(at.said()) == 1
    assert [title.value for title in at.title] == ["Not found"]
    at.button(key=f"back to {key}").click().run().sound()
    assert key not in at.query_params
    assert not at.said()


def test_a_folder_is_chosen_by_its_path_and_one_that_vanished_leads_back(visit, monkeypatch, parts):
    monkeypatch.setattr(session, "local", lambda: True)
    at = visit("explain", method="saliency").sound("Explain")
    at.text_input(key="set folder").set_value(str(parts / "none")).run()
    assert any("Nothing was changed" in text for text in at.said())
    assert at.selectbox(key="set").value == "solar-cells"
    at.text_input(key="set folder").set_value(f'"{parts}" ').run().sound("Explain")
    assert at.selectbox(key="set").value == str(parts)
    assert not any("Nothing was changed" in text for text in at.said())
    parts.rename(parts.with_name("moved"))
    assert any("is not on this machine" in text for text in at.run().said())
    at.button(key="back to set").click().run().sound("Explain")
    assert at.selectbox(key="set").value == "solar-cells"


def test_help_stands_without_model_and_images(visit, monkeypatch, tmp_path):
    monkeypatch.setattr(session, "local", lambda: True)
    at = visit("help", set=str(tmp_path / "gone"))
    assert "Not found" not in [title.value for title in at.title]
    assert len(at.title) == 1


def test_nobody_elsewhere_can_name_a_folder(visit, monkeypatch):
    monkeypatch.setattr(session, "local", lambda: False)
    at = visit("help")
    assert not [field for field in at.text_input if str(field.key).endswith(" folder")]
