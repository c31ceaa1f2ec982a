"""Whether a report that was changed is found out, part by part, and hostile files end in a sentence."""

from __future__ import annotations

import random
import re

import pytest

from workbench.report import of_another, read_report, recheck, unreadable
from workbench.report.html import UNSEALED, seal_of

pytest_plugins = ["reported"]
CHANGES = 25


def handed_in(folder, text):
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8", newline="\n")
    return read_report(path)


def resealed(text):
    """The text with the digest that it has: what somebody does who knows how."""
    blank = re.sub(r'(report-sha256" content=")[^"]*', rf"\g<1>{UNSEALED}", text)
    return blank.replace(UNSEALED, seal_of(blank)[1], 1)


def changed(text, seed):
    """The text with one digit of it another one, and where that is."""
    rng = random.Random(seed)
    at = rng.choice([match.start() for match in re.finditer("[0-9]", text)])
    return text[:at] + rng.choice([d for d in "0123456789" if d != text[at]]) + text[at + 1 :], at


def test_a_report_as_it_was_written_is_the_same(text, tmp_path, choices, subject) -> None:
    stated = handed_in(tmp_path, text)
    result = recheck(stated, text)
    assert result.same
    assert result.compared > 200
    assert result.drawn >= 3
    assert stated.choices.decisions == choices.decisions
    assert stated.choices.notes == dict(choices.notes)
    assert of_another(stated, subject.classifier.key, subject.images.key) is None
    assert not of_another(stated, "0" * 64, subject.images.key).same


def test_every_single_digit_that_is_changed_is_found(text, tmp_path) -> None:
    for seed in range(CHANGES):
        other, at = changed(text, seed)
        assert not recheck(handed_in(tmp_path, other), text).same, text[at - 60 : at + 20]


def test_a_figure_that_is_changed_is_named_though_the_digest_was_mended(text, tmp_path) -> None:
    named = re.compile(r'data-figure="(operating/figures/accuracy)">[0-9]')
    at = named.search(text).end() - 1
    other = resealed(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :])
    stated = handed_in(tmp_path, other)
    result = recheck(stated, text)
    assert stated.sealed
    assert [each.name for each in result.differences] == ["operating/figures/accuracy"]
    assert result.differences[0].stated[:5] == other[at : at + 5]


def test_what_is_told_to_machines_is_held_too(text, tmp_path) -> None:
    other = resealed(re.sub(r'("accuracy/?[^{]*\{\n"high": 0\.)\d', r"\g<1>1", text, count=1))
    if other == text:
        other = resealed(text.replace('"high": 0.9', '"high": 0.8', 1))
    result = recheck(handed_in(tmp_path, other), text)
    assert len(result.differences) == 1
    assert result.differences[0].name.startswith("data/figures/")
    assert result.differences[0].name.endswith("/high")


def test_a_map_that_is_changed_is_named(text, tmp_path) -> None:
    at = text.index("data:image/png;base64,") + 400
    other = resealed(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])
    (difference,) = recheck(handed_in(tmp_path, other), text).differences
    assert "/image 1" in difference.name


def test_another_release_is_a_note_and_no_difference(text, tmp_path) -> None:
    release = re.search(r'"torch": "([^"]+)"', text)[1]
    other = text.replace(f'"torch": "{release}"', '"torch": "1.0"').replace(
        f'releases/torch">{release}<', 'releases/torch">1.0<'
    )
    result = recheck(handed_in(tmp_path, resealed(other)), text)
    assert result.same
    assert any("torch" in note for note in result.notes)
    assert not recheck(handed_in(tmp_path, other), text).same  # not sealed anew: somebody changed it


def test_what_somebody_adds_outside_of_any_figure_is_found(text, tmp_path) -> None:
    for other in (
        text.replace("</main>", "<p>Approved.</p></main>"),
        text.replace("<header>", "<!-- 1 --><header>"),
        text.replace("<header>", "<script>1</script><header>"),
        text.replace("default-src 'none'", "default-src *"),
    ):
        assert other != text
        assert recheck(handed_in(tmp_path, resealed(other)), text).differences


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b"<html>no report</html>", b"<div>" * 100_000 + b"workbench-report"],
    ids=["empty", "not text", "another page", "deep"],
)
def test_what_is_no_report_is_refused(content, tmp_path, refusal) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(content)
    refusal(lambda: read_report(path))


def test_a_file_that_is_not_there_is_refused(tmp_path, refusal) -> None:
    refusal(lambda: read_report(tmp_path / "none.html"))


def test_data_that_cannot_be_read_is_a_difference(text, tmp_path) -> None:
    stated = handed_in(tmp_path, text.replace('"choices": {', '"choices": {{', 1))
    assert stated.choices is None
    assert not unreadable(stated).same


def test_a_report_opens_no_path_that_it_names_itself(text, tmp_path, refusal) -> None:
    stated = handed_in(tmp_path, resealed(text.replace('"images": "parts"', '"images": "/etc"')))
    assert stated.choices.images == "/etc"
    refusal(lambda: stated.choices.about(None, None))
    refusal(lambda: stated.choices.about("here", None))
    assert stated.choices.about("here", "there").images == "there"
