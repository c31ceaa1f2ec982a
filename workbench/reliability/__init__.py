"""Will it hold: what was memorised, what the probabilities mean, what disturbs the model, and what changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.reliability.fit import Fit, fit_of
    from workbench.reliability.fit_words import FIT_CHECKS, fit_results, fit_tables, fit_verdict
    from workbench.reliability.head_curve import HeadStudy, head_study
    from workbench.reliability.training_record import RECORD, TrainingRecord, read_record, record_text

__getattr__ = handed_on(
    __name__,
    {
        "fit": "Fit fit_of",
        "fit_words": "FIT_CHECKS fit_results fit_tables fit_verdict",
        "head_curve": "HeadStudy head_study",
        "training_record": "RECORD TrainingRecord read_record record_text",
    },
)
