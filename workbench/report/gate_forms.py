"""A gate for whoever reads it: lines for a terminal, Markdown for a pull request, JUnit XML for a job, JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from workbench.report.gate_result import Gate
from workbench.report.gate_rulings import OUTCOMES, GateOutcome, Ruling
from workbench.texts import escaped, sentence_list

GATE_MARKS: dict[GateOutcome, str] = {"pass": "ok     ", "fail": "FAIL   ", "not enough": "unknown"}
DIGEST_SHOWN, COMMENTED_IMAGES = 16, 5
"""Signs of a digest in a sentence; images of a finding that a comment names; the other forms name them all."""
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped: readers take such a file for an empty one, without a failure."""


def gate_lines(result: Gate) -> list[str]:
    """A line a ruling, the notes and the headline, without control characters."""
    lines = [f"{GATE_MARKS[ruling.outcome]} {ruling.rule}: {ruling.sentence}" for ruling in result.rulings]
    lines += [f"note    {note}" for note in _told(result)]
    return [_visible(line) for line in (*lines, result.headline)]


def gate_json(result: Gate) -> str:
    """The contents of `gate.json`: outcome, headline, levels, notes and rulings; what is not known is null."""
    facts = {
        "outcome": result.outcome,
        "headline": result.headline,
        **{name: getattr(result, name) for name in ("old", "new", "images", "level", "failing")},
        "digests": dict(result.digests),
        "notes": list(result.notes),
        "rulings": [
            {name: _plain(value) for name, value in dataclasses.asdict(ruling).items()} for ruling in result.rulings
        ],
    }
    return _encodable(json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def gate_markdown(result: Gate) -> str:
    """A comment on a pull request: the headline, a table of the rulings, and the notes."""
    rows = [
        f"| {_cell(ruling.rule)} | {'**' if ruling.outcome != 'pass' else ''}{OUTCOMES[ruling.outcome]}"
        f"{'**' if ruling.outcome != 'pass' else ''} | {_cell(_finding(ruling))} |"
        for ruling in result.rulings
    ]
    head = [
        f"### {_cell(result.headline)}",
        "",
        f"{_cell(result.old)} → {_cell(result.new)}, on {_cell(result.images)}",
        "",
    ]
    table = ["| Rule | Outcome | Finding |", "| --- | --- | --- |", *rows, ""]
    return _encodable("\n".join([*head, *table, *(f"- {_cell(note)}" for note in _told(result)), ""]))


def _told(result: Gate) -> list[str]:
    """The notes, and what was asked of what, by the beginnings of digests."""
    named = [f"{name} {digest[:DIGEST_SHOWN]}" for name, digest in result.digests.items()]
    return [*result.notes, *([f"Digests: {', '.join(named)}."] if named else [])]


def _finding(ruling: Ruling) -> str:
    """Its sentence, and of what does not pass the first images to look at."""
    if ruling.outcome == "pass" or not ruling.images:
        return ruling.sentence
    return f"{ruling.sentence} Look at {sentence_list(ruling.images, COMMENTED_IMAGES)}."


def gate_junit(result: Gate) -> str:
    """JUnit XML: a test case a ruling. One that is broken is a failure; one that cannot be told an error, as what is
    skipped counts as passed with most readers.

    Readers differ in what they take: some refuse an attribute of the outermost element, some show the body of a failure
    and not its message, and some stop at one without a body. So it keeps to what both the schema of Ant's reports and
    that of Jenkins' xUnit plugin allow, and a failure says the same in its message and in its body.
    """
    counts = {kind: sum(ruling.outcome == kind for ruling in result.rulings) for kind in OUTCOMES}
    name = _attribute(f"gate: {result.old} to {result.new} on {result.images}")
    suite = (
        f'name={name} package="workbench" id="0" timestamp="{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"'
        f' hostname="localhost" tests="{len(result.rulings)}" failures="{counts["fail"]}"'
        f' errors="{counts["not enough"]}" skipped="0" time="0"'
    )
    facts = {"old": result.old, "new": result.new, "images": result.images, "outcome": result.outcome}
    facts |= {f"digest of {name}": digest for name, digest in result.digests.items()}
    properties = "".join(f'<property name="{key}" value={_attribute(value)}/>' for key, value in facts.items())
    cases = "\n".join(_case(ruling) for ruling in result.rulings)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n<testsuite {suite}>\n'
        f"<properties>{properties}</properties>\n{cases}\n"
        f"<system-out>{_body((result.headline, *_told(result)))}</system-out>\n<system-err/>\n"
        "</testsuite>\n</testsuites>\n"
    )


def _case(ruling: Ruling) -> str:
    head = f'<testcase classname="workbench.gate" name={_attribute(ruling.rule)} time="0"'
    if ruling.outcome == "pass":
        return f"{head}/>"
    kind = "failure" if ruling.outcome == "fail" else "error"
    said = f"type={_attribute(OUTCOMES[ruling.outcome])} message={_attribute(ruling.sentence)}"
    look = (f"Look at: {', '.join(ruling.images)}",) if ruling.images else ()
    return f"{head}><{kind} {said}>{_body((ruling.sentence, *look))}</{kind}></testcase>"


def _body(lines: Sequence[str]) -> str:
    """Lines as the text of an element."""
    return escape(_NOT_XML.sub("\ufffd", "\n".join(lines)), {"\r": "&#13;"})


def _attribute(text: str) -> str:
    """A text in quotes as XML has it."""
    return quoteattr(_NOT_XML.sub("\ufffd", text), {"\n": "&#10;", "\t": "&#9;", "\r": "&#13;"})


def _cell(text: str) -> str:
    """A text in one cell of a table, with nothing in it that Markdown or HTML would act on."""
    line = " ".join(_visible(text).split())
    return escaped(line, len(line))


def _visible(text: str) -> str:
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _encodable(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
