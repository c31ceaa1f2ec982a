"""What a reader meets on any page: the verdict at first sight, its proof two clicks away, what is found on every page,
no barrier that axe-core knows, and a page that prints."""

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need Playwright: install the test extra")
from axe_playwright_python.sync_playwright import Axe
from browsing import SLOW
from decisions import overruled
from playwright.sync_api import expect

from workbench.catalog import home
from workbench.journal.store import Journal

pytest_plugins = ["browsing"]
pytestmark = pytest.mark.browser
PAGES = (
    *("/", "/explain?method=saliency", "/probe", "/data", "/bias?shortcuts=on", "/reliability", "/defects"),
    *(
        "/defects?view=decisions",
        "/defects?view=masks&model=metal-sound&set=stamped-metal",
        "/journal",
        "/agreement",
        "/report",
        "/help",
    ),
    *("/?tour=1", "/?tour=5&present=1"),
)
"""Every page, with what it shows of the solar cells; the masks are those of the stamped metal."""
GRAVE = ("serious", "critical")
ORDER = ("heading-order", "empty-table-header", "page-has-heading-one")
"""Rules that axe-core calls moderate or minor, and that hold here too."""
OF_COLOUR = ("color-contrast", "link-in-text-block")
"""Rules whose outcome another colour scheme changes."""


def bottom(locator):
    box = locator.bounding_box()
    return box["y"] + box["height"]


@pytest.mark.parametrize(("width", "height", "screens", "page"), [(1440, 900, 1, "/"), (400, 850, 2, "/overview")])
def test_subject_verdict_and_worst_stand_at_first_sight(visitor, width, height, screens, page):
    view = visitor(viewport={"width": width, "height": height}).open(page)
    expect(view.page.get_by_text("Page not found")).to_have_count(0)
    subject = view.page.get_by_role("heading", level=1)
    expect(subject).to_have_text("Solar cells: is this solar cell functional or defective?")
    verdict, worst = view.page.locator(".wb-verdict"), view.page.get_by_role("link", name="92 missed defects")
    expect(verdict).to_have_text(re.compile("Not fit for use as it is"), timeout=SLOW)
    assert bottom(subject) < bottom(verdict) <= height
    assert bottom(worst) <= screens * height
    assert view.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.journey
def test_from_the_overview_to_a_missed_defect_and_its_proof_in_two_clicks(visitor):
    view = visitor(viewport={"width": 1440, "height": 900}).open("/?model=metal-shortcut&set=stamped-metal")
    view.page.locator(".st-key-tiles-escape").get_by_role("link").first.click()
    expect(view.page.get_by_role("heading", name="Explain", level=1)).to_be_visible()
    view.wait_for_maps("Grad-CAM")
    expect(view.page.get_by_text("Missed defect: called good").first).to_be_visible()
    expect(view.page.get_by_text("1 of 9").first).to_be_visible()
    assert view.query()["verdict"] == ["escape"]
    view.page.locator(".st-key-evidence").get_by_role("radio", name="Quick").click()
    expect(view.page.get_by_role("table").filter(has_text="In sum")).to_contain_text("checks", timeout=SLOW)


@pytest.mark.journey
def test_the_search_for_shortcuts_shows_how_far_it_is_and_stops(visitor):
    """All of it takes minutes; what it finds is tested without a browser."""
    view = visitor().open("/bias?model=metal-shortcut&set=stamped-metal")
    expect(view.page.locator('[class*="st-key-accused"]')).to_have_count(0)
    view.page.get_by_role("button", name="Search for shortcuts").click()
    expect(view.page.get_by_text(re.compile(r"Transplanting cues: \d+ of \d+"))).to_be_visible(timeout=SLOW)
    view.page.get_by_role("button", name="Stop").click()
    expect(view.page.get_by_text(re.compile("stopped"))).to_be_visible(timeout=SLOW)
    expect(view.page.get_by_role("button", name="Continue")).to_be_visible()
    assert view.query()["shortcuts"] == ["on"]


@pytest.mark.timeout(900)
def test_axe_finds_no_barrier_on_any_page_light_or_dark(visitor, server):
    assert {page.partition("?")[0].strip("/") or "overview" for page in PAGES} == {
        path.stem for path in (home() / "pages").glob("*.py")
    }
    Journal(server[1].parent / "journal.sqlite").append(overruled())
    view, faults = visitor(color_scheme="light"), []
    for page in PAGES:
        view.open(page)
        for scheme, rules in (("light", None), ("dark", {"runOnly": OF_COLOUR})):
            view.page.emulate_media(color_scheme=scheme)
            view.settled()
            for fault in Axe().run(view.page, options=rules).response["violations"]:
                if fault["impact"] in GRAVE or fault["id"] in ORDER:
                    faults.append(f"{page} {scheme}: {fault['id']}: {fault['nodes'][0]['html'][:160]}")
    assert faults == []


def test_axe_sees_a_barrier_that_is_there(visitor):
    view = visitor().open("/help")
    view.page.evaluate("document.querySelector('h1').insertAdjacentHTML('afterend', '<p style=color:#999>grey</p>')")
    for rules in (None, {"runOnly": OF_COLOUR}):
        found = Axe().run(view.page, options=rules).response["violations"]
        assert "color-contrast" in [fault["id"] for fault in found]


@pytest.mark.parametrize("page", ["/", pytest.param("/bias", marks=pytest.mark.journey)])
def test_a_printed_page_has_no_controls_and_nothing_cut(visitor, page):
    view = visitor(color_scheme="dark").open(page)
    view.page.emulate_media(media="print")
    for hidden in ("stSidebar", "stHeader", "stPopover"):
        for element in view.page.get_by_test_id(hidden).all():
            expect(element).to_be_hidden()
    for control in (".stButton", ".stDownloadButton"):
        expect(view.page.locator(f"{control}:visible")).to_have_count(0)
    expect(view.page.get_by_role("heading", level=1)).to_be_visible()
    assert view.page.evaluate("getComputedStyle(document.querySelector('.stMain')).overflow") == "visible"
    assert (
        view.page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor") == "rgb(255, 255, 255)"
    )
    pdf = view.page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") >= 2
