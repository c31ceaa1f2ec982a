"""Hand it on: a verdict of twelve checks, the record of what it rests on, and a gate for what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.report.accepting import (
        CRITERIA_SUBJECT,
        CriteriaSet,
        acceptance_draft,
        accepted,
        criteria_draft,
        criteria_set,
        finding_digest,
        withdrawal_draft,
    )
    from workbench.report.cards import CROISSANT, VERIFIER, metadata_of, verifier
    from workbench.report.check_parts import CHECK_PARTS, model_folder, model_title
    from workbench.report.checks import (
        CHECKS,
        Acceptance,
        Check,
        Standing,
        Status,
        Tone,
        Verdict,
        accepted_words,
        first_sentence,
        judge,
    )
    from workbench.report.criteria import criteria_digest, criteria_text, criterion_words, held
    from workbench.report.dossier import Dossier, compiled, rulings_here
    from workbench.report.gate_forms import gate_json, gate_junit, gate_lines, gate_markdown
    from workbench.report.gate_pairing import Eligible, GateSide, eligible
    from workbench.report.gate_result import Gate, gate, no_gate
    from workbench.report.gate_rules import GateRules, read_rules
    from workbench.report.handover import report_of
    from workbench.report.maps_kept import card_version, ratings_folder
    from workbench.report.maps_sampled import MapStudy, map_results, map_study, maps_again
    from workbench.report.matter import ALWAYS_IN, MOST_DECISIONS, SECTIONS, Choices, journal_here
    from workbench.report.rechecking import Recheck, Stated, of_another, read_report, recheck, unreadable
    from workbench.report.recorded import (
        NO_DRIFT,
        AnswersBefore,
        Provenance,
        answers_before,
        overruled_results,
        provenance_results,
        record_beside,
    )
    from workbench.report.report_study import GivenStudy, given_study, study_here
    from workbench.report.studies_kept import record_words, search_facts, study_paths
    from workbench.report.subject import Report, Subject

__getattr__ = handed_on(
    __name__,
    {
        "cards": "CROISSANT metadata_of VERIFIER verifier",
        "report_study": "given_study GivenStudy study_here",
        "handover": "report_of",
        "matter": "ALWAYS_IN Choices journal_here MOST_DECISIONS SECTIONS",
        "rechecking": "of_another read_report recheck Recheck Stated unreadable",
        "gate_result": "Gate gate no_gate",
        "gate_forms": "gate_json gate_junit gate_lines gate_markdown",
        "gate_pairing": "Eligible GateSide eligible",
        "gate_rules": "GateRules read_rules",
        "accepting": (
            "acceptance_draft accepted CRITERIA_SUBJECT criteria_draft criteria_set CriteriaSet finding_digest"
            " withdrawal_draft"
        ),
        "checks": "Acceptance accepted_words CHECKS Check first_sentence judge Standing Status Tone Verdict",
        "criteria": "criteria_digest criteria_text criterion_words held",
        "dossier": "compiled Dossier rulings_here",
        "check_parts": "CHECK_PARTS model_folder model_title",
        "maps_kept": "card_version ratings_folder",
        "maps_sampled": "map_results map_study maps_again MapStudy",
        "recorded": (
            "answers_before AnswersBefore NO_DRIFT overruled_results Provenance provenance_results record_beside"
        ),
        "studies_kept": "record_words search_facts study_paths",
        "subject": "Report Subject",
    },
)
