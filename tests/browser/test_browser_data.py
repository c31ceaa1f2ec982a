"""The journey of somebody whose test images were seen in training: from the banner to a model trained without leaks."""

import csv
import io
import re

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need Playwright: install the test extra")
from browsing import SLOW
from commands import call
from PIL import Image, ImageEnhance
from plain_nets import model_folder
from playwright.sync_api import expect
from scipy.ndimage import gaussian_filter

pytest_plugins = ["browsing"]
pytestmark = pytest.mark.browser
TWINS = {0: "train", 7: "train", 16: "validation"}
"""Parts by number whose second shot stands in the test split, and where the first does."""


def texture(seed):
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(64, 64)), 1.5)
    return Image.fromarray(((field - field.min()) / np.ptp(field) * 200).astype(np.uint8))


def parts(folder):
    """Thirty-six parts of two classes in three splits, of which three are shown again in the test split."""
    for number in range(36):
        split = "train" if number < 16 else "validation" if number < 24 else "test"
        label = ("good", "bad")[number % 2]
        path = folder / split / label / f"part{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        texture(number).save(path)
    for number in TWINS:
        again = ImageEnhance.Brightness(texture(number)).enhance(1.2)
        again.save(folder / "test" / ("good", "bad")[number % 2] / f"part{number:02}again.png")


@pytest.fixture
def journal(server):
    """That of the server, for the commands too."""
    return server[1].parent / "journal.sqlite"


def press(view, label):
    view.settled().page.get_by_role("button", name=label, exact=True).first.click()
    return view


@pytest.mark.journey
def test_from_the_banner_to_a_model_that_is_trained_by_part(visitor, tmp_path, journal, monkeypatch):
    parts(tmp_path / "set")
    model_folder(tmp_path / "model")
    view = visitor().open(f"/data?model={tmp_path / 'model'}&set={tmp_path / 'set'}")
    _found(view)
    _wiped(view)
    _told_apart(view)
    _in_force(view)
    file, data = view.settled().download("Manifest (CSV)")
    assert file == "manifest.csv"
    _trained(tmp_path, data, journal, monkeypatch)


def _found(view):
    """The parts are found, and the banner on Overview leads to what leaks."""
    summary = view.page.locator(".wb-summary")
    expect(summary).to_contain_text("not looked for yet")
    press(view, "Look for images of one part")
    expect(view.page.get_by_text("6 of 39 images show 3 parts several times").first).to_be_visible(timeout=SLOW)
    view.settled().page.get_by_role("link", name="Overview").first.click()
    banner = view.page.locator('[data-testid="stAlert"]').filter(has_text="that is also among")
    expect(banner).to_contain_text("2 of 15 test images (13.3 %)", timeout=SLOW)
    view.settled().page.get_by_role("link", name="What leaks, and a split without it").click()
    expect(view.page.get_by_role("heading", name="Data", level=1)).to_be_visible(timeout=SLOW)
    expect(summary.get_by_role("link", name="Leaks between splits")).to_have_attribute("href", "#leaks")


def _wiped(view):
    """The slider between two images goes by keys, and stands in the link."""
    press(view, "Slider")
    line = view.page.get_by_role("slider", name=re.compile("^Wipe from "))
    line.focus()
    for _ in range(3):
        line.press("ArrowLeft")
    expect(line).to_have_attribute("aria-valuetext", re.compile("^47 % "))
    assert re.fullmatch("[0-9a-f]{12}", view.settled().query()["wipe"][0])
    press(view, "Close the slider")
    expect(line).to_have_count(0)
    assert "wipe" not in view.settled().query()


def _told_apart(view):
    """A person says that one pair is not the same."""
    name = view.page.get_by_label("Your name, to tell pairs apart")
    name.fill("Ada")
    name.press("Enter")
    word = view.page.get_by_role("button", name="Not the same", exact=True)
    expect(word).to_have_count(len(TWINS), timeout=SLOW)
    boxes = view.settled().page.locator('[class*="st-key-twins-"]').all_inner_texts()
    pairs = [text for text in boxes if "again" in text]
    word.nth(next(place for place, text in enumerate(pairs) if "part07again" in text)).click()
    expect(view.page.get_by_text("4 of 39 images show 2 parts several times").first).to_be_visible(timeout=SLOW)


def _in_force(view):
    """The grouped split is put into force, a banner says what it counts, and leads to the manifest that holds it."""
    press(view, "Use this split")
    expect(view.page.get_by_text("This page speaks of the split as it is stated.")).to_be_visible(timeout=SLOW)
    assert re.fullmatch("[0-9a-f]{16}", view.settled().query()["dealt"][0])
    view.page.get_by_role("link", name="Overview").first.click()
    banner = view.page.locator('[data-testid="stAlert"]').filter(has_text="A proposed split is in force")
    expect(banner).to_contain_text("test split are on 13 images, 15 as the split is stated", timeout=SLOW)
    view.settled().page.get_by_role("link", name="Train on it").click()
    tick = view.page.get_by_label("The grouped split, images that change sides: 2")
    expect(tick).to_be_checked(timeout=SLOW)


def _trained(folder, data, journal, monkeypatch):
    """The command reads the manifest from anywhere, keeps each part on one side, and its card counts parts."""
    rows = {row["image"]: row for row in csv.DictReader(io.StringIO(data.decode()))}
    assert len(rows) == 39
    for number, split in TWINS.items():
        label = ("good", "bad")[number % 2]
        pair = [rows[f"{split}/{label}/part{number:02}.png"], rows[f"test/{label}/part{number:02}again.png"]]
        same = pair[0]["split"] == pair[1]["split"]
        assert (same, pair[0]["family"] == pair[1]["family"]) == ((False, False) if number == 7 else (True, True))
    (folder / "downloads").mkdir()
    (folder / "downloads" / "manifest.csv").write_bytes(data)
    monkeypatch.setenv("WORKBENCH_JOURNAL", str(journal))
    settings = ("--epochs", "1", "--size", "32")
    assert call("train", str(folder / "downloads" / "manifest.csv"), "--out", str(folder / "trained"), *settings) == 0
    card = (folder / "trained" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "4 of 39 images show 2 parts several times" in " ".join(card.split())
    assert "that also trains" not in card
