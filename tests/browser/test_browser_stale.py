"""What changes on disk while the app runs, in a real Chromium: labels, a threshold, and one set in two tabs at once."""

import re
import shutil

import pytest

import workbench as wb
from workbench.catalog import shared

pytest.importorskip("playwright.sync_api", reason="the browser tests need Playwright: install the test extra")
from browsing import SLOW
from playwright.sync_api import expect

pytest_plugins = ["browsing"]
pytestmark = pytest.mark.browser


@pytest.fixture
def parts(tmp_path):
    """A folder of parts in class folders, and a model of two decisions with a threshold, both of the user's own."""
    folder, left = tmp_path / "parts", {"good": 30, "scratch": 30}
    for number, item in enumerate(item for item in wb.load_images("stamped-metal") if left.get(item.label)):
        if left[item.label]:
            left[item.label] -= 1
            path = folder / item.label / f"{number:03d}.bmp"
            path.parent.mkdir(parents=True, exist_ok=True)
            item.open().save(path)
    shutil.copytree(shared("models/metal-sound"), tmp_path / "model")
    ruled(tmp_path / "model", 0.5)
    return folder, tmp_path / "model"


def ruled(model, threshold):
    text = shared("models/metal-sound/model.toml").read_text()
    rule = f'positive = "scratch"\nthreshold = {threshold}\n\n[preprocessing]'
    (model / "model.toml").write_text(text.replace("[preprocessing]", rule))


def accuracy(model, folder):
    """Counted by hand of answers that are asked for anew."""
    images = wb.load_images(folder)
    called = wb.predict(wb.load_classifier(model), images).frame["predicted"]
    return sum(item.label == name for item, name in zip(images, called, strict=True)) / len(images)


def says(view, share):
    metric = view.page.locator('[data-testid="stMetric"]').filter(has_text="Accuracy")
    expect(metric).to_contain_text(f"{share:.1%}", timeout=SLOW)


@pytest.mark.journey
def test_corrected_labels_and_an_edited_threshold_show_without_a_restart(visitor, parts):
    folder, model = parts
    view = visitor().open(f"/?model={model}&set={folder}")
    view.page.get_by_role("button", name=re.compile("Predict all 60 images")).click()
    shares = [accuracy(model, folder)]
    says(view, shares[-1])
    paths = sorted(folder.rglob("*.bmp"), reverse=True)
    rows = [f"{path.relative_to(folder)},{'good' if i < 9 else path.parent.name}" for i, path in enumerate(paths)]
    (folder / "manifest.csv").write_text("image,label\n" + "\n".join(rows))
    view.page.reload()
    shares.append(accuracy(model, folder))
    says(view, shares[-1])
    ruled(model, 0.001)
    view.page.reload()
    shares.append(accuracy(model, folder))
    says(view, shares[-1])
    assert len(set(shares)) == 3


@pytest.mark.journey
def test_a_second_tab_joins_the_audit_of_the_first(visitor, parts):
    folder, model = parts
    part = next(folder.rglob("*.bmp")).read_bytes()
    for number in range(600):
        (folder / "good" / f"copy {number}.bmp").write_bytes(part + str(number).encode())
    first, second = (visitor().open(f"/?model={model}&set={folder}") for _ in range(2))
    for view in (first, second):
        view.page.get_by_role("button", name=re.compile("Predict all 660 images")).click()
    for view in (first, second):
        says(view, accuracy(model, folder))
    for view in (first, second):
        expect(view.page.get_by_text("Another audit")).to_have_count(0)
        expect(view.page.get_by_text(str(folder.parent))).to_have_count(0)
