"""What went wrong for users of other tools when they split by group and took home what was found, as small sets.

Cases from the trackers of scikit-learn (degenerate grouped folds), CLAM and OpenRLHF (what was trained on judged as a
test), make-sense (files of one name), luxonis and FiftyOne (images lost on the way), deepchecks (a check that could not
run) and cleanlab (a suggestion that is the label).
"""

import csv
import io

import pandas as pd
import pytest
from PIL import Image
from planted import item, kin

from workbench.errors import InputError
from workbench.quality import (
    Answers,
    LabelIssues,
    Proposal,
    for_trained,
    grouped_split,
    manifest,
    proposed_split,
    write_manifest,
)
from workbench.sets import load_images


def test_groups_too_few_for_all_classes_are_named_and_none_is_empty_without_a_word():
    """Six images of three classes in four groups: no deal gives each split each class."""
    rows = zip("abbccd", "110022", strict=True)
    items = [item(f"{n}", None, label, group=group) for n, (group, label) in enumerate(rows)]
    split = grouped_split(items)
    there = set(zip(split.frame["after"], split.frame["label"], strict=True))
    wanted = {(part, label) for part in ("train", "validation", "test") for label in "012"}
    assert set(split.lacking) == wanted - there
    with pytest.raises(InputError, match="fewer than three different parts"):
        grouped_split(items[:3])


def test_a_slide_that_trains_in_one_split_is_no_test_in_another():
    items = [item(f"slide{n}", "test" if n < 4 else "train") for n in range(12)]
    split = grouped_split([*items, item("again", "train")], kin([*items, item("again")], [("slide0", "again")]))
    counts = dict(zip(split.frame["name"], for_trained(split), strict=True))
    assert (counts["slide0"], counts["again"]) == ("train", "train")
    assert sorted(name for name, now in counts.items() if now == "test") == ["slide1", "slide2", "slide3"]


def test_where_no_split_is_stated_there_is_nothing_to_judge_a_trained_model_on():
    items = [item(f"{n}") for n in range(9)]
    assert proposed_split(items, kin(items, [])) is None
    dealt = grouped_split(items)
    assert not dealt.kept
    assert set(for_trained(dealt)) == {"train"}


@pytest.fixture
def odd(tmp_path):
    """Files of one name in two folders, a name with a comma, and a label that starts a formula."""
    for number, place in enumerate(("train/cat/1.png", "train/dog/1.png", "test/cat/a, b.png", "test/=dog/2.png")):
        path = tmp_path / "set" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (40 * number, 0, 90)).save(path)
    return tmp_path / "set"


def test_no_image_label_or_split_is_lost_on_the_way_out_and_back(odd, tmp_path):
    images = load_images(str(odd))
    write_manifest(tmp_path / "out" / "manifest.csv", images)
    again = load_images(str(tmp_path / "out" / "manifest.csv"))
    assert {(i.id, i.label, i.split) for i in again} == {(i.id, i.label, i.split) for i in images}
    assert len(again) == 4


def test_images_without_a_label_or_a_split_keep_their_rows():
    class Set(list):
        name, synthetic, attribute_names = "odd", False, ()
        by_name = property(lambda self: {i.name: i for i in self})

    some = Set([item("a/1.png", "train"), item("b/1.png", None, None), item("c.png", "test")])
    rows = list(csv.DictReader(io.StringIO(manifest(some, accepted=[Proposal("c.png", "leave out", None, None, "x")]))))
    assert [(row["image"], row["label"], row["split"]) for row in rows] == [
        ("a/1.png", "good", "train"),
        ("b/1.png", "", ""),
    ]


def test_a_check_that_could_not_run_is_unknown_and_a_suggestion_is_another_label():
    items = [item(f"{n}", None) for n in range(3)]
    known = Answers(families=kin(items, []), labels="All 3 labels are 'good'.")
    verdicts = {line.check: line.verdict for line in known.results}
    assert verdicts["repeat decisions"] == verdicts["label issues"] == "unknown"
    columns = ("name", "label", "flagged", "suggestion", "why")
    rows = pd.DataFrame([("0", "good", True, "bad", "sure"), ("1", "good", True, None, "twin")], columns=columns)
    issues = LabelIssues(rows.assign(flagged=True), 3, {}, None, {}, 0, None)
    assert [(line.image, line.before, line.after) for line in Answers(labels=issues).relabels] == [("0", "good", "bad")]
