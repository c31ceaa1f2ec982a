"""Hand it on: a verdict of twelve checks, the record of what it rests on, and a gate for what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.report.cards import CROISSANT, VERIFIER, metadata_of, verifier
    from workbench.report.check_parts import CHECK_PARTS, model_folder
    from workbench.report.checks import CHECKS, Acceptance, Check, Standing, Status, Tone, Verdict, judge
    from workbench.report.dossier import Dossier, compiled
    from workbench.report.gate_forms import gate_json, gate_junit, gate_lines, gate_markdown
    from workbench.report.gate_pairing import Eligible, GateSide, eligible
    from workbench.report.gate_result import Gate, gate, no_gate
    from workbench.report.gate_rules import GateRules, read_rules
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
        "gate_result": "Gate gate no_gate",
        "gate_forms": "gate_json gate_junit gate_lines gate_markdown",
        "gate_pairing": "Eligible GateSide eligible",
        "gate_rules": "GateRules read_rules",
        "subject": "Report Subject",
    },
)
