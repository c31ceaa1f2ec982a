"""Editing in a real browser: draw on the picture, watch the decision, undo, and hand the link to somebody else."""

import re

import pytest
from browsing import SLOW
from playwright.sync_api import expect

from workbench.probe.edits import read

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def box(view, left, top, right, bottom):
    """Draw a box, in shares of the picture."""
    frame = view.page.locator(".frame")
    frame.scroll_into_view_if_needed()
    area = frame.bounding_box()
    ends = [(area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in ((left, top), (right, bottom))]
    view.page.mouse.move(*ends[0])
    view.page.mouse.down()
    view.page.mouse.move(*[(a + b) / 2 for a, b in zip(*ends, strict=True)])
    view.page.mouse.move(*ends[1])
    view.page.mouse.up()
    view.settled()


def test_draw_undo_and_share(visitor):
    view = visitor()
    page = view.open("/probe?model=solar-cells&image=cell0001.png").page
    expect(view.current('img[alt^="Difference: Grad-CAM of "]')).to_have_count(1, timeout=SLOW)
    view.settled()
    before = page.locator(".frame img").get_attribute("src")
    box(view, 0.2, 0.3, 0.5, 0.8)
    edit = read(view.query()["edit"][0])
    assert edit.boxes[0] == pytest.approx((0.2, 0.3, 0.5, 0.8), abs=0.01)
    assert page.locator(".frame img").get_attribute("src") != before
    expect(page.get_by_role("heading", name=re.compile("^Still defective|has become functional"))).to_be_visible()
    box(view, 0.6, 0.6, 0.9, 0.9)
    assert len(read(view.query()["edit"][0]).boxes) == 2  # boxes in a row are one edit
    page.get_by_role("slider", name="Rotation").press("ArrowRight")
    view.settled()
    assert [read(text).kind for text in view.query()["edit"]] == ["fill", "rotate"]

    other = visitor()
    other.open(page.url)
    expect(other.page.get_by_text("1. Fill 2 regions")).to_be_visible()
    expect(other.page.get_by_text("2. Rotation 1")).to_be_visible()
    assert other.page.locator(".frame img").get_attribute("src") == page.locator(".frame img").get_attribute("src")
    assert other.download("Edited picture (PNG)")[1] == view.download("Edited picture (PNG)")[1]

    for left in (1, 0):
        page.get_by_role("button", name="Undo").click()
        view.settled()
        assert len(view.query().get("edit", [])) == left
    assert page.locator(".frame img").get_attribute("src") == before
    expect(page.get_by_text("Not edited yet")).to_be_visible()
