"""Run a model over a whole image set, once, and read what it said."""

from workbench.audit.engine import ENGINES, Progress, look, run
from workbench.audit.store import Audit, Summaries, open_audit, open_summaries
from workbench.audit.summary import GRID, REGIONS, Summary, summarise

__all__ = [
    "ENGINES",
    "GRID",
    "REGIONS",
    "Audit",
    "Progress",
    "Summaries",
    "Summary",
    "look",
    "open_audit",
    "open_summaries",
    "run",
    "summarise",
]
