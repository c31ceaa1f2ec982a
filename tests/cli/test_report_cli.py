"""`workbench report`: writes one file, checks it again, and says what differs by its exit code."""

from __future__ import annotations

import pytest
from commands import call
from reported import written_model, written_set

from workbench.report import dossier
from workbench.report.check_parts import CHECK_PARTS


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(dossier, "CHECK_PARTS", {"calibration": CHECK_PARTS["calibration"]})
    monkeypatch.chdir(tmp_path)
    written_model(tmp_path / "corner")
    written_set(tmp_path / "parts", 16)
    (tmp_path / "note.md").write_text("Seen by *Ada*.", encoding="utf-8")
    return tmp_path


def test_a_report_is_written_checked_and_found_out(home, capsys) -> None:
    about = ["--model", str(home / "corner"), "--images", str(home / "parts"), "--work", str(home / "work")]
    sections = ["--sections", "operating,cards", "--note", "note.md", "--note", "cards=note.md"]
    assert call("report", *about, *sections, "--out", "r.html", "--metadata", "beside") == 0
    text = (home / "r.html").read_text(encoding="utf-8")
    assert text.index('id="operating"') < text.index('id="cards"') < text.index('id="unknown"')
    assert text.count("Seen by <em>Ada</em>.") == 2
    assert {path.name for path in (home / "beside").iterdir()} >= {"README.md", "croissant.json", "verify_report.py"}
    assert call("report", "--verify", "r.html", *about) == 0
    assert "computed again" in capsys.readouterr().out
    at = text.index('data-figure="operating/figures/accuracy">') + len('data-figure="operating/figures/accuracy">')
    (home / "r.html").write_text(text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1 :], encoding="utf-8")
    assert call("report", "--verify", "r.html", *about) == 1
    printed = capsys.readouterr().out
    assert "DIFFERS 'operating/figures/accuracy'" in printed
    assert "another digest" in printed
    (home / "r.html").write_text(text.replace('"images": "parts"', '"images": "part5"', 1), encoding="utf-8")
    assert call("report", "--verify", "r.html", "--model", str(home / "corner")) == 1
    assert "another digest" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        ["--verify", "none.html"],
        ["--verify", "note.md"],
        ["--model", "corner"],
        ["--verify", "note.md", "--out", "r.html"],
        ["--model", "corner", "--images", "parts", "--out", "r.html", "--sections", "nothing"],
        ["--model", "corner", "--images", "parts", "--out", "r.html", "--note", "none.md"],
        ["--model", "corner", "--images", "parts", "--out", "r.html", "--agreement", "none.csv"],
        ["--model", "corner", "--images", "parts", "--out", "r.html", "--agreement", "note.md"],
        ["--verify", "note.md", "--agreement", "note.md"],
    ],
)
def test_bad_input_is_one_line(options, home, capsys) -> None:
    assert call("report", *options) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("workbench: ")
    assert "\n" not in error
