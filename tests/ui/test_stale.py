"""What people change while the app runs shows on its pages: labels, attributes, bytes of images and masks, thresholds,
weights."""

import csv
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

import workbench as wb
from workbench.catalog import shared
from workbench.ui import runs, session

CLASSES = ("good", "scratch", "pit", "stain", "dent")


@pytest.fixture(scope="module")
def drawn():
    return wb.load_images("stamped-metal")


@pytest.fixture
def parts(tmp_path, monkeypatch, drawn):
    """A folder of 24 parts as BMPs in class folders, and the app on one's own machine."""
    monkeypatch.setattr(session, "local", lambda: True)
    folder, left = tmp_path / "parts", dict.fromkeys(("good", "scratch", "pit"), 8)
    for item in (item for item in drawn if left.get(item.label)):
        left[item.label] -= 1
        path = folder / item.label / "of the line" / f"{item.name.replace('/', '-')}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        item.open().save(path)
    return folder


def files(folder):
    return sorted(path for path in folder.rglob("*.bmp"))


def figures(at, label):
    """A headline figure as the page says it, in per cent."""
    (metric,) = [m for m in at.metric if m.label == label]
    return float(re.sub("[^0-9.]", "", metric.value))


def right(model, folder):
    """How many per cent of the labelled images are right: asked anew, and counted by hand."""
    images = wb.load_images(folder)
    frame = wb.predict(wb.load_classifier(model), images).frame
    labels = [item.label for item in images]
    judged = [(a, b) for a, b in zip(labels, frame["predicted"], strict=True) if a in CLASSES]
    return 100 * sum(a == b for a, b in judged) / len(judged)


def predicted(at):
    return next(b for b in at.button if b.label.startswith("Predict")).click().run().sound()


def manifest(folder, **columns):
    """Lists the parts with the columns that are given as functions of a part's path and number."""
    with (folder / "manifest.csv").open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["image", *columns])
        for number, path in enumerate(files(folder)):
            rows.writerow([path.relative_to(folder).as_posix(), *(make(path, number) for make in columns.values())])


def label_of(path):
    return path.parent.parent.name


def test_labels_that_are_corrected_change_every_figure_and_cost_no_prediction(visit, parts, monkeypatch):
    at = predicted(visit(model="metal-sound", set=str(parts)))
    assert figures(at, "Accuracy") == pytest.approx(right("metal-sound", parts), abs=0.06)
    monkeypatch.setattr(runs, "audited", lambda *_, **__: pytest.fail("nothing has to be computed"))
    swap = {"good": "scratch", "scratch": "good", "pit": "dent"}
    seen = {figures(at, "Accuracy")}
    for turned in (6, 24):
        manifest(
            parts, label=lambda path, number, turned=turned: swap[label_of(path)] if number < turned else label_of(path)
        )
        at.run().sound()
        assert figures(at, "Accuracy") == pytest.approx(right("metal-sound", parts), abs=0.06)
        seen.add(figures(at, "Accuracy"))
    assert len(seen) == 3


def test_an_attribute_that_is_added_can_be_grouped_by_at_once(visit, parts):
    predicted(visit(model="metal-sound", set=str(parts)))
    manifest(
        parts, label=lambda path, number: label_of(path), camera=lambda path, number: ("left", "right")[number % 2]
    )
    at = visit("bias", model="metal-sound", set=str(parts)).sound()
    assert at.selectbox(key="by").options == ["camera"]


def test_images_that_are_written_over_at_the_same_size_lose_their_figures(visit, parts):
    at = predicted(visit(model="metal-sound", set=str(parts)))
    before = figures(at, "Accuracy")
    paths = files(parts)
    noise = np.random.default_rng(0)
    for number, path in enumerate(paths):
        was, size = path.stat(), Image.open(path).size
        Image.fromarray(noise.integers(0, 256, (*size[::-1], 3), np.uint8)).save(path)
        assert path.stat().st_size == was.st_size
        if number % 2:
            os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    at.run().sound()
    assert not at.metric
    assert any("All of these images have changed" in said for said in at.said())
    at = predicted(at)
    assert figures(at, "Accuracy") == pytest.approx(right("metal-sound", parts), abs=0.06) != before


def test_an_image_far_down_is_seen_and_it_alone_is_computed(visit, parts, monkeypatch):
    at = predicted(visit(model="metal-sound", set=str(parts)))
    new = parts / "good" / "of the line" / "day 2" / "shift 1" / "new.bmp"
    new.parent.mkdir(parents=True)
    Image.new("RGB", (128, 128), (90, 90, 90)).save(new)
    at.run().sound()
    assert any("1 of 25 images are new or have changed" in said for said in at.said())
    asked = []
    real = wb.Classifier.logits
    monkeypatch.setattr(wb.Classifier, "logits", lambda self, x: asked.append(len(x)) or real(self, x))
    at = predicted(at)
    assert sum(asked) == 1
    assert any("25 labelled" in c.value for c in at.caption)


@pytest.fixture
def ruled(tmp_path, monkeypatch):
    """A model of one's own with a threshold, and what rewrites it."""
    monkeypatch.setattr(session, "local", lambda: True)
    folder = tmp_path / "model"
    shutil.copytree(shared("models/metal-sound"), folder)
    text = (folder / "model.toml").read_text()

    def write(threshold):
        rule = f'positive = "scratch"\nthreshold = {threshold}\n\n[preprocessing]'
        (folder / "model.toml").write_text(text.replace("[preprocessing]", rule))
        return folder

    return write


def decided(folder, item, threshold):
    """The class by the rule of the README, asked anew."""
    probabilities = wb.predict(wb.load_classifier(folder), [item]).probabilities[0].astype(np.float64)
    if probabilities[1] >= threshold:
        return "scratch"
    return CLASSES[max((k for k in range(5) if k != 1), key=lambda k: probabilities[k])]


def test_a_threshold_that_is_edited_on_disk_holds_at_once_for_figures_and_decisions(visit, parts, ruled):
    item = next(item for item in wb.load_images(parts) if item.label == "good")
    ref = str(ruled(0.5))
    score = float(wb.predict(wb.load_classifier(ref), [item]).probabilities[0, 1])
    address = {"model": ref, "set": str(parts)}
    predicted(visit(**address))
    for threshold in (0.5, score / 2, min(1.0, score * 2)):
        ruled(threshold)
        at = visit(**address).sound()
        assert figures(at, "Accuracy") == pytest.approx(right(ref, parts), abs=0.06)
        at = visit("explain", image=item.name, method="saliency", **address).sound()
        (said,) = re.findall('wb-decision">(.*?)<', "".join(h.value for h in at.html))
        assert said == decided(ref, item, threshold)


def test_weights_that_are_exchanged_at_the_same_size_and_time_are_another_model(visit, parts, ruled):
    ref = str(ruled(0.5))
    at = predicted(visit(model=ref, set=str(parts)))
    path = next(p for p in os.scandir(ref) if p.name.endswith(".safetensors")).path
    was = os.stat(path)
    weights = load_file(path)
    last = list(weights)[-1]
    save_file({**weights, last: -weights[last]}, path)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert os.stat(path).st_size == was.st_size
    at.run().sound()
    assert not at.metric, "the old model's figures are not those of the new weights"
    at = predicted(at)
    assert figures(at, "Accuracy") == pytest.approx(right(ref, parts), abs=0.06)


def test_an_item_tells_the_digest_of_what_its_file_holds_now(tmp_path):
    import hashlib

    path = tmp_path / "a.bmp"
    Image.new("RGB", (8, 8), "red").save(path)
    item = wb.load_images(tmp_path).items[0]
    first = item.id
    was = path.stat()
    Image.new("RGB", (8, 8), "blue").save(path)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert item.id == hashlib.sha256(path.read_bytes()).hexdigest() != first


def test_summed_up_maps_that_are_damaged_or_no_longer_fit_are_said_to_be_and_made_anew(
    visit, parts, monkeypatch, tmp_path
):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    address = {"model": "metal-sound", "set": str(parts), "maps": "saliency"}
    predicted(visit("overview", **address))

    def looked(at):
        return next(b for b in at.button if b.label == "Make the mean maps").click().run().sound()

    at = looked(visit("bias", **address))
    (path,) = (tmp_path / "cache").rglob("attributions/saliency.parquet")
    good = path.read_bytes()
    path.write_bytes(good[:2000] + bytes(60) + good[2060:])
    at = visit("bias", **address)
    assert [w.value for w in at.warning if "saliency.parquet" in w.value.replace("\\", "") and "damaged" in w.value]
    looked(at)
    manifest(parts, label=lambda path, number: {"good": "pit"}.get(label_of(path), label_of(path)))
    at = visit("bias", **address).sound()
    assert any("no longer fit" in said for said in at.said())
    assert not any("no longer fit" in said for said in looked(at).said())


def test_a_set_that_takes_long_to_look_at_is_looked_at_aside_and_no_visitor_waits(parts, monkeypatch):
    import threading

    from workbench.ui import sets

    monkeypatch.setattr(sets, "REST", 0)
    held = sets._Shared(str(parts), trusted=True)
    assert len(held.current()) == 24
    monkeypatch.setattr(sets, "QUICK", -1.0)
    (parts / "good" / "new.bmp").write_bytes(files(parts)[0].read_bytes())
    assert len(held.current()) == 24, "the visitor does not wait"
    for thread in threading.enumerate():
        if thread.name == "look at files":
            thread.join(30)
    monkeypatch.setattr(sets, "REST", 1e9)
    assert len(held.current()) == 25
