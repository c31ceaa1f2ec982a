"""What commands that ask questions write and say: findings.json, the tables behind it, and a line a finding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.files import FINDINGS, TABLES_IN, CheckResult

if TYPE_CHECKING:
    import pandas as pd

VERDICT_MARKS = {"ok": "ok     ", "warn": "look   ", "fail": "FAIL   ", "unknown": "unknown"}


def write_findings(
    out: Path, results: Sequence[CheckResult], tables: Mapping[str, pd.DataFrame], own: Iterable[str]
) -> None:
    """Write findings and tables into a folder.

    Args:
        out: The folder.
        results: The findings.
        tables: By the names of their files.
        own: Patterns of the names of all tables that this command may write: those of a run before go.
    """
    from workbench.files import findings_text, frame_csv

    folder = out / TABLES_IN
    folder.mkdir(exist_ok=True)
    for pattern in own:
        for old in folder.glob(f"{pattern}.csv"):
            old.unlink()
    for name, table in tables.items():
        (folder / f"{name}.csv").write_text(frame_csv(table), encoding="utf-8", newline="")
    (out / FINDINGS).write_text(findings_text(results), encoding="utf-8")


def tell(results: Iterable[CheckResult]) -> None:
    """Print a line a finding; what several of them say is said once."""
    for line in dict.fromkeys(f"{VERDICT_MARKS[result.verdict]} {result.sentence}" for result in results):
        print(line)
