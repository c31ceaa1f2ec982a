"""The rules of a gate as TOML."""

from __future__ import annotations

import pytest

from workbench.catalog import shared
from workbench.errors import InputError
from workbench.report import read_rules


def rules_of(folder, text):
    (folder / "gate.toml").write_text(text, encoding="utf-8")
    return read_rules(folder / "gate.toml")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[escape]\nceiling = 0.1", "escape"),
        ("[escapes]\nceilling = 0.1", "escapes.ceilling"),
        ("[escapes]\nceiling = 5", "escapes.ceiling"),
        ("[escapes]\nceiling = nan", "escapes.ceiling"),
        ("[accuracy]\nmargin = '1 %'", "accuracy.margin"),
        ("[accuracy]", "accuracy.margin"),
        ("[groups]\nby = 'camera'", "gap or margin"),
        ("[corruption]\nseverity = 2", "escapes or overkill or flips"),
        ("[reasons]\nby = ['looks']", "reasons.by"),
        ("[preprocessing]\nsame = false", "preprocessing.same"),
        ("[preprocessing]\nsame = 'yes'", "preprocessing.same"),
        ("[churn]\nceiling = '0.1'", "churn.ceiling"),
        ("[churn]\nceiling = 0", "churn.ceiling"),
        ("[escapes]\nmargin = false", "escapes.margin"),
        ("[accuracy]\nmargin = '0,05'", "accuracy.margin"),
        ("[shortcuts]\n[evidence]\nfailing = 0.1\nimages = '60'", "evidence.images"),
        ("[accuracy]\nmargin = 0.1\n[accuracy]\nmargin = 0.2", "not valid TOML"),
        ("level = 0.99", "no rule"),
        ("", "no rule"),
        ("[accuracy", "not valid TOML"),
    ],
)
def test_a_slip_is_named_in_one_sentence(tmp_path, text, word) -> None:
    with pytest.raises(InputError, match=r"gate\.toml") as raised:
        rules_of(tmp_path, text)
    assert word in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_questions_are_counted(tmp_path) -> None:
    text = "[escapes]\nceiling = 0.1\nmargin = 0.1\n[accuracy]\nmargin = 0.0\n[shortcuts]\n[reasons]\n"
    assert rules_of(tmp_path, text).asked == 6  # the reasons by regions and by maps


def test_a_question_without_chance_takes_no_share_of_the_level(tmp_path) -> None:
    rules = rules_of(tmp_path, "[preprocessing]\nsame = true\n")
    assert (rules.asked, rules.preprocessing.same) == (0, True)


def test_rules_have_one_digest_however_they_are_written_and_another_when_any_is_loosened(tmp_path) -> None:
    text = "[accuracy]\nmargin = 0.05\n[shortcuts]\n"
    digest = rules_of(tmp_path, text).digest
    assert (
        rules_of(tmp_path, "# ours\nlevel = 0.95\n[shortcuts]\nknown = true\n[accuracy]\nmargin=5e-2").digest == digest
    )
    for loosened in (text.replace("0.05", "0.06"), text + "[churn]\nceiling = 0.5\n", "level = 0.9\n" + text):
        assert rules_of(tmp_path, loosened).digest != digest


def test_the_rules_of_the_demo_are_valid_and_ask_of_each_kind() -> None:
    rules = read_rules(shared("gate.toml"))
    assert None not in (
        rules.preprocessing,
        rules.churn,
        rules.escapes,
        rules.accuracy,
        rules.groups,
        rules.calibration,
        rules.shortcuts,
    )
