"""`workbench agreement`: findings and tables of answers given elsewhere, and one clear line on what is none."""

import json

import pytest
from appraised import aiag_csv

from workbench.cli import main


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["agreement", *map(str, arguments)])
    return ended.value.code


def test_it_writes_findings_and_tables(tmp_path, capsys):
    (tmp_path / "answers.csv").write_bytes(aiag_csv())
    out = tmp_path / "out"
    assert run("--answers", tmp_path / "answers.csv", "--out", out, "--rejects", "0") == 0
    findings = json.loads((out / "findings.json").read_text(encoding="utf-8"))
    effective = [finding for finding in findings if finding["check"] == "effectiveness"]
    assert [finding["figure"] for finding in effective] == [0.84, 0.9, 0.8]
    assert [finding["verdict"] for finding in effective] == ["warn", "unknown", "warn"]
    assert {path.stem for path in (out / "tables").iterdir()} == {"agreement-appraisers", "agreement-pairs"}
    assert "effectiveness 84.0%" in capsys.readouterr().out


def test_bad_input_ends_with_one_line(tmp_path, capsys):
    (tmp_path / "answers.csv").write_bytes(aiag_csv())
    assert run("--answers", tmp_path / "answers.csv", "--out", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert said.startswith("workbench: Line 2: nothing says whether '1' rejects")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
