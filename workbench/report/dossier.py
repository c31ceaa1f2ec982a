"""Everything that is known of a model and a set, computed where it is missing: what commands and reports rest on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from workbench.catalog import Criteria, load_catalog
from workbench.files import CheckResult
from workbench.report.check_parts import CHECK_PARTS
from workbench.report.checks import Acceptance, Verdict, judge
from workbench.report.subject import Subject

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, eq=False)
class Dossier:
    """What is known of a subject.

    Attributes:
        subject: What it is about.
        results: By the name of the check, as in `CHECKS`.
        tables: What lies behind them, by a name that suits a file.
        verdict: What they come to.
    """

    subject: Subject
    results: Mapping[str, tuple[CheckResult, ...]]
    tables: Mapping[str, pd.DataFrame]
    verdict: Verdict


def compiled(
    subject: Subject, criteria: Criteria | None = None, accepted: Mapping[str, Acceptance] | None = None
) -> Dossier:
    """All twelve checks, each computed where it is missing. It can be stopped, and goes on where it was when it is
    called again.

    Args:
        subject: What to ask about.
        criteria: What figures are held against; those of `workbench.toml` where missing.
        accepted: What people accept, by the name of the check; what the journal of this machine holds where missing.

    Raises:
        InputError: A file that a check rests on cannot be read.
    """
    results: dict[str, tuple[CheckResult, ...]] = {}
    tables: dict[str, pd.DataFrame] = {}
    for part in CHECK_PARTS.values():
        more, behind = part(subject)
        results |= more
        tables |= behind
    if criteria is None:
        criteria = load_catalog().criteria
    return Dossier(subject, results, tables, judge(results, criteria, accepted or {}))
