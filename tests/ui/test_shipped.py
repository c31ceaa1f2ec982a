"""What comes with the package is all that Data, Reliability and the Overview can look for, of the demo as it is; and
nothing else."""

import contextlib
import dataclasses
import importlib
import sqlite3
from functools import partial

import pytest

from workbench import catalog
from workbench.audit import known_outputs
from workbench.files import keys
from workbench.images import BytesSource, ImageSet
from workbench.models import load_classifier
from workbench.predictions import with_families
from workbench.quality import fact_store, families_of_set, family_store, looked_up
from workbench.quality.file_facts import facts_of_image
from workbench.reliability import NO_HEADS, read_record
from workbench.report import Subject, map_study, maps_kept, model_folder
from workbench.report.maps_sampled import DECISIONS
from workbench.report.studies_kept import heads_of, labels_of, shortcuts_of
from workbench.sets import load_images
from workbench.training import with_reasons, with_studies
from workbench.ui import kept

MODELS = ("solar-cells", "solar-cells-random")
DEMO = MODELS[0]
"""That whose maps and shortcuts ship too: all twelve checks of the Overview."""
METALS = ("metal-sound", "metal-shortcut")
"""Those of which what their cards tell ships."""
STALE = "assets/known does not fit this code and this demo any more: run make known"
SEARCH_ICON = ":material/playlist_play:"
OPEN_WORDS = ("ot looked for yet", "Not tested yet", "Not drawn yet", "were not looked for", "nobody looked")


@pytest.fixture
def clone(tmp_path, monkeypatch, empty_shelves):
    """A fresh clone: nothing in the cache, and what comes with the package. Gives the folder of the cache."""
    monkeypatch.setattr(catalog, "SHIPPED_IN", "known")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def taken(monkeypatch):
    """The names of the shipped results that were read."""
    names = set()

    def noted(read, path, *types):
        if path.is_relative_to(catalog.shipped()):
            names.add(path.relative_to(catalog.shipped()).as_posix())
        return read(path, *types)

    for module, name in ((kept, "read_value"), (family_store, "_read"), (maps_kept, "read_value")):
        monkeypatch.setattr(module, name, partial(noted, getattr(module, name)))
    return names


def texts(at):
    """What the page says, but for its help, which tells of all cases."""
    values = [element.value for kind in ("markdown", "caption", "info", "html") for element in at.get(kind)]
    return [value for value in values if value and not value.startswith("#### ")]


def searches(at):
    return [button.label for button in at.button if button.proto.icon == SEARCH_ICON]


def assert_asked_by_a_command(model):
    """`workbench check` takes the long studies and every map of its own from what ships."""
    subject = subject_of(model, model)
    families = families_of_set(subject.images)
    subject = dataclasses.replace(subject, predictions=with_families(subject.predictions, families.by_name))
    labels, heads = labels_of(subject, families), heads_of(subject, read_record(subject.out))
    assert labels.judged > 2000
    assert heads.reason == ""
    shortcuts_of(subject, subject.out / "none")
    assert_maps_ship(subject)


def subject_of(model, images):
    classifier, read, folder = load_classifier(model), load_images(images), model_folder(model)
    answers = known_outputs(read, classifier.key, classifier.rule, folder, [folder / "predictions.parquet"])
    return Subject(model, classifier, read, answers, answers.predictions, folder, unasked)


def assert_maps_ship(subject):
    asked = subject.classifier, subject.images, subject.predictions
    study = map_study(*asked, partial(unasked, "maps"), maps_kept.ratings_folder())
    assert len(study.frame) == DECISIONS
    assert (study.frame["error"] == "").all()


def unasked(*at):
    """What a progress does where nothing may be computed."""
    raise AssertionError(f"{STALE}: {at}")


def test_everything_is_shown_in_a_fresh_clone_and_nothing_is_shipped_in_vain(visit, clone, taken):
    for model in MODELS:
        at = visit("data", model=model).sound("Data")
        assert searches(at) == [], STALE
        assert [text for text in texts(at) if any(words in text for words in OPEN_WORDS)] == [], STALE
        assert "Doubtful labels" in "".join(texts(at))
        assert searches(visit("reliability", model=model).sound("Reliability")) == [], STALE
        at = visit("overview", model=model).sound()
        assert [text for text in texts(at) if "**Not looked for yet**" in text] == [], STALE
        assert not [label for label in searches(at) if label.startswith("Compute what")], STALE
        assert_asked_by_a_command(model)
    for model in METALS:
        at = visit("explain", model=model, method="saliency")
        planted = ["bottom right" in error.value for error in at.error]
        assert planted == ([True] if model == "metal-shortcut" else []), "what it goes by is told on every page"
        assert "Which method suits this model?" not in searches(at), STALE
        assert "16 decisions, drawn from 150 test images" in "".join(texts(at)), STALE
        assert not visit("overview", model=model).exception  # reads the search, and what the sample of maps came to
        assert_maps_ship(subject_of(model, "stamped-metal"))
    shipped = {
        path.relative_to(catalog.shipped()).as_posix() for path in catalog.shipped().rglob("*") if path.is_file()
    }
    assert shipped - taken == {fact_store.KEPT_IN}, STALE
    with contextlib.closing(sqlite3.connect(catalog.shipped(fact_store.KEPT_IN))) as base:
        names = {name for (name,) in base.execute("SELECT name FROM images")}
    sets = [load_images(model) for model in MODELS]
    assert names == {keys.key("image facts", image=item.look) for images in sets for item in images}, STALE
    assert not (clone / "results").exists()


def test_another_pairing_of_model_and_set_is_looked_for_anew_where_it_matters(visit, clone):
    at = visit("data", model="solar-cells", set="solar-cells-random").sound("Data")
    open_ones = next(text for text in texts(at) if "**Not looked for yet**: " in text)
    assert open_ones.endswith("**Not looked for yet**: wrong labels, what the training split does not reach.")


def test_changed_images_are_not_taken_for_those_that_are_known(clone):
    images = load_images("solar-cells")
    assert families_of_set(images) is not None
    table, missing = looked_up(images.items[:40])
    assert (len(table), missing) == (40, 0)
    first, second, *rest = images.items
    other = BytesSource(first.source.read() + b"one more")
    for changed in (
        (dataclasses.replace(first, source=other), second, *rest),
        (dataclasses.replace(first, name="another.png"), second, *rest),
        (second, first, *rest),
        tuple(rest),
    ):
        assert families_of_set(ImageSet("cells", changed)) is None
    assert looked_up([dataclasses.replace(first, source=other), second]) == (None, 1)


def test_what_was_measured_is_what_is_measured(clone):
    items = load_images("solar-cells").items[::400]
    table, _ = looked_up(items)
    for item, (_, row) in zip(items, table.iterrows(), strict=True):
        for name, value in facts_of_image(item).items():
            assert row[name] == value or (value is None and (row[name] is None or row[name] != row[name])), name


@pytest.mark.parametrize("model", MODELS)
def test_the_card_says_what_the_long_studies_of_reliability_say(clone, known, model):
    text = (catalog.shared(f"models/{model}") / "MODEL_CARD.md").read_text(encoding="utf-8")
    results = known.said(model)
    assert with_studies(text, results) == text, "run docs/known.py --cards"
    assert "the first defect passes at severity" in text
    other = dataclasses.replace(results[-1], sentence="Something else.")
    assert "\n- Look here: Something else.\n" in with_studies(text, [*results[:-1], other])


def test_the_cards_say_why_the_models_decide_so_as_far_as_it_is_known(clone, known):
    for model in (*MODELS, *METALS):
        text = (catalog.shared(f"models/{model}") / "MODEL_CARD.md").read_text(encoding="utf-8")
        reasons = known.reasons(model)
        assert with_reasons(text, reasons) == text, "run docs/known.py --cards"
        assert all(reason.errs for reason in reasons[:2]), "how often a verdict errs, or that nobody measured it"
        assert NO_HEADS not in text


@pytest.fixture
def known(monkeypatch):
    """The script that makes what ships."""
    monkeypatch.syspath_prepend(catalog.home() / "docs")
    script = importlib.import_module("known")
    monkeypatch.setattr(script.warm, "torch_ready", lambda: True)
    return script
