"""Hand it on: a verdict of twelve checks, and the record of what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.report.cards import CROISSANT, VERIFIER, metadata_of, verifier
    from workbench.report.check_parts import CHECK_PARTS, model_folder
    from workbench.report.checks import CHECKS, Acceptance, Check, Standing, Status, Tone, Verdict, judge
    from workbench.report.dossier import Dossier, compiled
    from workbench.report.handover import report_of
    from workbench.report.matter import ALWAYS, MOST_DECISIONS, SECTIONS, Choices
    from workbench.report.rechecking import Recheck, Stated, of_another, read_report, recheck, unreadable
    from workbench.report.subject import Report, Subject

__getattr__ = handed_on(
    __name__,
    {
        "checks": "Acceptance CHECKS Check judge Standing Status Tone Verdict",
        "cards": "CROISSANT metadata_of VERIFIER verifier",
        "dossier": "compiled Dossier",
        "handover": "report_of",
        "matter": "ALWAYS Choices MOST_DECISIONS SECTIONS",
        "rechecking": "of_another read_report recheck Recheck Stated unreadable",
        "check_parts": "CHECK_PARTS model_folder",
        "subject": "Report Subject",
    },
)
