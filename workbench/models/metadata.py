"""What exporters write beside a model's graph: class names, the task, how images were prepared. Needs no torch."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping

from workbench.errors import InputError

CLASS_KEYS = ("names", "classes", "class_names", "labels", "id2label", "label_names")
"""Under which exporters keep class names."""
LONGEST = 2**22
"""Characters of one entry."""


def check_task(metadata: Mapping[str, str], name: str) -> None:
    """Refuse, by `InputError`, what an exporter says is no classifier."""
    task = str(metadata.get("task", "classify"))
    if task != "classify":
        raise InputError(f"{name} was exported to {task[:40]}, not to classify images: give a classifier.")


def classes_in(metadata: Mapping[str, object]) -> tuple[str, ...]:
    """The class names, in the order of the outputs; empty where there are none."""
    for key in CLASS_KEYS:
        table = _value(metadata.get(key, ""))
        if isinstance(table, dict) and sorted(map(str, table)) == sorted(map(str, range(len(table)))):
            table = [name for _, name in sorted(table.items(), key=lambda pair: int(pair[0]))]
        if isinstance(table, list | tuple) and table:
            return tuple(map(str, table))
        if isinstance(table, str) and "," in table:
            return tuple(part.strip() for part in table.split(","))
    return ()


def prepared(metadata: Mapping[str, str]) -> dict[str, object]:
    """Fields of `PreprocessingSpec` that an exporter is known for."""
    if metadata.get("author") != "Ultralytics":
        return {}
    size = _value(metadata.get("imgsz", ""))
    square = [int(side) for side in size] if isinstance(size, list) and len(size) == 2 else None
    return {
        "resize": "shorter",
        "mean": (0.0, 0.0, 0.0),
        "std": (1.0, 1.0, 1.0),
        **(
            {"size": tuple(square), "resize_to": min(square)}
            if square and 0 < min(square) <= max(square) <= 4096
            else {}
        ),
    }


def _value(text: object) -> object:
    """A value that is written as JSON or as Python writes it; other texts as they are."""
    if not isinstance(text, str) or len(text) > LONGEST:
        return text if not isinstance(text, str) else ""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return text
