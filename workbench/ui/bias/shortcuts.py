"""What is known of where a model looks: the maps of a sample and the search for shortcuts in them, kept once made."""

from __future__ import annotations

import dataclasses

from workbench.attribution import METHODS
from workbench.bias import Conclusion, Finding, Maps, maps_of, of_shortcuts, shortcuts
from workbench.ui import audits, choice, runs, session
from workbench.ui.bias import remembered
from workbench.ui.bias.scope import Scope
from workbench.ui.cache import Slot, slot
from workbench.ui.progress import Stoppable

SAMPLE_METHODS = ("grad_cam", "integrated_gradients", "input_x_gradient", "saliency", "occlusion", "layer_cam")
"""Methods for a whole sample: the cheapest that suits most models first."""


@dataclasses.dataclass(frozen=True, eq=False)
class Search:
    """A search for shortcuts that was made.

    Attributes:
        maps: Those that it was made in: of the images that the page is about.
        findings: What it found, the gravest first.
    """

    maps: Maps
    findings: list[Finding]

    @property
    def accused(self) -> list[Finding]:
        """The places that are shown to decide."""
        return [finding for finding in self.findings if finding.accused]


def kept(scope: Scope) -> Search | None:
    """The search that was made for these images, by any method, one that accuses first; None where there is none.

    Nothing is computed: every page may ask.
    """
    searches = [search for method in SAMPLE_METHODS if (search := known(scope, method)) is not None]
    return next((search for search in searches if search.accused), searches[0] if searches else None)


def concluded(scope: Scope) -> list[Conclusion]:
    """What is known of shortcuts, from this server's searches or from earlier ones. Nothing long is computed."""
    there = [maps for method in SAMPLE_METHODS if (maps := maps_known(scope, method)) is not None]
    searches = [lines for maps in there if (lines := _lines(scope, maps)) is not None]
    accused = [lines for lines in searches if any(line.verdict == "proven" for line in lines)]
    return next(iter([*accused, *searches]), None) or of_shortcuts(None, 0)


def _lines(scope: Scope, maps: Maps) -> list[Conclusion] | None:
    """What the search in these maps came to, whether this server made it or an earlier one; None without any."""
    place = _place(scope, maps)
    findings: list[Finding] | None = place.get()
    return remembered.read(scope, place.key) if findings is None else of_shortcuts(findings, len(maps.frame))


def known(scope: Scope, method: str) -> Search | None:
    """The search that was made in the maps of one method; None where there is none."""
    maps = maps_known(scope, method)
    findings = None if maps is None else _place(scope, maps).get()
    return None if maps is None or findings is None else Search(maps, findings)


def maps_known(scope: Scope, method: str) -> Maps | None:
    """The maps of those images of a sample that the page is about; None where they were not made, or are of others."""
    summaries = audits.summaries(scope, scope.predictions, method)
    maps = None if summaries is None else _among(scope, maps_of(summaries, scope.predictions))
    return maps if maps is not None and len(maps.frame) else None


def search(scope: Scope, method: str) -> Search | None:
    """The maps, and the search in them, made with one progress where missing; None where the user stopped it, and where
    no map is of these images."""
    progress = Stoppable(f"Step 1 of 2, {METHODS[method].title}", f"search {method} {session.token(scope.images)[:12]}")
    if progress.stopped:
        return None
    summaries = runs.summaries(scope, scope.predictions, method, progress)
    maps = None if summaries is None else _among(scope, maps_of(summaries, scope.predictions))
    if maps is None or not len(maps.frame):
        progress.done()
        return None
    place = _place(scope, maps)
    findings: list[Finding] | None = place.get()
    if findings is None:
        progress.step("Step 2 of 2, covering places that stand out")
        findings = shortcuts(choice.classifier(scope.model), scope.images, maps, on_progress=progress)
        place.put(findings, 2048 * (len(findings) + sum(len(f.tried.frame) for f in findings if f.tried)))
        remembered.write(scope, place.key, of_shortcuts(findings, len(maps.frame)))
    progress.done()
    return Search(maps, findings)


def _place(scope: Scope, maps: Maps) -> Slot:
    facts = maps.method, maps.frame["id"].tolist(), maps.heatmaps, maps.units
    return slot("shortcuts", **scope.model.identity, images=scope.images.key, maps=facts)


def _among(scope: Scope, sample: Maps) -> Maps:
    """Those of the images that the page is about."""
    rows = sample.frame["name"].isin(set(scope.predictions.frame["name"][scope.rows])).to_numpy(bool)
    return sample.where(rows)
