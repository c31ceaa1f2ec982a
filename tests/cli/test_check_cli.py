"""`workbench check`: what it writes, its exit code, and the verdicts of the models that ship."""

from __future__ import annotations

import json

import pytest
from commands import call
from reported import written_model, written_set

from workbench.report import dossier
from workbench.report.check_parts import CHECK_PARTS


def test_a_verdict_is_written_with_what_is_not_yet_known(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(dossier, "CHECK_PARTS", {name: CHECK_PARTS[name] for name in ("calibration", "recorded")})
    monkeypatch.setenv("WORKBENCH_JOURNAL", str(tmp_path / "journal.sqlite"))
    model, images = written_model(tmp_path / "corner"), written_set(tmp_path / "parts", 16)
    about = ["--model", str(model), "--images", str(images), "--out", str(tmp_path / "out")]
    assert call("check", *about, "--set-criteria", "Ada") == 0
    printed = capsys.readouterr().out
    assert "Recorded the criteria as entry 1 of the journal." in printed
    verdict = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert len(verdict["checks"]) == 12
    by_name = {check["check"]: check for check in verdict["checks"]}
    assert by_name["provenance"]["status"] != "fail"
    assert by_name["leaks"] == {
        "check": "leaks", "status": "not yet known", "criterion": by_name["leaks"]["criterion"], "result": None,
        "accepted": None,
    }  # fmt: skip
    assert verdict["headline"].startswith("Not shown to be fit for use: of 12 checks ")
    assert verdict["headline"] in printed
    findings = json.loads((tmp_path / "out" / "findings.json").read_text())
    assert {"provenance: model", "calibration"} <= {finding["check"] for finding in findings}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["metal-shortcut", "metal-sound"])
def test_the_planted_stamp_makes_the_verdict_and_the_sound_model_is_not_accused(name, tmp_path) -> None:
    """Neither is fit for use, for a dead row of pixels makes either reject good parts."""
    assert call("check", "--model", name, "--images", "stamped-metal", "--out", str(tmp_path)) == 1
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    shortcut = next(check for check in verdict["checks"] if check["check"] == "shortcut")
    if name == "metal-sound":
        assert shortcut["status"] != "fail"
        assert "bottom right" not in verdict["headline"]
        return
    assert shortcut["status"] == "fail"
    assert "bottom right" in shortcut["result"]["sentence"]
    assert shortcut["result"]["sentence"].split(".")[0] in verdict["headline"]
