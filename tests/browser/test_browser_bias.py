"""A reviewer's journey over the Bias page in a real Chromium: from the worst class to an image that shows why."""

import csv
import io
import re
import urllib.parse
import zipfile

import pytest
from PIL import Image
from tables import solar

pytest.importorskip("playwright.sync_api", reason="the browser tests need Playwright: install the test extra")
from browsing import SLOW
from playwright.sync_api import expect

pytest_plugins = ["browsing"]
pytestmark = pytest.mark.browser
CANVAS = ".st-key-confusion canvas >> nth=0"


def of_test_split():
    return solar().frame[solar().frame["split"] == "test"]


def behind(label, predicted):
    frame = of_test_split()
    return frame[(frame["label"] == label) & (frame["predicted"] == predicted)]["name"].tolist()


def thumbnails(view):
    return view.page.locator('.st-key-behind-images [data-testid="stElementContainer"][data-stale="false"] img')


def press_the_last_cell_of_the_first_row(view):
    """The canvas of the confusion matrix, with that cell pressed: the grid looks where the pointer is before that, and
    a page that a link led down may still be on its way there."""
    table = view.page.locator(CANVAS)
    table.scroll_into_view_if_needed()
    box, before = view.settled() and table.bounding_box(), None
    while box != before:
        view.page.wait_for_timeout(400)
        box, before = table.bounding_box(), box
    place = box["x"] + box["width"] - 20, box["y"] + 52
    view.page.mouse.move(place[0] - 30, place[1])
    view.page.mouse.move(*place)
    view.page.wait_for_timeout(400)  # a busy machine draws what is under the pointer later
    view.page.mouse.click(*place)
    return table


@pytest.mark.journey
def test_from_the_worst_class_to_an_image_that_it_misses(visitor):
    view = visitor().open("/bias?model=solar-cells-random")
    expect(view.page.locator(".st-key-headline")).to_contain_text(
        re.compile(r"Proven: worse for defective than for functional, recall \d\d %")
    )
    query = view.settled().query()
    view.page.locator(".st-key-headline").get_by_role("link", name="See the figures").first.click()
    expect(view.page.get_by_role("heading", name="For whom is it worse?")).to_be_in_viewport()
    assert view.query() == query, "the view stays where a line leads down to its proof"
    expect(
        view.current("p").filter(has_text=re.compile("^55 of 205 images of defective are predicted as functional"))
    ).to_be_visible()

    table = press_the_last_cell_of_the_first_row(view)
    expect(view.page).to_have_url(re.compile("true=functional"))
    expect(thumbnails(view)).to_have_count(len(behind("functional", "defective")))
    matrix, first = table.bounding_box(), thumbnails(view).first.bounding_box()
    assert first["x"] >= matrix["x"] + matrix["width"], "the images stand beside the matrix"
    assert 0 <= first["y"] <= 900 - first["height"], "a click shows them without a scroll"
    expect(view.page.locator(".st-key-true input")).to_have_value("functional")
    expect(view.page.locator(".st-key-called input")).to_have_value("defective")
    kept = view.settled().query()

    thumbnails(view).nth(2).scroll_into_view_if_needed()
    name = thumbnails(view).nth(2).get_attribute("alt")
    assert name == behind("functional", "defective")[2]
    box = thumbnails(view).nth(2).bounding_box()
    view.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(view.page.get_by_role("heading", name="Explain", level=1)).to_be_visible(timeout=SLOW)
    expect(view.page.locator(".st-key-verdict input")).to_have_value("wrong", timeout=SLOW)
    assert view.query()["image"] == [name]
    assert (view.query()["class"], view.query()["verdict"], view.query()["split"]) == (
        ["functional"],
        ["wrong"],
        ["test"],
    )
    view.page.go_back()
    expect(view.page.get_by_role("heading", name="Bias", level=1)).to_be_visible(timeout=SLOW)
    assert view.settled().query() == kept


@pytest.mark.journey
def test_a_cell_is_chosen_with_the_keyboard(visitor):
    view = visitor().open("/bias?true=functional&called=functional")
    expect(view.page.locator(".st-key-true input")).to_have_value("functional")
    view.page.wait_for_load_state("networkidle")  # the server forgets images that a new run no longer shows
    view.page.locator(CANVAS).focus()
    view.page.keyboard.press("ArrowDown")
    expect(view.page.locator(".st-key-true input")).to_have_value("defective")
    expect(view.current("p").filter(has_text="images of defective are predicted as functional")).to_be_visible()
    view.settled()


@pytest.mark.journey
def test_the_figures_are_downloaded(visitor):
    view = visitor().open("/bias?model=solar-cells-random")
    lines = list(csv.DictReader(io.StringIO(view.download("All cells (CSV)")[1].decode())))
    cell = next(line for line in lines if (line["true class"], line["called"]) == ("defective", "functional"))
    assert int(cell["images"]) == len(behind("defective", "functional"))
    _, data = view.download("Matrix (PNG)")
    assert Image.open(io.BytesIO(data)).width > 400
    view.page.get_by_text("All figures by class and group").click()
    _, data = view.download("Recall (PNG)")
    assert Image.open(io.BytesIO(data)).width > 700
    file, data = view.download("Gaps (CSV)")
    assert file == "bias-gaps-test.csv"
    assert b"p adjusted" in data
    view.page.get_by_text("For a fairness report").click()
    file, data = view.download("All figures (ZIP)")
    assert file == "bias-test.zip"
    assert {"README.txt", "classes.csv", "gaps.csv"} <= set(zipfile.ZipFile(io.BytesIO(data)).namelist())


@pytest.mark.parametrize(("scheme", "width"), [pytest.param("light", 1440, marks=pytest.mark.journey), ("dark", 400)])
def test_the_page_fits_every_screen(visitor, scheme, width):
    view = visitor(viewport={"width": width, "height": 900}, color_scheme=scheme)
    for query in ("", "?" + urllib.parse.urlencode({"by": "defect probability", "cross": "module type"})):
        view.open(f"/bias{query}")
        wide = view.page.evaluate(
            "[document.documentElement, document.querySelector('[data-testid=stMain]')].map(e => [e.scrollWidth,"
            " e.clientWidth])"
        )
        assert all(scroll <= client for scroll, client in wide), f"the page scrolls sideways: {wide}"
        assert wide[0][1] == width
