"""Would the model do without a proven cue? Its last layer fitted anew, on request, beside the model as it is."""

from __future__ import annotations

import numpy as np
import streamlit as st

from workbench.bias import interval
from workbench.cues import (
    HEAD_TITLES,
    REFIT_HEADS,
    Cue,
    Finding,
    Past,
    Refit,
    proposed_again,
    refit_table,
    refit_words,
    refitted,
    study_of,
)
from workbench.ui import choice, draw, kept
from workbench.ui.bias import tables
from workbench.ui.bias.scope import Scope
from workbench.ui.cache import Slot, slot
from workbench.ui.progress import Stoppable, guarded, offer
from workbench.ui.text import plain

LONGEST_WORDS = 1200


@guarded
def section(scope: Scope, finding: Finding) -> None:
    """What a last layer fitted anew does, or the button that fits it."""
    place = _place(scope, finding.cue)
    refit: Refit | None = kept.recall(place, Refit, Cue, Past)
    st.markdown("**Would its last layer do without the cue?**")
    if refit is None:
        st.caption(
            "Fits the last layer anew on images of the set, labels with the cue and without it counting alike, and asks"
            " it about images that it did not learn from. The model stays as it is."
        )
        offer("Fit the last layer anew", f"refit {place.key[:16]}", lambda: _made(scope, finding.cue, place))
        return
    st.markdown(plain(refit_words(refit), LONGEST_WORDS))
    _figures(refit)
    tables.csv("Last layer by group (CSV)", refit_table(refit), f"bias-refit-{scope.stem}")


def _figures(refit: Refit) -> None:
    import pandas as pd

    rows = [
        {
            "decided by": HEAD_TITLES[head],
            "right where the cue misleads": interval(refit.right(head, misled=True)),
            "right about all": interval(refit.right(head)),
            "the cue put on turns": interval(refit.turned(head)) if f"put {head}" in refit.frame else "",
        }
        for head in REFIT_HEADS
    ]
    tables.wide(pd.DataFrame(rows), "The model and two last layers fitted anew")
    misled = draw.support(refit.right("before", misled=True), "of them are misled by the cue")
    st.caption(f"{draw.support(refit.right('before'))} were judged, {misled}; {refit.learned:,} were learned from.")


def _made(scope: Scope, cue: Cue, place: Slot) -> Refit | None:
    """The last layer fitted anew, with progress; None where the user stopped it."""
    progress = Stoppable("Fitting the last layer anew", f"refit {place.key[:16]}")
    if progress.stopped:
        return None
    items = [scope.at(int(row)) for row in np.flatnonzero(scope.rows)]
    study = study_of(choice.classifier(scope.model), items, scope.predictions, units=scope.units)
    progress.step("Proposing the cue again")
    again = proposed_again(study, cue)
    progress.step("Fitting the last layer anew")
    result = refitted(study, again, scope.images.items, units=scope.units, on_progress=progress).record
    kept.keep(place, result, 64 * 1024 + 512 * len(result.frame))
    progress.done()
    return result


def _place(scope: Scope, cue: Cue) -> Slot:
    names = scope.predictions.frame["name"].to_numpy()[scope.rows].tolist()
    units = scope.units and np.array([scope.units.get(name, -1) for name in names])
    facts = {"images": scope.images.key, "items": names, "units": units, "cue": (cue.kind, cue.name, cue.target)}
    return slot("refit", **scope.model.identity, **facts)
