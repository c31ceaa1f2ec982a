"""A model of the Hugging Face hub, brought as a zip: how it was read, read otherwise, and explained."""

import json
import re

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need Playwright: install the test extra")
from browsing import SLOW, upload, zipped
from playwright.sync_api import expect

import workbench as wb

pytest_plugins = ["browsing"]
pytestmark = pytest.mark.browser


def tiny(folder):
    """A zip of a ViT with random weights, as transformers saves it."""
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=64,
        id2label={0: "functional", 1: "defective"},
    )  # fmt: skip
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    size = {"size": {"height": 64, "width": 64}, "image_processor_type": "ViTImageProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(size))
    return zipped({f"tiny-vit/{path.name}": path.read_bytes() for path in folder.iterdir()})


def pick(view, label, option):
    box = view.settled().page.get_by_role("combobox", name=label)
    box.scroll_into_view_if_needed()  # what scrolls after the click closes the list again
    view.page.wait_for_timeout(200)
    box.click()
    view.page.get_by_role("option", name=option).click()


@pytest.mark.journey
def test_a_hugging_face_zip_is_read_changed_and_explained(visitor, tmp_path):
    data = tiny(tmp_path / "tiny-vit")
    view = visitor(viewport={"width": 1440, "height": 900}).open("/").settled()
    expect(view.page.get_by_text("The model is loading in the background")).to_have_count(0, timeout=SLOW)
    view.settled().page.get_by_text("Bring your own").click()
    upload(view, "model-upload", "tiny-vit.zip", data)
    expect(view.page.locator(".st-key-model input")).to_have_value("Your tiny-vit.zip", timeout=SLOW)
    view.settled().page.locator("summary").filter(has_text="How this model was read").first.click()
    table = view.page.locator(".wb-reading")
    expect(table).to_contain_text("ViTForImageClassification of transformers", timeout=45_000)
    expect(table).to_contain_text("2: functional, defective")
    expect(table).to_contain_text("preprocessor_config.json")
    with view.settled().page.expect_download() as download:
        view.page.get_by_role("button", name="model.toml with these settings").click()
    assert 'architecture = "huggingface"' in download.value.path().read_text()

    pick(view, "Positive class", "defective")
    view.page.get_by_label("Mean").fill("0.3, 0.3, 0.3")
    view.page.get_by_label("Mean").press("Tab")
    view.page.get_by_role("button", name="Read the model so").click()
    done = view.current('[data-testid="stAlert"]').filter(has_text="Read otherwise than before")
    expect(done).to_contain_text("positive = defective, mean = 0.3, 0.3, 0.3.", timeout=60_000)
    expect(done).to_contain_text(re.compile("% before, .*% now"))
    expect(view.settled().current(".wb-reading")).to_contain_text("changed on this page")
    pick(view, "Head", "probabilities")
    view.page.get_by_role("button", name="Read the model so").click()
    expect(view.page.get_by_text("The head is set to 'probabilities', but").first).to_be_visible(timeout=45_000)

    view.page.get_by_role("link", name="Explain").first.click()
    expect(view.page.get_by_role("heading", name="Explain", level=1)).to_be_visible()
    expect(view.current('img[alt*=" of "]').first).to_be_visible(timeout=60_000)
    expect(view.page.locator(".st-key-model input")).to_have_value(
        "Your tiny-vit.zip, positive = defective, mean = 0.3, 0.3, 0.3"
    )


@pytest.mark.journey
def test_an_unknown_layout_is_reported_corrected_and_restored_by_its_link(visitor, tmp_path):
    """Folders foo and bar: nobody can know that they are splits, nor that "fine" is the model's class "good"."""
    left = {("foo", "good"): 9, ("foo", "scratch"): 6, ("bar", "good"): 4, ("bar", "scratch"): 3}
    for number, item in enumerate(wb.load_images("stamped-metal")):
        for lot in ("foo", "bar"):
            if left.get((lot, item.label), 0):
                left[lot, item.label] -= 1
                path = tmp_path / "lot" / lot / item.label.replace("good", "fine") / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(item.source.read())
                break
    (tmp_path / "lot" / "notes.txt").write_text("of the line")
    view = visitor(viewport={"width": 1440, "height": 900})
    view.open(f"/?model=metal-sound&set={tmp_path / 'lot'}&images_read=open")
    report = view.page.locator('[data-testid="stExpander"]').filter(has_text="How these images were read").first
    expect(report).to_contain_text("22 images")
    expect(report).to_contain_text("1 file left out")
    expect(view.page.get_by_text("no class of the model: fine (13)")).to_be_visible()
    for word, choice in (("foo, 15 files", "train"), ("bar, 7 files", "test"), ("fine, 13 images", "good")):
        pick(view, word, re.compile(f"^{choice}$"))
    view.page.get_by_role("button", name="Read the images so", exact=True).click()
    now = "22 images, 2 classes, 0 with a mask, train 15, test 7"
    expect(view.current('[data-testid="stAlert"]').filter(has_text="Now:")).to_contain_text(now, timeout=SLOW)
    expect(view.page.get_by_text("Tried on 7 images of the test split of lot.")).to_be_visible(timeout=SLOW)
    expect(view.page.get_by_text("no class of the model")).to_have_count(0)
    figure = view.settled().page.locator('[data-testid="stMetric"]').filter(has_text="Accuracy").inner_text()
    assert view.query()["read"] == ["split.bar=test&split.foo=train&label.fine=good"]
    other = visitor(viewport={"width": 1440, "height": 900}).open(view.page.url)
    expect(other.page.get_by_text("Tried on 7 images of the test split of lot.")).to_be_visible(timeout=SLOW)
    assert other.settled().page.locator('[data-testid="stMetric"]').filter(has_text="Accuracy").inner_text() == figure
    other.page.get_by_role("link", name="Bias").first.click()
    expect(other.page.get_by_role("heading", name="Bias", level=1)).to_be_visible()
    expect(other.page.get_by_text("no class of the model")).to_have_count(0)
    view.page.get_by_role("button", name="Read as before").click()
    expect(view.page.get_by_text("no class of the model: fine (13)")).to_be_visible(timeout=SLOW)
    view.settled()
    assert "read" not in view.query()
