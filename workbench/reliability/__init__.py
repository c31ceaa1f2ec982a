"""Will it hold: what was memorised, what the probabilities mean, what disturbs the model, and what changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.reliability.calibrate import Calibration, calibration_of
    from workbench.reliability.calibration_words import (
        calibration_results,
        calibration_tables,
        diagram_table,
        temperature_table,
    )
    from workbench.reliability.corrupted_answers import CORRUPTED_EDGE, kept_folder
    from workbench.reliability.corrupted_evidence import Traced, traced
    from workbench.reliability.corruption import Corrupted, corrupted
    from workbench.reliability.corruption_figures import (
        ALL_BY,
        MEASURES,
        Measure,
        cells,
        holding,
        measures_of,
        ranking,
        turned,
    )
    from workbench.reliability.corruption_limits import limit_results
    from workbench.reliability.corruption_words import (
        caveats,
        corruption_results,
        corruption_tables,
        ranking_sentence,
    )
    from workbench.reliability.drift_compared import MOST_COMPARED, Drift, drift
    from workbench.reliability.drift_foreign import Foreign
    from workbench.reliability.drift_made import looked_at, map_method, side_of
    from workbench.reliability.drift_sides import DriftMaps, DriftSide
    from workbench.reliability.drift_words import drift_results, drift_tables
    from workbench.reliability.estimate import Estimates
    from workbench.reliability.fit import Fit, fit_of
    from workbench.reliability.fit_words import FIT_CHECKS, NO_HEADS, fit_results, fit_tables, fit_verdict
    from workbench.reliability.head_curve import HeadStudy, head_study
    from workbench.reliability.label_next import NextToLabel, next_result, next_to_label
    from workbench.reliability.overrules import OverruleChart, overrule_chart, overrule_results
    from workbench.reliability.temperature import Temperature, fitted
    from workbench.reliability.training_record import DIGITS, RECORD, TrainingRecord, read_record, record_text

__getattr__ = handed_on(
    __name__,
    {
        "calibrate": "Calibration calibration_of",
        "calibration_words": "calibration_results calibration_tables diagram_table temperature_table",
        "fit": "Fit fit_of",
        "fit_words": "FIT_CHECKS NO_HEADS fit_results fit_tables fit_verdict",
        "head_curve": "HeadStudy head_study",
        "label_next": "NextToLabel next_result next_to_label",
        "training_record": "DIGITS RECORD TrainingRecord read_record record_text",
        "corrupted_answers": "CORRUPTED_EDGE kept_folder",
        "corrupted_evidence": "Traced traced",
        "corruption": "Corrupted corrupted",
        "corruption_figures": "ALL_BY cells holding Measure MEASURES measures_of ranking turned",
        "corruption_limits": "limit_results",
        "corruption_words": "caveats corruption_results corruption_tables ranking_sentence",
        "drift_compared": "MOST_COMPARED Drift drift",
        "drift_foreign": "Foreign",
        "drift_made": "looked_at map_method side_of",
        "drift_sides": "DriftMaps DriftSide",
        "drift_words": "drift_results drift_tables",
        "estimate": "Estimates",
        "overrules": "OverruleChart overrule_chart overrule_results",
        "temperature": "Temperature fitted",
    },
)
