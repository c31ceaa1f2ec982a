"""Every page runs, on the shipped solar cells and on everyday photos, and an address restores what it shows."""

import ast
from pathlib import Path

import pytest
import torch

from workbench.catalog import home, load_catalog
from workbench.predictions.cases import mistakes
from workbench.predictions.table import Predictions
from workbench.ui import gallery, warm

torch.set_num_threads(1)
TITLES = {
    "overview": None,  # the question that the model answers
    "explain": "Explain",
    "probe": "Probe",
    "data": "Data",
    "bias": "Bias",
    "reliability": "Reliability",
    "defects": "Defects",
    "agreement": "Agreement",
    "journal": "Journal",
    "report": "Report",
    "help": "Help",
}
WITH_A_MODEL = [page for page in TITLES if page != "help"]
QUICK = {"method": "saliency"}


@pytest.fixture(scope="module")
def stored():
    """The solar-cell model's stored predictions, with the column `kind`."""
    found = Predictions.load(Path(load_catalog().models["solar-cells"].ref, "predictions.parquet"))
    return found.frame.assign(kind=mistakes(found))


def shown_image(at):
    return at.query_params["image"]


def images(at):
    return [i for i in at.get("image") if i.proto.imgs]


# Every page


def test_every_page_is_tested_here():
    assert {path.stem for path in (home() / "pages").glob("*.py")} == set(TITLES)


@pytest.mark.parametrize("page", TITLES)
@pytest.mark.parametrize("model", ["solar-cells", "everyday"])
def test_a_page_opens_by_its_address(visit, page, model):
    visit(page, model=model, **(QUICK if page == "explain" else {})).sound(TITLES[page])


@pytest.mark.parametrize("page", TITLES)
def test_the_solar_cells_come_without_asking(visit, page):
    at = visit(page, **(QUICK if page == "explain" else {})).sound(TITLES[page])
    assert at.selectbox(key="model").value == "solar-cells"
    assert at.selectbox(key="set").value == "solar-cells"
    assert "model" not in at.query_params
    assert "set" not in at.query_params


@pytest.mark.parametrize("page", TITLES)
def test_a_page_stands_before_torch_does(visit, page, monkeypatch):
    monkeypatch.setattr(warm, "torch_ready", lambda: False)
    visit(page, **(QUICK if page == "explain" else {})).sound(TITLES[page])


def test_what_only_torch_can_say_follows_by_itself(visit, monkeypatch):
    there = []
    monkeypatch.setattr(warm, "torch_ready", lambda: bool(there))
    monkeypatch.setattr(warm, "warm_up", lambda: there.append("torch"))
    at = visit().sound()
    assert any(caption.value.startswith("12 checks: ") for caption in at.caption)


def test_pages_are_visited_one_after_another(visit):
    at = visit().sound()
    for page in ("explain", "overview", "explain"):
        at.switch_page(f"../pages/{page}.py")
        at.query_params.clear()
        at.query_params.update(QUICK if page == "explain" else {})
        at.run().sound(TITLES[page])


# Explain


def test_a_deep_link_restores_the_view(visit, stored):
    name = stored[stored["label"] == "functional"]["name"].iloc[7]
    address = {
        "image": name, "target": "functional", "score": "margin", "method": ["saliency", "grad_cam"],
        "baseline": "blur",
        "steps": "30", "class": "functional", "split": "train", "group": "module type: mono", "verdict": "right",
        "sort": "doubt",
        "page": "2", "colours": "strength", "scale": "shared", "opacity": "80",
    }  # fmt: skip
    at = visit("explain", **address).sound("Explain")
    for key in ("target", "score", "baseline", "class", "split", "group", "verdict", "sort"):
        assert at.selectbox(key=key).value == address[key]
    assert at.slider(key="steps").value == 30
    assert at.slider(key="opacity").value == 80
    assert at.get_by_key("colours").value == "strength"
    assert at.get_by_key("scale").value == "shared"
    assert at.pagination[0].value == 2
    assert at.maps() == ["Saliency", "Grad-CAM"]
    assert {k: v for k, v in at.query_params.items() if v != []} == address, "and the address still says the same"


def test_a_click_in_the_gallery_chooses_the_image(visit):
    at = visit("explain", **QUICK).sound()
    first = shown_image(at)
    name, button = next((name, button) for name, button in at.thumbnails().items() if name != first)
    button.click().run().sound()
    assert shown_image(at) == name


def test_what_is_clicked_holds_beside_a_gallery_of_many_pages(visit):
    at = visit("explain", **QUICK).sound()
    assert at.pagination[0].num_pages > 100
    at.selectbox(key="class").select("defective").run().sound()
    assert at.query_params["class"] == "defective"
    at.pagination[0].set_value(3).run().sound()
    assert at.query_params["page"] == "3"
    at.selectbox(key="score").select("probability").run().sound()
    assert (at.query_params["class"], at.query_params["page"], at.query_params["score"]) == (
        "defective",
        "3",
        "probability",
    )
    at.selectbox(key="split").select("test").run().sound()
    assert at.pagination[0].value == 1, "another filter starts at its first page"


def test_another_target_and_score_give_another_map(visit):
    at = visit("explain", method="input_x_gradient").sound()
    before = images(at)[-1].proto.imgs[0].url
    at.selectbox(key="target").select("functional").run().sound()
    after = images(at)[-1].proto.imgs[0].url
    assert before != after
    assert at.query_params["target"] == "functional"


def test_no_method_at_all(visit):
    at = visit("explain", method="").sound("Explain")
    assert at.said() == ["Choose at least one method above."]
    assert at.maps() == []
    at.get_by_key("method").set_value(["saliency"])
    at.run().sound()
    assert at.maps() == ["Saliency"]


def test_filters_that_match_nothing_can_be_cleared(visit):
    at = visit("explain", **QUICK, **{"class": "functional", "verdict": "escape"}).sound("Explain")
    assert "No image matches these filters." in at.said()
    assert at.maps() == ["Saliency"], "the chosen image is still explained"
    next(b for b in at.button if b.label == "Clear the filters").click().run().sound()
    assert len(at.thumbnails()) == gallery.PAGE
    assert "verdict" not in at.query_params


def test_images_can_be_predicted_to_filter_by_verdict(visit):
    at = visit("explain", model="everyday", **QUICK).sound()
    assert "verdict" not in at.session_state
    next(b for b in at.button if b.label.startswith("Predict all 8")).click().run().sound()
    assert at.selectbox(key="verdict").options == ["all", "unsure"]
    assert not [b for b in at.button if b.label.startswith("Predict all")]


def test_the_model_brings_its_images_along(visit):
    at = visit("explain", **QUICK).sound()
    at.selectbox(key="model").select("everyday").run().sound()
    assert at.selectbox(key="set").value == "everyday"
    assert at.query_params["model"] == "everyday"
    assert shown_image(at) == "chelsea.png"
    assert any("Egyptian cat" in h.value for h in at.html)
    at.selectbox(key="model").select("solar-cells").run().sound()
    assert at.selectbox(key="set").value == "solar-cells"


def test_images_may_be_asked_of_another_model(visit):
    at = visit("overview", set="everyday").sound()
    assert any("has no labels that the model knows" in text for text in at.said())
    at = visit("explain", set="everyday", **QUICK).sound()
    assert shown_image(at) == "chelsea.png"


# Addresses that name what is not there


@pytest.mark.parametrize("page", WITH_A_MODEL)
@pytest.mark.parametrize("key", ["model", "set"])
def test_a_model_or_set_that_is_not_there(visit, page, key):
    at = visit(page, **{key: "astrology"})
    assert not at.exception
    (sentence,) = at.said()
    assert "'astrology'" in sentence
    assert "solar-cells" in sentence
    assert sentence.endswith(".")
    at.selectbox(key=key).select("everyday").run().sound(TITLES[page])


@pytest.mark.parametrize("key", ["model", "set"])
def test_an_address_cannot_draw_on_the_page(visit, key):
    """Messages quote what was typed; Streamlit shows messages as Markdown, which could fetch an image from
    elsewhere."""
    at = visit("explain", **{key: "![x](https://attack.example/x.png)"})
    assert not at.exception
    (error,) = at.error
    assert "![x](" in at.unescaped(error.value)
    assert "![x](" not in error.value


def test_an_image_that_is_not_there(visit):
    at = visit("explain", image="no such.png", **QUICK).sound("Explain")
    (sentence,) = at.said()
    assert "no such.png" in sentence
    assert shown_image(at) != "no such.png"
    assert at.maps() == ["Saliency"]


def test_a_target_that_is_not_there_is_the_predicted_one(visit):
    at = visit("explain", target="astrology", **QUICK).sound("Explain")
    assert at.selectbox(key="target").value == "defective", "the positive class, whatever was decided"
    assert "target" not in at.query_params


def test_a_layer_that_is_not_there_is_the_default_one(visit):
    at = visit("explain", layer="no.such.layer", method="grad_cam").sound("Explain")
    assert at.maps() == ["Grad-CAM"]
    assert "layer" not in at.query_params


@pytest.mark.parametrize("page", ["overview", "journal"])
def test_a_text_that_documents_a_constant_is_not_drawn(visit, page):
    """Streamlit draws whatever stands alone on a line of the entry, unless it is told not to."""
    drawn = [m.value for m in visit(page).sound().markdown]
    entry = ast.parse((home() / "workbench" / "app.py").read_text(encoding="utf-8"))
    alone = [n.value.value for n in ast.walk(entry) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)]
    assert alone
    assert not set(alone) & set(drawn)
