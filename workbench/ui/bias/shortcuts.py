"""What is known of what a model goes by: the search for shortcuts among the images of the page, kept once made."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from workbench.bias import Conclusion
from workbench.cues import RECORDED, Search, conclusions_of, recorded, study_of
from workbench.cues import search as search_for_cues
from workbench.files import cache_folder
from workbench.report import search_facts
from workbench.ui import choice, kept, session
from workbench.ui.bias.scope import Scope
from workbench.ui.cache import Slot, slot
from workbench.ui.progress import Stoppable

TRIALS, MOST_TRIALS = "trials", 20
"""Where the trials of searches that are not finished lie, and of how many searches, the newest ones."""


def known(scope: Scope) -> Search | None:
    """The search that was made for these images; None where there is none.

    Nothing is computed: every page may ask.
    """
    found: Search | None = kept.recall(_place(scope), *RECORDED)
    return found


def concluded(scope: Scope) -> list[Conclusion]:
    """What is known of shortcuts, from this server's search or an earlier one. Nothing is computed."""
    return conclusions_of(known(scope))


def search(scope: Scope) -> Search | None:
    """The search, made with progress where missing; None where the user stopped it, and what was tried by then is kept.

    Raises:
        InputError: No image can be read.
    """
    if (found := known(scope)) is not None:
        return found
    place = _place(scope)
    progress = Stoppable("Looking for shortcuts", f"search {place.key[:16]}")
    if progress.stopped:
        return None
    step = ""

    def report(now: str, done: int, total: int) -> None:
        nonlocal step
        if now != step:
            step = now
            progress.step(now)
        progress(done, total)

    items = [scope.at(int(row)) for row in np.flatnonzero(scope.rows)]
    sample = study_of(choice.classifier(scope.model), items, scope.predictions, units=scope.units)
    folder = _trials(place) if kept.lasting() else None
    result = recorded(search_for_cues(sample, report, folder))
    kept.keep(place, result, _size(result))
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    progress.done()
    return result


def name_of_search(scope: Scope) -> str:
    """What the request for this search is known by: another model or set that is chosen later is not asked for."""
    return f"{scope.model.key[:16]} {session.token(scope.images)[:12]} {_place(scope).key[:16]}"


def _place(scope: Scope) -> Slot:
    def make() -> Slot:
        names = scope.predictions.frame["name"].to_numpy()[scope.rows].tolist()
        return slot("shortcuts", **scope.model.identity, **search_facts(scope.images.key, names, scope.units))

    return scope.kept("place of the search", make)


def _trials(place: Slot) -> Path:
    """The folder of the trials of this search; those of the oldest others go."""
    folder = cache_folder() / TRIALS / place.key
    folder.mkdir(parents=True, exist_ok=True)
    others = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in others[MOST_TRIALS:]:
        shutil.rmtree(old, ignore_errors=True)
    return folder


def _size(result: Search) -> int:
    """Bytes that a search takes, about."""
    images = 0
    for finding in result.findings:
        shown = (finding.transplant.before, finding.transplant.after, finding.cue.crop)
        images += sum(pixels.nbytes for pixels in shown if pixels is not None)
    return images + 32 * 1024 * (1 + len(result.findings))
