"""The table of what has been checked: each line says what its own page says, and what nobody looked for is grey."""

import re
from pathlib import Path

import pytest

from workbench.bias import Apart, Conclusion, conclusion_result
from workbench.catalog import load_catalog
from workbench.files import CheckResult
from workbench.predictions.table import Predictions
from workbench.quality import support_results
from workbench.quality.support import support
from workbench.ui import checks
from workbench.ui.overview import checked


def result(verdict, sentence="One. Two."):
    return CheckResult("check", verdict, sentence)


def test_checks_are_counted_by_their_gravest_result():
    known = [[result("ok"), result("warn")], [result("ok")], [], [result("unknown"), result("fail")], []]
    assert checked.summed(known).startswith("5 checks: 1 does not hold, 1 look here, 1 ok, 2 not looked for yet.")
    assert [checks.gravest([result(v) for v in ("ok", last)]) for last in checks.ORDER] == list(checks.ORDER)


def test_what_nobody_looked_for_is_not_called_sound(visit):
    at = visit(model="metal-sound").sound()
    chips = [h.proto.body for h in at.get("html")]
    assert sum(checks.NOT_YET in chip for chip in chips) >= 6
    assert not any(">ok<" in chip for chip in chips)
    links = [link.proto.label for link in at.get("page_link")]
    for title in (
        "Shortcuts",
        "For whom it is worse",
        *checked.ON_DATA.values(),
        "Fit",
        "Calibration",
        "Corruption",
        "Drift",
    ):
        assert f"**{title}**" in links


def test_a_line_says_what_its_page_says(visit):
    at = visit(model="metal-sound").sound()
    captions = [c.value for c in at.caption]
    (counted,) = [text for text in captions if re.match(r"\d+ checks: ", text)]
    frame = Predictions.load(Path(load_catalog().models["metal-sound"].ref, "predictions.parquet")).frame
    first = checks.verdict_of(support_results(support(frame)))[1]
    assert any(first[:60] in at.unescaped(text) for text in captions)
    assert "not looked for yet" in counted


@pytest.mark.parametrize(("verdict", "outcome"), [("proven", "warn"), ("chance", "unknown"), ("none", "ok")])
def test_a_conclusion_of_bias_is_a_result(verdict, outcome):

    line = Conclusion(
        "group", verdict, "Lead", "worse for a.", "camera", gap=Apart("recall", "a", "b", (0.2, 0.1, 0.3))
    )
    said = conclusion_result(line)
    assert (said.check, said.verdict, said.sentence) == ("gap: group camera", outcome, "Lead: worse for a.")
    assert (said.figure, said.low, said.high) == (0.2, 0.1, 0.3)
