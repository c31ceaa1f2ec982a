"""Visitors for the browser tests: a real server, a real Chromium, and a window that remembers what it complained of."""

import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright import sync_api
from playwright.sync_api import expect

from workbench.files.folders import cache_folder

expect.set_options(timeout=30_000)

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
NAMES = ("chromium", "chromium-browser", "google-chrome")
PROBES = ("/_stcore/health", "/_stcore/host-config")  # Streamlit itself tries these below a page's address
SLOW = 240_000  # on an idle machine a few seconds; a busy one must not fail
IDLE = """() => {
  const app = document.querySelector('[data-testid="stApp"]')?.dataset ?? {};
  const busy = app.testScriptState !== "notRunning" || app.testConnectionState !== "CONNECTED";
  if (busy || document.querySelector(".wb-awaits")) {  // it is drawn anew once torch is there
    window.idleSince = null;
    return false;
  }
  window.idleSince ??= performance.now();
  return performance.now() - window.idleSince > 400;
}"""


@contextlib.contextmanager
def served(folder, settings, *options):
    """The address of a server that `workbench run` starts in a folder with these variables, its journal there too, and
    its log."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "server.log"
    settings = (
        {"WORKBENCH_CACHE": str(_cache(folder))} | settings | {"WORKBENCH_JOURNAL": str(folder / "journal.sqlite")}
    )
    command = [Path(sys.executable).with_name("workbench"), "run", "--port", str(port), "--no-browser", *options]
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=settings, stdout=out, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            if process.poll() is not None:
                break
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                break
            time.sleep(0.2)
        assert process.poll() is None, f"the server did not start:\n{log.read_text()}"
        yield address, log
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def _cache(folder):
    """A cache of this server's own, but for the sets that are drawn on first use."""
    cache, sets = folder / "cache", cache_folder() / "sets"
    sets.mkdir(parents=True, exist_ok=True)
    if not cache.exists():
        cache.mkdir()
        (cache / "sets").symlink_to(sets, target_is_directory=True)
    return cache


def _server(folder):
    """A server without settings of the environment; of one thread, for as many servers run as files are tested."""
    settings = {k: v for k, v in os.environ.items() if not k.startswith(("WORKBENCH_", "STREAMLIT_"))}
    return served(folder, settings | {"OMP_NUM_THREADS": "1"})


@pytest.fixture(scope="session")
def common_server(tmp_path_factory):
    with _server(tmp_path_factory.mktemp("common server")) as found:
        yield found


@pytest.fixture(scope="module")
def own_server(tmp_path_factory):
    with _server(tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture(scope="module")
def server(request):
    """The address of a server and its log: one for all files of tests, since each has torch and the models to load;
    a file with `OWN_SERVER = True` has its own, for what others left there would be counted."""
    own = getattr(request.module, "OWN_SERVER", False)
    return request.getfixturevalue("own_server" if own else "common_server")


@pytest.fixture(scope="module")
def browser():
    """$CHROMIUM, a Chromium on the PATH, or the one that Playwright fetched."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_api.sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        except sync_api.Error as error:
            if path:
                raise
            pytest.skip(f"there is no Chromium: install one, or name it in CHROMIUM ({str(error).splitlines()[0]})")
        yield started
        started.close()


class View:
    """One visitor's window, and what it complained of."""

    def __init__(self, browser, address, **settings):
        self.address, self.complaints, self.missed = address, [], []
        self.context = browser.new_context(**{"viewport": {"width": 1440, "height": 1000}} | settings)
        self.context.on("request", lambda r: self._asked(r.url))
        self.context.set_default_navigation_timeout(SLOW)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.set_default_navigation_timeout(SLOW)
        self.page.on("websocket", lambda w: self._asked(w.url))
        self.page.on("console", self._logged)
        self.page.on("pageerror", lambda e: self.complaints.append(f"page error: {e}"))

    def _asked(self, url):
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != urlsplit(self.address).netloc:
            self.complaints.append(f"request to another host: {url}")

    def _logged(self, message):
        url = message.location.get("url", "")
        path = urlsplit(url).path
        if message.type == "error" and path.startswith("/media/"):
            self.missed.append(path)
        elif message.type == "error" and not path.endswith(PROBES):
            self.complaints.append(f"console: {message.text} {url}")

    def broken(self):
        """Images that did not come and are still shown; one that came too late because the page was drawn anew is none
        of them."""
        shown = (
            self.page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)")
            if self.missed
            else []
        )
        return [f"broken image: {url}" for url in shown if urlsplit(url).path in self.missed]

    def open(self, path):
        self.page.goto(path if path.startswith("http") else self.address + path)
        expect(self.page.get_by_role("heading", level=1)).to_be_visible(timeout=SLOW)
        return self.settled()

    def settled(self):
        """Wait until no run of the page is under way."""
        self.page.evaluate("window.idleSince = null")
        self.page.wait_for_function(IDLE, timeout=SLOW)
        expect(self.page.locator(".stException")).to_have_count(0)
        return self

    def choose(self, key, option):
        """Pick an option of the selectbox `key` by clicking."""
        box = self.page.locator(f".st-key-{key} input")
        box.scroll_into_view_if_needed()  # what scrolls after the click closes the list again
        self.page.wait_for_timeout(200)
        box.click()
        self.page.get_by_role("option", name=option).click()

    def press(self, key, label):
        self.page.locator(f".st-key-{key}").get_by_role("button", name=label, exact=True).click()

    def query(self):
        return parse_qs(urlsplit(self.page.url).query, keep_blank_values=True)

    def current(self, selector):
        """What the newest run drew: while a page is drawn anew, the old elements stand beside the new ones for a
        moment."""
        return self.page.locator(f'[data-testid="stElementContainer"][data-stale="false"] {selector}')

    def map_of(self, method):
        return self.current(f'img[alt^="{method} of "]')

    def wait_for_maps(self, *methods):
        for method in methods:
            expect(self.map_of(method)).to_have_count(1, timeout=SLOW)
        self.settled()
        for method in methods:
            expect(self.map_of(method)).to_be_visible()
        return self

    def pixels(self, method):
        """The image of a map as the browser got it."""
        answer = self.context.request.get(self.map_of(method).get_attribute("src"))
        assert answer.ok
        return np.asarray(Image.open(io.BytesIO(answer.body())).convert("RGB"), dtype=int)

    def download(self, label):
        with self.page.expect_download() as caught:
            self.page.get_by_role("button", name=label, exact=True).last.click()
        return caught.value.suggested_filename, Path(caught.value.path()).read_bytes()


@pytest.fixture
def visitor(browser, server, request, tmp_path):
    """Makes visitors who do not know of each other; none of them may see an error or ask another host."""
    address, log = server
    views, before = [], len(log.read_text())

    def arrive(**settings):
        views.append(View(browser, address, **settings))
        return views[-1]

    yield arrive
    failed = getattr(request.node, "failed", False)
    for number, view in enumerate(views):
        if failed:
            with contextlib.suppress(sync_api.Error):
                view.page.screenshot(path=tmp_path / f"visitor {number}.png", full_page=True)
        with contextlib.suppress(sync_api.Error):  # the test closed its window
            view.complaints += view.broken()
        view.context.close()
    if failed:
        print(f"screenshots: {tmp_path}\nserver log:\n{log.read_text()[-4000:]}")
    assert [c for view in views for c in view.complaints] == []
    assert "Traceback" not in log.read_text()[before:]


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def upload(view, key, name, data):
    view.page.locator(f".st-key-{key} input[type=file]").set_input_files({"name": name, "mimeType": "", "buffer": data})
