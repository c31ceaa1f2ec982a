"""Whether a map can be believed: one verb, `assess`, gives named figures, each beside what chance gives, with a verdict
and a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.evidence.card import CHECKS, Check, assess, examine
    from workbench.evidence.finding import Evidence, Finding, Verdict
    from workbench.evidence.location import agreement

__getattr__ = handed_on(
    __name__, {"card": "CHECKS Check assess examine", "finding": "Evidence Finding Verdict", "location": "agreement"}
)
