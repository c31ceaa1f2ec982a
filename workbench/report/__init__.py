"""Hand it on: a verdict of twelve checks, and the record of what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.report.check_parts import CHECK_PARTS, model_folder
    from workbench.report.checks import CHECKS, Acceptance, Check, Standing, Status, Tone, Verdict, judge
    from workbench.report.dossier import Dossier, compiled
    from workbench.report.subject import Report, Subject

__getattr__ = handed_on(
    __name__,
    {
        "checks": "Acceptance CHECKS Check judge Standing Status Tone Verdict",
        "dossier": "compiled Dossier",
        "check_parts": "CHECK_PARTS model_folder",
        "subject": "Report Subject",
    },
)
