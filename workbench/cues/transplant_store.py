"""Trials on disk: what a search that was stopped goes on from, and what is left of one that is finished."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.cues.cue import Cue
from workbench.cues.cue_findings import Finding, Search, Unsearched
from workbench.cues.cue_sample import Study
from workbench.cues.defect_followed import Followed
from workbench.cues.transplant import Transplant, Turned, transplant
from workbench.files import key, read_value, write_value
from workbench.images import Pixels, shrunk
from workbench.stats import Rate

if TYPE_CHECKING:
    import numpy as np

SHOWN_EDGE = 512
"""Pixels of the longer side of the images that are kept to look at."""


@dataclasses.dataclass(frozen=True)
class Past:
    """The exchange of a cue of which only the record is left: no image can be edited by it any more."""

    def put(self, host: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """None."""

    def take(self, carrier: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """None."""

    def carries(self, image: Pixels) -> bool:
        """False, for it cannot be told any more."""
        return False


def transplanted(
    study: Study, cue: Cue, folder: Path | None, on_progress: Callable[[int, int], None] | None = None
) -> Transplant:
    """`transplant`, from a folder where it was made before; kept there where not."""
    if folder is None:
        return transplant(study, cue, on_progress)
    path = folder / f"{_key(study, cue)}.json"
    past: Transplant | None = read_value(path, Transplant, Turned, Rate, Cue, Past)
    if past is not None:
        return dataclasses.replace(past, cue=cue)
    result = transplant(study, cue, on_progress)
    write_value(path, _record(result))
    return result


def recorded(search: Search) -> Search:
    """A finished search as it can be written by `workbench.files.write_value`: without the means to edit images, and
    with before and after of accused cues alone."""
    findings = []
    for finding in search.findings:
        past = _record(finding.transplant)
        if not finding.accused:
            past = dataclasses.replace(past, before=None, after=None)
        findings.append(dataclasses.replace(finding, transplant=past))
    return dataclasses.replace(search, findings=tuple(findings))


RECORDED: tuple[type, ...] = (Search, Finding, Unsearched, Transplant, Turned, Rate, Cue, Past, Followed)
"""What `recorded` consists of, as `workbench.files.read_value` asks."""


def _record(result: Transplant) -> Transplant:
    before, after, crop = (_small(pixels) for pixels in (result.before, result.after, result.cue.crop))
    cue = dataclasses.replace(result.cue, exchange=Past(), crop=crop, inside=None)
    return dataclasses.replace(result, cue=cue, before=before, after=after)


def _small(pixels: Pixels | None) -> Pixels | None:
    return None if pixels is None else shrunk(pixels, SHOWN_EDGE)


def _key(study: Study, cue: Cue) -> str:
    """What a trial depends on. The exchange of a cue is made of its name and of what was explored alone."""
    images = [(item.id, item.mask_id, item.name) for item in study.items]
    return key(
        "transplant",
        model=study.classifier.key,
        rule=study.classifier.rule,
        images=(images, study.called, study.probabilities),
        explored=study.explore,
        units=study.units,
        seed=study.seed,
        cue=(cue.kind, cue.name, cue.target, cue.carriers, cue.crop, cue.box, cue.level, cue.spares),
    )
