"""The tour in a real browser: a link restores page and step, keys turn the slides, and who leaves is left alone."""

import re

import pytest
from browsing import SLOW
from playwright.sync_api import expect

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def has_nothing_to_operate(view):
    page = view.page
    view.settled()
    for hidden in ("stSidebar", "stHeader", "stToolbar"):
        for element in page.get_by_test_id(hidden).all():
            expect(element).to_be_hidden()
    assert page.locator("button:visible, input:visible, a:visible:not([data-testid=stSkipToContent])").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_from_a_link_through_the_slides_to_leaving_for_good(visitor):
    view = visitor(viewport={"width": 1440, "height": 900})
    page = view.open("/?tour=4").page
    expect(page).to_have_url(re.compile(r"/data\?.*tour=4"), timeout=SLOW)
    band = page.locator(".st-key-tour")
    expect(band).to_contain_text("Tour, 4 of 6")
    heading = page.get_by_role("heading", name="What leaks between splits")
    expect(heading).to_be_in_viewport(timeout=SLOW)
    expect(band).to_be_in_viewport()
    bottom = band.bounding_box()["y"] + band.bounding_box()["height"]
    assert heading.bounding_box()["y"] >= bottom

    page.get_by_role("button", name="Present").click()

    def titled(words):
        expect(page.get_by_role("heading", level=1, name=words)).to_be_visible(timeout=SLOW)

    titled("Do the figures stand?")
    view.settled()  # keys are heard once the slide stands
    for key, step in (("PageDown", "Where should the threshold be?"), ("PageUp", "Do the figures stand?")):
        page.keyboard.press(key)
        titled(step)
    page.keyboard.press("PageDown")
    page.keyboard.press("ArrowRight")
    titled("What is handed on?")
    has_nothing_to_operate(view)
    page.keyboard.press("Escape")
    expect(band).to_contain_text("Tour, 6 of 6", timeout=SLOW)
    view.settled()
    assert "present" not in view.query()
    page.get_by_test_id("stSidebar").get_by_role("link", name="Help").click()
    titled("Help")
    expect(band.get_by_role("link", name="Back to this step")).to_be_visible()
    view.settled()
    page.get_by_role("button", name="End the tour").click()
    expect(band).to_have_count(0)
    page.wait_for_function("document.cookie.includes('workbench_tour_left=1')")
    view.open("/")
    expect(page.get_by_role("button", name="Copy link")).to_be_visible()
    expect(page.get_by_role("link", name="New here?")).to_have_count(0)
