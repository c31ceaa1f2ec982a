"""What is known of a set, question by question: its results, its tables and its proposals, the same for everybody who
shows or writes them."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from workbench.files import FINDINGS, TABLES_IN, CheckResult, findings_text, frame_csv
from workbench.predictions import Reordered
from workbench.quality.coverage import Coverage, coverage_results
from workbench.quality.family_words import family_results
from workbench.quality.faults import Faults, fault_results
from workbench.quality.giveaways import Giveaways, giveaway_results
from workbench.quality.grouped_split import GroupedSplit, split_proposals
from workbench.quality.label_issues import LabelIssues
from workbench.quality.label_words import label_proposals, label_results
from workbench.quality.leak_words import leak_results
from workbench.quality.leaks import Leaks
from workbench.quality.order import FileOrder, order_results
from workbench.quality.proposals import Proposal
from workbench.quality.repeats import Repeats, repeat_results
from workbench.quality.same_part import Families
from workbench.quality.support import Support, support_results

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "manifest.csv"
"""The file that says what should change of a set."""
QUESTIONS = ("files", "families", "order", "leaks", "repeatability", "labels", "support", "coverage", "giveaways")
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The time of every member of an archive, so that the same contents are the same bytes."""


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """What is known of a set; None where a question was not put yet.

    Attributes:
        faults: Which files are broken or odd.
        measured: What was measured of each image.
        families: Which images show one part.
        order: Whether the order of the files hides a group.
        leaks: What stands on both sides of a split.
        repeats: How often two images of one part are decided differently; None too where no model was asked.
        labels: Which labels are suspected, or why none can be.
        reordered: The order of the classes that fits the decisions far better than theirs, where there is one, or why
            that cannot be looked for.
        support: How much the set can carry.
        coverage: What the training split does not reach.
        giveaways: What tells the label, and what tells the split.
        split: The split that keeps each part and group on one side, where one is proposed.
    """

    faults: Faults | None = None
    measured: pd.DataFrame | None = None
    families: Families | None = None
    order: FileOrder | None = None
    leaks: Leaks | None = None
    repeats: Repeats | None = None
    labels: LabelIssues | str | None = None
    reordered: Reordered | str | None = None
    support: Support | None = None
    coverage: Coverage | None = None
    giveaways: tuple[Giveaways, ...] = ()
    split: GroupedSplit | None = None

    @cached_property
    def by_question(self) -> dict[str, tuple[CheckResult, ...]]:
        """The results of each of `QUESTIONS`, none of those that were not put yet."""
        results: dict[str, tuple[CheckResult, ...]] = dict.fromkeys(QUESTIONS, ())
        if self.faults is not None:
            results["files"] = fault_results(self.faults)
        if self.families is not None:
            results["families"] = family_results(self.families)
            results["repeatability"] = repeat_results(self.repeats)
        if self.order is not None:
            results["order"] = order_results(self.order)
        if self.leaks is not None:
            results["leaks"] = leak_results(self.leaks)
        if isinstance(self.labels, str):
            results["labels"] = (CheckResult("label issues", "unknown", self.labels),)
        elif self.labels is not None:
            results["labels"] = label_results(self.labels)
        if self.reordered is not None:
            results["labels"] = (_of_order(self.reordered), *results["labels"])
        if self.support is not None:
            results["support"] = support_results(self.support)
        if self.coverage is not None:
            results["coverage"] = coverage_results(self.coverage)
        results["giveaways"] = tuple(line for told in self.giveaways for line in giveaway_results(told))
        return results

    @property
    def results(self) -> tuple[CheckResult, ...]:
        """All results, in the order of the questions."""
        return tuple(result for results in self.by_question.values() for result in results)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables behind the results, by a name that suits a file."""
        issues = None if isinstance(self.labels, str) else self.labels
        tables = {
            "families": None if self.families is None else self.families.frame,
            "pairs": None if self.families is None else self.families.pairs,
            "faults": None if self.faults is None else self.faults.frame,
            "files": self.measured,
            "leaks": None if self.leaks is None else self.leaks.pairs,
            "repeats": None if self.repeats is None else self.repeats.pairs,
            "labels": None if issues is None else issues.frame,
            "support": None if self.support is None else self.support.frame,
            "coverage": None if self.coverage is None else self.coverage.frame,
        }
        tables |= {f"giveaways of the {told.target}": told.frame for told in self.giveaways}
        return {name: table for name, table in tables.items() if table is not None}

    @property
    def moves(self) -> tuple[Proposal, ...]:
        """The splits that images would have to take so that no part and no group stands on both sides."""
        return () if self.split is None else split_proposals(self.split)

    @property
    def relabels(self) -> tuple[Proposal, ...]:
        """The labels that are suggested in place of those that are suspected."""
        return label_proposals(self.labels) if isinstance(self.labels, LabelIssues) else ()

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """All that is proposed to change."""
        return (*self.relabels, *self.moves)

    @property
    def files(self) -> dict[str, str]:
        """The findings and the tables as texts, by the paths of their files."""
        tables = {f"{TABLES_IN}/{name}.csv": frame_csv(table) for name, table in self.tables.items()}
        return {FINDINGS: findings_text(self.results), **tables}


def _of_order(found: Reordered | str) -> CheckResult:
    if isinstance(found, str):
        return CheckResult("class order", "unknown", found)
    return CheckResult("class order", "warn", found.sentence, found.then, support=found.support)


def archive(files: Mapping[str, str]) -> bytes:
    """Texts by their paths as a zip; the same texts give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, text in files.items():
            target.writestr(zipfile.ZipInfo(name, EARLIEST), text.encode(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
