"""The table of what has been checked: each line says what its own page says, and what nobody looked for is grey."""

from pathlib import Path

import pytest

from workbench.bias import Apart, Conclusion, conclusion_result
from workbench.catalog import Criteria, load_catalog
from workbench.files import CheckResult
from workbench.predictions.table import Predictions
from workbench.quality import support_results
from workbench.quality.support import support
from workbench.report import CHECKS, held, judge
from workbench.ui import checks
from workbench.ui.overview import checked


def result(verdict, sentence="One. Two."):
    return CheckResult("check", verdict, sentence)


def test_checks_are_counted_by_their_status():
    known = {
        "fit": [result("ok"), result("warn")],
        "leaks": [result("ok")],
        "drift": [result("unknown"), result("fail")],
    }
    standings = judge(known, Criteria(), {}).standings
    assert checked.summed(standings).startswith("12 checks: 1 fail, 1 watch, 9 not yet known, 1 ok.")


def test_what_nobody_looked_for_is_not_called_sound(visit):
    at = visit(model="metal-sound").sound()
    html = [h.proto.body for h in at.get("html")]
    assert sum("not yet known" in chip for chip in html) >= 6
    assert not any("Fit for use" in text for text in html)
    assert any("Not shown to be fit for use" in text or "Not fit for use" in text for text in html)
    links = [link.proto.label for link in at.get("page_link")]
    assert [title for title in links if title in {f"**{check.title}**" for check in CHECKS}] == [
        f"**{check.title}**" for check in CHECKS
    ]
    assert sum(text.value.startswith("Criterion: ") for text in at.caption) == 12
    captions = [c.value for c in at.caption]
    frame = Predictions.load(Path(load_catalog().models["metal-sound"].ref, "predictions.parquet")).frame
    first = checks.verdict_of(held("support", support_results(support(frame)), Criteria()))[1]
    assert any(first[:60] in at.unescaped(text) for text in captions)
    assert any("No decision about this model is in the journal" in text for text in captions)
    assert any("No criteria are recorded in the journal" in text for text in captions)
    assert "Compute what is not yet known" in [button.label for button in at.button]


def test_a_finding_is_accepted_reads_so_and_is_taken_back(visit):
    at = visit(model="metal-sound").sound()
    (button,) = [each for each in at.button if each.key == "accepted support"]
    button.click().run()
    assert any("Not written." in error.value for error in at.error), "without a name"
    at.text_input(key="who accepts support").input("Ada <b>").run()
    at.text_area(key="why support").input("=Known").run()
    (button,) = [each for each in at.button if each.key == "accepted support"]
    button.click().run()
    said = [text.value for text in at.markdown if "Accepted by" in text.value]
    assert len(said) == 1
    assert "<b>" not in said[0]
    assert any("(1 accepted)." in caption.value for caption in at.caption if "12 checks" in caption.value)
    assert not [each for each in at.button if each.key == "accepted support"]
    at.text_input(key="who takes back support").input("Bo").run()
    (button,) = [each for each in at.button if each.key == "taken back support"]
    button.click().run()
    assert not [text for text in at.markdown if "Accepted by" in text.value]
    assert [each for each in at.button if each.key == "accepted support"]


@pytest.mark.parametrize(("verdict", "outcome"), [("proven", "warn"), ("chance", "unknown"), ("none", "ok")])
def test_a_conclusion_of_bias_is_a_result(verdict, outcome):

    line = Conclusion(
        "group", verdict, "Lead", "worse for a.", "camera", gap=Apart("recall", "a", "b", (0.2, 0.1, 0.3))
    )
    said = conclusion_result(line)
    assert (said.check, said.verdict, said.sentence) == ("gap: group camera", outcome, "Lead: worse for a.")
    assert (said.figure, said.low, said.high) == (0.2, 0.1, 0.3)
