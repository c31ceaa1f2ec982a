"""`workbench gate` on what people hand to comparisons of models: a right verdict or one true sentence, never a pass.

After reports on deepchecks (#393, #504: labels of one model missing in the other), Giskard (#1042: the order of labels
turned), MLflow (#13312: a metric that is missing), and readers of JUnit.
"""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from bright_parts import MODULE, bright_model, bright_set
from commands import call
from PIL import Image

RULES = "split = 'all'\n[accuracy]\nmargin = 0.1\n[escapes]\nceiling = 0.1\n"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A set, and models of many kinds."""
    folder = tmp_path_factory.mktemp("gate")
    (folder / "bright_models.py").write_text(MODULE)
    (folder / "gate.toml").write_text(RULES)
    bright_set(folder / "set")
    bright_model(folder / "good")
    bright_model(folder / "equal", 0.01)
    bright_model(folder / "turned", 0.0, -1.0)
    bright_model(folder / "turned and trained so", 0.0, -1.0, classes=("defective", "good"))
    bright_model(folder / "turned alone", 0.0, 1.0, classes=("defective", "good"))
    bright_model(folder / "one class more", kind="Three", classes=("good", "defective", "scratched"))
    bright_model(folder / "other names", classes=("ok", "nok"))
    bright_model(folder / "no numbers", float("nan"))
    bright_model(folder / "numbers for some", kind="Gaps")
    bright_model(folder / "half", 0.01, half=True)
    bright_model(folder / "larger", size=32)
    return folder


@pytest.fixture
def ask(shelf, place, monkeypatch, capsys):
    """What the command ends with and says."""
    monkeypatch.syspath_prepend(str(shelf))

    def put(new, old="good", images="set", out="out"):
        refs = "--old", str(shelf / old), "--new", str(shelf / new), "--images", str(shelf / images)
        code = call("gate", *refs, "--rules", str(shelf / "gate.toml"), "--out", str(place / out))
        written = place / out / "gate.json"
        facts = json.loads(written.read_text(encoding="utf-8")) if written.exists() else {}
        said = capsys.readouterr()
        return code, facts, said.err if code == 2 else said.out

    return put


@pytest.mark.parametrize(
    ("new", "code", "words"),
    [
        ("turned and trained so", 0, "another order (good, defective; defective, good): they are compared by name"),
        ("turned alone", 1, "Defects that pass: 100.0 % (60 of 60 images)"),
        ("one class more", 2, "Only one of the models knows 'scratched'"),
        ("other names", 2, "Only one of the models knows 'defective', 'good', 'nok', 'ok'"),
        ("no numbers", 2, "NaN or infinity"),
        ("numbers for some", 1, "The new model has no answer for 22 of 120 images that the old one answers"),
        ("half", 0, "all of 5 questions are shown to hold"),
        ("larger", 0, "by the preprocessing alone 0 of 120 decisions (0.0 %) change"),
    ],
)
def test_a_new_model_of_another_kind(ask, new, code, words) -> None:
    found, _, said = ask(new)
    assert found == code
    assert words in said
    assert code != 2 or said.count("\n") == 1


def test_an_old_model_that_has_no_answers_or_is_not_there_never_lets_a_new_one_pass(ask) -> None:
    code, facts, _ = ask("equal", old="numbers for some")
    assert code == 3
    assert "22 that only the new one answers" in facts["rulings"][0]["sentence"]
    for ref in ("HEAD~1:models/v1", "nowhere"):
        code, facts, said = ask("equal", old=ref, out="none")
        assert (code, facts) == (2, {})
        assert "There is no model" in said


def test_labels_that_the_models_do_not_know_are_not_taken_for_good_parts(ask, shelf) -> None:
    bright_set(shelf / "strange labels", ("fine", "scrap"), 24)
    code, facts, _ = ask("equal", images="strange labels")
    assert code == 3
    assert "24 have no label that the models know and count where none is needed." in facts["notes"]


def test_an_image_that_is_broken_is_said_and_copies_are_one_part(ask, shelf) -> None:
    shutil.copytree(shelf / "set", shelf / "copies")
    first, broken = shelf / "copies" / "defective" / "001.png", shelf / "copies" / "good" / "000.png"
    for number in range(60):
        shutil.copy(first, first.with_name(f"copy{number}.png"))
    broken.write_bytes(b"no image")
    code, facts, _ = ask("equal", images="copies")
    assert code == 0
    rulings = {row["rule"]: row for row in facts["rulings"]}
    assert "1 that neither can read count nowhere" in rulings["answers"]["sentence"]
    assert (rulings["escapes: ceiling"]["support"], rulings["escapes: ceiling"]["units"]) == (120, 60)


def test_answers_that_are_kept_are_not_those_of_another_model_or_of_other_images(ask, shelf) -> None:
    assert ask("equal")[0] == 0
    code, facts, said = ask("turned")
    assert (code, facts) == (2, {})
    assert "holds an audit of another model" in said
    shutil.copytree(shelf / "set", shelf / "changing")
    assert ask("equal", images="changing", out="changing")[0] == 0
    for path in sorted((shelf / "changing" / "defective").iterdir())[:40]:
        Image.fromarray(np.full((16, 16, 3), 60 + int(path.stem) % 20, np.uint8)).save(path)
    code, facts, _ = ask("equal", images="changing", out="changing")
    assert code != 0
    assert next(row for row in facts["rulings"] if row["rule"] == "escapes: ceiling")["figure"] == pytest.approx(2 / 3)
