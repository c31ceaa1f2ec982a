"""Verdicts on corruptions: ok only for what was looked for with enough support, and every sentence with its figures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from reliability_nets import study

from workbench.reliability import caveats, corruption_results, corruption_tables, ranking_sentence

EVERY = ("vibration", "dust")


def verdicts(result):
    return {finding.check: finding.verdict for finding in corruption_results(result)}


def test_ok_needs_59_of_each_of_which_none_turns() -> None:
    assert verdicts(study([[0]] * 118, good=59)) == {"corruption": "ok", "corruption: vibration": "ok"}
    for few in (study([[0]] * 117, good=59), study([[0]] * 117, good=58)):
        assert set(verdicts(few).values()) == {"unknown"}
        sentence = corruption_results(few)[1].sentence
        assert "59 independent ones of which none turns would show it, here there are 58" in sentence


def test_few_units_are_no_proof_however_many_images() -> None:
    result = study([[0]] * 400, good=200, units=np.arange(400) % 4)
    assert set(verdicts(result).values()) == {"unknown"}
    assert "4 independent units, too few" in corruption_results(result)[1].sentence


def test_a_defect_that_passes_asks_for_a_look_and_is_named() -> None:
    result = study([[0, 0]] * 98 + [[3, 4]] + [[0, 0]] * 100, EVERY, good=100)
    head, vibration, dust = corruption_results(result)
    assert (head.verdict, vibration.verdict, dust.verdict) == ("warn", "warn", "warn")
    assert head.sentence.startswith(
        "At the threshold 0.500, the first defect passes at severity 3 of 5 of Vibration (5 px of motion along the"
        " rows): 1 of 99 caught defects passes (1%, 95 % interval 0% to 6%), a sample of 199 images of the test split."
    )
    assert vibration.images == ("part98.png",)
    assert "beyond chance is not shown" in vibration.sentence
    assert "None of 100 accepted good parts" in vibration.sentence


def test_escapes_that_rise_at_once_do_not_hold() -> None:
    result = study([[1, 4]] * 12 + [[0, 0]] * 88, EVERY, good=40)
    head, vibration, dust = corruption_results(result)
    assert (head.verdict, vibration.verdict, dust.verdict) == ("fail", "fail", "warn")
    assert "Escapes rise beyond chance at severity 1 (12 images turn to one, 0 from one; p = 0.0" in vibration.sentence
    assert (vibration.figure, vibration.support) == (0.2, 60)
    assert head.sentence.startswith("Mistakes rise beyond chance at severity 1 or 2 under Vibration. At the threshold")


def test_overkill_alone_asks_for_a_look() -> None:
    """Forty good parts of two hundred are rejected from severity 3 on; no defect turns."""
    result = study([[0]] * 100 + [[3]] * 40 + [[0]] * 160, good=200)
    finding = corruption_results(result)[1]
    assert finding.verdict == "warn"
    assert "Overkill rise beyond chance" not in finding.sentence
    assert "Overkill rises beyond chance at severity 3" in finding.sentence
    assert "the first" not in corruption_results(result)[0].sentence


def test_flips_stand_in_where_no_class_is_known_to_be_a_defect() -> None:
    result = dataclasses.replace(study([[2]] * 3 + [[0]] * 97, good=50), positive=(), threshold=None)
    head = corruption_results(result)[0]
    assert head.sentence.startswith("By the highest probability, the first decision changes at severity 2")
    assert "3 of 100 decisions change" in head.sentence


def test_decisions_that_surely_change_ask_for_a_look_without_any_label() -> None:
    whole = dataclasses.replace(study([[1]] * 12 + [[0]] * 18), positive=(), truth=np.full(30, -1))
    finding = corruption_results(whole)[1]
    assert (finding.verdict, finding.figure) == ("warn", 0.4)
    assert "Surely more than 5% by severity 5: 12 of 30 decisions change (40%, 95 % interval 25% to" in finding.sentence
    few = dataclasses.replace(whole, units=np.arange(30) % 3)
    assert corruption_results(few)[1].verdict == "unknown"
    one = dataclasses.replace(study([[1]] + [[0]] * 14), positive=(), truth=np.full(15, -1))
    assert corruption_results(one)[1].verdict == "unknown"
    assert "is not shown on 15 independent ones" in corruption_results(one)[1].sentence
    handful = dataclasses.replace(study([[1]] * 6 + [[0]] * 9), positive=(), truth=np.full(15, -1))
    assert corruption_results(handful)[1].verdict == "unknown"


def test_what_changes_is_named_where_no_defect_passes() -> None:
    """All of forty good parts are rejected, and of twelve defects none passes."""
    head, kind = corruption_results(study([[0]] * 12 + [[1]] * 40, good=40))
    assert "None of 12 caught defects turns at any severity" in kind.sentence
    assert "more than 5% turn" not in kind.sentence
    assert kind.verdict == "fail"
    assert head.sentence.endswith("Other decisions surely change: the line of each corruption tells which.")


def test_a_kind_that_no_image_can_have_is_not_called_ok() -> None:
    whole = study([[0]] * 200, ("saturate",), good=100)
    none = dataclasses.replace(whole, decisions=whole.decisions * 0 - 1, unsuited={"saturate": "No colour."})
    assert set(verdicts(none).values()) == {"unknown"}
    assert corruption_results(none)[1].sentence == "Saturation: No colour."
    assert "Saturation: No colour." in caveats(none)
    assert any("no smallest severity" in line for line in caveats(none))


def test_a_kind_of_no_one_scale_has_no_first_severity() -> None:
    result = study([[2]] * 5 + [[0]] * 95, ("elastic_transform",), good=40)
    assert "severity 2" not in corruption_results(result)[0].sentence
    assert "At one of its severities 5 of 60" in corruption_results(result)[1].sentence


def test_the_ranking_says_what_cannot_be_told_apart() -> None:
    alike = study([[1, 1]] * 10 + [[0, 0]] * 10, EVERY)
    assert "cannot be told apart" in ranking_sentence(alike, "escapes")
    apart = study([[0, 1]] * 90 + [[0, 0]] * 10, EVERY)
    assert ranking_sentence(apart, "escapes") == (
        "By caught defects that pass, guard first against Dust before the other one."
    )
    assert "there are none" in ranking_sentence(study([[0, 0]] * 9, EVERY), "escapes")


def test_what_the_figures_must_be_read_with_is_said() -> None:
    result = dataclasses.replace(study([[0]] * 4), shrunk=3, unlike=1, left_out={"a.png": "It is broken."})
    said = " ".join(caveats(result))
    assert "3 of 4 images are larger than 1,024 pixels" in said
    assert "1 of 4 images are decided otherwise" in said
    assert "It is broken." in said
    assert caveats(study([[0]] * 4)) == []


def test_every_table_is_there_with_a_row_a_cell() -> None:
    tables = corruption_tables(study([[1, 0]] * 8, EVERY, good=4))
    assert {"corruption-cells", "corruption-by-class", "corruption-by-group", "corruption-rises"} <= set(tables)
    assert len(tables["corruption-cells"]) == 10
    assert len(tables["corruption-escapes-first"]) == 4


@pytest.mark.parametrize("count", [1, 2])
def test_grammar_follows_the_number(count) -> None:
    sentence = corruption_results(study([[5]] * count + [[0]] * 40))[1].sentence
    assert f"{count} of {40 + count} caught defects {'passes' if count == 1 else 'pass'}" in sentence
