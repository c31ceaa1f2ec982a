"""A gate for whoever reads it: lines for a terminal, Markdown for a pull request, JUnit XML for a job, JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from xml.sax.saxutils import quoteattr

from workbench.report.gate_result import Gate
from workbench.report.gate_rulings import OUTCOMES, GateOutcome, Ruling
from workbench.texts import escaped

GATE_MARKS: dict[GateOutcome, str] = {"pass": "ok     ", "fail": "FAIL   ", "not enough": "unknown"}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped: readers take such a file for an empty one, without a failure."""


def gate_lines(result: Gate) -> list[str]:
    """A line a ruling, the notes and the headline, without control characters."""
    lines = [f"{GATE_MARKS[ruling.outcome]} {ruling.rule}: {ruling.sentence}" for ruling in result.rulings]
    return [_visible(line) for line in (*lines, *(f"note    {note}" for note in result.notes), result.headline)]


def gate_json(result: Gate) -> str:
    """The contents of `gate.json`: outcome, headline, levels, notes and rulings; what is not known is null."""
    facts = {
        "outcome": result.outcome,
        "headline": result.headline,
        **{name: getattr(result, name) for name in ("old", "new", "images", "level", "failing")},
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
        f"{'**' if ruling.outcome != 'pass' else ''} | {_cell(ruling.sentence)} |"
        for ruling in result.rulings
    ]
    head = [
        f"### {_cell(result.headline)}",
        "",
        f"{_cell(result.old)} → {_cell(result.new)}, on {_cell(result.images)}",
        "",
    ]
    table = ["| Rule | Outcome | Finding |", "| --- | --- | --- |", *rows, ""]
    return _encodable("\n".join([*head, *table, *(f"- {_cell(note)}" for note in result.notes), ""]))


def gate_junit(result: Gate) -> str:
    """JUnit XML: a test case a ruling. One that is broken is a failure; one that cannot be told an error, as what is
    skipped counts as passed with most readers."""
    counts = {kind: sum(ruling.outcome == kind for ruling in result.rulings) for kind in OUTCOMES}
    totals = f'tests="{len(result.rulings)}" failures="{counts["fail"]}" errors="{counts["not enough"]}"'
    suite = f'name={_attribute(f"gate: {result.old} to {result.new} on {result.images}")} {totals} skipped="0" time="0"'
    cases = "\n".join(_case(ruling) for ruling in result.rulings)
    notes = _attribute("\n".join((result.headline, *result.notes)))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites name="workbench gate" {totals} time="0">\n<testsuite {suite}>\n'
        f'<properties><property name="notes" value={notes}/></properties>\n{cases}\n</testsuite>\n</testsuites>\n'
    )


def _case(ruling: Ruling) -> str:
    head = f'<testcase classname="workbench.gate" name={_attribute(ruling.rule)} time="0"'
    if ruling.outcome == "pass":
        return f"{head}/>"
    kind = "failure" if ruling.outcome == "fail" else "error"
    return (
        f"{head}><{kind} type={_attribute(OUTCOMES[ruling.outcome])} message={_attribute(ruling.sentence)}/></testcase>"
    )


def _attribute(text: str) -> str:
    """A text in quotes as XML has it."""
    return quoteattr(_NOT_XML.sub("\ufffd", text), {"\n": "&#10;", "\t": "&#9;", "\r": "&#13;"})


def _cell(text: str) -> str:
    """A text in one cell of a table, with nothing in it that Markdown or HTML would act on."""
    return escaped(" ".join(_visible(text).split()), len(text) + 1)


def _visible(text: str) -> str:
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _encodable(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
