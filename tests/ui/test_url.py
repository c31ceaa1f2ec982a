"""The address bar holds what is chosen, by names that outlive a reworded label."""

import pytest
from streamlit.testing.v1 import AppTest

from workbench.ui import url

METHODS = ["saliency", "grad_cam", "occlusion"]
FIRST = ["saliency", "grad_cam"]
DEFAULTS = {"fruit": "apple", "free": "one", "view": "own", "method": FIRST, "opacity": 60, "noise": 0.15, "page": 1}
CHOSEN = {
    "fruit": "plum",
    "free": "timm:x",
    "view": "shared",
    "method": ["occlusion"],
    "opacity": 85,
    "noise": 0.3,
    "page": 4,
}


def script():
    import streamlit as st

    from workbench.ui import url

    page = st.session_state.get("shown page", "a")
    url.begin(page)
    if page == "b":
        st.title("another page")
    else:
        st.session_state["found"] = {
            "fruit": url.select("Fruit", ["apple", "pear", "plum"], key="fruit", format_func=str.upper),
            "free": url.select("Free", ["one", "two"], key="free", free=True),
            "view": url.segments("View", ["own", "shared"], key="view", default="own"),
            "method": url.pills(
                "Methods", ["saliency", "grad_cam", "occlusion"], key="method", default=("saliency", "grad_cam")
            ),
            "opacity": url.slider("Opacity", 0, 100, key="opacity", default=60, step=5),
            "noise": url.slider("Noise", 0.05, 0.5, key="noise", default=0.15, step=0.05),
            "page": url.pages(7, key="page"),
        }


@pytest.fixture
def visit():
    """Opens the script with an address."""

    def opened(**address):
        at = AppTest.from_function(script, default_timeout=60)
        at.query_params.update(address)
        at.run()
        assert not at.exception
        return at

    return opened


@pytest.fixture
def chosen(visit):
    """Opens the script and chooses something else in every widget; what is typed comes by the address, for AppTest
    cannot type it."""
    return lambda: choose_all(visit(free="timm:x"))


def go(at, page, **address):
    """Another page, whose address says what the link said: navigation drops what the old address said."""
    at.session_state["shown page"] = page
    at.query_params.clear()
    at.query_params.update(address)
    at.run()
    assert not at.exception
    return at


def choose_all(at):
    at.selectbox(key="fruit").select("plum")
    at.get_by_key("view").set_value("shared")
    at.get_by_key("method").set_value(["occlusion"])
    at.slider(key="opacity").set_value(85)
    at.slider(key="noise").set_value(0.3)
    at.pagination[0].set_value(4)
    at.run()
    assert not at.exception
    return at


def found(at):
    """What the widgets returned, checked to be what they show."""
    values = at.session_state["found"]
    assert {key: at.session_state[key] for key in values} == values
    return values


def address(at):
    return {key: value for key, value in at.query_params.items() if value != []}


def test_an_empty_address_means_the_defaults_and_stays_empty(visit):
    at = visit()
    assert found(at) == DEFAULTS
    assert address(at) == {}


def test_every_widget_writes_what_is_chosen(chosen):
    at = chosen()
    assert found(at) == CHOSEN
    assert address(at) == {key: str(value) for key, value in CHOSEN.items()} | {"method": "occlusion"}


def test_a_fresh_visitor_sees_what_the_address_says(visit, chosen):
    sent = address(chosen())
    at = visit(**sent)
    assert found(at) == CHOSEN
    assert address(at) == sent


def test_names_and_not_labels_stand_in_the_address(visit):
    at = visit()
    assert at.selectbox(key="fruit").options == ["APPLE", "PEAR", "PLUM"]
    at.selectbox(key="fruit").select("pear").run()
    assert address(at) == {"fruit": "pear"}


def test_many_values_are_repeated(visit):
    at = visit()
    at.get_by_key("method").set_value(METHODS).run()
    assert address(at) == {"method": METHODS}
    assert found(visit(method=METHODS))["method"] == METHODS


def test_no_choice_at_all_is_remembered_as_an_empty_value(visit):
    at = visit()
    at.get_by_key("method").set_value([]).run()
    assert found(at)["method"] == []
    assert address(at) == {"method": ""}
    assert found(visit(method=""))["method"] == []


def test_a_value_set_back_to_its_default_leaves_the_address(chosen):
    at = chosen()
    at.selectbox(key="fruit").select("apple")
    at.get_by_key("method").set_value(FIRST)
    at.slider(key="opacity").set_value(60)
    at.pagination[0].set_value(1)
    at.run()
    assert address(at) == {"free": "timm:x", "view": "shared", "noise": "0.3"}
    assert found(at) == CHOSEN | {"fruit": "apple", "method": FIRST, "opacity": 60, "page": 1}


@pytest.mark.parametrize(
    ("key", "raw"),
    [
        ("fruit", "PLUM"), ("fruit", ""), ("fruit", "<script>"), ("view", "both"), ("method", "none"),
        ("opacity", "-5"),
        ("opacity", "101"), ("opacity", "many"), ("opacity", "50.5"), ("noise", "nan"), ("noise", "inf"),
        ("noise", "1e3"),
        ("page", "0"), ("page", "-1"), ("page", "two"), ("page", "²"), ("page", "1.5"), ("page", "9" * 5000),
        ("opacity", "9" * 5000), ("free", ""),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_ignored(visit, key, raw):
    at = visit(**{key: raw})
    assert found(at) == DEFAULTS
    assert address(at) == {}, "and it leaves the address"


def test_a_page_beyond_the_last_is_the_last(visit):
    assert found(visit(page="99"))["page"] == 7


def test_unknown_methods_are_dropped_and_known_ones_kept(visit):
    at = visit(method=["occlusion", "astrology"])
    assert found(at)["method"] == ["occlusion"]
    assert address(at) == {"method": "occlusion"}


def test_a_typed_value_is_cut_to_a_sane_length(visit):
    at = visit(free="x" * 20_000)
    assert found(at)["free"] == "x" * 500


def test_parameters_of_others_stay(visit):
    at = visit(image="a b.png", embed="true", fruit="pear")
    at.selectbox(key="fruit").select("apple").run()
    assert address(at) == {"image": "a b.png", "embed": "true"}


def test_a_page_that_is_left_and_visited_again_keeps_what_was_chosen(chosen):
    at = chosen()
    sent = address(at)
    go(at, "b")
    assert at.title[0].value == "another page"
    go(at, "a")
    assert found(at) == CHOSEN
    assert address(at) == sent, "the address says it again, so that it can be shared"


def test_a_page_visited_again_with_model_set_and_image_only_keeps_the_rest(chosen):
    """The sidebar's choices travel with every link; they say nothing about the view."""
    at = chosen()
    go(at, "b")
    go(at, "a", model="m", set="s", image="i.png")
    assert found(at) == CHOSEN


def test_a_link_to_a_page_visited_before_shows_what_the_link_says(chosen):
    at = chosen()
    go(at, "b")
    go(at, "a", fruit="pear")
    assert found(at) == DEFAULTS | {"fruit": "pear"}, "a link is a whole view: what it leaves out is the default"
    assert address(at) == {"fruit": "pear"}


def test_an_address_that_changes_from_outside_wins(visit):
    """The back button changes the address without a click on any widget."""
    at = visit(fruit="pear")
    at.selectbox(key="fruit").select("plum").run()
    at.query_params["fruit"] = "pear"
    at.run()
    assert found(at)["fruit"] == "pear"
    del at.query_params["fruit"]
    at.run()
    assert found(at) == DEFAULTS
    at.query_params["method"] = METHODS
    at.query_params["opacity"] = "20"
    at.run()
    assert found(at) == DEFAULTS | {"method": METHODS, "opacity": 20}


def test_a_rerun_changes_nothing(chosen):
    at = chosen()
    sent = address(at)
    for _ in range(3):
        at.run()
        assert found(at) == CHOSEN
        assert address(at) == sent


def test_a_choice_made_after_going_back_holds(visit):
    at = visit()
    at.selectbox(key="fruit").select("plum").run()
    at.query_params.clear()
    at.run()
    at.selectbox(key="fruit").select("pear").run()
    assert found(at)["fruit"] == "pear"
    assert address(at) == {"fruit": "pear"}


def test_options_that_no_longer_hold_the_choice_fall_back():
    """As when a filter's values come from an image set and another set is chosen."""

    def changing():
        import streamlit as st

        from workbench.ui import url

        url.begin("a")
        st.session_state["found"] = url.select(
            "Class", st.session_state.get("classes", ["all", "good", "bad"]), key="class"
        )

    at = AppTest.from_function(changing, default_timeout=60)
    at.query_params["class"] = "bad"
    at.run()
    assert at.session_state["found"] == "bad"
    at.session_state["classes"] = ["all", "cat"]
    at.run()
    assert not at.exception
    assert at.session_state["found"] == "all"
    assert address(at) == {}


def shown_on(script, **state):
    """Runs a script of widgets for the image that the session is about."""
    at = AppTest.from_function(script, default_timeout=60)
    for key, value in state.items():
        at.session_state[key] = value
    at.run()
    assert not at.exception
    return at


def about(at, **state):
    for key, value in state.items():
        at.session_state[key] = value
    at.run()
    assert not at.exception
    return at


def test_a_label_that_is_worded_anew_is_sent_to_the_browser():
    """A browser goes by the label of the option and keeps an earlier image's, unless it is told."""

    def labelled():
        import streamlit as st

        from workbench.ui import url

        url.begin("a")
        word = st.session_state.get("word", "functional")
        url.select(
            "Explain",
            ["predicted", "other"],
            key="target",
            format_func=lambda v: f"{word} (predicted)" if v == "predicted" else v,
        )

    at = shown_on(labelled)
    about(at, word="defective")
    sent = at.selectbox(key="target").proto
    assert (sent.set_value, sent.raw_value) == (True, "defective (predicted)")
    assert at.run().selectbox(key="target").proto.set_value is False, "once, so that no click is overtaken"
    at.selectbox(key="target").select("other").run()
    assert at.selectbox(key="target").proto.set_value is False


def test_a_default_that_was_never_departed_from_follows_what_is_shown():
    def defaulted():
        import streamlit as st

        from workbench.ui import url

        url.begin(st.session_state.get("page", "a"))
        decided = st.session_state.get("decided", "cat")
        if st.session_state.get("page", "a") == "a":
            why = url.select("Why", ["cat", "dog", "cow"], key="why", default=decided)
            kinds = url.pills("Kinds", ["cat", "dog", "cow"], key="kinds", default=[decided])
            st.session_state["found"] = why, kinds

    at = shown_on(defaulted)
    about(at, decided="dog")
    assert (at.session_state["found"], address(at)) == (("dog", ["dog"]), {}), "nobody chose the earlier image's class"
    about(at, page="b")
    about(at, page="a", decided="cow")
    assert (at.session_state["found"], address(at)) == (("cow", ["cow"]), {}), "nor was it chosen on another page"
    at.selectbox(key="why").select("cat").run()
    about(at, decided="dog")
    assert (at.session_state["found"], address(at)) == (("cat", ["dog"]), {"why": "cat"}), "what was chosen stays"
    about(at, decided="cat")
    about(at, decided="dog")
    assert address(at) == {}, "what is the default is no choice"


def test_what_a_callback_chooses_holds_though_it_was_the_default_before():
    """As a click on a cell of the confusion matrix, which chooses row and column, and the row decides the column's
    default."""

    def cells():
        import streamlit as st

        from workbench.ui import url

        def click():
            url.choose("true", "b")
            url.choose("called", "x")

        url.begin("a")
        true = url.select("True", ["a", "b"], key="true")
        st.session_state["found"] = (
            true,
            url.select("Called", ["x", "y"], key="called", default={"a": "x", "b": "y"}[true]),
        )
        st.button("cell", on_click=click)

    at = shown_on(cells)
    assert at.session_state["found"] == ("a", "x")
    at.button[0].click().run()
    assert at.session_state["found"] == ("b", "x")
    assert address(at) == {"true": "b", "called": "x"}


def test_a_class_that_is_called_like_a_word_of_the_page_is_another_option():
    words, names = ["predicted", "true"], ["predicted", "=predicted", "true", "cat", "=", ""]
    written = [url.named(name, words) for name in names]
    assert len({*words, *written}) == len(words) + len(names)
    assert [name.removeprefix("=") for name in written] == names
    assert written[3] == "cat", "an ordinary name reads as it is"
