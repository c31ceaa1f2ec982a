"""Whether a map can be believed: one verb, `assess`, gives named figures, each beside what chance gives, with a verdict and a reason."""

from workbench.evidence.card import CHECKS, Check, assess, examine
from workbench.evidence.figures import agreement
from workbench.evidence.result import Evidence, Finding, Verdict

__all__ = ["CHECKS", "Check", "Evidence", "Finding", "Verdict", "agreement", "assess", "examine"]
