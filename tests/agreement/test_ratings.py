"""Answers given elsewhere: read as they are meant, or refused with the row and what is wrong with it."""

import pytest
from appraised import decided

from workbench.agreement.agreement_tables import answers_csv
from workbench.agreement.ratings import LARGEST_CSV, read_ratings

GOOD = "Ada,1,1,reject,reject"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("Ada,1,1,1,0", "Row 3: nothing says whether '1' rejects"),
        ("Ada,2,1,,pass", "Row 3 has no answer"),
        (",2,1,pass,pass", "Row 3 names no inspector"),
        ("Ada,,1,pass,pass", "or no part"),
        ("Ada,2,1.5,pass,pass", "trial is a whole number"),
        ("Ada,2,nan,pass,pass", "trial is a whole number"),
        ("Ada,2,-1,pass,pass", "no number from 0 on"),
        ("Ada,2,two,pass,pass", "no number from 0 on"),
        ("Ada,2,0,pass,pass", "trial is a whole number"),
        ("Ada,2,9999999999,pass,pass", "trial is a whole number"),
        ("Ada,1,1,pass,reject", "decides again"),
        ("Ben,1,1,pass,pass", "differs between rows"),
        ("Ben,2,1,pass,", "fill it in for all"),
        (f"{'x' * 81},2,1,pass,pass", "more than 80 characters"),
        ("Ada\u202e,2,1,pass,pass", "cannot be printed"),
    ],
)
def test_what_contradicts_itself_is_refused(refusal, row, says):
    assert says in refusal(lambda: decided([GOOD, row]))


def test_a_file_that_is_none_is_refused(refusal, tmp_path):
    assert "no column 'trial'" in refusal(lambda: decided(["Ada,1,reject"], "inspector,part,answer"))
    assert "holds no answers" in refusal(lambda: decided([]))
    assert "There is no file" in refusal(lambda: read_ratings(tmp_path / "none.csv", "none.csv"))
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(LARGEST_CSV + 1)
    assert "is larger than" in refusal(lambda: read_ratings(large, "large.csv"))
    assert "arm is" in refusal(lambda: decided(["Ada,1,1,pass,both"], "inspector,part,trial,answer,arm"))


def test_words_of_ones_own_must_be_two(refusal):
    rows = ["Ada,1,1,1,1", "Ada,2,1,0,1"]
    assert decided(rows, rejects="0").frame["rejects"].tolist() == [False, True]
    assert "must be '2', which rejects" in refusal(lambda: decided(rows, rejects="2"))
    assert "one other word" in refusal(lambda: decided([*rows, "Ada,3,1,5,1"], rejects="0"))


def test_a_formula_is_written_as_text_and_comes_back(tmp_path):
    ratings = decided(["=1+1,-2,1,reject,reject", "=1+1,@x,1,pass,pass"])
    text = answers_csv(ratings)
    assert "\r\n'=1+1," in text
    assert ",'@x," in text
    again = read_ratings(text.encode(), "answers.csv")
    assert again.frame["inspector"].tolist() == ["=1+1", "=1+1"]
    assert again.frame["part"].tolist() == ["-2", "@x"]
