"""The first page: what is judged, the verdict by the limit, what is worst, and the way to its proof."""

import dataclasses
import functools
import re
from pathlib import Path

import pytest
from tables import AT_RANDOM

from workbench.catalog import load_catalog
from workbench.files.folders import cache_folder
from workbench.predictions.cases import mistakes
from workbench.predictions.table import Predictions
from workbench.stats.rates import wilson
from workbench.ui import cache, runs
from workbench.ui.overview.scope import of_100
from workbench.ui.overview.verdict import warning_of

pytest_plugins = ["one_cue"]
METAL = {"model": "metal-shortcut", "set": "stamped-metal"}


@pytest.fixture
def visit(visit):
    """With the model of cells dealt at random, of which no group is stated."""
    return functools.partial(visit, model=AT_RANDOM)


def reported(model):
    """The stored test split of a model, with the column `kind`."""
    predictions = Predictions.load(Path(load_catalog().models[model].ref, "predictions.parquet"))
    frame = predictions.frame.assign(kind=mistakes(predictions))
    return frame[frame["split"] == "test"]


def said(at):
    """All that a reader sees of text."""
    parts = [element.value for kind in (at.title, at.header, at.markdown, at.caption) for element in kind]
    parts += [re.sub(r"<[^>]+>", "", element.proto.body) for element in at.get("html")]
    return "\n".join(at.unescaped(part) for part in parts)


def links(at):
    """The links of the page by their labels, as queries."""
    return {
        at.unescaped(link.value): dict(part.split("=", 1) for part in link.proto.query_string.lstrip("?").split("&"))
        for link in at.get("page_link")
        if link.proto.query_string
    }


def test_the_first_page_says_what_is_judged_and_that_the_limit_is_not_kept(visit):
    at = visit().sound()
    frame = reported(AT_RANDOM)
    defects, good = (frame[frame["label"] == label] for label in ("defective", "functional"))
    missed = of_100(wilson(int((defects["kind"] == "escape").sum()), len(defects)))
    rejected = of_100(wilson(int((good["kind"] == "overkill").sum()), len(good)))
    text = said(at)
    assert at.title[0].value == "Solar cells, dealt at random: is this solar cell functional or defective?"
    assert f"Tried on {len(frame)} images of the test split" in text
    assert "Not as the only inspection." in text
    assert f"It misses {missed} defects and rejects {rejected} good parts." in text
    assert "**Not kept**: 55 of 205" in text
    assert "The makers say: Not for the acceptance, rejection or safety of real modules" in text
    figures = {metric.label: metric.value for metric in at.metric}
    assert list(figures) == ["Escape rate", "Overkill rate", "Precision", "Accuracy", "AUC"]
    assert figures["Accuracy"] == f"{(frame['verdict'] == 'right').mean():.1%}"
    assert figures["Escape rate"] == f"{(defects['predicted'] != 'defective').mean():.1%}"


@pytest.mark.parametrize(
    ("limit", "verdict"), [("40", "Keeps the limit set."), ("28", "Not shown to keep the limit set.")]
)
def test_a_limit_in_the_link_decides_the_verdict(visit, limit, verdict):
    assert verdict in said(visit(most_escapes=limit).sound())


def test_a_typed_limit_for_good_parts_is_held_too_and_stands_in_the_link(visit):
    at = visit(most_escapes="40").sound()
    at.number_input(key="most_overkill").set_value(1.0).run().sound()
    assert at.query_params["most_overkill"] == "1.0"
    assert "Not shown to keep the limit set." in said(at)
    assert "**Not shown to be kept**: 8 of 451" in said(at)


def test_modules_never_seen_are_judged_by_module_and_two_broken_limits_stand_beside_each_other(visit):
    at = visit(model="solar-cells", most_escapes="5", most_overkill="1").sound()
    frame, text = reported("solar-cells"), said(at)
    defects = frame[frame["label"] == "defective"]
    missed = int((defects["predicted"] != "defective").sum())
    assert f"**Not kept**: {missed} of {len(defects)} in {defects['group'].nunique()} groups" in text
    assert "Of cells of modules that the model never saw, 84.1 % (70.6 to 91.4 %) are decided right" in text
    assert "Where cells are dealt at random" in text
    assert "dealt at random as in" not in text
    assert sum(block.proto.popover.label == "What would it take?" for block in at.get("popover")) == 2


def test_the_worst_mistakes_lead_to_their_explanation(visit):
    at = visit().sound()
    frame = reported(AT_RANDOM)
    missed = set(frame[frame["kind"] == "escape"]["name"])
    query = links(at)[f"**{len(missed)} missed defects**, the surest first"]
    assert {key: query[key] for key in ("verdict", "split", "sort")} == {
        "verdict": "escape",
        "split": "test",
        "sort": "sure",
    }
    assert query["image"] in missed
    assert links(at)["1 See one missed defect, and why"]["image"] == query["image"]
    assert len([image for image in at.get("image") if image.proto.imgs]) >= 10


def test_a_gap_that_chance_can_make_is_not_called_proven(visit):
    at = visit().sound()
    words = re.findall(r"^(proven|chance can do that)$", said(at), re.MULTILINE)
    assert words == ["chance can do that"]
    assert "Worse for mono than for poly" in said(at)


def test_several_kinds_of_defect_are_judged_as_all_but_good(visit):
    at = visit(**METAL).sound()
    frame = reported("metal-shortcut")
    defects = frame[frame["label"] != "good"]
    passed = int((defects["predicted"] == "good").sum())
    assert f"It misses {of_100(wilson(passed, len(defects)))} defects" in said(at)
    assert f"**{passed} missed defects**, the surest first" in links(at)
    opened = visit("explain", **METAL, verdict="escape", split="test", method="saliency").sound()
    assert opened.selectbox(key="verdict").value == "escape"


def test_a_set_without_labels_gets_no_verdict(visit):
    at = visit(model="everyday").sound()
    assert not at.metric
    assert any("has no labels that the model knows" in text for text in at.said())
    assert "There is no model card" in said(at)


def test_what_a_model_is_not_for_is_read_from_its_card():
    for model, start in (("solar-cells", "Not for the acceptance"), ("metal-sound", "Not for any real part")):
        card = Path(load_catalog().models[model].ref, "MODEL_CARD.md").read_text(encoding="utf-8")
        assert warning_of(card).startswith(start)
    assert warning_of("# M\n\n## Limitations\n\nOnly *daylight*. Not at night.\n\n## Next\n") == "Only daylight."
    assert warning_of("## Out-of-scope use\n\n1. Medical use\n2. Other\n") == "Medical use"
    assert warning_of("# M\n\n## Limitations\n\n## Data\n\nPlenty.\n") == ""
    assert warning_of("# M\n\nNothing said.\n") == ""


def test_a_share_of_100_keeps_small_shares_apart_from_none():
    assert of_100(wilson(55, 205)) == "27 of 100 (21 to 33)"
    assert of_100(wilson(0, 100)) == "0 of 100 (0 to 4)"
    assert of_100(wilson(4, 1000)) == "0.4 of 100 (0.2 to 1.0)"
    assert of_100(wilson(0, 0)) == "an unknown share (there are none)"


def test_a_shortcut_that_was_found_is_told_on_every_page_and_after_a_restart(visit, one_cue):
    at = visit(**METAL).sound()
    assert "not looked for yet" in said(at)
    next(button for button in at.button if button.label == "Search for shortcuts").click().run().sound()
    assert "it goes by a shortcut" in said(at)
    assert re.search(r"^proven$", said(at), re.MULTILINE)
    found = "calls an image “scratch” by the bottom right corner"
    for page, address in (("explain", {"method": "saliency"}), ("probe", {}), ("defects", {})):
        assert any(found in text for text in visit(page, **METAL, **address).said()), page
    cache.shelf.clear()  # as a restart does
    assert found in said(visit(**METAL).sound())
    assert any(found in part.value for part in visit("bias", **METAL).markdown)
    for stored in (cache_folder() / "results").glob("*.json"):
        stored.write_text(stored.read_text(encoding="utf-8")[:-2], encoding="utf-8")
    cache.shelf.clear()
    assert "not looked for yet" in said(visit(**METAL).sound())


def test_a_test_split_without_labels_leaves_the_rest_to_be_judged(visit, monkeypatch):
    known = runs.known_predictions

    def unlabelled(view):
        table = known(view)
        rows = table.frame["split"] == "test"
        frame = table.frame.assign(**{name: table.frame[name].mask(rows, None) for name in ("label", "verdict")})
        return dataclasses.replace(table, frame=frame)

    monkeypatch.setattr(runs, "known_predictions", unlabelled)
    text = said(visit().sound())
    assert "all 1,968 labelled images" in text
    assert "There is no test split: optimistic" in text
    assert "being looked up" not in text
    assert "Worse for" in text
