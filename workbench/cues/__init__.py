"""What does a model really go by? Cues that nobody named, proposed on one half of a sample and proven on the other."""

from __future__ import annotations

from workbench.cues.concept_cues import HANGS
from workbench.cues.cue import CUE_KINDS, Cue, Exchange, Kind
from workbench.cues.cue_cost import Cost, costs_of
from workbench.cues.cue_errors import SEARCH_ERRORS, SearchErrors, error_words, errors_results, search_errors
from workbench.cues.cue_findings import ENOUGH_POWER, Finding, Search, Unsearched, Verdict, judged
from workbench.cues.cue_results import carriers_of, costs_table, cue_results, trials_table, tried_table
from workbench.cues.cue_sample import LEAST_CALLED, Study, study_of
from workbench.cues.cue_search import PROPOSERS, proposed_again, search
from workbench.cues.cue_words import (
    CUE_VERDICTS,
    advice_of,
    claim_of,
    class_verdict,
    conclusions_of,
    power_words,
    unsearched_words,
)
from workbench.cues.defect_followed import Followed, followed
from workbench.cues.proof_power import MATTERS
from workbench.cues.refit import REFIT_HEADS, Refit, refitted
from workbench.cues.refit_words import HEAD_TITLES, refit_result, refit_table, refit_words
from workbench.cues.transplant import Transplant, Turned, transplant
from workbench.cues.transplant_store import RECORDED, Past, recorded
