"""Uploads in a real Chromium: they outlive a reload, are the same in every tab, and no other browser sees them."""

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need Playwright: install the test extra")
from browsing import SLOW, upload, zipped
from laid import photo
from playwright.sync_api import expect

pytest_plugins = ["browsing"]
pytestmark = pytest.mark.browser

SET = zipped({f"{label}/{number}.png": photo(number) for label in ("ant", "bee") for number in range(3)})


def opened(view):
    view.page.get_by_text("Bring your own").click()
    return view


def chosen(view, name):
    expect(view.page.locator(".st-key-set input")).to_have_value(name, timeout=SLOW)


@pytest.mark.journey
def test_an_upload_outlives_a_reload_and_no_other_browser_sees_it(visitor):
    first = opened(visitor().open("/"))
    upload(first, "set-upload", "insects.zip", SET)
    chosen(first, "Your insects.zip")
    first.settled()
    first.page.reload()
    chosen(first, "Your insects.zip")
    first.settled()
    assert first.query()["set"] == ["Your insects.zip"]
    expect(first.page.get_by_text("is not there")).to_have_count(0)
    (cookie,) = (c for c in first.context.cookies() if c["name"].startswith("workbench_visitor"))
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["expires"], cookie["path"]) == (True, "Strict", -1, "/")
    assert "workbench" not in first.page.evaluate("document.cookie")

    tab = first.context.new_page()
    tab.goto(f"{first.address}/?set=Your insects.zip")
    expect(tab.locator(".st-key-set input")).to_have_value("Your insects.zip", timeout=SLOW)

    second = visitor()
    second.page.goto(f"{second.address}/?set=Your insects.zip")
    expect(second.page.get_by_text(re.compile("was uploaded, and is not there")).first).to_be_visible(timeout=SLOW)
    planted = cookie | {"value": "A" * 43}
    third = visitor()
    third.context.add_cookies([planted])
    third.page.goto(f"{third.address}/?set=Your insects.zip")
    expect(third.page.get_by_text(re.compile("was uploaded, and is not there")).first).to_be_visible(timeout=SLOW)
    assert planted["value"] not in [c["value"] for c in third.context.cookies()]

    opened(first).page.get_by_role("button", name="Forget my uploads").click()
    first.settled()
    tab.reload()
    expect(tab.get_by_text(re.compile("“Forget my uploads” was pressed")).first).to_be_visible(timeout=SLOW)
