"""Answers given elsewhere: read as they are meant, or refused with the row and what is wrong with it."""

import codecs

import pytest
from appraised import decided

from workbench.agreement.agreement_tables import answers_csv
from workbench.agreement.ratings import LARGEST_CSV, read_ratings

GOOD = "Ada,1,1,reject,reject"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("Ada,1,1,1,0", "Line 3: nothing says whether '1' rejects"),
        ("Ada,2,1,,pass", "Line 3 has no answer"),
        (",2,1,pass,pass", "Line 3 names no inspector"),
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


SPREADSHEETS = {
    "semicolons of a German Excel": lambda text: text.replace(",", ";").replace("\n", "\r\n").encode("cp1252"),
    "the same in UTF-8 with its mark": lambda text: text.replace(",", ";").encode("utf-8-sig"),
    "a line that states the separator": lambda text: b"sep=;\r\n" + text.replace(",", ";").encode("cp1252"),
    "Unicode text of Excel": lambda text: text.replace(",", "\t").encode("utf-16"),
    "UTF-16 that begins with the high byte": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "old Macintosh ends of lines": lambda text: text.replace("\n", "\r").encode("utf-8-sig"),
    "quoted cells and empty rows below": lambda text: (
        "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.split("\n")).encode()
        + b"\n,,,,,\n,,,,,\n"
    ),
}
GERMAN = "\n".join(
    [
        "inspector,part,trial,answer,reference,seconds",
        "Jürgen Groß,Gehäuse 1,1,Reject,PASS,3.5",
        "Jürgen Groß,Blech,1,ok,pass,",
    ]
)


@pytest.mark.parametrize("form", SPREADSHEETS)
def test_every_form_that_spreadsheets_save_is_read_as_the_same_answers(form):
    plain = read_ratings(GERMAN.encode(), "a.csv").frame
    assert plain["inspector"].tolist() == ["Jürgen Groß"] * 2
    assert plain["rejects"].tolist() == [True, False]
    assert read_ratings(SPREADSHEETS[form](GERMAN), "a.csv").frame.equals(plain)


@pytest.mark.parametrize("cell", ["3,5", "1,234"])
def test_a_decimal_comma_is_refused_by_name_and_never_taken_for_another_number(refusal, cell):
    rows = f"inspector;part;trial;answer;seconds\nAda;1;1;ok;{cell}".encode()
    said = refusal(lambda: read_ratings(rows, "a.csv"))
    assert f"Line 2: seconds is '{cell}', with a comma" in said


def test_the_line_that_is_named_is_that_of_an_editor(refusal):
    text = b"sep=;\r\ninspector;part;trial;answer\r\n;;;\r\nAda;1;1;ok\r\n\r\nAda;2;1;perhaps\r\nAda;1;1;ok"
    assert "Line 6: nothing says whether 'perhaps'" in refusal(lambda: read_ratings(text, "a.csv"))
    twice = text.replace(b"perhaps", b"nok")
    assert "Line 7 of a.csv decides again" in refusal(lambda: read_ratings(twice, "a.csv"))


def test_a_workbook_is_no_csv(refusal):
    assert "save it as CSV" in refusal(lambda: read_ratings(b"PK\x03\x04" + bytes(range(256)) * 4, "a.xlsx"))


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
