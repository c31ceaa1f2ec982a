"""The report as a reviewer opens it: without a network and with scripts off, light and dark, narrow and printed."""

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need Playwright: install the test extra")
from axe_playwright_python.sync_playwright import Axe

pytest_plugins = ["browsing", "reported"]
pytestmark = pytest.mark.browser
GRAVE = ("serious", "critical", "moderate")


def test_it_opens_without_a_network_and_has_no_barrier(browser, text, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(text, encoding="utf-8")
    for scheme in ("light", "dark"):
        for width in (1440, 400):
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, bypass_csp=False
            )
            page, asked, said = context.new_page(), [], []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("console", lambda message, said=said: said.append(message.text))
            page.goto(path.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert page.locator("img").first.evaluate("image => image.complete && image.naturalWidth > 0")
            page.locator("#questions li a").last.click()
            assert page.url.endswith("#check")
            assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
            assert said == []
            faults = [fault for fault in Axe().run(page).response["violations"] if fault["impact"] in GRAVE]
            assert [(fault["id"], fault["nodes"][0]["html"][:160]) for fault in faults] == []
            if scheme == "dark" and width == 1440:
                pdf = page.pdf(prefer_css_page_size=True)
                assert pdf.startswith(b"%PDF")
                assert pdf.count(b"/Type /Page\n") > 3
            context.close()
