"""The Defects page counts escapes, overkill and reviews once, and says which share of defects its figures are reckoned
for."""

import dataclasses

import numpy as np
import pytest
from inspected import mixed, sentence, steps, told
from PIL import Image
from tables import with_attributes

import workbench as wb
from workbench.attribution.methods import METHODS
from workbench.defects.halves import cases_of, of_split
from workbench.defects.operating import Costs, point_at
from workbench.defects.threshold import choose
from workbench.predictions.cases import defect_classes
from workbench.ui.defects import operating, rests

pytest_plugins = ["inspected"]


# One count of escapes, overkill and reviews

BANDS = {
    "none": {"choose": "hand", "threshold": "0.5"},
    "wide": {"choose": "cost", "review": "95"},
    "above the threshold": {"choose": "hand", "threshold": "0.05", "review": "90"},
    "below the threshold": {"choose": "hand", "threshold": "0.95", "review": "90"},
    "too few to reject any": {"choose": "hand", "threshold": "0.4", "review": "99"},
}


def counted(found, low, high, split):
    """Defects that pass, good parts that are rejected and parts in between, from the table of predictions."""
    kept = found.frame[(found.frame["split"] == split) & found.frame["verdict"].notna()].index
    scores, bad = found.probabilities[kept, 1].astype(float), (found.frame["label"][kept] == "bad").to_numpy()
    return (
        int((bad & (scores < low)).sum()),
        int((~bad & (scores >= high)).sum()),
        int(((scores >= low) & (scores < high)).sum()),
    )


@pytest.mark.parametrize("address", BANDS.values(), ids=BANDS)
def test_with_a_review_band_every_place_counts_the_same(defects, drawn_lines, address):
    found = with_attributes(mixed(), line=np.resize(np.array(["A", "B", "C"], dtype=object), 400))
    at = defects(found, **address).sound()
    low, high = ends(found, address)
    expected = {split: counted(found, low, high, split) for split in ("validation", "test")}
    kinds = 2 if "review" not in address else 3
    for column, split, here in zip(at.table[0].value, expected, drawn_lines[-1]["here"], strict=True):
        rows = at.table[0].value[column]
        assert [int(rows[name]) for name in ("escapes", "overkill", "for review")[:kinds]] == list(expected[split])[
            :kinds
        ]
        assert tuple(here) == expected[split][:kinds], "the readout under the histogram"
    groups = at.dataframe[0].value
    for name, count in zip(("escapes", "overkill", "for review")[:kinds], expected["test"], strict=False):
        assert sum(int(text.split(" of ")[0]) for text in groups[name]) == count
    decisions = defects(found, **address, view="decisions", queue="all").sound()
    queues = " ".join(o.content for e in decisions.get("button_group") for o in e.proto.options)
    assert f"Escapes ({expected['test'][0]})" in queues
    assert f"Overkill ({expected['test'][1]})" in queues
    if kinds == 3:
        promised = next(m.value for m in at.markdown if "is for review. " in m.value)
        assert (
            f"{expected['test'][0]} of its defects pass unseen, and {expected['test'][1]} of its good parts" in promised
        )


def ends(found, address):
    """The ends of the band: split-conformal, computed here from the validation split."""
    threshold = np.float32(address["threshold"] if "threshold" in address else chosen_threshold(found))
    if "review" not in address:
        return threshold, threshold
    kept = found.frame[found.frame["split"] == "validation"].index
    scores, bad = found.probabilities[kept, 1].astype(float), (found.frame["label"][kept] == "bad").to_numpy()
    share = int(address["review"]) / 100
    reach = []
    for values in (-scores[bad], scores[~bad]):
        rank = int(np.ceil(share * (len(values) + 1) - 1e-9))
        reach.append(np.sort(values)[rank - 1] if rank <= len(values) else np.inf)
    return min(-reach[0], threshold), max(np.nextafter(np.float32(reach[1]), np.float32(2)), threshold)


def chosen_threshold(found):
    return choose(of_split(cases_of(found), "validation"), "cost", costs=Costs(10, 1)).threshold


def test_a_band_that_moves_with_the_line_is_counted_at_each_of_its_places(defects, drawn_lines):
    found = mixed()
    defects(found, choose="hand", threshold="0.5", review="90").sound()
    data = drawn_lines[-1]
    for place in (0, 60, 300, 500, 900, 1000):
        at = defects(found, choose="hand", threshold=str(data["grid"][place]), review="90").sound()
        assert drawn_lines[-1]["here"] == [[count["grid"][place] for count in line["counts"]] for line in data["lines"]]
        assert at.table[0].value.loc["for review"].astype(int).tolist() == [
            line["counts"][2]["grid"][place] for line in data["lines"]
        ]


def test_the_sentence_says_what_becomes_of_a_part_with_a_band(defects):
    found = mixed()
    for address in BANDS.values():
        at = defects(found, **address).sound()
        low, high = ends(found, address)
        said = sentence(at)
        if "review" not in address:
            assert f"Parts with a score of {low:.4f} or more are rejected. The score is the probability of bad." in said
        else:
            assert (f"rejected at a score of {high:.4f} or more" in said) == (high <= 1)
            assert ("is never rejected unseen" in said) == (high > 1)
            assert f"passes below {low:.4f}" in said or low <= 0
            assert "otherwise goes to review" in said


@pytest.mark.parametrize(
    ("splits", "listed"),
    [
        (("train", "test"), "test"),
        (("train", "validation"), "validation"),
        (("train",), "train"),
        ((None,), "all"),
        (("train", None), "rest"),
    ],
)
def test_the_queue_begins_with_what_is_reported(defects, splits, listed):
    found = mixed(splits=np.array(splits, dtype=object))
    at = defects(found, choose="hand", threshold="0.5", view="decisions", queue="all").sound()
    shown = at.selectbox(key="on").value
    assert shown == ("images of no split" if listed == "rest" else listed)
    rows = found.frame["split"].isna() if listed in ("rest", "all") else found.frame["split"] == listed
    assert steps(at).startswith(f"All: 1 of {rows.sum()}, ")


def test_the_queue_can_be_that_of_either_half(defects):
    found = mixed(splits=("train", "other", "other"))
    at = defects(found, choose="cost", splits="halves", view="decisions", queue="all").sound()
    table = defects(found, choose="cost", splits="halves").sound().table[0].value
    for split, column in zip(("validation half", "test half"), table, strict=True):
        at = defects(found, choose="cost", splits="halves", view="decisions", queue="escapes", on=split).sound()
        queues = " ".join(o.content for e in at.get("button_group") for o in e.proto.options)
        assert f"Escapes ({table[column]['escapes']})" in queues
        assert f"Overkill ({table[column]['overkill']})" in queues
    assert at.selectbox(key="on").options[:2] == ["Reporting half", "Choosing half"]


# The share of defects on the line


@pytest.mark.parametrize(
    ("address", "share"), [({}, None), ({"prior": "0.0"}, None), ({"prior": "0"}, None), ({"prior": "2.0"}, 0.02)]
)
def test_an_empty_share_of_defects_is_that_of_the_images_and_an_old_link_says_so_with_0(defects, address, share):
    found = mixed()
    at = defects(found, choose="hand", threshold="0.5", **address).sound()
    field = at.number_input(key="prior")
    assert (field.value, field.placeholder) == (None if share is None else 100 * share, "as in these images")
    tested = of_split(cases_of(found), "test")
    there = tested.defects / (tested.defects + tested.good)
    point = point_at(tested, 0.5, Costs(10, 1, share))
    shown = at.table[0].value.iloc[:, 1]
    assert shown["cost a part"] == operating.interval(point, "cost")
    by_hand = 10 * (share or there) * point["escape rate"] + (1 - (share or there)) * point["overkill rate"]
    assert float(shown["cost a part"].split(" (")[0]) == pytest.approx(by_hand, rel=5e-3)
    line = next(text for text in told(at).splitlines() if text.startswith("Precision, F1 and cost"))
    assert ("a line with 2 % defects" in line) if share else (f"{100 * there:.3g} % in the test split" in line)
    assert at.query_params.get("prior", []) == ([] if share is None else "2.0")


def test_no_share_is_no_number_that_somebody_may_mean(defects):
    at = defects(mixed(), prior="2.0").sound()
    at.number_input(key="prior").set_value(0.01)
    at.run().sound()
    assert at.query_params["prior"] == "0.01"
    assert "0.01 % defects" in told(at)
    at.number_input(key="prior").set_value(None)
    at.run().sound()
    assert at.query_params.get("prior", []) == []
    assert at.number_input(key="prior").min > 0


# What is said is what was computed


@pytest.mark.parametrize("way", [{"choose": "cost"}, {"choose": "escape", "ceiling": "20.0"}])
def test_the_reason_of_a_threshold_is_not_taken_for_a_figure_of_its_band(defects, way):
    alone = "without the review band"
    found = mixed()
    assert alone not in sentence(defects(found, **way).sound())
    assert alone in sentence(defects(found, **way, review="99").sound())


def test_a_rule_for_good_parts_makes_no_defect_of_them(defects):
    found = mixed()
    turned = dataclasses.replace(found, rule=dataclasses.replace(found.rule, positive="good", threshold=0.7))
    assert defect_classes(turned) == ("bad",)
    assert "the probability of bad" in sentence(defects(turned, choose="hand", threshold="0.5").sound())


def test_where_mistakes_cost_nothing_no_threshold_is_called_the_cheapest(defects):
    at = defects(mixed(), choose="cost", escape_cost="0.0", overkill_cost="0.0").sound()
    assert "All thresholds cost the same, 0 a part" in sentence(at)
    assert "lowest cost a part: 0" not in sentence(at)


@pytest.mark.parametrize("method", rests.METHODS_OFFERED)
def test_a_map_of_how_the_score_reacts_is_not_said_to_speak_for_a_defect(method, tiny_net, cheap):
    loaded = wb.load_classifier(
        tiny_net(), classes=("good", "bad"), device="cpu", size=(16, 16), mean=(0, 0, 0), std=(1, 1, 1)
    )
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    try:
        found = wb.attribute(loaded, Image.fromarray(pixels), method, "bad", score="logit", **cheap(method))
    except wb.InputError:
        pytest.skip("this method is not for so small a net")
    reacts = METHODS[method].reacts
    assert not (reacts and (found.ranking < 0).any())
    question = rests.Question(method, "inpaint")
    assert question.signed == (METHODS[method].signed and not reacts)
    assert question.hint == ("The score is most sensitive to" if reacts else "Its strongest hint is")
