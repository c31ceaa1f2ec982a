"""Long work: bounded shelves, progress that can be stopped and resumed, and one sentence instead of a traceback."""

import dataclasses
import gc
import logging
import re
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

import workbench as wb
from workbench.files.keys import KINDS
from workbench.images.item import ImageSet, image_from_file
from workbench.ui import cache, choice, photographs, progress, results, runs, session, text, warm
from workbench.ui.view import ImageView

torch.set_num_threads(1)

# Shelves


def test_a_shelf_gives_back_what_was_put():
    shelf = cache.Shelf(100)
    assert shelf.get("a") is None
    shelf.put("a", "map", 10)
    assert shelf.get("a") == "map"


def test_a_shelf_is_bounded_in_bytes_and_drops_the_least_recently_used():
    shelf = cache.Shelf(100)
    for name in "abc":
        shelf.put(name, name, 30)
    assert shelf.get("a") == "a"  # now b is the one used least recently
    shelf.put("d", "d", 30)
    assert [shelf.get(name) for name in "abcd"] == ["a", None, "c", "d"]


def test_a_shelf_counts_what_is_replaced_only_once():
    shelf = cache.Shelf(100)
    shelf.put("other", 0, 40)
    for turn in range(10):
        shelf.put("a", turn, 50)
    assert shelf.get("a") == 9
    assert shelf.get("other") == 0, "ten versions of one map are one map"


def test_a_result_that_is_too_large_alone_stands_beside_the_shelf_and_throws_nothing_out():
    shelf = cache.Shelf(100)
    shelf.put("a", "a", 60)
    shelf.put("huge", "huge", 5000)
    assert [shelf.get(name) for name in ("a", "huge")] == ["a", "huge"]
    shelf.put("larger", "larger", 6000)
    assert [shelf.get(name) for name in ("a", "huge", "larger")] == ["a", None, "larger"]


def test_a_shelf_holds_under_many_threads():
    shelf, errors = cache.Shelf(1000), []

    def hammer(seed):
        rng = np.random.default_rng(seed)
        try:
            for _ in range(2000):
                key = int(rng.integers(0, 60))
                if rng.random() < 0.5:
                    shelf.put(key, key, int(rng.integers(1, 100)))
                elif (found := shelf.get(key)) not in (None, key):
                    errors.append((key, found))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=hammer, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert shelf._held == sum(size for _, size in shelf._kept.values()) <= 1000


def test_the_shelves_of_the_app_are_bounded():
    assert sum(kind.megabytes for kind in KINDS.values()) <= 3 * 1024
    assert cache.shelf("map") is cache.shelf("map") is not cache.shelf("findings")
    assert cache.shelf("map")._limit == 256 * 2**20


def test_a_kind_of_result_throws_out_no_other():
    places = {kind: cache.slot(kind, image="a", edge=1) for kind in ("thumbnail", "fitted image")}
    for place in places.values():
        place.put(place.kind, 10)
    for edge in range(2, 300):
        cache.slot("thumbnail", image="a", edge=edge).put(edge, 2**20)
    assert places["thumbnail"].get() is None
    assert places["fitted image"].get() == "fitted image"


# What goes wrong


def failing(error, guarded=False):
    import streamlit as st

    from workbench.ui import progress

    def fail():
        st.write("before")
        raise error

    if guarded:
        progress.guarded(fail)()
    else:
        with progress.troubles():
            fail()
    st.write("the rest of the page")


@pytest.mark.parametrize("guarded", [False, True])
def test_what_the_user_can_mend_is_said_as_it_is(guarded):
    error = wb.InputError("![a](part.png) is damaged: export it again.")
    at = AppTest.from_function(failing, args=(error, guarded), default_timeout=60).run()
    assert not at.exception
    assert [e.value for e in at.error] == [text.plain(error)], "and its characters are not Markdown"
    assert [m.value for m in at.markdown] == ["before", "the rest of the page"]


@pytest.mark.parametrize("guarded", [False, True])
def test_anything_else_is_a_sentence_with_a_number_that_the_log_explains(guarded, caplog):
    secret = RuntimeError("/home/someone/secret.py is broken <b>")
    with caplog.at_level(logging.ERROR, logger="workbench"):
        at = AppTest.from_function(failing, args=(secret, guarded), default_timeout=60).run()
    assert not at.exception
    (shown,) = [e.value for e in at.error]
    for word in ("Traceback", "RuntimeError", "secret", "/home"):
        assert word not in shown
    number = re.search(r"reference ([0-9a-f]{8})", shown)[1]
    logged = [r for r in caplog.records if r.name == "workbench"]
    assert [number in r.getMessage() for r in logged] == [True]
    assert logged[0].exc_info[1] is secret


def test_stopping_and_running_again_are_no_troubles():
    def script():
        import streamlit as st

        from workbench.ui import progress

        with progress.troubles():
            if "again" not in st.session_state:
                st.session_state["again"] = True
                st.rerun()
            st.write("second run")
            st.stop()
        st.write("never")

    at = AppTest.from_function(script, default_timeout=60).run()
    assert not at.exception
    assert not at.error
    assert [m.value for m in at.markdown] == ["second run"]


# Progress that can be stopped


def slow():
    import streamlit as st

    from workbench.ui.progress import Stoppable

    for name in st.session_state.get("works", ["maps"]):
        progress = Stoppable(f"Making {name}", name)
        if progress.stopped:
            continue
        ran = st.session_state.setdefault("ran", {})
        ran[name] = ran.get(name, 0) + 1
        for step in range(5):
            progress(step, 5)
        if st.session_state.get("finish"):
            progress.done()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(progress, "BAR_AFTER", -1.0)


def labels(at):
    return [b.label for b in at.button]


def progress_text(at):
    return [element.text if hasattr(element, "text") else element.proto.text for element in at.get("progress")]


def test_quick_work_shows_no_bar():
    at = AppTest.from_function(slow, default_timeout=60).run()
    assert labels(at) == []
    assert progress_text(at) == []


def test_slow_work_says_how_far_it_is_and_can_be_stopped(impatient):
    at = AppTest.from_function(slow, default_timeout=60).run()
    assert labels(at) == ["Stop"]
    (text,) = progress_text(at)
    assert text.startswith("Making maps: ")
    assert " of 5" in text


def test_work_that_is_done_clears_its_place(impatient):
    at = AppTest.from_function(slow, default_timeout=60)
    at.session_state["finish"] = True
    at.run()
    assert labels(at) == []
    assert progress_text(at) == []


def test_stopped_work_stays_stopped_until_it_is_told_to_go_on(impatient):
    at = AppTest.from_function(slow, default_timeout=60).run()
    assert at.session_state["ran"] == {"maps": 1}
    at.button[0].click().run()
    assert labels(at) == ["Continue"]
    assert [c.value for c in at.caption] == ["Making maps: stopped."]
    at.run()  # whatever else the visitor does
    assert labels(at) == ["Continue"]
    assert at.session_state["ran"] == {"maps": 1}
    at.button[0].click().run()
    assert labels(at) == ["Stop"]
    assert at.session_state["ran"] == {"maps": 2}
    assert not at.caption


def test_stopping_one_work_leaves_the_others_running(impatient):
    at = AppTest.from_function(slow, default_timeout=60)
    at.session_state["works"] = ["one", "two"]
    at.run()
    at.button(key="stop one").click().run()
    assert labels(at) == ["Continue", "Stop"]
    assert at.session_state["ran"] == {"one": 1, "two": 2}


def test_two_works_can_be_stopped(impatient):
    at = AppTest.from_function(slow, default_timeout=60)
    at.session_state["works"] = ["one", "two"]
    at.run()
    at.button(key="stop one").click().run()
    at.button(key="stop two").click().run()
    assert labels(at) == ["Continue", "Continue"], "stopping the second must not start the first again"
    at.button(key="go two").click().run()
    assert labels(at) == ["Continue", "Stop"]


# Predictions of a set go on where they were


@pytest.fixture
def asked(tiny_net, write_image):
    """A model that this session uploaded, a set of forty images, and how many images each forward pass was about."""
    clf = wb.load_classifier(tiny_net().eval(), device="cpu", size=(8, 8), name="mine")
    photos = [image_from_file(write_image(f"{i}.png", (i * 6, 90, 240 - i * 5))) for i in range(40)]
    images = ImageSet("forty", tuple(photos))
    model = choice.ModelChoice("mine", "mine", "", "", clf.key, clf.rule, clf.preprocessing)
    sizes = []
    clf.model.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    return clf, model, images, sizes


def predicting(clf, model, images):
    import streamlit as st

    from workbench.ui import runs, session
    from workbench.ui.view import View

    session.keep("models", "mine", clf)
    view = View(model, images, None)
    try:
        found = runs.audited(view)
    except BaseException as error:
        st.session_state["ended by"] = type(error).__name__
        return
    known = runs.known_predictions(view)
    st.session_state["found"] = None if found is None else known.frame["name"].tolist()


def test_predictions_come_in_order_and_once(asked):
    clf, model, images, sizes = asked
    at = AppTest.from_function(predicting, args=(clf, model, images), default_timeout=60).run()
    assert not at.exception
    assert at.session_state["found"] == [i.name for i in images]
    assert sum(sizes) == 40
    at.run()
    assert sum(sizes) == 40, "the second run finds them in the session's folder"


def test_an_interrupted_audit_goes_on_where_it_was(asked, monkeypatch):
    clf, model, images, sizes = asked

    class Interrupted(BaseException):
        pass

    class Stoppable(progress.Stoppable):
        def __call__(self, done, total):
            if done == 32:
                raise Interrupted

    at = AppTest.from_function(predicting, args=(clf, model, images), default_timeout=60)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "Stoppable", Stoppable)
        at.run()
    assert at.session_state["ended by"] == "Interrupted"
    assert sum(sizes) == 32
    at.run()
    assert at.session_state["found"] == [i.name for i in images]
    assert sum(sizes) == 40, "each image was asked about once"


def test_a_thumbnail_of_what_cannot_be_read_is_none_and_others_are_square(write_image, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nonsense")
    items = image_from_file(write_image("wide.png", size=(90, 20))), image_from_file(tmp_path / "broken.png")
    assert photographs.thumbnail(items[1]) is None
    found = photographs.thumbnail(items[0], edge=32)
    assert isinstance(found, Image.Image)
    assert found.size == (32, 32)
    assert photographs.thumbnail(items[0], edge=32) is found


def test_all_that_a_map_depends_on_is_in_its_key(asked, write_image):
    def place(model, images, item, *facts):
        return results.map_slot(ImageView(model, images, None, item), *facts)

    _, model, images, _ = asked
    item, other = images.items[:2]
    base = (model, images, item, "occlusion", {"target": "a", "score": "logit"}, {"window": 0.1})
    changed = [
        (dataclasses.replace(model, key="another"), *base[1:]),
        (model, images, other, *base[3:]),
        (model, images, item, "saliency", *base[4:]),
        (*base[:4], {"target": "b", "score": "logit"}, base[5]),
        (*base[:4], {"target": "a", "score": "probability"}, base[5]),
        (*base[:5], {"window": 0.2}),
    ]
    keys = [place(*facts) for facts in (base, *changed)]
    assert len(set(keys)) == len(keys)
    assert place(*base[:4], {"score": "logit", "target": "a"}, {"window": 0.1}) == keys[0]
    fewer = ImageSet("forty", images.items[:30])
    assert place(model, fewer, *base[2:]) == keys[0]  # only methods that compare with the set depend on it
    compared = [place(model, found, item, "expected_gradients", *base[4:]) for found in (images, fewer)]
    assert len(set(compared)) == 2
    again = ImageSet("forty", images.items)
    assert place(model, again, item, "expected_gradients", *base[4:]) == compared[0], (
        "the same images are the same background"
    )


def test_what_was_imported_is_not_searched_for_garbage_after_every_run(monkeypatch):
    """Streamlit collects garbage after each run of a page: 0.3 s each time for the objects of torch, which hold every
    answer up."""
    warmed = threading.Event()
    monkeypatch.setattr(warm, "_warmed", warmed)
    monkeypatch.setattr(warm.importlib, "import_module", lambda name: None)
    warm.warm_up.clear()
    try:
        warm.warm_up()
        assert warmed.wait(10)
        assert gc.get_freeze_count() > len(gc.get_objects())
    finally:
        gc.unfreeze()
        warm.warm_up.clear()


def reading(images):
    import streamlit as st

    from workbench.ui import runs

    st.session_state["read"] = runs._read(images)


def test_a_set_is_read_once_with_progress_and_can_be_stopped(asked, impatient):
    _, _, images, _ = asked
    images = ImageSet("forty", images.items)
    at = AppTest.from_function(reading, args=(images,), default_timeout=60).run()
    assert at.session_state["read"]
    assert "key" in vars(images)
    fresh = ImageSet("forty", images.items)
    at = AppTest.from_function(reading, args=(fresh,), default_timeout=60)
    at.session_state["stopped works"] = {f"stop read {session.token(fresh)}"}
    at.run()
    assert not at.session_state["read"]
    assert "key" not in vars(fresh)
    assert labels(at) == ["Continue"]
