"""The verifier that needs no workbench: run by a Python that sees none, on reports that are whole and that are not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from workbench.journal import Draft, Journal, to_json
from workbench.report import report_of, verifier

pytest_plugins = ["reported"]


@pytest.fixture(scope="module")
def handed_on(tmp_path_factory, known, choices, subject):
    """A folder with the verifier, a report, and the journal that it was made with."""
    folder = tmp_path_factory.mktemp("handed on")
    (folder / "verify_report.py").write_text(verifier(), encoding="utf-8")
    book = Journal(folder / "journal.sqlite")
    for number in range(3):
        image = subject.images.items[number]
        book.append(
            Draft(
                user="Ada",
                model=subject.classifier.key,
                model_name="corner",
                image=image.id,
                image_name=image.name,
                set_name="parts",
                positive=("defective",),
                threshold=0.5,
                score=0.25,
                verdict="pass",
                threshold_by="model",
            )
        )
    (folder / "report.html").write_text(report_of(known, choices, book), encoding="utf-8", newline="\n")
    (folder / "journal.json").write_text(to_json(book.records()), encoding="ascii")
    return folder


def told(folder, *options):
    """Exit code and output; `-I` and an empty search path keep the workbench out of sight."""
    command = [sys.executable, "-I", "-S", str(folder / "verify_report.py"), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_it_is_short_and_imports_the_standard_library_alone() -> None:
    lines = verifier().splitlines()
    assert len(lines) <= 100
    imported = {line.split()[1] for line in lines if line.startswith(("import ", "from "))}
    assert imported <= sys.stdlib_module_names


def test_what_is_whole_passes(handed_on, subject) -> None:
    code, output = told(
        handed_on,
        handed_on / "report.html",
        "--images",
        subject.images.items[0].source.path.parent,
        "--weights",
        subject.out / "the model" / "model.safetensors",
        "--journal",
        handed_on / "journal.json",
    )
    assert code == 0, output
    assert f"{len(subject.images)} of {len(subject.images)} files" in output
    assert "holds the head" in output


def test_a_changed_report_image_or_weight_is_named(handed_on, subject, tmp_path) -> None:
    text = (handed_on / "report.html").read_text(encoding="utf-8")
    (tmp_path / "report.html").write_text(text.replace("0.", "1.", 1), encoding="utf-8", newline="\n")
    assert told(handed_on, tmp_path / "report.html")[0] == 1
    name = subject.images.items[0].name
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / name).write_bytes(b"another")
    code, output = told(handed_on, handed_on / "report.html", "--images", tmp_path / "parts")
    assert code == 1
    assert name in output
    (tmp_path / "model.safetensors").write_bytes(b"another")
    assert told(handed_on, handed_on / "report.html", "--weights", tmp_path / "model.safetensors")[0] == 1


def test_a_changed_or_shortened_journal_is_named(handed_on, tmp_path) -> None:
    rows = json.loads((handed_on / "journal.json").read_text(encoding="ascii"))
    cases = {
        "an entry": {"entries": [rows["entries"][0] | {"entry": rows["entries"][0]["entry"] | {"user": "Eve"}}]},
        "the end": {"entries": rows["entries"][:-1]},
        "the middle": {"entries": [rows["entries"][0], rows["entries"][2]]},
    }
    for name, case in cases.items():
        (tmp_path / "journal.json").write_text(json.dumps(case), encoding="ascii")
        assert told(handed_on, handed_on / "report.html", "--journal", tmp_path / "journal.json")[0] == 1, name


def test_what_is_no_report_ends_in_a_sentence(handed_on, tmp_path) -> None:
    for content in (b"", b"\xff", b'<script type="application/json" id="workbench-report">[]</script>'):
        (tmp_path / "odd.html").write_bytes(content)
        code, output = told(handed_on, tmp_path / "odd.html")
        assert code == 1
        assert "cannot be read as a report" in output
