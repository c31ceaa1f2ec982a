"""A temperature written into the text of a `model.toml`, with the thresholds that move along; all else stays."""

from __future__ import annotations

import re
import tomllib

from workbench.errors import InputError
from workbench.predictions import DecisionRule, at_temperature


def tempered_toml(text: str, rule: DecisionRule, temperature: float) -> str:
    """The text of a `model.toml` with another temperature, under which its model decides as before.

    Args:
        text: As it is, one that can be read.
        rule: What it says, of the model as it is.
        temperature: The new one.

    Raises:
        InputError: No threshold keeps the decisions (`at_temperature`), or the text is written so that a line cannot be
            put into it without changing something else.
    """
    if rule.thresholds is not None:
        raise InputError("One temperature holds for all labels of a model: write it into model.toml by hand.")
    moved = at_temperature(rule, temperature)
    expected = tomllib.loads(text) | {"temperature": temperature}
    lines = [f"temperature = {temperature!r}"]
    if moved.threshold is not None and "threshold" in expected:
        expected["threshold"] = moved.threshold
        lines.append(f"threshold = {moved.threshold!r}")
    head, tables = _parted(text)
    names = "|".join(line.split()[0] for line in lines)
    kept = [line for line in head if not re.match(rf"\s*({names})\s*=", line)]
    result = "".join([*_ended(kept), *(f"{line}\n" for line in lines), *(["\n"] if tables else []), *tables])
    try:
        written = tomllib.loads(result)
    except tomllib.TOMLDecodeError:
        written = {}
    if written != expected:
        raise InputError(
            f"model.toml is written so that nothing can be put into it safely: write {' and '.join(lines)} into it."
        )
    return result


def temperature_lines(rule: DecisionRule, temperature: float) -> str:
    """What has to stand in a `model.toml` for a rule at a temperature, a line each. Errors as `at_temperature`."""
    moved = at_temperature(rule, temperature)
    threshold = "" if moved.threshold is None else f"\nthreshold = {moved.threshold!r}"
    return f"temperature = {temperature!r}{threshold}"


def _parted(text: str) -> tuple[list[str], list[str]]:
    """The lines before the first table and those from it on."""
    lines = text.splitlines(keepends=True)
    first = next((number for number, line in enumerate(lines) if re.match(r"\s*\[[^\]]", line)), len(lines))
    return lines[:first], lines[first:]


def _ended(lines: list[str]) -> list[str]:
    """Lines without blank ones at their end, the last of them ended."""
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines if not lines or lines[-1].endswith("\n") else [*lines[:-1], f"{lines[-1]}\n"]
