"""Cues that are no place: properties of the whole image, proposed where they differ and tried at the strengths of the
set.

Facts of a file (its name, day, camera) are none: they leave the pixels alone, which are all that a model sees.

**Why the decoys are fair.** A cue is accused for what it turns beyond its decoy, so the decoy must change as much and
mean nothing. Here it adds the cue's own change to the image in another form, with the same root mean square: turned
into its opposite (a brightened image is darkened, a blurred one sharpened), displaced (the same detail in the wrong
place), laid on as smooth uneven light, as another hue or as a coarser grain. Energy, and with "opposite" and
"displaced" the spectrum too, are those of the cue; only the property is another. A model that is merely fragile is
turned by either, one that goes by the property by the cue alone. Forms that would carry the property itself are left
out for each: noise with its sign changed is noise, brightness displaced is as bright.
"""

from __future__ import annotations

import dataclasses
import math
import weakref
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from workbench.cues.cue import Cue
from workbench.cues.cue_sample import Study
from workbench.cues.tone_levels import Tone, cast_along, cast_of, colour_noise, jpeg, noisy, tones
from workbench.errors import InputError
from workbench.images import Pixels, alike
from workbench.stats import SIGNIFICANT, apart_by_units, midranks

MOST_TONES = 3
"""Properties that are tried for a class at most: those that tell its images from others best."""
LEAST_MEASURED = 10
"""Explored images of a class, and of the others, in which a property must be measured."""
COARSE_GRAIN = 2.5
"""Standard deviation, in pixels, of the blobs of a coarser grain."""
UNEVEN = 1 / 5
"""The same for uneven light, as a share of the longer side."""
CODED = 8
"""Of how many images, the clearest, the quality of JPEG is told."""
GHOSTS, GHOST_EDGE, UNCHANGED = (5, 90), 256, 0.1
"""The qualities that are tried, on how many pixels a side, and the levels by which what was compressed so changes."""
Residual = NDArray[np.float32]
"""(H, W, C) what a change adds to an image."""


def _opposite(residual: Residual, rng: np.random.Generator) -> Residual:
    return -residual


def _displaced(residual: Residual, rng: np.random.Generator) -> Residual:
    shift = [int(rng.integers(n // 4, max(n - n // 4, n // 4 + 1))) | 1 for n in residual.shape[:2]]
    return np.asarray(rng.choice([-1, 1]) * np.roll(residual, shift, axis=(0, 1)))


def _smooth(residual: Residual, rng: np.random.Generator, width: float) -> Residual:
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(rng.standard_normal(residual.shape[:2], np.float32), width, mode="wrap")
    field -= field.mean()
    return np.repeat(field[..., None], residual.shape[2], 2)


def _uneven(residual: Residual, rng: np.random.Generator) -> Residual:
    return _smooth(residual, rng, UNEVEN * max(residual.shape[:2]))


def _coarser(residual: Residual, rng: np.random.Generator) -> Residual:
    return _smooth(residual, rng, COARSE_GRAIN)


def _hue(residual: Residual, rng: np.random.Generator) -> Residual:
    """As much light, dealt to the channels anew so that none is won over all; uneven light where there is one alone."""
    channels = residual.shape[2]
    if channels < 3:
        return _uneven(residual, rng)
    size = np.sqrt((residual**2).mean(2, keepdims=True))
    drawn = np.asarray(rng.standard_normal(channels))
    drawn -= drawn.mean()
    turned = drawn - _along(drawn, np.asarray(residual.mean((0, 1))))
    return np.asarray(size * turned, np.float32)


def _along(values: NDArray[np.float64], other: NDArray[np.floating]) -> NDArray[np.float64]:
    """The part of a hue that is another's, of which nothing is to be left."""
    other = other - other.mean()
    square = float(other @ other)
    return np.asarray(other * (values @ other) / square) if square > 1e-9 else np.zeros(len(values))


DECOYS: Mapping[str, Callable[[Residual, np.random.Generator], Residual]] = {
    "opposite": _opposite,
    "displaced": _displaced,
    "uneven light": _uneven,
    "coarser grain": _coarser,
    "other hue": _hue,
}
"""Forms in which a change is laid on without its property."""


@dataclasses.dataclass(frozen=True, eq=False)
class Levels:
    """Brings an image from the level of the others to that of a class, or back.

    Attributes:
        tone: The property.
        own: The upper quartile of the class, on the side away from the others: what is put.
        others: The median of the others: to what it is taken away.
        border: Halfway between the medians. An image beyond it has the cue, the others have not.
    """

    tone: Tone
    own: float
    others: float
    border: float
    _last: list[tuple[Pixels, float, Pixels | None]] = dataclasses.field(default_factory=list)

    def put(self, host: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """An image on the side of the others brought to the level of the class."""
        return self._to(host, self.own, rng, decoy)

    def take(self, carrier: Pixels, rng: np.random.Generator, *, decoy: bool) -> Pixels | None:
        """An image on the side of the class brought to the level of the others."""
        return self._to(carrier, self.others, rng, decoy)

    def carries(self, image: Pixels) -> bool:
        """Whether its level lies on the side of the class."""
        present = self.tone.level(image, np.ones(image.shape[:2], bool))
        return present > self.border if self.own > self.border else present < self.border

    def _to(self, image: Pixels, level: float, rng: np.random.Generator, decoy: bool) -> Pixels | None:
        present = self.tone.level(image, np.ones(image.shape[:2], bool))
        way = self.tone.up if level > present else self.tone.down
        if not way or not (present < self.border < level or level < self.border < present):
            return None
        edited = self._moved(image, level, rng, again=self.tone.drawn and level > present)
        if edited is None:
            return None
        return self._decoy(image, edited, rng) if decoy else edited

    def _moved(self, image: Pixels, level: float, rng: np.random.Generator, *, again: bool) -> Pixels | None:
        """The image at a level: made once for all its edits, but `again` where something is drawn."""
        if not again and self._last and self._last[0][0] is image and self._last[0][1] == level:
            return self._last[0][2]
        moved = self.tone.move(image, level, rng)
        edited = None if moved is None else alike(moved, image)
        self._last[:] = [(image, level, edited)]
        return edited

    def _decoy(self, image: Pixels, edited: Pixels, rng: np.random.Generator) -> Pixels:
        own = image.astype(np.float32)
        residual = edited - own
        other = DECOYS[str(rng.choice(self.tone.decoys))](residual, rng)
        scale = math.sqrt(float((residual**2).mean()) / max(float((other**2).mean()), 1e-12))
        return alike(own + np.float32(scale) * other, image)


_MEASURED: weakref.WeakKeyDictionary[Study, Measured] = weakref.WeakKeyDictionary()


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """What the explored images of a study show.

    Attributes:
        places: (M,) their positions in the study.
        levels: For each property (M,); NaN where it could not be measured.
        casts: (M, 2) as `cast_of`.
        colours: (M,) as `colour_noise`.
    """

    places: NDArray[np.intp]
    levels: Mapping[str, NDArray[np.float64]]
    casts: NDArray[np.float64]
    colours: NDArray[np.float64]


def measured(study: Study) -> Measured:
    """The properties of the explored images, where no mask shows a defect; measured once a study."""
    if study in _MEASURED:
        return _MEASURED[study]
    table, places = tones(), np.flatnonzero(study.explore)
    levels = {name: np.full(len(places), np.nan) for name in table}
    casts, colours = np.full((len(places), 2), np.nan), np.full(len(places), np.nan)
    for row, place in enumerate(places):
        try:
            image, mask = study.decoded(study.items[place])
        except InputError:
            continue
        kept = outside(image, mask)
        if not kept.any():
            continue
        for name, tone in table.items():
            levels[name][row] = tone.level(image, kept)
        casts[row], colours[row] = cast_of(image, kept), colour_noise(image, kept)
    _MEASURED[study] = Measured(places, levels, casts, colours)
    return _MEASURED[study]


def outside(image: Pixels, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """(H, W) where no mask shows a defect, a little away from it."""
    from scipy.ndimage import binary_dilation

    if mask is None or not mask.any():
        return np.ones(image.shape[:2], bool)
    return np.asarray(~binary_dilation(mask, iterations=max(max(mask.shape) // 32, 1)))


def properties(study: Study, target: str) -> Iterator[Cue]:
    """Properties by which the explored images called `target` stand apart, at most `MOST_TONES`, the clearest first.

    Not corrected for their number: what is proposed is only tried, and the proof is corrected for all that was.
    """
    known = measured(study)
    own = study.called[known.places] == study.classifier.index(target)
    table = dict(tones())
    levels = dict(known.levels)
    coloured = np.isfinite(known.casts).all(1)
    apart = np.zeros(2)
    if (own & coloured).any() and (~own & coloured).any():
        apart = np.median(known.casts[own & coloured], 0) - np.median(known.casts[~own & coloured], 0)
    if np.linalg.norm(apart) > 1e-9:
        direction = apart / np.linalg.norm(apart)
        table["cast"], levels["cast"] = cast_along(direction), known.casts @ direction
    table["noise"] = dataclasses.replace(table["noise"], move=noisy(float(np.nanmedian(known.colours[own]))))
    units = study.units[known.places]
    told = {name: _told(values, own, units) for name, values in levels.items()}
    kept = [name for name, (_, chance) in told.items() if chance <= SIGNIFICANT]
    for name in sorted(kept, key=lambda name: told[name][0], reverse=True)[:MOST_TONES]:
        tone = _coded(study, known, table[name]) if name == "compression" else table[name]
        yield _cue(study, target, known, own, tone, levels[name])


def _told(values: NDArray[np.float64], own: NDArray[np.bool_], units: NDArray[np.intp]) -> tuple[float, float]:
    """How far apart a property lies, the distance of the medians over the median distances from them, and the chance
    of ranks so different, by unit."""
    fine = np.isfinite(values)
    values, own, units = values[fine], own[fine], units[fine]
    if min(own.sum(), (~own).sum()) < LEAST_MEASURED or np.ptp(values) < 1e-9:
        return 0.0, 1.0
    medians = np.median(values[own]), np.median(values[~own])
    spread = np.median(np.abs(values - np.where(own, *medians)))
    return float(abs(medians[0] - medians[1]) / max(spread, 1e-9)), apart_by_units(midranks(values), own, units)


def _coded(study: Study, known: Measured, tone: Tone) -> Tone:
    """Compression at the quality of the images that show it most, where that can be told of most of them: another one
    leaves other colours."""
    order = np.argsort(-np.nan_to_num(known.levels["compression"], nan=-np.inf), kind="stable")[:CODED]
    told = [quality_of(study.decoded(study.items[i])[0]) for i in known.places[order]]
    sure = [quality for quality in told if quality is not None]
    if 2 * len(sure) <= len(told):
        return tone
    quality = int(np.median(sure))
    return dataclasses.replace(tone, move=lambda image, level, rng: _compressed(image, quality))


def _compressed(image: Pixels, quality: int) -> NDArray[np.float32] | None:
    return jpeg(image, quality).astype(np.float32) if image.dtype == np.uint8 and image.shape[2] == 3 else None


def quality_of(image: Pixels) -> int | None:
    """The lowest quality of JPEG that leaves an image (H, W, 3) of bytes as it is, for it was compressed so before
    (Farid 2009, "Exposing digital forgeries from JPEG ghosts"); None where each changes it."""
    if image.dtype != np.uint8 or image.shape[2] != 3:
        return None
    own = image[:GHOST_EDGE, :GHOST_EDGE]
    for quality in range(*GHOSTS):
        if np.abs(jpeg(own, quality).astype(np.float32) - own).mean() < UNCHANGED:
            return quality
    return None


def _cue(
    study: Study,
    target: str,
    known: Measured,
    own: NDArray[np.bool_],
    tone: Tone,
    values: NDArray[np.float64],
) -> Cue:
    mine, rest = values[own], values[~own]
    median, others = float(np.nanmedian(mine)), float(np.nanmedian(rest))
    more = median > others
    level = float(np.nanquantile(mine, 0.75 if more else 0.25))
    order = np.argsort(np.where(np.isfinite(mine), -mine if more else mine, np.inf), kind="stable")
    return Cue(
        "property",
        tone.more if more else tone.less,
        target,
        Levels(tone, level, others, (median + others) / 2),
        tuple(study.items[i].name for i in known.places[own][order]),
        level=(tone.shown(median), tone.shown(others)),
        unit=tone.unit,
        spares=tone.spares,
        adds=None if tone.adds is None else tone.adds == more,
    )
