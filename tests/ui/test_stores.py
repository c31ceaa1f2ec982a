"""Stored results: joined with the set of today, told apart by mask, label and background, shared by tabs, and sound or
refused."""

import dataclasses
import json
import shutil
import threading
import time

import numpy as np
import pytest
import torch
from corner import Corner
from PIL import Image
from streamlit.testing.v1 import AppTest

import workbench as wb
from workbench.audit.known import known_outputs
from workbench.audit.reader import open_audit, open_summaries
from workbench.audit.runner import LOCK, BusyError, look, run
from workbench.drawing.render import to_png
from workbench.errors import InputError
from workbench.images.item import BytesSource, FileSource, ImageItem, ImageSet
from workbench.predictions.table import Predictions
from workbench.ui import choice

torch.set_num_threads(1)
CLASSES = ("good", "bad")


def classifier(**settings):
    return wb.load_classifier(
        Corner().eval(), size=(16, 16), classes=CLASSES, mean=(0, 0, 0), std=(1, 1, 1), device="cpu", **settings
    )


@pytest.fixture
def images(tmp_path):
    noise, items = np.random.default_rng(0), []
    for i in range(12):
        path = tmp_path / f"{i}.png"
        Image.fromarray(noise.integers(1, 256, (20, 32, 3), np.uint8)).save(path)
        items.append(ImageItem(path.name, FileSource(path), CLASSES[i % 2], split=("train", "test")[i > 5]))
    return ImageSet("set", tuple(items), CLASSES)


def finished(steps):
    return list(steps)


def same(one: Predictions, other: Predictions):
    return one.frame.equals(other.frame) and np.array_equal(one.probabilities, other.probabilities, equal_nan=True)


# Outputs are joined with the set and the rule of today


def test_outputs_are_joined_with_labels_splits_attributes_and_threshold_of_today(images, tmp_path):
    clf = classifier(positive="bad", threshold=0.5)
    finished(run(clf, images, tmp_path / "audit"))
    wb.predict(clf, images.items).save(tmp_path / "predictions.parquet")
    changed = ImageSet(
        "another name",
        tuple(
            dataclasses.replace(
                item,
                label=CLASSES[1 - i % 2],
                split="validation",
                attributes={"camera": i % 3},
                name=f"new/{item.name}",
            )
            for i, item in enumerate(reversed(images.items))
        ),
        CLASSES,
    )
    fresh = wb.predict(dataclasses.replace(clf, rule=dataclasses.replace(clf.rule, threshold=0.7)), changed.items)
    for folder, others in ((tmp_path / "audit", ()), (tmp_path / "none", (tmp_path / "predictions.parquet",))):
        joined = known_outputs(changed, clf.key, fresh.rule, folder, others).predictions
        assert joined.rule.threshold == 0.7
        assert np.allclose(joined.probabilities, fresh.probabilities, atol=1e-6)
        for column in ("name", "id", "label", "split", "camera", "predicted", "verdict"):
            assert joined.frame[column].tolist() == fresh.frame[column].tolist(), column
    assert known_outputs(changed, "another model", clf.rule, tmp_path / "audit").predictions is None


def test_embeddings_that_come_with_a_model_are_known_without_an_audit(images, tmp_path):
    clf = classifier()
    finished(run(clf, images, tmp_path / "audit"))
    own = known_outputs(images, clf.key, clf.rule, tmp_path / "audit")
    shipped, plain = tmp_path / "audit" / "predictions.parquet", tmp_path / "plain.parquet"
    wb.predict(clf, images.items).save(plain)
    fresh = known_outputs(images, clf.key, clf.rule, tmp_path / "none", (plain, shipped))
    assert (fresh.own, fresh.others, fresh.elsewhere, fresh.missing) == ((), (shipped,), frozenset(), 0)
    assert np.array_equal(fresh.embeddings(), own.embeddings())
    without = known_outputs(images, clf.key, clf.rule, tmp_path / "none", (plain,))
    assert without.elsewhere == {item.id for item in images}
    with pytest.raises(InputError, match="There are no embeddings"):
        without.embeddings()


def test_an_image_that_cannot_be_read_is_a_row_with_its_reason_and_not_asked_for_again(images, tmp_path):
    broken = ImageSet("set", (*images.items, ImageItem("broken.png", BytesSource(b"no image"), "good")), CLASSES)
    clf = classifier()
    finished(run(clf, broken, tmp_path / "audit"))
    outputs = known_outputs(broken, clf.key, clf.rule, tmp_path / "audit")
    assert outputs.missing == 0
    assert "broken.png" in outputs.predictions.frame["error"].iloc[-1]
    new = ImageItem("new.png", BytesSource(to_png(Image.new("RGB", (9, 9)))))
    grown = ImageSet("set", (*broken.items, new))
    assert known_outputs(grown, clf.key, clf.rule, tmp_path / "audit").missing == 2


def test_outputs_of_another_version_of_the_computation_do_not_count(images, tmp_path, monkeypatch):
    from workbench.files import keys

    clf = classifier()
    finished(run(clf, images, tmp_path / "audit"))
    assert known_outputs(images, clf.key, clf.rule, tmp_path / "audit").missing == 0
    monkeypatch.setattr(keys, "KINDS", {**keys.KINDS, "outputs": dataclasses.replace(keys.KINDS["outputs"], version=9)})
    assert known_outputs(images, clf.key, clf.rule, tmp_path / "audit").missing == 12


# One background for every call


def test_summed_up_maps_of_a_grown_set_are_those_of_a_fresh_audit(images, tmp_path):
    clf, method = classifier(), "expected_gradients"
    few = ImageSet("set", images.items[3:], CLASSES)
    for part in (few, images):
        finished(run(clf, part, tmp_path / "grown", attributions=method))
    finished(run(clf, images, tmp_path / "fresh", attributions=method))
    grown, fresh = (open_summaries(tmp_path / name, method) for name in ("grown", "fresh"))
    assert grown.frame["name"].tolist() == fresh.frame["name"].tolist()
    assert np.array_equal(grown.heatmaps, fresh.heatmaps)


def test_page_command_line_and_library_compare_with_the_same_images(images, tmp_path, monkeypatch):
    """The training split of the set, or all of it where it has none, wherever the set is handed over."""
    lines = ["image,label,split", *(f"{item.name},{item.label},{item.split}" for item in images)]
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    stored = wb.load_images(tmp_path)
    clf, item = classifier(), stored.items[-1]
    by_hand = wb.attribute(clf, item, "expected_gradients", background=[i for i in stored if i.split == "train"])
    assert wb.attribute(clf, item, "expected_gradients", background=stored).params == by_hand.params
    from workbench.cli import explain as command

    monkeypatch.setattr("workbench.models.loading.load_classifier", lambda *_, **__: clf)
    out = tmp_path / "out"
    command.explain("any", tmp_path / item.name, "expected_gradients", out, images=str(tmp_path))
    record = json.loads((out / "manifest.json").read_text())
    assert record["params"]["background_digest"] == by_hand.params["background_digest"]
    assert record["change_from_baseline"] == by_hand.change
    card = wb.assess(clf, item, by_hand, background=stored)
    assert not [finding for finding in card.findings if "background" in finding.reason]


# What one visitor sees is not another's


def shown(clf, item):
    import streamlit as st

    from workbench.images.item import ImageSet
    from workbench.ui import choice, results, session
    from workbench.ui.view import ImageView

    session.keep("models", "mine", clf)
    model = choice.ModelChoice("mine", "mine", "", "", clf.key, clf.rule, clf.preprocessing)
    table, row = results.prediction(ImageView(model, ImageSet("set", (item,)), None, item))
    st.session_state["found"] = table.frame.loc[row].to_dict()


def test_the_same_image_of_two_visitors_has_the_label_of_each(images):
    clf, item = classifier(), images.items[0]
    theirs = [dataclasses.replace(item, label=label, attributes={"lot": label}) for label in CLASSES]
    seen = []
    for one in theirs:
        at = AppTest.from_function(shown, args=(clf, one), default_timeout=60).run()
        assert not at.exception
        seen.append(at.session_state["found"])
    assert [one["label"] for one in seen] == list(CLASSES)
    assert [one["lot"] for one in seen] == list(CLASSES)
    assert seen[0]["verdict"] != seen[1]["verdict"]


def checked(clf, item, attribution):
    import streamlit as st

    from workbench.images.item import ImageSet
    from workbench.ui import choice, results, session
    from workbench.ui.view import ImageView

    session.keep("models", "mine", clf)
    model = choice.ModelChoice("mine", "mine", "", "", clf.key, clf.rule, clf.preprocessing)
    st.session_state["found"] = results.findings(
        ImageView(model, ImageSet("set", (item,)), None, item), attribution, "quick"
    )


def test_findings_are_those_of_the_mask_that_is_there_now(images):
    clf, item = classifier(), images.items[0]
    attribution = wb.attribute(clf, item, "saliency", "bad")
    left, right = np.zeros((20, 32), np.uint8), np.zeros((20, 32), np.uint8)
    left[:10, :16] = right[10:, 16:] = 255
    seen = []
    for mask in (left, right, None):
        masked = dataclasses.replace(item, mask=None if mask is None else BytesSource(to_png(Image.fromarray(mask))))
        at = AppTest.from_function(checked, args=(clf, masked, attribution), default_timeout=120).run()
        assert not at.exception
        fresh = wb.assess(clf, masked, attribution).findings
        found = at.session_state["found"]
        assert [(f.name, f.verdict, f.value) for f in found] == [(f.name, f.verdict, f.value) for f in fresh]
        seen.append([(f.name, f.verdict, f.value) for f in found])
    assert seen[0] != seen[1] != seen[2]


# Two tabs share one audit


def audited(clf, model, images):
    import streamlit as st

    from workbench.ui import runs, session
    from workbench.ui.view import View

    session.keep("models", "mine", clf)
    known = runs.audited(View(model, images, None))
    st.session_state["found"] = None if known is None else known.frame["name"].tolist()


def test_a_second_tab_joins_the_run_of_the_first_and_finishes_what_it_leaves(images, tmp_path, monkeypatch):
    from filelock import FileLock

    from workbench.ui import audits

    clf = classifier()
    model = choice.ModelChoice("mine", "mine", "", "", clf.key, clf.rule, clf.preprocessing)
    folder, sizes = tmp_path / "shared", []
    clf.model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    monkeypatch.setattr(audits, "folder_of", lambda view: folder)
    half = ImageSet("set", images.items[:5], CLASSES)
    finished(run(clf, half, folder))
    assert sum(sizes) == 5
    lock = FileLock(folder / LOCK, thread_local=False)
    lock.acquire()
    with pytest.raises(BusyError):
        finished(run(clf, images, folder))
    threading.Thread(target=lambda: (time.sleep(2), lock.release())).start()
    started = time.monotonic()
    at = AppTest.from_function(audited, args=(clf, model, images), default_timeout=60).run()
    assert not at.exception
    assert time.monotonic() - started > 1.5, "it waits for the other run"
    assert at.session_state["found"] == [item.name for item in images]
    assert sum(sizes) == 12, "what the other run computed is not computed again"


# A file is what was written, or it is refused


def files_of(tmp_path, images):
    clf = classifier()
    finished(run(clf, images, tmp_path / "audit", attributions="saliency"))
    return clf, tmp_path / "audit" / "predictions.parquet", tmp_path / "audit" / "attributions" / "saliency.parquet"


def test_a_flipped_byte_is_noticed_wherever_it_is(images, tmp_path):
    clf, table, maps = files_of(tmp_path, images)
    whole, summed = open_audit(tmp_path / "audit").predictions, open_summaries(tmp_path / "audit", "saliency")
    rng, noticed = np.random.default_rng(0), 0
    for path in (table, maps):
        good = path.read_bytes()
        for place in rng.choice(len(good), 150, replace=False).tolist():
            bad = bytearray(good)
            bad[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(bad)
            try:
                if path == table:
                    outputs = known_outputs(images, clf.key, clf.rule, tmp_path / "audit")
                    noticed += outputs.predictions is None
                    assert outputs.predictions is None or same(outputs.predictions, whole), place
                else:
                    found = open_summaries(tmp_path / "audit", "saliency")
                    assert np.array_equal(found.heatmaps, summed.heatmaps, equal_nan=True), place
                    assert found.frame.equals(summed.frame), place
            except InputError:
                noticed += 1
        path.write_bytes(good)
    assert noticed > 100, "many bytes matter"


@pytest.mark.parametrize("column", [b"probabilities", b"logits"])
def test_a_column_whose_name_is_damaged_is_no_column_of_nothing(images, tmp_path, column):
    clf, table, _ = files_of(tmp_path, images)
    assert known_outputs(images, clf.key, clf.rule, tmp_path / "audit").predictions is not None
    table.write_bytes(table.read_bytes().replace(column, b"q" + column[1:]))
    outputs = known_outputs(images, clf.key, clf.rule, tmp_path / "audit")
    assert outputs.predictions is None
    assert outputs.missing == len(images)


def test_damaged_maps_are_named_and_made_anew(images, tmp_path):
    clf, _, maps = files_of(tmp_path, images)
    before = open_summaries(tmp_path / "audit", "saliency")
    good = maps.read_bytes()
    maps.write_bytes(good[: len(good) // 2] + bytes(40) + good[len(good) // 2 + 40 :])
    with pytest.raises(InputError, match=r"saliency\.parquet is damaged"):
        open_summaries(tmp_path / "audit", "saliency")
    finished(look(clf, images, wb.predict(clf, images.items), tmp_path / "audit", "saliency"))
    assert np.array_equal(open_summaries(tmp_path / "audit", "saliency").heatmaps, before.heatmaps)


def test_a_damaged_table_is_computed_again(images, tmp_path):
    clf, table, _ = files_of(tmp_path, images)
    before = open_audit(tmp_path / "audit").predictions
    shutil.copy(table, tmp_path / "good")
    table.write_bytes(table.read_bytes()[:-200])
    finished(run(clf, images, tmp_path / "audit"))
    assert np.array_equal(open_audit(tmp_path / "audit").predictions.probabilities, before.probabilities)
