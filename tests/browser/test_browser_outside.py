"""Nothing on a page reaches outside, and what people named stands as they typed it: every page, in a real Chromium."""

import http.server
import os
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright.sync_api", reason="the browser tests need Playwright: install the test extra")
from browsing import SLOW, View, served
from playwright.sync_api import expect

pytest_plugins = ["browsing"]
pytestmark = pytest.mark.browser
PROBES = ("sweep", "contrast", "attack", "behind", "concepts", "compare", "regions")
PAGES = (
    *("/", "/explain?class={class}&group={group}&method=saliency", "/bias?true={class}", "/data", "/journal"),
    *("/defects?view=decisions&queue=all&method=saliency", "/probe?view=edit"),
)
FURTHER = (
    *("/explain?method=saliency&evidence=quick", "/bias", "/defects", "/defects?view=masks"),
    *("/help", "/help?topic=methods", "/help?topic=troubleshooting"),
    *(f"/probe?view={view}" for view in PROBES),
)
FOUND = """(port) => [...document.querySelectorAll(
  'img,a,iframe,link,script,object,embed,video,audio,source,image,use')]
  .flatMap((e) => ['src', 'href', 'srcset', 'data', 'xlink:href'].map((name) => e.getAttribute(name) || ''))
  .filter((to) => to.includes(':' + port) || /^\\s*javascript:/i.test(to))"""
DRAWN = (
    "document.querySelectorAll('.stMain .katex, .stSidebar .katex, [data-testid=stIconMaterial][aria-label=\"bolt"
    " icon\"]').length"
)


@pytest.fixture
def outside():
    """A server that another machine might be, and what it was asked for."""
    asked = []

    class Log(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Log)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, asked
    server.shutdown()


class Hostile:
    """A model folder and an image set that would load from outside wherever their words were taken for more than
    words."""

    def __init__(self, folder, port):
        there = f"http://127.0.0.1:{port}"
        self.classes = [f"![a]({there}/class.png) $x^2$", f'<img src="{there}/class2.png"> :material/bolt:']
        self.attribute, self.values = (
            f"![b]({there}/name.png)",
            [f"[go](javascript:alert(1)) ![c]({there}/value.png)", "$y_2$ `v`"],
        )
        self.title, self.about = (
            f"![t]({there}/title.png)",
            f"![u]({there}/about.png) <img src={there}/about2.png> [v]({there}) $z^2$",
        )
        self.card = (
            f"# ![w]({there}/card.png)\n\nText :material/bolt: $q^2$ [out]({there}/link) ![r][ref] <img"
            f" src='{there}/raw.png'> <{there}/auto> {there}/bare\n\n[ref]: {there}/ref.png\n\n| a |\n|---|\n|"
            f" ![t]({there}/cell.png) |\n"
        )
        self.model, self.images = folder / "model", folder / "set" / "manifest.csv"
        self._write_model()
        self._write_images(port)

    def _write_model(self):
        import timm
        from safetensors.torch import save_file

        self.model.mkdir()
        save_file(timm.create_model("test_resnet", num_classes=2).state_dict(), self.model / "model.safetensors")
        (self.model / "MODEL_CARD.md").write_text(self.card)
        lines = [f"title = '''{self.title}'''", f"about = '''{self.about}'''", 'architecture = "timm:test_resnet"']
        names = ", ".join(f"'''{name}'''" for name in self.classes)
        lines += [
            'weights = "model.safetensors"',
            f"classes = [{names}]",
            f"positive = '''{self.classes[1]}'''",
            "threshold = 0.5",
        ]
        (self.model / "model.toml").write_text("\n".join([*lines, "[preprocessing]", "size = [64, 64]"]))

    def _write_images(self, port):
        import csv

        names = [f"![d](http:/127.0.0.1:{port}/{i}.png) $n^2$.png" for i in range(36)]
        self.images.parent.mkdir()
        with self.images.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["image", "label", "split", self.attribute])
            for i, name in enumerate(names):
                path = self.images.parent / name
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.random.default_rng(i).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
                table.writerow(
                    [name, self.classes[i % 2], ("train", "validation", "test")[i // 2 % 3], self.values[i // 6 % 2]]
                )


@pytest.fixture
def hostile(tmp_path, outside):
    return Hostile(tmp_path, outside[0])


@pytest.mark.parametrize("pages", [PAGES, pytest.param(PAGES + FURTHER, marks=pytest.mark.journey)], ids=len)
def test_nothing_that_people_named_is_taken_for_more_than_words(browser, hostile, outside, tmp_path, pages):
    port, asked = outside
    settings = {k: v for k, v in os.environ.items() if not k.startswith(("WORKBENCH_", "STREAMLIT_"))}
    names = ["--model", str(hostile.model), "--images", str(hostile.images)]
    audit = [
        Path(sys.executable).with_name("workbench"),
        "audit",
        *names,
        "--out",
        str(tmp_path / "audit"),
        "--attributions",
        "saliency",
    ]
    subprocess.run(audit, check=True, env=settings, capture_output=True)
    text, leaks = "", {}
    with served(tmp_path, settings, *names, "--audit", str(tmp_path / "audit")) as (address, log):
        view = View(browser, address)
        for path in pages:
            quoted = {"class": hostile.classes[0], "group": f"{hostile.attribute}: {hostile.values[0]}"}
            view.open(path.format(**{key: urllib.parse.quote(value) for key, value in quoted.items()}))
            view.page.evaluate("document.querySelectorAll('details:not([open]) > summary').forEach((e) => e.click())")
            view.settled()  # a page that is drawn anew closes what a click has just opened
            for button in view.page.get_by_role("button", name="Look for all of it").all():
                button.click()
                expect(button).to_have_count(0, timeout=SLOW)
                view.settled()
            for button in view.page.get_by_role("button", name="Model card").all():
                button.click()
                expect(view.page.get_by_test_id("stPopoverBody").last).to_be_visible()
            view.settled()
            text += view.page.locator("body").inner_text().replace("\u2060", "")
            leaks[path] = [*view.page.evaluate(FOUND, port), *["drawn"] * view.page.evaluate(DRAWN)]
        view.context.close()
        assert "Traceback" not in log.read_text()
    assert {path: found for path, found in leaks.items() if found} == {}
    assert [c for c in view.complaints if "127.0.0.1" in c] == []
    for said in (hostile.title, hostile.about, *hostile.values, *hostile.classes, "![r][ref]"):
        assert " ".join(said.split()) in " ".join(text.split()), said
    assert asked == []
    urllib.request.urlopen(f"http://127.0.0.1:{port}/heard").close()
    assert asked == ["/heard"]
