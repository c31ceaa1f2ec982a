"""`workbench gate`: its exit codes, what it writes, and the jobs of the documentation."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from bright_parts import MODULE, bright_model, bright_set
from commands import call

DOCUMENT = Path(__file__).parents[2] / "docs" / "gate.md"
WEIGHTS = {"good": (0.0, 1.0), "equal": (0.01, 1.0), "turned": (0.0, -1.0)}
RULES = "split = 'all'\n[accuracy]\nmargin = 0.1\n[escapes]\nceiling = 0.1\n"


@pytest.fixture
def bright(place):
    """Dark parts that are good and bright ones that are defective."""
    (place / "bright_models.py").write_text(MODULE)
    bright_set(place / "set")
    for name, (edge, sign) in WEIGHTS.items():
        bright_model(place / name, edge, sign)
    (place / "gate.toml").write_text(RULES)
    return place


def run(place, new, *more, old="good", images="set", rules="gate.toml") -> int:
    refs = "--old", str(place / old), "--new", str(place / new), "--images", str(place / images)
    files = "--junit", str(place / "made" / "gate.xml"), "--markdown", str(place / "made" / "gate.md")
    return call("gate", *refs, "--rules", str(place / rules), "--out", str(place / f"out {new}"), *files, *more)


def test_an_equal_model_is_0_and_all_files_say_the_same(bright, capsys) -> None:
    assert run(bright, "equal") == 0
    facts = json.loads((bright / "out equal" / "gate.json").read_text(encoding="utf-8"))
    printed = capsys.readouterr().out
    assert facts["outcome"] == "pass"
    assert facts["headline"] in printed
    assert all(row["sentence"] in printed for row in facts["rulings"])
    root = ElementTree.parse(bright / "made" / "gate.xml").getroot()
    assert [case.get("name") for case in root.iter("testcase")] == [row["rule"] for row in facts["rulings"]]
    assert "passes" in (bright / "made" / "gate.md").read_text(encoding="utf-8")


def test_a_worse_model_is_1_and_goes_on_from_what_is_known(bright, capsys) -> None:
    for _ in range(2):
        assert run(bright, "turned") == 1
    assert "FAIL    accuracy" in capsys.readouterr().out
    assert ElementTree.parse(bright / "made" / "gate.xml").find("testsuite").get("failures") == "2"


def test_bad_input_is_2_in_one_line(bright, capsys) -> None:
    for text, word in (
        ("[accuracy]\nmargin = 2", "accuracy.margin"),
        (RULES.replace("'all'", "'test'"), "no test split"),
    ):
        (bright / "bad.toml").write_text(text)
        assert run(bright, "equal", rules="bad.toml") == 2
        error = capsys.readouterr().err
        assert word in error
        assert error.count("\n") == 1
    assert run(bright, "equal", rules="none.toml") == 2
    assert run(bright, "nowhere") == 2


def test_bad_input_leaves_nothing_of_an_earlier_run_for_a_job_to_take_home(bright, capsys) -> None:
    assert run(bright, "equal") == 0
    (bright / "gate.toml").write_text("[accuracy]\nmargin = '1 %'")
    assert run(bright, "equal") == 2
    assert not list((bright / "made").iterdir())
    assert not (bright / "out equal" / "gate.json").exists()


def test_ten_images_are_3_and_so_are_reasons_without_a_null(bright, capsys) -> None:
    for path in sorted((bright / "set").rglob("*.png"))[5:60] + sorted((bright / "set" / "good").glob("*.png"))[5:]:
        path.unlink(missing_ok=True)
    assert run(bright, "equal") == 3
    assert "not enough to tell" in capsys.readouterr().out
    (bright / "reasons.toml").write_text("split = 'all'\n[reasons]\n")
    assert run(bright, "equal", rules="reasons.toml") == 3
    assert "not known: name 2 or more" in capsys.readouterr().out


def test_the_documented_jobs_are_valid_and_call_the_command_with_what_it_takes() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    action, hook = (yaml.safe_load(block.split("```")[0]) for block in text.split("```yaml\n")[1:])
    line = next(step["run"] for step in action["jobs"]["gate"]["steps"] if "workbench gate" in step.get("run", ""))
    assert {"--old", "--new", "--images", "--rules", "--junit", "--markdown"} <= set(line.split())
    entry = hook["repos"][0]["hooks"][0]
    assert entry["entry"].startswith("workbench gate --old ")
    assert not entry["pass_filenames"]


def test_the_documented_rules_are_rules(tmp_path) -> None:
    from workbench.report import read_rules

    (tmp_path / "gate.toml").write_text(DOCUMENT.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0])
    assert read_rules(tmp_path / "gate.toml").asked >= 8
