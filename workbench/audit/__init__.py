"""Run a model over a whole image set, once, and read what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench import handed_on

if TYPE_CHECKING:
    from workbench.audit.chunk import Reading, compute
    from workbench.audit.known import Outputs, known_outputs
    from workbench.audit.maps import basis
    from workbench.audit.outputs import PREDICTIONS, Index, files, names_of, own_files
    from workbench.audit.parts import Parts, matrix
    from workbench.audit.reader import ATTRIBUTIONS, NO_EMBEDDING, Audit, Summaries, open_audit, open_summaries
    from workbench.audit.runner import OWNER, BusyError, Progress, look, run, wait_until_free
    from workbench.audit.summary import GRID, small_map

__getattr__ = handed_on(
    __name__,
    {
        "chunk": "Reading compute",
        "known": "Outputs known_outputs",
        "maps": "basis",
        "outputs": "Index PREDICTIONS files names_of own_files",
        "parts": "Parts matrix",
        "reader": "ATTRIBUTIONS Audit NO_EMBEDDING Summaries open_audit open_summaries",
        "runner": "BusyError OWNER Progress look run wait_until_free",
        "summary": "GRID small_map",
    },
)
