"""The maps of a sample of the images that the page is about: found where they were made, or made."""

from __future__ import annotations

from workbench.attribution import METHODS
from workbench.bias import Maps, maps_of
from workbench.ui import audits, runs, session
from workbench.ui.bias.scope import Scope
from workbench.ui.progress import Stoppable

SAMPLE_METHODS = ("grad_cam", "integrated_gradients", "input_x_gradient", "saliency", "occlusion", "layer_cam")
"""Methods for a whole sample: the cheapest that suits most models first."""


def known_of_any(scope: Scope) -> Maps | None:
    """The maps of the first method of which any were made; None where none were."""
    return next((maps for method in SAMPLE_METHODS if (maps := known(scope, method)) is not None), None)


def known(scope: Scope, method: str) -> Maps | None:
    """The maps of those images of a sample that the page is about; None where they were not made, or are of others."""
    summaries = audits.summaries(scope, scope.predictions, method)
    maps = None if summaries is None else _among(scope, maps_of(summaries, scope.predictions))
    return maps if maps is not None and len(maps.frame) else None


def made(scope: Scope, method: str) -> Maps | None:
    """The maps of a sample, made with progress where missing; None where the user stopped it."""
    progress = Stoppable(METHODS[method].title, f"maps of a sample {session.token(scope.images)[:12]} {method}")
    if progress.stopped:
        return None
    summaries = runs.summaries(scope, scope.predictions, method, progress)
    if summaries is None:
        return None
    progress.done()
    return maps_of(summaries, scope.predictions)


def _among(scope: Scope, sample: Maps) -> Maps:
    """Those of the images that the page is about."""
    rows = sample.frame["name"].isin(set(scope.predictions.frame["name"][scope.rows])).to_numpy(bool)
    return sample.where(rows)
