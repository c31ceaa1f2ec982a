"""What does a model really go by? Cues that nobody named, proposed on one half of a sample and proven on the other."""

from __future__ import annotations

from workbench.cues.cue import KINDS, Cue, Exchange, Kind
from workbench.cues.cue_findings import Finding, Search, Unsearched, Verdict
from workbench.cues.cue_sample import Study, study_of
from workbench.cues.cue_search import search
from workbench.cues.defect_followed import Followed, followed
from workbench.cues.transplant import Transplant, Turned, transplant
from workbench.cues.transplant_store import RECORDED, recorded
