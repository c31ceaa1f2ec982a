"""Run a model over a whole image set, once, and read what it said."""

from workbench.audit.engine import ENGINES, BusyError, Progress, look, run, waited
from workbench.audit.known import Outputs, known_outputs
from workbench.audit.store import Audit, Summaries, open_audit, open_summaries
from workbench.audit.summary import GRID, REGIONS, Summary, summarise

__all__ = [
    "ENGINES",
    "GRID",
    "REGIONS",
    "Audit",
    "BusyError",
    "Outputs",
    "Progress",
    "Summaries",
    "Summary",
    "known_outputs",
    "look",
    "open_audit",
    "open_summaries",
    "run",
    "summarise",
    "waited",
]
