"""The whole journey of a quality engineer in a real browser: choose, drag, look into an escape, overrule it, verify, export."""

import csv
import io
import json
import re

import pytest
from browsing import SLOW
from playwright.sync_api import expect

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def number(text, pattern):
    return float(re.search(pattern, text).group(1).replace(",", ""))


def test_from_a_ceiling_to_a_record_that_holds(visitor):
    view = visitor()
    page = view.open("/defects?model=solar-cells").page
    page.get_by_role("radio", name="Escape ceiling").click()
    view.settled()
    chosen = number(page.get_by_text("A part is rejected from a score of").inner_text(), r"score of ([\d.]+)")
    expect(page.get_by_text("Chosen on the validation split")).to_be_visible()
    assert view.query()["choose"] == ["escape"]
    dragged = drag(view, to=0.4)
    assert dragged == pytest.approx(0.4, abs=0.01)
    assert abs(dragged - chosen) > 0.1
    assert view.query()["choose"] == ["hand"]

    page.get_by_role("radio", name="Decisions").click()
    view.settled()
    expect(view.current('img[alt^="Integrated gradients of "]')).to_have_count(1, timeout=SLOW)
    assert number(page.get_by_text("A part is rejected from a score of").inner_text(), r"score of ([\d.]+)") == dragged
    escape = view.query()["image"][0]
    expect(page.get_by_text(re.compile("^Passed: "))).to_be_visible()
    page.keyboard.press("n")
    view.settled()
    assert view.query()["image"][0] != escape
    page.keyboard.press("p")
    view.settled()
    assert view.query()["image"][0] == escape
    overrule(view, "Quinn", "A crack runs through the busbar.")

    page.get_by_role("link", name="Journal").click()
    view.settled()
    expect(page.get_by_text("Sound: 1 entry")).to_be_visible()
    name, data = view.download("Journal (CSV)")
    row = next(csv.DictReader(io.StringIO(data.decode())))
    assert (name, row["user"], row["image_name"], row["overruled"]) == ("journal.csv", "Quinn", escape, "defective")
    assert float(row["threshold"]) == pytest.approx(dragged, abs=5e-5)
    _, chain = view.download("Journal with its chain (JSON)")
    assert json.loads(chain)["entries"][0]["hash"] == page.locator("[data-testid=stCode]").inner_text().strip()


def drag(view, to):
    """Drag the threshold to a place of the histogram; the threshold that the page then speaks of."""
    box = view.page.locator('svg[role="slider"]').bounding_box()
    at = float(view.page.locator('svg[role="slider"]').get_attribute("aria-valuenow"))
    middle = box["y"] + box["height"] / 2
    view.page.mouse.move(box["x"] + at * box["width"], middle)
    view.page.mouse.down()
    view.page.mouse.move(box["x"] + (at + to) / 2 * box["width"], middle)
    view.page.mouse.move(box["x"] + to * box["width"], middle)
    readout = view.page.locator(".readout").inner_text()
    view.page.mouse.up()
    view.settled()
    assert readout == view.page.locator(".readout").inner_text()
    escapes = number(readout, r"Test split: ([\d,]+) of")
    assert view.page.locator('[data-testid="stTable"] tr', has_text="escapes").locator("td").last.inner_text() == f"{escapes:.0f}"
    return number(view.page.get_by_text("A part is rejected from a score of").inner_text(), r"score of ([\d.]+)")


def overrule(view, who, why):
    page = view.page
    page.get_by_label("Who decides").fill(who)
    page.get_by_role("button", name="Write into the journal").scroll_into_view_if_needed()
    view.settled()
    page.locator('[data-testid="stForm"] [data-testid="stSelectbox"]').get_by_role("button").click()
    page.get_by_role("option", name="It is defective").click()
    page.get_by_role("button", name="Write into the journal").click()
    expect(page.get_by_text("without a reason")).to_be_visible()
    page.get_by_label("Why").fill(why)
    page.get_by_role("button", name="Write into the journal").click()
    expect(page.get_by_text("Entry 1 was written into the journal")).to_be_visible()
    view.settled()
    expect(page.get_by_role("radio", name="Overruled (1)")).to_be_visible()
