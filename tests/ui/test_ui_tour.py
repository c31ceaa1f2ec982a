"""The tour: six steps with the figures of what is loaded, resumable by its address, and left for good."""

from pathlib import Path

import pytest

from workbench.catalog import load_catalog
from workbench.predictions.table import Predictions
from workbench.ui.tour.band import LEFT

OFFER = "New here? Six steps, ten minutes"


@pytest.fixture(scope="module")
def test_split():
    """The stored predictions of the solar cells of the test split, with the probability of a defect."""
    table = Predictions.load(Path(load_catalog().models["solar-cells"].ref, "predictions.parquet"))
    frame = table.frame.assign(p=table.probabilities[:, table.class_names.index("defective")])
    return frame[frame["split"] == "test"]


def words(at):
    return next(m.value for m in at.markdown if m.value.startswith("**Tour")), at


def all_words(at):
    return " ".join(m.value.replace("\\", "") for m in at.markdown)


def labels(at):
    return [link.proto.label for link in at.get("page_link")]


def test_the_first_step_tells_the_mistakes_of_the_test_split(visit, test_split):
    at = visit(tour="1").sound()
    assert words(at)[0] == "**Tour, 1 of 6: Is it fit for use?**"
    defects = test_split[test_split["label"] == "defective"]
    good = test_split[test_split["label"] == "functional"]
    escaped = 100 * (defects["predicted"] == "functional").mean()
    rejected = 100 * (good["predicted"] == "defective").mean()
    said = all_words(at)
    assert f"It misses {escaped:.0f} of 100 (" in said
    assert f" defects and rejects {rejected:.0f} of 100 (" in said
    assert f"measured on {len(test_split)} images of the test split" in said
    counted = next(caption.value for caption in at.caption if caption.value.startswith("12 checks: "))
    assert counted in said, "as the table of the page counts"


def test_the_second_step_shows_the_escape_that_the_model_is_surest_of(visit, test_split):
    escapes = test_split[(test_split["label"] == "defective") & (test_split["predicted"] == "functional")]
    at = visit("defects", tour="2", view="decisions").sound("Defects")
    surest = escapes.sort_values("p")["name"].iloc[0]
    defects = (test_split["label"] == "defective").sum()
    assert f"{len(escapes)} of {defects} defects are missed" in all_words(at)
    assert surest in all_words(at)
    link = next(link.proto for link in at.get("page_link") if link.proto.label == "Next")
    assert f"image={surest}" in link.query_string
    assert "tour=3" in link.query_string


def test_the_threshold_step_counts_what_passes(visit, test_split):
    at = visit("defects", tour="5", view="threshold").sound("Defects")
    defects = test_split[test_split["label"] == "defective"]
    good = test_split[test_split["label"] == "functional"]
    passed, rejected = (defects["predicted"] == "functional").sum(), (good["predicted"] == "defective").sum()
    said = all_words(at)
    assert f"{passed} of {len(defects)} defects pass and {rejected} of {len(good)} good parts are rejected" in said


@pytest.mark.parametrize("number", ["0", "7", "01"])
def test_a_step_that_there_is_not_is_none(visit, number):
    at = visit(tour=number).sound()
    assert not [m for m in at.markdown if m.value.startswith("**Tour")]
    assert "tour" not in at.query_params


def test_the_step_stays_from_page_to_page_and_leads_back(visit):
    at = visit(tour="1").sound()
    assert "Back to this step" not in labels(at)
    at.switch_page("../pages/journal.py")
    at.query_params.clear()
    at.run().sound("Journal")
    assert words(at)[0].startswith("**Tour, 1 of 6")
    assert at.query_params["tour"] == "1"
    assert "Back to this step" in labels(at)


def test_the_tour_is_offered_until_it_is_left(visit):
    at = visit().sound()
    assert OFFER in labels(at)
    at = visit(tour="1").sound()
    assert OFFER not in labels(at)
    at.button(key="tour leave").click().run().sound()
    assert OFFER not in labels(at)
    assert "tour" not in at.query_params
    assert at.session_state[LEFT] is True


def test_where_nothing_can_be_judged_the_tour_says_so(visit):
    said = all_words(visit(tour="1", model="everyday").sound())
    assert "Nothing is known here yet" in said
    assert "of 100" not in said


def test_slides_stand_in_place_of_the_page_and_have_nothing_to_operate(visit, test_split):
    at = visit(tour="5", present="1").sound("Where should the threshold be?")
    said = " ".join(html.proto.body for html in at.get("html"))
    defects = test_split[test_split["label"] == "defective"]
    assert f"{(defects['predicted'] == 'functional').sum()} of {len(defects)}" in said
    main = [*at.main.button, *at.main.selectbox, *at.main.number_input, *at.main.slider, *at.main.get("page_link")]
    assert main == []
    visit(tour="4", present="1").sound("Do the figures stand?")
