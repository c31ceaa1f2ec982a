"""Editing in a real browser: draw on the image, watch the decision, undo, and hand the link to somebody else."""

import re

import pytest
from browsing import SLOW, upload
from playwright.sync_api import expect

from workbench.probe.edits import read

pytest_plugins = ["browsing"]
DRAWN = re.compile("^data:image")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def canvas(view):
    """Where the image to draw on lies, once it is there."""
    expect(view.page.locator(".frame img")).to_have_attribute("src", DRAWN)
    view.page.locator(".frame").scroll_into_view_if_needed()
    return view.page.locator(".frame").bounding_box()


def box(view, left, top, right, bottom):
    """Press at a place, in shares of the image, and let go at another: this draws a box, or moves the one there."""
    area = canvas(view)
    ends = [(area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in ((left, top), (right, bottom))]
    view.page.mouse.move(*ends[0])
    view.page.mouse.down()
    view.page.mouse.move(*[(a + b) / 2 for a, b in zip(*ends, strict=True)])
    view.page.mouse.move(*ends[1])
    view.page.mouse.up()
    view.settled()


@pytest.mark.journey
def test_draw_undo_and_share(visitor):
    view = visitor()
    page = view.open("/probe?model=solar-cells&image=cell0001.png").page
    expect(view.current('img[alt^="Difference: Grad-CAM of "]')).to_have_count(1, timeout=SLOW)
    view.settled()
    expect(page.locator(".frame img")).to_have_attribute("src", DRAWN)
    before = page.locator(".frame img").get_attribute("src")
    box(view, 0.2, 0.3, 0.5, 0.8)
    edit = read(view.query()["edit"][0])
    assert edit.boxes[0] == pytest.approx((0.2, 0.3, 0.5, 0.8), abs=0.01)
    expect(page.locator(".frame img")).not_to_have_attribute("src", before)
    expect(page.get_by_role("heading", name=re.compile("Still defective|has become functional"))).to_be_visible()
    box(view, 0.6, 0.6, 0.9, 0.9)
    assert len(read(view.query()["edit"][0]).boxes) == 2  # boxes in a row are one edit
    boxes_move(view)
    page.get_by_role("slider", name="Rotation").press("ArrowRight")
    view.settled()
    assert [read(text).kind for text in view.query()["edit"]] == ["fill", "rotate"]

    other = visitor()
    other.open(page.url)
    expect(other.page.get_by_text("1. Inpaint from the surroundings, 2 boxes")).to_be_visible()
    expect(other.page.get_by_text("2. Rotation 1")).to_be_visible()
    expect(other.page.locator(".frame img")).to_have_attribute("src", page.locator(".frame img").get_attribute("src"))
    assert other.download("Edited image (PNG)")[1] == view.download("Edited image (PNG)")[1]

    for left in (1, 0):
        page.get_by_role("button", name="Undo").click()
        view.settled()
        assert len(view.query().get("edit", [])) == left
    expect(page.locator(".frame img")).to_have_attribute("src", before)
    expect(page.get_by_text("No edits yet")).to_be_visible()


def boxes_move(view):
    """The second box by pointer, the first by keys."""
    page = view.page
    expect(page.locator(".frame .number")).to_have_text(["1", "1"])
    first = read(view.query()["edit"][0]).boxes[0]
    box(view, 0.75, 0.75, 0.7, 0.65)  # within the second: it follows the pointer
    assert read(view.query()["edit"][0]).boxes[1] == pytest.approx((0.55, 0.5, 0.85, 0.8), abs=0.02)
    assert read(view.query()["edit"][0]).boxes[0] == first
    page.locator(".frame .number").first.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => decodeURIComponent(location.search).includes('fill:0.1')")
    view.settled()
    assert read(view.query()["edit"][0]).boxes[0] == pytest.approx((0.18, 0.3, 0.48, 0.8), abs=0.01)
    expect(page.locator(".frame .number").first).to_be_focused()


@pytest.mark.journey
def test_undo_by_key_reorder_and_troubles_told_at_once(visitor):
    view = visitor()
    page = view.open("/probe?model=metal-sound&edit=gamma:2&edit=rotate:15&edit=blur:1").page
    page.locator(".st-key-step-2").get_by_role("button").first.click()
    view.settled()
    assert view.query()["edit"] == ["gamma:2", "blur:1", "rotate:15"]
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("Control+z")
    view.settled()
    assert view.query()["edit"] == ["gamma:2", "blur:1"]
    page.get_by_role("button", name="Load", exact=False).click()
    upload(view, "edits-upload", "bad.json", b"[[[[")
    expect(page.get_by_text("bad.json is not a list of edits")).to_be_visible()
    assert view.query()["edit"] == ["gamma:2", "blur:1"]


@pytest.mark.journey
def test_paste_from_another_image(visitor):
    view = visitor()
    page = view.open("/probe?model=metal-sound&region=paste").page
    view.settled()
    expect(page.locator(".frame img")).to_have_attribute("src", DRAWN)
    before = page.locator(".frame img").get_attribute("src")
    box(view, 0.25, 0.25, 0.75, 0.75)
    edit = read(view.query()["edit"][0])
    assert edit.fill == "paste"
    assert edit.other
    assert edit.other != view.query()["image"][0]
    expect(page.locator(".frame img")).not_to_have_attribute("src", before)
    expect(page.get_by_text("was left out")).to_have_count(0)


def test_a_finger_draws_on_a_small_dark_screen(visitor):
    view = visitor(viewport={"width": 400, "height": 900}, has_touch=True, is_mobile=True, color_scheme="dark")
    view.open("/probe?model=metal-sound")
    area = canvas(view)
    assert area["width"] > 300, "the image takes the width of the screen"
    touch(
        view,
        [
            (area["x"] + x * area["width"], area["y"] + y * area["height"])
            for x, y in ((0.2, 0.3), (0.4, 0.5), (0.6, 0.7))
        ],
    )
    view.settled()
    assert read(view.query()["edit"][0]).boxes[0] == pytest.approx((0.2, 0.3, 0.6, 0.7), abs=0.02)


def touch(view, places):
    """Draw with one finger."""
    session = view.context.new_cdp_session(view.page)
    for kind, place in zip(("touchStart", *["touchMove"] * (len(places) - 1)), places, strict=True):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": place[0], "y": place[1]}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.journey
def test_no_view_scrolls_sideways_on_a_small_screen(visitor):
    view = visitor(viewport={"width": 400, "height": 900}, color_scheme="dark")
    for name in ("edit", "sweep", "regions", "contrast", "attack", "behind", "concepts", "compare"):
        page = view.open(f"/probe?model=metal-sound&view={name}&edit=gamma:2&edit=fill:0,0,0.5,0.5:mean").page
        wide = page.evaluate(
            "[...document.querySelectorAll('[data-testid=\"stMain\"], html')].map((e) => e.scrollWidth - e.clientWidth)"
        )
        assert max(wide) <= 0, name
        expect(page.get_by_text("Unexpected error")).to_have_count(0)


@pytest.mark.journey
def test_links_to_a_sweep_and_a_comparison_open_them(visitor):
    view = visitor()
    page = view.open("/probe?model=metal-sound&view=sweep&slider=rotate").page
    expect(page.get_by_text("degrees, counter-clockwise").or_(page.get_by_text("values tried")).first).to_be_visible()
    page.get_by_role("button", name=re.compile("^Sweep over")).click()
    expect(page.get_by_text("bands are 95 % intervals")).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="Figures (CSV)").scroll_into_view_if_needed()
    expect(page.get_by_role("heading", level=1)).not_to_be_in_viewport()
    expect(page.locator(".st-key-strip-sticky").get_by_role("button", name="Next")).to_be_in_viewport()
    page = view.open("/probe?model=metal-sound&view=compare&versus=metal-shortcut&map=saliency").page
    expect(view.map_of("Saliency")).to_have_count(2, timeout=SLOW)
    page.get_by_role("button", name=re.compile("^Compare on")).click()
    expect(page.get_by_text("McNemar's p")).to_be_visible(timeout=SLOW)
    assert {"versus": ["metal-shortcut"], "map": ["saliency"]}.items() <= view.query().items()
