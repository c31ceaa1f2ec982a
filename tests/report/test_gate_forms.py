"""What a gate is written as: JUnit, Markdown, JSON and lines, with names that are out to break them."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from xml.etree import ElementTree

import pytest

from workbench.report.gate_forms import gate_json, gate_junit, gate_lines, gate_markdown
from workbench.report.gate_result import Gate
from workbench.report.gate_rulings import Ruling

NASTY = "a|b <b>\x1b[31m]]>\x00\ufffe \ud800 \"q' & `x` @team #1 [l](http://e.vil)\n| --- |"


def result(*outcomes, text="Fine."):
    rulings = [
        Ruling(f"rule {number}", kind, text, math.inf if number else 0.5, None, 0.7, 0.6, 10, None, ("p.png",))
        for number, kind in enumerate(outcomes)
    ]
    return Gate(text, "new", "set", tuple(rulings), (text,), 0.95, 0.99)


@pytest.mark.parametrize(
    ("outcomes", "outcome", "code"),
    [
        (("pass", "pass"), "pass", 0),
        (("pass", "not enough"), "not enough", 3),
        (("not enough", "fail"), "fail", 1),
        (("fail", "pass"), "fail", 1),
        ((), "not enough", 3),
    ],
)
def test_only_a_gate_of_which_all_holds_passes(outcomes, outcome, code) -> None:
    found = result(*outcomes)
    assert (found.outcome, found.code, json.loads(gate_json(found))["outcome"]) == (outcome, code, outcome)
    assert ("passes" in found.headline) == (outcome == "pass")


ANT = {
    "testsuites": ((), ("testsuite",)),
    "testsuite": (
        ("package", "id", "name", "timestamp", "hostname", "tests", "failures", "errors", "time"),
        ("properties", "testcase", "system-out", "system-err"),
    ),
    "properties": ((), ("property",)),
    "property": (("name", "value"), ()),
    "testcase": (("name", "classname", "time"), ("skipped", "error", "failure")),
    "failure": (("type",), ()),
    "error": (("type",), ()),
    "system-out": ((), ()),
    "system-err": ((), ()),
}
"""Of each element of Ant's JUnit.xsd: attributes that it must have, and its children in their order."""
OPTIONAL = {"testsuite": {"skipped"}, "failure": {"message"}, "error": {"message"}}
"""Beside these. junit-10.xsd of Jenkins' xUnit plugin allows all that Ant's asks for."""


def assert_valid(element: ElementTree.Element) -> None:
    """By the rules of either schema, down the tree."""
    required, order = ANT[element.tag]
    assert set(required) <= set(element.attrib) <= set(required) | OPTIONAL.get(element.tag, set()), element.tag
    places = [order.index(child.tag) for child in element]
    assert places == sorted(places)
    if element.tag == "testsuite":
        assert {"properties", "system-out", "system-err"} <= {child.tag for child in element}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", element.get("timestamp"))
        assert all(element.get(key).isdigit() for key in ("id", "tests", "failures", "errors", "skipped", "time"))
        assert all(element.get(key).strip() for key in ("name", "hostname"))
    if element.tag == "testcase":
        assert len(element) <= 1
        assert float(element.get("time")) >= 0
    for child in element:
        assert_valid(child)


def test_junit_is_valid_by_both_schemas_whatever_the_names_and_counts_what_is_not_shown() -> None:
    text = gate_junit(result("pass", "fail", "not enough", text=NASTY))
    root = ElementTree.fromstring(text.encode("utf-8"))
    assert_valid(root)
    suite = root.find("testsuite")
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["3", "1", "1", "0"]
    cases = suite.findall("testcase")
    assert [[child.tag for child in case] for case in cases] == [[], ["failure"], ["error"]]
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == 3  # GitLab keeps one of each name
    message = cases[1][0].get("message")
    assert message.startswith("a|b <b>\ufffd[31m]]>")
    assert "\n" in message


def test_what_junit_says_of_a_failure_stands_in_its_body_too() -> None:
    """GitLab and CircleCI show the body alone, and dorny/test-reporter stopped at a failure without one (its #137)."""
    failure = next(ElementTree.fromstring(gate_junit(result("fail", text=NASTY)).encode()).iter("failure"))
    assert failure.text == f"{failure.get('message')}\nLook at: p.png"
    told = next(ElementTree.fromstring(gate_junit(result("pass", text="A note\r\n")).encode()).iter("system-out"))
    assert told.text.splitlines()[0] == "The gate passes: all of 1 question are shown to hold."
    assert told.text.endswith("A note\r\n")


def test_markdown_keeps_each_finding_in_its_cell() -> None:
    text = gate_markdown(result("pass", "fail", text=NASTY))
    rows = [row for row in text.splitlines() if row.startswith("| ")]
    assert len(rows) == 4
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}
    assert "<b>" not in text.replace("\\<b\\>", "")
    assert "@team" not in text
    assert "](http" not in text
    assert [row.endswith(r"Look at p\.png\. |") for row in rows[2:]] == [False, True]
    text.encode("utf-8")


def test_json_holds_no_infinity_and_lines_no_control_characters() -> None:
    found = result("pass", "fail", text=NASTY)
    facts = json.loads(gate_json(found))
    assert [row["figure"] for row in facts["rulings"]] == [0.5, None]
    assert all(line.isprintable() for line in gate_lines(found))
    assert gate_lines(found)[1].startswith("FAIL    rule 1: ")


def test_every_form_says_which_rules_were_put_to_which_models() -> None:
    found = dataclasses.replace(result("pass"), digests={"rules": "ab" * 32, "new model": "cd" * 32})
    said = f"Digests: rules {'ab' * 8}, new model {'cd' * 8}."
    assert f"note    {said}" in gate_lines(found)
    assert said.replace(".", r"\.").replace(":", r"\:") in gate_markdown(found)
    assert json.loads(gate_json(found))["digests"] == dict(found.digests)
    root = ElementTree.fromstring(gate_junit(found).encode())
    assert {"digest of rules": "ab" * 32}.items() <= {
        p.get("name"): p.get("value") for p in root.iter("property")
    }.items()
    assert_valid(root)
