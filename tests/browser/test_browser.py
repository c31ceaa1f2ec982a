"""A visitor's journeys by clicking, in a real Chromium against the real server with the shipped models."""

import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workbench.catalog import package_folder

pytest.importorskip("playwright.sync_api", reason="the browser tests need Playwright: install the test extra")
from browsing import SLOW, upload, zipped
from playwright.sync_api import expect

pytest_plugins = ["browsing"]
pytestmark = pytest.mark.browser
OWN_SERVER = True


def cells():
    return package_folder("elpv_dataset") / "data" / "images"


# The first test is the first visit of the server: a deep link must not need an earlier visit of the front page.


def test_a_deep_link_is_the_first_thing_a_server_sees(visitor):
    view = visitor()
    view.open(
        "/explain?image=cell0009.png&target=functional&score=margin&method=saliency&method=grad_cam&opacity=85&class=defective"
    )
    expect(view.page.locator(".st-key-model input")).to_have_value("Solar cells")
    view.wait_for_maps("Saliency", "Grad-CAM")
    expect(view.map_of("Saliency")).to_have_attribute("alt", "Saliency of cell0009.png")
    expect(view.map_of("Integrated gradients")).to_have_count(0)
    for key, value in {"target": "functional", "score": "Margin", "class": "defective"}.items():
        expect(view.page.locator(f".st-key-{key} input")).to_have_value(re.compile(value))
    assert view.query()["method"] == ["saliency", "grad_cam"]


@pytest.mark.timeout(900)
def test_from_the_headline_to_a_record_that_a_colleague_can_open(visitor):
    view = visitor().open("/")
    for name in ("Accuracy", "AUC", "Escape rate", "Overkill rate"):
        figure = view.page.get_by_test_id("stMetric").filter(has_text=name)
        expect(figure.get_by_test_id("stMetricValue")).to_have_text(re.compile(r"^\d+\.\d%$|^0\.\d{3}$"))
    view.page.get_by_role("link", name="92 missed defects").click()
    expect(view.page.get_by_role("heading", name="Explain", level=1)).to_be_visible()
    view.wait_for_maps("Saliency", "Grad-CAM", "Integrated gradients")
    expect(view.page.locator(".st-key-verdict input")).to_have_value(re.compile("escape"))
    expect(view.current(".wb-decision")).to_have_text("functional")
    assert view.query()["verdict"] == ["escape"]

    before = {name: view.pixels(name) for name in ("Grad-CAM", "Integrated gradients")}
    view.choose("target", "predicted class")
    expect(view.page).to_have_url(re.compile("target=predicted"))
    view.wait_for_maps("Saliency", "Grad-CAM", "Integrated gradients")
    after = {name: view.pixels(name) for name in before}
    for name, drawn in before.items():
        assert np.abs(drawn - after[name]).mean() > 1, f"{name} is the same for another class"

    view.press("method", "Occlusion")
    view.wait_for_maps("Occlusion")
    assert view.query()["method"] == ["saliency", "grad_cam", "integrated_gradients", "occlusion"]
    the_record_is_complete(view)
    a_colleague_sees_the_same(view, visitor(), ("Saliency", "Grad-CAM", "Integrated gradients", "Occlusion"))


def the_record_is_complete(view):
    name = view.query()["image"][0]
    view.press("map-occlusion", "Save")
    file, data = view.download("Raw values (NPZ)")
    assert file == f"{Path(name).stem}-occlusion.npz"
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        values = archive["values"]
    assert values.dtype == np.float32
    assert values.ndim == 3
    assert values.shape[0] == 3
    assert np.ptp(values) > 0
    file, data = view.download("Manifest (JSON)")
    facts = json.loads(data)
    assert file == f"{Path(name).stem}-occlusion.json"
    assert facts["image"]["sha256"] == hashlib.sha256((cells() / name).read_bytes()).hexdigest()
    assert facts["image"]["name"] == name
    assert (facts["method"], facts["target"], facts["shape"]) == ("occlusion", "functional", list(values.shape))
    _, data = view.download("Image (PNG)")
    assert Image.open(io.BytesIO(data)).width > 600
    view.page.keyboard.press("Escape")


def a_colleague_sees_the_same(view, colleague, methods):
    colleague.open(view.page.url).wait_for_maps(*methods)
    assert colleague.query() == view.query()
    for key in ("target", "verdict", "split"):
        expect(colleague.page.locator(f".st-key-{key} input")).to_have_value(
            view.page.locator(f".st-key-{key} input").input_value()
        )
    for method in methods:
        assert colleague.map_of(method).get_attribute("alt") == view.map_of(method).get_attribute("alt")
        assert np.array_equal(colleague.pixels(method), view.pixels(method))


def test_a_link_to_a_missed_defect_shows_image_verdict_and_map_at_once(visitor):
    """At 1440 x 900, without scrolling; and the way through the others is a click or a key."""
    view = visitor(viewport={"width": 1440, "height": 900})
    view.open(
        "/explain?model=solar-cells-random&verdict=escape&split=test&image=cell0031.png&method=saliency&method=grad_cam"
    )
    view.wait_for_maps("Saliency", "Grad-CAM")
    strip = view.page.locator(".st-key-strip")
    expect(strip).to_contain_text("1 of 55 missed defects, test split")
    expect(strip).to_contain_text("Ground truth: defective missed defect")
    expect(strip.get_by_role("button", name="Previous")).to_be_disabled()
    sentence = view.current(".wb-sentence")
    expect(sentence).to_have_text("Missed defect. P(defective) 48.7 %, needs 58.0 %. Close.")
    expect(view.page.locator(".st-key-explained")).to_contain_text(
        "defective, the positive class, whatever was decided"
    )
    for part in (sentence, view.current('img[alt="cell0031.png"]').last, view.map_of("Saliency")):
        box = part.bounding_box()
        assert box["y"] + box["height"] <= 900, part
    strip.get_by_role("button", name="Next").click()
    expect(strip).to_contain_text("2 of 55")
    second = view.settled().query()["image"][0]
    expect(view.map_of("Saliency")).to_have_attribute("alt", f"Saliency of {second}")
    view.page.keyboard.press("n")
    expect(strip).to_contain_text("3 of 55")
    view.settled().page.get_by_text("Choose an image").click()
    chosen = view.page.locator("[class*=st-key-thumb-chosen] img")
    expect(chosen).to_have_attribute("alt", view.query()["image"][0])


@pytest.mark.journey
def test_an_image_is_chosen_with_the_mouse_the_keyboard_and_the_back_button(visitor):
    view = visitor().open("/explain?method=saliency&class=defective").wait_for_maps("Saliency")
    first = view.query()["image"][0]
    clicked = view.page.locator(".st-key-gallery img").nth(4)
    second = clicked.get_attribute("alt")
    assert second != first
    box = clicked.bounding_box()
    view.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(view.map_of("Saliency")).to_have_attribute("alt", f"Saliency of {second}")
    assert view.settled().query()["image"] == [second]
    expect(view.page.locator("[class*=st-key-thumb-chosen] img")).to_have_attribute("alt", second)

    focused = "document.activeElement.closest('[class*=st-key-thumb-]')?.querySelector('img')?.alt"
    view.page.locator(".st-key-sort input").focus()
    for _ in range(40):
        view.page.keyboard.press("Tab")
        name = view.page.evaluate(focused)
        if (
            name
            and name not in (first, second)
            and view.page.evaluate("!document.activeElement.closest('.stElementToolbar')")
        ):
            break
    assert name not in (None, first, second), "no thumbnail can be reached with Tab"
    view.page.keyboard.press("Enter")
    expect(view.map_of("Saliency")).to_have_attribute("alt", f"Saliency of {name}")
    view.settled().page.go_back()
    expect(view.map_of("Saliency")).to_have_attribute("alt", f"Saliency of {second}")
    view.settled().page.go_back()
    expect(view.map_of("Saliency")).to_have_attribute("alt", f"Saliency of {first}")
    assert view.settled().query()["image"] == [first]


@pytest.mark.journey
def test_selector_verdict_and_maps_speak_of_one_class_from_image_to_image(visitor):
    view = (
        visitor()
        .open("/explain?method=input_x_gradient&class=functional&verdict=right&sort=sure&target=predicted")
        .wait_for_maps("Input x gradient")
    )
    pick(view, 1)
    seen = [agree(view)]
    view.settled().choose("class", "defective")
    view.settled()
    for place in (3, 7):
        pick(view, place)
        seen.append(agree(view))
    assert seen == ["functional", "defective", "defective"]
    view.choose("target", "functional")
    expect(view.page.locator(".st-key-explained")).to_have_text(
        "Explained: the logit of functional. Red speaks for functional, blue against it."
    )
    pick(view.settled(), 5)
    view.wait_for_maps("Input x gradient")
    expect(view.page.locator(".st-key-target input")).to_have_value("functional")
    expect(view.current(".wb-decision")).to_have_text("defective")
    assert drawn_for(view) == "functional"


def pick(view, place):
    """Click on an image of the gallery."""
    name = view.page.locator(".st-key-gallery img").nth(place).get_attribute("alt")
    view.page.locator(f".st-key-pick-{place} button").first.click()
    expect(view.page).to_have_url(re.compile(re.escape(f"image={name}")))
    view.settled()


def agree(view):
    """The class that the model decided on, checked to be what the selector, the words over the map and the map itself
    are about."""
    view.wait_for_maps("Input x gradient")
    decided = view.current(".wb-decision").inner_text()
    expect(view.page.locator(".st-key-target input")).to_have_value("predicted class")
    expect(view.page.locator(".st-key-explained")).to_have_text(
        f"Explained: the logit of {decided}, the predicted class. Red speaks for {decided}, blue against it."
    )
    assert drawn_for(view) == decided
    return decided


def drawn_for(view):
    """The class that the map on the page explains, by the record that is saved with it."""
    _, data = view.download("Manifest (JSON)")
    (facts,) = json.loads(data)
    assert facts["image"]["name"] == view.query()["image"][0]
    return facts["target"]


@pytest.mark.journey
def test_one_class_against_another_asks_about_the_image_that_is_shown(visitor):
    view = visitor().open("/probe?view=contrast&map=input_x_gradient&class=functional&verdict=right&sort=sure")
    view.page.get_by_text("Choose an image").click()
    for kind in ("functional", "defective"):
        if kind != "functional":
            view.settled().choose("class", kind)
        pick(view.settled(), 2)
        expect(view.page.locator(".st-key-why input")).to_have_value(kind)
        other = {"functional": "defective", "defective": "functional"}[kind]
        expect(view.current(f'img[alt^="For {kind} rather than {other}"]')).to_be_visible(timeout=SLOW)
        assert not {"why", "rather"} & view.query().keys(), "nobody chose a class"


def test_a_view_is_kept_while_another_page_is_visited(visitor):
    view = visitor().open("/explain?method=saliency&class=defective&image=cell0009.png").wait_for_maps("Saliency")
    before = view.pixels("Saliency")
    view.page.locator(".st-key-opacity").get_by_role("slider").press("ArrowRight")
    expect(view.page).to_have_url(re.compile("opacity=65"))
    view.settled()
    assert not np.array_equal(view.pixels("Saliency"), before)
    kept = view.query()
    for name, title in {"Overview": "Solar cells", "Explain": "Explain"}.items():
        view.page.get_by_test_id("stSidebar").get_by_role("link", name=name).click()
        expect(view.page.get_by_role("heading", name=title, level=1)).to_be_visible()
    assert view.wait_for_maps("Saliency").query() == kept
    expect(view.map_of("Saliency")).to_have_attribute("alt", "Saliency of cell0009.png")


@pytest.mark.journey
def test_a_photo_of_ones_own_is_named(visitor):
    view = visitor().open("/explain?model=everyday&method=saliency").wait_for_maps("Saliency")
    view.page.get_by_role("button", name="Use your own image").click()
    upload(view, "image-upload", "my pet.png", (package_folder("skimage") / "data" / "chelsea.png").read_bytes())
    expect(view.map_of("Saliency")).to_have_attribute("alt", "Saliency of yours/my pet.png")
    expect(view.current(".wb-decision")).to_have_text("Egyptian cat")
    expect(view.page.get_by_text("The training images are not known")).to_be_visible()


@pytest.mark.journey
def test_a_file_that_is_no_image_is_one_sentence(visitor):
    view = visitor().open("/explain?model=everyday&method=saliency").wait_for_maps("Saliency")
    before = view.query()["image"]
    view.page.get_by_role("button", name="Use your own image").click()
    upload(view, "image-upload", "notes.png", b"These are my notes.")
    alerts = view.current("[data-testid=stAlert]")
    expect(alerts).to_have_count(1)
    expect(alerts).to_contain_text("notes.png is not an image this can read")
    view.settled().page.keyboard.press("Escape")
    assert view.query()["image"] == before
    view.choose("score", "Probability")
    expect(view.page).to_have_url(re.compile("score=probability"))
    view.wait_for_maps("Saliency")
    expect(alerts).to_have_count(0)


def test_a_model_and_images_of_ones_own_stay_with_their_visitor(visitor):
    import timm
    import torch
    from safetensors.torch import save

    torch.manual_seed(0)
    weights = save(timm.create_model("test_resnet", num_classes=2).state_dict())
    spec = (
        'title = "Weld check"\narchitecture = "timm:test_resnet"\nweights = "w.safetensors"\nclasses = ["good",'
        ' "bad"]\npositive = "bad"\nthreshold = 0.5\n[preprocessing]\nsize = [64, 64]\n'
    )
    view = visitor().open("/explain?method=saliency").wait_for_maps("Saliency")
    view.page.get_by_text("Bring your own").click()
    upload(view, "model-upload", "welds.zip", zipped({"model.toml": spec, "w.safetensors": weights}))
    expect(view.page.locator(".st-key-model input")).to_have_value("Your welds.zip", timeout=SLOW)
    names = ["cell0001.png", "cell0002.png", "cell0003.png", "cell0004.png"]
    files = {f"{('good', 'bad')[i % 2]}/{name}": (cells() / name).read_bytes() for i, name in enumerate(names)}
    upload(view, "set-upload", "line 3.zip", zipped(files))
    expect(view.page.locator(".st-key-set input")).to_have_value("Your line 3.zip")
    expect(view.map_of("Saliency")).to_have_attribute("alt", re.compile("of (good|bad)/cell000"))
    expect(view.settled().page.locator(".st-key-gallery img")).to_have_count(4)
    expect(view.current(".wb-decision")).to_have_text(re.compile("good|bad"))

    stranger = visitor().open("/")
    for key in ("model", "set"):
        stranger.page.locator(f".st-key-{key} input").click()
        expect(stranger.page.get_by_role("option").first).to_be_visible()
        assert not [text for text in stranger.page.get_by_role("option").all_inner_texts() if "Your" in text]
        stranger.page.keyboard.press("Escape")
    stranger.page.goto(view.page.url)
    expect(stranger.page.get_by_test_id("stAlert").first).to_contain_text("Your welds.zip", timeout=SLOW)
    expect(stranger.page.locator("img[alt*=cell000]")).to_have_count(0)


@pytest.mark.journey
def test_slow_work_is_stopped_and_goes_on(visitor):
    view = visitor().open("/explain?method=saliency").wait_for_maps("Saliency")
    view.page.goto(f"{view.address}/explain?method=smoothgrad&samples=64&image=cell0021.png")
    view.page.locator("[class*=st-key-stop-]").get_by_role("button", name="Stop").click(timeout=SLOW)
    again = view.page.get_by_role("button", name="Continue")
    expect(again).to_be_visible()
    expect(view.settled().page.get_by_text("SmoothGrad: stopped.")).to_be_visible()
    expect(view.map_of("SmoothGrad")).to_have_count(0)
    view.page.get_by_text("Choose an image").click()
    view.page.wait_for_timeout(1500)  # it opens slowly, and what moves is missed by a click
    view.settled().choose("sort", "highest confidence first")  # anything else leaves it stopped
    expect(view.page).to_have_url(re.compile("sort=sure"))
    expect(view.settled().map_of("SmoothGrad")).to_have_count(0)
    again.click()
    view.wait_for_maps("SmoothGrad")
    expect(again).to_have_count(0)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 400)])
def test_pages_fit_every_screen(visitor, scheme, width):
    view = visitor(viewport={"width": width, "height": 900}, color_scheme=scheme)
    for path in ("/", "/explain?method=saliency&method=grad_cam"):
        view.open(path)
        if path != "/":
            view.wait_for_maps("Saliency", "Grad-CAM")
        wide = view.page.evaluate(
            "[document.documentElement, document.querySelector('[data-testid=stMain]')].map(e => [e.scrollWidth,"
            " e.clientWidth])"
        )
        assert all(scroll <= client for scroll, client in wide), f"{path} scrolls sideways: {wide}"
        assert wide[0][1] == width
        colour = view.page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", colour)[:3])) > 600) == (scheme == "light")
