"""What commands write: the findings and tables of this run, and none of a run before."""

from __future__ import annotations

import json

import pandas as pd

from workbench.cli.reliability import OWN_TABLES
from workbench.cli.written import tell, write_findings
from workbench.files import CheckResult

RESULT = CheckResult("fit memorised", "warn", "It memorised.")


def test_tables_of_a_run_before_go_and_those_of_others_stay(tmp_path) -> None:
    table = pd.DataFrame({"a": [1]})
    write_findings(tmp_path, [RESULT], {"fit-gaps": table, "corruption-escapes-first": table}, OWN_TABLES)
    (tmp_path / "tables" / "leaks.csv").write_text("of workbench data")
    write_findings(tmp_path, [RESULT, RESULT], {"fit-gaps": table.assign(a=2)}, OWN_TABLES)
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == ["fit-gaps.csv", "leaks.csv"]
    assert pd.read_csv(tmp_path / "tables" / "fit-gaps.csv")["a"].tolist() == [2]
    assert [row["verdict"] for row in json.loads((tmp_path / "findings.json").read_text())] == ["warn", "warn"]


def test_what_several_findings_say_is_said_once(capsys) -> None:
    tell([RESULT, RESULT, CheckResult("calibration", "ok", "Calibrated.")])
    assert capsys.readouterr().out == "look    It memorised.\nok      Calibrated.\n"
